"""Measuring any two files: what is asked for, and sentences for what cannot be measured."""

import cv2
import numpy as np
import pytest
from invrbench.errors import InputError, SequenceError
from invrbench.metrics import handheld, picture, view
from invrbench.metrics.handheld import measure_files
from raw_files import noisy_pair, textured, video_format


@pytest.fixture
def pair(tmp_path):
    return noisy_pair(tmp_path, video_format("yuv420p", 64, 48, 3))


def measured(pair, **options):
    options = {"size": "64x48", "pixel_format": "yuv420p"} | options
    return measure_files(pair[0].path, pair[1].path, **options)


def test_psnr_alone_has_the_columns_of_points_tsv(pair):
    result = measured(pair, metrics=["psnr"])
    expected = picture.measure(*pair)
    assert set(result) == {*handheld.METRICS["psnr"], "frames", "versions"}
    for column in handheld.METRICS["psnr"]:
        assert result[column] == expected.values[column]
        assert result["frames"][column] == expected.frames[column]
        assert result["versions"][column] == expected.versions[column]


def test_an_undefined_metric_is_none_beside_its_reason(pair):
    result = measured(pair, metrics=["ms_ssim"])
    assert result["ms_ssim_y"] is None
    assert result["ms_ssim_y_reason"] == "MS-SSIM undefined below 161 pixels"


def test_the_first_frames_are_those_of_the_whole_file(pair):
    whole, first = measured(pair, metrics=["ssim"]), measured(pair, metrics=["ssim"], frames=2)
    assert first["frames"]["ssim_y"] == whole["frames"]["ssim_y"][:2]


def test_xpsnr_of_a_video_needs_the_frame_rate_and_vmaf_does_not(pair):
    without = measured(pair, metrics=["vmaf", "xpsnr"])
    assert without["vmaf"] > 0
    assert without["xpsnr_y_db"] is None
    assert without["xpsnr_y_db_reason"] == "XPSNR of a video depends on its frame rate: give --fps"
    assert measured(pair, metrics=["xpsnr"], fps="30000/1001")["xpsnr_y_db"] > 0
    assert measured(pair, metrics=["xpsnr"], frames=1)["xpsnr_y_db"] > 0


def test_pictures_need_no_size_and_grey_ones_are_colour(tmp_path):
    colour = textured((48, 64, 3), 255, seed=1).astype(np.uint8)
    changed = cv2.add(colour, 3)
    cv2.imwrite(str(tmp_path / "a.png"), colour)
    cv2.imwrite(str(tmp_path / "b.PNG"), changed)
    result = measure_files(tmp_path / "a.png", tmp_path / "b.PNG", metrics=["psnr", "xpsnr"])
    error = np.mean((colour.astype(float) - changed) ** 2)
    assert result["psnr_rgb_db"] == pytest.approx(10 * np.log10(255**2 / error))
    assert result["xpsnr_y_db"] > 0
    cv2.imwrite(str(tmp_path / "grey.png"), colour[..., 0])
    grey = measure_files(tmp_path / "grey.png", tmp_path / "grey.png", metrics=["psnr"])
    assert grey["psnr_rgb_db_reason"] == "lossless"


def test_channels_are_read_in_the_order_red_green_blue(tmp_path):
    black, red = np.zeros((16, 16, 3), np.uint8), np.zeros((16, 16, 3), np.uint8)
    red[..., 2] = 255  # OpenCV writes blue, green, red
    cv2.imwrite(str(tmp_path / "black.png"), black)
    cv2.imwrite(str(tmp_path / "red.png"), red)
    result = measure_files(tmp_path / "black.png", tmp_path / "red.png", metrics=["psnr"])
    assert result["psnr_y_db"] == pytest.approx(-20 * np.log10(0.2126))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"metrics": ["psnr", "fid"]}, "metric fid is unknown; use psnr, ssim, ms_ssim, lpips, vm"),
        ({"metrics": []}, "use psnr, ssim"),
        ({"size": None}, "give --size WIDTHxHEIGHT and --pixel-format"),
        ({"pixel_format": None}, "give --size WIDTHxHEIGHT and --pixel-format"),
        ({"size": "64*48"}, "size '64\\*48' is not WIDTHxHEIGHT"),
        ({"fps": "fast"}, "fps 'fast' is not a number"),
        ({"pixel_format": "nv12"}, "pixel format 'nv12' is unknown; use yuv420p"),
        ({"size": "64x50"}, r"reference.yuv has 13824 bytes \(2.88 frames\).*takes 4800\. Check"),
        ({"size": "63x48"}, "is odd"),
        ({"frames": 4}, r"\(3 frames\).*: 4 frames cannot be compared"),
        ({"frames": 0}, "0 frames cannot be compared"),
    ],
)
def test_what_cannot_be_measured_gets_a_sentence(pair, options, message):
    with pytest.raises(InputError, match=message):
        measured(pair, **options)


def test_two_lengths_are_refused_with_both_and_the_way_out(pair):
    pair[1].path.write_bytes(pair[1].path.read_bytes()[: 2 * 4608])
    with pytest.raises(SequenceError, match=r"\(3 frames\).*\(2\).*Give --frames"):
        measured(pair)


def test_absent_files_mixed_kinds_and_unreadable_pictures_get_sentences(pair, tmp_path):
    here = pair[0].path
    broken, small, large, alpha = (tmp_path / f"{name}.png" for name in ("b", "s", "l", "a"))
    broken.write_bytes(b"no picture")
    cv2.imwrite(str(small), np.zeros((16, 16, 3), np.uint8))
    cv2.imwrite(str(large), np.zeros((16, 32, 3), np.uint8))
    cv2.imwrite(str(alpha), np.zeros((16, 16, 4), np.uint8))
    for first, second, message in (
        (here, tmp_path / "no.yuv", r"no\.yuv: there is no such file"),
        (here, small, "one is a picture, the other is not"),
        (small, broken, r"b\.png: cannot be read as a picture"),
        (small, large, "s.png is 16x16, l.png is 32x16"),
        (small, alpha, "uint8 samples in 4 channels"),
    ):
        with pytest.raises(InputError, match=message):
            measure_files(first, second)


def test_a_views_metrics_are_measured_by_hand_too(pair):
    result = measured(pair, metrics=["dssim", "tof", "warping_error", "flicker", "regions"])
    expected = view.measure(*pair)
    for column in view.COLUMNS[1:]:
        assert result[column] == expected.values[column]
    assert result["flicker_reason"] == "no pixel of the source is still"
    single = measured(pair, metrics=["tof"], frames=1)
    assert single["tof_reason"] == "needs two instants"
