"""A job on another machine, whose run ended without a word, gives way to the next run."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from invrbench.codec.stopping import ENTERED_VARIABLE
from invrbench.errors import BusyError
from invrbench.results import hold, paths

RUN, NEXT = "process 7, since then", "process 8, since later"
JOB = """
import time
from pathlib import Path
from invrbench.results import hold
hold._LOOK_SECONDS = 0.05
hold.share_tree(Path("."))
print("at work", flush=True)
time.sleep(600)
"""


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(ENTERED_VARIABLE, "elsewhere")
    monkeypatch.setenv(hold.RUN_VARIABLE, RUN)
    (tmp_path / paths.LOCK).parent.mkdir(parents=True)
    held(tmp_path, RUN)
    return tmp_path


def held(root: Path, name: str) -> None:
    (root / paths.LOCK).write_text(name)


def test_a_run_names_itself_to_its_jobs_as_in_its_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(hold.RUN_VARIABLE, RUN)
    monkeypatch.setattr(hold, "_held", [])
    hold.hold_tree(tmp_path)
    assert os.environ[hold.RUN_VARIABLE] == (tmp_path / paths.LOCK).read_text() != RUN
    hold._held.pop().close()


def test_a_job_that_starts_after_its_runs_successor_does_nothing(tree: Path) -> None:
    held(tree, NEXT)
    with pytest.raises(BusyError, match=f"\\({RUN}\\) has ended, and another holds results/"):
        hold.share_tree(tree)


def test_a_job_at_work_ends_when_another_run_takes_the_tree(tree: Path) -> None:
    job = subprocess.Popen([sys.executable, "-c", JOB], cwd=tree, stdout=subprocess.PIPE, text=True)
    assert job.stdout is not None
    assert job.stdout.readline() == "at work\n"
    held(tree, "")  # while the next one writes its name
    with pytest.raises(subprocess.TimeoutExpired):
        job.wait(1.0)
    held(tree, NEXT)
    try:
        job.communicate(timeout=60)
    finally:
        job.kill()
    assert job.returncode == -signal.SIGTERM
