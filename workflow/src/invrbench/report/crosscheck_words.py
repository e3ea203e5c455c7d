"""A cross-check and the sentences that tell what it found."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from invrbench.codec.sandbox import told_level
from invrbench.compare.contribution import bd_moves
from invrbench.compare.curves import is_number
from invrbench.report.metrics import METRICS
from invrbench.results.claims import Claim
from invrbench.results.package import Package
from invrbench.results.reencode import Again
from invrbench.results.verdicts import (
    BIT_EXACT,
    DIFFERS,
    EQUAL,
    FAILED,
    NOT_CHECKED,
    Checked,
    Compared,
)

LEAST_TOLERANCE = 1e-6  # below it a rate is exact
_LISTED = 3  # points that a sentence names before it stops
_RATE_LABELS = {
    "bitstream_bytes": ("Bytes", "", 0),
    "bpp": ("Bits per pixel", "", 5),
    "rate_kbps": ("Rate", "kbit/s", 3),
    "kbit_per_instant": ("Rate", "kbit/instant", 3),
}


@dataclass(frozen=True)
class Crosscheck:
    """A package, the verdicts on its points, and the circumstances.

    Attributes:
        package: what was checked.
        checked: verdicts, in the package's order of points.
        limits: tolerances by column, ``limits_of`` says whose.
        by: the cross-checker.
        machine, harness: where it was checked, and by which version of this program.
        frames: "frames 0–15" where only some were compared.
        differences: what of the environment is another one here, as phrases.
        notes: sentences a reader must see.
        moves: BD-rates before and after, see :func:`bd_moves`.
        again: points trained and encoded again, if that was asked for.
    """

    package: Package
    checked: tuple[Checked, ...]
    limits: Mapping[str, float]
    limits_of: str = ""
    by: str = ""
    frames: str = ""
    machine: str = ""
    harness: str = ""
    differences: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    moves: tuple[Mapping[str, Any], ...] = ()
    again: tuple[Again, ...] = ()

    @property
    def counts(self) -> Counter[str]:
        """Points by verdict."""
        return Counter(each.verdict for each in self.checked)

    @property
    def worst_equal(self) -> Compared | None:
        """The largest difference among the points that are equal within tolerance."""
        apart = [e.worst for e in self.checked if e.verdict == EQUAL and e.worst is not None]
        return max(apart, key=lambda each: each.severity, default=None)

    @property
    def date(self) -> str:
        """When the last of its measurements ended, ISO 8601 in UTC; empty without one."""
        return max((str(each.record["end"]) for each in self.checked if each.record), default="")

    @property
    def name(self) -> str:
        """The codec by name and id, with the conditions."""
        value = self.package.value
        return f"{value['name']} ({self.package.codec}, {self.package.conditions})"


def moves_of(package: Package, checked: Iterable[Checked]) -> tuple[Mapping[str, Any], ...]:
    """How BD-rates move, for curves of which every point was measured again."""
    held = list(checked)
    broken = {each.claim.curve for each in held if not _is_whole(each)}
    rows = [row for each in held if each.claim.curve not in broken for row in each.measured_rows]
    whole = {each.claim.curve for each in held} - broken
    rows += [row for row in package.left_out if Claim("", (row,)).curve in whole]
    return tuple(bd_moves(package.bd, rows, package.anchors, package.value["conditions"]["value"]))


def _is_whole(checked: Checked) -> bool:
    return checked.verdict in (BIT_EXACT, EQUAL, DIFFERS) and bool(checked.measured_rows)


def headline_metrics(check: Crosscheck) -> list[str]:
    """The metrics the conditions lead with, as far as this version knows them."""
    value = check.package.value["conditions"]["value"]
    named = value.get("headline", {}).get("metrics", ()) if isinstance(value, dict) else ()
    return [str(name) for name in named if str(name) in METRICS] or ["psnr_y_db"]


def sentence(check: Crosscheck) -> str:
    """The whole cross-check in one sentence."""
    start = _confirmed(check)
    if check.worst_equal is not None:
        start += f", {largest(check.worst_equal)}"
    around = ", ".join(filter(None, (check.frames, *circumstances(check))))
    parts = [start + (f" ({around})" if around else "")]
    parts += [_contradicted(check, verdict) for verdict in (DIFFERS, FAILED)]
    away = Counter(each.reason for each in check.checked if each.verdict == NOT_CHECKED)
    parts += [f"{count} not checked: {why}" for why, count in away.most_common(_LISTED)]
    rest = sum(count for _, count in away.most_common()[_LISTED:])
    parts += [f"{rest} not checked for other reasons"] if rest else []
    return "; ".join(filter(None, parts)) + "."


def _confirmed(check: Crosscheck) -> str:
    """How many points were checked, and how many claims hold."""
    counts, total = check.counts, len(check.checked)
    told = [(counts[verdict], verdict) for verdict in (BIT_EXACT, EQUAL) if counts[verdict]]
    if counts[NOT_CHECKED]:
        listed = ", ".join(f"{count} {verdict}" for count, verdict in told)
        checked = f"{total - counts[NOT_CHECKED]} of {total} points checked"
        return f"{checked}: {listed}" if listed else checked
    if not told:
        return f"0 of {total} points confirmed"
    (count, verdict), *others = told
    return ", ".join([f"{count} of {total} points {verdict}", *(f"{n} {v}" for n, v in others)])


def _contradicted(check: Crosscheck, verdict: str) -> str:
    """The points of a verdict with what is wrong, the first of them; empty if there are none."""
    mine = [each for each in check.checked if each.verdict == verdict]
    if not mine:
        return ""
    word = "differ" if verdict == DIFFERS and len(mine) > 1 else verdict
    reasons = {explanation(each) for each in mine}
    if len(mine) == 1:
        return f"1 {word}: {mine[0].claim.name}: {explanation(mine[0])}"
    if len(reasons) == 1:
        return f"{len(mine)} {word}: {reasons.pop()}"
    named = [f"{each.claim.name} ({explanation(each)})" for each in mine[:_LISTED]]
    named += [f"and {len(mine) - _LISTED} more"] if len(mine) > _LISTED else []
    return f"{len(mine)} {word}: {', '.join(named)}"


def circumstances(check: Crosscheck) -> list[str]:
    """Sandbox levels, and the versions of what the decoder runs on."""
    records = [each.record for each in check.checked if each.record.get("sandbox")]
    told = list(dict.fromkeys(told_level(str(record["sandbox"])) for record in records))
    libraries = check.package.value["environment"].get("libraries", {})
    for record in records[:1]:
        versions = record["versions"]
        told += [f"{name} {versions[name]}" for name in ("torch",) if name in libraries]
        told += [str(record["device"])] if record["device"] != "cpu" else []
    return told


def short(check: Crosscheck) -> str:
    """The verdict in a table's cell: how many points are confirmed, and how."""
    counts, total = check.counts, len(check.checked)
    if counts[BIT_EXACT] == total:
        return f"{total} of {total} bit-exact"
    confirmed = counts[BIT_EXACT] + counts[EQUAL]
    told = [f"{confirmed} of {total} confirmed"]
    told += [f"{counts[v]} {v}" for v in (DIFFERS, FAILED) if counts[v]]
    return ", ".join(told)


