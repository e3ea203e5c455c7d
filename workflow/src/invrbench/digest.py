"""Digests of values and files, and files that appear whole or not at all."""

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from invrbench.errors import raise_storage_error

NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)  # of a file system that has none
PARTIAL = ".part"  # how names of files end that are being written
_CHUNK = 1 << 20
_STEM_BYTES = 200  # of a file's name, which has at most 255, in the name of its partial one


def digest_value(value: Any) -> str:
    """Digest of a JSON-able value, independent of the order of its keys.

    >>> digest_value({"a": 1, "b": 2}) == digest_value({"b": 2, "a": 1})
    True
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def md5_file(*paths: Path) -> str:
    """MD5 of the bytes of a file, or of several in a row, as hexadecimal text."""
    md5 = hashlib.md5(usedforsecurity=False)
    for path in paths:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                md5.update(chunk)
    return md5.hexdigest()


def digest_tree(folder: Path) -> dict[str, str]:
    """MD5 of every regular file below ``folder``, by path relative to it."""
    return {
        path.relative_to(folder).as_posix(): md5_file(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@contextlib.contextmanager
def written_whole(path: Path) -> Iterator[IO[bytes]]:
    """A file to be written, which takes the place of ``path`` when the block ends well.

    A reader sees the old file or the whole new one, even after a crash of the machine. What a
    killed writer leaves beside it can be told by :func:`is_abandoned`.

    Raises:
        StorageError: the file system is full, read-only or not the user's; the old file stays.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock, temporary = _begin(path)
        with os.fdopen(lock), temporary.open("wb") as file:
            try:
                yield file
                file.flush()
                os.fsync(file.fileno())
                temporary.chmod(0o644)
                temporary.replace(path)
            except BaseException:
                temporary.unlink(missing_ok=True)
                raise
        sync(path.parent)
    except OSError as error:
        raise_storage_error(error, path)
        raise


def _begin(path: Path) -> tuple[int, Path]:
    """A new file beside ``path``, and an open handle that locks it for as long as it is open."""
    stem = path.name.encode()[:_STEM_BYTES].decode(errors="ignore")
    while True:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{stem}.", suffix=PARTIAL)
        if claim(handle, Path(name)):
            return handle, Path(name)
        os.close(handle)


def claim(handle: int, path: Path) -> bool:
    """Lock an open file while it is open; False if another has it, or if its path went away.

    Where a file system has no locks it is claimed all the same; no run clears up there.
    """
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False


def is_abandoned(path: Path) -> bool:
    """Whether a file that its maker locks has no living maker; False if there is no such file."""
    try:
        with path.open("r+b") as file:
            return claim(file.fileno(), path)
    except FileNotFoundError:
        return False


def sync(path: Path) -> None:
    """Have a file, or the names in a folder, survive a crash of the machine."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_tree(folder: Path) -> None:
    """Have a folder and all files in it survive a crash of the machine."""
    for path in (folder, *folder.rglob("*")):
        if path.is_file() or path.is_dir():
            sync(path)


def write_whole(path: Path, data: str | bytes) -> None:
    """Write a file so that a reader sees the old one or the whole new one, even after a crash.

    Raises:
        StorageError: as :func:`written_whole`.
    """
    with written_whole(path) as file:
        file.write(data.encode() if isinstance(data, str) else data)


def write_json(path: Path, value: Any) -> None:
    """Write a JSON document whole; NaN and infinity are refused."""
    write_whole(path, json.dumps(value, indent=1, allow_nan=False, ensure_ascii=False) + "\n")
