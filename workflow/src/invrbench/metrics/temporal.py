"""How a rendered view holds together over time, and what its still and its moving pixels cost.

All of it is computed of R, G, B in [0, 1] of one view's frames in time order; the source decides
where motion, still and moving pixels are, the decoded view never does.

``tof``: Farnebäck's flow between neighbouring instants, of the source and of the decoded view; mean
L2 norm of their difference over all pixels and all pairs of instants, in pixels. TecoGAN's script
crops to multiples of 32 that are at least 16 smaller than the picture, and skips the first and last
two frames; of 16 instants of 128×96 that would leave 11 pairs and half of the pixels. Nothing is
left out here, so the numbers are not those of that script.

``warping_error``: the decoded instant t+1 is brought back to t along the *source's* flow, bilinear;
mean squared difference to the decoded instant t over R, G, B of the pixels that are visible in
both, then over pairs. Lai et al. take FlowNet2's flow and also leave out motion boundaries. The
source's own error is not zero (shading moves with no object), and a view that lost its detail has
a small one: read it beside the source's, and beside ``tof``.

``flicker``: mean over the source's still pixels of |σ(decoded) − σ(source)|, σ being the standard
deviation of BT.709 luma over time, in levels of an 8-bit scale.

A pixel is still if the standard deviation over time of none of its three components exceeds 0.02 in
the source; all others are moving. MixVoxels separates its training pixels at the same deviation.

Source: Chu et al., "Learning temporal coherence via self-supervision for GAN-based video
generation", ACM TOG 39 (2020), tOF; Lai et al., "Learning blind video temporal consistency", ECCV
2018, warping error; Sundaram, Brox, Keutzer, ECCV 2010, the check of forward against backward flow;
Wang et al., "Mixed Neural Voxels for Fast Multi-view Video Synthesis", ICCV 2023, the threshold.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from invrbench.metrics.colour import LUMA_WEIGHTS, Floats, rgb_picture
from invrbench.metrics.measurement import Measurement, check_pair, without_values
from invrbench.metrics.pooling import decibels, pool
from invrbench.video.format import RawVideo, VideoFormat

COLUMNS = ("tof", "warping_error", "flicker", "psnr_rgb_still_db", "psnr_rgb_moving_db")
STILL_DEVIATION = 0.02
ONE_INSTANT = "needs two instants"
NOTHING_VISIBLE = "no pixel of the source is visible in two neighbouring instants"
_FLOW = "Farnebäck (pyramid 0.5, 3 levels, window 15, 3 iterations, polynomials 5, 1.2)"
_REGION = f"source's σ over time {{}} {STILL_DEVIATION} of full scale, peak 1, mean of frame dB"
VERSIONS = {
    "tof": f"invrbench view 1: {_FLOW} on 8-bit BT.601 grey, all pixels, mean of all pairs",
    "warping_error": f"invrbench view 1: {_FLOW} of the source, forward-backward check "
    "0.01·(|f|²+|b|²)+0.5, MSE of RGB in [0, 1], mean of all pairs",
    "flicker": f"invrbench view 1: BT.709 luma, 8-bit levels, source's σ ≤ {STILL_DEVIATION} of "
    "full scale",
    "psnr_rgb_still_db": f"invrbench view 1: {_REGION.format('≤')}",
    "psnr_rgb_moving_db": f"invrbench view 1: {_REGION.format('>')}",
}

Flow = NDArray[np.float32]
Mask = NDArray[np.bool_]


def measure(reference: RawVideo, decoded: RawVideo) -> Measurement:
    """Temporal consistency of one view, and its PSNR by region; undefined for one instant.

    Per-pair values stand at the later of the two instants.

    Raises:
        SequenceError: formats differ, or a file ends early.
    """
    check_pair(reference, decoded)
    if reference.format.frames < 2:
        return without_values(COLUMNS, ONE_INSTANT, VERSIONS)
    frames, still, flicker = _motion(reference, decoded)
    frames |= _region_psnr(reference, decoded, still)
    values: dict[str, float | None] = {"flicker": flicker}
    reasons = {"flicker": _absent("still")}
    for column in ("tof", "warping_error"):
        values[column] = _mean(frames[column])
        reasons[column] = NOTHING_VISIBLE
    for column, region, size in (
        ("psnr_rgb_still_db", "still", np.count_nonzero(still)),
        ("psnr_rgb_moving_db", "moving", np.count_nonzero(~still)),
    ):
        values[column], reasons[column] = pool(frames[column]) if size else (None, _absent(region))
    return Measurement(
        values={column: values[column] for column in COLUMNS},
        reasons={column: reasons[column] for column in COLUMNS if values[column] is None},
        frames=frames,
        versions=VERSIONS,
    )


def _absent(region: str) -> str:
    return f"no pixel of the source is {region}"


def _mean(values: Iterable[float | None]) -> float | None:
    """Mean of what is defined; None if nothing is."""
    defined = [value for value in values if value is not None]
    return math.fsum(defined) / len(defined) if defined else None


class Spread:
    """Standard deviation of every sample over time, exactly 0 where nothing changes.

    Source: Welford, Technometrics 4 (1962).
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        self._count = 0
        self._mean: Floats = np.zeros(shape)
        self._squares: Floats = np.zeros(shape)

    def add(self, samples: Floats) -> None:
        """One more instant."""
        self._count += 1
        offset = samples - self._mean
        self._mean += offset / self._count
        self._squares += offset * (samples - self._mean)

    def deviation(self) -> Floats:
        """Population standard deviation of the instants so far."""
        return np.asarray(np.sqrt(self._squares / self._count), dtype=np.float64)


