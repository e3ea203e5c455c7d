"""Rate points joined into the curves that are compared: who belongs together, who is tested."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any, TypeGuard

from invrbench.results.points import MEAN_OF, METRICS

Point = dict[str, Any]
Hulls = Mapping[str, Mapping[str, str]]

# Metrics that fall as pictures get better.
FALLING_METRICS = frozenset({"lpips", "dssim1", "dssim2", "tof", "warping_error", "flicker"})

# Columns a BD-rate is computed of, in the order of every report.
BD_METRICS = (
    "psnr_y_db",
    "psnr_u_db",
    "psnr_v_db",
    "psnr_yuv_db",
    "psnr_rgb_db",
    "ssim_y",
    "ms_ssim_y_db",
    "vmaf",
    "xpsnr_y_db",
    "lpips",
    "iv_psnr_db",
    "psnr_rgb_still_db",
    "psnr_rgb_moving_db",
    "dssim1",
    "dssim2",
    "tof",
    "warping_error",
    "flicker",
)

# Columns a BD-rate takes the rate from, the first that all points have.
RATES = ("bpp", "rate_kbps")
NOT_MEASURED = "not measured"
_COMPLETE = ("ok", "published")


@dataclass(frozen=True, order=True)
class CurveKey:
    """What makes two points neighbours on one curve.

    ``sequence`` holds the cut (``Cactus@0+32``), ``codec`` the variant (``hnerv+noflow``).
    Names are compared whole, so RaceHorses and RaceHorsesC never meet.
    """

    sequence: str
    view_set: str
    codec: str
    configuration: str
    curve: str
    seed: str


@dataclass(frozen=True)
class Curve:
    """One curve: every expected point of it, those without a number included.

    ``differs`` says what keeps a published curve from being compared: another cut. A hull holds
    the points of several curves and is drawn and compared by its Pareto front.
    """

    key: CurveKey
    role: str
    sequence_class: str
    points: tuple[Point, ...]
    differs: str = ""
    is_hull: bool = False

    @property
    def incomplete(self) -> tuple[Point, ...]:
        """Expected points that failed, are missing, stale or skipped."""
        return tuple(point for point in self.points if point["status"] not in _COMPLETE)

    @property
    def is_skipped(self) -> bool:
        """Whether the codec declared that it does not serve this sequence at all."""
        return all(point["status"] == "skipped" for point in self.points)

    def drawable(self, metric: str, rate: str) -> list[tuple[float, float]]:
        """(rate, quality) of the points that have both, by rising rate."""
        pairs = sorted(
            (float(point[rate]), float(point[metric]))
            for point in self.points
            if point["status"] in _COMPLETE
            and is_number(point.get(rate))
            and is_number(point.get(metric))
        )
        return pareto_front(pairs, falling=metric in FALLING_METRICS) if self.is_hull else pairs


def pareto_front(
    pairs: Iterable[tuple[float, float]], *, falling: bool = False
) -> list[tuple[float, float]]:
    """The (rate, quality) pairs that no other pair matches at less rate, by rising rate.

    >>> pareto_front([(1.0, 30.0), (2.0, 29.0), (2.0, 31.0), (3.0, 31.0)])
    [(1.0, 30.0), (2.0, 31.0)]
    """
    sign = -1.0 if falling else 1.0
    front: list[tuple[float, float]] = []
    for rate, quality in sorted(pairs, key=lambda pair: (pair[0], -sign * pair[1])):
        if not front or sign * quality > sign * front[-1][1]:
            front.append((rate, quality))
    return front


def is_number(value: Any) -> TypeGuard[float]:
    """Whether a cell holds a finite number (not None, not NaN, not text).

    >>> is_number(float("nan")), is_number(None), is_number(30.1)
    (False, False, True)
    """
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def full_sequence(point: Mapping[str, Any]) -> str:
    """A point's sequence with its cut, as it is written in paths.

    >>> full_sequence({"sequence": "Cactus", "cut": "0+32"})
    'Cactus@0+32'
    """
    name, cut = str(point["sequence"]), str(point.get("cut") or "")
    return name if not cut or "@" in name else f"{name}@{cut}"


def full_codec(point: Mapping[str, Any]) -> str:
    """A point's codec with its variant, as it is written in paths."""
    codec, variant = str(point["codec"]), str(point.get("variant") or "")
    return codec if not variant or "+" in codec else f"{codec}+{variant}"


