"""RD plots of every sequence and the conditions' figures, the same bytes on every run."""

import io
import multiprocessing
import re
import textwrap
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from itertools import repeat
from pathlib import Path
from typing import Any

from invrbench.codec.process import die_with_parent
from invrbench.compare.curves import (
    FALLING_METRICS,
    Curve,
    Point,
    class_means,
    group_curves,
    is_chosen,
    is_number,
)
from invrbench.compare.seeds import band, pooled_curves, used_seeds
from invrbench.ctc.conditions import Figure
from invrbench.digest import digest_value, write_whole
from invrbench.report.drawing import drawing, one_line
from invrbench.report.info import RunInfo, heading, marks
from invrbench.report.metrics import metric
from invrbench.results.records import usable_cores

# Okabe and Ito's palette, safe for colour-blind readers; black and white tell curves apart by
# marker, fill, line style and width.
_ANCHOR_COLOURS = ("#000000", "#0072B2", "#009E73", "#8A6A00", "#56B4E9", "#666666")
_ANCHOR_MARKERS = ("o", "s", "^", "v", "<", ">")
_CONFIGURATION_FILLS = {"ai": "full", "ra": "full", "ld": "none"}
_PROPOSAL_COLOURS = (
    "#D55E00", "#CC79A7", "#E69F00", "#882255", "#117733", "#332288", "#44AA99", "#999933",
)  # fmt: skip
_PROPOSAL_MARKERS = ("*", "D", "X", "P", "h", "d", "p")
_PROPOSAL_LINES = ("-", "-.", (0, (6, 2)), (0, (3, 1, 1, 1, 1, 1)))
_PUBLISHED_MARKERS = (*_ANCHOR_MARKERS, "D", "P", "X", "h")
_RC: Any = {
    "svg.hashsalt": "invrbench",
    "svg.fonttype": "path",
    "font.size": 9,
    "axes.titlesize": 10,
    "legend.fontsize": 7.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "path.simplify": False,
}
_LEGEND_WIDTH, _LEGEND_LETTERS, _TITLE_LETTERS = 32, 96, 76
LookKey = tuple[str, str, str]
SCALES = ("linear", "log")
_MANY_DECADES = 10**2.2  # so wide an axis has no room for three numbers a decade
_PICTURES_A_WORKER = 10  # what starting another process is worth
MAX_NAME_BYTES = 160  # of 255 that file systems allow, with metric, scale and a temporary name
X_AXES = {
    "bpp": "Rate (bit/pixel)",
    "rate_kbps": "Rate (kbit/s)",
    "qp": "QP (coarser →)",
    "compression_ratio": "Compression ratio: float32 model / bitstream (smaller files →)",
}
FIGURE_MARGIN = 0.04  # of a figure's range, left free around its curves


@dataclass(frozen=True)
class Look:
    """How a curve is drawn: Matplotlib's colour, marker, line style, width and marker fill."""

    colour: str
    marker: str
    line: Any
    width: float
    fill: str
    size: float


HULL = Look(colour="#888888", marker="", line=(0, (1, 1)), width=2.6, fill="full", size=0.0)


def looks(curves: Sequence[Curve]) -> dict[LookKey, Look]:
    """Look of every drawn curve by its :func:`look_key`, the same in all plots."""
    families: dict[str, list[LookKey]] = {
        "anchor": [],
        "proposal": [],
        "published": [],
    }
    for curve in curves:
        identity = look_key(curve)
        if curve.role in families and not curve.is_hull and identity not in families[curve.role]:
            families[curve.role].append(identity)
    table: dict[LookKey, Look] = {}
    anchors = list(dict.fromkeys(codec for codec, *_ in families["anchor"]))
    for identity in families["anchor"]:
        index = anchors.index(identity[0])
        table[identity] = Look(
            colour=_ANCHOR_COLOURS[index % len(_ANCHOR_COLOURS)],
            marker=_ANCHOR_MARKERS[index % len(_ANCHOR_MARKERS)],
            line="-",
            width=1.1,
            fill=_CONFIGURATION_FILLS.get(identity[1], "full"),
            size=4.5,
        )
    for index, identity in enumerate(families["proposal"]):
        table[identity] = Look(
            colour=_PROPOSAL_COLOURS[index % len(_PROPOSAL_COLOURS)],
            marker=_PROPOSAL_MARKERS[index % len(_PROPOSAL_MARKERS)],
            line=_PROPOSAL_LINES[index % len(_PROPOSAL_LINES)],
            width=2.0,
            fill="full",
            size=8.0 if index % len(_PROPOSAL_MARKERS) == 0 else 6.0,
        )
    for index, identity in enumerate(families["published"]):
        table[identity] = Look(
            colour="#555555",
            marker=_PUBLISHED_MARKERS[index % len(_PUBLISHED_MARKERS)],
            line=(0, (2, 2)),
            width=1.1,
            fill="none",
            size=4.0,
        )
    for curve in curves:
        if curve.is_hull:
            table[look_key(curve)] = HULL
    return table


