"""results.xlsx as another library reads it: numbers are numbers, reasons are text."""

import io
import warnings
from pathlib import Path
from typing import Any

import pytest
from invrbench.compare.curves import normalised
from invrbench.compare.table import add_rate_vs_anchor, bd_rows
from invrbench.report.workbook import write_workbook
from report_points import curve, info, points

openpyxl = pytest.importorskip("openpyxl", reason="needs openpyxl, see the extra 'test'")

BUNNY, BIKES = "bunny-mini@0+32", "bikes-mini@76+32"
SHEETS = [
    "Summary", "Full", "AI", "LD", "BD", "RD charts", "RD data", "Complexity", "Self-reported",
    "Coverage", "Definitions", "Provenance", "Points",
]  # fmt: skip
METRICS = ("psnr_y_db", "psnr_u_db", "psnr_v_db", "ms_ssim_y_db")


def spoilt() -> list[dict[str, Any]]:
    rows = points()
    failed = curve(rows, BUNNY, "hnerv")[1]
    failed.update(status="failed", reason="exit status 1", bpp=None, rate_kbps=None)
    for name in [name for name in failed if name.endswith(("_db", "_y"))] + ["vmaf", "lpips"]:
        failed[name] = None
    for each in curve(rows, "flower", "inric"):
        each.update(ms_ssim_y=None, ms_ssim_y_db=None, ms_ssim_y_reason="too small",
                    ms_ssim_y_db_reason="too small")  # fmt: skip
    curve(rows, BIKES, "hevc")[0].update(psnr_y_db=None, psnr_y_db_reason="lossless")
    return rows


def workbook(path: Path, rows: list[dict[str, Any]], **changes: Any) -> Any:
    about = info(**changes)
    checked = normalised(rows)
    table = bd_rows(checked, metrics=METRICS)
    add_rate_vs_anchor(checked, table, ("hevc", "psnr_y_db"))
    write_workbook(path, checked, table, about)
    with warnings.catch_warnings():
        # openpyxl itself calls datetime.utcnow(), deprecated since Python 3.12
        warnings.simplefilter("ignore", DeprecationWarning)
        return openpyxl.load_workbook(io.BytesIO(path.read_bytes()), data_only=True), table


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Any:
    path = tmp_path_factory.mktemp("book") / "results.xlsx"
    return workbook(path, spoilt(), filter="hnerv")


def cells(sheet: Any) -> list[Any]:
    return [cell for row in sheet.iter_rows() for cell in row if cell.value is not None]


def texts(sheet: Any) -> list[str]:
    return [cell.value for cell in cells(sheet) if isinstance(cell.value, str)]


def test_the_sheets_stand_in_the_order_an_mpeg_reader_expects(book: Any) -> None:
    assert book[0].sheetnames == SHEETS


def test_every_sheet_says_draft_and_incomplete_on_top_and_on_every_page(book: Any) -> None:
    for sheet in book[0]:
        assert sheet["A3"].value == "DRAFT (only=hnerv) · incomplete: 127 of 128", sheet.title
        assert "incomplete: 127 of 128" in sheet.oddHeader.center.text
        assert sheet.page_setup.orientation == "landscape"
        assert sheet.sheet_properties.pageSetUpPr.fitToPage
        assert sheet.page_setup.fitToWidth in (None, 1)  # 1 is the default and is not written
        assert sheet.page_setup.fitToHeight == 0


def test_no_cell_shows_an_error_or_not_a_number(book: Any) -> None:
    for sheet in book[0]:
        for cell in cells(sheet):
            assert cell.data_type in ("s", "n"), (sheet.title, cell.coordinate)
            assert str(cell.value).lower() not in ("nan", "inf", "-inf", "none")


