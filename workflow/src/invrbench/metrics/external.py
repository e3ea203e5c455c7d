"""VMAF and XPSNR by ffmpeg, both in one call.

Pooling. VMAF: mean of the frames' scores, model vmaf_v0.6.1. XPSNR of luma: the value ffmpeg sums
up itself, which averages weighted distortion over the frames before it goes to dB, so that it is
*not* the mean of the frames' dB; a few identical frames leave it finite.

Source: Netflix/vmaf; Helmrich et al., "XPSNR", ITU-T H.Sup. 20; ffmpeg filters libvmaf and xpsnr.
"""

import json
import math
import re
import tempfile
from pathlib import Path

import numpy as np

from invrbench.errors import ToolError
from invrbench.metrics.colour import full_range_709
from invrbench.metrics.measurement import LOSSLESS, Measurement, check_pair
from invrbench.video.ffmpeg import Ffmpeg, find_ffmpeg
from invrbench.video.format import RawVideo, VideoFormat

COLUMNS = ("vmaf", "xpsnr_y_db")
MODEL = "vmaf_v0.6.1"
# libvmaf halves four times: at 16×16 and below ffmpeg dies of a segmentation fault, and what it
# prints a little above is about padding, not about pictures. XPSNR works at any size
MIN_SIDE_VMAF = 32
MIN_SIDE_XPSNR = 16
_FRAME = re.compile(r"^n:\s*\d+\s+XPSNR y:\s*(\S+)", re.MULTILINE)
_AVERAGE = re.compile(r"^XPSNR average, \d+ frames\s+y:\s*(\S+)", re.MULTILINE)


def measure(reference: RawVideo, decoded: RawVideo) -> Measurement:
    """VMAF, and XPSNR of luma in dB.

    rgb24 is converted by this package to BT.709 full-range 8-bit 4:4:4 first; the filters' own
    conversion would be ffmpeg's.

    Raises:
        SequenceError: formats differ, or a file ends early.
        ToolError: there is no ffmpeg, or it failed.
    """
    check_pair(reference, decoded)
    ffmpeg = find_ffmpeg()
    side = min(reference.format.width, reference.format.height)
    reasons = {}
    for column, name, limit, wanted in (
        ("vmaf", "VMAF", MIN_SIDE_VMAF, "libvmaf"),
        ("xpsnr_y_db", "XPSNR", MIN_SIDE_XPSNR, "xpsnr"),
    ):
        if side < limit:
            reasons[column] = f"{name} undefined below {limit} pixels"
        elif not ffmpeg.has_filter(wanted):
            reasons[column] = f"ffmpeg {ffmpeg.version} has no filter {wanted}"
    with tempfile.TemporaryDirectory(prefix="invrbench-") as name:
        folder = Path(name)
        if reference.format.is_rgb:
            reference = _to_yuv444(reference, folder / "reference.yuv")
            decoded = _to_yuv444(decoded, folder / "decoded.yuv")
        wanted_columns = [column for column in COLUMNS if column not in reasons]
        if wanted_columns:
            ffmpeg.run(_arguments(reference, decoded, folder, wanted_columns))
        return _collect(ffmpeg, folder, reference.format.frames, reasons)


def _to_yuv444(video: RawVideo, path: Path) -> RawVideo:
    """Write an rgb24 video as BT.709 full-range yuv444p, rounded to 8 bits."""
    with path.open("wb") as file:
        for (rgb,) in video.frames():
            for plane in full_range_709(rgb):
                file.write(np.clip(np.rint(plane), 0, 255).astype(np.uint8).tobytes())
    old = video.format
    return RawVideo(
        path,
        VideoFormat(
            "yuv444p", old.width, old.height, old.fps, old.frames, matrix="bt709", range="full"
        ),
    )


def escape_option(text: str) -> str:
    r"""Quote a filter option's value for the two parsers of a filter graph.

    >>> print(escape_option("a:b"))
    a\\:b
    """
    once = re.sub(r"([\\':])", r"\\\1", text)
    return re.sub(r"([\\'\[\],;])", r"\\\1", once)


def _arguments(
    reference: RawVideo, decoded: RawVideo, folder: Path, columns: list[str]
) -> list[str]:
    """One ffmpeg call; the first input is the distorted one, as both filters want it."""
    inputs: list[str] = []
    for video in (decoded, reference):
        layout = video.format
        inputs += ["-f", "rawvideo", "-pixel_format", layout.pixel_format]
        inputs += ["-video_size", f"{layout.width}x{layout.height}"]
        inputs += ["-framerate", str(layout.fps), "-i", f"file:{video.path}"]
    filters = {
        "vmaf": f"libvmaf=model=version={MODEL}:n_threads=1:log_fmt=json:log_path="
        + escape_option(str(folder / "vmaf.json")),
        "xpsnr_y_db": "xpsnr=stats_file=" + escape_option(str(folder / "xpsnr.txt")),
    }
    count, split = reference.format.frames, len(columns)
    graph = []
    for index in range(2):
        pads = "".join(f"[{index}{column}]" for column in columns)
        graph.append(f"[{index}:v]trim=end_frame={count},split={split}{pads}")
    outputs: list[str] = []
    for column in columns:
        graph.append(f"[0{column}][1{column}]{filters[column]}[out{column}]")
        outputs += ["-map", f"[out{column}]", "-f", "null", "-"]
    # the XPSNR filter sums its average up only at log level info, into the file as well
    return [*inputs, "-filter_complex", ";".join(graph), *outputs]


def _collect(ffmpeg: Ffmpeg, folder: Path, count: int, reasons: dict[str, str]) -> Measurement:
    values: dict[str, float | None] = dict.fromkeys(COLUMNS)
    frames: dict[str, list[float | None]] = {}
    versions = {}
    if "vmaf" not in reasons:
        report = json.loads((folder / "vmaf.json").read_text(encoding="utf-8"))
        scores = [float(frame["metrics"]["vmaf"]) for frame in report["frames"]]
        _check_count("libvmaf", len(scores), count)
        frames["vmaf"] = list(scores)
        values["vmaf"] = math.fsum(scores) / len(scores)
        versions["vmaf"] = (
            f"libvmaf {report['version']} in ffmpeg {ffmpeg.version}, {MODEL}, mean of frames"
        )
    if "xpsnr_y_db" not in reasons:
        text = (folder / "xpsnr.txt").read_text(encoding="utf-8")
        decibels = [float(value) for value in _FRAME.findall(text)]
        _check_count("xpsnr", len(decibels), count)
        frames["xpsnr_y_db"] = [value if math.isfinite(value) else None for value in decibels]
        average = _AVERAGE.search(text)
        pooled = float(average.group(1)) if average else math.nan
        if math.isfinite(pooled):
            values["xpsnr_y_db"] = pooled
        else:
            reasons = {**reasons, "xpsnr_y_db": LOSSLESS}
        versions["xpsnr_y_db"] = f"xpsnr in ffmpeg {ffmpeg.version}, luma, distortion meant"
    return Measurement(values=values, reasons=reasons, frames=frames, versions=versions)


def _check_count(name: str, found: int, expected: int) -> None:
    if found != expected:
        raise ToolError(
            f"ffmpeg's {name} judged {found} frames of {expected}; are both files whole?"
        )
