"""Scenes described by ``transforms*.json``, as Blender's exporters and instant-ngp write them.

Reading one gives cameras, files and times of all views and reads no sample, but for the size of one
picture where the description has none.
"""

import itertools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from invrbench.errors import SequenceError
from invrbench.outside import is_file
from invrbench.video.cameras import Camera
from invrbench.video.readers import read_picture
from invrbench.video.views import (
    MALFORMED,
    Scene,
    ViewSource,
    of_view,
    rate,
    read_description,
    told,
)

# camera_model of transforms.json: pinholes whose lens distortion OpenCV's k1, k2, p1, p2, k3 say
PINHOLES = ("PINHOLE", "SIMPLE_PINHOLE", "SIMPLE_RADIAL", "RADIAL", "OPENCV")
_DISTORTION = ("k1", "k2", "p1", "p2", "k3")
_OTHER_LENSES = ("is_fisheye", "ftheta_p0", "latlong", "k4")


@dataclass(frozen=True)
class _Picture:
    """One entry of ``frames`` in a transforms.json; ``split`` is the file's, e.g. ``train``."""

    split: str
    path: Path
    camera: Camera
    distortion: tuple[float, ...]
    time: float | None


def read_transforms(
    files: Sequence[Path],
    *,
    downscale: int = 1,
    background: str | None = None,
    instants: int | None = None,
    skip_absent: bool = False,
) -> Scene:
    """The scene of one or several ``transforms*.json``, as Blender and instant-ngp write them.

    Pictures of one folder with times and one pose are one view, named after the folder. Every other
    picture is a view named by its stem; where stems repeat, ``train-`` or ``test-`` goes before all
    of them, after the name of the file that lists them (transforms_train.json). Times, from 0 to 1
    in the files, become frames: the first instant is 0, the last ``instants`` - 1; one within a
    twentieth of an instant, as rounding in the file leaves it, is that instant. Without times the
    scene is static.

    Args:
        files: the descriptions of one scene. Picture paths are relative to them; one without a
            suffix is a PNG.
        downscale: side of the blocks of pixels that are averaged.
        background: ``white`` or ``black``, for pictures with transparency.
        instants: of the scene; as many as there are different times if None.
        skip_absent: leave out pictures that do not exist instead of refusing the scene.

    Raises:
        SourceMissing: a description is not there.
        SequenceError: an unusable description, an absent picture, or two for one time.

    Source: Mildenhall et al., NeRF, 2020, and Pumarola et al., D-NeRF, 2021 (``time``), data
        format; Müller et al., Instant-NGP, 2022, data format (intrinsics per file, distortion).
    """
    pictures: list[_Picture] = []
    absent: list[str] = []
    fps: Fraction | None = None
    size = _first_picture_size()
    for file in files:
        value = read_description(file)
        fps = rate(value["fps"], file.name) if "fps" in value else fps
        if not isinstance(value.get("frames"), list):
            raise SequenceError(f"{file.name} has no list `frames`; it describes no views.")
        for number, entry in enumerate(value["frames"]):
            where = f"{file.name}, frame {number}"
            if not isinstance(entry, dict) or not isinstance(entry.get("file_path"), str):
                raise SequenceError(f"{where} has no file_path; name its picture.")
            path = _picture_path(file.parent, entry["file_path"])
            if not is_file(path):
                absent.append(f"{file.name}: {entry['file_path']}")
                continue
            pictures.append(_picture(file, path, {**value, **entry}, where, size))
    if absent and not skip_absent:
        raise SequenceError(
            f"{len(absent)} of {len(absent) + len(pictures)} pictures are absent, the first is "
            f"{absent[0]}; bring them, or set skip_absent in the entry to leave them out."
        )
    count = max(_instants(pictures), 1) if instants is None else instants
    views = _scene_views(pictures, count - 1)
    return Scene(
        views={
            view.id: replace(
                view,
                camera=of_view(view.id, view.camera.scaled, downscale),
                downscale=downscale,
                background=background,
            )
            for view in views
        },
        frames=count,
        fps=fps,
        pixel_format="rgb24",
        descriptions=tuple(files),
        absent=tuple(absent),
    )


def _picture_path(folder: Path, name: str) -> Path:
    """The file behind a ``file_path``; Blender writes them without their suffix."""
    path = folder / name
    return path if path.suffix or not path.name else path.with_name(f"{path.name}.png")


def _first_picture_size() -> Callable[[Path], tuple[int, int]]:
    """Width and height of the first picture asked for, whichever is asked for later.

    Others are held against it when their frames are read; opening all would take minutes.
    """
    found: list[tuple[int, int]] = []

    def size(path: Path) -> tuple[int, int]:
        if not found:
            height, width = read_picture(path, allow_alpha=True).shape[:2]
            found.append((width, height))
        return found[0]

    return size


