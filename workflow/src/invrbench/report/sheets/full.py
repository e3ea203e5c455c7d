"""Sheets that are one table each: Full, Complexity, Self-reported, Bytes, Drift."""

from invrbench.report import self_reported, tables
from invrbench.report.cells import Table
from invrbench.report.drift import drift
from invrbench.report.sheets.base import Book
from invrbench.report.sheets.tables import set_widths, write_table


def write_full(book: Book) -> None:
    """Write every mean, per class and overall."""
    _write(book, "Full", tables.full(book.report), filterable=True)


def write_complexity(book: Book) -> None:
    """Write what each codec costs."""
    _write(book, "Complexity", tables.complexity(book.report))


def write_self_reported(book: Book) -> None:
    """Write what codecs state of themselves, if one does."""
    table = self_reported.self_reported(book.report)
    if table.rows:
        _write(book, "Self-reported", table, filterable=True)


def write_bytes(book: Book) -> None:
    """Write where the bytes of bitstreams go, if a codec accounts for them."""
    table = self_reported.bytes_by_part(book.report)
    if table.rows:
        _write(book, "Bytes", table, filterable=True)


def write_drift(book: Book) -> None:
    """Write how pictures change under other settings, if somebody looked."""
    table = drift(book.report)
    if table.rows:
        _write(book, "Drift", table)


def _write(book: Book, name: str, table: Table, *, filterable: bool = False) -> None:
    sheet, row = book.sheet(name, table.title, paper="A3")
    set_widths(sheet, table)
    write_table(book, sheet, row, table, filterable=filterable)