def explanation(checked: Checked) -> str:
    """Why a point has its verdict; empty where there is nothing to say."""
    parts = []
    if checked.verdict == DIFFERS and checked.worst is not None:
        parts.append(contradiction(checked.worst))
        others = sum(not each.is_within for each in checked.compared) - 1
        if others:
            parts.append(f"and {others} more values")
    elif checked.verdict == EQUAL:
        parts.append(largest(checked.worst))
    parts += [checked.reason] if checked.reason else []
    away = dict.fromkeys(
        f"{label(c.column)} not measured here: {c.why_not}" for c in checked.unmeasured
    )
    parts += away
    return "; ".join(dict.fromkeys(parts))


def contradiction(compared: Compared) -> str:
    """A claimed value and the one that was found, with as many decimals as tell them apart."""
    places = decimals_of(compared.column)
    while places < 9 and _look_alike(compared, places):
        places += 1
    where = f" ({compared.where})" if compared.where else ""
    claimed, measured = (
        shown_value(compared.column, value, decimals=places)
        for value in (compared.claimed, compared.measured)
    )
    limit = f" (tolerance {compared.tolerance:g})" if compared.tolerance >= LEAST_TOLERANCE else ""
    of = f" {unit(compared.column)}" if unit(compared.column) and claimed != "lossless" else ""
    name = label(compared.column)
    return f"{name}{where} {claimed}{of} claimed, {measured} measured{limit}"


