"""AdaRound and quantised fine-tuning: the papers' formulas, and what both are good for."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from inrkit import adaround
from inrkit.adaround import Dense, Rounding, round_layers
from inrkit.errors import CodecError
from inrkit.fit import Training
from inrkit.levels import dequantise
from inrkit.qat import fine_tune, fit_quantisers, levels_of
from inrkit.quantise import FixedQuantiser
from inrkit.schedule import WarmUpCosine
from torch import nn


@pytest.mark.parametrize(
    ("alpha", "h"),
    [
        # sigmoid(α)·1.2 − 0.1, clipped: σ(1) = 0.7310586, σ(−2.5) = 0.0758582, σ(3) = 0.9525741
        (0.0, 0.5),
        (1.0, 0.7772703),
        (-2.5, 0.0),
        (3.0, 1.0),
    ],
)
def test_the_rectified_sigmoid_is_adarounds(alpha: float, h: float) -> None:
    assert adaround.rectified_sigmoid(torch.tensor(alpha)).item() == pytest.approx(h, abs=1e-6)


def test_rounding_starts_from_the_trained_weights() -> None:
    fraction = torch.linspace(0, 0.999, 50)
    h = adaround.rectified_sigmoid(adaround.initial_alpha(fraction))
    assert (h - fraction).abs().max() < 1e-6


def test_the_exponent_falls_from_20_to_2_after_the_warm_start() -> None:
    betas = [adaround.beta_at(step, 1000) for step in range(1000)]
    assert betas[:200] == [None] * 200
    assert betas[200] == 20
    assert betas[400] == pytest.approx(2 + 9 * (1 + math.cos(math.pi / 4)))
    assert betas[999] == pytest.approx(2, abs=1e-3)


def dense(weight: torch.Tensor, bias: torch.Tensor, step: float, *, bits: int = 4) -> Dense:
    quantiser = FixedQuantiser(np.float32(step), bits)
    return Dense(weight, bias, quantiser, FixedQuantiser(np.float32(1e-4), 16), torch.sin)


def test_rounding_takes_neighbouring_levels_and_lessens_the_error_of_the_output() -> None:
    generator = torch.Generator().manual_seed(0)
    # correlated inputs, as neighbouring places give them: errors of weights can cancel
    inputs = torch.randn(400, 3, generator=generator) @ torch.randn(3, 20, generator=generator)
    weight = torch.randn(8, 20, generator=generator) * 0.1
    bias = torch.zeros(8)
    layer = dense(weight, bias, 0.05)
    rounding = Rounding(steps=500, learning_rate=1e-2, regulariser=1e-2)
    (soft,) = round_layers([layer], inputs, rounding)
    rounded = layer.of_weight.forward(soft)
    assert (rounded - weight).abs().max() < 0.05 + 1e-6
    exact = layer.outputs(inputs, weight, bias)
    errors = [
        (layer.outputs(inputs, used, bias) - exact).square().mean().item()
        for used in (rounded, layer.of_weight.forward(weight))
    ]
    assert errors[0] < 0.3 * errors[1]


def test_rounding_finds_the_best_choice_of_a_small_layer() -> None:
    # the output is 1.15 times the place: 0 is what nearest levels give, 1 the best there is
    weight = torch.tensor([[0.45, 0.4, 0.3]])
    inputs = torch.tensor([[1.0, 1.0, 1.0], [0.5, 0.5, 0.5], [-1.0, -1.0, -1.0]])
    unit = FixedQuantiser(np.float32(1), 4)
    layer = Dense(weight, torch.zeros(1), unit, unit, nn.Identity())
    rounding = Rounding(steps=1000, learning_rate=1e-2, regulariser=1e-1)
    (soft,) = round_layers([layer], inputs, rounding)
    assert unit.forward(soft).tolist() == [[1, 0, 0]]


def test_a_later_layer_makes_up_for_the_layers_before() -> None:
    # the first weight, 1.6, becomes 2; then 0.49, 7.84 sixteenths, does best as 7, not as 8
    inputs = torch.linspace(-1, 1, 50)[:, None]
    unit = FixedQuantiser(np.float32(1), 4)
    fine = FixedQuantiser(np.float32(1 / 16), 8)
    first = Dense(torch.tensor([[1.6]]), torch.zeros(1), unit, unit, nn.Identity())
    second = Dense(torch.tensor([[0.49]]), torch.zeros(1), fine, unit, nn.Identity())
    weights = round_layers([first, second], inputs, Rounding(regulariser=1e-2, learning_rate=1e-2))
    assert unit.forward(weights[0]).item() == 2
    assert fine.forward(weights[1]).item() == 7 / 16


def test_rounding_twice_gives_the_same_bits_and_another_seed_others() -> None:
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(300, 12, generator=generator)
    layer = dense(torch.randn(9, 12, generator=generator) * 0.1, torch.zeros(9), 0.05)

    def rounded(seed: int) -> torch.Tensor:
        rounding = Rounding(steps=50, learning_rate=2e-2, batch=8, seed=seed)
        return round_layers([layer], inputs, rounding)[0]

    assert torch.equal(rounded(0), rounded(0))
    assert not torch.equal(rounded(0), rounded(1))


def test_rounding_that_diverges_says_so() -> None:
    inputs = torch.full((4, 2), math.inf)
    layer = dense(torch.ones(1, 2), torch.zeros(1), 0.3)
    with pytest.raises(CodecError, match="AdaRound's loss is not finite"):
        round_layers([layer], inputs, Rounding(steps=2))


class Wave(nn.Module):
    """A small sine network of one place in [−1, 1]."""

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.first, self.last = nn.Linear(1, 24), nn.Linear(24, 1)
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.5)

    def forward(self, place: torch.Tensor) -> torch.Tensor:
        return self.last(torch.sin(6 * self.first(place)))


def tune(
    network: Wave, target: torch.Tensor, folder: Path, *, rate: float
) -> tuple[dict[str, FixedQuantiser], dict[str, torch.Tensor], list[float]]:
    place = torch.linspace(-1, 1, 200)[:, None]
    quantisers = fit_quantisers(network, 4)
    training = Training(
        steps=200,
        learning_rate=rate,
        schedule=WarmUpCosine(200, warm_up=0.0, end=1.0),
        seed=0,
        precision="fp32",
        keep="best",
    )

    def loss_of(step: int, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        error = (network(place) - target).square().mean()
        return error, error

    folder.mkdir()
    losses = []

    def watched(step: int, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        loss = loss_of(step, generator)
        losses.append(loss[0].item())
        return loss

    weights = fine_tune(network, quantisers, watched, training, checkpoint=folder, key="k")
    return quantisers, weights, losses


def test_fine_tuning_gains_what_quantisation_lost_and_decodes_to_what_it_saw(
    tmp_path: Path,
) -> None:
    place = torch.linspace(-1, 1, 200)[:, None]
    target = Wave()(place).detach()
    network = Wave()
    quantisers, weights, losses = tune(network, target, tmp_path / "c", rate=3e-3)
    assert min(losses) < 0.5 * losses[0]
    coded, steps = levels_of(weights, quantisers)
    decoder = Wave()
    decoder.load_state_dict(
        {name: torch.from_numpy(dequantise(coded[name], steps[name])) for name in coded}
    )
    with torch.no_grad():
        found = (decoder(place) - target).square().mean().item()
    assert found == min(losses)


def test_fine_tuning_leaves_a_plain_network_and_fixed_steps(tmp_path: Path) -> None:
    network = Wave()
    names = {name for name, _ in network.named_parameters()}
    before = fit_quantisers(network, 4)
    target = torch.zeros(200, 1)
    quantisers, weights, _ = tune(network, target, tmp_path / "c", rate=1e-2)
    assert quantisers == before
    assert {name for name, _ in network.named_parameters()} == names == set(weights)
    assert type(network.first) is nn.Linear


def test_fine_tuning_that_diverges_says_so(tmp_path: Path) -> None:
    with pytest.raises(CodecError, match="the loss is nan at step 0 of 200"):
        tune(Wave(), torch.full((200, 1), math.nan), tmp_path / "c", rate=1e-3)
