"""Scenes described by a MIV camera JSON, with one raw file per view."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from invrbench.errors import SequenceError, SourceMissing
from invrbench.video.cameras import Bounds, Camera
from invrbench.video.format import MOST_FRAMES, PIXEL_FORMATS
from invrbench.video.views import (
    MALFORMED,
    Scene,
    ViewSource,
    of_view,
    rate,
    read_description,
    refuse_twice,
    suggest,
    told,
)

MIV_VERSION = "4.0"


def read_miv(description: Path, textures: Path, *, downscale: int = 1) -> Scene:
    """The scene of a camera JSON v4.0 and its ``{view}_texture_{W}x{H}_{pixel format}.yuv``.

    Views are those of ``sourceCameraNames``; near, far and box come from their Depth_range.

    Args:
        description: the camera JSON.
        textures: the folder of the raw files.
        downscale: side of the blocks of samples that are averaged, in every plane.

    Raises:
        SourceMissing: the description or a view's file is not there.
        SequenceError: another version, an unknown camera model, or a camera without its keys.

    Source: TMIV, camera JSON 4.0 and names of the MIV common test conditions.
    """
    value = read_description(description)
    if str(value.get("Version")) != MIV_VERSION:
        raise SequenceError(
            f"{description.name} has Version {value.get('Version')}; {MIV_VERSION} is read."
        )
    try:
        entries = {str(entry["Name"]): entry for entry in value["cameras"]}
        names = [str(name) for name in value["sourceCameraNames"]]
        frames, fps = int(value["Frames_number"]), rate(value["Fps"], description.name)
    except MALFORMED as error:
        raise SequenceError(f"{description.name} cannot be used: {told(error)}.") from None
    if not 1 <= frames <= MOST_FRAMES:
        raise SequenceError(
            f"{description.name} has Frames_number {frames}; expected 1 to {MOST_FRAMES}."
        )
    refuse_twice(names)
    for name in names:
        if name not in entries:
            raise SequenceError(
                f"{description.name} names the source camera {name}, but has no such camera; "
                f"{suggest(name, entries)}."
            )
    cameras = [of_view(name, Camera.from_miv, entries[name]) for name in names]
    ranges = [of_view(name, _depth_range, entries[name]) for name in names]
    found = [_texture(textures, name, camera) for name, camera in zip(names, cameras, strict=True)]
    formats = sorted({pixel_format for _, pixel_format in found})
    if len(formats) != 1:
        raise SequenceError(
            f"the views' textures are {' and '.join(formats)}; bring all in one pixel format."
        )
    return Scene(
        views={
            name: ViewSource(
                id=name,
                camera=of_view(name, camera.scaled, downscale),
                files=(path,),
                times=tuple(float(frame) for frame in range(frames)),
                is_video=True,
                downscale=downscale,
            )
            for name, camera, (path, _) in zip(names, cameras, found, strict=True)
        },
        frames=frames,
        fps=fps,
        bounds=Bounds.from_depths(cameras, ranges),
        pixel_format=formats[0],
        descriptions=(description,),
    )


def _depth_range(entry: Mapping[str, Any]) -> tuple[float, float]:
    near, far = (float(each) for each in entry["Depth_range"])
    return near, far


def _texture(folder: Path, name: str, camera: Camera) -> tuple[Path, str]:
    """The raw file of a view and its pixel format."""
    stem = f"{name}_texture_{camera.width}x{camera.height}_"
    found = [
        (folder / f"{stem}{layout}.yuv", layout)
        for layout in PIXEL_FORMATS
        if (folder / f"{stem}{layout}.yuv").is_file()
    ]
    if not found:
        others = sorted(path.name for path in folder.glob(f"{name}_texture_*"))
        raise SourceMissing(
            f"view {name} has no file {stem}<pixel format>.yuv in {folder.name}/ "
            f"({'found: ' + ', '.join(others) if others else 'nor one of another size'}); bring "
            f"it in a pixel format of {', '.join(PIXEL_FORMATS)}."
        )
    if len(found) > 1:
        raise SequenceError(
            f"view {name} has two textures, {found[0][0].name} and {found[1][0].name}; keep one."
        )
    return found[0]
