"""Raw video to RGB and back, against the colours of BT.601, BT.709 and BT.2020."""

from pathlib import Path

import numpy as np
import pytest
from inrkit.video import (
    RawFormat,
    VideoError,
    double_chroma,
    from_rgb,
    halve_chroma,
    load_video,
    to_rgb,
    write_frames,
)


def held(pixel_format: str, *, matrix: str = "bt709", width: int = 4, height: int = 2) -> RawFormat:
    return RawFormat(pixel_format, width, height, 1, matrix, "limited")


def flat(rgb: tuple[float, float, float], *, height: int = 2, width: int = 4) -> np.ndarray:
    return np.broadcast_to(np.array(rgb, np.float32)[:, None, None], (3, height, width))


# SMPTE colour-bar levels at 100 %, as test-signal tables print them
@pytest.mark.parametrize(
    ("matrix", "rgb", "levels"),
    [
        ("bt709", (1, 1, 1), (235, 128, 128)),
        ("bt709", (1, 0, 0), (63, 102, 240)),
        ("bt709", (0, 1, 0), (173, 42, 26)),
        ("bt709", (0, 0, 1), (32, 240, 118)),
        ("bt601", (1, 0, 0), (81, 90, 240)),
        ("bt601", (0, 1, 0), (145, 54, 34)),
        ("bt601", (0, 0, 1), (41, 240, 110)),
    ],
)
def test_pure_colours_take_their_standard_levels(
    matrix: str, rgb: tuple[float, float, float], levels: tuple[int, int, int]
) -> None:
    for pixel_format in ("yuv420p", "yuv444p"):
        planes = from_rgb(flat(rgb), held(pixel_format, matrix=matrix))
        assert tuple(int(plane.flat[0]) for plane in planes) == levels
        assert all((plane == plane.flat[0]).all() for plane in planes)


def test_ten_bit_white_of_bt2020_is_940() -> None:
    planes = from_rgb(flat((1, 1, 1)), held("yuv420p10le", matrix="bt2020"))
    assert [int(plane.flat[0]) for plane in planes] == [940, 512, 512]
    assert planes[0].dtype == np.dtype("<u2")


def test_full_range_spans_all_levels() -> None:
    full = RawFormat("yuv444p", 4, 2, 1, "bt601", "full")
    assert int(from_rgb(flat((1, 1, 1)), full)[0].flat[0]) == 255
    assert int(from_rgb(flat((0, 0, 0)), full)[0].flat[0]) == 0


def test_4_4_4_colours_inside_the_gamut_survive_the_round_trip() -> None:
    rgb = np.random.default_rng(0).random((3, 16, 16), np.float32)
    layout = held("yuv444p", width=16, height=16)
    planes = from_rgb(rgb, layout)
    again = from_rgb(to_rgb(planes, layout), layout)
    inside = (to_rgb(planes, layout) > 0).all(0) & (to_rgb(planes, layout) < 1).all(0)
    assert inside.mean() > 0.9
    for before, after in zip(planes, again, strict=True):
        assert np.array_equal(before[inside], after[inside])


def test_chroma_is_doubled_bilinearly_at_its_left_siting() -> None:
    doubled = double_chroma(np.array([[0, 8], [16, 24]], np.float32))
    # rows lie a quarter off the two nearest, columns on a sample or half-way
    assert doubled.tolist() == [
        [0, 4, 8, 8],
        [4, 8, 12, 12],
        [12, 16, 20, 20],
        [16, 20, 24, 24],
    ]


def test_chroma_is_halved_around_its_left_siting() -> None:
    halved = halve_chroma(np.array([[0, 8, 16, 24], [4, 12, 20, 28]], np.float32))
    # row means 2 10 18 26; 1 2 1 around columns 0 and 2, the border repeated
    assert halved.tolist() == [[4, 18]]


def test_a_ramp_of_chroma_survives_both_directions() -> None:
    ramp = np.arange(8, dtype=np.float32)[None] + 10 * np.arange(6, dtype=np.float32)[:, None]
    again = halve_chroma(double_chroma(ramp))
    assert np.allclose(again[1:-1, 1:-1], ramp[1:-1, 1:-1])


@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv420p10le", "yuv444p", "rgb24"])
def test_a_grey_video_is_read_and_written_unchanged(tmp_path: Path, pixel_format: str) -> None:
    layout = RawFormat(pixel_format, 8, 4, 3, "bt709", "limited")
    levels = [np.full(layout.frame_samples, 80 + 20 * i) for i in range(3)]
    luma = layout.width * layout.height
    for level in levels if not layout.is_rgb else []:
        level[luma:] = 128 << (layout.bit_depth - 8)
    path = tmp_path / "in.raw"
    path.write_bytes(b"".join(level.astype(layout.sample_type).tobytes() for level in levels))
    video = load_video(path, layout)
    assert video.shape == (3, 3, 4, 8)
    scaled = (frame.astype(np.float32) / layout.peak for frame in video)
    write_frames(tmp_path / "out.raw", layout, scaled)
    before, after = (np.fromfile(tmp_path / n, layout.sample_type) for n in ("in.raw", "out.raw"))
    assert np.abs(before.astype(int) - after).max() <= (1 if not layout.is_rgb else 0)


def test_a_file_that_ends_early_is_named_with_its_frame(tmp_path: Path) -> None:
    (tmp_path / "short.yuv").write_bytes(bytes(20))
    layout = RawFormat("yuv420p", 4, 2, 2, "bt709", "limited")
    with pytest.raises(VideoError, match=r"short\.yuv ends in frame 1 of 2"):
        load_video(tmp_path / "short.yuv", layout)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (("nv12", 4, 2, 1, "bt709", "limited"), "'nv12' is not coded here"),
        (("yuv420p", 3, 2, 1, "bt709", "limited"), "3x2 is odd"),
        (("rgb24", 4, 2, 1, "bt470", "limited"), "bt470/limited is unknown"),
        (("rgb24", 4, 2, 0, "bt709", "limited"), "0 frames is no video"),
    ],
)
def test_a_format_these_codecs_do_not_code_is_refused(
    fields: tuple[str, int, int, int, str, str], message: str
) -> None:
    with pytest.raises(VideoError, match=message):
        RawFormat(*fields)
