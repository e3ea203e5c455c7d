"""TOML as text: manifests that are made, not written by hand."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

_BARE = re.compile(r"[A-Za-z0-9_-]+")


def to_toml(table: Mapping[str, Any]) -> str:
    """A table of texts, numbers, truth values, lists and tables as a TOML document.

    >>> print(to_toml({"fits": {"*": {"steps": 40}}, "grid": [{"qp": [1, 2]}], "schema": 1}))
    schema = 1
    <BLANKLINE>
    [fits."*"]
    steps = 40
    <BLANKLINE>
    [[grid]]
    qp = [1, 2]
    <BLANKLINE>
    """
    return "\n".join(_lines(table, ())).strip("\n") + "\n"


def _lines(table: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[str]:
    """The table's own values, then its tables under their full names."""
    for key, value in table.items():
        if not _is_table(value) and not _is_list_of_tables(value):
            yield f"{_key(key)} = {_value(value)}"
    for key, value in table.items():
        place = (*path, key)
        name = ".".join(map(_key, place))
        if _is_table(value):
            has_values = not all(_is_table(v) or _is_list_of_tables(v) for v in value.values())
            yield from ("", f"[{name}]") if has_values or not value else ()
            yield from _lines(value, place)
        elif _is_list_of_tables(value):
            for each in value:
                yield from ("", f"[[{name}]]")
                yield from _lines(each, place)


def _is_table(value: Any) -> bool:
    return isinstance(value, Mapping)


def _is_list_of_tables(value: Any) -> bool:
    return isinstance(value, list | tuple) and bool(value) and all(map(_is_table, value))


def _key(key: str) -> str:
    return key if _BARE.fullmatch(key) else _value(key)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007F")
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_value, value))}]"
    if _is_table(value):
        return f"{{{', '.join(f'{_key(k)} = {_value(v)}' for k, v in value.items())}}}"
    return repr(value)
