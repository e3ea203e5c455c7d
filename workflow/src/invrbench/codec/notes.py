"""What codecs say of themselves in ``notes.json``, read with care: strangers write it."""

from collections.abc import Mapping
from typing import Any

from invrbench.errors import ContractError

SHARES = ("bytes", "bytes_by_tensor")  # both say where all bytes of a bitstream went


def noted_parameters(notes: Mapping[str, Any]) -> int | None:
    """The number of values that a verb says its model has; None if it says nothing.

    Raises:
        ContractError: what it says is no number of values.
    """
    if "parameters" not in notes:
        return None
    value = notes["parameters"]
    if not _is_count(value):
        raise ContractError(f"notes.json: parameters is {value!r}; give a whole number.")
    return int(value)


def attributed_bytes(notes: Mapping[str, Any]) -> dict[str, int]:
    """By name of the statement: how many bytes it attributes; nested tables are added up.

    Raises:
        ContractError: a share is no number of bytes; names it.

    >>> attributed_bytes({"bytes": {"header": 3, "weights": {"in": 10, "out": 4}}})
    {'bytes': 17}
    """
    return {name: total_bytes(notes[name], name) for name in SHARES if name in notes}


def total_bytes(value: object, where: str) -> int:
    """Bytes of a share, or of all shares in a nested table; ContractError names what is none."""
    if isinstance(value, Mapping):
        return sum(total_bytes(part, f"{where}.{name}") for name, part in value.items())
    if not _is_count(value):
        raise ContractError(f"notes.json: {where} is {value!r}; give a whole number of bytes.")
    assert isinstance(value, int)
    return value


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
