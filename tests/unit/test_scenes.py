"""Scenes of several views: what is coded, what is judged, and what each verb is told."""

import hashlib
import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
from invrbench.ctc.sequences import (
    PathMap,
    SequenceRef,
    load_file,
    load_sequences,
    resolve,
)
from invrbench.errors import ConditionsError, SequenceError
from invrbench.results.sources import coding_fields, load_source, prepare_source
from invrbench.video.cameras import Bounds
from invrbench.video.format import VideoFormat
from invrbench.video.pictures import raw_frame
from invrbench.video.scenes import ResolvedScene, ViewSplit

REPOSITORY = Path(__file__).resolve().parents[2]
ENTRY = """
sequences:
  - id: tiny
    class: test
    width: 8
    height: 8
    pixel_format: rgb24
    fps: 1
    frames: 1
    matrix: bt709
    range: full
    source: {kind: transforms, folder: court, embedded: true}
    bounds: {near: 1, far: 9, box: [[-1, -1, -9], [1, 1, 9]]}
    view_splits: {b: {test: [b]}}
"""
VIEWS = ("v00", "v01", "v02", "v03")


def court(cut: str) -> ResolvedScene:
    sequences = load_sequences(REPOSITORY / "ctc" / "sequences")
    ref = SequenceRef.parse(f"ballcourt.v03v08{cut}", sequences)
    scene = resolve(ref, sequences, PathMap("none"))
    assert isinstance(scene, ResolvedScene)
    return scene


def test_views_that_are_not_held_out_are_coded_and_judged() -> None:
    sides = ViewSplit(test=("v01",)).divide(VIEWS, "here")
    assert sides == {
        "test": ("v01",),
        "train": ("v00", "v02", "v03"),
        "judged": ("v00", "v02", "v03"),
    }


def test_a_pattern_names_several_views() -> None:
    assert ViewSplit(test=("v0[12]",)).divide(VIEWS, "here")["test"] == ("v01", "v02")


@pytest.mark.parametrize(
    ("split", "said"),
    [
        (ViewSplit(test=("v09",)), "here: no view is called 'v09'; nearest: v0"),
        (ViewSplit(test=("v01",), train=("v0*",)), "v01 would be coded and held out at once"),
        (ViewSplit(test=("v*",)), "every view is held out"),
        (ViewSplit(test=("v01",), judged=("v01",)), "no view is called 'v01'"),
    ],
)
def test_an_impossible_split_is_refused(split: ViewSplit, said: str) -> None:
    with pytest.raises(SequenceError, match=said.replace("*", r"\*")):
        split.divide(VIEWS, "here")


def test_the_embedded_scene_is_split_as_its_name_says() -> None:
    scene = court("@2+4")
    assert [view.id for view in scene.test] == ["v03", "v08"]
    assert len(scene.train) == 10
    assert scene.train[0].times == (0, 1, 2, 3)
    assert scene.coded_pixels == 10 * 4 * 128 * 96
    assert scene.format.frames == 4


def test_simulcast_is_asked_for_coded_views_only() -> None:
    scene = court("@0+1")
    assert {name: [v.id for v in views] for name, views in scene.view_sets("any").items()} == {
        "test": ["v03", "v08"],
        "train": ["v05"],
    }
    assert list(scene.view_sets("coded-views")) == ["train"]


def test_a_scene_is_named_with_its_split() -> None:
    sequences = load_sequences(REPOSITORY / "ctc" / "sequences")
    for name in ("ballcourt@0+4", "ballcourt.other@0+4"):
        with pytest.raises(ConditionsError, match=r"known: ballcourt\.v03v08"):
            resolve(SequenceRef.parse(name, sequences), sequences, PathMap("none"))


def test_a_cut_beyond_the_last_instant_is_refused() -> None:
    with pytest.raises(SequenceError, match="instants 8 to 23, but the scene has 16"):
        court("@8+16")


