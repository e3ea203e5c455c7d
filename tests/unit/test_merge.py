"""merge: several companies' points under one anchor; nothing is averaged that must not be."""

import json
import zipfile
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from invrbench.cli.main import main
from invrbench.compare.curves import is_number, normalised
from invrbench.compare.merge import Contribution, disagreements
from invrbench.compare.table import point_columns, read_points, write_table
from invrbench.errors import InputError, RecordError
from invrbench.report.brought import Brought, CheckRecord, read_brought
from invrbench.report.info import CodecInfo, RunInfo
from invrbench.report.merge import MergedReport, merge_reports
from invrbench.report.merge_files import merge_markdown, summary_text, write_merge
from invrbench.report.merge_tables import (
    anchor_points_table,
    anchors_table,
    conflicts_table,
    contributions_table,
    result_tables,
    sequences_table,
)
from report_points import CLIPS, CODECS, curve, info, points

BUNNY, BIKES = CLIPS
Rows = list[dict[str, Any]]
Edit = Callable[[Rows], None]
VALUE = {"headline": {"anchor": "hevc", "metrics": ["psnr_y_db", "ms_ssim_y_db"]}, "seeds": 1}


def rows_of(
    *codecs: str,
    sequences: tuple[str, ...] = (BUNNY, BIKES),
    anchors: tuple[str, ...] = ("hevc",),
) -> Rows:
    """Points of these codecs and of anchors on these clips."""
    names = [tuple(name.partition("@")[::2]) for name in sequences]
    return [
        each
        for each in points()
        if (each["sequence"], each["cut"]) in names and each["codec"] in (*codecs, *anchors)
    ]


def elsewhere(*codecs: str) -> Rows:
    """The same points, measured on another machine."""
    return [each | {"decode_seconds": 2.0 + index} for index, each in enumerate(rows_of(*codecs))]


def brought(
    label: str,
    rows: Rows,
    *,
    documents: dict[str, str] | None = None,
    digest: str = "d1",
    value: dict[str, Any] | None = None,
    proponent: str = "",
    run: RunInfo | None = None,
) -> Brought:
    table = normalised(rows)
    held = documents or {}
    codecs = {
        codec: replace(entry, document=held.get(codec, "")) for codec, entry in CODECS.items()
    }
    contribution = Contribution(
        label=label,
        points=tuple(each for each in table if each["role"] == "proposal"),
        anchors=tuple(each for each in table if each["role"] == "anchor"),
        documents=held,
        digest=digest,
        conditions=(value or VALUE) if digest else {},
    )
    kind = "package" if digest else "bare table"
    return Brought(
        contribution,
        kind,  # type: ignore[arg-type]
        f"{label}.zip",
        f"md5-{label}",
        run or info(codecs=codecs),
        proponent=proponent,
    )


def cells(merged: MergedReport) -> list[list[str]]:
    return [[cell.shown for cell in row] for table in result_tables(merged) for row in table.rows]


def better(*codecs: str, by_db: float = 1.0) -> Edit:
    def edit(rows: Rows) -> None:
        for codec in codecs:
            for sequence in CLIPS:
                for each in curve(rows, sequence, codec):
                    each["psnr_y_db"] += by_db
                    each["decoded_md5"] += "+"
                    each["bitstream_md5"] += "+"

    return edit


def test_two_companies_stand_in_one_table_sorted_by_the_sequences_both_have() -> None:
    acme = brought("acme", rows_of("ffnerv"), documents={"ffnerv": "m1"}, proponent="Acme")
    rows = rows_of("hnerv")
    better("hnerv", by_db=4)(rows)
    bolt = brought("bolt", rows, documents={"hnerv": "m2"}, proponent="Bolt")
    merged = merge_reports("N1", [acme, bolt])
    (ranking,) = merged.rankings("psnr_y_db")
    assert ranking.sequences == (BUNNY, BIKES)
    means = [mean for _, mean in ranking.means]
    assert means == sorted(means)
    assert [row[:3] for row in cells(merged)] == [
        [name, document, proponent]
        for name, document, proponent in sorted(
            (("FFNeRV", "m1", "Acme"), ("HNeRV", "m2", "Bolt")),
            key=lambda each: means[[m.owner for m, _ in ranking.means].index(each[2].lower())],
        )
    ]


