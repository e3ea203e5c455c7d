"""DSSIM against scikit-image 0.26.0, which is not installed here: its numbers are."""

import math

import numpy as np
import pytest
from invrbench.metrics import dssim
from raw_files import video_format, write_video


def arithmetic_pictures():
    """Two (40, 52, 3) pictures that need no random generator to be made again."""
    rows, columns, component = np.mgrid[:40, :52, :3]
    first = (rows * 7 + columns * 13 + component * 29) % 64
    first = (first + (rows * rows + 3 * columns) % 128 + component * 20).astype(np.uint8)
    noise = (rows * 5 + columns * columns + component * 11) % 31 - 15
    return first, np.clip(first.astype(int) + noise, 0, 255).astype(np.uint8)


def measured(folder, first, second, pixel_format="rgb24"):
    layout = video_format(pixel_format, first[0].shape[1], first[0].shape[0], len(first))
    videos = [
        write_video(folder / name, layout, [[picture] for picture in pictures])
        for name, pictures in (("source", first), ("decoded", second))
    ]
    return dssim.measure(*videos)


# structural_similarity(a / 255, b / 255, channel_axis=-1, data_range=1 and 2), (1 − x) / 2
def test_a_noisy_picture_has_the_two_values_of_scikit_image(tmp_path):
    first, second = arithmetic_pictures()
    values = measured(tmp_path, [first], [second]).values
    assert values["dssim1"] == pytest.approx(0.012634289754299921, rel=1e-9)
    assert values["dssim2"] == pytest.approx(0.011917843994110777, rel=1e-9)


def test_a_flat_picture_has_the_two_values_of_scikit_image(tmp_path):
    first, _ = arithmetic_pictures()
    values = measured(tmp_path, [first], [np.full_like(first, 128)]).values
    assert values["dssim1"] == pytest.approx(0.48200392055178937, rel=1e-9)
    assert values["dssim2"] == pytest.approx(0.4357865866208818, rel=1e-9)


def test_frames_are_averaged_and_identical_ones_are_zero(tmp_path):
    first, second = arithmetic_pictures()
    result = measured(tmp_path, [first, first], [first, second])
    assert result.frames["dssim1"][0] == 0.0
    assert result.values["dssim1"] == pytest.approx(0.012634289754299921 / 2, rel=1e-9)
    assert result.values["dssim2"] == math.fsum(result.frames["dssim2"]) / 2
    assert result.reasons == {}


def test_a_picture_smaller_than_the_window_has_a_reason(tmp_path):
    small = [np.zeros((6, 20, 3), np.uint8)]
    result = measured(tmp_path, small, small)
    assert result.values == {"dssim1": None, "dssim2": None}
    assert result.reasons["dssim1"] == "SSIM undefined below 7 pixels"
