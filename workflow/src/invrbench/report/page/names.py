"""How the page's data names points: by the folder of their records, and by its number."""

from invrbench.compare.curves import Point, full_codec, full_sequence
from invrbench.report.content import Report
from invrbench.results.points import MEAN_OF


def folder_of(point: Point) -> str:
    """Folder of a point's records below the repository; empty for one that has none."""
    if point["role"] == "published" or str(point["sequence"]).startswith(MEAN_OF):
        return ""
    names = (full_sequence(point), full_codec(point), point["configuration"], point["rate_point"])
    return f"results/{'/'.join(map(str, names))}/s{seed_of(point)}"


def seed_of(point: Point) -> str:
    """The training seed of a point as text."""
    return str(point.get("seed") or 0).removeprefix("s")


def folder_numbers(report: Report) -> dict[str, int]:
    """Folders of all points with their numbers, in the order of the points."""
    folders = dict.fromkeys(map(folder_of, report.points))
    return {name: index for index, name in enumerate(name for name in folders if name)}
