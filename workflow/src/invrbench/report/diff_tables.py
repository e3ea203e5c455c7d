"""How a diff of two reports reads: lines on a terminal, Markdown, a table, JSON."""

import re
import textwrap
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from invrbench.compare.curves import CurveKey
from invrbench.compare.differences import (
    UNMOVED,
    Change,
    Move,
    is_common,
    still,
)
from invrbench.compare.table import write_table
from invrbench.digest import write_json, write_whole
from invrbench.report.cells import BLANK, NO_CELL, Cell, Column, Table, number, text, to_markdown
from invrbench.report.diff import ReportDiff, findings
from invrbench.report.given import Given
from invrbench.report.info import completeness
from invrbench.report.metrics import metric
from invrbench.report.sheets.book_of_tables import Page, book_of_tables

WIDTH = 100
BD_FORMAT = "+0.00%;-0.00%;0.00%"
POINTS_FORMAT = "+0.00;-0.00;0.00"
_RATE_FORMAT = "+0.00%;-0.00%;0.00%"
_WIDTHS = (39, 4, 11, 11, 9, 9, 9, 8)  # of a line of BD-rates, 100 in all
_MAX_SEQUENCES = 12  # of a codec that are printed
COLUMNS = (
    "sequence", "view_set", "configuration", "test", "curve", "seed", "metric",
    "old_anchor", "new_anchor", "old_anchor_configuration", "new_anchor_configuration",
    "old_bd_rate_percent", "new_bd_rate_percent", "change_points", "from_anchor_points",
    "from_method_points", "from_metric_points", "rest_points", "cause", "reason",
    "n_common", "n_old", "n_new",
)  # fmt: skip


# ---- tables


def bd_table(diff: ReportDiff, metric_name: str) -> Table:
    """Old and new BD-rate of every tested curve, the change, and whose doing it is."""
    columns = (
        Column("Tested, sequence", 44, "left"),
        Column("Sequences", 10),
        Column("Old", 11),
        Column("New", 11),
        Column("Change, points", 10),
        Column("from anchor", 10),
        Column("from method", 10),
        Column("rest", 9),
        Column("Remark", 40, "left"),
    )
    rows: list[tuple[Cell, ...]] = []
    bold = []
    for mean in diff.means:
        if mean.metric != metric_name:
            continue
        bold.append(len(rows))
        rows.append(_change_row(diff, mean))
        members = _members(diff, mean)
        rows += [_change_row(diff, change) for change in members]
    label = metric(metric_name).label
    return Table(
        f"diff.{metric_name}",
        f"BD-rate by {label} against {_anchor_name(diff)}",
        columns,
        tuple(rows),
        bold=frozenset(bold),
        notes=(
            "A mean stands above its sequences and is over those that count in both reports. "
            "Percentage points: anchor alone exchanged, method alone exchanged, and the rest, "
            "which the two move together.",
        ),
    )


def _members(diff: ReportDiff, mean: Change) -> list[Change]:
    return [
        change
        for change in diff.changes
        if change.metric == mean.metric and _family(change.test) == _family(mean.test)
    ]


def _family(key: CurveKey) -> CurveKey:
    """What a codec's curves on several sequences, of several seeds, have in common."""
    return replace(key, sequence="", seed="")


def _change_row(diff: ReportDiff, change: Change) -> tuple[Cell, ...]:
    split = change.split
    shares = [
        number(_unmoved(share), POINTS_FORMAT)
        for share in (change.delta, split.anchor, split.method, split.rest)
    ]
    return (
        text(_name(diff, change)),
        number(change.counts[0], "0") if change.counts else BLANK,
        _bd_cell(change, 0),
        _bd_cell(change, 1),
        *shares,
        text(_remark(change)),
    )


def _unmoved(points: float | None) -> float | None:
    """Percentage points, 0 where they are less than the last digit of bd.tsv."""
    return 0.0 if points is not None and abs(points) <= UNMOVED else points


