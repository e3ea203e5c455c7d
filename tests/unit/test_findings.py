"""Hulls, findings, class means and ablation: what an experiment adds to the tables."""

import csv
from pathlib import Path
from typing import Any

import openpyxl
import pytest
import report_points
from invrbench.compare.ablation import ablation_rows
from invrbench.compare.curves import class_means, group_curves, pareto_front
from invrbench.compare.findings import judge
from invrbench.compare.table import bd_rows
from invrbench.ctc.conditions import Figure, Finding
from invrbench.report.write import write_report

# (bpp, dB) of three models coded at five QPs; the largest falls below the others where it is coarse
MODELS = {
    "Q1": [(0.20, 27.0), (0.22, 28.5), (0.24, 29.4), (0.26, 29.8), (0.28, 30.0)],
    "Q3": [(0.50, 29.0), (0.55, 31.0), (0.60, 32.4), (0.65, 33.2), (0.70, 33.6)],
    "Q5": [(1.60, 31.0), (1.75, 34.5), (1.90, 36.9), (2.05, 38.2), (2.20, 38.8)],
}
QAT = [(0.19, 29.5), (0.30, 31.2), (0.45, 33.0), (0.90, 36.0), (1.50, 38.5)]
STILL = "bikes-still"
HULLS = {"inric": {"hull of NNC": "Q?", "hull": "*"}}


def point(curve: str, index: int, rate: float, quality: float, **changes: Any) -> dict[str, Any]:
    return {
        "conditions": "own", "class": "still", "sequence": STILL, "cut": None, "view_set": None,
        "codec": "inric", "variant": None, "role": "proposal", "curve": curve,
        "configuration": "ai", "rate_point": f"{curve or 'p'}_{index}", "seed": 0, "status": "ok",
        "reason": None, "bpp": rate, "rate_kbps": None, "psnr_y_db": quality,
    } | changes  # fmt: skip


def series(curve: str, pairs: list[tuple[float, float]], **changes: Any) -> list[dict[str, Any]]:
    return [point(curve, i, rate, value, **changes) for i, (rate, value) in enumerate(pairs)]


def points() -> list[dict[str, Any]]:
    models = [each for name, pairs in MODELS.items() for each in series(name, pairs)]
    hevc = series(
        "", [(0.1, 27.0), (0.3, 32.0), (0.9, 38.0), (2.0, 42.0)], codec="hevc", role="anchor"
    )
    return [*models, *series("QAT 8 bit", QAT), *hevc]


def verdict(finding: Finding, table: list[dict[str, Any]] | None = None) -> tuple[str, str]:
    curves = group_curves(table or points(), HULLS)
    (found,) = judge([finding], curves, "psnr_y_db")
    return found.verdict, found.numbers


def test_a_hull_keeps_the_points_that_none_matches_at_less_rate() -> None:
    hull = next(c for c in group_curves(points(), HULLS) if c.key.curve == "hull of NNC")
    assert len(hull.points) == 15
    drawn = hull.drawable("psnr_y_db", "bpp")
    # Q3 at 29.0 lies below Q1's 30.0; Q5 at 31.0 below Q3's 33.6
    assert (0.50, 29.0) not in drawn
    assert (1.60, 31.0) not in drawn
    assert len(drawn) == 13


def test_the_front_of_a_falling_metric_falls() -> None:
    pairs = [(1.0, 0.5), (2.0, 0.6), (3.0, 0.2)]
    assert pareto_front(pairs, falling=True) == [(1.0, 0.5), (3.0, 0.2)]


def test_a_hull_is_compared_with_the_anchors_like_a_curve() -> None:
    rows = bd_rows(points(), metrics=["psnr_y_db"], hulls=HULLS)
    hull = [r for r in rows if r["curve"] == "hull" and r["method"] == "pchip" and r["sequence"]]
    assert len(hull) == 1
    assert hull[0]["anchor"] == "hevc"
    # all points lie at more than twice the anchor's rate or are QAT's, so the hull loses
    assert hull[0]["bd_rate_percent"] > 0


