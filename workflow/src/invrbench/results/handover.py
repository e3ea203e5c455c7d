"""The plan of a run, handed from Snakemake's main process to its jobs.

A job that reads it starts at once and does exactly what was planned. It is this program's own
file, below results/, and read only by jobs of the run that wrote it.
"""

import functools
import os
import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from invrbench.codec.closure import verb_files
from invrbench.codec.manifest import VERBS, Manifest, Verb
from invrbench.digest import write_whole
from invrbench.metrics.families import metric_files
from invrbench.results.paths import RUN_PLAN
from invrbench.results.plan import Plan
from invrbench.video.ffmpeg import hand_over_ffmpeg

VARIABLE = "INVRBENCH_PLAN"


@dataclass(frozen=True)
class _Handed:
    """What a run's jobs are given: the plan, and the code it was made of, by codec and verb."""

    plan: Plan
    code: Mapping[tuple[str, Verb], tuple[str, ...]]


def hand_over(plan: Plan) -> None:
    """Write the plan for the jobs of this process and name it in their environment."""
    path = plan.root / RUN_PLAN
    _ = plan.point_by_folder  # looked up here, it goes with the plan
    used = {point.manifest.codec: point.manifest for point in plan.runnable}
    code = {
        (name, verb): _code_of(manifest, verb)
        for name, manifest in used.items()
        for verb in VERBS
        if verb in manifest.commands
    }
    write_whole(path, pickle.dumps(_Handed(plan, code)))
    os.environ[VARIABLE] = str(path)
    hand_over_ffmpeg()


def _code_of(manifest: Manifest, verb: Verb) -> tuple[str, ...]:
    """Files that a verb's key was made of, and their folders, which change when files come."""
    files = {manifest.folder / "codec.toml", *verb_files(manifest, verb).values()}
    return tuple(map(str, files | {path.parent for path in files}))


def _read(path: Path) -> _Handed | None:
    try:
        return _load(path, path.stat().st_mtime_ns)
    except FileNotFoundError:
        return None


@functools.cache
def _load(path: Path, mtime_ns: int) -> _Handed | None:
    handed = pickle.loads(path.read_bytes())
    return handed if isinstance(handed, _Handed) else None


def take_over(root: Path, conditions: str) -> Plan | None:
    """The plan of the run this process belongs to, or None outside of one."""
    path = os.environ.get(VARIABLE)
    if path is None or Path(path) != root / RUN_PLAN:
        return None
    handed = _read(Path(path))
    return handed.plan if handed and handed.plan.conditions.name == conditions else None


def has_changed_since(root: Path, manifest: Manifest, *verbs: Verb) -> bool:
    """Whether code of the verbs or of a metric was written after the plan was handed over."""
    handed, planned = _read(root / RUN_PLAN), (root / RUN_PLAN).stat().st_mtime_ns
    assert handed is not None
    files = {*map(str, metric_files())}
    for verb in verbs:
        files.update(handed.code.get((manifest.codec, verb), ()))
    try:
        return any(Path(path).stat().st_mtime_ns > planned for path in files)
    except FileNotFoundError:
        return True
