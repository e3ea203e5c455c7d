"""Fit a COIN to one picture: all pixels at every step as the paper does, or lattices of places."""

from dataclasses import asdict, dataclass
from typing import Literal

from inrkit.fit import prepare
from inrkit.job import FitJob, run_verb
from inrkit.sine_fit import (
    SineNetwork,
    SineParameters,
    Target,
    fit_sine,
    lattice_loss,
    require_picture,
)
from inrkit.sine_gradient import squared_error
from structure import CODEC_ID, Structure

BEST_FROM = 0.5  # share of the steps after which the best weights are kept; COIN, ``training.py``


@dataclass(frozen=True, kw_only=True)
class Parameters(SineParameters):
    """A fit's parameters, as codec.toml gives them.

    Args:
        sine_layers, hidden_width, coordinates: the network's, see ``structure.Structure``.
    """

    sine_layers: int
    hidden_width: int
    coordinates: Literal["coin", "each-axis"]


def main(job: FitJob) -> None:
    """Write the fitted network to ``./model``."""
    require_picture(job.source, CODEC_ID)
    held = job.source.format
    parameters = Parameters(**job.parameters)
    device = prepare(job)
    structure = Structure(parameters.sine_layers, parameters.hidden_width, parameters.coordinates)
    axes = structure.axes(held.height, held.width)
    network = SineNetwork(structure.network, axes, draws_biases=True).to(device)
    target = Target(job.source, device, low=0, high=1)
    loss_of = lattice_loss(network, target, places=parameters.lattice, error_of=squared_error)
    # on lattices the lowest loss says which places were drawn, not which weights are best
    training = parameters.training(
        seed=job.seed, best_from=None if parameters.lattice else BEST_FROM
    )
    fit_sine(job, network, loss_of, training, held.to_header() | asdict(structure))


if __name__ == "__main__":
    run_verb(FitJob, main)
