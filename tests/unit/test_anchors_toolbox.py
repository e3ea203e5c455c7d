"""anchorkit: exact conversions, lean streams, the intra period."""

import doctest
import importlib
import sys
from pathlib import Path

import numpy as np
import pytest
from anchor_runs import ANCHORKIT

sys.path.insert(0, str(ANCHORKIT))
annexb, ffmpeg, job, obu, samples = (
    importlib.import_module(f"anchorkit.{name}")
    for name in ("annexb", "ffmpeg", "job", "obu", "samples")
)


@pytest.mark.parametrize("module", [ffmpeg, samples], ids=["ffmpeg", "samples"])
def test_the_examples_in_docstrings_hold(module: object) -> None:
    result = doctest.testmod(module)
    assert result.attempted
    assert not result.failed


def test_eight_bits_survive_coding_at_ten() -> None:
    every = bytes(range(256))
    assert samples.to_8_bit(samples.to_10_bit(every)) == every


def test_ten_bits_round_to_the_nearest_eight_and_clip() -> None:
    ten = np.array([0, 1, 2, 5, 6, 1021, 1022, 1023], "<u2")
    assert list(samples.to_8_bit(ten.tobytes())) == [0, 0, 1, 1, 2, 255, 255, 255]


@pytest.mark.parametrize(
    ("rgb", "yuv"),
    [
        # Rec. ITU-R BT.709 at full range, by hand: Y = 0.2126 R + 0.7152 G + 0.0722 B,
        # Cb = (B - Y)/1.8556 + 128, Cr = (R - Y)/1.5748 + 128, rounded and clipped
        ((0, 0, 0), (0, 128, 128)),
        ((255, 255, 255), (255, 128, 128)),
        ((255, 0, 0), (54, 99, 255)),
        ((0, 255, 0), (182, 30, 12)),
        ((0, 0, 255), (18, 255, 116)),
        ((200, 100, 50), (118, 92, 180)),
    ],
)
def test_rgb_becomes_bt709_full_range(rgb: tuple[int, ...], yuv: tuple[int, ...]) -> None:
    assert tuple(samples.to_yuv444(bytes(rgb))) == yuv


def test_rgb_comes_back_within_two_steps() -> None:
    grid = np.stack(np.meshgrid(*[np.arange(0, 256, 15)] * 3), axis=-1).astype(np.uint8)
    back = np.frombuffer(samples.to_rgb24(samples.to_yuv444(grid.tobytes())), np.uint8)
    assert np.abs(back.astype(int) - grid.ravel()).max() <= 2


def test_a_changed_parameter_set_stays_and_so_does_its_return() -> None:
    long, short = b"\0\0\0\1", b"\0\0\1"
    one, other, idr = b"\x67\x01\x02", b"\x67\x01\x03", b"\x65\x88"
    sent = (one, one, other, one)
    stream = b"".join(long + parameters + short + idr for parameters in sent)
    expected = b"".join(
        [long + one, short + idr, long + idr, long + other, short + idr, long + one, short + idr]
    )
    assert annexb.without_ballast(stream, annexb.AVC) == expected


def test_the_mark_of_a_conversion_is_one_byte_before_the_start_code() -> None:
    stream = b"\0\0\0\1\x67\x01"
    marked = annexb.mark_converted(stream)
    assert len(marked) == len(stream) + 1
    assert annexb.is_marked_converted(marked[:5])
    assert not annexb.is_marked_converted(stream[:5])


def test_an_obu_without_size_is_refused() -> None:
    with pytest.raises(job.AnchorError, match="carries no size"):
        list(obu.units(b"\x10\x00"))


@pytest.mark.parametrize(
    ("fps", "period"),
    [
        ("24000/1001", 32),
        ("25", 32),
        ("30000/1001", 32),
        ("30", 32),
        ("50", 64),
        ("60000/1001", 64),
        ("120", 128),
    ],
)
def test_the_intra_period_is_about_a_second(fps: str, period: int) -> None:
    one = job.EncodeJob(Path("x"), "yuv420p", 16, 16, fps, 1, "ra", 32)
    assert one.intra_period == period
