"""From records on disk to cells: whatever became of a point, each table tells it, none by a number.

A small repository with real results is changed the way things go wrong; then `invrbench report`
writes points.tsv, bd.tsv and the workbook, and these are read back.
"""

import csv
import io
import json
import shutil
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from contributions import ANCHOR, CLIP, CODEC, STILL, edit_record
from invrbench.cli import main
from invrbench.compare.table import POINT_COLUMNS, reason_column

REPORT = Path("reports/mini")
BLOCKS = (16, 8, 4, 2)  # from the fewest bytes to the most
MEASURED = ("bpp", "bitstream_bytes", "psnr_y_db", "ssim_y", "decode_seconds", "bitstream_md5")
SHEETS = {"Summary": "Proposal", "Full": "Scope"}


def folder_of(block: int, codec: str = CODEC) -> Path:
    return Path("results") / STILL / codec / "any" / f"block{block}" / "s0"


def measured_as(block: int, **values: float | str) -> None:
    """Let a point of the codec have these values; a text is the reason why there is none."""

    def change(record: dict[str, Any]) -> None:
        for column, value in values.items():
            is_reason = isinstance(value, str)
            record["values"][column] = None if is_reason else value
            record["reasons"] |= {column: value if is_reason else ""}

    edit_record(folder_of(block) / "metrics" / "picture.json", change, sealed=True)


def with_psnr(*values: float | str) -> Callable[[], None]:
    """The codec's points have these PSNRs, from the fewest bytes to the most."""

    def change() -> None:
        for block, value in zip(BLOCKS, values, strict=True):
            measured_as(block, psnr_y_db=value)

    return change


def encode_is_missing() -> None:
    shutil.rmtree(folder_of(8))


def measure_is_missing() -> None:
    (folder_of(8) / "metrics" / "picture.json").unlink()


def decode_failed() -> None:
    record = folder_of(8) / "decode.json"
    key = json.loads(record.read_text())["key"]
    record.unlink()
    failure = {"key": key, "reason": "my-codec: decode exited with status 3", "log_tail": ""}
    (folder_of(8) / "decode.failed.json").write_text(json.dumps(failure | {"repeat": "again"}))


def encoder_changed() -> None:
    script = Path("proposals") / CODEC / "encode.py"
    script.write_text(script.read_text().replace("// (block * block)", "// (block * block) + 0"))


def bitstream_was_exchanged() -> None:
    (folder_of(8) / "bitstream.bin").write_bytes(b"another one")


def input_is_not_served() -> None:
    manifest = Path("proposals") / CODEC / "codec.toml"
    formats = 'pixel_formats = ["yuv444p10le"]'
    lines = manifest.read_text().splitlines()
    lines = [formats if line.startswith("pixel_formats") else line for line in lines]
    manifest.write_text("\n".join(lines) + "\n")


def one_point_is_asked_for() -> None:
    manifest = Path("proposals") / CODEC / "codec.toml"
    manifest.write_text(manifest.read_text().replace("[16, 8, 4, 2]", "[8]"))


def ssim_is_undefined() -> None:
    measured_as(8, ssim_y="smaller than the window of 11 samples")


@dataclass(frozen=True)
class Case:
    """What goes wrong, and what points.tsv and bd.tsv then say of it.

    ``status`` and ``reason`` are the point's, of block8; ``why`` begins bd.tsv's reason for the
    codec's curve; ``cell`` is what stands on the first screen; ``column`` is empty with ``lacks``.
    """

    change: Callable[[], None]
    status: str
    reason: str
    why: str
    cell: str = "withheld (0 of 2)"
    column: str = ""
    lacks: str = ""


