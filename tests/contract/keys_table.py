"""The table of codec.toml's keys in proposals/README.md, made from the schema."""

from collections.abc import Iterator
from typing import Any

OPEN_TABLES = ("fits", "parameters", "rate_points", "curves", "variants")


def keys_table(schema: dict[str, Any]) -> str:
    """Markdown rows: key, values, meaning; required keys in bold."""
    rows = ["| key | value | meaning |", "|---|---|---|"]
    rows += [f"| {key} | {value} | {text} |" for key, value, text in _rows(schema, schema, "")]
    return "\n".join(rows) + "\n"


def _rows(node: dict[str, Any], schema: dict[str, Any], table: str) -> Iterator[tuple[str, ...]]:
    required = node.get("required", [])
    for key, entry in node["properties"].items():
        name = f"[{table}].{key}" if table else key
        if key == "resources":
            yield from _rows(schema["$defs"]["resources"], schema, "resources.<verb>")
            continue
        if "properties" in entry:
            yield from _rows(entry, schema, f"{table}.{key}" if table else key)
            continue
        shown = f"[{name}]" if name in OPEN_TABLES else name
        shown = f"`{shown}`"
        yield (
            f"**{shown}**" if key in required else shown,
            _values(entry),
            entry["description"].replace("|", "\\|").replace("<", "&lt;"),
        )


def _values(entry: dict[str, Any]) -> str:
    if "const" in entry:
        return f"`{entry['const']}`"
    if "enum" in entry:
        return " ".join(f"`{value}`" for value in entry["enum"])
    kind = entry.get("type", "table")
    if kind == "array":
        return f"list of {_values(entry['items'])}"
    return {"string": "text", "object": "table", "integer": "whole number"}.get(kind, kind)
