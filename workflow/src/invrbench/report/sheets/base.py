"""What all sheets share: cell formats, page set-up, and how numbers and reasons are written."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from invrbench.compare.curves import is_number
from invrbench.compare.table import Row
from invrbench.report.content import Report, bd_format, cell_reason, is_partial, rounded
from invrbench.report.info import heading, marks
from invrbench.report.sheets.formula import Pen, Term, cell
from invrbench.report.sheets.grid import Grid, worksheet_class

FONT = "Arial"
GREY = "#7F7F7F"
RED = "#B00020"
HEAD_FILL = "#D9E1F2"
MEAN_FILL = "#F2F2F2"
SELF_REPORTED_FILL = "#FFF2CC"  # of headings: what the codec says of itself
WARNING_FILL = "#FCE4D6"
PAPERS = {"A4": 9, "A3": 8}
_TOLERANCE = 1e-9  # of max(1, |value|): what a formula may differ by from the number of bd.tsv
_ROW_NAMES = (
    "sequence", "class", "view_set", "test", "configuration", "curve", "seed", "anchor",
    "anchor_configuration", "metric", "method",
)  # fmt: skip


@dataclass(frozen=True)
class Block:
    """Rows of a configuration sheet that hold one tested codec, in the order of the template."""

    sheet: str
    codec: str
    first: int
    last: int


class Book:
    """An open workbook: formats by their properties, sheets with heading and page set-up.

    ``grids`` holds what was written, by sheet; ``blocks`` where tested codecs stand in the sheets
    of the configurations. Sheets of configurations compute BD-rates from their own points, sheet BD
    from those of RD data; a cell elsewhere refers to the last that was written, which is of BD. So
    one edit in RD data moves every sheet that sums up, and these are filled last.
    """

    def __init__(self, workbook: Any, report: Report) -> None:
        self.workbook = workbook
        self.report = report
        self.grids: dict[str, Grid] = {}
        self.blocks: list[Block] = []
        self._reserved: set[str] = set()
        self._computed: dict[tuple[Any, ...], Term] = {}
        self._formats: dict[tuple[tuple[str, Any], ...], Any] = {}

    def style(self, **properties: Any) -> Any:
        """The workbook's one format of these XlsxWriter properties."""
        key = tuple(sorted(properties.items()))
        if key not in self._formats:
            base = {"font_name": FONT, "font_size": 9, "valign": "vcenter"}
            self._formats[key] = self.workbook.add_format(base | properties)
        return self._formats[key]

    def head(self, **properties: Any) -> Any:
        """Format of a column's heading."""
        look = {
            "bold": True,
            "bg_color": HEAD_FILL,
            "border": 1,
            "border_color": "#BFBFBF",
            "text_wrap": True,
            "align": "center",
        }
        return self.style(**(look | properties))

    def reserve(self, *names: str) -> None:
        """Give sheets their place among the tabs; each has to be filled later."""
        for name in names:
            self.grids[name] = Grid(self.workbook.add_worksheet(name, worksheet_class()))
            self._reserved.add(name)

    def _worksheet(self, name: str) -> Grid:
        if name not in self._reserved:
            self.reserve(name)
        self._reserved.remove(name)
        return self.grids[name]

    def sheet(
        self, name: str, title: str, *, paper: str = "A4", portrait: bool = False
    ) -> tuple[Any, int]:
        """A new sheet with title, conditions and marks on top and on every printed page.

        Returns:
            The worksheet and its first free row.
        """
        info = self.report.info
        words = marks(self.report.points, info)
        sheet = self._worksheet(name)
        sheet.hide_gridlines(2)
        sheet.set_paper(PAPERS[paper])
        if not portrait:
            sheet.set_landscape()
        sheet.fit_to_pages(1, 0)
        sheet.set_margins(left=0.4, right=0.4, top=0.75, bottom=0.6)
        # the blank behind a font size keeps it apart from a text that starts with a digit
        mark = _escaped(" · ".join(words))
        sheet.set_header(f"&L&9 {_escaped(heading(info))}&C&9 &B{mark}&R&9 {_escaped(name)}")
        date = info.created.strftime("%Y-%m-%d %H:%M UTC")
        changed = " with local changes" if info.dirty else ""
        sheet.set_footer(
            f"&L&8 Newest record {date} · conditions {info.digest[:8]}"
            f" · commit {info.commit[:10] or 'unknown'}{changed}&R&8 page &P of &N"
        )
        sheet.write_string(0, 0, title, self.style(bold=True, font_size=14))
        sheet.set_row(0, 22)
        sheet.write_string(1, 0, f"{heading(info)} · {info.title}", self.style(font_color=GREY))
        row = 2
        if words:
            sheet.write_string(2, 0, " · ".join(words), self.style(bold=True, font_color=RED))
            row = 3
        return sheet, row + 1

    def reason(self, **properties: Any) -> Any:
        """Format of a reason: grey italics, never to be taken for a number."""
        look = {"italic": True, "font_color": GREY, "font_size": 8, "align": "center"}
        return self.style(**(look | properties))

    def number(
        self,
        sheet: Any,
        at: tuple[int, int],
        value: Any,
        number_format: str,
        reason: str = "",
        **properties: Any,
    ) -> None:
        """Write a finite number, else its reason as text, else an empty cell."""
        if is_number(value):
            look = self.style(num_format=number_format, **properties)
            sheet.write_number(*at, value, look)
        elif reason:
            sheet.write_string(*at, reason, self.reason(shrink=True, **properties))
        else:
            sheet.write_blank(*at, None, self.style(**properties))

    def pen(self, sheet: Any) -> Pen:
        """Writes workings onto a sheet."""
        return Pen(sheet.beneath, self.style(num_format="0.0000", font_color=GREY, font_size=8))

    def bd(
        self,
        sheet: Any,
        at: tuple[int, int],
        row: Row | None,
        *,
        formula: Term | None = None,
        **properties: Any,
    ) -> None:
        """Write a BD-rate as a fraction shown in percent, or its reason.

        A partial overlap stands behind the number, as do the sequences of a mean: both are part
        of the number format, so that the cell stays a number.

        Args:
            sheet: where.
            at: row and column.
            row: of bd.tsv; None: not part of these conditions.
            formula: what computes it here; None: refer to the cell that does, if there is one.
            properties: of XlsxWriter, of the cell's format.
        """
        if row is None:
            sheet.write_string(*at, "–", self.reason(**properties))
        elif is_number(row["bd_rate_percent"]):
            look = {"align": "center"} | properties
            if is_partial(row):
                look |= {"font_color": GREY}
            value = rounded(row["bd_rate_percent"] / 100)
            shape = self.style(num_format=bd_format(row), **look)
            found = self._formula(sheet, at, row, formula)
            if found is None:
                sheet.write_number(*at, value, shape)
            else:
                sheet.write_formula(*at, f"={found.text}", shape, value)
        else:
            sheet.write_string(
                *at, cell_reason(row), self.reason(**({"text_wrap": True} | properties))
            )

    def _formula(
        self, sheet: Any, at: tuple[int, int], row: Row, formula: Term | None
    ) -> Term | None:
        """The formula given, or a reference to the cell that has one.

        One that does not give the number of bd.tsv is not used: rates of published curves are
        rounded, and kbit/s on the sheet then differ from the bit/pixel that were compared.
        """
        if formula is None:
            return self.computed(row)
        value = row["bd_rate_percent"] / 100
        if abs(formula.value - value) > _TOLERANCE * max(1.0, abs(value)):
            return None
        self._computed[_row_key(row)] = cell(*at, value, sheet.get_name())
        return formula

    def computed(self, row: Row) -> Term | None:
        """The cell in which the BD-rate of a row of bd.tsv is computed, if there is one."""
        return self._computed.get(_row_key(row))


def _row_key(row: Row) -> tuple[Any, ...]:
    return tuple(row.get(name) for name in _ROW_NAMES)


def fold_workings(
    book: Book, sheet: Any, row: int, start: int, heads: Sequence[str], width: float = 9
) -> None:
    """Head columns of workings, and fold them away; the button that unfolds them stands behind.

    Args:
        book: the workbook.
        sheet: where.
        row: of the headings.
        start: first column.
        heads: one per column.
        width: of the columns.
    """
    look, stop = book.head(align="left"), start + len(heads)
    for index, text in enumerate(heads):
        sheet.beneath.write_string(row, start + index, text, look)
    sheet.set_column(start, stop - 1, width, None, {"level": 1, "hidden": True})
    sheet.set_column(stop, stop, width, None, {"collapsed": True})


def _escaped(text: str) -> str:
    """Text for a page header, where & starts a code."""
    return text.replace("&", "&&")