def test_the_rate_range_is_the_factor_between_the_ends_of_every_curve() -> None:
    finding = Finding("flexible", "rate-range", ("inric/Q?",), at_least=1.3)
    holds, numbers = verdict(finding)
    assert holds == "holds"
    assert numbers.startswith("Q1 1.40× over 3.00; Q3 1.40×")  # .28/.20, 30 − 27
    assert verdict(Finding("wider", "rate-range", ("inric/Q?",), at_least=1.38))[0] == (
        "does not hold"  # Q5: 2.20 / 1.60 = 1.375
    )


def test_the_curve_that_falls_fastest_loses_most_quality() -> None:
    finding = Finding("Q5 falls", "falls-fastest", ("inric/Q5",), against=("inric/Q?",))
    assert verdict(finding) == ("holds", "loses Q5 7.80; Q1 3.00; Q3 4.60")
    finding = Finding("Q3 falls", "falls-fastest", ("inric/Q3",), against=("inric/Q?",))
    assert verdict(finding)[0] == "does not hold"


def test_domination_counts_points_beaten_at_no_more_rate() -> None:
    finding = Finding("beaten", "dominates", ("inric/Q1", "inric/Q3"), against=("inric/Q5",))
    assert verdict(finding) == ("holds", "1 of 5 points are beaten at no more rate")
    finding = Finding("beats QAT", "dominates", ("inric/Q?",), against=("inric/QAT 8 bit",))
    assert verdict(finding) == ("does not hold", "0 of 5 points are beaten at no more rate")


def test_a_bd_rate_decides_by_its_sign() -> None:
    finding = Finding(
        "QAT is best", "bd-rate", ("inric/QAT 8 bit",), against=("inric/hull of NNC",), below=0.0
    )
    holds, numbers = verdict(finding)
    assert holds == "holds"
    assert "against inric hull of NNC" in numbers


def test_a_curve_whose_points_are_all_beaten_loses_without_a_bd_rate() -> None:
    high = series("", [(0.05, 50.0), (0.06, 51.0), (0.07, 52.0), (0.08, 53.0)], codec="top")
    finding = Finding("HEVC loses", "bd-rate", ("hevc",), against=("top",), above=0.0)
    found = verdict(finding, [*points(), *high])
    assert found == ("holds", "hevc lies wholly below top ai")
    finding = Finding("HEVC wins", "bd-rate", ("top",), against=("hevc",), below=0.0)
    assert verdict(finding, [*points(), *high]) == ("holds", "top lies wholly above hevc ai")


def test_two_points_are_judged_by_their_position() -> None:
    low = series("", [(0.4, 20.0), (0.5, 21.0)], codec="low")
    finding = Finding("HEVC wins", "bd-rate", ("low",), against=("hevc",), above=0.0)
    assert verdict(finding, [*points(), *low]) == ("holds", "low lies wholly below hevc ai")


def test_less_quality_for_less_rate_than_the_anchor_has_is_undecided() -> None:
    low = series("", [(0.05, 20.0), (0.06, 21.0), (0.07, 22.0), (0.08, 23.0)], codec="low")
    finding = Finding("HEVC wins", "bd-rate", ("low",), against=("hevc",), above=0.0)
    found, numbers = verdict(finding, [*points(), *low])
    assert found == "undecided"
    assert numbers.startswith("low against hevc ai: no-overlap: the test lies below")


@pytest.mark.parametrize(
    ("pattern", "configuration", "chosen"),
    [("hevc@ra", "ra", True), ("hevc@ra", "ld", False), ("hevc", "ld", True)],
)
def test_a_pattern_may_name_a_configuration(pattern: str, configuration: str, chosen: bool) -> None:
    table = [each | {"configuration": configuration} for each in points()]
    finding = Finding("spans", "rate-range", (pattern,), at_least=2.0)
    assert (verdict(finding, table)[0] == "holds") is chosen


def test_a_missing_point_leaves_a_finding_undecided() -> None:
    table = points()
    table[0] |= {"status": "failed", "psnr_y_db": None}
    finding = Finding("flexible", "rate-range", ("inric/Q?",), at_least=1.3)
    assert verdict(finding, table) == (
        "undecided",
        "Q1 lacks 1 of 5 points, first Q1_0 (failed)",
    )


def test_a_finding_about_no_curve_says_so() -> None:
    finding = Finding("nothing", "rate-range", ("nerv",), at_least=1.3)
    assert verdict(finding) == ("undecided", "no such curve")


