"""`invrbench measure-point`: one job for all families of a point, which repeats none of them."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from contributions import CODEC, STILL
from invrbench.cli import main

POINT = Path("results") / STILL / CODEC / "any" / "block8" / "s0"
CONDITIONS = ["--ctc", "both"]


@pytest.fixture
def bench(contributed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with a measured point, and conditions that ask for one more family."""
    folder = tmp_path / "bench"
    shutil.copytree(contributed, folder, symlinks=True)
    text = (folder / "ctc" / "mini.yaml").read_text()
    text = text.replace("name: mini", "name: both")
    text = text.replace("families: [picture]", "families: [picture, ffmpeg]")
    (folder / "ctc" / "both.yaml").write_text(text)
    monkeypatch.chdir(folder)
    return folder


def times(folder: Path) -> dict[str, int]:
    return {path.stem: path.stat().st_mtime_ns for path in (folder / "metrics").glob("*.json")}


def test_what_is_current_is_not_measured_again_and_the_table_holds_all(bench: Path) -> None:
    before = times(POINT)
    assert main(["measure-point", str(POINT), *CONDITIONS]) == 0
    after = times(POINT)
    assert set(after) == {"picture", "ffmpeg"}
    assert after["picture"] == before["picture"]
    columns = (POINT / "frames.tsv").read_text().splitlines()[0].split("\t")
    assert {"psnr_y_db", "xpsnr_y_db"} <= set(columns)


def test_a_family_that_is_named_is_measured_again(bench: Path) -> None:
    before = times(POINT)
    assert main(["measure-point", str(POINT), "picture", *CONDITIONS]) == 0
    after = times(POINT)
    assert set(after) == {"picture"}
    assert after["picture"] > before["picture"]


def test_measurements_of_other_frames_are_not_current(bench: Path) -> None:
    record = json.loads((POINT / "metrics" / "picture.json").read_text())
    shutil.copy(
        POINT.parents[1] / "block4" / "s0" / "metrics" / "picture.json",
        POINT / "metrics" / "picture.json",
    )
    assert main(["measure-point", str(POINT)]) == 0
    again = json.loads((POINT / "metrics" / "picture.json").read_text())
    assert again["values"] == record["values"]
    assert again["inputs"] == record["inputs"]


def test_a_family_that_fails_keeps_no_other_from_being_measured(
    bench: Path,
) -> None:
    (POINT / "metrics" / "picture.json").unlink()
    (POINT / "frames.tsv").unlink()
    done = subprocess.run(
        [sys.executable, "-m", "invrbench.cli", "measure-point", str(POINT), *CONDITIONS],
        env={**os.environ, "INVRBENCH_FFMPEG": str(bench / "no-ffmpeg")},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert set(times(POINT)) == {"picture", "ffmpeg.failed"}
    failed = json.loads((POINT / "metrics" / "ffmpeg.failed.json").read_text())
    assert "is not an executable file" in failed["reason"]
    assert failed["repeat"] == f"invrbench measure-point {POINT} ffmpeg --ctc both"
    assert "is not an executable file" in done.stderr
    assert not (POINT / "frames.tsv").exists()


def test_an_unknown_family_gets_a_sentence_with_the_nearest(
    bench: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["measure-point", str(POINT), "pictures", *CONDITIONS]) == 1
    assert "not measured by 'pictures'" in (told := capsys.readouterr().err)
    assert "nearest: picture" in told
