"""Verdicts of cross-checkers in the proponent's own report."""

import json
from pathlib import Path
from typing import Any

import pytest
from invrbench.errors import RecordError
from invrbench.report.crosscheck import read_verdicts
from report_points import curve, points

BUNNY = "bunny-mini@0+32"


def received(folder: Path, rows: list[dict[str, Any]], **changes: Any) -> None:
    keys = ("sequence", "cut", "codec", "variant", "configuration", "rate_point", "seed")
    record = {
        "schema": 1,
        "kind": "crosscheck",
        "codec": "hnerv",
        "package": {"md5": "0" * 32, "document": "m60001"},
        "by": "Société Générale de Vidéo",
        "short": "4 of 4 bit-exact",
        "points": [
            {"verdict": "bit-exact", **{key: row[key] for key in (*keys, "bitstream_md5")}}
            for row in rows
        ],
    }
    (folder / "crosschecks").mkdir(exist_ok=True)
    text = json.dumps(record | changes, ensure_ascii=False)
    (folder / "crosschecks" / "theirs.json").write_text(text, encoding="utf-8")


def test_a_verdict_on_the_reports_own_bitstreams_is_shown_with_its_author(tmp_path: Path) -> None:
    rows = points()
    received(tmp_path, curve(rows, BUNNY, "hnerv"))
    expected = {"hnerv": "4 of 4 bit-exact (Société Générale de Vidéo)"}
    assert read_verdicts(tmp_path, rows) == expected


def test_a_verdict_on_bitstreams_that_have_changed_since_is_no_verdict(tmp_path: Path) -> None:
    rows = points()
    received(tmp_path, curve(rows, BUNNY, "hnerv"))
    curve(rows, BUNNY, "hnerv")[2]["bitstream_md5"] = "0" * 32
    told = read_verdicts(tmp_path, rows)["hnerv"]
    assert told.startswith("of other bitstreams (1 of 4 changed since)")


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [({"kind": "recipe"}, "is no record of a cross-check"), ({"schema": 9}, "has schema 9")],
)
def test_a_file_that_is_no_record_of_a_crosscheck_is_refused(
    tmp_path: Path, changes: dict[str, Any], sentence: str
) -> None:
    received(tmp_path, [], **changes)
    with pytest.raises(RecordError, match=sentence):
        read_verdicts(tmp_path, points())
