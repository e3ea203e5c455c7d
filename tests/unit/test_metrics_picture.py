"""PSNR, SSIM and MS-SSIM against other implementations and hand calculations."""

import math
import re
import tracemalloc

import cv2
import numpy as np
import pytest
from invrbench.errors import SequenceError
from invrbench.metrics import picture
from invrbench.metrics.colour import chroma_rows, full_range_709, rgb_picture
from invrbench.metrics.psnr import mean_square_error, peak
from invrbench.metrics.ssim import structural_similarity
from invrbench.video.ffmpeg import find_ffmpeg
from raw_files import constant_video, noisy_pair, random_frames, video_format, write_video


@pytest.mark.parametrize("bit_depth", [8, 10])
@pytest.mark.parametrize(
    ("width", "height"),
    [(176, 208), (320, 180), (323, 181), (161, 161)],
    ids=["even levels", "odd lower levels", "odd", "smallest"],
)
@pytest.mark.parametrize("noise", [0.001, 0.02, 0.3])
def test_ssim_and_ms_ssim_equal_pytorch_msssim(width, height, bit_depth, noise):
    torch = pytest.importorskip("torch")
    library = pytest.importorskip("pytorch_msssim")
    layout = video_format(f"yuv444p{'10le' if bit_depth == 10 else ''}", width, height, 1)
    x, y = (random_frames(layout, seed=7, noise=amount)[0][0] for amount in (0.0, noise))
    top = (1 << bit_depth) - 1
    ssim, ms_ssim = structural_similarity(x, y, top)
    tensors = [torch.from_numpy(plane.astype(np.float32))[None, None] for plane in (x, y)]
    assert ssim == pytest.approx(library.ssim(*tensors, data_range=top).item(), abs=1e-5)
    assert ms_ssim == pytest.approx(library.ms_ssim(*tensors, data_range=top).item(), abs=1e-5)


def test_negative_contrast_is_clamped_as_in_pytorch_msssim():
    torch = pytest.importorskip("torch")
    library = pytest.importorskip("pytorch_msssim")
    x = random_frames(video_format("yuv444p", 200, 180, 1), seed=3)[0][0]
    y = 255 - x
    tensors = [torch.from_numpy(plane.astype(np.float32))[None, None] for plane in (x, y)]
    ssim, ms_ssim = structural_similarity(x, y, 255)
    assert ssim == pytest.approx(library.ssim(*tensors).item(), abs=1e-5)
    assert ssim < 0
    assert ms_ssim == library.ms_ssim(*tensors).item() == 0.0


def test_identical_luma_is_exactly_one():
    x = random_frames(video_format("yuv420p10le", 200, 180, 1), seed=3)[0][0]
    assert structural_similarity(x, x.copy(), 1023) == (1.0, 1.0)


def test_one_step_everywhere_is_48_13_db_at_8_bit_and_60_17_at_10(tmp_path):
    for pixel_format, expected in (("yuv420p", 48.130804), ("yuv420p10le", 60.172003)):
        layout = video_format(pixel_format, 64, 48, 2)
        one = constant_video(tmp_path / "one", layout, [(100, 100, 100)] * 2)
        two = constant_video(tmp_path / "two", layout, [(101, 99, 101)] * 2)
        values = picture.measure(one, two).values
        for column in ("psnr_y_db", "psnr_u_db", "psnr_v_db", "psnr_yuv_db", "psnr_yuv411_db"):
            assert values[column] == pytest.approx(expected, abs=1e-6), column


@pytest.mark.parametrize(("dtype", "top"), [(np.uint8, 255), (np.uint16, 1023), (np.uint16, 4095)])
def test_squared_errors_of_integer_planes_are_exact(dtype, top):
    generator = np.random.default_rng(0)
    one, two = (generator.integers(0, top + 1, (1080, 1920)).astype(dtype) for _ in range(2))
    expected = int(((one.astype(np.int64) - two) ** 2).sum()) / one.size
    assert mean_square_error(one, two) == expected


def test_the_peak_follows_the_reference_software():
    assert [peak(bits) for bits in (8, 10, 12)] == [255, 1020, 4080]


