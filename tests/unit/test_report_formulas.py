"""Worksheet formulas of BD-rates: LibreOffice recalculates them, and they follow edits."""

import itertools
import re
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import xlsxwriter
from invrbench.compare.ablation import ablation_rows
from invrbench.compare.bd import bd
from invrbench.compare.curves import group_curves, normalised
from invrbench.compare.table import add_rate_vs_anchor, bd_rows
from invrbench.errors import CompareError
from invrbench.report.sheets.formula import FUNCTIONS, Pen, Range, call, constant
from invrbench.report.sheets.workings import (
    PairPlaces,
    lay_cubic_pair,
    lay_knots,
    lay_pair,
    lay_polynomial,
    lay_rates,
)
from invrbench.report.workbook import write_workbook
from recalculation import disagreements, formulas, load, needs_office, recalculate, replaced
from report_points import curve, info
from report_points import points as all_points

METRICS = ("psnr_y_db", "psnr_u_db", "psnr_v_db", "ms_ssim_y_db", "lpips")
BUNNY = "bunny-mini@0+32"
Curves = tuple[tuple[Sequence[float], Sequence[float]], tuple[Sequence[float], Sequence[float]]]

# name, curves (rates and qualities of anchor and test), BD-rate in percent by pchip and by one
# cubic; published or recomputed independently, see tests/golden/test_bd_vectors.py
FAU2: Curves = (
    ((82472.76, 26875.24, 9487.76, 4593.6), (43.825, 41.404, 40.037, 38.615)),
    ((99896.96, 33952.04, 9787.8, 4469.0), (44.731, 41.875, 40.121, 38.651)),
)
VECTORS: list[tuple[str, Curves, float | None, float | None]] = [
    (
        "VCEG-M33",
        (
            ((90.33, 181.03, 332.99, 547.79), (27.95, 31.17, 34.44, 38.11)),
            ((127.1719, 186.14, 307.2924, 481.5588), (29.9286, 32.4165, 34.7013, 37.4561)),
        ),
        -13.29252411,
        -13.26177299,
    ),
    (
        "ETRO, 9 points",
        (
            (
                (2.99899, 1.99884, 1.49673, 0.99707, 0.745941, 0.596436, 0.495148, 0.29425,
                 0.244049),
                (48.6681, 43.8357, 41.3982, 38.0124, 35.5122, 33.8673, 32.6658, 29.4505, 28.484),
            ),
            (
                (2.997253, 1.968292, 1.472565, 0.994965, 0.748871, 0.58902, 0.499176, 0.296753,
                 0.249634),
                (48.5637, 43.7318, 41.2727, 38.0001, 35.6375, 33.9057, 32.8318, 29.6851, 28.8244),
            ),
        ),
        -0.8903727757,
        -0.9034504836,
    ),
    (
        "JCTVC-E137 a",
        (
            (
                (108048.8736, 61279.976, 33905.6656, 18883.6928),
                (43.6471, 40.3953, 37.247, 34.2911),
            ),
            (
                (108061.2784, 61299.9936, 33928.7472, 18910.912),
                (43.6768, 40.4232, 37.2761, 34.3147),
            ),
        ),
        -0.465215420752807,
        -0.4644154200,
    ),
    (
        "JCTVC-E137 b",
        (
            ((40433.8848, 7622.7456, 2394.488, 1017.6184), (37.5761, 35.3756, 33.8977, 32.0603)),
            ((40370.12, 7587.0024, 2390.0944, 1017.0984), (37.5982, 35.4025, 33.9194, 32.0822)),
        ),
        -1.8779823450567612,
        -1.9101686786,
    ),
    (
        "VCEG-AE07 Foreman",
        (
            ((686.76, 309.58, 157.11, 85.95), (40.28, 37.18, 34.24, 31.42)),
            ((893.34, 407.8, 204.93, 112.75), (40.39, 37.21, 34.17, 31.24)),
        ),
        31.379878,
        31.397374,
    ),
    (
        "FAU example 1",
        (
            ((9487.76, 4593.60, 2486.44, 1358.24), (40.037, 38.615, 36.845, 34.851)),
            ((9787.80, 4469.00, 2451.52, 1356.24), (40.121, 38.651, 36.970, 34.987)),
        ),
        -4.4174853506,
        -4.4204627062,
    ),
    ("FAU example 2", FAU2, -4.4721820028, -4.6994375481),
    (
        "FAU example 3, 6 points",
        (
            ((*FAU2[0][0], 3600, 2900), (*FAU2[0][1], 36.5, 35.1)),
            ((*FAU2[1][0], 4040, 3300), (*FAU2[1][1], 37, 36.5)),
        ),
        -2.9528024116,
        -0.6392886208,
    ),
    (
        "AVM CrowdRun, spreadsheet",
        (
            (
                (276122.50303, 83246.042424, 26857.018182, 10419.472727, 4133.248485, 1544.218182),
                (37.275387, 35.445471, 33.342892, 30.83319, 27.946319, 25.142578),
            ),
            (
                (301291.969697, 77529.412121, 23985.89697, 9371.781818, 3786.709091, 1402.454545),
                (37.653814, 35.702923, 33.7491, 31.39422, 28.660224, 25.829445),
            ),
        ),
        -25.35434020671914,
        None,
    ),
    (
        "JCTVC-B055 luma, 5 points",
        (
            ((999.35, 1598.99, 2499.19, 3996.57, 5998.07), (33.01, 34.93, 36.69, 38.42, 39.79)),
            ((997.34, 1588.50, 2493.93, 3999.06, 5980.18), (34.68, 36.64, 38.34, 39.99, 41.00)),
        ),
        -35.796289,
        None,
    ),
]  # fmt: skip


