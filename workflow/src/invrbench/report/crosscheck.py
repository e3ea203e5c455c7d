"""What a cross-check found: sentences, tables, workbook, document, and a record to send back."""

import io
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from invrbench.compare.contribution import bd_moves
from invrbench.compare.curves import is_number
from invrbench.digest import write_json, write_whole
from invrbench.errors import RecordError
from invrbench.report.cells import Cell, Column, Table, number, reason, text, to_tsv
from invrbench.report.content import Report
from invrbench.report.info import RunInfo
from invrbench.report.metrics import METRICS
from invrbench.report.sheets.base import Book
from invrbench.report.sheets.tables import set_widths, write_table
from invrbench.results.claims import Claim
from invrbench.results.crosscheck import (
    BIT_EXACT,
    DIFFERS,
    EQUAL,
    FAILED,
    NOT_CHECKED,
    VERDICTS,
    Checked,
    Compared,
)
from invrbench.results.package import Package
from invrbench.results.paths import CROSSCHECKS
from invrbench.results.reencode import Again

SCHEMA = 1
KIND = "crosscheck"
UNNAMED = "a cross-checker who gave no name"
_WIDE = 12  # columns that fit on a small sheet
_LISTED = 3  # points that a sentence names before it stops
_FILLS = {DIFFERS: "#FCE4D6", FAILED: "#FCE4D6", NOT_CHECKED: "#F2F2F2"}
_LEAST_TOLERANCE = 1e-6
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


# ---- sentences


def shown_value(column: str, value: Any, *, decimals: int | None = None) -> str:
    """A value with the decimals its column is shown with, or more.

    >>> shown_value("psnr_y_db", 31.2), shown_value("bitstream_bytes", 512)
    ('31.20', '512')
    """
    if not is_number(value):
        return "lossless"
    places = _decimals(column) if decimals is None else decimals
    return f"{value:.{places}f}"


def _decimals(column: str) -> int:
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


def contradiction(compared: Compared) -> str:
    """A claimed value and the one that was found, with as many decimals as tell them apart."""
    places = _decimals(compared.column)
    while places < 9 and _look_alike(compared, places):
        places += 1
    where = f" ({compared.where})" if compared.where else ""
    claimed, measured = (
        shown_value(compared.column, value, decimals=places)
        for value in (compared.claimed, compared.measured)
    )
    limit = f" (tolerance {compared.tolerance:g})" if compared.tolerance >= _LEAST_TOLERANCE else ""
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
    levels = list(dict.fromkeys(str(record["sandbox"]) for record in records))
    told = [f"sandbox {each}" if each == "none" else each for each in levels]
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


# ---- tables


def points_table(check: Crosscheck) -> Table:
    """One row per point: claimed, measured, difference and tolerance of the headline metrics."""
    metrics = headline_metrics(check)
    columns = [
        Column("Sequence", 24, "left"),
        Column("Configuration", 12),
        Column("Rate point", 20, "left"),
        Column("Views", 8),
        Column("Bytes claimed", 11),
        Column("Bytes measured", 11),
        Column("Decoded md5", 11),
    ]
    for name in metrics:
        shown = " ".join(filter(None, (label(name), unit(name))))
        columns += [Column(f"{shown} {what}", 11) for what in ("claimed", "measured")]
        columns += [Column(f"{label(name)} difference", 11), Column("Tolerance", 9)]
    columns += [
        Column("Decode s claimed", 9),
        Column("Decode s measured", 9),
        Column("Verdict", 20),
        Column("Why", 55, "left"),
    ]
    rows = tuple(_point_cells(each, metrics) for each in check.checked)
    return Table("points", "Points", tuple(columns), rows, notes=(_TIMES_NOTE,))


_TIMES_NOTE = "Decoding times are of two machines and are not compared."


def headline_metrics(check: Crosscheck) -> list[str]:
    """The metrics the conditions lead with, as far as this version knows them."""
    value = check.package.value["conditions"]["value"]
    named = value.get("headline", {}).get("metrics", ()) if isinstance(value, dict) else ()
    return [str(name) for name in named if str(name) in METRICS] or ["psnr_y_db"]


