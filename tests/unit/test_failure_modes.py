"""Failures of other harnesses that must not come back, one test for each; see tests/README.md.

Here are those that need no codec to run; the table in tests/README.md names the others.
"""

import ast
import re
import statistics
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from invrbench.compare import bd as bd_module
from invrbench.compare.bd import Status, bd
from invrbench.compare.curves import normalised
from invrbench.compare.table import (
    HEADLINE_METHOD,
    OVERALL,
    bd_rows,
    point_columns,
    read_points,
    write_table,
)
from invrbench.report.info import completeness
from invrbench.syntax import digest_code
from random_points import RISING, Fields, Pairs, curve_points

REPOSITORY = Path(__file__).resolve().parents[2]
README = REPOSITORY / "tests" / "README.md"
MODES = 45
SEQUENCES = (("A", "", "x"), ("B", "", "x"), ("C", "", "y"))
PSNR = ("psnr_y_db",)


def cheaper(share: float) -> Pairs:
    return [(share * rate, quality) for rate, quality in RISING]


def table(*shares: float) -> list[Fields]:
    """A codec that needs these shares of the anchor's rate, on a sequence each."""
    found: list[Fields] = []
    for sequence, share in zip(SEQUENCES, shares, strict=False):
        found += curve_points(sequence, "hevc", RISING, configuration="ld")
        found += curve_points(sequence, "hnerv", cheaper(share), configuration="ld")
    return found


def overall(points: list[Fields]) -> dict[str, Any]:
    """The mean of the codec over all sequences."""
    rows = bd_rows(normalised(points), metrics=PSNR)
    (mean,) = [
        row
        for row in rows
        if (row["class"], row["test"], row["method"]) == (OVERALL, "hnerv", HEADLINE_METHOD)
    ]
    return mean


def python_files(*folders: str) -> Iterator[Path]:
    for folder in folders:
        yield from sorted((REPOSITORY / folder).rglob("*.py"))


def code_and_names() -> Iterator[tuple[str, ast.AST]]:
    for path in python_files("workflow", "anchors", "proposals", "tests"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            yield f"{path.relative_to(REPOSITORY)}", node


# ---- a failure becomes data


def test_1_a_bd_rate_that_cannot_be_computed_is_no_zero_in_a_mean() -> None:
    points = table(1.1, 1.2, 1.0)
    falling = [each for each in points if each["sequence"] == "C" and each["codec"] == "hnerv"]
    falling[1]["psnr_y_db"] = 20.0
    mean = overall(points)
    assert mean["bd_rate_percent"] == pytest.approx(15.0)  # with a zero: 10
    assert (mean["n_used"], mean["n_total"]) == (2, 3)
    assert mean["reason"] == "2 of 3: non-monotone"


def test_2_a_metric_that_is_missing_is_an_empty_cell_with_a_reason(tmp_path: Path) -> None:
    points = table(1.1)
    del points[-1]["vmaf"]
    checked = normalised(points)
    write_table(tmp_path / "points.tsv", checked, point_columns(checked))
    *_, last = read_points(tmp_path / "points.tsv")
    assert (last["vmaf"], last["vmaf_reason"]) == (None, "not measured")
    rows = bd_rows(checked, metrics=("vmaf",))
    (row,) = [
        r for r in rows if r["sequence"] and r["test"] == "hnerv" and r["method"] == HEADLINE_METHOD
    ]
    assert row["bd_rate_percent"] is None and row["reason"] == "not measured: hnerv q3"


SHIELDS = ("workers", "announcing", "terminal")


def test_6_no_bare_except_hides_what_went_wrong() -> None:
    bare = [
        place
        for place, node in code_and_names()
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or (isinstance(node.type, ast.Name) and node.type.id == "Exception"))
        and not place.startswith("tests/")
    ]
    # a worker hands on what a job raised to the process that asked for it, which raises it; the
    # view of a run passes on what it cannot show, and ends before the run does
    known = {f"workflow/src/invrbench/results/{name}.py" for name in SHIELDS}
    assert set(bare) <= known


REASONS: dict[str, tuple[Pairs, dict[str, Any]]] = {
    "missing-point": (RISING, {"expected_test": 5}),
    "not-finite": ([(0.0, 27.0), *RISING], {}),
    "fewer-than-4-points": (RISING[:3], {}),
    "duplicate-point": ([*RISING, RISING[0]], {}),
    "saturated": ([*RISING, (1.6, 39.0)], {}),
    "non-monotone": ([*RISING, (1.6, 30.0)], {}),
    "no-overlap": ([(rate, quality + 30) for rate, quality in RISING], {}),
    "partial-overlap": ([(rate, quality + 4) for rate, quality in RISING], {}),
    "no-common-rate": (cheaper(1000.0), {}),
}


