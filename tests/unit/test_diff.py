"""diff: what changed between two reports, by how much, and through whom."""

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from invrbench.cli.main import main
from invrbench.compare.curves import normalised
from invrbench.compare.differences import Change
from invrbench.compare.table import point_columns, write_table
from invrbench.digest import md5_file
from invrbench.errors import CompareError, RecordError
from invrbench.report.diff import ReportDiff, compare_reports, findings
from invrbench.report.diff_tables import diff_lines, diff_value, write_diff
from invrbench.report.given import Given, read_given, shown_path
from invrbench.report.info import CodecInfo, RunInfo
from report_points import CODECS, curve, info, points

BUNNY, BIKES = "bunny-mini@0+32", "bikes-mini@76+32"
Rows = list[dict[str, Any]]
Edit = Callable[[Rows], None]


def given(name: str, edit: Edit | None = None, **changes: Any) -> Given:
    rows = points()
    if edit is not None:
        edit(rows)
    return Given(name, tuple(normalised(rows)), info(**changes))


def found(edit: Edit | None = None, **changes: Any) -> ReportDiff:
    return compare_reports(given("old"), given("new", edit, **changes))


def change_of(diff: ReportDiff, codec: str, sequence: str, metric: str = "psnr_y_db") -> Change:
    members = [
        each
        for each in (*diff.changes, *diff.means)
        if (each.test.codec, each.test.sequence, each.metric) == (codec, sequence, metric)
    ]
    assert len(members) == 1, members
    return members[0]


def told(diff: ReportDiff, subject: str) -> list[str]:
    return [sentence for name, sentence in findings(diff) if name == subject]


def scale(factor: float, *where: tuple[str, str]) -> Edit:
    """Multiply the rates of codecs on sequences, as another bitstream would have."""

    def edit(rows: Rows) -> None:
        for sequence, codec in where:
            for each in curve(rows, sequence, codec):
                each["bpp"] *= factor
                each["rate_kbps"] = each["rate_kbps"] and each["rate_kbps"] * factor
                each["bitstream_bytes"] = round(each["bitstream_bytes"] * factor)
                each["bitstream_md5"] = f"{factor}"

    return edit


def test_a_report_compared_with_itself_differs_in_nothing() -> None:
    diff = found()
    assert diff.is_same
    assert diff_lines(diff)[-1] == "Nothing differs."


def test_a_dearer_anchor_moves_every_method_and_is_blamed_alone() -> None:
    # All rates of the anchor ×1.1: (1 + BD) becomes (1 + BD) / 1.1 exactly.
    clips = ((BUNNY, "hevc"), (BIKES, "hevc"))
    diff = found(scale(1.1, *clips))
    for codec in ("hnerv", "ffnerv", "avc"):
        change = change_of(diff, codec, BUNNY)
        assert change.old is not None
        expected = (100 + change.old) / 1.1 - 100
        assert change.new == pytest.approx(expected, abs=1e-9)
        assert change.delta == pytest.approx(expected - change.old, abs=1e-9)
        assert change.split.anchor == pytest.approx(change.delta, abs=1e-9)
        assert change.split.method == pytest.approx(0, abs=1e-9)
        assert change.split.rest == pytest.approx(0, abs=1e-9)
        assert change.split.cause == "anchor"


def test_a_cheaper_method_is_its_own_doing() -> None:
    diff = found(scale(0.9, (BUNNY, "hnerv")))
    change = change_of(diff, "hnerv", BUNNY)
    assert change.old is not None
    assert change.delta == pytest.approx(-0.1 * (100 + change.old), abs=1e-9)
    assert change.split.method == pytest.approx(change.delta, abs=1e-9)
    assert change.split.cause == "method"
    assert change_of(diff, "ffnerv", BUNNY).delta == 0


