"""Small lossless pictures of sources and decoded points, kept where frames themselves are not.

``<point>/previews/`` and ``results/.sources/<sequence>.previews/`` hold the first, middle and last
frame of every view and an x–t slice (the middle row over time). ``index.json``, written last, names
the md5 of the frames that they show, so that previews of other frames are never taken for these.
"""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from invrbench.digest import write_json, write_whole
from invrbench.errors import SourceMissing
from invrbench.metrics.colour import rgb_rows
from invrbench.outside import object_in
from invrbench.results import paths
from invrbench.results.sources import load_source
from invrbench.video.format import RawVideo, VideoFormat

SCHEMA = 1
LONGER_SIDE = 480  # samples a preview has at most
SLICE_INSTANTS = 480  # a slice shows the first ones of a longer video
FOLDER = "previews"
_LOSSLESS = 101  # OpenCV's quality of lossless WebP
Picture = NDArray[np.uint8]


@dataclass(frozen=True)
class ViewPreviews:
    """Files of one view below the folder: of its frames by number, and of its slice if it moves."""

    frames: Mapping[int, str]
    slice: str = ""


@dataclass(frozen=True)
class Previews:
    """Kept previews: where they lie, what they show, and how far they were shrunk.

    Attributes:
        folder: that holds the files.
        md5: of the frames that they show.
        width, height: of a preview, in samples.
        shrink: samples of the frame along each side of a sample of the preview.
        row: first of the ``shrink`` rows of the frame that the slice averages.
        views: by view id; a video is one unnamed view.
    """

    folder: Path
    md5: str
    width: int
    height: int
    shrink: int
    row: int
    views: Mapping[str, ViewPreviews]


def shrink_of(video: VideoFormat) -> int:
    """The integer by which pictures are box-averaged, so that none is longer than a preview."""
    return max(1, -(-max(video.width, video.height) // LONGER_SIDE))


def frame_numbers(count: int) -> tuple[int, ...]:
    """First, middle and last frame of a video, each once.

    >>> frame_numbers(32), frame_numbers(1)
    ((0, 16, 31), (0,))
    """
    return tuple(sorted({0, count // 2, count - 1}))


def box_average(picture: NDArray[np.float64], factor: int) -> NDArray[np.float64]:
    """Mean over squares of ``factor`` samples; rows and columns that fill none are left out.

    Args:
        picture: (H, W, 3).
        factor: samples along a side.

    Returns:
        (H // factor, W // factor, 3).
    """
    rows, columns = picture.shape[0] // factor, picture.shape[1] // factor
    whole = picture[: rows * factor, : columns * factor]
    averaged: NDArray[np.float64] = whole.reshape(rows, factor, columns, factor, 3).mean((1, 3))
    return averaged


def write_previews(folder: Path, videos: Mapping[str, RawVideo], *, md5: str) -> None:
    """Replace the previews in ``folder`` by those of these videos.

    Args:
        folder: made if absent.
        videos: by view id, all of one format.
        md5: of the frames, by which a reader knows whether the previews are theirs.
    """
    (folder / "index.json").unlink(missing_ok=True)  # before the files that it names
    shutil.rmtree(folder, ignore_errors=True)
    shown: dict[str, Any] = {}
    for view, video in videos.items():
        stem = f"{view}." if view else ""
        frames, line = _pictures(video)
        shown[view] = {"frames": {}}
        for number, picture in frames.items():
            name = f"{stem}frame-{number}.webp"
            write_whole(folder / name, encode(picture))
            shown[view]["frames"][str(number)] = name
        if line is not None:
            shown[view]["slice"] = f"{stem}slice.webp"
            write_whole(folder / f"{stem}slice.webp", encode(line))
    video_format = next(iter(videos.values())).format
    shrink = shrink_of(video_format)
    index = {
        "schema": SCHEMA,
        "md5": md5,
        "width": video_format.width // shrink,
        "height": video_format.height // shrink,
        "shrink": shrink,
        "row": _middle_row(video_format),
        "views": shown,
    }
    write_json(folder / "index.json", index)


def read_previews(folder: Path, md5: str) -> Previews | None:
    """The previews in ``folder`` if they show the frames of this md5, else None."""
    index = object_in(folder / "index.json")
    if (index.get("schema"), index.get("md5")) != (SCHEMA, md5):
        return None
    try:
        return _previews(index, folder)
    except (KeyError, TypeError, ValueError, AttributeError):  # of a damaged one
        return None


def _previews(index: dict[str, Any], folder: Path) -> Previews:
    views = {
        view: ViewPreviews(
            {int(number): str(name) for number, name in held["frames"].items()},
            str(held.get("slice", "")),
        )
        for view, held in index["views"].items()
    }
    return Previews(
        folder=folder,
        md5=str(index["md5"]),
        width=int(index["width"]),
        height=int(index["height"]),
        shrink=int(index["shrink"]),
        row=int(index["row"]),
        views=views,
    )


def source_previews(root: Path, sequence: str) -> Previews | None:
    """Previews of a prepared source, made now unless they are there; None without its files."""
    folder = root / paths.SOURCES / f"{sequence}.{FOLDER}"
    try:
        source = load_source(root, sequence)
    except SourceMissing:
        return None
    held = read_previews(folder, source.md5)
    if held is None:
        write_previews(folder, source.clips, md5=source.md5)
        held = read_previews(folder, source.md5)
    return held


def encode(picture: Picture) -> bytes:
    """A picture (H, W, 3) of R, G, B as lossless WebP."""
    import cv2

    done, data = cv2.imencode(
        ".webp", np.ascontiguousarray(picture[..., ::-1]), [cv2.IMWRITE_WEBP_QUALITY, _LOSSLESS]
    )
    assert done
    return bytes(data)


def decode(data: bytes) -> Picture:
    """The picture (H, W, 3) of R, G, B in an encoded file."""
    import cv2

    picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    return np.ascontiguousarray(picture[..., ::-1], dtype=np.uint8)


def _middle_row(video: VideoFormat) -> int:
    """First row of the box whose mean is the middle row of the previews."""
    shrink = shrink_of(video)
    return (video.height // shrink // 2) * shrink


def _pictures(video: RawVideo) -> tuple[dict[int, Picture], Picture | None]:
    """The frames that are kept, by number, and the slice (T, W, 3) of a video that moves."""
    layout, shrink = video.format, shrink_of(video.format)
    wanted, first = frame_numbers(layout.frames), _middle_row(layout)
    frames: dict[int, Picture] = {}
    line: list[Picture] = []
    for number, planes in enumerate(video.frames()):
        if number in wanted:
            frames[number] = _shrunk(planes, layout, 0, layout.height)
        if layout.frames > 1 and number < SLICE_INSTANTS:
            line.append(_shrunk(planes, layout, first, first + shrink)[0])
    return frames, np.stack(line) if line else None


def _shrunk(planes: list[Any], layout: VideoFormat, start: int, stop: int) -> Picture:
    """Rows of a frame as R, G, B of 8 bit, box-averaged."""
    rgb = np.moveaxis(rgb_rows(planes, layout, start, stop), 0, 2)
    picture: Picture = np.rint(255.0 * box_average(rgb, shrink_of(layout))).astype(np.uint8)
    return picture
