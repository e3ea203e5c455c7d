"""Processes of a run end with it, and take along what they started."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from invrbench.codec.stopping import ENTERED_VARIABLE

REPOSITORY = Path(__file__).resolve().parents[2]
TAKING_ALONG = """
import subprocess, sys, time
from invrbench.codec import stopping
stopping._take_along()
child = [sys.executable, "-c", "import subprocess; subprocess.run(['sleep', '300'])"]
subprocess.Popen(child)
print("at work", flush=True)
time.sleep(300)
"""
LISTENING = """
import time
from invrbench.codec import stopping
stopping.follow_the_run()
try:
    print("at work", flush=True)
    time.sleep(60)
except KeyboardInterrupt:
    stopping.os.kill(stopping.os.getpid(), stopping.signal.SIGTERM)
    print("cleared up", flush=True)
"""


def test_a_verb_whose_run_has_ended_before_it_listened_stops_at_once() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "invrbench.cli", "report", "--ctc", "smoke"],
        cwd=REPOSITORY,
        env=os.environ | {ENTERED_VARIABLE: "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (130, "invrbench report: stopped\n")


def test_what_a_killed_verb_started_ends_with_it_however_far_below() -> None:
    verb = subprocess.Popen([sys.executable, "-c", TAKING_ALONG], stdout=subprocess.PIPE, text=True)
    assert verb.stdout is not None
    with verb.stdout as told:
        assert told.readline() == "at work\n"
        below: list[psutil.Process] = []
        while "sleep" not in [process.name() for process in below]:
            below = psutil.Process(verb.pid).children(recursive=True)
        verb.kill()
        verb.wait()
    _, alive = psutil.wait_procs(below, timeout=20)
    assert alive == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
def test_a_verb_that_is_told_to_stop_twice_clears_up_once(
    number: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(ENTERED_VARIABLE, raising=False)
    verb = subprocess.Popen([sys.executable, "-c", LISTENING], stdout=subprocess.PIPE, text=True)
    assert verb.stdout is not None
    with verb.stdout as told:
        assert told.readline() == "at work\n"
        verb.send_signal(number)
        assert told.readline() == "cleared up\n"
    assert verb.wait() == 0
