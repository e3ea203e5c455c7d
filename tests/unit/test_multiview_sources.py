"""Scenes as Blender, instant-ngp, MIV and LLFF bring them, down to the raw frames of a view."""

import json
import math
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from invrbench.errors import SequenceError, SourceMissing
from invrbench.video.cameras import Bounds
from invrbench.video.ffmpeg import find_ffmpeg
from invrbench.video.format import VideoFormat
from invrbench.video.llff import read_llff
from invrbench.video.miv import read_miv
from invrbench.video.multiview import read_scene
from invrbench.video.readers import view_frames
from invrbench.video.transforms import read_transforms
from invrbench.video.views import Scene

REPOSITORY = Path(__file__).parents[2]
FOX = REPOSITORY.parent / "shared" / "data" / "fox"
BALLCOURT = REPOSITORY / "ctc" / "sequences" / "data" / "ballcourt"
RGB = VideoFormat("rgb24", 16, 8, Fraction(30), 1)
# a field of view of 90 degrees: the focal length is half the width
RIGHT_ANGLE = math.pi / 2


def pose(x: float = 0.0) -> list[list[float]]:
    """An upright OpenGL camera at (x, 0, 0)."""
    return [[1, 0, 0, x], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]


def paint(path: Path, colour: tuple[int, ...], width: int = 16, height: int = 8) -> Path:
    """A plain PNG of an RGB or RGBA colour."""
    path.parent.mkdir(parents=True, exist_ok=True)
    ordered = (*colour[2::-1], *colour[3:])
    assert cv2.imwrite(str(path), np.full((height, width, len(colour)), ordered, np.uint8))
    return path


def describe(path: Path, frames: Any, **keys: Any) -> Path:
    path.write_text(json.dumps({"camera_angle_x": RIGHT_ANGLE, **keys, "frames": frames}))
    return path


def shot(name: str, x: float = 0.0, **keys: Any) -> dict[str, Any]:
    return {"file_path": name, "transform_matrix": pose(x), **keys}


def rig(folder: Path, instants: int = 3) -> Path:
    """Two still cameras a and b with pictures images/a/000.png, … of grey 10 x instant (+ 100)."""
    frames = []
    for x, view in enumerate("ab"):
        for instant in reversed(range(instants)):
            paint(folder / f"images/{view}/{instant:03}.png", (100 * x + 10 * instant,) * 3)
            time = instant / (instants - 1)
            frames.append(shot(f"images/{view}/{instant:03}.png", x, time=time))
    return describe(folder / "transforms.json", frames, fl_x=20.0, fl_y=21.0, w=16, h=8)


def frames_of(scene: Scene, view: str, layout: VideoFormat = RGB, **window: int) -> list[Any]:
    source = scene.views[view]
    window = window or {"start": 0, "count": len(source.times)}
    shape = (layout.height, layout.width, 3)
    frames = view_frames(source, layout, **window)
    return [np.frombuffer(frame, np.uint8).reshape(shape) for frame in frames]


# a Blender scene: one picture per view, names without suffix, a field of view


def blender(folder: Path) -> list[Path]:
    for split in ("train", "test"):
        for number in range(2):
            paint(folder / split / f"r_{number}.png", (200, 100, 50, 255))
    return [
        describe(
            folder / f"transforms_{split}.json",
            [shot(f"./{split}/r_{number}", number) for number in range(2)],
        )
        for split in ("train", "test")
    ]


def test_blender_views_are_named_after_split_and_picture(tmp_path: Path) -> None:
    scene = read_transforms(blender(tmp_path))
    assert list(scene.views) == ["train-r_0", "train-r_1", "test-r_0", "test-r_1"]
    assert scene.frames == 1
    assert scene.views["test-r_1"].times == (0.0,)
    assert scene.views["test-r_1"].camera.position == (1, 0, 0)


def test_a_single_split_keeps_the_names_of_its_pictures(tmp_path: Path) -> None:
    assert list(read_transforms(blender(tmp_path)[:1]).views) == ["r_0", "r_1"]


