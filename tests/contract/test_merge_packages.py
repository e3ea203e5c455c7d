"""`invrbench merge` and `diff` on what pack, report and a results tree really hold."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from contributions import CODEC, PACKAGE, edit_value, tampered
from invrbench.cli import main
from invrbench.cli.main import EXIT_FAILED
from invrbench.compare.table import read_points


@pytest.fixture
def here(contributed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the repository with results and its package, the current folder."""
    folder = tmp_path / "here"
    shutil.copytree(contributed, folder, symlinks=True)
    monkeypatch.chdir(folder)
    return folder


def sent_by(here: Path, proponent: str, edit: Callable[[dict[str, Any]], None]) -> str:
    """The package as another company would have measured it, with an edit; its file's name."""

    def change(value: dict[str, Any]) -> None:
        value["proponent"] = proponent
        for row in value["points"]:
            row["decode_seconds"] += 1
        edit(value)

    name = f"{proponent}.zip"
    tampered(here / PACKAGE, here / name, lambda files: edit_value(files, change))
    return name


def test_packages_of_two_companies_and_a_table_become_one_workbook(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    equal = sent_by(here, "Bolt", lambda value: None)
    assert main(["merge", PACKAGE, equal, "--label", "N0001"]) == 0
    printed = capsys.readouterr().out
    assert "6 of 6 bit-exact" in printed
    folder = here / "reports" / "merged" / "N0001"
    assert (folder / "results.xlsx").stat().st_size > 5000
    points = read_points(folder / "points.tsv")
    assert {(p["codec"], p["contribution"]) for p in points} == {
        (name, Path(PACKAGE).stem) for name in (CODEC, "rival")
    }
    for name in ("merge.md", "merge.json"):
        assert str(here) not in (folder / name).read_text(encoding="utf-8")


def test_an_edited_psnr_is_a_conflict_on_exactly_that_point(here: Path) -> None:
    def edit(value: dict[str, Any]) -> None:
        value["points"][0]["psnr_y_db"] += 0.02

    assert main(["merge", PACKAGE, sent_by(here, "Bolt", edit), "--label", "N0001"]) == 0
    points = read_points(here / "reports" / "merged" / "N0001" / "points.tsv")
    assert [p["status"] for p in points].count("conflict") == 1


def test_other_conditions_are_named_by_key(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def edit(value: dict[str, Any]) -> None:
        value["conditions"]["digest"] = "0" * 32
        value["conditions"]["value"]["budget"] = "minute"

    assert main(["merge", PACKAGE, sent_by(here, "Bolt", edit), "--label", "N0001"]) == 0
    printed = capsys.readouterr().out
    assert "budget: seconds → minute" in printed
    assert "nothing is averaged" in printed


def test_a_clone_with_results_is_taken_and_another_label_is_left_alone(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["merge", ".", PACKAGE, "--label", "N0001"]) == 0
    held = json.loads((here / "reports/merged/N0001/merge.json").read_text(encoding="utf-8"))
    assert [each["kind"] for each in held["contributions"]] == ["results", "package"]
    assert "6 the same measurement" in capsys.readouterr().out
    arguments = ["merge", PACKAGE, "--label", "N0002", "-o", "reports/merged/N0001"]
    assert main(arguments) == EXIT_FAILED
    assert "never overwritten" in capsys.readouterr().err


def test_a_report_as_it_is_written_can_be_compared_and_merged(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report"]) == 0
    capsys.readouterr()
    assert main(["diff", "reports/mini", "reports/mini"]) == 0
    assert capsys.readouterr().out.endswith("Nothing differs.\n")
    assert main(["merge", "reports/mini", "--label", "N0001"]) == 0
    held = json.loads((here / "reports/merged/N0001/merge.json").read_text(encoding="utf-8"))
    assert held["contributions"][0]["kind"] == "report"
    assert held["contributions"][0]["conditions_digest"]
