"""Bjøntegaard deltas as plain worksheet formulas over the points on a sheet.

A curve is laid out once per metric, a row per knot, from left to right: quality in the order of
rising rate, distance to the next knot, secant, slope, the two higher Hermite coefficients, and the
integral from the first knot. A comparison then needs these integrals of both curves at the two ends
of the common range only. The second method, one cubic polynomial per curve, is fitted with
orthogonal polynomials of the centred qualities, and integrated by Simpson's rule, which is exact
for it.

Every cell stands with the value of the same arithmetic in Python. Where an edited point leaves no
number, the cells say why, with the words of :mod:`invrbench.compare.bd`, and ``inserted-point``
where a row was inserted among a curve's points: there are no knots for it.

Source: log10 rate over quality, integrated over the common range: VCEG-M33; piecewise cubic with
the slopes of F. N. Fritsch and J. Butland, SIAM J. Sci. Stat. Comput. 5 (1984), and three-point
slopes at the ends, as in C. Moler, Numerical Computing with MATLAB, chapter 3, and in SciPy;
orthogonal polynomials: G. E. Forsythe, J. SIAM 5 (1957).
"""

from dataclasses import dataclass, fields

from invrbench.compare.bd import FLAT_SHARE
from invrbench.report.sheets.formula import (
    Pen,
    Range,
    Term,
    absolute,
    both,
    call,
    constant,
    either,
    largest,
    log10,
    quoted,
    sign,
    smallest,
    ten_to,
    when,
)

RATE_HEADS = ("rate", "log10")
KNOT_HEADS = ("quality", "step", "secant", "slope", "square", "cube", "integral", "check")
CUBIC_HEADS = ("P1", "P2", "P3", "mean a1 b1", "a2 b2", "c0 … c3")
PAIR_HEADS = ("overlap", "ends, check", "knot", "offset", "integral")
PAIR_LINE_HEADS = (
    "low", "high", "check",
    *(f"{what}, {curve} at {end}" for what in ("knot", "offset", "integral")
      for end in ("low", "high") for curve in ("reference", "tested")),
)  # fmt: skip
CUBIC_PAIR_HEADS = ("reference", "tested")
Place = tuple[int, int]
OK = "ok"


@dataclass(frozen=True)
class Rates:
    """A curve's rates as points stand on the sheet, the same in rising order, and their log10."""

    points: Range
    rising: Range
    logs: Range


@dataclass(frozen=True)
class Knots:
    """A curve's pieces by one metric; ``check`` is one cell: "ok", or why there is no curve."""

    log_rate: Range
    quality: Range
    step: Range
    slope: Range
    square: Range
    cube: Range
    integral: Range
    check: Range

    def seen_from_elsewhere(self, sheet: str) -> "Knots":
        """The same cells, of a sheet of this name, in formulas of another sheet."""
        ranges: dict[str, Range] = {each.name: getattr(self, each.name) for each in fields(self)}
        return Knots(**{name: each.seen_from_elsewhere(sheet) for name, each in ranges.items()})


@dataclass(frozen=True)
class Polynomial:
    """A curve's one cubic: recurrence and coefficients of the orthogonal polynomials, as cells."""

    mean: Term
    a1: Term
    b1: Term
    a2: Term
    b2: Term
    coefficients: Range

    def at(self, quality: Term) -> Term:
        """log10 rate at a quality."""
        c0, c1, c2, c3 = (self.coefficients[index] for index in range(4))
        u = quality - self.mean
        second = (u - self.a1) * u - self.b1
        third = (u - self.a2) * second - self.b2 * u
        return c0 + c1 * u + c2 * second + c3 * third


@dataclass(frozen=True)
class PairPlaces:
    """Where the cells of a comparison stand: knots, offsets and integrals in the order of
    reference and tested at the low end, reference and tested at the high end.
    """

    overlap: Place
    low: Place
    high: Place
    check: Place
    knots: tuple[Place, ...]
    offsets: tuple[Place, ...]
    integrals: tuple[Place, ...]

    @classmethod
    def block(cls, row: int, column: int) -> "PairPlaces":
        """In four rows and as many columns as ``PAIR_HEADS``."""
        low, high, check = ((row + offset, column + 1) for offset in range(3))
        knots, offsets, integrals = (
            tuple((row + offset, column + 2 + index) for offset in range(4)) for index in range(3)
        )
        return cls((row, column), low, high, check, knots, offsets, integrals)

    @classmethod
    def line(cls, row: int, column: int, *, overlap: int) -> "PairPlaces":
        """In one row and the columns of ``PAIR_LINE_HEADS``; the overlap in a column of its own."""
        low, high, check, *rest = ((row, column + offset) for offset in range(15))
        knots, offsets, integrals = (tuple(rest[start : start + 4]) for start in (0, 4, 8))
        return cls((row, overlap), low, high, check, knots, offsets, integrals)


