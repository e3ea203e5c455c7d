"""A failure is never a number: properties of any table of points, and of all that is made of it.

Tables are random (`random_points`): points failed, missing, stale, skipped, lossless, undefined,
without a rate; curves of one point, with duplicates, falling, saturated, apart, crossing.
"""

import csv
import json
import math
import re
import statistics
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from typing import Any

import openpyxl
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from invrbench.compare.bd import MIN_OVERLAP
from invrbench.compare.curves import RATES, full_codec, full_sequence
from invrbench.compare.seeds import COLUMNS as SEED_COLUMNS
from invrbench.compare.table import (
    BD_COLUMNS,
    OVERALL,
    STRONGEST,
    Row,
    point_columns,
    reason_column,
    write_table,
)
from invrbench.report import tables as report_tables
from invrbench.report.cells import Cell, Table, to_markdown, to_tsv
from invrbench.report.document import write_contribution
from invrbench.report.page.data import page_data
from invrbench.report.page.page import safe_json
from invrbench.report.page.sources import PageSources
from invrbench.report.seeds import rows_over_seeds
from invrbench.report.self_reported import self_reported
from invrbench.report.summary import summary_lines
from invrbench.report.workbook import write_workbook
from invrbench.results.points import METRICS as EVERY_METRIC
from random_points import METRICS, Fields, Made, bounded, compute, few, tables

IDENTITY = (
    *("sequence", "class", "view_set", "configuration", "anchor", "anchor_configuration"),
    *("test", "curve", "seed", "metric", "method"),
)
TESTED = ("view_set", "configuration", "test", "curve", "seed")
# What is no number, as text: Python's, JavaScript's, numpy's and spreadsheets' spellings.
NO_NUMBER = re.compile(
    r"(?<![\w-])([+-]?(nan|NaN|inf|Inf|infinity|Infinity)|None|null|undefined)(?![\w-])"
    r"|#(NUM|DIV/0|VALUE|REF|NAME)|#N/A"
)
# The reasons that quote what a record holds.
QUOTES = re.compile(r"the record holds -?(nan|inf)")


def identity(row: Row) -> tuple[str, ...]:
    return tuple(str(row[name]) for name in IDENTITY)


def of_sequences(made: Made) -> list[Row]:
    """Rows of one sequence and one training."""
    return [row for row in made.rows if row["sequence"] and row["seeds_total"] is None]


def values(made: Made) -> dict[tuple[str, ...], float | None]:
    return {identity(row): row["bd_rate_percent"] for row in of_sequences(made)}


def is_finite(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def without_quotes(text: str) -> str:
    return QUOTES.sub("", text)


def curves_of(points: list[Fields]) -> dict[tuple[str, ...], list[Fields]]:
    """Points by (sequence, views, codec, configuration, seed)."""
    found: dict[tuple[str, ...], list[Fields]] = {}
    for each in points:
        key = (full_sequence(each), each["view_set"], full_codec(each), each["configuration"])
        found.setdefault((*key, str(each["seed"])), []).append(each)
    return found


def every_table(made: Made) -> list[Table]:
    report = made.report
    return [
        report_tables.headline(report),
        *report_tables.matrices(report),
        report_tables.full(report),
        report_tables.complexity(report),
        self_reported(report),
        report_tables.coverage(report),
        report_tables.bitstreams(report),
        report_tables.sources(report),
        report_tables.codecs(report),
    ]


def every_cell(made: Made) -> Iterator[tuple[str, str, Cell]]:
    for table in every_table(made):
        for row in table.rows:
            for head, cell in zip(table.heads, row, strict=True):
                yield table.name, head, cell


# ---- the two tables


@bounded
@given(tables())
def test_every_cell_of_both_tables_is_a_finite_number_or_text(
    tmp_path_factory: pytest.TempPathFactory, points: list[Fields]
) -> None:
    made, folder = compute(points), tmp_path_factory.mktemp("tables")
    write_table(folder / "points.tsv", made.points, point_columns(made.points))
    write_table(folder / "bd.tsv", made.rows, BD_COLUMNS)
    for name, expected in (("points.tsv", len(points)), ("bd.tsv", len(made.rows))):
        with (folder / name).open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file, delimiter="\t"))
        assert len(rows) == expected
        for row in rows:
            for column, cell in row.items():
                assert not NO_NUMBER.search(without_quotes(cell)), (name, column, cell)


