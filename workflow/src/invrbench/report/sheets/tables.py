"""Tables written as sheets: headings, cells as numbers or reasons, means, notes."""

from collections.abc import Mapping
from typing import Any

from invrbench.report.cells import Cell, Column, Table
from invrbench.report.sheets.base import GREY, MEAN_FILL, SELF_REPORTED_FILL, Book

_LINE = 12  # points of a line of text
_MEAN = {"bg_color": MEAN_FILL, "bold": True, "top": 1, "top_color": "#BFBFBF"}


def set_widths(sheet: Any, table: Table) -> None:
    """Give the sheet's columns the widths of a table's."""
    for index, column in enumerate(table.columns):
        sheet.set_column(index, index, column.width)


def write_table(
    book: Book,
    sheet: Any,
    row: int,
    table: Table,
    *,
    filterable: bool = False,
    bold_first: bool = False,
    fills: Mapping[int, str] | None = None,
    **look: Any,
) -> int:
    """Write headings, rows and notes of a table; its title is the caller's.

    Args:
        book: the workbook.
        sheet: where.
        row: of the headings.
        table: what.
        filterable: whether the headings get filters and stay in sight.
        bold_first: whether the first column names the row.
        fills: colours of rows, by index.
        look: XlsxWriter properties of all cells.

    Returns:
        The first free row, one left blank.
    """
    top = row
    widths = [column.width for column in table.columns]
    for index, column in enumerate(table.columns):
        fill = {"bg_color": SELF_REPORTED_FILL} if column.self_reported else {}
        sheet.write_string(row, index, column.head, book.head(align=column.align, **fill))
    sheet.set_row(row, _LINE * _lines([(c.head, c.width) for c in table.columns], bold=True) + 4)
    for number, cells in enumerate(table.rows):
        row += 1
        mean: dict[str, Any] = dict(_MEAN) if number in table.bold else {}
        mean |= {"bg_color": fills[number]} if fills and number in fills else {}
        for index, (cell, column) in enumerate(zip(cells, table.columns, strict=True)):
            name = {"bold": True} if bold_first and index == 0 else {}
            write_cell(book, sheet, (row, index), cell, column, **(look | mean | name))
        lines = _lines(zip((cell.shown for cell in cells), widths, strict=True))
        if lines > 1 and look.get("text_wrap", True):
            sheet.set_row(row, _LINE * lines + 3)
    if filterable:
        sheet.autofilter(top, 0, max(row, top), len(table.columns) - 1)
        sheet.freeze_panes(top + 1, 0)
        sheet.repeat_rows(top)
    for note in table.notes:
        row += 1
        sheet.write_string(row, 0, note, book.style(font_color=GREY, font_size=8))
    return row + 2


def write_cell(
    book: Book, sheet: Any, at: tuple[int, int], cell: Cell, column: Column, **look: Any
) -> None:
    """Write one cell as the workbook shows its kind."""
    shape = {"align": column.align} | look
    if cell.row is not None:
        book.bd(sheet, at, cell.row, **look)
    elif cell.kind == "number":
        sheet.write_number(*at, cell.value, book.style(num_format=cell.number_format, **shape))
    elif cell.kind == "reason":
        sheet.write_string(*at, cell.shown, book.reason(**({"text_wrap": True} | shape)))
    elif cell.kind == "text":
        sheet.write_string(*at, cell.shown, book.style(**({"text_wrap": True} | shape)))
    else:
        sheet.write_blank(*at, None, book.style(**shape))


def _lines(texts: Any, *, bold: bool = False) -> int:
    """Lines that the longest of some (text, width) takes; Excel computes no row heights itself."""
    wide = 1.15 if bold else 1.0
    return max(max(1, -(-int(len(text) * wide) // max(int(width), 1))) for text, width in texts)