def test_both_moving_leaves_the_product_as_the_rest() -> None:
    # r = 1 + BD/100; anchor alone r/1.1, method alone 0.9 r, both 0.9 r/1.1
    diff = found(scale_both)
    change = change_of(diff, "hnerv", BUNNY)
    assert change.old is not None
    r = 100 + change.old
    assert change.split.anchor == pytest.approx(r / 1.1 - r, abs=1e-9)
    assert change.split.method == pytest.approx(0.9 * r - r, abs=1e-9)
    assert change.split.rest == pytest.approx(0.9 * r / 1.1 - 0.9 * r - r / 1.1 + r, abs=1e-9)
    assert change.split.cause == "anchor and method"


def scale_both(rows: Rows) -> None:
    scale(1.1, (BUNNY, "hevc"))(rows)
    scale(0.9, (BUNNY, "hnerv"), (BUNNY, "ffnerv"))(rows)


def test_several_seeds_of_a_sequence_count_as_one_in_the_mean() -> None:
    def seeded(*factors: float) -> Edit:
        def edit(rows: Rows) -> None:
            mine = [each for each in rows if each["codec"] == "ffnerv"]
            for seed, factor in enumerate(factors[1:], start=1):
                rows.extend(
                    each
                    | {"seed": seed, "bpp": factor * each["bpp"], "bitstream_md5": f"s{seed}"}
                    | {"rate_kbps": each["rate_kbps"] and factor * each["rate_kbps"]}
                    for each in mine
                )

        return edit

    diff = compare_reports(given("old", seeded(1, 1, 1)), given("new", seeded(1, 1.1, 1.2)))
    mean = change_of(diff, "ffnerv", "")
    olds = [
        c.old or 0 for c in diff.changes if c.test.codec == "ffnerv" and c.metric == "psnr_y_db"
    ]
    assert len(olds) == 6
    assert mean.counts == (2, 2, 2)
    assert mean.test.seed == "mean of 3"
    # seeds move by 0, 10 and 20 %
    assert mean.delta == pytest.approx(0.1 * (100 + sum(olds) / 6))


def test_another_anchor_codec_moves_everything_by_itself() -> None:
    diff = found(headline_anchor="avc")
    change = change_of(diff, "ffnerv", BUNNY)
    assert change.delta is not None and change.delta < 0
    assert change.split.anchor == pytest.approx(change.delta)
    assert change.split.method == pytest.approx(0, abs=1e-9)
    assert "the anchor is avc instead of hevc" in told(diff, "conditions")


def test_the_mean_is_over_sequences_and_its_shares_add_up() -> None:
    diff = found(scale_both)
    mean = change_of(diff, "ffnerv", "")
    parts = [change_of(diff, "ffnerv", name) for name in (BUNNY, BIKES)]
    assert mean.counts == (2, 2, 2)
    assert mean.old == pytest.approx(sum(part.old or 0 for part in parts) / 2)
    shares = (mean.split.anchor, mean.split.method, mean.split.rest)
    assert sum(share or 0 for share in shares) == pytest.approx(mean.delta)


def test_a_new_version_that_moves_the_anchor_is_named_with_it() -> None:
    names = {"hevc": CodecInfo("HEVC (x265 4.2 veryslow)", "anchor")}
    tools = {"ffmpeg": "9.1.0", "torch": "2.15.0", "nncodec": "2.1.3"}
    edit = scale(1.1, (BUNNY, "hevc"), (BIKES, "hevc"))
    diff = found(edit, tool_versions=tools, codecs=CODECS | names)
    assert told(diff, "tools") == ["ffmpeg: 9.0.2 → 9.1.0"]
    sentence = told(diff, "anchor")[0]
    assert sentence.startswith("12 of 24 bitstreams of HEVC (x265 4.2 veryslow) differ, +5.00 %")
    assert "HEVC (x265 4.1 veryslow) → HEVC (x265 4.2 veryslow); ffmpeg 9.0.2 → 9.1.0" in sentence


def test_a_new_version_that_moves_nothing_is_cleared() -> None:
    diff = found(tool_versions={"ffmpeg": "9.1.0", "torch": "2.15.0", "nncodec": "2.1.3"})
    assert told(diff, "anchor") == ["did not move a bitstream (ffmpeg 9.0.2 → 9.1.0)"]


