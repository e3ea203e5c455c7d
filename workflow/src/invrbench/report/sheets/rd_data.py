"""Sheet RD data: every curve's points, a row each, from which charts and BD-rates are computed.

The rows of a curve lie together, by rising rate. A metric's cells hold numbers or nothing: text in
them would be drawn as a point at zero. Workings stand to the right, folded away.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from invrbench.compare.bd import CEILINGS
from invrbench.compare.curves import BD_METRICS, FALLING_METRICS, Curve, CurveKey, Point, is_number
from invrbench.report.info import PRESENT
from invrbench.report.metrics import metric
from invrbench.report.sheets.base import GREY, Book, fold_workings
from invrbench.report.sheets.formula import Range
from invrbench.report.sheets.workings import (
    KNOT_HEADS,
    RATE_HEADS,
    Knots,
    Rates,
    lay_knots,
    lay_rates,
)

SHEET = "RD data"
RATES = ("bpp", "rate_kbps")
_FIRST_RATE, _FIRST_METRIC = 3, 5
_RATE_FORMATS = {"bpp": "0.0000", "rate_kbps": "0.00"}
Wanted = Mapping[CurveKey, Iterable[str]]


@dataclass(frozen=True)
class Laid:
    """Where a curve stands: cells of its rates and metrics, None where a point has no number."""

    columns: Mapping[str, Range]

    def has_all(self, *columns: str) -> bool:
        """Whether every point has a number in these columns."""
        return all(is_number(value) for name in columns for value in self.columns[name].values)


@dataclass(frozen=True)
class RdData:
    """The sheet as it stands: curves by key, and by metric too for hulls.

    ``knots`` holds by curve and metric which rate its knots are of, and these.
    """

    curves: Mapping[tuple[CurveKey, str], Laid]
    knots: Mapping[tuple[CurveKey, str], tuple[str, Knots]]

    def curve(self, curve: Curve, column: str) -> Laid | None:
        """A curve's cells; a hull's front differs from metric to metric."""
        return self.curves.get((curve.key, column if curve.is_hull else ""))

    def pair(self, anchor: CurveKey, test: CurveKey, column: str) -> tuple[Knots, Knots] | None:
        """Knots of two curves by a metric; None without both, or if their rates are unlike."""
        first, second = self.knots.get((anchor, column)), self.knots.get((test, column))
        if first is None or second is None or first[0] != second[0]:
            return None
        return first[1], second[1]


def shown_metrics(book: Book) -> list[str]:
    """Metrics of the sheet: those of the conditions and of the headline, in the usual order."""
    asked = {*book.report.info.metrics, *book.report.info.headline_metrics}
    compared = {row["metric"] for row in book.report.rows}
    return [name for name in BD_METRICS if name in asked | compared]


def write_rd_data(book: Book, wanted: Wanted) -> RdData:
    """Write the sheet.

    Args:
        book: the workbook.
        wanted: metrics by which curves are compared, by curve.
    """
    sheet, row = book.sheet(SHEET, "Points behind the charts and BD-rates", paper="A3")
    note = "When a point is edited here, the charts and the sheets BD, Summary and Full follow: "
    note += "BD-rates take the rate from bpp (kbps where there is none), charts of clips from kbps."
    sheet.write_string(row, 0, note, book.style(font_color=GREY, font_size=8))
    row += 1
    metrics = shown_metrics(book)
    start = _FIRST_METRIC + len(metrics) + 1
    _set_columns(sheet, len(metrics))
    _write_heads(book, sheet, row, metrics, start)
    sheet.freeze_panes(row + 1, 3)
    sheet.repeat_rows(row)
    curves: dict[tuple[CurveKey, str], Laid] = {}
    knots: dict[tuple[CurveKey, str], tuple[str, Knots]] = {}
    row += 1
    for curve, part, points in _blocks(book, metrics):
        shown = [part] if part else metrics
        laid = _write_points(book, sheet, row, curve, points, (metrics, shown))
        curves[curve.key, part] = laid
        for name, found in _lay(book, sheet, row, start, laid, (metrics, wanted, curve)).items():
            knots[curve.key, name] = found
        row += len(points)
    if not curves:
        sheet.write_string(row, 0, "No point has a rate.", book.reason(align="left"))
    sheet.print_area(0, 0, max(row, 1), start - 2)
    return RdData(curves, knots)


def _set_columns(sheet: Any, metrics: int) -> None:
    for index, width in enumerate((26, 42, 22, 11, 11)):
        sheet.set_column(index, index, width)
    sheet.set_column(_FIRST_METRIC, _FIRST_METRIC + metrics - 1, 10)


def _write_heads(book: Book, sheet: Any, row: int, metrics: list[str], start: int) -> None:
    heads = ["Sequence", "Curve", "Rate point", "bpp", "kbps"]
    heads += [metric(name).axis for name in metrics]
    for index, text in enumerate(heads):
        sheet.write_string(row, index, text, book.head(align="left" if index < 3 else "center"))
    sheet.set_row(row, 28)
    names = [*RATE_HEADS]
    names += [f"{metric(name).label} {head}" for name in metrics for head in KNOT_HEADS]
    fold_workings(book, sheet, row, start, names)
    title = "Workings: the pieces of every curve, from the points on the left"
    sheet.beneath.write_string(row - 1, start, title, book.style(bold=True))


def _blocks(book: Book, metrics: list[str]) -> Iterable[tuple[Curve, str, list[Point]]]:
    """Curves in the order of the report with their points; hulls once per metric."""
    held = {curve.key for curve in book.report.curves}
    means = [curve for curve in book.report.pooled if curve.key not in held]
    for curve in (*book.report.curves, *means):
        for part in metrics if curve.is_hull else ("",):
            points = _front(curve, part) if part else _present(curve)
            if points:
                yield curve, part, points


def _present(curve: Curve) -> list[Point]:
    points = [
        point
        for point in curve.points
        if point["status"] in PRESENT and any(is_number(point.get(name)) for name in RATES)
    ]
    return sorted(points, key=lambda point: [point.get(name) or 0.0 for name in RATES])


def _front(curve: Curve, column: str) -> list[Point]:
    """The points of a hull's front by one metric."""
    for rate in RATES:
        front = curve.drawable(column, rate)
        if front:
            found = {(p.get(rate), p.get(column)): p for p in _present(curve)}
            return [found[pair] for pair in front]
    return []


