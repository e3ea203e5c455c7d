"""Tables of points side by side: which points two or more tables share, and what differs in them.

Points are the same where sequence with cut, view set, codec with variant, configuration, rate
point, curve and seed are; names are compared whole. Diff, merge and cross-check are renderings of
what is joined here.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from invrbench.compare.curves import Point, full_codec, full_sequence, is_number
from invrbench.errors import RecordError

_FREE_TEXT = frozenset({"title", "note"})  # of the conditions: no part of their digest


@dataclass(frozen=True, order=True)
class PointKey:
    """What makes two rows of two tables the same point; ``seed`` without its letter."""

    sequence: str
    view_set: str
    codec: str
    configuration: str
    curve: str
    rate_point: str
    seed: str

    def __str__(self) -> str:
        """The point as a person names it: ``hnerv bunny-mini@0+32 q1.quick_qp-38``.

        >>> str(PointKey("Cactus@0+32", "", "hevc", "ra", "", "qp27", "0"))
        'hevc Cactus@0+32 ra qp27'
        """
        words = [self.codec, self.sequence, self.view_set]
        words += ["" if self.configuration == "any" else self.configuration, self.rate_point]
        words += ["" if self.seed in ("", "0") else f"seed {self.seed}"]
        return " ".join(word for word in words if word)


def point_key(point: Mapping[str, Any]) -> PointKey:
    """The identity of a point."""
    return PointKey(
        sequence=full_sequence(point),
        view_set=str(point.get("view_set") or ""),
        codec=full_codec(point),
        configuration=str(point.get("configuration") or ""),
        curve=str(point.get("curve") or ""),
        rate_point=str(point["rate_point"]),
        seed=str(point.get("seed") or 0).removeprefix("s"),
    )


def index_points(points: Iterable[Point], where: str = "the table") -> dict[PointKey, Point]:
    """Points by identity, in their order.

    Args:
        points: of one table.
        where: what an error calls the table.

    Raises:
        RecordError: the table holds one point twice.
    """
    found: dict[PointKey, Point] = {}
    for point in points:
        key = point_key(point)
        if key in found:
            raise RecordError(
                f"{where}: {key} stands there twice; a table holds every point once. "
                "Keep one of the two rows."
            )
        found[key] = point
    return found


@dataclass(frozen=True)
class Joined:
    """Two tables: the points of both, and those of one only; in the order of the tables."""

    pairs: tuple[tuple[PointKey, Point, Point], ...]
    only_left: tuple[tuple[PointKey, Point], ...]
    only_right: tuple[tuple[PointKey, Point], ...]


def join(left: Iterable[Point], right: Iterable[Point]) -> Joined:
    """Join two tables.

    Raises:
        RecordError: a table holds one point twice.
    """
    ours, theirs = index_points(left, "the first table"), index_points(right, "the second table")
    return Joined(
        pairs=tuple((key, ours[key], theirs[key]) for key in ours if key in theirs),
        only_left=tuple((key, point) for key, point in ours.items() if key not in theirs),
        only_right=tuple((key, point) for key, point in theirs.items() if key not in ours),
    )


def join_all(
    tables: Mapping[str, Iterable[Point]],
) -> dict[PointKey, dict[str, Point]]:
    """Join any number of tables: by point, the tables' names and what each holds.

    Raises:
        RecordError: a table holds one point twice; names the table.
    """
    found: dict[PointKey, dict[str, Point]] = {}
    for name, points in tables.items():
        for key, point in index_points(points, name).items():
            found.setdefault(key, {})[name] = point
    return found


@dataclass(frozen=True)
class Delta:
    """A column of one point in two tables.

    ``absolute`` is right − left, ``percent`` the same relative to left; None where one of the two
    is no number, or left is 0.
    """

    column: str
    left: Any
    right: Any
    absolute: float | None
    percent: float | None


def column_deltas(left: Point, right: Point, columns: Sequence[str]) -> list[Delta]:
    """Columns in which a point differs between two tables; empty cells equal each other.

    >>> column_deltas({"bpp": 0.5}, {"bpp": 0.55}, ["bpp", "vmaf"])[0].percent
    10.0
    """
    found = []
    for column in columns:
        old, new = left.get(column), right.get(column)
        if old == new or (old in (None, "") and new in (None, "")):
            continue
        absolute = percent = None
        if is_number(old) and is_number(new):
            absolute = new - old
            percent = round(100 * absolute / abs(old), 9) if old else None
        found.append(Delta(column, old, new, absolute, percent))
    return found


def same_bitstream(left: Point, right: Point) -> bool | None:
    """Whether two rows were decoded from one bitstream; None where a digest is not known."""
    old, new = left.get("bitstream_md5"), right.get("bitstream_md5")
    return None if not old or not new else old == new


@dataclass(frozen=True)
class KeyChange:
    """A key of two JSON documents whose values differ; None stands for a key that is absent."""

    path: str
    left: Any
    right: Any

    def __str__(self) -> str:
        """One line: lists say what came and went, other values both.

        >>> str(KeyChange("tests[0].sequences", ["A", "B"], ["B", "C"]))
        'tests[0].sequences: gone A; new C'
        """
        if isinstance(self.left, list) and isinstance(self.right, list):
            gone = [_short(each) for each in self.left if each not in self.right]
            come = [_short(each) for each in self.right if each not in self.left]
            parts = [f"gone {', '.join(gone)}"] if gone else []
            parts += [f"new {', '.join(come)}"] if come else []
            return f"{self.path}: {'; '.join(parts) or 'another order'}"
        return f"{self.path}: {_short(self.left)} → {_short(self.right)}"


def _short(value: Any) -> str:
    text = "absent" if value is None else str(value)
    return text if len(text) <= 60 else f"{text[:59]}…"


def changed_keys(left: Any, right: Any, path: str = "") -> list[KeyChange]:
    """Where two JSON documents differ, as paths to the smallest values that do.

    Title and note at the top, which conditions leave out of their digest, do not count.

    >>> [str(each) for each in changed_keys({"a": {"b": 1}, "c": 2}, {"a": {"b": 3}, "c": 2})]
    ['a.b: 1 → 3']
    """
    if left == right:
        return []
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        names = [str(name) for name in dict.fromkeys((*left, *right))]
        return [
            change
            for name in names
            if path or name not in _FREE_TEXT
            for change in changed_keys(
                left.get(name), right.get(name), f"{path}.{name}" if path else name
            )
        ]
    both = isinstance(left, list) and isinstance(right, list)
    if both and all(isinstance(each, Mapping | list) for each in (*left, *right)):
        return [
            change
            for index, (old, new) in enumerate(zip_longest(left, right))
            for change in changed_keys(old, new, f"{path}[{index}]")
        ]
    return [KeyChange(path, left, right)]
