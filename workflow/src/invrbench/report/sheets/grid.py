"""A worksheet that remembers what was written into it, so that the same cells become CSV."""

from collections.abc import Callable
from typing import Any

Value = float | str | None


class Grid:
    """An XlsxWriter worksheet; everything it is asked for is passed on.

    ``values`` holds what a reader sees in each cell: numbers, texts, and of a formula the value
    that was written with it.
    """

    def __init__(self, sheet: Any) -> None:
        self._sheet = sheet
        self.values: dict[tuple[int, int], Value] = {}

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method: Callable[..., Any] = getattr(self._sheet, name)
        return method

    @property
    def beneath(self) -> Any:
        """The worksheet itself, for cells that no CSV shows: workings."""
        return self._sheet

    def write_number(self, row: int, column: int, value: float, *look: Any) -> None:
        """Write a number."""
        self.values[row, column] = value
        self._sheet.write_number(row, column, value, *look)

    def write_string(self, row: int, column: int, value: str, *look: Any) -> None:
        """Write a text."""
        self.values[row, column] = value
        self._sheet.write_string(row, column, value, *look)

    def write_formula(
        self, row: int, column: int, formula: str, look: Any = None, value: Value = 0
    ) -> None:
        """Write a formula with its value."""
        self.values[row, column] = value
        self._sheet.write_formula(row, column, formula, look, value)

    def merge_range(
        self, row: int, column: int, last_row: int, last_column: int, value: str, look: Any = None
    ) -> None:
        """Merge cells and write a text into the first."""
        self.values[row, column] = value
        self._sheet.merge_range(row, column, last_row, last_column, value, look)

    def lines(self, first: int = 0, last: int | None = None) -> list[list[Value]]:
        """Rows ``first`` … ``last`` of the sheet, as long as the longest of them.

        Args:
            first: index of a row.
            last: index of a row; None: the last one that holds anything.
        """
        held = [at for at in self.values if at[0] >= first and (last is None or at[0] <= last)]
        if not held:
            return []
        width = max(column for _, column in held) + 1
        end = max(row for row, _ in held) if last is None else last
        return [[self.values.get((row, c)) for c in range(width)] for row in range(first, end + 1)]
