"""Sheet Summary: the result on one screen, then BD-rate by sequence, class and overall."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Any

from invrbench.compare.curves import Curve, CurveKey, is_number
from invrbench.compare.table import OVERALL, Row, tested_curve
from invrbench.report.content import cell_reason
from invrbench.report.metrics import metric
from invrbench.report.sheets.base import GREY, MEAN_FILL, Book

_CELL_LETTERS = 20  # of a reason that fit a line of a cell
_TWO_LINES = 27


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
    sheet.set_column(1, 1, 14)
    sheet.set_column(2, 6, 17)
    sheet.set_column(7, 7, 30)
    sheet.set_column(8, 40, 17)
    sheet.write_string(row, 0, f"Reference: {anchor}", book.style(bold=True, font_size=10))
    row = _write_first_screen(book, sheet, row + 1)
    for note in info.notes:
        sheet.write_string(row, 0, f"Note: {note}", book.style(font_color=GREY, italic=True))
        row += 1
    against = f"against {anchor}"
    proposals = tested_columns(book, ("proposal", "published"))
    for column in dict.fromkeys(info.headline_metrics):
        title = f"BD-rate ({metric(column).label}) {against}, hardest configuration per sequence"
        row = _write_matrix(book, sheet, row + 1, title, proposals, column)
    anchors = tested_columns(book, ("anchor",))
    sheet.set_h_pagebreaks([row + 1] if proposals and anchors else [])
    for name in dict.fromkeys(column.key.configuration for column in anchors):
        members = [column for column in anchors if column.key.configuration == name]
        for column in dict.fromkeys(info.headline_metrics):
            title = f"Anchors in configuration {name}: BD-rate ({metric(column).label}) {against}"
            row = _write_matrix(book, sheet, row + 1, title, members, column)
    _write_legend(book, sheet, row + 1)


def tested_columns(book: Book, roles: Sequence[str]) -> list[Column]:
    """Tested codecs of these roles, each configuration, curve and seed on its own."""
    info = book.report.info
    columns: dict[CurveKey, Column] = {}
    for wanted in roles:
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
    metrics = list(dict.fromkeys(info.headline_metrics))
    heads = [
        "Proposal",
        "Document",
        *(f"BD-rate {metric(name).label}" for name in metrics),
        "Sequences in mean",
        f"Decode time, s per frame ({info.timing})",
        "kMAC/pixel (self-reported)",
        "Left out of the mean",
    ]
    for index, text in enumerate(heads):
        sheet.write_string(row, index, text, book.head())
    sheet.set_row(row, 38)
    proposals = tested_columns(book, ("proposal",))
    for column in proposals:
        row += 1
        _write_proposal(book, sheet, row, column, metrics)
    if not proposals:
        row += 1
        sheet.write_string(row, 0, "No proposal in this run.", book.reason(align="left"))
    return row + 2


def _write_proposal(
    book: Book, sheet: Any, row: int, column: Column, metrics: Sequence[str]
) -> None:
    info = book.report.info
    border = {"bottom": 1, "bottom_color": "#BFBFBF"}
    centre = book.style(align="center", **border)
    means = [book.report.headline_mean(column.key, name, OVERALL) for name in metrics]
    sheet.set_row(row, 26)
    sheet.write_string(row, 0, column.name, book.style(bold=True, text_wrap=True, **border))
    sheet.write_string(row, 1, info.codec(column.key.codec).document or "–", centre)
    for index, (name, mean) in enumerate(zip(metrics, means, strict=True)):
        plain = mean or _alone(book, column.key, name)
        if mean is not None and mean["status"] != "withheld":
            plain = mean | {"n_total": None}  # the count has its own column here
        book.bd(sheet, (row, 2 + index), plain, **border)
    at = 2 + len(metrics)
    counts = dict.fromkeys(f"{mean['n_used']} of {mean['n_total']}" for mean in means if mean)
    sheet.write_string(row, at, " / ".join(counts) or "0", centre)
    _write_cost(book, sheet, (row, at + 1), column, border)
    reasons = [str(mean["reason"]).split(": ", 1)[-1] for mean in means if mean and mean["reason"]]
    left_out = ", ".join(dict.fromkeys(part for each in reasons for part in each.split(", ")))
    sheet.write_string(row, at + 3, left_out or "–", book.reason(text_wrap=True, **border))


def _alone(book: Book, key: CurveKey, metric_name: str) -> Row | None:
    """A row that says why a codec has no anchor anywhere, to stand where its mean would."""
    rows = [
        row
        for row in book.report.rows
        if replace(tested_curve(row), sequence="") == key and row["metric"] == metric_name
    ]
    return rows[0] if rows and not any(row["anchor"] for row in rows) else None


def _write_cost(
    book: Book, sheet: Any, at: tuple[int, int], column: Column, border: dict[str, Any]
) -> None:
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
    row, first = at
    middle = median(seconds) if seconds else None
    book.number(sheet, (row, first), middle, "0.000", "not measured", **centre)
    most = max(macs) if macs else None
    book.number(sheet, (row, first + 1), most, "0.0", "not stated", **centre)


def _write_matrix(
    book: Book, sheet: Any, row: int, title: str, columns: Sequence[Column], metric_name: str
) -> int:
    """BD-rate of one metric: sequences, classes and overall × tested codecs."""
    report = book.report
    if not columns:
        return row
    tested = {column.key for column in columns}
    present = {c.key.sequence for c in report.curves if replace(c.key, sequence="") in tested}
    sequences = [name for name in report.sequences if name in present]
    sheet.write_string(row, 0, title, book.style(bold=True, font_size=10))
    row += 1
    sheet.write_string(row, 0, "Sequence", book.head(align="left"))
    sheet.write_string(row, 1, "Class", book.head())
    for index, column in enumerate(columns):
        sheet.write_string(row, 2 + index, column.name, book.head())
    longest = max(len(column.name) for column in columns)
    sheet.set_row(row, 12 * max(2, -(-longest // 16)) + 3)
    for name in dict.fromkeys(report.classes[sequence] for sequence in sequences):
        for sequence in [each for each in sequences if report.classes[each] == name]:
            row += 1
            sheet.write_string(row, 0, sequence, book.style())
            sheet.write_string(row, 1, name, book.style(align="center"))
            cells = [_cell(book, column, metric_name, sequence) for column in columns]
            for index, cell in enumerate(cells):
                book.bd(sheet, (row, 2 + index), cell)
            longest = max(len(cell_reason(cell)) for cell in cells if cell) if any(cells) else 0
            if longest > _CELL_LETTERS:
                sheet.set_row(row, 12 * -(-longest // _CELL_LETTERS) + 3)
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
        mean = mean or _alone(book, column.key, metric_name)
        book.bd(sheet, (row, 2 + index), mean, **look)
        if mean and len(cell_reason(mean)) > _CELL_LETTERS:
            sheet.set_row(row, _TWO_LINES)


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
