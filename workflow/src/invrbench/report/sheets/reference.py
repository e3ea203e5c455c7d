"""Sheets Definitions, Provenance, Coverage and Points: what the numbers mean and rest on."""

from collections.abc import Sequence
from typing import Any

from invrbench.compare.curves import (
    NOT_MEASURED,
    Point,
    full_codec,
    full_sequence,
    is_number,
)
from invrbench.compare.table import HEADLINE_METHOD, POINT_COLUMNS, RATIO, Row, reason_column
from invrbench.report import tables
from invrbench.report.info import PRESENT
from invrbench.report.metrics import DEFINITIONS, METRICS, REASONS, metric
from invrbench.report.sheets.base import WARNING_FILL, Book
from invrbench.report.sheets.tables import set_widths, write_table


def write_definitions(book: Book) -> None:
    """Write every metric with version and formula, every word and every reason code."""
    sheet, row = book.sheet("Definitions", "What every number means")
    for column, width in enumerate((22, 20, 44, 88)):
        sheet.set_column(column, column, width)
    wrap, bold = book.style(text_wrap=True), book.style(bold=True)
    row = _heads(book, sheet, row, ("Metric", "Column", "Version", "Definition"))
    measured = {
        name for name in METRICS if any(is_number(point.get(name)) for point in book.report.points)
    }
    for name, entry in METRICS.items():
        version = book.report.info.metric_versions.get(name, "")
        sheet.write_string(row, 0, entry.axis, bold)
        sheet.write_string(row, 1, name, book.style())
        if version or name in measured:
            sheet.write_string(row, 2, version or "not recorded", wrap)
        else:
            sheet.write_string(row, 2, "not measured in this run", book.reason(align="left"))
        sheet.write_string(row, 3, entry.definition, wrap)
        lines = max(_lines(entry.definition, 100), _lines(version, 48))
        sheet.set_row(row, 12 * lines + 3)
        row += 1
    row = _write_words(book, sheet, row + 1, ("Word", "Definition"), DEFINITIONS, bold)
    grey = book.reason(align="left")
    _write_words(book, sheet, row + 1, ("Reason", "Why there is no number"), REASONS, grey)


def _write_words(
    book: Book,
    sheet: Any,
    row: int,
    heads: tuple[str, str],
    entries: Sequence[tuple[str, str]],
    look: Any,
) -> int:
    """Words in column A, what they mean across B to D."""
    sheet.write_string(row, 0, heads[0], book.head(align="left"))
    sheet.merge_range(row, 1, row, 3, heads[1], book.head(align="left"))
    for word, text in entries:
        row += 1
        sheet.write_string(row, 0, word, look)
        sheet.merge_range(row, 1, row, 3, text, book.style(text_wrap=True))
        sheet.set_row(row, 12 * _lines(text, 165) + 3)
    return row + 1


def _heads(book: Book, sheet: Any, row: int, texts: Sequence[str]) -> int:
    for column, text in enumerate(texts):
        sheet.write_string(row, column, text, book.head(align="left"))
    return row + 1


