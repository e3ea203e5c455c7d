"""Cameras of three worlds against points whose pixels are known, and bounds against geometry."""

import math
from typing import Any

import cv2
import numpy as np
import pytest
from invrbench.errors import SequenceError
from invrbench.video.cameras import Bounds, Camera
from scipy.spatial.transform import Rotation

LENS = {"width": 100, "height": 80, "fx": 100.0, "fy": 100.0, "cx": 50.0, "cy": 40.0}
UPRIGHT = ((1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 1, 0))


def plain(**fields: Any) -> Camera:
    """A camera at the origin that looks along z, x right, y down."""
    return Camera(**{**LENS, "camera_to_world": UPRIGHT, **fields})


def opengl(matrix: Any) -> Camera:
    return Camera.from_opengl(matrix, **LENS)


def miv(rotation: tuple[float, float, float], position: Any = (0, 0, 0), **keys: Any) -> Camera:
    entry = {
        "Projection": "Perspective",
        "Position": position,
        "Rotation": rotation,
        "Resolution": [100, 80],
        "Focal": [100, 100],
        "Principle_point": [50, 40],
    }
    return Camera.from_miv({**entry, **keys})


def at(camera: Camera, point: Any) -> tuple[float, float, float]:
    """Column, row and depth of one point, rounded to a millionth."""
    (pixel,), (depth,) = camera.project(np.array([point], float))
    return tuple(float(round(each, 6)) + 0.0 for each in (*pixel, depth))


def test_a_blender_camera_looks_along_minus_z_with_y_up() -> None:
    camera = opengl(np.eye(4))
    assert at(camera, (0, 0, -4)) == (50, 40, 4)
    # right 1 and up 1 at depth 4 with a focal length of 100 pixels: 25 pixels each
    assert at(camera, (1, 1, -4)) == (75, 15, 4)


def test_a_blender_camera_above_the_scene_keeps_its_right() -> None:
    # camera at z = 4 turned 90 degrees about z: its right is the world's y, it looks down
    matrix = [[0, -1, 0, 0], [1, 0, 0, 0], [0, 0, 1, 4], [0, 0, 0, 1]]
    assert at(opengl(matrix), (0, 1, 0)) == (75, 40, 4)


@pytest.mark.parametrize(
    ("rotation", "point", "pixel"),
    [
        ((0, 0, 0), (5, 0, 0), (50, 40, 5)),
        # y is left, z is up
        ((0, 0, 0), (5, 1, 0), (30, 40, 5)),
        ((0, 0, 0), (5, 0, 1), (50, 20, 5)),
        # turned left it sees +y, with x at its right
        ((90, 0, 0), (0, 5, 0), (50, 40, 5)),
        ((90, 0, 0), (1, 5, 0), (70, 40, 5)),
        ((90, 0, 0), (0, 5, 1), (50, 20, 5)),
        # nodding about the left axis it sees the floor
        ((0, 90, 0), (0, 0, -5), (50, 40, 5)),
        # rolled about its view axis, what is below comes to its right
        ((0, 0, 90), (5, 0, -1), (70, 40, 5)),
    ],
)
def test_a_miv_camera_sees_known_points_where_omaf_axes_put_them(
    rotation: tuple[float, float, float], point: Any, pixel: Any
) -> None:
    assert at(miv(rotation), point) == pixel


def test_miv_angles_turn_about_z_then_y_then_x_as_in_scipy() -> None:
    angles = (-27.3, 11.0, 35.0)
    camera = miv(angles, (1, 2, 3))
    axes = Rotation.from_euler("ZYX", angles, degrees=True).as_matrix()
    expected = np.stack([-axes[:, 1], -axes[:, 2], axes[:, 0]], -1)
    assert np.allclose(np.array(camera.camera_to_world)[:, :3], expected)
    assert camera.position == (1, 2, 3)


