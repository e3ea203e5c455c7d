"""Reports of poor tables: one rate point, no number at all, NaN, and names no one would choose."""

import math
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import docx
import openpyxl
import pytest
from invrbench.report.info import CodecInfo
from invrbench.report.plots import MAX_NAME_BYTES, plot_stem
from invrbench.report.write import Written, write_report
from report_points import CODECS, curve, info, point, points, quality, rates

STILL, BUNNY = "bikes-still", "bunny-mini@0+32"
LONG = "Długa nazwa 很长的名字 " * 10
HOSTILE = "<img src=x onerror=alert(1)>&\"'[]:*?/\\\x0b=1+1"


def report(folder: Path, rows: list[dict[str, Any]], **about: Any) -> Written:
    """A report whose every file was read back by another program."""
    written = write_report(folder, rows, info(**about))
    book = openpyxl.load_workbook(folder / "results.xlsx")
    assert all(len(sheet.title) <= 31 for sheet in book)
    docx.Document(str(folder / "contribution.docx"))
    for path in folder.rglob("*"):
        assert len(path.name.encode()) <= 255 - len(".12345678"), path.name
    for name in ("results.xlsx", "contribution.docx"):
        with zipfile.ZipFile(folder / name) as archive:
            for member in archive.namelist():
                if member.endswith((".xml", ".rels")):
                    ElementTree.fromstring(archive.read(member))
    for path in (folder / "plots").glob("*.svg"):
        ElementTree.parse(path)
    return written


def still() -> list[dict[str, Any]]:
    codecs = ("hevc", "vvc", "inric", "store")
    return [p for p in points() if p["sequence"] == STILL and p["codec"] in codecs]


def headline(written: Written, codec: str) -> dict[str, Any]:
    wanted = {"test": codec, "anchor": "hevc", "metric": "psnr_y_db", "method": "pchip"}
    wanted |= {"sequence": STILL}
    (row,) = [r for r in written.rows if all(r[name] == v for name, v in wanted.items())]
    return row


def test_one_rate_point_is_reported_and_compared_with_nothing(tmp_path: Path) -> None:
    anchors = [each for each in still() if each["role"] == "anchor"]
    one = point(STILL, "new", "only", **rates(STILL, 0.2), **quality(33.0))
    written = report(tmp_path, [*anchors, one])
    row = headline(written, "new")
    assert (row["bd_rate_percent"], row["reason"]) == (None, "fewer-than-4-points: test has 1")
    (only,) = [p for p in written.points if p["codec"] == "new"]
    assert only["rate_vs_anchor_percent"] > 0  # one point has a rate at equal quality all the same
    text = (tmp_path / "contribution.md").read_text()
    assert "new: no BD-rate, withheld (0 of 1)." in text
    assert (tmp_path / "plots" / f"{STILL}.psnr_y_db.log.png").is_file()


def test_one_rate_point_in_the_whole_report_is_enough(tmp_path: Path) -> None:
    one = point(STILL, "new", "only", **rates(STILL, 0.2), **quality(33.0))
    written = report(tmp_path, [one])
    assert any("no-anchor" in line for line in written.lines)


def test_a_report_in_which_nothing_is_present_has_reasons_and_no_numbers(tmp_path: Path) -> None:
    rows = still()
    kept = {"seed", "qp"}
    for each in rows:
        numbers = [k for k, v in each.items() if isinstance(v, int | float) and k not in kept]
        each.update(dict.fromkeys(numbers), status="missing", reason="encode: not run")
    written = report(tmp_path, rows)
    assert not any(row["bd_rate_percent"] for row in written.rows)
    assert not list((tmp_path / "plots").glob("bikes*"))
    text = (tmp_path / "contribution.md").read_text()
    assert f"incomplete: 0 of {len(rows)}. Not to be sent as it is." in text
    assert "encode: not run" in text


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_what_is_no_finite_number_is_a_reason_everywhere(tmp_path: Path, value: float) -> None:
    rows = still()
    curve(rows, STILL, "inric")[1]["psnr_y_db"] = value
    written = report(tmp_path, rows)
    assert headline(written, "inric")["reason"] == f"the record holds {value}: inric s.quick_qp-46"
    assert headline(written, "inric")["bd_rate_percent"] is None
    for path in (*tmp_path.glob("*.tsv"), tmp_path / "run.json"):
        text = path.read_text().lower().replace(f"the record holds {value}", "")
        assert "\tnan" not in text and "\tinf\t" not in text and ": nan" not in text, path


@pytest.mark.parametrize("value", [0, 0.0, -1.5, math.nan, math.inf])
def test_what_is_no_positive_rate_is_a_reason_everywhere(tmp_path: Path, value: float) -> None:
    rows = still()
    curve(rows, STILL, "inric")[1]["bpp"] = value
    written = report(tmp_path, rows)
    assert headline(written, "inric")["reason"] == "no-rate: inric s.quick_qp-46 has no rate"
    (spoilt,) = [each for each in written.points if each["bpp"] is None]
    assert spoilt["reason"] == f"bpp is {value}, which is no rate"
    book = openpyxl.load_workbook(tmp_path / "results.xlsx")
    told = [cell.value for row in book["Coverage"].iter_rows() for cell in row if cell.value]
    assert f"s.quick_qp-46: bpp is {value}, which is no rate" in told


@pytest.mark.parametrize("name", [LONG, HOSTILE, "=cmd|' /C calc'!A0", "_$x" * 70])
def test_any_name_of_a_codec_leaves_every_file_sound(tmp_path: Path, name: str) -> None:
    codecs = CODECS | {"inric": CodecInfo(name, "proposal", name, name, name)}
    report(tmp_path, still(), codecs=codecs, title=name, label="m1")
    book = openpyxl.load_workbook(tmp_path / "results.xlsx")
    names = [cell for row in book["Summary"].iter_rows() for cell in row if cell.value]
    shown = [cell for cell in names if str(cell.value).startswith(name[:8].replace("\x0b", ""))]
    assert shown and not any(cell.data_type == "f" for cell in shown)


@pytest.mark.parametrize("name", ["名" * 200, "=a/b:c*d?!A1"])
def test_any_name_of_a_sequence_leaves_every_file_sound(tmp_path: Path, name: str) -> None:
    rows = [each | {"sequence": name} for each in still()]
    sequences = {name: replace(info().sequences[STILL])}
    report(tmp_path, rows, sequences=sequences)
    plots = list((tmp_path / "plots").glob("*.png"))
    assert len(plots) == 5  # two metrics on two axes, and the slide
    assert all("/" not in path.name and ":" not in path.name for path in plots)
    assert "![" in (tmp_path / "contribution.md").read_text()


def test_long_names_that_begin_alike_have_plots_of_their_own() -> None:
    first, second = (plot_stem(f"{'S' * 190}{end}", "", "vmaf") for end in "ab")
    assert first != second
    assert max(len(first), len(second)) <= MAX_NAME_BYTES + len(".vmaf")
