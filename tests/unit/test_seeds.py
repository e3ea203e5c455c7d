"""Several training seeds: their mean, their spread, and when nothing may be said."""

import re
from pathlib import Path
from typing import Any

import openpyxl
import pytest
import xlsxwriter
from invrbench.compare.curves import group_curves, normalised
from invrbench.compare.seeds import (
    COMPARISON,
    INDISTINCT,
    MEAN,
    POINT,
    band,
    pooled_curves,
    seed_rows,
    spread,
    student_t,
)
from invrbench.compare.table import OVERALL, bd_rows
from invrbench.report.content import Report
from invrbench.report.plots import legend, look_key, looks, write_plots
from invrbench.report.seeds import doubts
from invrbench.report.sheets.base import Book
from invrbench.report.sheets.formula import FUNCTIONS
from invrbench.report.sheets.seeds import write_seeds
from invrbench.report.summary import summary_lines
from invrbench.report.tables import headline
from invrbench.report.workbook import write_workbook
from recalculation import disagreements, formulas, load, needs_office, recalculate
from report_points import info, point

METRICS = ("psnr_y_db",)
HEVC = "HEVC (x265 4.1 veryslow, ld)"
# VCEG-M33's anchor
ANCHOR = [(90.33, 27.95), (181.03, 31.17), (332.99, 34.44), (547.79, 38.11)]


def line(
    codec: str, *, sequence: str = "S", share: float = 1.0, gain_db: float = 0.0, **fields: Any
) -> list[dict[str, Any]]:
    """The anchor's curve at ``share`` times its rate."""
    return [
        point(
            sequence,
            codec,
            f"p{index}",
            bpp=rate * share / 100,
            rate_kbps=rate * share,
            psnr_y_db=quality + gain_db,
            **fields,
        )
        for index, (rate, quality) in enumerate(ANCHOR)
    ]


def run(shares: dict[str, tuple[float, ...]]) -> list[dict[str, Any]]:
    """An anchor, and a codec that needs these shares of its rate: by sequence, one per seed."""
    rows = []
    for sequence, needed in shares.items():
        rows += line("hevc", sequence=sequence, role="anchor", configuration="ld")
        for seed, share in enumerate(needed):
            rows += line("new", sequence=sequence, share=share, seed=seed, fit="s")
    return rows


def stated(raw: list[dict[str, Any]], **wanted: Any) -> list[dict[str, Any]]:
    points = normalised(raw)
    rows = bd_rows(points, metrics=METRICS)
    found = seed_rows(group_curves(points), rows, ("rate_kbps", *METRICS), METRICS[0])
    return [row for row in found if all(row[name] == value for name, value in wanted.items())]


@pytest.mark.parametrize(
    ("freedom", "quantile"), [(1, 12.7062), (2, 4.3027), (4, 2.7764), (30, 2.0423)]
)
def test_students_quantiles_are_those_of_the_printed_tables(freedom: int, quantile: float) -> None:
    assert student_t(freedom) == pytest.approx(quantile, abs=5e-5)


def test_a_spread_is_the_sample_standard_deviation_of_three_or_more() -> None:
    # 2, 4, 9 have mean 5 and squares 9 + 1 + 16 over n − 1 = 2
    found = spread([2.0, 4.0, 9.0], 3)
    assert (found.mean, found.low, found.high) == (5.0, 2.0, 9.0)
    assert found.deviation == pytest.approx(13**0.5)


@pytest.mark.parametrize("values", [[], [1.0], [1.0, 5.0], [1.0, None, float("nan")]])
def test_below_three_values_no_spread_is_claimed(values: list[Any]) -> None:
    found = spread(values, 3)
    assert (found.low, found.high, found.deviation, found.interval) == (None,) * 4
    assert not found.is_stated and not found.holds_zero


def test_equal_seeds_have_no_spread_to_the_last_digit() -> None:
    found = spread([0.1] * 3, 3)
    assert (found.mean, found.deviation, found.interval) == (0.1, 0.0, (0.1, 0.1))


def test_the_bd_rate_over_seeds_is_stated_with_its_interval() -> None:
    (row,) = stated(run({"S": (1.10, 1.11, 1.12)}), kind=COMPARISON)
    assert (row["n_used"], row["n_total"]) == (3, 3)
    assert (row["mean"], row["min"], row["max"]) == pytest.approx((11.0, 10.0, 12.0))
    assert row["deviation"] == pytest.approx(1.0)
    # t = 4.3027 at two degrees of freedom, over the root of 3
    assert (row["ci_low"], row["ci_high"]) == pytest.approx((8.5159, 13.4841), abs=1e-4)
    assert row["remark"] == ""