def test_size_comes_from_the_picture_and_focal_length_from_the_angle(tmp_path: Path) -> None:
    camera = read_transforms(blender(tmp_path)).views["train-r_0"].camera
    assert (camera.width, camera.height) == (16, 8)
    assert (camera.fx, camera.fy) == pytest.approx((8, 8))
    assert (camera.cx, camera.cy) == (8, 4)


@pytest.mark.parametrize(
    ("background", "expected"), [("white", (227, 177, 152)), ("black", (100, 50, 25))]
)
def test_transparent_pictures_are_laid_on_the_background(
    tmp_path: Path, background: str, expected: tuple[int, int, int]
) -> None:
    # alpha 128 of 255: 200 becomes 100.39, and 227.39 with 127/255 of white under it
    paint(tmp_path / "r_0.png", (200, 100, 50, 128))
    file = describe(tmp_path / "transforms.json", [shot("r_0")])
    (frame,) = frames_of(read_transforms([file], background=background), "r_0")
    assert (frame == expected).all()


def test_transparency_without_a_background_is_refused(tmp_path: Path) -> None:
    paint(tmp_path / "r_0.png", (200, 100, 50, 128))
    scene = read_transforms([describe(tmp_path / "transforms.json", [shot("r_0")])])
    with pytest.raises(SequenceError, match=r"r_0\.png is transparent .* white or black"):
        frames_of(scene, "r_0")


def test_an_opaque_alpha_channel_needs_no_background(tmp_path: Path) -> None:
    (frame,) = frames_of(read_transforms(blender(tmp_path)), "train-r_0")
    assert (frame == (200, 100, 50)).all()


def test_downscaling_averages_blocks_and_scales_the_camera(tmp_path: Path) -> None:
    picture = np.arange(8 * 16 * 3, dtype=np.uint8).reshape(8, 16, 3)
    assert cv2.imwrite(str(tmp_path / "r_0.png"), picture[..., ::-1])
    scene = read_transforms([describe(tmp_path / "transforms.json", [shot("r_0")])], downscale=4)
    camera = scene.views["r_0"].camera
    assert (camera.width, camera.height) == (4, 2)
    assert (camera.fx, camera.cx, camera.cy) == pytest.approx((2, 2, 1))
    small = VideoFormat("rgb24", 4, 2, Fraction(30), 1)
    (frame,) = frames_of(scene, "r_0", small)
    blocks = picture.reshape(2, 4, 4, 4, 3).astype(float).mean(axis=(1, 3))
    assert (frame == np.floor(blocks + 0.5)).all()


# scenes over time


def test_pictures_of_one_still_camera_are_one_view_in_order_of_time(tmp_path: Path) -> None:
    scene = read_transforms([rig(tmp_path)])
    assert list(scene.views) == ["a", "b"]
    assert scene.frames == 3
    assert scene.views["b"].times == (0, 1, 2)
    assert [int(frame[0, 0, 0]) for frame in frames_of(scene, "b")] == [100, 110, 120]
    camera = scene.views["b"].camera
    assert (camera.fx, camera.fy, camera.position) == (20, 21, (1, 0, 0))


def test_a_window_of_a_view_holds_its_instants(tmp_path: Path) -> None:
    scene = read_transforms([rig(tmp_path, instants=5)])
    assert [int(f[0, 0, 0]) for f in frames_of(scene, "a", start=2, count=2)] == [20, 30]
    with pytest.raises(SequenceError, match="holds 5 frames, but frames up to number 6"):
        frames_of(scene, "a", start=4, count=2)


def test_a_moving_camera_gives_a_view_per_picture_at_its_own_time(tmp_path: Path) -> None:
    for number in range(3):
        paint(tmp_path / f"train/r_{number:03}.png", (9, 9, 9))
    shots = [shot(f"./train/r_{n:03}", n, time=time) for n, time in enumerate((0, 0.25, 1))]
    file = describe(tmp_path / "transforms_train.json", shots)
    scene = read_transforms([file], instants=21)
    assert {name: view.times for name, view in scene.views.items()} == {
        "r_000": (0,),
        "r_001": (5,),
        "r_002": (20,),
    }
    assert scene.frames == 21