def vectors_workbook(path: Path, vectors: Sequence[Curves], *, falling: bool = False) -> list[int]:
    """A sheet per file: points in A to D, pchip in E, cubic in F, overlap in G; first rows."""
    book = xlsxwriter.Workbook(path)
    sheet = book.add_worksheet("Data")
    pen, row, rows = Pen(sheet, None), 0, []
    for curves in vectors:
        laid = []
        for side, (bits, values) in enumerate(curves):
            for index, pair in enumerate(zip(bits, values, strict=True)):
                sheet.write_row(row + index, 2 * side, pair)
            rates = lay_rates(pen, row, 10 + 20 * side, Range(row, 2 * side, tuple(bits)))
            qualities = Range(row, 2 * side + 1, tuple(values))
            knots = lay_knots(pen, (row, 12 + 20 * side), rates, qualities, falling=falling)
            fit = lay_polynomial(pen, row, 21 + 20 * side, knots.log_rate, knots.quality)
            laid.append((knots, fit))
        (anchor, anchor_fit), (test, test_fit) = laid
        pair = lay_pair(pen, PairPlaces.block(row, 50), anchor, test)
        pen.at(row, 4, pair.bd_rate)
        pen.at(row, 5, lay_cubic_pair(pen, row, 56, pair, anchor_fit, test_fit))
        pen.at(row, 6, pair.overlap)
        rows.append(row + 1)
        row += max(len(bits) for bits, _ in curves) + 1
    book.close()
    return rows


def edited(path: Path, sheet: str, changes: dict[str, Any], folder: Path) -> Any:
    """A workbook after cells of a sheet were changed and everything was recalculated."""
    book = load(path, values=False)
    for at, value in changes.items():
        book[sheet][at] = value
    book.save(folder / "edited.xlsx")
    return load(recalculate(folder / "edited.xlsx", folder), values=True)


@pytest.fixture(scope="module")
def golden(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[int]]:
    path = tmp_path_factory.mktemp("golden") / "golden.xlsx"
    return path, vectors_workbook(path, [curves for _, curves, _, _ in VECTORS])


def points() -> list[dict[str, Any]]:
    """The points of the made run with two of its four anchors."""
    return [each for each in all_points() if each["codec"] not in ("vvc", "av1")]


def report_points() -> list[dict[str, Any]]:
    """Points of which one failed, with a curve that its anchor covers in part."""
    rows = points()
    failed = curve(rows, BUNNY, "hnerv")[1]
    failed.update(status="failed", reason="exit status 1", bpp=None, rate_kbps=None)
    for name in [name for name in failed if name.endswith(("_db", "_y"))] + ["lpips"]:
        failed[name] = None
    for each in curve(rows, "flower", "inric"):
        each["psnr_y_db"] -= 6  # below most of what the anchors reach
    return rows


def report_book(path: Path, rows: list[dict[str, Any]] | None = None) -> Path:
    """A report's workbook."""
    checked = normalised(rows or report_points())
    table = bd_rows(checked, metrics=METRICS)
    add_rate_vs_anchor(checked, table, ("hevc", "psnr_y_db"))
    write_workbook(path, checked, table, info(metrics=METRICS))
    return path


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return report_book(tmp_path_factory.mktemp("report") / "results.xlsx")


