"""One camera model for all multi-view formats, and how far a scene reaches.

A camera is a pinhole. Pixel (i, j), column and row from 0, has its centre at (i + 0.5, j + 0.5) and
looks along R ((i + 0.5 - cx) / fx, (j + 0.5 - cy) / fy, 1), made unit length, from t, where
``camera_to_world`` = (R | t). The camera's axes are OpenCV's: x right, y down, z forward.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

from invrbench.errors import SequenceError
from invrbench.video.format import MOST_SIDE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats: TypeAlias = NDArray[Any]

Row: TypeAlias = tuple[float, float, float, float]
Pose: TypeAlias = tuple[Row, Row, Row]
Point: TypeAlias = tuple[float, float, float]

ROTATION_TOLERANCE = 1e-3
MIV_PROJECTIONS = ("Perspective",)
# rays per side of a picture on which a view is held against the box
_RAYS = 33


@dataclass(frozen=True)
class Camera:
    """A pinhole camera: picture size and intrinsics in pixels, pose in scene units.

    ``camera_to_world`` holds the rows of (R | t), OpenCV axes.

    Raises:
        SequenceError: R is no rotation, a focal length or a side is not positive, or a value is
            not finite.
    """

    width: int
    height: int
    fx: float
    fy: float
    cx: float
    cy: float
    camera_to_world: Pose

    def __post_init__(self) -> None:
        numbers = [self.fx, self.fy, self.cx, self.cy]
        numbers += [each for row in self.camera_to_world for each in row]
        if not all(math.isfinite(each) for each in numbers):
            raise SequenceError("the camera holds a value that is not finite; correct it.")
        if min(self.width, self.height) < 1:
            raise SequenceError(
                f"the camera's picture is {self.width}x{self.height}; both must be positive."
            )
        if max(self.width, self.height) > MOST_SIDE:
            raise SequenceError(
                f"the camera's picture is {self.width}x{self.height}; at most {MOST_SIDE} pixels "
                "a side are served."
            )
        if min(self.fx, self.fy) <= 0:
            raise SequenceError(
                f"the focal lengths are {self.fx:g} and {self.fy:g} pixels; both must be positive."
            )
        _check_rotation(self.camera_to_world)

    @classmethod
    def from_opengl(
        cls,
        matrix: Sequence[Sequence[float]],
        *,
        width: int,
        height: int,
        fx: float,
        fy: float,
        cx: float,
        cy: float,
    ) -> "Camera":
        """A camera whose pose has OpenGL axes: x right, y up, z backward.

        Args:
            matrix: camera to world, 3 or 4 rows of 4.
            width, height: of the picture, in pixels.
            fx, fy, cx, cy: in pixels, the corner of the top left pixel at (0, 0).

        Source: Blender's camera axes, as the ``transforms.json`` of NeRF and instant-ngp use them.
        """
        pose = _rows((r[0], -r[1], -r[2], r[3]) for r in matrix[:3])
        return cls(width, height, fx, fy, cx, cy, pose)

    @classmethod
    def from_miv(cls, entry: Mapping[str, Any]) -> "Camera":
        """The camera of one entry of ``cameras`` in a camera JSON v4.0.

        World axes are OMAF's: x forward, y left, z up. R = Rz(yaw) Ry(pitch) Rx(roll), angles in
        degrees; the camera looks along its x axis, its right is -y and its down is -z.

        Raises:
            SequenceError: a projection other than a pinhole's, or no camera.
            KeyError: a key is absent.

        Source: TMIV, camera parameters; ISO/IEC 23090-2 (OMAF) for the axes.
        """
        projection = entry["Projection"]
        if projection not in MIV_PROJECTIONS:
            raise SequenceError(
                f"an unknown camera model: Projection is {projection!r}; "
                f"known: {', '.join(MIV_PROJECTIONS)}. Leave the view out."
            )
        yaw, pitch, roll = (math.radians(angle) for angle in entry["Rotation"])
        axes = _product(_product(_turn(2, yaw), _turn(1, pitch)), _turn(0, roll))
        width, height = entry["Resolution"]
        fx, fy = entry["Focal"]
        cx, cy = entry["Principle_point"]
        pose = _rows(
            (-axis[1], -axis[2], axis[0], place)
            for axis, place in zip(axes, entry["Position"], strict=True)
        )
        return cls(int(width), int(height), fx, fy, cx, cy, pose)

    @classmethod
    def from_llff(cls, row: Sequence[float]) -> "Camera":
        """The camera of one row of ``poses_bounds.npy``, the principal point in the middle.

        Args:
            row: 15 numbers or more: a 3x5 matrix by rows, whose first four columns are the pose
                with axes down, right, backward, and whose last is height, width, focal (pixels).

        Source: Mildenhall et al., Local Light Field Fusion, 2019, format of poses_bounds.npy.
        """
        rows = [[float(each) for each in row[start : start + 5]] for start in (0, 5, 10)]
        height, width, focal = (each[4] for each in rows)
        pose = _rows((r[1], r[0], -r[2], r[3]) for r in rows)
        return cls(int(width), int(height), focal, focal, width / 2, height / 2, pose)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Camera":
        """The camera written by :meth:`to_json`."""
        pose = _rows(value["camera_to_world"])
        focal, centre = (value["fx"], value["fy"]), (value["cx"], value["cy"])
        return cls(value["width"], value["height"], *focal, *centre, pose)

    def to_json(self) -> dict[str, Any]:
        """The fields as a job holds them."""
        return {
            "width": self.width,
            "height": self.height,
            "fx": self.fx,
            "fy": self.fy,
            "cx": self.cx,
            "cy": self.cy,
            "camera_to_world": [list(row) for row in self.camera_to_world],
        }

    def scaled(self, factor: int) -> "Camera":
        """The camera of the picture whose ``factor`` x ``factor`` blocks became pixels.

        Raises:
            SequenceError: the picture has no whole number of blocks.
        """
        if factor < 1 or self.width % factor or self.height % factor:
            raise SequenceError(
                f"downscaling by {factor} does not divide {self.width}x{self.height}; "
                "choose a divisor of both."
            )
        return replace(
            self,
            width=self.width // factor,
            height=self.height // factor,
            fx=self.fx / factor,
            fy=self.fy / factor,
            cx=self.cx / factor,
            cy=self.cy / factor,
        )

    @property
    def position(self) -> Point:
        """The centre of projection, in scene units."""
        x, y, z = (row[3] for row in self.camera_to_world)
        return x, y, z

    def project(self, points: "Floats") -> "tuple[Floats, Floats]":
        """Where points of the scene fall.

        Args:
            points: (N, 3), scene units.

        Returns:
            (N, 2) columns and rows in pixels, the centre of the top left pixel at (0.5, 0.5), and
            (N,) depths along the camera's z axis; a point behind the camera has a negative depth.
        """
        import numpy as np

        pose = np.array(self.camera_to_world)
        x, y, depth = ((np.asarray(points, np.float64) - pose[:, 3]) @ pose[:, :3]).T
        return np.stack([self.fx * x / depth + self.cx, self.fy * y / depth + self.cy], -1), depth

    def corners(self) -> list[Point]:
        """Directions through the picture's four corners, scaled to depth 1 (scene axes)."""
        return [
            self.direction(column, row) for row in (0, self.height) for column in (0, self.width)
        ]

    def stretch(self) -> float:
        """Largest distance along a ray of the picture per unit of depth: 1 on the axis."""
        return max(math.hypot(*corner) for corner in self.corners())

    def direction(self, column: float, row: float) -> Point:
        """Direction through a place of the picture, in pixels, scaled to depth 1 (scene axes)."""
        local = ((column - self.cx) / self.fx, (row - self.cy) / self.fy, 1.0)
        x, y, z = (
            sum(a * b for a, b in zip(each[:3], local, strict=True))
            for each in self.camera_to_world
        )
        return x, y, z