@pytest.mark.parametrize("time", [-0.1, 1.5])
def test_a_time_outside_0_to_1_is_refused(tmp_path: Path, time: float) -> None:
    paint(tmp_path / "r_0.png", (9, 9, 9))
    file = describe(tmp_path / "transforms.json", [shot("r_0", time=time)])
    with pytest.raises(SequenceError, match=rf"transforms\.json, frame 0: time is {time:g}"):
        read_transforms([file])


def test_two_pictures_of_one_view_at_one_time_are_refused(tmp_path: Path) -> None:
    for name in "xyz":
        paint(tmp_path / f"v/{name}.png", (9, 9, 9))
    shots = [shot(f"v/{name}", time=time) for name, time in zip("xyz", (0, 1, 1), strict=True)]
    file = describe(tmp_path / "transforms.json", shots)
    with pytest.raises(SequenceError, match=r"view v has two .*, y\.png and z\.png at instant 1"):
        read_transforms([file])


def test_times_rounded_in_the_file_are_whole_instants(tmp_path: Path) -> None:
    for number in range(16):
        paint(tmp_path / f"v/{number:02}.png", (9, 9, 9))
    shots = [shot(f"v/{number:02}", time=round(number / 15, 3)) for number in range(16)]
    scene = read_transforms([describe(tmp_path / "transforms.json", shots)])
    assert scene.views["v"].times == tuple(range(16))


def test_more_pictures_of_a_view_than_instants_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SequenceError, match="view a has pictures of 5 times, the scene 3 instants"):
        read_transforms([rig(tmp_path, instants=5)], instants=3)


def test_times_on_some_pictures_only_are_refused(tmp_path: Path) -> None:
    for name in "xy":
        paint(tmp_path / f"v/{name}.png", (9, 9, 9))
    file = describe(tmp_path / "transforms.json", [shot("v/x", time=0), shot("v/y")])
    with pytest.raises(SequenceError, match=r"y\.png has no time, others have"):
        read_transforms([file])


# what a description may not be


def test_an_absent_picture_is_refused_or_left_out_on_request(tmp_path: Path) -> None:
    files = blender(tmp_path)
    (tmp_path / "test/r_1.png").unlink()
    with pytest.raises(SequenceError, match=r"1 of 4 pictures are absent, .*\./test/r_1; bring"):
        read_transforms(files)
    scene = read_transforms(files, skip_absent=True)
    assert list(scene.views) == ["train-r_0", "train-r_1", "test-r_0"]
    assert scene.absent == ("transforms_test.json: ./test/r_1",)


def test_pictures_of_another_size_are_refused_when_read(tmp_path: Path) -> None:
    files = blender(tmp_path)
    paint(tmp_path / "test/r_1.png", (1, 2, 3), width=8, height=8)
    scene = read_transforms(files)
    with pytest.raises(SequenceError, match=r"r_1\.png is 8x8, the sequence entry says 16x8"):
        frames_of(scene, "test-r_1")


def test_views_described_in_different_sizes_are_refused(tmp_path: Path) -> None:
    for number in range(2):
        paint(tmp_path / f"r_{number}.png", (9, 9, 9))
    shots = [shot("r_0", w=16, h=8), shot("r_1", w=8, h=8)]
    with pytest.raises(SequenceError, match="view r_0 is 16x8, view r_1 is 8x8"):
        read_transforms([describe(tmp_path / "transforms.json", shots)])


