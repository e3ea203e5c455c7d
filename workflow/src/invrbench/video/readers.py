"""Frames of any source as raw bytes, one frame in memory at a time."""

import re
import struct
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from invrbench.errors import SequenceError, ToolError
from invrbench.video import y4m
from invrbench.video.ffmpeg import find_ffmpeg
from invrbench.video.format import MOST_SIDE, VideoFormat
from invrbench.video.pictures import raw_frame
from invrbench.video.sources import PICTURE_SUFFIXES, SourceFile
from invrbench.video.steps import BoxAverage, transform
from invrbench.video.views import ViewSource

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Samples: TypeAlias = NDArray[Any]

_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_HEAD = struct.Struct(">8sI4sII")  # mark, length and kind of the first chunk, sides
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
    if file.view is not None:
        yield from view_frames(file.view, file.format, start=start, count=count)
        return
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


def view_frames(
    view: ViewSource, declared: VideoFormat, *, start: int, count: int
) -> Iterator[bytes]:
    """Yield frames ``start`` to ``start + count - 1`` of a view of a scene, as they are coded.

    Pictures are laid on the view's background, undistorted, averaged over blocks, and then brought
    to the declared pixel format; videos are averaged only.

    Args:
        view: where the frames come from.
        declared: what the yielded frames hold; the view's files are ``view.downscale`` times as
            wide and high.
        start: index of the first frame, into ``view.times``.
        count: how many.

    Raises:
        SequenceError: a file is not what the entry says, or holds fewer frames than asked.
        ToolError: ffmpeg could not decode it.
    """
    native = replace(
        declared,
        width=declared.width * view.downscale,
        height=declared.height * view.downscale,
        frames=len(view.times),
    )
    if start + count > len(view.times):
        raise _too_short(view.files[0], len(view.times), start + count)
    if view.is_video:
        file = SourceFile(declared={}, format=native, path=view.files[0])
        frames = read_frames(file, start=start, count=count)
    else:
        native = replace(native, pixel_format="rgb24")
        frames = (_view_picture(path, view, native) for path in view.files[start : start + count])
    steps = [BoxAverage(view.downscale)] if view.downscale > 1 else []
    for frame in frames:
        averaged = transform(frame, native, steps) if steps else frame
        yield averaged if view.is_video else raw_frame(averaged, declared)


def _view_picture(path: Path, view: ViewSource, native: VideoFormat) -> bytes:
    """One picture as an rgb24 frame of its own size, on its background, without distortion."""
    picture = read_picture(path, allow_alpha=True)
    check_picture_size(path, picture, native)
    if picture.shape[2] == 4:
        picture = _on_background(picture, view.background, path)
    if view.distortion:
        picture = _undistorted(picture, view)
    return picture.tobytes()


def _on_background(picture: "Samples", background: str | None, path: Path) -> "Samples":
    """(H, W, 4) with straight alpha over white or black, rounded half up to (H, W, 3)."""
    import numpy as np

    colour, alpha = picture[..., :3].astype(np.uint32), picture[..., 3:].astype(np.uint32)
    if background is None and (alpha < 255).any():
        raise SequenceError(
            f"{path.name} is transparent in places; say on which background, white or black."
        )
    under = 255 if background == "white" else 0
    laid: Samples = ((colour * alpha + under * (255 - alpha) + 127) // 255).astype(np.uint8)
    return laid


def _undistorted(picture: "Samples", view: ViewSource) -> "Samples":
    """The picture of a pinhole with the same intrinsics, interpolated bicubically.

    What lies outside the picture repeats its border.
    """
    import cv2
    import numpy as np

    camera, factor = view.camera, view.downscale
    # OpenCV counts from the centre of the top left pixel, a camera here from its corner
    intrinsics = np.array(
        [
            [camera.fx * factor, 0, camera.cx * factor - 0.5],
            [0, camera.fy * factor, camera.cy * factor - 0.5],
            [0, 0, 1],
        ]
    )
    height, width = picture.shape[:2]
    columns, rows = cv2.initUndistortRectifyMap(
        intrinsics, np.array(view.distortion), np.eye(3), intrinsics, (width, height), cv2.CV_32FC1
    )
    pinhole: Samples = cv2.remap(
        picture, columns, rows, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    )
    return pinhole


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


def read_picture(path: Path, *, allow_alpha: bool = False) -> "Samples":
    """A picture file's samples, uint8: (H, W, 3) RGB, or (H, W, 4) with its alpha if allowed.

    Raises:
        SequenceError: no picture, or one of another depth or number of channels.
    """
    import cv2

    if path.suffix.lower() == ".png":
        _refuse_damaged_png(path)
    try:
        picture = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    except cv2.error:  # it says that it is larger than OpenCV takes
        picture = None
    if picture is None:
        raise SequenceError(f"{path.name} cannot be read as a picture; export it as PNG.")
    channels = 1 if picture.ndim == 2 else picture.shape[2]
    if str(picture.dtype) != "uint8" or channels not in (1, 3, *((4,) if allow_alpha else ())):
        raise SequenceError(
            f"{path.name} has {channels} channels of {picture.dtype}; "
            f"export it as 8-bit RGB{'' if allow_alpha else ' without transparency'}."
        )
    codes = {1: cv2.COLOR_GRAY2RGB, 3: cv2.COLOR_BGR2RGB, 4: cv2.COLOR_BGRA2RGBA}
    samples: Samples = cv2.cvtColor(picture, codes[channels])
    return samples


def _refuse_damaged_png(path: Path) -> None:
    """Refuse a PNG whose chunks do not fill it, or that is beyond what is served.

    OpenCV makes room for as many bytes as a chunk says it has: a damaged length of four bytes
    costs gigabytes and seconds.

    Source: ISO/IEC 15948 (PNG), clauses 5.2 and 5.3; 11.2.2 (IHDR).
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(_PNG_HEAD.size)
        if len(head) < _PNG_HEAD.size or not head.startswith(_PNG):
            raise SequenceError(f"{path.name} cannot be read as a picture; it is no PNG.")
        _, length, kind, width, height = _PNG_HEAD.unpack(head)
        if kind != b"IHDR" or max(width, height) > MOST_SIDE:
            raise SequenceError(
                f"{path.name} cannot be read as a picture of {width}x{height}; at most {MOST_SIDE} "
                "pixels a side are served."
            )
        end = len(_PNG)
        while kind != b"IEND":
            end += length + 12  # with its length, kind and checksum
            file.seek(end)
            told = file.read(8)
            if end > size or len(told) < 8:
                raise SequenceError(
                    f"{path.name} cannot be read as a picture: it ends within a chunk; export it "
                    "again."
                )
            length, kind = struct.unpack(">I4s", told)


def _pictures(paths: list[Path], declared: VideoFormat) -> Iterator[bytes]:
    """Pictures as rgb24 frames, in the order of their names; all must have the declared size."""
    for path in paths:
        picture = read_picture(path)
        check_picture_size(path, picture, declared)
        yield picture.tobytes()


def check_picture_size(path: Path, picture: "Samples", declared: VideoFormat) -> None:
    """Refuse a picture of another size than its entry says.

    Raises:
        SequenceError: with both sizes.
    """
    height, width = picture.shape[:2]
    if (width, height) != (declared.width, declared.height):
        raise SequenceError(
            f"{path.name} is {width}x{height}, the sequence entry says "
            f"{declared.width}x{declared.height}; all pictures of a sequence have one size."
        )


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