def test_a_sequence_is_the_mean_of_its_frames_decibels_and_weights_are_as_named(tmp_path):
    layout = video_format("yuv420p", 64, 48, 2)
    one = constant_video(tmp_path / "one", layout, [(100, 100, 100), (100, 100, 100)])
    two = constant_video(tmp_path / "two", layout, [(101, 102, 104), (110, 101, 101)])
    result = picture.measure(one, two)

    def decibels(mse):
        return 10 * math.log10(255**2 / mse)

    assert result.frames["psnr_y_db"] == pytest.approx([decibels(1), decibels(100)])
    assert result.values["psnr_y_db"] == pytest.approx((decibels(1) + decibels(100)) / 2)
    y, u, v = (result.values[f"psnr_{plane}_db"] for plane in "yuv")
    assert result.values["psnr_yuv_db"] == pytest.approx((6 * y + u + v) / 8)
    pooled = ((4 * 1 + 4 + 16) / 6 + (4 * 100 + 1 + 1) / 6) / 2
    assert result.values["psnr_yuv411_db"] == pytest.approx(decibels(pooled))


@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv420p10le", "yuv444p"])
def test_every_frame_agrees_with_ffmpegs_psnr_after_its_peak(tmp_path, pixel_format):
    layout = video_format(pixel_format, 176, 144, 3)
    reference, decoded = noisy_pair(tmp_path, layout)
    ours = picture.measure(reference, decoded).frames
    log = tmp_path / "psnr.txt"
    inputs = ["-f", "rawvideo", "-pixel_format", pixel_format, "-video_size", "176x144", "-i"]
    output = ["-lavfi", f"psnr=stats_file={log}", "-f", "null", "-"]
    find_ffmpeg().run([*inputs, str(decoded.path), *inputs, str(reference.path), *output])
    offset = 20 * math.log10(1020 / 1023) if layout.bit_depth == 10 else 0.0
    for plane in "yuv":
        theirs = [float(value) for value in re.findall(rf"psnr_{plane}:(\S+)", log.read_text())]
        assert [value + offset for value in theirs] == pytest.approx(
            ours[f"psnr_{plane}_db"], abs=0.01
        )


def test_identical_files_are_lossless_and_their_indices_one(tmp_path):
    layout = video_format("yuv420p", 176, 176, 2)
    video = write_video(tmp_path / "a", layout, random_frames(layout, seed=1))
    result = picture.measure(video, video)
    for column in picture.COLUMNS:
        if column in ("ssim_y", "ms_ssim_y"):
            assert result.values[column] == 1.0
        else:
            assert result.values[column] is None
            assert result.reasons[column] == "lossless"


def test_a_few_identical_frames_make_the_mean_infinite_and_say_how_many(tmp_path):
    layout = video_format("yuv420p", 64, 48, 3)
    one = constant_video(tmp_path / "one", layout, [(100, 100, 100)] * 3)
    two = constant_video(
        tmp_path / "two", layout, [(100, 101, 101), (101, 101, 101), (101, 101, 101)]
    )
    result = picture.measure(one, two)
    assert result.values["psnr_y_db"] is None
    assert result.reasons["psnr_y_db"] == "lossless in 1 of 3 frames"
    assert result.frames["psnr_y_db"][0] is None
    assert result.frames["psnr_y_db"][1] == pytest.approx(48.130804)
    assert result.values["psnr_u_db"] == pytest.approx(48.130804)


def test_small_pictures_have_reasons_in_place_of_ms_ssim_and_ssim(tmp_path):
    for width, height, missing in ((128, 96, {"ms_ssim_y"}), (16, 8, {"ms_ssim_y", "ssim_y"})):
        layout = video_format("yuv420p", width, height, 1)
        result = picture.measure(*noisy_pair(tmp_path, layout))
        absent = {column for column, value in result.values.items() if value is None}
        assert absent == missing | {"ms_ssim_y_db"}
        assert result.reasons["ms_ssim_y"] == "MS-SSIM undefined below 161 pixels"
        assert result.reasons["ms_ssim_y_db"] == "MS-SSIM undefined below 161 pixels"
    assert result.reasons["ssim_y"] == "SSIM undefined below 11 pixels"


def test_chroma_is_interpolated_at_left_siting():
    plane = np.random.default_rng(5).integers(0, 1023, (6, 8)).astype(np.float64)
    # chroma column i lies on luma column 2i, chroma row j half-way between rows 2j and 2j + 1
    columns, rows = np.arange(16) / 2, (np.arange(12) - 0.5) / 2
    wide = np.stack([np.interp(columns, np.arange(8), row) for row in plane])
    expected = np.stack([np.interp(rows, np.arange(6), column) for column in wide.T]).T
    assert chroma_rows(plane, 0, 12) == pytest.approx(expected)
    assert chroma_rows(plane, 3, 8) == pytest.approx(expected[3:8])