def test_means_over_different_sequences_are_never_subtracted() -> None:
    def fewer(rows: Rows) -> None:
        rows[:] = [each for each in rows if each["sequence"] != "bikes-mini"]

    diff = found(fewer)
    mean, alone = change_of(diff, "ffnerv", ""), change_of(diff, "ffnerv", BUNNY)
    assert mean.counts == (1, 2, 1)
    assert (mean.old, mean.new, mean.delta) == (alone.old, alone.new, 0)
    assert change_of(diff, "ffnerv", BIKES).reason == "only in the old report"
    assert "gone: bikes-mini@76+32" in told(diff, "sequences")


def test_reports_without_a_common_sequence_have_reasons_and_no_mean() -> None:
    def renamed(rows: Rows) -> None:
        for each in rows:
            each["sequence"] = f"{each['sequence']}C"

    mean = change_of(found(renamed), "hnerv", "")
    assert (mean.old, mean.new, mean.delta) == (None, None, None)
    assert mean.reason.startswith("no common sequence")


def test_another_source_file_under_the_same_name_is_not_compared() -> None:
    def other(rows: Rows) -> None:
        for each in rows:
            if each["sequence"] == "bunny-mini":
                each["source_md5"] = "another"

    diff = found(other)
    assert diff.footage == [BUNNY]
    change = change_of(diff, "hnerv", BUNNY)
    assert change.delta is None
    assert change.reason.startswith("other-source")


def _bent(rows: Rows) -> None:
    """Luma PSNR as another definition would have it: less at high quality, same pictures."""
    for each in rows:
        if each["psnr_y_db"] is not None:
            each["psnr_y_db"] -= 0.002 * (each["psnr_y_db"] - 20) ** 2


def test_the_same_pictures_under_another_definition_blame_the_metric() -> None:
    versions = {"psnr_y_db": "invrbench 0.2.0", "vmaf": "libvmaf 3.0.0 (vmaf_v0.6.1)"}
    diff = found(_bent, metric_versions=versions)
    change = change_of(diff, "hnerv", BUNNY)
    assert change.delta is not None
    assert change.split.metric == change.delta != 0
    assert change.split.cause == "metric"
    assert any("invrbench 0.1.0" in each and "0.2.0" in each for each in told(diff, "metrics"))
    assert change_of(diff, "hnerv", BUNNY, "ms_ssim_y_db").delta == 0


def test_a_metric_that_moves_without_a_new_definition_is_told() -> None:
    sentences = told(found(_bent), "metrics")
    assert any("though its definition is the same" in each for each in sentences)


def test_a_definition_in_other_words_alone_moves_nothing_and_hinders_nothing() -> None:
    diff = found(metric_versions={"psnr_y_db": "invrbench 0.2.0"})
    assert not diff.is_same
    assert change_of(diff, "hnerv", BUNNY).split.cause == ""
    assert any("equal values" in each for each in told(diff, "metrics"))


def test_another_definition_and_other_bitstreams_are_not_split() -> None:
    def edit(rows: Rows) -> None:
        scale(0.9, (BUNNY, "hnerv"))(rows)
        _bent(rows)

    change = change_of(found(edit, metric_versions={"psnr_y_db": "2"}), "hnerv", BUNNY)
    assert change.delta is not None
    assert change.split.anchor is change.split.method is None
    assert change.reason == "not split: psnr_y_db is measured in another way"


def test_a_point_that_fails_now_takes_its_number_with_a_reason() -> None:
    def failed(rows: Rows) -> None:
        curve(rows, BUNNY, "hnerv")[1].update(status="failed", reason="exit 1", psnr_y_db=None)

    diff = found(failed)
    change = change_of(diff, "hnerv", BUNNY)
    assert change.old is not None and change.new is None
    assert change.reason == "new: missing-point"
    assert told(diff, "status") == ["hnerv bunny-mini@0+32 s.quick_qp-46: ok → failed (exit 1)"]


