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
from invrbench.report.cells import Cell, Column, Table, bd, bd_quality, number, reason, text
from invrbench.report.content import Report
from invrbench.report.drift import drift
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
from invrbench.report.self_reported import bytes_by_part

# What tells the rows of one method in bd.tsv apart.
_COMPARED = (
    *("sequence", "class", "view_set", "test", "configuration", "curve", "seed"),
    *("anchor", "anchor_configuration", "metric"),
)
Comparison = tuple[str, ...]


def page_data(report: Report, sources: PageSources, verdicts: Sequence[Verdict] = ()) -> Json:
    """Everything of the page but pictures and per-frame values.

    Args:
        report: points, rows of bd.tsv and the run.
        sources: what lies beside the records.
        verdicts: on the findings of the conditions.
    """
    texts = Texts()
    compared = _compared(report)
    places = {_comparison(row): index for index, row in enumerate(compared)}
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
        "bd": [_bd_row(row, report, texts) for row in compared],
        "costs": _costs(report, texts),
        "tables": {
            name: _table(table, places) for name, table in _tables(report, verdicts).items()
        },
        "texts": texts.listed,
    }


# ---- what is listed


def _comparison(row: Row) -> Comparison:
    """What a row of bd.tsv compares, without the method."""
    return tuple(str(row[name]) for name in _COMPARED)


def _compared(report: Report) -> list[Row]:
    """Rows of the headline method, seeds as their mean; anchors' own come last."""
    roles = {tables.without_sequence(curve): curve.role for curve in report.pooled}

    def role(row: Row) -> str:
        return roles.get(replace(tested_curve(row), sequence=""), "")

    rows = [row for row in report.rows if row["method"] == HEADLINE_METHOD and role(row)]
    return sorted(rows, key=lambda row: role(row) == "anchor")


def _bd_row(row: Row, report: Report, texts: Texts) -> list[Any]:
    """A comparison or a mean.

    Returns:
        Scope (0 sequence, 1 class, 2 overall), and the numbers of the texts of sequence or class,
        view set, tested curve, anchor, metric and BD-rate; its value in percent or null, whether
        it is doubtful, the numbers of the texts of BD-quality, overlap and reason, and the
        curves' ids (tested, anchor).
    """
    key, cell, label = tested_curve(row), bd(row), metric(row["metric"])
    configuration = str(row["anchor_configuration"])
    shown = "hardest" if configuration == STRONGEST else configuration
    anchor = report.info.name(row["anchor"], shown) if row["anchor"] else ""
    numbers = [
        texts.number(each)
        for each in (
            *(_scope(row), key.view_set),
            report.info.name(key.codec, key.configuration, key.curve, key.seed),
            *(anchor, row["metric"], cell.shown),
            bd_quality(row, label.signed_format).shown,
            *(_share(row), row["reason"] or ""),
            "/".join((key.codec, key.configuration, key.curve, key.seed)),
            "/".join((row["anchor"], configuration)),
        )
    ]
    value = round(row["bd_rate_percent"], 2) if cell.kind == "number" else None
    scope = 0 if row["sequence"] else 2 if row["class"] == OVERALL else 1
    return [scope, *numbers[:6], value, int(cell.is_doubtful), *numbers[6:]]


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
        "bytes": bytes_by_part(report),
        "drift": drift(report),
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


def _table(table: Table, places: Mapping[Comparison, int]) -> Json:
    return {
        "title": table.title,
        "columns": [[c.head, c.align, int(c.self_reported)] for c in table.columns],
        "rows": [[_cell(cell, places) for cell in row] for row in table.rows],
        "bold": sorted(table.bold),
        "notes": list(table.notes),
    }


def _cell(cell: Cell, places: Mapping[Comparison, int]) -> Any:
    """A text, ``[shown, value]`` of a number, or ``{"reason": …}``.

    One that shows a comparison also holds the number of its row, as third entry or as ``bd``.
    """
    place = places.get(_comparison(cell.row)) if cell.row is not None else None
    if cell.kind == "number":
        assert isinstance(cell.value, float | int)
        number_cell = [cell.shown, float(f"{cell.value:.6g}")]
        return number_cell if place is None else [*number_cell, place]
    if cell.kind == "reason":
        return {"reason": cell.shown} | ({} if place is None else {"bd": place})
    return cell.shown
