"""Sheet BD: every comparison of bd.tsv in a row, computed from the points of the sheet RD data.

Rows that enter the same means lie together, the means below them; rows that are a mean over
seeds lie below their seeds.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from invrbench.compare.ablation import compared_keys
from invrbench.compare.bd import MIN_OVERLAP
from invrbench.compare.curves import Curve, CurveKey, is_number, is_pooled
from invrbench.compare.table import (
    FIRST_SEED,
    HEADLINE_METHOD,
    OVERALL,
    STRONGEST,
    Row,
    tested_curve,
)
from invrbench.report.cells import NO_COMMON_RATE
from invrbench.report.content import rounded
from invrbench.report.metrics import metric
from invrbench.report.sheets.base import GREY, MEAN_FILL, Book, fold_workings
from invrbench.report.sheets.formula import (
    Pen,
    Range,
    Term,
    at_least,
    call,
    equal_to,
    mean_where,
    quoted,
)
from invrbench.report.sheets.rd_data import RdData
from invrbench.report.sheets.workings import PAIR_LINE_HEADS, PairPlaces, lay_pair

SHEET = "BD"
_COLUMNS = (
    ("Sequence", 26), ("Class", 10), ("Views", 10), ("Seed", 9), ("Tested", 38), ("Reference", 38),
    ("Configuration of the reference", 12), ("Hardest", 9), ("Metric", 16), ("BD-rate", 16),
    ("Overlap", 9), ("BD-quality", 10), ("Cubic", 10), ("Akima", 10), ("Reason", 44),
)  # fmt: skip
_CLASS, _SEED, _CONFIGURATION, _HARDEST, _BD, _OVERLAP, _QUALITY, _SPREAD, _REASON = (
    1, 3, 6, 7, 9, 10, 11, 12, 14,
)  # fmt: skip
_WORKINGS = len(_COLUMNS) + 1
_GROUP = ("view_set", "configuration", "anchor", "test", "curve", "metric")
_ROLES = ("proposal", "published", "anchor")
_YES, _NO_CLASS = "yes", "–"


@dataclass(frozen=True)
class Comparison:
    """A row of bd.tsv of one sequence, with the curves it compares."""

    row: Row
    anchor: Curve
    test: Curve


def comparisons(book: Book) -> list[Comparison]:
    """Rows of bd.tsv that have a number and are no mean, with their curves."""
    curves = {curve.key: curve for curve in book.report.curves}
    anchors: dict[CurveKey, Curve] = {}
    for curve in book.report.curves:
        if curve.role == "anchor":
            anchors.setdefault(replace(curve.key, curve=""), curve)
    found = []
    for row in book.report.rows:
        if row["method"] != HEADLINE_METHOD or not is_number(row["bd_rate_percent"]):
            continue
        test = curves.get(tested_curve(row)) if row["sequence"] else None
        anchor = _anchor(anchors, row) if test else None
        if test and anchor:
            found.append(Comparison(row, anchor, test))
    return found


def _anchor(anchors: dict[CurveKey, Curve], row: Row) -> Curve | None:
    """The reference of a row: of the tested curve's seed, else its first."""
    keys = [
        CurveKey(
            sequence=row["sequence"],
            view_set=row["view_set"],
            codec=row["anchor"],
            configuration=row["anchor_configuration"],
            curve="",
            seed=seed,
        )
        for seed in (row["seed"], FIRST_SEED)
    ]
    return next((anchors[key] for key in keys if key in anchors), None)


def wanted_knots(
    pairs: Sequence[Comparison], ablation: Sequence[Row] = ()
) -> dict[CurveKey, set[str]]:
    """By curve: the metrics it is compared by, here and in rows of ablation.tsv."""
    wanted: dict[CurveKey, set[str]] = {}
    for pair in pairs:
        for curve in (pair.anchor, pair.test):
            wanted.setdefault(curve.key, set()).add(pair.row["metric"])
    for row in ablation:
        for key in compared_keys(row) if is_number(row["bd_rate_percent"]) else ():
            wanted.setdefault(key, set()).add(row["metric"])
    return wanted


