"""Sheet Summary: the result on one screen, then BD-rate by sequence, class and overall."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Any

from invrbench.compare.curves import Curve, CurveKey, is_number
from invrbench.compare.table import OVERALL, Row
from invrbench.report.metrics import metric
from invrbench.report.sheets.base import GREY, MEAN_FILL, Book


@dataclass(frozen=True)
class Column:
    """One tested codec of the tables: its curve without a sequence, its name and its role."""

    key: CurveKey
    name: str
    role: str


def write_summary(book: Book) -> None:
    """Write the sheet."""
    info = book.report.info
    sheet, row = book.sheet("Summary", f"{info.title or info.conditions}: summary")
    anchor = info.codec(info.headline_anchor).display
    sheet.set_column(0, 0, 34)
    sheet.set_column(1, 1, 16)
    sheet.set_column(2, 30, 17)
    sheet.write_string(row, 0, f"Reference: {anchor}", book.style(bold=True, font_size=10))
    row = _write_first_screen(book, sheet, row + 1)
    for note in info.notes:
        sheet.write_string(row, 0, f"Note: {note}", book.style(font_color=GREY, italic=True))
        row += 1
    for column in dict.fromkeys(info.headline_metrics):
        row = _write_matrix(book, sheet, row + 1, column)
    _write_legend(book, sheet, row + 1)
    sheet.freeze_panes(0, 1)


def tested_columns(book: Book) -> list[Column]:
    """Proposals first, then the anchors but the headline one, each configuration on its own."""
    info = book.report.info
    columns: dict[CurveKey, Column] = {}
    for wanted in ("proposal", "published", "anchor"):
        for curve in book.report.curves:
            key = _tested(curve)
            if curve.role == wanted and curve.key.codec != info.headline_anchor:
                name = f"{info.curve_name(curve)} {key.view_set}".strip()
                columns.setdefault(key, Column(key, name, wanted))
    return list(columns.values())


def _tested(curve: Curve) -> CurveKey:
    return replace(curve.key, sequence="")


def _write_first_screen(book: Book, sheet: Any, row: int) -> int:
    """One row per proposal, eight columns at most."""
    info = book.report.info
    first, second = info.headline_metrics
    heads = [
        "Proposal",
        "Document",
        f"BD-rate {metric(first).label}",
        f"BD-rate {metric(second).label}",
        "Sequences in mean",
        f"Decode time, s per frame ({info.timing})",
        "kMAC/pixel (self-reported)",
        "Why not all",
    ]
    for index, text in enumerate(heads):
        sheet.write_string(row, index, text, book.head())
    sheet.set_row(row, 38)
    border = {"bottom": 1, "bottom_color": "#BFBFBF"}
    proposals = [column for column in tested_columns(book) if column.role == "proposal"]
    for column in proposals:
        row += 1
        sheet.set_row(row, 26)
        means = [book.report.headline_mean(column.key, name, OVERALL) for name in (first, second)]
        sheet.write_string(row, 0, column.name, book.style(bold=True, text_wrap=True, **border))
        document = info.codec(column.key.codec).document
        book_text = book.style(align="center", **border)
        sheet.write_string(row, 1, document or "–", book_text)
        for index, mean in enumerate(means):
            plain = None if mean is None else mean | {"n_total": None, "overlap": None}
            if mean is not None and mean["status"] == "withheld":
                plain = mean
            book.bd(sheet, (row, 2 + index), plain, **border)
        counts = [f"{mean['n_used']} of {mean['n_total']}" for mean in means if mean]
        text = " / ".join(dict.fromkeys(counts)) or "0"
        sheet.write_string(row, 4, text, book_text)
        _write_cost(book, sheet, row, column, border)
        why = "; ".join(
            dict.fromkeys(str(mean["reason"]) for mean in means if mean and mean["reason"])
        )
        sheet.write_string(row, 7, why, book.reason(text_wrap=True, align="left", **border))
    if not proposals:
        row += 1
        sheet.write_string(row, 0, "No proposal in this run.", book.reason(align="left"))
    return row + 2


def _write_cost(book: Book, sheet: Any, row: int, column: Column, border: dict[str, Any]) -> None:
    """Median decode time per frame and the largest kMAC/pixel of a proposal's points."""
    info = book.report.info
    seconds: list[float] = []
    macs: list[float] = []
    for curve in book.report.curves:
        if _tested(curve) != column.key:
            continue
        known = info.sequences.get(curve.key.sequence)
        for point in curve.points:
            if point["status"] != "ok":
                continue
            if known and is_number(point.get("decode_seconds")):
                seconds.append(point["decode_seconds"] / known.frames)
            if is_number(point.get("kmac_per_pixel")):
                macs.append(point["kmac_per_pixel"])
    centre = {"align": "center", **border}
    book.number(
        sheet, (row, 5), median(seconds) if seconds else None, "0.000", "not measured", **centre
    )
    book.number(sheet, (row, 6), max(macs) if macs else None, "0.0", "not stated", **centre)