@dataclass(frozen=True)
class Pair:
    """A comparison laid out: cells of overlap, ends and check, and the formula of the BD-rate."""

    overlap: Term
    low: Term
    high: Term
    check: Term
    bd_rate: Term


def lay_rates(pen: Pen, row: int, column: int, points: Range) -> Rates:
    """Write a curve's rates in rising order and their log10: two columns.

    Args:
        pen: of the sheet.
        row: of the first knot.
        column: of the first of the two.
        points: rates as the points stand on the sheet, in any order.
    """
    rising = pen.down(row, column, [points.smallest(k + 1) for k in range(len(points))])
    logs = pen.down(row, column + 1, [log10(rising[k]) for k in range(len(points))])
    return Rates(points, rising, logs)


def lay_knots(
    pen: Pen,
    place: Place,
    rates: Rates,
    qualities: Range,
    *,
    falling: bool = False,
    ceiling: float | None = None,
) -> Knots:
    """Write a curve's pieces by one metric: the columns of ``KNOT_HEADS``.

    Args:
        pen: of the sheet.
        place: row and column of the first knot.
        rates: of the same points, in the same rows as the qualities.
        qualities: as the points stand on the sheet; four or more, rising with the rate.
        falling: whether the metric falls as pictures get better; its qualities are negated.
        ceiling: quality from which on the metric cannot rise.
    """
    row, column = place
    count = len(rates.rising)

    def quality(k: int) -> Term:
        found = qualities.pick(rates.points.find(rates.rising[k], sorted_up=False))
        return constant(0) - found if falling else found

    x = pen.down(row, column, [quality(k) for k in range(count)])
    y = rates.logs
    gaps = range(count - 1)
    step = pen.down(row, column + 1, [x[k + 1] - x[k] for k in gaps])
    secant = pen.down(row, column + 2, [(y[k + 1] - y[k]) / step[k] for k in gaps])
    slope = pen.down(row, column + 3, _slopes(step, secant))
    squares = [constant(3) * secant[k] - constant(2) * slope[k] - slope[k + 1] for k in gaps]
    square = pen.down(row, column + 4, squares)
    cubes = [slope[k] + slope[k + 1] - constant(2) * secant[k] for k in gaps]
    cube = pen.down(row, column + 5, cubes)

    def area(k: int, above: Term | None) -> Term:
        if above is None:
            return constant(0)
        k -= 1
        mean = y[k] + step[k] * (slope[k] / 2 + square[k] / 3 + cube[k] / 4)
        return above + step[k] * mean

    integral = pen.running(row, column + 6, count, area)
    check = pen.down(row, column + 7, [_check(rates, qualities, x, ceiling)])
    return Knots(y, x, step, slope, square, cube, integral, check)


def _slopes(step: Range, secant: Range) -> list[Term]:
    """Slopes at the knots: weighted harmonic means inside, three-point slopes at the ends."""
    first = _end_slope(step[0], step[1], secant[0], secant[1])
    last = _end_slope(step[-1], step[-2], secant[-1], secant[-2])
    inner = []
    for k in range(1, len(step)):
        (h0, h1), (m0, m1) = (step[k - 1], step[k]), (secant[k - 1], secant[k])
        weighted = (2 * h1 + h0) / m0 + (h1 + 2 * h0) / m1
        mean = constant(3) * (h0 + h1) / weighted
        inner.append(when((m0 * m1).at_most(0), constant(0), mean))
    return [first, *inner, last]


def _end_slope(h0: Term, h1: Term, m0: Term, m1: Term) -> Term:
    """The slope of a parabola through three knots, limited so that the piece stays monotone."""
    slope = ((2 * h0 + h1) * m0 - h0 * m1) / (h0 + h1)
    steep = both(sign(m0).differs(sign(m1)), absolute(slope).above(constant(3) * absolute(m0)))
    limited = when(steep, constant(3) * m0, slope)
    return when(sign(slope).differs(sign(m0)), constant(0), limited)


def _check(rates: Rates, qualities: Range, x: Range, ceiling: float | None) -> Term:
    """The reason for which the points, as they stand, make no curve."""
    count = len(x)
    held = sum(isinstance(v, int | float) for v in (*rates.points.values, *qualities.values))
    present = call("COUNT", rates.points, qualities, value=held)
    missing = present.below(2 * count)
    inserted = present.above(2 * count)  # with a row, for which there is no knot
    infinite = rates.points.minimum().at_most(0)
    rising = rates.rising
    twins = rising.part(1, count).count_where("=", rising.part(0, count - 1)).above(0)
    falls = x.part(1, count).count_where("<=", x.part(0, count - 1)).above(0)
    below = x.part(1, count - 1).count_where("<=", x.part(0, count - 2)).below(1)
    spread = (x.maximum() - x.minimum()) * FLAT_SHARE
    flat = both(below, absolute(x[-1] - x[-2]).at_most(spread))
    if ceiling is not None:
        flat = either(flat, both(x[-2].at_least(ceiling), x[-1].at_least(ceiling)))
    reasons = (
        (missing, "missing-point"), (inserted, "inserted-point"), (infinite, "not-finite"),
        (twins, "duplicate-point"), (flat, "saturated"), (falls, "non-monotone"),
    )  # fmt: skip
    check = quoted(OK)
    for condition, reason in reversed(reasons):
        check = when(condition, quoted(reason), check)
    return check


