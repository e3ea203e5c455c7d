"""What a source's own views score in a metric that is not zero of them: the warping error.

It is measured once per sequence and kept beside the source's record, under a key of its own.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from invrbench.digest import digest_value, write_json
from invrbench.errors import SourceMissing
from invrbench.metrics.families import FAMILIES, family_digest
from invrbench.outside import object_in
from invrbench.results import paths
from invrbench.results.plan import Plan, Point
from invrbench.results.points import VIEW_COLUMNS, Row
from invrbench.results.sources import Prepared, load_source

SOURCE = "source"
FAMILY = "view"
COLUMN = "warping_error"


def source_rows(plan: Plan) -> list[Row]:
    """A row per measured view of every scene: the source against itself, in views.tsv's columns.

    There are none where the conditions do not measure the family, or the scene is not prepared.
    """
    if FAMILY not in plan.conditions.families:
        return []
    rows: list[Row] = []
    scenes = {p.address.sequence: p for p in plan.runnable if p.source.track == "multiview"}
    for sequence in scenes:
        try:
            prepared = load_source(plan.root, sequence)
        except SourceMissing:
            continue
        sets: dict[str, tuple[Point, str]] = {}
        for point in plan.runnable:
            if point.address.sequence == sequence:
                for name, views in point.view_sets.items():
                    sets |= dict.fromkeys(views, (point, name))
        own = _own(plan.root, sequence, prepared, sorted(sets))
        rows += [_row(plan, point, name, view) | own[view] for view, (point, name) in sets.items()]
    return rows


def _row(plan: Plan, point: Point, view_set: str, view: str) -> Row:
    reasons = {f"{column}_reason": "the source itself" for column in FAMILIES[FAMILY].columns}
    return dict.fromkeys(VIEW_COLUMNS) | {
        "conditions": plan.conditions.name,
        "track": point.source.track,
        "class": point.sequence_class,
        "sequence": point.address.sequence.partition("@")[0],
        "cut": str(point.ref.cut or ""),
        "view_set": view_set,
        "view": view,
        "codec": SOURCE,
        "role": SOURCE,
        "status": "ok",
        **reasons,
    }


def _own(root: Path, sequence: str, prepared: Prepared, views: Sequence[str]) -> Mapping[str, Row]:
    """By view: its own value or the reason why it has none; measured if not held already."""
    path = root / paths.SOURCES / f"{sequence}.motion.json"
    key = digest_value([prepared.md5, family_digest(FAMILY), list(views)])
    held = object_in(path)
    if held.get("key") != key:
        held = {"key": key, "views": {view: _measured(prepared, view) for view in views}}
        write_json(path, held)
    found: Mapping[str, Row] = held["views"]
    return found


def _measured(prepared: Prepared, view: str) -> Row:
    from invrbench.metrics import temporal  # OpenCV: only a report of scenes needs it

    clip = prepared.clips[view]
    found = temporal.measure(clip, clip)
    return {COLUMN: found.values[COLUMN], f"{COLUMN}_reason": found.reasons.get(COLUMN, "")}
