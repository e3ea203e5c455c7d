"""BD-rate and BD-quality against published values and values of independent recomputation."""

import pytest
from invrbench.compare.bd import bd

# Each curve: rates, qualities. Expected: method → (BD-rate in percent, BD-quality or None).
M33 = (
    ([90.33, 181.03, 332.99, 547.79], [27.95, 31.17, 34.44, 38.11]),
    ([127.1719, 186.14, 307.2924, 481.5588], [29.9286, 32.4165, 34.7013, 37.4561]),
)
ETRO9 = (
    (
        [2.99899, 1.99884, 1.49673, 0.99707, 0.745941, 0.596436, 0.495148, 0.29425, 0.244049],
        [48.6681, 43.8357, 41.3982, 38.0124, 35.5122, 33.8673, 32.6658, 29.4505, 28.484],
    ),
    (
        [2.997253, 1.968292, 1.472565, 0.994965, 0.748871, 0.58902, 0.499176, 0.296753, 0.249634],
        [48.5637, 43.7318, 41.2727, 38.0001, 35.6375, 33.9057, 32.8318, 29.6851, 28.8244],
    ),
)
E137A = (
    ([108048.8736, 61279.976, 33905.6656, 18883.6928], [43.6471, 40.3953, 37.247, 34.2911]),
    ([108061.2784, 61299.9936, 33928.7472, 18910.912], [43.6768, 40.4232, 37.2761, 34.3147]),
)
E137B = (
    ([40433.8848, 7622.7456, 2394.488, 1017.6184], [37.5761, 35.3756, 33.8977, 32.0603]),
    ([40370.12, 7587.0024, 2390.0944, 1017.0984], [37.5982, 35.4025, 33.9194, 32.0822]),
)
FAU1 = (
    ([9487.76, 4593.60, 2486.44, 1358.24], [40.037, 38.615, 36.845, 34.851]),
    ([9787.80, 4469.00, 2451.52, 1356.24], [40.121, 38.651, 36.970, 34.987]),
)
FAU2 = (
    ([82472.76, 26875.24, 9487.76, 4593.6], [43.825, 41.404, 40.037, 38.615]),
    ([99896.96, 33952.04, 9787.8, 4469.0], [44.731, 41.875, 40.121, 38.651]),
)
FAU3 = (
    ([*FAU2[0][0], 3600, 2900], [*FAU2[0][1], 36.5, 35.1]),
    ([*FAU2[1][0], 4040, 3300], [*FAU2[1][1], 37, 36.5]),
)
FOREMAN = (
    ([686.76, 309.58, 157.11, 85.95], [40.28, 37.18, 34.24, 31.42]),
    ([893.34, 407.8, 204.93, 112.75], [40.39, 37.21, 34.17, 31.24]),
)
CROWD_RUN = (
    (
        [276122.50303, 83246.042424, 26857.018182, 10419.472727, 4133.248485, 1544.218182],
        [37.275387, 35.445471, 33.342892, 30.83319, 27.946319, 25.142578],
    ),
    (
        [301291.969697, 77529.412121, 23985.89697, 9371.781818, 3786.709091, 1402.454545],
        [37.653814, 35.702923, 33.7491, 31.39422, 28.660224, 25.829445],
    ),
)
B055_RATES = (
    [999.35, 1598.99, 2499.19, 3996.57, 5998.07],
    [997.34, 1588.50, 2493.93, 3999.06, 5980.18],
)
B055 = {
    "Y": ([33.01, 34.93, 36.69, 38.42, 39.79], [34.68, 36.64, 38.34, 39.99, 41.00]),
    "U": ([39.27, 40.08, 40.97, 41.83, 42.47], [40.11, 40.93, 41.80, 42.62, 43.27]),
    "V": ([40.32, 41.04, 41.89, 42.87, 43.66], [41.13, 41.96, 42.92, 43.93, 44.77]),
}

