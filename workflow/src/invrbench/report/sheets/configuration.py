"""Sheets AI, LD, RA: reference left, tested right, BD-rate at the end (layout of JCTVC-L1100).

Columns keep the letters of that template: D rate, E to G PSNR, H to J times of the reference;
L to R the same of the tested codec; T to V BD-rate piecewise cubic, W to Y cubic. The headline
metrics that are no PSNR of a plane follow behind. Every BD cell stands on the first row of its
block and is computed from the points in the rows below it: workings stand to the right, folded
away and outside the print area. Means are computed from the BD cells above them, of those whose
overlap suffices.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from invrbench.compare.bd import MIN_OVERLAP
from invrbench.compare.curves import Curve, CurveKey, Point, can_be_compared, is_number
from invrbench.compare.table import OVERALL, Row
from invrbench.report.content import cell_reason
from invrbench.report.metrics import metric
from invrbench.report.sheets.base import GREY, MEAN_FILL, Block, Book
from invrbench.report.sheets.block_workings import Computed, Side, Workings
from invrbench.report.sheets.formula import Range, Term, at_least, equal_to, mean_where, quoted

_PLANES = ("psnr_y_db", "psnr_u_db", "psnr_v_db")
_REFERENCE, _TESTED = 2, 10  # C and K: column of the point's name, left and right
_BD = {"pchip": 19, "cubic": 22}  # T and W
_EXTRA = 25  # Z: further headline metrics, three columns each
_MIN_ROWS = 4
_PAGE_ROWS = 86  # of an A3 page at the scale that fits the columns
_ONE_LINE = {"text_wrap": False, "shrink": True}  # rows of a block are as high as the template's
_TOP = {"top": 1, "top_color": "#BFBFBF"}


def write_configurations(book: Book) -> None:
    """Write one sheet per configuration in which the run has anchors."""
    order = {"ai": 0, "ld": 1, "ra": 2}
    names = {curve.key.configuration for curve in book.report.curves if curve.role == "anchor"}
    for name in sorted(names, key=lambda name: (order.get(name, 3), name)):
        _write_configuration(book, name)


def extra_metrics(book: Book) -> list[str]:
    """Headline metrics beyond the three planes' PSNR."""
    headline = dict.fromkeys(book.report.info.headline_metrics)
    return [column for column in headline if column not in _PLANES]


def _workings(book: Book) -> Workings:
    extras = extra_metrics(book)
    return Workings(_EXTRA + 3 * len(extras) + 1, _PLANES, tuple(extras))


def _write_configuration(book: Book, configuration: str) -> None:
    info = book.report.info
    name = configuration.upper()
    sheet, row = book.sheet(
        name, f"{name}: every tested codec against the headline anchor", paper="A3"
    )
    _set_columns(book, sheet)
    first = row
    pairs = _pairs(book, configuration)
    breaks = [0]
    for title, members in pairs.items():
        rows = sum(_block_rows(test, anchor) for test, anchor in members) + 6
        if row + rows - breaks[-1] > _PAGE_ROWS and row > first:
            breaks.append(row)
        reference = info.name(info.headline_anchor, configuration)
        row = _write_heads(book, sheet, row, reference, title)
        start = row
        blocks = []
        for test, anchor in members:
            blocks.append(_write_block(book, sheet, row, test, anchor))
            row = blocks[-1].stop
        book.blocks.append(Block(name, title, start, row - 1))
        tests = [test for test, _ in members]
        row = _write_means(book, sheet, row, tests, configuration, blocks) + 2
    if not pairs:
        sheet.write_string(row, 0, "Nothing was tested here.", book.reason(align="left"))
    notes = (
        f"Times in seconds, of encoding {book.report.timing('encode_seconds')}, of decoding "
        f"{book.report.timing('decode_seconds')}; Enc T of a trained codec is training plus "
        "encoding. Rates in kbit/s, of stills in bit/pixel. BD-rate of pchip (piecewise cubic) "
        "and of one cubic polynomial. BD-rates and means follow the points on this sheet when "
        "these are edited; Summary, Full and BD follow those of RD data."
    )
    sheet.write_string(row, 0, notes, book.style(font_color=GREY, font_size=8))
    sheet.print_area(0, 0, row, _workings(book).start - 2)
    sheet.freeze_panes(first, 3)
    sheet.set_h_pagebreaks(breaks[1:])


