"""What every form of a report is made of: points, rows of bd.tsv, curves, and how cells read."""

from collections.abc import Sequence

from invrbench.compare.bd import MIN_OVERLAP
from invrbench.compare.curves import Curve, CurveKey, Point, group_curves, is_number
from invrbench.compare.seeds import pooled_curves
from invrbench.compare.table import (
    HEADLINE_METHOD,
    STRONGEST,
    Row,
    short_reason,
    strongest_configurations,
)
from invrbench.report.info import RunInfo
from invrbench.results.times import ALONE, SHARED, is_alone

# What identifies a row of bd.tsv made with the headline method.
_ROW_KEY = (
    "sequence",
    "class",
    "view_set",
    "test",
    "configuration",
    "curve",
    "seed",
    "anchor",
    "anchor_configuration",
    "metric",
    "method",
)


class Report:
    """The content of a report: normalised points, rows of bd.tsv, and the run.

    ``curves`` has a curve for every training seed, as sheets that list points do; ``pooled`` has
    their mean instead (seed ``mean of n``), which is what tables of results and plots show.
    """

    def __init__(self, points: Sequence[Point], rows: Sequence[Row], info: RunInfo) -> None:
        self.points = points
        self.rows = rows
        self.info = info
        everything = group_curves(points, info.hulls)
        self.curves = [curve for curve in everything if curve.role != "control"]
        self.pooled = pooled_curves(self.curves)
        self.controls = [curve for curve in everything if curve.role == "control"]
        self.classes = {curve.key.sequence: curve.sequence_class for curve in everything}
        self.strongest = strongest_configurations(rows, info.headline_metrics[0])
        self._places = {
            (c.key.sequence, c.key.view_set, c.key.codec, c.key.configuration): c
            for c in self.pooled
            if not c.is_hull
        }
        self._index = {tuple(row[name] for name in _ROW_KEY): row for row in rows}

    @property
    def sequences(self) -> list[str]:
        """Sequences (with cut) in the order of the points, controls' included."""
        return list(self.classes)

    def timing(self, column: str) -> str:
        """How the times of a column of points.tsv were taken, in a heading's words."""
        timed = [p for p in self.points if p["status"] == "ok" and is_number(p.get(column))]
        alone = sum(is_alone(point.get("timing"), column) for point in timed)
        if not alone:
            return SHARED
        return ALONE if alone == len(timed) else f"{ALONE}: {alone} of {len(timed)} points"

    def curve(self, test: CurveKey, codec: str, configuration: str | None) -> Curve | None:
        """A codec's curve on the sequence and views of a tested one."""
        place = (test.sequence, test.view_set, codec, configuration or "")
        return self._places.get(place) if configuration else None

    def row(
        self,
        test: CurveKey,
        anchor: str,
        configuration: str,
        column: str,
        *,
        scope: str = "",
        method: str = HEADLINE_METHOD,
    ) -> Row | None:
        """The row of a comparison; with ``scope`` the mean over that class or overall."""
        sequence = "" if scope else test.sequence
        return self._index.get(
            (
                sequence,
                scope or self.classes.get(test.sequence, ""),
                test.view_set,
                test.codec,
                test.configuration,
                test.curve,
                test.seed,
                anchor,
                configuration,
                column,
                method,
            )
        )

    def row_of(self, row: Row, method: str) -> Row | None:
        """The same comparison by another method."""
        key = tuple(method if name == "method" else row[name] for name in _ROW_KEY)
        return self._index.get(key)

    def headline(self, test: CurveKey, column: str) -> Row | None:
        """A tested curve against the strongest configuration of the headline anchor."""
        anchor = self.info.headline_anchor
        configuration = self.strongest.get((anchor, test))
        if configuration is None:
            return self.row(test, "", "", column)
        return self.row(test, anchor, configuration, column)

    def headline_mean(self, test: CurveKey, column: str, scope: str) -> Row | None:
        """The mean over a class or overall against the headline anchor."""
        anchor = self.info.headline_anchor
        return self.row(test, anchor, STRONGEST, column, scope=scope) or self.row(
            test, anchor, test.configuration, column, scope=scope
        )


def rounded(value: float) -> float:
    """A cell's value without the last binary digits, which differ between processors."""
    return round(value, 12) + 0.0


def is_partial(row: Row) -> bool:
    """Whether the reference covers too little of the tested range for the mean."""
    return is_number(row["overlap"]) and row["overlap"] < MIN_OVERLAP


def bd_format(row: Row) -> str:
    """Number format of a BD-rate with overlap or n of N behind it, and lost seeds.

    >>> bd_format({"overlap": 0.58, "n_used": None, "n_total": None})
    '+0.0%" (58 %)";-0.0%" (58 %)";0.0%" (58 %)"'
    """
    notes = []
    if row["n_total"] is not None:
        notes.append(f"{row['n_used']} of {row['n_total']}")
    elif is_partial(row):
        notes.append(f"{100 * row['overlap']:.0f} %")
    if row.get("seeds_total") and row["seeds_used"] < row["seeds_total"]:
        notes.append(f"{row['seeds_used']} of {row['seeds_total']} seeds")
    behind = f'" ({", ".join(notes)})"' if notes else ""
    return ";".join(f"{part}{behind}" for part in ("+0.0%", "-0.0%", "0.0%"))


def cell_reason(row: Row) -> str:
    """What stands in a cell instead of a BD-rate."""
    if row["n_total"] is not None:
        return f"withheld ({row['n_used']} of {row['n_total']})"
    return short_reason(row)
