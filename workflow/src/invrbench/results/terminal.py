"""The view of a run while it goes on: the lower lines of a terminal, or a few lines of a log.

It takes the place of Snakemake's own lines. Whoever asks Snakemake for other ones (``--verbose``,
``--quiet``, ``--logger``, a dry run) gets those.
"""

import atexit
import contextlib
import logging
import os
import re
import select
import sys
import threading
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from invrbench.results.estimate import past_seconds
from invrbench.results.plan import Plan
from invrbench.results.watching import (
    Board,
    Failure,
    Job,
    counts,
    kinds_of,
    lines,
    name_of,
    reason_of,
    sentence,
    span,
)

_SNAKEMAKE = "snakemake.logging"
_DEFAULT = "DefaultStreamHandler"
_OURS = "RULES"  # what Snakemake is to be quiet about for this view to take its place
_PLENTY = {"PROGRESS", "ALL"}
_SECONDS = 1.0  # between two drawings
_STEP = 0.05  # of all jobs, between two lines of a log
_SILENCE_SECONDS = 600.0  # after which a log gets a line anyway
_HEIGHT = 14  # lines at most
_LISTED = 20  # failures that the end names
_NOISE = re.compile(r"Select jobs to execute|Trying to restart job|.*submitted with SLURM jobid")
_FAILED_COMMAND = re.compile(r"exec invrbench (\S+) (\S+)")


class Screen(Protocol):
    """Where a run is shown."""

    def start(self) -> None:
        """Begin to show it."""

    def stop(self) -> None:
        """End, and leave the terminal as it was."""


