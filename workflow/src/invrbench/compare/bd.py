"""Bjøntegaard delta rate and delta quality of two curves, with a reason where there is none.

A curve is a set of (rate, quality) points. Both curves are brought to log10(rate) over quality,
interpolated, and the difference is averaged over the qualities that both cover; nothing is
extrapolated. The library ``bjontegaard`` does the interpolation and integration:

* ``pchip``, piecewise cubic Hermite, the headline (JVET-T2010 and its spreadsheets),
* ``akima`` (Herglotz et al., ICIP 2022) and ``cubic`` (one least-squares polynomial of degree 3,
  VCEG-M33) to show how far the answer depends on it.

A comparison that cannot be made has a reason and no number. Reasons start with one of these codes;
after a colon follows what it is about:

``missing-point``           fewer points than expected, or one without a quality
``not-finite``              a rate or quality is infinite, or a rate is not positive
``fewer-than-4-points``     a curve with three points or less
``duplicate-point``         two points of one curve at the same rate
``saturated``               more rate no longer buys quality at the upper end, see `_is_saturated`
``non-monotone``            more rate gives less (or equal) quality elsewhere
``no-overlap``              no quality is reached by both curves
``partial-overlap``         the anchor covers less than 0.75 of the tested curve's quality range:
                            a number all the same, to be shown with its share and left out of means
``no-common-rate``          no rate is common to both: a BD-rate all the same, without BD-quality
"""

import csv
import io
import itertools
import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np

from invrbench.errors import CompareError

METHODS = ("pchip", "akima", "cubic")
MIN_POINTS = 4
MIN_OVERLAP = 0.75
# share of a curve's quality range below which a rise at its upper end counts as none
FLAT_SHARE = 1e-3
# by column: qualities that cannot rise any further (99.5: AVM CTC, CalcBDRate)
CEILINGS = {"vmaf": 99.5}

Status = Literal["ok", "partial", "none"]


# a rate (any unit) and a quality, None or NaN where it is undefined
RdPoint = tuple[float, float | None]


@dataclass(frozen=True)
class BdResult:
    """How a tested curve compares with an anchor.

    Attributes:
        bd_rate_percent: mean rate difference at equal quality in percent, negative where the
            tested codec saves rate; None exactly if ``status`` is "none".
        bd_quality: mean quality difference at equal rate in the metric's unit, positive where the
            tested codec is better (for LPIPS too); None also if no rate is common to both.
        overlap: share of the tested curve's quality range that the anchor covers, 0 … 1; None if
            a curve has no range.
        status: "ok"; "partial" for an overlap below 0.75; "none" for no number.
        reason: code and sentence, see the module; empty if both numbers are there and "ok".
    """

    bd_rate_percent: float | None
    bd_quality: float | None
    overlap: float | None
    status: Status
    reason: str = ""


_Curve = tuple[tuple[float, ...], tuple[float, ...]]


def bd(
    anchor: Sequence[RdPoint],
    test: Sequence[RdPoint],
    method: str = "pchip",
    *,
    falling: bool = False,
    ceiling: float | None = None,
    expected_anchor: int | None = None,
    expected_test: int | None = None,
) -> BdResult:
    """Compare two curves.

    Args:
        anchor: (rate, quality) points in any order.
        test: alike; their number may differ from the anchor's.
        method: "pchip", "akima" or "cubic".
        falling: whether the quality falls as pictures get better (LPIPS).
        ceiling: quality from which on the metric cannot rise whatever the codec does; see
            ``CEILINGS``.
        expected_anchor: how many points the anchor should have.
        expected_test: how many points the tested curve should have.

    Raises:
        CompareError: unknown method. Curves never raise.
    """
    if method not in METHODS:
        raise CompareError(f"BD method {method!r} is unknown; use {', '.join(METHODS)}.")
    sign = -1.0 if falling else 1.0
    curves: list[_Curve] = []
    for name, points, expected in (
        ("anchor", anchor, expected_anchor),
        ("test", test, expected_test),
    ):
        reason = _point_reason(name, points, expected)
        if not reason:
            curve = _sorted_curve(points, sign)
            reason = _shape_reason(name, curve, ceiling)
            curves.append(curve)
        if reason:
            return BdResult(None, None, None, "none", reason)
    return _compare(curves[0], curves[1], method)


