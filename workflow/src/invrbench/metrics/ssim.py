"""SSIM and MS-SSIM of luma as pytorch-msssim 1.0 defines them, through separable filters.

Source: Wang et al. 2004 (SSIM), Wang, Simoncelli, Bovik 2003 (MS-SSIM); pytorch-msssim for what
they leave open: Gaussian window of 11 taps with σ 1.5, only full windows, K = (0.01, 0.03),
contrast clamped at 0, and levels halved by 2×2 means in which an odd side gains a zero sample *in
front* that counts in the mean.

Both indices need the means, variances and the covariance of x and y only through

    s = x + y,  d = x − y:   μx²+μy² = (μs²+μd²)/2,   2·μx·μy = (μs²−μd²)/2,
                             σx²+σy² = (σs²+σd²)/2,   2·σxy   = (σs²−σd²)/2,

so four filtered maps suffice in place of five. Blocks of rows keep them in the cache.
"""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

WINDOW = 11
SIGMA = 1.5
K1, K2 = 0.01, 0.03
SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
MIN_SIDE_SSIM = WINDOW
MIN_SIDE_MS_SSIM = (WINDOW - 1) * 16 + 1
_BLOCK_ROWS = 64

Luma = NDArray[np.float32]


def _gaussian() -> Luma:
    offsets = np.arange(WINDOW, dtype=np.float32) - WINDOW // 2
    taps = np.exp(-(offsets**2) / np.float32(2 * SIGMA**2))
    return np.asarray(taps / taps.sum(), dtype=np.float32)


_TAPS = _gaussian()


def _filter(rows: Luma) -> Luma:
    """Gaussian-weighted local means where the window fits: (h, w) → (h − 10, w − 10)."""
    margin = WINDOW // 2
    filtered = cv2.sepFilter2D(rows, -1, _TAPS, _TAPS, borderType=cv2.BORDER_REFLECT_101)
    return np.asarray(filtered[margin:-margin, margin:-margin], dtype=np.float32)


def _block_sums(x: Luma, y: Luma, c1: float, c2: float) -> tuple[float, float]:
    """Sums of SSIM and of its contrast-structure term over the windows inside (h, w) rows."""
    total, difference = x + y, x - y
    mean_s, mean_d = _filter(total), _filter(difference)
    var_s, var_d = _filter(total * total), _filter(difference * difference)
    np.multiply(mean_s, mean_s, out=mean_s)
    np.multiply(mean_d, mean_d, out=mean_d)
    var_s -= mean_s
    var_d -= mean_d
    contrast = (var_s - var_d + 2 * c2) / (var_s + var_d + 2 * c2)
    luminance = (mean_s - mean_d + 2 * c1) / (mean_s + mean_d + 2 * c1)
    luminance *= contrast
    return float(cv2.sumElems(luminance)[0]), float(cv2.sumElems(contrast)[0])


def _level(x: Luma, y: Luma, data_range: float) -> tuple[float, float]:
    """Mean SSIM and mean contrast-structure of one (h, w) level."""
    c1, c2 = (K1 * data_range) ** 2, (K2 * data_range) ** 2
    rows, columns = x.shape[0] - WINDOW + 1, x.shape[1] - WINDOW + 1
    ssim_sum = contrast_sum = 0.0
    for start in range(0, rows, _BLOCK_ROWS):
        stop = min(start + _BLOCK_ROWS, rows) + WINDOW - 1
        sums = _block_sums(x[start:stop], y[start:stop], c1, c2)
        ssim_sum += sums[0]
        contrast_sum += sums[1]
    return ssim_sum / (rows * columns), contrast_sum / (rows * columns)


def _halve(plane: Luma) -> Luma:
    """2×2 means of (H, W); an odd side first gains one zero sample in front."""
    top, left = plane.shape[0] % 2, plane.shape[1] % 2
    if top or left:
        plane = np.pad(plane, ((top, 0), (left, 0)))
    height, width = plane.shape[0] // 2, plane.shape[1] // 2
    half = cv2.resize(plane, (width, height), interpolation=cv2.INTER_AREA)
    return np.asarray(half, dtype=np.float32)


def structural_similarity(
    reference: NDArray[Any], decoded: NDArray[Any], data_range: float
) -> tuple[float | None, float | None]:
    """SSIM and MS-SSIM of two luma planes; None where a side is too short.

    Args:
        reference: (H, W), 0 … data_range.
        decoded: (H, W), alike.
        data_range: 2^bitDepth − 1.

    Returns:
        SSIM, None below 11 samples; MS-SSIM, None below 161.
    """
    side = min(reference.shape)
    if side < MIN_SIDE_SSIM:
        return None, None
    x, y = reference.astype(np.float32), decoded.astype(np.float32)
    ssim, contrast = _level(x, y, data_range)
    if side < MIN_SIDE_MS_SSIM:
        return ssim, None
    terms = [contrast]
    for _ in SCALE_WEIGHTS[1:]:
        x, y = _halve(x), _halve(y)
        smallest, contrast = _level(x, y, data_range)
        terms.append(contrast)
    terms[-1] = smallest
    product = 1.0
    for term, weight in zip(terms, SCALE_WEIGHTS, strict=True):
        product *= max(term, 0.0) ** weight
    return ssim, product