def test_published_miv_cameras_look_at_their_common_stage() -> None:
    # Fencing (L01), views v0 and v9, from TMIV's config/ctc/sequences; content is 3 to 7 m away
    left = miv(
        (-27.299764745581907, 1.972961928660170, 1.171241643766606),
        (1.214160656278937, 3.340627166266648, 0.048828600303856),
        Resolution=[1920, 1080],
        Focal=[1714.563022, 1711.587928],
        Principle_point=[925.077402, 530.254549],
    )
    right = miv(
        (31.625469119159824, 2.789404700549163, 0.579876001346360),
        (1.475671259189797, -3.546662567929919, -0.048611713965401),
        Resolution=[1920, 1080],
        Focal=[1716.254736, 1712.44555],
        Principle_point=[946.141868, 512.677158],
    )
    for camera in (left, right):
        column, row, depth = at(camera, (5.5, 0, 0))
        assert 0 < column < 1920 and 0 < row < 1080 and 3 < depth < 7


def test_an_llff_row_has_its_axes_down_right_backward() -> None:
    # at (1, 2, 3), right +x, down +y, backward -z; height 80, width 100, focal 100; near, far
    row = [0, 1, 0, 1, 80, 1, 0, 0, 2, 100, 0, 0, -1, 3, 100, 0.5, 9]
    camera = Camera.from_llff(row)
    assert (camera.width, camera.height) == (100, 80)
    assert at(camera, (1, 2, 8)) == (50, 40, 5)
    assert at(camera, (2, 3, 8)) == (70, 60, 5)


def test_projection_agrees_with_opencv() -> None:
    turn = Rotation.from_euler("xyz", [0.3, -0.5, 0.2])
    pose = np.concatenate([turn.as_matrix(), [[0.4], [-0.7], [0.1]]], 1)
    camera = plain(fx=120.0, fy=90.0, cx=47.5, cy=38.25, camera_to_world=pose.tolist())
    points = np.random.default_rng(3).uniform(-1, 1, (20, 3)) + pose[:, 2] * 4
    back = turn.inv()
    expected, _ = cv2.projectPoints(
        points,
        back.as_rotvec(),
        -back.apply(pose[:, 3]),
        np.array([[120, 0, 47.5], [0, 90, 38.25], [0, 0, 1]]),
        None,
    )
    assert np.allclose(camera.project(points)[0], expected[:, 0])


def test_a_pixels_ray_leads_to_points_that_project_to_its_centre() -> None:
    camera = miv((20, -10, 5), (1, 2, 3))
    local = np.array([(7 + 0.5 - camera.cx) / camera.fx, (60 + 0.5 - camera.cy) / camera.fy, 1])
    pose = np.array(camera.camera_to_world)
    direction = pose[:, :3] @ local / np.linalg.norm(local)
    pixel, _ = camera.project((pose[:, 3] + 6 * direction)[None])
    assert np.allclose(pixel, [[7.5, 60.5]])


def test_halving_a_picture_halves_where_points_fall() -> None:
    camera = opengl(np.eye(4))
    half = camera.scaled(2)
    assert (half.width, half.height) == (50, 40)
    assert at(half, (1, 1, -4)) == (37.5, 7.5, 4)


def test_a_factor_that_does_not_divide_the_picture_is_refused() -> None:
    with pytest.raises(SequenceError, match="by 3 does not divide 100x80"):
        plain().scaled(3)


def test_a_camera_comes_back_from_a_jobs_json() -> None:
    camera = miv((20, -10, 5), (1, 2, 3))
    value = camera.to_json()
    assert Camera.from_json(value) == camera
    assert set(value) == {"width", "height", "fx", "fy", "cx", "cy", "camera_to_world"}
    assert [len(row) for row in value["camera_to_world"]] == [4, 4, 4]


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"camera_to_world": ((2, 0, 0, 0), (0, 2, 0, 0), (0, 0, 2, 0))}, "not a rotation"),
        ({"camera_to_world": ((1, 0.1, 0, 0), (0, 1, 0, 0), (0, 0, 1, 0))}, "not a rotation"),
        ({"camera_to_world": ((-1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 1, 0))}, "a reflection"),
        ({"camera_to_world": ((0, 1, 0, 0), (1, 0, 0, 0), (0, 0, 1, 0))}, "a reflection"),
        ({"camera_to_world": ((1, 0, 0, math.nan), (0, 1, 0, 0), (0, 0, 1, 0))}, "not finite"),
        ({"fx": 0.0}, "focal lengths are 0 and 100"),
        ({"fy": -5.0}, "focal lengths are 100 and -5"),
        ({"width": 0}, "picture is 0x80"),
    ],
)
def test_a_camera_that_cannot_be_is_refused(fields: dict[str, Any], sentence: str) -> None:
    with pytest.raises(SequenceError, match=sentence):
        plain(**fields)


