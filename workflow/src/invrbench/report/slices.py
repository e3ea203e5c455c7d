"""Pictures of how views hold together: x–t slices, and instants side by side with a crop.

Pictures are (H, W, 3) uint8 RGB. Enlarging repeats samples, so that every sample of a view stays
what its decoder wrote; text is drawn by Matplotlib, the same on every run.
"""

import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from invrbench.ctc.pictures import Place
from invrbench.errors import InputError
from invrbench.report.drawing import drawing, one_line
from invrbench.results.pictures import pixels_on

Picture = NDArray[np.uint8]

GAP = 4  # pixels between pictures that belong together
WIDE_GAP = 14  # pixels between instants
MARGIN = 8
LABEL_HEIGHT = 28
FONT_PIXELS = 15.0
PAPER = 255
GROUND = 236  # behind a reason
NOTICE_WIDTH = 640  # of reasons without any picture
LETTER_PIXELS = 9
MARK = (255, 64, 0)  # outline of the crop, and the place of a line
_DPI = 100
_POINTS = 72  # to an inch


@dataclass(frozen=True)
class Crop:
    """The part of a picture that is shown enlarged: top left sample and size, in pixels."""

    column: int
    row: int
    width: int
    height: int


@dataclass(frozen=True)
class Row:
    """One method's pictures, left to right, beneath its name, or the reason why it has none."""

    label: str
    pictures: tuple[Picture, ...] = ()
    reason: str = ""


def enlarged(picture: Picture, factor: int) -> Picture:
    """Every sample repeated ``factor`` times in both directions."""
    return picture.repeat(factor, axis=0).repeat(factor, axis=1)