def _point_cells(checked: Checked, metrics: Sequence[str]) -> tuple[Cell, ...]:
    claim, record = checked.claim, checked.record
    found = {(each.column, each.where): each for each in checked.compared}
    view_set = str(claim.first.get("view_set") or "")
    where = str(record.get("frames") or (view_set and f"{view_set} views"))
    seed = f" seed {claim.first['seed']}" if claim.first["seed"] else ""
    cells = [
        text(claim.sequence),
        text(claim.first["configuration"]),
        text(f"{claim.first['rate_point']}{seed}"),
        text(view_set or "–"),
        number(claim.first["bitstream_bytes"], "0"),
        number(record.get("bitstream_bytes"), "0", "–"),
        _md5_cell(checked),
    ]
    for name in metrics:
        cells += _metric_cells(checked, name, found.get((name, where)))
    return (
        *cells,
        number(claim.first.get("decode_seconds"), "0.0", "–"),
        number(record.get("wall_seconds"), "0.0", "–"),
        text(checked.verdict),
        text(explanation(checked)),
    )


def _md5_cell(checked: Checked) -> Cell:
    md5 = checked.record.get("decoded_md5")
    if not md5:
        return reason("not compared" if checked.record.get("status") == "ok" else "–")
    return text("equal" if md5 == checked.claim.first["decoded_md5"] else "differs")


def _metric_cells(checked: Checked, name: str, compared: Compared | None) -> list[Cell]:
    shown = METRICS[name].number_format
    if compared is None:
        why = checked.claim.first.get(f"{name}_reason") or "–"
        claimed = number(checked.claim.first.get(name), shown, str(why))
        return [claimed, reason("–"), reason("–"), reason("–")]
    return [
        number(compared.claimed, shown, "lossless"),
        number(compared.measured, shown, compared.why_not or "lossless"),
        number(compared.difference, "0.000000", "–"),
        _limit(compared.tolerance),
    ]


def _limit(tolerance: float) -> Cell:
    """A tolerance with the decimals it needs; that of a rate is its own rounding."""
    if tolerance < _LEAST_TOLERANCE:
        return text("exact")
    decimals = len(f"{tolerance:.9f}".rstrip("0").partition(".")[2])
    return number(tolerance, f"0.{'0' * decimals}" if decimals else "0")


def values_table(check: Crosscheck) -> Table:
    """One row per compared value of every point."""
    columns = (
        Column("Sequence", 24, "left"),
        Column("Configuration", 12),
        Column("Rate point", 20, "left"),
        Column("Value", 16, "left"),
        Column("Of", 14),
        Column("Claimed", 13),
        Column("Measured", 13),
        Column("Difference", 12),
        Column("Tolerance", 10),
        Column("Within", 8),
    )
    rows = []
    for checked in check.checked:
        first = checked.claim.first
        for each in checked.compared:
            shown = "0" if each.column == "bitstream_bytes" else "0.000000"
            rows.append(
                (
                    text(checked.claim.sequence),
                    text(first["configuration"]),
                    text(first["rate_point"]),
                    text(" ".join(filter(None, (label(each.column), unit(each.column))))),
                    text(each.where or "–"),
                    number(each.claimed, shown, "lossless"),
                    number(each.measured, shown, each.why_not or "lossless"),
                    number(each.difference, "0.000000", "–"),
                    _limit(each.tolerance),
                    text("not measured" if each.why_not else "yes" if each.is_within else "no"),
                )
            )
    return Table("values", "Values", columns, tuple(rows))


def bd_table(check: Crosscheck) -> Table:
    """BD-rates as claimed and from the points measured again, against the packed anchors."""
    columns = (
        Column("Sequence", 24, "left"),
        Column("Views", 8),
        Column("Configuration", 12),
        Column("Curve", 12),
        Column("Anchor", 14),
        Column("Metric", 16, "left"),
        Column("BD-rate claimed", 12),
        Column("BD-rate measured", 12),
        Column("Moved by (percent points)", 14),
    )
    rows = []
    for move in check.moves:
        why = str(move["reason"] or "–")
        rows.append(
            (
                text(move["sequence"]),
                text(move["view_set"] or "–"),
                text(move["configuration"]),
                text(move["curve"] or "–"),
                text(f"{move['anchor']} {move['anchor_configuration']}"),
                text(label(move["metric"])),
                number(move["claimed_percent"], '0.00"%"', why),
                number(move["measured_percent"], '0.00"%"', why),
                number(move["move_percent"], "0.0000", "–"),
            )
        )
    notes = ("Pchip; both sides against the anchors' points as they were packed.",)
    return Table("bd", "BD-rate", columns, tuple(rows), notes=notes)


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


