"""The page's data says what the tables say, holds what fits, and lets no markup start."""

import json
import math
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from invrbench.compare.findings import Verdict
from invrbench.report import tables
from invrbench.report.cells import bd
from invrbench.report.page.data import page_data
from invrbench.report.page.frames import frame_values, read_frames
from invrbench.report.page.names import folder_numbers
from invrbench.report.page.page import MAX_BYTES, safe_json, write_page
from invrbench.report.page.pictures import (
    Candidate,
    candidates,
    choose,
    interleaved,
    shrunk,
    telling_folders,
)
from invrbench.report.page.sources import PageSources
from invrbench.report.plots import look_key, looks
from page_reports import (
    BUNNY,
    REASON,
    STILL,
    publishable,
    report_of,
    rows_with_a_failure,
    sources_of,
)
from report_points import curve, info


@pytest.fixture(scope="module")
def report():
    return report_of(rows_with_a_failure())


@pytest.fixture(scope="module")
def data(report):
    return page_data(report, PageSources())


def column(data, name):
    return [each["id"] for each in data["columns"]].index(name)


def point_of(data, codec, rate_point):
    """The data of the only clip's point."""
    for each in data["curves"]:
        if each["codec"] == codec and data["sequences"][each["sequence"]]["id"] == BUNNY:
            for point in data["points"][slice(*each["points"])]:
                if point["id"] == rate_point:
                    return point
    raise AssertionError(f"{codec} {rate_point} is not in the data")


def test_values_are_rounded_as_the_sheet_of_points_shows_them(report, data):
    given = curve(report.points, BUNNY, "hevc")[0]
    values = point_of(data, "hevc", given["rate_point"])["values"]
    assert values[column(data, "psnr_y_db")] == round(given["psnr_y_db"], 4)
    assert values[column(data, "rate_kbps")] == round(given["rate_kbps"], 3)
    assert values[column(data, "bitstream_bytes")] == given["bitstream_bytes"]


def test_a_failed_point_has_its_reason_and_no_value(report, data):
    failed = curve(report.points, BUNNY, "hnerv")[1]
    point = point_of(data, "hnerv", failed["rate_point"])
    assert point["status"] == "failed"
    assert data["texts"][point["reason"]] == REASON
    assert set(point["values"]) == {None}


def test_bd_rows_show_what_the_cells_of_the_sheets_show(report, data):
    shown = {
        tuple(data["texts"][row[i]] for i in (1, 12, 13, 5)): data["texts"][row[6]]
        for row in data["bd"]
        if row[0] == 0
    }
    compared = [row for row in report.rows if row["sequence"] and row["method"] == "pchip"]
    assert compared
    for row in compared:
        test = "/".join((row["test"], row["configuration"], row["curve"], row["seed"]))
        anchor = "/".join((row["anchor"], row["anchor_configuration"]))
        assert shown[(row["sequence"], test, anchor, row["metric"])] == bd(row).shown


def test_bd_rows_hold_class_and_overall_means_with_n_of_n(data):
    scopes = {row[0] for row in data["bd"]}
    assert scopes == {0, 1, 2}
    shares = {data["texts"][row[10]] for row in data["bd"] if row[0] == 2}
    assert {"1 of 1", "0 of 1"} <= shares


def test_the_tables_are_those_of_the_workbook(report, data):
    first = [
        cell if isinstance(cell, str) else cell["reason"] if isinstance(cell, dict) else cell[0]
        for row in data["tables"]["headline"]["rows"]
        for cell in row
    ]
    assert first == [cell.shown for row in tables.headline(report).rows for cell in row]


def test_bd_rates_of_shared_tables_name_their_row_of_comparisons(report, data):
    [cells] = [r for r in data["tables"]["headline"]["rows"] if r[0].startswith("FFNeRV")]
    shown, value, place = cells[2]
    row = data["bd"][place]
    told = [data["texts"][row[i]] for i in (1, 3, 5)]
    assert told == ["Overall", "FFNeRV", "psnr_y_db"]
    assert value == pytest.approx(row[7] / 100, abs=1e-4)
    assert shown.split("%")[0] == data["texts"][row[6]].split("%")[0]


def test_curves_are_drawn_as_in_the_pictures_of_plots(report, data):
    styles = looks(report.pooled)
    assert len(data["curves"]) == len(report.pooled)
    for made, drawn in zip(data["curves"], report.pooled, strict=True):
        look = styles[look_key(drawn)]
        assert made["name"] == report.info.curve_name(drawn)
        assert (made["look"]["colour"], made["look"]["width"]) == (look.colour, look.width)
        assert made["look"]["symbol"].endswith("-open") == (look.fill == "none")


