"""What a merge leaves: a workbook, tables, Markdown, in a folder that belongs to its label."""

import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from invrbench.compare.table import (
    BD_COLUMNS,
    point_columns,
    write_table,
)
from invrbench.digest import write_json, write_whole
from invrbench.errors import InputError
from invrbench.outside import object_in
from invrbench.report.cells import (
    Table,
    to_markdown,
)
from invrbench.report.merge import MergedReport
from invrbench.report.merge_tables import (
    anchor_points_table,
    anchors_table,
    checks_table,
    conflicts_table,
    contributions_table,
    coverage_table,
    result_tables,
    sequences_table,
)
from invrbench.report.sheets.book_of_tables import Page, book_of_tables

WIDTH = 100
_MAX_PRINTED = 40
# of the result: what stands in the files alone
_NOT_PRINTED = (
    *("Cross-checker", "Bitstreams", "Proponent or contribution"),
    *("Contribution", "Conditions", "Why not"),
)
FILES = ("results.xlsx", "points.tsv", "bd.tsv", "merge.md", "merge.json")


def merge_markdown(merged: MergedReport) -> str:
    """The whole as Markdown."""
    parts = [f"# {merged.label}: {merged.info.title.lower()}\n"]
    parts.append("".join(f"- {note}\n" for note in merged.notes))
    for table in _all_tables(merged):
        parts.append(f"## {table.title}\n\n{to_markdown(table)}")
        parts += [f"{note}\n" for note in table.notes]
    return "\n".join(parts)


def _all_tables(merged: MergedReport) -> list[Table]:
    tables = [
        *result_tables(merged),
        contributions_table(merged),
        anchors_table(merged),
        checks_table(merged),
        conflicts_table(merged),
        *([sequences_table(merged)] if merged.is_averaged else []),
    ]
    return [table for table in tables if table.rows]


def summary_text(merged: MergedReport) -> str:
    """What the verb prints, 100 columns wide: what must be known, and the results in short."""
    lines = [
        line
        for note in merged.notes
        for line in textwrap.wrap(note, WIDTH, subsequent_indent="  ", break_on_hyphens=False)
    ]
    for table in result_tables(merged):
        kept = [
            index
            for index, column in enumerate(table.columns)
            if column.head not in _NOT_PRINTED and not column.head.endswith("own sequences")
        ]
        widths = [min(30, max(len(row[i].shown) for row in table.rows)) for i in kept]
        lines += ["", table.title]
        for row in table.rows[:_MAX_PRINTED]:
            cells = [f"{row[i].shown:<{width}}" for i, width in zip(kept, widths, strict=True)]
            lines.append(f"  {'  '.join(cells)}".rstrip()[:WIDTH])
    return "\n".join(lines) + "\n"


def _workbook(merged: MergedReport) -> bytes:
    title = f"{merged.label}: {merged.info.title.lower()}"
    full = [sequences_table(merged)] if merged.is_averaged else []
    pages = {
        "Summary": Page(title, result_tables(merged), merged.notes),
        "Contributions": Page("Contributions", [contributions_table(merged)]),
        "Full": Page("Every sequence by itself", full),
        "Cross-checks": Page("Cross-checks", [checks_table(merged)]),
        "Conflicts": Page("Conflicts", [conflicts_table(merged)]),
        "Anchors": Page("Anchors", [anchors_table(merged), anchor_points_table(merged)]),
        "Coverage": Page("Points", [coverage_table(merged)]),
    }
    return book_of_tables(title, merged.info, pages)


def refuse_other(folder: Path, label: str) -> None:
    """Refuse a folder that holds something else than an earlier merge of this label.

    Raises:
        InputError: it does.
    """
    if not folder.exists():
        return
    if folder.is_dir():
        held = {path.name for path in folder.iterdir()}
        if not held or (held <= set(FILES) and _label_in(folder) == label):
            return
    raise InputError(
        f"{folder.name}/ holds something else than a merge labelled {label}, which is never "
        "overwritten; name another label or folder."
    )


def _label_in(folder: Path) -> str:
    return str(object_in(folder / "merge.json").get("label", ""))


def write_merge(folder: Path, merged: MergedReport) -> None:
    """Write merge.json, points.tsv, bd.tsv, merge.md and results.xlsx.

    Raises:
        InputError: the folder holds something else.
    """
    refuse_other(folder, merged.label)
    write_json(folder / "merge.json", merge_value(merged))  # first: says whose folder it is
    points = [
        {"contribution": owner, **point}
        for owner, report in merged.reports.items()
        for point in report.points[: len(merged.merged.points[owner])]
    ]
    if merged.registered:
        label = merged.registered.label
        points += [{"contribution": label, **point} for point in merged.registered.anchors]
    columns = ["contribution", *(name for name in point_columns(points) if name != "contribution")]
    write_table(folder / "points.tsv", points, columns)
    write_table(folder / "bd.tsv", _bd_rows(merged), ("contribution", *BD_COLUMNS))
    write_whole(folder / "merge.md", merge_markdown(merged))
    write_whole(folder / "results.xlsx", _workbook(merged))


def _bd_rows(merged: MergedReport) -> list[Mapping[str, Any]]:
    """Rows of bd.tsv by owner; no means where nothing may be averaged."""
    return [
        {"contribution": owner, **row}
        for owner, report in merged.reports.items()
        for row in report.rows
        if row["sequence"] or merged.is_averaged
    ]


def merge_value(merged: MergedReport) -> dict[str, Any]:
    """What a merge was made of, as JSON."""
    return {
        "schema": 1,
        "kind": "merge",
        "label": merged.label,
        "anchor": merged.info.headline_anchor,
        "anchor_from": merged.registered.label if merged.registered else None,
        "headline_metrics": merged.metrics,
        "is_averaged": merged.is_averaged,
        "notes": list(merged.notes),
        "contributions": [
            {
                "label": each.label,
                "kind": each.kind,
                "file": each.file,
                "md5": each.md5,
                "proponent": each.proponent,
                "documents": dict(each.contribution.documents),
                "conditions_digest": each.contribution.digest,
            }
            for each in merged.brought
        ],
    }
