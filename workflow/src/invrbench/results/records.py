"""Records: what was run, on what, with what result. A record is the truth about its artefact."""

import contextlib
import os
import platform
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from invrbench import __version__
from invrbench.digest import digest_value, write_json
from invrbench.errors import RecordError
from invrbench.outside import object_in, parse_json

SCHEMA = 1
STALE_TIME = 1  # seconds after the epoch: older than every input, so Snakemake runs the job again
_PEEK_BYTES = 2048
_KEY = re.compile(rb'"key": "([0-9a-f]*)"')
STALE = "made with other code, parameters or input"  # what a record with another key was
MACHINE_VARIABLE = "INVRBENCH_MACHINE"


def now() -> str:
    """This moment, UTC, ISO 8601 with seconds."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def machine_label() -> str:
    """What reports call this machine: the profile's label, else its processor; never its host."""
    named = os.environ.get(MACHINE_VARIABLE)
    if named:
        return named
    model = platform.machine()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    return f"{model}, {usable_cores()} cores"


def usable_cores() -> int:
    """Cores this process may use: its affinity, cut by a cgroup quota."""
    cores = len(os.sched_getaffinity(0))
    quota = Path("/sys/fs/cgroup/cpu.max")
    if quota.is_file():
        limit, _, period = quota.read_text().strip().partition(" ")
        if limit.isdigit() and period.isdigit():
            cores = min(cores, max(1, int(limit) // int(period)))
    return cores


def library_versions(*names: str) -> dict[str, str]:
    """Versions of installed distributions, without importing them."""
    from importlib import metadata

    versions = {"invrbench": __version__, "python": platform.python_version()}
    for name in names:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = "absent"
    return versions


def _seal(record: dict[str, Any]) -> str:
    return digest_value({k: v for k, v in record.items() if k != "digest"})


def write_record(path: Path, record: dict[str, Any]) -> None:
    """Write a record whole, sealed with a digest of its content."""
    full: dict[str, Any] = {"schema": SCHEMA}
    full |= {name: record[name] for name in ("kind", "status", "key") if name in record}
    full |= record
    write_json(path, {**full, "digest": _seal(full)})


def read_record(path: Path) -> dict[str, Any] | None:
    """The record at ``path``, or None if there is none.

    Raises:
        RecordError: it is not JSON, holds NaN or infinity, is of another schema, or was edited
            by hand.
    """
    try:
        record = parse_json(path.read_bytes())
        seal = _seal(record) if isinstance(record, dict) else ""
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise RecordError(
            f"{path} is not JSON of finite numbers ({error}); delete it and rerun."
        ) from None
    if not isinstance(record, dict) or record.get("schema") != SCHEMA:
        raise RecordError(f"{path} has another schema than {SCHEMA}; delete it and rerun.")
    if record.get("digest") != seal:
        raise RecordError(
            f"{path} was changed after it was written (its digest does not match); "
            "delete it and rerun."
        )
    return record


def read_usable_record(path: Path) -> dict[str, Any] | None:
    """Like :func:`read_record`, but an unusable record counts as none."""
    try:
        return read_record(path)
    except RecordError:
        return None


def failure_of(path: Path, key: str, *, is_final: bool = False) -> str | None:
    """Why the step whose record would be at ``path`` failed, if it failed under this key.

    ``is_final`` asks for failures alone that more memory, or a later time, would not mend.
    """
    failed = object_in(path.with_suffix(".failed.json"))
    if failed.get("key") != key:
        return None
    if is_final and not failed.get("is_final"):
        return None
    return str(failed.get("reason") or "no reason recorded")


def peek_key(path: Path) -> str | None:
    """The key in a record's first lines, without reading all of it; None if there is no record."""
    try:
        file = os.open(path, os.O_RDONLY)  # a third of what a file object takes, of thousands
    except FileNotFoundError:
        return None
    try:
        head = os.read(file, _PEEK_BYTES)
    finally:
        os.close(file)
    match = _KEY.search(head)
    return match[1].decode() if match else ""


def mark_stale(path: Path) -> None:
    """Date a file, if it is there, before all its inputs, so that the next run makes it anew."""
    with contextlib.suppress(FileNotFoundError):
        os.utime(path, (STALE_TIME, STALE_TIME))