def write_comparisons(book: Book, pairs: Sequence[Comparison], data: RdData) -> None:
    """Write the sheet.

    Args:
        book: the workbook.
        pairs: what :func:`comparisons` found.
        data: where their curves stand.
    """
    sheet, top = book.sheet(SHEET, "Every comparison and every mean", paper="A3")
    note = "Computed from the points of RD data; Summary and Full refer to this sheet. "
    note += "Hardest: the reference's configuration that counts in means over several of them."
    sheet.write_string(top, 0, note, book.style(font_color=GREY, font_size=8))
    top += 1
    _write_heads(book, sheet, top)
    curves = {id(pair.row): pair for pair in pairs}
    row = top + 1
    for members in _groups(book).values():
        row = _write_group(book, sheet, row, members, (curves, data))
    if row == top + 1:
        sheet.write_string(row, 0, "Nothing was compared.", book.reason(align="left"))
    # no filter: who sorts by it parts rows from their workings, and other sheets refer to them
    sheet.freeze_panes(top + 1, 1)
    sheet.repeat_rows(top)
    sheet.print_area(0, 0, max(row - 1, top), len(_COLUMNS) - 1)


def _write_heads(book: Book, sheet: Any, row: int) -> None:
    for index, (text, width) in enumerate(_COLUMNS):
        sheet.set_column(index, index, width)
        sheet.write_string(row, index, text, book.head())
    sheet.set_row(row, 28)
    fold_workings(book, sheet, row, _WORKINGS, PAIR_LINE_HEADS)


def _groups(book: Book) -> dict[tuple[Any, ...], list[Row]]:
    """Rows of the headline method that enter the same means, sequences first, proposals on top."""
    roles = {curve.key.codec: _ROLES.index(curve.role) for curve in book.report.curves}
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in sorted(book.report.rows, key=lambda row: roles.get(row["test"], len(_ROLES))):
        if row["method"] == HEADLINE_METHOD:
            groups.setdefault(tuple(row[name] for name in _GROUP), []).append(row)
    for members in groups.values():
        order = {
            name: list(dict.fromkeys(row[name] for row in members))
            for name in ("anchor_configuration", "sequence")
        }
        members.sort(
            key=lambda row, order=order: (  # type: ignore[misc]
                not row["sequence"],
                *(order[name].index(row[name]) for name in order if row["sequence"]),
                is_pooled(row["seed"]),
            )
        )
    return groups


@dataclass(frozen=True)
class _Group:
    """Where a group's comparisons stand, and in what they differ."""

    first: int
    rows: tuple[Row, ...]

    def cells(self, column: int, start: int = 0, stop: int | None = None) -> Range:
        """Cells of a column, of all comparisons or some."""
        count = (len(self.rows) if stop is None else stop) - start
        return Range(self.first + start, column, (None,) * count)

    def varies(self, name: str) -> bool:
        """Whether the comparisons differ in this."""
        return len({row[name] for row in self.rows}) > 1


def _write_group(
    book: Book,
    sheet: Any,
    row: int,
    members: Sequence[Row],
    sources: tuple[dict[int, Comparison], RdData],
) -> int:
    """Comparisons that enter the same means, then these; returns the next free row."""
    group = _Group(row, tuple(each for each in members if each["sequence"]))
    for index, each in enumerate(members):
        at = row + index
        if not each["sequence"]:
            look = {"bg_color": MEAN_FILL, "bold": True}
            _write_texts(book, sheet, at, each, look)
            book.bd(sheet, (at, _BD), each, formula=_mean(group, each), **look)
            continue
        _write_texts(book, sheet, at, each, {})
        if is_pooled(each["seed"]):
            _write_pooled(book, sheet, at, group, index)
        else:
            _write_single(book, sheet, at, each, sources)
    return row + len(members)


def _write_single(
    book: Book,
    sheet: Any,
    row: int,
    each: Row,
    sources: tuple[dict[int, Comparison], RdData],
) -> None:
    """BD-rate and overlap of two curves, from their knots where both stand on RD data."""
    pairs, data = sources
    pair = pairs.get(id(each))
    sides = data.pair(pair.anchor.key, pair.test.key, each["metric"]) if pair else None
    if sides is None:
        shown = each["overlap"] if is_number(each["bd_rate_percent"]) else None
        book.number(sheet, (row, _OVERLAP), shown, "0%", align="center")
        book.bd(sheet, (row, _BD), each)
        return
    places = PairPlaces.line(row, _WORKINGS, overlap=_OVERLAP)
    share = Pen(sheet, book.style(num_format="0%", align="center"))
    laid = lay_pair(book.pen(sheet), places, *sides, overlap_pen=share)
    book.bd(sheet, (row, _BD), each, formula=laid.bd_rate)


