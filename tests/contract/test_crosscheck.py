"""`invrbench crosscheck` confirms what is true, and names what is not on exactly that point."""

import json
import re
import shutil
import socket
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import contributions
import pytest
from contributions import (
    CLIP,
    CODEC,
    PACKAGE,
    STILL,
    Change,
    bitstream,
    edit_value,
    share_measurements,
    tampered,
)
from invrbench.cli import main
from invrbench.cli.main import EXIT_FAILED
from invrbench.report.crosscheck import read_verdicts
from invrbench.results.package import read_package

Report = dict[str, Any]


@pytest.fixture(scope="session")
def clone(tmp_path_factory: pytest.TempPathFactory, contributed: Path) -> Path:
    """Another machine's repository, in which the untouched package was checked already."""
    folder = tmp_path_factory.mktemp("clone")
    contributions.lay(folder)
    shutil.copy(contributed / PACKAGE, folder / PACKAGE)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        line = ["crosscheck", PACKAGE, "--by", "Prüfstelle", "--report", "first", "--jobs", "1"]
        assert main(line) == 0
    return folder


@pytest.fixture
def here(clone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of that repository, the current folder."""
    folder = tmp_path / "here"
    shutil.copytree(clone, folder, symlinks=True)
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def judge(here: Path) -> Callable[..., Report]:
    """What becomes of the package with a change; other points keep their measurements."""

    def run(change: Change | None = None, *words: str, status: int = 0) -> Report:
        package = here / PACKAGE
        if change is not None:
            package = tampered(here / PACKAGE, here / "changed.zip", change)
            share_measurements(here, here / PACKAGE, package)
        line = ["crosscheck", str(package), "--report", "found", "--jobs", "1", *words]
        assert main(line) == status
        report: Report = json.loads((here / "found" / "crosscheck.json").read_text())
        return report

    return run


def verdicts(report: Report) -> dict[str, str]:
    return {point["name"]: point["verdict"] for point in report["points"]}


def others_are_exact(report: Report, *names: str) -> bool:
    return all(v == "bit-exact" for name, v in verdicts(report).items() if name not in names)


def test_untouched_package_is_confirmed_point_by_point(clone: Path) -> None:
    report = json.loads((clone / "first" / "crosscheck.json").read_text())
    assert report["sentence"].startswith("6 of 6 points bit-exact (")
    assert report["short"] == "6 of 6 bit-exact"
    assert set(verdicts(report).values()) == {"bit-exact"}
    assert len(verdicts(report)) == 6
    assert all(move["move_percent"] == 0 for move in report["bd"])
    assert report["bd"]


def test_flipped_byte_differs_in_its_bitstream_md5_and_nowhere_else(
    judge: Callable[..., Report],
) -> None:
    def flip(files: dict[str, bytes]) -> None:
        data = bytearray(files[bitstream(STILL, 8)])
        data[len(data) // 2] ^= 1
        files[bitstream(STILL, 8)] = bytes(data)

    report = judge(flip, status=1)
    name = f"{STILL} block8"
    assert verdicts(report)[name] == "differs"
    assert others_are_exact(report, name)
    assert f"1 differs: {name}: bitstream md5 " in report["sentence"]


def test_swapped_bitstreams_differ_and_each_is_told_whose_it_is(
    judge: Callable[..., Report],
) -> None:
    def swap(files: dict[str, bytes]) -> None:
        one, other = bitstream(STILL, 8), bitstream(STILL, 4)
        files[one], files[other] = files[other], files[one]

    report = judge(swap, status=1)
    names = f"{STILL} block8", f"{STILL} block4"
    assert {verdicts(report)[name] for name in names} == {"differs"}
    assert others_are_exact(report, *names)
    why = {point["name"]: point["why"] for point in report["points"]}
    assert f"the bitstream claimed for {STILL} block4" in why[names[0]]
    assert f"the bitstream claimed for {STILL} block8" in why[names[1]]


def test_edited_psnr_differs_with_both_values_on_that_point_alone(
    judge: Callable[..., Report],
) -> None:
    def embellish(value: dict[str, Any]) -> None:
        row = next(r for r in value["points"] if r["rate_point"] == "block16")
        row["psnr_y_db"] += 0.25

    report = judge(lambda files: edit_value(files, embellish), status=1)
    name = f"{STILL} block16"
    assert verdicts(report)[name] == "differs"
    assert others_are_exact(report, name)
    (point,) = [p for p in report["points"] if p["name"] == name]
    assert re.fullmatch(
        r"PSNR-Y \d+\.\d\d dB claimed, \d+\.\d\d measured \(tolerance 0\.01\)", point["why"]
    )
    # 0.25 dB at one of four points is a gain of some percent that is not there
    (move,) = [each for each in report["bd"] if each["metric"] == "psnr_y_db"]
    assert move["measured_percent"] == pytest.approx(0, abs=1e-9)


def test_edited_psnr_within_the_tolerance_is_still_bit_exact(judge: Callable[..., Report]) -> None:
    def nudge(value: dict[str, Any]) -> None:
        value["points"][0]["psnr_y_db"] += 0.009

    assert judge(lambda files: edit_value(files, nudge))["counts"]["bit-exact"] == 6


def test_edited_number_of_bytes_differs(judge: Callable[..., Report]) -> None:
    def shrink(value: dict[str, Any]) -> None:
        value["points"][0]["bitstream_bytes"] -= 1

    report = judge(lambda files: edit_value(files, shrink), status=1)
    (point,) = [p for p in report["points"] if p["verdict"] == "differs"]
    assert re.match(r"Bytes \d+ claimed, \d+ measured", point["why"])


def test_other_decoded_md5_with_equal_metrics_is_equal_within_tolerance(
    judge: Callable[..., Report],
) -> None:
    def change(value: dict[str, Any]) -> None:
        value["points"][0]["decoded_md5"] = "0" * 32

    report = judge(lambda files: edit_value(files, change))
    assert report["counts"]["equal within tolerance"] == 1
    assert report["counts"]["bit-exact"] == 5
    (point,) = [p for p in report["points"] if p["verdict"] != "bit-exact"]
    assert point["why"] == "no value differs; decoded md5 differs"
    assert report["short"] == "6 of 6 confirmed"


def test_missing_decoder_file_fails_every_point_it_decodes(judge: Callable[..., Report]) -> None:
    report = judge(lambda files: files.pop(f"{CODEC}/decode.py"), status=1)
    assert set(verdicts(report).values()) == {"failed"}
    assert "decode.py" in report["points"][0]["why"]
    assert report["notes"] == ["The decoder's file decode.py is missing."]


def test_missing_bitstream_fails_its_point_and_the_rest_is_checked(
    judge: Callable[..., Report],
) -> None:
    report = judge(lambda files: files.pop(bitstream(CLIP, 8)), status=1)
    name = f"{CLIP} block8"
    assert verdicts(report)[name] == "failed"
    assert others_are_exact(report, name)


def test_decoder_that_crashes_fails_with_what_it_said(judge: Callable[..., Report]) -> None:
    def crash(files: dict[str, bytes]) -> None:
        files[f"{CODEC}/decode.py"] = b"raise SystemExit(3)\n"

    report = judge(crash, "--only", f"*/{CLIP}/block8", status=1)
    assert verdicts(report)[f"{CLIP} block8"] == "failed"
    assert "decode exited with status 3" in report["sentence"]
    assert "The decoder's file decode.py was changed after it was packed." in report["notes"]


@pytest.mark.parametrize(
    "old, new",
    [
        ('files = ["decode.py"]', 'files = ["decode.py", "../../../../secret"]'),
        ('"{codec}/decode.py"]', '"{codec}/../decode.py"]'),
    ],
)
def test_decoder_that_reaches_out_of_its_folder_is_not_run(
    old: str, new: str, judge: Callable[..., Report]
) -> None:
    def reach(files: dict[str, bytes]) -> None:
        text = files[f"{CODEC}/codec.toml"].decode()
        assert old in text
        files[f"{CODEC}/codec.toml"] = text.replace(old, new).encode()

    report = judge(reach, status=1)
    assert set(verdicts(report).values()) == {"failed"}
    assert "which leads out of the folder" in report["points"][0]["why"]


def test_environment_that_is_not_served_here_is_no_fault_of_the_codec(
    judge: Callable[..., Report],
) -> None:
    def contain(files: dict[str, bytes]) -> None:
        files[f"{CODEC}/codec.toml"] += b'[environment]\nkind = "container"\nimage = "x@sha256:0"\n'

    report = judge(contain)
    assert set(verdicts(report).values()) == {"not checked"}
    assert "'container' is not served yet" in report["sentence"]
    assert "not to be had here" in report["environment_differences"][0]


def test_byte_that_changed_on_the_way_fails_its_point_and_the_rest_is_checked(
    here: Path, judge: Callable[..., Report]
) -> None:
    package = here / PACKAGE
    data = bytearray(package.read_bytes())
    with zipfile.ZipFile(package) as archive:
        entry = archive.getinfo(bitstream(CLIP, 4))
    data[entry.header_offset + 30 + len(entry.filename) + entry.compress_size // 2] ^= 0xFF
    changed = here / "changed.zip"
    changed.write_bytes(bytes(data))
    share_measurements(here, package, changed)
    assert main(["crosscheck", str(changed), "--report", "found"]) == 1
    report = json.loads((here / "found" / "crosscheck.json").read_text())
    assert verdicts(report)[f"{CLIP} block4"] == "failed"
    assert "was damaged on its way" in report["sentence"]
    assert others_are_exact(report, f"{CLIP} block4")


def test_sequence_that_is_not_here_is_not_checked_and_the_rest_is(
    here: Path, judge: Callable[..., Report]
) -> None:
    linked = here / "ctc" / "sequences"
    entries = linked.resolve()
    linked.unlink()
    linked.mkdir()
    for path in entries.iterdir():
        if path.suffix != ".yaml":
            (linked / path.name).symlink_to(path)
        elif f"id: {STILL}" in (text := path.read_text()):
            (linked / path.name).write_text(text.replace("id: bunny-mini", "id: other"))
        else:
            (linked / path.name).write_text(text.replace("id: bunny-mini", "id: other"))
    report = judge()
    found = verdicts(report)
    assert found[f"{CLIP} block8"] == found[f"{CLIP} block4"] == "not checked"
    assert others_are_exact(report, f"{CLIP} block8", f"{CLIP} block4")
    assert report["sentence"].startswith("4 of 6 points checked: 4 bit-exact (")
    assert "2 not checked: sequence 'bunny-mini" in report["sentence"]


def test_source_of_another_md5_is_not_checked(judge: Callable[..., Report]) -> None:
    def other(value: dict[str, Any]) -> None:
        for row in value["points"]:
            if row["sequence"] == STILL:
                row["source_md5"] = "f" * 32

    report = judge(lambda files: edit_value(files, other))
    assert report["counts"]["not checked"] == 4
    assert f"another source: md5 {'f' * 32} claimed" in report["points"][0]["why"]


def test_checked_points_are_not_decoded_again(
    here: Path, judge: Callable[..., Report], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("decoded again")

    monkeypatch.setattr("invrbench.results.crosscheck.run_decode", refuse)
    assert judge()["counts"]["bit-exact"] == 6


def test_interrupted_check_leaves_a_report_and_goes_on_where_it_was(
    here: Path, judge: Callable[..., Report], monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.rmtree(here / "results" / ".crosscheck")
    from invrbench.results import crosscheck

    decode, calls = crosscheck.run_decode, []

    def interrupted(*words: Any, **named: Any) -> Any:
        calls.append(words)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return decode(*words, **named)

    monkeypatch.setattr(crosscheck, "run_decode", interrupted)
    report = judge()
    assert report["sentence"].startswith("2 of 6 points checked: 2 bit-exact (")
    assert report["sentence"].endswith("4 not checked: stopped before its turn.")
    assert {name for name, v in verdicts(report).items() if v == "bit-exact"} == {
        f"{STILL} block16",
        f"{CLIP} block8",
    }
    assert (here / "found" / "crosscheck.docx").is_file()
    (kept,) = (here / "results" / ".crosscheck").iterdir()
    assert {path.name for path in kept.iterdir()} == {".lock", "points"}
    assert judge()["counts"]["bit-exact"] == 6
    assert len(calls) == 3 + 4


def test_points_that_are_measured_side_by_side_are_the_same_points(
    here: Path, judge: Callable[..., Report]
) -> None:
    shutil.rmtree(here / "results" / ".crosscheck")
    assert judge(None, "--jobs", "2")["counts"]["bit-exact"] == 6


def test_out_of_time_leaves_what_was_not_reached_unchecked(
    here: Path, judge: Callable[..., Report]
) -> None:
    shutil.rmtree(here / "results" / ".crosscheck")
    report = judge(None, "--within", "0s")
    assert report["counts"]["not checked"] == 6
    assert report["sentence"] == "0 of 6 points checked; 6 not checked: out of time."
    assert report["date"] == ""


def test_some_frames_are_compared_value_by_value(here: Path, judge: Callable[..., Report]) -> None:
    report = judge(None, "--frames", "1+2", "--only", f"*/{CLIP}")
    point = next(p for p in report["points"] if p["name"] == f"{CLIP} block8")
    assert point["verdict"] == "equal within tolerance"
    assert point["why"] == "no value differs; frames 1–2 compared; decoded md5 is equal"
    values = {v["column"]: v for v in point["values"]}
    table = (here / "results").parent / "frames.tsv"
    table.write_bytes(read_package(here / PACKAGE).read(f"bitstreams/{CLIP}/any/block8.frames.tsv"))
    lines = [line.split("\t") for line in table.read_text().splitlines()]
    column = lines[0].index("psnr_y_db")
    mean = (float(lines[2][column]) + float(lines[3][column])) / 2
    assert values["psnr_y_db"]["measured"] == pytest.approx(mean, abs=1e-9)
    assert values["psnr_y_db"]["where"] == "frames 1–2"
    assert report["frames"] == "frames 1–2"


def test_frames_that_a_sequence_lacks_are_not_checked(judge: Callable[..., Report]) -> None:
    report = judge(None, "--frames", "2+2")
    found = verdicts(report)
    assert found[f"{STILL} block8"] == "not checked"
    assert found[f"{CLIP} block8"] == "equal within tolerance"
    assert "4 not checked: the sequence has 1 frame and none of frames 2–3" in report["sentence"]


def test_edited_value_of_one_frame_is_found_in_the_head(judge: Callable[..., Report]) -> None:
    def edit(files: dict[str, bytes]) -> None:
        name = bitstream(CLIP, 8).replace(".bin", ".frames.tsv")
        lines = files[name].decode().splitlines()
        cells = lines[2].split("\t")
        cells[1] = f"{float(cells[1]) + 1:.6f}"
        files[name] = "\n".join([*lines[:2], "\t".join(cells), *lines[3:]]).encode()

    report = judge(edit, "--frames", "0+2", "--only", f"*/{CLIP}", status=1)
    found = verdicts(report)
    assert found[f"{CLIP} block8"] == "differs"
    assert found[f"{CLIP} block4"] == "equal within tolerance"


def test_other_versions_and_machines_are_named(judge: Callable[..., Report]) -> None:
    def age(value: dict[str, Any]) -> None:
        value["environment"] |= {"python": "3.9.1", "machines": ["Old Box, 1 cores"]}
        value["environment"]["libraries"]["numpy"] = "1.0.1"
        value["metric_versions"]["psnr_y_db"] = "a ruler of 1999"

    differences = judge(lambda files: edit_value(files, age))["environment_differences"]
    assert any(re.match(r"Python 3\.9\.1 packed, 3\.\d+", each) for each in differences)
    assert any(re.match(r"numpy 1\.0\.1 packed, 1\.\d+", each) for each in differences)
    assert any(each.startswith("metric psnr_y_db: a ruler of 1999 pa") for each in differences)
    assert any(each.startswith("machine Old Box, 1 cores packed, ") for each in differences)


def test_tolerances_are_the_cross_checkers_own(here: Path, judge: Callable[..., Report]) -> None:
    def loosen(value: dict[str, Any]) -> None:
        value["points"][0]["psnr_y_db"] += 0.25
        value["tolerances"]["psnr_y_db"] = 1.0

    assert judge(lambda files: edit_value(files, loosen), status=1)["counts"]["differs"] == 1
    (here / "ctc" / "mini.yaml").write_text(
        f"{contributions.CONDITIONS}tolerances: {{psnr_y_db: 0.5}}\n"
    )
    shutil.rmtree(here / "results" / ".crosscheck")
    report = judge(None, "--only", f"*/{CLIP}")
    assert report["tolerances"]["psnr_y_db"] == 0.5
    assert report["tolerances_of"] == "ctc/mini.yaml and the defaults of this repository"
    assert "they differ in tolerances." in report["notes"][0]


def test_unknown_conditions_take_the_packages_tolerances_and_say_so(
    here: Path, judge: Callable[..., Report]
) -> None:
    (here / "ctc" / "mini.yaml").unlink()
    report = judge()
    assert report["tolerances_of"] == "those of the package"
    assert report["counts"]["bit-exact"] == 6


def test_report_is_the_same_bytes_for_the_same_measurements(here: Path) -> None:
    names = ("crosscheck.xlsx", "crosscheck.docx", "crosscheck.tsv", "crosscheck.json")
    for folder in ("one", "two"):
        assert main(["crosscheck", PACKAGE, "--by", "Prüfstelle", "--report", folder]) == 0
    for name in names:
        assert (here / "one" / name).read_bytes() == (here / "two" / name).read_bytes(), name


def test_workbook_document_and_table_show_the_same_verdicts_and_numbers(clone: Path) -> None:
    openpyxl = pytest.importorskip("openpyxl", reason="openpyxl reads the workbook back")
    docx = pytest.importorskip("docx", reason="python-docx reads the document back")
    book = openpyxl.load_workbook(clone / "first" / "crosscheck.xlsx")
    report = json.loads((clone / "first" / "crosscheck.json").read_text())
    summary = [cell.value for row in book["Summary"].iter_rows() for cell in row if cell.value]
    assert report["sentence"] in summary
    assert "Prüfstelle" in summary
    words = docx.Document(str(clone / "first" / "crosscheck.docx"))
    assert report["sentence"] in [paragraph.text for paragraph in words.paragraphs]
    lines = [
        line.split("\t") for line in (clone / "first" / "crosscheck.tsv").read_text().splitlines()
    ]
    column = lines[0].index("PSNR-Y dB measured")
    rows = list(book["Points"].iter_rows(values_only=True))
    top = next(index for index, row in enumerate(rows) if row[0] == "Sequence")
    (table,) = [t for t in words.tables if "PSNR-Y dB measured" in _texts(t.rows[0])]
    for index, line in enumerate(lines[1:], 1):
        assert f"{rows[top + index][column]:.2f}" == line[column]
        assert table.rows[index].cells[-3].text == line[column]
        assert line[lines[0].index("Verdict")] == "bit-exact"


def _texts(row: Any) -> list[str]:
    return [cell.text for cell in row.cells]


def test_report_names_no_host_and_no_path(clone: Path) -> None:
    folder = clone / "first"
    texts = [(folder / name).read_bytes() for name in ("crosscheck.json", "crosscheck.tsv")]
    for name in ("crosscheck.xlsx", "crosscheck.docx"):
        with zipfile.ZipFile(folder / name) as archive:
            texts += [archive.read(member) for member in archive.namelist()]
    told = b"\n".join(texts).decode(errors="replace")
    for secret in (socket.gethostname(), str(Path.home()), str(clone), sys.prefix):
        assert not re.search(rf"(?<!\w){re.escape(secret)}(?!\w)", told), secret


def test_strange_texts_of_a_package_stay_texts(here: Path, judge: Callable[..., Report]) -> None:
    openpyxl = pytest.importorskip("openpyxl", reason="openpyxl reads the workbook back")

    def shout(value: dict[str, Any]) -> None:
        value["proponent"] = '=HYPERLINK("http://x")'
        value["name"] = "Ünïcödé 漢字 " + "long " * 400

    report = judge(lambda files: edit_value(files, shout))
    assert report["counts"]["bit-exact"] == 6
    book = openpyxl.load_workbook(here / "found" / "crosscheck.xlsx")
    cells = [cell for sheet in book for row in sheet.iter_rows() for cell in row]
    assert not [cell for cell in cells if cell.data_type == "f"]
    assert any('=HYPERLINK("http://x")' in str(cell.value) for cell in cells)


def test_report_of_a_contribution_reads_what_cross_checkers_sent(clone: Path, here: Path) -> None:
    folder = here / "report" / "crosschecks"
    folder.mkdir(parents=True)
    shutil.copy(clone / "first" / "crosscheck.json", folder / "theirs.json")
    assert read_verdicts(here / "report") == {CODEC: "6 of 6 bit-exact (Prüfstelle)"}
    assert read_verdicts(here) == {}


@pytest.mark.parametrize(
    "words, told",
    [
        (["--within", "soon"], "expected a duration such as 3h"),
        (["--frames", "16"], "expected first+count"),
        (["--only", "nobody"], "nobody"),
    ],
)
def test_options_that_mean_nothing_are_refused(
    words: list[str], told: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["crosscheck", PACKAGE, *words]) == EXIT_FAILED
    assert told in capsys.readouterr().err


def test_encoding_again_tells_the_spread_and_changes_no_verdict(
    contributed: Path, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(contributed)
    package = here / "with-encoder.zip"
    assert main(["pack", CODEC, "--only", f"*/{CLIP}", "--with-encoder", "-o", str(package)]) == 0
    monkeypatch.chdir(here)
    assert main(["crosscheck", str(package), "--reencode", "--report", "found"]) == 0
    report = json.loads((here / "found" / "crosscheck.json").read_text())
    assert report["counts"]["bit-exact"] == 2
    # this codec has no randomness: a second run gives the same bytes
    assert report["reencoded"]["sentence"] == (
        "Encoded again, 2 of 2 points: 2 gave the same bitstream, rate +0.00 %, "
        "PSNR-Y +0.00 dB, SSIM-Y +0.0000."
    )


def test_package_without_encoder_cannot_be_encoded_again(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["crosscheck", PACKAGE, "--reencode"]) == EXIT_FAILED
    assert "`invrbench pack --with-encoder`" in capsys.readouterr().err


def test_distance_to_the_uncompressed_model_is_measured_against_its_packed_bitstream(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "bench"
    root.mkdir()
    contributions.lay(root)
    conditions = contributions.CONDITIONS.partition('  - {sequences: ["bunny')[0]
    conditions = conditions.replace(f"[rival, {CODEC}]", f"[{CODEC}]").replace("rival", CODEC)
    conditions = conditions.replace("[picture]", "[picture, render]")
    conditions += f"uncompressed: block2\ngrids: {{{CODEC}: {{block: [8, 2]}}}}\n"
    (root / "ctc" / "mini.yaml").write_text(conditions)
    monkeypatch.chdir(root)
    main(["new", CODEC])
    assert main(["source", STILL]) == 0
    for block in (8, 2):
        contributions.code(f"{STILL}/{CODEC}/any/block{block}")
    for block in (8, 2):
        assert main(["measure-point", f"{STILL}/{CODEC}/any/block{block}", "render"]) == 0
    assert main(["pack", CODEC]) == 0
    assert main(["crosscheck", PACKAGE, "--report", "found", "--jobs", "1"]) == 0
    report = json.loads((root / "found" / "crosscheck.json").read_text())
    assert report["counts"]["bit-exact"] == 2
    values = {
        (point["name"], value["column"]): value
        for point in report["points"]
        for value in point["values"]
    }
    coarse = values[f"{STILL} block8", "psnr_y_render_db"]
    assert coarse["measured"] == coarse["claimed"] > 20
    itself = values[f"{STILL} block2", "psnr_y_render_db"]
    assert (itself["claimed"], itself["measured"], itself["difference"]) == (None, None, 0)


def test_decoder_that_is_a_program_of_its_own_stays_one(
    contributed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "bench"
    shutil.copytree(contributed, root, symlinks=True)
    folder = root / "proposals" / CODEC
    program = folder / "run"
    program.write_text('#!/bin/sh\nexec "$1" "$(dirname "$0")/decode.py" "$2"\n')
    program.chmod(0o755)
    manifest = folder / "codec.toml"
    text = manifest.read_text().replace('files = ["decode.py"]', 'files = ["decode.py", "run"]')
    manifest.write_text(
        text.replace(
            'decode = ["{python}", "{codec}/decode.py"]', 'decode = ["{codec}/run", "{python}"]'
        )
    )
    monkeypatch.chdir(root)
    for block in (8, 4):
        contributions.code(f"{CLIP}/{CODEC}/any/block{block}")
    assert main(["pack", CODEC, "--only", f"*/{CLIP}"]) == 0
    assert main(["crosscheck", PACKAGE, "--report", "found", "--jobs", "1"]) == 0
