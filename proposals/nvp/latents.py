"""Planes and grid as grey pictures: quantised to 8 bit, laid out, coded, and back.

A value v of a plane whose largest magnitude is m becomes the sample 128 + 127·v/m, rounded, so
that zero is the grey of empty places. One m per plane (and one for the grid) keeps the step of a
QP the same for all levels: levels that hold little cost little.

* All levels and features of the three planes are the tiles of one picture.
* A frame of the grid is a picture of its own, its features side by side; HEVC predicts it from
  earlier ones.
"""

from collections.abc import Mapping

import numpy as np
from inrkit.bitstream import BitstreamError
from inrkit.images import MIDDLE, ImageCodec, Pictures, decode_pictures, encode_pictures
from structure import PLANES, Floats, Structure

SPAN = 127  # samples between zero and the largest magnitude


def encode_planes(
    planes: Mapping[str, Floats], structure: Structure, *, codec: ImageCodec, qp: int
) -> tuple[bytes, list[np.float32]]:
    """Stream of all planes' levels by name, and the largest magnitude of every plane."""
    most = {
        plane: largest(*(planes[name] for name in structure.plane_shapes if name[:2] == plane))
        for plane in PLANES
    }
    tiles = [
        to_samples(planes[name][..., feature], most[name[:2]])
        for name, shape in structure.plane_shapes.items()
        for feature in range(shape[2])
    ]
    picture = structure.plane_mosaic.join(tiles)[None]
    return encode_pictures(picture, codec=codec, qp=qp), list(most.values())


def decode_planes(
    data: bytes, ranges: list[np.float32], structure: Structure, *, codec: ImageCodec
) -> dict[str, Floats]:
    """Levels (rows, columns, features) of all planes by name; the counterpart of encoding them."""
    mosaic = structure.plane_mosaic
    shape = (1, mosaic.height, mosaic.width)
    tiles = iter(mosaic.split(decode_pictures(data, codec=codec, shape=shape)[0]))
    most = dict(zip(PLANES, ranges, strict=True))
    return {
        name: to_values(np.stack([next(tiles) for _ in range(shape[2])], axis=2), most[name[:2]])
        for name, shape in structure.plane_shapes.items()
    }


def encode_grid(
    grid: Floats, structure: Structure, *, codec: ImageCodec, qp: int
) -> tuple[bytes, np.float32]:
    """Stream of a grid (frames, rows, columns, features), and its largest magnitude."""
    most = largest(grid)
    samples = np.moveaxis(to_samples(grid, most), 3, 1)
    pictures = np.stack([structure.grid_mosaic.join(list(frame)) for frame in samples])
    return encode_pictures(pictures, codec=codec, qp=qp, predict=True), most


def decode_grid(
    data: bytes, most: np.float32, structure: Structure, *, codec: ImageCodec
) -> Floats:
    """The grid (frames, rows, columns, features); the counterpart of :func:`encode_grid`."""
    mosaic = structure.grid_mosaic
    shape = (structure.grid_shape[0], mosaic.height, mosaic.width)
    pictures = decode_pictures(data, codec=codec, shape=shape)
    return to_values(np.stack([np.stack(mosaic.split(p), axis=2) for p in pictures]), most)


def largest(*values: Floats) -> np.float32:
    """Largest magnitude; 1 if all are zero."""
    return np.float32(max(float(np.abs(v).max()) for v in values) or 1.0)


def to_samples(values: Floats, most: np.float32) -> Pictures:
    """Samples 1 … 255 of values within ± ``most``."""
    return (np.rint(values * (np.float32(SPAN) / most)) + MIDDLE).astype(np.uint8)


def to_values(samples: Pictures, most: np.float32) -> Floats:
    """Values of samples; the counterpart of :func:`to_samples`."""
    return (samples.astype(np.float32) - np.float32(MIDDLE)) * (most / np.float32(SPAN))


def pack_ranges(ranges: list[np.float32]) -> bytes:
    """The largest magnitudes, float32 little endian."""
    return np.array(ranges, "<f4").tobytes()


def unpack_ranges(data: bytes, *, count: int) -> list[np.float32]:
    """The counterpart of :func:`pack_ranges`.

    Raises:
        BitstreamError: there are not ``count`` of them, or they are no positive numbers.
    """
    ranges = np.frombuffer(data, "<f4") if len(data) == 4 * count else np.zeros(0, "<f4")
    if not (len(ranges) and np.isfinite(ranges).all() and (ranges > 0).all()):
        raise BitstreamError(f"the ranges are no {count} positive numbers; the file is damaged.")
    return list(ranges)
