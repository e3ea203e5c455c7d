"""Run a strange program: bounded in time, memory and output, and leave nothing of it behind."""

import contextlib
import ctypes
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import psutil

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_SAMPLE_SECONDS = (0.01, 0.1)  # first pause between looks at the process tree, and the longest
_LEAVING_SECONDS = 2.0  # in which helpers of a program that ended follow it
_ROUNDS = 20  # of killing what is there: a process may start another meanwhile
_LOG_BYTES = 64 << 20  # a log is for people


@dataclass(frozen=True)
class Limits:
    """What a program may take; ``output_bytes`` bounds each file and all it writes together."""

    mem_mb: int
    runtime_min: float
    output_bytes: int | None = None


@dataclass(frozen=True)
class Outcome:
    """How a program ended.

    ``stopped`` says which limit ended it, if one did; ``peak_memory_bytes`` is the largest
    resident set of its process tree, sampled, and at least that of its largest process;
    ``left_running`` names the processes that outlived it and had to be killed.
    """

    exit_status: int
    stopped: str | None
    wall_seconds: float
    cpu_seconds: float
    peak_memory_bytes: int
    left_running: tuple[str, ...] = ()

    @property
    def failure(self) -> str | None:
        """Why this is no success, or None."""
        if self.stopped:
            return self.stopped
        # walls, like a shell, tell of a signal inside by a status above 128
        number = -self.exit_status if self.exit_status < 0 else self.exit_status - 128
        if number in set(signal.Signals):
            return f"was ended by signal {signal.Signals(number).name}"
        if self.exit_status:
            return f"exited with status {self.exit_status}"
        return None


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)


def die_with_parent() -> None:
    """Ask the kernel to kill this process when its parent ends (Linux)."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _prepare_child(output_bytes: int | None, parent: int) -> None:
    die_with_parent()
    if os.getppid() != parent:
        os._exit(1)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if output_bytes is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (output_bytes, output_bytes))


def _tree_memory(pid: int) -> int:
    """Resident bytes of a process and its descendants now."""
    import psutil

    total = 0
    with contextlib.suppress(psutil.Error):
        root = psutil.Process(pid)
        for process in (root, *root.children(recursive=True)):
            with contextlib.suppress(psutil.Error):
                total += process.memory_info().rss
    return total


def _folder_bytes(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):
            total += path.lstat().st_size
    return total


def _descendants() -> set["psutil.Process"]:
    """Every process below this one, daemons included: their orphans become its children."""
    import psutil

    return set(psutil.Process().children(recursive=True))


def _end_descendants(others: set["psutil.Process"], *, patience: float) -> tuple[str, ...]:
    """End every process below this one but ``others``, after some seconds of patience.

    Returns:
        The names of those that did not end by themselves.
    """
    import psutil

    left: dict[psutil.Process, str] = {}
    for _ in range(_ROUNDS):
        running = _descendants() - others
        if not running:
            break
        _, stubborn = psutil.wait_procs(running, timeout=patience)
        for process in stubborn:
            with contextlib.suppress(psutil.Error):
                left[process] = process.name()
                process.kill()
        psutil.wait_procs(stubborn, timeout=5)
        patience = 0.0
    return tuple(left.values())


def _broken_limit(limits: Limits, taken: "_Taken") -> str | None:
    if taken.memory > limits.mem_mb * 1_000_000:
        return f"was stopped at its memory limit of {limits.mem_mb} MB"
    if taken.seconds > limits.runtime_min * 60:
        return f"was stopped at its time limit of {limits.runtime_min:g} min"
    if limits.output_bytes is not None and taken.written > limits.output_bytes:
        return f"was stopped after writing more than {limits.output_bytes} bytes"
    if taken.printed > _LOG_BYTES:
        return f"was stopped after printing more than {_LOG_BYTES} bytes"
    return None


@dataclass(frozen=True)
class _Taken:
    """What a program has taken so far: bytes of memory, of files and of its log, and seconds."""

    memory: int
    seconds: float
    written: int
    printed: int


def run_bounded(
    argv: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    log: Path,
    limits: Limits,
) -> Outcome:
    """Run a program to its end or its first broken limit.

    Its standard output and error go to ``log`` as they come. All its descendants are gone when
    this returns, and the kernel kills them if this process is killed.
    """
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    me = os.getpid()
    others = _descendants()
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    log.parent.mkdir(parents=True, exist_ok=True)
    start = time.monotonic()
    patience = 0.0
    with log.open("ab") as stream:
        told = stream.tell()
        child = subprocess.Popen(
            list(argv),
            cwd=cwd,
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            preexec_fn=lambda: _prepare_child(limits.output_bytes, me),
        )

        def taken() -> _Taken:
            return _Taken(
                memory=_tree_memory(child.pid),
                seconds=time.monotonic() - start,
                written=0 if limits.output_bytes is None else _folder_bytes(cwd),
                printed=log.stat().st_size - told,
            )

        try:
            stopped, peak = _watch(child, limits, taken)
            wall = time.monotonic() - start
            if child.returncode == 0:
                patience = _LEAVING_SECONDS
        finally:
            left = _end_descendants(others, patience=patience)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return Outcome(
        exit_status=child.returncode,
        stopped=stopped,
        wall_seconds=wall,
        cpu_seconds=after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        peak_memory_bytes=max(peak, after.ru_maxrss * 1024),
        left_running=left,
    )


def _watch(
    child: "subprocess.Popen[bytes]", limits: Limits, taken: Callable[[], _Taken]
) -> tuple[str | None, int]:
    """Wait for a program's end, or stop it at a limit; which one, and its peak of memory."""
    peak = 0
    for pause in _pauses():
        try:
            child.wait(pause)
            break
        except subprocess.TimeoutExpired:
            now = taken()
        peak = max(peak, now.memory)
        stopped = _broken_limit(limits, now)
        if stopped:
            child.kill()
            child.wait()
            return stopped, peak
    return (_hit_file_limit(limits, taken()) if child.returncode else None), peak


def _pauses() -> Iterator[float]:
    """Seconds between looks at a program: short at first, then longer."""
    pause, longest = _SAMPLE_SECONDS
    while True:
        yield pause
        pause = min(pause * 2, longest)


def _hit_file_limit(limits: Limits, taken: _Taken) -> str | None:
    """That a failed program had filled all it may write, faster than it was looked at."""
    if limits.output_bytes is None or max(taken.written, taken.printed) < limits.output_bytes:
        return None
    what = "writing" if taken.written >= limits.output_bytes else "printing"
    return f"was stopped after {what} more than {limits.output_bytes} bytes"