def _bd_cell(change: Change, side: int) -> Cell:
    value = (change.old, change.new)[side]
    return number(None if value is None else value / 100, BD_FORMAT, NO_CELL)


def _remark(change: Change) -> str:
    words = [change.reason] if change.reason else []
    old, new = change.anchor_configurations
    if old and new and old != new:
        words.append(f"anchor in {new} instead of {old}")
    if abs(change.split.metric or 0) > UNMOVED:
        words.append("same pictures, other metric")
    if change.delta is None:
        return "; ".join(words)
    if change.counts is not None:
        common, before, after = change.counts
        if common < max(before, after):
            words.append(f"of {before} sequences before and {after} now")
    elif not is_common(change):
        shares = [f"{100 * (overlap or 0):.0f} %" for overlap in change.overlaps]
        words.append(f"not in the mean: overlap {' and '.join(dict.fromkeys(shares))}")
    return "; ".join(words)


def _name(diff: ReportDiff, change: Change) -> str:
    key = change.test
    name = f"{_codec_name(diff, key)} {key.view_set}".strip()
    return name if change.counts is not None else f"{name}: {key.sequence}"


def moves_table(diff: ReportDiff) -> Table:
    """How far the points of each codec moved, rate point by rate point."""
    label = metric(diff.metrics[0])
    columns = (
        Column("Codec", 44, "left"),
        Column("Points", 8),
        Column("Same bitstream", 11),
        Column("Rate, mean", 11),
        Column("Rate, most", 11),
        Column(f"{label.label}, mean", 11),
        Column(f"{label.label}, most", 11),
    )
    rows = tuple(_move_row(diff, move) for move in diff.moves)
    notes = ("Rate relative to the old report's; the most is the largest by size.",)
    return Table("diff.points", "Points of both reports", columns, rows, notes=notes)


def _move_row(diff: ReportDiff, move: Move) -> tuple[Cell, ...]:
    signed = metric(diff.metrics[0]).signed_format
    rates = (move.mean_rate_percent, move.largest_rate_percent)
    name = (diff.new if move.codec in diff.new.info.codecs else diff.old).info.codec(move.codec)
    unknown = f", {move.unknown} unknown" if move.unknown else ""
    return (
        text(name.display),
        number(move.points, "0"),
        text(f"{move.same} of {move.points}{unknown}"),
        *(number(None if each is None else still(each) / 100, _RATE_FORMAT, "–") for each in rates),
        *(number(still(each), signed, "–") for each in (move.mean_quality, move.largest_quality)),
    )


def _codec_name(diff: ReportDiff, key: CurveKey) -> str:
    """A codec's name without versions that differ: the new report's, else the old one's."""
    info = diff.new.info if key.codec in diff.new.info.codecs else diff.old.info
    return info.name(key.codec, key.configuration, key.curve, key.seed)


def _anchor_name(diff: ReportDiff) -> str:
    old, new = (
        given.info.codec(anchor).display
        for given, anchor in zip((diff.old, diff.new), diff.anchors, strict=True)
    )
    return new if old == new else f"{old}, now {new}"


# ---- text


def diff_lines(diff: ReportDiff) -> list[str]:
    """The whole as lines of at most 100 columns; sequences that did not move are counted only."""
    lines = [f"{diff.old.name} → {diff.new.name}"]
    lines += [_heading("old", diff.old), _heading("new", diff.new), ""]
    if diff.is_same:
        return [*lines, "Nothing differs."]
    for subject, sentence in findings(diff):
        lines += _wrapped(f"  {subject:<12}", sentence)
    lines += ["", *_move_lines(diff)]
    for name in diff.metrics:
        lines += ["", *_bd_lines(diff, name)]
    return [line[:WIDTH].rstrip() for line in lines]


def _heading(word: str, given: Given) -> str:
    info, count = given.info, completeness(given.points)
    parts = [info.conditions or "conditions unknown", info.label, f"{count} points"]
    if not given.is_bare:
        parts += [f"newest record {info.created:%Y-%m-%d %H:%M} UTC", f"commit {info.commit[:12]}"]
    return _cut(f"  {word}  {' · '.join(part for part in parts if part)}", WIDTH)