def test_a_gain_smaller_than_the_noise_of_training_is_not_told_from_zero() -> None:
    (row,) = stated(run({"S": (1.0, 1.1, 1.2)}), kind=COMPARISON)
    assert row["ci_low"] < 0 < row["ci_high"]
    assert row["remark"] == INDISTINCT


def test_two_seeds_are_averaged_and_no_spread_is_claimed() -> None:
    (row,) = stated(run({"S": (1.0, 1.1)}), kind=COMPARISON)
    assert row["mean"] == pytest.approx(5.0)
    assert (row["min"], row["deviation"], row["ci_low"]) == (None, None, None)
    assert row["remark"] == "a spread needs 3 seeds"


def test_one_seed_has_no_row_at_all() -> None:
    assert stated(run({"S": (1.0,)})) == []


def test_points_are_stated_by_rate_and_by_metric() -> None:
    raw = run({"S": (1.0, 1.1, 1.2)})
    for each in raw:
        each["psnr_y_db"] += 0.01 * int(each["seed"])
    (rate,) = stated(raw, kind=POINT, rate_point="p0", quantity="rate_kbps")
    assert (rate["mean"], rate["max"]) == pytest.approx((90.33 * 1.1, 90.33 * 1.2))
    (quality,) = stated(raw, kind=POINT, rate_point="p3", quantity="psnr_y_db")
    assert (quality["mean"], quality["deviation"]) == pytest.approx((38.12, 0.01))


def test_the_mean_over_sequences_is_over_seeds_first() -> None:
    raw = run({"A": (1.0, 1.1, 1.2), "B": (1.2, 1.2, 1.2)})
    (row,) = stated(raw, kind=MEAN, **{"class": OVERALL, "anchor_configuration": "strongest"})
    # by seed 10, 15 and 20 %
    assert (row["mean"], row["min"], row["max"]) == pytest.approx((15.0, 10.0, 20.0))
    assert row["deviation"] == pytest.approx(5.0)


def test_a_mean_compares_seeds_on_the_sequences_that_all_of_them_have() -> None:
    raw = run({"A": (1.0, 1.1, 1.2), "B": (1.5, 1.5, 1.5)})
    lost = next(p for p in raw if (p["sequence"], p["seed"], p["codec"]) == ("B", 1, "new"))
    lost.update(status="failed", reason="fit: exit status 1", psnr_y_db=None, bpp=None)
    (row,) = stated(raw, kind=MEAN, **{"class": OVERALL, "anchor_configuration": "strongest"})
    assert (row["mean"], row["n_used"]) == (pytest.approx(10.0), 3)
    assert row["remark"].startswith("over the 1 of 2 sequences that all seeds have")
    (single,) = stated(raw, kind=COMPARISON, sequence="B")
    assert (single["n_used"], single["n_total"], single["deviation"]) == (2, 3, None)


def test_the_headline_of_a_codec_is_the_mean_over_its_seeds() -> None:
    points = normalised(run({"S": (1.0, 1.1, 1.2)}))
    report = Report(points, bd_rows(points, metrics=METRICS), info())
    curve = next(curve for curve in report.pooled if curve.key.codec == "new")
    row = report.headline(curve.key, "psnr_y_db")
    assert row is not None and row["bd_rate_percent"] == pytest.approx(10.0)
    assert (row["seeds_used"], row["seeds_total"]) == (3, 3)
    assert report.info.curve_name(curve) == "new (mean of 3 seeds)"


def test_a_failed_seed_is_left_out_and_the_cell_says_so() -> None:
    raw = run({"S": (1.0, 1.1, 1.2)})
    lost = next(p for p in raw if (p["seed"], p["codec"]) == (2, "new"))
    lost.update(status="failed", reason="fit: exit status 1", psnr_y_db=None, bpp=None)
    rows = bd_rows(normalised(raw), metrics=METRICS)
    pooled = [r for r in rows if r["seed"] == "mean of 3" and r["method"] == "pchip"]
    single = next(row for row in pooled if row["sequence"])
    assert single["bd_rate_percent"] == pytest.approx(5.0)
    assert single["reason"] == "2 of 3 seeds: missing-point"
    assert {(row["seeds_used"], row["seeds_total"]) for row in pooled} == {(2, 3)}