def test_curves_differ_in_marker_or_dash_as_colours_are_lost_in_print(data):
    here = [c for c in data["curves"] if data["sequences"][c["sequence"]]["id"] == BUNNY]
    signs = {(c["look"]["symbol"], c["look"]["dash"]) for c in here}
    assert len(here) > 4 and len(signs) == len(here)


def test_published_curves_are_dashed(report):
    rows = rows_with_a_failure()
    told = [p | {"role": "published", "codec": "paper", "status": "published", "folder": ""}
            for p in curve(rows, BUNNY, "ffnerv")]  # fmt: skip
    data = page_data(report_of([*rows, *told]), PageSources())
    [made] = [c for c in data["curves"] if c["codec"] == "paper"]
    assert made["role"] == "published" and made["look"]["dash"] not in ("solid", "")
    assert {p["folder"] for p in data["points"][slice(*made["points"])]} == {-1}


def test_three_seeds_become_a_mean_with_smallest_and_largest_value():
    rows = rows_with_a_failure()
    own = curve(rows, BUNNY, "ffnerv")
    seeds = [
        p | {"seed": seed, "psnr_y_db": p["psnr_y_db"] + step}
        for seed, step in ((1, 0.1), (2, -0.4))
        for p in own
    ]
    data = page_data(report_of([*rows, *seeds]), PageSources())
    [made] = [c for c in data["curves"] if c["codec"] == "ffnerv"]
    at = column(data, "psnr_y_db")
    for point, mean in zip(own, made["pooled"], strict=True):
        assert mean["values"][at] == pytest.approx(point["psnr_y_db"] - 0.1, abs=1e-4)
        assert mean["low"][at] == pytest.approx(point["psnr_y_db"] - 0.4, abs=1e-4)
        assert mean["high"][at] == pytest.approx(point["psnr_y_db"] + 0.1, abs=1e-4)
    assert made["points"][1] - made["points"][0] == 3 * len(own)


def test_draft_and_incomplete_stand_in_the_head():
    run = publishable(info(filter="hnerv"))
    head = page_data(report_of(rows_with_a_failure(), run), PageSources())["head"]
    assert head["marks"][0] == "DRAFT (only=hnerv)"
    assert head["marks"][1].startswith("incomplete: ")


def test_findings_are_shown_as_indications_below_the_papers_budget(report):
    verdict = Verdict("It rises", BUNNY, "psnr_y_db", "holds", "1 < 2")
    held = page_data(report, PageSources(), [verdict])["tables"]["findings"]
    assert held["rows"][0][:4] == ["It rises", BUNNY, "PSNR-Y", "indication: holds"]


def test_costs_hold_seconds_per_frame_and_the_headline_rate(report, data):
    [cost] = [c for c in data["costs"] if c["codec"] == "ffnerv" and c["sequence"] == BUNNY]
    seconds = sorted(p["decode_seconds"] / 32 for p in curve(report.points, BUNNY, "ffnerv"))
    assert cost["seconds"] == round((seconds[1] + seconds[2]) / 2, 4)
    key = next(c.key for c in report.curves if c.key.codec == "ffnerv")
    row = report.headline(key, "psnr_y_db")
    assert row is not None
    assert cost["bd"]["psnr_y_db"][0] == round(row["bd_rate_percent"], 1)


# ---- per-frame values


def test_frames_beyond_the_cap_are_left_out_and_counted(report, tmp_path: Path):
    sources = sources_of(report, tmp_path)
    whole = frame_values(report, sources)
    assert whole["held"] == whole["total"] > 10
    few = frame_values(report, sources, room=200)
    assert 0 < few["held"] < few["total"] == whole["total"]
    numbers = folder_numbers(report)
    kept = {name for name, number in numbers.items() if str(number) in few["points"]}
    assert all("/hnerv/" in name or "/ffnerv/" in name or "/inric/" in name for name in kept)


def test_a_scene_has_its_frames_by_view():
    table = "view\tframe\tpsnr_y_db\nv03\t0\t30.12346\nv08\t0\t31\nv03\t1\tinf\n"
    assert read_frames(table, ["psnr_y_db"]) == {"v03": [[30.1235, None]], "v08": [[31.0]]}


# ---- pictures


def candidate(tmp_path: Path, rank: int, owner: str, side: int = 40) -> Candidate:
    noise = np.random.default_rng(rank).integers(0, 256, (side, side, 3), dtype=np.uint8)
    path = tmp_path / f"{owner}-{rank}.webp"
    path.write_bytes(cv2.imencode(".webp", noise, [cv2.IMWRITE_WEBP_QUALITY, 101])[1].tobytes())
    return Candidate(rank, owner, "", "0", path, path.stat().st_size)


