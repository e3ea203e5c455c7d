"""What the verbs share: the repository, plans, output."""

import json
import sys
from pathlib import Path
from typing import Any

from invrbench.errors import InputError
from invrbench.results.handover import has_changed_since, take_over
from invrbench.results.paths import FitAddress, PointAddress
from invrbench.results.plan import Fit, Plan, Point


def repository() -> Path:
    """The repository this command was typed in.

    Raises:
        InputError: the current folder is not the root of one.
    """
    here = Path.cwd()
    if not ((here / "Snakefile").is_file() and (here / "ctc").is_dir()):
        raise InputError(
            f"{here.name}/ is not the bench's root: run this where the Snakefile lies."
        )
    return here


def plan_of(arguments: Any) -> Plan:
    """The plan that ``--ctc``, ``--only``, ``--label`` and ``--seeds`` describe."""
    from invrbench.results.planning import load_plan

    return load_plan(
        repository(),
        arguments.ctc,
        only=arguments.only,
        label=arguments.label,
        seeds=arguments.seeds,
    )


def _plan_at(root: Path, conditions: str, address: PointAddress | FitAddress) -> Plan:
    from invrbench.results.planning import load_plan  # which the jobs of a run do without

    return load_plan(root, conditions, seeds=address.seed + 1, at=address)


def find_point(folder: str, conditions: str) -> tuple[Path, Point]:
    """The repository and the point at a folder.

    Raises:
        InputError: the conditions hold no such point, or it cannot be run here.
    """
    root = repository()
    address = PointAddress.parse(folder)
    handed = take_over(root, conditions)
    if handed is not None:
        planned = handed.point_by_folder.get(address.folder.as_posix())
        if planned and not has_changed_since(root, planned.manifest, "encode", "decode"):
            return root, planned
    plan = _plan_at(root, conditions, address)
    for point in plan.points:
        if point.address == address:
            why = point.skipped or point.missing
            if why:
                raise InputError(f"{address.folder}: {why}.")
            return root, point
    known = sorted({p.address.rate_point for p in plan.points})
    hint = f"its rate points are {', '.join(known)}" if known else "see `invrbench plan`"
    raise InputError(f"ctc/{conditions}.yaml has no point {address.folder}; {hint}.")


def find_fit(folder: str, conditions: str) -> tuple[Path, Fit]:
    """The repository and the fit at a folder.

    Raises:
        InputError: the conditions hold no such fit.
    """
    root = repository()
    address = FitAddress.parse(folder)
    handed = take_over(root, conditions)
    if handed is not None:
        planned = handed.fits.get(address.folder.as_posix())
        if planned and not has_changed_since(root, planned.manifest, "fit"):
            return root, planned
    plan = _plan_at(root, conditions, address)
    found = plan.fits.get(address.folder.as_posix())
    if found is None:
        known = ", ".join(sorted(plan.fits)) or "none"
        raise InputError(f"ctc/{conditions}.yaml has no fit {address.folder}; there are: {known}.")
    return root, found


def write_result(value: Any, target: str | None, text: str) -> None:
    """Write JSON to ``target`` ("-" is standard output), or ``text`` without one."""
    if target is None:
        sys.stdout.write(text)
        return
    document = json.dumps(value, indent=1, allow_nan=False, ensure_ascii=False) + "\n"
    if target == "-":
        sys.stdout.write(document)
    else:
        Path(target).write_text(document, encoding="utf-8")
