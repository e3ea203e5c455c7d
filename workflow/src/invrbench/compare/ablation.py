"""Each codec's tools, off one at a time: its variants against the codec with all of them on."""

from collections.abc import Sequence
from dataclasses import replace
from statistics import median
from typing import Any

from invrbench.compare.curves import Curve, CurveKey, is_number
from invrbench.compare.table import Row, compare_curves

COLUMNS = (
    "sequence", "view_set", "configuration", "codec", "variant", "curve", "seed", "metric",
    "bd_rate_percent", "bd_quality", "overlap", "status", "reason",
    "kmac_per_pixel", "kmac_per_pixel_all_on", "fit_seconds", "fit_seconds_all_on",
    "decode_seconds", "decode_seconds_all_on",
)  # fmt: skip
_COSTS = ("kmac_per_pixel", "fit_seconds", "decode_seconds")


def ablation_rows(curves: Sequence[Curve], metrics: Sequence[str]) -> list[Row]:
    """A row for every variant's curve and metric: BD-rate against all-on, medians of the costs.

    A positive BD-rate is what the tool saves. Times are those of the run, on a shared machine.

    Args:
        curves: of the report; a variant whose codec itself was not run has no row.
        metrics: columns to compare.
    """
    all_on = {_pairing(curve.key): curve for curve in curves if "+" not in curve.key.codec}
    rows = []
    for curve in curves:
        codec, plus, variant = curve.key.codec.partition("+")
        base = all_on.get(_pairing(curve.key))
        if not plus or base is None or curve.role != "proposal":
            continue
        for metric in metrics:
            found = compare_curves(curve, base, metric=metric)
            row = {name: found.get(name) for name in COLUMNS}
            row |= {"codec": codec, "variant": variant}
            for cost in _COSTS:
                row[cost] = _median(curve, cost)
                row[f"{cost}_all_on"] = _median(base, cost)
            rows.append(row)
    return rows


def compared_keys(row: Row) -> tuple[CurveKey, CurveKey]:
    """The curves behind a row: the codec with all tools on, and its variant."""
    all_on = CurveKey(
        sequence=row["sequence"],
        view_set=row["view_set"],
        codec=row["codec"],
        configuration=row["configuration"],
        curve=row["curve"],
        seed=row["seed"],
    )
    return all_on, replace(all_on, codec=f"{row['codec']}+{row['variant']}")


def _pairing(key: CurveKey) -> tuple[str, ...]:
    codec = key.codec.partition("+")[0]
    return (key.sequence, key.view_set, codec, key.configuration, key.curve, key.seed)


def _median(curve: Curve, column: str) -> float | None:
    values: list[Any] = [p[column] for p in curve.points if is_number(p.get(column))]
    return float(median(values)) if values else None