def test_the_uncompressed_range_is_compared_to_half_a_hundredth() -> None:
    table = points()
    for each, parameters in zip(table, [5411] * 5 + [16963] * 5 + [58499] * 5, strict=False):
        each["uncompressed_bpp"] = 32 * parameters / (480 * 272)
    finding = Finding("range", "uncompressed-bpp", ("inric/Q?",), expected=(1.33, 14.34))
    assert verdict(finding, table) == ("holds", "1.33 … 14.34 bit/pixel")
    del table[7]["uncompressed_bpp"]
    assert verdict(finding, table) == (
        "undecided",
        "Q3: Q3_2 does not say how many parameters its model has",
    )


def test_a_point_without_the_metric_leaves_a_finding_undecided() -> None:
    table = points()
    table[4] |= {"psnr_y_db": None, "psnr_y_db_reason": "lossless"}
    for kind, rest in (("rate-range", {"at_least": 1.3}), ("dominates", {"against": ("hevc",)})):
        finding = Finding("claim", kind, ("inric/Q1",), **rest)
        assert verdict(finding, table) == (
            "undecided",
            "Q1: Q1_4 has no psnr_y_db: lossless",
        )


def test_a_curve_is_not_compared_with_itself() -> None:
    finding = Finding("beats itself", "dominates", ("inric/Q1",), against=("inric/Q1",))
    assert verdict(finding) == ("undecided", "there is no other curve to compare with")


def test_class_means_are_means_of_complete_rate_points_only() -> None:
    table = [
        point("", 0, 0.2, 30.0, sequence="a", **{"class": "kodak"}),
        point("", 0, 0.4, 34.0, sequence="b", **{"class": "kodak"}),
        point("", 1, 0.6, 36.0, sequence="a", **{"class": "kodak"}),
        point("", 1, 0.6, None, sequence="b", status="failed", **{"class": "kodak"}),  # type: ignore[arg-type]
        point("COIN", 0, 0.3, 29.0, sequence="mean of kodak", role="published",
              status="published", **{"class": "kodak"}),
    ]  # fmt: skip
    (mean,) = class_means(table)
    assert (mean["sequence"], mean["bpp"], mean["psnr_y_db"]) == (
        "mean of kodak",
        pytest.approx(0.3),
        32.0,
    )


def test_without_a_published_mean_there_is_no_class_mean() -> None:
    assert class_means(points()) == []


def test_a_variant_is_compared_with_all_tools_on() -> None:
    on = [(0.1, 30.0), (0.2, 33.0), (0.4, 36.0), (0.8, 39.0)]
    off = [(1.25 * rate, quality) for rate, quality in on]
    table = [
        *series("", on, codec="ffnerv", fit_seconds=10.0, kmac_per_pixel=20.0),
        *series("", off, codec="ffnerv", variant="no-flow", fit_seconds=8.0, kmac_per_pixel=15.0),
    ]
    (row,) = ablation_rows(group_curves(table), ["psnr_y_db"])
    assert (row["codec"], row["variant"]) == ("ffnerv", "no-flow")
    assert row["bd_rate_percent"] == pytest.approx(25.0)
    assert (row["kmac_per_pixel"], row["kmac_per_pixel_all_on"]) == (15.0, 20.0)