def test_a_pose_rounded_to_four_digits_is_still_a_rotation() -> None:
    turn = Rotation.from_euler("xyz", [0.3, -0.5, 0.2]).as_matrix().round(4)
    camera = plain(camera_to_world=np.concatenate([turn, np.zeros((3, 1))], 1).tolist())
    assert [row[:3] for row in camera.camera_to_world] == turn.tolist()


@pytest.mark.parametrize("projection", ["Equirectangular", "Orthographic", "Fisheye"])
def test_a_projection_that_is_no_pinhole_is_an_unknown_camera_model(projection: str) -> None:
    with pytest.raises(
        SequenceError, match=f"unknown camera model: .*{projection}.*known: Perspective"
    ):
        miv((0, 0, 0), Projection=projection)


def square() -> Camera:
    """At the origin along z, half angles of 45 degrees: the corner at depth 1 is (1, 1, 1)."""
    return plain(width=100, height=100, fx=50.0, fy=50.0, cx=50.0, cy=50.0)


def test_bounds_of_depths_hold_the_frustum() -> None:
    bounds = Bounds.from_depths([square()], [(1, 3)])
    assert bounds.near == 1
    assert bounds.far == pytest.approx(3 * math.sqrt(3))
    assert bounds.box == ((-3, -3, 1), (3, 3, 3))


def test_bounds_of_two_cameras_hold_both_frusta() -> None:
    # the second stands at z = 10 and looks back
    back = plain(
        width=100,
        height=100,
        fx=50.0,
        fy=50.0,
        cx=50.0,
        cy=50.0,
        camera_to_world=((-1, 0, 0, 0), (0, 1, 0, 0), (0, 0, -1, 10)),
    )
    bounds = Bounds.from_depths([square(), back], [(1, 3), (2, 4)])
    assert bounds.near == 1
    assert bounds.box == ((-4, -4, 1), (4, 4, 8))


def test_bounds_come_back_from_a_jobs_json() -> None:
    bounds = Bounds(0.5, 9.0, ((-1.0, -2.0, 0.0), (1.0, 2.0, 3.0)))
    assert Bounds.from_json(bounds.to_json()) == bounds


@pytest.mark.parametrize(
    ("near", "far", "box", "sentence"),
    [
        (2, 1, ((0, 0, 0), (1, 1, 1)), "near is 2 and far is 1"),
        (-1, 1, ((0, 0, 0), (1, 1, 1)), "near is -1"),
        (0, math.inf, ((0, 0, 0), (1, 1, 1)), "far is inf"),
        (0, 1, ((0, 0, 1), (1, 1, 0)), "is empty"),
    ],
)
def test_bounds_that_hold_nothing_are_refused(
    near: float, far: float, box: Any, sentence: str
) -> None:
    with pytest.raises(SequenceError, match=sentence):
        Bounds(near, far, box)


BOX = ((-1.0, -1.0, 4.0), (1.0, 1.0, 6.0))


@pytest.mark.parametrize(
    ("pose", "far"),
    [
        (((-1, 0, 0, 0), (0, 1, 0, 0), (0, 0, -1, 0)), 20.0),  # looks away
        (((1, 0, 0, 50), (0, 1, 0, 0), (0, 0, 1, 0)), 20.0),  # looks past
        (UPRIGHT, 3.5),  # ends before
    ],
)
def test_a_view_that_sees_nothing_of_the_box_is_refused_by_name(pose: Any, far: float) -> None:
    with pytest.raises(SequenceError, match=r"view v07: the camera at .* sees nothing of the box"):
        Bounds(0.5, far, BOX).check_camera(plain(camera_to_world=pose), "view v07")


@pytest.mark.parametrize("depth", [0, 5, 3.9])
def test_a_view_before_or_inside_the_box_is_accepted(depth: float) -> None:
    pose = ((1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 1, depth))
    Bounds(0.05, 20, BOX).check_camera(plain(camera_to_world=pose), "view v07")


def test_a_view_beyond_the_near_distance_of_all_content_is_refused() -> None:
    with pytest.raises(SequenceError, match="between near 8 and far 20"):
        Bounds(8, 20, BOX).check_camera(plain(), "view v07")