def test_a_new_codec_and_one_that_is_gone_are_named() -> None:
    def swapped(rows: Rows) -> None:
        for each in rows:
            each["codec"] = "hnerv-boost" if each["codec"] == "hnerv" else each["codec"]

    assert told(found(swapped), "codecs") == ["8 in both", "gone: hnerv", "new: hnerv-boost"]


def test_changed_conditions_are_listed_by_key() -> None:
    old = replace(given("old"), info=info(conditions_value={"seeds": 1, "budget": "quick"}))
    new = replace(given("new"), info=info(conditions_value={"seeds": 3, "budget": "quick"}))
    assert told(compare_reports(old, new), "conditions") == ["seeds: 1 → 3"]


def test_one_rate_point_is_a_reason_and_never_a_number() -> None:
    def single(rows: Rows) -> None:
        for each in curve(rows, BUNNY, "hnerv")[1:]:
            rows.remove(each)

    change = change_of(found(single), "hnerv", BUNNY)
    assert (change.new, change.delta) == (None, None)
    assert change.reason == "new: fewer-than-4-points"


def test_headlines_without_a_common_metric_are_refused() -> None:
    with pytest.raises(CompareError, match="no metric is common"):
        found(headline_metrics=("vmaf", "lpips"))


def test_lines_keep_to_one_hundred_columns_and_name_what_moved() -> None:
    lines = diff_lines(found(scale_both))
    assert max(map(len, lines)) <= 100
    assert any("HNeRV" in line and "-" in line for line in lines)
    assert any("sequences did not move" in line for line in lines)


def test_of_many_sequences_those_that_moved_most_are_printed() -> None:
    def many(rows: Rows, factor: float) -> None:
        held = [each for each in rows if (each["sequence"], each["cut"]) == ("bunny-mini", "0+32")]
        held = [each for each in held if each["codec"] in ("hevc", "ffnerv")]
        rows[:] = []
        for index in range(15):
            gain = factor ** (index + 1)
            for each in held:
                better = each["codec"] == "ffnerv"
                bpp = each["bpp"] * (gain if better else 1)
                rows.append(each | {"sequence": f"s{index:02}", "bpp": bpp, "rate_kbps": None})

    old, new = (given(n, lambda rows, f=f: many(rows, f)) for n, f in (("o", 1), ("n", 0.99)))
    lines = diff_lines(compare_reports(old, new))
    printed = [line.split("@")[0].strip() for line in lines if line[:4] in ("  s0", "  s1")]
    assert printed == [f"s{index:02}" for index in range(3, 15)] * 2
    assert lines.count("  and 3 more that moved less; -o writes all") == 2


def test_the_json_form_holds_no_number_that_is_none() -> None:
    value = json.loads(json.dumps(diff_value(found(scale_both)), allow_nan=False))
    assert value["same"] is False
    assert len(value["bd"]) == len(found().changes) + len(found().means)


def test_metrics_with_a_colon_in_their_name_have_a_sheet(tmp_path: Path) -> None:
    metrics = ("psnr_yuv_db", "psnr_y_db")
    old, new = given("o", headline_metrics=metrics), given("n", headline_metrics=metrics)
    write_diff(tmp_path, compare_reports(old, new))
    assert (tmp_path / "diff.xlsx").stat().st_size > 0


# ---- reading what a person names


def write_given(folder: Path, rows: Rows, run: RunInfo, **fields: Any) -> Path:
    table = normalised(rows)
    write_table(folder / "points.tsv", table, point_columns(table))
    value = asdict(run) | {"schema": 1} | fields
    value.setdefault("files", {"points.tsv": md5_file(folder / "points.tsv")})
    (folder / "run.json").write_text(json.dumps(value), encoding="utf-8")
    return folder


def test_the_verb_prints_and_writes_what_it_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old = write_given(tmp_path / "geneva", points(), info())
    rows = points()
    scale_both(rows)
    new = write_given(tmp_path / "daejeon", rows, info())
    assert main(["diff", str(old), str(new), "-o", str(tmp_path / "out")]) == 0
    assert "geneva → " in capsys.readouterr().out
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "diff.tsv",
        "diff.md",
        "diff.json",
        "diff.xlsx",
    }
    assert str(tmp_path) not in (tmp_path / "out" / "diff.md").read_text(encoding="utf-8")