def test_no_usable_seed_leaves_the_reason_and_no_number() -> None:
    raw = run({"S": (1.0, 1.1, 1.2)})
    for each in raw:
        if each["codec"] == "new" and each["rate_point"] == "p1":
            each.update(status="failed", reason="NaN", psnr_y_db=None, bpp=None)
    rows = bd_rows(normalised(raw), metrics=METRICS)
    pooled = next(row for row in rows if row["seed"] == "mean of 3" and row["sequence"])
    assert pooled["bd_rate_percent"] is None
    assert pooled["reason"].startswith("missing-point: new lacks 1 of 4")
    (row,) = stated(raw, kind=COMPARISON)
    assert (row["mean"], row["n_used"], row["n_total"]) == (None, 0, 3)
    assert row["remark"] == "missing-point"
    (mean,) = stated(raw, kind=MEAN, **{"class": OVERALL, "anchor_configuration": "strongest"})
    assert (mean["mean"], mean["n_used"], mean["n_total"]) == (None, 0, 3)
    assert mean["remark"] == "missing-point"


def test_an_anchor_that_is_trained_meets_each_seed_by_its_own() -> None:
    raw = []
    for seed, share in enumerate((1.0, 1.3, 1.6)):
        raw += line("old", role="anchor", configuration="ai", share=share, seed=seed, fit="s")
        raw += line("new", configuration="ai", share=2 * share, seed=seed, fit="s")
    rows = [r for r in bd_rows(normalised(raw), metrics=METRICS) if r["method"] == "pchip"]
    found = [r for r in rows if r["test"] == "new" and r["sequence"]]
    assert [r["seed"] for r in found] == ["0", "1", "2", "mean of 3"]
    assert [r["bd_rate_percent"] for r in found] == pytest.approx([100.0] * 4)


def test_a_pooled_curve_is_the_mean_of_the_seeds_that_lack_nothing() -> None:
    raw = run({"S": (1.0, 1.1, 1.2)})
    lost = next(p for p in raw if (p["seed"], p["codec"]) == (2, "new"))
    lost.update(status="failed", psnr_y_db=None, bpp=None, rate_kbps=None)
    curves = pooled_curves(group_curves(normalised(raw)))
    assert [curve.key.codec for curve in curves] == ["hevc", "new"]
    drawn = curves[1].drawable("psnr_y_db", "rate_kbps")
    assert drawn == [(pytest.approx(1.05 * rate), quality) for rate, quality in ANCHOR]
    assert band(curves[1], "psnr_y_db", "rate_kbps") == []


def test_a_band_spans_the_lowest_and_the_highest_seed() -> None:
    raw = run({"S": (1.0, 1.1, 1.2)})
    for each in raw:
        if each["codec"] == "new":
            each["psnr_y_db"] += (0.3, 0.0, -0.1)[each["seed"]]
    curve = pooled_curves(group_curves(normalised(raw)))[1]
    expected = [(1.1 * rate, quality - 0.1, quality + 0.3) for rate, quality in ANCHOR]
    found = band(curve, "psnr_y_db", "rate_kbps")
    assert [value for each in found for value in each] == pytest.approx(
        [value for each in expected for value in each]
    )


def test_seeds_share_one_look_and_the_plot_names_their_mean() -> None:
    raw = run({"S": (1.0, 1.1, 1.2)})
    curves = group_curves(normalised(raw))
    table = looks(curves)
    assert len({table[look_key(curve)] for curve in curves if curve.key.codec == "new"}) == 1
    mean = pooled_curves(curves)[1]
    assert legend(mean, 4, info()) == "new (mean of 3 seeds)"
    lost = next(p for p in raw if (p["seed"], p["codec"]) == (2, "new"))
    lost.update(status="failed", psnr_y_db=None, bpp=None, rate_kbps=None)
    mean = pooled_curves(group_curves(normalised(raw)))[1]
    assert legend(mean, 4, info()) == "new (mean of 3 seeds): 2 of 3 seeds"


def test_a_plot_of_three_seeds_has_a_band_and_one_curve(tmp_path: Path) -> None:
    raw = run({"S": (1.0, 1.1, 1.2)})
    about = info(headline_metrics=("psnr_y_db", "psnr_y_db"))
    write_plots(tmp_path / "three", normalised(raw), about)
    write_plots(tmp_path / "two", normalised([p for p in raw if p["seed"] != 2]), about)
    three, two = (
        (tmp_path / name / "S.psnr_y_db.linear.svg").read_text() for name in ("three", "two")
    )
    assert "FillBetweenPolyCollection" in three or "PolyCollection" in three
    assert "PolyCollection" not in two