def _wrapped(head: str, sentence: str) -> list[str]:
    return textwrap.wrap(
        " ".join(sentence.split()),
        WIDTH,
        initial_indent=head,
        subsequent_indent=" " * len(head),
        break_on_hyphens=False,
    )


def _cut(value: str, width: int) -> str:
    return value if len(value) <= width else value[: width - 1] + "…"


def _move_lines(diff: ReportDiff) -> list[str]:
    """Codecs whose points moved; the others in one line."""
    table = moves_table(diff)
    moved = [row for row, move in zip(table.rows, diff.moves, strict=True) if move.has_moved]
    lines = [table.title]
    if moved:
        widths = (34, 7, 17, 11, 10, 11, 10)
        unit = metric(diff.metrics[0]).unit or "value"
        heads = ("codec", "points", "same bitstream", "rate, mean", "most", f"{unit}, mean", "most")
        lines += [_columns(heads, widths)]
        lines += [_columns([cell.shown for cell in row], widths) for row in moved]
    still = len(table.rows) - len(moved)
    return lines + ([f"  {still} codecs did not move."] if still else [])


def _bd_lines(diff: ReportDiff, metric_name: str) -> list[str]:
    """Means with the sequences that moved; the others counted, those without a number told."""
    title = f"BD-rate by {metric(metric_name).label} against {_anchor_name(diff)}"
    heads = ("", "n", "old", "new", "change", "anchor", "method", "rest")
    lines = [*textwrap.wrap(title, WIDTH), _columns(heads, _WIDTHS)]
    without: list[str] = []
    unmoved = 0
    for mean in diff.means:
        if mean.metric != metric_name:
            continue
        members = _members(diff, mean)
        with_number = [each for each in members if each.old is not None or each.new is not None]
        moved = [each for each in with_number if not _is_still(each)]
        unmoved += len(with_number) - len(moved)
        if moved or mean.delta is not None:
            lines += _block_lines(diff, mean, moved)
        for each in members:
            if each not in with_number:
                why = each.reason.removeprefix("in both: ")
                without += _wrapped("  no number: ", f"{_name(diff, each)}: {why}")
    return lines + ([f"  {unmoved} sequences did not move."] if unmoved else []) + without


def _is_still(change: Change) -> bool:
    """Whether a sequence needs no line of its own: nothing moved and nothing is to be said."""
    return _unmoved(change.delta) == 0 and not _remark(change)


def _block_lines(diff: ReportDiff, mean: Change, moved: Sequence[Change]) -> list[str]:
    """A codec: its mean, and those of its sequences that moved most."""
    lines = [_line(diff, mean, _change_row(diff, mean)[0].shown)]
    lines += _wrapped("      ", _remark(mean)) if mean.delta is not None else []
    largest = sorted(moved, key=lambda each: abs(each.delta or 0), reverse=True)[:_MAX_SEQUENCES]
    for change in moved:
        if change not in largest:
            continue
        seed = "" if change.test.seed in ("", "0") else f", seed {change.test.seed}"
        shown = _line(diff, change, f"  {change.test.sequence}{seed}")
        remark = _remark(change)
        is_short = len(shown) + len(remark) + 2 <= WIDTH
        lines += [f"{shown}  {remark}"] if is_short else [shown, *_wrapped("      ", remark)]
    rest = len(moved) - len(largest)
    return lines + ([f"  and {rest} more that moved less; -o writes all"] if rest else [])


def _line(diff: ReportDiff, change: Change, name: str) -> str:
    cells = _change_row(diff, change)[1:-1]
    return _columns([name, *(cell.shown for cell in cells)], _WIDTHS).rstrip()


def _columns(cells: Sequence[str], widths: Sequence[int]) -> str:
    """One line: the first cell left, the others right-aligned."""
    first = f"{_cut(cells[0], widths[0] - 1):<{widths[0]}}"
    return first + "".join(
        f"{_cut(cell, width - 1):>{width}}"
        for cell, width in zip(cells[1:], widths[1:], strict=True)
    )


