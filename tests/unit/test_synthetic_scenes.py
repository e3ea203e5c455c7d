"""The conditions for synthetic scenes, on tiny folders in the format of the distributed ones."""

import json
import math
from pathlib import Path

import cv2
import numpy as np
import pytest
from invrbench.ctc.sequences import SequenceRef, load_paths, load_sequences, resolve
from invrbench.errors import SequenceError
from invrbench.results.planning import load_plan
from invrbench.results.sources import Prepared, coding_fields, load_source, prepare_source
from invrbench.video.scenes import ResolvedScene

REPOSITORY = Path(__file__).resolve().parents[2]
ANGLE = 0.6911112070083618  # camera_angle_x of the Blender scenes: fx = 1111.11 at 800 pixels
SQUARE = slice(300, 500)  # an opaque red square on nothing


def write_split(folder: Path, split: str, times: list[float] | None, count: int = 2) -> None:
    picture = np.zeros((800, 800, 4), np.uint8)
    picture[SQUARE, SQUARE] = (0, 0, 255, 255)
    (folder / split).mkdir(parents=True)
    frames = []
    for index in range(count):
        name = f"r_{index:03}" if times else f"r_{index}"
        cv2.imwrite(str(folder / split / f"{name}.png"), picture)
        turn = 0.3 * index
        pose = [
            [math.cos(turn), 0, math.sin(turn), 4 * math.sin(turn)],
            [0, 1, 0, 0],
            [-math.sin(turn), 0, math.cos(turn), 4 * math.cos(turn)],
            [0, 0, 0, 1],
        ]
        frame = {"file_path": f"./{split}/{name}", "rotation": 0.01, "transform_matrix": pose}
        frames.append(frame | ({"time": times[index]} if times else {}))
    description = {"camera_angle_x": ANGLE, "frames": frames}
    (folder / f"transforms_{split}.json").write_text(json.dumps(description), encoding="utf-8")


@pytest.fixture
def scenes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """``nerf_synthetic/lego`` and ``dnerf/hook`` below one of the machine's roots."""
    for split in ("train", "test"):
        write_split(tmp_path / "data" / "nerf_synthetic" / "lego", split, None)
    write_split(tmp_path / "data" / "dnerf" / "hook", "train", [0.0, 0.5, 1.0], count=3)
    write_split(tmp_path / "data" / "dnerf" / "hook", "test", [0.25, 0.75])
    (tmp_path / "paths.yaml").write_text("roots: [data]\n", encoding="utf-8")
    monkeypatch.setenv("INVRBENCH_PATHS", str(tmp_path / "paths.yaml"))
    return tmp_path


def prepared(folder: Path, name: str) -> tuple[ResolvedScene, Prepared]:
    sequences = load_sequences(REPOSITORY / "ctc" / "sequences")
    ref = SequenceRef.parse(name, sequences)
    scene = resolve(ref, sequences, load_paths(REPOSITORY))
    assert isinstance(scene, ResolvedScene)
    prepare_source(folder, scene, name)
    return scene, load_source(folder, name)


def test_only_scenes_that_are_here_are_planned(scenes: Path) -> None:
    plan = load_plan(REPOSITORY, "blender-synthetic")
    runnable = {point.ref.sequence for point in plan.runnable}
    assert runnable == {"blender-lego"}
    away = {point.ref.sequence for point in plan.points if point.missing}
    assert len(away) == 7


def test_a_blender_scene_is_laid_on_white_and_split_by_its_files(scenes: Path) -> None:
    scene, sources = prepared(scenes, "blender-lego.official")
    assert [view.id for view in scene.train] == ["train-r_0", "train-r_1"]
    assert [view.id for view in scene.test] == ["test-r_0", "test-r_1"]
    camera = scene.train[0].camera
    assert camera.fx == pytest.approx(1111.1110311937682)
    # Blender's camera looks along -z from (0, 0, 4): OpenCV's y and z axes are turned over
    assert np.array(camera.camera_to_world).tolist() == [[1, 0, 0, 0], [0, -1, 0, 0], [0, 0, -1, 4]]
    ((rgb,),) = sources.clips["test-r_0"].frames()
    assert rgb[0, 0].tolist() == [255, 255, 255]
    assert rgb[400, 400].tolist() == [255, 0, 0]
    told = coding_fields(scene, sources)
    assert [view["id"] for view in told["views"]] == ["train-r_0", "train-r_1"]
    assert told["bounds"]["far"] == 6


def test_a_monocular_scene_is_halved_and_each_view_has_its_own_time(scenes: Path) -> None:
    scene, sources = prepared(scenes, "dnerf-hook.official")
    assert scene.format.frames == 100
    # times from 0 to 1 become frames: 0.5 of 99
    assert [view.times for view in scene.train] == [(0.0,), (49.5,), (99.0,)]
    assert scene.train[0].camera.fx == pytest.approx(1111.1110311937682 / 2)
    assert scene.coded_pixels == 3 * 400 * 400
    ((rgb,),) = sources.clips["train-r_002"].frames()
    assert rgb.shape == (400, 400, 3)
    assert rgb[200, 200].tolist() == [255, 0, 0]


def test_a_cut_in_which_no_test_view_has_a_frame_is_refused(scenes: Path) -> None:
    with pytest.raises(SequenceError, match="no test view holds a frame of instants 0 to 9;"):
        prepared(scenes, "dnerf-hook.official@0+10")
