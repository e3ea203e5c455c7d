"""Anchors that no longer give what their folder expects are named, with how far they moved."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from invrbench.codec.manifest import read_manifest
from invrbench.errors import ManifestError
from invrbench.results.expected import drift_notes, find_drifts, write_expected

MANIFEST = """
schema = 1
name = "A"
summary = "an anchor"
role = "anchor"
[supports]
tracks = ["video"]
configurations = ["ai"]
pixel_formats = ["yuv420p"]
[commands]
encode = ["{python}", "{codec}/e.py"]
decode = ["{python}", "{codec}/d.py"]
[rate_points]
qp = [22]
[claims]
expected = "expected.tsv"
"""
HEADER = (
    "sequence\tconfiguration\trate_point\tbitstream_bytes\tpsnr_y_db\tbitstream_md5\tdecoded_md5"
    "\tffmpeg_version\n"
)
ROW = {
    "sequence": "s",
    "cut": "0+8",
    "configuration": "ai",
    "rate_point": "qp22",
    "status": "ok",
    "bitstream_bytes": 1010,
    "psnr_y_db": 40.25,
    "bitstream_md5": "aa",
    "decoded_md5": "bb",
}


@pytest.fixture
def anchor(tmp_path: Path):
    folder = tmp_path / "a"
    folder.mkdir()
    (folder / "codec.toml").write_text(MANIFEST)
    (folder / "expected.tsv").write_text(
        HEADER + "s@0+8\tai\tqp22\t1000\t40.0000\taa\tbb\tn9.0.1\n"
    )
    return read_manifest(folder)["a"]


def test_equal_md5s_are_no_drift(anchor) -> None:
    assert find_drifts(anchor, [ROW], "n9.0.2") == []


def test_another_bitstream_is_a_drift_with_its_size_in_percent_and_db(anchor) -> None:
    (drift,) = find_drifts(anchor, [{**ROW, "bitstream_md5": "cc"}], "n9.0.2")
    assert drift.rate_percent == pytest.approx(1.0)
    assert drift.psnr_db == pytest.approx(0.25)
    assert (drift.expected_version, drift.found_version) == ("n9.0.1", "n9.0.2")


def test_a_failed_point_is_no_drift(anchor) -> None:
    assert find_drifts(anchor, [{**ROW, "status": "failed", "bitstream_md5": None}], "x") == []


def of_scene(view_set: str, psnr: float, **changes) -> dict:
    scene = {"sequence": "court.v3", "codec": "a", "variant": "", "view_set": view_set}
    return {**ROW, **scene, "psnr_y_db": psnr, **changes}


def test_a_scene_s_point_is_expected_once_with_the_psnr_of_its_first_view_set(
    anchor, tmp_path: Path
) -> None:
    rows = [of_scene("test", 30.0), of_scene("train", 33.0)]
    assert write_expected(anchor, rows, tmp_path) == 1
    table = (anchor.folder / "expected.tsv").read_text().splitlines()
    assert [line.split("\t")[:5] for line in table[1:]] == [
        ["court.v3@0+8", "ai", "qp22", "1010", "30.0000"],
        ["s@0+8", "ai", "qp22", "1000", "40.0000"],
    ]


def test_a_scene_that_drifts_is_counted_once_and_compared_by_one_view_set(
    anchor, tmp_path: Path
) -> None:
    write_expected(anchor, [of_scene("test", 30.0), of_scene("train", 33.0)], tmp_path)
    new = {"bitstream_md5": "cc"}
    rows = [of_scene("test", 30.5, **new), of_scene("train", 32.0, **new)]
    (drift,) = find_drifts(anchor, rows, "x")
    assert drift.place == ("court.v3@0+8", "ai", "qp22")
    assert drift.psnr_db == pytest.approx(0.5)
    (note,) = drift_notes(SimpleNamespace(manifests={"a": anchor}), rows)
    assert "a drifted from its expected points: 1 of 1 differ" in note


def test_a_table_that_is_named_but_absent_is_refused(anchor) -> None:
    (anchor.folder / "expected.tsv").unlink()
    with pytest.raises(ManifestError, match=r"\[claims\]\.expected names 'expected\.tsv'"):
        find_drifts(anchor, [ROW], "x")