@bounded
@given(tables())
def test_an_empty_metric_or_ratio_of_a_point_has_its_reason_beside_it(
    points: list[Fields],
) -> None:
    for point in compute(points).points:
        if point["status"] not in ("ok", "published"):
            assert point["reason"], point
            assert not any(is_finite(point[name]) for name in METRICS)
        for name in EVERY_METRIC if point["status"] == "ok" else ():
            assert is_finite(point.get(name)) or point[f"{name}_reason"], (name, point)
        for name in RATES:
            assert point[name] is None or (is_finite(point[name]) and point[name] > 0), point
        ratio = point["rate_vs_anchor_percent"]
        assert (ratio is None) == bool(point[reason_column("rate_vs_anchor_percent")])


@bounded
@given(tables())
def test_a_comparison_has_a_number_or_a_reason_and_never_both_or_neither(
    points: list[Fields],
) -> None:
    for row in compute(points).rows:
        if row["status"] in ("ok", "partial"):
            assert is_finite(row["bd_rate_percent"]), row
        else:
            assert row["status"] in ("none", "skipped", "drawn only", "withheld")
            assert row["bd_rate_percent"] is None and row["bd_quality"] is None, row
            assert row["reason"], row
        if row["status"] == "partial":
            assert row["reason"].startswith("partial-overlap") or row["seeds_total"]


@bounded
@given(tables())
def test_no_two_rows_state_the_same_comparison(points: list[Fields]) -> None:
    rows = [identity(row) for row in compute(points).rows]
    assert len(set(rows)) == len(rows)


@bounded
@given(tables())
def test_every_tested_curve_is_compared_or_told_why_not(points: list[Fields]) -> None:
    made = compute(points)
    told = {
        (row["sequence"], row["view_set"], row["test"], row["configuration"], row["seed"])
        for row in made.rows
        if row["metric"] == METRICS[0]
    }
    for key, members in curves_of(points).items():
        if members[0]["role"] in ("proposal", "anchor"):
            assert key in told


# ---- means


def usable(row: Row) -> bool:
    return row["status"] == "ok" and row["overlap"] >= MIN_OVERLAP


def hardest(rows: list[Row]) -> Mapping[tuple[str, ...], str]:
    """By sequence, anchor and tested curve: the anchor's configuration that is hardest to beat."""
    best: dict[tuple[str, ...], tuple[tuple[int, float, int], str]] = {}
    for row in rows:
        if row["metric"] != METRICS[0] or row["method"] != "pchip":
            continue
        value = row["bd_rate_percent"]
        trust = 0 if value is None else 2 if usable(row) else 1
        capable = ("ai", "ld", "ra").index(row["anchor_configuration"])
        rank = (trust, -math.inf if value is None else value, capable)
        key = tuple(row[name] for name in ("sequence", "anchor", *TESTED))
        best[key] = max(best.get(key, (rank, "")), (rank, row["anchor_configuration"]))
    return {key: configuration for key, (_, configuration) in best.items()}


