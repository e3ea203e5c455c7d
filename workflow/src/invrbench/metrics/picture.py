"""PSNR, SSIM and MS-SSIM in one pass over source and decoded file.

Two frames at a time are in work, so memory does not depend on the length of the video. Every
frame's values are computed by one thread alone; the number of threads changes no bit.
"""

import math
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

from numpy.typing import NDArray

from invrbench.metrics import psnr
from invrbench.metrics.colour import full_range_709
from invrbench.metrics.measurement import LOSSLESS, Measurement, check_pair
from invrbench.metrics.pooling import decibels, pool
from invrbench.metrics.ssim import MIN_SIDE_MS_SSIM, MIN_SIDE_SSIM, structural_similarity
from invrbench.video.format import RawVideo, VideoFormat

COLUMNS = (
    "psnr_y_db",
    "psnr_u_db",
    "psnr_v_db",
    "psnr_yuv_db",
    "psnr_yuv411_db",
    "psnr_rgb_db",
    "ssim_y",
    "ms_ssim_y",
    "ms_ssim_y_db",
)
_PSNR = "invrbench picture 1: peak 255·2^(bitDepth−8), mean of frame dB"
_SSIM = "invrbench picture 1: as pytorch-msssim 1.0, window 11, σ 1.5, range 2^bitDepth−1"
VERSIONS = {
    "psnr_y_db": _PSNR,
    "psnr_u_db": _PSNR,
    "psnr_v_db": _PSNR,
    "psnr_yuv_db": f"{_PSNR}, (6Y+U+V)/8 in dB",
    "psnr_yuv411_db": "invrbench picture 1: dB of (4·MSE_Y+MSE_U+MSE_V)/6, MSE meant over frames",
    "psnr_rgb_db": "invrbench picture 1: bilinear left-sited chroma, float64 RGB clipped to "
    "[0, 1], peak 1, mean of frame dB",
    "ssim_y": f"{_SSIM}, mean of frames",
    "ms_ssim_y": f"{_SSIM}, mean of frames",
    "ms_ssim_y_db": f"{_SSIM}, −10·log10(1−x) of the frames' mean",
}

_Planes = list[NDArray[Any]]
_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


@dataclass(frozen=True)
class _FrameScores:
    """One frame: mean squared errors of Y, U, V on the sample scale and of RGB on [0, 1]."""

    mse: tuple[float, float, float]
    mse_rgb: float
    ssim: float | None
    ms_ssim: float | None


def measure(reference: RawVideo, decoded: RawVideo, *, threads: int | None = None) -> Measurement:
    """PSNR of every plane, of YUV and RGB, SSIM and MS-SSIM of luma.

    rgb24 is judged on BT.709 full-range 4:4:4, unrounded, for Y, U, V and the luma indices, and on
    its own samples for RGB.

    Args:
        reference: the source.
        decoded: what a decoder wrote, in the same format.
        threads: frames in work at once; default two, or one where only one core may be used.

    Raises:
        SequenceError: formats differ, or a file ends early.
    """
    check_pair(reference, decoded)
    video = reference.format

    def score(pair: tuple[_Planes, _Planes]) -> _FrameScores:
        return _score_frame(*pair, video)

    workers = threads or min(2, len(os.sched_getaffinity(0)))
    pairs = zip(reference.frames(), decoded.frames(), strict=True)
    return _pooled(list(_map_in_order(score, pairs, workers)), video)


def _map_in_order(
    function: Callable[[_Item], _Result], items: Iterable[_Item], workers: int
) -> Iterator[_Result]:
    """``map`` over threads which reads no more than ``workers`` items ahead."""
    waiting: deque[Future[_Result]] = deque()
    with ThreadPoolExecutor(workers) as executor:
        for item in items:
            waiting.append(executor.submit(function, item))
            if len(waiting) > workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _score_frame(reference: _Planes, decoded: _Planes, video: VideoFormat) -> _FrameScores:
    if video.is_rgb:
        mse_rgb = psnr.mean_square_error(reference[0], decoded[0]) / 255.0**2
        reference, decoded = full_range_709(reference[0]), full_range_709(decoded[0])
    else:
        mse_rgb = psnr.rgb_mean_square_error(reference, decoded, video)
    ssim, ms_ssim = structural_similarity(
        reference[0], decoded[0], float((1 << video.bit_depth) - 1)
    )
    y, u, v = map(psnr.mean_square_error, reference, decoded)
    return _FrameScores(mse=(y, u, v), mse_rgb=mse_rgb, ssim=ssim, ms_ssim=ms_ssim)


def _weighted_db(y: float | None, u: float | None, v: float | None) -> float | None:
    """(6Y+U+V)/8 in dB, infinite (None) where any plane is."""
    return None if y is None or u is None or v is None else (6 * y + u + v) / 8


def _frame_table(scores: list[_FrameScores], peak: float) -> dict[str, list[float | None]]:
    planes = [[decibels(error, peak) for error in score.mse] for score in scores]
    return {
        "psnr_y_db": [plane[0] for plane in planes],
        "psnr_u_db": [plane[1] for plane in planes],
        "psnr_v_db": [plane[2] for plane in planes],
        "psnr_yuv_db": [_weighted_db(*plane) for plane in planes],
        "psnr_yuv411_db": [decibels(_mse_411(score), peak) for score in scores],
        "psnr_rgb_db": [decibels(score.mse_rgb, 1.0) for score in scores],
        "ssim_y": [score.ssim for score in scores],
        "ms_ssim_y": [score.ms_ssim for score in scores],
        "ms_ssim_y_db": [_similarity_db(score.ms_ssim) for score in scores],
    }


def _mse_411(score: _FrameScores) -> float:
    """Source: VTM 16.2, Analyze.h, combined YUV error of 4:2:0."""
    y, u, v = score.mse
    return (4 * y + u + v) / 6


def _similarity_db(value: float | None) -> float | None:
    """−10·log10(1−x); None where x is absent or 1."""
    return None if value is None or value >= 1.0 else -10.0 * math.log10(1.0 - value)


def _pooled(scores: list[_FrameScores], video: VideoFormat) -> Measurement:
    frames = _frame_table(scores, psnr.peak(video.bit_depth))
    values: dict[str, float | None] = {}
    reasons: dict[str, str] = {}
    for column in ("psnr_y_db", "psnr_u_db", "psnr_v_db", "psnr_yuv_db", "psnr_rgb_db"):
        values[column], reasons[column] = pool(frames[column])
    error = math.fsum(map(_mse_411, scores)) / len(scores)
    values["psnr_yuv411_db"] = decibels(error, psnr.peak(video.bit_depth))
    reasons["psnr_yuv411_db"] = LOSSLESS
    for column, name, side in (
        ("ssim_y", "SSIM", MIN_SIDE_SSIM),
        ("ms_ssim_y", "MS-SSIM", MIN_SIDE_MS_SSIM),
    ):
        defined = [value for value in frames[column] if value is not None]
        values[column] = math.fsum(defined) / len(defined) if defined else None
        reasons[column] = f"{name} undefined below {side} pixels"
    values["ms_ssim_y_db"] = _similarity_db(values["ms_ssim_y"])
    reasons["ms_ssim_y_db"] = reasons["ms_ssim_y"] if values["ms_ssim_y"] is None else LOSSLESS
    return Measurement(
        values={column: values[column] for column in COLUMNS},
        reasons={column: reasons[column] for column in COLUMNS if values[column] is None},
        frames=frames,
        versions=VERSIONS,
    )