def _lines(text: str, width: int) -> int:
    """Lines that wrapped text takes; Excel does not compute a row's height by itself."""
    return max(1, -(-len(text) // width))


def write_provenance(book: Book) -> None:
    """Write what the run was made of: conditions, versions, machine, sequences, codecs, MD5s."""
    report = book.report
    sheet, row = book.sheet("Provenance", "Where the numbers come from")
    for column, width in enumerate((34, 30, 16, 30, 12, 36, 40, 36)):
        sheet.set_column(column, column, width)
    parts = (tables.conditions_facts, tables.versions, tables.sources, tables.codecs)
    for part in (*parts, tables.bitstreams):
        row = write_table(book, sheet, row, part(report), bold_first=True, text_wrap=False)
    for note in report.info.notes:
        sheet.write_string(row, 0, f"Note: {note}", book.style(italic=True))
        row += 1


def write_coverage(book: Book) -> None:
    """Write expected against present points with reasons, and the controls' verdicts."""
    table = tables.coverage(book.report)
    sheet, row = book.sheet("Coverage", table.title)
    set_widths(sheet, table)
    short = [i for i, cells in enumerate(table.rows) if not tables.is_whole(cells)]
    fills = dict.fromkeys(short, WARNING_FILL)
    row = write_table(book, sheet, row, table, filterable=True, fills=fills)
    _write_controls(book, sheet, row)


def _write_controls(book: Book, sheet: Any, row: int) -> None:
    row = _heads(book, sheet, row, ("Sequence", "Control", "Verdict", *[""] * 6))
    for name, what, verdict in control_verdicts(book):
        sheet.write_string(row, 0, name, book.style())
        sheet.write_string(row, 1, what, book.style())
        look = {"bold": True} if "CHECK" in verdict else {}
        sheet.write_string(row, 2, verdict, book.style(**look))
        row += 1


def control_verdicts(book: Book) -> list[tuple[str, str, str]]:
    """(sequence, control, verdict) of every control, then every anchor against itself.

    A control is either the ceiling (what it decodes is the source) or the floor (no measured
    point of the sequence lies below it); one that is neither means the ruler is broken.
    """
    report = book.report
    first = report.info.headline_metrics[0]
    verdicts = []
    for curve in report.controls:
        for point in curve.points:
            verdict = _control_verdict(point, report.points, first)
            name = f"{report.info.curve_name(curve)} {curve.key.view_set}".strip()
            verdicts.append((curve.key.sequence, name, verdict))
    itself = [
        row
        for row in report.rows
        if row["sequence"]
        and (row["metric"], row["method"]) == (first, HEADLINE_METHOD)
        and (row["test"], row["configuration"]) == (row["anchor"], row["anchor_configuration"])
    ]
    for row in itself:
        name = report.info.name(row["test"], row["configuration"])
        verdicts.append((row["sequence"], f"{name} against itself", _self_verdict(row)))
    return verdicts


def _control_verdict(point: Point, points: Sequence[Point], column: str) -> str:
    if point["status"] != "ok":
        return f"{point['status']}: {point.get('reason') or 'no reason recorded'}. CHECK"
    decoded = point.get("decoded_md5")
    value = point.get(column)
    # a scene's md5 is of all its views, those that nobody decodes included
    is_lossless = point.get("view_set") and point.get(f"{column}_reason") == "lossless"
    if is_lossless or (decoded and decoded == point.get("source_md5")):
        return "identical to the source"
    others = [
        (other[column], other)
        for other in points
        if other is not point
        and full_sequence(other) == full_sequence(point)
        and other.get("view_set") == point.get("view_set")
        and other["status"] == "ok"
        and is_number(other.get(column))
    ]
    if not is_number(value):
        return f"not identical to the source, and no {metric(column).label}. CHECK"
    below = [other for number, other in others if number < value]
    if not below:
        return f"floor: nothing lies below {value:.2f}"
    name = f"{full_codec(below[0])} {below[0]['rate_point']}"
    return f"neither identical nor floor: {name} lies below {value:.2f}. CHECK"


def _self_verdict(row: Row) -> str:
    if not is_number(row["bd_rate_percent"]):
        return str(row["reason"])
    text = f"{row['bd_rate_percent'] + 0.0:.2f} %".replace("-0.00", "0.00")
    return text if text == "0.00 %" else f"{text}. CHECK"


# Identity and measurements, which are printed; all further columns stand to their right.
_PRINTED = (
    *("class", "sequence", "cut", "view_set", "codec", "variant", "configuration", "rate_point"),
    *("seed", "status", "reason", "bitstream_bytes", "bpp", "rate_kbps", RATIO),
    *METRICS,
    *("fit_seconds", "encode_seconds", "decode_seconds", "peak_memory_bytes"),
    *tables.SELF_REPORTED,
)


def write_points(book: Book) -> None:
    """Write all points as one filterable table; a metric without a number shows its reason."""
    points = book.report.points
    sheet, row = book.sheet("Points", "All points (the rows of points.tsv)", paper="A3")
    ordered = [*_PRINTED, *(name for name in POINT_COLUMNS if name not in _PRINTED)]
    columns = [
        name
        for name in ordered
        if any(
            point.get(name) is not None
            or (name in METRICS and point.get(reason_column(name)) not in (None, NOT_MEASURED))
            for point in points
        )
    ]
    for index, name in enumerate(columns):
        sheet.write_string(row, index, _point_head(book, name), book.head())
        sheet.set_column(index, index, _width(name, points))
    sheet.set_row(row, 38)
    top = row
    for point in points:
        row += 1
        for index, name in enumerate(columns):
            _write_cell(book, sheet, (row, index), name, point)
    sheet.autofilter(top, 0, max(row, top), len(columns) - 1)
    sheet.freeze_panes(top + 1, columns.index("rate_point") + 1)
    sheet.repeat_rows(top)
    printed = sum(name in _PRINTED for name in columns)
    sheet.print_area(0, 0, row, printed - 1)


def _point_head(book: Book, name: str) -> str:
    """A column's name in points.tsv, with what a reader must know beneath it."""
    if name in tables.SELF_REPORTED:
        return f"{name}\n(self-reported)"
    return f"{name}\n({book.report.timing(name)})" if name.endswith("_seconds") else name


def _write_cell(book: Book, sheet: Any, at: tuple[int, int], name: str, point: Point) -> None:
    value = point.get(name)
    reason = str(point.get(reason_column(name)) or "")
    if is_number(value):
        look = {"align": "center"} if name == "seed" else {}
        sheet.write_number(*at, value, book.style(num_format=point_format(name), **look))
    elif isinstance(value, str):
        is_reason = name == "reason"
        sheet.write_string(*at, value, book.reason(align="left") if is_reason else book.style())
    elif reason and point["status"] in PRESENT:
        sheet.write_string(*at, reason, book.reason(shrink=True))


def point_format(name: str) -> str:
    """Excel's number format of a column of points.tsv."""
    if name in METRICS:
        return "0.0000" if name.endswith("_db") else "0.000000"
    special = {"bpp": "0.000000", "rate_kbps": "0.000", "rate_vs_anchor_percent": "0.0"}
    special |= dict.fromkeys(tables.SELF_REPORTED, "0.00") | {"parameters": "0"}
    if name in special:
        return special[name]
    return "0.000" if name.endswith("_seconds") else "0"


def _width(name: str, points: Sequence[Point]) -> float:
    texts = [str(point[name]) for point in points if isinstance(point.get(name), str)]
    if name in METRICS:
        reasons = {str(point.get(reason_column(name)) or "") for point in points}
        texts += [text for text in reasons if len(text) <= 20]
    longest = max((len(text) for text in texts), default=0)
    most = 30 if name == "reason" else 36
    return float(min(max(longest + 1, min(len(name) + 2, 15), 9), most))
