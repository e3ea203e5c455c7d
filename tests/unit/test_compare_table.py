"""points.tsv and bd.tsv: numbers from outside, and reasons wherever there is none."""

import math
from pathlib import Path
from typing import Any

import pytest
from invrbench.compare.curves import group_curves, is_number, normalised
from invrbench.compare.table import (
    BD_COLUMNS,
    OVERALL,
    STRONGEST,
    add_rate_vs_anchor,
    bd_rows,
    point_columns,
    read_points,
    short_reason,
    write_table,
)
from invrbench.errors import RecordError
from report_points import curve, point, points

BUNNY, BIKES = "bunny-mini@0+32", "bikes-mini@76+32"
PSNR = ("psnr_y_db",)


def rows_of(rows: list[dict[str, Any]], **wanted: Any) -> list[dict[str, Any]]:
    wanted = {"method": "pchip", "metric": "psnr_y_db"} | wanted
    return [row for row in rows if all(row[name] == value for name, value in wanted.items())]


def one(rows: list[dict[str, Any]], **wanted: Any) -> dict[str, Any]:
    found = rows_of(rows, **wanted)
    assert len(found) == 1, found
    return found[0]


def line(codec: str, pairs: list[tuple[float, float]], **fields: Any) -> list[dict[str, Any]]:
    return [
        point(
            "S",
            codec,
            f"p{index}",
            bpp=rate,
            rate_kbps=100 * rate,
            psnr_y_db=quality,
            **fields,
        )
        for index, (rate, quality) in enumerate(pairs)
    ]


def anchor(codec: str, pairs: list[tuple[float, float]], **fields: Any) -> list[dict[str, Any]]:
    return line(codec, pairs, **({"role": "anchor", "configuration": "ld"} | fields))


# VCEG-M33's example, as computed with scipy's pchip, akima and numpy's polyfit
M33_ANCHOR = [(90.33, 27.95), (181.03, 31.17), (332.99, 34.44), (547.79, 38.11)]
M33_TEST = [(127.1719, 29.9286), (186.14, 32.4165), (307.2924, 34.7013), (481.5588, 37.4561)]


def test_the_example_of_vceg_m33_has_its_three_values() -> None:
    rows = bd_rows(normalised(anchor("a", M33_ANCHOR) + line("t", M33_TEST)), metrics=PSNR)
    for method, rate, quality in (
        ("pchip", -13.29252411, 0.80913204),
        ("akima", -13.34347319, 0.80763843),
        ("cubic", -13.26177299, 0.80071318),
    ):
        row = one(rows, test="t", sequence="S", method=method)
        assert row["bd_rate_percent"] == pytest.approx(rate, abs=1e-7)
        assert row["bd_quality"] == pytest.approx(quality, abs=1e-7)


def test_an_anchor_against_itself_is_exactly_zero() -> None:
    rows = bd_rows(normalised(points()), metrics=PSNR)
    itself = [row for row in rows if row["test"] == row["anchor"] and row["sequence"]]
    assert len(itself) == 4 * 4 * 3
    assert {row["bd_rate_percent"] for row in itself} == {0.0}


def test_falling_metrics_count_the_right_way_round() -> None:
    rows = bd_rows(normalised(points()), metrics=("lpips",))
    row = one(rows, metric="lpips", test="vvc", anchor="avc", sequence=BUNNY)
    assert row["bd_rate_percent"] < -20


def clips() -> list[dict[str, Any]]:
    return [each for each in points() if each["class"] == "clip"]


def _failed(rows: list[dict[str, Any]]) -> None:
    curve(rows, BUNNY, "ffnerv")[1].update(status="failed", reason="exit 1", psnr_y_db=None)


def _missing(rows: list[dict[str, Any]]) -> None:
    for each in curve(rows, BUNNY, "hevc"):
        each.update(status="missing", reason="source not on this machine", psnr_y_db=None)


def _stale(rows: list[dict[str, Any]]) -> None:
    curve(rows, BUNNY, "ffnerv")[0].update(status="stale", reason="other code")


