"""plots/summary.png: the first screen as a slide, 16:9, legible from the last row."""

import io
import math
from typing import Any

from invrbench.report import tables
from invrbench.report.cells import Cell, Table
from invrbench.report.content import Report
from invrbench.report.drawing import drawing, one_line
from invrbench.report.info import heading, marks
from invrbench.report.metrics import metric

NAME = "summary.png"
_INCHES, _DPI = (40 / 3, 7.5), 144  # 1920 × 1080 pixels
_MAX_ROWS = 10
_SAVES, _COSTS = "#0072B2", "#E69F00"  # of Okabe and Ito's palette; hatched where it costs
_TICKS = (-90, -75, -50, 0, 100, 300, 1000, 3000)  # percent
# shares of the slide's width: names, left end and width of the bars, both ends of the numbers
_NAMES, _BARS_LEFT, _BARS_WIDTH, _NUMBERS, _END = 0.02, 0.245, 0.215, 0.475, 0.985


def draw_slide(report: Report) -> bytes:
    """The slide as PNG: a row per proposal with its BD-rates, bars on an axis of log rate."""
    from matplotlib.figure import Figure

    table = tables.headline(report)
    with drawing({"font.size": 15}):
        figure = Figure(figsize=_INCHES, dpi=_DPI)
        _write_frame(figure, report, table)
        if table.rows:
            _draw_rows(figure, report, table)
        out = io.BytesIO()
        figure.savefig(out, format="png", metadata={"Software": None})
    return out.getvalue()


def _write_frame(figure: Any, report: Report, table: Table) -> None:
    info = report.info
    figure.text(0.02, 0.94, one_line(info.title or info.conditions, 72), size=22, weight="bold")
    anchor = info.codec(info.headline_anchor).display
    figure.text(
        0.02, 0.895, one_line(f"Reference: {anchor} · {heading(info)}", 110), color="#444444"
    )
    words = " · ".join(marks(report.points, info))
    if words:
        figure.text(0.98, 0.94, words, size=18, weight="bold", color="#B00020", ha="right")
    foot = [] if info.budget == "paper" else [f"budget {info.budget}: an indication"]
    if len(table.rows) > _MAX_ROWS:
        foot.append(f"{len(table.rows) - _MAX_ROWS} more proposals in results.xlsx")
    foot += ["negative: less rate at equal quality", f"conditions {info.digest[:8]}"]
    figure.text(0.02, 0.025, " · ".join(foot), size=12, color="#444444")
    if not table.rows:
        figure.text(0.5, 0.5, "No proposal in this run.", ha="center", size=20)


def _draw_rows(figure: Any, report: Report, table: Table) -> None:
    rows = table.rows[:_MAX_ROWS]
    names = list(dict.fromkeys(report.info.headline_metrics))
    heads = [metric(name).label for name in names] + ["n of N", "kMAC/pixel", "cross-check"]
    step = (_END - _NUMBERS) / len(heads)
    places = [_NUMBERS + step * (index + 0.5) for index in range(len(heads))]
    axes = figure.add_axes((_BARS_LEFT, 0.10, _BARS_WIDTH, 0.72))
    axes.set_ylim(len(rows) - 0.5, -0.5)
    rise = 0.72 / len(rows)
    for head, x in zip(heads, places, strict=True):
        figure.text(x, 0.845, head, ha="center", size=14, weight="bold")
    middle = _BARS_LEFT + _BARS_WIDTH / 2
    figure.text(middle, 0.845, f"BD-rate {heads[0]}", ha="center", size=14, weight="bold")
    size = min(16.0, 170 * rise)
    for index, row in enumerate(rows):
        y = 0.82 - rise * (index + 0.5)
        figure.text(_NAMES, y, _wrapped(row[0].shown, 24), size=size, va="center")
        shown = [*row[2 : 2 + len(names)], row[2 + len(names)], row[4 + len(names)], row[-1]]
        for cell, x in zip(shown, places, strict=True):
            _write_cell(figure, cell, x, y, size)
        _draw_bar(axes, row[2], index)
    _dress(axes, [row[2] for row in rows])


def _write_cell(figure: Any, cell: Cell, x: float, y: float, size: float) -> None:
    look = {"style": "italic", "color": "#666666"} if cell.kind == "reason" else {}
    text = _wrapped(cell.shown, 13)
    small = size if cell.kind == "number" else min(size, 12)
    figure.text(x, y, text, ha="center", va="center", size=small, linespacing=0.95, **look)


def _log_ratio(percent: float) -> float:
    return math.log10(max(1 + percent / 100, 1e-3))


def _draw_bar(axes: Any, cell: Cell, index: int) -> None:
    if isinstance(cell.value, str) or cell.value is None:
        return
    saves = cell.value < 0
    look = {"color": _SAVES} if saves else {"color": _COSTS, "hatch": "//", "edgecolor": "#7A5200"}
    axes.barh(index, _log_ratio(100 * cell.value), height=0.55, **look)


def _dress(axes: Any, cells: list[Cell]) -> None:
    numbers = [_log_ratio(100 * cell.value) for cell in cells if isinstance(cell.value, float)]
    low, high = min([*numbers, -0.15]), max([*numbers, 0.15])
    margin = 0.06 * (high - low)
    axes.set_xlim(low - margin, high + margin)
    ticks = [each for each in _TICKS if low - margin <= _log_ratio(each) <= high + margin]
    axes.set_xticks(
        [_log_ratio(each) for each in ticks], [f"{each:+d}%" if each else "0" for each in ticks]
    )
    axes.tick_params(axis="x", labelsize=11)
    axes.set_yticks([])
    axes.grid(axis="x", color="#DDDDDD", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.axvline(0, color="black", linewidth=1.2)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)


def _wrapped(text: str, width: int) -> str:
    import textwrap

    return "\n".join(
        textwrap.wrap(one_line(text, 200), width, max_lines=3, placeholder=" …") or [""]
    )
