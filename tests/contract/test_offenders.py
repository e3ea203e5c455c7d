"""Codecs that break the contract on purpose are caught, by the check and with the words due."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from invrbench.codec.conformance import FAILED, PASSED, Verdict
from invrbench.codec.manifest import read_manifest

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


def test_there_are_the_offenders_the_design_names() -> None:
    assert {"mute", "crash", "shrink", "zero", "pickle", "flaky", "peek", "hang"} <= {*OFFENDERS}


@pytest.mark.parametrize("name", OFFENDERS)
def test_offender_is_caught_by_the_check_it_names(name: str, judge: Judge) -> None:
    verdicts = judge(CODECS / name)
    claimed = read_manifest(CODECS / name)[name].claims["caught_by"]
    assert verdicts[claimed].mark == PASSED
    assert verdicts[claimed].reason.startswith("caught, as it should be: ")
    assert all(verdict.mark != FAILED for verdict in verdicts.values())


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
