"""The tables of a report: what was compared, what it costs, what is missing, where it is from."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median

from invrbench.compare.curves import (
    Curve,
    CurveKey,
    Point,
    full_codec,
    full_sequence,
    is_number,
    is_pooled,
)
from invrbench.compare.table import (
    HEADLINE_METHOD,
    OVERALL,
    STRONGEST,
    Row,
    tested_curve,
)
from invrbench.report.cells import (
    ABSENT,
    BLANK,
    Cell,
    Column,
    Table,
    bd,
    bd_quality,
    number,
    reason,
    text,
)
from invrbench.report.content import Report, cell_reason
from invrbench.report.info import PRESENT, completeness
from invrbench.report.metrics import metric
from invrbench.report.seeds import doubts
from invrbench.results.times import SHARED, is_alone

STATES = ("failed", "missing", "stale", "skipped")
NOT_CHECKED = "not yet"
IN_MEAN = "Sequences in mean"
# Stated by the codec, or computed from what it states.
SELF_REPORTED = (
    *("kmac_per_pixel", "parameters"),
    *("uncompressed_bpp", "bits_per_weight", "compression_ratio"),
    *("stated_fit_seconds", "stated_encode_seconds"),
)
_MIB = 2**20


@dataclass(frozen=True)
class Tested:
    """A tested codec of the tables: its curve without a sequence, its name and its role."""

    key: CurveKey
    name: str
    role: str


def tested(report: Report, roles: Sequence[str]) -> list[Tested]:
    """Tested codecs of these roles, each configuration, curve and view set on its own.

    Several seeds of a codec are one: their mean.
    """
    found: dict[CurveKey, Tested] = {}
    for wanted in roles:
        for curve in report.pooled:
            key = without_sequence(curve)
            if curve.role == wanted and curve.key.codec != report.info.headline_anchor:
                name = f"{report.info.curve_name(curve)} {key.view_set}".strip()
                found.setdefault(key, Tested(key, name, wanted))
    return list(found.values())


def without_sequence(curve: Curve) -> CurveKey:
    """What a codec's curves on several sequences have in common."""
    return replace(curve.key, sequence="")


def curves_of(report: Report, key: CurveKey) -> list[Curve]:
    """The curves of a tested codec, one per sequence."""
    return [curve for curve in report.pooled if without_sequence(curve) == key]


def headline_mean(report: Report, key: CurveKey, column: str, scope: str = OVERALL) -> Row | None:
    """The mean against the headline anchor, or the reason why the codec has no anchor at all."""
    return report.headline_mean(key, column, scope) or _alone(report, key, column, scope)


def _alone(report: Report, key: CurveKey, column: str, scope: str) -> Row | None:
    rows = [
        row
        for row in report.rows
        if replace(tested_curve(row), sequence="") == key
        and row["metric"] == column
        and scope in (row["class"], OVERALL)
    ]
    return rows[0] if rows and not any(row["anchor"] for row in rows) else None


# ---- the first screen


def headline(report: Report) -> Table:
    """One row per proposal: what a chair reads first, eight columns at most."""
    info = report.info
    metrics = list(dict.fromkeys(info.headline_metrics))
    columns = (
        Column("Proposal", 26, "left"),
        Column("Document", 12),
        *(Column(f"BD-rate {metric(name).label}", 15) for name in metrics),
        Column(IN_MEAN, 15),
        Column("Decode time ratio", 15),
        Column("kMAC/pixel (self-reported)", 15, self_reported=True),
        Column("Cross-check", 20),
    )
    members = tested(report, ("proposal",))
    anchor = info.codec(info.headline_anchor).display
    notes = [f"Reference: {anchor}; per sequence its hardest configuration, then the mean."]
    notes += [*doubts(report), *_left_out(report, members, metrics)]
    if any(is_number(p.get("decode_seconds")) for p in report.points) and not _timed(report.points):
        notes.append(f"No time ratio: times were taken on a {SHARED} (see Definitions).")
    rows = tuple(_headline_row(report, each, metrics) for each in members)
    return Table("summary", "Result", columns, rows, notes=tuple(notes))


