"""Kept previews are small, lossless, of the right frames, and never those of another decode."""

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from invrbench.digest import write_json
from invrbench.errors import RecordError
from invrbench.report.page.sources import gather
from invrbench.results import execute, previews
from invrbench.results.measuring import measuring
from invrbench.results.plan import Plan, Point
from invrbench.results.planning import load_plan
from invrbench.results.points import collect_points
from invrbench.results.previews import read_previews, source_previews, write_previews
from invrbench.results.records import read_record, write_record
from invrbench.results.sources import prepare_source
from invrbench.video.format import RawVideo, VideoFormat


def rgb_video(path: Path, pictures: np.ndarray) -> RawVideo:
    """A raw rgb24 file of (T, H, W, 3)."""
    count, height, width, _ = pictures.shape
    path.write_bytes(pictures.astype(np.uint8).tobytes())
    return RawVideo(path, VideoFormat("rgb24", width, height, Fraction(25), count))


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(7).integers(0, 256, shape, dtype=np.uint8)


def picture(held: previews.Previews, name: str) -> np.ndarray:
    return previews.decode((held.folder / name).read_bytes())


def test_first_middle_and_last_frame_are_kept_without_loss(tmp_path: Path) -> None:
    pictures = noise(5, 6, 10, 3)
    write_previews(tmp_path / "p", {"": rgb_video(tmp_path / "v.raw", pictures)}, md5="abc")
    held = read_previews(tmp_path / "p", "abc")
    assert held is not None
    assert (held.width, held.height, held.shrink) == (10, 6, 1)
    frames = held.views[""].frames
    assert sorted(frames) == [0, 2, 4]
    for number, name in frames.items():
        assert np.array_equal(picture(held, name), pictures[number])


def test_the_slice_is_the_middle_row_over_time(tmp_path: Path) -> None:
    pictures = noise(5, 6, 10, 3)
    write_previews(tmp_path / "p", {"": rgb_video(tmp_path / "v.raw", pictures)}, md5="abc")
    held = read_previews(tmp_path / "p", "abc")
    assert held is not None and held.row == 3
    assert np.array_equal(picture(held, held.views[""].slice), pictures[:, 3])


def test_a_still_has_one_frame_and_no_slice(tmp_path: Path) -> None:
    video = rgb_video(tmp_path / "v.raw", noise(1, 4, 4, 3))
    write_previews(tmp_path / "p", {"": video}, md5="a")
    held = read_previews(tmp_path / "p", "a")
    assert held is not None
    assert list(held.views[""].frames) == [0] and held.views[""].slice == ""


def test_a_wide_picture_is_averaged_over_squares_until_its_longer_side_fits(
    tmp_path: Path,
) -> None:
    # 1000 columns need squares of 3 samples: 333 × 2 of them, one column and one row left over
    pictures = np.zeros((2, 7, 1000, 3), np.uint8)
    pictures[0, 3:6, 3:6] = np.arange(9).reshape(3, 3, 1) * 10  # mean 40
    write_previews(tmp_path / "p", {"": rgb_video(tmp_path / "v.raw", pictures)}, md5="a")
    held = read_previews(tmp_path / "p", "a")
    assert held is not None
    assert (held.width, held.height, held.shrink, held.row) == (333, 2, 3, 3)
    shown = picture(held, held.views[""].frames[0])
    assert shown.shape == (2, 333, 3)
    assert shown[1, 1].tolist() == [40, 40, 40] and shown.sum() == 120
    assert picture(held, held.views[""].slice)[0, 1].tolist() == [40, 40, 40]


def test_a_luma_of_16_and_235_is_black_and_white(tmp_path: Path) -> None:
    luma = np.array([[16, 16, 235, 235]] * 2, np.uint8)
    chroma = np.full((1, 2), 128, np.uint8)
    path = tmp_path / "v.raw"
    path.write_bytes(luma.tobytes() + chroma.tobytes() * 2)
    video = RawVideo(path, VideoFormat("yuv420p", 4, 2, Fraction(25), 1))
    write_previews(tmp_path / "p", {"": video}, md5="a")
    held = read_previews(tmp_path / "p", "a")
    assert held is not None
    shown = picture(held, held.views[""].frames[0])
    assert shown[0, :, 0].tolist() == [0, 0, 255, 255]


def test_every_view_of_a_scene_has_its_own_files(tmp_path: Path) -> None:
    scene = {view: noise(3, 4, 6, 3) + np.uint8(i) for i, view in enumerate(("v03", "v08"))}
    videos = {view: rgb_video(tmp_path / f"{view}.raw", held) for view, held in scene.items()}
    write_previews(tmp_path / "p", videos, md5="a")
    held = read_previews(tmp_path / "p", "a")
    assert held is not None and list(held.views) == ["v03", "v08"]
    for view, pictures in scene.items():
        assert np.array_equal(picture(held, held.views[view].frames[1]), pictures[1])


def test_previews_of_other_frames_are_not_shown(tmp_path: Path) -> None:
    video = rgb_video(tmp_path / "v.raw", noise(1, 4, 4, 3))
    write_previews(tmp_path / "p", {"": video}, md5="old")
    assert read_previews(tmp_path / "p", "new") is None
    assert read_previews(tmp_path / "absent", "new") is None


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"schema": 99, "md5": "a"}'])
def test_an_index_that_cannot_be_read_counts_as_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "index.json").write_text(text)
    assert read_previews(tmp_path, "a") is None


