"""Decode points once more under other settings, and say which pictures drift."""

import logging
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from invrbench.cli.common import repository, write_result
from invrbench.codec.settings import TABLE, Setting, read_setting
from invrbench.errors import InputError
from invrbench.results.drift import FAILS, Drift, DriftCount, count_drifts, drift_counts_text
from invrbench.results.plan import Plan, Point
from invrbench.results.planning import load_plan
from invrbench.results.points import point_rows
from invrbench.results.redecode import look

logger = logging.getLogger(__name__)
NOT_APPLICABLE = "does not apply"


def drift(arguments: Any) -> int:
    """Look at every point and setting; exit 1 if one fails or breaks its codec's claim."""
    settings = [read_setting(name) for name in _names(arguments.settings)]
    plan = load_plan(repository(), arguments.ctc, only=arguments.points)
    points, left_out = _current(plan, arguments.ctc)
    is_quiet = arguments.json == "-"
    looked: list[tuple[Point, Drift]] = []
    listed = []
    for point in points:
        results: list[dict[str, Any]] = []
        for setting, found in _look_at(plan, point, settings, arguments.within):
            if isinstance(found, Drift):
                looked.append((point, found))
                results.append(asdict(found) | {"class": found.verdict})
            else:
                results.append({"setting": setting, "class": NOT_APPLICABLE, "reason": found})
            if not is_quiet:
                _print(point, setting, found, is_first=len(results) == 1)
        listed.append(asdict(point.address) | {"results": results})
    counts = count_drifts(looked)
    document = _document(plan, arguments, listed, left_out, counts)
    text = "\n".join(["", *drift_counts_text(counts), ""])
    write_result(document, arguments.json, text)
    if arguments.json and not is_quiet:
        sys.stdout.write(text)
    is_sound = not any(found.verdict == FAILS for _, found in looked)
    return 0 if is_sound and not any(count.broken for count in counts) else 1


def _names(typed: str) -> Sequence[str]:
    return tuple(name.strip() for name in typed.split(",")) if typed.strip() else tuple(TABLE)


def _current(plan: Plan, ctc: str) -> tuple[list[Point], dict[str, str]]:
    """Points whose records are current, and why others are left out.

    Raises:
        InputError: no point is current.
    """
    points, left_out = [], {}
    for point in plan.points:
        row = point_rows(plan, point)[0]
        if row["status"] == "ok":
            points.append(point)
        elif row["status"] != "skipped":
            why = f"{row['status']}: {row['reason']}"
            left_out[point.address.folder.as_posix()] = why
            logger.warning("%s is left out: %s", point.address.folder, why)
    if not points:
        raise InputError(
            f"none of the {len(plan.points)} points asked for is decoded and measured; run "
            f"`snakemake --cores 8 all --config ctc={ctc}` first."
        )
    return points, left_out


def _look_at(
    plan: Plan, point: Point, settings: Sequence[Setting], limit: float | None
) -> Iterator[tuple[str, Drift | str]]:
    for setting in settings:
        found = look(plan.root, point, setting)
        yield setting.name, found.against(limit) if isinstance(found, Drift) else found


def _print(point: Point, setting: str, found: Drift | str, *, is_first: bool) -> None:
    if is_first:
        sys.stdout.write(f"{point.address.folder.as_posix()}\n")
    told = found.told if isinstance(found, Drift) else f"{NOT_APPLICABLE}: {found}"
    sys.stdout.write(f"    {setting:<12} {told}\n")
    sys.stdout.flush()


def _document(
    plan: Plan,
    arguments: Any,
    listed: Sequence[dict[str, Any]],
    left_out: dict[str, str],
    counts: Sequence[DriftCount],
) -> dict[str, Any]:
    return {
        "schema": 1,
        "conditions": plan.conditions.name,
        "within": arguments.within,
        "points": listed,
        "left_out": left_out,
        "codecs": [asdict(count) for count in counts],
        "broken_claims": [count.broken for count in counts if count.broken],
    }