def _headline_row(report: Report, member: Tested, metrics: Sequence[str]) -> tuple[Cell, ...]:
    means = [headline_mean(report, member.key, name) for name in metrics]
    cells = [bd(_without_count(mean)) for mean in means]
    counts = dict.fromkeys(
        f"{mean['n_used']} of {mean['n_total']}"
        for mean in means
        if mean and mean["n_total"] is not None
    )
    curves = curves_of(report, member.key)
    return (
        text(member.name),
        text(report.info.codec(member.key.codec).document) if _document(report, member) else ABSENT,
        *cells,
        text(" / ".join(counts) or "0"),
        time_ratio(report, curves, "decode_seconds"),
        number(max(values_of(curves, "kmac_per_pixel"), default=None), "0.0", "not stated"),
        text(report.info.crosschecks.get(member.key.codec, NOT_CHECKED)),
    )


def _document(report: Report, member: Tested) -> bool:
    return bool(report.info.codec(member.key.codec).document)


def _without_count(mean: Row | None) -> Row | None:
    """A mean whose count has a column of its own."""
    if mean is None or mean["n_total"] is None or mean["status"] == "withheld":
        return mean
    return mean | {"n_total": None}


def _left_out(report: Report, members: Iterable[Tested], metrics: Sequence[str]) -> list[str]:
    """A sentence for every codec with sequences that are not in its mean, with the reasons."""
    lines = []
    for member in members:
        reasons: dict[str, None] = {}
        for name in metrics:
            mean = report.headline_mean(member.key, name, OVERALL)
            if mean and mean["reason"]:
                parts = str(mean["reason"]).split(": ", 1)[-1].split(", ")
                reasons |= dict.fromkeys(parts)
        if reasons:
            lines.append(f"{member.name}: left out of the mean for {', '.join(reasons)}.")
    return lines


def legend(report: Report) -> tuple[str, ...]:
    """What a reader of BD-rates must know."""
    lines: tuple[str, ...] = (
        "Negative BD-rate: less rate than the reference at equal quality. (n of N): sequences in "
        "the mean; (58 %): share of the tested quality range that the reference covers, outside "
        "means when below 75 %.",
        "Text in grey italics says why there is no number; sheet Definitions explains every "
        "word. '–': not part of these conditions.",
    )
    if any(is_pooled(curve.key.seed) for curve in report.pooled):
        lost = "(2 of 3 seeds): only so many of the trainings could be used; sheet Seeds says why."
        lines = (*lines, f"A codec that was trained several times shows the mean. {lost}")
    if report.info.budget == "paper":
        return lines
    doubt = f"Training budget '{report.info.budget}': every finding here is an indication."
    return (*lines, doubt)


# ---- costs


def values_of(curves: Iterable[Curve], column: str) -> list[float]:
    """A column of the curves' measured points."""
    points = (point for curve in curves for point in curve.points if point["status"] == "ok")
    return [point[column] for point in points if is_number(point.get(column))]


def _timed(points: Iterable[Point]) -> bool:
    return any(is_alone(point.get("timing"), "decode_seconds") for point in points)


def time_ratio(
    report: Report,
    curves: Sequence[Curve],
    column: str,
    anchor: str = "",
    configuration: str = STRONGEST,
) -> Cell:
    """Geometric mean over sequences of a codec's times over an anchor's.

    Per sequence the geometric mean over a curve's points stands for it (JCTVC-L1100). Only times
    that were taken alone on one machine and device are compared.

    Args:
        report: content of the report.
        curves: of the tested codec, one per sequence.
        column: of the times, in seconds.
        anchor: what to compare with; empty: the headline anchor.
        configuration: of the anchor; ``strongest``: per sequence the hardest to beat.
    """
    name = anchor or report.info.headline_anchor
    logs = []
    for curve in curves:
        held = report.strongest.get((name, curve.key))
        reference = report.curve(
            curve.key, name, held if configuration == STRONGEST else configuration
        )
        if reference is None:
            continue
        why = _incomparable([*curve.points, *reference.points], column)
        if why:
            return reason(why)
        logs.append(_mean_log(curve, column) - _mean_log(reference, column))
    if not logs:
        return reason("no reference")
    return number(math.exp(math.fsum(logs) / len(logs)), '0.0"×"')


