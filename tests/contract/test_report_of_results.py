"""Reports of results that were tampered with: a reason where a number was, and nobody's folders."""

import csv
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from contributions import CODEC, STILL, edit_record
from invrbench.cli import main

POINT = f"results/{STILL}/{CODEC}/any/block8/s0"
REPORT = Path("reports/mini")


def reported() -> dict[str, str]:
    """The point's row of points.tsv, after a report."""
    assert main(["report"]) == 0
    with (REPORT / "points.tsv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    (row,) = [
        r for r in rows if (r["sequence"], r["codec"], r["rate_point"]) == (STILL, CODEC, "block8")
    ]
    return row


def has_no_number(row: dict[str, str]) -> bool:
    return not any(row[name] for name in ("bpp", "bitstream_bytes", "psnr_y_db", "decode_seconds"))


def better(record: dict[str, Any]) -> None:
    record["values"]["psnr_y_db"] += 1.0


def not_a_number(record: dict[str, Any]) -> None:
    record["values"]["psnr_y_db"] = float("nan")


def infinite(record: dict[str, Any]) -> None:
    record["values"]["psnr_y_db"] = float("inf")


def endless(record: dict[str, Any]) -> None:
    record["wall_seconds"] = float("inf")


@pytest.mark.parametrize(
    ("file", "change"),
    [
        ("metrics/picture.json", better),
        ("metrics/picture.json", not_a_number),
        ("metrics/picture.json", infinite),
        ("decode.json", endless),
    ],
)
def test_a_record_edited_by_hand_is_a_failed_point_with_the_reason(
    bench: Path, file: str, change: Callable[[dict[str, Any]], None]
) -> None:
    edit_record(bench / POINT / file, change)
    row = reported()
    assert row["status"] == "failed"
    assert "record unusable" in row["reason"]
    assert f"{POINT}/{file}" in row["reason"] and str(bench) not in row["reason"]
    assert has_no_number(row)
    with (REPORT / "bd.tsv").open(encoding="utf-8", newline="") as table:
        rows = [r for r in csv.DictReader(table, delimiter="\t") if r["sequence"] == STILL]
    own = [r for r in rows if r["test"] == CODEC]
    assert own and all(r["reason"].startswith("missing-point: my-codec lacks 1") for r in own)
    assert not any(r["bd_rate_percent"] for r in own)


@pytest.mark.parametrize("text", ["[]", "{\x00\xff"])
def test_a_broken_record_is_a_failed_point_and_the_report_is_written(
    bench: Path, text: str
) -> None:
    (bench / POINT / "encode.json").write_text(text)
    row = reported()
    assert (row["status"], has_no_number(row)) == ("failed", True)
    assert (REPORT / "results.xlsx").is_file() and (REPORT / "contribution.docx").is_file()


def test_a_source_record_edited_by_hand_fails_the_points_of_its_sequence(bench: Path) -> None:
    (record,) = (bench / "results" / ".sources").glob(f"{STILL}*.json")
    edit_record(record, lambda value: value.update(md5="0" * 32))
    row = reported()
    assert (row["status"], has_no_number(row)) == ("failed", True)
    assert row["reason"].startswith("source: record unusable (results/.sources/")


def test_what_a_codec_prints_of_this_machine_stays_here(bench: Path) -> None:
    folder, home = bench / POINT, str(Path.home())
    key = json.loads((folder / "decode.json").read_text())["key"]
    (folder / "decode.json").unlink()
    said = f"{bench}/proposals/x.py: no {home}/models/a.pt and no /data/secret/b.pt"
    failure = {"key": key, "reason": f"my-codec: {said}", "log_tail": said, "repeat": "again"}
    (folder / "decode.failed.json").write_text(json.dumps(failure))
    row = reported()
    assert row["reason"] == "my-codec: proposals/x.py: no ~/models/a.pt and no …/b.pt"
    told = re.compile("|".join(map(re.escape, (str(bench), "/data/secret", f"{home}/models"))))
    texts = [
        path for path in REPORT.rglob("*.*") if path.suffix in (".tsv", ".md", ".json", ".html")
    ]
    assert len(texts) >= 5
    assert not [path.name for path in texts if told.search(path.read_text(encoding="utf-8"))]
