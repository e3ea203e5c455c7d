"""What became of a package's claims: every value beside the claimed one, and a word per point."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from invrbench.metrics.families import FAMILIES
from invrbench.metrics.measurement import LOSSLESS
from invrbench.results.claims import Claim, is_claimed
from invrbench.results.package import Row

Verdict = Literal["bit-exact", "equal within tolerance", "differs", "failed", "not checked"]
BIT_EXACT: Verdict = "bit-exact"
EQUAL: Verdict = "equal within tolerance"
DIFFERS: Verdict = "differs"
FAILED: Verdict = "failed"
NOT_CHECKED: Verdict = "not checked"
VERDICTS: tuple[Verdict, ...] = (BIT_EXACT, EQUAL, DIFFERS, FAILED, NOT_CHECKED)
_RATES = ("bpp", "rate_kbps", "kbit_per_instant")
_EXACT = 1e-9  # of a rate: what writing and reading a number may cost


@dataclass(frozen=True)
class Compared:
    """One claimed value beside what was measured.

    ``where`` names the view set, view or frames it is of; ``why_not`` says why there is no
    measured value, which keeps it from being judged.
    """

    column: str
    where: str
    claimed: float | None
    measured: float | None
    tolerance: float
    difference: float | None = None
    why_not: str = ""

    @property
    def is_within(self) -> bool:
        """Whether it contradicts nothing."""
        if self.why_not:
            return True
        return self.difference is not None and self.difference <= self.tolerance

    @property
    def severity(self) -> float:
        """How many tolerances the two lie apart; infinite where only one is a number."""
        if self.why_not:
            return 0.0
        if self.difference is None:
            return float("inf")
        if self.tolerance:
            return self.difference / self.tolerance
        return float("inf") if self.difference else 0.0


@dataclass(frozen=True)
class Checked:
    """A point and what became of its claims."""

    claim: Claim
    verdict: Verdict
    reason: str = ""
    compared: tuple[Compared, ...] = ()
    record: Mapping[str, Any] = field(default_factory=dict)

    @property
    def worst(self) -> Compared | None:
        """The value that lies furthest from its claim, in tolerances; None if all are equal."""
        apart = [each for each in self.compared if each.severity > 0]
        return max(apart, key=lambda each: each.severity, default=None)

    @property
    def measured_rows(self) -> list[Row]:
        """The claimed rows with what was measured in place of what was claimed, frames uncut."""
        if self.record.get("status") != "ok" or self.record.get("frames") is not None:
            return []
        rows = []
        for row in self.claim.rows:
            name = str(row.get("view_set") or "")
            wheres = ("", name and f"{name} views")
            mine = {c.column: c.measured for c in self.compared if c.where in wheres}
            unmeasured = {c.column for c in self.unmeasured if c.where in wheres}
            rows.append(row | {k: v for k, v in mine.items() if k not in unmeasured})
        return rows

    @property
    def unmeasured(self) -> tuple[Compared, ...]:
        """Claimed values that this machine could not measure."""
        return tuple(each for each in self.compared if each.why_not)


def other_metrics(packed: Mapping[str, str], checked: Iterable[Checked]) -> list[str]:
    """Metrics that were measured in another way than where the package was made, as phrases.

    Args:
        packed: how a column was measured there.
        checked: points that were measured here.
    """
    here: dict[str, str] = {}
    for each in checked:
        for views in each.record.get("measured", {}).values():
            for measurement in views.values():
                here |= measurement["versions"]
    return [
        f"metric {column}: {packed[column]} packed, {version} here"
        for column, version in sorted(here.items())
        if packed.get(column, version) != version
    ]


def compare(claim: Claim, record: Mapping[str, Any], limits: Mapping[str, float]) -> list[Compared]:
    """Every claimed number of a point beside the measured one.

    Args:
        claim: the point.
        record: what was measured of it, see :meth:`Session.check`.
        limits: tolerances by column.
    """
    found = [
        _one("bitstream_bytes", "", claim.first["bitstream_bytes"], record["bitstream_bytes"], 0.0)
    ]
    for name in _RATES:
        claimed = claim.first.get(name)
        if claimed is not None or record["rates"].get(name) is not None:
            limit = _EXACT * abs(float(claimed or 0))
            found.append(_one(name, "", claimed, record["rates"].get(name), limit))
    if record["frames"] is not None:
        return [*found, *_compared_frames(record, limits)]
    for row in claim.rows:
        name = str(row.get("view_set") or "")
        views = record["view_sets"].get(name, [])
        found += _compared_row(row, name and f"{name} views", views, record, limits)
    for row in claim.views:
        name = str(row.get("view") or "")
        found += _compared_row(row, f"view {name}", [name], record, limits)
    return found


def _one(
    column: str, where: str, claimed: Any, measured: Any, tolerance: float, why_not: str = ""
) -> Compared:
    both = claimed is not None and measured is not None
    difference = abs(float(measured) - float(claimed)) if both else None
    return Compared(column, where, claimed, measured, tolerance, difference, why_not)


def _compared_row(
    row: Row, where: str, views: Sequence[str], record: Mapping[str, Any], limits: Mapping[str, Any]
) -> Iterator[Compared]:
    for family in FAMILIES.values():
        held = record["measured"].get(family.name)
        for column in family.columns:
            if not is_claimed(row, column):
                continue
            limit = float(limits[column])
            if held is None or any(view not in held for view in views) or not views:
                why = record["unmeasured"].get(family.name, "not measured")
                yield _one(column, where, row.get(column), None, limit, why)
                continue
            values = [held[view]["values"].get(column) for view in views]
            reasons = [held[view]["reasons"].get(column, "") for view in views]
            measured = None if None in values else sum(values) / len(values)
            why = next(filter(None, reasons), "") if measured is None else ""
            both_lossless = row.get(column) is None and why == LOSSLESS
            if both_lossless:
                yield Compared(column, where, None, None, limit, 0.0)
            else:
                why_not = "" if why == LOSSLESS else why
                yield _one(column, where, row.get(column), measured, limit, why_not)


def _compared_frames(record: Mapping[str, Any], limits: Mapping[str, Any]) -> Iterator[Compared]:
    """The claimed values of single frames beside the measured ones: the largest difference each."""
    for column, pairs in record["head"].items():
        apart = [abs(a - b) for a, b in pairs if a is not None and b is not None]
        one_sided = any((a is None) != (b is None) for a, b in pairs)
        claimed = [a for a, _ in pairs if a is not None]
        measured = [b for _, b in pairs if b is not None]
        yield Compared(
            column,
            record["frames"],
            sum(claimed) / len(claimed) if claimed else None,
            sum(measured) / len(measured) if measured else None,
            float(limits[column]),
            None if one_sided else max(apart, default=0.0),
        )
