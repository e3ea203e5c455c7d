"""Sheet Summary: the result on one screen, then BD-rate by sequence, class and overall."""

from typing import Any

from invrbench.report import tables
from invrbench.report.sheets.base import GREY, Book
from invrbench.report.sheets.tables import set_widths, write_table

_LINED: dict[str, Any] = {"bottom": 1, "bottom_color": "#BFBFBF"}


def write_summary(book: Book) -> None:
    """Write the sheet."""
    info = book.report.info
    sheet, row = book.sheet("Summary", f"{info.title or info.conditions}: summary")
    first = tables.headline(book.report)
    sheet.set_column(8, 40, 15)
    set_widths(sheet, first)
    anchor = info.codec(info.headline_anchor).display
    sheet.write_string(row, 0, f"Reference: {anchor}", book.style(bold=True, font_size=10))
    row = write_table(book, sheet, row + 1, first, bold_first=True, **_LINED)
    if not first.rows:
        sheet.write_string(row - 1, 0, "No proposal in this run.", book.reason(align="left"))
        row += 1
    for note in info.notes:
        sheet.write_string(row, 0, f"Note: {note}", book.style(font_color=GREY, italic=True))
        row += 1
    breaks: list[int] = []
    for table in tables.matrices(book.report):
        if "-anchors-" in table.name and not breaks:
            breaks.append(row + 1)
        sheet.write_string(row + 1, 0, table.title, book.style(bold=True, font_size=10))
        row = write_table(book, sheet, row + 2, table) - 1
    sheet.set_h_pagebreaks(breaks)
    _write_legend(book, sheet, row + 1)


def _write_legend(book: Book, sheet: Any, row: int) -> None:
    for line in tables.legend(book.report):
        sheet.write_string(row, 0, line, book.style(font_color=GREY, font_size=8))
        row += 1