@pytest.mark.parametrize(
    ("keys", "sentence"),
    [
        ({"camera_model": "OPENCV_FISHEYE"}, "unknown camera model: OPENCV_FISHEYE; known: PINH"),
        ({"is_fisheye": True}, "unknown camera model: is_fisheye"),
        ({"k4": 0.1}, "unknown camera model: k4 0.1"),
        ({"transform_matrix": [[2, 0, 0, 0], *pose()[1:]]}, "not a rotation"),
        ({"transform_matrix": [[-1, 0, 0, 0], *pose()[1:]]}, "a reflection"),
        ({"transform_matrix": pose()[:2]}, "no 4x4 pose"),
        ({"transform_matrix": [*pose()[:3], [0, 0, 0, 2]]}, "no 4x4 pose"),
        ({"transform_matrix": None}, "no camera can be read"),
        ({"fl_x": -3}, "focal lengths are -3"),
        ({"fl_x": "wide"}, "no camera can be read"),
        ({"w": 16.5, "h": 8}, "side is 16.5"),
    ],
)
def test_a_picture_without_a_usable_camera_is_refused(
    tmp_path: Path, keys: dict[str, Any], sentence: str
) -> None:
    paint(tmp_path / "r_0.png", (9, 9, 9))
    file = describe(tmp_path / "transforms.json", [{**shot("r_0"), **keys}])
    with pytest.raises(SequenceError, match=rf"transforms\.json, frame 0: .*{sentence}"):
        read_transforms([file])


def test_a_description_without_a_focal_length_is_refused(tmp_path: Path) -> None:
    paint(tmp_path / "r_0.png", (9, 9, 9))
    file = tmp_path / "transforms.json"
    file.write_text(json.dumps({"frames": [shot("r_0")]}))
    with pytest.raises(SequenceError, match="no fl_x and no camera_angle_x"):
        read_transforms([file])


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('{"frames": [', r"transforms\.json is no JSON: .*line 1"),
        ("[1, 2]", "holds a list; expected an object"),
        ('{"poses": []}', "has no list `frames`"),
        ('{"frames": [{"time": 0}]}', "frame 0 has no file_path"),
        ('{"frames": []}', "the scene has no view"),
    ],
)
def test_a_description_that_is_none_is_refused(tmp_path: Path, text: str, sentence: str) -> None:
    file = tmp_path / "transforms.json"
    file.write_text(text)
    with pytest.raises(SequenceError, match=sentence):
        read_transforms([file])


def test_a_description_that_is_not_there_is_a_missing_source(tmp_path: Path) -> None:
    with pytest.raises(SourceMissing, match=r"transforms\.json is not in"):
        read_transforms([tmp_path / "transforms.json"])


def test_views_that_would_share_a_name_are_refused(tmp_path: Path) -> None:
    for folder in "ab":
        paint(tmp_path / folder / "0.png", (9, 9, 9))
    file = describe(tmp_path / "transforms.json", [shot("a/0"), shot("b/0", 1)])
    with pytest.raises(SequenceError, match=r"two views would be called 0: a/0\.png and b/0\.png"):
        read_transforms([file])


def test_a_view_that_cannot_name_a_file_is_refused(tmp_path: Path) -> None:
    paint(tmp_path / "my view.png", (9, 9, 9))
    file = describe(tmp_path / "transforms.json", [shot("my view")])
    with pytest.raises(SequenceError, match="view 'my view' cannot name a file"):
        read_transforms([file])


def test_an_unknown_view_is_refused_with_the_nearest(tmp_path: Path) -> None:
    scene = read_transforms(blender(tmp_path))
    assert list(scene.pick(["test-r_1", "train-r_0"])) == ["test-r_1", "train-r_0"]
    with pytest.raises(SequenceError, match="view 'test-r_2' is unknown; nearest: test-r_"):
        scene.pick(["test-r_2"])
    with pytest.raises(SequenceError, match="view 'test-r_1' is named twice"):
        scene.pick(["test-r_1", "test-r_1"])


# distortion


