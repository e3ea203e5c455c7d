"""Pictures that conditions ask for: checked names, the frames they show, and the report's files."""

import csv
import io
import shutil
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from invrbench.ctc.conditions import load_conditions
from invrbench.ctc.pictures import Crop, ViewPicture
from invrbench.ctc.sequences import load_sequences
from invrbench.errors import ConditionsError
from invrbench.report import slices
from invrbench.report.pictures import draw
from invrbench.report.run import write_run_report
from invrbench.results import execute
from invrbench.results.measuring import measuring
from invrbench.results.pictures import Strip, pixels_on, read_strips
from invrbench.results.plan import Plan
from invrbench.results.planning import load_plan
from invrbench.results.points import collect_points, view_rows
from invrbench.results.sources import prepare_source
from report_points import info

REPOSITORY = Path(__file__).resolve().parents[2]
SEQUENCES = load_sequences(REPOSITORY / "ctc" / "sequences")
COURT = "ballcourt.v03v08@0+2"
IMAGES = REPOSITORY / "ctc" / "sequences" / "data" / "ballcourt" / "images"
TEXT = f"""
schema: 1
name: own
title: Own
budget: seconds
families: [picture, view]
headline: {{anchor: hevc, metrics: [psnr_rgb_db]}}
anchors: [hevc]
grids: {{hevc: {{qp: [32]}}}}
tests:
  - sequences: ["{COURT}", bunny-mini@0+8]
    configurations: [ld]
    codecs: [hevc, flat, store]
pictures:
  - name: coded
    title: A coded view
    sequence: "{COURT}"
    view: v05
    instants: [1, 0]
    crop: {{x: 40, y: 30, width: 32, height: 24}}
    line: [[0, 60], [127, 70]]
    points: {{store: "*", flat: "*", hevc: qp32}}
  - name: held-out
    title: A held-out view
    sequence: "{COURT}"
    view: v03
    instants: [0]
    crop: {{x: 0, y: 0, width: 32, height: 24}}
    points: {{flat: "*", hevc: qp32}}
  - name: clip
    title: A clip
    sequence: bunny-mini@0+8
    instants: [7]
    crop: {{x: 0, y: 0, width: 32, height: 24}}
    points: {{store: "*"}}
"""


def write(folder: Path, text: str = TEXT) -> Path:
    path = folder / "own.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def tree(folder: Path, text: str = TEXT) -> Path:
    """A repository with these conditions, and this one's codecs and sequences."""
    (folder / "ctc").mkdir()
    write(folder / "ctc", text)
    (folder / "ctc" / "sequences").symlink_to(REPOSITORY / "ctc" / "sequences")
    for name in ("anchors", "proposals", "tests"):
        (folder / name).symlink_to(REPOSITORY / name)
    return folder


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("    view: v05\n", "", f"the picture coded of {COURT}: add the view it shows."),
        ("    instants: [7]", "    view: v0\n    instants: [7]", "drop view: a video has none."),
        (f'sequence: "{COURT}"', "sequence: ballcourt@0+2", "names ballcourt@0+2, which no test"),
        ("hevc: qp32", "hevk: qp32", "the codec hevk, which no test runs on ballcourt.v03v08@0+2"),
        ("[1, 0]", "[1, 2]", "shows instant 2; ballcourt.v03v08@0+2 has instants 0 to 1."),
        ("x: 40", "x: 100", "32x24 at column 100, row 30 leaves the picture of 128x96."),
        ("height: 24", "height: 49", "its crop of 49 rows cannot be shown enlarged"),
        ("[127, 70]", "[128, 70]", "line ends at column 128, row 70; a picture of 128x96 has col"),
        ("name: held-out", "name: coded-xt", "two pictures share a name"),
        ("[127, 70]]", "[127, 70, 1]]", "pictures[0].line[1]"),
    ],
)
def test_a_picture_of_what_is_not_there_is_refused(
    tmp_path: Path, old: str, new: str, expected: str
) -> None:
    assert old in TEXT
    with pytest.raises(ConditionsError) as caught:
        load_conditions(write(tmp_path, TEXT.replace(old, new, 1)), SEQUENCES)
    assert "own.yaml: " in str(caught.value)
    assert expected in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("view: v05", "view: v5", f"the picture coded: {COURT} has no view v5; nearest: v05"),
        ("hevc: qp32", "hevc: qp33", f"no rate point of hevc on {COURT} is called 'qp33'; nearest"),
    ],
)
def test_a_view_or_a_point_that_nobody_plans_is_refused(
    tmp_path: Path, old: str, new: str, expected: str
) -> None:
    with pytest.raises(ConditionsError) as caught:
        load_plan(tree(tmp_path, TEXT.replace(old, new, 1)), "own")
    assert expected in str(caught.value)