def test_new_previews_leave_no_file_of_old_ones(tmp_path: Path) -> None:
    folder = tmp_path / "p"
    write_previews(folder, {"v1": rgb_video(tmp_path / "a.raw", noise(3, 4, 4, 3))}, md5="a")
    write_previews(folder, {"": rgb_video(tmp_path / "b.raw", noise(1, 4, 4, 3))}, md5="b")
    assert sorted(path.name for path in folder.iterdir()) == ["frame-0.webp", "index.json"]


def test_a_source_gets_its_previews_when_they_are_asked_for(tmp_path: Path) -> None:
    assert source_previews(tmp_path, "clip") is None  # not prepared
    folder = tmp_path / "results" / ".sources"
    folder.mkdir(parents=True)
    video = rgb_video(folder / "clip.raw", noise(2, 4, 4, 3))
    record = {"kind": "source", "sequence": "clip", "path": "results/.sources/clip.raw"}
    record |= {"format": video.format.to_json(), "md5": "0123"}
    write_record(folder / "clip.json", record)
    held = source_previews(tmp_path, "clip")
    assert held is not None and held.folder == folder / "clip.previews"
    made = (held.folder / "index.json").stat().st_mtime_ns
    assert source_previews(tmp_path, "clip") == held
    assert (held.folder / "index.json").stat().st_mtime_ns == made


CONDITIONS = """
schema: 1
name: own
title: Own
budget: seconds
families: [picture]
headline: {anchor: flat, metrics: [psnr_y_db]}
anchors: [flat]
tests:
  - sequences: [bunny-mini@0+3]
    configurations: [ld]
    codecs: [flat]
"""


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    """A repository in which one point of a control codec is encoded."""
    root, repository = tmp_path / "tree", Path(__file__).resolve().parents[2]
    (root / "ctc").mkdir(parents=True)
    (root / "ctc" / "own.yaml").write_text(CONDITIONS)
    (root / "ctc" / "sequences").symlink_to(repository / "ctc" / "sequences")
    for name in ("anchors", "proposals", "tests"):
        (root / name).symlink_to(repository / name)
    loaded = load_plan(root, "own")
    [point] = loaded.points
    prepare_source(root, point.source, point.address.sequence)
    execute.encode(root, point, repeat="")
    return loaded


def kept(plan: Plan, point: Point) -> previews.Previews | None:
    folder = plan.root / point.address.folder
    record = read_record(folder / "decode.json")
    assert record is not None
    return read_previews(folder / previews.FOLDER, record["decoded_md5"])


def test_decoding_a_point_keeps_previews_of_its_frames(plan: Plan) -> None:
    [point] = plan.points
    execute.decode(plan.root, point, repeat="")
    held = kept(plan, point)
    assert held is not None and sorted(held.views[""].frames) == [0, 1, 2]
    shown = picture(held, held.views[""].frames[2])
    assert shown.shape == (176, 320, 3)
    assert shown.std(axis=(0, 1)).max() < 1  # the control codes the mean colour


def test_nothing_is_kept_of_a_sequence_of_which_nothing_may_be_published(plan: Plan) -> None:
    [point] = plan.points
    secret = replace(point, source=replace(point.source, may_publish="no"))
    execute.decode(plan.root, secret, repeat="")
    assert kept(plan, secret) is None
    assert not (plan.root / point.address.folder / previews.FOLDER).exists()


def test_the_page_is_told_of_previews_frames_and_where_results_lie(plan: Plan) -> None:
    [point] = plan.points
    execute.decode(plan.root, point, repeat="")
    with measuring(plan.root, point) as ruler:
        ruler.measure("picture", repeat="")
    told = gather(plan, collect_points(plan))
    files = told.points[point.address.folder.as_posix()]
    assert told.root == "../.."  # from reports/own/
    assert files.previews is not None and files.frames.startswith("frame\tpsnr_y_db")
    assert list(told.sequences) == ["bunny-mini@0+3"]
    assert told.sequences["bunny-mini@0+3"].md5 != files.previews.md5


def test_the_page_is_told_of_no_preview_once_nothing_may_be_published(plan: Plan) -> None:
    [point] = plan.points
    execute.decode(plan.root, point, repeat="")
    with measuring(plan.root, point) as ruler:
        ruler.measure("picture", repeat="")
    secret = replace(point, source=replace(point.source, may_publish="no"))
    told = gather(replace(plan, points=(secret,)), collect_points(plan))
    assert told.points[point.address.folder.as_posix()].previews is None
    assert told.sequences == {}


def test_the_page_is_told_what_a_failed_step_said_and_not_where(plan: Plan) -> None:
    [point] = plan.points
    folder = plan.root / point.address.folder
    (folder / "bitstream.bin").write_bytes(b"not what its record describes")
    with pytest.raises(RecordError):
        execute.decode(plan.root, point, repeat="invrbench decode it")
    failed = folder / "decode.failed.json"
    record = json.loads(failed.read_text())
    write_json(failed, record | {"log_tail": f"{plan.root}/anchors/x.py: no"})
    [row] = rows = collect_points(plan)
    assert "bitstream.bin is not the file" in row["reason"]
    assert str(plan.root) not in row["reason"]
    [failure] = gather(plan, rows).points[point.address.folder.as_posix()].failures
    assert failure.step == "decode" and failure.repeat == "invrbench decode it"
    assert failure.log_tail == "anchors/x.py: no"
    assert str(plan.root) not in failure.reason
