"""Where the bytes of a bitstream go, as its codec attributes them; only whole accounts are told."""

from collections.abc import Mapping

from invrbench.codec.notes import total_bytes
from invrbench.errors import ContractError

Shares = dict[str, int]


def parts_text(stated: object, size: int) -> str:
    """An account of a file's bytes as a cell of points.tsv, or why there is none to show.

    Args:
        stated: ``bytes`` of a codec's notes: bytes by the name of a part, nested or not.
        size: of the bitstream, in bytes.

    >>> parts_text({"header": 44, "weights": 956}, 1000)
    'header=44 weights=956'
    >>> parts_text({"weights": 956}, 1000)
    'accounts for 956 of 1000 bytes'
    """
    if stated is None:
        return ""
    if not isinstance(stated, Mapping):
        return "no table of bytes by part"
    try:
        parts = {str(name): total_bytes(count, str(name)) for name, count in stated.items()}
    except ContractError:
        return "no table of bytes by part"
    held = sum(parts.values())
    if held != size:
        return f"accounts for {held} of {size} bytes"
    return " ".join(f"{'_'.join(name.split())}={count}" for name, count in parts.items())


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
