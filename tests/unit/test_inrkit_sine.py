"""Sine networks: parameter counts of the papers, one network in numpy and torch, lattices."""

import math
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from inrkit import sine_gradient
from inrkit.fit import Training, fit
from inrkit.job import Source
from inrkit.schedule import WarmUpCosine
from inrkit.sine import Floats, SineShape, axis_coordinates, evaluate
from inrkit.sine_fit import (
    SineNetwork,
    Target,
    autograd_error,
    draw,
    lattice_counts,
    lattice_loss,
)
from inrkit.sine_gradient import squared_error
from inrkit.video import RawFormat
from proposal_runs import write_clip


def tensors_of(shape: SineShape) -> dict[str, Floats]:
    rng = np.random.default_rng(0)
    return {name: rng.normal(0, 0.06, s).astype(np.float32) for name, s in shape.layout.items()}


def axes_of(counts: Sequence[int], encoded: Sequence[int]) -> list[Floats]:
    """Inputs of axes: the coordinate and its powers."""
    return [
        np.stack([axis_coordinates(n) ** (k + 1) for k in range(e)], axis=1).astype(np.float32)
        for n, e in zip(counts, encoded, strict=True)
    ]


def reference(tensors: dict[str, Floats], shape: SineShape, axes: list[Floats]) -> Floats:
    """Values (N0, …, outputs) of the network as it is drawn, at every crossing, in float64."""
    grids = np.meshgrid(*[np.arange(len(axis)) for axis in axes], indexing="ij")
    inputs = [axis[grid.ravel()] for axis, grid in zip(axes, grids, strict=True)]
    hidden = np.concatenate(inputs, axis=1).astype(np.float64)
    for index in range(shape.sine_layers):
        weight, bias = tensors[f"layers.{index}.weight"], tensors[f"layers.{index}.bias"]
        hidden = np.sin(30 * (hidden @ weight.T + bias))
    last = shape.sine_layers
    values = hidden @ tensors[f"layers.{last}.weight"].T + tensors[f"layers.{last}.bias"]
    return values.reshape(*(len(axis) for axis in axes), shape.outputs).astype(np.float32)


@pytest.mark.parametrize(
    ("inputs", "width", "sine_layers", "outputs", "parameters"),
    [
        # SIREN: image with one and three outputs, video; COIN 5×20; INRIC Q1
        ((1, 1), 256, 4, 1, 198_401),
        ((1, 1), 256, 4, 3, 198_915),
        ((1, 1, 1), 1024, 4, 3, 3_155_971),
        ((1, 1), 20, 5, 3, 1_803),
        ((33, 33), 32, 4, 3, 5_411),
    ],
)
def test_shapes_have_the_papers_parameter_counts(
    inputs: tuple[int, ...], width: int, sine_layers: int, outputs: int, parameters: int
) -> None:
    shape = SineShape(inputs, width, sine_layers, outputs)
    assert shape.parameters == parameters
    assert sum(p.numel() for p in SineNetwork(shape, []).parameters()) == parameters


def test_splitting_the_first_layer_and_the_strips_change_nothing() -> None:
    shape = SineShape((3, 2), hidden_width=40, sine_layers=4)
    tensors, axes = tensors_of(shape), axes_of((90, 700), shape.inputs)  # more than one strip
    (picture,) = evaluate(tensors, shape, axes)
    expected = np.moveaxis(reference(tensors, shape, axes), 2, 0)
    assert np.abs(picture - expected).max() < 2e-3


def test_numpy_torch_and_float64_agree_on_every_frame_of_a_video() -> None:
    shape = SineShape((1, 2, 1), hidden_width=16, sine_layers=3)
    tensors, axes = tensors_of(shape), axes_of((4, 9, 11), shape.inputs)
    expected = reference(tensors, shape, axes)
    frames = np.stack(list(evaluate(tensors, shape, axes)))
    assert np.abs(np.moveaxis(frames, 1, 3) - expected).max() < 1e-3
    network = SineNetwork(shape, axes)
    network.load_state_dict({name: torch.from_numpy(value) for name, value in tensors.items()})
    with torch.inference_mode():
        crossed = network(*network.axes)
    assert np.abs(crossed.numpy() - expected).max() < 1e-3


def test_initial_weights_follow_siren_and_biases_the_paper_at_hand() -> None:
    torch.manual_seed(0)
    shape = SineShape((33, 33), hidden_width=128, sine_layers=4)
    others = math.sqrt(6 / 128) / 30
    for draws_biases in (False, True):
        layers = SineNetwork(shape, [], draws_biases=draws_biases).layers
        reach = [layer.weight.abs().max().item() for layer in layers]
        assert reach == pytest.approx([1 / 66, others, others, others, others], rel=0.02)
        biases = [layer.bias.abs().max().item() for layer in layers[:4]]
        torchs = [1 / math.sqrt(n) for n in (66, 128, 128, 128)]
        expected = [1 / 66, others, others, others] if draws_biases else torchs
        assert biases == pytest.approx(expected, rel=0.1)


