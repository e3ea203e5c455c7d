"""Test conditions, and what a person types after --config."""

from pathlib import Path

import pytest
from invrbench.ctc.conditions import find_conditions, load_conditions
from invrbench.ctc.names import check_label, check_seeds, is_id
from invrbench.ctc.selection import Selection
from invrbench.ctc.sequences import load_sequences
from invrbench.errors import ConditionsError
from invrbench.results.planning import load_plan

REPOSITORY = Path(__file__).resolve().parents[2]
SEQUENCES = load_sequences(REPOSITORY / "ctc" / "sequences")
SHIPPED = sorted(
    path
    for path in (REPOSITORY / "ctc").glob("*.yaml")
    if path.name not in ("paths.yaml", "paths.example.yaml")
)
TEXT = """
schema: 1
name: own
title: Own
budget: quick
families: [picture]
headline: {anchor: hevc, metrics: [psnr_y_db]}
anchors: [avc, hevc]
tests:
  - sequences: [Cactus@0+32]
    configurations: [ld]
    codecs: [avc, hevc, hnerv]
"""


def write(folder: Path, text: str = TEXT) -> Path:
    path = folder / "own.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def refusal(folder: Path, text: str) -> str:
    with pytest.raises(ConditionsError) as caught:
        load_conditions(write(folder, text), SEQUENCES)
    return str(caught.value)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_conditions_load(path: Path) -> None:
    assert load_conditions(path, SEQUENCES).name == path.stem


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_conditions_resolve_to_points_of_every_codec(path: Path) -> None:
    plan = load_plan(REPOSITORY, path.stem)
    planned = {point.manifest.codec for point in plan.points}
    assert planned | {manifest.codec for manifest in plan.published} >= set(plan.conditions.codecs)
    assert [point.address for point in plan.points if point.skipped] == []


@pytest.mark.parametrize("name", ["ee1-intra-qat", "ee1-intra-qp"])
def test_a_mini_twin_differs_in_budget_alone(name: str) -> None:
    full, mini = (
        load_conditions(find_conditions(REPOSITORY / "ctc", each), SEQUENCES)
        for each in (name, f"{name}-mini")
    )
    assert (full.budget, mini.budget) == ("paper", "minute")
    for key in ("tests", "anchors", "headline", "families", "bd_metrics", "curves"):
        assert getattr(full, key) == getattr(mini, key)


def test_the_intra_experiments_ask_for_the_groups_structures_qps_and_bits() -> None:
    for name, qps in (("ee1-intra-qat", range(-54, -41)), ("ee1-intra-qp", range(-50, -45))):
        (test,) = load_conditions(REPOSITORY / "ctc" / f"{name}.yaml", SEQUENCES).tests
        fits = ("q1", "q2", "q3", "q4", "q5")
        assert test.grids["inric"][:2] == (
            {"fit": fits, "qp": tuple(qps)},
            {"fit": fits, "bits": (7, 8)},
        )


def test_mini_codes_stills_in_ai_clips_of_32_frames_and_a_scene_of_four_instants_in_ld() -> None:
    mini = load_conditions(REPOSITORY / "ctc" / "mini.yaml", SEQUENCES)
    for block in mini.tests:
        for reference in block.sequences:
            sequence = SEQUENCES[reference.sequence]
            layout = sequence.format
            frames = reference.cut.count if reference.cut else layout.frames
            assert block.configurations == (("ai",) if frames == 1 else ("ld",))
            assert frames in ((4,) if sequence.is_scene else (1, 32))
            assert min(layout.width, layout.height) >= (96 if sequence.is_scene else 176)
            assert layout.pixel_format == "yuv420p"


def test_conditions_without_the_optional_keys_have_their_defaults(tmp_path: Path) -> None:
    conditions = load_conditions(write(tmp_path), SEQUENCES)
    assert (conditions.seeds, conditions.keep_decoded) == (1, False)
    assert conditions.codecs == ("avc", "hevc", "hnerv")
    assert [str(each) for each in conditions.sequences] == ["Cactus@0+32"]
    assert conditions.tests[0].grids == {}


