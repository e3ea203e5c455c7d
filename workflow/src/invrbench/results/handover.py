"""The plan of a run, handed from Snakemake's main process to its jobs.

A job that reads it starts at once and does exactly what was planned. It is this program's own
file, below results/, and read only by jobs of the run that wrote it.
"""

import os
import pickle
from pathlib import Path

from invrbench.codec.closure import verb_files
from invrbench.codec.manifest import Manifest, Verb
from invrbench.digest import write_whole
from invrbench.metrics.families import metric_files
from invrbench.results.paths import RUN_PLAN
from invrbench.results.plan import Plan

VARIABLE = "INVRBENCH_PLAN"


def hand_over(plan: Plan) -> None:
    """Write the plan for the jobs of this process and name it in their environment."""
    path = plan.root / RUN_PLAN
    write_whole(path, pickle.dumps(plan))
    os.environ[VARIABLE] = str(path)


def take_over(root: Path, conditions: str) -> Plan | None:
    """The plan of the run this process belongs to, or None outside of one."""
    path = os.environ.get(VARIABLE)
    if path is None or Path(path) != root / RUN_PLAN:
        return None
    try:
        plan = pickle.loads(Path(path).read_bytes())
    except FileNotFoundError:
        return None
    return plan if isinstance(plan, Plan) and plan.conditions.name == conditions else None


def has_changed_since(root: Path, manifest: Manifest, *verbs: Verb) -> bool:
    """Whether code of the verbs or of a metric was written after the plan was handed over."""
    planned = (root / RUN_PLAN).stat().st_mtime_ns
    files = {manifest.folder / "codec.toml", *metric_files()}
    for verb in verbs:
        if verb in manifest.commands:
            files.update(verb_files(manifest, verb).values())
    return any(path.stat().st_mtime_ns > planned for path in files)
