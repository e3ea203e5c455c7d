"""The tables of a merge: rankings, sequences, contributions, anchors, checks, conflicts."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from invrbench.compare.curves import CurveKey
from invrbench.compare.differences import still
from invrbench.compare.join import Delta
from invrbench.compare.merge import Ranked, Ranking
from invrbench.compare.table import (
    OVERALL,
    Row,
    short_reason,
)
from invrbench.report.cells import (
    ABSENT,
    BLANK,
    Cell,
    Column,
    Table,
    bd,
    number,
    reason,
    text,
)
from invrbench.report.content import Report
from invrbench.report.merge import MergedReport
from invrbench.report.metrics import METRICS, metric

MEAN_FORMAT = "+0.0%;-0.0%;0.0%"
_RATE_FORMAT = "+0.00%;-0.00%;0.00%"
_NO_BITSTREAMS = "no bitstreams"
_NOT_CHECKED = "not yet"


def result_tables(merged: MergedReport) -> list[Table]:
    """What a chair reads first: rankings, or without them every sequence by itself."""
    if not merged.is_averaged:
        return [_differing_table(merged), sequences_table(merged)]
    rankings = merged.rankings(merged.metrics[0])
    tables = [_ranking_table(merged, each) for each in rankings if each.sequences]
    others = [each for each in rankings if not each.sequences]
    return [*tables, *([_unranked_table(merged, others)] if others else [])]


def _ranking_table(merged: MergedReport, ranking: Ranking) -> Table:
    """Best first; those without any number at the end, with the reason."""
    count = len(ranking.sequences)
    first = metric(merged.metrics[0]).label
    views = ranking.means[0][0].test.view_set
    where = f" of {views} views" if views else ""
    return Table(
        "ranking",
        f"Ranked{where} over {count} sequence{'s' * (count > 1)} that all have",
        _ranking_columns(merged),
        _ranking_rows(merged, ranking),
        notes=(
            f"Sorted by BD-rate {first} over {', '.join(ranking.sequences)}. Means over own "
            "sequences (n of N) are over different sequences and are not to be compared.",
        ),
    )


def _unranked_table(merged: MergedReport, rankings: Sequence[Ranking]) -> Table:
    """Codecs that share no sequence with a number with those they could be compared with."""
    rows = [row for ranking in rankings for row in _ranking_rows(merged, ranking)]
    notes = ("Means over own sequences (n of N) are over different sequences, hence in no order.",)
    return Table("unranked", "Not ranked", _ranking_columns(merged), tuple(rows), notes=notes)


def _ranking_columns(merged: MergedReport) -> tuple[Column, ...]:
    names = [metric(column).label for column in merged.metrics]
    return (
        Column("Proposal", 32, "left"),
        Column("Document", 11),
        Column("Proponent or contribution", 16),
        *(Column(f"BD-rate {name}, sequences all have", 16) for name in names),
        *(Column(f"BD-rate {name}, own sequences", 17) for name in names),
        Column("Cross-checker", 24),
        Column("Verdict", 28),
        Column("Bitstreams", 13),
    )


def _ranking_rows(merged: MergedReport, ranking: Ranking) -> tuple[tuple[Cell, ...], ...]:
    others = [_means(merged, column) for column in merged.metrics[1:]]
    rows = []
    for member, mean in (*ranking.means, *((each, None) for each in ranking.left_out)):
        first = _mean_cell(mean, len(ranking.sequences), _why_no_mean(ranking, member))
        means = [first, *(held[member.owner, member.test] for held in others)]
        rows.append(_ranking_row(merged, member, means))
    return tuple(rows)


def _means(merged: MergedReport, column: str) -> dict[tuple[str, CurveKey], Cell]:
    """By owner and tested codec: the mean of a metric over the sequences all have."""
    return {
        (member.owner, member.test): _mean_cell(
            mean, len(ranking.sequences), _why_no_mean(ranking, member)
        )
        for ranking in merged.rankings(column)
        for member, mean in (*ranking.means, *((each, None) for each in ranking.left_out))
    }


def _mean_cell(mean: float | None, count: int, why: str) -> Cell:
    """A mean with the number of its sequences behind it."""
    shape = ";".join(f'{part}" ({count})"' for part in MEAN_FORMAT.split(";"))
    return number(None if mean is None else mean / 100, shape, why)


def _why_no_mean(ranking: Ranking, member: Ranked) -> str:
    if member.usable:
        return ranking.reason
    reasons = dict.fromkeys(short_reason(row) for row in member.rows.values())
    return ", ".join(reasons) or "no sequence"


def _ranking_row(merged: MergedReport, member: Ranked, means: Sequence[Cell]) -> tuple[Cell, ...]:
    brought = merged.of(member.owner)
    report = merged.reports[member.owner]
    document = report.info.codec(member.test.codec).document
    own = [_own_mean(report, member.test, column) for column in merged.metrics]
    checks = merged.confirmations.get((member.owner, member.test.codec), ())
    return (
        text(f"{name_of(merged, member.owner, member.test)} {member.test.view_set}".strip()),
        text(document) if document else ABSENT,
        text(brought.proponent or brought.label),
        *means,
        *own,
        text("; ".join(each.by for each in checks)) if checks else ABSENT,
        text("; ".join(map(str, checks))) if checks else text(_NOT_CHECKED),
        text("yes") if brought.has_bitstreams else reason(_NO_BITSTREAMS),
    )


def _own_mean(report: Report, test: CurveKey, column: str) -> Cell:
    return _plain(bd(report.headline_mean(test, column, OVERALL)))


def _plain(cell: Cell) -> Cell:
    """A BD-rate as its number, without the sheet that would compute it."""
    return replace(cell, row=None)


def name_of(merged: MergedReport, owner: str, test: CurveKey) -> str:
    """A tested codec's name, with its contribution where two bring one name."""
    name = _plain_name(merged, owner, test)
    same = {each for each, key in merged.tested() if _plain_name(merged, each, key) == name}
    return f"{name} [{owner}]" if len(same) > 1 else name