class Log:
    """A line on standard error now and then, for those who do not look at a terminal."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._tell, name="watch", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """End."""
        self._is_over.set()
        self._thread.join()

    def _tell(self) -> None:
        told_share, told_at = 0.0, time.monotonic()
        while not self._is_over.wait(_SECONDS):
            share, now = self._board.share_ended, time.monotonic()
            if share < 1 and (share >= told_share + _STEP or now > told_at + _SILENCE_SECONDS):
                told_share, told_at = share, now
                at = time.time()
                stamp = time.strftime("%H:%M:%S", time.localtime(at))
                with contextlib.suppress(OSError):
                    sys.stderr.write(f"{stamp}  {sentence(self._board.view(), at)}\n")
                    sys.stderr.flush()


class Terminal:
    """The lower lines of a terminal, drawn once a second below what this and all jobs write.

    Standard output and error lead through a pipe meanwhile, so that a job's message goes above
    those lines instead of into them.
    """

    def __init__(self, board: Board, *, is_coloured: bool) -> None:
        self._board = board
        self._is_coloured = is_coloured
        self._kept = {fd: os.dup(fd) for fd in (1, 2) if os.isatty(fd)}
        self._reading, writing = os.pipe()
        self._waking, self._wake = os.pipe()
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        for fd in self._kept:
            os.dup2(writing, fd)
        os.close(writing)
        self._is_over = False
        self._held = b""
        self._thread = threading.Thread(target=self._show, name="watch", daemon=True)

    def start(self) -> None:
        """Begin to draw."""
        self._thread.start()

    def stop(self) -> None:
        """Give standard output and error back, with all that was written to them."""
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError):
                stream.flush()
        for fd, kept in self._kept.items():
            os.dup2(kept, fd)
        self._is_over = True
        os.write(self._wake, b".")
        self._thread.join()
        for fd in (self._reading, self._waking, self._wake, *self._kept.values()):
            os.close(fd)

    def _show(self) -> None:
        """Draw, and pass on what is written, until the end; what cannot be drawn is passed on."""
        try:
            self._draw()
        except Exception as error:  # noqa: BLE001 - a view must not end the run that it shows
            self._write(f"invrbench: the view of this run ended: {error!r}\n".encode())
            while self._pass_on(None):
                self._write(self._taken(everything=True))
        self._write(self._held)

    def _draw(self) -> None:
        from rich.console import Console, ConsoleDimensions
        from rich.live import Live

        fd = self._kept[2]
        with open(fd, "w", encoding="utf-8", errors="replace", closefd=False) as file:
            console = Console(
                file=file,
                force_terminal=True,
                color_system="standard" if self._is_coloured else None,
            )
            live = Live(
                console=console,
                auto_refresh=False,
                redirect_stdout=False,
                redirect_stderr=False,
                transient=True,
            )
            with live:
                console.show_cursor(True)  # whatever kills this, the terminal has it
                due = time.monotonic()
                while self._pass_on(max(0.0, due - time.monotonic())):
                    text = self._taken().decode(errors="replace")
                    if text:
                        console.out(text, end="", highlight=False)
                    if time.monotonic() >= due:
                        due = time.monotonic() + _SECONDS
                        console.size = ConsoleDimensions(*_size(fd))
                        live.update(self._text(console.width, console.height), refresh=True)
                rest = self._taken(everything=True).decode(errors="replace")
                if rest:
                    console.out(rest.removesuffix("\n"), highlight=False)

    def _text(self, width: int, height: int) -> Any:
        from rich.text import Text

        room = max(1, min(_HEIGHT, height - 2))
        told = lines(self._board.view(), time.time(), width=width, height=room)
        text = Text("\n".join(told), no_wrap=True, overflow="crop")
        text.highlight_regex(r"^failed: .*$", "red")
        text.highlight_regex(r"━+", "green")
        return text

    def _pass_on(self, seconds: float | None) -> bool:
        """Wait for what is written; whether the run goes on."""
        ready, _, _ = select.select([self._reading, self._waking], [], [], seconds)
        if self._reading in ready:
            self._held += os.read(self._reading, 65536)
        if not self._is_over:
            return True
        while select.select([self._reading], [], [], 0)[0]:
            data = os.read(self._reading, 65536)
            if not data:
                break
            self._held += data
        return False

    def _taken(self, *, everything: bool = False) -> bytes:
        """Whole lines of what was written, or all of it."""
        end = len(self._held) if everything else self._held.rfind(b"\n") + 1
        taken, self._held = self._held[:end], self._held[end:]
        return taken

    def _write(self, data: bytes) -> None:
        with contextlib.suppress(OSError):
            os.write(self._kept[2], data)


def _size(fd: int) -> tuple[int, int]:
    """Columns and lines of a terminal; those of old where it does not say."""
    width, height = os.get_terminal_size(fd)
    return width or 80, height or 24


class Announcer(logging.Handler):
    """Puts what Snakemake tells of jobs on the board, and passes on what a person must read."""

    def __init__(self, board: Board, *, is_elsewhere: bool) -> None:
        super().__init__()
        self._board = board
        self._is_elsewhere = is_elsewhere
        self._groups: dict[int, tuple[tuple[str, ...], bool]] = {}
        self.is_stopping = False  # jobs that end now were told to

    def emit(self, record: logging.LogRecord) -> None:
        """Take in one record; what cannot be understood is passed on."""
        try:
            self._take(record)
        except Exception:  # noqa: BLE001 - a view must not end the run that it shows
            self._write(record.getMessage())

    def _take(self, record: logging.LogRecord) -> None:
        event, message = getattr(record, "event", None), record.getMessage()
        number = getattr(record, "jobid", getattr(record, "job_id", -1))
        if event == "job_info":
            self._begin(number, record)
        elif event == "job_finished":
            self._board.end(number)
        elif event == "job_error":
            if self.is_stopping:
                self._board.drop(number)
            else:
                self._fail(number, record)
        elif event == "group_error":
            self._fail_group(record)
        elif record.msg is None or self._is_known(message):
            return
        elif event in (None, "error") or record.levelno >= logging.WARNING:
            self._write(message)

    def _begin(self, number: int, record: logging.LogRecord) -> None:
        wildcards = dict(getattr(record, "wildcards", None) or {})
        output = list(getattr(record, "output", None) or [])
        if not getattr(record, "shellcmd", None):
            return
        job = Job(
            rule=str(getattr(record, "rule_name", "")),
            codec=wildcards.get("codec", ""),
            folder=Path(output[0]).parent.as_posix() if output else "",
            name=name_of(wildcards),
            logs=tuple(getattr(record, "log", None) or ()),
            began=time.time(),
        )
        if self._board.begin(number, job):
            self._write(f"once more: {job.rule} {job.name}")

    def _fail_group(self, record: logging.LogRecord) -> None:
        """Remember logs of a group for its jobs, which are told of next, and if one has a reason.

        Of a group that failed, Snakemake calls all jobs failed.
        """
        numbers = [each["jobid"] for each in getattr(record, "job_error_info", ())]
        jobs = [job for job in map(self._board.job, numbers) if job is not None]
        has_reason = any(reason_of(self._board.root, job) for job in jobs)
        logs = tuple(map(str, getattr(record, "aux_logs", None) or ()))
        self._groups.update(dict.fromkeys(numbers, (logs, has_reason)))

    def _fail(self, number: int, record: logging.LogRecord) -> None:
        job = self._board.job(number)
        if job is None:
            return
        logs, has_reason = self._groups.pop(number, ((), False))
        found = reason_of(self._board.root, job)
        said = "its group failed" if has_reason else getattr(record, "rule_msg", None)
        reason = found or str(said or "no reason recorded")
        job = replace(job, logs=tuple(getattr(record, "log", None) or job.logs) + logs)
        failure = Failure(job, reason)
        self._board.fail(number, failure)
        is_told = found is not None and not self._is_elsewhere  # by the verb, on standard error
        if not is_told and (found or not has_reason):
            self._write(_failed(failure))

    def _is_known(self, message: str) -> bool:
        """Whether a message is of no use, or says less than a job's own words have."""
        if _NOISE.match(message):
            return True
        command = _FAILED_COMMAND.search(message)
        if command is None:
            return False
        rule = command[1].removesuffix("-point")
        return (
            self.is_stopping
            or reason_of(self._board.root, Job(rule, "", command[2], "")) is not None
        )

    def _write(self, text: str) -> None:
        with contextlib.suppress(OSError):
            sys.stderr.write(f"{text}\n")
            sys.stderr.flush()