def test_findings_and_figures_reach_the_workbook_and_their_own_files(tmp_path: Path) -> None:
    info = report_points.info(
        budget="minute",
        hulls=HULLS,
        headline_metrics=("psnr_y_db", "psnr_y_db"),
        figures=(
            Figure("models", "Models and QAT", "psnr_y_db", ("inric/*",), orientation=("hevc",)),
        ),
        findings=(Finding("NNC is flexible", "rate-range", ("inric/Q?",), at_least=1.3),),
    )
    written = write_report(tmp_path, points(), info)
    assert (tmp_path / "plots" / "models.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "plots" / "models.svg").is_file()
    with (tmp_path / "findings.tsv").open(encoding="utf-8", newline="") as file:
        (row,) = csv.DictReader(file, delimiter="\t")
    assert (row["verdict"], row["budget"]) == ("indication: holds", "minute")
    assert any(
        line.startswith("NNC is flexible (bikes-still): indication") for line in written.lines
    )
    book = openpyxl.load_workbook(tmp_path / "results.xlsx")
    sheet = book["Experiment"]
    cells = [str(cell.value) for cells in sheet.iter_rows() for cell in cells if cell.value]
    assert "indication: holds" in cells
    assert len(sheet._images) == 1


def test_a_report_without_findings_leaves_none_of_an_earlier_one(tmp_path: Path) -> None:
    (tmp_path / "findings.tsv").write_text("of another run")
    write_report(tmp_path, points(), report_points.info())
    assert not (tmp_path / "findings.tsv").exists()
    assert "Experiment" not in openpyxl.load_workbook(tmp_path / "results.xlsx").sheetnames


# (rate, dB) of a model at QP −48, −43, −38, −33, −28, by falling rate
CODED = [(5.0, 30.0), (4.4, 29.98), (3.8, 29.9), (3.1, 28.6), (2.5, 25.0)]


def coded(codec: str, pairs: list[tuple[float, float]], **changes: Any) -> list[dict[str, Any]]:
    qps = (-48, -43, -38, -33, -28)
    return [
        point("", 0, rate, value, codec=codec, view_set="test", rate_point=f"s.minute_qp{qp}")
        | {"compression_ratio": 20.0 / rate}
        | changes
        for qp, (rate, value) in zip(qps, pairs, strict=True)
    ]


def scene_finding(kind: str, **keys: Any) -> Finding:
    return Finding("c", kind, ("mixvoxels",), view_set="test", point="*_qp-38", **keys)


def test_quality_that_holds_until_a_qp_and_falls_after_it() -> None:
    table = coded("mixvoxels", CODED)
    assert verdict(scene_finding("loses-until", below=0.5), table) == (
        "holds",
        "loses mixvoxels 0.10",
    )
    assert verdict(scene_finding("loses-after", above=1.0), table) == (
        "holds",
        "loses mixvoxels 4.90",
    )
    assert verdict(scene_finding("loses-until", below=0.05), table)[0] == "does not hold"


def test_curves_of_one_name_and_several_codecs_are_all_judged() -> None:
    flat = [(rate, 20.0) for rate, _ in CODED]
    table = [
        *coded("dynerf", flat, curve="NNC"),
        *coded("mixvoxels", CODED, curve="NNC"),
    ]
    finding = Finding(
        "c", "loses-after", ("dynerf/NNC", "mixvoxels/NNC"), above=1.0, point="*_qp-38"
    )
    assert verdict(finding, table) == (
        "does not hold",
        "loses dynerf NNC 0.00; mixvoxels NNC 4.90",
    )


def test_the_share_of_the_uncompressed_model_is_told_in_percent() -> None:
    # 3.8 of 20 is 19 %
    finding = scene_finding("shrinks-to", expected=(15.0, 25.0))
    assert verdict(finding, coded("mixvoxels", CODED)) == ("holds", "mixvoxels 19.0 %")


def test_a_falling_metric_is_worse_where_it_is_larger() -> None:
    table = [
        *coded("instant-ngp", [(r, 0.0) for r, _ in CODED], flicker=3.5),
        *coded("mixvoxels", CODED, flicker=0.5),
    ]
    finding = Finding(
        "c", "worse", ("instant-ngp",), against=("mixvoxels",), metric="flicker", view_set="test"
    )
    assert verdict(finding, table) == ("holds", "instant-ngp 3.50; mixvoxels 0.50")


def test_a_finding_looks_at_the_view_set_it_names() -> None:
    train = [row | {"view_set": "train", "psnr_y_db": 50.0} for row in coded("mixvoxels", CODED)]
    table = [*train, *coded("mixvoxels", CODED)]
    assert verdict(scene_finding("loses-after", above=1.0), table)[1] == "loses mixvoxels 4.90"


def test_a_finding_on_a_point_that_is_not_there_is_undecided() -> None:
    finding = scene_finding("loses-until", below=0.5)
    assert verdict(finding, coded("mixvoxels", CODED)[:2] + coded("mixvoxels", CODED)[3:]) == (
        "undecided",
        "mixvoxels has 0 points *_qp-38; one is needed",
    )
