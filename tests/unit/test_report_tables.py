"""The tables behind every form of a report: one text per number, reasons, ratios of times."""

import math
from typing import Any

import pytest
from invrbench.compare.curves import normalised
from invrbench.compare.table import bd_rows
from invrbench.report import tables
from invrbench.report.cells import Column, Table, formatted, number, text, to_markdown, to_tsv
from invrbench.report.content import Report
from report_points import CLIPS, STILLS, curve, info, points

METRICS = ("psnr_y_db", "ms_ssim_y_db")


def report(rows: list[dict[str, Any]], **changes: Any) -> Report:
    checked = normalised(rows)
    return Report(checked, bd_rows(checked, metrics=METRICS), info(**changes))


def column(table: Table, head: str) -> int:
    return next(i for i, name in enumerate(table.heads) if name.startswith(head))


@pytest.mark.parametrize(
    ("value", "number_format", "shown"),
    [
        (1234567, "#,##0", "1,234,567"),
        (0.0834, '+0.0%" (58 %)";-0.0%" (58 %)";0.0%" (58 %)"', "+8.3% (58 %)"),
        (-0.0834, "+0.0%;-0.0%;0.0%", "-8.3%"),
        (0.0, "+0.0%;-0.0%;0.0%", "0.0%"),
        (-0.00001, "0.00", "0.00"),
        (0, "0;-0;–", "–"),
        (2.345, '0.0"×"', "2.3×"),
    ],
)
def test_a_number_reads_as_excel_shows_it(value: float, number_format: str, shown: str) -> None:
    assert formatted(value, number_format) == shown


def test_names_of_strangers_stay_text_in_markdown_and_on_one_line_in_tsv() -> None:
    cells = (text("a|b <img> *c*\nd"), number(1.5, "0.0"))
    table = Table("t", "T", (Column("Name", align="left"), Column("x")), (cells,), frozenset({0}))
    assert to_markdown(table).splitlines()[2] == r"| **a\|b \<img\> \*c\* d** | **1.5** |"
    assert to_tsv(table) == "Name\tx\na|b <img> *c* d\t1.5\n"


def test_times_of_a_shared_machine_give_a_reason_instead_of_a_ratio() -> None:
    table = tables.headline(report(points()))
    assert {row[column(table, "Decode time")].shown for row in table.rows} == {"shared machine"}


def timed(rows: list[dict[str, Any]], **odd: Any) -> list[dict[str, Any]]:
    """All points timed alone; HNeRV decodes in 2 s, then 8 s, HEVC in 1 s and 4 s."""
    for row in rows:
        row |= {"timing": "alone", "machine": "two-core-cpu", "device": "cpu"}
    for codec, factor in (("hevc", 1.0), ("hnerv", 2.0)):
        for name, seconds in zip(CLIPS, (1.0, 4.0), strict=True):
            for each in curve(rows, name, codec):
                each["decode_seconds"] = factor * seconds
    for each in curve(rows, next(iter(CLIPS)), "hnerv"):
        each |= odd
    return rows


def test_the_time_ratio_is_the_geometric_mean_over_sequences() -> None:
    rows = timed(points())
    for each in curve(rows, next(iter(CLIPS)), "hnerv"):
        each["decode_seconds"] = 8.0  # 8 times the anchor's there, 2 times on the other clip
    table = tables.headline(report(rows))
    row = next(row for row in table.rows if row[0].shown == "HNeRV")
    cell = row[column(table, "Decode time")]
    assert cell.shown == "4.0×" and cell.value == pytest.approx(math.sqrt(8 * 2))


@pytest.mark.parametrize("odd", [{"device": "cuda"}, {"machine": "another"}])
def test_times_of_two_machines_or_devices_are_never_compared(odd: dict[str, str]) -> None:
    table = tables.headline(report(timed(points(), **odd)))
    row = next(row for row in table.rows if row[0].shown == "HNeRV")
    assert row[column(table, "Decode time")].shown == "other machine or device"


def test_the_full_table_has_every_anchor_and_metric_and_begins_with_the_proposals() -> None:
    content = report(points())
    table = tables.full(content)
    anchor, scope, name = (column(table, head) for head in ("Anchor", "Scope", "Tested"))
    assert table.rows[0][scope].shown == "Overall"
    assert {row[anchor].shown.split(" (")[0] for row in table.rows} == {"AVC", "HEVC", "VVC", "AV1"}
    overall = [row for row in table.rows if row[scope].shown == "Overall"]
    proposals = [row[name].shown in ("INRIC", "HNeRV", "FFNeRV") for row in overall]
    assert proposals == sorted(proposals, reverse=True) and any(proposals)
    means = [r for r in content.rows if not r["sequence"] and r["method"] == "pchip"]
    assert len(table.rows) == len(means)


def test_a_ratio_in_the_full_table_is_to_the_anchor_of_its_row() -> None:
    rows = timed(points())
    for name in CLIPS:
        for each in curve(rows, name, "avc"):
            each["decode_seconds"] = curve(rows, name, "hevc")[0]["decode_seconds"] / 5
    table = tables.full(report(rows))
    ratio, anchor, name = (column(table, head) for head in ("Decode", "Anchor", "Tested"))
    shown = {
        row[anchor].shown.split(" (")[0]: row[ratio].shown
        for row in table.rows
        if row[name].shown == "HNeRV"
    }
    assert (shown["HEVC"], shown["AVC"]) == ("2.0×", "10.0×")


def test_a_controls_bitstream_is_listed_with_its_md5_and_a_failed_points_is_not() -> None:
    rows = points()
    failed = curve(rows, next(iter(STILLS)), "inric")[0]
    failed.update(status="failed", reason="exit status 1")
    table = tables.bitstreams(report(rows))
    assert len(table.rows) == len(rows) - 1
    assert all(len(row[6].shown) == 32 for row in table.rows)
