"""Measuring any two files by hand: what a cross-checker types.

Raw videos need their size and sample layout; pairs of PNG or JPEG pictures need nothing. The result
has the columns of points.tsv as keys.
"""

import re
import tempfile
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

from invrbench.errors import InputError, SequenceError
from invrbench.metrics.families import FAMILIES, measure_unchecked
from invrbench.outside import frame_rate
from invrbench.video.format import RawVideo, VideoFormat

# what a person asks for → columns of points.tsv
METRICS: dict[str, tuple[str, ...]] = {
    "psnr": (
        "psnr_y_db",
        "psnr_u_db",
        "psnr_v_db",
        "psnr_yuv_db",
        "psnr_yuv411_db",
        "psnr_rgb_db",
    ),
    "ssim": ("ssim_y",),
    "ms_ssim": ("ms_ssim_y", "ms_ssim_y_db"),
    "lpips": ("lpips",),
    "vmaf": ("vmaf",),
    "xpsnr": ("xpsnr_y_db",),
    "iv_psnr": ("iv_psnr_db",),
    "dssim": ("dssim1", "dssim2"),
    "tof": ("tof",),
    "warping_error": ("warping_error",),
    "flicker": ("flicker",),
    "regions": ("psnr_rgb_still_db", "psnr_rgb_moving_db"),
}
PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg")
NO_FRAME_RATE = "XPSNR of a video depends on its frame rate: give --fps"


def measure_files(
    reference: Path,
    decoded: Path,
    *,
    size: str | None = None,
    pixel_format: str | None = None,
    fps: str | None = None,
    frames: int | None = None,
    metrics: Sequence[str] = tuple(METRICS),
    matrix: str = "bt709",
    colour_range: str = "limited",
) -> dict[str, Any]:
    """Measure ``decoded`` against ``reference``.

    Args:
        reference: raw video, or a PNG or JPEG picture.
        decoded: alike.
        size: "1920x1080"; raw videos only, where it is required.
        pixel_format: of :data:`invrbench.video.format.PIXEL_FORMATS`; raw videos only, required.
        fps: "50" or "30000/1001"; only XPSNR depends on it.
        frames: compare the first ones only; default all, and both must have the same number.
        metrics: keys of ``METRICS``.
        matrix: colour matrix of raw videos, for RGB metrics.
        colour_range: "limited" or "full", alike.

    Returns:
        The columns asked for; ``<column>_reason`` where one is None; ``frames``, a table of
        per-frame values by column; ``versions`` by column.

    Raises:
        InputError: unknown metric, absent or unreadable file, sizes that do not fit.
    """
    columns = _columns(metrics)
    for path in (reference, decoded):
        if not path.is_file():
            raise InputError(f"{path}: there is no such file.")
    pictures = [path.suffix.lower() in PICTURE_SUFFIXES for path in (reference, decoded)]
    if all(pictures):
        with tempfile.TemporaryDirectory(prefix="invrbench-") as folder:
            pair = _pictures(reference, decoded, Path(folder))
            return _measure(*pair, columns, fps_known=True)
    if any(pictures):
        raise InputError(
            f"{reference.name} and {decoded.name}: one is a picture, the other is not; "
            "compare two PNG or JPEG pictures, or two raw videos."
        )
    layout = _layout(size, pixel_format, fps, matrix, colour_range)
    count = _common_frames(reference, decoded, layout, frames)
    layout = layout.with_frames(count)
    videos = RawVideo(reference, layout), RawVideo(decoded, layout)
    return _measure(*videos, columns, fps_known=fps is not None or count == 1)


def _columns(metrics: Sequence[str]) -> list[str]:
    unknown = [name for name in metrics if name not in METRICS]
    if unknown or not metrics:
        raise InputError(
            f"metric {', '.join(unknown) or '(none)'} is unknown; use {', '.join(METRICS)}."
        )
    return [column for name in METRICS if name in metrics for column in METRICS[name]]