def test_only_the_mean_over_the_sequences_all_have_is_sorted() -> None:
    # a: 10 % on S and nothing else; b: 20 % on S, −90 % on T. Own means would say b first.
    both, one = rows_of("ffnerv"), rows_of("ffnerv", sequences=(BUNNY,))
    for each in curve(both, BIKES, "ffnerv"):
        each.update(bpp=each["bpp"] / 5, rate_kbps=each["rate_kbps"] / 5)
    for each in curve(both, BUNNY, "ffnerv"):
        each.update(bpp=each["bpp"] * 1.2, rate_kbps=each["rate_kbps"] * 1.2)
    wide = brought("wide", both, documents={"ffnerv": "m1"})
    narrow = brought("narrow", one, documents={"ffnerv": "m2"})
    merged = merge_reports("N1", [wide, narrow])
    (ranking,) = merged.rankings("psnr_y_db")
    assert ranking.sequences == (BUNNY,)
    assert [member.owner for member, _ in ranking.means] == ["narrow", "wide"]
    # equal quality at 1.2 times the rate
    first, second = (mean or 0 for _, mean in ranking.means)
    assert 100 + second == pytest.approx(1.2 * (100 + first))
    shown = cells(merged)
    assert "(1 of 1)" in shown[0][5]
    assert "(2 of 2)" in shown[1][5]
    assert float(shown[1][5].partition("%")[0]) < float(shown[0][5].partition("%")[0])


def test_codecs_without_a_common_sequence_are_not_ranked_and_say_why() -> None:
    middle = brought("middle", rows_of("ffnerv"), documents={"ffnerv": "m1"})
    left = brought("left", rows_of("ffnerv", sequences=(BUNNY,)), documents={"ffnerv": "m2"})
    right = brought("right", rows_of("ffnerv", sequences=(BIKES,)), documents={"ffnerv": "m3"})
    merged = merge_reports("N1", [middle, left, right])
    (table,) = result_tables(merged)
    assert table.title == "Not ranked"
    assert {row[3].shown for row in table.rows} == {"no sequence that all have"}
    assert [row[5].shown.partition(" ")[2] for row in table.rows] == [
        "(2 of 2)",
        "(1 of 1)",
        "(1 of 1)",
    ]


def test_other_conditions_are_listed_by_key_and_nothing_is_averaged(tmp_path: Path) -> None:
    acme = brought("acme", rows_of("ffnerv"))
    bolt = brought("bolt", rows_of("hnerv"), digest="d2", value={**VALUE, "seeds": 3})
    merged = merge_reports("N1", [acme, bolt])
    assert not merged.is_averaged
    assert merged.rankings("psnr_y_db") == []
    assert any("bolt was made under other conditions: seeds: 1 → 3" in n for n in merged.notes)
    differing, sequences = result_tables(merged)
    assert [[cell.shown for cell in row] for row in differing.rows] == [["bolt", "seeds: 1 → 3"]]
    assert {row[2].shown for row in sequences.rows} == {"d1", "d2"}
    write_merge(tmp_path / "N1", merged)
    text = (tmp_path / "N1" / "bd.tsv").read_text(encoding="utf-8")
    assert "overall" not in text
    assert "all have" not in (tmp_path / "N1" / "merge.md").read_text(encoding="utf-8")


def test_a_bare_table_is_taken_and_marked() -> None:
    acme = brought("acme", rows_of("ffnerv"))
    bare = brought("bare", rows_of("hnerv"), digest="")
    merged = merge_reports("N1", [acme, bare])
    assert merged.is_averaged
    assert "bare: a bare table, no bitstreams, conditions not stated." in merged.notes
    marks = {row[0].shown: row[4].shown for row in contributions_table(merged).rows}
    assert marks == {"acme": "yes", "bare": "no bitstreams"}
    assert {row[0]: row[-1] for row in cells(merged)} == {"FFNeRV": "yes", "HNeRV": "no bitstreams"}


