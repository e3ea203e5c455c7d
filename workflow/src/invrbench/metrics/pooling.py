"""Decibels, and how a sequence's value follows from those of its frames."""

import math
from collections.abc import Sequence

from invrbench.metrics.measurement import LOSSLESS


def decibels(mean_square: float, peak_value: float) -> float | None:
    """PSNR in dB, or None where both are identical and it is infinite.

    >>> round(decibels(1.0, 255.0), 4)
    48.1308
    """
    if mean_square == 0.0:
        return None
    return 10.0 * math.log10(peak_value * peak_value / mean_square)


def pool(frames: Sequence[float | None]) -> tuple[float | None, str]:
    """Mean over frames of dB values, or None and the reason if any frame is lossless.

    >>> pool([30.0, 32.0])
    (31.0, '')
    >>> pool([30.0, None])
    (None, 'lossless in 1 of 2 frames')
    """
    finite = [value for value in frames if value is not None]
    lossless = len(frames) - len(finite)
    if lossless == len(frames):
        return None, LOSSLESS
    if lossless:
        return None, f"{LOSSLESS} in {lossless} of {len(frames)} frames"
    return math.fsum(finite) / len(finite), ""