def test_the_first_screen_has_eight_columns_and_one_row_per_proposal(book: Any) -> None:
    sheet = book[0]["Summary"]
    head = next(row for row in sheet.iter_rows() if row[0].value == "Proposal")
    assert len([cell for cell in head if cell.value]) == 8
    assert head[5].value == "Decode time ratio" and "self-reported" in head[6].value
    names = [sheet.cell(head[0].row + offset, 1).value for offset in (1, 2, 3)]
    assert names == ["INRIC", "HNeRV", "FFNeRV"]
    assert sheet.cell(head[0].row + 2, 3).value == "withheld (0 of 2)"
    assert sheet.cell(head[0].row + 2, 8).value == "not yet"  # cross-checked
    assert any(t.startswith("HNeRV: left out of the mean for missing-p") for t in texts(sheet))


def test_a_mean_over_fewer_sequences_says_n_of_n_in_its_number_format(book: Any) -> None:
    sheet, table = book[0]["Summary"], book[1]
    row = next(
        row
        for row in sheet.iter_rows()
        if row[0].value == "Class still" and row[2].data_type == "s"
    )
    assert row[2].value == "withheld (0 of 2)"
    formats = {cell.number_format for cell in cells(sheet) if cell.data_type == "n"}
    assert any('" (1 of 2)"' in text for text in formats)
    assert any(each["n_used"] == 1 and each["n_total"] == 2 for each in table)


def test_bd_cells_of_a_configuration_are_the_numbers_of_bd_tsv(book: Any) -> None:
    sheet, table = book[0]["LD"], book[1]
    start = next(
        cell.row for cell in sheet["K"] if cell.value == "Tested: FFNeRV"
    )  # two rows of headings, then the first sequence
    assert sheet.cell(start + 2, 2).value == BUNNY
    for column, metric in zip("TUV", METRICS, strict=False):
        wanted = next(
            row["bd_rate_percent"]
            for row in table
            if (row["test"], row["anchor"], row["sequence"], row["metric"], row["method"])
            == ("ffnerv", "hevc", BUNNY, metric, "pchip")
        )
        assert sheet[f"{column}{start + 2}"].value == pytest.approx(wanted / 100, abs=1e-12)
    # the reference of the second sequence is lossless at one point: a reason across Y
    second = start + 2 + 6
    assert sheet.cell(second, 2).value == BIKES
    assert sheet[f"T{second}"].value == "lossless"
    assert sheet[f"U{second}"].data_type == "n"


def test_the_columns_keep_the_letters_of_l1100(book: Any) -> None:
    sheet = book[0]["AI"]
    start = next(cell.row for cell in sheet["D"] if str(cell.value).startswith("Reference"))
    heads = {letter: sheet[f"{letter}{start + 1}"].value for letter in "DEFGHIJLMNOPQRTUVWXY"}
    assert [heads[letter] for letter in "DEFGHIJ"] == [heads[letter] for letter in "LMNOPQR"]
    assert [heads[letter] for letter in "EFG"] == ["Y psnr", "U psnr", "V psnr"]
    assert [heads[letter] for letter in "TUVWXY"] == ["Y", "U", "V"] * 2


def test_a_failed_point_shows_its_reason_in_grey_italics_where_its_numbers_would_be(
    book: Any,
) -> None:
    cell = next(c for c in cells(book[0]["LD"]) if c.value == "failed: exit status 1")
    assert cell.font.italic and cell.font.color.rgb == "FF7F7F7F"
    assert book[0]["LD"].cell(cell.row, cell.column + 1).value is None


def test_points_hold_every_expected_point_with_filter_and_frozen_heads(book: Any) -> None:
    sheet = book[0]["Points"]
    top = next(cell.row for cell in sheet["A"] if cell.value == "class")
    assert sheet.max_row - top == 128
    assert sheet.freeze_panes.endswith(str(top + 1))
    heads = [cell.value for cell in sheet[top]]
    psnr, status = heads.index("psnr_y_db") + 1, heads.index("status") + 1
    kinds = {
        (sheet.cell(row, status).value, sheet.cell(row, psnr).data_type)
        for row in range(top + 1, sheet.max_row + 1)
    }
    assert ("ok", "n") in kinds and ("failed", "s") not in kinds
    assert any(text.startswith("bitstream_md5") for text in heads)