def _lossless(rows: list[dict[str, Any]]) -> None:
    curve(rows, BUNNY, "hevc")[0].update(psnr_y_db=None, psnr_y_db_reason="lossless")


def _single(rows: list[dict[str, Any]]) -> None:
    for each in curve(rows, BUNNY, "ffnerv")[1:]:
        rows.remove(each)


def _no_overlap(rows: list[dict[str, Any]]) -> None:
    for each in curve(rows, BUNNY, "ffnerv"):
        each["psnr_y_db"] -= 15


def _nan(rows: list[dict[str, Any]]) -> None:
    curve(rows, BUNNY, "ffnerv")[2]["psnr_y_db"] = math.nan


def _infinite(rows: list[dict[str, Any]]) -> None:
    curve(rows, BUNNY, "ffnerv")[2]["psnr_y_db"] = math.inf


def _falling(rows: list[dict[str, Any]]) -> None:
    curve(rows, BUNNY, "ffnerv")[2]["psnr_y_db"] = 20.0


def _no_rate(rows: list[dict[str, Any]]) -> None:
    curve(rows, BUNNY, "ffnerv")[2].update(bpp=None, rate_kbps=None)


def _skipped(rows: list[dict[str, Any]]) -> None:
    for each in curve(rows, BUNNY, "ffnerv"):
        each.update(status="skipped", reason="4:2:0 only", psnr_y_db=None)


PATHOLOGIES = {
    _failed: "missing-point",
    _missing: "missing-point",
    _stale: "missing-point",
    _lossless: "lossless",
    _single: "fewer-than-4-points",
    _no_overlap: "no-overlap",
    _nan: "the record holds nan",
    _infinite: "the record holds inf",
    _falling: "non-monotone",
    _no_rate: "no-rate",
    _skipped: "skipped",
}


@pytest.mark.parametrize("spoil", PATHOLOGIES, ids=lambda spoil: spoil.__name__.strip("_"))
def test_a_pathological_curve_gets_its_reason_and_never_a_number(spoil: Any) -> None:
    raw = clips()
    spoil(raw)
    rows = bd_rows(normalised(raw), metrics=PSNR)
    row = one(rows, test="ffnerv", anchor="hevc", sequence=BUNNY)
    assert row["reason"].startswith(PATHOLOGIES[spoil])
    assert row["bd_rate_percent"] is None and row["bd_quality"] is None
    mean = one(rows, test="ffnerv", anchor="hevc", sequence="", **{"class": OVERALL},
               anchor_configuration=STRONGEST)  # fmt: skip
    assert (mean["n_used"], mean["n_total"]) == (1, 2)
    assert PATHOLOGIES[spoil] in mean["reason"]


@pytest.mark.parametrize("spoil", PATHOLOGIES, ids=lambda spoil: spoil.__name__.strip("_"))
def test_every_row_has_either_a_number_or_a_reason(spoil: Any) -> None:
    raw = clips()
    spoil(raw)
    for row in bd_rows(normalised(raw), metrics=PSNR):
        if row["status"] in ("ok", "partial"):
            assert is_number(row["bd_rate_percent"])
        else:
            assert row["bd_rate_percent"] is None and row["reason"]


def test_means_are_withheld_when_no_sequence_is_usable() -> None:
    raw = points()
    for sequence in (BUNNY, BIKES):
        curve(raw, sequence, "hnerv")[0]["status"] = "failed"
    rows = bd_rows(normalised(raw), metrics=PSNR)
    means = rows_of(rows, test="hnerv", sequence="")
    assert means and all(row["status"] == "withheld" for row in means)
    assert {row["bd_rate_percent"] for row in means} == {None}
    assert {row["reason"] for row in means} == {"0 of 2: missing-point"}