def _point_reason(name: str, points: Sequence[RdPoint], expected: int | None) -> str:
    """Why single points forbid a comparison, or an empty text."""
    if expected is not None and len(points) < expected:
        return f"missing-point: {name} has {len(points)} of {expected} points"
    without = sum(
        quality is None or math.isnan(quality) or math.isnan(rate) for rate, quality in points
    )
    if without:
        return f"missing-point: {without} of {len(points)} {name} points have no value"
    for rate, quality in points:
        if not math.isfinite(rate) or rate <= 0:
            return f"not-finite: {name} has a point at rate {rate:g}"
        if quality is not None and math.isinf(quality):
            return f"not-finite: {name} has an infinite quality at rate {rate:g}"
    if len(points) < MIN_POINTS:
        return f"fewer-than-4-points: {name} has {len(points)}"
    return ""


def _sorted_curve(points: Sequence[RdPoint], sign: float) -> _Curve:
    """Rates and qualities by ascending rate; qualities rise as pictures get better."""
    pairs = sorted((float(rate), sign * float(quality or 0.0)) for rate, quality in points)
    return tuple(rate for rate, _ in pairs), tuple(quality for _, quality in pairs)


def _shape_reason(name: str, curve: _Curve, ceiling: float | None) -> str:
    """Why the shape of a curve forbids a comparison, or an empty text."""
    rates, qualities = curve
    for lower, upper in itertools.pairwise(rates):
        if upper == lower:
            return f"duplicate-point: {name} has two points at rate {upper:g}"
    if _is_saturated(qualities, ceiling):
        return f"saturated: {name} gains nothing at rate {rates[-1]:g}; use lower rates"
    for index in range(1, len(rates)):
        if qualities[index] <= qualities[index - 1]:
            return f"non-monotone: {name} gains nothing at rate {rates[index]:g}"
    return ""


def _is_saturated(qualities: tuple[float, ...], ceiling: float | None) -> bool:
    """Whether quality has stopped rising at the upper end of a curve sorted by rate.

    Either the last step changes quality by no more than 1/1000 of the curve's range, in whatever
    direction, while everything below rises; or two points lie at the metric's ceiling.
    """
    if ceiling is not None and qualities[-2] >= ceiling and qualities[-1] >= ceiling:
        return True
    spread = max(qualities) - min(qualities)
    below = qualities[:-1]
    rises = all(a < b for a, b in itertools.pairwise(below))
    return rises and abs(qualities[-1] - qualities[-2]) <= FLAT_SHARE * spread


def _compare(anchor: _Curve, test: _Curve, method: str) -> BdResult:
    (anchor_low, anchor_high), (test_low, test_high) = (
        (curve[1][0], curve[1][-1]) for curve in (anchor, test)
    )
    common = min(anchor_high, test_high) - max(anchor_low, test_low)
    if common <= 0:
        below = test_high <= anchor_low
        hint = (
            "the test lies below; add an anchor point of higher QP (lower rate)"
            if below
            else "the test lies above; add an anchor point of lower QP (higher rate)"
        )
        return BdResult(None, None, 0.0, "none", f"no-overlap: {hint}")
    overlap = common / (test_high - test_low)
    rate = _integrate("bd_rate", anchor, test, method)
    if rate is None:
        return BdResult(None, None, overlap, "none", "not-finite: the interpolation overflowed")
    quality = _integrate("bd_psnr", anchor, test, method) if _rates_overlap(anchor, test) else None
    reasons = []
    if overlap < MIN_OVERLAP:
        share = f"{100 * overlap:.0f} %"
        reasons.append(f"partial-overlap: the anchor covers {share} of the test's quality range")
    if quality is None:
        reasons.append("no-common-rate: there is a BD-rate and no BD-quality")
    return BdResult(
        rate, quality, overlap, "ok" if overlap >= MIN_OVERLAP else "partial", "; ".join(reasons)
    )


