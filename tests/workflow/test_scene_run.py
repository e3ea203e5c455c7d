"""A scene goes through the whole run, is taken over from a copy, and becomes what is expected."""

import os
import shutil
from pathlib import Path

import pytest
from clone import REPOSITORY, Bench

CONDITIONS = """
schema: 1
name: court
title: "Conditions of a test"
budget: seconds
families: [picture]
headline: {anchor: mean, metrics: [psnr_y_db]}
anchors: [mean]
bd_metrics: [psnr_y_db]
tests:
  - sequences: ["ballcourt.v03v08@0+1"]
    configurations: [ai]
    codecs: [mean]
"""


def test_a_scene_is_coded_adopted_and_expected(bench: Bench, tmp_path: Path) -> None:
    codec = shutil.copytree(REPOSITORY / "tests/codecs/flat", bench.root / "anchors/mean")
    manifest = (codec / "codec.toml").read_text().replace('role = "control"', 'role = "anchor"')
    claims = '[claims]\nexpected = "expected.tsv"'
    (codec / "codec.toml").write_text(manifest.replace("[claims]", claims))
    header = "sequence configuration rate_point bitstream_bytes psnr_y_db bitstream_md5"
    header += " decoded_md5 ffmpeg_version\nnone ai q0 1 2 3 4 5\n"
    (codec / "expected.tsv").write_text(header.replace(" ", "\t"))
    (bench.root / "ctc/court.yaml").write_text(CONDITIONS)
    done = bench.run_all("court")
    assert done.returncode == 0, done.stderr
    rows = bench.points("court")
    assert [(row["view_set"], row["status"]) for row in rows] == [("test", "ok"), ("train", "ok")]
    assert [row["bitstream_bytes"] for row in rows] == ["15", "15"]

    copy = object.__new__(Bench)
    copy.root = tmp_path / "copy"
    shutil.copytree(bench.root, copy.root, ignore=shutil.ignore_patterns(".snakemake"))
    for index, path in enumerate(sorted(copy.root.glob("results/**/*"), reverse=True)):
        os.utime(path, (1_700_000_000 + index, 1_700_000_000 + index))
    adopted = copy.invrbench("adopt", "--ctc", "court")
    assert adopted.returncode == 0, adopted.stderr
    assert ": 1 ok." in adopted.stderr
    assert copy.planned("court") == {}

    written = bench.invrbench("expect", "mean", "--ctc", "court")
    assert written.returncode == 0, written.stderr
    assert "mean: 1 points expected" in written.stderr
    lines = (codec / "expected.tsv").read_text().splitlines()
    held = [line.split("\t") for line in lines if line.startswith("ballcourt")]
    assert [cells[:4] for cells in held] == [["ballcourt.v03v08@0+1", "any", "q0", "15"]]
    assert float(held[0][4]) == pytest.approx(float(rows[0]["psnr_y_db"]), abs=1e-4)
