"""What the page draws: curves with their looks, points with their values, as JSON values."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from invrbench.compare.curves import (
    BD_METRICS,
    FALLING_METRICS,
    Curve,
    Point,
    class_means,
    group_curves,
    is_number,
)
from invrbench.compare.seeds import SPREAD, pooled_curves
from invrbench.report.cells import formatted
from invrbench.report.content import Report
from invrbench.report.info import PRESENT
from invrbench.report.metrics import metric
from invrbench.report.page.names import folder_of, seed_of
from invrbench.report.page.sources import PUBLISHABLE, PageSources
from invrbench.report.plots import Look
from invrbench.report.sheets.reference import point_format

Json = dict[str, Any]

RATES = ("bpp", "rate_kbps")
COSTS = (
    "bitstream_bytes", "qp", "rate_vs_anchor_percent", "fit_seconds", "encode_seconds",
    "decode_seconds", "peak_memory_bytes", "kmac_per_pixel", "parameters", "bits_per_weight",
    "compression_ratio", "learned_bytes",
)  # fmt: skip
TEXTS = (
    *("origin", "sandbox", "timing", "machine", "device", "drift"),
    *("bitstream_md5", "decoded_md5"),
)
_SYMBOLS = {
    "o": "circle",
    "s": "square",
    "^": "triangle-up",
    "v": "triangle-down",
    "<": "triangle-left",
    ">": "triangle-right",
    "*": "star",
    "D": "diamond",
    "d": "diamond-tall",
    "X": "x",
    "P": "cross",
    "h": "hexagon",
    "p": "pentagon",
}
_DASHES = {"-": "solid", "-.": "dashdot", "--": "dash", ":": "dot"}
COLUMN_LABELS = {
    "bitstream_bytes": "Bitstream (bytes)",
    "bpp": "Rate (bit/pixel)",
    "rate_kbps": "Rate (kbit/s)",
    "qp": "QP",
    "rate_vs_anchor_percent": "Rate at equal quality, % of the anchor's",
    "fit_seconds": "Fit (s)",
    "encode_seconds": "Encode (s)",
    "decode_seconds": "Decode (s)",
    "peak_memory_bytes": "Peak memory (bytes)",
    "kmac_per_pixel": "kMAC/pixel (self-reported)",
    "parameters": "Parameters (self-reported)",
    "bits_per_weight": "Bits per weight (from self-reported)",
    "compression_ratio": "Compression ratio (from self-reported)",
    "learned_bytes": "Learned decoder (bytes)",
}


@dataclass
class Texts:
    """Texts that many entries share, by number."""

    listed: list[str] = field(default_factory=list)
    _numbers: dict[str, int] = field(default_factory=dict)

    def number(self, value: object) -> int:
        """The number of a text."""
        shown = str(value)
        if shown not in self._numbers:
            self._numbers[shown] = len(self.listed)
            self.listed.append(shown)
        return self._numbers[shown]


def drawn_curves(report: Report) -> list[Curve]:
    """Curves as the plots draw them: class means included, seeds pooled, controls left out."""
    everything = group_curves([*report.points, *class_means(report.points)], report.info.hulls)
    return pooled_curves([curve for curve in everything if curve.role != "control"])


def shown_metrics(report: Report) -> list[str]:
    """Metrics that some point has, those of the headline first."""
    held = (name for name in BD_METRICS if any(is_number(p.get(name)) for p in report.points))
    return list(dict.fromkeys([*report.info.headline_metrics, *held]))


def value_columns(report: Report) -> list[str]:
    """Columns of points.tsv with a number in some point, in the order in which they are listed."""
    names = ("bitstream_bytes", *RATES, *shown_metrics(report), *COSTS[1:])
    return [name for name in names if any(is_number(p.get(name)) for p in report.points)]


def metric_json(name: str) -> Json:
    """A metric with its words and decimals."""
    shown = metric(name)
    return {
        "id": name,
        "label": shown.label,
        "axis": shown.axis,
        "decimals": decimals(point_format(name)),
        "falling": name in FALLING_METRICS,
        "definition": shown.definition,
    }


def column_json(name: str) -> Json:
    """A column of a point's values with its label and decimals."""
    return {
        "id": name,
        "label": COLUMN_LABELS.get(name) or metric(name).axis,
        "decimals": decimals(point_format(name)),
    }


def decimals(number_format: str) -> int:
    """Decimals of a number format such as ``0.000``."""
    return len(number_format.partition(".")[2])


def rounded(name: str, value: Any) -> float | int | None:
    """A value of a column of points.tsv as the sheets show it; None without a number."""
    if not is_number(value):
        return None
    shown = formatted(value, point_format(name))
    return float(shown) if "." in shown else int(shown)


