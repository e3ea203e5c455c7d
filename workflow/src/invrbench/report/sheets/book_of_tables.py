"""A workbook that is tables alone: what merge and diff write."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from invrbench.report.cells import Table
from invrbench.report.content import Report
from invrbench.report.info import RunInfo
from invrbench.report.sheets.base import Book
from invrbench.report.sheets.tables import set_widths, write_table


@dataclass(frozen=True)
class Page:
    """One sheet: its title, sentences on top, the first in bold, and tables beneath each other."""

    title: str
    tables: Sequence[Table]
    sentences: Sequence[str] = ()


def book_of_tables(title: str, info: RunInfo, pages: Mapping[str, Page]) -> bytes:
    """The file of a workbook, the same bytes for the same tables.

    Args:
        title: of the file.
        info: for page headers and the file's date.
        pages: by name of the sheet; tables without rows, and sheets without anything, are left out.
    """
    import xlsxwriter

    out = io.BytesIO()
    workbook = xlsxwriter.Workbook(out, {"in_memory": True, "nan_inf_to_errors": False})
    workbook.set_properties(
        {"title": title, "comments": "Made by invrbench", "created": info.created}
    )
    book = Book(workbook, Report((), (), info))
    for name, page in pages.items():
        tables = [table for table in page.tables if table.rows]
        if tables or page.sentences:
            _write_page(book, name, page, tables)
    workbook.close()
    return out.getvalue()


def _write_page(book: Book, name: str, page: Page, tables: Sequence[Table]) -> None:
    sheet, row = book.sheet(name, page.title, paper="A3")
    for table in sorted(tables, key=lambda table: len(table.columns)):
        set_widths(sheet, table)
    for index, sentence in enumerate(page.sentences):
        sheet.write_string(row, 0, sentence, book.style(bold=index == 0, font_size=10))
        row += 1
    row += 1 if page.sentences else 0
    for table in tables:
        if table.title != page.title:
            sheet.write_string(row, 0, table.title, book.style(bold=True, font_size=10))
            row += 1
        row = write_table(book, sheet, row, table)
