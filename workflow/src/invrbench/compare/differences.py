"""What moved between two tables of points, and through whose doing: method, anchor or ruler.

Every comparison of the headline is made four times: old test against old anchor, new against new,
and the two across. With BD(test, anchor), and the other side held at what it was,

    from anchor = BD(old, new) − BD(old, old)
    from method = BD(new, old) − BD(old, old)
    rest        = BD(new, new) − BD(old, old) − from anchor − from method

The rest is what the two moved together: of the second order, and 0 where only one of them moved.
All are percentage points of BD-rate. The numbers across mix qualities measured by two rulers, hence
they are made only where both rulers are one: their definitions are the same or, where the words
differ, every picture that both tables hold has the same value in both.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, overload

from invrbench.compare.curves import (
    Curve,
    CurveKey,
    Hulls,
    Point,
    can_be_compared,
    group_curves,
    is_number,
    pooled_seed,
)
from invrbench.compare.join import Joined, PointKey, same_bitstream
from invrbench.compare.table import (
    FIRST_SEED,
    Row,
    compare_curves,
    is_usable,
    no_anchor,
    short_reason,
)
from invrbench.compare.table import strongest_configurations as strongest_of

# A table has six decimals: two values of one measurement differ by one unit of the last at most.
TABLE_STEP = 2e-6
# Percentage points below which a BD-rate reads as unmoved: the last digit of bd.tsv.
UNMOVED = 1e-4
_PRESENT = ("ok", "published")


@overload
def still(value: float) -> float: ...
@overload
def still(value: None) -> None: ...
def still(value: float | None) -> float | None:
    """A difference, 0 where it is but the rounding of two tables.

    >>> still(-4e-7), still(-0.01)
    (0.0, -0.01)
    """
    return 0.0 if value is not None and abs(value) <= TABLE_STEP else value


@dataclass(frozen=True)
class Side:
    """One of two tables: normalised points, and what decides a comparison.

    ``anchor`` is the codec the headline compares with; ``metric_versions`` says by column how a
    metric was measured, nothing where that is not known.
    """

    points: tuple[Point, ...]
    anchor: str
    metric_versions: Mapping[str, str] = field(default_factory=dict)
    hulls: Hulls = field(default_factory=dict)


@dataclass(frozen=True)
class Ruler:
    """One metric in two tables.

    ``pictures`` counts points whose decoded and whose source samples are the same in both tables;
    ``largest`` is the largest difference of the metric on them.
    """

    metric: str
    old: str
    new: str
    pictures: int
    largest: float

    @property
    def is_reworded(self) -> bool:
        """Whether the two definitions are known and differ."""
        return bool(self.old and self.new) and self.old != self.new

    @property
    def has_moved(self) -> bool:
        """Whether the same pictures have other values."""
        return self.largest > TABLE_STEP

    @property
    def is_one(self) -> bool:
        """Whether values of the two tables may be compared with each other."""
        return not self.has_moved and (not self.is_reworded or self.pictures > 0)


def compare_rulers(joined: Joined, old: Side, new: Side, metrics: Iterable[str]) -> list[Ruler]:
    """Definitions of metrics on both sides, and what they say of the same pictures."""
    same = [
        (left, right)
        for _, left, right in joined.pairs
        if all(left.get(c) and left.get(c) == right.get(c) for c in ("decoded_md5", "source_md5"))
    ]
    rulers = []
    for metric in metrics:
        moves = [
            abs(right[metric] - left[metric])
            for left, right in same
            if is_number(left.get(metric)) and is_number(right.get(metric))
        ]
        before, after = (side.metric_versions.get(metric, "") for side in (old, new))
        rulers.append(Ruler(metric, before, after, len(moves), max(moves, default=0.0)))
    return rulers


@dataclass(frozen=True)
class Move:
    """How the points of one codec moved at equal rate points.

    ``same``, ``other`` and ``unknown`` count bitstreams by MD5. Rates are bytes relative to old in
    percent, qualities new − old in the metric's unit; mean and the largest by size, None where no
    point has both.
    """

    codec: str
    role: str
    same: int
    other: int
    unknown: int
    mean_rate_percent: float | None
    largest_rate_percent: float | None
    mean_quality: float | None
    largest_quality: float | None

    @property
    def points(self) -> int:
        """Points that both tables hold."""
        return self.same + self.other + self.unknown

    @property
    def has_moved(self) -> bool:
        """Whether a bitstream, a rate or a quality is another."""
        sizes = (self.largest_rate_percent, self.largest_quality)
        return self.other > 0 or any(abs(size or 0) > TABLE_STEP for size in sizes)


def codec_moves(joined: Joined, metric: str) -> list[Move]:
    """A move for every codec that has points in both tables, in their order."""
    groups: dict[str, list[tuple[Point, Point]]] = {}
    for key, left, right in joined.pairs:
        if left["status"] in _PRESENT and right["status"] in _PRESENT:
            groups.setdefault(key.codec, []).append((left, right))
    return [_move(codec, pairs, metric) for codec, pairs in groups.items()]


def _move(codec: str, pairs: Sequence[tuple[Point, Point]], metric: str) -> Move:
    same = [same_bitstream(left, right) for left, right in pairs]
    rates = [change for left, right in pairs if (change := _rate_change(left, right)) is not None]
    qualities = [
        right[metric] - left[metric]
        for left, right in pairs
        if is_number(left.get(metric)) and is_number(right.get(metric))
    ]
    return Move(
        codec=codec,
        role=str(pairs[0][1].get("role") or ""),
        same=same.count(True),
        other=same.count(False),
        unknown=same.count(None),
        mean_rate_percent=_mean(rates),
        largest_rate_percent=max(rates, key=abs, default=None),
        mean_quality=_mean(qualities),
        largest_quality=max(qualities, key=abs, default=None),
    )


def _rate_change(left: Point, right: Point) -> float | None:
    """Relative change of the rate in percent, by the first column that both points have."""
    for column in ("bitstream_bytes", "bpp", "rate_kbps"):
        old, new = left.get(column), right.get(column)
        if is_number(old) and is_number(new) and old > 0:
            return 100 * (new / old - 1)
    return None


def _mean(values: Sequence[float]) -> float | None:
    return math.fsum(values) / len(values) if values else None


@dataclass(frozen=True)
class StatusChange:
    """A point whose status is another one; ``reason`` is the new one's."""

    key: PointKey
    old: str
    new: str
    reason: str