@needs_office
def test_libreoffice_finds_the_published_bd_rates_in_the_formulas(
    golden: tuple[Path, list[int]], tmp_path: Path
) -> None:
    sheet = load(recalculate(golden[0], tmp_path), values=True)["Data"]
    for (name, _, pchip, cubic), row in zip(VECTORS, golden[1], strict=True):
        if pchip is not None:
            assert 100 * sheet[f"E{row}"].value == pytest.approx(pchip, abs=1e-6), name
        if cubic is not None:
            assert 100 * sheet[f"F{row}"].value == pytest.approx(cubic, abs=1e-6), name


@needs_office
def test_every_formula_of_the_golden_vectors_is_sent_with_the_value_libreoffice_computes(
    golden: tuple[Path, list[int]], tmp_path: Path
) -> None:
    assert sum(1 for _ in formulas(golden[0])) > 1000
    assert disagreements(golden[0], tmp_path) == []


@needs_office
def test_a_wrong_cached_value_is_noticed(golden: tuple[Path, list[int]], tmp_path: Path) -> None:
    value = next(v for _, at, _, v in formulas(golden[0]) if at == f"E{golden[1][1]}")
    part = "xl/worksheets/sheet1.xml"
    wrong = replaced(golden[0], part, f"<v>{value}</v>", f"<v>{value * 1.00001}</v>",
                     tmp_path / "wrong.xlsx")  # fmt: skip
    found = disagreements(wrong, tmp_path)
    assert len(found) == 1 and found[0].startswith(f"Data!E{golden[1][1]} ")


@needs_office
def test_every_formula_of_a_report_is_sent_with_the_value_libreoffice_computes(
    report: Path, tmp_path: Path
) -> None:
    sheets = {sheet for sheet, _, _, _ in formulas(report)}
    assert {"Summary", "Full", "AI", "LD", "BD", "RD data"} <= sheets
    assert disagreements(report, tmp_path) == []


@needs_office
def test_an_edited_point_moves_the_bd_rate_as_it_moves_it_in_python(
    golden: tuple[Path, list[int]], tmp_path: Path
) -> None:
    row = golden[1][0]
    sheet = edited(golden[0], "Data", {f"D{row + 1}": 32.9, f"C{row + 3}": 500.0}, tmp_path)["Data"]
    anchor, test = (list(zip(*side, strict=True)) for side in VECTORS[0][1])
    test[1], test[3] = (test[1][0], 32.9), (500.0, test[3][1])
    for column, method in (("E", "pchip"), ("F", "cubic")):
        wanted = bd(anchor, test, method).bd_rate_percent
        assert 100 * sheet[f"{column}{row}"].value == pytest.approx(wanted, abs=1e-7)
    assert sheet[f"G{row}"].value == pytest.approx(bd(anchor, test).overlap, abs=1e-12)


@needs_office
def test_points_in_any_order_give_the_same_bd_rate(
    golden: tuple[Path, list[int]], tmp_path: Path
) -> None:
    row, (bits, values) = golden[1][0], VECTORS[0][1][1]
    order = (2, 0, 3, 1)
    changes = {f"C{row + i}": bits[k] for i, k in enumerate(order)}
    changes |= {f"D{row + i}": values[k] for i, k in enumerate(order)}
    sheet = edited(golden[0], "Data", changes, tmp_path)["Data"]
    assert 100 * sheet[f"E{row}"].value == pytest.approx(-13.29252411, abs=1e-6)


# changes of the points of VCEG-M33 by column and row of its block, and what is then said
EDITS: list[tuple[dict[tuple[str, int], Any], str]] = [
    ({("D", 1): None}, "missing-point"),
    ({("D", 1): "lossless"}, "missing-point"),
    ({("C", 1): -1.0}, "not-finite"),
    ({("C", 1): 127.1719}, "duplicate-point"),
    ({("D", 1): 20.0}, "non-monotone"),
    ({("D", 3): 34.7013}, "saturated"),
    ({("D", 0): 69.9, ("D", 1): 72.4, ("D", 2): 74.7, ("D", 3): 77.4}, "no-overlap"),
]


