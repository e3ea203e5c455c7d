"""The two controls: `store` gives everything back, `flat` one colour."""

from pathlib import Path

import numpy as np
import pytest
from anchor_runs import decode, encode, write_clip

PIXEL_FORMATS = ("yuv420p", "yuv420p10le", "yuv444p", "yuv444p10le", "rgb24")


@pytest.mark.parametrize("pixel_format", PIXEL_FORMATS)
def test_store_gives_every_format_back_unchanged(pixel_format: str, tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "c.raw", pixel_format=pixel_format, width=18, height=14, frames=3)
    stream = encode("tests/codecs/store", clip, tmp_path / "e", configuration="ra", level=6)
    assert decode("tests/codecs/store", stream, tmp_path / "d") == clip.path.read_bytes()


@pytest.mark.parametrize("pixel_format", PIXEL_FORMATS)
def test_flat_shows_the_mean_of_each_plane_in_fifteen_bytes(
    pixel_format: str, tmp_path: Path
) -> None:
    clip = write_clip(tmp_path / "c.raw", pixel_format=pixel_format, width=18, height=14, frames=3)
    stream = encode("tests/codecs/flat", clip, tmp_path / "e", configuration="ai", q=0)
    assert len(stream) == 15
    dtype = "<u2" if pixel_format.endswith("10le") else "u1"
    source = np.frombuffer(clip.path.read_bytes(), dtype).reshape(3, -1)
    decoded = np.frombuffer(decode("tests/codecs/flat", stream, tmp_path / "d"), dtype)
    decoded = decoded.reshape(3, -1)
    assert decoded.shape == source.shape
    if pixel_format == "rgb24":
        places = [slice(colour, None, 3) for colour in range(3)]
    else:
        chroma = 18 * 14 // (4 if pixel_format.startswith("yuv420p") else 1)
        places = [slice(0, 252), slice(252, 252 + chroma), slice(252 + chroma, None)]
    for place in places:
        assert set(decoded[:, place].ravel()) == {round(source[:, place].mean())}
