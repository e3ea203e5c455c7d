"""Who may write a results tree: one run, or any number of verbs typed by hand, never both.

``results/.lock`` is locked, not made and removed: the kernel lets go when its holder ends, however
it ends.
"""

import atexit
import fcntl
import os
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from invrbench.codec.stopping import ENTERED_VARIABLE, is_in_a_run
from invrbench.digest import NO_LOCKS
from invrbench.errors import BusyError, StorageError, raise_storage_error
from invrbench.results import paths
from invrbench.results.records import now

RUN_VARIABLE = "INVRBENCH_RUN"  # names the run a process belongs to, as results/.lock does
_LOOK_SECONDS = 10.0
_WRITTEN = (paths.RESULTS, Path("reports"))
_held: list[IO[str]] = []  # open for the life of the process


@atexit.register
def let_go() -> None:
    """Close what this process holds."""
    while _held:
        _held.pop().close()


def hold_tree(root: Path) -> None:
    """Hold the results tree for this run.

    Raises:
        BusyError: another run or a verb holds it; says who.
        StorageError: nothing can be written there.
    """
    for folder in _WRITTEN:
        _try_to_write(root / folder)
    file = _locked(root, fcntl.LOCK_EX)
    name = f"process {os.getpid()}, since {now()}"
    file.truncate(0)
    file.write(name)
    file.flush()
    _held.append(file)
    os.environ[RUN_VARIABLE] = name


def share_tree(root: Path) -> None:
    """Keep runs away while a verb typed by hand writes; other verbs may write beside it.

    A verb of a run does not outlive it: where its parent is not the run, as on another machine,
    nothing tells it of the run's end, and it ends when another run holds the tree.

    Raises:
        BusyError: a run holds the tree; says which.
        StorageError: nothing can be written there.
    """
    if not is_in_a_run():
        _held.append(_locked(root, fcntl.LOCK_SH))
    elif RUN_VARIABLE in os.environ and os.environ[ENTERED_VARIABLE] != str(os.getppid()):
        own = os.environ[RUN_VARIABLE]
        if _is_succeeded(root, own):
            raise BusyError(
                f"the run that asked for this ({own}) has ended, and another holds "
                f"{paths.RESULTS}/, which does it anew."
            )
        threading.Thread(target=_end_when_succeeded, args=(root, own), daemon=True).start()


def _is_succeeded(root: Path, own: str) -> bool:
    """Whether the lock names another run; while it is written it names none."""
    try:
        return (root / paths.LOCK).read_text(encoding="utf-8").strip() not in ("", own)
    except OSError:
        return False


def _end_when_succeeded(root: Path, own: str) -> None:
    while not _is_succeeded(root, own):
        time.sleep(_LOOK_SECONDS)
    os.kill(os.getpid(), signal.SIGTERM)


@contextmanager
def without_runs(root: Path) -> Iterator[None]:
    """Keep runs away while a few records change.

    Raises:
        BusyError, StorageError: as :func:`share_tree`.
    """
    with _locked(root, fcntl.LOCK_SH):
        yield


def _locked(root: Path, kind: int) -> IO[str]:
    file = _opened(root)
    try:
        if _lock(file, kind):
            return file
        raise BusyError(f"{_why_not(file, kind)}; wait for it to end, or end it.")
    except BaseException:
        file.close()
        raise


def _why_not(file: IO[str], kind: int) -> str:
    """Who holds the tree: the run that wrote its number into the file, or verbs that share it."""
    if kind == fcntl.LOCK_EX and _lock(file, fcntl.LOCK_SH):
        return f"{paths.RESULTS}/ is being written by a verb that someone typed"
    file.seek(0)
    holder = file.read().strip() or "it just started"
    if kind == fcntl.LOCK_EX:
        return f"another run holds {paths.RESULTS}/: {holder}"
    return f"a run holds {paths.RESULTS}/ ({holder}) and may be at this very step"


def _opened(root: Path) -> IO[str]:
    path = root / paths.LOCK
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open("a+")
    except OSError as error:
        raise_storage_error(error, path.parent)
        raise


def _try_to_write(folder: Path) -> None:
    """Refuse a folder that cannot be written before hours are spent on what goes there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise_storage_error(error, folder)
        raise


def _lock(file: IO[str], kind: int) -> bool:
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno in NO_LOCKS:
            raise StorageError(
                f"the file system of {paths.RESULTS}/ locks no files ({error.strerror}); two runs "
                "could write one tree. Use one that does, e.g. mount NFS without `nolock`."
            ) from None
        raise
    return True