@bounded
@given(tables())
def test_a_mean_is_over_exactly_the_sequences_it_says_and_says_how_many_there_are(
    points: list[Fields],
) -> None:
    rows = compute(points).rows
    single = [row for row in rows if row["sequence"] and row["anchor"]]
    chosen = hardest(single)
    for mean in (row for row in rows if not row["sequence"]):
        same = ("anchor", *TESTED, "metric", "method")
        members = [row for row in single if all(row[name] == mean[name] for name in same)]
        if mean["class"] != OVERALL:
            members = [row for row in members if row["class"] == mean["class"]]
        if mean["anchor_configuration"] == STRONGEST:
            key = ("sequence", "anchor", *TESTED)
            members = [
                row
                for row in members
                if chosen[tuple(row[name] for name in key)] == row["anchor_configuration"]
            ]
        else:
            wanted = mean["anchor_configuration"]
            members = [row for row in members if row["anchor_configuration"] == wanted]
        used = [row["bd_rate_percent"] for row in members if usable(row)]
        assert len({row["sequence"] for row in members}) == len(members)
        everything = {
            row["sequence"]
            for row in rows
            if row["sequence"]
            and all(row[name] == mean[name] for name in TESTED)
            and mean["class"] in (OVERALL, row["class"])
        }
        whole = mean["anchor_configuration"] in (STRONGEST, mean["configuration"])
        assert mean["n_total"] == (len(everything) if whole else len(members))
        assert mean["n_used"] == len(used)
        if used:
            assert mean["bd_rate_percent"] == pytest.approx(statistics.fmean(used), rel=1e-9)
        else:
            assert (mean["status"], mean["bd_rate_percent"]) == ("withheld", None)
        if len(used) < mean["n_total"]:
            assert mean["reason"].startswith(f"{len(used)} of {mean['n_total']}: ")


@bounded
@given(tables())
def test_a_mean_over_seeds_is_over_exactly_the_trainings_it_says(points: list[Fields]) -> None:
    rows = compute(points).rows
    same = [name for name in IDENTITY if name != "seed"]
    for mean in (row for row in rows if row["sequence"] and row["seeds_total"] is not None):
        members = [
            row
            for row in rows
            if row["seeds_total"] is None and all(row[name] == mean[name] for name in same)
        ]
        used = [row["bd_rate_percent"] for row in members if usable(row)]
        used = used or [row["bd_rate_percent"] for row in members if row["status"] == "partial"]
        assert (mean["seeds_used"], mean["seeds_total"]) == (len(used), len(members))
        if used:
            assert mean["bd_rate_percent"] == pytest.approx(statistics.fmean(used), rel=1e-9)
        else:
            assert mean["bd_rate_percent"] is None and mean["reason"]


@bounded
@given(tables())
def test_no_cell_shows_a_mean_over_fewer_sequences_without_n_of_n(points: list[Fields]) -> None:
    made = compute(points)
    for table in every_table(made):
        for cells in table.rows:
            for cell in cells:
                row = cell.row
                if row is None or row["n_total"] in (None, row["n_used"]):
                    continue
                count = f"{row['n_used']} of {row['n_total']}"
                assert count in cell.shown or count in [each.shown for each in cells]
    for cells in report_tables.headline(made.report).rows:
        shown = [cell.shown for cell in cells]
        for cell in cells:
            if cell.row is not None and cell.row["n_used"] is not None:
                count = f"{cell.row['n_used']} of"
                assert any(count in text for text in shown), shown


# ---- what moves a number, and what does not


@bounded
@given(tables(), st.randoms(use_true_random=False))
def test_the_order_of_points_moves_no_number(points: list[Fields], random: Any) -> None:
    shuffled = list(points)
    random.shuffle(shuffled)
    expected, found = values(compute(points)), values(compute(shuffled))
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        expectation = None if value is None else pytest.approx(value, rel=1e-9, abs=1e-9)
        assert found[key] == expectation, key


@bounded
@given(tables(), st.sampled_from((0.25, 3.0, 1000.0)))
def test_another_unit_of_rate_moves_no_number(points: list[Fields], factor: float) -> None:
    scaled = [
        each | {name: each[name] and each[name] * factor for name in ("bpp", "rate_kbps")}
        for each in points
    ]
    expected, found = values(compute(points)), values(compute(scaled))
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        assert (value is None) == (found[key] is None), key
        if value is not None:
            ratio = pytest.approx(1 + value / 100, rel=1e-6)
            assert 1 + found[key] / 100 == ratio, key  # type: ignore[operator]


