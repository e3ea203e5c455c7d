"""The page's content as JSON values: what is drawn and listed, and what leads on to files.

Every number is rounded as the sheets show it, and every text that a table shows comes from the
cells that workbook and document show, so that all forms of a report say the same.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from statistics import median
from typing import Any

from invrbench.compare.curves import Curve, CurveKey, is_number
from invrbench.compare.findings import Verdict
from invrbench.compare.table import HEADLINE_METHOD, OVERALL, STRONGEST, Row, tested_curve
from invrbench.report import tables
from invrbench.report.cells import Cell, Column, Table, bd, number, reason, text
from invrbench.report.content import Report
from invrbench.report.info import heading, marks, shown_verdict
from invrbench.report.metrics import metric
from invrbench.report.page.drawn import (
    Json,
    Texts,
    column_json,
    curve_json,
    drawn_curves,
    look_json,
    metric_json,
    point_files_json,
    sequence_json,
    shown_metrics,
    value_columns,
)
from invrbench.report.page.names import folder_numbers
from invrbench.report.page.sources import PageSources
from invrbench.report.plots import look_key, looks


def page_data(report: Report, sources: PageSources, verdicts: Sequence[Verdict] = ()) -> Json:
    """Everything of the page but pictures and per-frame values.

    Args:
        report: points, rows of bd.tsv and the run.
        sources: what lies beside the records.
        verdicts: on the findings of the conditions.
    """
    texts = Texts()
    drawn = drawn_curves(report)
    columns = value_columns(report)
    folders = folder_numbers(report)
    sequences = list(dict.fromkeys(curve.key.sequence for curve in drawn))
    info = report.info
    points: list[Json] = []
    curves = [
        curve_json(curve, report, columns, sequences=sequences, points=points, texts=texts)
        for curve in drawn
    ]
    for each in points:
        each["folder"] = folders.get(each["folder"], -1)
    styles = looks(drawn)
    for curve, made in zip(drawn, curves, strict=True):
        made["look"] = look_json(styles.get(look_key(curve)))
    return {
        "head": {
            "title": info.title,
            "heading": heading(info),
            "conditions": info.conditions,
            "budget": info.budget,
            "marks": marks(report.points, info),
            "notes": list(info.notes),
            "legend": list(tables.legend(report)),
            "newest": info.created.strftime("%Y-%m-%d %H:%M UTC"),
        },
        "root": sources.root,
        "anchor": info.headline_anchor,
        "families": list(info.families),
        "headline": list(dict.fromkeys(info.headline_metrics)),
        "metrics": [metric_json(name) for name in shown_metrics(report)],
        "columns": [column_json(name) for name in columns],
        "sequences": [sequence_json(name, report) for name in sequences],
        "curves": curves,
        "points": points,
        "folders": [point_files_json(name, sources) for name in folders],
        "bd": _bd_rows(report, texts),
        "costs": _costs(report, texts),
        "tables": {name: _table(table) for name, table in _tables(report, verdicts).items()},
        "texts": texts.listed,
    }


# ---- what is listed


def _bd_rows(report: Report, texts: Texts) -> list[list[Any]]:
    """Every comparison of the headline method, and the means; anchors' own come last.

    Returns:
        Lists of: scope (0 sequence, 1 class, 2 overall), and the numbers of the texts of sequence
        or class, view set, tested curve, anchor, metric and BD-rate; its value in percent or null,
        whether it is doubtful, the numbers of the texts of BD-quality, overlap and reason, and
        the curves' ids (tested, anchor).
    """
    roles = {tables.without_sequence(curve): curve.role for curve in report.pooled}
    rows = [
        (row, key)
        for row in report.rows
        if row["method"] == HEADLINE_METHOD
        and replace(key := tested_curve(row), sequence="") in roles
    ]
    rows.sort(key=lambda pair: roles[replace(pair[1], sequence="")] == "anchor")
    listed = []
    for row, key in rows:
        cell = bd(row)
        is_mean = not row["sequence"]
        scope = 0 if not is_mean else 2 if row["class"] == OVERALL else 1
        label = metric(row["metric"])
        configuration = str(row["anchor_configuration"])
        shown = "hardest" if configuration == STRONGEST else configuration
        anchor = report.info.name(row["anchor"], shown) if row["anchor"] else ""
        listed.append(
            [
                scope,
                texts.number(_scope(row)),
                texts.number(key.view_set),
                texts.number(report.info.name(key.codec, key.configuration, key.curve, key.seed)),
                texts.number(anchor),
                texts.number(row["metric"]),
                texts.number(cell.shown),
                None if cell.kind != "number" else round(row["bd_rate_percent"], 2),
                int(cell.is_doubtful),
                texts.number(number(row["bd_quality"], label.signed_format).shown),
                texts.number(_share(row)),
                texts.number(row["reason"] or ""),
                texts.number("/".join((key.codec, key.configuration, key.curve, key.seed))),
                texts.number("/".join((row["anchor"], configuration))),
            ]
        )
    return listed


def _scope(row: Row) -> str:
    if row["sequence"]:
        return str(row["sequence"])
    return "Overall" if row["class"] == OVERALL else f"Class {row['class']}"


def _share(row: Row) -> str:
    if row["n_total"] is not None:
        return f"{row['n_used']} of {row['n_total']}"
    return number(row["overlap"], "0%").shown


def _costs(report: Report, texts: Texts) -> list[Json]:
    """BD-rate and decoding cost of every proposal and anchor, per sequence and overall."""
    info = report.info
    listed = []
    for curve in report.pooled:
        if curve.role in ("proposal", "anchor") and not curve.is_hull:
            rows = {name: report.headline(curve.key, name) for name in _headline(report)}
            listed.append(_cost(curve.key, [curve], curve.key.sequence, rows, report, texts))
    for member in tables.tested(report, ("proposal", "anchor")):
        curves = tables.curves_of(report, member.key)
        if curves and curves[0].is_hull:
            continue
        rows = {name: tables.headline_mean(report, member.key, name) for name in _headline(report)}
        listed.append(_cost(member.key, curves, "", rows, report, texts))
    own = info.headline_anchor
    return [each for each in listed if each["codec"] != own or each["sequence"]]


def _headline(report: Report) -> list[str]:
    return list(dict.fromkeys(report.info.headline_metrics))


def _cost(
    key: CurveKey,
    curves: Sequence[Curve],
    sequence: str,
    rows: Mapping[str, Row | None],
    report: Report,
    texts: Texts,
) -> Json:
    points = [(curve, p) for curve in curves for p in curve.points if p["status"] == "ok"]
    per_frame = [
        p["decode_seconds"] / report.info.frames(curve.key.sequence)
        for curve, p in points
        if is_number(p.get("decode_seconds")) and report.info.frames(curve.key.sequence)
    ]
    macs = [p["kmac_per_pixel"] for _, p in points if is_number(p.get("kmac_per_pixel"))]
    rates = {name: bd(row) for name, row in rows.items()}
    return {
        "sequence": sequence,
        "views": key.view_set,
        "codec": key.codec,
        "id": "/".join((key.codec, key.configuration, key.curve, key.seed)),
        "name": report.info.name(key.codec, key.configuration, key.curve, key.seed),
        "seconds": round(median(per_frame), 4) if per_frame else None,
        "kmac": round(max(macs), 2) if macs else None,
        "bd": {
            name: [
                round(100 * cell.value, 1) if isinstance(cell.value, float) else None,
                texts.number(cell.shown),
            ]
            for name, cell in rates.items()
        },
    }


def _tables(report: Report, verdicts: Sequence[Verdict]) -> dict[str, Table]:
    held = {
        "headline": tables.headline(report),
        "complexity": tables.complexity(report),
        "coverage": tables.coverage(report),
        "conditions": tables.conditions_facts(report),
        "versions": tables.versions(report),
        "sources": tables.sources(report),
    }
    if verdicts:
        held["findings"] = findings_table(verdicts, report)
    return held


def findings_table(verdicts: Iterable[Verdict], report: Report) -> Table:
    """The claims of the experiment with their verdicts."""
    columns = (
        Column("Finding", 60, "left"),
        Column("Sequence", 24, "left"),
        Column("Metric", 14),
        Column("Verdict", 20),
        Column("Numbers", 60, "left"),
    )
    rows = tuple(
        (
            text(each.claim),
            text(each.sequence),
            text(metric(each.metric).label),
            text(shown_verdict(each.verdict, report.info)),
            reason(each.numbers),
        )
        for each in verdicts
    )
    return Table("findings", "Findings", columns, rows)


def _table(table: Table) -> Json:
    return {
        "title": table.title,
        "columns": [[c.head, c.align, int(c.self_reported)] for c in table.columns],
        "rows": [[_cell(cell) for cell in row] for row in table.rows],
        "bold": sorted(table.bold),
        "notes": list(table.notes),
    }


def _cell(cell: Cell) -> Any:
    """A text, ``[shown, value]`` of a number, or ``{"reason": …}``."""
    if cell.kind == "number":
        assert isinstance(cell.value, float | int)
        return [cell.shown, float(f"{cell.value:.6g}")]
    return {"reason": cell.shown} if cell.kind == "reason" else cell.shown
