"""Folders that a verb runs in: of one job, gone with it, and told from those of killed jobs."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from invrbench.digest import claim, is_abandoned

_PREFIX, _LOCK = "job-", ".lock"


@contextmanager
def workspace(parent: Path) -> Iterator[Path]:
    """A fresh folder with ``code/``, ``work/``, ``home/`` and ``tmp/``, removed at the end.

    A file beside it is locked for as long as this process lives, and lies there for longer than
    the folder: one whose file is absent or not locked belongs to nobody.
    """
    parent.mkdir(parents=True, exist_ok=True)
    handle, name = _claimed(parent)
    folder = Path(name.removesuffix(_LOCK)).resolve()
    with os.fdopen(handle):
        try:
            for part in ("code", "work", "home", "tmp"):
                (folder / part).mkdir(parents=True)
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            Path(name).unlink(missing_ok=True)


def _claimed(parent: Path) -> tuple[int, str]:
    while True:
        handle, name = tempfile.mkstemp(dir=parent, prefix=_PREFIX, suffix=_LOCK)
        if claim(handle, Path(name)):
            return handle, name
        os.close(handle)


def clear_abandoned(parent: Path) -> int:
    """Remove the workspaces in ``parent`` whose processes were killed; how many."""
    locks = {path.with_name(f"{path.name}{_LOCK}") for path in parent.glob(f"{_PREFIX}*")
             if path.suffix != _LOCK}  # fmt: skip
    count = 0
    for lock in locks | set(parent.glob(f"{_PREFIX}*{_LOCK}")):
        if lock.exists() and not is_abandoned(lock):
            continue
        folder = lock.with_name(lock.name.removesuffix(_LOCK))
        count += folder.exists()
        shutil.rmtree(folder, ignore_errors=True)
        lock.unlink(missing_ok=True)
    return count