def test_several_seeds_of_a_codec_are_one_row() -> None:
    rows = rows_of("ffnerv")
    rows += [each | {"seed": 1} for each in rows if each["role"] == "proposal"]
    (row,) = cells(merge_reports("N1", [brought("acme", rows)]))
    assert row[3].endswith("(2)")


def test_packages_name_the_encoders_of_their_anchors(tmp_path: Path) -> None:
    encoders = {"hevc": {"name": "HEVC (x265 veryslow)", "tools": {"x265": "4.3"}}}
    named = _package(tmp_path / "a.zip", rows_of("ffnerv"), encoders=encoders)
    plain = _package(tmp_path / "b.zip", rows_of("ffnerv"))
    held, _ = read_brought([named, plain], "mini")
    shown = [each.info.codec("hevc").display for each in held]
    assert shown == ["HEVC (x265 4.3 veryslow)", "hevc (ffmpeg 9.0.2)"]


# ---- the same point twice


def test_the_same_points_from_another_company_confirm_the_first() -> None:
    documents = {"ffnerv": "m1"}
    acme = brought("acme", rows_of("ffnerv"), documents=documents, proponent="Acme")
    bolt = brought("bolt", elsewhere("ffnerv"), documents=documents, proponent="Bolt")
    merged = merge_reports("N1", [acme, bolt])
    (row,) = cells(merged)
    assert row[2] == "Acme"
    assert row[7:9] == ["Bolt", "8 of 8 bit-exact"]


def test_nobody_confirms_their_own_numbers() -> None:
    documents = {"ffnerv": "m1"}
    once = brought("once", rows_of("ffnerv"), documents=documents, proponent="Acme")
    again = brought("again", elsewhere("ffnerv"), documents=documents, proponent="Acme")
    (row,) = cells(merge_reports("N1", [once, again]))
    assert row[8] == "not yet"


def test_a_copy_of_a_measurement_confirms_nothing() -> None:
    documents = {"ffnerv": "m1"}
    acme = brought("acme", rows_of("ffnerv"), documents=documents, proponent="Acme")
    bolt = brought("bolt", rows_of("ffnerv"), documents=documents, proponent="Bolt")
    (row,) = cells(merge_reports("N1", [acme, bolt]))
    assert row[8] == "0 of 8 confirmed, 8 the same measurement"


def test_a_difference_within_tolerance_confirms_and_one_beyond_is_a_conflict() -> None:
    left = {"psnr_y_db": 30.0, "ms_ssim_y": 0.95, "bitstream_bytes": 100, "bpp": 0.1}
    limits = {"psnr_y_db": 0.01, "ms_ssim_y": 1e-4}
    assert disagreements(left, left | {"psnr_y_db": 30.01, "ms_ssim_y": 0.9501}, limits) == []
    (found,) = disagreements(left, left | {"psnr_y_db": 30.011}, limits)
    assert (found.column, found.absolute) == ("psnr_y_db", pytest.approx(0.011))
    (found,) = disagreements(left, left | {"bitstream_bytes": 101}, limits)
    assert found.column == "bitstream_bytes"
    assert disagreements(left, left | {"bitstream_bytes": None, "psnr_y_db": None}, limits) == []


def _conflicting() -> MergedReport:
    documents = {"ffnerv": "m1"}
    other = elsewhere("ffnerv")
    curve(other, BUNNY, "ffnerv")[2]["psnr_y_db"] += 0.5
    return merge_reports(
        "N1",
        [
            brought("acme", rows_of("ffnerv"), documents=documents, proponent="Acme"),
            brought("bolt", other, documents=documents, proponent="Bölt"),
        ],
    )


def test_a_conflict_is_shown_with_both_values_and_compared_with_nothing() -> None:
    merged = _conflicting()
    (row,) = conflicts_table(merged).rows
    shown = [cell.shown for cell in row]
    assert shown[0] == "ffnerv bunny-mini@0+32 m.quick_qp-40"
    assert shown[2::2][:2] == ["acme", "bolt"]
    assert shown[3] == "33.200000" and shown[5] == "33.700000" and shown[6] == "+0.500000"
    held = {row[3].shown: row[5] for row in sequences_table(merged).rows}
    assert (held[BUNNY].kind, held[BUNNY].shown) == ("reason", "conflict")
    assert held[BIKES].kind == "number"
    (ranking,) = merged.rankings("psnr_y_db")
    assert ranking.sequences == (BIKES,)
    assert cells(merged)[0][8] == "7 of 8 confirmed, 1 conflict"


