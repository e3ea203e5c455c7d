"""Rate points joined into the curves that are compared: who belongs together, who is tested."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeGuard

Point = dict[str, Any]

# Metrics that fall as pictures get better.
FALLING_METRICS = frozenset({"lpips"})

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
)

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

    ``differs`` says what keeps a published curve from being compared: another cut.
    """

    key: CurveKey
    role: str
    sequence_class: str
    points: tuple[Point, ...]
    differs: str = ""

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
        return sorted(
            (float(point[rate]), float(point[metric]))
            for point in self.points
            if point["status"] in _COMPLETE
            and is_number(point.get(rate))
            and is_number(point.get(metric))
        )


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
    one without the other.
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
    for metric in BD_METRICS:
        if point.get("status") in _COMPLETE and point.get(metric) is None:
            reason = f"{metric}_reason"
            point[reason] = point.get(reason) or odd.get(metric) or NOT_MEASURED
    return point


def group_curves(points: Sequence[Point]) -> list[Curve]:
    """Curves in the order of their first points; controls are curves too.

    A published curve of a cut that nobody coded joins the curves of its sequence's other cuts,
    where it is drawn and not compared.
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
    return curves


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
    for column in ("bpp", "rate_kbps"):
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