def _pairs(book: Book, configuration: str) -> dict[str, list[tuple[Curve, Curve | None]]]:
    """By name of the tested codec: its curves with the reference of this configuration."""
    info, curves = book.report.info, book.report.curves
    headline = [
        curve
        for curve in curves
        if curve.key.codec == info.headline_anchor and curve.key.configuration == configuration
    ]
    with_anchor = {
        curve.key.sequence
        for curve in curves
        if curve.role == "anchor" and curve.key.configuration == configuration
    }
    pairs: dict[str, list[tuple[Curve, Curve | None]]] = {}
    for role in ("proposal", "published", "anchor"):
        for test in curves:
            fits = test.key.configuration in (configuration, "any")
            if test.role != role or not fits or test.key.codec == info.headline_anchor:
                continue
            if test.is_hull:
                continue  # its points stand in its curves' blocks
            if test.key.sequence not in with_anchor:
                continue
            rivals = [c for c in headline if c.key.view_set == test.key.view_set]
            anchor = next((curve for curve in rivals if can_be_compared(test, curve)), None)
            title = f"{info.curve_name(test)} {test.key.view_set}".strip()
            pairs.setdefault(title, []).append((test, anchor))
    return pairs


def _set_columns(book: Book, sheet: Any) -> None:
    sheet.set_column(0, 0, 8)
    sheet.set_column(1, 1, 20)
    for name in (_REFERENCE, _TESTED):
        sheet.set_column(name, name, 16)
        sheet.set_column(name + 1, name + 1, 9)
        sheet.set_column(name + 2, name + 4, 7)
        sheet.set_column(name + 5, name + 7, 8)
    sheet.set_column(18, 18, 1.5)
    sheet.set_column(19, 24, 12.5)
    for index in range(len(extra_metrics(book))):
        sheet.set_column(_EXTRA + 3 * index, _EXTRA + 3 * index + 1, 9)
        sheet.set_column(_EXTRA + 3 * index + 2, _EXTRA + 3 * index + 2, 13)
    _workings(book).hide(sheet)


def _write_heads(book: Book, sheet: Any, row: int, reference: str, tested: str) -> int:
    """Two rows of headings; returns the row of the first point."""
    head = book.head()
    sheet.merge_range(row, 0, row, 2, "", head)
    sheet.merge_range(row, 3, row, 9, f"Reference: {reference}", head)
    sheet.merge_range(row, 10, row, 17, f"Tested: {tested}", head)
    sheet.merge_range(row, 19, row, 21, "BD-rate (piecewise cubic)", head)
    sheet.merge_range(row, 22, row, 24, "BD-rate (cubic)", head)
    sheet.set_row(row, 18)
    names = ["rate", "Y psnr", "U psnr", "V psnr", "Enc T [s]", "Dec T [s]", "Enc T [h]"]
    sheet.write_string(row + 1, 0, "Class", head)
    sheet.write_string(row + 1, 1, "Sequence", head)
    for start in (_REFERENCE, _TESTED):
        for index, text in enumerate(["Point", *names]):
            sheet.write_string(row + 1, start + index, text, head)
    for start in _BD.values():
        for index, text in enumerate("YUV"):
            sheet.write_string(row + 1, start + index, text, head)
    for index, column in enumerate(extra_metrics(book)):
        start, label = _EXTRA + 3 * index, metric(column).axis
        sheet.merge_range(row, start, row, start + 2, label, head)
        for offset, text in enumerate(("Reference", "Tested", "BD-rate")):
            sheet.write_string(row + 1, start + offset, text, head)
    _workings(book).write_heads(book, sheet, row)
    return row + 2


@dataclass(frozen=True)
class _Written:
    """A block as it stands: rows, and what was computed, by metric and method."""

    start: int
    stop: int
    sequence_class: str
    computed: dict[tuple[str, str], Computed]


