"""The view of a run while it goes on, in the place of Snakemake's own lines.

Whoever asks Snakemake for other ones (``--verbose``, ``--quiet``, ``--logger``, a dry run) gets
those.
"""

import atexit
import contextlib
import logging
import os
import re
import sys
import threading
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from invrbench.results.estimate import past_seconds
from invrbench.results.plan import Plan
from invrbench.results.terminal import Log, Screen, Terminal
from invrbench.results.watching import (
    Board,
    Failure,
    Job,
    counts,
    kinds_of,
    name_of,
    reason_of,
    span,
)

_SNAKEMAKE = "snakemake.logging"
_DEFAULT = "DefaultStreamHandler"
_OURS = "RULES"  # what Snakemake is to be quiet about for this view to take its place
_PLENTY = {"PROGRESS", "ALL"}
_LISTED = 20  # failures that the end names
_NOISE = re.compile(r"Select jobs to execute|Trying to restart job|.*submitted with SLURM jobid")
_FAILED_COMMAND = re.compile(r"exec invrbench (\S+) (\S+)")


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
        is_of_another = has_reason and found is None
        said = "its group failed" if is_of_another else getattr(record, "rule_msg", None)
        job = replace(job, logs=tuple(getattr(record, "log", None) or job.logs) + logs)
        failure = Failure(job, found or str(said or "no reason recorded"), is_of_another)
        self._board.fail(number, failure)
        is_told = found is not None and not self._is_elsewhere  # by the verb, on standard error
        if not is_told and not is_of_another:
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
        failures = view.told_failures
        told = [f"{counts(view)}, in {span(view.seconds)}"]
        told += map(_failed, failures[:_LISTED])
        if len(failures) > _LISTED:
            told.append(f"and {len(failures) - _LISTED} more, see the report")
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