def _incomparable(points: Sequence[Point], column: str) -> str:
    """Why times of these points must not be compared, or an empty text."""
    if not all(is_number(point.get(column)) and point[column] > 0 for point in points):
        return "not measured"
    if not all(is_alone(point.get("timing"), column) for point in points):
        return SHARED
    places = {(point.get("machine"), point.get("device")) for point in points}
    return "other machine or device" if len(places) > 1 else ""


def _mean_log(curve: Curve, column: str) -> float:
    return math.fsum(math.log(point[column]) for point in curve.points) / len(curve.points)


def complexity(report: Report) -> Table:
    """What each codec costs: measured times and memory, and what the codec says of itself."""
    columns = (
        Column("Codec", 40, "left"),
        Column(f"Fit, s ({report.timing('fit_seconds')})"),
        Column(f"Encode, s ({report.timing('encode_seconds')})"),
        Column(f"Decode, s per frame ({report.timing('decode_seconds')})", 14),
        Column("Encode time ratio"),
        Column("Decode time ratio"),
        Column("Peak memory, MiB"),
        Column("Parameters (self-reported)", 16, self_reported=True),
        Column("kMAC/pixel (self-reported)", 16, self_reported=True),
        Column("Learned decoder bytes", 14),
    )
    anchors = [
        Tested(
            without_sequence(curve),
            f"{report.info.curve_name(curve)} {curve.key.view_set}".strip(),
            "anchor",
        )
        for curve in report.pooled
        if curve.key.codec == report.info.headline_anchor
    ]
    members = {each.key: each for each in (*tested(report, ("proposal", "anchor")), *anchors)}
    rows = tuple(_complexity_row(report, each) for each in members.values())
    notes = (
        "Times are medians over all points, memory is the largest of any verb. Ratios are to the "
        "headline anchor, geometric means, of times that were taken alone on one machine.",
    )
    return Table("complexity", "Complexity", columns, rows, notes=notes)


def _complexity_row(report: Report, member: Tested) -> tuple[Cell, ...]:
    curves = curves_of(report, member.key)
    is_own = member.key.codec == report.info.headline_anchor

    def middle(column: str, number_format: str, why: str) -> Cell:
        values = values_of(curves, column)
        return number(median(values) if values else None, number_format, why)

    ratios = [time_ratio(report, curves, name) for name in ("encode_seconds", "decode_seconds")]
    per_frame = [
        seconds / report.info.frames(curve.key.sequence)
        for curve in curves
        for seconds in values_of([curve], "decode_seconds")
        if report.info.frames(curve.key.sequence)
    ]
    memory = max(values_of(curves, "peak_memory_bytes"), default=None)
    return (
        text(member.name),
        middle("fit_seconds", "0.0", "no fit"),
        middle("encode_seconds", "0.00", "not measured"),
        number(median(per_frame) if per_frame else None, "0.0000", "not measured"),
        *([text("reference")] * 2 if is_own else ratios),
        number(None if memory is None else memory / _MIB, "0", "not measured"),
        span(values_of(curves, "parameters"), "#,##0", "not stated"),
        span(values_of(curves, "kmac_per_pixel"), "0.0", "not stated"),
        number(max(values_of(curves, "learned_bytes"), default=None), "#,##0", "not measured"),
    )


def span(values: Sequence[float], number_format: str, why: str) -> Cell:
    """The one value that all are, else the smallest and the largest as text."""
    if not values or min(values) == max(values):
        return number(values[0] if values else None, number_format, why)
    low, high = number(min(values), number_format), number(max(values), number_format)
    return text(f"{low.shown} to {high.shown}")


def curve_place(curve: Curve) -> str:
    """A curve's sequence, and the views it was measured on."""
    return f"{curve.key.sequence} {curve.key.view_set}".strip()


# ---- comparisons


