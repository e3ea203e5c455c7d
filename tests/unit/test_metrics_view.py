"""The family of views, and of it IV-PSNR: what it forgives and what it does not."""

import math

import numpy as np
import pytest
from invrbench.metrics import view
from raw_files import noisy_pair, random_frames, video_format, write_video


def components(layout, seed=1):
    return np.stack(random_frames(layout, seed=seed)[0]).astype(np.int32)


def test_a_shift_of_two_pixels_costs_only_the_picture_edges():
    picture = components(video_format("yuv444p", 96, 80, 1))
    moved = np.roll(picture, (2, -2), axis=(1, 2))
    too_far = np.roll(picture, (9, -9), axis=(1, 2))
    inner = slice(10, -10)
    near, far = (
        view.iv_psnr(picture[:, inner, inner], other[:, inner, inner], 8)
        for other in (moved, too_far)
    )
    psnr = 10 * math.log10(255**2 / np.mean((picture - moved)[:, inner, inner] ** 2))
    assert near > psnr + 10
    assert far < near - 10


def test_a_small_colour_offset_is_forgiven_and_a_large_one_is_not():
    picture = components(video_format("yuv444p", 64, 48, 1)) // 2 + 50
    assert view.iv_psnr(picture, picture + 2, 8) is None
    assert view.iv_psnr(picture, picture + 40, 8) < 25


def test_the_worse_direction_counts_and_order_does_not_matter():
    layout = video_format("yuv444p", 64, 48, 1)
    one, two = components(layout, 1), components(layout, 2)
    assert view.iv_psnr(one, two, 8) == pytest.approx(view.iv_psnr(two, one, 8))


def test_ten_bit_420_and_rgb_videos_have_a_value(tmp_path):
    for pixel_format in ("yuv420p10le", "rgb24"):
        pair = noisy_pair(tmp_path, video_format(pixel_format, 48, 34, 2))
        result = view.measure(*pair)
        assert 15 < result.values["iv_psnr_db"] < 60
        assert result.values["iv_psnr_db"] == pytest.approx(
            math.fsum(result.frames["iv_psnr_db"]) / 2
        )


def test_identical_files_are_lossless(tmp_path):
    layout = video_format("yuv420p", 32, 32, 1)
    video = write_video(tmp_path / "a", layout, random_frames(layout, seed=1))
    assert view.measure(video, video).reasons["iv_psnr_db"] == "lossless"


def test_a_view_has_every_column_in_order_or_a_reason(tmp_path):
    for frames in (1, 3):
        result = view.measure(*noisy_pair(tmp_path, video_format("rgb24", 48, 34, frames)))
        assert tuple(result.values) == view.COLUMNS
        absent = {column for column, value in result.values.items() if value is None}
        assert set(result.reasons) == absent
        assert set(result.versions) == set(view.COLUMNS)
    assert absent <= {"flicker", "psnr_rgb_still_db"}  # every frame has a texture of its own