@bounded
@given(tables())
def test_two_anchors_against_each_other_are_reciprocal(points: list[Fields]) -> None:
    found = values(compute(points))
    at = {name: index for index, name in enumerate(IDENTITY)}
    for key, value in found.items():
        if value is None or {key[at["test"]], key[at["anchor"]]} != {"hevc", "avc"}:
            continue
        swapped = list(key)
        swapped[at["test"]], swapped[at["anchor"]] = key[at["anchor"]], key[at["test"]]
        back = found[tuple(swapped)]
        assert back is not None
        if max(abs(value), abs(back)) < 1e6:
            assert (1 + value / 100) * (1 + back / 100) == pytest.approx(1, rel=1e-6)


@bounded
@given(tables())
def test_zero_percent_is_only_where_both_curves_are_equal(points: list[Fields]) -> None:
    made, curves = compute(points), curves_of(points)
    for row in of_sequences(made):
        if not row["anchor"] or row["bd_rate_percent"] is None:
            continue
        place = (row["sequence"], row["view_set"])
        test = curves[(*place, row["test"], row["configuration"], row["seed"])]
        anchor = curves[(*place, row["anchor"], row["anchor_configuration"], "0")]
        ours, theirs = ({each[row["metric"]]: each["bpp"] for each in of} for of in (test, anchor))
        shared = ours.keys() & theirs.keys()
        if row["bd_rate_percent"] == 0.0:
            assert len(shared) >= 2 and all(ours[q] == theirs[q] for q in shared), row
        if ours == theirs:
            assert (row["bd_rate_percent"], row["bd_quality"]) == (0.0, 0.0), row
    for row in made.rows:
        if not row["sequence"] and row["bd_rate_percent"] == 0.0:
            assert row["n_used"] > 0


@bounded
@given(tables(), st.data())
def test_a_failed_point_takes_numbers_of_its_own_curve_and_moves_no_other(
    points: list[Fields], data: st.DataObject
) -> None:
    index = data.draw(st.integers(0, len(points) - 1))
    victim = points[index]
    assume(victim["status"] == "ok" and victim["role"] != "control")
    failed = victim | dict.fromkeys(("bpp", "rate_kbps", "bitstream_bytes", *METRICS))
    failed |= {"status": "failed", "reason": "exit status 1"}
    before = compute(points)
    after = compute([*points[:index], failed, *points[index + 1 :]])
    old, new = values(before), values(after)
    assert new.keys() == old.keys()
    codec = full_codec(victim)
    for row in of_sequences(after):
        key = identity(row)
        mine = row["sequence"] == full_sequence(victim) and codec in (row["test"], row["anchor"])
        if not mine:
            assert new[key] == old[key], key
        if new[key] is not None:
            assert old[key] == new[key], key
    tested = (full_sequence(victim), victim["view_set"], codec, victim["configuration"])
    for row in of_sequences(after):
        own = (row["sequence"], row["view_set"], row["test"], row["configuration"], row["seed"])
        if own == (*tested, str(victim["seed"])):
            assert row["bd_rate_percent"] is None and row["reason"]


# ---- what a reader sees


@bounded
@given(tables())
def test_every_cell_of_every_table_is_a_finite_number_a_text_or_a_reason(
    points: list[Fields],
) -> None:
    for name, head, cell in every_cell(compute(points)):
        place = (name, head, cell)
        assert not NO_NUMBER.search(without_quotes(cell.shown)), place
        if cell.kind == "number":
            assert is_finite(cell.value) and cell.number_format and cell.shown, place
        elif cell.kind == "reason":
            assert cell.shown and cell.value == cell.shown, place
        if cell.kind == "blank":
            assert not cell.shown and (name, head) in BLANKS, place


