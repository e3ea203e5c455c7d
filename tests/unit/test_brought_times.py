"""Times that the maker of a brought bitstream states, in origin.json."""

import json
from pathlib import Path
from typing import Any

import pytest
from invrbench.codec.manifest import read_manifest
from invrbench.errors import ManifestError

TOML = """
schema = 1
name = "Elsewhere"
summary = "Bitstreams made on another machine"
role = "proposal"
[supports]
tracks = ["video"]
configurations = ["any"]
pixel_formats = ["yuv420p"]
[commands]
decode = ["{python}", "{codec}/decode.py"]
[decoder]
files = ["decode.py"]
"""
FILE = "bitstreams/Cactus@0+32/any/qp32.bin"


def folder(tmp_path: Path, origin: Any) -> Path:
    made = tmp_path / "elsewhere"
    (made / FILE).parent.mkdir(parents=True)
    (made / FILE).write_bytes(b"1")
    (made / "decode.py").write_text("pass\n")
    (made / "codec.toml").write_text(TOML)
    text = origin if isinstance(origin, str) else json.dumps(origin)
    (made / "origin.json").write_text(text)
    return made


def test_times_are_held_by_bitstream(tmp_path: Path) -> None:
    value = {"schema": 1, "points": {FILE: {"fit_seconds": 7200, "encode_seconds": 812.4}}}
    manifest = read_manifest(folder(tmp_path, value))["elsewhere"]
    assert manifest.stated_times[FILE]["encode_seconds"] == 812.4


@pytest.mark.parametrize(
    ("origin", "sentence"),
    [
        ("{", "elsewhere/origin.json is not JSON"),
        ({"schema": 2, "points": {}}, "schema is 2; this version reads 1"),
        ({"schema": 1, "points": {FILE: {"encode_seconds": -1}}}, "encode_seconds is -1"),
        ({"schema": 1, "points": {FILE: {"hours": 3}}}, "unknown key hours; allowed are"),
    ],
)
def test_an_unusable_origin_is_refused_with_file_and_key(
    tmp_path: Path, origin: Any, sentence: str
) -> None:
    with pytest.raises(ManifestError) as caught:
        read_manifest(folder(tmp_path, origin))
    assert sentence in str(caught.value)
