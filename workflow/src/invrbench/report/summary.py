"""The small table that ends a run: every proposal's points against the headline anchor."""

from collections.abc import Sequence

from invrbench.compare.curves import (
    Curve,
    Point,
    full_codec,
    full_sequence,
    group_curves,
    is_number,
)
from invrbench.compare.table import Row
from invrbench.report.info import PRESENT, RunInfo, completeness, heading, marks
from invrbench.report.metrics import metric
from invrbench.report.sheets.base import Report, cell_reason

WIDTH = 100
_MAX_FAILURES = 12


def summary_lines(
    points: Sequence[Point],
    info: RunInfo,
    *,
    rows: Sequence[Row] = (),
    previous: Sequence[Point] | None = None,
) -> list[str]:
    """Lines of at most 100 columns: points, BD-rates, what failed and why.

    Args:
        points: normalised points with ``rate_vs_anchor_percent`` filled in.
        info: names.
        rows: rows of bd.tsv, for the BD-rate at the end of each curve.
        previous: points of the last run of these conditions, for the change since.
    """
    first = info.headline_metrics[0]
    shown = metric(first)
    count = completeness(points)
    lines = [
        f"{heading(info)} · {count} points · anchor {info.codec(info.headline_anchor).display}",
        *(f"*** {word} ***" for word in marks(points, info)),
        "",
        f"{'proposal, sequence':<30} {'point':<20} {'rate':>13} {shown.axis:>13} "
        f"{'vs anchor':>9}  {'change':<10}",
    ]
    report = Report(points, rows, info)
    before = {_identity(point): point for point in previous or ()}
    for curve in report.curves:
        if curve.role == "proposal":
            lines += _curve_lines(curve, report, first, before if previous else None)
    lines += _failure_lines(points)
    return [line[:WIDTH].rstrip() for line in lines]


def _identity(point: Point) -> tuple[str, ...]:
    names = ("view_set", "configuration", "rate_point", "curve")
    seed = str(point.get("seed") or 0).removeprefix("s")
    rest = tuple(str(point.get(name) or "") for name in names)
    return (full_sequence(point), full_codec(point), seed, *rest)


def _curve_lines(
    curve: Curve, report: Report, column: str, before: dict[tuple[str, ...], Point] | None
) -> list[str]:
    info = report.info
    still = info.is_still(curve.key.sequence, report.points)
    rate, unit, digits = ("bpp", "bpp", 4) if still else ("rate_kbps", "kbps", 1)
    lines = []
    labels = [_cut(info.curve_name(curve), 30), _cut(f"  {curve.key.sequence}", 30)]
    for index, point in enumerate(curve.points):
        label = labels[index] if index < len(labels) else ""
        name = _cut(str(point["rate_point"]), 20)
        if point["status"] not in PRESENT:
            lines.append(f"{label:<30} {name:<20} {point['status']}")
            continue
        bits = f"{point[rate]:.{digits}f} {unit}" if is_number(point.get(rate)) else "no rate"
        quality = point.get(column)
        value = f"{quality:.2f}" if is_number(quality) else str(point.get(f"{column}_reason"))[:13]
        ratio = point.get("rate_vs_anchor_percent")
        against = f"{ratio:.0f} %" if is_number(ratio) else "–"
        why = "" if is_number(ratio) else str(point.get("rate_vs_anchor_reason") or "")
        change = _change(point, before, column) if before is not None else ""
        tail = "; ".join(part for part in (change, why) if part)
        lines.append(f"{label:<30} {name:<20} {bits:>13} {value:>13} {against:>9}  {tail}")
    lines += [f"{label:<30}" for label in labels[len(curve.points) :]]
    row = report.headline(curve.key, column)
    if row is not None:
        lines.append(f"{'':<30} {_bd_text(row, report, column)}")
    return [*lines, ""]


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"


def _bd_text(row: Row, report: Report, column: str) -> str:
    name = f"BD-rate {metric(column).label}"
    if not is_number(row["bd_rate_percent"]):
        return f"{name}: {cell_reason(row)}"
    against = report.info.name(row["anchor"], row["anchor_configuration"])
    share = f" ({100 * row['overlap']:.0f} % of the range)" if row["status"] == "partial" else ""
    return f"{name}: {row['bd_rate_percent']:+.1f} %{share} against {against}"


def _change(point: Point, before: dict[tuple[str, ...], Point], column: str) -> str:
    old = before.get(_identity(point))
    if old is None or old.get("status") not in PRESENT:
        return "new"
    parts = []
    if is_number(old.get(column)) and is_number(point.get(column)):
        delta = point[column] - old[column]
        if abs(delta) >= 0.005:
            parts.append(f"{delta:+.2f} {metric(column).unit}".strip())
    if is_number(old.get("bitstream_bytes")) and is_number(point.get("bitstream_bytes")):
        delta = 100 * (point["bitstream_bytes"] / old["bitstream_bytes"] - 1)
        if abs(delta) >= 0.05:
            parts.append(f"{delta:+.1f} % rate")
    return ", ".join(parts) or "="


def _failure_lines(points: Sequence[Point]) -> list[str]:
    """What failed, is missing or stale, each reason once with the points it holds for."""
    groups: dict[tuple[str, str, str], list[Point]] = {}
    for curve in group_curves(points):
        for point in curve.points:
            if point["status"] in ("failed", "missing", "stale"):
                reason = str(point.get("reason") or "no reason recorded")
                key = (f"{curve.key.codec}/{curve.key.sequence}", str(point["status"]), reason)
                groups.setdefault(key, []).append(point)
    lines = []
    for (where, status, reason), members in list(groups.items())[:_MAX_FAILURES]:
        names = ", ".join(str(point["rate_point"]) for point in members)
        lines.append(f"{status}: {where}: {_cut(names, 40)}")
        lines.append(f"    {_cut(' '.join(reason.split()), WIDTH - 4)}")
    if len(groups) > _MAX_FAILURES:
        lines.append(f"… and {len(groups) - _MAX_FAILURES} more; see sheet Coverage.")
    return lines
