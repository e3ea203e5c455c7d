"""Sheet Seeds: how far several trainings of one codec lie apart."""

from invrbench.report.seeds import bd_over_seeds, points_over_seeds, rows_over_seeds
from invrbench.report.sheets.base import Book
from invrbench.report.sheets.tables import set_widths, write_table


def write_seeds(book: Book) -> None:
    """Write BD-rates and points over seeds, if a codec was trained with several."""
    rows = rows_over_seeds(book.report)
    if not rows:
        return
    comparisons = bd_over_seeds(book.report, rows)
    sheet, row = book.sheet("Seeds", "Several training seeds: mean and spread", paper="A3")
    set_widths(sheet, comparisons)
    for table in (comparisons, points_over_seeds(book.report, rows)):
        if table.rows:
            sheet.write_string(row, 0, table.title, book.style(bold=True, font_size=10))
            row = write_table(book, sheet, row + 1, table)
