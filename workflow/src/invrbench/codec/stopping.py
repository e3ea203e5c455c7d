"""How the processes of a run end: with it, and after clearing up when they are asked to."""

import contextlib
import os
import signal
import subprocess
import threading
from pathlib import Path
from types import FrameType

from invrbench.codec.process import die_with_parent

ENTERED_VARIABLE = "INVRBENCH_ENTERED"  # set by the Snakemake process that holds a run
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_kept: list[tuple["subprocess.Popen[bytes]", int]] = []  # open for the life of the process


def is_in_a_run() -> bool:
    """Whether a run started this process; else it was typed by hand."""
    return ENTERED_VARIABLE in os.environ


def follow_the_run() -> None:
    """Inside a run, die with it; typed by hand, live as long as it takes.

    A signal that asks for the end unwinds this process: what it started ends, its folders go.

    Raises:
        KeyboardInterrupt: the run was killed before the kernel could be asked to tell of it.
    """
    if is_in_a_run():
        die_with_parent()
        if _is_left_alone():
            raise KeyboardInterrupt
        _take_along()
    if threading.current_thread() is threading.main_thread():
        for number in STOP_SIGNALS:
            signal.signal(number, _unwind)


def _is_left_alone() -> bool:
    """Whether the parent is no Snakemake process: the one that started this has ended."""
    try:
        words = Path(f"/proc/{os.getppid()}/cmdline").read_bytes()
    except OSError:
        return False  # no Linux, or not to be seen
    return b"snakemake" not in words


def _take_along() -> None:
    """Have all that this process starts end with it, even if it is killed.

    The kernel tells a child of its parent's death, and no grandchild, such as the encoder that a
    codec runs. They all are of this process's group, which a guard kills when the pipe between the
    two closes.
    """
    if os.getpgrp() != os.getpid():
        os.setpgid(0, 0)
        signal.signal(signal.SIGTTOU, signal.SIG_IGN)  # it writes from a terminal's background now
    reading, writing = os.pipe()
    guard = subprocess.Popen(
        ["sh", "-c", 'read -r _; kill -s KILL -- "-$0"', str(os.getpid())],
        stdin=reading,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    os.close(reading)
    _kept.append((guard, writing))


def _unwind(number: int, frame: FrameType | None) -> None:
    """Raise KeyboardInterrupt once; a second signal must not stop the clearing up."""
    del number, frame
    for each in STOP_SIGNALS:
        signal.signal(each, signal.SIG_IGN)
    raise KeyboardInterrupt


def end_children(patience_seconds: float) -> None:
    """Ask all children of this process to end, and kill those that have not after a while."""
    import psutil

    children = psutil.Process().children()
    for child in children:
        with contextlib.suppress(psutil.Error):
            child.terminate()

    def kill() -> None:
        for child in children:
            with contextlib.suppress(psutil.Error):
                child.kill()

    timer = threading.Timer(patience_seconds, kill)
    timer.daemon = True
    timer.start()