@dataclass(frozen=True)
class _Instant:
    """One picture: R, G, B (3, H, W) in [0, 1], and 8-bit grey (H, W) for the flow."""

    rgb: Floats
    grey: NDArray[np.uint8]

    @classmethod
    def of(cls, planes: list[NDArray[Any]], video: VideoFormat) -> "_Instant":
        rgb = rgb_picture(planes, video)
        samples = np.rint(255.0 * np.moveaxis(rgb, 0, 2)).astype(np.uint8)
        return cls(rgb, cv2.cvtColor(samples, cv2.COLOR_RGB2GRAY))


def _motion(
    reference: RawVideo, decoded: RawVideo
) -> tuple[dict[str, list[float | None]], Mask, float | None]:
    """Per-instant tOF and warping error, the still pixels (H, W), and flicker in levels."""
    video = reference.format
    shape = (video.height, video.width)
    components, luma, decoded_luma = Spread((3, *shape)), Spread(shape), Spread(shape)
    frames: dict[str, list[float | None]] = {"tof": [None], "warping_error": [None]}
    before: tuple[_Instant, _Instant] | None = None
    for planes in zip(reference.frames(), decoded.frames(), strict=True):
        ours, theirs = (_Instant.of(each, video) for each in planes)
        components.add(ours.rgb)
        luma.add(_luma_levels(ours.rgb))
        decoded_luma.add(_luma_levels(theirs.rgb))
        if before is not None:
            forward = optical_flow(before[0].grey, ours.grey)
            backward = optical_flow(ours.grey, before[0].grey)
            rendered = optical_flow(before[1].grey, theirs.grey)
            frames["tof"].append(float(np.linalg.norm(forward - rendered, axis=2).mean()))
            frames["warping_error"].append(
                warping_error(before[1].rgb, theirs.rgb, forward=forward, backward=backward)
            )
        before = ours, theirs
    still = np.asarray(components.deviation().max(axis=0) <= STILL_DEVIATION)
    difference = np.abs(decoded_luma.deviation() - luma.deviation())[still]
    return frames, still, float(difference.mean()) if difference.size else None


