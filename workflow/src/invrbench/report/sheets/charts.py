"""Sheet RD charts: native scatter charts, drawn from the cells of the sheet RD data."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from invrbench.compare.curves import Curve
from invrbench.report.drawing import one_line
from invrbench.report.metrics import metric
from invrbench.report.plots import Look, LookKey, legend, look_key, looks
from invrbench.report.sheets.base import Book
from invrbench.report.sheets.formula import Range
from invrbench.report.sheets.rd_data import SHEET as DATA
from invrbench.report.sheets.rd_data import RdData

SHEET = "RD charts"
_MARKERS = {
    "o": "circle", "s": "square", "^": "triangle", "v": "plus", "<": "short_dash", ">": "x",
    "*": "star", "D": "diamond", "X": "x", "P": "long_dash", "h": "circle", "d": "square",
    "p": "triangle",
}  # fmt: skip
_DASHES = ("solid", "dash_dot", "dash", "long_dash_dot_dot")
_CHART_ROWS = 24
_NAME_LETTERS = 120
_CHART_SIZE = {"width": 760, "height": 460}


@dataclass(frozen=True)
class Series:
    """A curve's cells on the data sheet, and the numbers that are drawn of them."""

    curve: Curve
    rate: Range
    quality: Range
    rates: tuple[float, ...]
    qualities: tuple[float, ...]


def write_charts(book: Book, data: RdData) -> None:
    """Write a chart per sequence, headline metric and scale; several seeds as their mean.

    Args:
        book: the workbook.
        data: where the curves stand.
    """
    sheet, row = book.sheet(SHEET, "Rate-distortion charts")
    table = looks(book.report.pooled)
    columns = list(dict.fromkeys(book.report.info.headline_metrics))
    breaks = []
    groups: dict[tuple[str, str], list[Curve]] = {}
    for curve in book.report.pooled:
        groups.setdefault((curve.key.sequence, curve.key.view_set), []).append(curve)
    for (sequence, _), curves in groups.items():
        drawn = False
        for column in columns:
            series = _series(book, data, sequence, curves, column)
            if not series:
                continue
            for index, scale in enumerate(("linear", "log")):
                chart = _chart(book, series, table, column, sequence, scale)
                sheet.insert_chart(row, 12 * index, chart, {"x_offset": 4, "y_offset": 4})
            row += _CHART_ROWS
            drawn = True
        if drawn:
            breaks.append(row)
    if not breaks:
        sheet.write_string(row, 0, "No point to draw.", book.reason(align="left"))
    sheet.set_h_pagebreaks(breaks[:-1])
    sheet.print_area(0, 0, max(row, 1), 23)


def _shown(curve: Curve) -> str:
    """A curve's sequence, and the views it was measured on."""
    return f"{curve.key.sequence} {curve.key.view_set}".strip()


def _rate(book: Book, sequence: str) -> str:
    return "bpp" if book.report.info.is_still(sequence, book.report.points) else "rate_kbps"


def _series(
    book: Book, data: RdData, sequence: str, curves: Sequence[Curve], column: str
) -> list[Series]:
    """The curves that have a point to draw."""
    rate = _rate(book, sequence)
    series = []
    for curve in curves:
        pairs = curve.drawable(column, rate)
        laid = data.curve(curve, column)
        if pairs and laid:
            rates, qualities = zip(*pairs, strict=True)
            series.append(Series(curve, laid.columns[rate], laid.columns[column], rates, qualities))
    return series


def _chart(
    book: Book,
    series: Sequence[Series],
    table: dict[LookKey, Look],
    column: str,
    sequence: str,
    scale: str,
) -> Any:
    info = book.report.info
    chart = book.workbook.add_chart({"type": "scatter", "subtype": "straight_with_markers"})
    for entry in series:
        look = table[look_key(entry.curve)]
        chart.add_series(
            {
                "name": _plain(legend(entry.curve, len(entry.rates), info)),
                "categories": [DATA, *entry.rate.corners],
                "values": [DATA, *entry.quality.corners],
                "line": {"color": look.colour, "width": look.width, "dash_type": _dash(look)},
                "marker": _marker(look, entry.curve.role),
            }
        )
    chart.show_blanks_as("span")  # a point without this metric: the line goes on
    rates = [rate for entry in series for rate in entry.rates]
    qualities = [value for entry in series for value in entry.qualities]
    unit = "bit/pixel" if _rate(book, sequence) == "bpp" else "kbit/s"
    shown = metric(column)
    text = {"size": 10, "bold": True, "name": "Arial"}
    small = {"size": 9, "name": "Arial"}
    title = f"{_shown(series[0].curve)} · {shown.label} · {scale} rate"
    chart.set_title({"name": _plain(title), "name_font": text | {"size": 11}, "overlay": False})
    chart.set_x_axis(_rate_axis(rates, unit, scale) | {"name_font": text, "num_font": small})
    step = quality_step(min(qualities), max(qualities))
    chart.set_y_axis(
        {
            "name": shown.axis,
            "name_font": text,
            "num_font": small,
            "min": round(math.floor(min(qualities) / step) * step, 9),
            "max": round(math.ceil(max(qualities) / step + 1e-9) * step, 9),
            "major_unit": step,
            "num_format": "General",
            "crossing": "min",
            "major_gridlines": {"visible": True, "line": {"color": "#D9D9D9", "width": 0.5}},
        }
    )
    chart.set_legend({"position": "right", "font": {"size": 8, "name": "Arial"}})
    chart.set_size(_CHART_SIZE)
    return chart


def _marker(look: Look, role: str) -> dict[str, Any]:
    if not look.marker:
        return {"type": "none"}
    return {
        "type": _MARKERS[look.marker],
        "size": 8 if role == "proposal" else 6,
        "border": {"color": look.colour},
        "fill": {"color": look.colour if look.fill == "full" else "#FFFFFF"},
    }


def _dash(look: Look) -> str:
    if look.line == "-":
        return "solid"
    if look.line == "-.":
        return "dash_dot"
    by_first_stroke = {1: "round_dot", 2: "square_dot", 6: "dash", 3: "long_dash_dot_dot"}
    return by_first_stroke.get(look.line[1][0], "dash")


def _rate_axis(rates: Sequence[float], unit: str, scale: str) -> dict[str, Any]:
    axis: dict[str, Any] = {
        "name": f"Rate ({unit})",
        "num_format": "General",
        "crossing": "min",
        "major_gridlines": {"visible": True, "line": {"color": "#D9D9D9", "width": 0.5}},
    }
    if scale == "log":
        axis["log_base"] = 10
        axis["min"] = 10.0 ** math.floor(math.log10(min(rates)))
        axis["max"] = 10.0 ** math.ceil(math.log10(max(rates)) + 1e-9)
    else:
        axis["min"] = 0
    return axis


def quality_step(low: float, high: float) -> float:
    """Distance of grid lines that gives about six of them: 1, 2 or 5 times a power of ten.

    >>> quality_step(24.0, 41.0)
    5.0
    """
    raw = max(high - low, 6e-3) / 6
    power = 10.0 ** math.floor(math.log10(raw))
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= raw - 1e-12)


def _plain(text: str) -> str:
    """A name in a chart, where ``=x`` would be a formula and ``x!A1`` a cell."""
    plain = one_line(text, _NAME_LETTERS).replace("!", "! ")
    return f" {plain}" if plain.startswith("=") else plain