def test_a_table_read_back_gives_the_numbers_it_was_written_with(tmp_path: Path) -> None:
    held = read_given(write_given(tmp_path / "r", points(), info()))
    assert not held.notes
    assert held.info.codec("hevc").display == "HEVC (x265 4.1 veryslow)"
    diff = compare_reports(given("made"), replace(held, name="read"))
    # six decimals of 0.03 bit/pixel are worth 0.002 % of rate
    assert all(abs(change.delta or 0) < 0.02 for change in diff.changes)
    assert not any(move.has_moved for move in diff.moves)


def test_a_bare_table_takes_the_headline_of_the_report_beside_it(tmp_path: Path) -> None:
    folder = write_given(tmp_path / "r", points(), info())
    diff = compare_reports(read_given(folder), read_given(folder / "points.tsv"))
    assert diff.anchors == ("hevc", "hevc")
    assert told(diff, "tools") == ["not known of a bare table"]
    assert all(change.delta in (None, 0) for change in diff.changes)


def test_a_table_edited_behind_its_report_is_told(tmp_path: Path) -> None:
    folder = write_given(tmp_path / "r", points(), info(), files={"points.tsv": "0" * 32})
    assert "it was changed" in read_given(folder).notes[0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"schema": 2}', r"written by a newer invrbench \(run.json has schema 2\)"),
        ('{"schema": 1}', "run.json: the file lacks"),
        ('{"schema": NaN}', "it holds NaN"),
        ("[]", "expected a table of keys"),
        ("{", "cannot be read"),
    ],
)
def test_a_run_json_that_is_not_one_is_refused(tmp_path: Path, text: str, expected: str) -> None:
    folder = write_given(tmp_path / "r", points(), info())
    (folder / "run.json").write_text(text, encoding="utf-8")
    with pytest.raises(RecordError, match=expected):
        read_given(folder)


def test_a_folder_without_a_table_is_refused_with_what_to_name(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match=r"holds no points.tsv; name a report folder"):
        read_given(tmp_path)
    with pytest.raises(RecordError, match="does not exist"):
        read_given(tmp_path / "none.tsv")


HEAD = "sequence\tcodec\trole\trate_point\tstatus\tbpp\tpsnr_y_db\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "no table of points"),
        ("rate\tquality\n1\t2\n", "no table of points"),
        (HEAD, "holds no point"),
        (f"{HEAD}S\tc\tproposal\tq\tok\tmany\t30\n", "line 2: bpp is 'many', which is no number"),
        (f"{HEAD}S\tc\tproposal\t\tok\t1\t30\n", "line 2: has no rate_point"),
        (f"{HEAD}S\tc\tproposal\tq\tok\t1\t30\t7\n", "line 2: has more cells"),
    ],
)
def test_a_table_that_is_none_is_refused_with_its_line(
    tmp_path: Path, text: str, expected: str
) -> None:
    (tmp_path / "points.tsv").write_text(text, encoding="utf-8")
    with pytest.raises(RecordError, match=expected):
        read_given(tmp_path / "points.tsv")


def test_nan_in_a_table_is_an_empty_cell_with_its_reason(tmp_path: Path) -> None:
    (tmp_path / "p.tsv").write_text(f"{HEAD}S\tc\tproposal\tq\tok\t1\tnan\n", encoding="utf-8")
    (held,) = read_given(tmp_path / "p.tsv").points
    assert (held["psnr_y_db"], held["psnr_y_db_reason"]) == (None, "the record holds nan")


def test_a_path_is_shown_without_the_folders_of_this_machine() -> None:
    assert shown_path(Path("reports/mini/m71234")) == "reports/mini/m71234"
    assert shown_path(Path("/home/me/mini")) == "mini"
    assert shown_path(Path("../../me/mini")) == "mini"
