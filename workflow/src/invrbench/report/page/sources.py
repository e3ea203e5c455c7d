"""What the page shows beside the tables: per-frame values, previews, and what failing steps said.

Results are read here and nowhere else in the page; without a plan it is made without them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from invrbench.outside import object_in
from invrbench.results import previews
from invrbench.results.places import without_places
from invrbench.results.plan import Plan, Point
from invrbench.results.points import Row
from invrbench.results.previews import Previews

PUBLISHABLE = "frames"


@dataclass(frozen=True)
class Failure:
    """What a step that failed left: which one, why, the end of its log, and how to repeat it."""

    step: str
    reason: str
    log_tail: str
    repeat: str


@dataclass(frozen=True)
class PointFiles:
    """What lies beside a point's records.

    Attributes:
        views: ids of the views that are measured, by view set; a video is one unnamed view.
        frames: text of frames.tsv; empty without one.
        previews: of its decoded frames; None if none were kept of these.
        failures: of its steps.
    """

    views: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: {"": ("",)})
    frames: str = ""
    previews: Previews | None = None
    failures: tuple[Failure, ...] = ()


@dataclass(frozen=True)
class PageSources:
    """What the page needs of a results tree.

    Attributes:
        root: where ``results/`` lies, relative to the page, e.g. ``../..``.
        points: by folder of the point below the root.
        sequences: previews of the sources, by sequence with its cut.
    """

    root: str = ""
    points: Mapping[str, PointFiles] = field(default_factory=dict)
    sequences: Mapping[str, Previews] = field(default_factory=dict)


def gather(plan: Plan, rows: Sequence[Row]) -> PageSources:
    """Read what a plan's results hold for the page; makes previews of sources that lack them.

    Args:
        plan: of the run.
        rows: of points.tsv, as they are on this plan.
    """
    states = {_folder(row): row for row in rows if row["status"] != "published"}
    points: dict[str, PointFiles] = {}
    shown: dict[str, Previews] = {}
    for point in (*plan.points, *plan.references):
        folder, name = point.address.folder.as_posix(), point.address.sequence
        row = states.get(folder)
        if row is None:
            continue
        points[folder] = _files(plan.root, point, row)
        if point.source.may_publish == PUBLISHABLE and row["status"] == "ok" and name not in shown:
            held = previews.source_previews(plan.root, name)
            shown |= {name: held} if held is not None else {}
    return PageSources("/".join([".."] * len(plan.report_folder.parts)), points, shown)


def _folder(row: Mapping[str, Any]) -> str:
    cut, variant = row.get("cut"), row.get("variant")
    sequence = f"{row['sequence']}@{cut}" if cut else row["sequence"]
    codec = f"{row['codec']}+{variant}" if variant else row["codec"]
    where = (sequence, codec, row["configuration"], row["rate_point"])
    return f"results/{'/'.join(map(str, where))}/s{row['seed']}"


def _files(root: Path, point: Point, row: Row) -> PointFiles:
    folder = root / point.address.folder
    if row["status"] != "ok":
        return PointFiles(dict(point.view_sets), failures=_failures(root, point))
    table, kept = folder / "frames.tsv", None
    if point.source.may_publish == PUBLISHABLE:
        kept = previews.read_previews(folder / previews.FOLDER, str(row["decoded_md5"]))
    return PointFiles(
        views=dict(point.view_sets),
        frames=table.read_text(encoding="utf-8") if table.is_file() else "",
        previews=kept,
    )


def _failures(root: Path, point: Point) -> tuple[Failure, ...]:
    """What the steps of a point left that failed with the keys that are expected of them."""
    found = []
    for path, key in point.records.items():
        record = object_in(root / path.with_name(f"{path.stem}.failed.json"))
        if record.get("key") == key:
            texts = (str(record.get(name, "")) for name in ("reason", "log_tail", "repeat"))
            found.append(Failure(path.stem, *(without_places(text, root) for text in texts)))
    return tuple(found)