def _measure(
    reference: RawVideo, decoded: RawVideo, columns: list[str], *, fps_known: bool
) -> dict[str, Any]:
    result: dict[str, Any] = {}
    frames: dict[str, list[float | None]] = {}
    versions: dict[str, str] = {}
    for family in FAMILIES.values():
        wanted = [column for column in family.columns if column in columns]
        if wanted == ["xpsnr_y_db"] and not fps_known:
            result |= {"xpsnr_y_db": None, "xpsnr_y_db_reason": NO_FRAME_RATE}
            continue
        if not wanted:
            continue
        measured = measure_unchecked(family.name, reference, decoded)
        for column in wanted:
            if column == "xpsnr_y_db" and not fps_known:
                result |= {"xpsnr_y_db": None, "xpsnr_y_db_reason": NO_FRAME_RATE}
                continue
            result[column] = measured.values[column]
            if measured.values[column] is None:
                result[f"{column}_reason"] = measured.reasons[column]
            frames |= {column: measured.frames[column]} if column in measured.frames else {}
            versions |= {column: measured.versions[column]} if column in measured.versions else {}
    return {**result, "frames": frames, "versions": versions}


def _layout(
    size: str | None, pixel_format: str | None, fps: str | None, matrix: str, colour_range: str
) -> VideoFormat:
    """The format of one frame of a raw video."""
    if size is None or pixel_format is None:
        raise InputError(
            "raw videos do not say what they hold: give --size WIDTHxHEIGHT and --pixel-format."
        )
    match = re.fullmatch(r"(\d{1,9})x(\d{1,9})", size, re.ASCII)
    if match is None:
        raise InputError(f"size {size!r} is not WIDTHxHEIGHT, as in 1920x1080.")
    try:
        rate = frame_rate(fps) if fps is not None else Fraction(25)
    except ValueError:
        raise InputError(f"fps {fps!r} is not a number, as in 50 or 30000/1001.") from None
    return VideoFormat(
        pixel_format=pixel_format,
        width=int(match.group(1)),
        height=int(match.group(2)),
        fps=rate,
        frames=1,
        matrix=matrix,
        range=colour_range,
    )


def _common_frames(reference: Path, decoded: Path, layout: VideoFormat, wanted: int | None) -> int:
    """How many frames to compare.

    Raises:
        SequenceError: a file is no whole number of frames, has too few, or the two differ.
    """
    lengths = [path.stat().st_size for path in (reference, decoded)]
    counts = [length // layout.frame_bytes for length in lengths]
    shape = f"{layout.width}x{layout.height} {layout.pixel_format}"
    held = (
        f"{reference.name} has {lengths[0]} bytes ({lengths[0] / layout.frame_bytes:g} frames), "
        f"{decoded.name} {lengths[1]} ({lengths[1] / layout.frame_bytes:g}); "
        f"a frame of {shape} takes {layout.frame_bytes}"
    )
    if wanted is not None:
        if wanted < 1 or min(counts) < wanted:
            raise SequenceError(f"{held}: {wanted} frames cannot be compared.")
        return wanted
    if any(length % layout.frame_bytes for length in lengths) or not all(counts):
        raise SequenceError(f"{held}. Check size and pixel format.")
    if counts[0] != counts[1]:
        raise SequenceError(f"{held}. Give --frames to compare the first ones only.")
    return counts[0]


def _pictures(reference: Path, decoded: Path, folder: Path) -> tuple[RawVideo, RawVideo]:
    """Two pictures as rgb24 files of one frame."""
    import cv2

    videos = []
    for name, path in (("reference", reference), ("decoded", decoded)):
        samples = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        if samples is None:
            raise InputError(f"{path}: cannot be read as a picture.")
        if samples.dtype != "uint8" or (samples.ndim == 3 and samples.shape[2] != 3):
            raise InputError(
                f"{path}: has {samples.dtype} samples in "
                f"{samples.shape[2] if samples.ndim == 3 else 1} channels; "
                "only 8-bit grey or colour pictures without alpha are compared."
            )
        code = cv2.COLOR_GRAY2RGB if samples.ndim == 2 else cv2.COLOR_BGR2RGB
        raw = folder / f"{name}.rgb"
        raw.write_bytes(cv2.cvtColor(samples, code).tobytes())
        height, width = samples.shape[:2]
        videos.append(
            RawVideo(raw, VideoFormat("rgb24", width, height, Fraction(25), 1, range="full"))
        )
    first, second = (video.format for video in videos)
    if first != second:
        raise InputError(
            f"{reference.name} is {first.width}x{first.height}, {decoded.name} is "
            f"{second.width}x{second.height}; distortion needs both alike."
        )
    return videos[0], videos[1]
