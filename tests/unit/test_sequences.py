"""Sequence entries, names of cuts, and where files lie on a machine."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
from invrbench.ctc.sequences import (
    Cut,
    PathMap,
    SequenceRef,
    load_file,
    load_paths,
    load_sequences,
    resolve,
)
from invrbench.errors import ConditionsError, SequenceError, UnsupportedError
from invrbench.video.prepare import MATCHES, prepare

REPOSITORY = Path(__file__).resolve().parents[2]
SHIPPED = REPOSITORY / "ctc" / "sequences"
EMBEDDED = [sequence.id for sequence in load_file(SHIPPED / "embedded.yaml")]

ENTRY = """
sequences:
  - id: Clip
    class: B
    width: 16
    height: 8
    pixel_format: yuv420p
    fps: 30000/1001
    frames: 4
    matrix: bt709
    range: limited
    source: {kind: local, file: clip.yuv}
"""


def write(folder: Path, text: str = ENTRY, name: str = "own.yaml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def refusal(folder: Path, text: str) -> str:
    with pytest.raises(SequenceError) as caught:
        load_file(write(folder, text))
    return str(caught.value)


def test_an_entry_says_format_class_and_source(tmp_path: Path) -> None:
    sequence = load_sequences(write(tmp_path).parent)["Clip"]
    assert sequence.format.fps == Fraction(30000, 1001)
    assert sequence.format.frame_bytes == 16 * 8 * 3 // 2
    assert (sequence.sequence_class, sequence.may_publish, sequence.md5) == ("B", "no", None)


@pytest.mark.parametrize(("written", "read"), [("no", "no"), ('"no"', "no"), ("frames", "frames")])
def test_publication_is_no_or_frames_and_a_bare_no_is_understood(
    tmp_path: Path, written: str, read: str
) -> None:
    text = ENTRY.replace("class:", f"may_publish: {written}\n    class:")
    assert load_sequences(write(tmp_path, text).parent)["Clip"].may_publish == read


def test_a_part_of_a_sequence_that_may_not_be_published_may_not_either() -> None:
    table = load_sequences(REPOSITORY / "ctc" / "sequences")
    small = table["bunny-mini"]
    base = str(small.source["sequence"])
    kept = table | {base: replace(table[base], may_publish="no")}
    assert resolve(SequenceRef("bunny-mini"), table, PathMap("")).may_publish == "frames"
    assert resolve(SequenceRef("bunny-mini"), kept, PathMap("")).may_publish == "no"


def test_an_unknown_key_is_named_with_the_file_and_the_allowed_keys(tmp_path: Path) -> None:
    message = refusal(tmp_path, ENTRY.replace("class:", "clas:"))
    allowed = "allowed are bounds, class, cuts, "
    assert f"own.yaml: sequences[0] has unknown key clas; {allowed}" in message
    assert "(nearest: class)" in message


def test_an_unknown_source_kind_names_the_kinds(tmp_path: Path) -> None:
    message = refusal(tmp_path, ENTRY.replace("kind: local", "kind: url"))
    kinds = "package, embedded, local, images, sequence, transforms, miv, llff"
    assert f"source.kind is 'url'; use {kinds}." in message


def test_an_unknown_key_of_a_source_is_named(tmp_path: Path) -> None:
    message = refusal(tmp_path, ENTRY.replace("kind: local,", "kind: local, url: x,"))
    assert "source has unknown key url; allowed are file, kind." in message


def test_a_key_given_twice_is_refused_with_its_line(tmp_path: Path) -> None:
    message = refusal(tmp_path, ENTRY.replace("    class: B\n", "    class: B\n    class: C\n"))
    assert "line 5: the key class is given twice" in message


def test_a_missing_key_is_named_with_the_sequence(tmp_path: Path) -> None:
    message = refusal(tmp_path, ENTRY.replace("    frames: 4\n", ""))
    assert "sequence Clip lacks the key frames." in message


def test_an_inexact_frame_rate_is_refused(tmp_path: Path) -> None:
    message = refusal(tmp_path, ENTRY.replace("30000/1001", "29.97"))
    assert "sequences[0].fps is 29.97" in message
    assert "30000/1001" in message


def test_odd_sizes_under_420_are_refused(tmp_path: Path) -> None:
    message = refusal(tmp_path, ENTRY.replace("width: 16", "width: 15"))
    assert "sequence Clip: 15x8 is odd" in message


def test_an_md5_that_yaml_reads_as_a_number_asks_for_quotes(tmp_path: Path) -> None:
    message = refusal(tmp_path, ENTRY + "    md5: 12345678901234567890123456789012\n")
    assert "expected a text (in quotes)" in message


def test_a_path_of_one_machine_does_not_belong_into_an_entry(tmp_path: Path) -> None:
    message = refusal(tmp_path, ENTRY.replace("clip.yuv", "/data/clip.yuv"))
    assert "ctc/paths.yaml" in message


def test_ids_are_unique_over_all_files_without_case(tmp_path: Path) -> None:
    write(tmp_path, name="a.yaml")
    write(tmp_path, ENTRY.replace("id: Clip", "id: CLIP"), name="b.yaml")
    with pytest.raises(SequenceError, match=r"the id CLIP is taken by Clip in .*a\.yaml"):
        load_sequences(tmp_path)


def test_a_sequence_cannot_derive_from_itself(tmp_path: Path) -> None:
    source = "{kind: sequence, sequence: Clip, steps: []}"
    write(tmp_path, ENTRY.replace("{kind: local, file: clip.yuv}", source))
    with pytest.raises(SequenceError, match="derives from itself"):
        load_sequences(tmp_path)


def test_steps_must_end_in_the_declared_size(tmp_path: Path) -> None:
    derived = ENTRY.split("sequences:\n")[1].replace("id: Clip", "id: Half")
    steps = "{kind: sequence, sequence: Clip, steps: [{box_average: {factor: 2}}]}"
    write(tmp_path, ENTRY + derived.replace("{kind: local, file: clip.yuv}", steps))
    with pytest.raises(SequenceError, match="Half: the steps end in 8x4, 4 frames, but the entry"):
        resolve(SequenceRef("Half"), load_sequences(tmp_path), PathMap("p"))


@pytest.mark.parametrize("text", ["Cactus", "Cactus@0+32", "q1.still-a_b@137+1"])
def test_a_reference_reads_back_as_it_was_written(text: str) -> None:
    assert str(SequenceRef.parse(text)) == text


@pytest.mark.parametrize("text", ["Cactus@", "Cactus@0-32", "Cactus@01+3", "Cactus@0+0", "a/b", ""])
def test_a_malformed_reference_shows_the_form(text: str) -> None:
    with pytest.raises(ConditionsError, match=r"e\.g\. Cactus or Cactus@0\+32"):
        SequenceRef.parse(text)


def test_the_longest_known_id_wins_over_a_view_split() -> None:
    known = ["Basket", "Basket.v05"]
    assert SequenceRef.parse("Basket.v05", known) == SequenceRef("Basket.v05")
    assert SequenceRef.parse("Basket.v05.a@0+9", known) == SequenceRef("Basket.v05", "a", Cut(0, 9))


def test_an_unknown_sequence_names_the_nearest() -> None:
    with pytest.raises(ConditionsError, match="'cactus' is unknown; nearest: Cactus"):
        SequenceRef.parse("cactus@0+32", ["Cactus", "Kimono"])


def test_a_view_split_of_a_video_is_unsupported(tmp_path: Path) -> None:
    sequences = load_sequences(write(tmp_path).parent)
    with pytest.raises(UnsupportedError, match="Clip has one view and no view split 'v05'"):
        resolve(SequenceRef.parse("Clip.v05", sequences), sequences, PathMap("p"))


def test_a_cut_beyond_the_end_says_how_many_frames_there_are(tmp_path: Path) -> None:
    sequences = load_sequences(write(tmp_path).parent)
    with pytest.raises(SequenceError, match=r"frames 2 to 4, but the sequence has 4 \(0 to 3\)"):
        resolve(SequenceRef.parse("Clip@2+3"), sequences, PathMap("p"))


def test_a_sequence_that_is_not_here_says_what_to_do(tmp_path: Path) -> None:
    sequences = load_sequences(write(tmp_path).parent)
    reason = resolve(SequenceRef("Clip"), sequences, PathMap("ctc/paths.yaml")).availability()
    assert reason is not None
    assert reason.startswith("source not on this machine: put clip.yuv into a folder listed")
    assert "ctc/paths.yaml" in reason


@pytest.mark.parametrize("line", ["Clip: {}", "clip.yuv: {}"])
def test_the_path_map_finds_a_file_by_id_or_by_file_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str
) -> None:
    (tmp_path / "elsewhere.yuv").write_bytes(bytes(16 * 8 * 6))
    monkeypatch.setenv(
        "INVRBENCH_PATHS", str(write(tmp_path, line.format("elsewhere.yuv"), "map.yaml"))
    )
    (tmp_path / "entries").mkdir()
    sequences = load_sequences(write(tmp_path / "entries").parent)
    resolved = resolve(SequenceRef("Clip"), sequences, load_paths(tmp_path))
    assert resolved.availability() is None
    assert resolved.file.path == tmp_path / "elsewhere.yuv"


@pytest.mark.parametrize("below", ["", "classB"])
def test_roots_and_the_folders_right_below_them_are_searched(tmp_path: Path, below: str) -> None:
    (tmp_path / "data" / below).mkdir(parents=True)
    (tmp_path / "data" / below / "clip.yuv").write_bytes(b"")
    (tmp_path / "ctc").mkdir()
    write(tmp_path / "ctc", "roots: [../data, /not/there]", "paths.yaml")
    path, reason = load_paths(tmp_path).find("Clip", ["clip.yuv"])
    assert path is not None
    assert path.samefile(tmp_path / "data" / below / "clip.yuv")
    assert reason is None


def test_a_path_that_is_named_but_absent_is_said_so(tmp_path: Path) -> None:
    paths = PathMap("ctc/paths.yaml", {"Clip": tmp_path / "gone.yuv"})
    _, reason = paths.find("Clip", ["clip.yuv"])
    assert reason is not None
    assert "ctc/paths.yaml names" in reason
    assert "which does not exist" in reason


def test_a_root_that_does_not_exist_is_named_in_the_reason(tmp_path: Path) -> None:
    _, reason = PathMap("p", roots=(tmp_path / "gone",)).find("Clip", ["clip.yuv"])
    assert reason is not None
    assert f"(no such folder: {tmp_path / 'gone'})" in reason


def test_the_key_of_a_cut_is_the_same_wherever_the_file_lies(tmp_path: Path) -> None:
    sequences = load_sequences(write(tmp_path).parent)
    (tmp_path / "clip.yuv").write_bytes(bytes(16 * 8 * 6))
    here = resolve(SequenceRef("Clip"), sequences, PathMap("p", roots=(tmp_path,)))
    away = resolve(SequenceRef("Clip"), sequences, PathMap("p"))
    assert here.availability() is None
    assert here.identity() == away.identity()


def test_the_key_of_a_cut_names_the_declared_md5_and_the_cut(tmp_path: Path) -> None:
    write(tmp_path, ENTRY + f'    md5: "{"0" * 32}"\n')
    sequences = load_sequences(tmp_path)
    cut = resolve(SequenceRef.parse("Clip@1+2"), sequences, PathMap("p")).identity()
    other = resolve(SequenceRef.parse("Clip@2+2"), sequences, PathMap("p")).identity()
    assert cut["md5"] == "0" * 32
    assert cut["format"]["frames"] == 2
    assert cut != other


def test_every_shipped_entry_can_be_resolved() -> None:
    sequences = load_sequences(SHIPPED)
    for name, sequence in sequences.items():
        split = next(iter(sequence.view_splits), None)
        resolved = resolve(SequenceRef(name, split), sequences, PathMap("p"))
        assert resolved.format == sequence.format
        assert resolved.identity()


def test_the_jvet_table_has_the_sizes_of_its_test_conditions() -> None:
    """JCTVC-L1100 lists 24 sequences in classes A to F; the VTM era adds nine."""
    table = {sequence.id: sequence for sequence in load_file(SHIPPED / "jvet.yaml")}
    assert len(table) == 24 + 9
    cactus = table["Cactus"]
    assert cactus.md5 == "3fddb71486f209f1eb8020a0880ddf82"
    assert (cactus.format.width, cactus.format.frames, cactus.format.fps) == (1920, 500, 50)
    assert cactus.format.file_bytes == 1_555_200_000
    assert table["Tango2"].format.pixel_format == "yuv420p10le"
    assert all(sequence.may_publish == "no" for sequence in table.values())
    assert all(sequence.md5_source for sequence in table.values() if sequence.md5)


@pytest.mark.parametrize("name", EMBEDDED)
def test_an_embedded_or_derived_sequence_has_its_declared_md5(name: str, tmp_path: Path) -> None:
    sequences = load_sequences(SHIPPED)
    resolved = resolve(SequenceRef(name), sequences, PathMap("p"))
    assert sequences[name].md5 is not None
    assert resolved.availability() is None
    assert prepare(resolved, tmp_path / "raw.yuv")["verified"] == MATCHES


@pytest.mark.parametrize("text", ["bunny-mini@0+32", "bunny-mini@0+8", "bikes-mini@137+32"])
def test_the_cuts_of_the_shipped_conditions_have_their_declared_md5(
    text: str, tmp_path: Path
) -> None:
    sequences = load_sequences(SHIPPED)
    reference = SequenceRef.parse(text, sequences)
    assert str(reference.cut) in sequences[reference.sequence].cuts
    record = prepare(resolve(reference, sequences, PathMap("p")), tmp_path / "raw.yuv")
    assert record["verified"] == MATCHES