def _write_block(book: Book, sheet: Any, row: int, test: Curve, anchor: Curve | None) -> _Written:
    """Points of a sequence, highest rate on top, with the BD-rates on the first row."""
    info = book.report.info
    still = info.is_still(test.key.sequence, book.report.points)
    rate = "bpp" if still else "rate_kbps"
    sides = (
        (_REFERENCE, 0, _sorted_points(anchor, rate) if anchor else []),
        (_TESTED, 1, _sorted_points(test, rate)),
    )
    rows = _block_rows(test, anchor)
    for column in range(_EXTRA + 3 * len(extra_metrics(book))):
        if column != 18:
            sheet.write_blank(row, column, None, book.style(**_TOP))
    sheet.write_string(row, 0, test.sequence_class, book.style(**_TOP))
    name = book.style(bold=True, **_TOP)
    sheet.write_string(row, 1, test.key.sequence, name)
    known = info.sequences.get(test.key.sequence)
    if known:
        size = f"{known.width}×{known.height}, {known.frames} frame{'s'[: known.frames > 1]}"
        sheet.write_string(row + 1, 1, size, book.style(font_color=GREY, font_size=8))
    unit = "rate: bit/pixel" if still else "rate: kbit/s"
    sheet.write_string(row + 2, 1, unit, book.style(font_color=GREY, font_size=8))
    for start, side, points in sides:
        for offset, point in enumerate(points):
            line = _TOP if offset == 0 else {}
            _write_point(book, sheet, row + offset, start, point, rate, line)
            for index, extra in enumerate(extra_metrics(book)):
                at = (row + offset, _EXTRA + 3 * index + side)
                reason = str(point.get(f"{extra}_reason") or "")
                text = metric(extra).number_format
                book.number(sheet, at, point.get(extra), text, reason, **line)
    if anchor is None:
        sheet.write_string(row, _REFERENCE, "no reference here", book.reason(**_TOP))
    curves = [points for _, _, points in sides]
    computed = _write_bd(book, sheet, row, test.key, anchor, _cells(book, row, curves, rate))
    return _Written(row, row + rows, test.sequence_class, computed)


def _cells(book: Book, row: int, curves: Sequence[Sequence[Point]], rate: str) -> tuple[Side, Side]:
    """Where the points of both sides stand."""
    sides = []
    for index, (start, points) in enumerate(zip((_REFERENCE, _TESTED), curves, strict=True)):
        columns = {name: start + 2 + plane for plane, name in enumerate(_PLANES)}
        for extra, name in enumerate(extra_metrics(book)):
            columns[name] = _EXTRA + 3 * extra + index
        ranges = {
            name: Range(row, column, tuple(point.get(name) for point in points))
            for name, column in columns.items()
        }
        sides.append(Side(Range(row, start + 1, tuple(p.get(rate) for p in points)), ranges))
    return sides[0], sides[1]


def _block_rows(test: Curve, anchor: Curve | None) -> int:
    return max(_MIN_ROWS, len(test.points), len(anchor.points) if anchor else 0)


def _sorted_points(curve: Curve, rate: str) -> list[Point]:
    """Highest rate first; points without a rate last."""
    return sorted(
        curve.points,
        key=lambda point: -point[rate] if is_number(point.get(rate)) else 0.0,
    )


def _write_point(
    book: Book, sheet: Any, row: int, start: int, point: Point, rate: str, line: dict[str, Any]
) -> None:
    sheet.write_string(row, start, str(point["rate_point"]), book.style(indent=1, **line))
    if point["status"] not in ("ok", "published"):
        text = f"{point['status']}: {point.get('reason') or 'no reason recorded'}"
        sheet.write_string(row, start + 1, text, book.reason(align="left", **line))
        return
    book.number(
        sheet, (row, start + 1), point.get(rate), "0.0000" if rate == "bpp" else "0.00",
        "no rate", **line,
    )  # fmt: skip
    for index, column in enumerate(_PLANES):
        reason = str(point.get(f"{column}_reason") or "")
        book.number(sheet, (row, start + 2 + index), point.get(column), "0.00", reason, **line)
    encode = encode_total_seconds(point)
    book.number(sheet, (row, start + 5), encode, "0.0", **line)
    book.number(sheet, (row, start + 6), point.get("decode_seconds"), "0.00", **line)
    book.number(sheet, (row, start + 7), encode and encode / 3600, "0.0000", **line)


def encode_total_seconds(point: Point) -> float | None:
    """Seconds from source to bitstream: training, where there is one, plus encoding."""
    encode, fit = point.get("encode_seconds"), point.get("fit_seconds")
    if not is_number(encode):
        return None
    return encode + (fit if is_number(fit) else 0.0)


def _bd_row(
    book: Book, test: CurveKey, configuration: str, column: str, method: str, scope: str = ""
) -> Row | None:
    anchor = book.report.info.headline_anchor
    return book.report.row(test, anchor, configuration, column, scope=scope, method=method)