def test_fit_and_encode_are_told_of_train_views_and_nothing_else(tmp_path: Path) -> None:
    scene = court("@0+1")
    prepare_source(tmp_path, scene, scene.name)
    prepared = load_source(tmp_path, scene.name)
    told = coding_fields(scene, prepared)
    assert [view["id"] for view in told["views"]] == [view.id for view in scene.train]
    assert "path" not in told["source"]
    text = json.dumps(told)
    for view in scene.test:
        assert f'"{view.id}"' not in text
        assert str(prepared.clips[view.id].path) not in text
        assert prepared.clips[view.id].path.is_file()
        # nor do they lie beside what is told
        folders = {Path(each["path"]).parent for each in told["views"]}
        assert prepared.clips[view.id].path.parent not in folders


def test_raw_views_hold_the_pictures_of_their_instants(tmp_path: Path) -> None:
    scene = court("@3+2")
    prepare_source(tmp_path, scene, scene.name)
    clip = load_source(tmp_path, scene.name).clips["v08"]
    folder = REPOSITORY / "ctc" / "sequences" / "data" / "ballcourt" / "images" / "v08"
    frames = list(clip.frames())
    assert len(frames) == 2
    for planes, name in zip(frames, ("003.png", "004.png"), strict=True):
        rgb = cv2.imread(str(folder / name))[..., ::-1].astype(float)
        luma = 16 + rgb @ [0.2126, 0.7152, 0.0722] * 219 / 255
        assert np.abs(planes[0] - luma).max() <= 0.51


def test_a_moved_camera_is_another_source() -> None:
    one, other = court("@0+1"), court("@1+1")
    assert one.identity() != other.identity()
    assert one.identity() == court("@0+1").identity()


def test_a_view_with_another_md5_than_declared_is_refused(tmp_path: Path) -> None:
    scene = REPOSITORY / "ctc" / "sequences" / "data" / "ballcourt"
    entry = (REPOSITORY / "ctc" / "sequences" / "ballcourt.yaml").read_text(encoding="utf-8")
    head = entry.split("    md5s:")[0].replace("folder: data/ballcourt", f"folder: {scene}")
    assert "embedded" in head
    (tmp_path / "own.yaml").write_text(
        head.replace("folder: " + str(scene), "folder: court")
        + f'    md5s: {{v00: "{hashlib.md5(b"").hexdigest()}"}}\n',
        encoding="utf-8",
    )
    (tmp_path / "court").symlink_to(scene)
    (sequence,) = load_file(tmp_path / "own.yaml")
    ref = SequenceRef("ballcourt", "v03v08", None)
    source = resolve(ref, {"ballcourt": sequence}, PathMap("none"))
    with pytest.raises(SequenceError, match=r"ballcourt\.v03v08 v00: the raw file of .* has md5"):
        prepare_source(tmp_path, source, "ballcourt.v03v08")


def test_a_description_with_other_views_than_the_entry_is_refused(tmp_path: Path) -> None:
    entry = (REPOSITORY / "ctc" / "sequences" / "ballcourt.yaml").read_text(encoding="utf-8")
    (tmp_path / "data").symlink_to(REPOSITORY / "ctc" / "sequences" / "data")
    for changed, said in (
        (entry.replace("views: 12", "views: 13"), r"has 12 views \(v00, .*, the entry says 13"),
        (entry.split("    md5s:")[0] + f'    md5s: {{v12: "{"0" * 32}"}}\n', "lacks the view v12"),
    ):
        (tmp_path / "own.yaml").write_text(changed, encoding="utf-8")
        (sequence,) = load_file(tmp_path / "own.yaml")
        with pytest.raises(SequenceError, match=said):
            resolve(SequenceRef("ballcourt", "v03v08"), {"ballcourt": sequence}, PathMap("none"))