def test_rd_data_hold_numbers_only_and_every_sequence_has_four_charts(book: Any) -> None:
    sheet = book[0]["RD data"]
    top = next(cell.row for cell in sheet["A"] if cell.value == "Sequence")
    heads = [cell.value for cell in sheet[top]]
    assert heads[:5] == ["Sequence", "Curve", "Rate point", "bpp", "kbps"]
    assert {"PSNR-Y (dB)", "MS-SSIM-Y (dB)"} <= set(heads)
    last = heads.index(None)  # workings stand behind a gap
    rows = list(sheet.iter_rows(min_row=top + 1, min_col=4, max_col=last))
    assert len(rows) == 127 - 8  # all points present but those of controls
    assert all(cell.data_type == "n" for row in rows for cell in row)
    assert len(book[0]["RD charts"]._charts) == 4 * 4


def test_bd_holds_every_comparison_and_mean_with_both_other_methods(book: Any) -> None:
    sheet, table = book[0]["BD"], book[1]
    top = next(cell.row for cell in sheet["A"] if cell.value == "Sequence")
    heads = [cell.value for cell in sheet[top]]
    column = {name: heads.index(name) for name in ("BD-rate", "Cubic", "Akima", "Reason")}
    rows = [[cell.value for cell in row] for row in sheet.iter_rows(min_row=top + 1)]
    for method, name in (("pchip", "BD-rate"), ("cubic", "Cubic"), ("akima", "Akima")):
        wanted = sorted(
            round(row["bd_rate_percent"] / 100, 9)
            for row in table
            if row["method"] == method and row["bd_rate_percent"] is not None
        )
        held = [row[column[name]] for row in rows]
        found = sorted(round(value, 9) for value in held if isinstance(value, int | float))
        assert found == wanted, method
    assert len(rows) == sum(row["method"] == "pchip" for row in table)


def test_coverage_counts_and_explains(book: Any) -> None:
    sheet = book[0]["Coverage"]
    row = next(row for row in sheet.iter_rows() if (row[0].value, row[1].value) == (BUNNY, "HNeRV"))
    assert [cell.value for cell in row[2:9]] == [4, 3, 1, 0, 0, 0, "s.quick_qp-46: exit status 1"]
    assert texts(sheet).count("identical to the source") == 4


def test_definitions_name_every_metric_and_its_version(book: Any) -> None:
    found = texts(book[0]["Definitions"])
    assert {"psnr_y_db", "ms_ssim_y_db", "lpips", "vmaf"} <= set(found)
    assert "libvmaf 3.0.0 (vmaf_v0.6.1)" in found and "not measured in this run" in found


def test_a_complete_run_is_marked_by_nothing(tmp_path: Path) -> None:
    found, _ = workbook(tmp_path / "results.xlsx", points())
    for sheet in found:
        assert not [text for text in texts(sheet) if "DRAFT" in text or "incomplete" in text]


def test_a_name_that_looks_like_a_formula_stays_text(tmp_path: Path) -> None:
    rows = points()
    for each in rows:
        each["origin"] = "=1+1"
    path, title = tmp_path / "results.xlsx", "=cmd|' /C calc'!A0"
    workbook(path, rows, title=title, notes=("+1",))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        found = openpyxl.load_workbook(io.BytesIO(path.read_bytes()))
    kinds = {str(cell.value): cell.data_type for sheet in found for cell in cells(sheet)}
    assert kinds["=1+1"] == "s"
    assert not [t for t, kind in kinds.items() if kind == "f" and ("cmd" in t or t == "+1")]


def test_no_sheet_that_others_compute_with_offers_to_be_sorted(book: Any) -> None:
    for name in ("AI", "LD", "BD", "RD data"):
        assert book[0][name].auto_filter.ref is None, name
    for name in ("Full", "Points", "Coverage"):
        assert book[0][name].auto_filter.ref, name