def _plain_name(merged: MergedReport, owner: str, test: CurveKey) -> str:
    info = merged.reports[owner].info
    return info.name(test.codec, test.configuration, test.curve, test.seed)


def sequences_table(merged: MergedReport) -> Table:
    """Every tested codec on every sequence against the headline anchor."""
    names = [metric(column).label for column in merged.metrics]
    columns = (
        Column("Proposal", 34, "left"),
        Column("Contribution", 16, "left"),
        Column("Conditions", 14),
        Column("Sequence", 30, "left"),
        Column("Anchor configuration", 13),
        *(Column(f"BD-rate {name}", 16) for name in names),
        Column("Why not", 46, "left"),
    )
    rows = []
    for owner, test in merged.tested():
        held = [merged.headline_rows(owner, test, column) for column in merged.metrics]
        for sequence in held[0]:
            found = [each.get(sequence) for each in held]
            rows.append(_sequence_row(merged, owner, test, sequence, found))
    notes = ("(58 %): share of the tested quality range that the reference covers, outside means.",)
    return Table("sequences", "Every sequence by itself", columns, tuple(rows), notes=notes)


def _sequence_row(
    merged: MergedReport, owner: str, test: CurveKey, sequence: str, rows: Sequence[Row | None]
) -> tuple[Cell, ...]:
    digest = merged.of(owner).contribution.digest
    why = dict.fromkeys(str(row["reason"]) for row in rows if row and row["reason"])
    configuration = next((row["anchor_configuration"] for row in rows if row), "")
    return (
        text(name_of(merged, owner, test)),
        text(owner),
        text(digest[:8]) if digest else reason("not stated"),
        text(f"{sequence} {test.view_set}".strip()),
        text(configuration),
        *(_plain(bd(row)) for row in rows),
        reason("; ".join(why)) if why else BLANK,
    )


# ---- where it comes from


def contributions_table(merged: MergedReport) -> Table:
    """Who brought what, made with what."""
    columns = (
        Column("Contribution", 16, "left"),
        Column("Proponent", 16, "left"),
        Column("Codecs and documents", 28, "left"),
        Column("Came as", 12),
        Column("Bitstreams", 12),
        Column("Conditions", 15),
        Column("Points", 8),
        Column("Machine", 18, "left"),
        Column("Made with", 36, "left"),
        Column("File", 20, "left"),
        Column("md5", 34, "left"),
        Column("Remarks", 28, "left"),
    )
    rows = []
    for each in merged.brought:
        held = each.contribution
        codecs = dict.fromkeys(str(point["codec"]) for point in held.points)
        named = [f"{codec} ({held.documents.get(codec) or 'no document'})" for codec in codecs]
        rows.append(
            (
                text(each.label),
                text(each.proponent) if each.proponent else ABSENT,
                text(", ".join(named)) if named else reason("anchors only"),
                text(each.kind),
                text("yes") if each.has_bitstreams else reason(_NO_BITSTREAMS),
                text(f"{each.info.conditions} {held.digest[:8]}")
                if held.digest
                else reason("not stated"),
                number(len(held.points) + len(held.anchors), "0"),
                text(each.info.machine) if each.info.machine else reason("not stated"),
                text(each.environment) if each.environment else reason("not stated"),
                text(each.file),
                text(each.md5),
                text("; ".join(each.notes)),
            )
        )
    return Table("contributions", "Contributions", columns, tuple(rows))


def _differing_table(merged: MergedReport) -> Table:
    columns = (Column("Contribution", 24, "left"), Column("Key of the conditions", 90, "left"))
    rows = tuple(
        (text(label), text(key)) for label, keys in merged.differing.items() for key in keys
    )
    return Table("conditions", "Conditions differ: nothing is averaged", columns, rows)


