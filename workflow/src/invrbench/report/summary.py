"""The small table that ends a run: every proposal's points against the headline anchor."""

import textwrap
from collections.abc import Sequence
from dataclasses import replace

from invrbench.compare.curves import (
    Curve,
    Point,
    full_codec,
    full_sequence,
    group_curves,
    is_number,
    is_pooled,
)
from invrbench.compare.findings import Verdict
from invrbench.compare.seeds import seed_groups
from invrbench.compare.table import RATIO, Row, reason_column
from invrbench.report.content import Report, cell_reason
from invrbench.report.drift import broken_claims
from invrbench.report.info import (
    PRESENT,
    RunInfo,
    completeness,
    heading,
    marks,
    shown_verdict,
)
from invrbench.report.metrics import metric

WIDTH = 100
_MAX_FAILURES = 12


def summary_lines(
    points: Sequence[Point],
    info: RunInfo,
    *,
    rows: Sequence[Row] = (),
    previous: Sequence[Point] | None = None,
    verdicts: Sequence[Verdict] = (),
) -> list[str]:
    """Lines of at most 100 columns: points, BD-rates, what failed and why.

    Args:
        points: normalised points with ``rate_vs_anchor_percent`` filled in.
        info: names.
        rows: rows of bd.tsv, for the BD-rate at the end of each curve.
        previous: points of the last run of these conditions, for the change since.
        verdicts: on the findings of the conditions.
    """
    first = info.headline_metrics[0]
    shown = metric(first)
    count = completeness(points)
    lines = [
        f"{heading(info)} · {count} points · anchor {info.codec(info.headline_anchor).display}",
        *(f"*** {word} ***" for word in marks(points, info)),
        "",
        f"{'proposal, sequence':<26} {'point':<18} {'rate':>12} {shown.axis:>12} "
        f"{'vs anchor':>12}  {'change':<10}",
    ]
    report = Report(points, rows, info)
    before = {_identity(point): point for point in previous or ()}
    seeds = seed_groups(report.curves)
    for curve in report.pooled:
        if curve.role == "proposal":
            for each in seeds[replace(curve.key, seed="")]:
                lines += _curve_lines(each, report, first, before if previous else None)
            if is_pooled(curve.key.seed):
                lines += [_mean_line(curve, report, first), ""]
    lines += _verdict_lines(verdicts, info)
    for sentence in broken_claims(info.drift):
        lines += textwrap.wrap(f"broken claim: {sentence}", WIDTH, break_on_hyphens=False)
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
    labels = [_cut(info.curve_name(curve), 26), _cut(f"  {curve.key.sequence}", 26)]
    labels += [f"  {curve.key.view_set} views"] if curve.key.view_set else []
    listed = () if curve.is_hull else curve.points
    texts = [_point_text(point, still, column, before) for point in listed]
    row = report.headline(curve.key, column)
    if row is not None:
        texts.append(_bd_text(row, column))
    labels += [""] * (len(texts) - len(labels))
    texts += [""] * (len(labels) - len(texts))
    return [f"{label:<26} {text}" for label, text in zip(labels, texts, strict=True)] + [""]


def _mean_line(curve: Curve, report: Report, column: str) -> str:
    """What several seeds give together, beneath what each of them gives."""
    row = report.headline(curve.key, column)
    name = f"{report.info.curve_name(curve)} {curve.key.view_set}".strip()
    lost = ""
    if row is not None and row["seeds_used"] < row["seeds_total"]:
        lost = f", {row['seeds_used']} of {row['seeds_total']} seeds"
    return f"{name}: {_bd_text(row, column)}{lost}" if row is not None else name


def _point_text(
    point: Point, still: bool, column: str, before: dict[tuple[str, ...], Point] | None
) -> str:
    rate, unit, digits = ("bpp", "bpp", 4) if still else ("rate_kbps", "kbps", 1)
    name = _shortened(str(point["rate_point"]), 18)
    if point["status"] not in PRESENT:
        return f"{name:<18} {point['status']}"
    bits = f"{point[rate]:.{digits}f} {unit}" if is_number(point.get(rate)) else "no rate"
    quality = point.get(column)
    value = f"{quality:.2f}" if is_number(quality) else _cut(str(point[f"{column}_reason"]), 12)
    ratio = point.get(RATIO)
    why = str(point.get(reason_column(RATIO)) or "–").replace(" the anchor's", "")
    why = "no anchor" if why == "no-anchor" and point.get("view_set") else why
    against = f"{ratio:.0f} %" if is_number(ratio) else _cut(why, 12)
    change = _change(point, before, column) if before is not None else ""
    return f"{name:<18} {bits:>12} {value:>12} {against:>12}  {change}"


def _shortened(text: str, width: int) -> str:
    """Text without its middle: a rate point's fit stands in front, its QP at the end."""
    half = width // 2
    return text if len(text) <= width else f"{text[: half - 1]}…{text[-half:]}"


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"


def _bd_text(row: Row, column: str) -> str:
    name = f"BD-rate {metric(column).label}"
    if not is_number(row["bd_rate_percent"]):
        return f"{name}: {cell_reason(row)}"
    share = f" ({100 * row['overlap']:.0f} % of the range)" if row["status"] == "partial" else ""
    return f"{name} {row['bd_rate_percent']:+.1f} %{share}, anchor in {row['anchor_configuration']}"


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
            parts.append(f"{delta:+.1f} %")
    return ", ".join(parts) or "="


def _verdict_lines(verdicts: Sequence[Verdict], info: RunInfo) -> list[str]:
    """Each finding with its verdict, and the numbers behind it on lines of their own."""
    lines = []
    for each in verdicts:
        where = f" ({each.sequence})" if each.sequence else ""
        lines += textwrap.wrap(
            f"{each.claim}{where}: {shown_verdict(each.verdict, info)}",
            WIDTH,
            break_on_hyphens=False,
        )
        lines += [f"    {line}" for line in textwrap.wrap(each.numbers, WIDTH - 4)]
    return [*lines, ""] if lines else []


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