def _write_matrix(book: Book, sheet: Any, row: int, metric_name: str) -> int:
    """BD-rate of one metric: sequences, classes and overall × tested codecs."""
    report, info = book.report, book.report.info
    columns = tested_columns(book)
    if not columns:
        return row
    title = (
        f"BD-rate ({metric(metric_name).label}) against "
        f"{info.codec(info.headline_anchor).display}, each sequence's strongest configuration"
    )
    sheet.write_string(row, 0, title, book.style(bold=True, font_size=10))
    row += 1
    sheet.write_string(row, 0, "Sequence", book.head(align="left"))
    sheet.write_string(row, 1, "Class", book.head())
    for index, column in enumerate(columns):
        sheet.write_string(row, 2 + index, column.name, book.head())
    sheet.set_row(row, 38)
    classes = list(dict.fromkeys(report.classes.values()))
    for name in classes:
        members = [seq for seq in report.sequences if report.classes[seq] == name]
        for sequence in members:
            row += 1
            sheet.write_string(row, 0, sequence, book.style())
            sheet.write_string(row, 1, name, book.style(align="center"))
            for index, column in enumerate(columns):
                cell = _cell(book, column, metric_name, sequence)
                book.bd(sheet, (row, 2 + index), cell)
        row += 1
        _write_mean_line(book, sheet, row, f"Class {name}", columns, metric_name, name)
    row += 1
    _write_mean_line(book, sheet, row, "Overall", columns, metric_name, OVERALL)
    return row + 1


def _cell(book: Book, column: Column, metric_name: str, sequence: str) -> Row | None:
    return book.report.headline(replace(column.key, sequence=sequence), metric_name)


def _write_mean_line(
    book: Book,
    sheet: Any,
    row: int,
    label: str,
    columns: Sequence[Column],
    metric_name: str,
    scope: str,
) -> None:
    look = {"bg_color": MEAN_FILL, "bold": True, "top": 1, "top_color": "#BFBFBF"}
    sheet.write_string(row, 0, label, book.style(**look))
    sheet.write_blank(row, 1, None, book.style(**look))
    for index, column in enumerate(columns):
        mean = book.report.headline_mean(column.key, metric_name, scope)
        book.bd(sheet, (row, 2 + index), mean, **look)


def _write_legend(book: Book, sheet: Any, row: int) -> None:
    lines = [
        "Negative BD-rate: less rate than the reference at equal quality. (n of N): sequences in "
        "the mean; (58 %): share of the tested quality range that the reference covers, outside "
        "means when below 75 %.",
        "Text in grey italics says why there is no number; sheet Definitions explains every "
        "word. '–': not part of these conditions.",
    ]
    if book.report.info.budget != "paper":
        lines.append(
            f"Training budget '{book.report.info.budget}': every finding here is an indication."
        )
    for line in lines:
        sheet.write_string(row, 0, line, book.style(font_color=GREY, font_size=8))
        row += 1