def test_points_of_pictures_keep_their_frames_and_others_do_not() -> None:
    conditions = load_conditions(REPOSITORY / "ctc" / "smoke.yaml", SEQUENCES)
    assert conditions.pictures == ()
    assert not any(point.keep_decoded for point in load_plan(REPOSITORY, "smoke").points)


def test_a_slanted_line_takes_the_nearest_pixel_of_each_step_from_its_first_end() -> None:
    columns, rows = pixels_on((6, 1), (0, 4))
    # rows 1, 1.5, 2, 2.5, 3, 3.5, 4; halves go to the even row
    assert rows.tolist() == [1, 2, 2, 2, 3, 4, 4]
    assert columns.tolist() == [6, 5, 4, 3, 2, 1, 0]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    """A run whose controls are coded and measured, and whose anchor is not."""
    plan = load_plan(tree(tmp_path_factory.mktemp("run")), "own")
    for sequence, source in plan.sources.items():
        prepare_source(plan.root, source, sequence)
    for point in plan.points:
        if point.manifest.role == "control":
            execute.encode(plan.root, point, repeat="")
            execute.decode(plan.root, point, repeat="")
            with measuring(plan.root, point) as ruler:
                for family in point.family_keys:
                    ruler.measure(family, repeat="")
    return plan


def strips(plan: Plan, name: str) -> dict[str, Strip]:
    (picture,) = (each for each in plan.conditions.pictures if each.name == name)
    rows = [*collect_points(plan), *view_rows(plan)]
    return {strip.codec: strip for strip in read_strips(plan, picture, rows)}


def test_pictured_points_alone_are_kept(run: Plan) -> None:
    kept = {(p.address.codec, p.address.sequence) for p in run.points if p.keep_decoded}
    assert kept == {
        ("store", COURT), ("flat", COURT), ("hevc", COURT), ("store", "bunny-mini@0+8")
    }  # fmt: skip


def test_what_may_not_be_published_shows_its_reason_and_no_picture(run: Plan) -> None:
    kept = [replace(p, source=replace(p.source, may_publish="no")) for p in run.points]
    plan = replace(run, points=tuple(kept))
    for picture in plan.conditions.pictures:
        (strip,) = strips(plan, picture.name).values()
        assert strip == Strip(reason=f"no picture of {picture.sequence} may be published")
        assert (strip.instants, strip.line) == ((), None)


def test_the_source_is_shown_as_its_files_are(run: Plan) -> None:
    # the entry is yuv420p: luma is what its chroma cannot move, but for clipped colours
    def luma(rgb: Any) -> Any:
        return np.asarray(rgb, float) @ [0.2126, 0.7152, 0.0722]

    files = [cv2.imread(str(IMAGES / "v05" / f"00{index}.png"))[..., ::-1] for index in (0, 1)]
    source = strips(run, "coded")[""]
    assert source.line is not None
    for shown, file, other in zip(source.instants, files[::-1], files, strict=True):
        assert np.abs(luma(shown) - luma(file)).mean() < 0.6
        assert np.abs(luma(shown) - luma(other)).mean() > 1.2
    for seen, file in zip(source.line, files, strict=True):
        ends = luma(np.stack([file[60, 0], file[70, 127]]))
        assert np.abs(luma(seen[[0, -1]]) - ends).max() < 2
        assert (seen[0] == source.instants[1 if file is files[0] else 0][60, 0]).all()


def test_a_lossless_codec_s_archived_frames_are_the_source_s(run: Plan) -> None:
    for name in ("coded", "clip"):
        shown = strips(run, name)
        for ours, theirs in zip(shown["store"].instants, shown[""].instants, strict=True):
            assert (ours == theirs).all()
    assert strips(run, "coded")["store"].reason == ""


def test_a_missing_point_and_a_view_nobody_renders_are_told(run: Plan) -> None:
    assert strips(run, "coded")["hevc"].reason == "missing: encode: not run"
    assert "does not render view v03" in strips(run, "held-out")["hevc"].reason


def test_frames_that_are_gone_say_how_to_get_them_back(run: Plan, tmp_path: Path) -> None:
    shutil.copytree(run.root, tmp_path / "copy", symlinks=True)
    shutil.rmtree(tmp_path / "copy" / "results" / ".frames")
    gone = strips(replace(run, root=tmp_path / "copy"), "coded")["store"]
    assert gone.instants == ()
    folder = f"results/{COURT}/store/any/"
    assert gone.reason.startswith(f"its decoded frames are gone; run `invrbench decode {folder}")
    assert gone.reason.endswith("--ctc own`, then this report again")