def test_the_sheet_of_seeds_begins_with_the_headline_and_has_every_point(tmp_path: Path) -> None:
    raw = run({"S": (1.10, 1.11, 1.12)})
    points = normalised(raw)
    report = Report(points, bd_rows(points, metrics=METRICS), info())
    workbook = xlsxwriter.Workbook(tmp_path / "seeds.xlsx")
    write_seeds(Book(workbook, report))
    workbook.close()
    rows = [
        [cell.value for cell in row]
        for row in openpyxl.load_workbook(tmp_path / "seeds.xlsx")["Seeds"].iter_rows()
    ]
    top = next(index for index, row in enumerate(rows) if row[0] == "Sequence")
    assert rows[top + 1][:5] == ["Overall", "new", HEVC, "PSNR-Y", "3 of 3"]
    # mean, smallest, largest and s of 10, 11 and 12 %
    assert rows[top + 1][5:9] == pytest.approx([0.11, 0.10, 0.12, 0.01])
    listed = [row for row in rows if row[0] == "S" and str(row[2]).startswith("p")]
    assert {(row[2], row[3]) for row in listed} >= {("p0", "kbps"), ("p3", "PSNR-Y (dB)")}


def test_a_report_of_single_trainings_has_no_sheet_of_seeds(tmp_path: Path) -> None:
    points = normalised(run({"S": (1.0,)}))
    workbook = xlsxwriter.Workbook(tmp_path / "none.xlsx")
    write_seeds(Book(workbook, Report(points, bd_rows(points, metrics=METRICS), info())))
    assert not workbook.worksheets()
    workbook.add_worksheet()
    workbook.close()


def test_the_closing_table_ends_the_seeds_of_a_codec_with_their_mean() -> None:
    points = normalised(run({"S": (1.0, 1.1, 1.2)}))
    rows = bd_rows(points, metrics=METRICS)
    lines = summary_lines(points, info(), rows=rows)
    mean = "new (mean of 3 seeds): BD-rate PSNR-Y +10.0 %, anchor in ld"
    assert lines.index(mean) > max(i for i, line in enumerate(lines) if "seed 2" in line)
    assert sum("BD-rate PSNR-Y" in line for line in lines) == 4
    single = summary_lines([p for p in points if not p["seed"]], info(), rows=rows)
    assert not [line for line in single if "mean of" in line]


@needs_office
def test_the_sheet_of_seeds_follows_an_edit_of_a_point(tmp_path: Path) -> None:
    raw = run({"S": (1.10, 1.11, 1.12), "T": (1.20, 1.21, 1.22)})
    about = info(headline_metrics=(*METRICS, *METRICS), metrics=METRICS)
    points = normalised(raw)
    path = tmp_path / "results.xlsx"
    write_workbook(path, points, bd_rows(points, metrics=METRICS), about)
    own = [each for each in formulas(path) if each[0] == "Seeds"]
    assert len(own) >= 2 * 9
    used = {name for _, _, formula, _ in own for name in re.findall(r"([A-Z0-9]+)\(", formula)}
    assert used <= FUNCTIONS
    assert disagreements(path, tmp_path) == []
    book = load(path, values=False)
    data = book["RD data"]
    rates = [
        cell
        for row in data.iter_rows()
        for cell in row
        if cell.data_type == "n" and cell.value in (pytest.approx(90.33 * 1.12 / 100),)
    ]
    assert rates  # the seed's lowest rate, as bit/pixel
    for cell in rates:
        cell.value = cell.value * 1.5
    book.save(tmp_path / "edited.xlsx")
    anew = load(recalculate(tmp_path / "edited.xlsx", tmp_path), values=True)["Seeds"]
    before = load(path, values=True)["Seeds"]
    top = next(row[0].row for row in before.iter_rows() if row[0].value == "Sequence") + 1
    mean, deviation = (f"{column}{top}" for column in "FI")
    assert anew[mean].value > before[mean].value + 0.001
    assert anew[deviation].value > before[deviation].value + 0.001


def test_a_headline_that_is_noise_says_so_on_the_first_screen() -> None:
    points = normalised(run({"S": (1.0, 1.1, 1.2)}))
    report = Report(points, bd_rows(points, metrics=METRICS), info())
    sentence = "new: BD-rate PSNR-Y is not distinguishable from 0 over 3 seeds (95 %: "
    # 10 ± 4.3027 · 10 / √3
    assert f"{sentence}-14.84% … +34.84%)." in headline(report).notes
    points = normalised(run({"S": (1.10, 1.11, 1.12)}))
    report = Report(points, bd_rows(points, metrics=METRICS), info())
    assert doubts(report) == []