def test_a_test_blocks_own_grid_wins_over_the_common_one(tmp_path: Path) -> None:
    text = "grids: {avc: {qp: [22]}, hevc: [{qp: [22]}, {qp: [40], tune: [a]}]}\n"
    own = "    grids: {avc: {qp: [30, 31]}}\n"
    (block,) = load_conditions(write(tmp_path, text + TEXT.lstrip() + own), SEQUENCES).tests
    assert block.grids["avc"] == ({"qp": (30, 31)},)
    assert block.grids["hevc"] == ({"qp": (22,)}, {"qp": (40,), "tune": ("a",)})


def test_the_digest_ignores_free_text_and_sees_everything_else(tmp_path: Path) -> None:
    base = load_conditions(write(tmp_path), SEQUENCES).digest()
    retitled = load_conditions(write(tmp_path, TEXT.replace("Own", "Other")), SEQUENCES)
    longer = load_conditions(write(tmp_path, TEXT.replace("@0+32", "@0+33")), SEQUENCES)
    assert retitled.digest() == base
    assert longer.digest() != base


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("quick", "fast", "budget is 'fast'; use seconds, quick, minute, paper."),
        ("[ld]", "[LD]", "tests[0].configurations[0] is 'LD'; use ai, ld, ra, any."),
        ("families:", "family:", "the file has unknown key family; allowed are anchors"),
        ("name: own", "name: other", "name is 'other'; expected the file's name, 'own'."),
        ("anchor: hevc", "anchor: vvc", "headline.anchor is 'vvc', which is not among"),
        ("[avc, hevc]", "[avc, vvc, hevc]", "vvc is named under anchors, grids, curves or hulls"),
        ("Cactus", "Kaktus", "sequence 'Kaktus' is unknown; nearest: Cactus"),
        ("Cactus@0+32", "bikes-mini@60+32", "holds scene cuts at frame 76"),
        ("[psnr_y_db]", "[psnr]", "headline.metrics[0] is 'psnr'; use psnr_y_db, "),
        ("[avc, hevc, hnerv]", "[avc, hevc, avc]", "names 'avc' twice"),
        ("schema: 1", "schema: 2", "schema is 2; this version reads 1."),
        ("budget: quick\n", "", "the file lacks budget."),
        ("title: Own", "title: 5", "title is 5; expected a text (in quotes)"),
        ("title: Own", "grids: {avc: {qp: 22}}\ntitle: Own", "grids.avc.qp is 22; expected a list"),
    ],
)
def test_a_mistake_is_named_with_file_key_and_what_is_allowed(
    tmp_path: Path, old: str, new: str, expected: str
) -> None:
    message = refusal(tmp_path, TEXT.replace(old, new, 1))
    assert "own.yaml: " in message
    assert expected in message


def test_a_clip_may_hold_scene_cuts_where_the_conditions_say_so(tmp_path: Path) -> None:
    text = TEXT.replace("Cactus@0+32", "bikes-mini@60+32") + "    scene_cuts_allowed: true\n"
    assert load_conditions(write(tmp_path, text), SEQUENCES).tests


def test_text_that_is_no_yaml_names_the_file(tmp_path: Path) -> None:
    assert "own.yaml is not usable YAML" in refusal(tmp_path, "a: [")


def test_an_empty_file_is_refused_with_a_sentence(tmp_path: Path) -> None:
    assert "expected a table of keys" in refusal(tmp_path, "")


def test_unknown_conditions_name_the_nearest() -> None:
    with pytest.raises(ConditionsError, match=r"ctc=minni: no such test conditions .* mini"):
        find_conditions(REPOSITORY / "ctc", "minni")


def test_a_selection_matches_whole_names_by_shell_patterns() -> None:
    chosen = Selection.parse("hevc,hn*/Cactus@0+32/q1*")
    assert chosen.matches("hnerv", "Cactus@0+32", "q1.quick_qp-46")
    assert not chosen.matches("hevc+x", "Cactus@0+32", "q1")
    assert not chosen.matches("hevc", "Cactus", "q1")
    assert not chosen.matches("HEVC", "Cactus@0+32", "q1")


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("hevc", (("hevc",), ("*",), ("*",))),
        ("/Cactus", (("*",), ("Cactus",), ("*",))),
        ("*/*/qp22, qp27", (("*",), ("*",), ("qp22", "qp27"))),
    ],
)
def test_missing_parts_of_a_selection_mean_all(
    text: str, parts: tuple[tuple[str, ...], ...]
) -> None:
    chosen = Selection.parse(text)
    assert (chosen.codecs, chosen.sequences, chosen.points) == parts


