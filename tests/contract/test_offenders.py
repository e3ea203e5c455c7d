"""Codecs that break the contract on purpose are caught, by the check and with the words due."""

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from invrbench.codec import process
from invrbench.codec.conformance import FAILED, PASSED, SKIPPED, Verdict
from invrbench.codec.manifest import read_manifest
from invrbench.codec.sandbox import LEVELS, Level

CODECS = Path(__file__).resolve().parents[1] / "codecs"
OFFENDERS = sorted(
    path.parent.name for path in CODECS.glob("*/codec.toml") if "caught_by" in path.read_text()
)
Judge = Callable[..., dict[str, Verdict]]


@pytest.fixture
def unmasked(tmp_path: Path) -> Callable[[str], Path]:
    """A copy of an offender that does not say it is one."""

    def copy(name: str) -> Path:
        folder = shutil.copytree(CODECS / name, tmp_path / name)
        manifest = folder / "codec.toml"
        manifest.write_text(re.sub(r"caught_by = .*", "", manifest.read_text()))
        return folder

    return copy


@pytest.fixture
def shared_memory() -> Iterator[Path]:
    """What the offender shm leaves behind, cleared away."""
    left = Path("/dev/shm/invrbench-offender-shm")
    yield left
    left.unlink(missing_ok=True)


# Each offender and the check that catches it, at every level of walls.
CAUGHT_BY = {
    "bomb": "decode",
    "crash": "encode",
    "deaf": "truncated",
    "flaky": "decode-twice",
    "flood": "decode",
    "hang": "decode",
    "mute": "encode",
    "peek": "decode",
    "pickle": "encode",
    "server": "encode",
    "shm": "decode",
    "shrink": "decode",
    "smuggle": "decoder-unchanged",
    "stash": "decode",
    "verbatim": "learned-bytes",
    "wobble": "claims",
    "zero": "encode",
}
NOT_WITHOUT_WALLS = {"shm"}


def test_the_offenders_are_those_of_the_table() -> None:
    claims = {name: read_manifest(CODECS / name)[name].claims for name in OFFENDERS}
    assert {name: claims[name]["caught_by"] for name in OFFENDERS} == CAUGHT_BY
    assert {name for name in OFFENDERS if "caught_where" in claims[name]} == NOT_WITHOUT_WALLS


@pytest.mark.parametrize("level", LEVELS, indirect=True)
@pytest.mark.parametrize("name", OFFENDERS)
def test_offender_is_caught_by_the_check_it_names(
    name: str, level: Level, judge: Judge, shared_memory: Path
) -> None:
    before = {path: path.read_bytes() for path in (CODECS / name).iterdir() if path.is_file()}
    verdicts = judge(CODECS / name)
    verdict = verdicts[CAUGHT_BY[name]]
    if level == "none" and name in NOT_WITHOUT_WALLS:
        assert verdict.mark == SKIPPED
        assert verdict.reason.startswith("only a sandbox catches this offender")
    else:
        assert verdict.mark == PASSED
        assert verdict.reason.startswith("caught, as it should be: ")
    assert all(verdict.mark != FAILED for verdict in verdicts.values())
    assert before == {p: p.read_bytes() for p in (CODECS / name).iterdir() if p.is_file()}


@pytest.mark.parametrize("level", ["none"], indirect=True)
@pytest.mark.parametrize("name", sorted(NOT_WITHOUT_WALLS))
def test_what_only_walls_catch_passes_without_them(
    name: str, level: Level, judge: Judge, unmasked: Callable[[str], Path], shared_memory: Path
) -> None:
    assert judge(unmasked(name), only=("decode",))["decode"].mark == PASSED


@pytest.mark.parametrize("level", ["bubblewrap", "unshare"], indirect=True)
def test_a_server_that_outlives_encode_cannot_be_called_through_walls(
    level: Level, judge: Judge, unmasked: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    end, others = process._end_descendants, process._descendants()
    monkeypatch.setattr(process, "_end_descendants", lambda others, *, patience: ())
    try:
        verdicts = judge(unmasked("server"), only=("encode", "decode"))
        assert len(end(others, patience=0)) == 1
    finally:
        end(others, patience=0)
    assert verdicts["encode"].mark == PASSED
    assert verdicts["decode"].mark == FAILED
    assert re.search("refused|unreachable", verdicts["decode"].reason)


@pytest.mark.parametrize("name", OFFENDERS)
def test_no_offender_joins_test_conditions(name: str) -> None:
    assert read_manifest(CODECS / name)[name].joins == ()


@pytest.mark.parametrize(
    ("name", "check", "words"),
    [
        ("mute", "encode", "encode left no regular file bitstream.bin"),
        ("crash", "encode", "exited with status 3.\nIts last lines were:\nerror: the flux capac"),
        ("zero", "encode", "bitstream.bin is empty"),
        ("pickle", "encode", "begins like a pickle or a zip archive"),
        ("shrink", "decode", "27648 bytes (3 frames of 96x64 yuv420p); expected 36864 (4 frames)"),
        ("hang", "decode", "stopped at its time limit of 0.03 min"),
        ("bomb", "decode", "stopped at its memory limit of 300 MB"),
        ("peek", "decode", "FileNotFoundError"),
        ("stash", "decode", "IndexError"),
        ("flood", "decode", "stopped after writing more than 1085440 bytes"),
        ("server", "encode", "encode ended and left 1 of its processes running (python"),
        ("verbatim", "learned-bytes", "decode.py (line 8) hold 1972 bytes that are no code"),
        ("deaf", "truncated", "the picture is not in the bitstream"),
        ("deaf", "bit-flips", "the picture is not in the bitstream"),
    ],
)
def test_offence_is_told_in_words_that_help(
    name: str, check: str, words: str, judge: Judge, unmasked: Callable[[str], Path]
) -> None:
    verdict = judge(unmasked(name), only=(check,))[check]
    assert verdict.mark == FAILED
    assert words in verdict.reason


def test_decoder_with_random_output_is_told_from_a_sound_one(
    judge: Judge, unmasked: Callable[[str], Path]
) -> None:
    verdicts = judge(unmasked("flaky"), only=("decode", "decode-twice"))
    assert verdicts["decode"].mark == PASSED
    assert verdicts["decode-twice"].mark == FAILED
    assert "two decodes of one bitstream gave md5" in verdicts["decode-twice"].reason


def test_offender_that_is_not_caught_fails(
    judge: Judge, tmp_path: Path, unmasked: Callable[[str], Path]
) -> None:
    folder = unmasked("flaky")
    manifest = folder / "codec.toml"
    manifest.write_text(manifest.read_text().replace("[claims]", '[claims]\ncaught_by = "encode"'))
    verdict = judge(folder)["encode"]
    assert verdict.mark == FAILED
    assert "was not caught" in verdict.reason


def test_only_controls_may_name_the_check_that_catches_them(
    judge: Judge, unmasked: Callable[[str], Path]
) -> None:
    folder = unmasked("mute")
    manifest = folder / "codec.toml"
    text = manifest.read_text().replace("[claims]", '[claims]\ncaught_by = "encode"')
    manifest.write_text(text.replace('role = "control"', 'role = "proposal"'))
    verdict = judge(folder)["manifest"]
    assert verdict.mark == FAILED
    assert "[claims].caught_by is for controls" in verdict.reason