CASES = {
    "missing": Case(encode_is_missing, "missing", "encode: not run", "missing-point"),
    "not measured": Case(
        measure_is_missing, "missing", "measure picture: not run", "missing-point"
    ),
    "failed": Case(decode_failed, "failed", "decode exited with status 3", "missing-point"),
    "stale": Case(encoder_changed, "stale", "encode: made with other code", "missing-point"),
    "exchanged": Case(
        bitstream_was_exchanged, "stale", "bitstream.bin is not the file", "missing-point"
    ),
    "skipped": Case(input_is_not_served, "skipped", "does not take yuv420p", "skipped: my-codec: "),
    "lossless": Case(
        with_psnr(30.0, "lossless", 40.0, 45.0),
        "ok",
        "",
        "lossless: my-codec block8",
        column="psnr_y_db",
        lacks="lossless",
    ),
    "undefined": Case(
        ssim_is_undefined,
        "ok",
        "",
        "smaller than the window of 11 samples: my-codec block8",
        column="ssim_y",
        lacks="smaller than the window of 11 samples",
    ),
    "one point": Case(one_point_is_asked_for, "ok", "", "fewer-than-4-points: test has 1"),
    "non-monotone": Case(with_psnr(30.0, 40.0, 35.0, 45.0), "ok", "", "non-monotone: test"),
    "saturated": Case(with_psnr(30.0, 40.0, 45.0, 45.0), "ok", "", "saturated: test"),
    "no overlap": Case(with_psnr(90.0, 91.0, 92.0, 93.0), "ok", "", "no-overlap: the test"),
}


