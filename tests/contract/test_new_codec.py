"""`invrbench new` writes a folder that works, passes the suite and can be run at once."""

import json
import tomllib
from pathlib import Path

import pytest
from invrbench.cli import main
from invrbench.cli.main import EXIT_FAILED
from own_repository import write_conditions


def test_new_folder_passes_the_suite_as_it_is(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["new", "my-codec"]) == 0
    said = capsys.readouterr().out
    assert "invrbench check my-codec\n" in said
    assert "snakemake --cores 8 all\n" in said
    assert main(["check", "my-codec"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "✓ my-codec decode-twice" in lines
    assert not [line for line in lines if line.startswith("✗")]
    for check in ("one-frame", "odd-size", "ten-bit"):
        assert any(line.startswith(f"✓ my-codec {check}: ") for line in lines)


def test_new_folder_carries_its_name_and_joins_the_default_run(repository: Path) -> None:
    main(["new", "swirl-2"])
    folder = repository / "proposals" / "swirl-2"
    manifest = tomllib.loads((folder / "codec.toml").read_text())
    assert (manifest["name"], manifest["joins"]) == ("swirl-2", ["mini"])
    held = {path.name for path in folder.iterdir()}
    assert held == {"codec.toml", "encode.py", "decode.py", "README.md"}
    assert not [p for p in folder.iterdir() if "my-codec" in p.read_text()]


def test_more_bits_give_better_pictures(repository: Path) -> None:
    main(["new", "my-codec"])
    write_conditions(repository, "my-codec")
    assert main(["source", "bikes-tiny"]) == 0
    rates, quality = [], []
    for block in (16, 8, 4, 2):
        point = f"bikes-tiny/my-codec/any/block{block}"
        for words in (["encode", point], ["decode", point], ["measure-point", point, "picture"]):
            assert main(words) == 0
        folder = repository / "results" / point / "s0"
        rates.append(json.loads((folder / "encode.json").read_text())["bitstream_bytes"])
        values = json.loads((folder / "metrics" / "picture.json").read_text())["values"]
        quality.append(values["psnr_y_db"])
    assert rates == sorted(rates)
    assert quality == sorted(quality)
    assert len(set(rates)) == len(set(quality)) == 4


@pytest.mark.parametrize("root", ["anchors", "proposals", "tests/codecs"])
def test_id_that_any_folder_has_is_refused_whatever_its_case(
    root: str, repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (repository / root / "Taken").mkdir(parents=True)
    assert main(["new", "taken"]) == EXIT_FAILED
    assert f"{Path(root).name}/Taken/ exists already" in capsys.readouterr().err
    assert not (repository / "proposals" / "taken").exists()


@pytest.mark.parametrize("name", ["fits", "-x", "a/b", "../evil", "x@0+3", "ü", ""])
def test_name_that_is_no_id_is_refused(
    name: str, repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["new", "--", name]) == EXIT_FAILED
    assert "cannot be a codec's id" in capsys.readouterr().err
    assert not list((repository / "proposals").iterdir())
    assert not (repository / "evil").exists()


def test_unknown_codec_is_answered_with_the_nearest(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["new", "my-codec"])
    assert main(["check", "my-codek"]) == EXIT_FAILED
    assert "nearest: my-codec" in capsys.readouterr().err


def test_broken_manifest_is_one_failed_line_and_the_others_are_still_checked(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["new", "aaa"])
    main(["new", "bbb"])
    manifest = repository / "proposals" / "aaa" / "codec.toml"
    manifest.write_text(manifest.read_text().replace("learned_bytes", "learnt_bytes"))
    assert main(["check"]) == 1
    out = capsys.readouterr().out
    assert "✗ aaa manifest: proposals/aaa/codec.toml: " in out
    assert "learnt_bytes; allowed are files, learned_bytes" in out
    assert "✓ bbb decode: " in out
    assert "2 folders: " in out