def test_points_that_a_filter_removed_are_told(run: Plan) -> None:
    less = load_plan(run.root, "own", only="flat")
    assert strips(less, "coded")["store"].reason.startswith("not part of this run (only=flat")


def test_a_report_of_scenes_holds_views_and_pictures(run: Plan) -> None:
    openpyxl = pytest.importorskip("openpyxl", reason="needs openpyxl, see the extra 'test'")
    write_run_report(run)
    folder = run.root / "reports" / "own"
    names = {path.name for path in (folder / "pictures").iterdir()}
    assert names == {"coded.png", "coded-xt.png", "held-out.png", "clip.png"}
    with warnings.catch_warnings():
        # openpyxl itself calls datetime.utcnow(), deprecated since Python 3.12
        warnings.simplefilter("ignore", DeprecationWarning)
        book = openpyxl.load_workbook(io.BytesIO((folder / "results.xlsx").read_bytes()))
    assert len(book["Pictures"]._images) == 4
    texts = [str(row[0].value) for row in book["Pictures"].iter_rows()]
    assert any(text.startswith("store, ") and "PSNR-RGB: lossless" in text for text in texts)
    assert any(text.endswith("qp32: missing: encode: not run") for text in texts)
    titles = [str(row[0].value) for row in book["Views"].iter_rows()]
    blocks = [title for title in titles if title.startswith(COURT)]
    assert blocks == [
        f"{COURT} · view v03 (test)",
        f"{COURT} · view v08 (test)",
        f"{COURT} · mean of test views v03, v08",
        f"{COURT} · view v05 (train)",
    ]


def table(folder: Path) -> list[dict[str, Any]]:
    with (folder / "views.tsv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def test_views_tsv_has_a_row_per_point_and_view_and_the_source_s_own(run: Plan) -> None:
    write_run_report(run)
    rows = table(run.root / "reports" / "own")
    found = {(row["codec"], row["view"]): row for row in rows}
    assert len(found) == len(rows)
    assert set(found) == {
        *(("source", view) for view in ("v03", "v05", "v08")),
        *(("flat", view) for view in ("v03", "v05", "v08")),
        ("store", "v05"),
        ("hevc", "v05"),
    }
    lossless = found["store", "v05"]
    assert (lossless["psnr_rgb_db"], lossless["psnr_rgb_db_reason"]) == ("", "lossless")
    # what decodes to the source has the source's own warping error, which is not zero
    assert lossless["warping_error"] == found["source", "v05"]["warping_error"]
    assert float(lossless["warping_error"]) > 1e-4
    assert found["hevc", "v05"]["status"] == "missing"
    assert found["hevc", "v05"]["psnr_rgb_db"] == ""
    assert found["hevc", "v05"]["qp"] == "32"
    # the mean over views is what points.tsv holds
    flat = [float(found["flat", view]["psnr_rgb_db"]) for view in ("v03", "v08")]
    (point,) = (
        row for row in collect_points(run) if (row["codec"], row["view_set"]) == ("flat", "test")
    )
    assert point["psnr_rgb_db"] == pytest.approx(np.mean(flat), abs=1e-6)


def test_the_line_is_marked_in_a_large_picture_s_thumbnail_too() -> None:
    wide = np.full((400, 1280, 3), 128, np.uint8)
    strip = Strip(instants=(wide,), line=np.full((2, 1280, 3), 128, np.uint8))
    crop = Crop(0, 0, 100, 100)
    picture = ViewPicture("p", "P", "S", (0,), crop, {}, line=((0, 200), (1279, 200)))
    (data,) = (d for name, d in draw(picture, [strip], info()).files.items() if "-xt" in name)
    read = cv2.imdecode(np.frombuffer(data, np.uint8), 1)[..., ::-1]
    top = slices.MARGIN + slices.LABEL_HEIGHT + 100  # half as large: row 200 is row 100
    assert (read[top, slices.MARGIN : slices.MARGIN + 640 : 2] == slices.MARK).all()


def test_pictures_that_conditions_no_longer_ask_for_go(run: Plan) -> None:
    folder = run.root / "reports" / "own" / "pictures"
    write_run_report(run)
    (folder / "of-before.png").write_bytes(b"")
    write_run_report(run)
    assert not (folder / "of-before.png").exists()
    assert (folder / "coded.png").exists()