def test_a_point_in_conflict_has_no_number_in_the_merged_table(tmp_path: Path) -> None:
    write_merge(tmp_path / "N1", _conflicting())
    (clash,) = [p for p in read_points(tmp_path / "N1" / "points.tsv") if p["status"] == "conflict"]
    assert clash["reason"] == "conflict: acme and bolt differ in psnr_y_db"
    assert not any(is_number(clash[name]) for name in ("bpp", "psnr_y_db", "bitstream_bytes"))


def test_one_codec_id_for_two_methods_makes_two_rows() -> None:
    rows = rows_of("ffnerv")
    better("ffnerv")(rows)
    acme = brought("acme", rows_of("ffnerv"), documents={"ffnerv": "m1"})
    bolt = brought("bolt", rows, documents={"ffnerv": "m2"})
    merged = merge_reports("N1", [acme, bolt])
    assert {row[0] for row in cells(merged)} == {"FFNeRV [acme]", "FFNeRV [bolt]"}
    assert conflicts_table(merged).rows == ()


def test_names_that_begin_alike_are_different_codecs() -> None:
    rows = rows_of("ffnerv")
    for each in rows:
        each["codec"] = "ffnerv2" if each["codec"] == "ffnerv" else each["codec"]
    merged = merge_reports("N1", [brought("a", rows_of("ffnerv")), brought("b", rows)])
    assert {row[0] for row in cells(merged)} == {"FFNeRV", "ffnerv2"}


def test_what_failed_elsewhere_is_told_and_withholds_nothing() -> None:
    other = elsewhere("ffnerv")
    curve(other, BUNNY, "ffnerv")[0].update(status="failed", reason="exit 1")
    merged = merge_reports("N1", [brought("acme", rows_of("ffnerv")), brought("bolt", other)])
    (row,) = cells(merged)
    assert row[8] == "7 of 8 confirmed, 1 failed there"
    assert row[3].endswith("(2)")


# ---- anchors


def _other_anchor(rows: Rows) -> Rows:
    for sequence in CLIPS:
        for each in curve(rows, sequence, "hevc"):
            size = each["bitstream_bytes"]
            each.update(bitstream_bytes=2 * size, bpp=2 * each["bpp"], bitstream_md5="other")
            each.update(rate_kbps=2 * each["rate_kbps"])
    return rows


def test_one_anchor_is_used_for_all_and_named_and_the_others_are_held_against_it() -> None:
    both = ("avc", "hevc")
    acme = brought("acme", rows_of("ffnerv", anchors=both), documents={"ffnerv": "m1"})
    rows = _other_anchor(rows_of("hnerv", anchors=both))
    bolt = brought("bolt", rows, documents={"hnerv": "m2"})
    merged = merge_reports("N1", [acme, bolt])
    assert merged.notes[0] == (
        "Reference: HEVC (x265 4.1 veryslow) as acme measured it (the first with complete points)."
    )
    held = {row[1].shown: [cell.shown for cell in row[3:7]] for row in anchors_table(merged).rows}
    assert held["HEVC (x265 4.1 veryslow)"] == ["12", "0 of 12", "+100.00%", "+100.00%"]
    assert held["AVC (x264 164 veryslow)"] == ["12", "12 of 12", "0.00%", "0.00%"]
    assert len(anchor_points_table(merged).rows) == 12
    alone = merge_reports("N1", [bolt])
    ((_, test),) = alone.tested()
    there = merged.headline_rows("bolt", test, "psnr_y_db")
    own = alone.headline_rows("bolt", test, "psnr_y_db")
    # against an anchor of half the rate
    expected = 2 * (100 + own[BUNNY]["bd_rate_percent"])
    assert 100 + there[BUNNY]["bd_rate_percent"] == pytest.approx(expected)


