"""What a picture of the conditions shows: the source's and each point's instants and line."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from invrbench.codec.workspace import workspace
from invrbench.ctc.pictures import Place, ViewPicture
from invrbench.errors import SourceMissing
from invrbench.metrics.colour import rgb_rows
from invrbench.results import frames, paths
from invrbench.results.plan import Plan, Point
from invrbench.results.points import Row
from invrbench.results.sources import load_source
from invrbench.video.format import RawVideo

Samples = NDArray[np.uint8]
Spot = tuple[NDArray[np.intp], NDArray[np.intp]]


@dataclass(frozen=True)
class Strip:
    """One of the videos that a picture compares, or the reason why it cannot be shown.

    Attributes:
        codec: id with its variant; empty for the source.
        configuration, rate_point, seed: of a point.
        instants: of the picture, (H, W, 3) each.
        line: its pixels at every instant, (T, N, 3); None if the picture has no line.
        row: the point's values on this view, as in views.tsv; of a video as in points.tsv.
        reason: empty if there are pictures.
    """

    codec: str = ""
    configuration: str = ""
    rate_point: str = ""
    seed: str = ""
    instants: tuple[Samples, ...] = ()
    line: Samples | None = None
    row: Row | None = None
    reason: str = ""


def read_strips(plan: Plan, picture: ViewPicture, rows: Sequence[Row]) -> list[Strip]:
    """The source's strip, then those of the points that the picture shows, in its order.

    Args:
        plan: of the run.
        picture: of its conditions.
        rows: of points.tsv and views.tsv.
    """
    held = [p for p in (*plan.points, *plan.references) if p.address.sequence == picture.sequence]
    if any(point.source.may_publish == "no" for point in held):
        return [Strip(reason=f"no picture of {picture.sequence} may be published")]
    strips = [_source_strip(plan.root, picture)]
    for codec, pattern in picture.points.items():
        chosen = [
            point
            for point in (*plan.points, *plan.references)
            if point.address.codec == codec
            and picture.shows(
                sequence=point.address.sequence, codec=codec, rate_point=point.address.rate_point
            )
        ]
        strips += [_point_strip(plan, point, picture, rows) for point in chosen]
        if not chosen:
            left_out = f"not part of this run (only={plan.selection})"
            strips.append(Strip(codec=codec, rate_point=pattern, reason=left_out))
    return strips


def _source_strip(root: Path, picture: ViewPicture) -> Strip:
    try:
        video = load_source(root, picture.sequence).clips[picture.view]
    except SourceMissing as problem:
        return Strip(reason=str(problem))
    instants, line = _seen(video, picture)
    return Strip(instants=instants, line=line)


def _point_strip(plan: Plan, point: Point, picture: ViewPicture, rows: Sequence[Row]) -> Strip:
    where = point.address
    row = next((each for each in rows if _is_of(each, point, picture.view)), None)
    strip = Strip(
        where.codec,
        where.configuration,
        where.rate_point,
        str(where.seed),
        row=row,
        reason=_why_not(point, picture, row),
    )
    if strip.reason:
        return strip
    with workspace(plan.root / paths.JOBS) as space:
        expected = {picture.view: point.formats[picture.view]}
        held = frames.get(plan.root, where, expected, space)
        if held is None:
            again = f"invrbench decode {where.folder.as_posix()} --ctc {plan.conditions.name}"
            gone = f"its decoded frames are gone; run `{again}`, then this report again"
            return replace(strip, reason=gone)
        instants, line = _seen(held[picture.view], picture)
    return replace(strip, instants=instants, line=line)


def _is_of(row: Mapping[str, Any], point: Point, view: str) -> bool:
    """Whether a row holds a point's values on one view (of a video: its only one)."""
    where, manifest = point.address, point.manifest
    own = (manifest.id, manifest.variant, where.configuration, where.rate_point, where.seed)
    names = ("codec", "variant", "configuration", "rate_point", "seed")
    cut = str(row.get("cut") or "")
    sequence = f"{row['sequence']}@{cut}" if cut else row["sequence"]
    return (
        tuple(row[name] for name in names) == own
        and sequence == where.sequence
        and row.get("view", row["view_set"]) == view
    )


def _why_not(point: Point, picture: ViewPicture, row: Row | None) -> str:
    """Why there are no frames of a point to be shown, or an empty text."""
    if point.skipped or point.missing:
        return point.skipped or point.missing or ""
    if picture.view not in point.formats:
        coded = ", ".join(point.formats)
        return f"it does not render view {picture.view} (coded and measured here: {coded})"
    if row is None:
        return "nothing is recorded of it"
    return "" if row["status"] == "ok" else f"{row['status']}: {row['reason']}"


def _seen(video: RawVideo, picture: ViewPicture) -> tuple[tuple[Samples, ...], Samples | None]:
    """The instants of a picture and its line at all instants."""
    spot = pixels_on(*picture.line) if picture.line else None
    found: dict[int, Samples] = {}
    line = []
    for instant, (whole, over) in enumerate(_rgb(video, picture.instants, spot)):
        if whole is not None:
            found[instant] = whole
        if over is not None:
            line.append(over)
    return tuple(found[each] for each in picture.instants), np.stack(line) if line else None


def _rgb(
    video: RawVideo, instants: Sequence[int], spot: Spot | None
) -> Iterator[tuple[Samples | None, Samples | None]]:
    """Of every frame: the whole as RGB if it is asked for, and the pixels of the spot (N, 3)."""
    for instant, planes in enumerate(video.frames()):
        is_whole = instant in instants
        rows = (0, video.format.height) if is_whole or spot is None else _span(spot[1])
        if not is_whole and spot is None:
            yield None, None
            continue
        rgb = np.rint(255 * np.moveaxis(rgb_rows(planes, video.format, *rows), 0, 2))
        picture = rgb.astype(np.uint8)
        over = picture[spot[1] - rows[0], spot[0]] if spot is not None else None
        yield picture if is_whole else None, over


def _span(rows: NDArray[np.intp]) -> tuple[int, int]:
    return int(rows.min()), int(rows.max()) + 1


def pixels_on(start: Place, end: Place) -> Spot:
    """Columns and rows of the pixels nearest to a line, one for each step along its longer side."""
    (x0, y0), (x1, y1) = start, end
    count = max(abs(x1 - x0), abs(y1 - y0)) + 1
    columns, rows = (
        np.rint(np.linspace(*pair, count)).astype(np.intp) for pair in ((x0, x1), (y0, y1))
    )
    return columns, rows