def look_key(curve: Curve) -> LookKey:
    """What a curve's look depends on: codec, configuration and curve, so that seeds share one."""
    key = curve.key
    return key.codec, key.configuration, key.curve


@dataclass(frozen=True)
class Picture:
    """What is drawn: curves of one metric, saved under ``stem``.

    A figure of the conditions is framed by its curves, with those ``behind`` drawn thin and grey
    as far as they lie within, and saved with a linear rate axis only.
    """

    stem: Path
    title: str
    curves: tuple[Curve, ...]
    column: str
    rate: str
    behind: tuple[Curve, ...] = ()
    is_figure: bool = False


@dataclass(frozen=True)
class Style:
    """What all pictures of a report share: looks of the curves, names, and a note beneath."""

    looks: dict[LookKey, Look]
    info: RunInfo
    note: str


def write_plots(folder: Path, points: Sequence[Point], info: RunInfo) -> list[Path]:
    """Draw rate over quality of every sequence for the headline metrics, and the figures.

    Several seeds of a codec are drawn as their mean; from three on a band spans the lowest and the
    highest quality.

    Args:
        folder: where ``<sequence>.<metric>.<scale>.{png,svg}`` and ``<figure>.{png,svg}`` go.
            Where published means are held, ``mean-of-<class>`` stands for a sequence.
        points: normalised points.
        info: names, marks and figures.

    Returns:
        The written files; a sequence without a drawable point has none.
    """
    drawn = [*points, *class_means(points)]
    grouped = group_curves(drawn, info.hulls)
    curves = pooled_curves([curve for curve in grouped if curve.role != "control"])
    pictures: list[Picture] = []
    for (sequence, views), members in _by_place(curves).items():
        for column in dict.fromkeys(info.headline_metrics):
            rate = _rate(sequence, points, info)
            if any(curve.drawable(column, rate) for curve in members):
                title = f"{sequence} {views}".strip()
                stem = folder / plot_stem(sequence, views, column)
                pictures.append(Picture(stem, title, tuple(members), column, rate))
    figures = (figure_picture(folder, each, curves, points, info) for each in info.figures)
    pictures += [picture for picture in figures if picture.curves]
    return _draw_all(pictures, Style(looks(curves), info, _note(points, info)))


