"""Frames of any source as raw bytes, one frame in memory at a time."""

import re
import subprocess
import tempfile
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

from invrbench.errors import SequenceError, ToolError
from invrbench.video import y4m
from invrbench.video.ffmpeg import find_ffmpeg
from invrbench.video.format import VideoFormat
from invrbench.video.sources import PICTURE_SUFFIXES, SourceFile

# what ffmpeg calls layouts that repack into ours without a change of value
SAME_SAMPLES = {
    "yuv420p": ("yuv420p", "yuvj420p"),
    "yuv420p10le": ("yuv420p10le",),
    "yuv444p": ("yuv444p", "yuvj444p"),
    "yuv444p10le": ("yuv444p10le",),
    "rgb24": ("rgb24", "bgr24", "gbrp", "rgb0", "bgr0", "0rgb", "0bgr"),
}
_STREAM = re.compile(
    r"Stream #\S+ Video: [^\n]*?, (?P<layout>[a-z]\w*)(?:\((?P<colour>[^)]*)\))?, "
    r"(?P<width>\d+)x(?P<height>\d+)(?P<rest>[^\n]*)"
)
_RANGES = {"pc": "full", "tv": "limited"}
_MATRICES = {"bt709": "bt709", "smpte170m": "bt601", "bt470bg": "bt601", "bt2020nc": "bt2020"}


def read_frames(file: SourceFile, *, start: int, count: int) -> Iterator[bytes]:
    """Yield frames ``start`` to ``start + count - 1`` of a source, each in its raw layout.

    Raises:
        SequenceError: the file is not what its entry says, or has fewer frames than asked.
        SourceMissing: it is not on this machine.
        ToolError: ffmpeg could not decode it.
    """
    path = file.require()
    if file.is_raw:
        yield from _raw(path, file.format, start=start, count=count)
        return
    if path.is_dir():
        frames = _pictures(_list_pictures(path), file.format)
    elif path.suffix.lower() in PICTURE_SUFFIXES:
        frames = _pictures([path], file.format)
    elif path.suffix.lower() == ".y4m":
        frames = y4m.frames(path, file.format)
    else:
        frames = _decoded(path, file.format)
    done = 0
    for index, frame in enumerate(frames):
        if index >= start:
            yield frame
            done += 1
            if done == count:
                return
    raise _too_short(path, start + done, start + count)


def _too_short(path: Path, held: int, asked: int) -> SequenceError:
    return SequenceError(
        f"{path.name} holds {held} frames, but frames up to number {asked} are asked for; "
        "choose a shorter cut, correct `frames` in the entry, or bring the whole file."
    )


def raw_frame_count(path: Path, declared: VideoFormat) -> int:
    """Frames in a headerless file.

    Raises:
        SequenceError: its size is not a multiple of a frame.
    """
    size = path.stat().st_size
    whole, rest = divmod(size, declared.frame_bytes)
    if rest or not size:
        raise SequenceError(
            f"{path.name} has {size} bytes, which is not a multiple of a frame: "
            f"{declared.width}x{declared.height} {declared.pixel_format} takes "
            f"{declared.frame_bytes} bytes a frame ({whole} frames and {rest} bytes). "
            "Check size and pixel format of the entry, or copy the file again."
        )
    return whole


def _raw(path: Path, declared: VideoFormat, *, start: int, count: int) -> Iterator[bytes]:
    held = raw_frame_count(path, declared)
    if held < start + count:
        raise _too_short(path, held, start + count)
    with path.open("rb") as file:
        file.seek(start * declared.frame_bytes)
        for _ in range(count):
            yield file.read(declared.frame_bytes)


def _list_pictures(folder: Path) -> list[Path]:
    found = sorted(path for path in folder.iterdir() if path.suffix.lower() in PICTURE_SUFFIXES)
    if not found:
        raise SequenceError(
            f"{folder.name}/ holds no picture; expected files ending in "
            f"{', '.join(PICTURE_SUFFIXES)}."
        )
    return found


