"""What a person sees of a run: in a terminal, in a log, and after Ctrl-C."""

import contextlib
import os
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from clone import Bench

pytest.importorskip("pyte", reason="needs pyte, a terminal for tests")
from screens import Screened

Started = Callable[..., Screened]
SLOW = """
import json, pathlib, sys, time
for step in range(1, 11):
    time.sleep(0.4)
    print(f"progress {step / 10:.2f} psnr_y_db={20 + step / 2:.2f}", file=sys.stderr, flush=True)
pathlib.Path("model").mkdir(exist_ok=True)
pathlib.Path("model/weights").write_text("1")
"""
BREAKS = """
import sys
sys.exit("the arithmetic coder ran out of symbols")
"""
FIT = 'fit = ["{python}", "{codec}/fit.py"]'
BUDGET = '\n[fits.one]\n[fits."*".budgets.seconds]\nsteps = 10\n'
WORDS = [sys.executable, "-m", "snakemake", "--cores", "8", "all", "--config", "ctc=little"]
FAILED = [
    "invrbench decode: breaks: decode exited with status 1.",
    "Its last lines were:",
    "the arithmetic coder ran out of symbols",
    "Repeat it with: invrbench decode results/bikes-tiny/breaks/any/bits2/s0 --ctc little",
]

CHATTY = """
import subprocess, sys
from invrbench.results.terminal import Terminal
from invrbench.results.watching import Outlook, View

class Board:
    def view(self):
        {view}

screen = Terminal(Board(), is_coloured=False)
screen.start()
both = "(sys.stdout, sys.stderr)[i % 2]"
child = f"import sys; [print(i, file={{both}}, flush=True) for i in range(3000)]"
subprocess.run([sys.executable, "-c", child])
subprocess.run(["printf", "no end of line"])
screen.stop()
print("all over")
"""
VIEWS = {
    "whole": "return View('mini', 9, 1, 1.0, (), (), Outlook(60.0))",
    "broken": "raise ValueError('a bug of the view')",
}


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """A bench with a fit of a few seconds, and a decoder that fails."""
    made = Bench(tmp_path / "bench")
    made.add_codec("base", role="anchor", configuration="ai", grid="bits = [2]")
    grid = 'fit = ["one"]\nbits = [2]' + BUDGET
    folder = made.add_codec("slow", fit=FIT, grid=grid)
    (folder / "fit.py").write_text(SLOW)
    made.add_codec("breaks", decode=BREAKS, grid="bits = [2]")
    made.add_conditions("little", "base", "slow", "breaks")
    return made


@pytest.fixture
def in_a_terminal(bench: Bench) -> Iterator[Started]:
    """Starts the run of that bench in a terminal."""
    with contextlib.ExitStack() as stack:

        def start(*words: str, columns: int = 80, rows: int = 24, **given: str) -> Screened:
            env = {**bench.environment, **given}
            shown = Screened([*WORDS, *words], cwd=bench.root, env=env, columns=columns, rows=rows)
            stack.callback(shown.close)
            return shown

        yield start


def has(pattern: str) -> Callable[[Screened], bool]:
    return lambda shown: re.search(pattern, "\n".join(shown.lines), re.MULTILINE) is not None


def test_a_terminal_shows_jobs_fits_the_end_and_what_failed(in_a_terminal: Started) -> None:
    shown = in_a_terminal(columns=100)
    fit = r"^  fit +[1-9]0%  0:0\d left +bikes-tiny/slow/one.seconds  psnr_y_db=2\d\.\d\d$"
    assert shown.wait(has(fit)), shown.history
    assert has(r"^little [━─]{20,}  ends about \d\d:\d\d, in \d+ s")(shown)
    assert has(r"^\d+ of 12 jobs done, \d running.*, for \d+ s$")(shown)
    failed = r"^failed: decode bikes-tiny/breaks/bits2: breaks: decode exited with status 1\.$"
    assert shown.wait(has(failed)), shown.history
    assert has(r"^\d+ of 12 jobs done(, \d running)?, 1 failed, for \d+ s$")(shown)
    assert shown.end() == 1
    told = shown.history
    for line in FAILED:
        assert told.count(f"{line}\n") == 1
    assert "9 of 12 jobs done, 1 failed, in" in told
    assert "\n  log: results/bikes-tiny/breaks/any/bits2/s0/decode.log\n" in told
    assert "The slowest jobs of this run:" in told
    assert "ends about" not in told and "━" not in told
    assert "Finished jobid" not in told
    assert not shown.screen.cursor.hidden


