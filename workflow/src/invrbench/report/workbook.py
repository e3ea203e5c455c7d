"""results.xlsx: what is attached to a contribution, the same bytes for the same results."""

import io
from collections.abc import Sequence
from pathlib import Path

from invrbench.compare.curves import Point
from invrbench.compare.findings import Verdict
from invrbench.compare.table import Row
from invrbench.digest import write_whole
from invrbench.report.content import Report
from invrbench.report.info import RunInfo
from invrbench.report.pictures import Drawn
from invrbench.report.sheets.base import Book
from invrbench.report.sheets.charts import SHEET as CHARTS_SHEET
from invrbench.report.sheets.charts import write_charts
from invrbench.report.sheets.comparisons import SHEET as BD_SHEET
from invrbench.report.sheets.comparisons import comparisons, wanted_knots, write_comparisons
from invrbench.report.sheets.configuration import write_configurations
from invrbench.report.sheets.csv_files import csv_files
from invrbench.report.sheets.experiment import write_ablation, write_experiment
from invrbench.report.sheets.full import (
    write_bytes,
    write_complexity,
    write_drift,
    write_full,
    write_self_reported,
)
from invrbench.report.sheets.rd_data import RdData, write_rd_data
from invrbench.report.sheets.reference import (
    write_coverage,
    write_definitions,
    write_points,
    write_provenance,
)
from invrbench.report.sheets.seeds import write_seeds
from invrbench.report.sheets.summary import write_summary
from invrbench.report.sheets.views import write_pictures, write_views


def write_workbook(
    path: Path,
    points: Sequence[Point],
    rows: Sequence[Row],
    info: RunInfo,
    *,
    verdicts: Sequence[Verdict] = (),
    ablation: Sequence[Row] = (),
    views: Sequence[Row] = (),
    pictures: Sequence[Drawn] = (),
) -> dict[str, str]:
    """Write the workbook.

    Args:
        path: results.xlsx; replaced whole. Figures are read from ``plots/`` beside it.
        points: normalised points.
        rows: rows of bd.tsv.
        info: names, provenance and marks; its newest record's date is the file's date.
        verdicts: on the findings of the conditions.
        ablation: rows of ablation.tsv.
        views: rows of views.tsv.
        pictures: of the conditions.

    Returns:
        The same cells as CSV, by file name.
    """
    import xlsxwriter

    out = io.BytesIO()
    workbook = xlsxwriter.Workbook(out, {"in_memory": True, "nan_inf_to_errors": False})
    workbook.set_properties(
        {
            "title": info.title or info.conditions,
            "subject": f"Test conditions {info.conditions}, digest {info.digest}",
            "comments": f"Made by invrbench, commit {info.commit or 'unknown'}",
            "created": info.created,
        }
    )
    book = Book(workbook, Report(points, rows, info))
    given = {"Experiment": verdicts or info.figures, "Views": views, "Pictures": pictures}
    book.reserve("Summary", *(name for name, content in given.items() if content), "Full")
    data = _write_computations(book, ablation)
    write_summary(book)
    write_experiment(book, verdicts, path.parent / "plots")
    write_views(book, views)
    write_pictures(book, pictures)
    write_full(book)
    write_seeds(book)
    write_ablation(book, ablation, data)
    write_complexity(book)
    write_self_reported(book)
    write_bytes(book)
    write_drift(book)
    write_coverage(book)
    write_definitions(book)
    write_provenance(book)
    write_points(book)
    workbook.close()
    write_whole(path, out.getvalue())
    return csv_files(book)


def _write_computations(book: Book, ablation: Sequence[Row]) -> RdData:
    """Fill the sheets in which BD-rates are computed, before those that refer to them."""
    write_configurations(book)
    book.reserve(BD_SHEET, CHARTS_SHEET)
    pairs = comparisons(book)
    data = write_rd_data(book, wanted_knots(pairs, ablation))
    write_charts(book, data)
    write_comparisons(book, pairs, data)
    return data