@dataclass(frozen=True)
class Bounds:
    """How far a scene reaches: distances along unit rays, and an axis-aligned box.

    ``box`` holds the corner of the smallest and that of the largest coordinates. All in scene
    units.

    Raises:
        SequenceError: near is negative or not before far, or the box is empty.
    """

    near: float
    far: float
    box: tuple[Point, Point]

    def __post_init__(self) -> None:
        if not 0 <= self.near < self.far < math.inf:
            raise SequenceError(
                f"near is {self.near:g} and far is {self.far:g}; expected 0 <= near < far."
            )
        low, high = self.box
        if not all(
            math.isfinite(a) and math.isfinite(b) and a < b for a, b in zip(low, high, strict=True)
        ):
            raise SequenceError(
                f"the box from {_point(low)} to {_point(high)} is empty or endless; give the "
                "corner of the smallest coordinates first."
            )

    @classmethod
    def from_depths(
        cls, cameras: Sequence[Camera], ranges: Sequence[tuple[float, float]]
    ) -> "Bounds":
        """Bounds of all that the cameras see between their depths.

        Args:
            cameras: at least one.
            ranges: for each camera, the least and the greatest depth along its axis.

        Returns:
            near: the least depth; far: the distance of the furthest corner; box: of all frusta.

        Raises:
            SequenceError: a range that is empty or begins behind its camera.
        """
        for least, greatest in ranges:
            if not 0 <= least < greatest:
                raise SequenceError(
                    f"a camera sees depths from {least:g} to {greatest:g}; expected 0 <= the "
                    "least < the greatest."
                )
        corners = [
            tuple(place + depth * part for place, part in zip(camera.position, corner, strict=True))
            for camera, depths in zip(cameras, ranges, strict=True)
            for depth in depths
            for corner in camera.corners()
        ]
        far = max(
            camera.stretch() * depths[1] for camera, depths in zip(cameras, ranges, strict=True)
        )
        return cls(min(depths[0] for depths in ranges), far, _box(corners))

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Bounds":
        """The bounds written by :meth:`to_json`."""
        low, high = ((float(x), float(y), float(z)) for x, y, z in value["box"])
        return cls(float(value["near"]), float(value["far"]), (low, high))

    def check_camera(self, camera: Camera, name: str) -> None:
        """Refuse a camera none of whose rays meets the box between near and far.

        Rays are tried on a grid over the picture, corners and centre included.

        Raises:
            SequenceError: opens with ``name``, says where the camera is and where the box.
        """
        if not _sees_box(camera, self):
            raise SequenceError(
                f"{name}: the camera at {_point(camera.position)} sees nothing of the box from "
                f"{_point(self.box[0])} to {_point(self.box[1])} between near {self.near:g} and "
                f"far {self.far:g}; correct its pose or the bounds, or leave the view out."
            )

    def to_json(self) -> dict[str, Any]:
        """The fields as a job holds them."""
        return {"near": self.near, "far": self.far, "box": [list(each) for each in self.box]}


