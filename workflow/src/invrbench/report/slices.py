"""Pictures of how views hold together: x–t slices, and instants side by side with a crop.

Pictures are (H, W, 3) uint8 RGB. Enlarging repeats samples, so that every sample of a view stays
what its decoder wrote; text is drawn by Matplotlib, the same on every run.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from invrbench.errors import InputError

Picture = NDArray[np.uint8]
# (column, row) in pixels of the view, both ends included
Line = tuple[tuple[int, int], tuple[int, int]]

GAP = 4  # pixels between pictures that belong together
WIDE_GAP = 14  # pixels between instants
MARGIN = 8
LABEL_HEIGHT = 28
FONT_PIXELS = 15.0
PAPER = 255
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
    """One method's pictures, left to right, beneath its name."""

    label: str
    pictures: tuple[Picture, ...]


def first_middle_last(count: int) -> tuple[int, ...]:
    """Instants to show of a view with ``count`` of them, each once.

    >>> first_middle_last(30), first_middle_last(2)
    ((0, 14, 29), (0, 1))
    """
    return tuple(dict.fromkeys((0, (count - 1) // 2, count - 1)))


def enlarged(picture: Picture, factor: int) -> Picture:
    """Every sample repeated ``factor`` times in both directions."""
    return picture.repeat(factor, axis=0).repeat(factor, axis=1)


def xt_slice(frames: NDArray[np.uint8], line: int | Line, *, factor: int = 1) -> Picture:
    """One line of a view over time, the first instant on top: still things are vertical stripes.

    Args:
        frames: (T, H, W, 3).
        line: a row of the view, or the two ends of a line, which is sampled at the nearest pixels,
            one for each step along its longer side.
        factor: rows per instant.

    Returns:
        (T·factor, N, 3), N being W or the number of pixels on the line.

    Raises:
        InputError: the line leaves the view, or factor is below 1.
    """
    _, height, width, _ = frames.shape
    ends = ((0, line), (width - 1, line)) if isinstance(line, int) else line
    if factor < 1 or not all(0 <= x < width and 0 <= y < height for x, y in ends):
        raise InputError(
            f"x–t slice along {ends[0]} to {ends[1]} with {factor} rows per instant: a view of "
            f"{width}x{height} has columns 0 to {width - 1} and rows 0 to {height - 1}, and an "
            "instant needs at least one row."
        )
    columns, rows = _pixels(ends)
    return frames[:, rows, columns].repeat(factor, axis=0)


def _pixels(ends: Line) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Columns and rows of the pixels on a line."""
    (x0, y0), (x1, y1) = ends
    count = max(abs(x1 - x0), abs(y1 - y0)) + 1
    along = [np.rint(np.linspace(*pair, count)).astype(np.intp) for pair in ((x0, x1), (y0, y1))]
    return along[0], along[1]


def montage(rows: Sequence[Row], heads: Sequence[str], crop: Crop, *, factor: int = 2) -> Picture:
    """Instants side by side, each beside its enlarged crop; one row for the source and each method.

    Args:
        rows: alike in number and size of pictures.
        heads: what stands above each column, e.g. "instant 0".
        crop: shown as high as its picture allows at a whole factor, outlined in the picture.
        factor: of the whole pictures.

    Raises:
        InputError: rows differ, or the crop leaves the picture or is no enlargement.
    """
    shape = _common_shape(rows, len(heads))
    zoom = _zoom(crop, shape, factor)
    cell = shape[1] * factor + GAP + crop.width * zoom
    titles = [_label(head, cell, bold=True) for head in heads]
    bands = [_beside(titles, WIDE_GAP)]
    for row in rows:
        cells = [_with_crop(picture, crop, factor, zoom) for picture in row.pictures]
        band = _beside(cells, WIDE_GAP)
        bands += [_label(row.label, band.shape[1]), band]
    return _framed(np.concatenate(bands))


def labelled(rows: Sequence[Row]) -> Picture:
    """Rows of pictures beneath their labels, e.g. the x–t slices of the source and each method.

    Raises:
        InputError: rows differ in number or size of pictures.
    """
    _common_shape(rows, len(rows[0].pictures) if rows else 0)
    bands = []
    for row in rows:
        band = _beside(row.pictures, WIDE_GAP)
        bands += [_label(row.label, band.shape[1]), band]
    return _framed(np.concatenate(bands))


def with_line(picture: Picture, line: int | Line, *, factor: int = 1) -> Picture:
    """A picture, enlarged, that shows where an x–t slice is taken: every second pixel of it marked.

    Args:
        picture: one instant of the view.
        line: as in :func:`xt_slice`.
        factor: of the picture.
    """
    ends = ((0, line), (picture.shape[1] - 1, line)) if isinstance(line, int) else line
    columns, rows = _pixels(ends)
    marked = picture.copy()
    marked[rows[::2], columns[::2]] = MARK
    return enlarged(marked, factor)


def png(picture: Picture) -> bytes:
    """A picture as a PNG file."""
    _, data = cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    return bytes(data)


def _common_shape(rows: Sequence[Row], columns: int) -> tuple[int, int, int]:
    """Shape that all pictures have.

    Raises:
        InputError: no picture, or one row has other numbers or sizes; names it.
    """
    if not rows or not columns:
        raise InputError("a comparison of pictures needs a row with a picture.")
    first = rows[0].pictures[0].shape if rows[0].pictures else ()
    for row in rows:
        shapes = [picture.shape for picture in row.pictures]
        if shapes != [first] * columns:
            raise InputError(
                f"row {row.label!r} has pictures of {shapes}; {columns} of {first} are expected, "
                "as in the first row."
            )
    height, width, components = first
    return height, width, components


def _zoom(crop: Crop, shape: tuple[int, int, int], factor: int) -> int:
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
    zoom = height * factor // crop.height
    if zoom <= factor:
        raise InputError(
            f"{text} of a picture of {width}x{height} cannot be shown larger beside it; take at "
            f"most {height * factor // (factor + 1)} rows."
        )
    return zoom


def _with_crop(picture: Picture, crop: Crop, factor: int, zoom: int) -> Picture:
    """A picture with the crop outlined from outside, and the crop to its right."""
    rows = slice(crop.row, crop.row + crop.height)
    columns = slice(crop.column, crop.column + crop.width)
    outlined = picture.copy()
    outlined[max(crop.row - 1, 0) : rows.stop + 1, max(crop.column - 1, 0) : columns.stop + 1] = (
        MARK
    )
    outlined[rows, columns] = picture[rows, columns]
    return _beside([enlarged(outlined, factor), enlarged(picture[rows, columns], zoom)], GAP)


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
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with mpl.rc_context({"font.family": "DejaVu Sans"}):
        # half a pixel more: Matplotlib cuts off fractions, and 29 / 100 · 100 is below 29
        size_inches = (width + 0.5) / _DPI, (LABEL_HEIGHT + 0.5) / _DPI
        figure = Figure(figsize=size_inches, dpi=_DPI)
        canvas: Any = FigureCanvasAgg(figure)
        size = FONT_PIXELS * _POINTS / _DPI
        drawn: Any = figure.text(
            0, 0.38, text, size=size, va="center", weight="bold" if bold else "normal"
        )
        extent = drawn.get_window_extent(canvas.get_renderer())
        drawn.set_size(size * min(1.0, width / max(extent.width, 1.0)))
        canvas.draw()
        samples = np.asarray(canvas.buffer_rgba())[..., :3]
    return samples.astype(np.uint8)