def _luma_levels(rgb: Floats) -> Floats:
    """BT.709 luma (H, W) on the 8-bit scale, not rounded."""
    kr, kb = LUMA_WEIGHTS["bt709"]
    return np.asarray(255.0 * np.tensordot((kr, 1 - kr - kb, kb), rgb, axes=1), dtype=np.float64)


def optical_flow(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> Flow:
    """Farnebäck's flow (H, W, 2), x and y in pixels: a pixel p of ``first`` lies at p + flow(p).

    Source: Farnebäck, SCIA 2003; OpenCV with the parameters of TecoGAN's tOF.
    """
    flow = np.empty((*first.shape, 2), dtype=np.float32)
    cv2.calcOpticalFlowFarneback(first, second, flow, 0.5, 3, 15, 3, 5, 1.2, 0)
    return flow


def warping_error(first: Floats, second: Floats, *, forward: Flow, backward: Flow) -> float | None:
    """Mean squared error of ``second``, warped back, to ``first`` where both see the same.

    A pixel counts if it stays inside the picture and |f + b|² ≤ 0.01·(|f|² + |b|²) + 0.5, f being
    the forward flow and b the backward flow at the place f leads to.

    Args:
        first: (3, H, W) in [0, 1], instant t.
        second: alike, instant t+1.
        forward: (H, W, 2), from t to t+1, in pixels.
        backward: (H, W, 2), from t+1 to t.

    Returns:
        The error on the scale of [0, 1], None if no pixel counts.
    """
    height, width = forward.shape[:2]
    rows, columns = np.mgrid[:height, :width].astype(np.float64)
    columns += forward[..., 0]
    rows += forward[..., 1]
    inside = (np.abs(columns - (width - 1) / 2) <= width / 2) & (
        np.abs(rows - (height - 1) / 2) <= height / 2
    )
    back = bilinear(np.moveaxis(backward, 2, 0), rows=rows, columns=columns)
    ahead = np.moveaxis(forward, 2, 0).astype(np.float64)
    allowed = 0.01 * (np.square(ahead) + np.square(back)).sum(axis=0) + 0.5
    visible = inside & (np.square(ahead + back).sum(axis=0) <= allowed)
    if not visible.any():
        return None
    error = np.square(bilinear(second, rows=rows, columns=columns) - first)
    return float(error[:, visible].mean())


def bilinear(planes: NDArray[Any], *, rows: Floats, columns: Floats) -> Floats:
    """Samples (C, …) of (C, H, W) planes at real-valued places; edges repeat.

    Own code, since OpenCV's ``remap`` rounds places to 1/32 pixel.
    """
    height, width = planes.shape[1:]
    rows, columns = np.clip(rows, 0, height - 1), np.clip(columns, 0, width - 1)
    top, left = np.floor(rows).astype(np.intp), np.floor(columns).astype(np.intp)
    bottom, right = np.minimum(top + 1, height - 1), np.minimum(left + 1, width - 1)
    down, across = rows - top, columns - left
    upper = (1 - across) * planes[:, top, left] + across * planes[:, top, right]
    lower = (1 - across) * planes[:, bottom, left] + across * planes[:, bottom, right]
    return np.asarray((1 - down) * upper + down * lower, dtype=np.float64)


def _region_psnr(
    reference: RawVideo, decoded: RawVideo, still: Mask
) -> dict[str, list[float | None]]:
    """PSNR in dB of every instant over the still and over the moving pixels, if there are any."""
    video = reference.format
    regions = {"psnr_rgb_still_db": still, "psnr_rgb_moving_db": ~still}
    frames: dict[str, list[float | None]] = {
        column: [] for column, region in regions.items() if region.any()
    }
    for ours, theirs in zip(reference.frames(), decoded.frames(), strict=True):
        error = np.square(rgb_picture(ours, video) - rgb_picture(theirs, video))
        for column, found in frames.items():
            found.append(decibels(float(error[:, regions[column]].mean()), 1.0))
    return frames
