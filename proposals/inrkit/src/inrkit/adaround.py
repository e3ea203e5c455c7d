"""AdaRound: which of its two neighbouring levels every weight takes, layer by layer.

Rounding to the nearest level is not what keeps a layer's output. AdaRound learns for every weight
a number h(α) between 0 and 1, w ≈ s·(⌊w/s⌋ + h(α)), such that the layer's output, and not its
weights, stay what they were, while a regulariser drives every h to 0 or 1:

    mean over samples of ‖f(W̃·x̂ + b) − f(W·x + b)‖²  +  λ·Σ(1 − |2h(α) − 1|^β)

x̂ is what the layers before, already rounded, give; x what the trained network gives.

Source: Nagel et al., Up or Down? Adaptive Rounding for Post-Training Quantization, ICML 2020,
equations 21 to 25; numbers from INRIC (Strümpler et al., ECCV 2022), which rounds so with AIMET.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from inrkit.errors import CodecError
from inrkit.levels import level_range
from inrkit.quantise import FixedQuantiser

ZETA, GAMMA = 1.1, -0.1  # stretch of the sigmoid, so that h reaches 0 and 1
FIRST_BETA, LAST_BETA = 20.0, 2.0
WARM_START = 0.2  # share of the steps without regulariser


@dataclass(frozen=True)
class Dense:
    """A layer f(W·x + b).

    Args:
        weight, bias: as trained, (O, I) and (O,).
        of_weight, of_bias: their quantisers.
        activation: f, all that follows the linear map.
    """

    weight: Tensor
    bias: Tensor
    of_weight: FixedQuantiser
    of_bias: FixedQuantiser
    activation: Callable[[Tensor], Tensor]

    def outputs(self, inputs: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        """Outputs (N, O) at inputs (N, I), with another weight and bias."""
        return self.activation(functional.linear(inputs, weight, bias))


@dataclass(frozen=True)
class Rounding:
    """How levels are chosen.

    Args:
        steps: of Adam, for every layer.
        learning_rate: of Adam on α.
        batch: samples per step, drawn anew; 0 for all.
        regulariser: λ; with too small a one, many h end between 0 and 1 and are cut at ½.
        seed: of the draws.
    """

    steps: int = 1000
    learning_rate: float = 1e-3
    batch: int = 0
    regulariser: float = 1e-4
    seed: int = 0


def round_layers(layers: Sequence[Dense], inputs: Tensor, rounding: Rounding) -> list[Tensor]:
    """Weights of every layer whose nearest levels are the chosen ones; biases are not chosen.

    They are the soft ones, s·(⌊w/s⌋ + h(α)), not the levels' values: fine-tuning goes on from
    there, and a weight that is hard to place is still near both of its levels. Source: so AIMET
    hands weights on (aimet-torch 2.42.0).

    Args:
        layers: in the order in which they are evaluated.
        inputs: samples (N, I) of what the first layer gets.

    Raises:
        CodecError: the loss is not finite.
    """
    generator = torch.Generator().manual_seed(rounding.seed)
    exact = rounded = inputs
    weights = []
    for layer in layers:
        bias = layer.of_bias.forward(layer.bias).detach()
        with torch.no_grad():
            exact = layer.outputs(exact, layer.weight, layer.bias)
        weight = round_layer(layer, bias, rounded, exact, rounding, generator)
        with torch.no_grad():
            rounded = layer.outputs(rounded, layer.of_weight.forward(weight), bias)
        weights.append(weight)
    return weights


def round_layer(
    layer: Dense,
    bias: Tensor,
    inputs: Tensor,
    targets: Tensor,
    rounding: Rounding,
    generator: torch.Generator,
) -> Tensor:
    """The weight of one layer whose nearest levels are the chosen ones.

    Args:
        bias: as it will be decoded.
        inputs: samples (N, I) as the rounded layers before give them.
        targets: outputs (N, O) of the trained network.
        generator: on the CPU, of the draws.

    Raises:
        CodecError: the loss is not finite.
    """
    step = float(layer.of_weight.step)
    bottom, top = level_range(layer.of_weight.bits)
    scaled = layer.weight.detach() / step
    floor = torch.floor(scaled)
    alpha = initial_alpha(scaled - floor).requires_grad_()
    optimiser = torch.optim.Adam([alpha], lr=rounding.learning_rate, fused=True)
    samples = len(inputs)
    for index in range(rounding.steps):
        if 0 < rounding.batch < samples:
            drawn = torch.randint(samples, (rounding.batch,), generator=generator)
            drawn = drawn.to(inputs.device)
            x, y = inputs[drawn], targets[drawn]
        else:
            x, y = inputs, targets
        share = rectified_sigmoid(alpha)
        weight = (floor + share).clamp(bottom, top) * step
        loss = (layer.outputs(x, weight, bias) - y).square().sum(dim=1).mean()
        beta = beta_at(index, rounding.steps)
        if beta is not None:
            loss = loss + rounding.regulariser * (1 - (2 * share - 1).abs().pow(beta)).sum()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    if not bool(alpha.isfinite().all()):
        raise CodecError(
            f"AdaRound's loss is not finite at a learning rate of {rounding.learning_rate:.3g}; "
            "lower adaround_rate."
        )
    return ((floor + rectified_sigmoid(alpha.detach())).clamp(bottom, top) * step).detach()


def rectified_sigmoid(alpha: Tensor) -> Tensor:
    """h(α) = clip(σ(α)·(ζ − γ) + γ, 0, 1). Source: AdaRound, equation 23."""
    return (torch.sigmoid(alpha) * (ZETA - GAMMA) + GAMMA).clamp(0, 1)


def initial_alpha(fraction: Tensor) -> Tensor:
    """α with h(α) = ``fraction``, in [0, 1): the weight as it was trained.

    >>> round(rectified_sigmoid(initial_alpha(torch.tensor(0.3))).item(), 6)
    0.3
    """
    return -torch.log((ZETA - GAMMA) / (fraction - GAMMA) - 1)


def beta_at(step: int, steps: int) -> float | None:
    """The regulariser's exponent, a cosine from 20 to 2; none in the warm start.

    >>> beta_at(0, 100), beta_at(20, 100), beta_at(60, 100)
    (None, 20.0, 11.0)
    """
    start = WARM_START * steps
    if step < start:
        return None
    share = (step - start) / (steps - start)
    return LAST_BETA + 0.5 * (FIRST_BETA - LAST_BETA) * (1 + math.cos(math.pi * share))
