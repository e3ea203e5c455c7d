"""Values that others published for pictures of theirs; needs ../shared/data beside the clone."""

from fractions import Fraction
from pathlib import Path

import pytest
from invrbench.metrics import perceptual
from invrbench.metrics.families import measure
from invrbench.metrics.handheld import measure_files
from invrbench.metrics.trunk import ENVIRONMENT_VARIABLE
from invrbench.video.format import RawVideo, VideoFormat

DATA = Path(__file__).parents[3] / "shared" / "data"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason=f"needs the pictures in {DATA}")


@needs_data
@pytest.mark.parametrize(
    ("name", "psnr_y", "iv_psnr"),
    [("origJpgCompressed", 34.3362, 39.1335), ("synthesized", 34.0128, 44.3555)],
)
def test_fencing_has_the_psnr_and_iv_psnr_of_qmiv_7_1(name, psnr_y, iv_psnr):
    layout = VideoFormat("yuv420p", 1920, 1080, Fraction(25), 1)
    reference, decoded = (
        RawVideo(DATA / "ivpsnr" / f"Fencing_v8_{kind}_1920x1080_yuv420p.yuv", layout)
        for kind in ("original", name)
    )
    values = measure("view", reference, decoded).values
    assert values["iv_psnr_db"] == pytest.approx(iv_psnr, abs=6e-5)
    values = measure("picture", reference, decoded).values
    assert values["psnr_y_db"] == pytest.approx(psnr_y, abs=6e-5)


@needs_data
@pytest.mark.parametrize(("name", "published"), [("ex_p0", 0.722), ("ex_p1", 0.138)])
def test_lpips_of_the_examples_is_the_published_one(monkeypatch, name, published):
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, str(DATA / "lpips" / "alexnet-trunk.pth"))
    result = measure_files(
        DATA / "lpips" / "ex_ref.png", DATA / "lpips" / f"{name}.png", metrics=["lpips"]
    )
    assert result["lpips"] == pytest.approx(published, abs=5e-4)


@needs_data
def test_lpips_does_not_depend_on_how_frames_are_batched(monkeypatch, tmp_path):
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, str(DATA / "lpips" / "alexnet-trunk.pth"))
    original = DATA / "ivpsnr" / "Fencing_v8_original_1920x1080_yuv420p.yuv"
    video = RawVideo(tmp_path / "v", VideoFormat("yuv420p", 96, 80, Fraction(25), 5))
    other = RawVideo(tmp_path / "w", video.format)
    samples = original.read_bytes()
    video.path.write_bytes(samples[: video.format.file_bytes])
    other.path.write_bytes(samples[10**6 :][: video.format.file_bytes])
    together = perceptual.measure(video, other)
    monkeypatch.setattr(perceptual, "_BATCH_FRAMES", 1)
    alone = perceptual.measure(video, other)
    assert together.frames["lpips"] == pytest.approx(alone.frames["lpips"], abs=1e-6)
    assert together.values["lpips"] == pytest.approx(sum(alone.frames["lpips"]) / 5, abs=1e-6)
