"""Order, durations, frames and tolerances of a cross-check, without decoding anything."""

import itertools
import re
import tomllib
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from invrbench.codec.clips import find_source
from invrbench.codec.manifest import Manifest
from invrbench.codec.toml import to_toml
from invrbench.ctc.tolerances import DEFAULT_TOLERANCES, tolerances
from invrbench.errors import InputError
from invrbench.results.asked import Asked, read_frames_table
from invrbench.results.claims import Claim, Head, duration, ends_first, in_order
from invrbench.results.points import METRICS
from invrbench.results.verdicts import Compared, compare

REPOSITORY = Path(__file__).resolve().parents[2]


def claim(sequence: str, size: int, *, curve: str = "", seed: int = 0) -> Claim:
    row = {
        "sequence": sequence,
        "cut": "",
        "codec": "x",
        "variant": "",
        "configuration": "any",
        "curve": curve,
        "rate_point": f"p{size}{curve}",
        "seed": seed,
        "bitstream_bytes": size,
        "decode_seconds": 2.0,
    }
    return Claim(f"bitstreams/{sequence}/any/p{size}{curve}.s{seed}.bin", (row,))


def test_every_metric_has_a_default_tolerance() -> None:
    assert set(DEFAULT_TOLERANCES) == set(METRICS)
    assert DEFAULT_TOLERANCES["psnr_y_db"] == 0.01
    assert DEFAULT_TOLERANCES["ms_ssim_y"] == 1e-4
    assert tolerances({"psnr_y_db": 0.5})["psnr_y_db"] == 0.5


def test_both_ends_of_every_curve_of_every_sequence_come_before_anything_between() -> None:
    claims = [claim(s, size) for s in "abc" for size in (10, 20, 30, 40, 50)]
    ordered = in_order(claims)
    assert [c.sequence for c in ordered[:3]] == ["a", "b", "c"]
    first = {(c.sequence, c.first["bitstream_bytes"]) for c in ordered[:6]}
    assert first == set(itertools.product("abc", (10, 50)))
    assert {c.first["bitstream_bytes"] for c in ordered[6:9]} == {30}
    assert sorted(map(id, ordered)) == sorted(map(id, claims))


def test_curves_and_seeds_of_a_sequence_have_ends_of_their_own() -> None:
    claims = [claim("a", size, curve=curve) for curve in ("q1", "q2") for size in (1, 2, 3)]
    claims += [claim("b", size, seed=seed) for seed in (0, 1) for size in (1, 2, 3)]
    ends = in_order(claims)[:8]
    assert {(c.curve, c.first["bitstream_bytes"]) for c in ends} == {
        (c.curve, size) for c in claims for size in (1, 3)
    }


@given(st.integers(1, 60))
def test_order_from_the_ends_holds_every_index_once(count: int) -> None:
    order = ends_first(count)
    assert sorted(order) == list(range(count))
    assert order[0] == 0
    assert count == 1 or order[1] == count - 1


@pytest.mark.parametrize(
    "text, seconds", [("3h", 10800), ("90m", 5400), ("2d", 172800), ("1h30min", 5400), ("0s", 0)]
)
def test_durations_read_as_people_write_them(text: str, seconds: float) -> None:
    assert duration(text) == seconds


