"""Fit a SIREN to a picture or video: on lattices of places, or as the paper does.

The paper trains on all pixels of a picture at every step, and on a few of a video's, drawn anew
from all of it.
"""

import math
from dataclasses import dataclass

import torch
from inrkit.errors import CodecError
from inrkit.fit import LossOf, prepare
from inrkit.job import FitJob, run_verb
from inrkit.sine_fit import SineNetwork, SineParameters, Target, fit_sine, lattice_loss
from inrkit.sine_gradient import squared_error
from structure import Structure, coordinates
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Parameters(SineParameters):
    """A fit's parameters, as codec.toml gives them.

    Args:
        hidden_layers, hidden_width: the network's, see ``structure.Structure``.
        share: of all places, drawn at random for every step that has no lattice; 1 for all.
    """

    hidden_layers: int
    hidden_width: int
    share: float

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise CodecError(f"share is {self.share}; it is above 0 and at most 1.")


def scattered_loss(network: SineNetwork, target: Target, *, places: int) -> LossOf:
    """Mean squared error of a step at ``places`` places drawn from all over.

    Source: SIREN, ``train_video.py``.
    """
    device = target.samples.device

    def loss_of(step: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        # drawn on the CPU, so that a device changes rounding only
        drawn = [torch.randint(count, (places,), generator=generator) for count in target.counts]
        indices = [index.to(device) for index in drawn]
        found = [axis[index] for axis, index in zip(network.axes, indices, strict=True)]
        error = squared_error(network, [torch.cat(found, dim=1)], target.at(indices))
        return error, error / target.span**2

    return loss_of


def main(job: FitJob) -> None:
    """Write the fitted network to ``./model``."""
    held = job.source.format
    parameters = Parameters(**job.parameters)
    device = prepare(job)
    structure = Structure.of(held, parameters.hidden_layers, parameters.hidden_width)
    network = SineNetwork(structure.network, coordinates(held)).to(device)
    target = Target(job.source, device, low=-1, high=1)
    if parameters.lattice == 0 and parameters.share < 1:
        places = math.ceil(parameters.share * math.prod(target.counts))
        loss_of = scattered_loss(network, target, places=places)
    else:
        loss_of = lattice_loss(network, target, places=parameters.lattice, error_of=squared_error)
    header = held.to_header() | {
        "hidden_layers": parameters.hidden_layers,
        "hidden_width": parameters.hidden_width,
    }
    fit_sine(job, network, loss_of, parameters.training(seed=job.seed), header)


if __name__ == "__main__":
    run_verb(FitJob, main)
