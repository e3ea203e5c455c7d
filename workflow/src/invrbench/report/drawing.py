"""How Matplotlib is used: one font, and texts of strangers drawn as they are."""

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

_RC: dict[str, Any] = {"font.family": "DejaVu Sans", "text.parse_math": False}


@contextmanager
def drawing(rc: Mapping[str, Any] | None = None) -> Iterator[None]:
    """Draw with these settings; a dollar is a dollar, a letter without a glyph a box."""
    import matplotlib as mpl

    settings: Any = _RC | dict(rc or {})
    with mpl.rc_context(settings), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        yield


def one_line(text: str, width: int) -> str:
    """Text that can be drawn on one line: no control characters, no middle if it is too long.

    >>> one_line("a name\\x0b that goes on", 12)
    'a name…es on'
    """
    plain = " ".join("".join(each if each.isprintable() else " " for each in text).split())
    if len(plain) <= width:
        return plain
    return f"{plain[: width // 2]}…{plain[width // 2 - width + 1 :]}"
