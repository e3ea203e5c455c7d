"""Random tables of points for hypothesis: every status, and the curves that break BD-rates."""

import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from invrbench.compare.curves import Point, full_codec, full_sequence, normalised
from invrbench.compare.table import Row, add_rate_vs_anchor, bd_rows
from invrbench.report.content import Report
from invrbench.report.info import CodecInfo, RunInfo, SequenceInfo
from report_points import info, point

METRICS = ("psnr_y_db", "ssim_y", "vmaf", "lpips")
HEADLINE = "hevc"
# how many tables a property is tried on; by hand: INVRBENCH_EXAMPLES=2000, which also shrinks
EXAMPLES = int(os.environ.get("INVRBENCH_EXAMPLES", "30"))
SHRINKS = (Phase.shrink,) if "INVRBENCH_EXAMPLES" in os.environ else ()
bounded = settings(
    max_examples=EXAMPLES,
    derandomize=True,
    deadline=None,
    phases=(Phase.explicit, Phase.generate, *SHRINKS),
    suppress_health_check=list(HealthCheck),
)
few = settings(bounded, max_examples=max(4, EXAMPLES // 8))

Pairs = list[tuple[float, float]]
Fields = dict[str, Any]
# a curve on which rates double every 3 dB
RISING: Pairs = [(0.1, 30.0), (0.2, 33.0), (0.4, 36.0), (0.8, 39.0)]
# name, cut and class; names that begin alike, blanks, letters beyond ASCII, a scene of two views
SEQUENCES = (
    ("RaceHorses", "", "C"),
    ("RaceHorsesC", "", "C"),
    ("Größe 1", "0+32", "clip"),
    ("Court.v05", "0+4", "scene"),
)
CODECS = {
    "hevc": CodecInfo("HEVC (x265 4.1 veryslow)", "anchor"),
    "avc": CodecInfo("AVC (x264 164 veryslow)", "anchor"),
    "hnerv": CodecInfo("HNeRV", "proposal", document="m60001"),
    "hnerv2": CodecInfo("=HNeRV 2", "proposal"),
    "paper": CodecInfo("A paper", "published"),
    "store": CodecInfo("Store (raw samples)", "control"),
}


def _regular(pairs: Pairs) -> Pairs:
    return pairs


def _falls(pairs: Pairs) -> Pairs:
    return [(r, q - 9.0 if index == len(pairs) // 2 else q) for index, (r, q) in enumerate(pairs)]


def _flat_top(pairs: Pairs) -> Pairs:
    return [*pairs[:-1], (pairs[-1][0], pairs[-2][1] + 1e-4)] if len(pairs) > 1 else pairs


def _same_rate_twice(pairs: Pairs) -> Pairs:
    return [*pairs[:-1], (pairs[0][0], pairs[-1][1])]


def _same_quality_twice(pairs: Pairs) -> Pairs:
    return [*pairs[:-1], (pairs[-1][0], pairs[0][1])]


def _one_point(pairs: Pairs) -> Pairs:
    return pairs[:1]


def _far_above(pairs: Pairs) -> Pairs:
    return [(rate, quality + 45.0) for rate, quality in pairs]


def _touches(pairs: Pairs) -> Pairs:
    return [(rate, quality + 9.0) for rate, quality in pairs]


def _overlaps_by_a_sliver(pairs: Pairs) -> Pairs:
    return [(rate, quality + 8.99) for rate, quality in pairs]


def _overlaps_in_part(pairs: Pairs) -> Pairs:
    return [(rate, quality - 4.5) for rate, quality in pairs]


def _crosses(pairs: Pairs) -> Pairs:
    return [(rate, 34.5 + 0.4 * (quality - 34.5)) for rate, quality in pairs]


def _huge_rates(pairs: Pairs) -> Pairs:
    return [(rate * 1e12, quality) for rate, quality in pairs]


def _tiny_range(pairs: Pairs) -> Pairs:
    return [(rate, 34.5 + 1e-7 * (quality - 34.5)) for rate, quality in pairs]


def _no_rate_spent(pairs: Pairs) -> Pairs:
    return [(0.0 if index == 0 else r, q) for index, (r, q) in enumerate(pairs)]


def _cheaper(pairs: Pairs) -> Pairs:
    return [(0.8 * rate, quality) for rate, quality in pairs]


SHAPES: tuple[Callable[[Pairs], Pairs], ...] = (
    *(_regular, _cheaper, _crosses, _overlaps_in_part, _overlaps_by_a_sliver, _touches),
    *(_far_above, _falls, _flat_top, _same_rate_twice, _same_quality_twice, _one_point),
    *(_huge_rates, _tiny_range, _no_rate_spent),
)
NO_NUMBERS = dict.fromkeys(("bpp", "rate_kbps", "bitstream_bytes", *METRICS))
# what may become of a point
FATES: dict[str, Fields] = {
    "failed": {"status": "failed", "reason": "exit status 1", **NO_NUMBERS},
    "missing": {"status": "missing", "reason": "encode: not run", **NO_NUMBERS},
    "stale": {"status": "stale", "reason": "decode: made with other code", **NO_NUMBERS},
    "skipped": {"status": "skipped", "reason": "4:2:0 only", **NO_NUMBERS},
    "lossless": {"psnr_y_db": None, "psnr_y_db_reason": "lossless"},
    "undefined": {"vmaf": None, "vmaf_reason": "smaller than 16×16"},
    "unexplained": {"ssim_y": None},
    "nan": {"psnr_y_db": math.nan},
    "infinite": {"psnr_y_db": math.inf, "lpips": -math.inf},
    "without rate": {"bpp": None, "rate_kbps": None},
}


def qualities(quality_db: float) -> dict[str, float]:
    """Metrics that rise (one falls) with this PSNR, VMAF up to its ceiling and SSIM up to 1."""
    return {
        "psnr_y_db": quality_db,
        "ssim_y": 1 - 10 ** (-quality_db / 10),
        "vmaf": min(100.0, 2.3 * quality_db),
        "lpips": 10 ** (-quality_db / 25),
    }


def curve_points(sequence: tuple[str, str, str], codec: str, pairs: Pairs, **fields: Any) -> Any:
    """Points of one curve; their fits take time and memory, as measured on one machine alone."""
    name, cut, group = sequence
    return [
        point(name, codec, f"q{index}")
        | {"sequence": name, "cut": cut, "class": group, "role": CODECS[codec].role}
        | {"bpp": rate, "rate_kbps": 100 * rate, "bitstream_bytes": 1000 + index}
        | {"encode_seconds": 1.5, "decode_seconds": 0.25, "peak_memory_bytes": 2**28}
        | {"timing": "alone", "machine": "two-core-cpu", "device": "cpu"}
        | qualities(quality)
        | fields
        for index, (rate, quality) in enumerate(pairs)
    ]


@st.composite
def curves(draw: st.DrawFn) -> Pairs:
    """(rate, quality) of one curve; rates double every 3 dB before a shape bends it."""
    count = draw(st.sampled_from((4, 4, 5, 6, 3)))
    bend = draw(st.sampled_from((*SHAPES[:4] * 4, *SHAPES)))
    scale = draw(st.integers(5, 20)) / 10
    return bend([(0.1 * scale * 2**index, 30.0 + 3.0 * index) for index in range(count)])


@st.composite
def fates(draw: st.DrawFn) -> Fields:
    """What becomes of the points of a curve: mostly nothing. By index, ``None`` means of all."""
    if draw(st.integers(0, 3)):
        return {}
    fate = draw(st.sampled_from(sorted(FATES)))
    where = draw(st.sampled_from((None, 0, 1, 3)))
    return {"where": where, "fields": FATES[fate]}


def meet(points: list[Fields], fate: Fields) -> list[Fields]:
    """The points after their fate."""
    if not fate:
        return points
    return [
        each | fate["fields"] if fate["where"] in (None, index) else each
        for index, each in enumerate(points)
    ]


class Points(list[Fields]):
    """Points of a table that show what matters when a property fails, a line for each."""

    def __repr__(self) -> str:
        names = ("sequence", "view_set", "codec", "configuration", "seed", "rate_point", "status")
        rows = [" ".join(str(each[name]) for name in (*names, "bpp", *METRICS)) for each in self]
        return "\n".join(("", *rows, ""))


@st.composite
def tables(draw: st.DrawFn) -> Points:
    """Points of one to three sequences: anchors, proposals of one to three seeds, others."""
    found = Points()
    chosen = draw(st.lists(st.sampled_from(SEQUENCES), min_size=1, max_size=3, unique=True))
    seeds = draw(st.integers(1, 3))
    configurations = draw(st.sampled_from((("ld",), ("ai", "ra"))))
    codecs: list[tuple[str, Fields]] = [
        ("hevc", {"configuration": each}) for each in configurations
    ]
    codecs += [("avc", {"configuration": configurations[0]})] * draw(st.booleans())
    codecs += [("hnerv", {"seed": seed}) for seed in range(seeds)]
    codecs += [("hnerv2", {"configuration": "ld", "variant": "small"})] * draw(st.booleans())
    codecs += [("paper", {"status": "published"})] * draw(st.booleans())
    codecs += [("store", {"configuration": "any"})]
    for sequence in chosen:
        lacks = draw(st.sampled_from((None, None, None, "avc", "hevc", "hnerv")))
        for codec, fields in codecs:
            if codec == lacks:
                continue
            for views in ("train", "test") if sequence[2] == "scene" else ("",):
                pairs = draw(curves())
                made = curve_points(sequence, codec, pairs, view_set=views, **fields)
                found += made if codec == "paper" else meet(made, draw(fates()))
    return found


@dataclass(frozen=True)
class Made:
    """A table with everything that is computed from it, as a report does."""

    points: list[Point]
    rows: list[Row]
    info: RunInfo
    report: Report


def about(points: list[Fields]) -> RunInfo:
    """A run's description that fits a table."""
    sequences = {full_sequence(each): SequenceInfo(320, 176, 4, "25", "yuv420p") for each in points}
    codecs = {full_codec(each): CODECS[each["codec"]] for each in points}
    return info(sequences=sequences, codecs=codecs, metrics=METRICS, headline_metrics=METRICS[::2])


def compute(points: list[Fields]) -> Made:
    """What a report computes before it writes anything."""
    checked, run = normalised(points), about(points)
    rows = bd_rows(checked, metrics=METRICS, headline_metric=METRICS[0])
    add_rate_vs_anchor(checked, rows, (HEADLINE, METRICS[0]))
    return Made(checked, rows, run, Report(checked, rows, run))