def again_table(check: Crosscheck) -> Table:
    """One row per point that was encoded again: rate and headline metrics, and how they moved."""
    metrics = headline_metrics(check)
    columns = [
        Column("Sequence", 24, "left"),
        Column("Configuration", 12),
        Column("Rate point", 20, "left"),
        Column("Bytes claimed", 11),
        Column("Bytes again", 11),
        Column("Bytes moved", 11),
    ]
    for name in metrics:
        shown = " ".join(filter(None, (label(name), unit(name))))
        columns += [Column(f"{shown} {what}", 11) for what in ("claimed", "again", "moved")]
    columns.append(Column("Outcome", 40, "left"))
    rows = []
    for each in check.again:
        first = each.claim.first
        size = each.record.get("bitstream_bytes")
        moved = size / first["bitstream_bytes"] - 1 if size else None
        cells = [
            text(each.claim.sequence),
            text(first["configuration"]),
            text(first["rate_point"]),
            number(first["bitstream_bytes"], "0"),
            number(size, "0", "–"),
            number(moved, "+0.00%;-0.00%;0.00%", "–"),
        ]
        for name in metrics:
            cells += _again_cells(each, name)
        outcome = each.why_not or ("the same bitstream" if each.is_same else "another bitstream")
        rows.append((*cells, text(outcome)))
    return Table("again", "Encoded again", tuple(columns), tuple(rows))


def _again_cells(each: Again, name: str) -> list[Cell]:
    shown = METRICS[name].number_format
    held = each.value(name)
    if held is None:
        return [number(each.claim.first.get(name), shown, "–"), reason("–"), reason("–")]
    moved = _moved(held)
    return [
        number(held.claimed, shown, "lossless"),
        number(held.measured, shown, held.why_not or "lossless"),
        number(moved, METRICS[name].signed_format, "–"),
    ]


def _moved(held: Compared) -> float | None:
    both = held.claimed is not None and held.measured is not None
    return held.measured - held.claimed if both else None  # type: ignore[operator]


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
        moved = [m for each in held if each is not None and (m := _moved(each)) is not None]
        if moved:
            parts.append(f"{label(name)} {_range(moved, unit(name), _decimals(name))}")
    away = f"; {len(check.again) - len(done)} not encoded again" * (len(done) < len(check.again))
    return f"{start}: {', '.join(parts)}{away}."


def _range(values: Sequence[float], of: str, decimals: int) -> str:
    low, high = (f"{value + 0.0:+.{decimals}f}" for value in (min(values), max(values)))
    ends = low if low == high else f"{low} to {high}"
    return " ".join(filter(None, (ends, of)))


def facts(check: Crosscheck) -> Table:
    """Who checked what, where, and with what."""
    value = check.package.value
    harness, lock = value["harness"], value["environment"]
    packed_by = " ".join(filter(None, (check.package.document, check.package.proponent)))
    digest = check.package.conditions_digest
    libraries = ", ".join(f"{name} {each}" for name, each in lock.get("libraries", {}).items())
    rows = [
        ("Codec", check.name),
        ("Contribution", packed_by or "not stated"),
        ("Cross-checker", check.by or "not stated"),
        ("Date", check.date[:10] or "–"),
        ("Conditions", f"{check.package.conditions}, digest {digest}"),
        ("Package", f"{check.package.path.name}, md5 {check.package.md5}"),
        ("Packed with", f"invrbench {harness['version']}, commit {harness['commit'] or 'unknown'}"),
        ("Packed on", "; ".join(map(str, lock.get("machines", ()))) or "not stated"),
        ("Packed environment", f"Python {lock.get('python', '?')}, {libraries or 'no libraries'}"),
        ("Checked on", check.machine),
        ("Other environment", "; ".join(check.differences) or "none: the same versions"),
        ("Tolerances", check.limits_of),
        *((verdict.capitalize(), str(check.counts[verdict])) for verdict in VERDICTS),
    ]
    cells = tuple((text(name), text(told)) for name, told in rows)
    return Table(
        "facts", "Circumstances", (Column("What", 22, "left"), Column("Value", 105, "left")), cells
    )


