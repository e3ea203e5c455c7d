"""Per-frame values for the page, of as many points as it may hold."""

import csv
import io
from collections.abc import Sequence
from typing import Any

from invrbench.compare.curves import full_codec, is_number
from invrbench.report.content import Report
from invrbench.report.page.names import folder_numbers, folder_of
from invrbench.report.page.sources import PageSources

MAX_VALUES = 200_000
_DECIMALS = 4  # as the sheets show points
Values = list[float | None]


def frame_values(report: Report, sources: PageSources, *, room: int = MAX_VALUES) -> dict[str, Any]:
    """Per-frame values of the headline metrics and of PSNR.

    Args:
        report: whose points are listed.
        sources: with the tables of the points.
        room: how many values there may be; proposals and the headline anchor come first.

    Returns:
        ``metrics``: columns; ``points``: by number of the folder and view, the values of each
        metric by frame; ``held`` of ``total`` points that have a table are there.
    """
    names = list(dict.fromkeys([*report.info.headline_metrics, "psnr_y_db", "psnr_rgb_db"]))
    numbers = folder_numbers(report)
    points: dict[str, dict[str, list[Values]]] = {}
    total, is_full = 0, False
    for folder in by_interest(report):
        files = sources.points.get(folder)
        if files is None or not files.frames:
            continue
        total += 1
        if is_full:
            continue
        held = read_frames(files.frames, names)
        count = sum(len(values) for view in held.values() for values in view)
        if count <= room:
            room -= count
            points[str(numbers[folder])] = held
        else:
            is_full = True
    return {"metrics": names, "points": points, "held": len(points), "total": total}


def by_interest(report: Report) -> list[str]:
    """Folders of points: proposals first, then the headline anchor, then all others."""
    anchor = report.info.headline_anchor
    groups: tuple[list[str], ...] = ([], [], [])
    for point in report.points:
        folder = folder_of(point)
        if folder and point["role"] != "control":
            rank = 0 if point["role"] == "proposal" else 1 if full_codec(point) == anchor else 2
            groups[rank].append(folder)
    return list(dict.fromkeys(folder for group in groups for folder in group))


def read_frames(table: str, names: Sequence[str]) -> dict[str, list[Values]]:
    """The columns of a frames.tsv by view; a column that it lacks is empty.

    >>> read_frames("frame\\tpsnr_y_db\\n0\\t31.25\\n1\\t\\n", ["psnr_y_db", "vmaf"])
    {'': [[31.25, None], []]}
    """
    held: dict[str, list[Values]] = {}
    for row in csv.DictReader(io.StringIO(table), delimiter="\t"):
        columns = held.setdefault(row.get("view") or "", [[] for _ in names])
        for values, name in zip(columns, names, strict=True):
            if name in row:
                values.append(_value(row[name]))
    return held


def _value(written: str | None) -> float | None:
    try:
        value = float(written or "")
    except ValueError:
        return None
    return round(value, _DECIMALS) + 0.0 if is_number(value) else None
