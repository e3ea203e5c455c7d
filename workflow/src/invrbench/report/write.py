"""Write a report folder: tables, plots, workbook, and run.json last."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from invrbench.compare.ablation import COLUMNS as ABLATION_COLUMNS
from invrbench.compare.ablation import ablation_rows
from invrbench.compare.curves import BD_METRICS, Point, group_curves, normalised
from invrbench.compare.findings import Verdict, judge
from invrbench.compare.seeds import COLUMNS as SEED_COLUMNS
from invrbench.compare.table import (
    BD_COLUMNS,
    Row,
    add_rate_vs_anchor,
    bd_rows,
    point_columns,
    read_points,
    write_table,
)
from invrbench.digest import md5_file, write_json, write_whole
from invrbench.errors import RecordError
from invrbench.report.cells import to_tsv
from invrbench.report.content import Report
from invrbench.report.document import DOCUMENTS, write_contribution
from invrbench.report.info import RunInfo, completeness, shown_verdict
from invrbench.report.page.page import write_page
from invrbench.report.page.sources import PageSources
from invrbench.report.pictures import Drawn
from invrbench.report.plots import write_plots
from invrbench.report.seeds import rows_over_seeds
from invrbench.report.slide import NAME as SLIDE
from invrbench.report.slide import draw_slide
from invrbench.report.summary import summary_lines
from invrbench.report.tables import headline as headline_table
from invrbench.report.workbook import write_workbook
from invrbench.results.points import VIEW_COLUMNS

FINDING_COLUMNS = ("claim", "sequence", "metric", "budget", "verdict", "numbers")
PAGE = "index.html"
TABLES = (
    "points.tsv",
    "bd.tsv",
    "findings.tsv",
    "ablation.tsv",
    "views.tsv",
    "summary.tsv",
    "seeds.tsv",
)


@dataclass(frozen=True)
class Written:
    """What a report holds, for whoever prints or tests it."""

    points: tuple[Point, ...]
    rows: tuple[Row, ...]
    lines: tuple[str, ...]


def write_report(
    folder: Path,
    points: Sequence[Mapping[str, Any]],
    info: RunInfo,
    *,
    previous: Sequence[Mapping[str, Any]] | None = None,
    partial: bool = False,
    views: Sequence[Row] = (),
    pictures: Sequence[Drawn] = (),
    page: PageSources | None = None,
) -> Written:
    """Write tables, plots, results.xlsx, contribution.docx, index.html and, last, run.json.

    run.json is removed first, so that an interrupted or partial report never looks finished.

    Args:
        folder: ``reports/<conditions>/[<label>/]``; made if absent.
        points: one per expected point, missing and failed ones included, columns of points.tsv.
        info: names, provenance and marks.
        previous: points of the last run; None: those of the points.tsv that is replaced.
        partial: after a failed run: everything but run.json.
        views: rows of views.tsv, one per point and view of scenes.
        pictures: of the conditions, for the folder pictures/ and the workbook.
        page: what index.html shows of the results beside the points.

    Raises:
        RecordError: no points at all, or a point without sequence, codec, rate_point, role or
            status.
    """
    rows_of_points = normalised(points)
    _check(rows_of_points, info)
    (folder / "run.json").unlink(missing_ok=True)
    earlier = normalised(previous) if previous is not None else _earlier(folder / "points.tsv")
    first = info.headline_metrics[0]
    rows = bd_rows(
        rows_of_points,
        metrics=_metrics(rows_of_points, info),
        headline_metric=first,
        hulls=info.hulls,
    )
    add_rate_vs_anchor(rows_of_points, rows, (info.headline_anchor, first))
    write_table(folder / "points.tsv", rows_of_points, point_columns(rows_of_points))
    write_table(folder / "bd.tsv", rows, BD_COLUMNS)
    curves = group_curves(rows_of_points, info.hulls)
    verdicts = judge(info.findings, curves, first)
    ablation = ablation_rows(curves, list(dict.fromkeys(info.headline_metrics)))
    _write_or_remove(folder / "findings.tsv", _finding_rows(verdicts, info), FINDING_COLUMNS)
    _write_or_remove(folder / "ablation.tsv", ablation, ABLATION_COLUMNS)
    _write_or_remove(folder / "views.tsv", views, VIEW_COLUMNS)
    report = Report(rows_of_points, rows, info)
    _replace_plots(folder / "plots", report)
    _replace_files(
        folder / "pictures",
        {name: data for drawn in pictures for name, data in drawn.files.items()},
    )
    sheets = write_workbook(
        folder / "results.xlsx",
        rows_of_points,
        rows,
        info,
        verdicts=verdicts,
        ablation=ablation,
        views=views,
        pictures=pictures,
    )
    _replace_files(folder / "csv", {name: text.encode() for name, text in sheets.items()})
    write_whole(folder / "summary.tsv", to_tsv(headline_table(report)))
    _write_or_remove(folder / "seeds.tsv", rows_over_seeds(report), SEED_COLUMNS)
    write_contribution(folder, report, verdicts=verdicts, pictures=pictures)
    write_page(folder / PAGE, report, page, verdicts)
    lines = summary_lines(rows_of_points, info, rows=rows, previous=earlier, verdicts=verdicts)
    if not partial:
        write_json(folder / "run.json", _run_record(folder, rows_of_points, info))
    return Written(tuple(rows_of_points), tuple(rows), tuple(lines))


def _finding_rows(verdicts: Sequence[Verdict], info: RunInfo) -> list[Row]:
    return [
        asdict(each) | {"budget": info.budget, "verdict": shown_verdict(each.verdict, info)}
        for each in verdicts
    ]


def _write_or_remove(path: Path, rows: Sequence[Row], columns: Sequence[str]) -> None:
    """Write a table that only some conditions have; one of an earlier run goes."""
    if rows:
        write_table(path, rows, columns)
    else:
        path.unlink(missing_ok=True)


def _check(points: Sequence[Point], info: RunInfo) -> None:
    if not points:
        raise RecordError(
            f"conditions {info.conditions}: no point is expected, so there is nothing to report; "
            "check sequences, codecs and the only= filter."
        )
    for index, point in enumerate(points):
        for name in ("sequence", "codec", "rate_point", "role", "status"):
            if not point.get(name):
                raise RecordError(
                    f"point {index + 1} of {len(points)} has no {name}; every row needs one."
                )


def _metrics(points: Sequence[Point], info: RunInfo) -> list[str]:
    """Columns to compare: those of the conditions and, for the sheets, the headline's and Y, U, V.

    Without columns in the conditions, all that some point has.
    """
    planes = {"psnr_y_db", "psnr_u_db", "psnr_v_db"}
    asked = set(info.metrics) | planes | set(info.headline_metrics)
    if not info.metrics:
        asked |= {name for name in BD_METRICS if any(point.get(name) for point in points)}
    return [name for name in BD_METRICS if name in asked]


def _earlier(path: Path) -> list[Point] | None:
    """Points of the report that is about to be replaced, if it is one."""
    if not path.is_file():
        return None
    try:
        return read_points(path)
    except RecordError:
        return None


def _replace_plots(folder: Path, report: Report) -> None:
    """Draw all plots and the slide, and remove those of sequences that are gone."""
    written = {*write_plots(folder, report.points, report.info), folder / SLIDE}
    write_whole(folder / SLIDE, draw_slide(report))
    for pattern in ("*.png", "*.svg"):
        for path in folder.glob(pattern):
            if path not in written:
                path.unlink()


def _replace_files(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write a folder's files and remove those of an earlier report that are gone."""
    for path in folder.glob("*.*"):
        if path.name not in files:
            path.unlink()
    for name, data in files.items():
        write_whole(folder / name, data)


def _run_record(folder: Path, points: Sequence[Point], info: RunInfo) -> dict[str, Any]:
    """What run.json states: the run, how complete it is, and the MD5 of each file."""
    count = completeness(points)
    paths = [path for name in TABLES if (path := folder / name).is_file()]
    paths += [folder / name for name in ("results.xlsx", *DOCUMENTS, PAGE)]
    for name in ("plots", "pictures", "csv"):
        paths += sorted((folder / name).glob("*.*"))
    return asdict(info) | {
        "schema": 1,
        "points_present": count.present,
        "points_expected": count.expected,
        "files": {path.relative_to(folder).as_posix(): md5_file(path) for path in paths},
    }
