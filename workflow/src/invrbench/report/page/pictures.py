"""Which previews the page holds: as many as a budget of bytes allows, the telling ones first."""

import base64
import math
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from invrbench.compare.curves import Curve, Point, is_number
from invrbench.report.content import Report
from invrbench.report.page.names import folder_numbers, folder_of
from invrbench.report.page.sources import PUBLISHABLE, PageSources
from invrbench.results.previews import Previews, box_average, decode, encode

SLICE = "slice"
SHARE_OF_FIRST = 0.6  # of the budget: what the most telling pictures may take
FACTORS = (1, 2, 3)  # beyond, fewer pictures tell more than smaller ones
_TEXT_PER_BYTE = 4 / 3  # base64


@dataclass(frozen=True)
class Candidate:
    """A preview that could be shown.

    Attributes:
        rank: 0 for the pictures a page must have, rising with what can be missed.
        owner: source or point, as the page's data names it.
        view, frame: what it shows; the frame is a number or :data:`SLICE`.
        path: of the file.
        size: its bytes.
    """

    rank: int
    owner: str
    view: str
    frame: str
    path: Path
    size: int


@dataclass(frozen=True)
class Chosen:
    """The pictures of a page as base64, by owner, view and frame, and how far they were shrunk."""

    factor: int
    pictures: dict[str, dict[str, dict[str, str]]]


def choose(candidates: Sequence[Candidate], budget: int) -> Chosen:
    """The first pictures by rank whose base64 fits into ``budget`` characters.

    All are shrunk by one factor: the smallest at which those of rank 0 take no more than their
    share of the budget. Within a rank the order of the candidates holds.
    """
    first = sum(each.size for each in candidates if each.rank == 0) * _TEXT_PER_BYTE
    room = SHARE_OF_FIRST * budget
    factor = next((each for each in FACTORS if first / each**2 <= room), FACTORS[-1])
    pictures: dict[str, dict[str, dict[str, str]]] = {}
    largest = budget / _TEXT_PER_BYTE  # of the files that may still fit
    for each in sorted(candidates, key=lambda candidate: candidate.rank):
        if each.size / factor**2 > largest:
            continue  # not even worth reading
        text = _text(each, factor)
        if len(text) > budget:
            largest = 0.9 * each.size / factor**2
            continue
        budget -= len(text)
        pictures.setdefault(each.owner, {}).setdefault(each.view, {})[each.frame] = text
    return Chosen(factor, pictures)


def _text(candidate: Candidate, factor: int) -> str:
    data = candidate.path.read_bytes()
    if factor > 1:
        data = encode(shrunk(decode(data), factor, is_slice=candidate.frame == SLICE))
    return base64.b64encode(data).decode("ascii")


def shrunk(picture: NDArray[np.uint8], factor: int, *, is_slice: bool) -> NDArray[np.uint8]:
    """A picture averaged over squares, or a slice averaged along its line and not over time."""
    samples = picture.astype(np.float64)
    if is_slice:
        columns = samples.shape[1] // factor
        whole = samples[:, : columns * factor]
        averaged = whole.reshape(samples.shape[0], columns, factor, 3).mean(2)
    else:
        averaged = box_average(samples, factor)
    result: NDArray[np.uint8] = np.rint(averaged).astype(np.uint8)
    return result


def interleaved(groups: Iterable[Sequence[Candidate]]) -> list[Candidate]:
    """One candidate of every group in turn, so that no sequence takes the budget of the others."""
    held = [list(group) for group in groups]
    longest = max((len(group) for group in held), default=0)
    return [group[index] for index in range(longest) for group in held if index < len(group)]


# ---- which pictures there are, and how telling each is


def candidates(report: Report, sources: PageSources, sequences: Sequence[str]) -> list[Candidate]:
    """Every preview that may be shown, most telling first.

    Rank 0 holds the middle frame of the sources, and of proposals and the headline anchor at both
    ends of their curves and where the anchor's rate is next to theirs. Slices, other rate points,
    other frames, other anchors and other views follow.
    """
    return interleaved(
        _of_sequence(report, sources, name, index)
        for index, name in enumerate(sequences)
        if name in report.info.sequences and report.info.sequences[name].may_publish == PUBLISHABLE
    )


def _of_sequence(
    report: Report, sources: PageSources, sequence: str, index: int
) -> list[Candidate]:
    curves = [c for c in report.curves if c.key.sequence == sequence and not c.is_hull]
    numbers, telling = folder_numbers(report), telling_folders(curves, report.info.headline_anchor)
    shown = [files for c in curves for p in c.points if (files := sources.points.get(folder_of(p)))]
    main = {views[0] for files in shown for views in files.views.values() if views}
    found: list[Candidate] = []
    if sequence in sources.sequences:
        found += _of_owner(sources.sequences[sequence], f"s{index}", 0, main)
    folders = dict.fromkeys(
        (folder_of(point), _rank(curve, folder_of(point), telling, report.info.headline_anchor))
        for curve in curves
        for point in curve.points
        if point["status"] == "ok" and curve.role in ("anchor", "proposal")
    )
    for folder, rank in folders:
        files = sources.points.get(folder)
        if files is not None and files.previews is not None:
            found += _of_owner(files.previews, str(numbers[folder]), rank, main)
    return sorted(found, key=lambda candidate: candidate.rank)


def _rank(curve: Curve, folder: str, telling: AbstractSet[str], anchor: str) -> int:
    is_first = curve.role == "proposal" or curve.key.codec == anchor
    if folder in telling:
        return 0 if is_first else 2
    return 1 if is_first else 3


# Rank of a picture by the rank of its owner (0 to 3) and what it shows in one of the main views.
_MIDDLE = (0, 2, 4, 6)
_SLICES = (1, 5, 5, 7)
_OTHERS = (3, 7, 7, 7)
_LAST = 8


def _of_owner(held: Previews, owner: str, rank: int, main: AbstractSet[str]) -> list[Candidate]:
    found = []
    for view, files in held.views.items():
        middle = sorted(files.frames)[len(files.frames) // 2]
        names = {str(number): name for number, name in files.frames.items()}
        names |= {SLICE: files.slice} if files.slice else {}
        for frame, name in names.items():
            path = held.folder / name
            if not path.is_file():
                continue
            kind = _SLICES if frame == SLICE else _MIDDLE if frame == str(middle) else _OTHERS
            own = kind[rank] if view in main else _LAST
            found.append(Candidate(own, owner, view, frame, path, path.stat().st_size))
    return found


def telling_folders(curves: Sequence[Curve], anchor: str) -> set[str]:
    """Points at both ends of every curve, and the anchor's nearest in rate to other codecs' ends.

    Args:
        curves: of one sequence.
        anchor: codec whose points are looked for.
    """
    ends: dict[str, list[Point]] = {}
    own: list[Point] = []
    for curve in curves:
        points = [p for p in curve.points if is_number(p.get("bitstream_bytes"))]
        points.sort(key=lambda point: float(point["bitstream_bytes"]))
        if curve.key.codec == anchor:
            own += points
        ends.setdefault(curve.role, []).extend([points[0], points[-1]] if points else [])
    told = [point for members in ends.values() for point in members]
    for point in ends.get("proposal", []):
        if own:
            told.append(min(own, key=lambda each: _apart(each, point)))
    return {folder_of(point) for point in told}


def _apart(one: Point, other: Point) -> float:
    """How far two rates lie apart: the logarithm of their ratio."""
    return abs(math.log(one["bitstream_bytes"] / other["bitstream_bytes"]))
