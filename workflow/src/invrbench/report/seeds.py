"""What the report says of several training seeds: tables of BD-rates and of points over them."""

import math
from collections.abc import Iterable, Sequence

from invrbench.compare.curves import BD_METRICS, CurveKey, is_number, pooled_seed
from invrbench.compare.seeds import (
    COMPARISON,
    INDISTINCT,
    MEAN,
    MEMBERS,
    MIN_SEEDS,
    POINT,
    bd_seed_rows,
    seed_rows,
)
from invrbench.compare.table import OVERALL, POINT_COLUMNS, STRONGEST, Row
from invrbench.report.cells import BLANK, Cell, Column, Table, number, reason, text
from invrbench.report.content import Report, rounded
from invrbench.report.metrics import metric

RATES = {"bitstream_bytes": ("Bytes", "0.0"), "bpp": ("bpp", "0.00000")}
RATES |= {"rate_kbps": ("kbps", "0.000"), "kbit_per_instant": ("kbit/instant", "0.000")}
_PERCENT = "+0.00%;-0.00%;0.00%"
_STATISTICS = (
    Column("n of N seeds", 10),
    Column("Mean", 11),
    Column("Smallest", 11),
    Column("Largest", 11),
    Column("s (n − 1)", 11),
    Column("95 % from", 11),
    Column("95 % to", 11),
    Column("Remark", 40, "left"),
)


def rows_over_seeds(report: Report) -> list[Row]:
    """Rows of seeds.tsv of a report; none without a codec of several seeds."""
    metrics = [
        name
        for name in POINT_COLUMNS
        if name in BD_METRICS and any(is_number(point.get(name)) for point in report.points)
    ]
    columns = (*RATES, *metrics)
    return seed_rows(report.curves, report.rows, columns, report.info.headline_metrics[0])


def compared_over_seeds(report: Report, rows: Iterable[Row]) -> list[Row]:
    """Every comparison that a seed has a number for: overall, per class, then per sequence."""
    headline = report.info.headline_anchor
    chosen = [row for row in rows if row["kind"] in (MEAN, COMPARISON) and row["n_used"]]
    chosen.sort(
        key=lambda row: (row["class"] != OVERALL, row["kind"] != MEAN, row["anchor"] != headline)
    )
    return chosen


def bd_over_seeds(report: Report, compared: Iterable[Row]) -> Table:
    """BD-rates over seeds with what each seed gives.

    Args:
        report: the content.
        compared: see :func:`compared_over_seeds`.
    """
    compared = list(compared)
    seeds = seeds_of(compared)
    columns = (
        Column("Sequence", 26, "left"),
        Column("Tested", 36, "left"),
        Column("Anchor", 36, "left"),
        Column("Metric", 15, "left"),
        *_STATISTICS,
        *(Column(f"Seed {seed}", 11) for seed in seeds),
    )
    lines = tuple(
        (
            *map(text, (_place(row), _tested(report, row), _anchor(report, row))),
            text(metric(row["quantity"]).label),
            *_statistics(row, _PERCENT, share=0.01),
            *(_seed_cell(row, seed) for seed in seeds),
        )
        for row in compared
    )
    title = "BD-rate over training seeds"
    rest = "Comparisons without a usable seed stand in seeds.tsv, with the reason."
    return Table("seeds-bd", title, columns, lines, notes=(_NOTE, rest))


def seeds_of(compared: Iterable[Row]) -> list[str]:
    """The seeds that some row has a number of."""
    found = {seed for row in compared for seed in row[MEMBERS]}
    return sorted(found, key=lambda seed: (len(seed), seed))


def seed_mean(members: Sequence[Row]) -> float:
    """The mean BD-rate of one seed over sequences, as a fraction."""
    return rounded(math.fsum(row["bd_rate_percent"] for row in members) / len(members) / 100)


def _seed_cell(row: Row, seed: str) -> Cell:
    members = row[MEMBERS].get(seed)
    return number(seed_mean(members) if members else None, _PERCENT, "–")


def headline_over_seeds(report: Report, rows: Iterable[Row]) -> Table:
    """The headline BD-rates over seeds where there are some, overall and by sequence.

    It has the columns that fit a page.
    """
    columns = (
        Column("Proposal", 26, "left"),
        Column("Sequence", 22, "left"),
        Column("BD-rate", 12, "left"),
        Column("n of N seeds", 10),
        Column("Mean", 10),
        Column("Smallest … largest", 18),
        Column("s (n − 1)", 10),
        Column("95 % interval, remark", 26, "left"),
    )
    lines = []
    for row in sorted(rows, key=lambda row: (row["class"] != OVERALL, row["kind"] != MEAN)):
        is_class = row["kind"] == MEAN and row["class"] != OVERALL
        if row["kind"] != POINT and row["n_used"] and not is_class and _is_headline(report, row):
            used, mean, low, high, deviation, *interval, remark = _statistics(
                row, _PERCENT, share=0.01
            )
            name, label = _tested(report, row), metric(row["quantity"]).label
            span = _interval((low, high), BLANK)
            cells = (used, mean, span, deviation, _interval(interval, remark))
            lines.append((text(name), text(_place(row)), text(label), *cells))
    title = "BD-rate over training seeds, against the headline anchor"
    return Table("seeds", title, columns, tuple(lines), notes=(_NOTE,))


