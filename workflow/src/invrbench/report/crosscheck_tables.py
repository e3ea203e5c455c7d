"""The tables of a cross-check, for workbook, document and text alike."""

from collections.abc import Sequence

from invrbench.report.cells import Cell, Column, Table, number, reason, text
from invrbench.report.crosscheck_words import (
    LEAST_TOLERANCE,
    Crosscheck,
    explanation,
    headline_metrics,
    label,
    moved,
    unit,
)
from invrbench.report.metrics import METRICS
from invrbench.results.lock import harness_name
from invrbench.results.reencode import Again
from invrbench.results.verdicts import VERDICTS, Checked, Compared

_TIMES_NOTE = "Decoding times are of two machines and are not compared."


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
    if tolerance < LEAST_TOLERANCE:
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
    return [
        number(held.claimed, shown, "lossless"),
        number(held.measured, shown, held.why_not or "lossless"),
        number(moved(held), METRICS[name].signed_format, "–"),
    ]


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
        ("Packed with", harness_name(harness["version"], harness["commit"], harness["dirty"])),
        ("Packed on", "; ".join(map(str, lock.get("machines", ()))) or "not stated"),
        ("Packed environment", f"Python {lock.get('python', '?')}, {libraries or 'no libraries'}"),
        ("Checked with", check.harness or "not stated"),
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
