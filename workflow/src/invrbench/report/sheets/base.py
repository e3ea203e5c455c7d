"""What all sheets share: cell formats, page set-up, and how numbers and reasons are written."""

from collections.abc import Sequence
from typing import Any

from invrbench.compare.bd import MIN_OVERLAP
from invrbench.compare.curves import CurveKey, Point, group_curves, is_number
from invrbench.compare.table import (
    HEADLINE_METHOD,
    STRONGEST,
    Row,
    short_reason,
    strongest_configurations,
)
from invrbench.report.info import RunInfo, heading, marks

FONT = "Arial"
GREY = "#7F7F7F"
RED = "#B00020"
HEAD_FILL = "#D9E1F2"
MEAN_FILL = "#F2F2F2"
PAPERS = {"A4": 9, "A3": 8}


# What identifies a row of bd.tsv made with the headline method.
_ROW_KEY = (
    "sequence",
    "class",
    "view_set",
    "test",
    "configuration",
    "curve",
    "seed",
    "anchor",
    "anchor_configuration",
    "metric",
    "method",
)


class Report:
    """The content all sheets are made of: normalised points, rows of bd.tsv, and the run."""

    def __init__(self, points: Sequence[Point], rows: Sequence[Row], info: RunInfo) -> None:
        self.points = points
        self.rows = rows
        self.info = info
        everything = group_curves(points, info.hulls)
        self.curves = [curve for curve in everything if curve.role != "control"]
        self.controls = [curve for curve in everything if curve.role == "control"]
        self.classes = {curve.key.sequence: curve.sequence_class for curve in everything}
        self.strongest = strongest_configurations(rows, info.headline_metrics[0])
        self._index = {tuple(row[name] for name in _ROW_KEY): row for row in rows}

    @property
    def sequences(self) -> list[str]:
        """Sequences (with cut) in the order of the points, controls' included."""
        return list(self.classes)

    def row(
        self,
        test: CurveKey,
        anchor: str,
        configuration: str,
        column: str,
        *,
        scope: str = "",
        method: str = HEADLINE_METHOD,
    ) -> Row | None:
        """The row of a comparison; with ``scope`` the mean over that class or overall."""
        sequence = "" if scope else test.sequence
        return self._index.get(
            (
                sequence,
                scope or self.classes.get(test.sequence, ""),
                test.view_set,
                test.codec,
                test.configuration,
                test.curve,
                test.seed,
                anchor,
                configuration,
                column,
                method,
            )
        )

    def headline(self, test: CurveKey, column: str) -> Row | None:
        """A tested curve against the strongest configuration of the headline anchor."""
        anchor = self.info.headline_anchor
        configuration = self.strongest.get((anchor, test))
        if configuration is None:
            return self.row(test, "", "", column)
        return self.row(test, anchor, configuration, column)

    def headline_mean(self, test: CurveKey, column: str, scope: str) -> Row | None:
        """The mean over a class or overall against the headline anchor."""
        anchor = self.info.headline_anchor
        return self.row(test, anchor, STRONGEST, column, scope=scope) or self.row(
            test, anchor, test.configuration, column, scope=scope
        )


class Book:
    """An open workbook: formats by their properties, sheets with heading and page set-up."""

    def __init__(self, workbook: Any, report: Report) -> None:
        self.workbook = workbook
        self.report = report
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

    def sheet(
        self, name: str, title: str, *, paper: str = "A4", portrait: bool = False
    ) -> tuple[Any, int]:
        """A new sheet with title, conditions and marks on top and on every printed page.

        Returns:
            The worksheet and its first free row.
        """
        info = self.report.info
        words = marks(self.report.points, info)
        sheet = self.workbook.add_worksheet(name)
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

    def bd(self, sheet: Any, at: tuple[int, int], row: Row | None, **properties: Any) -> None:
        """Write a BD-rate as a fraction shown in percent, or its reason.

        A partial overlap stands behind the number, as do the sequences of a mean: both are part
        of the number format, so that the cell stays a number.
        """
        if row is None:
            sheet.write_string(*at, "–", self.reason(**properties))
        elif is_number(row["bd_rate_percent"]):
            look = {"align": "center"} | properties
            if _is_partial(row):
                look |= {"font_color": GREY}
            sheet.write_number(
                *at,
                _rounded(row["bd_rate_percent"] / 100),
                self.style(num_format=bd_format(row), **look),
            )
        else:
            sheet.write_string(*at, cell_reason(row), self.reason(text_wrap=True, **properties))


def _escaped(text: str) -> str:
    """Text for a page header, where & starts a code."""
    return text.replace("&", "&&")


def _rounded(value: float) -> float:
    """A cell's value without the last binary digits, which differ between processors."""
    return round(value, 12) + 0.0


def _is_partial(row: Row) -> bool:
    return is_number(row["overlap"]) and row["overlap"] < MIN_OVERLAP


def bd_format(row: Row) -> str:
    """Number format of a BD-rate with overlap or n of N behind it.

    >>> bd_format({"overlap": 0.58, "n_used": None, "n_total": None})
    '+0.0%" (58 %)";-0.0%" (58 %)";0.0%" (58 %)"'
    """
    behind = ""
    if row["n_total"] is not None:
        behind = f'" ({row["n_used"]} of {row["n_total"]})"'
    elif _is_partial(row):
        behind = f'" ({100 * row["overlap"]:.0f} %)"'
    return ";".join(f"{part}{behind}" for part in ("+0.0%", "-0.0%", "0.0%"))


def cell_reason(row: Row) -> str:
    """What stands in a cell instead of a BD-rate."""
    if row["n_total"] is not None:
        return f"withheld ({row['n_used']} of {row['n_total']})"
    return short_reason(row)
