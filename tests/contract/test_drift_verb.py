"""`invrbench drift` catches a decoder whose pictures depend on the number of threads."""

import contextlib
import csv
import json
import re
import shutil
import sys
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import openpyxl
import pytest
from invrbench.cli import main
from invrbench.codec.manifest import read_manifest
from invrbench.codec.runner import Order, run_decode
from invrbench.codec.settings import TABLE
from invrbench.codec.workspace import workspace
from invrbench.video.format import VideoFormat
from own_repository import REPOSITORY, lay_repository, write_conditions

POINT = "bikes-tiny/wobble/any/only1"
FOLDER = Path("results") / POINT / "s0"


def make(folder: Path) -> None:
    """A repository in which one point of the control that wobbles is measured."""
    lay_repository(folder)
    write_conditions(folder, "wobble")
    shutil.copytree(REPOSITORY / "tests/codecs/wobble", folder / "anchors/wobble")
    with contextlib.chdir(folder):
        assert main(["source", "bikes-tiny"]) == 0
        for verb in ("encode", "decode"):
            assert main([verb, POINT]) == 0
        assert main(["measure-point", POINT, "picture"]) == 0


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("drift")
    make(folder)
    return folder


@pytest.fixture
def here(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of that repository, which is the current folder."""
    folder = shutil.copytree(made, tmp_path / "clone", symlinks=True)
    monkeypatch.chdir(folder)
    return folder


def record(setting: str) -> dict[str, object]:
    value = json.loads((FOLDER / "drift" / f"{setting}.json").read_text())
    assert isinstance(value, dict)
    return value


def test_another_number_of_threads_is_caught_as_drift(
    here: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["drift", "wobble/bikes-tiny", "--settings", "threads-1,threads-3"]) == 1
    told = capfd.readouterr().out
    assert "threads-1    bit-exact" in told
    assert re.search(r"threads-3    within \d+\.\d{4} dB \(psnr_[yuv]_db of frame 0\)\n", told)
    assert (
        'broken claim: wobble claims decode = "same-device", but under threads-3 1 of 1 point is '
        "not bit-exact"
    ) in told
    assert record("threads-1")["class"] == "bit-exact"
    assert record("threads-3")["threads"] == 3


def test_the_verb_says_as_json_what_it_found(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    words = ["drift", "--settings", "threads-2,cuda", "--within", "1e-9", "--json", "-"]
    assert main(words) == 1
    value = json.loads(capfd.readouterr().out)
    drifted, absent = value["points"][0]["results"]
    assert (drifted["class"], drifted["setting"]) == ("fails", "threads-2")
    assert drifted["reason"].endswith("dB, more than 1e-09")
    assert absent["class"] == "does not apply" and "does not use a GPU" in absent["reason"]
    assert value["left_out"] == {
        "results/bunny-mini@0+8/wobble/any/only1/s0": "missing: encode: not run"
    }
    assert len(value["broken_claims"]) == 1


def test_a_decoder_that_dies_under_a_setting_has_a_reason_and_no_number(
    here: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["drift", "wobble/bikes-tiny", "--settings", "threads-300"]) == 1
    told = capfd.readouterr().out
    assert "fails: wobble: decode exited with status 1: ValueError: bytes must be in ran" in told
    held = record("threads-300")
    assert (held["class"], held["largest_db"], held["md5"]) == ("fails", None, None)


def test_what_was_looked_at_is_not_decoded_again(
    here: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    decodes = []

    def counting(*positional: object, **named: object) -> object:
        decodes.append(named["threads"])
        return run_decode(*positional, **named)  # type: ignore[arg-type]

    monkeypatch.setattr("invrbench.results.redecode.run_decode", counting)
    main(["drift", "wobble/bikes-tiny", "--settings", "threads-1,threads-2"])
    first = capfd.readouterr().out
    main(["drift", "wobble/bikes-tiny", "--settings", "threads-1,threads-2"])
    assert capfd.readouterr().out == first
    assert decodes == [1, 2]
    (FOLDER / "drift/threads-2.json").unlink()  # as a kill leaves it: the other one stays
    main(["drift", "wobble/bikes-tiny", "--settings", "threads-1,threads-2"])
    assert decodes == [1, 2, 2]


def test_the_python_of_another_environment_decodes(
    here: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["drift", "wobble/bikes-tiny", "--settings", f"venv:{sys.prefix}"]) == 0
    name = Path(sys.prefix).resolve().name
    assert f"venv:{name}" in capfd.readouterr().out
    held = record(f"venv-{name}")
    assert held["class"] == "bit-exact"
    assert sys.prefix not in json.dumps(held)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["drift", "--settings", "thread-1"], "no setting is called 'thread-1'; nearest: threads"),
        (["drift", "wobbel"], "no codec is called 'wobbel'; nearest: wobble"),
        (["drift", "wobble/bunny-mini@0+8"], "none of the 1 points asked for is decoded and meas"),
        (["drift", "--settings", "venv:nowhere"], "there is no bin/python"),
    ],
)
def test_what_cannot_be_looked_at_is_a_sentence(
    here: Path, words: list[str], told: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 1
    assert told in capfd.readouterr().err


def test_a_bitstream_that_was_changed_is_not_compared(
    here: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    bitstream = FOLDER / "bitstream.bin"
    bitstream.write_bytes(bitstream.read_bytes()[::-1])
    assert main(["drift-point", POINT, "threads-1"]) == 1
    assert "is not the file that was decoded (md5 differs)" in capfd.readouterr().err


def test_a_run_is_told_of_a_setting_that_does_not_apply(here: Path) -> None:
    assert main(["drift-point", POINT, "cuda"]) == 0
    held = record("cuda")
    assert held["status"] == "skipped"
    assert "does not use a GPU" in str(held["reason"])


@pytest.mark.parametrize(
    ("drift", "told"),
    [
        ("[threads-1, plain]", "drift: no setting is called 'plain'; nearest: plain-cpu"),
        ('["venv:/opt/other"]', "names a folder of one machine"),
        ("[]", "drift is [], which is not allowed"),
    ],
)
def test_test_conditions_with_bad_settings_are_refused(
    here: Path, drift: str, told: str, capfd: pytest.CaptureFixture[str]
) -> None:
    conditions = here / "ctc/mini.yaml"
    conditions.write_text(conditions.read_text() + f"drift: {drift}\n")
    assert main(["plan"]) == 1
    assert told in capfd.readouterr().err


def test_drift_without_psnr_is_refused(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    conditions = here / "ctc/mini.yaml"
    text = conditions.read_text().replace("families: [picture]", "families: [ffmpeg]")
    conditions.write_text(text + "drift: [threads-1]\n")
    assert main(["plan"]) == 1
    assert "drift needs the family picture" in capfd.readouterr().err


def test_every_form_of_the_report_shows_drift_and_the_broken_claim(here: Path) -> None:
    conditions = here / "ctc/mini.yaml"
    conditions.write_text(conditions.read_text() + "drift: [threads-2, cuda]\n")
    main(["drift", "wobble/bikes-tiny", "--settings", "threads-1,threads-2"])
    assert main(["report"]) == 0
    folder = here / "reports/mini"
    with (folder / "points.tsv").open(encoding="utf-8", newline="") as file:
        rows = {row["sequence"]: row for row in csv.DictReader(file, delimiter="\t")}
    assert rows["bikes-tiny"]["drift"].endswith("dB: threads-2")
    assert rows["bunny-mini"]["drift"] == ""
    assert "broken claim: wobble claims" in (folder / "summary.txt").read_text()
    sheet = openpyxl.load_workbook(folder / "results.xlsx")["Drift"]
    cells = [[cell.value for cell in row] for row in sheet.iter_rows()]
    by_setting = {row[1]: row for row in cells if row[1]}
    assert by_setting["threads-1"][2:5] == [1, 1, 0]
    assert by_setting["threads-2"][8] == "same-device: broken"
    assert "does not use a GPU" in by_setting["cuda"][9]
    assert "Repeatability of decoding" in (folder / "contribution.md").read_text()
    assert "Drift: the same bitstreams decoded" in (folder / "index.html").read_text()


CALLING = """
import json, os, subprocess
job = json.load(open("job.json"))
subprocess.run([os.environ["FFMPEG"], "-loglevel", "debug", "-h"], check=True)
open(job["output"], "wb").write(bytes(384))
"""


def test_an_ffmpeg_that_the_decoder_calls_is_plain_as_well(tmp_path: Path) -> None:
    folder = shutil.copytree(REPOSITORY / "tests/codecs/wobble", tmp_path / "calling")
    text = (folder / "codec.toml").read_text().replace('"wobble"', '"calling"')
    tools = '[environment]\nkind = "host"\ntools = ["ffmpeg"]\n\n[commands]'
    (folder / "codec.toml").write_text(text.replace("[commands]", tools))
    (folder / "decode.py").write_text(CALLING)
    (tmp_path / "bitstream.bin").write_bytes(b"grey")
    with workspace(tmp_path / "jobs") as space:
        run_decode(
            read_manifest(folder)["calling"],
            tmp_path / "bitstream.bin",
            folder=space,
            log=tmp_path / "decode.log",
            device="cpu",
            threads=1,
            order=Order.video(VideoFormat("yuv420p", 16, 16, Fraction(25), 1)),
            around=TABLE["plain-cpu"].around,
        )
    assert "Applying option cpuflags (force specific cpu flags) with argument 0" in (
        tmp_path / "decode.log"
    ).read_text(errors="replace")