def _write_bd(
    book: Book,
    sheet: Any,
    row: int,
    test: CurveKey,
    anchor: Curve | None,
    sides: tuple[Side, Side],
) -> dict[tuple[str, str], Computed]:
    """Write the BD cells of a block and what they are computed from."""

    def cell(column: str, method: str) -> Row | None:
        if anchor is None:
            return book.report.row(test, "", "", column)
        return _bd_row(book, test, anchor.key.configuration, column, method)

    wanted = {
        column: [m for m in _BD if _has_number(cell(column, m))]
        for column in (*_PLANES, *extra_metrics(book))
        if _has_number(cell(column, "pchip"))
    }
    found = _workings(book).lay(book.pen(sheet), row, sides, wanted)
    formulas = {key: computed.bd_rate for key, computed in found.items()}
    for method, start in _BD.items():
        cells = [cell(column, method) for column in _PLANES]
        texts = [formulas.get((column, method)) for column in _PLANES]
        _write_three(book, sheet, (row, start), cells, texts, _TOP)
    for index, column in enumerate(extra_metrics(book)):
        at = (row, _EXTRA + 3 * index + 2)
        formula = formulas.get((column, "pchip"))
        book.bd(sheet, at, cell(column, "pchip"), formula=formula, **_TOP, **_ONE_LINE)
    return found


def _has_number(row: Row | None) -> bool:
    return row is not None and is_number(row["bd_rate_percent"])


def _write_three(
    book: Book,
    sheet: Any,
    at: tuple[int, int],
    cells: Sequence[Row | None],
    formulas: Sequence[Term | None],
    look: dict[str, Any],
) -> None:
    """Y, U and V; one reason common to all three is written once, across them."""
    row, start = at
    reasons = {cell_reason(cell) if cell and not _has_number(cell) else None for cell in cells}
    if len(reasons) == 1 and (reason := reasons.pop()):
        sheet.merge_range(row, start, row, start + 2, reason, book.reason(**look))
        return
    for index, (cell, formula) in enumerate(zip(cells, formulas, strict=True)):
        book.bd(sheet, (row, start + index), cell, formula=formula, **look, **_ONE_LINE)


def _write_means(
    book: Book,
    sheet: Any,
    row: int,
    tests: Sequence[Curve],
    configuration: str,
    blocks: Sequence[_Written],
) -> int:
    classes = list(dict.fromkeys(test.sequence_class for test in tests))
    look = {"bg_color": MEAN_FILL, "bold": True, **_TOP}
    last = _EXTRA + 3 * len(extra_metrics(book))
    key = replace(tests[0].key, sequence="")

    def mean(column: str, method: str, scope: str) -> Row | None:
        found = _bd_row(book, key, configuration, column, method, scope)
        return found or book.report.row(tests[0].key, "", "", column)

    def formula(at: int, column: str, method: str, scope: str) -> Term | None:
        return _mean_formula(book, blocks, at, (column, method), scope)

    for scope in [*classes, OVERALL]:
        for column in range(last):
            sheet.write_blank(row, column, None, book.style(**look))
        label = "Overall" if scope == OVERALL else f"Average class {scope}"
        sheet.write_string(row, 0, label, book.style(**look))
        for method, start in _BD.items():
            cells = [mean(column, method, scope) for column in _PLANES]
            texts = [formula(start + i, c, method, scope) for i, c in enumerate(_PLANES)]
            _write_three(book, sheet, (row, start), cells, texts, look)
        for index, extra in enumerate(extra_metrics(book)):
            at = _EXTRA + 3 * index + 2
            text = formula(at, extra, "pchip", scope)
            cell = mean(extra, "pchip", scope)
            book.bd(sheet, (row, at), cell, formula=text, **look, **_ONE_LINE)
        row += 1
    return row


def _mean_formula(
    book: Book, blocks: Sequence[_Written], column: int, key: tuple[str, str], scope: str
) -> Term | None:
    """The mean of a column's BD cells whose overlap suffices; None if none does."""
    used = [
        block.computed[key].bd_rate.value
        for block in blocks
        if key in block.computed
        and block.computed[key].overlap.value >= MIN_OVERLAP
        and scope in (OVERALL, block.sequence_class)
    ]
    if not used:
        return None
    first, count = blocks[0].start, blocks[-1].stop - blocks[0].start

    def cells(index: int) -> Range:
        return Range(first, index, (None,) * count)

    conditions = [(cells(_workings(book).pair(key[0])), at_least(MIN_OVERLAP))]
    if scope != OVERALL:
        conditions.append((cells(0), equal_to(scope)))
    value = math.fsum(used) / len(used)
    return mean_where(cells(column), conditions, value=value, otherwise=quoted("withheld"))
