"""A codec.toml that cannot be used is answered with file, key and what is allowed."""

from pathlib import Path

import pytest
from invrbench.codec.manifest import find_codecs, read_manifest
from invrbench.codec.template import write_codec_folder
from invrbench.errors import ManifestError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    proposals = tmp_path / "proposals"
    write_codec_folder("mine", proposals, (proposals,))
    return proposals / "mine"


def change(folder: Path, old: str, new: str) -> None:
    path = folder / "codec.toml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("summary", "sumary", ["sumary", "allowed are", "claims, commands, contact"]),
        ("learned_bytes", "learned", ["[decoder]", "learned", "allowed are files, learned_bytes"]),
        ('role = "proposal"', 'role = "idea"', ["role", "idea", "anchor", "control", "published"]),
        ("schema = 1", "schema = 2", ["schema", "2", "1"]),
        ('"yuv444p"', '"yuv422p"', ["pixel_formats", "yuv422p", "yuv420p"]),
        ('files = ["decode.py"]', 'files = ["gone.py"]', ["[decoder].files", "gone.py"]),
        ("[claims]", '[environment]\nkind = "pip"\n\n[claims]', ["kind", "pip", "venv"]),
        ("[claims]", '[environment]\nkind = "venv"\n\n[claims]', ["venv", "file"]),
        ("decode = [", "decodes = [", ["[commands]", "decodes", "decode, encode, fit"]),
        ("block = [16, 8, 4, 2]", "", ["[rate_points]"]),
        ("[rate_points]", "[rate_points", ["is not TOML"]),
    ],
)
def test_message_names_file_key_and_what_is_allowed(
    old: str, new: str, words: list[str], folder: Path
) -> None:
    change(folder, old, new)
    with pytest.raises(ManifestError) as caught:
        manifest = read_manifest(folder)["mine"]
        manifest.rate_points("quick")
    for word in ["proposals/mine/codec.toml", *words]:
        assert word in str(caught.value)


def test_rate_point_of_an_unknown_fit_names_the_known_ones(folder: Path) -> None:
    change(folder, "block = [", 'fit = ["s"]\nblock = [')
    manifest = read_manifest(folder)["mine"]
    with pytest.raises(ManifestError, match=r"fit 's', which \[fits\] lacks; known fits are none"):
        manifest.fit_parameters("s", budget="quick", sequence="x", names=())


def test_two_folders_that_differ_by_case_are_refused(tmp_path: Path, folder: Path) -> None:
    anchors = tmp_path / "anchors"
    write_codec_folder("Mine", anchors, ())
    with pytest.raises(ManifestError, match=r"proposals/mine and anchors/Mine have one id"):
        find_codecs((anchors, folder.parent))


def test_variant_is_a_codec_of_its_own_with_the_overrides_and_nothing_else(folder: Path) -> None:
    manifest = folder / "codec.toml"
    manifest.write_text(manifest.read_text() + "\n[variants.fine.rate_points]\nblock = [1]\n")
    read = read_manifest(folder)
    assert set(read) == {"mine", "mine+fine"}
    assert [point.id for point in read["mine+fine"].rate_points("quick")] == ["block1"]
    assert read["mine+fine"].name == "mine + fine"
    assert read["mine+fine"].pixel_formats == read["mine"].pixel_formats
