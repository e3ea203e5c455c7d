"""Multi-view scenes as others describe them: Blender and instant-ngp, MIV, LLFF.

Reading a description gives cameras, files and times of all views and reads no sample, but for the
size of one picture where a description has none. Frames come from ``readers.view_frames``.
"""

import difflib
import itertools
import json
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeVar

from invrbench.errors import SequenceError, SourceMissing
from invrbench.video.cameras import Bounds, Camera
from invrbench.video.format import PIXEL_FORMATS, VideoFormat
from invrbench.video.readers import read_picture
from invrbench.video.views import ViewSource

SCENE_KINDS = ("transforms", "miv", "llff")
MIV_VERSION = "4.0"
# camera_model of transforms.json: pinholes whose lens distortion OpenCV's k1, k2, p1, p2, k3 say
PINHOLES = ("PINHOLE", "SIMPLE_PINHOLE", "SIMPLE_RADIAL", "RADIAL", "OPENCV")
_DISTORTION = ("k1", "k2", "p1", "p2", "k3")
_OTHER_LENSES = ("is_fisheye", "ftheta_p0", "latlong", "k4")
_POSES = "poses_bounds.npy"
_VIDEOS = "cam*.mp4"
_VIEW_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_Given = TypeVar("_Given")
_Made = TypeVar("_Made")
_MALFORMED = (KeyError, TypeError, ValueError, AttributeError)


@dataclass(frozen=True)
class Scene:
    """All views of a description.

    ``frames`` counts instants (1: static), ``bounds`` and ``fps`` are None where the description
    has none, ``pixel_format`` is what the files hold if the description says it (rgb24 for
    pictures). ``descriptions`` are the files read; ``absent`` pictures were left out on request.

    Raises:
        SequenceError: no view, an id that cannot name a file, or views of different sizes.
    """

    views: Mapping[str, ViewSource]
    frames: int
    fps: Fraction | None = None
    bounds: Bounds | None = None
    pixel_format: str | None = None
    descriptions: tuple[Path, ...] = ()
    absent: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.views:
            raise SequenceError("the scene has no view; bring the pictures or videos of its views.")
        for name in self.views:
            if not _VIEW_ID.fullmatch(name):
                raise SequenceError(
                    f"view {name!r} cannot name a file; use letters, digits, dot, underscore and "
                    "minus."
                )
        first, *others = self.views.values()
        size = first.camera.width, first.camera.height
        for other in others:
            if (other.camera.width, other.camera.height) != size:
                raise SequenceError(
                    f"view {first.id} is {size[0]}x{size[1]}, view {other.id} is "
                    f"{other.camera.width}x{other.camera.height}; all views of a scene have one "
                    "size."
                )

    @property
    def has_pictures(self) -> bool:
        """Whether frames are picture files, which are brought to any pixel format when read."""
        return not next(iter(self.views.values())).is_video

    @property
    def files(self) -> tuple[Path, ...]:
        """The descriptions and the views' files."""
        return self.descriptions + tuple(p for view in self.views.values() for p in view.files)

    def pick(self, names: Sequence[str]) -> dict[str, ViewSource]:
        """The views of these names, in their order.

        Raises:
            SequenceError: a name that no view has (says the nearest), or one given twice.
        """
        for name in names:
            if name not in self.views:
                raise SequenceError(f"view {name!r} is unknown; {_suggest(name, self.views)}.")
        _refuse_twice(names)
        return {name: self.views[name] for name in names}

    def expect(self, names: Sequence[str]) -> None:
        """Refuse a scene that has not exactly the views of these names.

        Raises:
            SequenceError: says which are missing, which are extra, and the nearest ones.
        """
        _refuse_twice(names)
        missing = [name for name in names if name not in self.views]
        extra = [name for name in self.views if name not in names]
        told = [f"lacks view {name} ({_suggest(name, self.views)})" for name in missing]
        told += [f"has the view {name}, which is not listed" for name in extra]
        if told:
            raise SequenceError(
                f"the scene {'; '.join(told[:4])}{' …' if len(told) > 4 else ''}; "
                f"{len(names)} views are listed, {len(self.views)} found."
            )