def normalised(points: Iterable[Mapping[str, Any]] | Any) -> list[Point]:
    """Copies of the points in which no cell is NaN, infinite or empty text.

    Accepts a list of mappings or a pandas DataFrame, whose NaN are empty cells. A metric that is
    not a finite number becomes None and gets a ``<metric>_reason``, so that no table ever shows
    one without the other; so does a rate that is not positive, whose ``reason`` is the point's.
    """
    if hasattr(points, "to_dict"):
        rows = points.to_dict("records")
        points = [{name: value for name, value in row.items() if value == value} for row in rows]
    return [_normalised(row) for row in points]


def _normalised(row: Mapping[str, Any]) -> Point:
    point: Point = {}
    odd: dict[str, str] = {}
    for name, value in row.items():
        plain = value.item() if hasattr(value, "item") else value
        if isinstance(plain, float) and not math.isfinite(plain):
            odd[name] = f"the record holds {plain}"
            plain = None
        point[name] = None if plain == "" else plain
    if point.get("status") not in _COMPLETE:
        return point
    for metric in METRICS:
        if point.get(metric) is None:
            reason = f"{metric}_reason"
            point[reason] = point.get(reason) or odd.get(metric) or NOT_MEASURED
    for rate in RATES:
        value = point.get(rate)
        if rate in odd or (is_number(value) and value <= 0):
            point[rate] = None
            point["reason"] = point.get("reason") or f"{rate} is {row[rate]}, which is no rate"
    return point


def group_curves(points: Sequence[Point], hulls: Hulls | None = None) -> list[Curve]:
    """Curves in the order of their first points; controls are curves too, hulls come last.

    A published curve of a cut that nobody coded joins the curves of its sequence's other cuts,
    where it is drawn and not compared.

    Args:
        points: normalised points.
        hulls: by codec: name of a hull, and the shell pattern of its curves' names.
    """
    groups: dict[CurveKey, list[Point]] = {}
    for point in points:
        groups.setdefault(_key(point), []).append(point)
    coded = {
        full_sequence(point): str(point["sequence"]).partition("@")[0]
        for point in points
        if point["role"] != "published"
    }
    curves = []
    for key, members in groups.items():
        curve = Curve(
            key=key,
            role=str(members[0]["role"]),
            sequence_class=str(members[0].get("class") or ""),
            points=tuple(members),
        )
        name, _, cut = key.sequence.partition("@")
        others = [each for each, base in coded.items() if base == name]
        if key.sequence.startswith(MEAN_OF):
            curve = replace(curve, differs="a mean over the sequences of its class")
        if curve.role != "published" or key.sequence in coded or not others:
            curves.append(curve)
            continue
        for other in others:
            differs = f"{cut or 'all'} frames instead of {other.partition('@')[2] or 'all'}"
            classes = [str(p.get("class") or "") for p in points if full_sequence(p) == other]
            curves.append(
                replace(
                    curve,
                    key=replace(key, sequence=other),
                    sequence_class=classes[0],
                    differs=differs,
                )
            )
    return curves + _hulls(curves, hulls or {})


def _hulls(curves: Sequence[Curve], hulls: Hulls) -> list[Curve]:
    """A hull for every sequence, configuration and seed in which curves of its pattern lie."""
    found: dict[CurveKey, Curve] = {}
    for curve in curves:
        for name, pattern in hulls.get(curve.key.codec, {}).items():
            if not fnmatchcase(curve.key.curve, pattern):
                continue
            key = replace(curve.key, curve=name)
            earlier = found[key].points if key in found else ()
            found[key] = replace(curve, key=key, points=earlier + curve.points, is_hull=True)
    return list(found.values())