def test_a_partial_overlap_is_a_number_outside_the_means() -> None:
    raw = points()
    for each in curve(raw, BIKES, "ffnerv"):
        each["psnr_y_db"] -= 3.0
    rows = bd_rows(normalised(raw), metrics=PSNR)
    partial = one(rows, test="ffnerv", anchor="hevc", sequence=BIKES)
    assert partial["status"] == "partial" and is_number(partial["bd_rate_percent"])
    whole = one(rows, test="ffnerv", anchor="hevc", sequence=BUNNY)
    mean = one(rows, test="ffnerv", anchor="hevc", anchor_configuration="ld", **{"class": "clip"},
               sequence="")  # fmt: skip
    assert mean["bd_rate_percent"] == pytest.approx(whole["bd_rate_percent"])
    assert (mean["n_used"], mean["n_total"]) == (1, 2)
    assert mean["reason"] == "1 of 2: partial-overlap"


def test_overall_is_the_mean_over_sequences_and_not_over_classes() -> None:
    raw = []
    for name, group, share in (("A", "x", 1.1), ("B", "x", 1.2), ("C", "y", 1.6)):
        fields = {"sequence": name, "class": group}
        for part in (
            anchor("a", M33_ANCHOR, configuration="any"),
            line("t", [(rate * share, quality) for rate, quality in M33_ANCHOR]),
        ):
            raw += [each | fields for each in part]
    rows = bd_rows(normalised(raw), metrics=PSNR)
    overall = one(rows, test="t", sequence="", **{"class": OVERALL})
    assert overall["bd_rate_percent"] == pytest.approx((10 + 20 + 60) / 3)
    assert (overall["n_used"], overall["n_total"]) == (3, 3)


def test_a_sequence_without_the_anchor_counts_among_those_left_out() -> None:
    raw = []
    for name, codecs in (("A", "ab"), ("B", "a"), ("C", "")):
        parts = [anchor(codec, M33_ANCHOR) for codec in codecs]
        for part in (*parts, line("t", M33_ANCHOR)):
            raw += [each | {"sequence": name, "class": name.lower()} for each in part]
    rows = bd_rows(normalised(raw), metrics=PSNR)
    found = {
        row["anchor"]: (row["bd_rate_percent"], row["n_used"], row["n_total"], row["reason"])
        for row in rows_of(rows, test="t", anchor_configuration=STRONGEST, **{"class": OVERALL})
    }
    assert found == {"a": (0, 2, 3, "2 of 3: no-anchor"), "b": (0, 1, 3, "1 of 3: no-anchor")}
    one(rows, test="t", anchor="b", anchor_configuration=STRONGEST, **{"class": "a"})
    assert not rows_of(rows, test="t", anchor="b", **{"class": "b"})  # nothing to be the mean of


def test_names_that_begin_alike_are_not_mixed() -> None:
    raw = []
    for name, share in (("RaceHorses", 1.5), ("RaceHorsesC", 0.5)):
        for part in (
            anchor("a", M33_ANCHOR),
            line("t", [(rate * share, quality) for rate, quality in M33_ANCHOR]),
            line("t2", [(rate * 2, quality) for rate, quality in M33_ANCHOR]),
        ):
            raw += [each | {"sequence": name} for each in part]
    assert {len(each.points) for each in group_curves(normalised(raw))} == {4}
    rows = bd_rows(normalised(raw), metrics=PSNR)
    for name, percent in (("RaceHorses", 50), ("RaceHorsesC", -50)):
        row = one(rows, sequence=name, test="t")
        assert row["bd_rate_percent"] == pytest.approx(percent)


def test_a_codec_of_any_configuration_meets_every_configuration_and_the_strongest_leads() -> None:
    cheap = [(rate * 0.7, quality) for rate, quality in M33_ANCHOR]
    raw = anchor("a", M33_ANCHOR) + anchor("a", cheap, configuration="ra") + line("t", M33_TEST)
    checked = normalised(raw)
    rows = bd_rows(checked, metrics=PSNR)
    found = {
        row["anchor_configuration"]: row["bd_rate_percent"]
        for row in rows_of(rows, test="t", sequence="S")
    }
    assert set(found) == {"ld", "ra"} and found["ra"] > found["ld"]
    mean = one(rows, test="t", sequence="", **{"class": OVERALL}, anchor_configuration=STRONGEST)
    assert mean["bd_rate_percent"] == found["ra"]