def _write_pooled(book: Book, sheet: Any, row: int, group: _Group, index: int) -> None:
    """The mean over the seeds above: of those that may enter means, else of any number."""
    each, start = group.rows[index], index
    while start > 0 and _is_seed_of(group.rows[start - 1], each):
        start -= 1
    shares = group.cells(_OVERLAP, start, index)
    usable = [(shares, at_least(MIN_OVERLAP))]

    def formula(column: int, value: float) -> Term:
        cells = group.cells(column, start, index)
        nothing = quoted("no usable seed")
        rest = call("IFERROR", call("AVERAGE", cells, value=value), nothing, value=value)
        return mean_where(cells, usable, value=value, otherwise=rest)

    if not is_number(each["bd_rate_percent"]):
        book.number(sheet, (row, _OVERLAP), None, "0%")
        book.bd(sheet, (row, _BD), each)
        return
    overlap = formula(_OVERLAP, each["overlap"])
    look = book.style(num_format="0%", align="center")
    sheet.write_formula(row, _OVERLAP, f"={overlap.text}", look, overlap.cached)
    book.bd(sheet, (row, _BD), each, formula=formula(_BD, each["bd_rate_percent"] / 100))


def _is_seed_of(row: Row, pooled: Row) -> bool:
    same = ("sequence", "anchor_configuration")
    return not is_pooled(row["seed"]) and all(pooled[name] == row[name] for name in same)


def _mean(group: _Group, mean: Row) -> Term | None:
    """The mean over sequences of what a mean of bd.tsv is over; None if nothing is usable."""
    if not is_number(mean["bd_rate_percent"]):
        return None
    conditions = [(group.cells(_OVERLAP), at_least(MIN_OVERLAP))]
    if mean["anchor_configuration"] == STRONGEST:
        conditions.append((group.cells(_HARDEST), equal_to(_YES)))
    elif group.varies("anchor_configuration"):
        conditions.append((group.cells(_CONFIGURATION), equal_to(mean["anchor_configuration"])))
    if group.varies("seed"):
        conditions.append((group.cells(_SEED), equal_to(_seed(mean))))
    if mean["class"] != OVERALL:
        conditions.append((group.cells(_CLASS), equal_to(mean["class"] or _NO_CLASS)))
    value = mean["bd_rate_percent"] / 100
    return mean_where(group.cells(_BD), conditions, value=value, otherwise=quoted("withheld"))


def _seed(row: Row) -> str:
    return row["seed"] if is_pooled(row["seed"]) else f"seed {row['seed']}"


def _write_texts(book: Book, sheet: Any, row: int, each: Row, look: dict[str, Any]) -> None:
    """All cells of a row but BD-rate and overlap."""
    info = book.report.info
    scope = "Overall" if each["class"] == OVERALL else f"Class {each['class'] or _NO_CLASS}"
    reference = info.name(each["anchor"], each["anchor_configuration"]) if each["anchor"] else "–"
    is_hardest = _is_hardest(book, each)
    left = (
        each["sequence"] or scope, each["class"] or _NO_CLASS, each["view_set"] or "–",
        _seed(each), info.name(each["test"], each["configuration"], each["curve"]), reference,
        each["anchor_configuration"] or "–", _YES if is_hardest else "–",
        metric(each["metric"]).label,
    )  # fmt: skip
    plain = book.style(**look)
    for index, text in enumerate(left):
        sheet.write_string(row, index, text, plain)
    if not each["sequence"]:
        sheet.write_blank(row, _OVERLAP, None, plain)
    quality = metric(each["metric"]).number_format
    signed = f"+{quality};-{quality};{quality}"
    centre = look | {"align": "center"}
    why = NO_COMMON_RATE if is_number(each["bd_rate_percent"]) else ""  # else in the last column
    book.number(sheet, (row, _QUALITY), each["bd_quality"], signed, why, **centre)
    for index, method in enumerate(("cubic", "akima")):
        other = book.report.row_of(each, method)
        value = other["bd_rate_percent"] if other else None
        share = rounded(value / 100) if is_number(value) else None
        book.number(sheet, (row, _SPREAD + index), share, "+0.0%;-0.0%;0.0%", **centre)
    sheet.write_string(row, _REASON, str(each["reason"] or ""), book.style(**look))


def _is_hardest(book: Book, each: Row) -> bool:
    """Whether a comparison enters the means against each sequence's hardest configuration."""
    if not each["sequence"] or each["configuration"] == each["anchor_configuration"]:
        return False
    strongest = book.report.strongest.get((each["anchor"], tested_curve(each)))
    return bool(strongest == each["anchor_configuration"])