def status_changes(joined: Joined) -> list[StatusChange]:
    """Points that are in both tables and whose status changed."""
    return [
        StatusChange(key, str(left["status"]), str(right["status"]), str(right.get("reason") or ""))
        for key, left, right in joined.pairs
        if left["status"] != right["status"]
    ]


@dataclass(frozen=True)
class Split:
    """Shares of a change of BD-rate in percentage points; None where one is not known."""

    anchor: float | None = None
    method: float | None = None
    rest: float | None = None
    metric: float | None = None

    @property
    def cause(self) -> str:
        """Who moved it, in words: ``anchor``, ``anchor and method``, ``metric``, or nothing."""
        parts = {"anchor": self.anchor, "method": self.method, "metric": self.metric}
        return " and ".join(n for n, share in parts.items() if abs(share or 0) > UNMOVED)


@dataclass(frozen=True)
class Change:
    """One tested curve against the headline's anchor by one metric, in two tables.

    Attributes:
        test: the tested curve; an empty sequence is the mean over the sequences both can use.
        role: of the tested codec.
        metric: column.
        old, new: BD-rate in percent, None where there is none.
        delta: new − old in percentage points; None where the two may not be subtracted.
        split: of the delta.
        reason: why there is no old, new, delta or split.
        anchor_configurations: of the old and of the new comparison.
        overlaps: of the old and of the new comparison, 0 … 1.
        counts: of a mean: common, old and new sequences with a usable number.
    """

    test: CurveKey
    role: str
    metric: str
    old: float | None
    new: float | None
    delta: float | None
    split: Split
    reason: str
    anchor_configurations: tuple[str, str]
    overlaps: tuple[float | None, float | None] = (None, None)
    counts: tuple[int, int, int] | None = None


@dataclass(frozen=True)
class _Comparison:
    """A tested curve, the anchor's curve it is compared with, and the row that came of it."""

    test: Curve
    anchor: Curve | None
    row: Row


_Comparisons = Mapping[tuple[CurveKey, str], _Comparison]


def headline_changes(joined: Joined, old: Side, new: Side, metrics: Sequence[str]) -> list[Change]:
    """Every tested curve of either table against the headline's anchor; other anchors come last.

    Args:
        joined: the points of the two.
        old: the earlier table.
        new: the later one.
        metrics: columns; the first decides which configuration of the anchor is the strongest.
    """
    rulers = {ruler.metric: ruler for ruler in compare_rulers(joined, old, new, metrics)}
    before, after = (_headline(side, metrics) for side in (old, new))
    sources = (_sources(old.points), _sources(new.points))
    changes = [
        _change(key, before.get(key), after.get(key), rulers[key[1]], sources)
        for key in dict.fromkeys((*before, *after))
    ]
    return sorted(changes, key=lambda change: change.role == "anchor")


