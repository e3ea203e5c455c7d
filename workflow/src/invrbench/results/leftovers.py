"""What killed runs leave that nobody reads, and what a run needs no more.

Only the process that holds the results tree may remove these; what a living process is writing is
locked by it and stays.
"""

import logging
import os
from pathlib import Path

from invrbench.codec.workspace import clear_abandoned
from invrbench.digest import PARTIAL, is_abandoned
from invrbench.results import frames, paths
from invrbench.results.fitting import forget_finished
from invrbench.results.plan import Plan
from invrbench.results.records import peek_key

_LOG = logging.getLogger(__name__)


def clear_before(plan: Plan) -> None:
    """Before the first job: what was half written, and frames that no open point needs."""
    root = plan.root
    folders = clear_abandoned(root / paths.JOBS)
    partial = sum(clear_partial(root / top) for top in (paths.RESULTS, plan.report_folder))
    _clear_frames(plan)
    if folders or partial:
        _LOG.info("removed what a killed run left: %d folders, %d files", folders, partial)


def clear_after(plan: Plan) -> None:
    """After the last job: what the fits kept in case that they had to be started again."""
    for folder, fit in plan.fits.items():
        if peek_key(plan.root / folder / "fit.json") == fit.key:
            forget_finished(plan.root / folder)


def clear_partial(top: Path) -> int:
    """Remove files below ``top`` whose writers were killed; how many."""
    count = 0
    for folder, below, names in os.walk(top):
        below[:] = [name for name in below if name != paths.JOBS.name]
        for name in names:
            path = Path(folder) / name
            if name.startswith(".") and name.endswith(PARTIAL) and is_abandoned(path):
                path.unlink(missing_ok=True)
                count += 1
    return count


def _clear_frames(plan: Plan) -> None:
    """Remove raw frames but those of points that are still to be measured."""
    still = {
        frames.raw_file(plan.root, point.address, view)
        for point in plan.runnable
        if any(peek_key(plan.root / path) != key for path, key in point.measurements.items())
        for view in point.formats
    }
    for path in (plan.root / paths.FRAMES).glob("*.raw"):
        if path not in still:
            path.unlink(missing_ok=True)
