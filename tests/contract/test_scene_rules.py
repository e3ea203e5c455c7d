"""What the conformance suite asks of codecs of scenes, and what it codes to ask it."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from invrbench.codec.conformance import FAILED, PASSED, SKIPPED, Verdict
from invrbench.codec.footage import Archive, SceneFootage
from invrbench.video.format import RawVideo
from own_repository import REPOSITORY

Judge = Callable[..., dict[str, Verdict]]
CODECS = REPOSITORY / "tests" / "codecs"
IMAGES = REPOSITORY / "ctc" / "sequences" / "data" / "ballcourt" / "images"


@pytest.fixture
def flat(tmp_path: Path) -> Path:
    """A copy of the floor control that codes scenes only."""
    folder = shutil.copytree(CODECS / "flat", tmp_path / "mine")
    change(folder / "codec.toml", '["video", "multiview"]', '["multiview"]')
    return folder


@pytest.fixture
def footage(archive: Archive) -> SceneFootage:
    found = archive.of("multiview")
    assert isinstance(found, SceneFootage)
    return found


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_codec_of_scenes_alone_is_judged_on_a_scene_alone(flat: Path, judge: Judge) -> None:
    verdicts = judge(flat)
    assert [verdict for verdict in verdicts.values() if verdict.mark == FAILED] == []
    assert {"manifest", "scene-decode", "scene-free-camera"} <= {*verdicts}
    assert "decode" not in verdicts
    assert verdicts["scene-encode"].reason == "15 bytes for 2 frames of 64x48 yuv420p in 5 views"
    assert verdicts["scene-odd-size"].reason == "2 frames of 63x47 yuv444p in 5 views"
    assert verdicts["scene-views-apart"].reason == "v05, v03 as v03, v05"


def test_view_that_depends_on_those_before_it_is_caught(flat: Path, judge: Judge) -> None:
    change(flat / "decode.py", "    path = output", "    frame[0] += 1\n    path = output")
    verdicts = judge(flat, only=("scene-decode", "scene-decode-twice", "scene-views-apart"))
    assert [verdict.mark for verdict in verdicts.values()] == [PASSED, PASSED, FAILED]
    assert (
        "view v03 is another one when the views are asked for in the order v05, v03"
        in verdicts["scene-views-apart"].reason
    )


def test_decoder_that_knows_its_cameras_by_name_is_caught(flat: Path, judge: Judge) -> None:
    known = "    assert view['id'].startswith('v'), view['id']\n    path = output"
    change(flat / "decode.py", "    path = output", known)
    verdicts = judge(flat, only=("scene-decode", "scene-free-camera"))
    assert verdicts["scene-decode"].mark == PASSED
    assert verdicts["scene-free-camera"].mark == FAILED
    assert "AssertionError: between" in verdicts["scene-free-camera"].reason


def test_decoder_that_always_renders_every_instant_is_caught(flat: Path, judge: Judge) -> None:
    change(flat / "decode.py", 'view["times"] if view else range(frames)', "range(frames)")
    verdict = judge(flat, only=("scene-free-camera",))["scene-free-camera"]
    assert verdict.mark == FAILED
    assert "9216 bytes of view between (2 frames of 64x48 yuv420p); expected 4608" in verdict.reason


def test_codec_without_a_file_for_each_view_is_told_which(flat: Path, judge: Judge) -> None:
    change(flat / "decode.py", "view['id']}.raw", "view['id']}.yuv")
    verdict = judge(flat, only=("scene-decode",))["scene-decode"]
    assert verdict.mark == FAILED
    assert "decode wrote no file v03.raw in the folder that its job names" in verdict.reason


def test_codec_that_renders_coded_views_only_is_asked_for_no_other(
    flat: Path, judge: Judge
) -> None:
    change(flat / "codec.toml", "[supports]", '[supports]\nrenders = "coded-views"')
    change(
        flat / "decode.py", "    path = output", "    assert view['id'] != 'v03'\n    path = output"
    )
    verdicts = judge(flat, only=("scene-decode", "scene-views-apart", "scene-free-camera"))
    assert verdicts["scene-views-apart"].reason == "v05, v00 as v00, v05"
    assert verdicts["scene-free-camera"].mark == SKIPPED


@pytest.mark.parametrize(
    ("supports", "coded"),
    [
        ("max_frames = 1", "1 frame of 64x48 yuv420p in 5 views"),
        ("min_frames = 5", "5 frames of 64x48 yuv420p in 5 views"),
        ("min_size = 49", "2 frames of 128x96 yuv420p in 5 views"),
    ],
)
def test_scene_is_as_long_and_as_large_as_the_codec_serves(
    supports: str, coded: str, flat: Path, judge: Judge
) -> None:
    change(flat / "codec.toml", "[supports]", f"[supports]\n{supports}")
    verdict = judge(flat, only=("scene-encode",))["scene-encode"]
    assert verdict.reason == f"15 bytes for {coded}"


@pytest.mark.parametrize(
    ("supports", "why"),
    [
        ("min_frames = 17", "the scene at hand has 16 instants, no 17"),
        ("min_size = 100", "the scene at hand is 128x96, smaller than 100x100"),
    ],
)
def test_codec_beyond_the_scene_is_not_judged_on_it(
    supports: str, why: str, flat: Path, judge: Judge
) -> None:
    change(flat / "codec.toml", "[supports]", f"[supports]\n{supports}")
    verdict = judge(flat, only=("scene-encode",))["scene-encode"]
    assert (verdict.mark, verdict.reason) == (SKIPPED, why)


def test_codecs_are_told_of_train_views_only(footage: SceneFootage, tmp_path: Path) -> None:
    layout = footage.layout("yuv420p", least=1, frames=2)
    told = footage.shoot(layout, tmp_path)
    assert [view["id"] for view in told["views"]] == ["v00", "v02", "v05", "v07", "v10"]
    assert "path" not in told["source"]
    assert '"v03"' not in json.dumps(told)
    assert {path.stem for path in tmp_path.iterdir()} == {view["id"] for view in told["views"]}


@pytest.mark.parametrize("odd", [False, True])
def test_halved_and_cut_pictures_keep_their_rays(
    odd: bool, footage: SceneFootage, tmp_path: Path
) -> None:
    """The last pixel of the small picture is the mean of four in the file; both see one place."""
    layout = footage.layout("rgb24", least=1, frames=2, odd=odd)
    assert (layout.width, layout.height) == ((63, 47) if odd else (64, 48))
    told = footage.shoot(layout, tmp_path)
    view = next(each for each in told["views"] if each["id"] == "v05")
    full = next(each for each in footage.scene.train if each.id == "v05").camera
    last = layout.width - 1, layout.height - 1
    ray = [(last[0] + 0.5 - view["cx"]) / view["fx"], (last[1] + 0.5 - view["cy"]) / view["fy"]]
    # the corner that the four pixels of the file share
    middle = [(2 * last[0] + 1 - full.cx) / full.fx, (2 * last[1] + 1 - full.cy) / full.fy]
    assert ray == pytest.approx(middle)
    second = list(RawVideo(Path(view["path"]), layout).frames())[1][0]
    block = cv2.imread(str(IMAGES / "v05" / "001.png"))[..., ::-1].astype(float)
    x, y = 2 * last[0], 2 * last[1]
    mean = block[y : y + 2, x : x + 2].mean(axis=(0, 1))
    assert np.abs(second[last[1], last[0]] - mean).max() <= 0.5


def test_free_camera_lies_halfway_between_two_train_views(footage: SceneFootage) -> None:
    layout = footage.layout("rgb24", least=1, frames=2)
    (asked,) = footage.order_between(layout).render
    cameras = {view.id: np.array(view.camera.camera_to_world) for view in footage.scene.train}
    pose = np.array(asked["camera_to_world"])
    assert pose[:, 3] == pytest.approx((cameras["v02"][:, 3] + cameras["v05"][:, 3]) / 2)
    turns = [
        np.arccos((np.trace(pose[:, :3].T @ cameras[name][:, :3]) - 1) / 2)
        for name in ("v02", "v05")
    ]
    assert turns[0] == pytest.approx(turns[1])
    assert turns[0] > 0.05
    assert asked["times"] == [1.0]
