"""The workings of a configuration sheet: right of the print area, on the rows of their points.

From the first working column on: rates of both sides; then for every metric the knots of both
sides and their comparison; for the planes also one cubic polynomial per side and theirs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from invrbench.compare.bd import CEILINGS
from invrbench.compare.curves import FALLING_METRICS, is_number
from invrbench.report.metrics import metric
from invrbench.report.sheets.base import Book
from invrbench.report.sheets.formula import Pen, Range, Term
from invrbench.report.sheets.workings import (
    CUBIC_HEADS,
    CUBIC_PAIR_HEADS,
    KNOT_HEADS,
    PAIR_HEADS,
    RATE_HEADS,
    PairPlaces,
    lay_cubic_pair,
    lay_knots,
    lay_pair,
    lay_polynomial,
    lay_rates,
)

SIDES = ("reference", "tested")
_PCHIP_WIDTH = 2 * len(KNOT_HEADS) + len(PAIR_HEADS)
_CUBIC_WIDTH = 2 * len(CUBIC_HEADS) + len(CUBIC_PAIR_HEADS)
_TITLE = "Workings of the BD-rates"


@dataclass(frozen=True)
class Side:
    """Cells of a curve's points: rates, and qualities by metric. Text where there is no number."""

    rates: Range
    qualities: Mapping[str, Range]

    def has_all(self, column: str) -> bool:
        """Whether every point has a rate and this metric."""
        return all(map(is_number, (*self.rates.values, *self.qualities[column].values)))


@dataclass(frozen=True)
class Computed:
    """What a block's workings give for one metric and method: overlap cell and BD formula."""

    overlap: Term
    bd_rate: Term


@dataclass(frozen=True)
class Workings:
    """Columns of the workings.

    Attributes:
        start: first column.
        planes: metrics with both methods.
        extras: metrics with pchip only.
    """

    start: int
    planes: tuple[str, ...]
    extras: tuple[str, ...]

    @property
    def stop(self) -> int:
        """First column behind them."""
        return self.knots(None) + len(self.planes) * _CUBIC_WIDTH

    def knots(self, column: str | None) -> int:
        """Column of a metric's first knots; None: behind the last metric."""
        metrics = (*self.planes, *self.extras)
        index = len(metrics) if column is None else metrics.index(column)
        return self.start + 2 * len(RATE_HEADS) + index * _PCHIP_WIDTH

    def pair(self, column: str) -> int:
        """Column of a metric's comparison, whose first is the overlap."""
        return self.knots(column) + 2 * len(KNOT_HEADS)

    def cubic(self, column: str) -> int:
        """Column of a plane's first polynomial."""
        return self.knots(None) + self.planes.index(column) * _CUBIC_WIDTH

    def hide(self, sheet: Any) -> None:
        """Fold the columns away, with the button that unfolds them behind them."""
        sheet.set_column(self.start, self.stop - 1, 9, None, {"level": 1, "hidden": True})
        sheet.set_column(self.stop, self.stop, 9, None, {"collapsed": True})

    def write_heads(self, book: Book, sheet: Any, row: int) -> None:
        """Two rows of headings: what is computed, and its columns."""
        beneath, head = sheet.beneath, book.head(align="left", text_wrap=False)
        for column in range(self.start, self.stop):
            beneath.write_blank(row, column, None, head)
        beneath.write_string(row, self.start, _TITLE, head)
        rates = [f"{side} {name}" for side in ("ref.", "test") for name in RATE_HEADS]
        self._heads(beneath, row, self.start, ("", rates), head)
        for name in (*self.planes, *self.extras):
            label = metric(name).label
            at = self.knots(name)
            for group in _groups(label, KNOT_HEADS, "comparison", PAIR_HEADS):
                self._heads(beneath, row, at, group, head)
                at += len(group[1])
        for name in self.planes:
            label = f"{metric(name).label}, one cubic"
            at = self.cubic(name)
            for group in _groups(label, CUBIC_HEADS, "at low, middle, high", CUBIC_PAIR_HEADS):
                self._heads(beneath, row, at, group, head)
                at += len(group[1])

    @staticmethod
    def _heads(sheet: Any, row: int, at: int, group: "_Heads", head: Any) -> None:
        title, names = group
        if title:
            sheet.write_string(row, at, title, head)
        for offset, name in enumerate(names):
            sheet.write_string(row + 1, at + offset, name, head)

    def lay(
        self, pen: Pen, row: int, sides: tuple[Side, Side], wanted: Mapping[str, Sequence[str]]
    ) -> dict[tuple[str, str], Computed]:
        """Write the workings of one block.

        Args:
            pen: of the sheet.
            row: of the block's first points.
            sides: reference and tested.
            wanted: by metric: methods that gave a number.

        Returns:
            By metric and method.
        """
        metrics = {name: ways for name, ways in wanted.items() if self._is_whole(sides, name)}
        if not metrics:
            return {}
        found = {}
        rates = [
            lay_rates(pen, row, self.start + 2 * index, side.rates)
            for index, side in enumerate(sides)
        ]
        for name, methods in metrics.items():
            at = self.knots(name)
            anchor, test = (
                lay_knots(
                    pen,
                    (row, at + index * len(KNOT_HEADS)),
                    rates[index],
                    side.qualities[name],
                    falling=name in FALLING_METRICS,
                    ceiling=CEILINGS.get(name),
                )
                for index, side in enumerate(sides)
            )
            pair = lay_pair(pen, PairPlaces.block(row, self.pair(name)), anchor, test)
            found[name, "pchip"] = Computed(pair.overlap, pair.bd_rate)
            if "cubic" not in methods or name not in self.planes:
                continue
            at, width = self.cubic(name), len(CUBIC_HEADS)
            fits = (
                lay_polynomial(pen, row, at + index * width, curve.log_rate, curve.quality)
                for index, curve in enumerate((anchor, test))
            )
            formula = lay_cubic_pair(pen, row, at + 2 * width, pair, *fits)
            found[name, "cubic"] = Computed(pair.overlap, formula)
        return found

    @staticmethod
    def _is_whole(sides: tuple[Side, Side], name: str) -> bool:
        return all(side.has_all(name) for side in sides)


_Heads = tuple[str, Sequence[str]]


def _groups(label: str, curve: Sequence[str], last: str, pair: Sequence[str]) -> list[_Heads]:
    """Titles and headings of both sides of a metric, then of their comparison."""
    return [*((f"{label}, {side}", curve) for side in SIDES), (f"{label}, {last}", pair)]
