"""Temporal consistency and PSNR by region, on clips whose numbers follow by hand."""

import math

import numpy as np
import pytest
from invrbench.metrics import temporal
from raw_files import constant_video, textured, video_format, write_video

WIDTH, HEIGHT = 128, 96


def rgb_video(path, frames):
    """An rgb24 video of (H, W, 3) or grey (H, W) frames."""
    pictures = [
        np.broadcast_to(frame[..., None], (*frame.shape, 3)) if frame.ndim == 2 else frame
        for frame in frames
    ]
    height, width = pictures[0].shape[:2]
    layout = video_format("rgb24", width, height, len(pictures))
    return write_video(path, layout, [[picture.astype(np.uint8)] for picture in pictures])


def measured(folder, source, decoded):
    return temporal.measure(
        rgb_video(folder / "source", source), rgb_video(folder / "decoded", decoded)
    )


def flat(*levels, shape=(16, 24)):
    return [np.full(shape, level) for level in levels]


def halves(left, right, shape=(16, 24)):
    """One grey frame for each pair of levels, its left and right half."""
    frames = []
    for pair in zip(left, right, strict=True):
        frames.append(np.repeat(pair, shape[1] // 2)[None].repeat(shape[0], axis=0))
    return frames


def moving_texture(*shifts):
    """A texture that has moved right by each number of pixels, cut from a wider one."""
    wide = textured((HEIGHT + 40, WIDTH + 40), 255, seed=4)
    return [wide[20 : 20 + HEIGHT, 20 - shift : 20 - shift + WIDTH].round() for shift in shifts]


def test_tof_of_a_still_view_of_a_texture_moving_by_two_pixels_is_two(tmp_path):
    moving = moving_texture(0, 2, 4, 6)
    result = measured(tmp_path, moving, moving[:1] * 4)
    assert result.values["tof"] == pytest.approx(2.0, rel=0.01)
    assert result.frames["tof"][0] is None
    assert result.values["tof"] == math.fsum(result.frames["tof"][1:]) / 3


def test_tof_counts_the_direction_of_the_movement(tmp_path):
    result = measured(tmp_path, moving_texture(0, 2, 4), moving_texture(4, 2, 0))
    assert result.values["tof"] == pytest.approx(4.0, rel=0.01)


def test_identical_views_move_alike_flicker_alike_and_are_lossless(tmp_path):
    moving = moving_texture(0, 2, 4)
    result = measured(tmp_path, moving, moving)
    assert result.values["tof"] == 0.0
    assert result.reasons["psnr_rgb_moving_db"] == "lossless"
    steady = measured(tmp_path, flat(90, 94), flat(90, 94))
    assert steady.values["flicker"] == 0.0
    assert steady.values["warping_error"] == pytest.approx((4 / 255) ** 2)


def test_warping_along_the_sources_flow_removes_the_movement(tmp_path):
    moving = moving_texture(0, 2, 4)
    followed = measured(tmp_path, moving, moving).values["warping_error"]
    unmoved = np.mean(np.square((moving[1] - moving[0]) / 255))
    assert followed < unmoved / 100
    flashing = [frame // 2 + 60 * (index % 2) for index, frame in enumerate(moving)]
    shaken = measured(tmp_path, moving, flashing).values["warping_error"]
    assert shaken == pytest.approx((60 / 255) ** 2, rel=0.02)


def shift(x, y=0.0, shape=(12, 20)):
    return np.broadcast_to(np.float32((x, y)), (*shape, 2))


def picture(seed=3):
    return np.random.default_rng(seed).uniform(size=(3, 12, 20))


def test_a_whole_shift_is_undone_exactly_and_what_leaves_the_picture_does_not_count():
    first = picture()
    second = np.roll(first, 2, axis=2)
    first[:, :, -2:] = 9.0
    flows = {"forward": shift(2), "backward": shift(-2)}
    assert temporal.warping_error(first, second, **flows) == 0.0
    second[1] += 0.1
    assert temporal.warping_error(first, second, **flows) == pytest.approx(0.1**2 / 3)


def test_half_a_pixel_is_interpolated_and_the_last_column_repeats():
    ramp = np.broadcast_to(0.01 * np.arange(20.0), (3, 12, 20))
    error = temporal.warping_error(ramp, ramp - 0.005, forward=shift(0.5), backward=shift(-0.5))
    assert error == pytest.approx(0.005**2 / 20)


def test_pixels_whose_flows_disagree_are_occluded():
    first = picture()
    for length, counts in ((0.70, True), (0.72, False)):  # 0.49 ≤ 0.5049, 0.5184 > 0.5052
        flows = {"forward": shift(length), "backward": shift(0)}
        assert (temporal.warping_error(first, first, **flows) is not None) == counts
    halved = shift(0).copy()
    halved[:, 10:] = (3, 0)
    second = first.copy()
    second[:, :, :10] += 0.2
    error = temporal.warping_error(first, second, forward=shift(0), backward=halved)
    assert error == pytest.approx(0.2**2)


def test_the_backward_flow_counts_where_the_forward_flow_leads_to():
    first = picture()
    second = np.roll(first, 3, axis=2)
    first[:, :, 7:10] += 0.2
    backward = shift(-3).copy()
    backward[:, :10] = 0
    error = temporal.warping_error(first, second, forward=shift(3), backward=backward)
    assert error == pytest.approx(0.2**2 * 3 / 10)  # columns 7 to 16 count


def test_a_square_wave_of_ten_levels_on_a_still_source_flickers_by_ten(tmp_path):
    result = measured(tmp_path, flat(100, 100, 100, 100), flat(90, 110, 90, 110))
    assert result.values["flicker"] == pytest.approx(10.0)


def test_a_source_that_varies_a_little_is_still_and_a_steady_view_lacks_that(tmp_path):
    assert measured(tmp_path, flat(96, 104), flat(100, 100)).values["flicker"] == pytest.approx(4)


def test_flicker_of_moving_pixels_does_not_count(tmp_path):
    source = halves((100, 100), (50, 150))
    decoded = halves((97, 103), (0, 255))
    assert measured(tmp_path, source, decoded).values["flicker"] == pytest.approx(3.0)


def test_a_pixel_is_still_up_to_two_percent_of_full_scale(tmp_path):
    source = halves((100, 110), (100, 111))  # σ 5.0 and 5.5 of 255: 0.0196 and 0.0216
    decoded = halves((101, 111), (103, 114))
    values = measured(tmp_path, source, decoded).values
    assert values["psnr_rgb_still_db"] == pytest.approx(20 * math.log10(255))
    assert values["psnr_rgb_moving_db"] == pytest.approx(20 * math.log10(255 / 3))


def test_one_moving_component_makes_a_pixel_move(tmp_path):
    source = [np.full((16, 24, 3), 100) for _ in range(2)]
    source[1][:, :, 2] = 112  # σ 6 of 255 in blue, 2 in the mean over components
    result = measured(tmp_path, source, source[:1] * 2)
    assert result.values["psnr_rgb_still_db"] is None
    assert result.reasons["psnr_rgb_still_db"] == "no pixel of the source is still"
    assert result.reasons["flicker"] == "no pixel of the source is still"


def test_psnr_is_taken_apart_by_region_pooled_by_frame_and_meant_in_decibels(tmp_path):
    source = halves((100, 100), (50, 150))
    decoded = [np.repeat(frame[..., None], 3, axis=2) for frame in halves((110, 101), (50, 150))]
    for frame in decoded:
        frame[:, 12:, 0] += 20  # one of three components
    result = measured(tmp_path, source, decoded)
    expected = [20 * math.log10(255 / 10), 20 * math.log10(255)]
    assert result.frames["psnr_rgb_still_db"] == pytest.approx(expected)
    assert result.values["psnr_rgb_still_db"] == pytest.approx(sum(expected) / 2)
    moving = 10 * math.log10(255**2 / (400 / 3))
    assert result.values["psnr_rgb_moving_db"] == pytest.approx(moving)


def test_a_region_without_pixels_has_a_reason_and_no_frames(tmp_path):
    result = measured(tmp_path, flat(10, 10), flat(11, 11))
    assert result.reasons == {"psnr_rgb_moving_db": "no pixel of the source is moving"}
    assert set(result.frames) == {"tof", "warping_error", "psnr_rgb_still_db"}


def test_one_instant_has_no_temporal_value(tmp_path):
    result = measured(tmp_path, flat(10), flat(11))
    assert result.values == dict.fromkeys(temporal.COLUMNS)
    assert result.reasons == dict.fromkeys(temporal.COLUMNS, "needs two instants")


def test_ten_bit_luma_flickers_in_levels_of_full_scale(tmp_path):
    layout = video_format("yuv420p10le", 32, 16, 2)
    source = constant_video(tmp_path / "s", layout, [(502, 512, 512)] * 2)
    decoded = constant_video(tmp_path / "d", layout, [(480, 512, 512), (520, 512, 512)])
    # limited range: 876 steps from black to white, so ±20 of them are ±20 / 876 · 255 levels
    result = temporal.measure(source, decoded)
    assert result.values["flicker"] == pytest.approx(20 / 876 * 255)
