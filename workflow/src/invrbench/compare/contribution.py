"""A contribution's curves against the anchors it was packed with."""

from collections.abc import Mapping, Sequence
from typing import Any

from invrbench.compare.curves import full_codec, normalised
from invrbench.compare.table import Row, bd_rows
from invrbench.ctc.conditions import Conditions


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