def matrix(report: Report, column: str, members: Sequence[Tested], title: str) -> Table:
    """BD-rate of one metric: sequences, classes and overall × tested codecs."""
    keys = {member.key for member in members}
    present = {curve.key.sequence for curve in report.pooled if without_sequence(curve) in keys}
    rows: list[tuple[Cell, ...]] = []
    bold = []
    for name in dict.fromkeys(report.classes[each] for each in report.sequences if each in present):
        for sequence in report.sequences:
            if sequence in present and report.classes[sequence] == name:
                cells = (
                    bd(report.headline(replace(member.key, sequence=sequence), column))
                    for member in members
                )
                rows.append((text(sequence), text(name), *cells))
        bold.append(len(rows))
        rows.append(_mean_cells(report, members, column, f"Class {name}", name))
    bold.append(len(rows))
    rows.append(_mean_cells(report, members, column, "Overall", OVERALL))
    columns = (
        Column("Sequence", 34, "left"),
        Column("Class", 14),
        *(Column(member.name, 17) for member in members),
    )
    return Table(f"bd-{column}", title, columns, tuple(rows), frozenset(bold))


def _mean_cells(
    report: Report, members: Sequence[Tested], column: str, label: str, scope: str
) -> tuple[Cell, ...]:
    means = (headline_mean(report, member.key, column, scope) for member in members)
    return (text(label), BLANK, *(bd(mean) for mean in means))


def matrices(report: Report) -> list[Table]:
    """BD-rates by sequence for each headline metric: proposals, then anchors by configuration."""
    info = report.info
    against = f"against {info.codec(info.headline_anchor).display}"
    metrics = list(dict.fromkeys(info.headline_metrics))
    proposals = tested(report, ("proposal", "published"))
    tables = []
    for column in metrics if proposals else ():
        title = f"BD-rate ({metric(column).label}) {against}, hardest configuration per sequence"
        tables.append(matrix(report, column, proposals, title))
    anchors = tested(report, ("anchor",))
    for name in dict.fromkeys(member.key.configuration for member in anchors):
        members = [member for member in anchors if member.key.configuration == name]
        for column in metrics:
            title = f"Anchors in configuration {name}: BD-rate ({metric(column).label}) {against}"
            table = matrix(report, column, members, title)
            tables.append(replace(table, name=f"{table.name}-anchors-{name}"))
    return tables


def full(report: Report) -> Table:
    """Every mean, per class and overall: anchor × tested codec × metric, with its costs."""
    columns = (
        Column("Scope", 12, "left"),
        Column("Tested", 40, "left"),
        Column("Anchor", 34, "left"),
        Column("Metric", 16, "left"),
        Column("BD-rate", 20),
        Column("BD-quality", 11),
        Column("Smallest overlap in mean", 11),
        Column("n of N", 9),
        Column("Encode time ratio", 15),
        Column("Decode time ratio", 15),
        Column("kMAC/pixel (self-reported)", 15, self_reported=True),
        Column("Parameters (self-reported)", 20, self_reported=True),
        Column("Peak memory, MiB", 11),
        Column("Left out", 44, "left"),
    )
    roles = {without_sequence(curve): curve.role for curve in report.pooled}
    members = {key: curves_of(report, key) for key in roles}
    overlaps = _smallest_overlaps(report)
    means = [
        row
        for row in report.rows
        if not row["sequence"] and row["method"] == HEADLINE_METHOD and tested_curve(row) in roles
    ]
    means.sort(
        key=lambda row: (
            row["class"] != OVERALL,
            roles[tested_curve(row)] == "anchor",
            row["anchor"] != report.info.headline_anchor,
            row["anchor_configuration"] != STRONGEST,
        )
    )
    rows = [_full_row(report, row, members[tested_curve(row)], overlaps) for row in means]
    notes = (
        "'hardest': per sequence the anchor's configuration against which the BD-rate is worst. "
        "BD-quality in the metric's unit, positive: better at equal rate. Cells of BD-rate are "
        "formulas over sheet BD and, by it, over sheet RD data.",
    )
    return Table("full", "Every anchor, tested codec and metric", columns, tuple(rows), notes=notes)


