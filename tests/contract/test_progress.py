"""`invrbench status`: jobs done and running, what fits say, failures with their reasons."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from contributions import CODEC, STILL
from invrbench.cli import main
from invrbench.results import progress
from invrbench.results.planning import load_plan

POINT = Path(f"results/{STILL}/{CODEC}/any/block8/s0")


def status(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    capsys.readouterr()
    assert main(["status", *words]) == 0
    return capsys.readouterr().out


def test_a_finished_run_has_all_jobs_done(bench: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = status(capsys)
    count = re.search(r"mini: (\d+) of (\d+) jobs done, 0 running\n", told)
    assert count is not None
    assert count[1] == count[2]
    assert "10 points: 10 ok" in told


def test_every_point_is_in_the_state_a_report_gives_it(
    bench: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key = json.loads((POINT / "decode.json").read_text())["key"]
    failed = {"key": key, "reason": "decode exited with status 3"}
    (POINT / "decode.json").unlink()
    (POINT / "decode.failed.json").write_text(json.dumps(failed))
    other = POINT.parents[1] / "block4" / "s0" / "encode.json"
    other.write_text(other.read_text().replace('"key": "', '"key": "0', 1))
    (POINT.parents[1] / "block2" / "s0" / "metrics" / "picture.json").unlink()
    told = status(capsys)
    assert "10 points: 1 failed, 7 ok, 1 stale, 1 to do" in told
    assert re.search(rf"1 {CODEC} +failed +decode exited with status 3", told)
    assert "jobs done, 0 running; about " in told


def test_a_job_of_this_tree_is_shown_while_it_runs_and_of_no_other(
    bench: Path, tmp_path: Path
) -> None:
    (tmp_path / "invrbench").symlink_to(sys.executable)
    asleep = [str(tmp_path / "invrbench"), "decode", str(POINT)]
    script = bench / "decode"  # which the interpreter runs
    script.write_text("import time\ntime.sleep(60)\n")
    here = subprocess.Popen(asleep, cwd=bench)
    try:
        (tmp_path / "elsewhere").mkdir()
        shutil.copy(script, tmp_path / "elsewhere" / "decode")
        there = subprocess.Popen(asleep, cwd=tmp_path / "elsewhere")
        try:
            time.sleep(0.3)
            jobs = progress.running_jobs(load_plan(bench, "mini"))
        finally:
            there.kill()
            there.wait()
    finally:
        here.kill()
        here.wait()
    assert [(job.verb, job.folder) for job in jobs] == [("decode", str(POINT))]


def test_without_a_terminal_watching_prints_once(
    bench: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = status(capsys, "--watch")
    assert told.count("jobs done") == 1
    assert "\x1b" not in told


def test_an_interval_that_is_none_is_told_with_what_was_expected(
    bench: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["status", "--watch", "0"])
    assert "'0': expected seconds from 0.2 to 3600" in capsys.readouterr().err


def test_the_slowest_jobs_since_a_moment_are_ranked(bench: Path) -> None:
    plan = load_plan(bench, "mini")
    every = progress.slowest(plan, 0.0)
    assert len(every) == 10
    seconds = [float(line.split()[0]) for line in every]
    assert seconds == sorted(seconds, reverse=True)
    assert progress.slowest(plan, time.time() + 60) == []
    soon = time.time() + 3600
    os.utime(POINT / "decode.json", (soon, soon))
    (one,) = progress.slowest(plan, time.time() + 60)
    assert one.endswith(f"decode  {POINT}")
