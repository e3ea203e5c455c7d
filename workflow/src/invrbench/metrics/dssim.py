"""DSSIM of RGB, under the two data ranges that papers on dynamic scenes compute SSIM with.

DSSIM is (1 − SSIM)/2. SSIM is computed of R, G and B in [0, 1] with a 7×7 uniform window, sample
(co)variances (÷ 48), K = (0.01, 0.03) and full windows only, and averaged over windows, components
and frames: what ``skimage.metrics.structural_similarity`` does with its defaults.

Its constants are (K·L)². L = 1 is the range of the samples: ``dssim1``. Left to itself,
scikit-image took L = 2 for floating-point pictures (−1 to 1), and several published tables were
made so: ``dssim2``. Larger constants make SSIM larger, so ``dssim2`` ≤ ``dssim1`` where SSIM is
positive; the two must never stand in one column.

Source: Wang et al. 2004 (SSIM); scikit-image 0.26, ``structural_similarity``, for what it leaves
open; Li et al., "Neural 3D Video Synthesis from Multi-view Video", CVPR 2022, for DSSIM.
"""

import math
from collections.abc import Sequence

import cv2
import numpy as np

from invrbench.metrics.colour import Floats, rgb_picture
from invrbench.metrics.measurement import Measurement, check_pair, without_values
from invrbench.video.format import RawVideo

COLUMNS = ("dssim1", "dssim2")
DATA_RANGES = (1.0, 2.0)
WINDOW = 7
K1, K2 = 0.01, 0.03
TOO_SMALL = f"SSIM undefined below {WINDOW} pixels"
VERSIONS = {
    column: f"invrbench view 1: (1−SSIM)/2, RGB in [0, 1], data range {data_range:g}, uniform "
    f"window {WINDOW}, as scikit-image 0.26, mean of frames"
    for column, data_range in zip(COLUMNS, DATA_RANGES, strict=True)
}


def measure(reference: RawVideo, decoded: RawVideo) -> Measurement:
    """DSSIM with data range 1 and 2, mean over frames, 0 for identical files.

    Raises:
        SequenceError: formats differ, or a file ends early.
    """
    check_pair(reference, decoded)
    video = reference.format
    if min(video.width, video.height) < WINDOW:
        return without_values(COLUMNS, TOO_SMALL, VERSIONS)
    frames: dict[str, list[float | None]] = {column: [] for column in COLUMNS}
    values: dict[str, float | None] = {}
    for ours, theirs in zip(reference.frames(), decoded.frames(), strict=True):
        pair = rgb_picture(ours, video), rgb_picture(theirs, video)
        for column, value in zip(COLUMNS, dissimilarities(*pair, DATA_RANGES), strict=True):
            frames[column].append(value)
    for column, found in frames.items():
        values[column] = math.fsum(value for value in found if value is not None) / len(found)
    return Measurement(values=values, frames=frames, versions=VERSIONS)


def dissimilarities(
    reference: Floats, decoded: Floats, data_ranges: Sequence[float]
) -> list[float]:
    """(1 − SSIM)/2 for each data range, SSIM being the mean over components.

    Args:
        reference: (C, H, W), sides of 7 or more.
        decoded: alike.
        data_ranges: what K is multiplied by.
    """
    planes = [
        _similarities(ours, theirs, data_ranges)
        for ours, theirs in zip(reference, decoded, strict=True)
    ]
    return [(1.0 - float(mean)) / 2.0 for mean in np.mean(planes, axis=0)]


def _local_means(plane: Floats) -> Floats:
    """Means of the 7×7 windows that fit: (h, w) → (h − 6, w − 6)."""
    margin = WINDOW // 2
    filtered = cv2.blur(plane, (WINDOW, WINDOW))
    return np.asarray(filtered[margin:-margin, margin:-margin], dtype=np.float64)


def _similarities(x: Floats, y: Floats, data_ranges: Sequence[float]) -> list[float]:
    """Mean SSIM of two (h, w) planes for each data range."""
    unbiased = WINDOW**2 / (WINDOW**2 - 1)
    mean_x, mean_y = _local_means(x), _local_means(y)
    var_x = unbiased * (_local_means(x * x) - mean_x * mean_x)
    var_y = unbiased * (_local_means(y * y) - mean_y * mean_y)
    covariance = unbiased * (_local_means(x * y) - mean_x * mean_y)
    found = []
    for data_range in data_ranges:
        c1, c2 = (K1 * data_range) ** 2, (K2 * data_range) ** 2
        luminance = (2 * mean_x * mean_y + c1) / (mean_x * mean_x + mean_y * mean_y + c1)
        structure = (2 * covariance + c2) / (var_x + var_y + c2)
        found.append(float(np.mean(luminance * structure)))
    return found