def test_undistorted_pictures_are_those_of_a_pinhole(tmp_path: Path) -> None:
    """Dots drawn where the lens model puts three directions land where a pinhole puts them."""
    lens = {"fl_x": 200.0, "fl_y": 210.0, "cx": 98.0, "cy": 63.0, "w": 200, "h": 120}
    k1, k2, p1, p2 = 0.12, -0.05, 0.004, -0.003
    picture = np.zeros((120, 200, 3), np.uint8)
    directions = [(-0.35, -0.2), (0.3, 0.15), (0.02, -0.22)]
    rows, columns = np.mgrid[:120, :200] + 0.5
    for x, y in directions:
        r2 = x * x + y * y
        radial = 1 + k1 * r2 + k2 * r2 * r2
        lens_x = x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x)
        lens_y = y * radial + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y
        u, v = 200 * lens_x + 98, 210 * lens_y + 63
        blob = 255 * np.exp(-((columns - u) ** 2 + (rows - v) ** 2) / (2 * 2.0**2))
        picture = np.maximum(picture, np.rint(blob).astype(np.uint8)[..., None])
    assert cv2.imwrite(str(tmp_path / "r_0.png"), picture)
    file = describe(tmp_path / "transforms.json", [shot("r_0")], **lens, k1=k1, k2=k2, p1=p1, p2=p2)
    scene = read_transforms([file])
    (frame,) = frames_of(scene, "r_0", VideoFormat("rgb24", 200, 120, Fraction(30), 1))
    assert scene.views["r_0"].camera.fx == 200
    for x, y in directions:
        u, v = 200 * x + 98, 210 * y + 63
        near = (abs(columns - u) < 8) & (abs(rows - v) < 8)
        weight = frame[..., 0].astype(float) * near
        centre = (weight * columns).sum() / weight.sum(), (weight * rows).sum() / weight.sum()
        assert centre == pytest.approx((u, v), abs=0.08)


# MIV


