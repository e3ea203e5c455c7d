"""Metrics of one rendered view: IV-PSNR here, DSSIM and temporal consistency in their modules.

IV-PSNR is the PSNR of immersive video: small shifts and a global colour offset are forgiven.
For each direction (decoded against source, source against decoded) and every pixel the best match
within ±2 pixels is taken, after one side has been shifted by the mean difference of each component,
limited to 1 % of the sample range. A match is best in the 4:1:1 weighted squared error; each
component's error at the match is averaged and turned into dB, components are weighted 4:1:1, and
the worse direction counts. Chroma is brought to luma resolution by repetition, offsets are rounded
to whole samples, picture edges repeat, the peak is 2^bitDepth−1.

Perspective pictures only: equirectangular ones need a weight per row that this does not apply.

Source: Dziembowski, Mieloch, Stankowski, Grzelka, "IV-PSNR – the objective quality metric for
immersive video applications", IEEE TCSVT 32 (2022); ISO/IEC JTC 1/SC 29/WG 4 N0535 (software QMIV).
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from invrbench.metrics import dssim, temporal
from invrbench.metrics.colour import full_range_709
from invrbench.metrics.measurement import Measurement, check_pair, joined
from invrbench.metrics.pooling import pool
from invrbench.video.format import RawVideo, VideoFormat

COLUMNS = ("iv_psnr_db", *dssim.COLUMNS, *temporal.COLUMNS)
VERSION = (
    "invrbench view 1: IV-PSNR of N0535 for perspective pictures, radius 2, weights 4:1:1, "
    "offset limit 0.01, peak 2^bitDepth−1, mean of frame dB"
)
RADIUS = 2
WEIGHTS = (4, 1, 1)
UNNOTICEABLE = 0.01
_BLOCK_ROWS = 16

Components = NDArray[np.int32]


def measure(reference: RawVideo, decoded: RawVideo) -> Measurement:
    """IV-PSNR, DSSIM, temporal consistency and PSNR by region of one view's frames in time order.

    Raises:
        SequenceError: formats differ, or a file ends early.
    """
    check_pair(reference, decoded)
    parts = (_measure_iv_psnr, dssim.measure, temporal.measure)
    return joined(part(reference, decoded) for part in parts)


def _measure_iv_psnr(reference: RawVideo, decoded: RawVideo) -> Measurement:
    """IV-PSNR in dB, mean over frames."""
    video = reference.format
    frames = [
        iv_psnr(_components(ours, video), _components(theirs, video), video.bit_depth)
        for ours, theirs in zip(reference.frames(), decoded.frames(), strict=True)
    ]
    value, reason = pool(frames)
    return Measurement(
        values={"iv_psnr_db": value},
        reasons={"iv_psnr_db": reason} if reason else {},
        frames={"iv_psnr_db": frames},
        versions={"iv_psnr_db": VERSION},
    )


def _components(planes: list[NDArray[Any]], video: VideoFormat) -> Components:
    """(3, H, W): Y, Cb, Cr at luma resolution."""
    if video.is_rgb:
        return np.rint(np.stack(full_range_709(planes[0]))).astype(np.int32)
    luma = planes[0]
    full = [luma]
    for plane in planes[1:]:
        rows, columns = luma.shape[0] // plane.shape[0], luma.shape[1] // plane.shape[1]
        full.append(plane.repeat(rows, axis=0).repeat(columns, axis=1))
    return np.asarray(np.stack(full), dtype=np.int32)


def iv_psnr(reference: Components, decoded: Components, bit_depth: int) -> float | None:
    """IV-PSNR in dB of one picture; None where it is infinite.

    Args:
        reference: (3, H, W) samples.
        decoded: alike.
        bit_depth: of the samples.
    """
    peak = (1 << bit_depth) - 1
    offset = np.mean(reference - decoded, axis=(1, 2))
    limit = UNNOTICEABLE * peak
    shift = np.rint(np.clip(offset, -limit, limit)).astype(np.int32)[:, None, None]
    directions = [
        _weighted_db(_matched_error(decoded + shift, reference), peak),
        _weighted_db(_matched_error(reference - shift, decoded), peak),
    ]
    finite = [value for value in directions if value is not None]
    return min(finite) if finite else None


def _weighted_db(errors: NDArray[np.float64], peak: int) -> float | None:
    """Components' mean squared errors to one number in dB; None if any is zero."""
    if not errors.all():
        return None
    decibels = 10 * np.log10(peak * peak / errors)
    return float(np.average(decibels, weights=WEIGHTS))


def _matched_error(picture: Components, target: Components) -> NDArray[np.float64]:
    """Mean squared error (3,) of each component against the best match nearby in ``target``."""
    _, height, width = picture.shape
    edges = ((0, 0), (RADIUS, RADIUS), (RADIUS, RADIUS))
    padded = np.pad(target, edges, mode="edge")
    total = np.zeros(3, dtype=np.int64)
    for start in range(0, height, _BLOCK_ROWS):
        rows = picture[:, start : start + _BLOCK_ROWS]
        near = padded[:, start : start + rows.shape[1] + 2 * RADIUS]
        total += _block_error(rows, near)
    return total / float(height * width)


def _block_error(rows: Components, near: Components) -> NDArray[np.int64]:
    """Summed squared error (3,) of a block of rows at each pixel's best match.

    Args:
        rows: (3, h, W).
        near: (3, h + 2·RADIUS, W + 2·RADIUS), the target around it.
    """
    best: NDArray[np.int32] | None = None
    matched = np.empty_like(rows)
    for target in _windows(near, rows.shape[1], rows.shape[2]):
        error = rows - target
        error *= error
        cost = WEIGHTS[0] * error[0] + WEIGHTS[1] * error[1] + WEIGHTS[2] * error[2]
        if best is None:
            best, matched = cost, error
            continue
        closer = cost < best
        np.copyto(best, cost, where=closer)
        np.copyto(matched, error, where=closer[None])
    return np.asarray(matched.sum(axis=(1, 2), dtype=np.int64))


def _windows(near: Components, height: int, width: int) -> Iterator[Components]:
    """The target shifted by every offset of the search range."""
    for down in range(2 * RADIUS + 1):
        for right in range(2 * RADIUS + 1):
            yield near[:, down : down + height, right : right + width]