# 100 % colour bars, limited range: Y, Cb, Cr at 8 bit (BT.709: SMPTE RP 219; BT.601: BT.801)
@pytest.mark.parametrize(
    ("matrix", "samples", "expected"),
    [
        ("bt709", (235, 128, 128), (1, 1, 1)),
        ("bt709", (16, 128, 128), (0, 0, 0)),
        ("bt709", (63, 102, 240), (1, 0, 0)),
        ("bt709", (173, 42, 26), (0, 1, 0)),
        ("bt709", (32, 240, 118), (0, 0, 1)),
        ("bt601", (81, 90, 240), (1, 0, 0)),
        ("bt601", (145, 54, 34), (0, 1, 0)),
        ("bt601", (41, 240, 110), (0, 0, 1)),
    ],
)
@pytest.mark.parametrize("bit_depth", [8, 10])
def test_colour_bars_become_their_primaries(matrix, samples, expected, bit_depth):
    name = "yuv420p" if bit_depth == 8 else "yuv420p10le"
    layout = video_format(name, 4, 4, 1, matrix=matrix, range="limited")
    planes = [
        np.full(shape, value << (bit_depth - 8), np.uint16)
        for shape, value in zip(layout.plane_shapes, samples, strict=True)
    ]
    rgb = rgb_picture(planes, layout)
    assert rgb.shape == (3, 4, 4)
    assert rgb.min() >= 0
    assert rgb.max() <= 1
    for channel, value in zip(rgb, expected, strict=True):
        assert channel == pytest.approx(value, abs=0.006)


def test_full_range_709_and_back_is_the_same_picture():
    rgb = np.random.default_rng(2).integers(0, 256, (5, 7, 3)).astype(np.uint8)
    layout = video_format("yuv444p", 7, 5, 1, matrix="bt709", range="full")
    back = rgb_picture(full_range_709(rgb), layout)
    assert np.moveaxis(back, 0, 2) * 255 == pytest.approx(rgb.astype(float), abs=1e-9)


def test_rgb_pictures_are_judged_on_their_samples_and_on_709_luma(tmp_path):
    layout = video_format("rgb24", 180, 170, 1, range="full")
    reference, decoded = noisy_pair(tmp_path, layout)
    values = picture.measure(reference, decoded).values
    (ours,), (theirs,) = (next(video.frames()) for video in (reference, decoded))
    error = np.mean((ours.astype(float) - theirs) ** 2)
    assert values["psnr_rgb_db"] == pytest.approx(10 * math.log10(255**2 / error))
    luma = [
        cv2.transform(side.astype(np.float64), np.array([[0.2126, 0.7152, 0.0722]]))
        for side in (ours, theirs)
    ]
    error = np.mean((luma[0] - luma[1]) ** 2)
    assert values["psnr_y_db"] == pytest.approx(10 * math.log10(255**2 / error))
    assert values["ssim_y"] == pytest.approx(structural_similarity(*luma, 255)[0])
    assert values["ms_ssim_y"] is not None


def test_rgb_of_yuv_video_equals_a_conversion_of_the_whole_picture(tmp_path):
    layout = video_format("yuv420p10le", 64, 78, 1, matrix="bt2020")
    reference, decoded = noisy_pair(tmp_path, layout, noise=0.1)
    pictures = [rgb_picture(next(video.frames()), layout) for video in (reference, decoded)]
    expected = -10 * math.log10(np.mean((pictures[0] - pictures[1]) ** 2))
    assert picture.measure(reference, decoded).values["psnr_rgb_db"] == pytest.approx(expected)


def test_the_number_of_threads_changes_no_bit(tmp_path):
    reference, decoded = noisy_pair(tmp_path, video_format("yuv420p", 320, 180, 5))
    before = cv2.getNumThreads()
    try:
        cv2.setNumThreads(1)
        alone = picture.measure(reference, decoded, threads=1)
        cv2.setNumThreads(4)
        assert picture.measure(reference, decoded, threads=3) == alone
    finally:
        cv2.setNumThreads(before)


def test_memory_does_not_grow_with_the_length(tmp_path):
    counts, peaks = (6, 66), []
    for count in counts:
        layout = video_format("yuv420p", 320, 180, count)
        video = constant_video(tmp_path / f"{count}", layout, [(100, 100, 100)] * count)
        tracemalloc.start()
        picture.measure(video, video, threads=2)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    # what two threads hold at once varies a little; all further frames of both files do not fit in
    held = 2 * layout.frame_bytes * (counts[1] - counts[0])
    assert peaks[1] - peaks[0] < held / 3


def test_two_formats_are_refused_with_both(tmp_path):
    one = constant_video(tmp_path / "one", video_format("yuv420p", 64, 48, 1), [(1, 1, 1)])
    two = constant_video(tmp_path / "two", video_format("yuv420p", 48, 64, 1), [(1, 1, 1)])
    with pytest.raises(SequenceError, match=r"64x48 yuv420p with 1 frames.*48x64"):
        picture.measure(one, two)