@pytest.mark.parametrize("text", ["", "3", "h", "3 weeks", "-1h"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="expected a duration such as 3h"):
        duration(text)


def test_head_beyond_the_end_is_cut_to_what_there_is() -> None:
    assert list(Head.parse("30+16").within(32)) == [30, 31]
    assert list(Head.parse("40+16").within(32)) == []
    assert str(Head.parse("0+16")) == "frames 0–15"


def test_values_of_frames_are_read_per_view_and_empty_cells_are_none() -> None:
    text = "view\tframe\tpsnr_y_db\tvmaf\nv0\t0\t30.5\t\nv0\t1\t31.0\t90.0\nv1\t0\t29.0\t80\n"
    assert read_frames_table(text) == {
        "v0": {"psnr_y_db": [30.5, 31.0], "vmaf": [None, 90.0]},
        "v1": {"psnr_y_db": [29.0], "vmaf": [80.0]},
    }


def _record(**values: float | None) -> dict[str, Any]:
    reasons = {name: "lossless" for name, value in values.items() if value is None}
    held = {"values": values, "reasons": reasons, "frames": {}, "versions": {}}
    return {
        "bitstream_bytes": 10,
        "rates": {},
        "frames": None,
        "view_sets": {"": [""]},
        "measured": {"picture": {"": held}},
        "unmeasured": {"ffmpeg": "there is no ffmpeg"},
    }


def _compared(row: dict[str, Any], record: dict[str, Any]) -> dict[str, Compared]:
    base = claim("a", 10)
    claimed = Claim(base.file, (base.first | row,))
    return {each.column: each for each in compare(claimed, record, tolerances({}))}


def test_lossless_confirms_lossless_and_contradicts_a_number() -> None:
    found = _compared({"psnr_y_db_reason": "lossless"}, _record(psnr_y_db=None))
    assert found["psnr_y_db"].is_within
    assert not _compared({"psnr_y_db": 50.0}, _record(psnr_y_db=None))["psnr_y_db"].is_within
    found = _compared({"psnr_y_db_reason": "lossless"}, _record(psnr_y_db=50.0))
    assert not found["psnr_y_db"].is_within


def test_difference_at_the_tolerance_confirms_and_above_it_contradicts() -> None:
    at = _compared({"psnr_y_db": 30.0}, _record(psnr_y_db=30.0078125))["psnr_y_db"]
    above = _compared({"psnr_y_db": 30.0}, _record(psnr_y_db=30.015625))["psnr_y_db"]
    assert (at.is_within, above.is_within) == (True, False)
    assert above.difference == 0.015625


def test_value_that_cannot_be_measured_here_is_not_judged_and_says_why() -> None:
    found = _compared({"vmaf": 90.0}, _record(psnr_y_db=30.0))["vmaf"]
    assert found.is_within
    assert found.why_not == "there is no ffmpeg"


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
values = st.recursive(
    st.booleans() | st.integers(-(2**63), 2**63 - 1) | texts | st.floats(-1e9, 1e9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(texts, values, max_size=4))
def test_toml_reads_back_what_was_written(table: dict[str, Any]) -> None:
    assert tomllib.loads(to_toml(table)) == table


# ---- scenes


def codec(renders: Literal["any", "coded-views"]) -> Manifest:
    return Manifest(
        id="x",
        folder=Path("x"),
        name="x",
        summary="",
        role="proposal",
        tracks=("multiview",),
        configurations=("any",),
        pixel_formats=("yuv420p",),
        renders=renders,
    )


def test_head_of_a_scene_asks_a_free_decoder_for_these_instants_alone() -> None:
    scene = find_source(REPOSITORY, "ballcourt.v03v08@0+4")
    asked = Asked.of(codec("any"), scene, Head(1, 2))
    assert {tuple(view["times"]) for view in asked.order.render} == {(1.0, 2.0)}
    assert {layout.frames for layout in asked.order.formats.values()} == {2}
    assert not asked.is_whole
    assert set(asked.view_sets) == {"test", "train"}
    assert {tuple(kept) for kept in asked.frames.values()} == {(1, 2)}


def test_head_of_coded_views_is_cut_out_of_a_whole_decode() -> None:
    scene = find_source(REPOSITORY, "ballcourt.v03v08@0+4")
    asked = Asked.of(codec("coded-views"), scene, Head(1, 2))
    assert {len(view["times"]) for view in asked.order.render} == {4}
    assert asked.is_whole
    assert set(asked.view_sets) == {"train"}


def test_head_beyond_the_end_of_a_sequence_is_no_measurement() -> None:
    for name in ("ballcourt.v03v08@0+4", "bunny-mini@0+4"):
        with pytest.raises(InputError, match="frames 9–10"):
            Asked.of(codec("any"), find_source(REPOSITORY, name), Head(9, 2))


def test_default_tolerances_are_those_of_the_readme() -> None:
    text = (REPOSITORY / "ctc" / "README.md").read_text()
    table = text.partition("**Tolerances**")[2].partition("**Pictures**")[0]
    told: dict[str, float] = {}
    for cells in re.findall(r"^\| (.*?) \| ([\d.]+)(?: dB)? \|$", table, re.MULTILINE):
        names = re.findall(r"`(\w+)`", cells[0])
        if "every PSNR" in cells[0]:
            names += [name for name in METRICS if name.startswith("psnr_")]
        told |= dict.fromkeys(names, float(cells[1]))
    assert told == DEFAULT_TOLERANCES
