"""VMAF and XPSNR against what ffmpeg itself prints."""

import re
import subprocess

import pytest
from invrbench.metrics import external
from invrbench.metrics.colour import full_range_709
from invrbench.metrics.families import measure_unchecked
from invrbench.video.ffmpeg import find_ffmpeg
from invrbench.video.format import RawVideo
from raw_files import noisy_pair, random_frames, video_format, write_video


def printed(pattern, reference, decoded, graph):
    """A number from ffmpeg's log of a plain filter call."""
    layout = reference.format
    inputs = ["-f", "rawvideo", "-pixel_format", layout.pixel_format, "-framerate", "25"]
    inputs += ["-video_size", f"{layout.width}x{layout.height}", "-i"]
    command = [str(find_ffmpeg().path), "-hide_banner", "-nostdin", *inputs, str(decoded.path)]
    command += [*inputs, str(reference.path), "-lavfi", graph, "-f", "null", "-"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(re.search(pattern, done.stderr).group(1))


@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv420p10le", "yuv444p"])
def test_both_values_are_those_that_ffmpeg_prints(tmp_path, pixel_format):
    reference, decoded = noisy_pair(tmp_path, video_format(pixel_format, 176, 144, 4))
    result = external.measure(reference, decoded)
    vmaf = printed(r"VMAF score: (\S+)", reference, decoded, "libvmaf")
    xpsnr = printed(r"XPSNR  y: (\S+)", reference, decoded, "xpsnr")
    assert result.values["vmaf"] == pytest.approx(vmaf, abs=1e-5)
    assert result.values["xpsnr_y_db"] == pytest.approx(xpsnr, abs=1e-4)
    assert 0 < result.values["vmaf"] < 100
    assert [len(values) for values in result.frames.values()] == [4, 4]
    assert result.versions["vmaf"].startswith("libvmaf ")
    assert "vmaf_v0.6.1" in result.versions["vmaf"]
    assert not result.reasons


def test_identical_files_have_a_vmaf_and_a_lossless_xpsnr(tmp_path):
    layout = video_format("yuv420p", 64, 64, 2)
    video = write_video(tmp_path / "a", layout, random_frames(layout, seed=1))
    result = external.measure(video, video)
    assert result.values["vmaf"] > 90
    assert result.values["xpsnr_y_db"] is None
    assert result.reasons == {"xpsnr_y_db": "lossless"}
    assert result.frames["xpsnr_y_db"] == [None, None]


def test_vmaf_is_undefined_for_tiny_pictures_and_defined_at_128x96(tmp_path):
    tiny = external.measure(*noisy_pair(tmp_path, video_format("yuv420p", 16, 16, 2)))
    assert tiny.values["vmaf"] is None
    assert tiny.reasons == {"vmaf": "VMAF undefined below 32 pixels"}
    assert tiny.values["xpsnr_y_db"] > 0
    small = external.measure(*noisy_pair(tmp_path, video_format("yuv420p", 128, 96, 1)))
    assert not small.reasons


def test_rgb_is_judged_on_full_range_709(tmp_path):
    layout = video_format("rgb24", 64, 48, 2, range="full")
    reference, decoded = noisy_pair(tmp_path, layout)
    as_yuv = []
    for name, video in (("r.yuv", reference), ("d.yuv", decoded)):
        frames = [
            [plane.round().clip(0, 255).astype("u1") for plane in full_range_709(rgb)]
            for (rgb,) in video.frames()
        ]
        as_yuv.append(write_video(tmp_path / name, video_format("yuv444p", 64, 48, 2), frames))
    assert external.measure(reference, decoded).values == external.measure(*as_yuv).values


def test_a_folder_with_every_special_character_of_a_filter_graph_works(tmp_path, monkeypatch):
    folder = tmp_path / "a:b, [c];d'e\\f=g %h"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    pair = noisy_pair(folder, video_format("yuv420p", 64, 48, 1))
    assert external.measure(*pair).values["vmaf"] is not None


def test_only_the_frames_of_the_format_are_judged(tmp_path):
    reference, decoded = noisy_pair(tmp_path, video_format("yuv420p", 64, 48, 5))
    short = reference.format.with_frames(2)
    first = measure_unchecked(
        "ffmpeg", RawVideo(reference.path, short), RawVideo(decoded.path, short)
    )
    assert [len(values) for values in first.frames.values()] == [2, 2]
    whole = external.measure(reference, decoded)
    assert first.frames["xpsnr_y_db"] == whole.frames["xpsnr_y_db"][:2]
