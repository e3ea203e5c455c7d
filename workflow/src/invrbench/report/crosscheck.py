"""What a cross-check found: sentences, tables, workbook, document, and a record to send back."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from invrbench.digest import write_json, write_whole
from invrbench.report.cells import Table, to_tsv
from invrbench.report.content import Report
from invrbench.report.crosscheck_tables import (
    again_table,
    bd_table,
    facts,
    points_table,
    tolerances_table,
    values_table,
)
from invrbench.report.crosscheck_words import (
    Crosscheck,
    again_sentence,
    bd_sentence,
    explanation,
    headline_metrics,
    sentence,
    short,
)
from invrbench.report.given import CROSSCHECK, CROSSCHECK_SCHEMA, read_verdict
from invrbench.report.info import RunInfo
from invrbench.report.sheets.base import Book
from invrbench.report.sheets.tables import set_widths, write_table
from invrbench.results.paths import CROSSCHECKS
from invrbench.results.reencode import Again
from invrbench.results.verdicts import DIFFERS, FAILED, NOT_CHECKED, VERDICTS, Checked

UNNAMED = "a cross-checker who gave no name"
_WIDE = 12  # columns that fit on a small sheet
_FILLS = {DIFFERS: "#FCE4D6", FAILED: "#FCE4D6", NOT_CHECKED: "#F2F2F2"}


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
        "schema": CROSSCHECK_SCHEMA,
        "kind": CROSSCHECK,
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
        "harness": check.harness,
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
        record = read_verdict(path, f"{CROSSCHECKS}/{path.name}")
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
