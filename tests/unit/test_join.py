"""Tables of points side by side: who is the same point, and what differs in it."""

from typing import Any

import pytest
from invrbench.compare.join import (
    PointKey,
    changed_keys,
    column_deltas,
    index_points,
    join,
    join_all,
    point_key,
    same_bitstream,
)
from invrbench.errors import RecordError
from report_points import point


def test_points_are_joined_by_whole_names_only() -> None:
    left = [point("RaceHorses", "nerv", "q1"), point("RaceHorsesC", "nerv", "q1")]
    right = [point("RaceHorsesC", "nerv", "q1"), point("RaceHorsesC", "nerv", "q10")]
    joined = join(left, right)
    assert [key.sequence for key, _, _ in joined.pairs] == ["RaceHorsesC"]
    assert [key.sequence for key, _ in joined.only_left] == ["RaceHorses"]
    assert [key.rate_point for key, _ in joined.only_right] == ["q10"]


@pytest.mark.parametrize(
    "changed",
    [
        {"cut": "0+8"},
        {"view_set": "test"},
        {"variant": "noflow"},
        {"configuration": "ra"},
        {"curve": "Q5"},
        {"seed": 1},
    ],
)
def test_each_part_of_the_identity_makes_another_point(changed: dict[str, Any]) -> None:
    joined = join([point("S", "c", "q")], [point("S", "c", "q", **changed)])
    assert not joined.pairs


def test_a_cut_and_a_seed_may_be_written_either_way() -> None:
    written = point("S@0+8", "c", "q", seed="s2")
    spelled = point("S", "c", "q", cut="0+8", seed=2) | {"variant": None}
    assert (
        point_key(written) == point_key(spelled) == PointKey("S@0+8", "", "c", "any", "", "q", "2")
    )


def test_names_beyond_ascii_are_names_like_others() -> None:
    joined = join([point("Häuser", "nérv", "q")], [point("Häuser", "nérv", "q")])
    assert str(joined.pairs[0][0]) == "nérv Häuser q"


def test_a_table_that_holds_a_point_twice_is_refused_with_its_name() -> None:
    with pytest.raises(RecordError, match=r"acme: nerv S q1 stands there twice"):
        index_points([point("S", "nerv", "q1"), point("S", "nerv", "q1", bpp=2.0)], "acme")


def test_any_number_of_tables_are_joined_by_point() -> None:
    tables = {
        "a": [point("S", "c", "q1")],
        "b": [point("S", "c", "q1"), point("S", "c", "q2")],
        "c": [point("S", "c", "q2")],
    }
    found = {key.rate_point: list(held) for key, held in join_all(tables).items()}
    assert found == {"q1": ["a", "b"], "q2": ["b", "c"]}


def test_deltas_are_absolute_and_relative_and_only_of_numbers() -> None:
    left = {"bpp": 0.5, "vmaf": 90.0, "lpips": None, "status": "ok", "lost": 0}
    right = {"bpp": 0.55, "vmaf": 90.0, "lpips": "", "status": "failed", "lost": 1}
    found = {delta.column: delta for delta in column_deltas(left, right, list(left))}
    assert set(found) == {"bpp", "status", "lost"}
    assert found["bpp"].absolute == pytest.approx(0.05)
    assert found["bpp"].percent == pytest.approx(10)
    assert found["status"].absolute is None
    assert (found["lost"].absolute, found["lost"].percent) == (1, None)


def test_bitstreams_without_a_digest_are_neither_the_same_nor_others() -> None:
    assert same_bitstream({"bitstream_md5": "a"}, {"bitstream_md5": "a"}) is True
    assert same_bitstream({"bitstream_md5": "a"}, {"bitstream_md5": "b"}) is False
    assert same_bitstream({"bitstream_md5": "a"}, {"bitstream_md5": None}) is None


def test_changed_keys_are_paths_to_what_differs() -> None:
    old = {
        "title": "Old",
        "budget": "quick",
        "tests": [{"sequences": ["A", "B"], "codecs": {"avc": None}}],
        "headline": {"anchor": "hevc"},
    }
    new = {
        "title": "New",
        "budget": "minute",
        "tests": [{"sequences": ["B", "C"], "codecs": {"avc": None, "vvc": {"qp": [22]}}}],
        "headline": {"anchor": "hevc"},
        "seeds": 3,
    }
    assert [str(change) for change in changed_keys(old, new)] == [
        "budget: quick → minute",
        "tests[0].sequences: gone A; new C",
        "tests[0].codecs.vvc: absent → {'qp': [22]}",
        "seeds: absent → 3",
    ]


def test_equal_documents_have_no_changed_keys_whatever_their_title() -> None:
    assert changed_keys({"title": "a", "b": [1]}, {"title": "c", "b": [1]}) == []