def pooled_seed(count: int) -> str:
    """What stands for a seed where a value is the mean over that many.

    >>> pooled_seed(3), is_pooled("mean of 3"), is_pooled("0")
    ('mean of 3', True, False)
    """
    return f"{MEAN_OF}{count}"


def is_pooled(seed: str) -> bool:
    """Whether a seed of a curve or a row of bd.tsv stands for the mean over several."""
    return seed.startswith(MEAN_OF)


def is_chosen(key: CurveKey, patterns: Iterable[str]) -> bool:
    """Whether a curve is meant by shell patterns of ``codec/curve`` or ``codec``.

    ``codec`` alone means the codec's one curve without a name; ``@ra`` at the end of a pattern
    limits it to that configuration.

    >>> is_chosen(CurveKey("a", "", "inric", "ai", "Q5", "0"), ["inric/Q?"])
    True
    >>> is_chosen(CurveKey("a", "", "hevc", "ld", "", "0"), ["hevc@ra"])
    False
    """
    name = f"{key.codec}/{key.curve}" if key.curve else key.codec
    return any(
        fnmatchcase(f"{name}@{key.configuration}" if "@" in pattern else name, pattern)
        for pattern in patterns
    )


def class_means(points: Sequence[Point]) -> list[Point]:
    """Points that are means over a class, for every class of which a published mean is held.

    A mean is there if all points of its rate point are; its rate and metrics are the arithmetic
    means over the sequences, as papers draw them. They are drawn beside the published curves, and
    enter no table.
    """
    wanted = {
        str(point.get("class")): str(point["sequence"])
        for point in points
        if point["role"] == "published" and str(point["sequence"]).startswith(MEAN_OF)
    }
    groups: dict[tuple[CurveKey, str, str], list[Point]] = {}
    for point in points:
        name = wanted.get(str(point.get("class") or ""))
        if name and point["role"] in ("anchor", "proposal"):
            key = replace(_key(point), sequence=name)
            groups.setdefault((key, str(point["rate_point"]), name), []).append(point)
    means = []
    for (_, _, name), members in groups.items():
        if all(point["status"] == "ok" for point in members):
            columns = [c for c in members[0] if all(is_number(p.get(c)) for p in members)]
            numbers = {c: math.fsum(p[c] for p in members) / len(members) for c in columns}
            means.append(members[0] | numbers | {"sequence": name, "cut": None})
    return means


def _key(point: Mapping[str, Any]) -> CurveKey:
    return CurveKey(
        sequence=full_sequence(point),
        view_set=str(point.get("view_set") or ""),
        codec=full_codec(point),
        configuration=str(point.get("configuration") or ""),
        curve=str(point.get("curve") or ""),
        seed=str(point.get("seed") or 0).removeprefix("s"),
    )


def rate_column(*curves: Curve) -> str:
    """The rate column that all complete points of the curves have.

    Within a sequence bpp and kbps are proportional, so that the choice moves no BD-rate.
    """
    for column in RATES:
        if all(
            is_number(point.get(column))
            for curve in curves
            for point in curve.points
            if point["status"] in _COMPLETE
        ):
            return column
    return "bpp"


def can_be_compared(test: Curve, anchor: Curve) -> bool:
    """Whether the design pairs the two: same sequence, and configurations that belong together.

    ``any`` meets every configuration of the anchors; other codecs, the anchors among each other
    included, meet equal configurations only. View sets are checked later: unequal ones get a
    reason instead of silence.
    """
    if test.key.sequence != anchor.key.sequence or anchor.role != "anchor":
        return False
    same = test.key.configuration == anchor.key.configuration
    return same or (test.role != "anchor" and "any" in _configurations(test, anchor))


def _configurations(*curves: Curve) -> set[str]:
    return {curve.key.configuration for curve in curves}