def _sees_box(camera: Camera, bounds: Bounds) -> bool:
    """Whether a ray of the grid meets the box between near and far (slab test)."""
    import numpy as np

    rays = np.array(
        [
            camera.direction(column, row)
            for row in np.linspace(0, camera.height, _RAYS)
            for column in np.linspace(0, camera.width, _RAYS)
        ]
    )
    rays /= np.linalg.norm(rays, axis=-1, keepdims=True)
    rays[np.abs(rays) < 1e-12] = 1e-12
    crossings = (np.array(bounds.box)[:, None] - np.array(camera.position)) / rays
    entry = np.maximum(crossings.min(axis=0).max(axis=-1), bounds.near)
    leave = np.minimum(crossings.max(axis=0).min(axis=-1), bounds.far)
    return bool((entry <= leave).any())


def _check_rotation(pose: Pose) -> None:
    """Refuse axes that are not orthonormal, or that are a mirror image."""
    x, y, z = ([row[axis] for row in pose] for axis in range(3))
    pairs = ((x, x, 1.0), (y, y, 1.0), (z, z, 1.0), (x, y, 0.0), (x, z, 0.0), (y, z, 0.0))
    off = max(
        abs(sum(a * b for a, b in zip(one, other, strict=True)) - expected)
        for one, other, expected in pairs
    )
    if off > ROTATION_TOLERANCE:
        raise SequenceError(
            f"the pose is not a rotation: its axes miss orthonormality by {off:.2g} (allowed: "
            f"{ROTATION_TOLERANCE:g}); remove scale and shear from the matrix."
        )
    across = (
        y[1] * z[2] - y[2] * z[1],
        y[2] * z[0] - y[0] * z[2],
        y[0] * z[1] - y[1] * z[0],
    )
    if sum(a * b for a, b in zip(x, across, strict=True)) < 0:
        raise SequenceError(
            "the pose is a reflection, not a rotation (its determinant is -1); an axis has the "
            "wrong sign, or two axes are swapped."
        )


def _rows(rows: Iterable[Iterable[float]]) -> Pose:
    """Three rows of four numbers, as nested tuples of float."""
    first, second, third = rows
    return _row(first), _row(second), _row(third)


def _row(row: Iterable[float]) -> Row:
    a, b, c, d = row
    return float(a), float(b), float(c), float(d)


def _turn(axis: int, angle: float) -> list[list[float]]:
    """The rotation by ``angle`` (radians) about a coordinate axis, counter-clockwise."""
    one, other = (axis + 1) % 3, (axis + 2) % 3
    matrix = [[float(row == column) for column in range(3)] for row in range(3)]
    matrix[one][one] = matrix[other][other] = math.cos(angle)
    matrix[one][other], matrix[other][one] = -math.sin(angle), math.sin(angle)
    return matrix


def _product(one: list[list[float]], other: list[list[float]]) -> list[list[float]]:
    return [
        [
            sum(a * b for a, b in zip(row, column, strict=True))
            for column in zip(*other, strict=True)
        ]
        for row in one
    ]


def _box(points: Sequence[Sequence[float]]) -> tuple[Point, Point]:
    columns = list(zip(*points, strict=True))
    low, high = [min(column) for column in columns], [max(column) for column in columns]
    return (low[0], low[1], low[2]), (high[0], high[1], high[2])


def _point(point: Sequence[float]) -> str:
    return "(" + ", ".join(f"{each:.4g}" for each in point) + ")"
