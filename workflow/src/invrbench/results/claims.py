"""What a package claims: its points, the order in which they are checked, and which frames."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from invrbench.errors import InputError
from invrbench.metrics.families import FAMILIES
from invrbench.metrics.measurement import LOSSLESS
from invrbench.results.package import Package, Row

_DURATION = re.compile(
    r"(?:(\d+(?:\.\d+)?)d)?(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m(?:in)?)?"
    r"(?:(\d+(?:\.\d+)?)s)?",
    re.ASCII,
)


@dataclass(frozen=True)
class Claim:
    """A packed point: its rows of points.tsv (one per view set) and of views.tsv."""

    file: str
    rows: tuple[Row, ...]
    views: tuple[Row, ...] = ()

    @property
    def first(self) -> Row:
        """The row that says what all of them say."""
        return self.rows[0]

    @property
    def sequence(self) -> str:
        """The sequence with its cut."""
        cut = self.first["cut"]
        return f"{self.first['sequence']}@{cut}" if cut else str(self.first["sequence"])

    @property
    def codec(self) -> str:
        """The codec with its variant."""
        variant = self.first["variant"]
        return f"{self.first['codec']}+{variant}" if variant else str(self.first["codec"])

    @property
    def name(self) -> str:
        """The point as verdicts name it."""
        seed = f" seed {self.first['seed']}" if self.first["seed"] else ""
        where = "" if self.first["configuration"] == "any" else f" {self.first['configuration']}"
        return f"{self.sequence}{where} {self.first['rate_point']}{seed}"

    @property
    def key(self) -> tuple[str, str]:
        """What no other point of the package has."""
        return self.name, self.file

    @property
    def curve(self) -> tuple[str, ...]:
        """The curve it lies on."""
        keys = ("configuration", "curve", "seed")
        return (self.sequence, *(str(self.first.get(key) or "") for key in keys))

    @property
    def decode_seconds(self) -> float:
        """How long decoding took where it was packed; 0 if that is not known."""
        return float(self.first.get("decode_seconds") or 0)

    @property
    def families(self) -> tuple[str, ...]:
        """Families of metrics of which it claims a value."""
        return tuple(
            name
            for name, family in FAMILIES.items()
            if any(is_claimed(row, column) for row in self.rows for column in family.columns)
        )


def is_claimed(row: Mapping[str, Any], column: str) -> bool:
    """Whether a row says of a metric what it is, or that it has none for want of any loss."""
    return row.get(column) is not None or row.get(f"{column}_reason") == LOSSLESS


def claims_of(package: Package) -> list[Claim]:
    """The packed points in the package's order."""
    keys = ("sequence", "cut", "configuration", "rate_point", "seed", "file")
    rows: dict[tuple[str, ...], list[Row]] = {}
    for row in package.points:
        rows.setdefault(tuple(str(row[key]) for key in keys), []).append(row)
    views: dict[str, list[Row]] = {}
    for row in package.value["views"]:
        views.setdefault(str(row.get("file")), []).append(dict(row))
    return [
        Claim(str(held[0]["file"]), tuple(held), tuple(views.get(str(held[0]["file"]), ())))
        for held in rows.values()
    ]


def in_order(claims: Sequence[Claim]) -> list[Claim]:
    """Claims such that a check that is cut short has seen as much as it could.

    First come the low ends of all curves, sequence by sequence in turn, then the high ends, then
    what lies between, the middle first.
    """
    curves: dict[tuple[str, ...], list[Claim]] = {}
    for claim in claims:
        curves.setdefault(claim.curve, []).append(claim)
    sequences = list(dict.fromkeys(claim.sequence for claim in claims))
    seen: dict[str, int] = {}
    ranked = []
    for curve, members in curves.items():
        number = seen[curve[0]] = seen.get(curve[0], -1) + 1
        by_rate = sorted(members, key=lambda claim: int(claim.first["bitstream_bytes"]))
        for level, index in enumerate(ends_first(len(by_rate))):
            ranked.append(((level, number, sequences.index(curve[0])), by_rate[index]))
    return [claim for _, claim in sorted(ranked, key=lambda each: each[0])]


def ends_first(count: int) -> list[int]:
    """Indices from both ends inwards: first, last, then the middle of every gap.

    >>> ends_first(5)
    [0, 4, 2, 1, 3]
    """
    order = list(dict.fromkeys([0, count - 1]))[:count]
    gaps = [(0, count - 1)]
    while gaps:
        low, high = gaps.pop(0)
        if high - low > 1:
            middle = (low + high) // 2
            order.append(middle)
            gaps += [(low, middle), (middle, high)]
    return order


def duration(text: str) -> float:
    """Seconds of a duration as typed: ``3h``, ``90m``, ``1h30m``, ``2d``, ``45s``.

    >>> duration("1h30m"), duration("45s")
    (5400.0, 45.0)

    Raises:
        InputError: no such form.
    """
    match = _DURATION.fullmatch(text.strip())
    if match is None or not any(match.groups()):
        raise InputError(f"--within {text}: expected a duration such as 3h, 90m or 1h30m.")
    days, hours, minutes, seconds = (float(part or 0) for part in match.groups())
    return days * 86400 + hours * 3600 + minutes * 60 + seconds


@dataclass(frozen=True)
class Head:
    """Frames ``start`` to ``start + count - 1``, the only ones that are compared."""

    start: int
    count: int

    @classmethod
    def parse(cls, text: str) -> "Head":
        """The frames written as ``0+16``.

        Raises:
            InputError: no such form.
        """
        match = re.fullmatch(r"(\d{1,9})\+([1-9]\d{0,8})", text.strip(), re.ASCII)
        if match is None:
            raise InputError(
                f"--frames {text}: expected first+count, e.g. 0+16 for the first 16 frames."
            )
        return cls(int(match[1]), int(match[2]))

    def __str__(self) -> str:
        return f"frames {self.start}–{self.start + self.count - 1}"

    def within(self, frames: int) -> range:
        """Those of them that a file of so many frames has."""
        return range(min(self.start, frames), min(self.start + self.count, frames))
