"""Colour conversions of the metrics: float64, never rounded.

Source: ITU-T H.273 (matrix coefficients, ranges), H.265 Annex E (chroma sample location type 0,
"left": chroma is co-sited with even luma columns and lies half-way between two luma rows).
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from invrbench.video.format import VideoFormat

Plane = NDArray[Any]
Floats = NDArray[np.float64]

# Kr and Kb: weights of red and blue in luma (H.273 Table 4)
LUMA_WEIGHTS = {
    "bt601": (0.299, 0.114),
    "bt709": (0.2126, 0.0722),
    "bt2020": (0.2627, 0.0593),
}
RGB_BLOCK_ROWS = 32


def rgb_rows(planes: list[Plane], video: VideoFormat, start: int, stop: int) -> Floats:
    """Rows ``start`` to ``stop`` of a picture as R, G, B in [0, 1]; nominal white is 1.

    YUV is brought to 4:4:4 by bilinear interpolation at left siting, converted with the declared
    matrix and range, and clipped.

    Args:
        planes: the picture as in the file: Y, Cb, Cr (H, W), or one (H, W, 3) for rgb24.
        video: sample layout, matrix and range.
        start: first luma row.
        stop: the row after the last one.

    Returns:
        (3, stop − start, W).
    """
    if video.is_rgb:
        rgb = np.ascontiguousarray(np.moveaxis(planes[0][start:stop], 2, 0), dtype=np.float64)
        rgb /= 255.0
        return rgb
    subsampled = planes[1].shape != planes[0].shape
    chroma = [
        chroma_rows(plane, start, stop) if subsampled else plane[start:stop].astype(np.float64)
        for plane in planes[1:]
    ]
    return _matrix(planes[0][start:stop].astype(np.float64), chroma[0], chroma[1], video)


def rgb_picture(planes: list[Plane], video: VideoFormat) -> Floats:
    """A whole picture as :func:`rgb_rows` gives it: (3, H, W) in [0, 1]."""
    return rgb_rows(planes, video, 0, video.height)


def chroma_rows(plane: Plane, start: int, stop: int) -> Floats:
    """Rows ``start`` to ``stop`` of a 4:2:0 chroma plane at luma resolution.

    Vertically a luma row lies a quarter of a chroma row from its own and three quarters from the
    next nearest one; horizontally even columns coincide and odd ones lie half-way. Edges repeat.

    Args:
        plane: (H/2, W/2).
        start: first luma row.
        stop: the luma row after the last one.

    Returns:
        (stop − start, W).
    """
    rows = np.arange(start, stop)
    own = rows >> 1
    other = np.clip(own + np.where(rows & 1, 1, -1), 0, plane.shape[0] - 1)
    mixed = 0.75 * plane[own] + 0.25 * plane[other]
    out = np.empty((stop - start, 2 * plane.shape[1]))
    out[:, 0::2] = mixed
    out[:, 1:-1:2] = (mixed[:, :-1] + mixed[:, 1:]) * 0.5
    out[:, -1] = mixed[:, -1]
    return out


def _matrix(y: Floats, cb: Floats, cr: Floats, video: VideoFormat) -> Floats:
    """R, G, B of (H, W) planes, which are overwritten."""
    step = float(1 << (video.bit_depth - 8))
    if video.range == "limited":
        black, white, neutral, swing = 16 * step, 235 * step, 128 * step, 224 * step
    else:
        top = float((1 << video.bit_depth) - 1)
        black, white, neutral, swing = 0.0, top, 128 * step, top
    kr, kb = LUMA_WEIGHTS[video.matrix]
    kg = 1.0 - kr - kb
    y -= black
    y *= 1.0 / (white - black)
    for plane in (cb, cr):
        plane -= neutral
        plane *= 1.0 / swing
    rgb = np.empty((3, *y.shape))
    np.multiply(cr, 2 * (1 - kr), out=rgb[0])
    rgb[0] += y
    np.multiply(cb, 2 * (1 - kb), out=rgb[2])
    rgb[2] += y
    cb *= 2 * kb * (1 - kb) / kg
    cr *= 2 * kr * (1 - kr) / kg
    np.subtract(y, cb, out=rgb[1])
    rgb[1] -= cr
    return np.clip(rgb, 0.0, 1.0, out=rgb)


def full_range_709(rgb: Plane) -> list[Floats]:
    """BT.709 full-range Y, Cb, Cr 4:4:4 of an rgb24 picture, on the 8-bit scale, not rounded.

    Args:
        rgb: (H, W, 3), 0 … 255.

    Returns:
        Three (H, W) planes; Y in [0, 255], Cb and Cr around 128.
    """
    kr, kb = LUMA_WEIGHTS["bt709"]
    red, green, blue = (rgb[..., i].astype(np.float64) for i in range(3))
    y = kr * red + (1 - kr - kb) * green + kb * blue
    return [y, (blue - y) / (2 * (1 - kb)) + 128.0, (red - y) / (2 * (1 - kr)) + 128.0]
