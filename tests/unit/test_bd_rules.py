"""When two curves give a number, when a share and when a reason."""

import math
import warnings

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from invrbench.compare.bd import CEILINGS, METHODS, bd, read_curve
from invrbench.errors import CompareError

ANCHOR = [(100.0, 30.0), (200.0, 33.0), (400.0, 36.0), (800.0, 39.0)]


def moved(curve, *, rate=1.0, quality=0.0):
    return [(r * rate, q + quality) for r, q in curve]


def code(result):
    assert result.status == "none"
    assert result.bd_rate_percent is None
    assert result.bd_quality is None
    return result.reason.split(":")[0]


@st.composite
def curves(draw):
    count = draw(st.integers(4, 7))
    steps = st.floats(0.05, 1.5)
    rate, quality, curve = draw(st.floats(1, 1e5)), draw(st.floats(20, 45)), []
    for _ in range(count):
        curve.append((rate, quality))
        rate *= 1 + draw(steps)
        quality += draw(steps)
    return curve


@given(curve=curves(), method=st.sampled_from(METHODS))
@settings(max_examples=60, deadline=None)
def test_a_curve_against_itself_is_exactly_zero(curve, method):
    result = bd(curve, curve, method)
    assert (result.bd_rate_percent, result.bd_quality, result.overlap) == (0.0, 0.0, 1.0)


@given(curve=curves(), method=st.sampled_from(METHODS))
@settings(max_examples=60, deadline=None)
def test_ten_percent_more_rate_everywhere_is_ten_percent(curve, method):
    result = bd(curve, moved(curve, rate=1.1), method)
    tolerance = 1e-4 if method == "cubic" else 1e-8  # a polynomial fit is badly conditioned
    assert result.bd_rate_percent == pytest.approx(10.0, abs=tolerance)


@given(first=curves(), second=curves(), method=st.sampled_from(["pchip", "akima"]))
@settings(max_examples=60, deadline=None)
def test_swapping_the_curves_gives_the_reciprocal_rate(first, second, method):
    there, back = bd(first, second, method), bd(second, first, method)
    assert (there.bd_rate_percent is None) == (back.bd_rate_percent is None)
    if there.bd_rate_percent is not None:
        share = there.bd_rate_percent / 100
        assert back.bd_rate_percent / 100 == pytest.approx(-share / (1 + share), rel=1e-6)


@given(
    anchor=st.lists(st.tuples(st.floats(), st.floats() | st.none()), max_size=7),
    test=st.lists(st.tuples(st.floats(), st.floats() | st.none()), max_size=7),
    method=st.sampled_from(METHODS),
)
@settings(max_examples=300, deadline=None)
def test_no_points_whatever_raise_or_warn_and_numbers_are_finite(anchor, test, method):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = bd(anchor, test, method)
    if result.status == "none":
        assert result.reason
        assert result.bd_rate_percent is None
    else:
        assert math.isfinite(result.bd_rate_percent)


def test_the_order_of_points_does_not_matter():
    shuffled = [ANCHOR[2], ANCHOR[0], ANCHOR[3], ANCHOR[1]]
    test = moved(ANCHOR, rate=0.8)
    assert bd(shuffled, test[::-1]) == bd(ANCHOR, test)


def test_a_wider_anchor_sweep_leaves_the_overlap_whole():
    wide = [(25.0, 24.0), (50.0, 27.0), *ANCHOR, (1600.0, 42.0), (3200.0, 45.0)]
    result = bd(wide, moved(ANCHOR, rate=1.2))
    assert result.status == "ok"
    assert result.overlap == 1.0
    assert result.bd_rate_percent == pytest.approx(20.0, abs=0.5)


def test_a_test_curve_that_is_covered_for_two_thirds_is_partial_and_keeps_its_number():
    result = bd(ANCHOR, moved(ANCHOR, quality=-3.0))
    assert result.status == "partial"
    assert result.overlap == pytest.approx(2 / 3)
    assert result.reason == ("partial-overlap: the anchor covers 67 % of the test's quality range")
    assert result.bd_rate_percent == pytest.approx(100.0)  # 3 dB are one doubling here
    assert result.bd_quality == pytest.approx(-3.0)


def test_no_overlap_says_which_anchor_qp_to_add():
    below, above = bd(ANCHOR, moved(ANCHOR, quality=-20)), bd(ANCHOR, moved(ANCHOR, quality=20))
    assert code(below) == code(above) == "no-overlap"
    assert below.overlap == above.overlap == 0.0
    assert "higher QP" in below.reason
    assert "lower QP" in above.reason


def test_curves_that_touch_in_one_quality_do_not_overlap():
    assert code(bd(ANCHOR, moved(ANCHOR, quality=9.0))) == "no-overlap"