@needs_office
def test_an_edit_that_leaves_no_number_leaves_the_reason_of_compare(tmp_path: Path) -> None:
    path, curves = tmp_path / "edits.xlsx", VECTORS[0][1]
    rows = vectors_workbook(path, [curves] * len(EDITS))
    changes = {
        f"{letter}{row + offset}": value
        for row, (edits, _) in zip(rows, EDITS, strict=True)
        for (letter, offset), value in edits.items()
    }
    sheet = edited(path, "Data", changes, tmp_path)["Data"]
    anchor = list(zip(*curves[0], strict=True))
    for row, (edits, reason) in zip(rows, EDITS, strict=True):
        assert [sheet[f"{column}{row}"].value for column in "EFG"] == [reason] * 3, edits
        test = [(sheet[f"C{at}"].value, sheet[f"D{at}"].value) for at in range(row, row + 4)]
        pairs = [(bits, value if isinstance(value, int | float) else None) for bits, value in test]
        assert bd(anchor, pairs).reason.partition(":")[0] == reason


@needs_office
def test_a_row_inserted_among_the_points_is_never_left_out_in_silence(tmp_path: Path) -> None:
    plain = tmp_path / "plain.xlsx"
    vectors_workbook(plain, [VECTORS[0][1]])
    # what a spreadsheet makes of the range in both conditions when a row is inserted into it
    part, old, new = "xl/worksheets/sheet1.xml", "COUNT(C1:C4,D1:D4)", "COUNT(C1:C5,D1:D5)"
    half = replaced(plain, part, old, new, tmp_path / "half.xlsx")
    wider = replaced(half, part, old, new, tmp_path / "wider.xlsx")
    sheet = edited(wider, "Data", {"C5": 700.0, "D5": 39.2}, tmp_path)["Data"]
    assert [sheet[f"{column}1"].value for column in "EFG"] == ["inserted-point"] * 3


@needs_office
def test_an_edited_point_of_rd_data_moves_summary_full_and_bd_to_what_a_new_report_says(
    report: Path, tmp_path: Path
) -> None:
    rows = report_points()
    ours = curve(rows, BUNNY, "ffnerv")[2]
    sheet = load(report, values=True)["RD data"]
    top = next(cell.row for cell in sheet["A"] if cell.value == "Sequence")
    column = {cell.value: cell.column_letter for cell in sheet[top]}
    at = next(
        cell.row
        for cell in sheet["C"]
        if cell.value == ours["rate_point"]
        and (sheet[f"A{cell.row}"].value, sheet[f"B{cell.row}"].value) == (BUNNY, "FFNeRV")
    )
    new_psnr, new_lpips = ours["psnr_y_db"] + 0.4, ours["lpips"] + 0.01
    changes = {f"{column['PSNR-Y (dB)']}{at}": new_psnr, f"{column['LPIPS']}{at}": new_lpips}
    found = edited(report, "RD data", changes, tmp_path)
    ours.update(psnr_y_db=new_psnr, lpips=new_lpips)
    wanted = load(report_book(tmp_path / "anew.xlsx", rows), values=True)
    before = load(report, values=True)
    moved = 0
    for name in ("Summary", "Full", "BD"):
        for row in wanted[name].iter_rows():
            for cell in row:
                if "%" in cell.number_format and column_is_live(wanted[name], cell):
                    value = found[name][cell.coordinate].value
                    assert value == pytest.approx(cell.value, abs=1e-9), (name, cell.coordinate)
                    moved += before[name][cell.coordinate].value != value
    assert moved > 20


def column_is_live(sheet: Any, cell: Any) -> bool:
    """Whether a cell of a percentage is computed: all but the other methods beside it."""
    heads = [each.value for each in sheet[cell.row] if each.value in ("Cubic", "Akima")]
    above = [sheet.cell(row, cell.column).value for row in range(1, cell.row)]
    return not heads and not {"Cubic", "Akima"} & {str(each) for each in above}


def crowded_points() -> list[dict[str, Any]]:
    """Three seeds of one codec, a variant of another, and two curves of a third."""
    rows = points()
    for index, sequence in enumerate((BUNNY, "bikes-mini@76+32")):
        for seed in (1, 2):
            for each in curve(points(), sequence, "hnerv"):
                shift = 0.11 * seed + 0.07 * index - (9 if (seed, index) == (2, 1) else 0)
                rows.append(each | {"seed": seed} | {"psnr_y_db": each["psnr_y_db"] + shift})
        for each in curve(points(), sequence, "ffnerv"):
            rows.append(each | {"variant": "noflow", "bpp": each["bpp"] * 1.13})
    for sequence in ("flower", "bikes-still"):
        for name, factor in (("Q1", 1.0), ("Q2", 1.21)):
            for each in curve(points(), sequence, "inric"):
                changes = {"curve": name, "rate_point": f"{name}_{each['rate_point']}"}
                changes |= {"bpp": each["bpp"] * factor, "psnr_y_db": each["psnr_y_db"] + factor}
                rows.append(each | changes)
    for each in rows:
        if each["codec"] == "ffnerv" and each["variant"]:
            each["rate_kbps"] *= 1.13
    return [each for each in rows if each["codec"] != "inric" or each["curve"]]


