"""Names that break tables and files elsewhere: prefixes, blanks, formulas, very long, by case."""

import re
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from invrbench.compare.curves import BD_METRICS, normalised
from invrbench.compare.table import bd_rows, read_points
from invrbench.ctc.names import is_id
from invrbench.ctc.selection import Selection
from invrbench.report.info import CodecInfo, SequenceInfo
from invrbench.report.metrics import metric
from invrbench.report.write import write_report
from random_points import CODECS, RISING, Fields, curve_points
from report_points import info

# every column of points.tsv that holds a text of somebody else's
HOSTILE = {
    "sequence": "RaceHorses =1+1 " + "名" * 120,
    "class": "=SUM(A1:A9)",
    "cut": "0+32",
    "rate_point": "+1*cmd|'/C calc'!A0 " + "q" * 300,
    "fit": "@fit\twith a tab",
    "origin": '=HYPERLINK("https://example.org")',
    "reason": "-2+3\nand a line, \"quoted\" 'twice'",
    "sandbox": "{=1}",
    "machine": "=cmd",
}


def rows_of(name: str, codec: str, share: float, **fields: Any) -> list[Fields]:
    """Points of a sequence of that name."""
    pairs = [(share * rate, quality) for rate, quality in RISING]
    return list(curve_points((name, "", "C"), codec, pairs, **fields))


def test_38_names_of_which_one_begins_like_another_are_never_mixed() -> None:
    points: list[Fields] = []
    for name, share in (("RaceHorses", 0.5), ("RaceHorsesC", 2.0), ("RaceHorses C", 4.0)):
        points += rows_of(name, "hevc", 1.0, configuration="ld")
        points += rows_of(name, "hnerv", share) + rows_of(name, "hnerv2", 2 * share)
    rows = bd_rows(normalised(points), metrics=("psnr_y_db",))
    found = {
        (row["sequence"], row["test"]): row["bd_rate_percent"]
        for row in rows
        if row["sequence"] and row["method"] == "pchip" and row["test"] != "hevc"
    }
    expected = {"RaceHorses": 0.5, "RaceHorsesC": 2.0, "RaceHorses C": 4.0}
    assert found == {
        (name, codec): pytest.approx(100 * (factor * share - 1))
        for name, share in expected.items()
        for codec, factor in (("hnerv", 1), ("hnerv2", 2))
    }


def test_38_a_selection_without_a_pattern_takes_one_name_and_none_that_begins_with_it() -> None:
    selection = Selection.parse("hnerv/RaceHorses/q1")
    assert selection.matches("hnerv", "RaceHorses", "q1")
    for other in (("hnerv2", "RaceHorses", "q1"), ("hnerv", "RaceHorsesC", "q1")):
        assert not selection.matches(*other)
    assert not selection.matches("hnerv", "RaceHorses", "q10")


@pytest.mark.parametrize(
    "name",
    ["Größe", "race horses", "a/b", "..", "-q1", "", "a\n", "q@1", "fits", "FITS", "名", "=1"],
)
def test_39_a_text_that_no_path_can_hold_is_no_id(name: str) -> None:
    assert not is_id(name)


def test_39_names_of_strangers_stay_texts_of_one_cell_in_every_file(tmp_path: Path) -> None:
    points = rows_of("RaceHorses", "hevc", 1.0, configuration="ld")
    points += rows_of("RaceHorses", "hnerv", 0.8)
    points = [each | HOSTILE | {"rate_point": HOSTILE["rate_point"] + each["rate_point"]} for each
              in points]  # fmt: skip
    name = f"{HOSTILE['sequence']}@{HOSTILE['cut']}"
    run = info(
        codecs=CODECS | {"hnerv": CodecInfo("=HNeRV " + "H" * 300, "proposal", document="+m1")},
        sequences={name: SequenceInfo(320, 176, 32, "25", "yuv420p", source="=1+1")},
        notes=("=a note",),
    )
    written = write_report(tmp_path, points, run)
    again = read_points(tmp_path / "points.tsv")
    assert [each["rate_point"] for each in again] == [each["rate_point"] for each in points]
    assert {each["reason"] for each in again} == {"-2+3 and a line, \"quoted\" 'twice'"}
    (row,) = [r for r in written.rows if r["sequence"] and r["metric"] == "psnr_y_db" and
              r["test"] == "hnerv" and r["method"] == "pchip"]  # fmt: skip
    assert row["bd_rate_percent"] == pytest.approx(-20)
    book = openpyxl.load_workbook(tmp_path / "results.xlsx")
    begins = re.compile(r"=(1\+1|SUM\(A1:A9|HYPERLINK|cmd|HNeRV|a note)|[+@-]")
    formulas = [
        cell.value
        for sheet in book
        for cells in sheet.iter_rows()
        for cell in cells
        if cell.data_type == "f"
    ]
    assert formulas and not [each for each in formulas if begins.match(str(each))]
    assert all(len(path.name.encode()) <= 255 for path in tmp_path.rglob("*"))
    assert len({sheet.title.lower()[:31] for sheet in book}) == len(book.sheetnames)


def test_every_metric_has_a_sheet_name_of_its_own_after_excels_cut() -> None:
    labels = [metric(name).label for name in BD_METRICS]
    assert len({label[:31].lower() for label in labels}) == len(BD_METRICS)