def shrunk(picture: Picture, factor: int) -> Picture:
    """Means over ``factor`` × ``factor`` samples; what is over at the ends is left out."""
    height, width = (side // factor for side in picture.shape[:2])
    blocks = picture[: height * factor, : width * factor].reshape(height, factor, width, factor, 3)
    means: Picture = np.rint(blocks.mean(axis=(1, 3))).astype(np.uint8)
    return means


def xt_slice(line: Picture, *, rows: int, columns: int) -> Picture:
    """One line of a view over time, the first instant on top: still things are vertical stripes.

    Args:
        line: its pixels at every instant, (T, N, 3).
        rows, columns: of the slice for each instant and each pixel.

    Returns:
        (T·rows, N·columns, 3).
    """
    return line.repeat(rows, axis=0).repeat(columns, axis=1)


def montage(
    rows: Sequence[Row], heads: Sequence[str], crop: Crop, *, factor: int = 2, shrink: int = 1
) -> Picture:
    """Instants side by side, each beside its enlarged crop; one row for the source and each method.

    Args:
        rows: alike in number and size of pictures, or without pictures and with a reason.
        heads: what stands above each column, e.g. "instant 0".
        crop: shown as high as its picture allows at a whole factor, outlined in the picture.
        factor: of the whole pictures.
        shrink: divides the size of the whole pictures, for large ones; crops keep every sample.

    Raises:
        InputError: no picture, rows differ, or the crop leaves the picture or is no enlargement.
    """
    shape = _common_shape(rows, len(heads))
    zoom = _zoom(crop, shape, factor, shrink)
    cell = shape[1] // shrink * factor + GAP + crop.width * zoom
    titles = _beside([_label(head, cell, bold=True) for head in heads], WIDE_GAP)

    def band(row: Row) -> Picture:
        cells = [_with_crop(each, crop, factor, zoom, shrink) for each in row.pictures]
        return _beside(cells, WIDE_GAP)

    return _framed(np.concatenate([titles, *_bands(rows, band, titles.shape[1])]))


def labelled(rows: Sequence[Row], lead: Row | None = None) -> Picture:
    """Rows of pictures beneath their labels, e.g. the x–t slices of the source and each method.

    Args:
        rows: alike in number and size of pictures, or without pictures and with a reason.
        lead: stands on top; its pictures may be of another size.

    Raises:
        InputError: neither picture nor reason, or rows differ in number or size of pictures.
    """
    pictured = [row for row in rows if not row.reason]
    if pictured or not rows:
        _common_shape(rows, len(pictured[0].pictures) if pictured else 0)
    every = [*([lead] if lead else []), *rows]
    drawn = [_beside(row.pictures, WIDE_GAP) for row in every if not row.reason]
    width = max((band.shape[1] for band in drawn), default=NOTICE_WIDTH)
    return _framed(
        np.concatenate(_bands(every, lambda row: _beside(row.pictures, WIDE_GAP), width))
    )


def _bands(rows: Sequence[Row], draw: Callable[[Row], Picture], width: int) -> list[Picture]:
    """Label and pictures of every row, or label and reason, all ``width`` wide."""
    bands = []
    for row in rows:
        below = _notice(row.reason, width) if row.reason else draw(row)
        right = ((0, 0), (0, width - below.shape[1]), (0, 0))
        bands += [_label(row.label, width), np.pad(below, right, constant_values=PAPER)]
    return bands


def _notice(text: str, width: int) -> Picture:
    """A reason on grey, in as many lines as it takes: (lines · LABEL_HEIGHT, width, 3)."""
    lines = textwrap.wrap(text, max(width // LETTER_PIXELS, 1)) or [""]
    picture = np.concatenate([_label(line, width - 2 * MARGIN) for line in lines])
    sides = ((MARGIN, MARGIN), (MARGIN, MARGIN), (0, 0))
    return np.minimum(np.pad(picture, sides, constant_values=PAPER), GROUND)


def with_line(picture: Picture, line: tuple[Place, Place], *, factor: int = 1) -> Picture:
    """A picture, enlarged, that shows where an x–t slice is taken: every second pixel of it marked.

    Args:
        picture: one instant of the view.
        line: its two ends.
        factor: of the picture.
    """
    columns, rows = pixels_on(*line)
    marked = picture.copy()
    marked[rows[::2], columns[::2]] = MARK
    return enlarged(marked, factor)


def png(picture: Picture) -> bytes:
    """A picture as a PNG file."""
    _, data = cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    return bytes(data)


def _common_shape(rows: Sequence[Row], columns: int) -> tuple[int, int, int]:
    """Shape that the pictures of all rows without a reason have.

    Raises:
        InputError: no picture, or one row has other numbers or sizes; names it.
    """
    pictured = [row for row in rows if not row.reason]
    if not pictured or not columns:
        raise InputError("a comparison of pictures needs a row with a picture.")
    first = pictured[0].pictures[0].shape if pictured[0].pictures else ()
    for row in pictured:
        shapes = [picture.shape for picture in row.pictures]
        if shapes != [first] * columns:
            raise InputError(
                f"row {row.label!r} has pictures of {shapes}; {columns} of {first} are expected, "
                "as in the first row."
            )
    height, width, components = first
    return height, width, components


def _zoom(crop: Crop, shape: tuple[int, int, int], factor: int, shrink: int) -> int:
    """Whole factor at which a crop is as high as its picture.

    Raises:
        InputError: the crop leaves the picture, or would be shown no larger than in it.
    """
    height, width, _ = shape
    text = f"crop {crop.width}x{crop.height} at column {crop.column}, row {crop.row}"
    inside = (
        min(crop.column, crop.row) >= 0
        and min(crop.width, crop.height, factor) >= 1
        and crop.column + crop.width <= width
        and crop.row + crop.height <= height
    )
    if not inside:
        raise InputError(f"{text} is not inside a picture of {width}x{height}.")
    zoom = max(height // shrink * factor // crop.height, 1)
    if zoom * shrink <= factor:
        raise InputError(
            f"{text} of a picture of {width}x{height} cannot be shown larger beside it; take at "
            f"most {height * factor // (factor + 1)} rows."
        )
    return zoom


def _with_crop(picture: Picture, crop: Crop, factor: int, zoom: int, shrink: int) -> Picture:
    """A picture with the crop outlined from outside, and the crop to its right."""
    rows = slice(crop.row, crop.row + crop.height)
    columns = slice(crop.column, crop.column + crop.width)
    outlined = picture.copy()
    above, left = max(crop.row - shrink, 0), max(crop.column - shrink, 0)
    outlined[above : rows.stop + shrink, left : columns.stop + shrink] = MARK
    outlined[rows, columns] = picture[rows, columns]
    whole = enlarged(shrunk(outlined, shrink), factor)
    return _beside([whole, enlarged(picture[rows, columns], zoom)], GAP)


def _beside(pictures: Sequence[Picture], gap: int) -> Picture:
    """Pictures left to right, aligned at the top, on paper."""
    height = max(picture.shape[0] for picture in pictures)
    parts: list[Picture] = []
    for picture in pictures:
        below = ((0, height - picture.shape[0]), (0, 0), (0, 0))
        parts += [_paper(height, gap), np.pad(picture, below, constant_values=PAPER)]
    return np.concatenate(parts[1:], axis=1)


def _paper(height: int, width: int) -> Picture:
    return np.full((height, width, 3), PAPER, dtype=np.uint8)


def _framed(picture: Picture) -> Picture:
    edges = ((MARGIN, MARGIN), (MARGIN, MARGIN), (0, 0))
    return np.pad(picture, edges, constant_values=PAPER)


def _label(text: str, width: int, *, bold: bool = False) -> Picture:
    """One line of text, made smaller until it fits: (LABEL_HEIGHT, width, 3)."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with drawing():
        # half a pixel more: Matplotlib cuts off fractions, and 29 / 100 · 100 is below 29
        size_inches = (width + 0.5) / _DPI, (LABEL_HEIGHT + 0.5) / _DPI
        figure = Figure(figsize=size_inches, dpi=_DPI)
        canvas: Any = FigureCanvasAgg(figure)
        size = FONT_PIXELS * _POINTS / _DPI
        drawn: Any = figure.text(
            0,
            0.38,
            one_line(text, 400),
            size=size,
            va="center",
            weight="bold" if bold else "normal",
        )
        extent = drawn.get_window_extent(canvas.get_renderer())
        drawn.set_size(size * min(1.0, width / max(extent.width, 1.0)))
        canvas.draw()
        samples = np.asarray(canvas.buffer_rgba())[..., :3]
    return samples.astype(np.uint8)
