"""Names a person types: ids, labels, and the nearest ones when a name is unknown."""

import difflib
import re
from collections.abc import Collection, Iterable

from invrbench.errors import ConditionsError

ID_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
LABEL_PATTERN = re.compile(r"[A-Za-z][A-Za-z0-9._-]*")
RESERVED = ("fits",)


def is_id(text: str) -> bool:
    """Whether a text may name a sequence, codec, fit or rate point.

    >>> is_id("q1.quick_qp-46"), is_id("Cactus@0+32")
    (True, False)
    """
    return ID_PATTERN.fullmatch(text) is not None and text.lower() not in RESERVED


def nearest(name: str, known: Iterable[str], count: int = 3) -> list[str]:
    """The known names most like ``name``, best first; case does not count."""
    by_lower = {each.lower(): each for each in known}
    found = difflib.get_close_matches(name.lower(), by_lower, n=count, cutoff=0.5)
    return [by_lower[each] for each in found]


def suggest(name: str, known: Collection[str]) -> str:
    """The end of a message about an unknown name: the nearest ones, else the known ones."""
    close = nearest(name, known)
    if close:
        return f"nearest: {', '.join(close)}"
    listed = sorted(known)
    shown = ", ".join(listed[:12]) + (f", … ({len(listed)} in all)" if len(listed) > 12 else "")
    return f"known: {shown}" if listed else "none is known"


def check_label(value: object) -> str:
    """A report's label, as typed after ``--config label=``.

    Raises:
        ConditionsError: Snakemake read it as a number, or it has other signs than allowed.
    """
    if not isinstance(value, str) or not LABEL_PATTERN.fullmatch(value):
        raise ConditionsError(
            f"--config label={value}: a label starts with a letter and goes on with letters, "
            "digits, dot, underscore or minus, e.g. label=m71234."
        )
    return value


def check_seeds(value: object) -> int:
    """How many seeds, as typed after ``--config seeds=``.

    Raises:
        ConditionsError: not a whole number from 1 on.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ConditionsError(
            f"--config seeds={value}: expected how many seeds to run, a whole number from 1 on, "
            "e.g. seeds=3."
        )
    return value
