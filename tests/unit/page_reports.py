"""A small page as a run with previews leaves it, for tests of the page."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from invrbench.compare.curves import normalised
from invrbench.compare.table import add_rate_vs_anchor, bd_rows
from invrbench.report.content import Report
from invrbench.report.info import RunInfo
from invrbench.report.page.names import folder_of
from invrbench.report.page.sources import Failure, PageSources, PointFiles
from invrbench.results.previews import Previews, ViewPreviews
from report_points import curve, info, points

BUNNY, STILL = "bunny-mini@0+32", "bikes-still"
REASON = "encode: exit status 1: NaN in stem.weight"
METRICS = ("psnr_y_db", "ms_ssim_y_db")


def rows_with_a_failure() -> list[dict[str, Any]]:
    """One still and one clip; the clip's second point of HNeRV failed."""
    rows = [each for each in points() if each["sequence"] in ("bikes-still", "bunny-mini")]
    failed = curve(rows, BUNNY, "hnerv")[1]
    kept = ("sequence", "cut", "codec", "variant", "role", "configuration", "rate_point", "class")
    for name in failed:
        if name not in (*kept, "curve", "seed", "fit", "view_set", "track", "conditions"):
            failed[name] = None
    failed.update(status="failed", reason=REASON)
    return rows


def report_of(rows: list[dict[str, Any]], run: RunInfo | None = None) -> Report:
    """The content of a report on these points."""
    run = run or publishable(info())
    made = normalised(rows)
    compared = bd_rows(made, metrics=METRICS, headline_metric=METRICS[0], hulls=run.hulls)
    add_rate_vs_anchor(made, compared, (run.headline_anchor, METRICS[0]))
    return Report(made, compared, run)


def publishable(run: RunInfo, may_publish: str = "frames") -> RunInfo:
    """The run with sequences of which frames, or nothing, may be published."""
    held = {name: replace(each, may_publish=may_publish) for name, each in run.sequences.items()}
    return replace(run, sequences=held)


def sources_of(report: Report, folder: Path) -> PageSources:
    """Previews of plain colours and per-frame values for every point that is there.

    The source is grey 100; a point of index i in its curve is grey 100 + i + 1.
    """
    files: dict[str, PointFiles] = {}
    for each in [*report.curves, *report.controls]:
        moves = each.key.sequence == BUNNY
        for index, point in enumerate(each.points):
            name = folder_of(point)
            if point["status"] != "ok":
                failure = Failure(
                    "encode", REASON, "NaN in stem.weight\n<b>bold</b>", "invrbench …"
                )
                files[name] = PointFiles(failures=(failure,))
                continue
            made = flat_previews(folder / name, 101 + index, moves=moves)
            files[name] = PointFiles(frames=frames_table(32 if moves else 1), previews=made)
    sequences = {
        name: flat_previews(folder / f"{name}.previews", 100, moves=name == BUNNY)
        for name in report.sequences
    }
    return PageSources("../..", files, sequences)


def frames_table(count: int) -> str:
    """A frames.tsv of rising PSNR."""
    lines = [f"{number}\t{30 + number / 10:.6f}\t{12 + number / 10:.6f}" for number in range(count)]
    return "\n".join(["frame\tpsnr_y_db\tms_ssim_y_db", *lines]) + "\n"


def flat_previews(folder: Path, grey: int, *, moves: bool) -> Previews:
    """Previews of 64×36 samples of one grey, and slices of videos."""
    folder.mkdir(parents=True, exist_ok=True)
    numbers = (0, 16, 31) if moves else (0,)
    names = {number: f"frame-{number}.webp" for number in numbers}
    for name in (*names.values(), "slice.webp"):
        picture = np.full((36, 64, 3), grey, np.uint8)
        done, data = cv2.imencode(".webp", picture, [cv2.IMWRITE_WEBP_QUALITY, 101])
        assert done
        (folder / name).write_bytes(data.tobytes())
    held = {"": ViewPreviews(names, "slice.webp" if moves else "")}
    return Previews(folder, "md5", 64, 36, 5, 88, held)
