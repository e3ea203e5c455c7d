"""Exact integer conversions between the source's samples and those an encoder takes.

Integers only, so that every machine gives the same samples. A frame is the bytes of all its
planes in the order of the raw file; rgb24 is interleaved, 10-bit samples are 16-bit little endian.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

# R'G'B' to Y'CbCr of Rec. ITU-R BT.709 (Kr 0.2126, Kb 0.0722), full range, and back, in 2^-20.
SHIFT = 20
TO_YUV = np.rint(
    np.array(
        [
            [0.2126, 0.7152, 0.0722],
            [-0.2126 / 1.8556, -0.7152 / 1.8556, 0.5],
            [0.5, -0.7152 / 1.5748, -0.0722 / 1.5748],
        ]
    )
    * (1 << SHIFT)
).astype(np.int64)
TO_RGB = np.rint(
    np.array(
        [
            [1.0, 0.0, 1.5748],
            [1.0, -0.0722 * 1.8556 / 0.7152, -0.2126 * 1.5748 / 0.7152],
            [1.0, 1.8556, 0.0],
        ]
    )
    * (1 << SHIFT)
).astype(np.int64)
HALF = 1 << SHIFT - 1


@dataclass(frozen=True)
class Conversion:
    """How frames of one raw format are coded in another, and how they come back."""

    source: str
    coded: str
    to_coded: Callable[[bytes], bytes]
    to_source: Callable[[bytes], bytes]


def to_10_bit(frame: bytes) -> bytes:
    """8-bit samples times four. Source: JCTVC-L1100.

    >>> to_10_bit(bytes([1, 255])).hex()
    '0400fc03'
    """
    return (np.frombuffer(frame, np.uint8).astype("<u2") << 2).tobytes()


def to_8_bit(frame: bytes) -> bytes:
    """10-bit samples over four, rounded and clipped: (x + 2) >> 2. Source: JCTVC-L1100.

    >>> to_8_bit(bytes.fromhex("0500fe03")).hex()
    '01ff'
    """
    return np.minimum((np.frombuffer(frame, "<u2") + 2) >> 2, 255).astype(np.uint8).tobytes()


def to_yuv444(frame: bytes) -> bytes:
    """Interleaved R, G, B to planes Y, Cb, Cr of BT.709, full range.

    >>> list(to_yuv444(bytes([255, 255, 255, 255, 0, 0])))
    [255, 54, 128, 99, 128, 255]
    """
    red, green, blue = (np.frombuffer(frame, np.uint8).reshape(-1, 3).astype(np.int64)).T
    planes = [
        (row[0] * red + row[1] * green + row[2] * blue + HALF >> SHIFT) + offset
        for row, offset in zip(TO_YUV, (0, 128, 128), strict=True)
    ]
    return np.clip(np.stack(planes), 0, 255).astype(np.uint8).tobytes()


def to_rgb24(frame: bytes) -> bytes:
    """Planes Y, Cb, Cr of BT.709, full range, to interleaved R, G, B.

    >>> list(to_rgb24(bytes([255, 54, 128, 99, 128, 255])))
    [255, 255, 255, 254, 0, 0]
    """
    luma, cb, cr = np.frombuffer(frame, np.uint8).reshape(3, -1).astype(np.int64)
    rows = [
        row[0] * luma + row[1] * (cb - 128) + row[2] * (cr - 128) + HALF >> SHIFT for row in TO_RGB
    ]
    return np.clip(np.stack(rows, axis=1), 0, 255).astype(np.uint8).tobytes()


AT_10_BIT = Conversion("yuv420p", "yuv420p10le", to_10_bit, to_8_bit)
RGB_AS_YUV444 = Conversion("rgb24", "yuv444p", to_yuv444, to_rgb24)