def test_lattices_visit_every_row_equally_often_and_leave_no_gap() -> None:
    generator = torch.Generator().manual_seed(0)
    drawn = torch.stack([draw(272, 48, generator) for _ in range(5000)])
    assert drawn.diff(dim=1).min() >= 0
    assert drawn.diff(dim=1).max() <= 2 * 272 / 48
    share = torch.bincount(drawn.flatten(), minlength=272) / 5000 * 272 / 48
    assert share.shape == (272,)
    assert (share - 1).abs().max() < 0.15
    assert draw(7, 7, generator).tolist() == list(range(7))


@pytest.mark.parametrize("counts", [(1, 1), (1, 4000), (3, 5, 7), (600, 1080, 1920)])
def test_a_lattice_fits_any_size_and_holds_no_more_than_asked(counts: tuple[int, ...]) -> None:
    chosen = lattice_counts(counts, 2048)
    assert all(1 <= n <= count for n, count in zip(chosen, counts, strict=True))
    assert math.prod(chosen) <= 2048


def test_the_loss_on_a_lattice_is_that_of_all_places_on_average(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "clip.yuv", width=24, height=16, frames=4)
    held = RawFormat("yuv420p", 24, 16, 4, "bt709", "limited")
    target = Target(
        Source(Path(source["path"]), held, Fraction(25)), torch.device("cpu"), low=-1, high=1
    )
    shape = SineShape((1, 1, 1), hidden_width=8, sine_layers=2)
    network = SineNetwork(shape, axes_of((4, 16, 24), (1, 1, 1)))
    generator = torch.Generator().manual_seed(0)
    with torch.inference_mode():
        whole, error = lattice_loss(network, target, places=0)(0, generator)
        of_step = lattice_loss(network, target, places=300)
        drawn = torch.stack([of_step(step, generator)[0] for step in range(400)])
    assert error.item() == pytest.approx(whole.item() / 4)
    assert drawn.mean().item() == pytest.approx(whole.item(), rel=0.02)


@pytest.mark.parametrize(
    ("inputs", "counts", "strip_values"),
    [
        ((1, 1), (30, 41), 1 << 17),  # one strip
        ((1, 1), (30, 41), 1 << 9),  # 39 strips, the last of them cut
        ((2, 1, 3), (3, 8, 9), 1 << 10),
        ((3,), (500,), 1 << 10),  # places in no order
    ],
)
def test_the_hand_written_gradient_is_autograds(
    inputs: tuple[int, ...],
    counts: tuple[int, ...],
    strip_values: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sine_gradient._STRIP_VALUES, "cpu", strip_values)
    torch.manual_seed(0)
    network = SineNetwork(SineShape(inputs, 16, 4), axes_of(counts, inputs))
    target = torch.rand(*counts, 3)
    errors, gradients = [], []
    for error_of in (autograd_error, squared_error):
        network.zero_grad()
        error = error_of(network, network.axes, target)
        (3 * error).backward()
        errors.append(error.item())
        gradients.append([p.grad.clone() for p in network.parameters() if p.grad is not None])
    assert errors[1] == pytest.approx(errors[0], rel=1e-5)
    for found, expected in zip(gradients[1], gradients[0], strict=True):
        reach = expected.abs().max().item()
        torch.testing.assert_close(found, expected, atol=1e-4 * reach, rtol=0)


@pytest.mark.parametrize(("keep_from", "kept"), [(0.0, 3), (0.5, 7)])
def test_the_best_weights_are_looked_for_from_the_asked_step_on(
    keep_from: float, kept: int, tmp_path: Path
) -> None:
    losses = [5.0, 4.0, 3.0, 1.0, 9.0, 8.0, 7.0, 2.0, 6.0, 6.0]
    network = torch.nn.Linear(1, 1)
    seen: list[float] = []

    def loss_of(step: int, _: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        seen.append(network.bias.item())
        loss = network.bias.sum()
        loss = loss + (losses[step] - loss).detach()
        return loss, loss

    schedule = WarmUpCosine(10)
    training = Training(
        10, 0.1, schedule, seed=0, precision="fp32", keep="best", keep_from=keep_from
    )
    fit(network, loss_of, training, checkpoint=tmp_path, key="k")
    assert network.bias.item() == seen[kept]
