"""Sheets Experiment and Ablation: what the conditions set out to show, and what each tool gives."""

import io
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from invrbench.compare.ablation import compared_keys
from invrbench.compare.curves import is_number
from invrbench.compare.findings import FAILS, HOLDS, Verdict
from invrbench.compare.table import HEADLINE_METHOD, Row
from invrbench.report.info import shown_verdict
from invrbench.report.metrics import metric
from invrbench.report.sheets.base import GREY, Book, fold_workings
from invrbench.report.sheets.rd_data import RdData
from invrbench.report.sheets.workings import PAIR_LINE_HEADS, PairPlaces, lay_pair

_BD, _WORKINGS = 5, 13  # columns of sheet Ablation
_CLAIM_WIDTH, _NUMBERS_WIDTH = 44, 52
_FIGURE_SCALE = 0.75
# a height of its own keeps a row, and a picture that spans rows, as high in every reader
ROW_POINTS, PIXELS_PER_ROW = 15.75, 21
_VERDICT_COLOURS = {HOLDS: "#117733", FAILS: "#B00020"}


def write_experiment(book: Book, verdicts: Sequence[Verdict], plots: Path) -> None:
    """Write findings and figures, if the conditions have any.

    Args:
        book: the workbook.
        verdicts: on the findings of the conditions.
        plots: folder of the drawn figures.
    """
    info = book.report.info
    if not verdicts and not info.figures:
        return
    sheet, row = book.sheet("Experiment", f"{info.title or info.conditions}: findings and figures")
    for column, width in enumerate((_CLAIM_WIDTH, 20, 12, 16, _NUMBERS_WIDTH)):
        sheet.set_column(column, column, width)
    sheet.set_default_row(ROW_POINTS)
    if verdicts:
        row = _write_verdicts(book, sheet, row, verdicts)
    for figure in info.figures:
        path = plots / f"{figure.name}.png"
        sheet.write_string(row, 0, figure.title, book.style(bold=True, font_size=10))
        if not path.is_file():
            sheet.write_string(row + 1, 0, "No point to draw.", book.reason(align="left"))
            row += 3
            continue
        picture = path.read_bytes()
        scale = {"x_scale": _FIGURE_SCALE, "y_scale": _FIGURE_SCALE}
        look = {"description": figure.title, "object_position": 3}  # keeps its shape
        options = {"image_data": io.BytesIO(picture), **look, **scale}
        sheet.insert_image(row + 1, 0, path.name, options)
        row += 3 + round(image_size(picture)[1] * _FIGURE_SCALE / PIXELS_PER_ROW)


def image_size(png: bytes) -> tuple[int, int]:
    """Width and height in pixels, from the header chunk. Source: ISO/IEC 15948, 11.2.2."""
    width, height = struct.unpack(">II", png[16:24])
    return int(width), int(height)


def _write_verdicts(book: Book, sheet: Any, row: int, verdicts: Sequence[Verdict]) -> int:
    for column, text in enumerate(("Finding", "Sequence", "Metric", "Verdict", "Numbers")):
        sheet.write_string(row, column, text, book.head(align="left"))
    wrapped = book.style(text_wrap=True, valign="top")
    top = book.style(valign="top")
    for verdict in verdicts:
        row += 1
        colour = _VERDICT_COLOURS.get(verdict.verdict, GREY)
        look = book.style(bold=True, font_color=colour, valign="top", text_wrap=True)
        sheet.write_string(row, 0, verdict.claim, wrapped)
        sheet.write_string(row, 1, verdict.sequence, top)
        sheet.write_string(row, 2, metric(verdict.metric).label, top)
        sheet.write_string(row, 3, shown_verdict(verdict.verdict, book.report.info), look)
        sheet.write_string(row, 4, verdict.numbers, wrapped)
        lines = max(
            -(-len(verdict.claim) // _CLAIM_WIDTH), -(-len(verdict.numbers) // _NUMBERS_WIDTH), 2
        )
        sheet.set_row(row, 12 * lines + 4)
    return row + 2


def write_ablation(book: Book, rows: Sequence[Row], data: RdData) -> None:
    """Write every variant against its codec with all tools on, if variants were run.

    Args:
        book: the workbook.
        rows: rows of ablation.tsv.
        data: where the curves stand.
    """
    if not rows:
        return
    info, timing = book.report.info, book.report.timing
    fit_timing, decode_timing = timing("fit_seconds"), timing("decode_seconds")
    sheet, row = book.sheet("Ablation", "One tool off at a time, against the codec with all on")
    for column, width in enumerate((24, 26, 20, 10, 14, 18, 12, 12, 12, 12, 12, 12)):
        sheet.set_column(column, column, width)
    heads = [
        "Sequence", "Codec", "Without / changed", "Curve", "Metric",
        "BD-rate against all on (positive: the tool saves)",
        "kMAC/pixel (self-reported)", "all on", f"Fit, s ({fit_timing})", "all on",
        f"Decode, s ({decode_timing})", "all on",
    ]  # fmt: skip
    for column, text in enumerate(heads):
        sheet.write_string(row, column, text, book.head())
    sheet.set_row(row, 50)
    fold_workings(book, sheet, row, _WORKINGS, ("overlap", *PAIR_LINE_HEADS))
    sheet.print_area(0, 0, row + len(rows), len(heads) - 1)
    for entry in rows:
        row += 1
        texts = (
            entry["sequence"], info.codec(entry["codec"]).display, entry["variant"],
            entry["curve"], metric(entry["metric"]).label,
        )  # fmt: skip
        for column, text in enumerate(texts):
            sheet.write_string(row, column, text, book.style())
        _write_comparison(book, sheet, row, entry, data)
        costs = ("kmac_per_pixel", "fit_seconds", "decode_seconds")
        for index, cost in enumerate(costs):
            text = "0.00" if cost == "kmac_per_pixel" else "0.0"
            for side, name in enumerate((cost, f"{cost}_all_on")):
                at = (row, 6 + 2 * index + side)
                book.number(sheet, at, entry[name], text, "not stated", align="center")


def _write_comparison(book: Book, sheet: Any, row: int, entry: Row, data: RdData) -> None:
    """The BD-rate of a variant, from the knots on RD data, or its reason."""
    all_on, variant = compared_keys(entry)
    full = entry | {
        "class": "", "test": variant.codec, "anchor": all_on.codec,
        "anchor_configuration": all_on.configuration, "method": HEADLINE_METHOD, "n_total": None,
    }  # fmt: skip
    formula = None
    sides = data.pair(all_on, variant, entry["metric"])
    if sides and is_number(entry["bd_rate_percent"]):
        places = PairPlaces.line(row, _WORKINGS + 1, overlap=_WORKINGS)
        formula = lay_pair(book.pen(sheet), places, *sides).bd_rate
    book.bd(sheet, (row, _BD), full, formula=formula)