def test_anchors_meet_anchors_of_the_same_configuration_only() -> None:
    raw = anchor("a", M33_ANCHOR) + anchor("b", M33_TEST, configuration="ra")
    rows = bd_rows(normalised(raw), metrics=PSNR)
    assert {(row["test"], row["anchor"]) for row in rows} == {("a", "a"), ("b", "b")}


def test_a_proposal_without_any_anchor_says_so() -> None:
    rows = bd_rows(normalised(line("t", M33_TEST)), metrics=PSNR)
    assert [(row["anchor"], row["status"]) for row in rows] == [("", "none")]
    assert rows[0]["reason"].startswith("no-anchor")


def test_controls_are_compared_with_nobody() -> None:
    rows = bd_rows(normalised(points()), metrics=PSNR)
    assert not {"store", "flat"} & {row[side] for row in rows for side in ("test", "anchor")}


def test_seeds_are_curves_of_their_own() -> None:
    raw = anchor("a", M33_ANCHOR)
    for seed in (0, 1, 2):
        raw += line("t", [(rate * (1 + seed / 10), q) for rate, q in M33_ANCHOR], seed=seed)
    rows = rows_of(bd_rows(normalised(raw), metrics=PSNR), test="t", sequence="S")
    found = {row["seed"]: round(row["bd_rate_percent"], 6) for row in rows}
    assert found == {"0": 0, "1": 10, "2": 20, "mean of 3": 10}


def test_a_published_curve_of_another_convention_is_drawn_only() -> None:
    fields = {"role": "published", "status": "published"}
    raw = anchor("a", M33_ANCHOR)
    raw += line("same", M33_TEST, **fields)
    raw += line("other", M33_TEST, **fields, reason="PSNR of the mean MSE")
    rows = bd_rows(normalised(raw), metrics=PSNR)
    assert one(rows, test="same", sequence="S")["bd_rate_percent"] < 0
    other = one(rows, test="other", sequence="S")
    assert other["reason"] == "drawn only: PSNR of the mean MSE"
    assert (other["status"], other["bd_rate_percent"]) == ("drawn only", None)


def test_a_published_curve_of_another_cut_joins_the_plot_and_no_comparison() -> None:
    raw = [each | {"cut": "0+32"} for each in anchor("a", M33_ANCHOR)]
    raw += line("paper", M33_TEST, role="published", status="published")
    checked = normalised(raw)
    assert {each.key.sequence for each in group_curves(checked)} == {"S@0+32"}
    row = one(bd_rows(checked, metrics=PSNR), test="paper", sequence="S@0+32")
    assert row["reason"] == "drawn only: all frames instead of 0+32"


def test_other_views_are_not_compared() -> None:
    raw = anchor("a", M33_ANCHOR, view_set="test") + line("t", M33_TEST, view_set="train")
    row = one(bd_rows(normalised(raw), metrics=PSNR), test="t", sequence="S")
    assert row["reason"] == "other-views: no anchor renders train views"
    assert short_reason(row) == "no anchor renders train views"


def test_an_anchor_of_other_views_is_named_beside_one_of_the_same() -> None:
    raw = anchor("a", M33_ANCHOR, view_set="test") + anchor("b", M33_ANCHOR, view_set="train")
    raw += line("t", M33_TEST, view_set="train")
    rows = [row for row in bd_rows(normalised(raw), metrics=PSNR) if row["test"] == "t"]
    reasons = {row["anchor"]: row["reason"] for row in rows if row["sequence"]}
    assert reasons == {"a": "other-views: train against test", "b": ""}