def read_table(name: str) -> list[dict[str, str]]:
    with (REPORT / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def reported_point() -> dict[str, str]:
    """The row of block8 in points.tsv, after a report."""
    assert main(["report"]) == 0
    place = (STILL, CODEC, "block8")
    rows = read_table("points.tsv")
    (row,) = [r for r in rows if (r["sequence"], r["codec"], r["rate_point"]) == place]
    return row


def compared(rows: list[dict[str, str]], metric: str, **wanted: str) -> dict[str, str]:
    """The row of bd.tsv in which the codec is compared with the anchor."""
    wanted |= {"test": CODEC, "anchor": ANCHOR, "metric": metric, "method": "pchip"}
    (row,) = [row for row in rows if all(row[name] == value for name, value in wanted.items())]
    return row


def sheet_rows(name: str) -> list[dict[str, Any]]:
    """Rows of a sheet of the workbook by the headings of their columns."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # openpyxl calls utcnow()
        data = (REPORT / "results.xlsx").read_bytes()
        sheet = openpyxl.load_workbook(io.BytesIO(data), data_only=True)[name]
    lines = [[cell.value for cell in row] for row in sheet.iter_rows()]
    top = next(index for index, line in enumerate(lines) if line[0] == SHEETS[name])
    return [dict(zip(lines[top], line, strict=True)) for line in lines[top + 1 :]]


@pytest.mark.parametrize("name", CASES)
def test_what_became_of_a_point_stands_in_every_table_and_no_number_does(
    bench: Path, name: str
) -> None:
    case = CASES[name]
    case.change()
    row = reported_point()
    assert row["status"] == case.status
    assert case.reason in row["reason"] and bool(case.reason) == bool(row["reason"])
    if case.status == "ok":
        empty = [column for column in MEASURED if not row[column]]
        assert empty == ([case.column] if case.column else [])
        assert not case.column or row[f"{case.column}_reason"] == case.lacks
    else:
        assert not [column for column in MEASURED if row[column]]
    metric = case.column or "psnr_y_db"
    table = read_table("bd.tsv")
    single = compared(table, metric, sequence=STILL)
    assert single["reason"].startswith(case.why)
    assert (single["bd_rate_percent"], single["bd_quality"]) == ("", "")
    for mean in (compared(table, metric, sequence="", **{"class": "overall"}),):
        assert (mean["status"], mean["n_used"], mean["n_total"]) == ("withheld", "0", "2")
        assert mean["bd_rate_percent"] == "" and mean["reason"].startswith("0 of 2: ")
    label = {"psnr_y_db": "PSNR-Y", "ssim_y": "SSIM-Y"}[metric]
    (first,) = [each for each in sheet_rows("Summary") if each["Proposal"] == CODEC]
    assert first[f"BD-rate {label}"] == case.cell
    whole = [each for each in sheet_rows("Full") if each["Tested"] == CODEC]
    shown = {(each["Scope"], each["BD-rate"]) for each in whole if each["Metric"] == label}
    # the codec has a clip as well, which the anchor lacks
    assert shown == {("Class still", "withheld (0 of 1)"), ("Overall", case.cell)}


def test_10_columns_of_digests_and_of_the_sandbox_are_filled_for_every_point(bench: Path) -> None:
    assert main(["report"]) == 0
    rows = [row for row in read_table("points.tsv") if row["status"] == "ok"]
    assert len(rows) == 10
    for row in rows:
        for name in ("bitstream_md5", "decoded_md5", "source_md5"):
            assert len(row[name]) == 32, (name, row)
        assert row["sandbox"] in ("bubblewrap", "unshare", "not isolated")
        for name in ("decode_seconds", "encode_seconds", "peak_memory_bytes", "learned_bytes"):
            assert row[name], name


# Columns of measurements that may be empty of an ok point without a reason beside them, and why.
MAY_BE_EMPTY = {
    "rate_kbps": "a still has no frame rate",
    "kbit_per_instant": "of scenes only",
    "qp": "a rate point without a quantisation parameter",
    "fit_seconds": "a codec without a fit",
    "stated_fit_seconds": "of brought bitstreams only",
    "stated_encode_seconds": "of brought bitstreams only",
    "kmac_per_pixel": "not stated by the codec",
    "parameters": "not stated by the codec",
    "uncompressed_bpp": "computed from parameters",
    "bits_per_weight": "computed from parameters",
    "compression_ratio": "computed from parameters",
    "bytes_by_part": "not stated by the codec",
}


def test_every_empty_cell_of_an_ok_point_has_a_reason_or_is_one_of_those_listed(
    bench: Path,
) -> None:
    assert main(["report"]) == 0
    first = POINT_COLUMNS.index("qp")
    measured = POINT_COLUMNS[first : POINT_COLUMNS.index("timing")]
    for row in read_table("points.tsv"):
        assert row["status"] == "ok"
        for name in measured:
            assert row[name] or name in MAY_BE_EMPTY or row[reason_column(name)], name


def test_12_rates_are_those_of_the_file_at_a_thousand_bits_and_the_clips_frame_rate(
    bench: Path,
) -> None:
    assert main(["report"]) == 0
    rows = {(r["sequence"], r["codec"], r["rate_point"]): r for r in read_table("points.tsv")}
    clip, _, cut = CLIP.partition("@")
    row = rows[clip, CODEC, "block8"]
    size = (bench / "results" / CLIP / CODEC / "any/block8/s0/bitstream.bin").stat().st_size
    frames, fps, pixels = 4, 25, 320 * 176
    assert cut == "0+4" and int(row["bitstream_bytes"]) == size
    assert float(row["rate_kbps"]) == pytest.approx(8 * size * fps / frames / 1000, abs=1e-6)
    assert float(row["bpp"]) == pytest.approx(8 * size / frames / pixels, abs=1e-6)
    still = rows[STILL, CODEC, "block8"]
    assert still["rate_kbps"] == ""  # a still has no frame rate


# ---- codecs that fail while they run

ENCODED = f"{STILL}/{CODEC}/any/block8"
EXITS = "\n    sys.exit('the disk of this codec is full')\n\n\nif __name__"
VERBS = {"encode": ("bitstream.bin", "encode"), "decode": ("decoded.md5", "decode")}


def spoil(verb: str, old: str, new: str) -> str:
    """Change a verb's script; gives what it was."""
    script = Path("proposals") / CODEC / f"{verb}.py"
    before = script.read_text()
    assert old in before
    script.write_text(before.replace(old, new))
    return before


def run_again() -> None:
    """Encode, decode and measure block8."""
    for step in (["encode", ENCODED], ["decode", ENCODED], ["measure-point", ENCODED, "picture"]):
        assert main(step) == 0


@pytest.mark.parametrize("verb", VERBS)
def test_3_a_whole_output_before_a_failing_exit_is_no_output(
    bench: Path, verb: str, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(folder_of(8))
    sound = spoil(verb, "\n\nif __name__", EXITS)
    assert main(["encode", ENCODED]) == (1 if verb == "encode" else 0)
    if verb == "decode":
        assert main(["decode", ENCODED]) == 1
    assert "the disk of this codec is full" in capsys.readouterr().err
    assert not (folder_of(8) / f"{verb}.json").exists()
    assert not (folder_of(8) / VERBS[verb][0]).exists()
    row = reported_point()
    assert row["status"] == "failed" and "exited with status 1" in row["reason"]
    assert not [column for column in MEASURED if row[column]]
    # a crash is not done: the next start runs it again, and what it then writes counts
    (Path("proposals") / CODEC / f"{verb}.py").write_text(sound)
    run_again()
    assert reported_point()["status"] == "ok"
    assert {each["status"] for each in read_table("points.tsv")} == {"ok"}
    assert not list(folder_of(8).glob("*.failed.json"))


def test_15_what_is_measured_is_what_the_decoder_wrote_and_not_what_the_encoder_saw(
    bench: Path,
) -> None:
    before = reported_point()
    spoil("decode", '"<u2").reshape(frames, count)', '"<u2").reshape(frames, count) * 0')
    run_again()
    row = reported_point()
    assert row["status"] == "ok"
    assert row["bitstream_md5"] == before["bitstream_md5"]
    assert float(row["psnr_y_db"]) < 15 < float(before["psnr_y_db"])


def test_13_a_rate_that_the_encoder_states_is_not_the_rate(bench: Path) -> None:
    notes = 'Path("notes.json").write_text(\'{"bpp": 0.01, "rate_kbps": 1, "bitstream_bytes": 1}\')'
    spoil("encode", "if __name__", f"{notes}\n\nif __name__")
    run_again()
    row = reported_point()
    size = (folder_of(8) / "bitstream.bin").stat().st_size
    assert (row["status"], int(row["bitstream_bytes"])) == ("ok", size)
    assert float(row["bpp"]) == pytest.approx(8 * size / pixels_of(STILL), abs=1e-6)


def pixels_of(still: str) -> int:
    (record,) = Path("results/.sources").glob(f"{still}*.json")
    layout = json.loads(record.read_text())["format"]
    return int(layout["width"]) * int(layout["height"])


def test_37_a_new_codec_changes_no_key_of_those_that_are_there(bench: Path) -> None:
    before = {row["bitstream_md5"] for row in ok_rows()}
    assert main(["new", "rivalry"]) == 0  # begins like the anchor's name
    conditions = Path("ctc/mini.yaml")
    text = conditions.read_text()
    conditions.write_text(text.replace("[rival, my-codec]", "[rivalry, rival, my-codec]"))
    assert conditions.read_text() != text
    assert {row["bitstream_md5"] for row in ok_rows()} == before
    states = {(row["codec"], row["status"]) for row in read_table("points.tsv")}
    assert states == {(ANCHOR, "ok"), (CODEC, "ok"), ("rivalry", "missing")}


def ok_rows() -> list[dict[str, str]]:
    assert main(["report"]) == 0
    return [row for row in read_table("points.tsv") if row["status"] == "ok"]


def test_39_a_name_that_the_file_system_does_not_take_is_a_sentence(
    bench: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = Path("proposals") / CODEC / "codec.toml"
    text = manifest.read_text().replace("[16, 8, 4, 2]", f"[16, 8, 4, {'1' * 300}]")
    manifest.write_text(text)
    point = f"{STILL}/{CODEC}/any/block{'1' * 300}"
    assert main(["encode", point]) == 1
    said = capsys.readouterr().err
    assert "longer name than its file system takes" in said and "Traceback" not in said


def test_39_a_display_name_of_any_letters_and_length_changes_no_key_and_stays_text(
    bench: Path,
) -> None:
    name = "=1+1 Größe 名 <b> " + "x" * 300
    manifest = Path("proposals") / CODEC / "codec.toml"
    manifest.write_text(manifest.read_text().replace(f'name = "{CODEC}"', f'name = "{name}"'))
    assert len(ok_rows()) == 10
    first = sheet_rows("Summary")[0]
    assert first["Proposal"] == name and isinstance(first["BD-rate PSNR-Y"], float)
    assert all(len(path.name.encode()) <= 255 for path in REPORT.rglob("*"))
