"""Cameras and bounds of a multi-view scene, as ``job.json`` gives them; without torch.

One camera model, pinhole: the pixel in column i and row j looks along
R·((i + ½ − cx)/fx, (j + ½ − cy)/fy, 1) from t, where [R t] is ``camera_to_world`` in OpenCV axes
(x right, y down, z forward). The centre of the top left pixel lies at (½, ½).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from inrkit.errors import CodecError

ROTATION_TOLERANCE = 1e-3
BOX_FIELDS = ("box_x0", "box_y0", "box_z0", "box_x1", "box_y1", "box_z1")

Point = tuple[float, float, float]


@dataclass(frozen=True)
class View:
    """A camera and the instants that it sees.

    Args:
        id: the view's name, and of the file that a decoder writes for it.
        path: raw frames in time order; None for a view to render.
        width, height: in pixels.
        fx, fy, cx, cy: focal lengths and principal point, in pixels.
        camera_to_world: [R t], 3 rows of 4, OpenCV axes, t in scene units.
        times: of the frames, in frames from the first instant of the cut, ascending.

    Raises:
        CodecError: a size or focal length is not positive, there is no time, times do not
            ascend, or the pose is no rotation.
    """

    id: str
    path: Path | None
    width: int
    height: int
    fx: float
    fy: float
    cx: float
    cy: float
    camera_to_world: tuple[tuple[float, float, float, float], ...]
    times: tuple[float, ...]

    def __post_init__(self) -> None:
        if not (type(self.width) is int and type(self.height) is int):
            raise CodecError(
                f"view {self.id} has {self.width!r}x{self.height!r} pixels; expected whole numbers."
            )
        if min(self.width, self.height) < 1 or not min(self.fx, self.fy) > 0:
            raise CodecError(
                f"view {self.id} has {self.width}x{self.height} pixels and the focal lengths "
                f"{self.fx:g} and {self.fy:g}; all of them must be positive."
            )
        if not self.times or any(b <= a for a, b in zip(self.times, self.times[1:], strict=False)):
            raise CodecError(
                f"view {self.id} has the times {list(self.times)}; give ascending ones."
            )
        pose = np.array(self.camera_to_world, np.float64)
        if pose.shape != (3, 4) or not np.isfinite(pose).all():
            raise CodecError(
                f"view {self.id} has a camera_to_world of shape {pose.shape}; give 3 rows of 4 "
                "finite numbers."
            )
        rotation = pose[:, :3]
        departure = float(np.abs(rotation.T @ rotation - np.eye(3)).max())
        if departure > ROTATION_TOLERANCE:
            raise CodecError(
                f"the pose of view {self.id} is no rotation: products of its columns depart by "
                f"{departure:.3g} from the identity; give camera_to_world without scale or shear."
            )
        if np.linalg.det(rotation) < 0:
            raise CodecError(
                f"the pose of view {self.id} mirrors the scene (determinant −1); give "
                "camera_to_world in OpenCV axes, x right, y down, z forward."
            )

    @property
    def origin(self) -> Point:
        """The camera's place."""
        x, y, z = (row[3] for row in self.camera_to_world)
        return x, y, z

    @property
    def forward(self) -> Point:
        """The unit direction of the optical axis."""
        x, y, z = (row[2] for row in self.camera_to_world)
        return x, y, z


@dataclass(frozen=True)
class Bounds:
    """Where the content of a scene lies.

    Args:
        near, far: distances along a unit ray, in scene units.
        box: least and largest corner of the axis-aligned box of the content.

    Raises:
        CodecError: they hold nothing.
    """

    near: float
    far: float
    box: tuple[Point, Point]

    def __post_init__(self) -> None:
        if not 0 <= self.near < self.far < math.inf:
            raise CodecError(
                f"the scene is bounded by near {self.near:g} and far {self.far:g}; give "
                "0 ≤ near < far."
            )
        corners = [each for corner in self.box for each in corner]
        if not all(map(math.isfinite, corners)) or not all(
            low < high for low, high in zip(*self.box, strict=True)
        ):
            raise CodecError(
                f"the scene's box reaches from {list(self.box[0])} to {list(self.box[1])}; give "
                "the least corner first, in finite numbers."
            )

    def to_header(self) -> dict[str, float]:
        """The fields of ``scene_codec.SCENE_SCHEMA`` that say it."""
        low, high = self.box
        corners = dict(zip(BOX_FIELDS, (*low, *high), strict=True))
        return {"near": self.near, "far": self.far, **corners}

    @classmethod
    def from_header(cls, header: Mapping[str, Any]) -> "Bounds":
        """The bounds in a header, other fields ignored."""
        x0, y0, z0, x1, y1, z1 = (header[name] for name in BOX_FIELDS)
        return cls(near=header["near"], far=header["far"], box=((x0, y0, z0), (x1, y1, z1)))


def read_views(entries: Sequence[Mapping[str, Any]]) -> tuple[View, ...]:
    """The views of a job's ``views`` or ``render``.

    Raises:
        CodecError: one of them cannot be, or two have one name.
        KeyError: a field is missing.
    """
    views = tuple(
        View(
            id=entry["id"],
            path=Path(entry["path"]) if "path" in entry else None,
            width=entry["width"],
            height=entry["height"],
            fx=float(entry["fx"]),
            fy=float(entry["fy"]),
            cx=float(entry["cx"]),
            cy=float(entry["cy"]),
            camera_to_world=tuple(tuple(row) for row in entry["camera_to_world"]),
            times=tuple(float(time) for time in entry["times"]),
        )
        for entry in entries
    )
    names = [view.id for view in views]
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise CodecError(f"the views {', '.join(repeated)} are given more than once.")
    return views


def read_bounds(fields: Mapping[str, Any]) -> Bounds:
    """The bounds of a job's ``bounds``, rounded to the float32 that a bitstream holds.

    Raises:
        CodecError: they hold nothing.
        KeyError: a field is missing.
    """
    if [len(corner) for corner in fields["box"]] != [3, 3]:
        raise CodecError(f"the scene's box is {fields['box']}; give two corners of 3 numbers.")
    with np.errstate(over="ignore"):  # of float32: an infinity, which bounds refuse
        (x0, y0, z0), (x1, y1, z1) = np.array(fields["box"], np.float32).tolist()
        near, far = np.array([fields["near"], fields["far"]], np.float32).tolist()
    return Bounds(near=near, far=far, box=((x0, y0, z0), (x1, y1, z1)))
