"""Fit a NeRV to a video, and prune it if asked."""

from dataclasses import dataclass
from typing import Any, Literal

import torch
from inrkit.components import cell_components, regress_layer
from inrkit.fit import Frames, step_count
from inrkit.job import FitJob, run_verb
from inrkit.layers import macs_of
from inrkit.loss import fusion6
from inrkit.pruning import PrunableNetwork
from inrkit.upsampling import choose_enlargement
from inrkit.video import RawFormat
from inrkit.video_fit import OptimiserParameters, fit_frames, open_video, padded_video, save_network
from model import NervNetwork
from structure import Structure
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True, kw_only=True)
class Parameters(OptimiserParameters):
    """A fit's parameters, as codec.toml gives them.

    Args:
        rows: features of the stem along the shorter side, about; 9 in the paper.
        levels, stem_width, channels, expansion, least_channels, activation: see ``Structure``.
        loss: ``fusion6`` is the paper's 0.7·L1 + 0.3·(1 − SSIM), ``l2`` the mean squared error.
        pruning: share of the weights set to zero after the base training.
        tuning: length of the training after pruning, as a share of the base training.
        start_spread: standard deviation of the first of the principal components that the stem
            draws at the start; 0 starts it from random weights as the paper does.
    """

    rows: int
    levels: int
    stem_width: int
    channels: int
    expansion: int
    least_channels: int
    activation: str
    loss: Literal["fusion6", "l2"]
    pruning: float
    tuning: float
    start_spread: float


def structure_of(video: RawFormat, parameters: Parameters) -> Structure:
    """The network that the parameters describe for a video of this size."""
    return Structure(
        video=video,
        enlargement=choose_enlargement((video.height, video.width), rows=parameters.rows),
        levels=parameters.levels,
        stem_width=parameters.stem_width,
        channels=parameters.channels,
        expansion=parameters.expansion,
        least_channels=parameters.least_channels,
        activation=parameters.activation,
    )


@torch.no_grad()
def start_stem(
    network: NervNetwork, frames: Frames, structure: Structure, *, spread: float
) -> None:
    """Set the stem's last layer so that it draws principal components of the frames' cells.

    It is regressed on the hidden layer as that was initialised.
    """
    components = cell_components(
        padded_video(frames),
        cell=structure.enlargement,
        channels=structure.channels,
        spread=spread,
    )
    hidden = network.stem[:2](network.encode_time(torch.arange(len(frames), device=frames.device)))
    regress_layer(network.stem[2], hidden, components.flatten(1))


def transmitted(model: PrunableNetwork) -> dict[str, Any]:
    """What is coded, by name: float32 weights and biases."""
    weights = model.weights()
    return {n: w.detach().to("cpu", torch.float32).contiguous().numpy() for n, w in weights.items()}


def main(job: FitJob) -> None:
    """Write the network to ``./model``."""
    held = job.source.format
    parameters = Parameters(**job.parameters)
    structure = structure_of(held, parameters)
    frames = open_video(job, size=structure.coded_size)
    model = PrunableNetwork(NervNetwork(structure))
    model = model.to(device=frames.device, memory_format=torch.channels_last)
    if parameters.start_spread:
        start_stem(model.network, frames, structure, spread=parameters.start_spread)
    base = step_count(job.parameters, frames=held.frames, batch=parameters.batch)

    def loss_of(step: int, indices: Tensor) -> tuple[Tensor, Tensor]:
        if step == base:
            model.prune(parameters.pruning)
        target = frames[indices]
        drawn = model(indices)[..., : held.height, : held.width]
        error = functional.mse_loss(drawn, target)
        return (error if parameters.loss == "l2" else fusion6(drawn, target).sum()), error

    tuning = round(base * parameters.tuning) if parameters.pruning else 0
    fit_frames(job, model, loss_of, parameters, further=tuning)
    one = torch.zeros(1, dtype=torch.long, device=frames.device)
    macs = macs_of(model.network, one)
    save_network(job, transmitted(model), structure.to_header(), macs=macs)


if __name__ == "__main__":
    run_verb(FitJob, main)