def test_lpips_falls_as_pictures_get_better_and_a_saving_stays_negative():
    falling = [(r, 1 - q / 50) for r, q in ANCHOR]
    rising = bd(ANCHOR, moved(ANCHOR, rate=0.9))
    result = bd(falling, moved(falling, rate=0.9), falling=True)
    assert result.bd_rate_percent == pytest.approx(-10.0)
    assert result.bd_rate_percent == pytest.approx(rising.bd_rate_percent)
    assert result.bd_quality > 0


def test_quality_is_left_out_where_no_rate_is_common():
    result = bd(ANCHOR, moved(ANCHOR, rate=100.0))
    assert result.status == "ok"
    assert result.bd_quality is None
    assert result.reason.startswith("no-common-rate")
    assert result.bd_rate_percent == pytest.approx(9900.0)
    partly = bd(ANCHOR, moved(ANCHOR, rate=100.0, quality=-3.0))
    assert [each.split(":")[0] for each in partly.reason.split("; ")] == [
        "partial-overlap",
        "no-common-rate",
    ]


@pytest.mark.parametrize(
    ("points", "expected"),
    [
        (ANCHOR[:3], "fewer-than-4-points"),
        ([], "fewer-than-4-points"),
        ([*ANCHOR[:3], (800.0, None)], "missing-point"),
        ([*ANCHOR[:3], (800.0, math.nan)], "missing-point"),
        ([*ANCHOR[:3], (800.0, math.inf)], "not-finite"),
        ([(0.0, 28.0), *ANCHOR], "not-finite"),
        ([(-5.0, 28.0), *ANCHOR], "not-finite"),
        ([*ANCHOR, (math.inf, 42.0)], "not-finite"),
        ([*ANCHOR, ANCHOR[1]], "duplicate-point"),
        ([*ANCHOR, (200.0, 34.0)], "duplicate-point"),
        ([(100.0, 30.0), (200.0, 29.0), (400.0, 36.0), (800.0, 39.0)], "non-monotone"),
        ([*ANCHOR, (1600.0, 38.0)], "non-monotone"),
        ([(100.0, 30.0), (200.0, 30.0), (400.0, 36.0), (800.0, 39.0)], "non-monotone"),
        ([*ANCHOR, (1600.0, 39.0)], "saturated"),
        ([*ANCHOR, (1600.0, 39.005)], "saturated"),
        ([*ANCHOR, (1600.0, 38.999)], "saturated"),
    ],
)
def test_a_curve_that_cannot_be_compared_has_a_reason_on_either_side(points, expected):
    assert code(bd(points, ANCHOR)) == expected
    assert code(bd(ANCHOR, points)) == expected
    assert "anchor" in bd(points, ANCHOR).reason
    assert "test" in bd(ANCHOR, points).reason


def test_a_curve_with_fewer_points_than_expected_misses_one():
    result = bd(ANCHOR, ANCHOR, expected_test=5)
    assert result.reason == "missing-point: test has 4 of 5 points"
    assert code(result) == "missing-point"


def test_two_points_at_vmafs_ceiling_saturate_and_one_does_not():
    vmaf = [(100.0, 60.0), (200.0, 80.0), (400.0, 95.0), (800.0, 99.6)]
    assert bd(vmaf, vmaf, ceiling=CEILINGS["vmaf"]).status == "ok"
    assert code(bd([*vmaf, (1600.0, 99.9)], vmaf, ceiling=CEILINGS["vmaf"])) == "saturated"


def test_an_unknown_method_names_the_known_ones():
    with pytest.raises(CompareError, match="pchip, akima, cubic"):
        bd(ANCHOR, ANCHOR, "linear")


def test_a_curve_is_read_from_a_table_with_more_columns(tmp_path):
    table = tmp_path / "curve.tsv"
    table.write_text("# AVC\nqp\trate\tquality\n22\t800\t39\n\n27\t400\t36.5\n32\t200\t\n")
    points = read_curve(table)
    assert points[:2] == ((800.0, 39.0), (400.0, 36.5))
    assert points[2][0] == 200.0
    assert math.isnan(points[2][1])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rate\tpsnr\n1\t2\n", "no column 'quality'; its first line names rate, psnr"),
        ("", "no column 'rate'; its first line names nothing"),
        ("rate\tquality\n1\t2\n2\t1 dB\n", "line 3: quality is '1 dB', not a number"),
    ],
)
def test_a_table_that_is_no_curve_is_refused_with_a_sentence(tmp_path, text, message):
    table = tmp_path / "curve.tsv"
    table.write_text(text)
    with pytest.raises(CompareError, match=message):
        read_curve(table)


def test_a_table_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(CompareError, match=r"absent\.tsv: cannot be read"):
        read_curve(tmp_path / "absent.tsv")
