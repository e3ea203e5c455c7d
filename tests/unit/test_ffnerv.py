"""FFNeRV: parameter counts of the paper, aggregation by hand, and a whole round trip."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch
from inrkit.errors import CodecError
from inrkit.layers import parameter_count
from inrkit.upsampling import coded_size
from inrkit.video import RawFormat, from_rgb
from proposal_runs import code_and_decode, fit_job, modules_of, run_verb, write_clip

TINY: dict[str, Any] = {
    "channels": 8,
    "expansion": 1,
    "least_channels": 8,
    "is_compact": True,
    "aggregates": True,
    "grid_lengths": [2, 4],
    "bits": 8,
    "batch": 1,
    "learning_rate": 1e-2,
    "grid_rate": 1.0,
    "grid_spread": 1.0,
    "warm_up": 0.2,
    "beta1": 0.5,
    "beta2": 0.95,
    "steps": 8,
}


def clip(width: int, height: int, frames: int) -> RawFormat:
    return RawFormat("yuv420p", width, height, frames, "bt709", "limited")


def structure_of(module: Any, video: RawFormat, **fields: Any) -> Any:
    return module.Structure(video, module.choose_enlargement(video), **fields)


def test_the_papers_two_networks_have_their_parameter_counts() -> None:
    with modules_of("ffnerv", "structure", "model") as (structure, model), torch.device("meta"):
        representation = structure_of(
            structure,
            clip(1280, 720, 132),
            channels=156,
            expansion=1,
            least_channels=96,
            is_compact=False,
            grid_lengths=(64, 128, 256, 512),
        )
        compression = structure_of(
            structure,
            clip(1920, 1080, 600),
            channels=48,
            expansion=8,
            least_channels=24,
            is_compact=True,
            grid_lengths=(300, 600),
        )
        assert representation.strides == (5, 2, 2, 2, 2)
        assert compression.strides == (5, 3, 2, 2, 2)
        assert compression.grid_shapes[0] == (300, 24, 9, 16)
        assert compression.flow_scale == 4
        assert parameter_count(model.FfnervNetwork(representation)) == 12_408_509
        assert parameter_count(model.FfnervNetwork(compression)) == 11_308_169


@pytest.mark.parametrize(
    ("channels", "expansion", "count"),
    [(16, 4, 539_433), (16, 8, 1_097_001), (24, 8, 2_310_569), (32, 8, 3_985_097)],
)
def test_the_narrower_compression_networks_have_the_parameters_the_readme_gives(
    channels: int, expansion: int, count: int
) -> None:
    with modules_of("ffnerv", "structure", "model") as (structure, model), torch.device("meta"):
        narrow = structure_of(
            structure,
            clip(1920, 1080, 96),
            channels=channels,
            expansion=expansion,
            least_channels=24,
            is_compact=True,
            grid_lengths=(48, 96),
        )
        assert parameter_count(model.FfnervNetwork(narrow)) == count


def test_every_size_gets_grids_of_8_to_12_rows() -> None:
    with modules_of("ffnerv", "structure") as (structure,):
        for width, height in ((320, 176), (176, 144), (416, 240), (832, 480), (2048, 1088)):
            video = clip(width, height, 8)
            enlargement = structure.choose_enlargement(video)
            rows, columns = coded_size((height, width), enlargement)
            assert rows >= height and columns >= width
            assert 8 <= rows // enlargement <= 13
        assert structure.choose_enlargement(clip(60, 60, 8)) == 4
        with pytest.raises(CodecError, match=r"30x30 is too small .* pictures of 32 lines"):
            structure.choose_enlargement(clip(30, 30, 8))


def test_grids_are_read_linearly_from_their_first_to_their_last_time() -> None:
    with modules_of("ffnerv", "structure", "model") as (structure, model):
        shape = structure_of(
            structure,
            clip(64, 64, 5),
            channels=2,
            expansion=1,
            least_channels=2,
            is_compact=False,
            grid_lengths=(2, 5),
        )
        grids = model.TemporalGrids(shape)
        with torch.no_grad():
            for grid in grids.grids:
                steps = torch.linspace(0, 1, len(grid))
                grid.copy_(steps.view(-1, 1, 1, 1).expand_as(grid))
        read = grids(torch.arange(5))
        assert read.shape == (5, 2, 8, 8)
        expected = torch.linspace(0, 1, 5).view(5, 1, 1, 1).expand_as(read)
        assert torch.allclose(read, expected)


def drawn(model: Any, *, flow: tuple[float, float], blend: tuple[float, float]) -> Any:
    """One drawn frame of 8×8 whose own colour is 0.5, with the same flow everywhere."""
    weights = torch.zeros(1, 4, 2, 2)
    weights[:, 2] = 50.0  # the next frame only
    return model.Drawn(
        frames=torch.full((1, 3, 8, 8), 0.5),
        flows=torch.tensor(flow).view(1, 1, 2, 1, 1).expand(1, 4, 2, 2, 2),
        weights=weights,
        blend=torch.tensor(blend).view(1, 2, 1, 1).expand(1, 2, 8, 8),
    )


def test_a_flow_of_half_a_coarse_pixel_moves_a_neighbour_by_two_columns() -> None:
    with modules_of("ffnerv", "model") as (model,):
        neighbours = torch.rand(1, 4, 3, 8, 8, generator=torch.Generator().manual_seed(0))
        given = drawn(model, flow=(0.5, 0.0), blend=(0.0, 0.0))
        shown, aggregated = model.aggregate(given, neighbours)
        following = neighbours[:, 2]
        assert torch.allclose(aggregated[..., :6], following[..., 2:], atol=1e-5)
        # beyond the border its last column is repeated
        assert torch.allclose(aggregated[..., 7], following[..., 7], atol=1e-5)
        assert torch.allclose(shown, 0.5 * (aggregated + 0.5), atol=1e-5)


def test_the_blend_chooses_between_own_and_aggregated_frame() -> None:
    with modules_of("ffnerv", "model") as (model,):
        neighbours = torch.rand(1, 4, 3, 8, 8, generator=torch.Generator().manual_seed(0))
        own, _ = model.aggregate(drawn(model, flow=(0.0, 0.0), blend=(50.0, 0.0)), neighbours)
        given = drawn(model, flow=(0.0, 0.0), blend=(0.0, 50.0))
        other, aggregated = model.aggregate(given, neighbours)
        assert torch.allclose(own, torch.full_like(own, 0.5))
        assert torch.allclose(other, neighbours[:, 2], atol=1e-5)
        assert torch.allclose(other, aggregated)


def test_one_frame_is_refused_in_a_sentence() -> None:
    with modules_of("ffnerv", "fit") as (fit,):
        with pytest.raises(CodecError, match="one frame; ffnerv codes two or more"):
            fit.structure_of(clip(64, 64, 1), fit.Parameters(**TINY))
        parameters = dataclasses.replace(fit.Parameters(**TINY), grid_lengths=[1, 2, 3])
        with pytest.raises(CodecError, match="3 grids for 8 channels"):
            fit.structure_of(clip(64, 64, 4), parameters)


def test_a_killed_quantised_fit_ends_in_the_same_bits_and_its_levels_are_coded_losslessly(
    tmp_path: Path,
) -> None:
    source = write_clip(tmp_path / "clip.yuv", width=70, height=64, frames=5)
    whole = run_verb("ffnerv", "fit", tmp_path / "fit", fit_job(source, TINY, tmp_path / "a"))
    assert whole.returncode == 0, whole.stderr
    again = fit_job(source, TINY, tmp_path / "b")
    assert run_verb("ffnerv", "fit", tmp_path / "killed", again, kill_at=5).returncode == -9
    resumed = run_verb("ffnerv", "fit", tmp_path / "killed", again)
    assert "resumed at step 5 of 8" in resumed.stderr
    models = [(tmp_path / name / "model" / "tensors.npz") for name in ("fit", "killed")]
    assert models[0].read_bytes() == models[1].read_bytes()
    bitstream, decoded = code_and_decode("ffnerv", tmp_path, source, {})
    assert len(decoded) == 70 * 64 * 5 * 3 // 2
    with modules_of("ffnerv", "decode") as (decode,):
        from inrkit.model_files import load_model

        _, network = decode.read_network(bitstream)
        levels, _ = load_model(tmp_path / "fit" / "model")
        for name, weights in network.named_parameters():
            assert torch.equal(weights, torch.from_numpy(levels[name]).float() / 127)


def test_without_aggregation_the_independent_frames_are_shown(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "clip.yuv", width=70, height=64, frames=5)
    parameters = TINY | {"aggregates": False, "bits": 0}
    done = run_verb("ffnerv", "fit", tmp_path / "fit", fit_job(source, parameters, tmp_path / "a"))
    assert done.returncode == 0, done.stderr
    bitstream, decoded = code_and_decode("ffnerv", tmp_path, source, {"qp": -60})
    with modules_of("ffnerv", "decode") as (decode,):
        structure, network = decode.read_network(bitstream)
        assert network.flow_head is None
        with torch.inference_mode():
            first = network(torch.tensor([0])).frames[0, :, :64, :70].numpy()
        planes = from_rgb(first, structure.video)
    assert decoded[: 70 * 64 * 3 // 2] == b"".join(plane.tobytes() for plane in planes)
