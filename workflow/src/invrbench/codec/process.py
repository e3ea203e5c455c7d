"""Run a strange program: bounded in time, memory and output, and leave nothing of it behind."""

import contextlib
import ctypes
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_SAMPLE_SECONDS = (0.01, 0.1)  # first pause between looks at the process tree, and the longest


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
    resident set of its process tree, sampled, and at least that of its largest process.
    """

    exit_status: int
    stopped: str | None
    wall_seconds: float
    cpu_seconds: float
    peak_memory_bytes: int

    @property
    def failure(self) -> str | None:
        """Why this is no success, or None."""
        if self.stopped:
            return self.stopped
        if self.exit_status < 0:
            name = signal.Signals(-self.exit_status).name
            return f"was ended by signal {name}"
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


def _kill_descendants() -> None:
    """End every process below this one: what a verb leaves running does not outlive it."""
    import psutil

    children = psutil.Process().children(recursive=True)
    for child in children:
        with contextlib.suppress(psutil.Error):
            child.kill()
    psutil.wait_procs(children, timeout=5)


def _broken_limit(limits: Limits, memory: int, seconds: float, written: int) -> str | None:
    if memory > limits.mem_mb * 1_000_000:
        return f"was stopped at its memory limit of {limits.mem_mb} MB"
    if seconds > limits.runtime_min * 60:
        return f"was stopped at its time limit of {limits.runtime_min:g} min"
    if limits.output_bytes is not None and written > limits.output_bytes:
        return f"was stopped after writing more than {limits.output_bytes} bytes"
    return None


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
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    log.parent.mkdir(parents=True, exist_ok=True)
    start = time.monotonic()
    peak, stopped, pause = 0, None, _SAMPLE_SECONDS[0]
    with log.open("ab") as stream:
        child = subprocess.Popen(
            list(argv),
            cwd=cwd,
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            preexec_fn=lambda: _prepare_child(limits.output_bytes, me),
        )
        try:
            while True:
                try:
                    child.wait(pause)
                    break
                except subprocess.TimeoutExpired:
                    pause = min(pause * 2, _SAMPLE_SECONDS[1])
                memory = _tree_memory(child.pid)
                peak = max(peak, memory)
                written = 0 if limits.output_bytes is None else _folder_bytes(cwd)
                stopped = _broken_limit(limits, memory, time.monotonic() - start, written)
                if stopped:
                    child.kill()
                    child.wait()
                    break
        finally:
            _kill_descendants()
    wall = time.monotonic() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return Outcome(
        exit_status=child.returncode,
        stopped=stopped,
        wall_seconds=wall,
        cpu_seconds=after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        peak_memory_bytes=max(peak, after.ru_maxrss * 1024),
    )