def read_scene(
    source: Mapping[str, Any], folder: Path, layout: VideoFormat, *, where: str
) -> Scene:
    """The scene of a sequence entry.

    Args:
        source: the entry's ``source``: ``kind``, and what the reader of that kind is told.
        folder: where the scene lies on this machine.
        layout: what the entry says of one view's raw file; ``frames`` are the scene's instants.
        where: opens every message.

    Raises:
        SequenceError: the description cannot be used, or is not what the entry says.
    """
    downscale = source.get("downscale", 1)
    try:
        if source["kind"] == "transforms":
            scene = read_transforms(
                [folder / name for name in source.get("files", ["transforms.json"])],
                downscale=downscale,
                background=source.get("background"),
                instants=layout.frames,
                skip_absent=source.get("skip_absent", False),
            )
        elif source["kind"] == "miv":
            scene = read_miv(folder / source["file"], folder, downscale=downscale)
        else:
            scene = read_llff(folder, frames=layout.frames, downscale=downscale)
        _check_layout(scene, layout)
    except SourceMissing as error:
        raise SourceMissing(f"{where}: {error}") from None
    except SequenceError as error:
        raise SequenceError(f"{where}: {error}") from None
    return scene


def _check_layout(scene: Scene, layout: VideoFormat) -> None:
    """Refuse a description that contradicts the sequence entry."""
    camera = next(iter(scene.views.values())).camera
    told: list[tuple[str, object, object]] = [
        ("width", camera.width, layout.width),
        ("height", camera.height, layout.height),
        ("frames", scene.frames, layout.frames),
        ("fps", scene.fps, layout.fps),
        *(
            ()
            if scene.has_pictures
            else (("pixel_format", scene.pixel_format, layout.pixel_format),)
        ),
    ]
    for key, found, said in told:
        if found is not None and found != said:
            raise SequenceError(
                f"the description says {key} {found}, the sequence entry says {said}; correct the "
                "entry or bring the other files."
            )


# --- transforms.json -------------------------------------------------------------------------


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
        value = _read_json(file)
        fps = _rate(value["fps"], file.name) if "fps" in value else fps
        if not isinstance(value.get("frames"), list):
            raise SequenceError(f"{file.name} has no list `frames`; it describes no views.")
        for number, entry in enumerate(value["frames"]):
            where = f"{file.name}, frame {number}"
            if not isinstance(entry, dict) or not isinstance(entry.get("file_path"), str):
                raise SequenceError(f"{where} has no file_path; name its picture.")
            path = _picture_path(file.parent, entry["file_path"])
            if not path.is_file():
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
                camera=_of_view(view.id, view.camera.scaled, downscale),
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


def _read_json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise SourceMissing(f"{path.name} is not in {path.parent.name}/; bring the description.")
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise SequenceError(f"{path.name} is no JSON: {error}") from None
    if not isinstance(value, dict):
        raise SequenceError(f"{path.name} holds a {type(value).__name__}; expected an object.")
    return value


def _picture_path(folder: Path, name: str) -> Path:
    """The file behind a ``file_path``; Blender writes them without their suffix."""
    path = folder / name
    return path if path.suffix else path.with_name(f"{path.name}.png")


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
    except _MALFORMED as error:
        raise SequenceError(f"{where}: no camera can be read: {_told(error)}.") from None
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


def _rate(value: Any, where: str) -> Fraction:
    """Frames per second, exact."""
    try:
        return Fraction(str(value))
    except (ValueError, ZeroDivisionError):
        raise SequenceError(f"{where}: the frame rate {value!r} is no number.") from None


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


