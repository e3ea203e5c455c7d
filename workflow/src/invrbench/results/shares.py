"""Where the bytes of a bitstream go, as its codec attributes them; only whole accounts are told."""

from collections.abc import Mapping
from typing import Any

Shares = dict[str, int]


def parts_text(stated: object, size: int) -> str:
    """An account of a file's bytes as a cell of points.tsv, or why there is none to show.

    Args:
        stated: ``bytes`` of a codec's notes: bytes by the name of a part.
        size: of the bitstream, in bytes.

    >>> parts_text({"header": 44, "weights": 956}, 1000)
    'header=44 weights=956'
    >>> parts_text({"weights": 956}, 1000)
    'accounts for 956 of 1000 bytes'
    """
    if stated is None:
        return ""
    if not isinstance(stated, Mapping) or not all(map(_is_count, stated.values())):
        return "no table of bytes by part"
    held = sum(stated.values())
    if held != size:
        return f"accounts for {held} of {size} bytes"
    return " ".join(f"{'_'.join(str(name).split())}={count}" for name, count in stated.items())


def shares_of(text: str) -> Shares:
    """Bytes by part that a cell of points.tsv holds; nothing where it holds a reason.

    >>> shares_of("header=44 weights=956")
    {'header': 44, 'weights': 956}
    >>> shares_of("accounts for 956 of 1000 bytes")
    {}
    """
    pairs = [word.rpartition("=") for word in text.split()]
    if not all(name and count.isdigit() for name, _, count in pairs):
        return {}
    return {name: int(count) for name, _, count in pairs}


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
