"""What someone else may have written, read strictly: JSON, values, frame rates, names of files.

Python's own readers take more than the formats have: NaN in JSON, ``1e999999999`` as a fraction,
for which it would compute a number of a billion digits, lists in lists until the stack ends.
Nothing here raises another error than ``ValueError``, whose message is the end of a sentence.
"""

import json
import math
import re
from fractions import Fraction
from pathlib import Path
from typing import Any

MOST_DIGITS = 300  # of an integer; any with fewer is a float as well
MOST_DEPTH = 64  # tables and lists within each other
_SHOWN = 80  # characters of a value that a message quotes
_RATE = re.compile(r"\d{1,9}(\.\d{1,12})?(/\d{1,9}(\.\d{1,12})?)?", re.ASCII)


def parse_json(text: str | bytes) -> Any:
    """The value of a JSON text, all of whose numbers are finite.

    Args:
        text: JSON; bytes are UTF-8, with or without a byte order mark.

    Raises:
        ValueError: no JSON, not UTF-8, a number that no float holds, half of a surrogate pair, or
            more than ``MOST_DEPTH`` levels.

    >>> parse_json('{"a": [1, 2.5, null]}')
    {'a': [1, 2.5, None]}
    """
    try:
        plain = text.decode("utf-8-sig") if isinstance(text, bytes) else text
        value = json.loads(
            plain, parse_constant=_no_number, parse_float=_finite, parse_int=_integer
        )
    except RecursionError:
        raise ValueError(f"it has more than {MOST_DEPTH} levels") from None
    # numbers were looked at above; too many levels take brackets, and half of a pair an escape
    if plain.count("[") + plain.count("{") > MOST_DEPTH or "\\u" in plain:
        refuse_odd(value)
    return value


def object_in(path: Path) -> dict[str, Any]:
    """The object that a file of our own holds; empty if it is absent or was damaged."""
    try:
        value = parse_json(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def refuse_odd(value: Any) -> None:
    """Refuse a value that is more than texts, finite numbers, truth values, lists and tables.

    Raises:
        ValueError: says what it holds.
    """
    waiting = [(value, 0)]
    while waiting:
        each, depth = waiting.pop()
        if depth > MOST_DEPTH:
            raise ValueError(f"it has more than {MOST_DEPTH} levels")
        if isinstance(each, dict):
            waiting += [(part, depth + 1) for pair in each.items() for part in pair]
        elif isinstance(each, list):
            waiting += [(part, depth + 1) for part in each]
        else:
            _refuse_odd_leaf(each)


def _refuse_odd_leaf(value: Any) -> None:
    if isinstance(value, str):
        if not value.isascii() and any("\ud800" <= sign <= "\udfff" for sign in value):
            raise ValueError(f"it holds half of a surrogate pair in {shortened(value)}")
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"it holds {value}, which is no number")
    elif isinstance(value, int):
        if abs(value) >= 10**MOST_DIGITS:
            raise ValueError(f"it holds a number of more than {MOST_DIGITS} digits")
    elif value is not None:
        kind = type(value).__name__
        raise ValueError(f"it holds a {kind}, {value}; write a text (in quotes) or a number")


def _no_number(name: str) -> float:
    raise ValueError(f"it holds {name}, which is no number")


def _finite(text: str) -> float:
    value = float(text)
    return value if math.isfinite(value) else _no_number(shortened(text))


def _integer(text: str) -> int:
    if len(text) > MOST_DIGITS:
        raise ValueError(f"it holds a number of more than {MOST_DIGITS} digits")
    return int(text)


def shortened(value: Any) -> str:
    """A value as messages quote it, at most some 80 characters.

    >>> shortened("a" * 1000) == "'" + "a" * 79 + "…"
    True
    """
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def frame_rate(value: Any) -> Fraction:
    """Frames per second, exact, of a number or a text such as ``30000/1001`` or ``29.97``.

    Raises:
        ValueError: no such form, or a division by zero.

    >>> frame_rate("30000/1001"), frame_rate(25.0)
    (Fraction(30000, 1001), Fraction(25, 1))
    """
    text = str(value)
    if isinstance(value, bool) or not _RATE.fullmatch(text):
        raise ValueError(f"{shortened(value)} is no frame rate, as 25 or 30000/1001 are")
    number, _, divisor = text.partition("/")
    if divisor and not Fraction(divisor):
        raise ValueError(f"{shortened(value)} divides by zero")
    return Fraction(number) / Fraction(divisor or 1)


def read_table(path: Path) -> tuple[tuple[str, ...], list[dict[str, str]]]:
    """Columns and rows of a tab-separated table; blank lines and those that begin with # are none.

    Raises:
        ValueError: absent, not UTF-8, no columns, one twice, or a line of another length.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise ValueError(error.strerror or "it cannot be read") from None
    cells = [line.split("\t") for line in lines if line.strip() and not line.startswith("#")]
    if not cells:
        raise ValueError("it holds no line")
    columns, *rows = cells
    if len(set(columns)) < len(columns):
        raise ValueError("it has two columns of one name")
    for row in rows:
        if len(row) != len(columns):
            raise ValueError(
                f"a row has {len(row)} cells, the header has {len(columns)}: {shortened(row[:3])}"
            )
    return tuple(columns), [dict(zip(columns, row, strict=True)) for row in rows]


def finite(text: str) -> float:
    """The finite number that a cell holds.

    Raises:
        ValueError: it holds none.
    """
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError(f"{shortened(text)} is no number")
    return value


def is_file(path: Path) -> bool:
    """Whether there is such a file; a name that no file can have is none."""
    try:
        return path.is_file()
    except OSError:
        return False


def exists(path: Path) -> bool:
    """Whether there is such a file or folder; a name that nothing can have is none."""
    try:
        return path.exists()
    except OSError:
        return False