@pytest.fixture(scope="module")
def crowded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict[str, Any]]]:
    path = tmp_path_factory.mktemp("crowded") / "results.xlsx"
    hulls = {"inric": {"hull": "Q*"}}
    checked = normalised(crowded_points())
    table = bd_rows(checked, metrics=METRICS, hulls=hulls)
    ablation = ablation_rows(group_curves(checked, hulls), ("psnr_y_db", "ms_ssim_y_db"))
    about = info(metrics=METRICS, hulls=hulls)
    write_workbook(path, checked, table, about, ablation=ablation)
    return path, table


@needs_office
def test_seeds_variants_and_hulls_are_computed_in_the_workbook_too(
    crowded: tuple[Path, list[dict[str, Any]]], tmp_path: Path
) -> None:
    path, table = crowded
    assert disagreements(path, tmp_path) == []
    assert {row["seed"] for row in table} >= {"0", "1", "2", "mean of 3"}
    assert any(row["curve"] == "hull" and row["bd_rate_percent"] is not None for row in table)
    book = load(path, values=False)
    for name, letter in (("BD", "J"), ("Ablation", "F")):
        cells = [cell for cell in book[name][letter] if "%" in cell.number_format]
        assert len(cells) > 3
        assert all(cell.data_type == "f" for cell in cells), name


@needs_office
def test_a_seed_that_an_edit_makes_useless_leaves_the_mean_over_seeds(
    crowded: tuple[Path, list[dict[str, Any]]], tmp_path: Path
) -> None:
    values = load(crowded[0], values=True)
    sheet = values["BD"]
    at = next(
        row[0].row
        for row in sheet.iter_rows()
        if (row[0].value, row[3].value, row[8].value) == (BUNNY, "mean of 3", "PSNR-Y")
    )
    assert [sheet[f"D{at - back}"].value for back in (3, 2, 1)] == ["seed 0", "seed 1", "seed 2"]
    seeds = [sheet[f"J{at - back}"].value for back in (3, 2, 1)]
    assert sheet[f"J{at}"].value == pytest.approx(sum(seeds) / 3, abs=1e-12)
    data = values["RD data"]
    first = next(
        cell.row for cell in data["B"] if "seed 1" in str(cell.value) and "HNeRV" in cell.value
    )
    assert data[f"A{first}"].value == BUNNY
    found = edited(crowded[0], "RD data", {f"F{first + 1}": 10.0}, tmp_path)["BD"]
    assert found[f"J{at - 2}"].value == "non-monotone"
    assert found[f"J{at}"].value == pytest.approx((seeds[0] + seeds[2]) / 2, abs=1e-12)


@needs_office
def test_an_edited_point_of_a_configuration_moves_its_bd_rates_and_means(
    report: Path, tmp_path: Path
) -> None:
    sheet = load(report, values=True)["LD"]
    head = next(cell.row for cell in sheet["K"] if cell.value == "Tested: FFNeRV")
    row = head + 2
    found = edited(report, "LD", {f"M{row}": sheet[f"M{row}"].value + 0.3}, tmp_path)["LD"]
    sides = [
        [(found[f"{rate}{at}"].value, found[f"{psnr}{at}"].value) for at in range(row, row + count)]
        for rate, psnr, count in (("D", "E", 6), ("L", "M", 4))
    ]
    for letter, method in (("T", "pchip"), ("W", "cubic")):
        wanted = bd(*sides, method).bd_rate_percent
        assert 100 * found[f"{letter}{row}"].value == pytest.approx(wanted, abs=1e-7)
        assert found[f"{letter}{row}"].value != sheet[f"{letter}{row}"].value
        second = found[f"{letter}{row + 6}"].value
        mean = (found[f"{letter}{row}"].value + second) / 2
        assert found[f"{letter}{row + 12}"].value == pytest.approx(mean, abs=1e-12)