def _picture(
    file: Path,
    path: Path,
    entry: Mapping[str, Any],
    where: str,
    size: Callable[[Path], tuple[int, int]],
) -> _Picture:
    """One picture's camera and time; keys of a frame go before those of its file."""
    _check_lens(entry, where)
    try:
        matrix = [[float(each) for each in row] for row in entry["transform_matrix"]]
        if [len(row) for row in matrix] not in ([4] * 3, [4] * 4) or matrix[3:] not in (
            [],
            [[0, 0, 0, 1]],
        ):
            raise SequenceError("transform_matrix is no 4x4 pose with the last row 0 0 0 1.")
        given = entry.get("w"), entry.get("h")
        width, height = size(path) if None in given else (_whole(each) for each in given)
        fx, fy = _focal(entry, width, height)
        camera = Camera.from_opengl(
            matrix,
            width=width,
            height=height,
            fx=fx,
            fy=fy,
            cx=float(entry.get("cx", width / 2)),
            cy=float(entry.get("cy", height / 2)),
        )
        distortion = tuple(float(entry.get(key, 0)) for key in _DISTORTION)
        time = None if entry.get("time") is None else float(entry["time"])
    except SequenceError as error:
        raise SequenceError(f"{where}: {error}") from None
    except MALFORMED as error:
        raise SequenceError(f"{where}: no camera can be read: {told(error)}.") from None
    if time is not None and not 0 <= time <= 1:
        raise SequenceError(
            f"{where}: time is {time:g}; expected 0 (the first instant) to 1 (the last)."
        )
    split = file.stem.removeprefix("transforms").strip("_-")
    return _Picture(split, path, camera, distortion if any(distortion) else (), time)


def _check_lens(entry: Mapping[str, Any], where: str) -> None:
    model = entry.get("camera_model", PINHOLES[0])
    other = [f"{key} {entry[key]}" for key in _OTHER_LENSES if entry.get(key)]
    if model not in PINHOLES or other:
        raise SequenceError(
            f"{where}: an unknown camera model: {', '.join(other) or model}; known: "
            f"{', '.join(PINHOLES)} with {', '.join(_DISTORTION)}. Undistort the pictures first."
        )


def _whole(value: Any) -> int:
    if int(value) != value:
        raise SequenceError(f"a picture's side is {value}; expected whole pixels.")
    return int(value)


def _focal(entry: Mapping[str, Any], width: int, height: int) -> tuple[float, float]:
    """Focal lengths in pixels; pixels are square where only one is told."""
    found = []
    for key, angle, side in (("fl_x", "camera_angle_x", width), ("fl_y", "camera_angle_y", height)):
        if key in entry:
            found.append(float(entry[key]))
        elif angle in entry:
            found.append(side / 2 / math.tan(float(entry[angle]) / 2))
    if not found:
        raise SequenceError("has no fl_x and no camera_angle_x; add the focal length.")
    if not ("fl_x" in entry or "camera_angle_x" in entry):
        raise SequenceError("has a focal length for y only; add fl_x or camera_angle_x.")
    return found[0], found[-1]


def _instants(pictures: Sequence[_Picture]) -> int:
    return len({round(picture.time, 6) for picture in pictures if picture.time is not None})


def _scene_views(pictures: Sequence[_Picture], last: int) -> list[ViewSource]:
    """Views of all pictures at full size, with their ids; ``last`` numbers the last instant."""
    timed = [picture for picture in pictures if picture.time is not None]
    if timed and len(timed) != len(pictures):
        bare = next(picture for picture in pictures if picture.time is None)
        raise SequenceError(
            f"{bare.path.name} has no time, others have; give every picture one, or none."
        )
    groups = list(_groups(pictures))
    names = [name for name, _ in groups]
    if len(set(names)) < len(names):
        names = [f"{one[0].split}-{name}".lstrip("-") for name, one in groups]
    for index, name in enumerate(names):
        if name in names[:index]:
            first, second = groups[names.index(name)][1][0], groups[index][1][0]
            raise SequenceError(
                f"two views would be called {name}: {first.path.parent.name}/{first.path.name} "
                f"and {second.path.parent.name}/{second.path.name}; rename one, or give the "
                "pictures of one camera one pose and times."
            )
    return [_view(name, members, last) for name, (_, members) in zip(names, groups, strict=True)]


def _groups(pictures: Sequence[_Picture]) -> Iterable[tuple[str, list[_Picture]]]:
    """Name and pictures of each view, in the order of their first picture."""
    folders: dict[Path, list[_Picture]] = {}
    for picture in pictures:
        folders.setdefault(picture.path.parent, []).append(picture)
    for folder, members in folders.items():
        cameras = {picture.camera for picture in members}
        if len(members) > 1 and len(cameras) == 1 and members[0].time is not None:
            yield folder.name, members
        else:
            yield from ((picture.path.stem, [picture]) for picture in members)


def _instant(time: float, last: int) -> float:
    """A time from 0 to 1 in frames, to a thousandth; the nearest instant if it is close."""
    nearest = round(time * last)
    return float(nearest) if abs(time * last - nearest) <= 0.05 else round(time * last, 3)


def _view(name: str, members: Sequence[_Picture], last: int) -> ViewSource:
    """One view at full size, its pictures in the order of their times."""
    count = len({picture.time for picture in members})
    if count > last + 1:
        raise SequenceError(
            f"view {name} has pictures of {count} times, the scene {last + 1} instants; correct "
            "`frames` in the entry, or leave out pictures."
        )
    timed = sorted(
        ((_instant(picture.time or 0.0, last), picture) for picture in members),
        key=lambda each: each[0],
    )
    for (time, one), (after, other) in itertools.pairwise(timed):
        if time == after:
            raise SequenceError(
                f"view {name} has two pictures of one time, {one.path.name} and "
                f"{other.path.name} at instant {time:g}; keep one, or correct their times."
            )
    return ViewSource(
        id=name,
        camera=members[0].camera,
        files=tuple(picture.path for _, picture in timed),
        times=tuple(time for time, _ in timed),
        distortion=members[0].distortion,
    )
