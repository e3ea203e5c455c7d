"""Sheets Definitions, Provenance, Coverage and Points: what the numbers mean and rest on."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from invrbench.compare.curves import (
    NOT_MEASURED,
    Curve,
    Point,
    full_codec,
    full_sequence,
    is_number,
)
from invrbench.compare.table import HEADLINE_METHOD, POINT_COLUMNS, RATIO, Row, reason_column
from invrbench.report.info import PRESENT, completeness
from invrbench.report.metrics import DEFINITIONS, METRICS, REASONS, metric
from invrbench.report.sheets.base import Book

_STATES = ("failed", "missing", "stale", "skipped")


def write_definitions(book: Book) -> None:
    """Write every metric with version and formula, every word and every reason code."""
    sheet, row = book.sheet("Definitions", "What every number means")
    for column, width in enumerate((22, 20, 44, 88)):
        sheet.set_column(column, column, width)
    wrap, bold = book.style(text_wrap=True), book.style(bold=True)
    row = _heads(book, sheet, row, ("Metric", "Column", "Version", "Definition"))
    measured = {
        name for name in METRICS if any(is_number(point.get(name)) for point in book.report.points)
    }
    for name, entry in METRICS.items():
        version = book.report.info.metric_versions.get(name, "")
        sheet.write_string(row, 0, entry.axis, bold)
        sheet.write_string(row, 1, name, book.style())
        if version or name in measured:
            sheet.write_string(row, 2, version or "not recorded", wrap)
        else:
            sheet.write_string(row, 2, "not measured in this run", book.reason(align="left"))
        sheet.write_string(row, 3, entry.definition, wrap)
        lines = max(_lines(entry.definition, 100), _lines(version, 48))
        sheet.set_row(row, 12 * lines + 3)
        row += 1
    row = _write_words(book, sheet, row + 1, ("Word", "Definition"), DEFINITIONS, bold)
    grey = book.reason(align="left")
    _write_words(book, sheet, row + 1, ("Reason", "Why there is no number"), REASONS, grey)


def _write_words(
    book: Book,
    sheet: Any,
    row: int,
    heads: tuple[str, str],
    entries: Sequence[tuple[str, str]],
    look: Any,
) -> int:
    """Words in column A, what they mean across B to D."""
    sheet.write_string(row, 0, heads[0], book.head(align="left"))
    sheet.merge_range(row, 1, row, 3, heads[1], book.head(align="left"))
    for word, text in entries:
        row += 1
        sheet.write_string(row, 0, word, look)
        sheet.merge_range(row, 1, row, 3, text, book.style(text_wrap=True))
        sheet.set_row(row, 12 * _lines(text, 165) + 3)
    return row + 1


def _heads(book: Book, sheet: Any, row: int, texts: Sequence[str]) -> int:
    for column, text in enumerate(texts):
        sheet.write_string(row, column, text, book.head(align="left"))
    return row + 1


def _lines(text: str, width: int) -> int:
    """Lines that wrapped text takes; Excel does not compute a row's height by itself."""
    return max(1, -(-len(text) // width))


def write_provenance(book: Book) -> None:
    """Write what the run was made of: conditions, versions, machine, sequences, codecs."""
    info = book.report.info
    sheet, row = book.sheet("Provenance", "Where the numbers come from")
    for column, width in enumerate((34, 30, 14, 9, 12, 36, 40)):
        sheet.set_column(column, column, width)
    facts = [
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
        ("Times", info.timing),
        ("Decoded in sandbox level", ", ".join(info.sandbox)),
        ("Points present", str(completeness(book.report.points))),
    ]
    row = _heads(book, sheet, row, ("Run", "")) if facts else row
    for name, text in facts:
        sheet.write_string(row, 0, name, book.style(bold=True))
        if text:
            sheet.write_string(row, 1, text, book.style())
        else:
            sheet.write_string(row, 1, "not given", book.reason(align="left"))
        row += 1
    row = _heads(book, sheet, row + 1, ("Tool or library", "Version"))
    for name in sorted(info.tool_versions):
        sheet.write_string(row, 0, name, book.style(bold=True))
        sheet.write_string(row, 1, info.tool_versions[name], book.style())
        row += 1
    row = _write_sequences(book, sheet, row + 1)
    row = _write_codecs(book, sheet, row + 1) + 1
    for note in info.notes:
        sheet.write_string(row, 0, f"Note: {note}", book.style(italic=True))
        row += 1


def _write_sequences(book: Book, sheet: Any, row: int) -> int:
    heads = ("Sequence", "Size, format", "Frames", "fps", "MD5 checked", "MD5", "Source")
    row = _heads(book, sheet, row, heads)
    for name, entry in book.report.info.sequences.items():
        size = f"{entry.width}×{entry.height} {entry.pixel_format}"
        fps = "still" if entry.is_still else entry.fps
        texts = (name, size, "", fps, entry.md5_state, entry.md5, entry.source)
        for column, text in enumerate(texts):
            sheet.write_string(row, column, text, book.style(bold=column == 0))
        sheet.write_number(row, 2, entry.frames, book.style(num_format="0", align="left"))
        row += 1
    return row


def _write_codecs(book: Book, sheet: Any, row: int) -> int:
    row = _heads(book, sheet, row, ("Codec", "Id", "Role", "", "", "Document", "Paper"))
    sheet.merge_range(row - 1, 2, row - 1, 4, "Role", book.head(align="left"))
    for name, entry in book.report.info.codecs.items():
        texts = (entry.display, name, entry.role, "", "", entry.document, entry.paper)
        for column, text in enumerate(texts):
            sheet.write_string(row, column, text, book.style(bold=column == 0))
        row += 1
    return row


def write_coverage(book: Book) -> None:
    """Write expected against present points with reasons, and the controls' verdicts."""
    report = book.report
    sheet, row = book.sheet("Coverage", f"Coverage: {completeness(report.points)} points present")
    for column, width in enumerate((26, 44, 10, 10, 10, 10, 10, 10, 70)):
        sheet.set_column(column, column, width)
    heads = ("Sequence", "Codec", "Expected", "Present", *(s.capitalize() for s in _STATES))
    row = _heads(book, sheet, row, (*heads, "Reasons"))
    for column in range(2, 8):
        sheet.write_string(row - 1, column, heads[column], book.head())
    top = row - 1
    for curve in [*report.curves, *report.controls]:
        if curve.is_hull:
            continue
        count = Counter(str(point["status"]) for point in curve.points)
        present = sum(count[state] for state in PRESENT)
        numbers = [len(curve.points), present, *(count[state] for state in _STATES)]
        whole = present == len(curve.points)
        look = {} if whole else {"bg_color": "#FCE4D6"}
        sheet.write_string(row, 0, curve.key.sequence, book.style(**look))
        name = f"{report.info.curve_name(curve)} {curve.key.view_set}".strip()
        sheet.write_string(row, 1, name, book.style(**look))
        for index, number in enumerate(numbers):
            text = "0" if index < 2 else "0;-0;–"
            sheet.write_number(
                row, 2 + index, number, book.style(num_format=text, align="center", **look)
            )
        reasons = _reasons(curve)
        sheet.write_string(row, 8, reasons, book.reason(align="left", text_wrap=True, **look))
        sheet.set_row(row, 12 * _lines(reasons, 80) + 3)
        row += 1
    sheet.autofilter(top, 0, max(row - 1, top), 8)
    sheet.freeze_panes(top + 1, 2)
    _write_controls(book, sheet, row + 1)


def _reasons(curve: Curve) -> str:
    """Reasons of the points that are not present, each with the points it holds for."""
    groups: dict[str, list[str]] = {}
    for point in curve.points:
        if point["status"] not in PRESENT or point.get("reason"):
            text = str(point.get("reason") or f"{point['status']}, no reason recorded")
            groups.setdefault(text, []).append(str(point["rate_point"]))
    return "; ".join(f"{', '.join(names)}: {text}" for text, names in groups.items())


def _write_controls(book: Book, sheet: Any, row: int) -> None:
    row = _heads(book, sheet, row, ("Sequence", "Control", "Verdict", *[""] * 6))
    for name, what, verdict in control_verdicts(book):
        sheet.write_string(row, 0, name, book.style())
        sheet.write_string(row, 1, what, book.style())
        look = {"bold": True} if "CHECK" in verdict else {}
        sheet.write_string(row, 2, verdict, book.style(**look))
        row += 1


def control_verdicts(book: Book) -> list[tuple[str, str, str]]:
    """(sequence, control, verdict) of every control, then every anchor against itself.

    A control is either the ceiling (what it decodes is the source) or the floor (no measured
    point of the sequence lies below it); one that is neither means the ruler is broken.
    """
    report = book.report
    first = report.info.headline_metrics[0]
    verdicts = []
    for curve in report.controls:
        for point in curve.points:
            verdict = _control_verdict(point, report.points, first)
            name = f"{report.info.curve_name(curve)} {curve.key.view_set}".strip()
            verdicts.append((curve.key.sequence, name, verdict))
    itself = [
        row
        for row in report.rows
        if row["sequence"]
        and (row["metric"], row["method"]) == (first, HEADLINE_METHOD)
        and (row["test"], row["configuration"]) == (row["anchor"], row["anchor_configuration"])
    ]
    for row in itself:
        name = report.info.name(row["test"], row["configuration"])
        verdicts.append((row["sequence"], f"{name} against itself", _self_verdict(row)))
    return verdicts


def _control_verdict(point: Point, points: Sequence[Point], column: str) -> str:
    if point["status"] != "ok":
        return f"{point['status']}: {point.get('reason') or 'no reason recorded'}. CHECK"
    decoded = point.get("decoded_md5")
    value = point.get(column)
    # a scene's md5 is of all its views, those that nobody decodes included
    is_lossless = point.get("view_set") and point.get(f"{column}_reason") == "lossless"
    if is_lossless or (decoded and decoded == point.get("source_md5")):
        return "identical to the source"
    others = [
        (other[column], other)
        for other in points
        if other is not point
        and full_sequence(other) == full_sequence(point)
        and other.get("view_set") == point.get("view_set")
        and other["status"] == "ok"
        and is_number(other.get(column))
    ]
    if not is_number(value):
        return f"not identical to the source, and no {metric(column).label}. CHECK"
    below = [other for number, other in others if number < value]
    if not below:
        return f"floor: nothing lies below {value:.2f}"
    name = f"{full_codec(below[0])} {below[0]['rate_point']}"
    return f"neither identical nor floor: {name} lies below {value:.2f}. CHECK"


def _self_verdict(row: Row) -> str:
    if not is_number(row["bd_rate_percent"]):
        return str(row["reason"])
    text = f"{row['bd_rate_percent'] + 0.0:.2f} %".replace("-0.00", "0.00")
    return text if text == "0.00 %" else f"{text}. CHECK"


# Stated by the codec, or computed from what it states.
SELF_REPORTED = (
    *("kmac_per_pixel", "parameters"),
    *("uncompressed_bpp", "bits_per_weight", "compression_ratio"),
)

# Identity and measurements, which are printed; all further columns stand to their right.
_PRINTED = (
    *("class", "sequence", "cut", "view_set", "codec", "variant", "configuration", "rate_point"),
    *("seed", "status", "reason", "bitstream_bytes", "bpp", "rate_kbps", RATIO),
    *METRICS,
    *("fit_seconds", "encode_seconds", "decode_seconds", "peak_memory_bytes"),
    *SELF_REPORTED,
)


def write_points(book: Book) -> None:
    """Write all points as one filterable table; a metric without a number shows its reason."""
    points = book.report.points
    sheet, row = book.sheet("Points", "All points (the rows of points.tsv)", paper="A3")
    ordered = [*_PRINTED, *(name for name in POINT_COLUMNS if name not in _PRINTED)]
    columns = [
        name
        for name in ordered
        if any(
            point.get(name) is not None
            or (name in METRICS and point.get(reason_column(name)) not in (None, NOT_MEASURED))
            for point in points
        )
    ]
    for index, name in enumerate(columns):
        sheet.write_string(row, index, _point_head(book, name), book.head())
        sheet.set_column(index, index, _width(name, points))
    sheet.set_row(row, 38)
    top = row
    for point in points:
        row += 1
        for index, name in enumerate(columns):
            _write_cell(book, sheet, (row, index), name, point)
    sheet.autofilter(top, 0, max(row, top), len(columns) - 1)
    sheet.freeze_panes(top + 1, columns.index("rate_point") + 1)
    sheet.repeat_rows(top)
    printed = sum(name in _PRINTED for name in columns)
    sheet.print_area(0, 0, row, printed - 1)


def _point_head(book: Book, name: str) -> str:
    """A column's name in points.tsv, with what a reader must know beneath it."""
    if name in SELF_REPORTED:
        return f"{name}\n(self-reported)"
    return f"{name}\n({book.report.info.timing})" if name.endswith("_seconds") else name


def _write_cell(book: Book, sheet: Any, at: tuple[int, int], name: str, point: Point) -> None:
    value = point.get(name)
    reason = str(point.get(reason_column(name)) or "")
    if is_number(value):
        look = {"align": "center"} if name == "seed" else {}
        sheet.write_number(*at, value, book.style(num_format=_format(name), **look))
    elif isinstance(value, str):
        is_reason = name == "reason"
        sheet.write_string(*at, value, book.reason(align="left") if is_reason else book.style())
    elif reason and point["status"] in PRESENT:
        sheet.write_string(*at, reason, book.reason(shrink=True))


def _format(name: str) -> str:
    if name in METRICS:
        return "0.0000" if name.endswith("_db") else "0.000000"
    special = {"bpp": "0.000000", "rate_kbps": "0.000", "rate_vs_anchor_percent": "0.0"}
    special |= dict.fromkeys(SELF_REPORTED, "0.00") | {"parameters": "0"}
    if name in special:
        return special[name]
    return "0.000" if name.endswith("_seconds") else "0"


def _width(name: str, points: Sequence[Point]) -> float:
    texts = [str(point[name]) for point in points if isinstance(point.get(name), str)]
    if name in METRICS:
        reasons = {str(point.get(reason_column(name)) or "") for point in points}
        texts += [text for text in reasons if len(text) <= 20]
    longest = max((len(text) for text in texts), default=0)
    most = 30 if name == "reason" else 36
    return float(min(max(longest + 1, min(len(name) + 2, 15), 9), most))
