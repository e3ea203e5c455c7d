"""Look before, during and after a run: doctor, plan, status."""

import re
import sys
import time
from collections import Counter
from typing import Any

from invrbench.cli.common import plan_of, repository
from invrbench.results.doctor import examine
from invrbench.results.estimate import describe
from invrbench.results.fitting import CHECKPOINT, CHECKPOINT_KEY
from invrbench.results.plan import Plan
from invrbench.results.planning import load_plan
from invrbench.results.points import collect_points

_PROGRESS = re.compile(r"^progress (\d(?:\.\d+)?)(.*)$", re.MULTILINE)


def doctor(arguments: Any) -> int:
    """Print what this machine has; exit 1 if the conditions cannot run on it."""
    from invrbench.results.doctor import require

    root = repository()
    for finding in examine(str(root)):
        line = f"{finding.what:<22} {finding.found}"
        sys.stdout.write(line + (f"\n{'':<22} → {finding.remedy}" if finding.remedy else "") + "\n")
    plan = load_plan(root, arguments.ctc)
    away = sorted({p.address.sequence: p.missing for p in plan.points if p.missing}.items())
    for sequence, why in away:
        sys.stdout.write(f"{sequence:<22} {why}\n")
    require(plan)
    sys.stdout.write(f"{arguments.ctc} can run here.\n")
    return 0


def plan(arguments: Any) -> int:
    """Print what a run would do and how long it would take."""
    sys.stdout.write(describe(plan_of(arguments)))
    return 0


def _running_fits(plan: Plan) -> list[str]:
    lines = []
    for folder, fit in plan.fits.items():
        log = plan.root / folder / "fit.log"
        if not (plan.root / folder / CHECKPOINT).is_dir() or not log.is_file():
            continue
        found = _PROGRESS.findall(log.read_text(errors="replace"))
        if not found:
            continue
        share, said = float(found[-1][0]), found[-1][1].strip()
        age = time.time() - log.stat().st_mtime
        if age > 60:
            lines.append(f"{folder}: {share:.0%}, silent for {age / 60:.0f} min {said}")
            continue
        spent = log.stat().st_mtime - _began(log)
        left = spent * (1 - share) / share if share > 0 else float("nan")
        lines.append(f"{folder}: {share:.0%}, about {left:.0f} s left {said}")
        del fit
    return lines


def _began(log: Any) -> float:
    """When a log was begun: its checkpoint folder's key was written just before."""
    key = log.parent / CHECKPOINT_KEY
    return float(key.stat().st_mtime if key.is_file() else log.stat().st_mtime)


def status(arguments: Any) -> int:
    """Print running fits, and how many points are in which state, with reasons."""
    plan = plan_of(arguments)
    for line in _running_fits(plan):
        sys.stdout.write(line + "\n")
    rows = collect_points(plan)
    counts = Counter(row["status"] for row in rows)
    told = ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))
    sys.stdout.write(f"{len(rows)} points: {told}\n")
    reasons = Counter(
        (row["codec"], row["status"], row["reason"]) for row in rows if row["status"] != "ok"
    )
    for (codec, state, reason), count in sorted(reasons.items()):
        sys.stdout.write(f"  {count:>4} {codec:<16} {state:<9} {reason}\n")
    return 0
