"""Tables as data: cells that hold a number or a reason, and the one text every form of them shows.

Workbook, CSV, document, Markdown and page are renderings of the same tables, so that a number is
formatted in one place.
"""

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from invrbench.compare.curves import is_number
from invrbench.compare.table import Row
from invrbench.report.content import bd_format, cell_reason, is_partial, rounded

NO_CELL = "–"  # not part of these conditions
NO_COMMON_RATE = "no common rate"
Kind = Literal["number", "text", "reason", "blank"]


@dataclass(frozen=True)
class Cell:
    """One cell.

    Attributes:
        value: a finite number of kind "number", else the text.
        shown: what a reader sees; equal to how Excel shows ``value`` in ``number_format``.
        number_format: of Excel; empty for texts.
        kind: a reason stands where a number would and is never to be taken for one.
        row: the row of bd.tsv behind the cell, if there is one.
        is_doubtful: a number that stays out of means.
    """

    value: float | str | None
    shown: str
    number_format: str = ""
    kind: Kind = "text"
    row: Row | None = None
    is_doubtful: bool = False


@dataclass(frozen=True)
class Column:
    """A column: heading, width in letters, alignment, and whether the codec itself states it."""

    head: str
    width: float = 12.0
    align: Literal["left", "center"] = "center"
    self_reported: bool = False


@dataclass(frozen=True)
class Table:
    """A table of a report.

    Attributes:
        name: of its file, e.g. ``summary``.
        title: above it.
        columns, rows: equally many cells in each row.
        bold: indices of the rows that hold means.
        notes: sentences beneath it.
    """

    name: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    bold: frozenset[int] = frozenset()
    notes: tuple[str, ...] = ()

    @property
    def heads(self) -> tuple[str, ...]:
        """Headings of the columns."""
        return tuple(column.head for column in self.columns)


BLANK = Cell(None, "", kind="blank")
ABSENT = Cell(NO_CELL, NO_CELL, kind="reason")


def text(value: object) -> Cell:
    """A cell of plain text."""
    shown = str(value)
    return Cell(shown, shown) if shown else BLANK


def reason(why: str) -> Cell:
    """A cell that says why there is no number."""
    return Cell(why, why, kind="reason")


def number(value: object, number_format: str, why: str = "") -> Cell:
    """A finite number, else its reason, else a blank.

    >>> number(1234.5, "0.0").shown, number(None, "0.0", "not measured").shown
    ('1234.5', 'not measured')
    """
    if is_number(value):
        return Cell(value, formatted(value, number_format), number_format, "number")
    return reason(why) if why else BLANK


def bd(row: Row | None) -> Cell:
    """A BD-rate as a fraction shown in percent, or its reason.

    A partial overlap stands behind the number, as do the sequences of a mean: both are part of
    the number format, so that the cell stays a number.
    """
    if row is None:
        return ABSENT
    if not is_number(row["bd_rate_percent"]):
        return Cell(cell_reason(row), cell_reason(row), kind="reason", row=row)
    value, number_format = rounded(row["bd_rate_percent"] / 100), bd_format(row)
    shown = formatted(value, number_format)
    return Cell(value, shown, number_format, "number", row, is_doubtful=is_partial(row))


def bd_quality(row: Row, number_format: str) -> Cell:
    """A BD-quality, or the reason of what it lacks: the whole comparison, or a common rate."""
    why = NO_COMMON_RATE if is_number(row["bd_rate_percent"]) else cell_reason(row)
    return number(row["bd_quality"], number_format, why)


_PART = re.compile(r'"([^"]*)"|([+-]?)((?:#,##)?0)(?:\.(0+))?(%?)|(.)', re.DOTALL)


def formatted(value: float, number_format: str) -> str:
    """A number as Excel shows it, for the formats that reports use.

    Those are ``0``, ``0.00``, ``0.0%``, ``#,##0``, texts in quotes before and behind, and
    sections for positive and negative numbers and zero.

    >>> formatted(0.0834, '+0.0%" (58 %)";-0.0%" (58 %)";0.0%'), formatted(-0.5, "0.00")
    ('+8.3% (58 %)', '-0.50')
    """
    sections = re.split(r';(?=(?:[^"]*"[^"]*")*[^"]*$)', number_format)
    index = 0 if value > 0 or len(sections) == 1 else 1 if value < 0 else len(sections) - 1
    keeps_sign = index == 0
    out = []
    for quoted, sign, whole, decimals, percent, other in _PART.findall(sections[index]):
        if not whole:
            out.append(quoted or other)
            continue
        amount = value if keeps_sign else abs(value)
        scaled = amount * 100 if percent else amount
        grouping = "," if whole.startswith("#") else ""
        digits = f"{scaled:{grouping}.{len(decimals)}f}"
        digits = digits if digits.strip("-0.,") else digits.lstrip("-")
        out.append(f"{sign}{digits}{percent}")
    return "".join(out)


def to_tsv(table: Table) -> str:
    """The table as tab-separated text with what a reader sees, to be pasted into a slide."""
    lines = [table.heads, *([cell.shown for cell in row] for row in table.rows)]
    return "".join("\t".join(" ".join(each.split()) for each in line) + "\n" for line in lines)


def to_csv(lines: Sequence[Sequence[object]]) -> str:
    """Rows as CSV, numbers in full precision, to be pasted into a spreadsheet."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(
        [["" if each is None else each for each in line] for line in lines]
    )
    return out.getvalue()


def to_markdown(table: Table) -> str:
    """The table in Markdown's pipe form, means in bold; without its title and notes."""
    left = [column.align == "left" for column in table.columns]
    lines = [_pipes(table.heads), _pipes([":--" if each else ":-:" for each in left])]
    for index, row in enumerate(table.rows):
        shown = [escaped(cell.shown) for cell in row]
        if index in table.bold:
            shown = [f"**{each}**" if each else "" for each in shown]
        lines.append(_pipes(shown))
    return "\n".join(lines) + "\n"


def _pipes(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def escaped(shown: str) -> str:
    """Text that Markdown shows as it is, on one line."""
    return re.sub(r"([\\|*_`<>\[\]])", r"\\\1", " ".join(shown.split()))