def lay_pair(
    pen: Pen, places: PairPlaces, anchor: Knots, test: Knots, *, overlap_pen: Pen | None = None
) -> Pair:
    """Write what a comparison needs beside its two curves.

    Args:
        pen: of the sheet.
        places: where the cells go.
        anchor, test: laid out on this sheet or another.
        overlap_pen: of the cell of the overlap, where that is no working; None: ``pen``.
    """
    low = pen.at(*places.low, largest(anchor.quality[0], test.quality[0]))
    high = pen.at(*places.high, smallest(anchor.quality[-1], test.quality[-1]))
    apart = when(high.at_most(low), quoted("no-overlap"), quoted(OK))
    for curve in (test, anchor):
        is_bad = curve.check[0].differs(quoted(OK))
        apart = when(is_bad, curve.check[0], apart)
    check = pen.at(*places.check, apart)
    fine = check.differs(quoted(OK))
    covered = (high - low) / (test.quality[-1] - test.quality[0])
    overlap = (overlap_pen or pen).at(*places.overlap, when(fine, check, covered))
    areas = []
    for index, (curve, end) in enumerate(
        ((anchor, low), (test, low), (anchor, high), (test, high))
    ):
        last = constant(len(curve.quality) - 1)
        knot = smallest(curve.quality.find(end, sorted_up=True), last)
        knot = pen.at(*places.knots[index], knot)
        offset = (end - curve.quality.pick(knot)) / curve.step.pick(knot)
        offset = pen.at(*places.offsets[index], offset)
        areas.append(pen.at(*places.integrals[index], _area(curve, knot, offset)))
    anchor_low, test_low, anchor_high, test_high = areas
    mean = (test_high - test_low - (anchor_high - anchor_low)) / (high - low)
    return Pair(overlap, low, high, check, when(fine, check, ten_to(mean) - 1))


def _area(curve: Knots, knot: Term, offset: Term) -> Term:
    """The integral of a curve from its first knot to a point behind a knot, 0 … 1 of a step."""
    step = curve.step.pick(knot)
    bend = curve.square.pick(knot) / 3 + offset * (curve.cube.pick(knot) / 4)
    slope = curve.slope.pick(knot) / 2 + offset * bend
    mean = curve.log_rate.pick(knot) + step * offset * slope
    return curve.integral.pick(knot) + step * offset * mean


def lay_polynomial(pen: Pen, row: int, column: int, logs: Range, quality: Range) -> Polynomial:
    """Write the least-squares cubic of a curve: the columns of ``CUBIC_HEADS``.

    Args:
        pen: of the sheet.
        row: of the first knot.
        column: of the first of the columns.
        logs: log10 of the rates, rising.
        quality: at these rates.
    """
    knots = range(len(quality))
    mean = pen.at(row, column + 3, quality.mean())
    p1 = pen.down(row, column, [quality[k] - mean for k in knots])
    a1 = pen.at(row + 1, column + 3, p1.times(p1, p1) / p1.squares())
    b1 = pen.at(row + 2, column + 3, p1.squares() / len(quality))
    p2 = pen.down(row, column + 1, [(p1[k] - a1) * p1[k] - b1 for k in knots])
    a2 = pen.at(row, column + 4, p1.times(p2, p2) / p2.squares())
    b2 = pen.at(row + 1, column + 4, p2.squares() / p1.squares())
    p3 = pen.down(row, column + 2, [(p1[k] - a2) * p2[k] - b2 * p1[k] for k in knots])
    fitted = [logs.times(each) / each.squares() for each in (p1, p2, p3)]
    coefficients = pen.down(row, column + 5, [logs.mean(), *fitted])
    return Polynomial(mean, a1, b1, a2, b2, coefficients)


def lay_cubic_pair(
    pen: Pen, row: int, column: int, pair: Pair, anchor: Polynomial, test: Polynomial
) -> Term:
    """Write both cubics at the ends and the middle of the common range: two columns.

    Returns:
        The formula of the BD-rate.
    """
    middle = (pair.low + pair.high) / 2
    values = []
    for index, curve in enumerate((anchor, test)):
        terms = [curve.at(quality) for quality in (pair.low, middle, pair.high)]
        values.append(pen.down(row, column + index, terms))
    a, t = values
    total = t[0] + constant(4) * t[1] + t[2] - (a[0] + constant(4) * a[1] + a[2])
    return when(pair.check.differs(quoted(OK)), pair.check, ten_to(total / 6) - 1)
