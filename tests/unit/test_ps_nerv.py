"""PS-NeRV: patches in their places, adaptive normalisation by hand, and a whole round trip."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from inrkit.errors import CodecError
from inrkit.frame_decode import read_network
from inrkit.layers import macs_of, parameter_count
from inrkit.model_files import load_model
from inrkit.video import RawFormat
from proposal_runs import code_and_decode, fit_job, modules_of, run_verb, write_clip

TINY: dict[str, Any] = {
    "rows": 4,
    "patch_rows": 2,
    "patch_columns": 3,
    "levels": 6,
    "place_levels": 3,
    "stem_width": 8,
    "style_width": 4,
    "channels": 6,
    "expansion": 1,
    "least_channels": 6,
    "batch": 2,
    "learning_rate": 1e-2,
    "warm_up": 0.2,
    "beta1": 0.9,
    "beta2": 0.95,
    "steps": 8,
}
POINT = {"qp": -32, "biases_qp_offset": -8}


def video(width: int, height: int, frames: int = 4) -> RawFormat:
    return RawFormat("yuv444p", width, height, frames, "bt709", "limited")


def test_patches_tile_any_picture() -> None:
    with modules_of("ps-nerv", "fit") as (fit,):
        for width, height in ((320, 176), (1920, 1080), (97, 65), (24, 24)):
            structure = fit.structure_of(video(width, height), fit.Parameters(**TINY))
            rows, columns = structure.coded_size
            assert rows >= height and columns >= width
            assert rows % 2 == 0 and columns % 3 == 0
            assert (
                structure.to_header().keys()
                == fit.Structure.from_header(structure.to_header()).to_header().keys()
            )
        with pytest.raises(CodecError, match=r"6x10 is too small"):
            fit.structure_of(video(18, 20), fit.Parameters(**{**TINY, "rows": 9}))


def test_patches_are_joined_row_by_row() -> None:
    with modules_of("ps-nerv", "fit", "model") as (fit, model):
        structure = fit.structure_of(video(48, 32), fit.Parameters(**TINY))
        network = model.PatchNetwork(structure)
        height, width = structure.patch_size
        numbers = torch.arange(12.0).view(12, 1, 1, 1).expand(12, 3, height, width)
        joined = network.join(numbers)
        assert joined.shape == (2, 3, 2 * height, 3 * width)
        corners = joined[:, 0, ::height, ::width]
        assert corners.tolist() == [[[0, 1, 2], [3, 4, 5]], [[6, 7, 8], [9, 10, 11]]]


def test_a_patch_is_a_function_of_its_own_time_and_place() -> None:
    with modules_of("ps-nerv", "fit", "model") as (fit, model):
        structure = fit.structure_of(video(48, 32), fit.Parameters(**TINY))
        encoded = model.PatchNetwork(structure).encode_patches(torch.tensor([1, 3]))
        assert encoded.shape == (2 * 2 * 3, 12 + 6 + 6)
        assert len({tuple(row) for row in encoded.tolist()}) == 12
        time, row, column = encoded[7].split([12, 6, 6])  # frame 3, row 0, column 1
        angle = np.pi * np.array([3 / 4, 0, 1 / 3])
        lowest = [part[:2].tolist() for part in (time, row, column)]
        assert np.allclose(lowest, np.stack([np.sin(angle), np.cos(angle)], axis=1), atol=1e-6)


def test_adaptive_normalisation_gives_the_styles_mean_and_deviation() -> None:
    with modules_of("ps-nerv", "model") as (model,):
        generator = torch.Generator().manual_seed(0)
        features = 5 + 3 * torch.randn(2, 4, 20, 20, generator=generator)
        scale = torch.tensor([[0.0, 1.0, 2.0, -0.5]]).repeat(2, 1)
        shift = torch.tensor([[0.0, -1.0, 4.0, 9.0]]).repeat(2, 1)
        styled = model.adaptive_instance_norm(features, scale, shift)
        assert torch.allclose(styled.mean(dim=(2, 3)), shift, atol=1e-4)
        assert torch.allclose(styled.std(dim=(2, 3), correction=0), 1 + scale, atol=1e-4)


def test_parameters_and_multiply_accumulates_are_those_counted_by_hand() -> None:
    fields = {**TINY, "rows": 9, "patch_rows": 1, "patch_columns": 2, "channels": 4}
    with modules_of("ps-nerv", "fit", "model") as (fit, model):
        structure = fit.structure_of(video(64, 32), fit.Parameters(**fields))
        assert (structure.strides, structure.stem_shape) == ((2, 2), (4, 8, 8))
        stem = (24 * 8, 8 * 8, 8 * 256)
        style = (24 * 4, 4 * 2 * 4)
        blocks = (9 * 4 * 16, 9 * 4 * 24)
        biases = 8 + 8 + 256 + 4 + 8 + 16 + 24 + 3
        network = model.PatchNetwork(structure)
        assert parameter_count(network) == sum(stem + style + blocks) + 6 * 3 + biases
        drawn = 64 * blocks[0] + 256 * blocks[1] + 1024 * 18
        counted = macs_of(network, torch.zeros(1, dtype=torch.long))
        assert counted == 2 * (sum(stem) + drawn + sum(style))


def test_a_killed_fit_ends_in_the_bits_of_an_undisturbed_one_and_decodes(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "clip.yuv", width=70, height=64, frames=5)
    whole = run_verb("ps-nerv", "fit", tmp_path / "fit", fit_job(source, TINY, tmp_path / "a"))
    assert whole.returncode == 0, whole.stderr
    again = fit_job(source, TINY, tmp_path / "b")
    assert run_verb("ps-nerv", "fit", tmp_path / "killed", again, kill_at=5).returncode == -9
    resumed = run_verb("ps-nerv", "fit", tmp_path / "killed", again)
    assert "resumed at step 5 of 8" in resumed.stderr
    models = [(tmp_path / name / "model" / "tensors.npz") for name in ("fit", "killed")]
    assert models[0].read_bytes() == models[1].read_bytes()
    bitstream, decoded = code_and_decode("ps-nerv", tmp_path, source, POINT)
    assert len(decoded) == 70 * 64 * 5 * 3 // 2
    assert 500 < len(bitstream) < 10_000
    with modules_of("ps-nerv", "decode") as (decode,):
        names = {"codec_id": decode.CODEC_ID, "schema": decode.SCHEMA}
        held, network = read_network(bitstream, **names, build=decode.network_of)
        assert (held.width, held.height, held.frames) == (70, 64, 5)
        tensors, _ = load_model(tmp_path / "fit" / "model")
        with torch.inference_mode():
            coded = network(torch.arange(5))
            network.load_state_dict({n: torch.from_numpy(v) for n, v in tensors.items()})
            assert (network(torch.arange(5)) - coded).abs().max() < 0.1
        with pytest.raises(CodecError, match="checksum"):
            read_network(bitstream[:-9] + b"\0" * 9, **names, build=decode.network_of)


def test_one_frame_of_odd_size_is_coded_without_style(tmp_path: Path) -> None:
    path = tmp_path / "still.rgb"
    path.write_bytes(np.random.default_rng(0).integers(0, 256, 25 * 33 * 3, np.uint8).tobytes())
    source = {
        "path": str(path),
        "pixel_format": "rgb24",
        "width": 33,
        "height": 25,
        "fps": 25,
        "frames": 1,
        "matrix": "bt709",
        "range": "full",
    }
    job = fit_job(source, {**TINY, "style_width": 0, "steps": 2}, tmp_path / "a")
    done = run_verb("ps-nerv", "fit", tmp_path / "fit", job)
    assert done.returncode == 0, done.stderr
    assert len(code_and_decode("ps-nerv", tmp_path, source, POINT)[1]) == 33 * 25 * 3


def test_a_fit_that_diverges_ends_in_a_sentence(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "clip.yuv", width=64, height=64, frames=2)
    job = fit_job(source, {**TINY, "learning_rate": 1e30}, tmp_path / "a")
    done = run_verb("ps-nerv", "fit", tmp_path / "fit", job)
    assert done.returncode == 1
    assert "the loss is nan at step" in done.stderr and "learning_rate" in done.stderr