# Cells that may be blank, none of which stands for a number.
BLANKS = {
    *(("summary", head) for head in ("Document", "Cross-check")),
    *((f"bd-{metric}", "Class") for metric in METRICS),
    *((f"bd-{each}-anchors-{name}", "Class") for each in METRICS for name in ("ai", "ld", "ra")),
    *(("codecs", head) for head in ("Document", "Paper")),
    ("coverage", "Reasons"),
    ("self-reported", "Fit"),
    ("sources", "MD5 checked"),
    ("sources", "MD5"),
    ("sources", "Source"),
    ("full", "Left out"),
}  # fmt: skip


@bounded
@given(tables())
def test_coverage_counts_every_expected_point_once(points: list[Fields]) -> None:
    rows = report_tables.coverage(compute(points).report).rows
    published = sum(each["role"] == "published" for each in points)
    counted = [[cell.value for cell in row[2:8]] for row in rows]
    assert sum(each[0] for each in counted) >= len(points) - published  # type: ignore[misc]
    for expected, *states in counted:
        assert expected == sum(states)  # type: ignore[arg-type]
    for status, column in (("failed", 2), ("missing", 3), ("stale", 4), ("skipped", 5)):
        wanted = sum(each["status"] == status for each in points)
        assert sum(each[column] for each in counted) == wanted  # type: ignore[misc]


@bounded
@given(tables())
def test_the_page_holds_finite_numbers_and_no_value_of_a_point_that_failed(
    points: list[Fields],
) -> None:
    made = compute(points)
    data = page_data(made.report, PageSources())
    text = safe_json(data)

    def refuse(name: str) -> None:
        raise AssertionError(name)

    json.loads(text, parse_constant=refuse)
    for shown in data["texts"]:
        assert not NO_NUMBER.search(without_quotes(shown)), shown
    assert len(data["bd"]) == len({json.dumps(each) for each in data["bd"]})


@bounded
@given(tables())
def test_lines_for_people_hold_no_number_that_is_none(points: list[Fields]) -> None:
    made = compute(points)
    lines = summary_lines(made.points, made.info, rows=made.rows, previous=None, verdicts=())
    texts = [*lines, *(to_tsv(each) + to_markdown(each) for each in every_table(made))]
    texts += [
        "" if row[name] is None else str(row[name])
        for row in rows_over_seeds(made.report)
        for name in SEED_COLUMNS
    ]
    for text in texts:
        assert not NO_NUMBER.search(without_quotes(text)), text


@few
@given(tables())
def test_workbook_and_documents_hold_finite_numbers_and_reasons_only(
    tmp_path_factory: pytest.TempPathFactory, points: list[Fields]
) -> None:
    made, folder = compute(points), tmp_path_factory.mktemp("files")
    files = write_workbook(folder / "results.xlsx", made.points, made.rows, made.info)
    write_contribution(folder, made.report, verdicts=(), pictures=())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # openpyxl calls utcnow()
        book = openpyxl.load_workbook(folder / "results.xlsx", data_only=True)
    for sheet in book:
        for cells in sheet.iter_rows():
            for cell in cells:
                assert cell.data_type in ("s", "n"), (sheet.title, cell.coordinate, cell.value)
                text = without_quotes(str(cell.value)) if cell.value is not None else ""
                assert not NO_NUMBER.search(text), (sheet.title, cell.coordinate, text)
    for text in files.values():
        assert not NO_NUMBER.search(without_quotes(text))
    with zipfile.ZipFile(folder / "contribution.docx") as archive:
        body = re.sub(r"<[^>]*>", "\n", archive.read("word/document.xml").decode())
    for text in (body, (folder / "contribution.md").read_text(encoding="utf-8")):
        found = NO_NUMBER.search(without_quotes(text))
        assert not found, text[max(0, found.start() - 80) : found.end() + 20]