def _full_row(
    report: Report,
    row: Row,
    curves: Sequence[Curve],
    overlaps: Mapping[tuple[object, ...], float],
) -> tuple[Cell, ...]:
    key, configuration = tested_curve(row), str(row["anchor_configuration"])
    hardest = configuration == STRONGEST
    name = report.info.name(key.codec, key.configuration, key.curve, key.seed)
    ratios = (
        time_ratio(report, curves, column, str(row["anchor"]), configuration)
        for column in ("encode_seconds", "decode_seconds")
    )
    memory = max(values_of(curves, "peak_memory_bytes"), default=None)
    left_out = str(row["reason"]).partition(": ")[2]
    return (
        text("Overall" if row["class"] == OVERALL else f"Class {row['class']}"),
        text(f"{name} {key.view_set}".strip()),
        text(report.info.name(row["anchor"], "hardest" if hardest else configuration)),
        text(metric(row["metric"]).label),
        bd(row),
        bd_quality(row, metric(row["metric"]).signed_format),
        number(overlaps.get(_scope_key(row)), "0%", cell_reason(row)),
        text(f"{row['n_used']} of {row['n_total']}"),
        *ratios,
        number(max(values_of(curves, "kmac_per_pixel"), default=None), "0.0", "not stated"),
        span(values_of(curves, "parameters"), "#,##0", "not stated"),
        number(None if memory is None else memory / _MIB, "0", "not measured"),
        reason(left_out) if left_out else BLANK,
    )


def _scope_key(row: Row) -> tuple[object, ...]:
    fields = ("view_set", "configuration", "anchor", "test", "curve", "seed", "metric")
    return (row["class"], row["anchor_configuration"], *(row[name] for name in fields))


def _smallest_overlaps(report: Report) -> dict[tuple[object, ...], float]:
    """By mean: the smallest share of a tested range that the anchor covers, of those in it."""
    found: dict[tuple[object, ...], float] = {}
    for row in report.rows:
        if not row["sequence"] or row["method"] != HEADLINE_METHOD or row["status"] != "ok":
            continue
        hardest = report.strongest.get((row["anchor"], tested_curve(row)))
        configurations = [row["anchor_configuration"]]
        configurations += [STRONGEST] if hardest == row["anchor_configuration"] else []
        for configuration in configurations:
            for scope in (row["class"], OVERALL):
                key = _scope_key(row | {"class": scope, "anchor_configuration": configuration})
                found[key] = min(found.get(key, math.inf), row["overlap"])
    return found


# ---- what is there, and where it is from


def coverage(report: Report) -> Table:
    """Expected against present points of every curve, with reasons."""
    columns = (
        Column("Sequence", 26, "left"),
        Column("Codec", 44, "left"),
        Column("Expected", 10),
        Column("Present", 10),
        *(Column(state.capitalize(), 10) for state in STATES),
        Column("Reasons", 70, "left"),
    )
    rows = []
    for curve in [*report.curves, *report.controls]:
        if curve.is_hull:
            continue
        count = Counter(str(point["status"]) for point in curve.points)
        present = sum(count[state] for state in PRESENT)
        name = f"{report.info.curve_name(curve)} {curve.key.view_set}".strip()
        rows.append(
            (
                text(curve.key.sequence),
                text(name),
                number(len(curve.points), "0"),
                number(present, "0"),
                *(number(count[state], "0;-0;–") for state in STATES),
                reason(absences(curve)) if absences(curve) else BLANK,
            )
        )
    title = f"Coverage: {completeness(report.points)} points present"
    return Table("coverage", title, columns, tuple(rows))


def is_whole(row: Sequence[Cell]) -> bool:
    """Whether a row of the coverage has all its points."""
    return row[2].value == row[3].value


def absences(curve: Curve) -> str:
    """Reasons of the points that are not present, each with the points it holds for."""
    groups: dict[str, list[str]] = {}
    for point in curve.points:
        if point["status"] not in PRESENT or point.get("reason"):
            why = str(point.get("reason") or f"{point['status']}, no reason recorded")
            groups.setdefault(why, []).append(str(point["rate_point"]))
    return "; ".join(f"{', '.join(names)}: {why}" for why, names in groups.items())


