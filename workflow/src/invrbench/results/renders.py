"""Points held against what their model decodes to when it is not coded: the family ``render``."""

from dataclasses import replace
from fnmatch import fnmatchcase

from invrbench.ctc.conditions import Conditions
from invrbench.digest import digest_value
from invrbench.errors import ConditionsError
from invrbench.metrics.families import RENDER, family_digest
from invrbench.results.plan import Point


def with_renders(points: list[Point], conditions: Conditions, *, is_filtered: bool) -> list[Point]:
    """The points with the family ``render``, where an uncompressed point of theirs is among them.

    Uncompressed points keep their frames, which all the others are held against.

    Raises:
        ConditionsError: no point fits the pattern under ``uncompressed``, though all are chosen.
    """
    kept = [
        replace(point, keep_decoded=point.keep_decoded or _is_uncompressed(point, conditions))
        for point in points
    ]
    held = {_model_of(point): point for point in kept if _is_uncompressed(point, conditions)}
    if not held and not is_filtered and any(point.is_runnable for point in points):
        raise ConditionsError(
            f"ctc/{conditions.name}.yaml: no planned point is called {conditions.uncompressed!r}, "
            "which `uncompressed` names; add it to the grids, or drop the family render."
        )
    return [_with_render(point, held.get(_model_of(point))) for point in kept]


def _is_uncompressed(point: Point, conditions: Conditions) -> bool:
    return point.is_runnable and fnmatchcase(point.address.rate_point, conditions.uncompressed)


def _model_of(point: Point) -> tuple[object, ...]:
    """What points of one model share."""
    where = point.address
    return (where.sequence, where.codec, where.configuration, point.rate_point.fit, where.seed)


def _with_render(point: Point, uncompressed: Point | None) -> Point:
    if uncompressed is None or not point.is_runnable:
        return point
    keys = [point.decode_key, uncompressed.decode_key, family_digest(RENDER)]
    family_keys = {**point.family_keys, RENDER: digest_value(keys)}
    return replace(point, uncompressed=uncompressed, family_keys=family_keys)