def test_an_anchor_that_renders_all_views_is_compared_once_by_those_of_the_tested_curve() -> None:
    raw: list[dict[str, Any]] = []
    for views, share in (("train", 0.5), ("test", 0.8), ("middle", 0.9)):
        cheaper = [(rate * share, quality) for rate, quality in M33_ANCHOR]
        raw += line("t", cheaper, view_set=views)
    for views in ("train", "test"):
        raw += anchor("a", M33_ANCHOR, view_set=views)
    rows = rows_of(bd_rows(normalised(raw), metrics=PSNR), test="t")
    found = {row["view_set"]: row["bd_rate_percent"] for row in rows if row["sequence"]}
    assert found == {"train": pytest.approx(-50), "test": pytest.approx(-20), "middle": None}
    overall = [row for row in rows if row["class"] == OVERALL and row["view_set"] != "middle"]
    assert {(row["n_used"], row["n_total"]) for row in overall} == {(1, 1)}
    assert {row["anchor_configuration"] for row in overall} == {"ld", STRONGEST}


def test_rate_vs_anchor_is_the_ratio_of_rates_at_equal_quality() -> None:
    # log rate is linear in quality, so that pchip is exact: 2 ** (quality / 3)
    pairs = [(2 ** (quality / 3), quality) for quality in (30.0, 33.0, 36.0, 39.0)]
    raw = normalised(anchor("a", pairs) + line("t", [(3 * 2 ** (34.5 / 3), 34.5)]))
    add_rate_vs_anchor(raw, bd_rows(raw, metrics=PSNR), ("a", "psnr_y_db"))
    assert raw[-1]["rate_vs_anchor_percent"] == pytest.approx(300)
    assert {round(each["rate_vs_anchor_percent"], 9) for each in raw[:-1]} == {100}


@pytest.mark.parametrize(
    ("quality", "reason"),
    [(20.0, "below the anchor's range"), (45.0, "above the anchor's range"), (None, "lossless")],
)
def test_rate_vs_anchor_outside_the_anchors_range_is_empty_with_a_reason(
    quality: float | None, reason: str
) -> None:
    tested = point("S", "t", "p", bpp=100.0, psnr_y_db=quality, psnr_y_db_reason="lossless")
    raw = normalised([*anchor("a", M33_ANCHOR), tested])
    add_rate_vs_anchor(raw, bd_rows(raw, metrics=PSNR), ("a", "psnr_y_db"))
    assert raw[-1]["rate_vs_anchor_percent"] is None
    assert raw[-1]["rate_vs_anchor_reason"] == reason


def test_a_table_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    raw = normalised(points())
    path = tmp_path / "points.tsv"
    write_table(path, raw, point_columns(raw))
    assert b"\r" not in path.read_bytes()
    again = read_points(path)
    assert len(again) == len(raw)
    assert again[0]["psnr_y_db"] == pytest.approx(raw[0]["psnr_y_db"], abs=1e-6)
    assert again[0]["bitstream_bytes"] == raw[0]["bitstream_bytes"]
    assert again[0]["reason"] is None
    write_table(tmp_path / "again.tsv", again, point_columns(again))
    assert (tmp_path / "again.tsv").read_bytes() == path.read_bytes()


def test_a_table_refuses_what_is_no_number(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="bd_rate_percent holds nan"):
        write_table(tmp_path / "bd.tsv", [{"bd_rate_percent": math.nan}], BD_COLUMNS)


def test_a_zero_has_no_sign_and_a_line_break_no_line(tmp_path: Path) -> None:
    rows = [{"bd_rate_percent": -1e-9, "reason": "two\nlines\tand a tab"}]
    write_table(tmp_path / "bd.tsv", rows, ("bd_rate_percent", "reason"))
    assert (tmp_path / "bd.tsv").read_text().splitlines()[1] == "0.0000\ttwo lines and a tab"


def test_another_table_is_refused_as_points(tmp_path: Path) -> None:
    path = tmp_path / "points.tsv"
    path.write_text("rate\tquality\n1\t2\n")
    with pytest.raises(RecordError, match=r"points\.tsv: no table of points"):
        read_points(path)


def test_a_data_frame_is_as_good_as_a_list_of_rows() -> None:
    pandas = pytest.importorskip("pandas")
    raw = points()
    frame = pandas.DataFrame(raw)
    assert bd_rows(normalised(frame), metrics=PSNR) == bd_rows(normalised(raw), metrics=PSNR)