def test_a_view_that_sees_nothing_of_the_box_is_refused_before_anything_is_written(
    tmp_path: Path,
) -> None:
    behind = Bounds(4.5, 16.0, ((-6.0, -30.0, 0.0), (6.0, -12.0, 5.2)))
    scene = replace(court("@0+1"), bounds=behind)
    with pytest.raises(
        SequenceError,
        match=r"ballcourt\.v03v08@0\+1: view v00: .* sees nothing of the box from \(-6, -30, 0\)",
    ):
        prepare_source(tmp_path, scene, scene.name)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("[1, 0, 0, 0]", "[2, 0, 0, 0]", "the pose is not a rotation"),
        ('"w": 8', '"w": 8, "camera_model": "OPENCV_FISHEYE"', "unknown camera model: OPENCV_FISH"),
        ('"w": 8', '"w": 16', "view b is 8x8; all views of a scene have one size"),
    ],
)
def test_an_entry_s_scene_with_an_impossible_camera_is_refused_with_entry_and_view(
    tmp_path: Path, old: str, new: str, said: str
) -> None:
    camera = '"w": 8, "h": 8, "fl_x": 8, "transform_matrix": [[1, 0, 0, 0], '
    camera += "[0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]"
    frames = [f'{{"file_path": "{name}.png", {camera}}}' for name in ("a", "b")]
    assert frames[0].count(old) == 1
    frames[0] = frames[0].replace(old, new)
    (tmp_path / "court").mkdir()
    for name in ("a", "b"):
        assert cv2.imwrite(str(tmp_path / "court" / f"{name}.png"), np.zeros((8, 8, 3), np.uint8))
    (tmp_path / "court" / "transforms.json").write_text('{"frames": [' + ", ".join(frames) + "]}")
    (tmp_path / "own.yaml").write_text(ENTRY)
    (sequence,) = load_file(tmp_path / "own.yaml")
    with pytest.raises(SequenceError, match=rf"own\.yaml: tiny\.b: .*{said}"):
        resolve(SequenceRef("tiny", "b", None), {"tiny": sequence}, PathMap("none"))


def layout(pixel_format: str, colour_range: str) -> VideoFormat:
    return VideoFormat(pixel_format, 2, 2, Fraction(1), 1, "bt709", colour_range)


@pytest.mark.parametrize(
    ("colour", "pixel_format", "colour_range", "expected"),
    [
        # BT.709-6 item 4.6: white 235, black 16, neutral chroma 128; pure red by its equations
        ((255, 255, 255), "yuv420p", "limited", [235] * 4 + [128, 128]),
        ((0, 0, 0), "yuv420p", "limited", [16] * 4 + [128, 128]),
        ((255, 0, 0), "yuv420p", "limited", [63] * 4 + [102, 240]),
        ((0, 0, 255), "yuv444p", "full", [18] * 4 + [255] * 4 + [116] * 4),
        ((9, 8, 7), "rgb24", "full", [9, 8, 7] * 4),
    ],
)
def test_pictures_become_samples_by_the_standard_s_equations(
    colour: tuple[int, int, int], pixel_format: str, colour_range: str, expected: list[int]
) -> None:
    picture = bytes(colour) * 4
    assert list(raw_frame(picture, layout(pixel_format, colour_range))) == expected


def test_ten_bit_samples_are_four_times_as_fine() -> None:
    samples = np.frombuffer(
        raw_frame(bytes([255] * 12), layout("yuv420p10le", "limited")), dtype="<u2"
    )
    assert samples.tolist() == [940] * 4 + [512] * 2


def test_chroma_is_sited_left() -> None:
    """A red column beside black ones: the even column's chroma counts half, its neighbours a
    quarter."""
    wide = VideoFormat("yuv420p", 4, 2, Fraction(1), 1, "bt709", "full")
    row = bytes([255, 0, 0]) + bytes(9)
    samples = list(raw_frame(row * 2, wide))
    # Cr of red is 255 (127.5 above 128): three quarters at column 0 (edge repeated), none at 2
    assert samples[10:12] == [round(128 + 0.75 * 127.5), 128]