def test_8_every_reason_that_is_documented_can_be_given() -> None:
    documented = re.findall(r"^``([\w-]+)``", str(bd_module.__doc__), re.MULTILINE)
    assert set(documented) == set(REASONS)
    for code, (test, options) in REASONS.items():
        result = bd(RISING, test, **options)
        assert code in [part.split(":")[0] for part in result.reason.split("; ")]
        assert result.status in get_args(Status)


@pytest.mark.parametrize("status", ["OK", "okay", "done", "Ok ", "passed"])
def test_9_a_misspelt_status_is_never_taken_for_ok(status: str) -> None:
    points = table(1.1, 1.2)
    points[-1]["status"] = status
    mean = overall(points)
    assert (mean["n_used"], mean["n_total"]) == (1, 2)
    assert mean["reason"] == "1 of 2: missing-point"
    assert completeness(normalised(points)).present == len(points) - 1


# ---- BD-rates


def test_23_a_cubic_fit_that_explodes_is_not_the_headline() -> None:
    # a knee: one least-squares cubic overshoots where the piecewise one keeps to the points
    knee: Pairs = [(1.0, 30.0), (1.05, 35.0), (1.1, 38.0), (40.0, 38.4), (1000.0, 39.0)]
    anchor: Pairs = [(rate * 1.2, quality) for rate, quality in knee]
    assert HEADLINE_METHOD == "pchip"
    moved: Pairs = [(rate, quality + 0.2) for rate, quality in knee]
    sane, wild = (bd(anchor, moved, method).bd_rate_percent for method in ("pchip", "cubic"))
    assert sane is not None and wild is not None
    inside = min(rate for rate, _ in moved) / max(rate for rate, _ in anchor)
    assert 100 * (inside - 1) <= sane < 0 < abs(wild - sane)


def test_24_rates_and_qualities_are_not_sorted_apart_from_each_other() -> None:
    crossed: Pairs = [(0.1, 30.0), (0.2, 36.0), (0.4, 33.0), (0.8, 39.0)]
    rates, values = zip(*crossed, strict=True)
    assert bd(RISING, list(zip(sorted(rates), sorted(values), strict=True))).status == "ok"
    result = bd(RISING, crossed)
    assert (result.status, result.bd_rate_percent) == ("none", None)
    assert result.reason == "non-monotone: test gains nothing at rate 0.4"


def test_25_curves_without_overlap_have_no_number() -> None:
    above = bd(RISING, [(rate, quality + 9.0) for rate, quality in RISING])
    assert (above.bd_rate_percent, above.bd_quality, above.overlap) == (None, None, 0.0)
    assert above.reason.startswith("no-overlap: the test lies above; add an anchor point")


def test_26_a_number_from_a_sliver_of_overlap_or_nan_does_not_ruin_a_mean() -> None:
    points = table(1.1, 1.2, 1.0)
    for each in points:
        if each["sequence"] == "C" and each["codec"] == "hnerv":
            each["psnr_y_db"] += 8.99  # a number from 0.01 dB, 700 % or so
    assert overall(points)["bd_rate_percent"] == pytest.approx(15.0)
    assert overall(points)["reason"] == "2 of 3: partial-overlap"
    points[-1]["psnr_y_db"] = float("nan")
    assert overall(points)["bd_rate_percent"] == pytest.approx(15.0)


def test_28_points_are_not_nudged_to_pass_for_rising() -> None:
    flat: Pairs = [(0.1, 30.0), (0.2, 30.0), (0.4, 36.0), (0.8, 39.0)]
    assert bd(RISING, flat).reason == "non-monotone: test gains nothing at rate 0.2"
    points = table(1.0)
    points[-3]["psnr_y_db"] = points[-4]["psnr_y_db"]
    before = [dict(each) for each in points]
    checked = normalised(points)
    bd_rows(checked, metrics=PSNR)
    assert points == before
    assert [each["psnr_y_db"] for each in checked] == [each["psnr_y_db"] for each in before]


@pytest.mark.parametrize("count", [4, 5, 6, 9])
def test_29_no_certain_number_of_rate_points_is_required(count: int) -> None:
    many: Pairs = [(0.1 * 2 ** (9 * k / 3 / (count - 1)), 30 + 9 * k / (count - 1)) for k in
                   range(count)]  # fmt: skip
    result = bd(RISING, [(1.1 * rate, quality) for rate, quality in many])
    assert result.status == "ok"
    assert result.bd_rate_percent == pytest.approx(10.0)


def test_30_bd_rates_are_averaged_and_never_computed_of_averaged_curves() -> None:
    points = table(1.1, 3.0)
    cost = {"A": 1.0, "B": 50.0}  # a pooled curve would hear of B only
    for each in points:
        each["bpp"] *= cost[each["sequence"]]
    mean = overall(points)["bd_rate_percent"]
    assert mean == pytest.approx(statistics.fmean((10.0, 200.0)))
    pooled = [
        [
            (statistics.fmean(each["bpp"] for each in members), members[0]["psnr_y_db"])
            for members in (
                [e for e in points if (e["codec"], e["rate_point"]) == (codec, f"q{index}")]
                for index in range(len(RISING))
            )
        ]
        for codec in ("hevc", "hnerv")
    ]
    other = bd(*pooled).bd_rate_percent
    assert other is not None and abs(other - mean) > 50


