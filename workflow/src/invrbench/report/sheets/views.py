"""Sheets Views and Pictures: what each view of a scene scores, and what it looks like."""

import io
from collections.abc import Sequence
from typing import Any

from invrbench.compare.curves import Point, full_codec, full_sequence, is_number
from invrbench.compare.table import Row
from invrbench.report.info import PRESENT
from invrbench.report.metrics import metric
from invrbench.report.pictures import Drawn
from invrbench.report.sheets.base import MEAN_FILL, Book
from invrbench.report.sheets.experiment import PIXELS_PER_ROW, ROW_POINTS, image_size
from invrbench.results.own_motion import SOURCE

COLUMNS = (
    "psnr_rgb_db", "psnr_y_db", "ssim_y", "lpips", "iv_psnr_db", "psnr_rgb_still_db",
    "psnr_rgb_moving_db", "flicker", "tof", "warping_error", "dssim1", "dssim2",
    "psnr_rgb_render_db",
)  # fmt: skip
_FIRST = 3  # column of the first metric, behind codec, rate point and bytes
_IMAGE_WIDTH = 1100  # pixels a picture takes at most
_COLUMN_WIDTH = 158  # letters: a picture within one column keeps its shape in every reader


def write_views(book: Book, views: Sequence[Row]) -> None:
    """Write a block per sequence and view, and the means over the views of a set, of scenes.

    Args:
        book: the workbook.
        views: rows of views.tsv; without any there is no sheet.
    """
    if not views:
        return
    sheet, row = book.sheet("Views", "Every view of every scene", paper="A3")
    sheet.set_column(0, 0, 34)
    sheet.set_column(1, 1, 22)
    sheet.set_column(2, 2, 10)
    sheet.set_column(_FIRST, _FIRST + len(COLUMNS) - 1, 10.5)
    shown = [c for c in COLUMNS if any(is_number(v.get(c)) or v.get(f"{c}_reason") for v in views)]
    blocks: dict[tuple[str, str], dict[str, list[Row]]] = {}
    for each in views:
        key = (full_sequence(each), str(each["view_set"]))
        blocks.setdefault(key, {}).setdefault(str(each["view"]), []).append(each)
    order = list(dict.fromkeys(sequence for sequence, _ in blocks))
    for sequence, view_set in sorted(blocks, key=lambda key: (order.index(key[0]), key[1])):
        members = blocks[sequence, view_set]
        for view, rows in members.items():
            title = f"{sequence} · view {view} ({view_set})"
            row = _write_block(book, sheet, row, title, sorted(rows, key=_source_first), shown)
        if len(members) > 1:
            means = _means(book.report.points, sequence, view_set)
            title = f"{sequence} · mean of {view_set} views {', '.join(members)}"
            row = _write_block(book, sheet, row, title, means, shown, bg_color=MEAN_FILL)


def _source_first(row: Row) -> bool:
    return bool(row["codec"] != SOURCE)


def _means(points: Sequence[Point], sequence: str, view_set: str) -> list[Point]:
    """The points of a view set, whose metrics are means over its views."""
    return [
        point
        for point in points
        if full_sequence(point) == sequence and (point.get("view_set") or "") == view_set
    ]


def _write_block(
    book: Book,
    sheet: Any,
    row: int,
    title: str,
    rows: Sequence[Row],
    columns: Sequence[str],
    **look: Any,
) -> int:
    """Heading, column names and a line per point; returns the next block's row."""
    sheet.write_string(row, 0, title, book.style(bold=True, font_size=10))
    row += 1
    heads = ["Codec", "Rate point", "Bytes", *(metric(column).axis for column in columns)]
    for index, text in enumerate(heads):
        sheet.write_string(row, index, text, book.head())
    sheet.set_row(row, 38)
    for each in rows:
        row += 1
        _write_line(book, sheet, row, each, columns, look)
    return row + 2


def _write_line(
    book: Book, sheet: Any, row: int, each: Row, columns: Sequence[str], look: dict[str, Any]
) -> None:
    is_source = each["codec"] == SOURCE
    name = (
        "Source against itself"
        if is_source
        else book.report.info.name(
            full_codec(each),
            str(each.get("configuration") or ""),
            str(each.get("curve") or ""),
            str(each.get("seed") or 0).removeprefix("s"),
        )
    )
    sheet.write_string(row, 0, name, book.style(italic=is_source, **look))
    sheet.write_string(row, 1, str(each.get("rate_point") or ""), book.style(**look))
    if each["status"] not in PRESENT:
        reason = f"{each['status']}: {each.get('reason') or 'no reason recorded'}"
        sheet.write_string(row, 2, reason, book.reason(align="left", **look))
        return
    book.number(sheet, (row, 2), each.get("bitstream_bytes"), "#,##0", **look)
    for index, column in enumerate(columns):
        reason = "–" if is_source else str(each.get(f"{column}_reason") or "")
        if is_source and column == "warping_error":
            reason = str(each.get(f"{column}_reason") or "")
        at = (row, _FIRST + index)
        book.number(sheet, at, each.get(column), metric(column).number_format, reason, **look)


def write_pictures(book: Book, pictures: Sequence[Drawn]) -> None:
    """Write the pictures of the conditions, each with the captions of its rows.

    Args:
        book: the workbook.
        pictures: drawn; without any there is no sheet.
    """
    if not pictures:
        return
    sheet, row = book.sheet("Pictures", "Views to look at: source above codecs")
    sheet.set_column(0, 0, _COLUMN_WIDTH)
    sheet.set_default_row(ROW_POINTS)
    breaks = []
    for drawn in pictures:
        breaks.append(row)
        sheet.write_string(row, 0, drawn.title, book.style(bold=True, font_size=10))
        sheet.write_string(row + 1, 0, drawn.detail, book.style())
        row += 2
        for text in drawn.captions:
            sheet.write_string(row, 0, text, book.style(indent=1))
            row += 1
        for index, (name, picture) in enumerate(drawn.files.items()):
            breaks += [row] if index else []
            width, height = image_size(picture)
            scale = min(1.0, _IMAGE_WIDTH / width)
            options = {
                "image_data": io.BytesIO(picture),
                "description": f"{drawn.title}: {'; '.join(drawn.captions)}",
                "object_position": 3,  # keeps its shape
                "x_scale": scale,
                "y_scale": scale,
            }
            sheet.insert_image(row, 0, name, options)
            row += 2 + round(height * scale / PIXELS_PER_ROW)
    sheet.set_h_pagebreaks(breaks[1:])