def miv(folder: Path, **changes: Any) -> Path:
    """Two cameras side by side and a viewport, with raw textures of two frames."""
    textures = VideoFormat("yuv420p10le", 16, 8, Fraction(25), 2)

    def camera(name: str, y: float, **keys: Any) -> dict[str, Any]:
        return {
            "Name": name,
            "Position": [0, y, 0],
            "Rotation": [0, 0, 0],
            "Projection": "Perspective",
            "Resolution": [16, 8],
            "Focal": [8, 8],
            "Principle_point": [8, 4],
            "Depth_range": [2, 10],
            **keys,
        }

    for number in range(2):
        samples = np.full(textures.file_bytes // 2, 100 + number, "<u2")
        samples[textures.frame_bytes // 2 :] += 10
        (folder / f"v{number}_texture_16x8_yuv420p10le.yuv").write_bytes(samples.tobytes())
    value = {
        "Version": "4.0",
        "Content_name": "Tiny",
        "Fps": 25,
        "Frames_number": 2,
        "sourceCameraNames": ["v0", "v1"],
        "cameras": [
            camera("v0", 0, **changes.pop("v0", {})),
            camera("viewport", 9, Projection="Equirectangular"),
            camera("v1", -1),
        ],
        **changes,
    }
    path = folder / "Tiny.json"
    path.write_text(json.dumps(value))
    return path


def test_a_miv_scene_has_the_source_cameras_and_their_raw_files(tmp_path: Path) -> None:
    scene = read_miv(miv(tmp_path), tmp_path)
    assert list(scene.views) == ["v0", "v1"]
    assert (scene.frames, scene.fps, scene.pixel_format) == (2, 25, "yuv420p10le")
    assert scene.views["v1"].times == (0, 1)
    pixel, depth = scene.views["v1"].camera.project(np.array([[4.0, -1.0, 0.0]]))
    assert (pixel.tolist(), depth.tolist()) == ([[8, 4]], [4])
    layout = VideoFormat("yuv420p10le", 16, 8, Fraction(25), 2)
    (frame,) = view_frames(scene.views["v1"], layout, start=1, count=1)
    assert (np.frombuffer(frame, "<u2") == 111).all()


def test_bounds_of_a_miv_scene_hold_all_depths(tmp_path: Path) -> None:
    # half angles 45 and 26.6 degrees: at depth 10 the frusta reach 10 to the sides, 5 up and down
    bounds = read_miv(miv(tmp_path), tmp_path).bounds
    assert bounds is not None
    assert bounds.near == 2
    assert bounds.far == pytest.approx(10 * math.sqrt(1 + 1 + 0.25))
    assert np.allclose(bounds.box, [[2, -11, -5], [10, 10, 5]])


def test_a_miv_scene_is_averaged_in_every_plane(tmp_path: Path) -> None:
    scene = read_miv(miv(tmp_path), tmp_path, downscale=2)
    half = VideoFormat("yuv420p10le", 8, 4, Fraction(25), 2)
    frames = list(view_frames(scene.views["v0"], half, start=0, count=2))
    assert [len(frame) for frame in frames] == [half.frame_bytes] * 2
    assert [set(np.frombuffer(frame, "<u2").tolist()) for frame in frames] == [{100}, {110}]
    assert scene.views["v0"].camera.fx == 4


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"Version": "3.0"}, "has Version 3.0; 4.0 is read"),
        ({"sourceCameraNames": ["v0", "v2"]}, "names the source camera v2, .*; nearest: v"),
        ({"sourceCameraNames": ["v0", "v0"]}, "view 'v0' is named twice"),
        ({"Fps": "film"}, r"Tiny\.json: the frame rate 'film' is no number"),
        ({"sourceCameraNames": None}, r"Tiny\.json cannot be used"),
        ({"v0": {"Projection": "Equirectangular"}}, "view v0: an unknown camera model: .*Equirect"),
        ({"v0": {"Focal": [0, 8]}}, "view v0: the focal lengths are 0 and 8"),
        ({"v0": {"Rotation": [0, 0]}}, "view v0: no camera can be read"),
        ({"v0": {"Position": [0, 0]}}, "view v0: no camera can be read"),
        ({"v0": {"Depth_range": [5, 2]}}, "depths from 5 to 2; expected"),
    ],
)
def test_an_unusable_miv_description_is_refused(
    tmp_path: Path, changes: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(SequenceError, match=sentence):
        read_miv(miv(tmp_path, **changes), tmp_path)


def test_a_key_missing_from_a_miv_camera_is_named(tmp_path: Path) -> None:
    path = miv(tmp_path)
    value = json.loads(path.read_text())
    del value["cameras"][2]["Principle_point"]
    path.write_text(json.dumps(value))
    with pytest.raises(SequenceError, match=r"view v1: .*the key 'Principle_point' is missing"):
        read_miv(path, tmp_path)


def test_a_missing_texture_is_named_with_what_lies_there(tmp_path: Path) -> None:
    path = miv(tmp_path)
    held = tmp_path / "v1_texture_16x8_yuv420p10le.yuv"
    held.rename(tmp_path / "v1_texture_32x16_yuv420p10le.yuv")
    with pytest.raises(
        SourceMissing,
        match=r"v1_texture_16x8_<pixel format>\.yuv .*found: v1_texture_32x16_yuv420p10le\.yuv",
    ):
        read_miv(path, tmp_path)


def test_textures_in_two_pixel_formats_are_refused(tmp_path: Path) -> None:
    path = miv(tmp_path)
    held = tmp_path / "v1_texture_16x8_yuv420p10le.yuv"
    held.rename(tmp_path / "v1_texture_16x8_yuv420p.yuv")
    with pytest.raises(SequenceError, match="are yuv420p and yuv420p10le; bring all in one"):
        read_miv(path, tmp_path)


# LLFF


def llff(folder: Path, cameras: int = 2, videos: int = 2) -> Path:
    """Cameras at x = 0, 1, …, and lossless videos of three frames of luma 16 + 20 x camera."""
    row = [0, 1, 0, 0, 8, 1, 0, 0, 0, 16, 0, 0, -1, 0, 8, 1.5, 6]
    rows = np.array([row] * cameras, float)
    rows[:, 3] = np.arange(cameras)
    np.save(folder / "poses_bounds.npy", rows)
    for number in range(videos):
        data = np.full(16 * 8 * 3 // 2 * 3, 16 + 20 * number, np.uint8).tobytes()
        options = ["-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", "16x8", "-r", "30", "-i", "-"]
        options += ["-c:v", "libx264", "-qp", "0", str(folder / f"cam{number:02}.mp4")]
        find_ffmpeg().run(options, stdin=data)
    return folder


def test_an_llff_scene_pairs_rows_with_videos_in_order_of_name(tmp_path: Path) -> None:
    scene = read_llff(llff(tmp_path), frames=3)
    assert list(scene.views) == ["cam00", "cam01"]
    assert scene.views["cam01"].camera.position == (1, 0, 0)
    assert scene.views["cam01"].times == (0, 1, 2)
    layout = VideoFormat("yuv420p", 16, 8, Fraction(30), 3)
    frames = list(view_frames(scene.views["cam01"], layout, start=1, count=2))
    assert [set(frame) for frame in frames] == [{36}, {36}]
    assert scene.bounds is not None
    assert (scene.bounds.near, scene.bounds.box[0]) == (1.5, (-6, -3, 1.5))


def test_a_camera_too_many_for_the_videos_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SequenceError, match=r"has 3 cameras, .* has 2 videos"):
        read_llff(llff(tmp_path, cameras=3), frames=3)


def test_an_array_that_is_none_or_of_another_shape_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceMissing, match=r"poses_bounds\.npy is not in"):
        read_llff(tmp_path, frames=3)
    (tmp_path / "poses_bounds.npy").write_bytes(b"no array")
    with pytest.raises(SequenceError, match="cannot be read as an array"):
        read_llff(tmp_path, frames=3)
    np.save(tmp_path / "poses_bounds.npy", np.zeros((2, 15)))
    with pytest.raises(SequenceError, match=r"shape \(2, 15\); expected numbers, 17 per camera"):
        read_llff(tmp_path, frames=3)


