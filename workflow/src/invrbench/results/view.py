"""Source and points side by side, as a video or a picture that a person looks at."""

import contextlib
import math
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from invrbench.codec.workspace import workspace
from invrbench.errors import ContractError, InputError, SourceMissing, ToolError
from invrbench.metrics.colour import rgb_picture
from invrbench.results import frames, paths
from invrbench.results.execute import decode_into, md5_of
from invrbench.results.plan import Point
from invrbench.results.records import read_record, read_usable_record
from invrbench.results.sources import load_source, prepare_source
from invrbench.video.ffmpeg import find_ffmpeg
from invrbench.video.format import RawVideo

Picture = NDArray[np.uint8]

PICTURE_SUFFIXES = (".png",)
VIDEO_SUFFIXES = (".mp4", ".mkv", ".mov")
COLUMNS = 4  # pictures of a row
GAP = 4  # samples between pictures
LINE = 18  # height of a line of a label, in samples
_INK, _PAPER = (235, 235, 235), 24


@dataclass(frozen=True)
class Pane:
    """One picture of the comparison: two lines of text and the frames beneath."""

    title: str
    detail: str
    video: RawVideo


def write_side_by_side(root: Path, points: Sequence[Point], output: Path, view: str = "") -> None:
    """Write source and decoded points next to each other, each with its codec, rate and quality.

    Args:
        root: the repository.
        points: points of one sequence, in the order of the panes.
        output: a video (near-lossless AVC at the source's frame rate), or a .png of frame 0.
        view: of a scene; the first that all points decode without it.

    Raises:
        InputError: points of several sequences, points not coded yet, an unknown view or file
            type.
        ContractError: a bitstream decodes to other frames than were measured.
    """
    sequence = _one_sequence(points)
    if output.suffix.lower() not in (*PICTURE_SUFFIXES, *VIDEO_SUFFIXES):
        allowed = ", ".join((*VIDEO_SUFFIXES, *PICTURE_SUFFIXES))
        raise InputError(f"{output.name}: write one of {allowed}.")
    chosen = _one_view(points, view)
    with contextlib.ExitStack() as stack:
        source = _source(root, points[0], chosen)
        panes = [Pane("source", f"{sequence} {chosen}".strip(), source)]
        for point in points:
            space = stack.enter_context(workspace(root / paths.JOBS))
            panes.append(_pane(root, point, chosen, space))
        pictures = _tiled(panes)
        if output.suffix.lower() in PICTURE_SUFFIXES:
            _write_picture(output, next(pictures))
        else:
            _write_video(output, pictures, rate=str(source.format.fps))


def _one_sequence(points: Sequence[Point]) -> str:
    names = sorted({point.address.sequence for point in points})
    if len(names) != 1:
        raise InputError(
            f"side by side needs points of one sequence; these are of {', '.join(names) or 'none'}."
        )
    return names[0]


def _one_view(points: Sequence[Point], wanted: str) -> str:
    shared = [v for v in points[0].formats if all(v in point.formats for point in points)]
    if wanted and wanted not in shared:
        held = f"they have {', '.join(filter(None, shared))}" if any(shared) else "a video has none"
        raise InputError(f"--view {wanted}: not every one of these points has that view; {held}.")
    if not shared:
        raise InputError("these points have no view in common; name points of one view set.")
    return wanted or shared[0]


def _source(root: Path, point: Point, view: str) -> RawVideo:
    try:
        return load_source(root, point.address.sequence).clips[view]
    except SourceMissing:
        prepare_source(root, point.source, point.address.sequence)
        return load_source(root, point.address.sequence).clips[view]


def _pane(root: Path, point: Point, view: str, space: Path) -> Pane:
    folder = root / point.address.folder
    encoded = read_record(folder / "encode.json")
    if encoded is None or not (folder / "bitstream.bin").is_file():
        raise InputError(
            f"{point.address.folder} is not coded yet; run "
            f"`invrbench encode {point.address.folder}` first."
        )
    pictures = frames.get(root, point.address, point.formats, space)
    if pictures is None:
        _, pictures = decode_into(point, folder, space, space / "decode.log")
    decoded = read_usable_record(folder / "decode.json")
    if decoded is not None and md5_of(pictures) != decoded["decoded_md5"]:
        raise ContractError(
            f"{point.address.codec}: decoder not repeatable: these frames are not those measured "
            f"({point.address.folder}/decode.json has another md5)."
        )
    title = f"{point.manifest.name}  {point.address.rate_point}"
    return Pane(title, _detail(point, folder, encoded, view), pictures[view])


