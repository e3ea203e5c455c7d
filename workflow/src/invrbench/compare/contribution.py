"""A contribution's curves against the anchors it was packed with."""

from collections.abc import Mapping, Sequence
from typing import Any

from invrbench.compare.curves import full_codec, is_number, normalised
from invrbench.compare.table import HEADLINE_METHOD, Row, bd_rows
from invrbench.ctc.conditions import Conditions

_KEY = (
    "sequence",
    "view_set",
    "configuration",
    "anchor",
    "anchor_configuration",
    "curve",
    "seed",
    "metric",
    "method",
)


def tested_rows(
    rows: Sequence[Row], anchors: Sequence[Row], conditions: Conditions | Mapping[str, Any]
) -> list[Row]:
    """Rows of bd.tsv in which the one codec of ``rows`` is tested.

    Args:
        rows: all its points, as rows of points.tsv.
        anchors: points of the anchors, likewise.
        conditions: the test conditions, or their JSON.
    """
    value = conditions.to_json() if isinstance(conditions, Conditions) else conditions
    headline = list(value.get("headline", {}).get("metrics", ())) or ["psnr_y_db"]
    metrics = list(dict.fromkeys([*headline, *value.get("bd_metrics", ())]))
    found = bd_rows(
        normalised([*rows, *anchors]),
        metrics=metrics,
        headline_metric=headline[0],
        hulls=value.get("hulls") or {},
    )
    codec = full_codec(rows[0])
    return [row for row in found if row["test"] == codec]


def bd_moves(
    claimed: Sequence[Row], rows: Sequence[Row], anchors: Sequence[Row], value: Mapping[str, Any]
) -> list[Row]:
    """By how much BD-rates move when points are measured again: claimed, measured, and the move.

    Args:
        claimed: rows of bd.tsv in which the codec is tested, as its maker computed them.
        rows: its points as measured now, whole curves of them.
        anchors: points of the anchors as they were packed.
        value: the test conditions as JSON.
    """
    if not rows:
        return []
    held = {tuple(str(row.get(name)) for name in _KEY): row for row in claimed}
    moves = []
    for row in tested_rows(rows, anchors, value):
        before = held.get(tuple(str(row.get(name)) for name in _KEY))
        if row["method"] != HEADLINE_METHOD or not row["anchor"] or not row["sequence"]:
            continue
        then = before.get("bd_rate_percent") if before else None
        found = row["bd_rate_percent"]
        both = is_number(then) and is_number(found)
        moves.append(
            {name: row[name] for name in (*_KEY, "status", "reason")}
            | {
                "claimed_percent": then,
                "measured_percent": found,
                "move_percent": found - then if both else None,
            }
        )
    return moves