# ---- files


def change_rows(diff: ReportDiff) -> list[dict[str, Any]]:
    """Rows of diff.tsv: every comparison, then the means over the sequences both can use."""
    return [_tsv_row(diff, change) for change in (*diff.changes, *diff.means)]


def _tsv_row(diff: ReportDiff, change: Change) -> dict[str, Any]:
    counts = change.counts or (None, None, None)
    return {
        "sequence": change.test.sequence,
        "view_set": change.test.view_set,
        "configuration": change.test.configuration,
        "test": change.test.codec,
        "curve": change.test.curve,
        "seed": change.test.seed,
        "metric": change.metric,
        "old_anchor": diff.anchors[0],
        "new_anchor": diff.anchors[1],
        "old_anchor_configuration": change.anchor_configurations[0],
        "new_anchor_configuration": change.anchor_configurations[1],
        "old_bd_rate_percent": change.old,
        "new_bd_rate_percent": change.new,
        "change_points": change.delta,
        "from_anchor_points": change.split.anchor,
        "from_method_points": change.split.method,
        "from_metric_points": change.split.metric,
        "rest_points": change.split.rest,
        "cause": change.split.cause,
        "reason": change.reason,
        **dict(zip(("n_common", "n_old", "n_new"), counts, strict=True)),
    }


def diff_value(diff: ReportDiff) -> dict[str, Any]:
    """The whole as JSON."""
    return {
        "schema": 1,
        "old": diff.old.name,
        "new": diff.new.name,
        "same": diff.is_same,
        "findings": [{"subject": name, "sentence": told} for name, told in findings(diff)],
        "conditions": None if diff.conditions is None else [asdict(k) for k in diff.conditions],
        "tools": [asdict(change) for change in diff.tools],
        "metrics": [asdict(ruler) for ruler in diff.rulers],
        "codecs": [asdict(move) for move in diff.moves],
        "status": [asdict(change) for change in diff.statuses],
        "bd": change_rows(diff),
    }


def diff_markdown(diff: ReportDiff) -> str:
    """The whole as Markdown."""
    parts = [f"# {diff.old.name} → {diff.new.name}\n"]
    parts.append("".join(f"- **{name}**: {told}\n" for name, told in findings(diff)))
    for table in (moves_table(diff), *(bd_table(diff, name) for name in diff.metrics)):
        parts.append(f"## {table.title}\n\n{to_markdown(table)}")
        parts.append("".join(f"{note}\n" for note in table.notes))
    return "\n".join(parts)


def _workbook(diff: ReportDiff) -> bytes:
    title = f"{diff.old.name} → {diff.new.name}"
    columns = (Column("What", 14, "left"), Column("Finding", 120, "left"))
    rows = tuple((text(name), text(told)) for name, told in findings(diff))
    pages = {
        "Summary": Page(title, [Table("findings", "What changed", columns, rows)]),
        "Points": Page("Points of both reports", [moves_table(diff)]),
    } | {
        _sheet_name(metric(name).label): Page(bd_table(diff, name).title, [bd_table(diff, name)])
        for name in diff.metrics
    }
    return book_of_tables(title, diff.new.info, pages)


def _sheet_name(label: str) -> str:
    """A metric's label as Excel takes it for a sheet.

    >>> _sheet_name("PSNR-YUV 6:1:1")
    'PSNR-YUV 6 1 1'
    """
    return re.sub(r"[\[\]:*?/\\]", " ", label)[:31]


def write_diff(folder: Path, diff: ReportDiff) -> None:
    """Write diff.tsv, diff.md, diff.xlsx and diff.json."""
    write_table(folder / "diff.tsv", change_rows(diff), COLUMNS)
    write_whole(folder / "diff.md", diff_markdown(diff))
    write_whole(folder / "diff.xlsx", _workbook(diff))
    write_json(folder / "diff.json", diff_value(diff))