def _headline(side: Side, metrics: Sequence[str]) -> _Comparisons:
    """By tested curve and metric: the comparison with the hardest configuration of the anchor."""
    curves = [c for c in group_curves(side.points, side.hulls) if c.role != "control"]
    anchors = [curve for curve in curves if curve.key.codec == side.anchor]
    found: dict[tuple[CurveKey, str], _Comparison] = {}
    for test in curves:
        if test.key.codec == side.anchor:
            continue
        rivals = [each for each in anchors if can_be_compared(test, each)]
        rivals = [each for each in rivals if each.key.view_set == test.key.view_set]
        rivals = _of_one_seed(test, rivals)
        rows = {
            (each.key.configuration, metric): compare_curves(test, each, metric=metric)
            for each in rivals
            for metric in metrics
        }
        best = strongest_of(rows.values(), metrics[0]).get((side.anchor, test.key))
        anchor = next((each for each in rivals if each.key.configuration == best), None)
        for metric in metrics:
            row = rows[best, metric] if anchor and best else _without_anchor(test, curves)
            found[test.key, metric] = _Comparison(test, anchor, row)
    return found


def _of_one_seed(test: Curve, rivals: Sequence[Curve]) -> list[Curve]:
    """Anchors of the tested curve's own seed, or of the first where they have one seed only."""
    own = [each for each in rivals if each.key.seed == test.key.seed]
    return own or [each for each in rivals if each.key.seed == FIRST_SEED]


def _without_anchor(test: Curve, curves: Sequence[Curve]) -> Row:
    reason = f"drawn only: {test.differs}" if test.differs else no_anchor(test, curves)
    empty = {"bd_rate_percent": None, "overlap": None, "anchor_configuration": ""}
    return empty | {"status": "none", "reason": reason}


def _sources(points: Iterable[Point]) -> dict[tuple[str, str], set[str]]:
    """By sequence and view set: MD5 of the source behind the points."""
    found: dict[tuple[str, str], set[str]] = {}
    for point in points:
        if point.get("source_md5"):
            name, cut = str(point["sequence"]), str(point.get("cut") or "")
            key = (f"{name}@{cut}" if cut else name, str(point.get("view_set") or ""))
            found.setdefault(key, set()).add(str(point["source_md5"]))
    return found


def _change(
    key: tuple[CurveKey, str],
    old: _Comparison | None,
    new: _Comparison | None,
    ruler: Ruler,
    sources: tuple[Mapping[Any, set[str]], Mapping[Any, set[str]]],
) -> Change:
    test, metric = key
    held = new or old
    assert held is not None
    values = tuple(each.row["bd_rate_percent"] if each else None for each in (old, new))
    change = Change(
        test=test,
        role=held.test.role,
        metric=metric,
        old=values[0],
        new=values[1],
        delta=None,
        split=Split(),
        reason=_absence(old, new),
        anchor_configurations=(
            old.row["anchor_configuration"] if old else "",
            new.row["anchor_configuration"] if new else "",
        ),
        overlaps=(old.row["overlap"] if old else None, new.row["overlap"] if new else None),
    )
    if old is None or new is None or not is_number(values[0]) or not is_number(values[1]):
        return change
    place = (test.sequence, test.view_set)
    before, after = (side.get(place) for side in sources)
    if before and after and before != after:
        return replace(change, reason="other-source: the source file is another one")
    split, reason = _split(old, new, metric, ruler)
    return replace(change, delta=values[1] - values[0], split=split, reason=reason)


def _absence(old: _Comparison | None, new: _Comparison | None) -> str:
    """Why one of the two numbers is not there, or an empty text."""
    if old is None:
        return "only in the new report"
    if new is None:
        return "only in the old report"
    words = {
        name: short_reason(each.row)
        for name, each in (("old", old), ("new", new))
        if not is_number(each.row["bd_rate_percent"])
    }
    if len(words) == 2 and words["old"] == words["new"]:
        return f"in both: {words['old']}"
    return "; ".join(f"{name}: {why}" for name, why in words.items())