def conditions_facts(report: Report) -> Table:
    """What was run, under which conditions, on what."""
    info = report.info
    facts = (
        ("Test conditions", info.conditions),
        ("Digest of the conditions", info.digest),
        ("Label", info.label),
        ("Filter (only=)", info.filter),
        ("Training budget", info.budget),
        ("Headline anchor", info.codec(info.headline_anchor).display),
        ("Headline metrics", ", ".join(metric(name).label for name in info.headline_metrics)),
        ("Metric families", ", ".join(info.families)),
        ("Newest record", info.generated_from),
        ("Commit of the harness", info.commit + (" (with local changes)" if info.dirty else "")),
        ("Machine", info.machine),
        ("Times of decoding", report.timing("decode_seconds")),
        ("Decoded in sandbox level", ", ".join(info.sandbox)),
        ("Points present", str(completeness(report.points))),
    )
    rows = tuple(
        (text(name), text(value) if value else reason("not given")) for name, value in facts
    )
    columns = (Column("Run", 34, "left"), Column("", 60, "left"))
    return Table("conditions", "Test conditions", columns, rows)


def versions(report: Report) -> Table:
    """Versions of tools and libraries that the records name."""
    held = report.info.tool_versions
    rows = tuple((text(name), text(held[name])) for name in sorted(held))
    columns = (Column("Tool or library", 34, "left"), Column("Version", 60, "left"))
    return Table("versions", "Tools and libraries", columns, rows)


def sources(report: Report) -> Table:
    """Every sequence as it was coded, with its MD5."""
    columns = (
        Column("Sequence", 34, "left"),
        Column("Size, format", 30, "left"),
        Column("Frames", 14),
        Column("fps", 9),
        Column("MD5 checked", 12),
        Column("MD5", 36, "left"),
        Column("Source", 40, "left"),
    )
    rows = []
    for name, entry in report.info.sequences.items():
        size = f"{entry.width}×{entry.height} {entry.pixel_format}"
        fps = "still" if entry.is_still else entry.fps
        rows.append(
            (
                *(text(name), text(size), number(entry.frames, "0"), text(fps)),
                *map(text, (entry.md5_state, entry.md5, entry.source)),
            )
        )
    return Table("sources", "Sequences", columns, tuple(rows))


def codecs(report: Report) -> Table:
    """Every codec by name and id, with its document and paper."""
    columns = (
        Column("Codec", 34, "left"),
        Column("Id", 30, "left"),
        Column("Role", 14, "left"),
        Column("Document", 14, "left"),
        Column("Paper", 60, "left"),
    )
    rows = tuple(
        tuple(map(text, (entry.display, name, entry.role, entry.document, entry.paper)))
        for name, entry in report.info.codecs.items()
    )
    return Table("codecs", "Codecs", columns, rows)


def bitstreams(report: Report) -> Table:
    """Every bitstream with its size and the MD5 of it and of what it decodes to."""
    columns = (
        Column("Sequence", 34, "left"),
        Column("Codec", 30, "left"),
        Column("Configuration", 14),
        Column("Rate point", 30, "left"),
        Column("Seed", 9),
        Column("Bytes", 12),
        Column("MD5 of the bitstream", 36, "left"),
        Column("MD5 of the decoded frames", 36, "left"),
    )
    rows = {}
    for point in report.points:
        if point["status"] != "ok" or not point.get("bitstream_md5"):
            continue
        names = (full_sequence(point), full_codec(point), point["configuration"])
        key = (*names, point["rate_point"], point.get("seed"))
        rows[key] = (
            *map(text, (*names, point["rate_point"])),
            number(point.get("seed") or 0, "0"),
            number(point.get("bitstream_bytes"), "#,##0"),
            *map(text, (point["bitstream_md5"], point.get("decoded_md5") or "")),
        )
    return Table("bitstreams", "Bitstreams", columns, tuple(rows.values()))
