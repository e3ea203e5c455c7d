"""Findings of an experiment, decided by the measured curves: holds, does not hold, undecided.

Test conditions state each claim with the kind of test that decides it. A test looks at the curves
it names on one sequence and says what it saw in numbers, or why nothing can be said.

``rate-range``        each curve's largest rate is at least ``at_least`` times its smallest
``falls-fastest``     from its best to its worst point, each curve loses more quality than any of
                      ``against``
``dominates``         for some point of ``against``, a point of the curves has no more rate and
                      more quality
``bd-rate``           the BD-rate of every curve against every one of ``against`` is below ``below``
                      or above ``above`` percent; where there is none, it holds as well if every
                      point of one curve is beaten by a point of the other
``worse``             the best point (of the largest rate) of every curve has a worse value than
                      that of any of ``against``
``loses-until``       from its best point to ``point``, every curve loses at most ``below``
``loses-after``       from ``point`` to its coarsest point, every curve loses more than ``above``
``shrinks-to``        at ``point``, the share of every curve's bytes in those of its float32 model
                      lies within ``expected``, in percent
``uncompressed-bpp``  smallest and largest rate of the float32 models are ``expected``, to 0.005
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from invrbench.compare.curves import (
    FALLING_METRICS,
    NOT_MEASURED,
    Curve,
    is_chosen,
    is_number,
    rate_column,
)
from invrbench.compare.table import compare_curves
from invrbench.ctc.conditions import Finding

HOLDS, FAILS, UNDECIDED = "holds", "does not hold", "undecided"
_BPP_TOLERANCE = 0.005


@dataclass(frozen=True)
class Verdict:
    """What became of a claim on one sequence; ``numbers`` says what was seen, or is missing."""

    claim: str
    sequence: str
    metric: str
    verdict: str
    numbers: str


class _UndecidedError(Exception):
    """Nothing can be said, for the reason given; it never leaves this module."""


def judge(findings: Sequence[Finding], curves: Sequence[Curve], headline: str) -> list[Verdict]:
    """A verdict per finding and sequence that holds one of its curves, in their order.

    Args:
        findings: of the test conditions.
        curves: all curves of the report, hulls included.
        headline: metric of the findings that name none.
    """
    verdicts = []
    for finding in findings:
        metric = finding.metric or headline
        of = list(_sequences(finding, curves))
        for sequence in of:
            here = [curve for curve in curves if curve.key.sequence == sequence]
            here = [curve for curve in here if finding.view_set in ("", curve.key.view_set)]
            verdict, numbers = _decide(finding, here, metric)
            verdicts.append(Verdict(finding.claim, sequence, metric, verdict, numbers))
        if not of:
            verdicts.append(Verdict(finding.claim, "", metric, UNDECIDED, "no such curve"))
    return verdicts


def _sequences(finding: Finding, curves: Sequence[Curve]) -> Iterator[str]:
    if finding.sequence:
        return iter((finding.sequence,))
    chosen = [curve for curve in curves if is_chosen(curve.key, finding.curves)]
    return iter(dict.fromkeys(curve.key.sequence for curve in chosen))


def _decide(finding: Finding, curves: Sequence[Curve], metric: str) -> tuple[str, str]:
    try:
        tested = _chosen(curves, finding.curves)
        rivals = _chosen(curves, finding.against) if finding.against else []
        holds, numbers = _TESTS[finding.kind](finding, tested, rivals, metric)
    except _UndecidedError as reason:
        return UNDECIDED, str(reason)
    return HOLDS if holds else FAILS, numbers


def _chosen(curves: Sequence[Curve], patterns: Sequence[str]) -> list[Curve]:
    chosen = [curve for curve in curves if is_chosen(curve.key, patterns)]
    if not chosen:
        raise _UndecidedError(f"no curve is called {' or '.join(patterns)}")
    for curve in chosen:
        if curve.incomplete:
            count, first = len(curve.incomplete), curve.incomplete[0]
            raise _UndecidedError(
                f"{_name(curve)} lacks {count} of {len(curve.points)} points, first "
                f"{first['rate_point']} ({first['status']})"
            )
    return chosen


def _name(curve: Curve) -> str:
    return curve.key.curve or curve.key.codec


def _pairs(curve: Curve, metric: str) -> list[tuple[float, float]]:
    """(rate, quality) by rising rate; the quality rises as pictures get better."""
    pairs = curve.drawable(metric, rate_column(curve))
    for point in curve.points:
        if not is_number(point.get(metric)):
            why = point.get(f"{metric}_reason") or NOT_MEASURED
            raise _UndecidedError(f"{_name(curve)}: {point['rate_point']} has no {metric}: {why}")
    sign = -1.0 if metric in FALLING_METRICS else 1.0
    return [(rate, sign * value) for rate, value in pairs]


_Decision = tuple[bool, str]


def _rate_range(finding: Finding, tested: list[Curve], _: list[Curve], metric: str) -> _Decision:
    assert finding.at_least is not None
    factors, texts = [], []
    for curve in tested:
        pairs = _pairs(curve, metric)
        (low, worst), (high, best) = pairs[0], pairs[-1]
        factors.append(high / low)
        texts.append(f"{_name(curve)} {high / low:.2f}× over {best - worst:.2f}")
    return min(factors) >= finding.at_least, "; ".join(texts)


def _falls_fastest(_: Finding, tested: list[Curve], rivals: list[Curve], metric: str) -> _Decision:
    def loss(curve: Curve) -> float:
        qualities = [quality for _, quality in _pairs(curve, metric)]
        return max(qualities) - min(qualities)

    others = [curve for curve in rivals if curve not in tested]
    if not others:
        raise _UndecidedError("there is no other curve to compare with")
    texts = [f"{_name(curve)} {loss(curve):.2f}" for curve in (*tested, *others)]
    return min(map(loss, tested)) > max(map(loss, others)), "loses " + "; ".join(texts)


def _dominates(_: Finding, tested: list[Curve], rivals: list[Curve], metric: str) -> _Decision:
    ours = [pair for curve in tested for pair in _pairs(curve, metric)]
    theirs = [pair for curve in rivals if curve not in tested for pair in _pairs(curve, metric)]
    if not theirs:
        raise _UndecidedError("there is no other curve to compare with")
    beaten = sum(
        any(bits <= rate and value > quality for bits, value in ours) for rate, quality in theirs
    )
    return beaten > 0, f"{beaten} of {len(theirs)} points are beaten at no more rate"


def _bd_rate(finding: Finding, tested: list[Curve], rivals: list[Curve], metric: str) -> _Decision:
    results = [
        _one_bd_rate(finding, test, anchor, metric)
        for test in tested
        for anchor in rivals
        if anchor is not test
    ]
    if not results:
        raise _UndecidedError("there is no other curve to compare with")
    return all(holds for holds, _ in results), "; ".join(text for _, text in results)


def _one_bd_rate(finding: Finding, test: Curve, anchor: Curve, metric: str) -> _Decision:
    row = compare_curves(test, anchor, metric=metric)
    name = f"{anchor.key.codec} {anchor.key.curve or anchor.key.configuration}"
    value = row["bd_rate_percent"]
    if is_number(value):
        share = "" if row["status"] == "ok" else f" ({100 * row['overlap']:.0f} %)"
        text = f"{_name(test)} {value:+.1f} %{share} against {name}"
    else:
        value = _position(_pairs(test, metric), _pairs(anchor, metric))
        if value is None:
            raise _UndecidedError(f"{_name(test)} against {name}: {row['reason']}")
        text = f"{_name(test)} lies wholly {'below' if value > 0 else 'above'} {name}"
    below = finding.below is None or value < finding.below
    above = finding.above is None or value > finding.above
    return below and above, text


_RdPairs = Sequence[tuple[float, float]]


def _position(test: _RdPairs, anchor: _RdPairs) -> float | None:
    """Infinity where the anchor beats every point of the test, its negative in reverse, else None.

    A point is beaten by one of no more rate and no less quality.
    """

    def beats(winners: _RdPairs, losers: _RdPairs) -> bool:
        return all(
            any(bits <= rate and value >= quality for bits, value in winners)
            for rate, quality in losers
        )

    if beats(anchor, test):
        return math.inf
    return -math.inf if beats(test, anchor) else None


def _worse(_: Finding, tested: list[Curve], rivals: list[Curve], metric: str) -> _Decision:
    def value(curve: Curve) -> float:
        return _pairs(curve, metric)[-1][1]

    texts = [f"{_codec_and(curve)} {abs(value(curve)):.2f}" for curve in (*tested, *rivals)]
    return max(map(value, tested)) < min(map(value, rivals)), "; ".join(texts)


def _quality_at(curve: Curve, pattern: str, metric: str) -> float:
    """Quality of the one point of a curve whose rate point fits the pattern."""
    found = [p for p in curve.points if fnmatchcase(str(p["rate_point"]), pattern)]
    if len(found) != 1:
        raise _UndecidedError(f"{_name(curve)} has {len(found)} points {pattern}; one is needed")
    if not is_number(found[0].get(metric)):
        why = found[0].get(f"{metric}_reason") or NOT_MEASURED
        raise _UndecidedError(f"{_name(curve)}: {found[0]['rate_point']} has no {metric}: {why}")
    return (-1.0 if metric in FALLING_METRICS else 1.0) * float(found[0][metric])


def _loses_until(finding: Finding, tested: list[Curve], _: list[Curve], metric: str) -> _Decision:
    assert finding.below is not None
    losses = [
        _pairs(curve, metric)[-1][1] - _quality_at(curve, finding.point, metric) for curve in tested
    ]
    return max(losses) <= finding.below, _losses(tested, losses)


def _loses_after(finding: Finding, tested: list[Curve], _: list[Curve], metric: str) -> _Decision:
    assert finding.above is not None
    losses = [
        _quality_at(curve, finding.point, metric) - _pairs(curve, metric)[0][1] for curve in tested
    ]
    return min(losses) > finding.above, _losses(tested, losses)


def _losses(curves: list[Curve], losses: list[float]) -> str:
    texts = [f"{_codec_and(c)} {loss:.2f}" for c, loss in zip(curves, losses, strict=True)]
    return f"loses {'; '.join(texts)}"


def _codec_and(curve: Curve) -> str:
    """A curve's codec, and its name where it has one: several codecs may share that."""
    return f"{curve.key.codec} {curve.key.curve}".strip()