# entries


def test_an_entry_is_read_by_its_kind(tmp_path: Path) -> None:
    rig(tmp_path)
    layout = VideoFormat("rgb24", 16, 8, Fraction(30), 3)
    scene = read_scene({"kind": "transforms"}, tmp_path, layout, where="court")
    assert list(scene.views) == ["a", "b"]
    assert scene.files[0] == tmp_path / "transforms.json"
    assert len(scene.files) == 7
    miv(tmp_path)
    layout = VideoFormat("yuv420p10le", 16, 8, Fraction(25), 2)
    source = {"kind": "miv", "file": "Tiny.json"}
    assert list(read_scene(source, tmp_path, layout, where="tiny").views) == ["v0", "v1"]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"width": 32}, "tiny: the description says width 16, the sequence entry says 32"),
        ({"frames": 3}, "says frames 2, the sequence entry says 3"),
        ({"fps": Fraction(30)}, "says fps 25, the sequence entry says 30"),
        ({"pixel_format": "yuv420p"}, "says pixel_format yuv420p10le, .* says yuv420p"),
    ],
)
def test_an_entry_that_contradicts_its_description_is_refused(
    tmp_path: Path, changes: dict[str, Any], sentence: str
) -> None:
    miv(tmp_path)
    fields = {"pixel_format": "yuv420p10le", "width": 16, "height": 8, "fps": 25, "frames": 2}
    layout = VideoFormat(**{**fields, **changes})
    with pytest.raises(SequenceError, match=sentence):
        read_scene({"kind": "miv", "file": "Tiny.json"}, tmp_path, layout, where="tiny")


# real scenes


