"""The workbook's sheets as CSV files, and each tested codec's rows as a template takes them."""

import re

from invrbench.report.cells import to_csv
from invrbench.report.sheets.base import Book

_TEMPLATE_COLUMNS = 25  # A to Y of JCTVC-L1100
_MAX_NAME = 80


def csv_files(book: Book) -> dict[str, str]:
    """Contents by file name.

    ``<sheet>.csv`` is the sheet as it reads; ``<sheet>.<tested codec>.csv`` holds the rows of one
    block of a configuration sheet without headings, columns A to Y of the JCTVC-L1100 template, to
    be pasted into one with macros.
    """
    files = {f"{_file_name(name)}.csv": to_csv(grid.lines()) for name, grid in book.grids.items()}
    for block in book.blocks:
        lines = book.grids[block.sheet].lines(block.first, block.last)
        name = f"{_file_name(block.sheet)}.{_file_name(block.codec)}"
        while f"{name}.csv" in files:
            name += "-"
        files[f"{name}.csv"] = to_csv([line[:_TEMPLATE_COLUMNS] for line in lines])
    return files


def _file_name(text: str) -> str:
    """A sheet's or codec's name as part of a file name."""
    return re.sub(r"[^a-z0-9+.-]+", "-", text.lower()).strip("-.")[:_MAX_NAME] or "sheet"