def sequence_json(name: str, report: Report) -> Json:
    """A sequence: what it is, the unit of its rates, and whether its pictures may be shown."""
    info = report.info
    entry = info.sequences.get(name)
    still = info.is_still(name, report.points)
    about = ""
    if entry is not None:
        moving = "still" if entry.is_still else f"{entry.frames} frames, {entry.fps} frames/s"
        about = f"{entry.width}×{entry.height} {entry.pixel_format}, {moving}"
    return {
        "id": name,
        "rate": "bpp" if still else "rate_kbps",
        "about": about,
        "class": report.classes.get(name, ""),
        "publish": None if entry is None else entry.may_publish == PUBLISHABLE,
    }


def curve_json(
    curve: Curve,
    report: Report,
    columns: Sequence[str],
    *,
    sequences: Sequence[str],
    points: list[Json],
    texts: Texts,
) -> Json:
    """A drawn curve; its points, those of single seeds if it is their mean, go to ``points``."""
    key = curve.key
    start = len(points)
    members = _members(curve, report)
    points += [_point(each, columns, texts) for each in members]
    made: Json = {
        "sequence": sequences.index(key.sequence),
        "views": key.view_set,
        "codec": key.codec,
        "configuration": key.configuration,
        "name": report.info.curve_name(curve),
        "id": "/".join((key.codec, key.configuration, key.curve, key.seed)),
        "role": curve.role,
        "differs": curve.differs,
        "points": [start, len(points)],
    }
    if curve.is_hull:
        made["hull"] = True
    if any(SPREAD in point for point in curve.points):
        made["pooled"] = [_pooled(point, columns) for point in curve.points]
    return made


def _members(curve: Curve, report: Report) -> Sequence[Point]:
    if not any(SPREAD in point for point in curve.points):
        return curve.points
    key = curve.key
    same = ("sequence", "view_set", "codec", "configuration", "curve")
    return [
        point
        for each in report.curves
        if all(getattr(each.key, name) == getattr(key, name) for name in same) and not each.is_hull
        for point in each.points
    ]


def _point(point: Point, columns: Sequence[str], texts: Texts) -> Json:
    made: Json = {
        "id": str(point["rate_point"]),
        "seed": seed_of(point),
        "status": str(point["status"]),
        "folder": folder_of(point),
        "values": [rounded(name, point.get(name)) for name in columns],
    }
    if point.get("reason"):
        made["reason"] = texts.number(point["reason"])
    if point.get("fit"):
        made["fit"] = str(point["fit"])
    if point.get("accepted"):
        made["accepted"] = texts.number(point["accepted"])
    made["facts"] = {name: texts.number(point[name]) for name in TEXTS if point.get(name)}
    reasons = {
        str(index): texts.number(point[f"{name}_reason"])
        for index, name in enumerate(columns)
        if point.get(f"{name}_reason") and not is_number(point.get(name))
    }
    if reasons and point["status"] in PRESENT:
        made["why"] = reasons
    return made


def _pooled(point: Point, columns: Sequence[str]) -> Json:
    """A mean over seeds: its values, and the smallest and largest where a spread is stated."""
    held = point.get(SPREAD) or {}
    stated = {name: each for name, each in held.items() if each.is_stated}
    return {
        "id": str(point["rate_point"]),
        "values": [rounded(name, point.get(name)) for name in columns],
        "low": [rounded(n, stated[n].low) if n in stated else None for n in columns],
        "high": [rounded(n, stated[n].high) if n in stated else None for n in columns],
    }


def look_json(look: Look | None) -> Json:
    """A look in Plotly's words."""
    if look is None:
        return {"colour": "#888888", "symbol": "circle", "dash": "solid", "width": 1.0, "size": 6}
    dash = _DASHES.get(look.line) if isinstance(look.line, str) else None
    if dash is None:  # Matplotlib's (offset, lengths in line widths)
        dash = ",".join(f"{length * look.width:g}px" for length in look.line[1])
    symbol = _SYMBOLS.get(look.marker, "")
    return {
        "colour": look.colour,
        "symbol": f"{symbol}-open" if symbol and look.fill == "none" else symbol,
        "dash": dash,
        "width": look.width,
        "size": round(1.5 * look.size, 1),
    }


def point_files_json(folder: str, sources: PageSources) -> Json:
    """A folder of records: its path, views, failures, and whether previews are kept there."""
    files = sources.points.get(folder)
    made: Json = {"path": folder}
    if files is None:
        return made
    made["kept"] = files.previews is not None
    made["views"] = {name: list(views) for name, views in files.views.items()}
    if files.failures:
        made["failures"] = [
            {"step": each.step, "reason": each.reason, "log": each.log_tail, "repeat": each.repeat}
            for each in files.failures
        ]
    return made