VECTORS = [
    ("VCEG-M33", M33, "cubic", -13.26177299, 0.80071318),
    ("VCEG-M33", M33, "pchip", -13.29252411, 0.80913204),
    ("VCEG-M33", M33, "akima", -13.34347319, 0.80763843),
    ("ETRO, 9 points", ETRO9, "cubic", -0.9034504836, 0.0722968449),
    ("ETRO, 9 points", ETRO9, "pchip", -0.8903727757, 0.0714913444),
    ("ETRO, 9 points", ETRO9, "akima", -0.9020385509, 0.0715144432),
    ("JCTVC-E137 a, Netflix test", E137A, "pchip", -0.465215420752807, None),
    ("JCTVC-E137 a", E137A, "cubic", -0.4644154200, None),
    ("JCTVC-E137 a", E137A, "akima", -0.4651203312, None),
    ("JCTVC-E137 b, Netflix test", E137B, "pchip", -1.8779823450567612, None),
    ("JCTVC-E137 b", E137B, "cubic", -1.9101686786, None),
    ("JCTVC-E137 b", E137B, "akima", -1.8651320008, None),
    ("VCEG-AE07 Foreman", FOREMAN, "cubic", 31.397374, -1.1848979218),
    ("VCEG-AE07 Foreman", FOREMAN, "pchip", 31.379878, None),
    ("FAU example 1", FAU1, "cubic", -4.4204627062, 0.1204094191),
    ("FAU example 1", FAU1, "pchip", -4.4174853506, 0.1196927854),
    ("FAU example 1", FAU1, "akima", -4.4252451570, 0.1194092703),
    ("FAU example 2", FAU2, "cubic", -4.6994375481, None),
    ("FAU example 2", FAU2, "pchip", -4.4721820028, None),
    ("FAU example 2", FAU2, "akima", -4.0857609404, None),
    ("FAU example 3, 6 points", FAU3, "cubic", -0.6392886208, None),
    ("FAU example 3, 6 points", FAU3, "pchip", -2.9528024116, None),
    ("FAU example 3, 6 points", FAU3, "akima", -2.5269201870, None),
    ("AVM CrowdRun, spreadsheet", CROWD_RUN, "pchip", -25.35434020671914, None),
]


def points(curve):
    return list(zip(*curve, strict=True))


@pytest.mark.parametrize(("name", "curves", "method", "rate", "quality"), VECTORS)
def test_deltas_equal_the_published_ones(name, curves, method, rate, quality):
    result = bd(points(curves[0]), points(curves[1]), method)
    assert result.status == "ok", name
    assert result.bd_rate_percent == pytest.approx(rate, abs=1e-6)
    if quality is not None:
        assert result.bd_quality == pytest.approx(quality, abs=1e-7)


@pytest.mark.parametrize(
    ("plane", "rate"), [("Y", -35.796289), ("U", -36.549939), ("V", -39.373024)]
)
def test_five_points_of_jctvc_b055_give_the_recomputed_pchip_rates(plane, rate):
    anchor, test = B055[plane]
    result = bd(points((B055_RATES[0], anchor)), points((B055_RATES[1], test)))
    assert result.bd_rate_percent == pytest.approx(rate, abs=1e-6)


def test_the_vceg_ae07_value_is_reached_within_its_rounded_inputs():
    result = bd(points(FOREMAN[0]), points(FOREMAN[1]), "cubic")
    assert result.bd_rate_percent == pytest.approx(31.397426, abs=1e-4)
    assert result.bd_quality == pytest.approx(-1.18489792, abs=1e-6)


def test_one_cubic_of_a_range_of_a_tenth_of_a_decibel_is_as_exact_as_in_fifty_digits():
    anchor = ([0.0331, 0.089, 0.1627, 0.2615, 0.414, 0.6197],
              [36.952, 39.8816, 42.3439, 43.4045, 45.8088, 48.1435])  # fmt: skip
    test = ([0.2014, 0.2175, 0.2306, 0.2478], [40.8605, 40.8758, 40.8967, 40.9319])
    # mpmath with 50 digits: normal equations, integrated as a polynomial
    result = bd(points(anchor), points(test), "cubic")
    assert result.bd_rate_percent == pytest.approx(93.345975856726082460694509756, rel=1e-11)