def test_the_pictures_that_tell_most_come_first_and_the_budget_holds(tmp_path: Path):
    held = [candidate(tmp_path, rank, f"p{rank}") for rank in (3, 0, 1, 2)]
    size = max(math.ceil(each.size / 3) * 4 for each in held)
    chosen = choose(held, 2 * size)
    assert list(chosen.pictures) == ["p0", "p1"]
    assert chosen.factor == 1


def test_pictures_shrink_when_those_that_must_be_there_do_not_fit(tmp_path: Path):
    held = [candidate(tmp_path, 0, f"p{index}") for index in range(4)]
    whole = sum(each.size for each in held) * 4 / 3
    chosen = choose(held, int(whole / 2))
    assert chosen.factor == 2
    assert len(chosen.pictures) == 4


def test_a_slice_is_shrunk_along_its_line_and_not_over_time():
    line = np.zeros((5, 9, 3), np.uint8)
    line[:, 0:2] = (10, 20, 30)
    line[2] = 60
    small = shrunk(line, 2, is_slice=True)
    assert small.shape == (5, 4, 3)
    assert small[0, 0].tolist() == [10, 20, 30] and small[2, 3].tolist() == [60, 60, 60]


def test_no_sequence_takes_the_budget_of_the_others(tmp_path: Path):
    one = [candidate(tmp_path, 0, f"a{index}") for index in range(3)]
    other = [candidate(tmp_path, 1, "b0")]
    assert [each.owner for each in interleaved([one, other])] == ["a0", "b0", "a1", "a2"]


def test_both_ends_of_curves_and_the_anchor_next_to_them_are_telling(report):
    here = [c for c in report.curves if c.key.sequence == BUNNY]
    told = telling_folders(here, "hevc")
    sizes = {p["rate_point"]: p["bitstream_bytes"] for p in curve(report.points, BUNNY, "ffnerv")}
    ends = (min(sizes, key=sizes.__getitem__), max(sizes, key=sizes.__getitem__))
    assert {f"results/{BUNNY}/ffnerv/any/{end}/s0" for end in ends} <= told
    own = {p["rate_point"]: p["bitstream_bytes"] for p in curve(report.points, BUNNY, "hevc")}
    near = min(own, key=lambda name: abs(math.log(own[name] / sizes[ends[1]])))
    assert any(f"/hevc/ld/{near}/" in name or f"/hevc/any/{near}/" in name for name in told)


def test_nothing_is_a_candidate_of_a_sequence_of_which_nothing_may_be_published(
    report, tmp_path: Path
):
    sources, names = sources_of(report, tmp_path), [STILL, BUNNY]
    assert {each.owner for each in candidates(report, sources, names)} >= {"s0", "s1"}
    secret = report_of(rows_with_a_failure(), publishable(info(), "no"))
    assert candidates(secret, sources, names) == []


# ---- the file


def test_the_same_results_give_the_same_bytes(report, tmp_path: Path):
    sources = sources_of(report, tmp_path)
    for name in ("one.html", "two.html"):
        write_page(tmp_path / name, report, sources)
    assert (tmp_path / "one.html").read_bytes() == (tmp_path / "two.html").read_bytes()
    assert (tmp_path / "one.html").stat().st_size < MAX_BYTES


def test_markup_in_names_stays_text_in_the_file(tmp_path: Path):
    evil = "</script><img src=x onerror=alert(1)><!--"
    rows = rows_with_a_failure()
    for each in curve(rows, BUNNY, "ffnerv"):
        each["codec"], each["reason"] = evil, evil
    run = publishable(info(title=evil, notes=(evil,)))
    write_page(tmp_path / "index.html", report_of(rows, run))
    text = (tmp_path / "index.html").read_text()
    assert "<img src=x" not in text
    assert text.count("<!--") == 0
    assert text.lower().count("</script>") == 6


def test_what_stands_in_a_script_is_the_same_value():
    value = {"a": "</script>&<!-- \u2028", "b": [1.5, None]}
    text = safe_json(value)
    assert not set("<>&\u2028") & set(text)
    assert json.loads(text) == value
    assert json.loads(safe_json("\ud800")) == "?"


def test_a_run_whose_frames_carry_no_previews_says_so_in_the_data(report):
    folders = page_data(report, PageSources())["folders"]
    assert all("kept" not in each for each in folders)
    held = replace(PageSources(), root="../..")
    assert page_data(report, held)["root"] == "../.."