def test_no_line_is_wrapped_when_the_terminal_becomes_narrow(in_a_terminal: Started) -> None:
    shown = in_a_terminal(columns=100, rows=30)
    assert shown.wait(has(r"^  fit +\d\d%"))
    shown.resize(60, 12)
    narrow = r"^  fit +\d\d%  0:0\d left +bikes-…econds  psnr_y_db=2\d\.\d\d$"
    assert shown.wait(has(narrow)), shown.history
    assert shown.end() == 1


def test_ctrl_c_leaves_the_terminal_as_it_was(in_a_terminal: Started) -> None:
    shown = in_a_terminal("only=slow")
    assert shown.wait(has(r"^  fit +\d\d%"))
    shown.press(b"\x03")
    assert shown.end() == 1
    told = shown.history
    assert re.search(r"^\d of \d+ jobs done, in \d+ s$", told, re.MULTILINE)
    assert "invrbench: stopped. The same command goes on from here" in told
    assert "failed:" not in told and "━" not in told
    assert not shown.screen.cursor.hidden


@pytest.mark.parametrize(
    ("given", "escapes"), [({"TERM": "dumb"}, rb"\x1b"), ({"NO_COLOR": "1"}, rb"\x1b\[31m")]
)
def test_who_wants_no_colours_or_can_show_none_gets_none(
    in_a_terminal: Started, given: dict[str, str], escapes: bytes
) -> None:
    shown = in_a_terminal("only=breaks", **given)
    shown.wait(has(r"^failed: "))
    during = shown.raw.partition(b"decode exited")[2]
    assert shown.end() == 1
    assert during and re.search(escapes, during) is None
    assert "the arithmetic coder ran out of symbols" in shown.history


def test_a_log_gets_few_lines_no_escapes_and_failures_whole(bench: Bench) -> None:
    done = bench.run_all("little")
    told = done.stdout + done.stderr
    assert done.returncode == 1
    assert "\x1b" not in told and "\r" not in told
    for line in FAILED:
        assert told.count(f"{line}\n") == 1
    assert "\n9 of 12 jobs done, 1 failed, in" in told
    stamped = re.findall(r"^\d\d:\d\d:\d\d  (.*)$", told, re.MULTILINE)
    assert 1 <= len(stamped) <= 20
    form = r"\d+ of 12 jobs done.*; end(s about \d\d:\d\d, in \d+ s| unknown).*"
    assert all(re.fullmatch(form, line) for line in stamped)
    assert "jobid" not in told and "Select jobs" not in told


def test_a_dry_run_in_a_terminal_is_snakemakes_own(in_a_terminal: Started) -> None:
    shown = in_a_terminal("-n")
    assert shown.end() == 0
    assert "decode         3" in shown.history
    assert "This was a dry-run (flag -n)." in shown.history
    assert "jobs done" not in shown.history


def test_who_asks_for_snakemakes_lines_gets_them(bench: Bench) -> None:
    done = bench.snakemake("all", "--printshellcmds", "--config", "ctc=little", "only=base")
    assert done.returncode == 0, done.stderr
    assert "Finished jobid" in done.stderr and "jobs done" not in done.stderr


@pytest.mark.parametrize("view", VIEWS)
def test_what_jobs_write_is_on_the_screen_whole_and_in_order(view: str, tmp_path: Path) -> None:
    program = CHATTY.format(view=VIEWS[view])
    shown = Screened([sys.executable, "-c", program], cwd=tmp_path, env=dict(os.environ))
    assert shown.end() == 0
    told = [line for line in shown.history.splitlines() if line]
    shown.close()
    if view == "broken":
        (note,) = (line for line in told if "the view of this run ended" in line)
        assert "a bug of the view" in note
        told.remove(note)
    assert told[:3000] == [*map(str, range(3000))]
    assert "".join(told[3000:]) == "no end of lineall over"