@needs_office
def test_a_metric_that_falls_is_compared_by_its_negative(tmp_path: Path) -> None:
    anchor = ((100.0, 200.0, 400.0, 800.0, 1600.0), (0.41, 0.30, 0.22, 0.15, 0.11))
    test = ((90.0, 210.0, 390.0, 900.0), (0.38, 0.26, 0.19, 0.12))
    path = tmp_path / "lpips.xlsx"
    vectors_workbook(path, [(anchor, test)], falling=True)
    assert disagreements(path, tmp_path) == []
    wanted = bd(
        list(zip(*anchor, strict=True)), list(zip(*test, strict=True)), falling=True
    ).bd_rate_percent
    value = load(recalculate(path, tmp_path), values=True)["Data"]["E1"].value
    assert 100 * value == pytest.approx(wanted, abs=1e-9)


@needs_office
def test_means_find_their_classes_whatever_these_are_called(tmp_path: Path) -> None:
    rows = points()
    for each in rows:
        each["class"] = "a*b?~ <1" if each["class"] == "clip" else ""
        if each["codec"] == "ffnerv":  # a table that rounds kbit/s: the number, no formula
            each["rate_kbps"] = round(each["rate_kbps"], 1)
    path = report_book(tmp_path / "results.xlsx", rows)
    assert disagreements(path, tmp_path) == []
    sheet = load(path, values=False)["LD"]
    cells = {cell.data_type for cell in sheet["T"] if "%" in cell.number_format}
    assert cells == {"f", "n"}


@pytest.mark.parametrize("kept", ["proposal", "anchor", "control", ""])
def test_a_report_without_proposals_anchors_or_any_number_has_no_formula_left_hanging(
    kept: str, tmp_path: Path
) -> None:
    rows = [each for each in points() if each["role"] == kept or not kept]
    numbers = {"bpp", "rate_kbps", *METRICS}
    for each in rows if not kept else ():
        each.update(dict.fromkeys(numbers), status="failed", reason="exit status 1")
    path = report_book(tmp_path / "results.xlsx", rows)
    found = list(formulas(path))
    assert bool(found) == (kept == "anchor")
    assert all(value is not None for _, _, _, value in found)


def test_a_workbook_holds_only_functions_that_every_reader_has(
    report: Path, golden: tuple[Path, list[int]]
) -> None:
    for path in (report, golden[0]):
        texts = {formula for _, _, formula, _ in formulas(path)}
        used = {name for text in texts for name in re.findall(r"([A-Z][A-Z0-9.]*)\(", text)}
        assert used and used <= FUNCTIONS, path
        with zipfile.ZipFile(path) as parts:
            names = parts.namelist()
            sheets = [parts.read(name) for name in names if "worksheets/sheet" in name]
        assert not [name for name in names if "vba" in name.lower() or "external" in name.lower()]
        for each in sheets:  # array formulas, dynamic arrays, functions with a prefix
            assert not re.search(rb't="array"|cm="|_xlfn|_xlws', each)


def test_no_formula_is_longer_than_the_worksheet_allows(report: Path) -> None:
    assert max(len(formula) for _, _, formula, _ in formulas(report)) < 8192


def test_no_cell_of_a_report_shows_an_error_or_an_empty_preview(report: Path) -> None:
    for sheet, at, formula, value in formulas(report):
        assert value is not None and not str(value).startswith("#"), (sheet, at, formula)


def test_the_same_results_give_the_same_bytes(report: Path, tmp_path: Path) -> None:
    assert report_book(tmp_path / "again.xlsx").read_bytes() == report.read_bytes()


def test_a_function_that_some_reader_lacks_is_refused() -> None:
    with pytest.raises(CompareError, match="LAMBDA"):
        call("LAMBDA", constant(1), value=1)


def test_a_formula_keeps_the_order_of_its_operations() -> None:
    numbers = [constant(number) for number in (2, 3, 5)]
    for a, b, c in itertools.permutations(numbers):
        for term in ((a - b) - c, a - (b - c), a / (b / c), a * (b + c), (a - b) * c, a / b * c):
            # Python's own operators bind as those of worksheets do
            assert eval(term.text) == pytest.approx(term.value)


def test_every_bd_rate_of_a_configuration_is_a_formula_over_its_rows(report: Path) -> None:
    sheet = load(report, values=False)["LD"]
    row = next(
        cell.row
        for cell in sheet["B"]
        if cell.value == BUNNY and sheet[f"T{cell.row}"].data_type == "f"
    )
    for letter in "TUVWXY":
        text = sheet[f"{letter}{row}"].value
        assert set(re.findall(r"\b[A-Z]{1,3}(\d+)", text)) <= {str(row + i) for i in range(6)}
    hidden = {letter for letter, each in sheet.column_dimensions.items() if each.hidden}
    assert hidden and "T" not in hidden
