"""Fit an inric network to one picture.

The paper trains on all pixels at every step. The short budgets train on a lattice instead: some
rows and some columns, drawn anew at every step, and all their crossings. A lattice of 2,048 of
130,560 pixels takes 1/60 of the time of the whole picture, and the encoding of a place is
computed per row and per column only.
"""

import math
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Literal

import torch
from inrkit.fit import LossOf, Training, fit, numpy_state, prepare, save_model
from inrkit.job import FitJob, run_verb
from inrkit.schedule import Plateau, Schedule, WarmUpCosine
from inrkit.video import VideoError, load_video
from model import OMEGA, SINE_LAYERS, Structure, encode_axis
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


class InricNetwork(nn.Module):
    """The network of ``model.render`` for training: SIREN initialisation, split first layer."""

    def __init__(self, structure: Structure, *, height: int, width: int) -> None:
        super().__init__()
        self.split = structure.axis_inputs
        sizes = structure.layer_sizes
        self.layers = nn.ModuleList(
            nn.Linear(inputs, outputs) for inputs, outputs in pairwise(sizes)
        )
        for index, layer in enumerate(self.layers):
            # SIREN, section 3.2; biases keep torch's U(±1/√inputs)
            reach = 1 / sizes[0] if index == 0 else math.sqrt(6 / sizes[index]) / OMEGA
            nn.init.uniform_(layer.weight, -reach, reach)
        for name, count in (("rows", height), ("columns", width)):
            encoded = torch.from_numpy(encode_axis(count, structure.levels))
            self.register_buffer(name, encoded, persistent=False)

    def forward(self, rows: Tensor, columns: Tensor) -> Tensor:
        """RGB (R, C, 3) in [−1, 1] at the crossings of encoded rows (R, E) and columns (C, E)."""
        first = self.layers[0]
        from_rows = (OMEGA * first.weight[:, : self.split]) @ rows.T
        from_columns = (OMEGA * first.weight[:, self.split :]) @ columns.T
        from_columns = from_columns + OMEGA * first.bias[:, None]
        hidden = torch.sin((from_rows[:, :, None] + from_columns[:, None]).flatten(1))
        for layer in self.layers[1:SINE_LAYERS]:
            bias = OMEGA * layer.bias[:, None]
            hidden = torch.sin(torch.addmm(bias, OMEGA * layer.weight, hidden))
        last = self.layers[SINE_LAYERS]
        rgb = torch.addmm(last.bias[:, None], last.weight, hidden)
        return rgb.T.reshape(rows.shape[0], columns.shape[0], 3)


def lattice_loss(network: InricNetwork, target: Tensor, parameters: Parameters) -> LossOf:
    """Loss of a step: on a lattice of places drawn from the fit's generator, or on all of them.

    Args:
        network: the network to fit to the picture.
        target: RGB (H, W, 3) in [−1, 1].
        parameters: the fit's; ``lattice`` and ``l1`` are used.
    """
    height, width, _ = target.shape
    draws_all = not 0 < parameters.lattice < height * width
    rows = max(1, round(math.sqrt(parameters.lattice * height / width)))
    columns = max(1, parameters.lattice // rows)

    def loss_of(step: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        if draws_all:
            error = (network(network.rows, network.columns) - target).square().mean()
        else:
            # drawn on the CPU, so that a device changes rounding only
            at_rows = draw(height, rows, generator).to(target.device)
            at_columns = draw(width, columns, generator).to(target.device)
            found = network(network.rows[at_rows], network.columns[at_columns])
            error = (found - target[at_rows][:, at_columns]).square().mean()
        loss = error
        if parameters.l1:
            loss = loss + parameters.l1 * sum(p.abs().sum() for p in network.parameters())
        return loss, error / 4  # from [−1, 1] to [0, 1]

    return loss_of


def draw(count: int, chosen: int, generator: torch.Generator) -> Tensor:
    """Indices (chosen,) below ``count``, ascending: one from each of as many equal stretches.

    Drawn without stretches, rows and columns leave gaps, and the gradient is so noisy that
    learning rates above 1e-3 diverge.
    """
    place = torch.arange(chosen) + torch.rand(chosen, generator=generator)
    return (place * (count / chosen)).long().clamp_(max=count - 1)


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
    held = job.source.format
    if held.frames != 1:
        raise VideoError(f"the source has {held.frames} frames; inric codes single pictures.")
    parameters = Parameters(**job.parameters)
    device = prepare(job)
    structure = Structure(parameters.hidden_width, parameters.levels)
    network = InricNetwork(structure, height=held.height, width=held.width).to(device)
    picture = load_video(job.source.path, held)[0]
    target = torch.from_numpy(picture).to(device, torch.float32).permute(1, 2, 0)
    target = (target * (2 / held.peak) - 1).contiguous()
    training = Training(
        steps=parameters.steps,
        learning_rate=parameters.learning_rate,
        schedule=schedule_of(parameters),
        seed=job.seed,
        betas=(0.9, parameters.beta2),
        precision="fp32",
        keep="best" if parameters.lattice == 0 else "last",
    )
    loss_of = lattice_loss(network, target, parameters)
    fit(network, loss_of, training, checkpoint=job.checkpoint, key=job.key)
    meta = {
        "structure": held.to_header() | asdict(structure),
        "parameters": structure.parameters,
        "kmac_per_pixel": structure.kmac_per_pixel,
    }
    save_model(Path("model"), numpy_state(network), meta)


if __name__ == "__main__":
    run_verb(FitJob, main)
