"""NeRV: parameter counts of the paper, pruning that lasts, and a whole round trip."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from inrkit.errors import CodecError
from inrkit.frame_decode import read_network
from inrkit.layers import macs_of, parameter_count
from inrkit.model_files import load_model
from inrkit.pruning import PrunableNetwork
from inrkit.schedule import WarmUpCosine
from inrkit.upsampling import choose_enlargement, coded_size, strides_of
from inrkit.video import RawFormat
from proposal_runs import code_and_decode, fit_job, modules_of, run_verb, write_clip

TINY: dict[str, Any] = {
    "rows": 5,
    "levels": 8,
    "stem_width": 8,
    "channels": 6,
    "expansion": 1,
    "least_channels": 6,
    "activation": "swish",
    "loss": "fusion6",
    "pruning": 0.5,
    "tuning": 0.5,
    "start_spread": 1.0,
    "batch": 2,
    "learning_rate": 1e-2,
    "warm_up": 0.2,
    "beta1": 0.5,
    "beta2": 0.999,
    "steps": 8,
}
POINT = {"qp": -32, "biases_qp_offset": -8}
# the trellis of dependent quantisation may move a zero by a step
SCALAR_POINT = {**POINT, "dependent_quantisation": 0}


def video(width: int, height: int, frames: int = 4) -> RawFormat:
    return RawFormat("yuv444p", width, height, frames, "bt709", "limited")


# NeRV, table 1 (3.2, 6.3 and 12.5 million) and the network of its comparison on UVG
@pytest.mark.parametrize(
    ("size", "fields", "strides", "count"),
    [
        ((1280, 720), {"channels": 26}, (5, 2, 2, 2, 2), 3_201_905),
        ((1280, 720), {"channels": 58}, (5, 2, 2, 2, 2), 6_282_001),
        ((1280, 720), {"channels": 112}, (5, 2, 2, 2, 2), 12_524_563),
        (
            (1920, 1080),
            {"channels": 48, "levels": 80, "expansion": 8, "activation": "gelu"},
            (5, 3, 2, 2, 2),
            15_087_331,
        ),
    ],
)
def test_the_papers_networks_have_their_parameter_counts(
    size: tuple[int, int], fields: dict[str, Any], strides: tuple[int, ...], count: int
) -> None:
    paper = {**TINY, "rows": 9, "levels": 40, "stem_width": 512, "least_channels": 96, **fields}
    with modules_of("nerv", "fit", "model") as (fit, model), torch.device("meta"):
        structure = fit.structure_of(video(*size), fit.Parameters(**paper))
        assert structure.strides == strides
        assert structure.stem_shape == (paper["channels"], 9, 16)
        network = model.NervNetwork(structure)
        assert parameter_count(network) == count


def test_multiply_accumulates_are_those_counted_by_hand() -> None:
    fields = {**TINY, "rows": 9, "least_channels": 4, "channels": 4}
    with modules_of("nerv", "fit", "model") as (fit, model):
        structure = fit.structure_of(video(32, 32), fit.Parameters(**fields))
        assert (structure.strides, structure.stem_shape) == ((2, 2), (4, 8, 8))
        by_hand = 16 * 8 + 8 * 256 + 9 * 4 * 16 * (8 * 8 + 16 * 16) + 4 * 3 * 32 * 32
        network = model.NervNetwork(structure)
        assert macs_of(network, torch.zeros(1, dtype=torch.long)) == by_hand


@pytest.mark.parametrize(
    ("size", "rows", "enlargement"),
    [((320, 176), 5, 36), ((320, 176), 9, 16), ((1920, 1080), 9, 120), ((17, 19), 9, 2)],
)
def test_every_size_is_padded_to_its_strides(
    size: tuple[int, int], rows: int, enlargement: int
) -> None:
    picture = size[1], size[0]
    chosen = choose_enlargement(picture, rows=rows)
    assert chosen == enlargement
    height, width = coded_size(picture, chosen)
    assert 0 <= width - size[0] < chosen and 0 <= height - size[1] < chosen


def test_sizes_and_enlargements_that_no_network_has_are_refused_in_a_sentence() -> None:
    with pytest.raises(CodecError, match=r"12x12 is too small .* 16 lines"):
        choose_enlargement((12, 12))
    for damaged in (0, 1, 14):
        with pytest.raises(CodecError, match="an enlargement"):
            strides_of(damaged)


def test_pruning_masks_the_smallest_weights_of_all_layers_together() -> None:
    layers = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Linear(2, 1))
    with torch.no_grad():
        layers[0].weight.copy_(torch.tensor([[1.0, -2.0], [3.0, -4.0]]))
        layers[1].weight.copy_(torch.tensor([[0.5, 9.0]]))
        layers[0].bias.fill_(0.1)
    model = PrunableNetwork(layers)
    model.prune(0.5)
    weights = model.weights()
    assert weights["0.weight"].tolist() == [[0.0, 0.0], [3.0, -4.0]]
    assert weights["1.weight"].tolist() == [[0.0, 9.0]]
    assert torch.equal(weights["0.bias"], torch.full((2,), 0.1))
    model(torch.ones(1, 2)).sum().backward()
    assert layers[0].weight.grad is not None
    assert layers[0].weight.grad[0].tolist() == [0.0, 0.0]


def test_after_pruning_the_schedule_starts_again() -> None:
    schedule = WarmUpCosine(100, warm_up=0.2, further=50)
    assert [round(schedule.factor(step), 3) for step in (99, 100, 105, 110)] == [0.0, 0.1, 0.55, 1]
    assert schedule.factor(149) < 0.01


def test_a_stem_starts_from_what_the_frames_look_like() -> None:
    with modules_of("nerv", "fit", "model") as (fit, model):
        from inrkit.fit import Frames

        structure = fit.structure_of(video(40, 40, 6), fit.Parameters(**TINY))
        ramp = np.arange(6, dtype=np.uint8)[:, None, None, None] * 40
        pictures = np.broadcast_to(ramp, (6, 3, 40, 40)).copy()
        frames = Frames(pictures, peak=255, device=torch.device("cpu"), size=structure.coded_size)
        torch.manual_seed(0)
        network = model.NervNetwork(structure)
        fit.start_stem(network, frames, structure, spread=1.0)
        drawn = network.stem[:3](network.encode_time(torch.arange(6)))
        first = drawn.view(6, *structure.stem_shape)[:, 0].flatten(1)
        assert first.std(correction=0).item() == pytest.approx(1, abs=0.1)
        together = torch.corrcoef(torch.stack([first.mean(dim=1), torch.arange(6.0)]))
        assert abs(together[0, 1].item()) > 0.98


def test_a_killed_and_pruned_fit_ends_in_the_same_bits_and_keeps_its_zeros(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "clip.yuv", width=70, height=64, frames=5)
    whole = run_verb("nerv", "fit", tmp_path / "fit", fit_job(source, TINY, tmp_path / "a"))
    assert whole.returncode == 0, whole.stderr
    for killed, step in (("at", 8), ("after", 10)):
        again = fit_job(source, TINY, tmp_path / f"checkpoint {killed}")
        folder = tmp_path / killed
        assert run_verb("nerv", "fit", folder, again, kill_at=step).returncode == -9
        resumed = run_verb("nerv", "fit", folder, again)
        assert f"resumed at step {step} of 12" in resumed.stderr
        same = (folder / "model" / "tensors.npz").read_bytes()
        assert same == (tmp_path / "fit" / "model" / "tensors.npz").read_bytes()
    tensors, _ = load_model(tmp_path / "fit" / "model")
    weights = np.concatenate([v.ravel() for n, v in tensors.items() if n.endswith("weight")])
    assert np.mean(weights == 0) == pytest.approx(0.5, abs=1 / len(weights))
    bitstream, decoded = code_and_decode("nerv", tmp_path, source, SCALAR_POINT)
    assert len(decoded) == 70 * 64 * 5 * 3 // 2
    assert 500 < len(bitstream) < 10_000
    with modules_of("nerv", "decode") as (decode,):
        names = {"codec_id": decode.CODEC_ID, "schema": decode.SCHEMA}
        _, network = read_network(bitstream, **names, build=decode.network_of)
        for name, value in network.named_parameters():
            held = tensors[name]
            assert np.abs(value.detach().numpy() - held).max() < 2**-6
            assert not name.endswith("weight") or (value.detach().numpy()[held == 0] == 0).all()
        with torch.inference_mode():
            coded = network(torch.arange(5))
            network.load_state_dict({n: torch.from_numpy(v) for n, v in tensors.items()})
            assert (network(torch.arange(5)) - coded).abs().max() < 0.05
        with pytest.raises(CodecError, match="checksum"):
            read_network(bitstream[:-9] + b"\0" * 9, **names, build=decode.network_of)


def test_one_frame_of_odd_size_is_coded_without_encoding_and_with_l2(tmp_path: Path) -> None:
    path = tmp_path / "still.rgb"
    path.write_bytes(np.random.default_rng(0).integers(0, 256, 19 * 17 * 3, np.uint8).tobytes())
    source = {
        "path": str(path),
        "pixel_format": "rgb24",
        "width": 19,
        "height": 17,
        "fps": 25,
        "frames": 1,
        "matrix": "bt709",
        "range": "full",
    }
    parameters = {**TINY, "levels": 0, "loss": "l2", "pruning": 0.0, "steps": 2}
    done = run_verb("nerv", "fit", tmp_path / "fit", fit_job(source, parameters, tmp_path / "a"))
    assert done.returncode == 0, done.stderr
    assert len(code_and_decode("nerv", tmp_path, source, POINT)[1]) == 19 * 17 * 3


def test_a_fit_that_diverges_ends_in_a_sentence(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "clip.yuv", width=64, height=64, frames=2)
    parameters = {**TINY, "learning_rate": 1e30}
    done = run_verb("nerv", "fit", tmp_path / "fit", fit_job(source, parameters, tmp_path / "a"))
    assert done.returncode == 1
    assert "the loss is nan at step" in done.stderr and "learning_rate" in done.stderr
