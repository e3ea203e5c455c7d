"""The pictures that conditions ask for, drawn: instants beside crops, and x–t slices of a line."""

from collections.abc import Sequence
from dataclasses import dataclass

from invrbench.compare.curves import is_number
from invrbench.ctc.pictures import XT, ViewPicture
from invrbench.report import slices
from invrbench.report.info import RunInfo
from invrbench.report.metrics import metric
from invrbench.results.pictures import Strip

CAPTION_METRICS = ("psnr_rgb_db", "flicker")  # the latter of scenes
_WIDE = 640  # columns from which on whole pictures are shown smaller
_NARROW = 320  # columns up to which they are shown larger
_SLICE_WIDTH, _SLICE_HEIGHT = 640, 96  # about the size of an x–t slice


@dataclass(frozen=True)
class Drawn:
    """A picture as it is written and embedded: PNG files by name, and a caption for each row.

    A caption ends with the reason where the row has no pictures.
    """

    title: str
    detail: str
    files: dict[str, bytes]
    captions: tuple[str, ...]


def draw(picture: ViewPicture, strips: Sequence[Strip], info: RunInfo) -> Drawn:
    """Draw one picture of the conditions.

    Args:
        picture: what is asked for.
        strips: the source's, then those of the points.
        info: names of the codecs.
    """
    captions = tuple(caption(strip, info) for strip in strips)
    files = {f"{picture.name}.png": slices.png(_montage(picture, strips, captions))}
    if picture.line is not None:
        files[f"{picture.name}{XT}.png"] = slices.png(_slices(picture, strips, captions))
    crop, view = picture.crop, f" view {picture.view}," if picture.view else ""
    detail = (
        f"{picture.sequence},{view} instants {', '.join(map(str, picture.instants))}; crop of "
        f"{crop.width}x{crop.height} at column {crop.x}, row {crop.y}"
    )
    if picture.line is not None:
        (x0, y0), (x1, y1) = picture.line
        detail += f"; x–t slices along ({x0}, {y0}) to ({x1}, {y1}), first instant on top"
    told = (
        f"{label}: {strip.reason}" if strip.reason else label
        for strip, label in zip(strips, captions, strict=True)
    )
    return Drawn(picture.title, detail, files, tuple(told))


def caption(strip: Strip, info: RunInfo) -> str:
    """Who a strip is of, its bytes, and what it scores on this view."""
    if not strip.codec:
        return "Source"
    parts = [f"{info.name(strip.codec, strip.configuration, seed=strip.seed)}, {strip.rate_point}"]
    row = strip.row or {}
    if is_number(row.get("bitstream_bytes")):
        parts.append(f"{row['bitstream_bytes']:,} bytes")
    for column in CAPTION_METRICS if "view" in row else CAPTION_METRICS[:1]:
        shown, value = metric(column), row.get(column)
        reason = row.get(f"{column}_reason")
        if is_number(value):
            unit = f" {shown.unit}" if column.endswith("_db") else ""
            parts.append(f"{shown.label} {value:.{shown.decimals}f}{unit}")
        elif reason:
            parts.append(f"{shown.label}: {reason}")
    return " · ".join(parts)


def _rows(
    strips: Sequence[Strip], captions: Sequence[str], shown: Sequence[tuple[slices.Picture, ...]]
) -> list[slices.Row]:
    return [
        slices.Row(label, reason=strip.reason) if strip.reason else slices.Row(label, pictures)
        for strip, label, pictures in zip(strips, captions, shown, strict=True)
    ]


def _montage(
    picture: ViewPicture, strips: Sequence[Strip], captions: Sequence[str]
) -> slices.Picture:
    rows = _rows(strips, captions, [strip.instants for strip in strips])
    first = next((row for row in rows if row.pictures), None)
    if first is None:
        return slices.labelled(rows)
    factor, shrink = _scale(first.pictures[0].shape[1])
    crop = picture.crop
    return slices.montage(
        rows,
        [f"instant {instant}" for instant in picture.instants],
        slices.Crop(crop.x, crop.y, crop.width, crop.height),
        factor=factor,
        shrink=shrink,
    )


def _slices(
    picture: ViewPicture, strips: Sequence[Strip], captions: Sequence[str]
) -> slices.Picture:
    """The line's place in the first picture there is, then its slices."""
    shown = [() if strip.line is None else (_slice(strip.line),) for strip in strips]
    held = next((strip.instants[0] for strip in strips if strip.instants), None)
    lead = None
    if held is not None and picture.line is not None:
        factor, shrink = _scale(held.shape[1])
        (x0, y0), (x1, y1) = ((x // shrink, y // shrink) for x, y in picture.line)
        line = ((x0, y0), (x1, y1))
        thumbnail = slices.with_line(slices.shrunk(held, shrink), line, factor=factor)
        lead = slices.Row(f"The line, in instant {picture.instants[0]}", (thumbnail,))
    return slices.labelled(_rows(strips, captions, shown), lead)


def _slice(line: slices.Picture) -> slices.Picture:
    count, width, _ = line.shape
    rows, columns = max(_SLICE_HEIGHT // count, 2), max(_SLICE_WIDTH // width, 1)
    return slices.xt_slice(line, rows=rows, columns=columns)


def _scale(width: int) -> tuple[int, int]:
    """By how much a whole picture is shown larger, and by how much smaller."""
    return max(_NARROW // width, 1), -(-width // _WIDE)
