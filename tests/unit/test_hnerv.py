"""HNeRV: parameter counts of the paper, strides of any size, and a whole round trip."""

import math
from pathlib import Path

import numpy as np
import pytest
from inrkit.errors import CodecError
from inrkit.layers import parameter_count
from inrkit.video import RawFormat
from proposal_runs import code_and_decode, fit_job, modules_of, run_verb, write_clip

TINY = {
    "million_values": 0.01,
    "least_channels": 6,
    "encoder": "convnext",
    "table_rate": 1.0,
    "table_spread": 3.0,
    "batch": 2,
    "learning_rate": 1e-2,
    "beta2": 0.95,
    "warm_up": 0.1,
    "steps": 8,
}
POINT = {"qp": -32, "embeddings_qp_offset": 16, "biases_qp_offset": -8}


def clip(width: int, height: int, frames: int) -> RawFormat:
    return RawFormat("yuv420p", width, height, frames, "bt709", "limited")


# HNeRV, table 1 and the published checkpoints: decoder weights, embedding values
@pytest.mark.parametrize(
    ("video", "size", "strides", "widths", "weights", "embeddings"),
    [
        ((1280, 640, 132), 0.35, (5, 4, 4, 2, 2), [32, 27, 22, 18, 15, 12], 312_830, 16_896),
        ((1280, 640, 132), 0.75, (5, 4, 4, 2, 2), [48, 40, 33, 28, 23, 19], 719_256, 16_896),
        ((1280, 640, 132), 1.5, (5, 4, 4, 2, 2), [68, 57, 48, 40, 33, 28], 1_488_276, 16_896),
        ((1280, 640, 132), 3.0, (5, 4, 4, 2, 2), [97, 81, 68, 57, 48, 40], 3_012_686, 16_896),
        ((1920, 960, 600), 1.5, (5, 4, 4, 3, 2), None, 1_345_767, 76_800),
        ((1920, 960, 600), 3.0, (5, 4, 4, 3, 2), None, 2_837_465, 76_800),
    ],
)
def test_sizes_of_the_paper_have_its_parameter_counts(
    video: tuple[int, int, int],
    size: float,
    strides: tuple[int, ...],
    widths: list[int] | None,
    weights: int,
    embeddings: int,
) -> None:
    with modules_of("hnerv", "structure", "model") as (structure, model):
        chosen = structure.choose_strides(clip(*video))
        assert chosen == strides
        channels = structure.solve_channels(clip(*video), chosen, million_values=size)
        shape = structure.Structure(clip(*video), chosen, channels)
        assert widths is None or shape.widths == widths
        assert parameter_count(model.HnervDecoder(shape)) == weights
        assert math.prod(shape.embedding_shape) == embeddings


@pytest.mark.parametrize(
    ("width", "height", "strides", "coded"),
    [
        (960, 480, (5, 4, 3, 2, 2), (480, 960)),  # the paper's third size
        (1280, 720, (4, 4, 4, 2, 2), (768, 1280)),
        (320, 176, (4, 4, 2, 2), (192, 320)),
        (176, 144, (3, 3, 2, 2), (144, 180)),
        (17, 16, (2, 2, 2, 2), (16, 32)),
    ],
)
def test_every_size_gets_strides_and_is_padded_to_them(
    width: int, height: int, strides: tuple[int, ...], coded: tuple[int, int]
) -> None:
    with modules_of("hnerv", "structure") as (structure,):
        video = RawFormat("yuv444p", width, height, 4, "bt709", "limited")
        assert structure.choose_strides(video) == strides
        assert structure.coded_size(video, strides) == coded


def test_what_hnerv_cannot_code_is_refused_in_a_sentence() -> None:
    with modules_of("hnerv", "structure") as (structure,):
        with pytest.raises(CodecError, match=r"14x14 is too small .* 16 lines"):
            structure.choose_strides(RawFormat("yuv444p", 14, 14, 1, "bt709", "limited"))
        with pytest.raises(CodecError, match=r"embeddings of 600 frames .* enlarge"):
            video = clip(320, 176, 600)
            structure.solve_channels(video, (4, 4, 2, 2), million_values=0.1)


def test_a_killed_fit_ends_in_the_bits_of_an_undisturbed_one_and_decodes(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "clip.yuv", width=70, height=64, frames=5)
    whole = run_verb("hnerv", "fit", tmp_path / "fit", fit_job(source, TINY, tmp_path / "a"))
    assert whole.returncode == 0, whole.stderr
    again = fit_job(source, TINY, tmp_path / "b")
    assert run_verb("hnerv", "fit", tmp_path / "killed", again, kill_at=5).returncode == -9
    resumed = run_verb("hnerv", "fit", tmp_path / "killed", again)
    assert "resumed at step 5 of 8" in resumed.stderr
    models = [(tmp_path / name / "model" / "tensors.npz") for name in ("fit", "killed")]
    assert models[0].read_bytes() == models[1].read_bytes()
    bitstream, decoded = code_and_decode("hnerv", tmp_path, source, POINT)
    assert len(decoded) == 70 * 64 * 5 * 3 // 2
    assert 2000 < len(bitstream) < 20_000


def test_without_learnt_embeddings_none_is_transmitted_and_frames_still_differ(
    tmp_path: Path,
) -> None:
    source = write_clip(tmp_path / "clip.yuv", width=70, height=64, frames=5)
    parameters = TINY | {"encoder": "none", "steps": 30}
    done = run_verb("hnerv", "fit", tmp_path / "fit", fit_job(source, parameters, tmp_path / "a"))
    assert done.returncode == 0, done.stderr
    with np.load(tmp_path / "fit" / "model" / "tensors.npz") as held:
        assert "embedding" not in held.files
    _, decoded = code_and_decode("hnerv", tmp_path, source, POINT)
    frames = np.frombuffer(decoded, np.uint8).reshape(5, -1)
    assert all((frames[i] != frames[i + 1]).any() for i in range(4))
