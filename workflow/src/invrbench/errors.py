"""Every error this package raises on purpose, in one tree.

InvrError
├── InputError             something a person wrote or brought is not usable
│   ├── ManifestError      a codec.toml
│   ├── ConditionsError    a file under ctc/, or --config only=/label=/…
│   ├── SequenceError      a sequence entry, or the file behind it
│   │   └── SourceMissing  the entry is fine, the file is not on this machine
│   └── RecordError        a record or table under results/ or reports/
├── ContractError          the codec did not do what design and manifest promise
│   ├── LimitError         it was stopped at a limit of time, memory or output
│   │   └── MemoryLimitError  … of memory; more of it may mend that
│   └── GpuMemoryError     it wanted more memory than its GPU had
├── UnsupportedError       a sound request that this codec or metric does not serve
├── ToolError              a program or library this step needs is absent or failed
├── StorageError           a file system is full, read-only or not the user's to write
├── CompareError           two curves or tables that cannot be compared
└── BusyError              another run holds the results tree

A message says what, where, what was expected and what to do.
"""

import errno
import os
import shutil
from pathlib import Path


class InvrError(Exception):
    """Base of every error raised on purpose; the CLI prints its message and no traceback."""


class InputError(InvrError):
    """Something a person wrote or brought is not usable."""


class ManifestError(InputError):
    """A codec.toml that cannot be used."""


class ConditionsError(InputError):
    """Test conditions or a selection that cannot be used."""


class SequenceError(InputError):
    """A sequence entry, or the file behind it, that cannot be used."""


class SourceMissing(SequenceError):  # noqa: N818 - a state of the machine, not a mistake
    """The sequence entry is sound; its file is not on this machine."""


class RecordError(InputError):
    """A record or table that cannot be used."""


class ContractError(InvrError):
    """A codec broke the contract: exit status, missing, partial or oversized output."""


class LimitError(ContractError):
    """A codec was stopped at its limit of time, memory or output."""


class MemoryLimitError(LimitError):
    """A codec was stopped at its limit of memory, or killed by the system for want of it."""


class GpuMemoryError(ContractError):
    """A codec wanted more memory than its GPU had."""


class UnsupportedError(InvrError):
    """A sound request that this codec or metric does not serve."""


class ToolError(InvrError):
    """A program or library that this step needs is absent or failed."""


class StorageError(InvrError):
    """A file system is full, read-only or not the user's to write."""


class CompareError(InvrError):
    """Two curves or tables that cannot be compared."""


class BusyError(InvrError):
    """Another run holds the results tree."""


_FULL = {errno.ENOSPC, errno.EDQUOT}
_LITTLE = 1 << 16  # bytes: what fails where no more are free fails for want of them
_WRITE_ERRORS = {
    errno.EROFS: "is on a read-only file system",
    errno.EACCES: "may not be read or written by this user",
    errno.EPERM: "may not be changed by this user",
    errno.EIO: "lies on a disk that answers with errors",
    errno.ENAMETOOLONG: "has a longer name than its file system takes",
}


def storage_error(error: OSError, path: Path | None = None) -> StorageError | None:
    """A :class:`StorageError` if the system refused a file; None for any other error.

    Args:
        error: what the system said.
        path: what was being written; a file that ``error`` names elsewhere is told instead.
    """
    if isinstance(error, shutil.Error):  # of a copied folder: a list in place of a number
        copied = Path(error.args[0][0][1])
        return full_disk(copied) if shutil.disk_usage(copied.parent).free < _LITTLE else None
    name = error.filename2 or error.filename
    said = Path(os.fsdecode(name)) if isinstance(name, str | bytes) else None
    is_near = path is not None and said is not None and said.parent in (path, path.parent)
    named = path if said is None or is_near else said
    if error.errno in _FULL:
        return full_disk(path or named or Path.cwd())
    if error.errno in _WRITE_ERRORS and named is not None:
        why = _WRITE_ERRORS[error.errno]
        remedy = "correct that, or work in a folder that can be written, and rerun"
        return StorageError(f"{_shown(named)} {why}; {remedy}.")
    return None


def raise_storage_error(error: OSError, path: Path | None = None) -> None:
    """Raise the :func:`storage_error`, if it is one."""
    told = storage_error(error, path)
    if told is not None:
        raise told from error


def full_disk(path: Path) -> StorageError:
    """That the file system which should take ``path`` is full, with its name and size."""
    place = path.absolute()
    while not place.exists():
        place = place.parent
    mount = place.resolve()
    while not mount.is_mount():
        mount = mount.parent
    usage = shutil.disk_usage(place)
    return StorageError(
        f"{_shown(path)} could not be written: no space left on the file system {mount} "
        f"({usage.free / 1e6:.1f} of {usage.total / 1e6:.1f} MB free, or a quota is used up); "
        "free some and rerun."
    )


def _shown(path: Path) -> str:
    """A path as seen from the current folder, if it lies below."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)