# --- MIV -------------------------------------------------------------------------------------


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
    value = _read_json(description)
    if str(value.get("Version")) != MIV_VERSION:
        raise SequenceError(
            f"{description.name} has Version {value.get('Version')}; {MIV_VERSION} is read."
        )
    try:
        entries = {str(entry["Name"]): entry for entry in value["cameras"]}
        names = [str(name) for name in value["sourceCameraNames"]]
        frames, fps = int(value["Frames_number"]), _rate(value["Fps"], description.name)
    except _MALFORMED as error:
        raise SequenceError(f"{description.name} cannot be used: {_told(error)}.") from None
    _refuse_twice(names)
    for name in names:
        if name not in entries:
            raise SequenceError(
                f"{description.name} names the source camera {name}, but has no such camera; "
                f"{_suggest(name, entries)}."
            )
    cameras = [_of_view(name, Camera.from_miv, entries[name]) for name in names]
    ranges = [_of_view(name, _depth_range, entries[name]) for name in names]
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
                camera=_of_view(name, camera.scaled, downscale),
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


# --- LLFF ------------------------------------------------------------------------------------


def read_llff(folder: Path, *, frames: int, downscale: int = 1) -> Scene:
    """The scene of a ``poses_bounds.npy`` and one video per camera, cam00.mp4, cam01.mp4, ….

    The n-th row belongs to the n-th video in the order of their names; this is the format's own
    definition. Views are named after their videos.

    Args:
        folder: of the array and the videos.
        frames: instants, which the array does not tell.
        downscale: side of the blocks of samples that are averaged, in every plane.

    Raises:
        SourceMissing: no array.
        SequenceError: no array of (N, 17) numbers, or not N videos.

    Source: Mildenhall et al., Local Light Field Fusion, 2019; Li et al., DyNeRF, 2022 (videos).
    """
    import numpy as np

    path = folder / _POSES
    if not path.is_file():
        raise SourceMissing(f"{_POSES} is not in {folder.name}/; bring it.")
    try:
        rows = np.load(path, allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise SequenceError(f"{_POSES} cannot be read as an array: {error}") from None
    if rows.ndim != 2 or rows.shape[1] != 17 or rows.dtype.kind not in "fiu":
        raise SequenceError(
            f"{_POSES} holds {rows.dtype} of shape {rows.shape}; expected numbers, 17 per camera."
        )
    videos = sorted(folder.glob(_VIDEOS))
    if len(videos) != len(rows):
        raise SequenceError(
            f"{_POSES} has {len(rows)} cameras, {folder.name}/ has {len(videos)} videos "
            f"{_VIDEOS}; the n-th row belongs to the n-th video, so bring all of them."
        )
    table = rows.tolist()
    cameras = [
        _of_view(video.stem, Camera.from_llff, row)
        for video, row in zip(videos, table, strict=True)
    ]
    return Scene(
        views={
            video.stem: ViewSource(
                id=video.stem,
                camera=_of_view(video.stem, camera.scaled, downscale),
                files=(video,),
                times=tuple(float(frame) for frame in range(frames)),
                is_video=True,
                downscale=downscale,
            )
            for video, camera in zip(videos, cameras, strict=True)
        },
        frames=frames,
        bounds=Bounds.from_depths(cameras, [(row[15], row[16]) for row in table]),
        descriptions=(path,),
    )


# --- shared ----------------------------------------------------------------------------------


def _of_view(name: str, make: Callable[[_Given], _Made], value: _Given) -> _Made:
    """``make(value)``, with the view's name before any message."""
    try:
        return make(value)
    except SequenceError as error:
        raise SequenceError(f"view {name}: {error}") from None
    except _MALFORMED as error:
        raise SequenceError(f"view {name}: no camera can be read: {_told(error)}.") from None


def _told(error: Exception) -> str:
    return f"the key {error} is missing" if isinstance(error, KeyError) else str(error)


def _refuse_twice(names: Sequence[str]) -> None:
    for index, name in enumerate(names):
        if name in names[:index]:
            raise SequenceError(f"view {name!r} is named twice; name each view once.")


def _suggest(name: str, known: Iterable[str]) -> str:
    """The end of a message about an unknown view: the nearest ones, else some known ones."""
    listed = list(known)
    close = difflib.get_close_matches(name, listed, n=3, cutoff=0.5)
    some = ", ".join(listed[:8]) + (" …" if len(listed) > 8 else "")
    return f"nearest: {', '.join(close)}" if close else f"the views are {some or 'none'}"