def test_another_source_file_than_the_anchors_is_not_compared() -> None:
    rows = [each for each in rows_of("hnerv") if each["role"] != "anchor"]
    for each in curve(rows, BUNNY, "hnerv"):
        each["source_md5"] = "another"
    acme = brought("acme", rows_of("ffnerv"), documents={"ffnerv": "m1"})
    bolt = brought("bolt", rows, documents={"hnerv": "m2"})
    merged = merge_reports("N1", [acme, bolt])
    held = merged.headline_rows("bolt", merged.tested()[1][1], "psnr_y_db")
    assert held[BUNNY]["bd_rate_percent"] is None
    assert held[BUNNY]["reason"].startswith("conflict: 4 of 4 points")
    assert is_number(held[BIKES]["bd_rate_percent"])
    told = f"bolt coded another source file than the anchor of {BUNNY}: not compared."
    assert told in merged.notes


def test_sequences_of_which_the_used_anchor_has_no_points_are_named() -> None:
    acme = brought("acme", rows_of("ffnerv", sequences=(BUNNY,)), documents={"ffnerv": "m1"})
    rows = [each for each in rows_of("hnerv") if each["role"] != "anchor"]
    merged = merge_reports("N1", [acme, brought("bolt", rows, documents={"hnerv": "m2"})])
    assert f"acme has no anchor points of {BIKES}." in merged.notes


def test_metrics_of_two_definitions_are_told() -> None:
    acme = brought("acme", rows_of("ffnerv"))
    run = info(metric_versions={"psnr_y_db": "of their own"})
    merged = merge_reports("N1", [acme, brought("bolt", rows_of("hnerv"), run=run)])
    assert any("“of their own”" in each and "may not compare" in each for each in merged.notes)


def test_the_anchor_of_a_named_contribution_is_used() -> None:
    acme = brought("acme", rows_of("ffnerv"))
    bolt = brought("bolt", _other_anchor(rows_of("hnerv")))
    merged = merge_reports("N1", [acme, bolt], anchor_from="bolt")
    assert merged.registered is not None
    assert merged.registered.label == "bolt"
    assert "as bolt measured it (as asked)" in merged.notes[0]
    with pytest.raises(InputError, match=r"--anchor-from acm: .* acme, bolt"):
        merge_reports("N1", [acme, bolt], anchor_from="acm")


def test_an_anchor_with_a_missing_point_or_without_conditions_comes_second() -> None:
    rows = rows_of("ffnerv")
    curve(rows, BUNNY, "hevc")[0].update(status="missing", psnr_y_db=None)
    broken = brought("broken", rows, documents={"ffnerv": "m1"})
    bare = brought("bare", rows_of("hnerv"), digest="")
    whole = brought("whole", rows_of("hnerv"), documents={"hnerv": "m2"})
    merged = merge_reports("N1", [bare, broken, whole])
    assert merged.registered is not None
    assert merged.registered.label == "whole"


def test_without_any_anchor_there_is_no_number_and_the_reason_is_said() -> None:
    rows = [each for each in rows_of("ffnerv") if each["role"] != "anchor"]
    merged = merge_reports("N1", [brought("acme", rows)])
    assert merged.notes[0] == "No contribution has anchor points: nothing is compared."
    (row,) = cells(merged)
    assert row[3] == "no-anchor"


def test_one_rate_point_is_a_reason() -> None:
    rows = rows_of("ffnerv", sequences=(BUNNY,))
    for each in curve(rows, BUNNY, "ffnerv")[1:]:
        rows.remove(each)
    (row,) = cells(merge_reports("N1", [brought("acme", rows)]))
    assert row[3] == "fewer-than-4-points"


# ---- cross-checkers' reports


def _record(md5: str, rows: Rows, verdict: str = "bit-exact", **fields: Any) -> CheckRecord:
    keys = ("sequence", "cut", "codec", "variant", "configuration", "rate_point", "seed")
    checked = [
        {**{key: each[key] for key in keys}, "bitstream_md5": each["bitstream_md5"]}
        | {"verdict": verdict}
        for each in rows
        if each["role"] == "proposal"
    ]
    value = {
        "kind": "crosscheck",
        "codec": "ffnerv",
        "package": {"md5": md5, "document": "m1"},
        "by": "Dritte & Söhne",
        "short": "",
        "points": checked,
    }
    return CheckRecord("a.crosscheck.json", value | fields)


