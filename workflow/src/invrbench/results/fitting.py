"""What a fit keeps in case that it is killed: its checkpoint, its time so far, its finished model.

A fit goes through these states, and a kill between any two of them loses no finished work:

1. ``checkpoint/`` and ``checkpoint.key`` are there: it is under way, or was killed.
2. ``model/`` was replaced; the record of an earlier model went before.
3. ``finished.json`` is there: the model is complete. Snakemake does not know yet, and would remove
   ``fit.json`` if it was killed now; the next start writes that anew from ``finished.json``.
4. ``checkpoint/`` is gone, then ``fit.json`` is written, and at the end of the run
   ``finished.json`` goes too, so that a fit asked for once more is trained once more.
"""

import json
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from invrbench.digest import digest_tree, sync_tree, write_json
from invrbench.results.records import read_usable_record, write_record

FINISHED = "finished.json"
CHECKPOINT, CHECKPOINT_KEY = "checkpoint", "checkpoint.key"
Record = dict[str, Any]


@dataclass(frozen=True)
class Checkpoint:
    """Where a fit keeps its state, and the seconds that went into it before this start."""

    folder: Path
    earlier_seconds: float


def open_checkpoint(folder: Path, key: str) -> Checkpoint:
    """The checkpoint of the fit in ``folder``: this key's own state, or empty."""
    checkpoint, note = folder / CHECKPOINT, folder / CHECKPOINT_KEY
    held = _read_note(note)
    spent = 0.0
    if held.get("key") == key:
        spent = float(held["earlier_seconds"]) + _seconds_kept(checkpoint, float(held["start"]))
    else:
        shutil.rmtree(checkpoint, ignore_errors=True)
    checkpoint.mkdir(parents=True, exist_ok=True)
    write_json(note, {"key": key, "start": time.time(), "earlier_seconds": round(spent, 4)})
    return Checkpoint(checkpoint, spent)


def began_before(folder: Path) -> float | None:
    """When a fit under way would have begun, in seconds since the epoch, had it not been killed."""
    held = _read_note(folder / CHECKPOINT_KEY)
    return float(held["start"]) - float(held["earlier_seconds"]) if "start" in held else None


def _read_note(note: Path) -> dict[str, Any]:
    try:
        held = json.loads(note.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return held if isinstance(held, dict) else {}


def _seconds_kept(checkpoint: Path, start: float) -> float:
    """Seconds from a start to the last state that was saved since; the work after it is lost."""
    saved = [path.stat().st_mtime for path in checkpoint.rglob("*") if path.is_file()]
    return max(0.0, max(saved, default=start) - start)


def take_model(made: Path, folder: Path) -> dict[str, str]:
    """Put a trained model in its place, on the disk; digests of its files.

    The record of the model before it goes first: it describes that one only.
    """
    target = folder / "model"
    for name in ("fit.json", FINISHED):
        (folder / name).unlink(missing_ok=True)
    if target.exists():
        shutil.rmtree(target)
    shutil.move(made, target)
    sync_tree(target)
    return digest_tree(target)


def finish(folder: Path, record: Record, *, keep: bool) -> None:
    """Write ``fit.json``; ``keep`` what writes it anew until :func:`forget_finished`."""
    write_record(folder / FINISHED, record)
    shutil.rmtree(folder / CHECKPOINT, ignore_errors=True)
    (folder / CHECKPOINT_KEY).unlink(missing_ok=True)
    write_record(folder / "fit.json", record)
    if not keep:
        forget_finished(folder)


def finished_before(folder: Path, key: str) -> Record | None:
    """The record of a model that was complete when its run was killed; None if there is none."""
    record = read_usable_record(folder / FINISHED)
    if record is None or record["key"] != key:
        return None
    return record if digest_tree(folder / "model") == record["outputs"] else None


def forget_finished(folder: Path) -> None:
    """Have the fit trained once more when it is asked for once more."""
    (folder / FINISHED).unlink(missing_ok=True)
