"""Several training seeds of one codec: their mean as one curve, and how far they lie apart.

A fit that starts from another seed ends in another model. From three seeds on, the report states
for every point and every BD-rate how far the seeds lie apart; with fewer nothing is claimed.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from invrbench.compare.curves import Curve, CurveKey, Point, is_number, is_pooled, pooled_seed
from invrbench.compare.table import (
    HEADLINE_METHOD,
    OVERALL,
    STRONGEST,
    Row,
    is_usable,
    short_reason,
    strongest_configurations,
    tested_curve,
)

MIN_SEEDS = 3  # from here on a spread is stated
CONFIDENCE = 0.95
SPREAD = "spread"  # column of a pooled curve's points: Spread by column
COLUMNS = (
    "conditions", "kind", "sequence", "class", "view_set", "codec", "configuration", "curve",
    "rate_point", "anchor", "anchor_configuration", "quantity", "n_used", "n_total", "mean",
    "min", "max", "deviation", "ci_low", "ci_high", "remark",
)  # fmt: skip
BD_RATE = "bd_rate_percent"
POINT, COMPARISON, MEAN = "point", "bd-rate", "bd-rate mean"  # kinds of rows
MEMBERS = "members"  # of a BD-rate's row, no column: the rows of bd.tsv it is over, by seed
INDISTINCT = "not distinguishable from 0"


@dataclass(frozen=True)
class Spread:
    """What several seeds gave: ``used`` of ``total`` have a value.

    Attributes:
        used, total: seeds with a value, and seeds expected.
        mean: arithmetic mean; None without a value.
        low, high: smallest and largest value; None below three values.
        deviation: sample standard deviation (n − 1); None below three values.
    """

    used: int
    total: int
    mean: float | None
    low: float | None = None
    high: float | None = None
    deviation: float | None = None

    @property
    def is_stated(self) -> bool:
        """Whether there are enough seeds to speak of a spread."""
        return self.deviation is not None

    @property
    def interval(self) -> tuple[float, float] | None:
        """Two-sided 95 % confidence interval of the mean: mean ± t·s/√n, t of Student."""
        if self.mean is None or self.deviation is None:
            return None
        half = student_t(self.used - 1) * self.deviation / math.sqrt(self.used)
        return self.mean - half, self.mean + half

    @property
    def holds_zero(self) -> bool:
        """Whether the mean cannot be told from 0."""
        interval = self.interval
        return interval is not None and interval[0] <= 0 <= interval[1]


def spread(values: Iterable[Any], total: int) -> Spread:
    """Mean of the finite numbers among the values and, from three on, how far they lie apart.

    >>> round(spread([1.0, 2.0, 6.0], 3).deviation, 3)  # the root of 14 / 2
    2.646
    >>> spread([1.0, 3.0, None], 3)
    Spread(used=2, total=3, mean=2.0, low=None, high=None, deviation=None)
    """
    numbers = [float(value) for value in values if is_number(value)]
    count = len(numbers)
    if not numbers:
        return Spread(0, total, None)
    mean = math.fsum(numbers) / count
    if count < MIN_SEEDS:
        return Spread(count, total, mean)
    low, high = min(numbers), max(numbers)
    if low == high:  # the mean of equal numbers is that number, to the last digit
        return Spread(count, total, low, low, high, 0.0)
    squares = math.fsum((value - mean) ** 2 for value in numbers)
    return Spread(count, total, mean, low, high, math.sqrt(squares / (count - 1)))


def student_t(freedom: int) -> float:
    """Student's two-sided 95 % quantile.

    >>> round(student_t(2), 3), round(student_t(9), 3)
    (4.303, 2.262)
    """
    from scipy.special import stdtrit

    return float(stdtrit(freedom, (1 + CONFIDENCE) / 2))


def seed_groups(curves: Iterable[Curve]) -> dict[CurveKey, tuple[Curve, ...]]:
    """Curves that differ only in the seed, by their key without one."""
    groups: dict[CurveKey, list[Curve]] = {}
    for curve in curves:
        groups.setdefault(replace(curve.key, seed=""), []).append(curve)
    return {key: tuple(members) for key, members in groups.items()}


def pooled_curves(curves: Sequence[Curve]) -> list[Curve]:
    """The curves with those that differ only in the seed replaced by their mean.

    The mean's seed is ``mean of n``, as in bd.tsv. Its points are the means over the seeds of
    which no point is missing; if there is none, its points say what is missing of the first.

    Args:
        curves: of a report.
    """
    groups = seed_groups(curves)
    counts: dict[CurveKey, int] = {}
    for key, members in groups.items():
        everywhere = replace(key, sequence="")
        counts[everywhere] = max(counts.get(everywhere, 0), len(members))
    pooled = []
    for key, members in groups.items():
        count = counts[replace(key, sequence="")]
        pooled.append(members[0] if count == 1 else _pooled(key, members, count))
    return pooled


def _pooled(key: CurveKey, members: Sequence[Curve], count: int) -> Curve:
    seed = pooled_seed(count)
    whole = [curve for curve in members if not curve.incomplete]
    groups: dict[str, list[Point]] = {}
    for curve in whole or members[:1]:
        for point in curve.points:
            groups.setdefault(str(point["rate_point"]), []).append(point)
    points = tuple(_mean_point(each, count) | {"seed": seed} for each in groups.values())
    return replace(members[0], key=replace(key, seed=seed), points=points)


def _mean_point(members: Sequence[Point], count: int) -> Point:
    """Means of all numbers, what is equal in all, and the spread of each number."""
    mean: Point = {}
    spreads: dict[str, Spread] = {}
    for name in dict.fromkeys(name for point in members for name in point):
        values = [point.get(name) for point in members]
        if all(is_number(value) for value in values):
            spreads[name] = spread(values, count)
            mean[name] = values[0] if len(set(values)) == 1 else spreads[name].mean
        elif name.endswith("_reason"):
            mean[name] = next((value for value in values if value), None)
        else:
            mean[name] = values[0] if all(value == values[0] for value in values) else None
    return mean | {SPREAD: spreads}


def used_seeds(curve: Curve) -> tuple[int, int]:
    """How many seeds a curve is the mean of, and how many were run; (1, 1) of a single one."""
    spreads = [each for point in curve.points for each in point.get(SPREAD, {}).values()]
    return (spreads[0].used, spreads[0].total) if spreads else (1, 1)


def band(curve: Curve, metric: str, rate: str) -> list[tuple[float, float, float]]:
    """(mean rate, lowest quality, highest quality) of a pooled curve's points, by rising rate.

    Empty for other curves, and below three seeds.
    """
    lines = []
    for point in curve.points:
        held = point.get(SPREAD) or {}
        at, quality = held.get(rate), held.get(metric)
        if at is None or quality is None or not (at.is_stated and quality.is_stated):
            continue
        lines.append((at.mean, quality.low, quality.high))
    return sorted(lines)


def seed_rows(
    curves: Sequence[Curve], rows: Sequence[Row], columns: Sequence[str], headline_metric: str
) -> list[Row]:
    """Rows of seeds.tsv: each point's rate and metrics, and each BD-rate, over its seeds.

    Args:
        curves: all curves of the report; hulls have no points of their own.
        rows: rows of bd.tsv, those that are means over seeds included.
        columns: rates and metrics of the points, in order.
        headline_metric: decides which anchor configuration is the strongest.

    Returns:
        Rows of :data:`COLUMNS`, those of BD-rates with :data:`MEMBERS`; none if no codec was
        trained with several seeds.
    """
    conditions = next((str(row["conditions"]) for row in rows if row.get("conditions")), "")
    found = [*_point_rows(curves, columns), *bd_seed_rows(rows, headline_metric)]
    return [dict.fromkeys(COLUMNS) | {"conditions": conditions} | row for row in found]


def _point_rows(curves: Sequence[Curve], columns: Sequence[str]) -> Iterable[Row]:
    for key, members in seed_groups(curves).items():
        if len(members) < 2 or members[0].is_hull:
            continue
        ids = dict.fromkeys(str(p["rate_point"]) for curve in members for p in curve.points)
        for rate_point in ids:
            points = [
                p for curve in members for p in curve.points if str(p["rate_point"]) == rate_point
            ]
            present = [point for point in points if point["status"] in ("ok", "published")]
            for column in columns:
                if any(is_number(point.get(column)) for point in present):
                    values = [point.get(column) for point in present]
                    yield {
                        "kind": POINT,
                        "sequence": key.sequence,
                        "class": members[0].sequence_class,
                        "view_set": key.view_set,
                        "codec": key.codec,
                        "configuration": key.configuration,
                        "curve": key.curve,
                        "rate_point": rate_point,
                        "quantity": column,
                    } | _stated(spread(values, len(members)))


def _stated(found: Spread) -> Row:
    interval = found.interval or (None, None)
    remark = "" if found.is_stated else f"a spread needs {MIN_SEEDS} seeds"
    return {
        "n_used": found.used,
        "n_total": found.total,
        "mean": found.mean,
        "min": found.low,
        "max": found.high,
        "deviation": found.deviation,
        "ci_low": interval[0],
        "ci_high": interval[1],
        "remark": remark,
    }


_PAIRING = ("view_set", "configuration", "test", "curve", "anchor", "metric")


def bd_seed_rows(rows: Sequence[Row], headline_metric: str) -> Iterable[Row]:
    """A row for every comparison and mean over sequences that several seeds have.

    Args:
        rows: of bd.tsv.
        headline_metric: decides which anchor configuration is the strongest.
    """
    if not any(is_pooled(row["seed"]) for row in rows):
        return
    compared = [row for row in rows if row["method"] == HEADLINE_METHOD and row["anchor"]]
    strongest = strongest_configurations(rows, headline_metric)
    singles: dict[tuple[str, ...], list[Row]] = {}
    scopes: dict[tuple[str, ...], list[tuple[str, ...]]] = {}
    for row in compared:
        if not row["sequence"]:
            continue
        if not is_pooled(row["seed"]):
            singles.setdefault(_comparison(row), []).append(row)
            continue
        hardest = strongest.get((row["anchor"], tested_curve(row)))
        names = [row["anchor_configuration"]]
        names += [STRONGEST] if hardest == row["anchor_configuration"] else []
        for scope in (row["class"], OVERALL):
            for name in names:
                scopes.setdefault((scope, name, *_pairing(row)), []).append(_comparison(row))
    for row in compared:
        if not is_pooled(row["seed"]):
            continue
        key = (row["class"], row["anchor_configuration"], *_pairing(row))
        members = [_comparison(row)] if row["sequence"] else scopes.get(key, [])
        yield _bd_row(row, [singles.get(each, []) for each in members])


def _pairing(row: Row) -> tuple[str, ...]:
    return tuple(row[name] for name in _PAIRING)


def _comparison(row: Row) -> tuple[str, ...]:
    return (row["sequence"], row["anchor_configuration"], *_pairing(row))


def _bd_row(row: Row, members: Sequence[Sequence[Row]]) -> Row:
    """What the seeds gave for a pooled row of bd.tsv, of the sequences that all of them have.

    Args:
        row: a comparison, or a mean over sequences.
        members: by sequence of it, the rows of the single seeds.
    """
    by_seed: dict[str, dict[str, Row]] = {}
    for single in (each for seeds in members for each in seeds if is_usable(each)):
        by_seed.setdefault(single["seed"], {})[single["sequence"]] = single
    held = [set(singles) for singles in by_seed.values()]
    shared = sorted(set.intersection(*held)) if held else []
    used = {seed: [of[s] for s in shared] for seed, of in by_seed.items()} if shared else {}
    means = [math.fsum(each[BD_RATE] for each in of) / len(of) for of in used.values()]
    found = spread(means, int(row["seeds_total"] or len(by_seed)))
    stated = _stated(found)
    remarks = [stated["remark"]] if stated["remark"] else []
    if not shared:
        remarks = [short_reason(row) if row["sequence"] else row["reason"].partition(": ")[2]]
    elif len(shared) < len(set.union(*held)):
        several = len(set.union(*held))
        remarks.append(f"over the {len(shared)} of {several} sequences that all seeds have")
    if found.holds_zero:
        remarks.append(INDISTINCT)
    return {
        "kind": COMPARISON if row["sequence"] else MEAN,
        "sequence": row["sequence"],
        "class": row["class"],
        "view_set": row["view_set"],
        "codec": row["test"],
        "configuration": row["configuration"],
        "curve": row["curve"],
        "anchor": row["anchor"],
        "anchor_configuration": row["anchor_configuration"],
        "quantity": row["metric"],
        MEMBERS: used,
    } | (stated | {"remark": "; ".join(remarks)})