@pytest.mark.parametrize("value", [123, 1000.0, True, None])
def test_a_selection_that_snakemake_read_as_a_number_asks_for_text(value: object) -> None:
    with pytest.raises(ConditionsError, match="not as a text"):
        Selection.parse(value)


@pytest.mark.parametrize("text", ["a/b/c/d", "", "a,,b"])
def test_a_malformed_selection_is_refused(text: str) -> None:
    with pytest.raises(ConditionsError, match="only="):
        Selection.parse(text)


PLANNED = [("hevc", "Cactus@0+32", "qp22"), ("hnerv", "Cactus@0+32", "s.quick_qp-46")]


def test_a_pattern_that_matches_nothing_names_the_nearest() -> None:
    with pytest.raises(ConditionsError, match="no sequence is called 'Cactus'; nearest: Cactus@0"):
        Selection.parse("hevc/Cactus").choose(PLANNED)


def test_each_pattern_of_a_list_must_match_something() -> None:
    with pytest.raises(ConditionsError, match="no codec is called 'hnrv'; nearest: hnerv"):
        Selection.parse("hevc,hnrv").choose(PLANNED)


def test_names_that_exist_but_never_together_are_refused() -> None:
    with pytest.raises(ConditionsError, match="no planned point has all of them"):
        Selection.parse("hevc/*/s.*").choose(PLANNED)


def test_a_selection_only_removes_points() -> None:
    assert Selection.parse("*/*/qp22").choose(PLANNED) == PLANNED[:1]


@pytest.mark.parametrize("value", [71234, "7a", "a/b", "", 1e3])
def test_a_label_starts_with_a_letter(value: object) -> None:
    with pytest.raises(ConditionsError, match="a label starts with a letter"):
        check_label(value)


def test_a_sound_label_and_number_of_seeds_pass() -> None:
    assert check_label("m71234-v2") == "m71234-v2"
    assert check_seeds(3) == 3


@pytest.mark.parametrize("value", ["3", 0, True, 1.5])
def test_seeds_are_a_whole_number_from_one_on(value: object) -> None:
    with pytest.raises(ConditionsError, match="how many seeds"):
        check_seeds(value)


def test_the_name_fits_is_reserved() -> None:
    assert not is_id("Fits")
    assert is_id("q1.quick_qp-46")


def test_conditions_may_extend_others_and_say_only_what_differs(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(TEXT)
    twin = "schema: 1\nname: twin\nextends: own\ntitle: Twin\nbudget: minute\n"
    (tmp_path / "twin.yaml").write_text(twin)
    own, extended = (
        load_conditions(tmp_path / f"{name}.yaml", SEQUENCES) for name in ("own", "twin")
    )
    assert (extended.name, extended.title, extended.budget) == ("twin", "Twin", "minute")
    assert extended.tests == own.tests


def test_a_chain_of_extensions_and_an_unknown_base_are_refused(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(TEXT)
    (tmp_path / "twin.yaml").write_text("schema: 1\nname: twin\nextends: own\n")
    (tmp_path / "third.yaml").write_text("schema: 1\nname: third\nextends: twin\n")
    with pytest.raises(ConditionsError, match="extends twin, which extends others itself"):
        load_conditions(tmp_path / "third.yaml", SEQUENCES)
    (tmp_path / "third.yaml").write_text("schema: 1\nname: third\nextends: owm\n")
    with pytest.raises(ConditionsError, match=r"no such test conditions .* nearest: own"):
        load_conditions(tmp_path / "third.yaml", SEQUENCES)


@pytest.mark.parametrize(
    ("finding", "expected"),
    [
        ("{claim: c, kind: rate-range, curves: [a]}", "lacks at_least"),
        ("{claim: c, kind: bd-rate, curves: [a], against: [b]}", "lacks below or above"),
        ("{claim: c, kind: dominates, curves: [a]}", "lacks against"),
        ("{claim: c, kind: better, curves: [a]}", "kind is 'better'"),
        (
            "{claim: c, kind: dominates, curves: [a], against: [b], sequence: bikes-stil}",
            "names bikes-stil, which no test codes",
        ),
    ],
)
def test_a_finding_that_cannot_be_decided_is_refused(
    tmp_path: Path, finding: str, expected: str
) -> None:
    assert expected in refusal(tmp_path, f"{TEXT}findings: [{finding}]\n")