def _split(old: _Comparison, new: _Comparison, metric: str, ruler: Ruler) -> tuple[Split, str]:
    """Shares of a change between two numbers, or why there are none."""
    assert old.anchor is not None and new.anchor is not None
    first, last = old.row["bd_rate_percent"], new.row["bd_rate_percent"]
    if not ruler.is_one:
        if all(_same_pictures(a, b) for a, b in ((old.test, new.test), (old.anchor, new.anchor))):
            return Split(anchor=0.0, method=0.0, rest=0.0, metric=last - first), ""
        return Split(), f"not split: {metric} is measured in another way"
    across = {
        "anchor": compare_curves(old.test, new.anchor, metric=metric),
        "method": compare_curves(new.test, old.anchor, metric=metric),
    }
    for name, row in across.items():
        if not is_number(row["bd_rate_percent"]):
            return Split(), f"not split: the {name} alone gives {short_reason(row)}"
    anchor, method = (across[name]["bd_rate_percent"] - first for name in ("anchor", "method"))
    return Split(anchor, method, last - first - anchor - method, 0.0), ""


def _same_pictures(old: Curve, new: Curve) -> bool:
    """Whether two curves hold the same bitstreams, decoded to the same samples."""

    def digests(curve: Curve) -> list[tuple[str, str]]:
        return sorted(
            (str(p.get("bitstream_md5") or ""), str(p.get("decoded_md5") or ""))
            for p in curve.points
        )

    held = digests(old)
    return held == digests(new) and all(all(pair) for pair in held)


def is_common(change: Change) -> bool:
    """Whether a sequence may enter a mean over both tables: numbers that count, one source."""
    return change.delta is not None and _counts(change, 0) and _counts(change, 1)


def _counts(change: Change, side: int) -> bool:
    number = (change.old, change.new)[side]
    overlap = change.overlaps[side]
    return is_usable(
        {
            "status": "ok" if is_number(number) else "none",
            "bd_rate_percent": number,
            "overlap": overlap,
        }
    )


def mean_changes(changes: Sequence[Change]) -> list[Change]:
    """For every tested codec and metric: the means over the sequences that both tables can use.

    Means over different sequences are never subtracted: where a table has more sequences, its own
    mean is another number than the one here. Several seeds of a sequence are one number, the mean
    over those that both tables can use.
    """
    groups: dict[tuple[CurveKey, str], list[Change]] = {}
    for change in changes:
        key = replace(change.test, sequence="", seed="")
        groups.setdefault((key, change.metric), []).append(change)
    return [_mean_change(members) for members in groups.values()]


def _mean_change(members: Sequence[Change]) -> Change:
    by_sequence: dict[str, list[Change]] = {}
    for change in members:
        by_sequence.setdefault(change.test.sequence, []).append(change)
    seeds = len({change.test.seed for change in members})
    common = [
        _averaged(usable)
        for held in by_sequence.values()
        if (usable := [change for change in held if is_common(change)])
    ]
    before, after = (
        sum(any(_counts(change, side) for change in held) for held in by_sequence.values())
        for side in (0, 1)
    )
    mean = _averaged(common) if common else replace(members[0], reason=_why_none(members))
    if not common:
        mean = replace(mean, old=None, new=None, delta=None, split=Split())
    elif mean.split.anchor is None:
        known = sum(change.split.anchor is not None for change in common)
        mean = replace(
            mean, reason=f"not split: the shares are known of {known} of {len(common)} sequences"
        )
    seed = members[0].test.seed if seeds == 1 else pooled_seed(seeds)
    return replace(
        mean,
        test=replace(mean.test, sequence="", seed=seed),
        anchor_configurations=("", ""),
        overlaps=(None, None),
        counts=(len(common), before, after),
    )


def _averaged(changes: Sequence[Change]) -> Change:
    """The mean of changes that have all numbers; shares that one of them lacks are not known."""
    split = Split(
        *(
            _complete_mean([getattr(change.split, name) for change in changes])
            for name in ("anchor", "method", "rest", "metric")
        )
    )
    return replace(
        changes[0],
        old=_complete_mean([change.old for change in changes]),
        new=_complete_mean([change.new for change in changes]),
        delta=_complete_mean([change.delta for change in changes]),
        split=split,
        reason="",
    )


def _why_none(members: Sequence[Change]) -> str:
    reasons = list(dict.fromkeys(change.reason for change in members if change.reason))
    return f"no common sequence: {', '.join(reasons)}" if reasons else "no common sequence"


def _complete_mean(values: Sequence[float | None]) -> float | None:
    """The mean of numbers, None where there are none or one is missing."""
    numbers = [value for value in values if value is not None]
    return _mean(numbers) if len(numbers) == len(values) else None