@pytest.mark.skipif(not FOX.is_dir(), reason=f"needs the fox scene in {FOX}")
def test_the_fox_scene_has_fifty_upright_pictures_of_one_lens() -> None:
    file = FOX / "transforms.json"
    with pytest.raises(SequenceError, match="17 of 67 pictures are absent"):
        read_transforms([file])
    scene = read_transforms([file], downscale=8, skip_absent=True)
    assert len(scene.views) == 50
    view = scene.views["0001"]
    assert (view.camera.width, view.camera.height) == (135, 240)
    assert view.camera.fx == pytest.approx(1375.52 / 8)
    assert view.distortion == (0.0578421, -0.0805099, -0.000980296, 0.00015575, 0.0)
    (frame,) = frames_of(scene, "0001", VideoFormat("rgb24", 135, 240, Fraction(1), 1))
    full = cv2.imread(str(FOX / "images/0001.jpg"))[..., ::-1]
    small = full.reshape(240, 8, 135, 8, 3).mean(axis=(1, 3))
    assert abs(frame - small).mean() < 8


@pytest.mark.skipif(not FOX.is_dir(), reason=f"needs the fox scene in {FOX}")
def test_all_cameras_of_the_fox_scene_look_at_one_place() -> None:
    """The point nearest to all optical axes lies before every camera, inside its picture."""
    scene = read_transforms([FOX / "transforms.json"], skip_absent=True)
    cameras = [view.camera for view in scene.views.values()]
    poses = np.array([camera.camera_to_world for camera in cameras])
    axes, places = poses[:, :, 2], poses[:, :, 3]
    across = np.eye(3) - axes[:, :, None] * axes[:, None, :]
    target = np.linalg.solve(across.sum(0), (across @ places[:, :, None]).sum(0))[:, 0]
    for camera in cameras:
        ((column, row),), (depth,) = camera.project(target[None])
        assert depth > 0 and 0 < column < camera.width and 0 < row < camera.height


def test_the_ball_court_is_twelve_still_cameras_of_sixteen_instants() -> None:
    layout = VideoFormat("rgb24", 128, 96, Fraction(30), 16)
    scene = read_scene({"kind": "transforms"}, BALLCOURT, layout, where="ballcourt")
    assert list(scene.views) == [f"v{number:02}" for number in range(12)]
    assert all(view.times == tuple(range(16)) for view in scene.views.values())
    (frame,) = frames_of(scene, "v08", layout, start=13, count=1)
    picture = cv2.imread(str(BALLCOURT / "images/v08/013.png"))
    assert (frame == picture[..., ::-1]).all()


@pytest.mark.parametrize(
    ("view", "instant", "ball"),
    [
        ("v00", 1, (-1.33, -1.88, 1.35)),
        ("v05", 9, (0.83, -1.72, 1.35)),
        ("v08", 13, (1.91, -1.64, 0.2)),
    ],
)
def test_the_ball_of_the_court_projects_onto_orange(view: str, instant: int, ball: Any) -> None:
    """Where the scene's README puts the ball, metres."""
    scene = read_transforms([BALLCOURT / "transforms.json"])
    ((column, row),), _ = scene.views[view].camera.project(np.array([ball]))
    layout = VideoFormat("rgb24", 128, 96, Fraction(30), 16)
    (frame,) = frames_of(scene, view, layout, start=instant, count=1)
    red, green, blue = frame[int(row), int(column)].tolist()
    assert red > 1.3 * green > 1.3 * blue


def test_every_view_of_the_court_sees_its_box_and_none_sees_behind_the_cameras() -> None:
    bounds = Bounds(4.5, 16.0, ((-6.0, -5.0, 0.0), (6.0, 5.0, 5.2)))
    behind = Bounds(4.5, 16.0, ((-6.0, -30.0, 0.0), (6.0, -12.0, 5.2)))
    for name, view in read_transforms([BALLCOURT / "transforms.json"]).views.items():
        bounds.check_camera(view.camera, name)
        with pytest.raises(SequenceError, match=f"{name}: .* sees nothing of the box"):
            behind.check_camera(view.camera, name)