def tolerances_table(check: Crosscheck) -> Table:
    """Tolerances of the values that were compared."""
    used = dict.fromkeys(c.column for each in check.checked for c in each.compared)
    rows = [
        (text(label(name)), text(unit(name) or "–"), _limit(check.limits[name]))
        for name in used
        if name in check.limits
    ]
    columns = (Column("Metric", 20, "left"), Column("Unit", 8), Column("Tolerance", 10))
    notes = ("Bytes and md5 are compared exactly.",)
    return Table("tolerances", "Tolerances", columns, tuple(rows), notes=notes)


# ---- files


def write_crosscheck(folder: Path, check: Crosscheck) -> str:
    """Write crosscheck.{json,tsv,xlsx,docx} and give the overall sentence."""
    from invrbench.report.crosscheck_document import write_document

    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / "crosscheck.tsv", to_tsv(points_table(check)))
    write_whole(folder / "crosscheck.xlsx", _workbook(check))
    write_document(folder / "crosscheck.docx", check)
    write_json(folder / "crosscheck.json", to_json(check))
    return sentence(check)


def to_json(check: Crosscheck) -> dict[str, Any]:
    """The cross-check as a record that the proponent's report and a merge read."""
    return {
        "schema": SCHEMA,
        "kind": KIND,
        "codec": check.package.codec,
        "conditions": {"name": check.package.conditions, "digest": check.package.conditions_digest},
        "package": {
            "file": check.package.path.name,
            "md5": check.package.md5,
            "document": check.package.document,
            "proponent": check.package.proponent,
            "label": check.package.label,
        },
        "by": check.by,
        "date": check.date,
        "machine": check.machine,
        "sentence": sentence(check),
        "short": short(check),
        "counts": {verdict: check.counts[verdict] for verdict in VERDICTS},
        "frames": check.frames,
        "tolerances": dict(check.limits),
        "tolerances_of": check.limits_of,
        "environment_differences": list(check.differences),
        "notes": list(check.notes),
        "points": [_point_json(each) for each in check.checked],
        "bd": [dict(move) for move in check.moves],
        "reencoded": {
            "sentence": again_sentence(check),
            "points": [_again_json(each) for each in check.again],
        },
    }


def _point_json(checked: Checked) -> dict[str, Any]:
    first = checked.claim.first
    keys = ("sequence", "cut", "codec", "variant", "configuration", "rate_point", "seed")
    return {
        **{key: first[key] for key in keys},
        "name": checked.claim.name,
        "verdict": checked.verdict,
        "why": explanation(checked),
        "bitstream_md5": first["bitstream_md5"],
        "decoded_md5": first["decoded_md5"],
        "measured_decoded_md5": checked.record.get("decoded_md5"),
        "sandbox": checked.record.get("sandbox"),
        "device": checked.record.get("device"),
        "decode_seconds": checked.record.get("wall_seconds"),
        "values": [asdict(each) for each in checked.compared],
    }


def _again_json(each: Again) -> dict[str, Any]:
    return {
        "name": each.claim.name,
        "why_not": each.why_not,
        "same_bitstream": each.is_same,
        "bitstream_bytes": each.record.get("bitstream_bytes"),
        "values": [asdict(value) for value in each.compared],
    }


def info_of(check: Crosscheck) -> RunInfo:
    """What sheets and pages say of the cross-check beside its numbers."""
    harness = check.package.value["harness"]
    metrics = headline_metrics(check)
    return RunInfo(
        conditions=check.package.conditions,
        title=f"Cross-check of {check.name}",
        digest=check.package.conditions_digest,
        headline_anchor="",
        headline_metrics=(metrics[0], metrics[-1]),
        budget=str(check.package.value["conditions"]["value"].get("budget", "")),
        codecs={},
        label=check.package.label,
        generated_from=check.date or RunInfo.generated_from,
        commit=str(harness["commit"]),
        dirty=bool(harness["dirty"]),
    )


