"""A worksheet that remembers what was written into it, so that the same cells become CSV."""

from collections import defaultdict
from collections.abc import Callable
from functools import cache
from typing import Any

Value = float | str | None


@cache
def worksheet_class() -> type:
    """XlsxWriter's worksheet, for formulas that hold no function newer than Excel 2007.

    XlsxWriter looks for thirty newer functions in every formula, to prefix them: half the time of
    a large report.
    """
    from xlsxwriter.worksheet import Worksheet

    class PlainWorksheet(Worksheet):  # type: ignore[misc]
        def _prepare_formula(self, formula: str, expand_future_functions: bool = False) -> str:
            return formula.removeprefix("=")

    return PlainWorksheet


class Grid:
    """An XlsxWriter worksheet; everything it is asked for is passed on.

    ``rows`` holds what a reader sees in each cell, by row and column: numbers, texts, and of a
    formula the value that was written with it.
    """

    def __init__(self, sheet: Any) -> None:
        self._sheet = sheet
        self.rows: defaultdict[int, dict[int, Value]] = defaultdict(dict)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method: Callable[..., Any] = getattr(self._sheet, name)
        return method

    @property
    def beneath(self) -> Any:
        """The worksheet itself, for cells that no CSV shows: workings."""
        return self._sheet

    def write_number(self, row: int, column: int, value: float, *look: Any) -> None:
        """Write a number."""
        self.rows[row][column] = value
        self._sheet.write_number(row, column, value, *look)

    def write_string(self, row: int, column: int, value: str, *look: Any) -> None:
        """Write a text."""
        self.rows[row][column] = value
        self._sheet.write_string(row, column, value, *look)

    def write_formula(
        self, row: int, column: int, formula: str, look: Any = None, value: Value = 0
    ) -> None:
        """Write a formula with its value."""
        self.rows[row][column] = value
        self._sheet.write_formula(row, column, formula, look, value)

    def merge_range(
        self, row: int, column: int, last_row: int, last_column: int, value: str, look: Any = None
    ) -> None:
        """Merge cells and write a text into the first."""
        self.rows[row][column] = value
        self._sheet.merge_range(row, column, last_row, last_column, value, look)

    def lines(self, first: int = 0, last: int | None = None) -> list[list[Value]]:
        """Rows ``first`` … ``last`` of the sheet, as long as the longest of them.

        Args:
            first: index of a row.
            last: index of a row; None: the last one that holds anything.
        """
        held = [row for row in self.rows if row >= first and (last is None or row <= last)]
        if not held:
            return []
        width = max(max(self.rows[row]) for row in held) + 1
        end = max(held) if last is None else last
        empty: dict[int, Value] = {}
        found = (self.rows.get(row, empty) for row in range(first, end + 1))
        return [[cells.get(column) for column in range(width)] for cells in found]
