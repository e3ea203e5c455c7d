"""Quantisation-aware fine-tuning of a trained network: steps stay, values move under them.

Each parameter is replaced by what its quantiser makes of it wherever the network reads it, so that
the loss is that of the picture a decoder would give; the gradient passes straight through.
Source: INRIC (Strümpler et al., ECCV 2022, section 3.3).
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from torch import Tensor, nn
from torch.nn.utils import parametrize

from inrkit.fit import LossOf, Training, fit
from inrkit.levels import Levels
from inrkit.quantise import FixedQuantiser

Quantisers = Mapping[str, FixedQuantiser]


class _Quantised(nn.Module):
    """What a parameter's quantiser makes of it."""

    def __init__(self, quantiser: FixedQuantiser) -> None:
        super().__init__()
        self.quantiser = quantiser

    def forward(self, weights: Tensor) -> Tensor:
        return self.quantiser.forward(weights)


def fit_quantisers(network: nn.Module, bits: int) -> dict[str, FixedQuantiser]:
    """A quantiser for each parameter by name, whose range suits it."""
    return {name: FixedQuantiser.of(value, bits) for name, value in network.named_parameters()}


def levels_of(
    weights: Mapping[str, Tensor], quantisers: Quantisers
) -> tuple[dict[str, Levels], dict[str, np.float32]]:
    """What is coded: levels and steps of every tensor by name."""
    pairs = {name: quantisers[name].levels(value) for name, value in weights.items()}
    return {n: levels for n, (levels, _) in pairs.items()}, {n: s for n, (_, s) in pairs.items()}


def fine_tune(
    network: nn.Module,
    quantisers: Quantisers,
    loss_of: LossOf,
    training: Training,
    *,
    checkpoint: Path,
    key: str,
) -> dict[str, Tensor]:
    """Parameters by name, not quantised, after training under their quantisers.

    Args:
        network: reads its parameters as attributes of its modules; trained in place.
        quantisers: of every parameter, fixed.
        loss_of: a step's loss with the network as it is.
        training, checkpoint, key: see :func:`inrkit.fit.fit`.

    Raises:
        CodecError: the loss is not finite; names step and learning rate.
    """
    names = [name for name, _ in network.named_parameters()]
    places = {name: name.rpartition(".") for name in names}
    for name, (module, _, attribute) in places.items():
        parametrize.register_parametrization(
            network.get_submodule(module), attribute, _Quantised(quantisers[name]), unsafe=True
        )
    fit(network, loss_of, training, checkpoint=checkpoint, key=key)
    for module, _, attribute in places.values():
        parametrize.remove_parametrizations(
            network.get_submodule(module), attribute, leave_parametrized=False
        )
    return {name: network.get_parameter(name).detach() for name in names}