def _look_alike(compared: Compared, places: int) -> bool:
    both = is_number(compared.claimed) and is_number(compared.measured)
    return both and f"{compared.claimed:.{places}f}" == f"{compared.measured:.{places}f}"


def largest(compared: Compared | None) -> str:
    """The largest difference among values that confirm their claims."""
    if compared is None or compared.difference is None:
        return "no value differs"
    name = label(compared.column)
    where = f" ({compared.where})" if compared.where else ""
    in_unit = f" {unit(compared.column)}" if unit(compared.column) else ""
    return (
        f"largest difference {compared.difference:.2g}{in_unit} in {name}{where}, "
        f"tolerance {compared.tolerance:g}"
    )


def shown_value(column: str, value: Any, *, decimals: int | None = None) -> str:
    """A value with the decimals its column is shown with, or more.

    >>> shown_value("psnr_y_db", 31.2), shown_value("bitstream_bytes", 512)
    ('31.20', '512')
    """
    if not is_number(value):
        return "lossless"
    places = decimals_of(column) if decimals is None else decimals
    return f"{value:.{places}f}"


def decimals_of(column: str) -> int:
    """Decimals that a column is shown with."""
    if column in _RATE_LABELS:
        return _RATE_LABELS[column][2]
    return METRICS[column].decimals if column in METRICS else 4


def label(column: str) -> str:
    """What a column is called."""
    if column in _RATE_LABELS:
        return _RATE_LABELS[column][0]
    return METRICS[column].label if column in METRICS else column


def unit(column: str) -> str:
    """The unit of a column, or nothing."""
    if column in _RATE_LABELS:
        return _RATE_LABELS[column][1]
    return METRICS[column].unit if column in METRICS else ""


def bd_sentence(check: Crosscheck) -> str:
    """How far BD-rates move, in one sentence."""
    moved = [move for move in check.moves if move["move_percent"] is not None]
    if not moved:
        return "No curve was measured whole, so no BD-rate was computed again."
    most = max(moved, key=lambda move: abs(move["move_percent"]))
    if abs(most["move_percent"]) < 5e-5:
        return f"{len(moved)} BD-rates computed again: none moves."
    return (
        f"{len(moved)} BD-rates computed again: at most {most['move_percent']:+.4f} percent points "
        f"({most['sequence']} against {most['anchor']} {most['anchor_configuration']}, "
        f"{label(most['metric'])})."
    )


def again_sentence(check: Crosscheck) -> str:
    """How far a second training and encoding lies from the packed one; empty if none was asked."""
    if not check.again:
        return ""
    done = [each for each in check.again if not each.why_not]
    start = f"Encoded again, {len(done)} of {len(check.again)} points"
    if not done:
        return f"{start}; {check.again[0].why_not}."
    same = sum(each.is_same for each in done)
    rates = [e.record["bitstream_bytes"] / e.claim.first["bitstream_bytes"] - 1 for e in done]
    parts = [f"{same} gave the same bitstream", f"rate {_range([100 * r for r in rates], '%', 2)}"]
    for name in headline_metrics(check):
        held = [each.value(name) for each in done]
        moves = [m for each in held if each is not None and (m := moved(each)) is not None]
        if moves:
            parts.append(f"{label(name)} {_range(moves, unit(name), decimals_of(name))}")
    away = f"; {len(check.again) - len(done)} not encoded again" * (len(done) < len(check.again))
    return f"{start}: {', '.join(parts)}{away}."


def moved(held: Compared) -> float | None:
    """Measured less claimed, or None where one of them is no number."""
    both = held.claimed is not None and held.measured is not None
    return held.measured - held.claimed if both else None  # type: ignore[operator]


def _range(values: Sequence[float], of: str, decimals: int) -> str:
    low, high = (f"{value + 0.0:+.{decimals}f}" for value in (min(values), max(values)))
    ends = low if low == high else f"{low} to {high}"
    return " ".join(filter(None, (ends, of)))
