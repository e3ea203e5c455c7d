"""A program that is run is bounded, and nothing of it is left behind."""

import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from invrbench.codec import process
from invrbench.codec.process import Limits, Outcome, run_bounded

DAEMON = """
import os, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        with open("pid", "w") as file:
            file.write(str(os.getpid()))
        os.close(0); os.close(1); os.close(2)
        time.sleep(60)
    os._exit(0)
os.wait()
while not os.path.exists("pid") or not open("pid").read():
    time.sleep(0.01)
"""


def run(code: str, folder: Path, limits: Limits | None = None) -> Outcome:
    (folder / "work").mkdir()
    return run_bounded(
        [sys.executable, "-c", code],
        cwd=folder / "work",
        env={"PATH": "/usr/bin:/bin"},
        log=folder / "verb.log",
        limits=limits or Limits(mem_mb=500, runtime_min=0.5),
    )


@pytest.mark.parametrize("ending", ["", "\nsys.exit(3)", "\ntime.sleep(60)"])
def test_a_daemon_does_not_outlive_the_program_that_forked_it_twice(
    ending: str, tmp_path: Path
) -> None:
    outcome = run(DAEMON + ending, tmp_path, Limits(mem_mb=500, runtime_min=0.02))
    assert not psutil.pid_exists(int((tmp_path / "work" / "pid").read_text()))
    assert len(outcome.left_running) >= 1


def test_a_helper_that_ends_soon_after_is_not_left_running(tmp_path: Path) -> None:
    code = 'import subprocess; subprocess.Popen(["sleep", "0.3"])'
    assert run(code, tmp_path).left_running == ()


def test_processes_that_were_there_before_are_let_alone(tmp_path: Path) -> None:
    with subprocess.Popen(["sleep", "60"]) as other:
        try:
            assert run(DAEMON, tmp_path).left_running != ()
            assert other.poll() is None
        finally:
            other.kill()


def test_a_program_that_starts_another_while_it_is_killed_ends(tmp_path: Path) -> None:
    code = (
        "import os, sys, time\n"
        "for _ in range(300):\n"
        "    if os.fork() == 0:\n"
        "        continue\n"
        "    time.sleep(0.01)\n"
        "    os._exit(0)\n"
        "time.sleep(60)\n"
    )
    before = set(psutil.Process().children(recursive=True))
    run(code, tmp_path, Limits(mem_mb=500, runtime_min=0.01))
    assert set(psutil.Process().children(recursive=True)) <= before


def test_a_log_without_end_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "_LOG_BYTES", 100_000)
    start = time.monotonic()
    outcome = run("while True: print('x' * 1000)", tmp_path)
    assert outcome.failure == "was stopped after printing more than 100000 bytes"
    assert time.monotonic() - start < 20


@pytest.mark.parametrize(
    ("code", "what"),
    [
        ("open('x', 'wb').write(bytes(90_000))", "writing"),
        ("[open(f'x{i}', 'wb').write(bytes(30_000)) for i in range(3)]; raise OSError", "writing"),
        ("print('x' * 90_000, flush=True)", "printing"),
    ],
)
def test_a_program_that_fills_what_it_may_write_is_told_so_however_fast_it_was(
    code: str, what: str, tmp_path: Path
) -> None:
    outcome = run(code, tmp_path, Limits(mem_mb=500, runtime_min=0.5, output_bytes=80_000))
    assert outcome.failure == f"was stopped after {what} more than 80000 bytes"