def test_a_cross_checkers_report_gives_name_and_verdict() -> None:
    rows = rows_of("ffnerv")
    check = _record("md5-acme", rows)
    check.value["points"][0]["verdict"] = "differs"
    merged = merge_reports("N1", [brought("acme", rows)], [check])
    assert cells(merged)[0][7:9] == ["Dritte & Söhne", "7 of 8 confirmed, 1 differs"]


def test_a_verdict_on_other_bitstreams_confirms_nothing() -> None:
    check = _record("md5-acme", rows_of("ffnerv"))
    check.value["points"][0]["bitstream_md5"] = "0" * 32
    merged = merge_reports("N1", [brought("acme", rows_of("ffnerv"))], [check])
    assert cells(merged)[0][8] == "7 of 8 confirmed, 1 other bitstream"


def test_a_verdict_on_a_codec_that_is_not_here_is_told() -> None:
    check = _record("another", rows_of("ffnerv"), codec="nothere")
    merged = merge_reports("N1", [brought("acme", rows_of("ffnerv"))], [check])
    assert merged.notes[-1] == "a.crosscheck.json checks no codec that is here."


# ---- files


def _folder(path: Path, rows: Rows, run: RunInfo) -> Path:
    table = normalised(rows)
    write_table(path / "points.tsv", table, point_columns(table))
    (path / "run.json").write_text(json.dumps(asdict(run) | {"schema": 1}), encoding="utf-8")
    return path


def _package(path: Path, rows: Rows, **fields: Any) -> Path:
    """An archive as `invrbench pack` writes it, as far as a merge reads it."""
    mine = [each for each in rows if each["role"] == "proposal"]
    value = {
        **{"schema": 1, "kind": "package", "codec": "ffnerv", "folder": "ffnerv"},
        **{"name": "FFNeRV", "role": "proposal", "document": "m1", "proponent": "Acme"},
        "harness": {"version": "0.1.0", "commit": "c", "dirty": False},
        "conditions": {"name": "mini", "digest": "d1", "value": VALUE},
        "tolerances": {"psnr_y_db": 0.01},
        "environment": {"ffmpeg": {"version": "9.0.2"}, "recorded": {"torch": "2.15.0"}},
        "decoder": {"command": [], "files": {}, "learned_bytes": 0},
        "sequences": {},
        "points": [each | {"file": f"bitstreams/{i}.bin"} for i, each in enumerate(mine)],
        **{"views": [], "left_out": [], "bd": [], "commands": []},
        "anchors": [each for each in rows if each["role"] == "anchor"],
    } | fields
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("ffnerv/package.json", json.dumps(value))
    return path


def test_the_verb_merges_a_package_a_report_and_a_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    package = _package(tmp_path / "acme.zip", rows_of("ffnerv"))
    names = CODECS | {"hnerv": CodecInfo("HNeRV", "proposal", document="m2")}
    run = info(digest="d1", conditions_value=VALUE, label="bolt", codecs=names)
    report = _folder(tmp_path / "bolt", rows_of("hnerv"), run)
    bare = tmp_path / "häuschen.tsv"
    table = normalised(rows_of("ffnerv", "hnerv"))
    write_table(bare, table, point_columns(table))
    out = tmp_path / "out"
    arguments = ["merge", str(package), str(report), str(bare), "--label", "N1", "-o", str(out)]
    assert main(arguments) == 0
    printed = capsys.readouterr().out
    assert max(map(len, printed.splitlines())) <= 100
    assert "häuschen: a bare table" in printed
    assert {path.name for path in out.iterdir()} == {
        *("results.xlsx", "points.tsv", "bd.tsv", "merge.md", "merge.json")
    }
    for name in ("merge.md", "merge.json"):
        assert str(tmp_path) not in (out / name).read_text(encoding="utf-8")
    again = {path.name: path.read_bytes() for path in out.iterdir()}
    assert main(arguments) == 0
    assert again == {path.name: path.read_bytes() for path in out.iterdir()}