def doubts(report: Report) -> list[str]:
    """A sentence for every headline mean that the seeds cannot tell from 0."""
    lines = []
    for row in bd_seed_rows(report.rows, report.info.headline_metrics[0]):
        is_overall = row["kind"] == MEAN and row["class"] == OVERALL
        if is_overall and INDISTINCT in row["remark"] and _is_headline(report, row):
            low, high = (number(row[end] / 100, _PERCENT).shown for end in ("ci_low", "ci_high"))
            name = f"{_tested(report, row)} {row['view_set']}".strip()
            lines.append(
                f"{name}: BD-rate {metric(row['quantity']).label} is {INDISTINCT} over "
                f"{row['n_used']} seeds (95 %: {low} … {high})."
            )
    return lines


def points_over_seeds(report: Report, rows: Iterable[Row]) -> Table:
    """Rate and metrics of every point over seeds."""
    columns = (
        Column("Sequence", 26, "left"),
        Column("Codec", 36, "left"),
        Column("Rate point", 36, "left"),
        Column("Quantity", 15, "left"),
        *_STATISTICS,
    )
    lines = []
    for row in rows:
        if row["kind"] == POINT:
            label, shape = _quantity(row["quantity"])
            place = f"{row['sequence']} {row['view_set']}".strip()
            names = (place, _tested(report, row), row["rate_point"], label)
            lines.append((*map(text, names), *_statistics(row, shape)))
    title = "Rate and quality of every point over training seeds"
    return Table("seeds-points", title, columns, tuple(lines))


_NOTE = (
    f"From {MIN_SEEDS} seeds on: smallest, largest and sample standard deviation s; interval of "
    "the mean: two-sided 95 %, mean ± t·s/√n. It tells the noise of training only."
)


def _quantity(column: str) -> tuple[str, str]:
    """Label and number format of a column, with a digit more than elsewhere for the spread."""
    if column in RATES:
        return RATES[column]
    shown = metric(column)
    return shown.axis, f"0.{'0' * (shown.decimals + 1)}"


def _statistics(row: Row, shape: str, *, share: float = 1.0) -> tuple[Cell, ...]:
    """Cells of the columns of statistics; values are multiplied by ``share``."""
    mean = "no usable seed" if row["n_used"] == 0 else ""

    def cell(name: str, form: str, why: str = "–") -> Cell:
        value = row[name]
        return number(rounded(value * share) if is_number(value) else None, form, why)

    plain = shape.rpartition(";")[2]
    return (
        text(f"{row['n_used']} of {row['n_total']}"),
        cell("mean", shape, mean),
        cell("min", shape),
        cell("max", shape),
        cell("deviation", plain),
        cell("ci_low", shape),
        cell("ci_high", shape),
        reason(row["remark"]) if row["remark"] else text(""),
    )


def _interval(ends: Iterable[Cell], remark: Cell) -> Cell:
    low, high = ends
    interval = f"{low.shown} … {high.shown}" if low.kind == "number" else ""
    return text("; ".join(part for part in (interval, remark.shown) if part))


def _place(row: Row) -> str:
    if not row["sequence"]:
        name = "Overall" if row["class"] == OVERALL else f"Class {row['class']}"
    else:
        name = row["sequence"]
    return f"{name} {row['view_set']}".strip()


def _tested(report: Report, row: Row) -> str:
    return report.info.name(row["codec"], row["configuration"], row["curve"])


def _anchor(report: Report, row: Row) -> str:
    configuration = row["anchor_configuration"]
    shown = "hardest" if configuration == STRONGEST else configuration
    return report.info.name(row["anchor"], shown)


def _is_headline(report: Report, row: Row) -> bool:
    """Whether a row is against the headline anchor in the configuration that the headline takes."""
    info = report.info
    if row["anchor"] != info.headline_anchor or row["quantity"] not in info.headline_metrics:
        return False
    if not row["sequence"]:
        return bool(row["anchor_configuration"] in (STRONGEST, row["configuration"]))
    key = CurveKey(
        sequence=row["sequence"],
        view_set=row["view_set"],
        codec=row["codec"],
        configuration=row["configuration"],
        curve=row["curve"],
        seed=pooled_seed(row["n_total"]),
    )
    return bool(report.strongest.get((row["anchor"], key)) == row["anchor_configuration"])
