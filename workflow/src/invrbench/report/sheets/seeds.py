"""Sheet Seeds: how far several trainings of one codec lie apart."""

from collections.abc import Sequence
from typing import Any

from invrbench.compare.seeds import MEMBERS, student_t
from invrbench.compare.table import Row
from invrbench.report.cells import Cell, Table
from invrbench.report.seeds import (
    bd_over_seeds,
    compared_over_seeds,
    points_over_seeds,
    rows_over_seeds,
    seeds_of,
)
from invrbench.report.sheets.base import Book
from invrbench.report.sheets.formula import cell
from invrbench.report.sheets.tables import set_widths, write_table

_MEAN, _LOW, _HIGH, _DEVIATION, _FROM, _TO, _, _SEEDS = range(5, 13)  # columns


def write_seeds(book: Book) -> None:
    """Write BD-rates and points over seeds, if a codec was trained with several."""
    rows = rows_over_seeds(book.report)
    if not rows:
        return
    compared = compared_over_seeds(book.report, rows)
    table = bd_over_seeds(book.report, compared)
    sheet, row = book.sheet("Seeds", "Several training seeds: mean and spread", paper="A3")
    set_widths(sheet, table)
    if table.rows:
        sheet.write_string(row, 0, table.title, book.style(bold=True, font_size=10))
        first, row = row + 2, write_table(book, sheet, row + 1, table)
        _write_formulas(book, sheet, first, compared, table)
    points = points_over_seeds(book.report, rows)
    sheet.write_string(row, 0, points.title, book.style(bold=True, font_size=10))
    write_table(book, sheet, row + 1, points)


def _write_formulas(
    book: Book, sheet: Any, first: int, compared: Sequence[Row], table: Table
) -> None:
    """Write formulas over the values: each seed from the BD-rates it is over, then statistics.

    A row over a BD-rate that no cell of the workbook computes keeps its values.
    """
    places = {seed: _SEEDS + index for index, seed in enumerate(seeds_of(compared))}
    for index, (row, cells) in enumerate(zip(compared, table.rows, strict=True)):
        at = first + index
        found = {
            places[seed]: [book.computed(each) for each in members]
            for seed, members in row[MEMBERS].items()
        }
        texts: dict[int, str] = {}
        for place, terms in found.items():
            texts[place] = ",".join(term.text for term in terms if term is not None)
        if not all(term for terms in found.values() for term in terms):
            continue
        formulas = {
            place: _if_whole(len(found[place]), text, f"AVERAGE({text})")
            for place, text in texts.items()
        }
        formulas |= _statistics([cell(at, place, 0.0).text for place in sorted(found)], at)
        for place, formula in formulas.items():
            _write(book, sheet, (at, place), formula, cells[place])


def _statistics(seeds: Sequence[str], at: int) -> dict[int, str]:
    """Formulas by column, over the cells of the seeds."""
    held, count = ",".join(seeds), len(seeds)
    mean, deviation = (cell(at, column, 0.0).text for column in (_MEAN, _DEVIATION))
    half = f"{student_t(count - 1)!r}*{deviation}/{count}^0.5" if count > 1 else ""
    squares = "+".join(f"({each}-{mean})^2" for each in seeds)
    formulas = {
        _MEAN: f"AVERAGE({held})",
        _LOW: f"MIN({held})",
        _HIGH: f"MAX({held})",
        _DEVIATION: f"(({squares})/{count - 1})^0.5",
        _FROM: f"{mean}-{half}",
        _TO: f"{mean}+{half}",
    }
    return {column: _if_whole(count, held, formula) for column, formula in formulas.items()}


def _if_whole(count: int, cells: str, formula: str) -> str:
    """The formula, or a dash once an edit leaves one of the cells without a number."""
    return f'IF(COUNT({cells})={count},{formula},"–")'


def _write(book: Book, sheet: Any, at: tuple[int, int], formula: str, shown: Cell) -> None:
    """A formula in place of a number; what is no number stays."""
    if shown.kind == "number":
        look = book.style(num_format=shown.number_format, align="center")
        sheet.write_formula(*at, f"={formula}", look, shown.value)
