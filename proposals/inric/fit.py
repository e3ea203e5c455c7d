"""Fit an inric network to one picture: all pixels with an L1 penalty, or lattices of places."""

from dataclasses import asdict, dataclass
from typing import Literal

import torch
from inrkit.fit import LossOf, Training, prepare
from inrkit.job import FitJob, run_verb
from inrkit.schedule import Plateau, Schedule, WarmUpCosine
from inrkit.sine_fit import SineNetwork, Target, fit_sine, lattice_loss, require_picture
from model import CODEC_ID, Structure
from torch import Tensor, nn


@dataclass(frozen=True)
class Parameters:
    """A fit's parameters, as codec.toml gives them.

    Args:
        hidden_width, levels: the network's structure, see ``model.Structure``.
        steps: optimiser steps.
        learning_rate: base rate of Adam.
        schedule: ``cosine`` after ``warm_up`` (share of the steps), or the paper's ``plateau``.
        lattice: crossings of rows and columns per step; 0 for every pixel.
        l1: weight of Σ|w| over all weights and biases, beside the mean squared error of RGB
            in [−1, 1].
        beta2: Adam's second decay.

    The others are encode's, for rate points that name bits (see ``quantised``):

    Args:
        adaround_steps, adaround_rate: of Adam in AdaRound, for every layer.
        adaround_places: places that AdaRound knows; 0 for every pixel.
        adaround_batch: of them, drawn anew at every step; 0 for all.
        qat_steps, qat_rate: of Adam in quantisation-aware fine-tuning.
        qat_lattice: crossings of rows and columns per step; 0 for every pixel.
    """

    hidden_width: int
    levels: int
    steps: int
    learning_rate: float
    schedule: Literal["cosine", "plateau"]
    warm_up: float
    lattice: int
    l1: float
    beta2: float
    adaround_steps: int
    adaround_rate: float
    adaround_places: int
    adaround_batch: int
    qat_steps: int
    qat_rate: float
    qat_lattice: int


def penalised(loss_of: LossOf, network: nn.Module, *, l1: float) -> LossOf:
    """``loss_of`` with ``l1``·Σ|w| of all weights and biases added. Source: INRIC, section 3.2."""

    def penalised_loss_of(step: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        loss, error = loss_of(step, generator)
        return loss + l1 * sum(p.abs().sum() for p in network.parameters()), error

    return penalised_loss_of


def schedule_of(parameters: Parameters) -> Schedule:
    """The learning-rate schedule that the parameters name.

    Source of the plateau's numbers: INRIC, ``training.py`` (factor 0.5 after 500 steps, end after
    5,000 steps without a loss lower by 1e-4 of itself).
    """
    if parameters.schedule == "plateau":
        return Plateau(shrink=0.5, patience=500, threshold=1e-4, stop_after=5000)
    return WarmUpCosine(steps=parameters.steps, warm_up=parameters.warm_up, floor=0.0)


def main(job: FitJob) -> None:
    """Write the fitted network to ``./model``."""
    require_picture(job.source, CODEC_ID)
    held = job.source.format
    parameters = Parameters(**job.parameters)
    device = prepare(job)
    structure = Structure(parameters.hidden_width, parameters.levels)
    network = SineNetwork(structure.network, structure.axes(held.height, held.width)).to(device)
    target = Target(job.source, device, low=-1, high=1)
    loss_of = lattice_loss(network, target, places=parameters.lattice)
    if parameters.l1:
        loss_of = penalised(loss_of, network, l1=parameters.l1)
    training = Training(
        steps=parameters.steps,
        learning_rate=parameters.learning_rate,
        schedule=schedule_of(parameters),
        seed=job.seed,
        betas=(0.9, parameters.beta2),
        precision="fp32",
        keep="best" if parameters.lattice == 0 else "last",
    )
    fit_sine(job, network, loss_of, training, held.to_header() | asdict(structure))


if __name__ == "__main__":
    run_verb(FitJob, main)