def _shrinks_to(finding: Finding, tested: list[Curve], _: list[Curve], __: str) -> _Decision:
    shares = [100 / _quality_at(curve, finding.point, "compression_ratio") for curve in tested]
    low, high = finding.expected
    texts = [f"{_codec_and(c)} {share:.1f} %" for c, share in zip(tested, shares, strict=True)]
    return all(low <= share <= high for share in shares), "; ".join(texts)


def _uncompressed(finding: Finding, tested: list[Curve], _: list[Curve], __: str) -> _Decision:
    rates = []
    for curve in tested:
        for point in curve.points:
            if not is_number(point.get("uncompressed_bpp")):
                raise _UndecidedError(
                    f"{_name(curve)}: {point['rate_point']} does not say how many parameters its "
                    "model has"
                )
            rates.append(float(point["uncompressed_bpp"]))
    low, high = min(rates), max(rates)
    holds = all(
        abs(found - expected) <= _BPP_TOLERANCE
        for found, expected in zip((low, high), finding.expected, strict=True)
    )
    return holds, f"{low:.2f} … {high:.2f} bit/pixel"


_TESTS: dict[str, Callable[[Finding, list[Curve], list[Curve], str], _Decision]] = {
    "rate-range": _rate_range,
    "falls-fastest": _falls_fastest,
    "dominates": _dominates,
    "bd-rate": _bd_rate,
    "worse": _worse,
    "loses-until": _loses_until,
    "loses-after": _loses_after,
    "shrinks-to": _shrinks_to,
    "uncompressed-bpp": _uncompressed,
}