def _draw_all(pictures: Sequence[Picture], style: Style) -> list[Path]:
    """Draw pictures, many of them in as many processes as there are cores."""
    workers = min(usable_cores(), len(pictures) // _PICTURES_A_WORKER)
    if workers < 2:
        return _draw_some(pictures, style)
    parts = [pictures[start::workers] for start in range(workers)]
    context = multiprocessing.get_context("spawn")  # forking would copy the libraries' threads
    with ProcessPoolExecutor(workers, mp_context=context, initializer=die_with_parent) as pool:
        return [path for done in pool.map(_draw_some, parts, repeat(style)) for path in done]


def _draw_some(pictures: Sequence[Picture], style: Style) -> list[Path]:
    with drawing(_RC):
        return [path for picture in pictures for path in _draw(picture, style)]


def _by_place(curves: Iterable[Curve]) -> dict[tuple[str, str], list[Curve]]:
    groups: dict[tuple[str, str], list[Curve]] = {}
    for curve in curves:
        groups.setdefault((curve.key.sequence, curve.key.view_set), []).append(curve)
    return groups


def plot_stem(sequence: str, view_set: str, column: str) -> str:
    """Name of a sequence's plots up to the scale, short enough for every file system.

    >>> plot_stem("Cactus@0+32", "", "psnr_y_db"), plot_stem("mean of UVG", "test", "vmaf")
    ('Cactus@0+32.psnr_y_db', 'mean-of-UVG.test.vmaf')
    """
    name = re.sub(r"[^\w.@+-]", "-", sequence)
    if len(name.encode()) > MAX_NAME_BYTES:
        kept = name.encode()[: MAX_NAME_BYTES - 9].decode(errors="ignore")
        name = f"{kept}-{digest_value(name)[:8]}"
    return ".".join(part for part in (name, view_set, column) if part)


def _rate(sequence: str, points: Sequence[Point], info: RunInfo) -> str:
    return "bpp" if info.is_still(sequence, points) else "rate_kbps"


def figure_picture(
    folder: Path, figure: Figure, curves: Sequence[Curve], points: Sequence[Point], info: RunInfo
) -> Picture:
    """The picture of a figure; without a sequence it shows the first that has a chosen curve."""
    wanted = (figure.view_set,) if figure.view_set else {curve.key.view_set for curve in curves}
    curves = [curve for curve in curves if curve.key.view_set in wanted]
    if figure.x:
        curves = [curve for curve in curves if not curve.is_hull]  # a front over rates
    if figure.x == "qp":
        curves = [_with_qp(curve) for curve in curves]
    chosen = [curve for curve in curves if is_chosen(curve.key, figure.curves)]
    sequence = figure.sequence or next((curve.key.sequence for curve in chosen), "")
    rate = figure.x or _rate(sequence, points, info)
    here = [curve for curve in curves if curve.key.sequence == sequence]
    shown = [c for c in here if c in chosen and c.drawable(figure.metric, rate)]
    behind = [curve for curve in here if is_chosen(curve.key, figure.orientation)]
    return Picture(
        stem=folder / figure.name,
        title=f"{figure.title} ({f'{sequence} {figure.view_set}'.strip()})",
        curves=tuple(shown),
        column=figure.metric,
        rate=rate,
        behind=tuple(curve for curve in behind if curve not in shown),
        is_figure=True,
    )


def _with_qp(curve: Curve) -> Curve:
    """A curve without the points that have no QP, such as an uncompressed model's."""
    return replace(curve, points=tuple(p for p in curve.points if is_number(p.get("qp"))))


def _draw(picture: Picture, style: Style) -> list[Path]:
    """One picture, saved with a linear and, unless it is a figure, a logarithmic rate axis."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.2, 4.6), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    column, rate = picture.column, picture.rate
    table, info = style.looks, style.info
    for curve in sorted(picture.curves, key=_legend_order):
        _draw_curve(axes, curve, table[look_key(curve)], column, rate, info)
    if picture.is_figure:
        axes.margins(FIGURE_MARGIN)
        limits = axes.get_xlim(), axes.get_ylim()
        for curve in picture.behind:
            look = replace(table[look_key(curve)], colour="#AAAAAA", width=0.9, size=3.0)
            _draw_curve(axes, curve, look, column, rate, info)
        axes.set_xlim(limits[0])
        axes.set_ylim(limits[1])
    shown = metric(column)
    axes.set_xlabel(X_AXES[rate])
    if rate == "qp":
        axes.locator_params(axis="x", integer=True)
    axes.set_ylabel(shown.axis + (", lower is better" if column in FALLING_METRICS else ""))
    title, about = one_line(picture.title, _TITLE_LETTERS - 20), heading(info)
    text = f"{title} · {shown.label}\n{one_line(about, _TITLE_LETTERS)}"
    axes.set_title(text, loc="left")
    axes.grid(True, which="both", color="#DDDDDD", linewidth=0.6)
    axes.set_axisbelow(True)
    figure.legend(loc="outside right center", frameon=False, handlelength=3.2)
    _mark(figure, axes, style)
    figure.draw_without_rendering()
    figure.set_layout_engine("none")  # laid out once, not for each of the files
    written = []
    if picture.is_figure:
        for suffix in ("png", "svg"):
            path = picture.stem.with_name(f"{picture.stem.name}.{suffix}")
            _save(figure, path, suffix)
            written.append(path)
        return written
    for scale in SCALES:
        axes.set_xscale(scale)
        if scale == "linear":
            axes.set_xlim(left=0)
        else:
            axes.autoscale(axis="x")
            _plain_log_axis(axes)
        for suffix in ("png", "svg"):
            path = picture.stem.with_name(f"{picture.stem.name}.{scale}.{suffix}")
            _save(figure, path, suffix)
            written.append(path)
    return written


def _draw_curve(axes: Any, curve: Curve, look: Look, column: str, rate: str, info: RunInfo) -> None:
    pairs = curve.drawable(column, rate)
    if not pairs:
        return
    axes.plot(
        [bits for bits, _ in pairs],
        [value for _, value in pairs],
        label=_label(legend(curve, len(pairs), info)),
        color=look.colour,
        marker=look.marker,
        linestyle=look.line,
        linewidth=look.width,
        markersize=look.size,
        fillstyle=look.fill,
        markerfacecoloralt="white",
        zorder=1.5 if curve.is_hull else 3 if curve.role == "proposal" else 2,
    )
    _draw_band(axes, curve, look, column, rate)


def _label(text: str) -> str:
    """A legend's text in lines; Matplotlib leaves out what begins with an underscore."""
    lines = textwrap.wrap(one_line(text, _LEGEND_LETTERS), _LEGEND_WIDTH)
    return "\n".join(lines or ["?"]).replace("_", " _", 1 if text.startswith("_") else 0)


def _draw_band(axes: Any, curve: Curve, look: Look, column: str, rate: str) -> None:
    """Shade what lies between the lowest and the highest seed, with bars for black and white."""
    spans = band(curve, column, rate)
    if not spans or curve.is_hull:
        return
    rates, low, high = zip(*spans, strict=True)
    colour = look.colour
    axes.fill_between(rates, low, high, color=colour, alpha=0.2, linewidth=0, zorder=1.8)
    axes.vlines(rates, low, high, color=colour, linewidth=1.0, zorder=3.5)


def _legend_order(curve: Curve) -> tuple[int, str]:
    """Anchors by configuration, then published curves, then proposals; else as in the points."""
    order = {"anchor": 0, "published": 1}
    return order.get(curve.role, 2), curve.key.configuration if curve.role == "anchor" else ""


def legend(curve: Curve, drawn: int, info: RunInfo) -> str:
    """The name of a drawn curve, with how many of its expected points are drawn if not all."""
    name = info.curve_name(curve)
    if curve.role == "published":
        name += " [published]"
    if curve.is_hull:
        return name
    used, total = used_seeds(curve)
    lost = f"{used} of {total} seeds" if used < total else ""
    expected = sum(point["status"] != "skipped" for point in curve.points)
    if drawn < expected:
        lost = f"{drawn} of {expected} points{', ' if lost else ''}{lost}"
    return f"{name}: {lost}" if lost else name


def _plain_log_axis(axes: Any) -> None:
    """Rates as plain numbers instead of powers of ten: at 1, 2 and 5 of every decade, if few."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    low, high = axes.get_xlim()
    subs = (1.0, 2.0, 5.0) if high < _MANY_DECADES * low else (1.0, 3.0)
    axes.xaxis.set_major_locator(LogLocator(base=10, subs=subs))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())


def _note(points: Sequence[Point], info: RunInfo) -> str:
    """What stands beneath every picture of a draft or an incomplete report."""
    return one_line(" · ".join(marks(points, info)), 2 * _TITLE_LETTERS)


def _mark(figure: Any, axes: Any, style: Style) -> None:
    """DRAFT across the picture, and what is incomplete beneath it."""
    if style.info.filter:
        axes.text(
            0.5,
            0.5,
            "DRAFT",
            transform=axes.transAxes,
            fontsize=60,
            color="#000000",
            alpha=0.08,
            ha="center",
            va="center",
            rotation=25,
        )
    if style.note:
        figure.supxlabel(f"Report {style.note}", fontsize=7.5, color="#B00020", x=0.01, ha="left")


def _save(figure: Any, path: Path, suffix: str) -> None:
    out = io.BytesIO()
    metadata = {"Date": None, "Creator": None} if suffix == "svg" else {"Software": None}
    figure.savefig(out, format=suffix, dpi=150, metadata=metadata)
    write_whole(path, out.getvalue())