def _rates_overlap(anchor: _Curve, test: _Curve) -> bool:
    return min(anchor[0][-1], test[0][-1]) > max(anchor[0][0], test[0][0])


def _integrate(
    name: Literal["bd_rate", "bd_psnr"], anchor: _Curve, test: _Curve, method: str
) -> float | None:
    """The mean difference over what both curves cover; None if it is not finite.

    The library's interpolators and its formula; its own functions would set up both curves anew
    for every pair they are in.
    """
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        first, second = (_interpolated(name, curve, method) for curve in (anchor, test))
        low = max(first.low, second.low)
        high = min(first.high, second.high)
        mean = (second.integral(low, high) - first.integral(low, high)) / (high - low)
        value = float((10**mean - 1) * 100 if name == "bd_rate" else mean)
    return value if math.isfinite(value) else None


@dataclass(frozen=True)
class _Interpolated:
    """A curve between its ends, interpolated over a base from which ``origin`` is subtracted."""

    function: Any
    origin: float
    low: float
    high: float

    def integral(self, low: float, high: float) -> Any:
        return self.function.integrate(low - self.origin, high - self.origin)


@lru_cache(maxsize=8192)  # of all curves of a few sequences
def _interpolated(name: Literal["bd_rate", "bd_psnr"], curve: _Curve, method: str) -> _Interpolated:
    """log10 rate over quality, or quality over log10 rate.

    One polynomial is fitted around the middle of its base. No delta depends on where the axis
    begins, but a polynomial's coefficients do: around 40 dB the powers of qualities within 0.1 dB
    are too alike to be told apart in double precision.
    """
    from bjontegaard.interpolation import interpolate

    rates, qualities = np.log10(np.asarray(curve[0])), np.asarray(curve[1])
    base, values = (qualities, rates) if name == "bd_rate" else (rates, qualities)
    origin = float(base[0] + base[-1]) / 2 if method == "cubic" else 0.0
    function = interpolate(base - origin, values, method)
    return _Interpolated(function, origin, base[0], base[-1])


def read_curve(path: Path) -> tuple[RdPoint, ...]:
    """Read the points of a tab-separated table with columns ``rate`` and ``quality``.

    Further columns are ignored, so are empty lines and lines that start with ``#``; an empty
    quality is a point without a value.

    Raises:
        CompareError: no such file, no such column, or a cell that is no number; names the line.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise CompareError(f"{path}: cannot be read as a table ({error}).") from error
    numbered = [
        (number, line)
        for number, line in enumerate(text.splitlines(), start=1)
        if line.strip() and not line.startswith("#")
    ]
    rows = list(csv.reader(io.StringIO("\n".join(line for _, line in numbered)), delimiter="\t"))
    header = [cell.strip() for cell in rows[0]] if rows else []
    for column in ("rate", "quality"):
        if column not in header:
            found = ", ".join(header) or "nothing"
            raise CompareError(
                f"{path}: no column {column!r}; its first line names {found}. "
                "Expected tab-separated columns rate and quality."
            )
    return tuple(
        (
            _number(path, number, "rate", row, header),
            _number(path, number, "quality", row, header),
        )
        for (number, _), row in zip(numbered[1:], rows[1:], strict=True)
    )


def _number(path: Path, line: int, column: str, row: list[str], header: list[str]) -> float:
    index = header.index(column)
    cell = row[index].strip() if index < len(row) else ""
    if not cell:
        return math.nan
    try:
        return float(cell)
    except ValueError:
        raise CompareError(f"{path}, line {line}: {column} is {cell!r}, not a number.") from None
