"""Who may write a results tree: one run, or any number of verbs typed by hand, never both.

``results/.lock`` is locked, not made and removed: the kernel lets go when its holder ends, however
it ends.
"""

import errno
import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from invrbench.codec.stopping import is_in_a_run
from invrbench.errors import BusyError, StorageError, raise_storage_error
from invrbench.results import paths
from invrbench.results.records import now

_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)
_WRITTEN = (paths.RESULTS, Path("reports"))
_held: list[IO[str]] = []  # open for the life of the process


def hold_tree(root: Path) -> None:
    """Hold the results tree for this run.

    Raises:
        BusyError: another run or a verb holds it; says who.
        StorageError: nothing can be written there.
    """
    file = _opened(root)
    for folder in _WRITTEN:
        _try_to_write(root / folder)
    if not _lock(file, fcntl.LOCK_EX):
        raise BusyError(f"{_why_not(file)}; wait for it to end, or end it.")
    file.truncate(0)
    file.write(f"process {os.getpid()}, since {now()}")
    file.flush()
    _held.append(file)


def share_tree(root: Path) -> None:
    """Keep runs away while a verb typed by hand writes; other verbs may write beside it.

    Raises:
        BusyError: a run holds the tree; says which.
        StorageError: nothing can be written there.
    """
    if not is_in_a_run():
        _held.append(_shared_file(root))


@contextmanager
def without_runs(root: Path) -> Iterator[None]:
    """Keep runs away while a few records change.

    Raises:
        BusyError, StorageError: as :func:`share_tree`.
    """
    with _shared_file(root):
        yield


def _shared_file(root: Path) -> IO[str]:
    file = _opened(root)
    if not _lock(file, fcntl.LOCK_SH):
        file.seek(0)
        raise BusyError(
            f"a run holds {paths.RESULTS}/ ({file.read().strip() or 'it just started'}) and may be "
            "at this very step; wait for it to end, or end it."
        )
    return file


def _why_not(file: IO[str]) -> str:
    """Who holds the tree: the run that wrote its number into the file, or verbs that share it."""
    if _lock(file, fcntl.LOCK_SH):
        return f"{paths.RESULTS}/ is being written by a verb that someone typed"
    file.seek(0)
    return f"another run holds {paths.RESULTS}/: {file.read().strip() or 'it just started'}"


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
        if error.errno in _NO_LOCKS:
            raise StorageError(
                f"the file system of {paths.RESULTS}/ locks no files ({error.strerror}); two runs "
                "could write one tree. Use one that does, e.g. mount NFS without `nolock`."
            ) from None
        raise
    return True