def _pictures(paths: list[Path], declared: VideoFormat) -> Iterator[bytes]:
    """Pictures as rgb24 frames, in the order of their names; all must have the declared size."""
    import cv2

    for path in paths:
        picture = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        if picture is None:
            raise SequenceError(f"{path.name} cannot be read as a picture; export it as PNG.")
        if str(picture.dtype) != "uint8" or (picture.ndim == 3 and picture.shape[2] != 3):
            channels = 1 if picture.ndim == 2 else picture.shape[2]
            raise SequenceError(
                f"{path.name} has {channels} channels of {picture.dtype}; "
                "export it as 8-bit RGB without transparency."
            )
        height, width = picture.shape[:2]
        if (width, height) != (declared.width, declared.height):
            raise SequenceError(
                f"{path.name} is {width}x{height}, the sequence entry says "
                f"{declared.width}x{declared.height}; all pictures of a sequence have one size."
            )
        code = cv2.COLOR_GRAY2RGB if picture.ndim == 2 else cv2.COLOR_BGR2RGB
        yield cv2.cvtColor(picture, code).tobytes()


def _stated_colour(text: str, declared: VideoFormat) -> list[tuple[str, object, object]]:
    """Range and matrix that a stream states, e.g. in ``tv, bt709/unknown/unknown, progressive``.

    Of three names with slashes the first is the matrix; one name stands for all three.
    """
    found: list[tuple[str, object, object]] = []
    for part in text.split(", "):
        head = part.split("/")[0]
        if head in _RANGES:
            found.append(("range", _RANGES[head], declared.range))
        if head in _MATRICES:
            found.append(("matrix", _MATRICES[head], declared.matrix))
    return found


def _native_layout(path: Path, declared: VideoFormat) -> str:
    """The pixel format that ffmpeg decodes a file to, once the stream agrees with the entry."""
    command = [str(find_ffmpeg().path), "-hide_banner", "-nostdin", "-i", str(path)]
    done = subprocess.run(command, capture_output=True, check=False)
    listing = done.stderr.decode(errors="replace")
    match = _STREAM.search(listing)
    if match is None:
        last = listing.strip().splitlines()[-1:] or ["no output"]
        raise SequenceError(f"{path.name} holds no video that ffmpeg can read: {last[0]}")
    layout = match["layout"]
    stated: list[tuple[str, object, object]] = [
        ("size", f"{match['width']}x{match['height']}", f"{declared.width}x{declared.height}"),
    ]
    stated += [] if declared.is_rgb else _stated_colour(match["colour"] or "", declared)
    rate = re.search(r", ([\d.]+) fps", match["rest"])
    if rate and abs(Fraction(rate[1]) - declared.fps) > Fraction(1, 100):
        stated.append(("fps", rate[1], declared.fps))
    if layout not in SAME_SAMPLES[declared.pixel_format]:
        stated.append(("pixel_format", layout, declared.pixel_format))
    for key, found, said in stated:
        if found != said:
            raise SequenceError(
                f"{path.name}: ffmpeg reads {key} {found}, the sequence entry says {said}; "
                "correct the entry (nothing is converted in silence)."
            )
    return layout if layout not in SAME_SAMPLES["rgb24"] else "rgb24"


def _decoded(path: Path, declared: VideoFormat) -> Iterator[bytes]:
    """Frames of a coded file as ffmpeg decodes them, unscaled, none dropped or repeated."""
    layout = _native_layout(path, declared)
    command = [str(find_ffmpeg().path), "-hide_banner", "-nostdin", "-v", "error", "-noautorotate"]
    command += ["-i", str(path), "-map", "0:v:0", "-fps_mode", "passthrough"]
    command += ["-pix_fmt", layout, "-f", "rawvideo", "-"]
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log)
        assert process.stdout is not None
        try:
            while data := process.stdout.read(declared.frame_bytes):
                if len(data) != declared.frame_bytes:
                    break
                yield data
            status = process.wait()
            if status:
                log.seek(0)
                tail = log.read().decode(errors="replace").strip().splitlines()[-5:]
                raise ToolError(f"ffmpeg could not decode {path.name}: {' '.join(tail)}")
        finally:
            process.stdout.close()
            process.kill()
            process.wait()
