"""Look before, during and after a run: doctor, plan, status."""

import contextlib
import sys
import time
from typing import Any

from invrbench.cli.common import plan_of, repository
from invrbench.results.doctor import examine
from invrbench.results.estimate import describe
from invrbench.results.planning import load_plan
from invrbench.results.progress import describe_progress

_CLEAR = "\x1b[2J\x1b[H"  # an empty screen, the cursor at its top


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


def status(arguments: Any) -> int:
    """Print where a run stands; with ``--watch`` again and again, on a terminal."""
    plan = plan_of(arguments)
    if arguments.watch is None or not sys.stdout.isatty():
        sys.stdout.write(describe_progress(plan))
        return 0
    with contextlib.suppress(KeyboardInterrupt):
        while True:
            text = describe_progress(plan)
            sys.stdout.write(f"{_CLEAR}{text}\nCtrl-C ends this view, not the run.\n")
            sys.stdout.flush()
            time.sleep(arguments.watch)
    return 0