def _failed(each: Failure) -> str:
    told = "".join(f"\n  log: {log}" for log in each.job.logs)
    return f"failed: {each.job.rule} {each.job.folder}: {each.reason}{told}"


class Watch:
    """The view of a run from its first job to its last."""

    def __init__(self, board: Board, screen: Screen, default: logging.Handler, ours: Announcer):
        self._board, self._screen = board, screen
        self._default, self._ours = default, ours
        self._is_over = False

    def start(self) -> None:
        """Take the place of Snakemake's lines."""
        logger = logging.getLogger(_SNAKEMAKE)
        logger.removeHandler(self._default)
        logger.addHandler(self._ours)
        self._screen.start()
        atexit.register(self.stop)

    def expect_the_end(self) -> None:
        """Note that the run was stopped: what ends from now on has not failed."""
        self._ours.is_stopping = True

    def stop(self) -> None:
        """Give Snakemake its lines back, and say what became of the jobs."""
        if self._is_over:
            return
        self._is_over = True
        atexit.unregister(self.stop)
        logger = logging.getLogger(_SNAKEMAKE)
        logger.removeHandler(self._ours)
        logger.addHandler(self._default)
        self._screen.stop()
        view = self._board.view()
        told = [f"{counts(view)}, in {span(view.seconds)}"]
        told += map(_failed, view.failures[:_LISTED])
        if len(view.failures) > _LISTED:
            told.append(f"and {len(view.failures) - _LISTED} more")
        with contextlib.suppress(OSError):
            sys.stderr.write("\n".join(told) + "\n")
            sys.stderr.flush()


def watch(plan: Plan, jobs: Iterable[Any], *, cores: int | None) -> Watch | None:
    """Show a run from here on; None if Snakemake was asked for other lines than its own.

    Args:
        plan: of the run.
        jobs: Snakemake's, those that will run.
        cores: that they share on this machine; None if they run on others.
    """
    handlers = logging.getLogger(_SNAKEMAKE).handlers
    default = next((each for each in handlers if each.name == _DEFAULT), None)
    if default is None or not all(map(_is_of_the_profile, default.filters)):
        return None
    board = Board(plan, kinds_of(jobs), cores=cores)
    is_plain = not os.isatty(2) or os.environ.get("TERM", "dumb") in ("dumb", "unknown")
    is_coloured = not (os.environ.get("NO_COLOR") or getattr(default, "nocolor", False))
    screen = Log(board) if is_plain else Terminal(board, is_coloured=is_coloured)
    ours = Announcer(board, is_elsewhere=cores is None)
    view = Watch(board, screen, default, ours)
    view.start()
    threading.Thread(target=lambda: board.learn(past_seconds(plan)), daemon=True).start()
    return view


def _is_of_the_profile(each: Any) -> bool:
    """Whether a filter of Snakemake's hides jobs' lines, and nothing more, as the profile asks."""
    quiet = {choice.name for choice in getattr(each, "quiet", ())}
    wishes = ("verbose", "printshellcmds", "debug_dag", "dryrun")
    asked = any(getattr(each, name, False) for name in wishes)
    return _OURS in quiet and not quiet & _PLENTY and not asked
