"""Squared errors of planes and of RGB, and the peak that PSNR relates them to."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from invrbench.metrics.colour import RGB_BLOCK_ROWS, rgb_rows
from invrbench.video.format import VideoFormat


def peak(bit_depth: int) -> float:
    """Peak sample value of the reference software, 255·2^(bitDepth−8): 255, 1020, …

    Source: VTM 16.2, EncGOP.cpp. Other tools use 2^bitDepth−1; at 10 bit theirs read
    20·log10(1023/1020) = 0.0255 dB higher.

    >>> peak(10)
    1020.0
    """
    return 255.0 * float(1 << (bit_depth - 8))


def mean_square_error(first: NDArray[Any], second: NDArray[Any]) -> float:
    """Mean squared difference of two planes; exact for integer samples of up to 12 bit."""
    if first.dtype.kind == "f":
        return float(np.mean(np.square(first - second)))
    # OpenCV may square a root: the sum is off by less than half, and it is a whole number
    return round(cv2.norm(first, second, cv2.NORM_L2SQR)) / first.size


def rgb_mean_square_error(
    first: list[NDArray[Any]], second: list[NDArray[Any]], video: VideoFormat
) -> float:
    """Mean squared difference over R, G and B of two pictures, nominal white being 1.

    Works in blocks of rows that stay in the processor's cache.
    """
    total = 0.0
    for start in range(0, video.height, RGB_BLOCK_ROWS):
        stop = min(start + RGB_BLOCK_ROWS, video.height)
        difference = rgb_rows(first, video, start, stop)
        difference -= rgb_rows(second, video, start, stop)
        np.multiply(difference, difference, out=difference)
        total += float(difference.sum())  # not np.dot: BLAS adds up by number of threads
    return total / (3 * video.width * video.height)