def _write_points(
    book: Book,
    sheet: Any,
    row: int,
    curve: Curve,
    points: list[Point],
    metrics: tuple[list[str], list[str]],
) -> Laid:
    """A row per point; of the columns of all metrics those that are shown."""
    everything, shown = metrics
    columns = {name: _FIRST_RATE + index for index, name in enumerate(RATES)}
    columns |= {name: _FIRST_METRIC + everything.index(name) for name in shown}
    place = f"{curve.key.sequence} {curve.key.view_set}".strip()
    name = book.report.info.curve_name(curve)
    plain = book.style()
    formats = {
        column: book.style(num_format=_RATE_FORMATS.get(column) or metric(column).number_format)
        for column in columns
    }
    for offset, point in enumerate(points):
        for index, text in enumerate((place, name, str(point["rate_point"]))):
            sheet.write_string(row + offset, index, text, plain)
        for column, index in columns.items():
            if is_number(point.get(column)):
                sheet.write_number(row + offset, index, point[column], formats[column])
    return Laid(
        {
            column: Range(row, index, tuple(point.get(column) for point in points))
            for column, index in columns.items()
        }
    )


def _lay(
    book: Book,
    sheet: Any,
    row: int,
    start: int,
    laid: Laid,
    about: tuple[list[str], Wanted, Curve],
) -> dict[str, tuple[str, Knots]]:
    """Workings of a curve for the metrics it is compared by: by metric, rate column and knots."""
    metrics, wanted, curve = about
    rate = next((name for name in RATES if laid.has_all(name)), None)
    asked = set(wanted.get(curve.key, ()))
    names = [n for n in metrics if n in asked and n in laid.columns and laid.has_all(n)]
    if rate is None or not names:
        return {}
    pen = book.pen(sheet)
    rates: Rates = lay_rates(pen, row, start, laid.columns[rate])
    found = {}
    for name in names:
        at = start + len(RATE_HEADS) + metrics.index(name) * len(KNOT_HEADS)
        knots = lay_knots(
            pen,
            (row, at),
            rates,
            laid.columns[name],
            falling=name in FALLING_METRICS,
            ceiling=CEILINGS.get(name),
        )
        found[name] = (rate, knots.seen_from_elsewhere(SHEET))
    return found