def anchors_table(merged: MergedReport) -> Table:
    """Every contributor's anchors against those that are used."""
    first = metric(merged.metrics[0])
    columns = (
        Column("Contribution", 20, "left"),
        Column("Anchor", 46, "left"),
        Column("Used here", 46, "left"),
        Column("Points of both", 10),
        Column("Same bitstream", 12),
        Column("Rate, mean", 11),
        Column("Rate, most", 11),
        Column(f"{first.label}, mean", 12),
        Column(f"{first.label}, most", 12),
    )
    rows = []
    for label, moves in merged.moves.items():
        for move in moves:
            unknown = f", {move.unknown} unknown" if move.unknown else ""
            rates = (move.mean_rate_percent, move.largest_rate_percent)
            rows.append(
                (
                    text(label),
                    text(merged.of(label).info.codec(move.codec).display),
                    text(_registered_name(merged, move.codec)),
                    number(move.points, "0"),
                    text(f"{move.same} of {move.points}{unknown}"),
                    *(
                        number(None if r is None else still(r) / 100, _RATE_FORMAT, "–")
                        for r in rates
                    ),
                    *(
                        number(still(quality), first.signed_format, "–")
                        for quality in (move.mean_quality, move.largest_quality)
                    ),
                )
            )
    used = merged.registered.label if merged.registered else "none"
    note = f"Used: the anchor points of {used}. Differences are other − used, at equal rate points."
    return Table("anchors", "Anchors", columns, tuple(rows), notes=(note,))


def _registered_name(merged: MergedReport, codec: str) -> str:
    if merged.registered is None:
        return ""
    return merged.of(merged.registered.label).info.codec(codec).display


def anchor_points_table(merged: MergedReport) -> Table:
    """Anchor points that are other than those used."""
    first = metric(merged.metrics[0])
    columns = (
        Column("Contribution", 20, "left"),
        Column("Anchor point", 50, "left"),
        Column("Bitstream", 12),
        Column("Δ kbit/s", 12),
        Column("Δ rate", 11),
        Column(f"Δ {first.axis}", 14),
    )
    words = {True: "the same", False: "another", None: "not known"}
    rows = tuple(
        (
            text(label),
            text(each.key),
            text(words[each.is_same_bitstream]),
            number(each.kbps, "+0.000;-0.000;0.000", "–"),
            number(None if each.percent is None else still(each.percent) / 100, _RATE_FORMAT, "–"),
            number(still(each.quality), "+0.0000;-0.0000;0.0000", "–"),
        )
        for label, points in merged.moved.items()
        for each in points
    )
    return Table("anchor-points", "Anchor points that differ", columns, rows)


def checks_table(merged: MergedReport) -> Table:
    """Every cross-check: by a cross-checker's report, or by bringing the same points."""
    columns = (
        Column("Proposal", 34, "left"),
        Column("Contribution", 18, "left"),
        Column("Cross-checker", 26, "left"),
        Column("Confirmed", 11),
        Column("Points", 9),
        Column("Bit-exact", 11),
        Column("Others", 40, "left"),
    )
    rows = tuple(
        (
            text(merged.reports[owner].info.codec(codec).display),
            text(owner),
            text(each.by),
            number(each.confirmed, "0"),
            number(each.points, "0"),
            number(each.bit_exact, "0"),
            text(", ".join(f"{count} {name}" for name, count in each.others.items() if count)),
        )
        for (owner, codec), members in merged.confirmations.items()
        for each in members
    )
    return Table("checks", "Cross-checks", columns, rows)


def conflicts_table(merged: MergedReport) -> Table:
    """Every value on which two contributions disagree, with both sources."""
    columns = (
        Column("Point", 46, "left"),
        Column("Column", 20, "left"),
        Column("One source", 18, "left"),
        Column("Value", 20),
        Column("Other source", 18, "left"),
        Column("Value", 20),
        Column("Difference", 14),
    )
    rows: list[tuple[Cell, ...]] = []
    for each in merged.merged.twice:
        for delta in each.deltas:
            rows.append(
                (
                    text(each.key),
                    text(METRICS[delta.column].label if delta.column in METRICS else delta.column),
                    text(each.owner),
                    _value_cell(delta, delta.left),
                    text(each.other),
                    _value_cell(delta, delta.right),
                    number(delta.absolute, "+0.000000;-0.000000;0.000000"),
                )
            )
    return Table("conflicts", "Conflicts", columns, tuple(rows))


def _value_cell(delta: Delta, value: Any) -> Cell:
    if delta.absolute is None:
        return text(value)
    return number(value, "0" if isinstance(value, int) else "0.000000")


def coverage_table(merged: MergedReport) -> Table:
    """Points by contribution and status."""
    columns = (
        Column("Contribution", 24, "left"),
        Column("Codec", 30, "left"),
        Column("Points", 9),
        Column("Present", 9),
        Column("Others", 60, "left"),
    )
    rows = []
    for owner, points in merged.merged.points.items():
        for codec in dict.fromkeys(str(point["codec"]) for point in points):
            mine = [point for point in points if point["codec"] == codec]
            counts = Counter(str(point["status"]) for point in mine)
            present = counts.pop("ok", 0) + counts.pop("published", 0)
            others = ", ".join(f"{count} {status}" for status, count in counts.items())
            rows.append(
                (
                    text(owner),
                    text(codec),
                    number(len(mine), "0"),
                    number(present, "0"),
                    text(others),
                )
            )
    return Table("coverage", "Points", columns, tuple(rows))
