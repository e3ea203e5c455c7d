"""Decoded pictures against those of the uncompressed model: what coding the model costs.

The reference is no source but another decoded file, that of the rate point which the conditions
name under ``uncompressed``; conventions are those of the family ``picture``.
"""

from invrbench.metrics import psnr
from invrbench.metrics.colour import full_range_709
from invrbench.metrics.measurement import Measurement, check_pair
from invrbench.metrics.pooling import decibels, pool
from invrbench.video.format import RawVideo

COLUMNS = ("psnr_y_render_db", "psnr_rgb_render_db")
_TEXT = "invrbench render 1: PSNR against the uncompressed model's render, mean of frame dB"


def measure(reference: RawVideo, decoded: RawVideo) -> Measurement:
    """PSNR of luma and of RGB against the uncompressed model's render.

    Args:
        reference: what the uncompressed model decodes to.
        decoded: what the coded one does, in the same format.

    Raises:
        SequenceError: formats differ, or a file ends early.
    """
    check_pair(reference, decoded)
    video = reference.format
    luma: list[float | None] = []
    colour: list[float | None] = []
    for ours, theirs in zip(reference.frames(), decoded.frames(), strict=True):
        if video.is_rgb:
            error = psnr.mean_square_error(ours[0], theirs[0]) / 255.0**2
            ours, theirs = full_range_709(ours[0]), full_range_709(theirs[0])
        else:
            error = psnr.rgb_mean_square_error(ours, theirs, video)
        colour.append(decibels(error, 1.0))
        error = psnr.mean_square_error(ours[0], theirs[0])
        luma.append(decibels(error, psnr.peak(video.bit_depth)))
    frames = dict(zip(COLUMNS, (luma, colour), strict=True))
    pooled = {column: pool(values) for column, values in frames.items()}
    return Measurement(
        values={column: value for column, (value, _) in pooled.items()},
        reasons={column: reason for column, (_, reason) in pooled.items() if reason},
        frames=frames,
        versions=dict.fromkeys(COLUMNS, _TEXT),
    )