def test_the_workbook_opens_and_shows_the_numbers_of_the_markdown(tmp_path: Path) -> None:
    openpyxl = pytest.importorskip("openpyxl", reason="reads the workbook back")
    merged = _conflicting()
    write_merge(tmp_path / "N1", merged)
    book = openpyxl.load_workbook(tmp_path / "N1" / "results.xlsx")
    assert book.sheetnames == [
        *("Summary", "Contributions", "Full", "Cross-checks", "Conflicts", "Anchors", "Coverage"),
    ]
    (ranking,) = merged.rankings("psnr_y_db")
    expected = (ranking.means[0][1] or 0) / 100
    numbers = [cell.value for row in book["Summary"].iter_rows() for cell in row]
    assert any(is_number(each) and each == pytest.approx(expected) for each in numbers)
    assert f"{100 * expected:+.1f}%" in merge_markdown(merged)


def test_the_folder_of_another_label_is_never_overwritten(tmp_path: Path) -> None:
    merged = merge_reports("N1", [brought("acme", rows_of("ffnerv"))])
    write_merge(tmp_path / "N1", merged)
    write_merge(tmp_path / "N1", merged)
    with pytest.raises(InputError, match=r"N1/ holds something else than a merge labelled N2"):
        write_merge(tmp_path / "N1", replace(merged, label="N2"))
    (tmp_path / "N3").mkdir()
    (tmp_path / "N3" / "notes.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(InputError, match="never overwritten"):
        write_merge(tmp_path / "N3", replace(merged, label="N3"))


def test_one_contribution_named_twice_is_refused(tmp_path: Path) -> None:
    package = _package(tmp_path / "a.zip", rows_of("ffnerv"))
    copy = tmp_path / "b.zip"
    copy.write_bytes(package.read_bytes())
    with pytest.raises(RecordError, match=r"a.zip and b.zip are the same"):
        read_brought([package, copy], "mini")


def test_equal_labels_are_told_apart_by_their_files(tmp_path: Path) -> None:
    first = _package(tmp_path / "a.zip", rows_of("ffnerv"))
    second = _package(tmp_path / "b.zip", rows_of("ffnerv"), proponent="Bolt")
    held, _ = read_brought([first, second], "mini")
    assert [each.label for each in held] == ["a", "b"]


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("c.json", "{", "cannot be read"),
        ("c.json", "[]", "no record of a cross-check"),
        ("c.json", '{"kind": "crosscheck", "schema": 2}', "has schema 2"),
        ("c.json", '{"kind": "crosscheck", "schema": 1}', "lacks codec, package, points, short"),
        ("p.zip", "no zip", "no zip archive"),
        ("t.tsv", "a\tb\n", "no table of points"),
    ],
)
def test_what_is_no_contribution_is_refused_with_its_name(
    tmp_path: Path, name: str, text: str, expected: str
) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(RecordError, match=rf"{name}.*{expected}"):
        read_brought([tmp_path / name], "mini")


def test_a_package_of_a_newer_schema_is_refused(tmp_path: Path) -> None:
    package = _package(tmp_path / "a.zip", rows_of("ffnerv"), schema=2)
    with pytest.raises(RecordError, match="packed by a newer invrbench"):
        read_brought([package], "mini")


def test_verdicts_alone_are_nothing_to_merge(tmp_path: Path) -> None:
    record = {"schema": 1, **_record("x", rows_of("ffnerv")).value}
    (tmp_path / "c.json").write_text(json.dumps(record), encoding="utf-8")
    with pytest.raises(RecordError, match="nothing to merge"):
        read_brought([tmp_path / "c.json"], "mini")


def test_a_label_that_is_no_folders_name_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    package = _package(tmp_path / "a.zip", rows_of("ffnerv"))
    assert main(["merge", str(package), "--label", "../x", "-o", str(tmp_path / "o")]) == 1
    assert "a label starts with a letter" in capsys.readouterr().err
    assert not (tmp_path / "o").exists()


def test_the_printed_summary_keeps_to_one_hundred_columns() -> None:
    assert max(map(len, summary_text(_conflicting()).splitlines())) <= 100