# ---- reproducibility and orchestration


def test_36_a_comment_or_another_layout_of_code_is_no_other_code() -> None:
    plain = 'def f(x):\n    """Doc."""\n    return x + 1\n'
    cosmetic = 'def f(x):  # why\n    """Other words."""\n\n    return (x\n            + 1)\n'
    assert digest_code(plain) == digest_code(cosmetic)
    assert digest_code(plain) != digest_code(plain.replace("+ 1", "+ 2"))


def test_40_the_range_of_snakemake_is_bounded_on_both_sides() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    (wanted,) = [each for each in project["dependencies"] if each.startswith("snakemake")]
    found = re.fullmatch(r"snakemake>=(\d+)\.(\d+),<(\d+)", wanted)
    assert found is not None, wanted
    lowest = re.search(r'min_version\("([\d.]+)"\)', (REPOSITORY / "Snakefile").read_text())
    assert lowest is not None and lowest[1] == f"{found[1]}.{found[2]}"
    assert int(found[3]) == int(found[1]) + 1


def test_41_no_option_reads_a_word_as_a_truth_value() -> None:
    wrong = [
        place
        for place, node in code_and_names()
        if isinstance(node, ast.keyword)
        and node.arg == "type"
        and isinstance(node.value, ast.Name)
        and node.value.id == "bool"
    ]
    assert not wrong


def test_42_no_path_of_anybodys_machine_is_part_of_the_repository() -> None:
    path = re.compile(r"(?<![\w.$}~])/(?:home|Users|root|scratch|data\d*|mnt)/[A-Za-z][\w.-]*/\w")
    folders = ("anchors", "ctc", "proposals", "workflow")
    suffixes = {".py", ".toml", ".yaml", ".smk", ".sh", ".json"}
    files = [p for name in folders for p in (REPOSITORY / name).rglob("*") if p.suffix in suffixes]
    assert len(files) > 100
    found = {
        f"{each.relative_to(REPOSITORY)}: {line.strip()}"
        for each in [*files, REPOSITORY / "Snakefile"]
        if "/results/" not in each.as_posix()
        for line in each.read_text(encoding="utf-8").splitlines()
        if path.search(line) and ">>>" not in line and not line.startswith("#")  # examples
    }
    assert not found


# ---- the table of them in tests/README.md


def rows_of_the_table() -> dict[int, tuple[str, str, str]]:
    """By number: the mode, what prevents it, and the tests or why there is none."""
    found: dict[int, tuple[str, str, str]] = {}
    for line in README.read_text(encoding="utf-8").splitlines():
        cells = [each.strip() for each in line.strip("|").split("|")]
        if len(cells) == 4 and cells[0].isdigit():
            assert int(cells[0]) not in found, f"{cells[0]} stands there twice"
            found[int(cells[0])] = (cells[1], cells[2], cells[3])
    return found


def named_tests(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }


def test_the_table_of_failure_modes_is_complete() -> None:
    rows = rows_of_the_table()
    assert sorted(rows) == list(range(1, MODES + 1))
    for number, (mode, prevention, beside) in rows.items():
        assert mode and prevention and beside, number


def test_every_test_that_tests_readme_names_exists() -> None:
    cited = set(re.findall(r"`([\w/.]+\.py)::(test_\w+)`", README.read_text(encoding="utf-8")))
    assert len(cited) >= MODES
    for name, test in sorted(cited):
        path = REPOSITORY / "tests" / name
        assert path.is_file(), f"{name} does not exist"
        assert test in named_tests(path), f"{name} holds no {test}"


def test_every_failure_mode_has_a_test_or_says_why_none_is_possible() -> None:
    for number, (_, _, beside) in rows_of_the_table().items():
        assert "::test_" in beside or beside.startswith("does not apply: "), number


def test_the_table_of_offenders_is_what_their_manifests_claim() -> None:
    claimed = {}
    for path in (REPOSITORY / "tests" / "codecs").glob("*/codec.toml"):
        claims = tomllib.loads(path.read_text(encoding="utf-8")).get("claims", {})
        if "caught_by" in claims:
            claimed[path.parent.name] = claims["caught_by"]
    told = re.findall(r"^\| `([\w-]+)` \| .* \| `([\w-]+)` \|$", README.read_text(), re.MULTILINE)
    assert dict(told) == claimed and len(told) == len(claimed)


def test_a_test_named_after_a_failure_mode_stands_in_its_row() -> None:
    rows = rows_of_the_table()
    numbered = [
        (int(match[1]), test)
        for path in python_files("tests")
        if path.name.startswith("test_failure_")
        for test in named_tests(path)
        if (match := re.match(r"test_(\d+)_", test))
    ]
    assert len(numbered) > 10
    for number, test in numbered:
        assert test in rows[number][2], test