def _workbook(check: Crosscheck) -> bytes:
    import xlsxwriter

    info = info_of(check)
    out = io.BytesIO()
    workbook = xlsxwriter.Workbook(out, {"in_memory": True})
    workbook.set_properties(
        {
            "title": info.title,
            "subject": f"Package md5 {check.package.md5}",
            "comments": "Made by invrbench",
            "created": info.created,
        }
    )
    book = Book(workbook, Report((), (), info))
    _write_summary(book, check)
    again = (again_table(check),) if check.again else ()
    tables = (points_table(check), bd_table(check), *again, values_table(check))
    for table in (*tables, tolerances_table(check)):
        paper = "A3" if len(table.columns) > _WIDE else "A4"
        sheet, row = book.sheet(table.title, f"Cross-check: {table.title}", paper=paper)
        set_widths(sheet, table)
        write_table(book, sheet, row, table, filterable=True, fills=_fills(check, table))
    workbook.close()
    return out.getvalue()


def _fills(check: Crosscheck, table: Table) -> dict[int, str]:
    if table.name != "points":
        return {}
    held = enumerate(check.checked)
    return {index: _FILLS[each.verdict] for index, each in held if each.verdict in _FILLS}


def _write_summary(book: Book, check: Crosscheck) -> None:
    sheet, row = book.sheet("Summary", "Cross-check")
    table = facts(check)
    set_widths(sheet, table)
    wrapped = book.style(bold=True, font_size=11, text_wrap=True, valign="top")
    told = sentence(check)
    sheet.merge_range(row, 0, row, 1, told, wrapped)
    sheet.set_row(row, 16 * (1 + len(told) // 110))
    row += 1
    for note in filter(None, (bd_sentence(check), again_sentence(check), *check.notes)):
        sheet.merge_range(row, 0, row, 1, note, book.style(text_wrap=True))
        sheet.set_row(row, 13 * (1 + len(note) // 130))
        row += 1
    write_table(book, sheet, row + 1, table, bold_first=True)


# ---- what comes back


def read_verdicts(
    folder: Path, points: Sequence[Mapping[str, Any]] | None = None
) -> dict[str, str]:
    """By codec: what cross-checkers found, from the records in a report's ``crosschecks/``.

    Args:
        folder: of the report.
        points: of the report; a verdict on bitstreams that it does not hold any more says so
            instead of how it went. None: nothing is held against them.

    Raises:
        RecordError: a file there is no record of a cross-check, or a newer one.
    """
    found: dict[str, list[str]] = {}
    for path in sorted((folder / CROSSCHECKS).glob("*.json")):
        record = _read_record(path)
        by = f" ({record['by']})" if record.get("by") else ""
        told = str(record["short"]) if points is None else _still_true(record, points)
        found.setdefault(str(record["codec"]), []).append(f"{told}{by}")
    return {codec: "; ".join(told) for codec, told in found.items()}


def _still_true(record: Mapping[str, Any], points: Sequence[Mapping[str, Any]]) -> str:
    """The verdict in a few words, or that its bitstreams are not those of the report."""
    keys = ("sequence", "cut", "codec", "variant", "configuration", "rate_point")

    def name(point: Mapping[str, Any]) -> tuple[str, ...]:
        return (*(str(point.get(key) or "") for key in keys), str(point.get("seed") or 0))

    held = {name(point): point.get("bitstream_md5") for point in points}
    checked = record.get("points", [])
    others = sum(held.get(name(point)) != point.get("bitstream_md5") for point in checked)
    if others:
        return f"of other bitstreams ({others} of {len(checked)} changed since)"
    return str(record["short"])


def _read_record(path: Path) -> dict[str, Any]:
    where = f"{CROSSCHECKS}/{path.name}"
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise RecordError(f"{where} is not JSON ({error}); ask for it again.") from None
    if not isinstance(value, dict) or value.get("kind") != KIND:
        raise RecordError(
            f"{where} is no record of a cross-check; put the crosscheck.json that "
            "`invrbench crosscheck` writes there."
        )
    if value.get("schema") != SCHEMA or not {"codec", "short"} <= set(value):
        raise RecordError(
            f"{where} has schema {value.get('schema')!r}; this version reads {SCHEMA}. Update "
            "invrbench."
        )
    return value