def _detail(point: Point, folder: Path, encoded: dict[str, Any], view: str) -> str:
    """Rate, and luma PSNR if it was measured."""
    video, size = point.source.format, encoded["bitstream_bytes"]
    if video.frames == 1:
        rate = f"{8 * size / point.source.coded_pixels:.3f} bpp"
    else:
        rate = f"{8 * size * float(video.fps) / (1000 * video.frames):.1f} kbps"
    measured = read_usable_record(folder / "metrics" / "picture.json")
    if measured is None or measured["key"] != point.family_keys.get("picture"):
        return rate
    found = measured["views"][view] if view else measured
    psnr = found["values"]["psnr_y_db"]
    quality = f"PSNR-Y {psnr:.2f} dB" if psnr is not None else found["reasons"]["psnr_y_db"]
    return f"{rate}  {quality}"


# ---- pictures


def _tiled(panes: Sequence[Pane]) -> Iterator[Picture]:
    """One picture (H, W, 3) per frame: panes in rows of at most ``COLUMNS``, sides even."""
    layout = panes[0].video.format
    columns = min(COLUMNS, len(panes))
    rows = math.ceil(len(panes) / columns)
    band = 2 * LINE + GAP
    height = rows * (layout.height + band + GAP) + GAP
    width = columns * (layout.width + GAP) + GAP
    canvas = np.full((height + height % 2, width + width % 2, 3), _PAPER, np.uint8)
    corners = []
    for index, pane in enumerate(panes):
        row, column = divmod(index, columns)
        top, left = GAP + row * (layout.height + band + GAP), GAP + column * (layout.width + GAP)
        _write_label(canvas[top : top + band, left : left + layout.width], pane)
        corners.append((top + band, left))
    for planes in zip(*(pane.video.frames() for pane in panes), strict=True):
        picture = canvas.copy()
        for (top, left), each, pane in zip(corners, planes, panes, strict=True):
            rgb = np.moveaxis(rgb_picture(each, pane.video.format), 0, 2)
            area = picture[top : top + layout.height, left : left + layout.width]
            area[:] = np.rint(rgb * 255.0)
        yield picture


def _write_label(area: Picture, pane: Pane) -> None:
    """Two lines of text into ``area``, each shrunk to its width."""
    import cv2

    text_area = np.ascontiguousarray(area)
    for line, text in enumerate((pane.title, pane.detail)):
        shown = text.encode("ascii", "replace").decode()  # the font has no other signs
        scale = 0.45
        (wide, _), _ = cv2.getTextSize(shown, cv2.FONT_HERSHEY_SIMPLEX, scale, 1)
        scale *= min(1.0, (area.shape[1] - 2) / max(wide, 1))
        place = (1, (line + 1) * LINE - 4)
        cv2.putText(text_area, shown, place, cv2.FONT_HERSHEY_SIMPLEX, scale, _INK, 1, cv2.LINE_AA)
    area[:] = text_area


def _write_picture(output: Path, picture: Picture) -> None:
    import cv2

    if not cv2.imwrite(str(output), picture[..., ::-1]):
        raise ToolError(f"{output} cannot be written; is its folder there and writable?")


def _write_video(output: Path, pictures: Iterator[Picture], *, rate: str) -> None:
    """Code pictures as near-lossless AVC 4:2:0, BT.709, limited range."""
    first = next(pictures)
    size = f"{first.shape[1]}x{first.shape[0]}"
    colour = "scale=out_color_matrix=bt709:out_range=tv:flags=accurate_rnd+bitexact"
    command = [str(find_ffmpeg().path), "-hide_banner", "-v", "error", "-y"]
    command += ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", size, "-r", rate, "-i", "-"]
    command += ["-vf", colour, "-c:v", "libx264", "-crf", "12", "-pix_fmt", "yuv420p"]
    command += ["-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709"]
    command += ["-color_range", "tv", "-movflags", "+faststart", str(output)]
    coder = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE)
    assert coder.stdin is not None
    with contextlib.suppress(BrokenPipeError):  # the coder ended early and says why
        coder.stdin.write(first.tobytes())
        for picture in pictures:
            coder.stdin.write(picture.tobytes())
    _, said = coder.communicate()
    if coder.returncode:
        raise ToolError(f"{output.name} could not be written: {said.decode(errors='replace')}")
