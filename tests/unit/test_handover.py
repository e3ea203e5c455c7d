"""What a run hands to its jobs: trusted while it is what the run saw, looked up anew if not."""

import os
import shutil
import time
from pathlib import Path

import pytest
from invrbench.results import handover, paths
from invrbench.results.plan import Plan
from invrbench.results.planning import load_plan
from invrbench.video import ffmpeg

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture
def plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plan:
    """The plan of a repository of one's own, handed over."""
    shutil.copytree(
        REPOSITORY / "tests" / "codecs" / "flat", tmp_path / "tests" / "codecs" / "flat"
    )
    (tmp_path / "ctc").mkdir()
    (tmp_path / "ctc" / "sequences").symlink_to(REPOSITORY / "ctc" / "sequences")
    (tmp_path / "ctc" / "own.yaml").write_text(
        "schema: 1\nname: own\ntitle: own\nbudget: seconds\nfamilies: [picture]\n"
        "headline: {anchor: flat, metrics: [psnr_y_db]}\nanchors: [flat]\n"
        "tests:\n  - {sequences: [bikes-tiny], configurations: [ai], codecs: [flat]}\n"
    )
    (tmp_path / paths.RESULTS).mkdir()
    for name in (handover.VARIABLE, ffmpeg.HANDED_VARIABLE):
        monkeypatch.setenv(name, "")  # put back afterwards
    made = load_plan(tmp_path, "own")
    time.sleep(0.05)  # files of the codec are older than the plan
    handover.hand_over(made)
    return made


def changed(plan: Plan) -> bool:
    manifest = plan.runnable[0].manifest
    return handover.has_changed_since(plan.root, manifest, "encode", "decode")


def test_the_plan_that_was_handed_over_is_taken(plan: Plan) -> None:
    taken = handover.take_over(plan.root, "own")
    assert taken is not None
    assert [p.address for p in taken.points] == [p.address for p in plan.points]
    assert next(iter(taken.point_by_folder.values())).records == plan.points[0].records
    assert handover.take_over(plan.root, "other") is None
    assert not changed(plan)


@pytest.mark.parametrize("name", ["encode.py", "codec.toml", "numpy.py"])
def test_code_that_is_written_or_comes_after_the_plan_is_noticed(plan: Plan, name: str) -> None:
    path = plan.runnable[0].manifest.folder / name
    path.write_text((path.read_text() if path.is_file() else "") + "\n# later\n")
    assert changed(plan)


def test_code_that_went_away_is_noticed(plan: Plan) -> None:
    (plan.runnable[0].manifest.folder / "decode.py").unlink()
    assert changed(plan)


@pytest.fixture
def handed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An ffmpeg that was found, handed over and can no more be run."""
    monkeypatch.setenv(ffmpeg.HANDED_VARIABLE, "")
    binary = tmp_path / "ffmpeg"
    binary.write_text("#!/bin/sh\necho ffmpeg version 7.7\n")
    binary.chmod(0o755)
    monkeypatch.setenv(ffmpeg.ENVIRONMENT_VARIABLE, str(binary))
    ffmpeg.find_ffmpeg.cache_clear()
    ffmpeg.hand_over_ffmpeg()
    ffmpeg.find_ffmpeg.cache_clear()
    return binary


@pytest.fixture(autouse=True)
def _forget() -> object:
    yield
    ffmpeg.find_ffmpeg.cache_clear()


def test_the_runs_ffmpeg_is_not_looked_up_again(handed: Path) -> None:
    status = handed.stat()
    handed.write_text("#!/bin/sh\necho ffmpeg version 8.8\n")  # as many bytes
    os.utime(handed, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert ffmpeg.find_ffmpeg().version == "7.7"


def test_another_file_in_its_place_is_looked_up(handed: Path) -> None:
    handed.write_text("#!/bin/sh\necho ffmpeg version 8.8.1\n")
    assert ffmpeg.find_ffmpeg().version == "8.8.1"


def test_an_ffmpeg_that_is_named_later_wins(handed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = handed.with_name("other")
    other.write_text("#!/bin/sh\necho ffmpeg version 9.9\n")
    other.chmod(0o755)
    monkeypatch.setenv(ffmpeg.ENVIRONMENT_VARIABLE, str(other))
    assert ffmpeg.find_ffmpeg().version == "9.9"
