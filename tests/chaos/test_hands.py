"""What people do to a run: stop it, start a second one, type verbs beside it, move its results."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import kills
import psutil
import pytest
from clone import Bench

FIT = """
import json, pathlib, sys, time
job = json.load(open(sys.argv[1]))
state = pathlib.Path(job["checkpoint"]) / "step"
first = int(state.read_text()) if state.exists() else 0
print("resumed at", first, flush=True)
for step in range(first, 400):
    time.sleep(0.05 if (pathlib.Path(job["source"]["path"]).parents[2] / "slow").exists() else 0)
    state.with_name("partial").write_text(str(step + 1))
    state.with_name("partial").replace(state)
pathlib.Path("model").mkdir()
pathlib.Path("model/weights").write_text("400")
"""
GRID = """fit = ["f"]
bits = [3]
[fits.f]
[fits.f.budgets.seconds]
steps = 400
"""
FOLDER = "results/bikes-tiny/slow/any/fits/f.seconds/s0"
ENDING_SECONDS = 30.0  # for all of a run on a busy machine; its jobs take a part of that


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """A bench whose fit takes 20 s while there is a file named slow, then no time."""
    bench = Bench(tmp_path / "bench")
    bench.add_codec("base", role="anchor", configuration="ai", grid="bits = [2, 3]")
    bench.add_codec("slow", grid=GRID, fit='fit = ["{python}", "{codec}/fit.py"]')
    (bench.root / "proposals/slow/fit.py").write_text(FIT)
    bench.add_conditions("siege", "base", "slow")
    (bench.root / "slow").touch()
    return bench


class Started:
    """A run whose fit is under way."""

    def __init__(self, bench: Bench) -> None:
        self.output = bench.root / "output.log"
        self.run = kills.Run(bench, self.output)
        self.step = bench.root / FOLDER / "checkpoint/step"
        deadline = time.monotonic() + 120
        while not (self.step.is_file() and int(self.step.read_text()) >= 5):
            assert not self.run.is_over and time.monotonic() < deadline, self.said
            time.sleep(0.05)
        self.jobs = kills.descendants(self.run.process)

    @property
    def said(self) -> str:
        """What it printed."""
        return self.output.read_text(errors="replace")


@pytest.mark.parametrize(
    ("whom", "number"),
    [("group", signal.SIGINT), ("main process", signal.SIGTERM)],
    ids=["Ctrl-C", "SIGTERM"],
)
def test_a_run_that_is_told_to_stop_ends_its_children_and_goes_on_when_started_again(
    bench: Bench, whom: str, number: signal.Signals
) -> None:
    started = Started(bench)
    try:
        start = time.monotonic()
        (os.killpg if whom == "group" else os.kill)(started.run.process.pid, number)
        assert kills.survivors(started.jobs) == []
        started.run.wait(ENDING_SECONDS)
        assert time.monotonic() - start < ENDING_SECONDS
        assert kills.survivors([], bench.root) == []
    finally:
        started.run.end()
    assert started.run.status != 0
    assert "Traceback" not in started.said
    assert "The same command goes on from here" in started.said
    assert list(bench.root.glob("results/.jobs/*")) == []
    assert not list(bench.root.glob("results/**/*.failed.json"))
    reached = int(started.step.read_text())
    (bench.root / "slow").unlink()
    done = bench.run_all("siege")
    assert done.returncode == 0, done.stdout + done.stderr
    log = (bench.root / FOLDER / "fit.log").read_text()
    resumed = re.match(r"resumed at (\d+)", log)
    assert resumed and int(resumed[1]) == reached
    record = json.loads((bench.root / FOLDER / "fit.json").read_text())
    assert record["wall_seconds"] > record["earlier_seconds"] > 0
    assert {row["status"] for row in bench.points("siege")} == {"ok"}


def test_programs_that_a_codec_started_end_with_a_killed_run(bench: Bench) -> None:
    (bench.root / "slow").unlink()
    encode = bench.root / "anchors/base/encode.py"
    encode.write_text("import subprocess\nsubprocess.run(['sleep', '300'])\n")
    run = kills.Run(bench, bench.root / "output.log")
    try:
        deadline = time.monotonic() + 120
        while not (below := [p for p in kills.descendants(run.process) if _is_sleep(p)]):
            assert not run.is_over and time.monotonic() < deadline
            time.sleep(0.05)
        run.kill()
        assert kills.survivors(below, bench.root) == []
    finally:
        run.end()
        for process in below:
            process.kill() if process.is_running() else None


def _is_sleep(process: psutil.Process) -> bool:
    return kills.words_of(process)[:1] == ["sleep"]


def test_a_second_run_and_verbs_by_hand_are_refused_beside_a_run(bench: Bench) -> None:
    started = Started(bench)
    try:
        second = bench.run_all("siege")
        by_hand = {
            verb: bench.invrbench(verb, *words, "--ctc", "siege")
            for verb, *words in (
                ("source", "bikes-tiny"),
                ("fit", FOLDER),
                ("encode", "results/bikes-tiny/base/ai/bits2/s0"),
                ("decode", "results/bikes-tiny/base/ai/bits2/s0"),
                ("measure-point", "results/bikes-tiny/base/ai/bits2/s0", "picture"),
            )
        }
        accepts = bench.invrbench("accept", "*", "--because", "it is the same", "--ctc", "siege")
        looks = bench.invrbench("status", "--ctc", "siege")
        assert not started.run.is_over
        pid = started.run.process.pid
    finally:
        started.run.end()
    assert second.returncode != 0 and "Traceback" not in second.stderr
    assert f"another run holds results/: process {pid}, since" in second.stderr
    for verb, done in by_hand.items():
        assert done.returncode == 1, verb
        assert f"invrbench {verb}: a run holds results/ (process {pid}, since" in done.stderr
        assert "Traceback" not in done.stderr
    assert accepts.returncode == 1 and "a run holds results/" in accepts.stderr
    assert looks.returncode == 0, looks.stderr


def test_a_run_beside_a_verb_by_hand_is_refused(bench: Bench) -> None:
    assert bench.invrbench("source", "bikes-tiny", "--ctc", "siege").returncode == 0
    words = [sys.executable, "-m", "invrbench.cli", "fit", FOLDER, "--ctc", "siege"]
    verb = subprocess.Popen(words, cwd=bench.root, env=bench.environment, stderr=subprocess.DEVNULL)
    try:
        step = bench.root / FOLDER / "checkpoint/step"
        deadline = time.monotonic() + 60
        while not step.is_file():
            assert verb.poll() is None and time.monotonic() < deadline
            time.sleep(0.05)
        below = kills.descendants(psutil.Process(verb.pid))
        run = bench.run_all("siege")
        verb.send_signal(signal.SIGTERM)
        assert verb.wait(20) == 130
        assert kills.survivors(below, bench.root) == []
    finally:
        verb.kill()
        verb.wait()
    assert run.returncode != 0 and "Traceback" not in run.stderr
    assert "results/ is being written by a verb that someone typed" in run.stderr
    assert list(bench.root.glob("results/.jobs/*")) == []


def test_a_results_tree_that_moved_is_still_done(bench: Bench, tmp_path: Path) -> None:
    (bench.root / "slow").unlink()
    assert bench.run_all("siege").returncode == 0
    elsewhere = tmp_path / "another place" / "bench"
    elsewhere.parent.mkdir()
    bench.root.rename(elsewhere)
    bench.root = elsewhere
    assert bench.planned("siege") == {}
    (elsewhere / "results").rename(tmp_path / "results")
    (elsewhere / "results").symlink_to(tmp_path / "results")
    assert bench.planned("siege") == {}
    (elsewhere / "results/bikes-tiny/base/ai/bits2/s0/encode.json").unlink()
    done = bench.run_all("siege")
    assert done.returncode == 0, done.stderr
    assert {row["status"] for row in bench.points("siege")} == {"ok"}
    assert kills.leftovers(elsewhere) == []
