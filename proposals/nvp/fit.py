"""Fit an NVP to a video: mean squared error of RGB in [−1, 1] at places drawn at every step."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from inrkit.fit import Training, fit, numpy_state, prepare, save_model
from inrkit.job import FitJob, run_verb
from inrkit.schedule import WarmUpCosine
from inrkit.sine_fit import draw
from inrkit.video import RawFormat, load_video
from model import Nvp
from structure import Structure
from torch import Tensor


@dataclass(frozen=True)
class Parameters:
    """A fit's parameters, as codec.toml gives them.

    Args:
        levels … is_modulated: the network's, see ``structure.Structure``.
        sampling: ``points`` draws single places of the video, as the paper does; ``lattice``
            draws frames, rows and columns and takes all their crossings.
        samples: places per step.
        lattice_frames: frames among them.
        steps: optimiser steps.
        learning_rate, last_rate: AdamW's at the start and at the end of a cosine.
        warm_up: share of the steps until the first of them is reached.
        beta2: its second decay.
        weight_decay: its decay.
        feature_rate: learning rate of planes and grid, as a multiple of the layers'.
        plane_l1, grid_l1: weights of Σ|v| over planes and over the grid in the loss, which make
            them cheap to code.
        keep: ``best`` keeps the state of the step with the lowest loss, ``last`` the last.
    """

    levels: int
    base: int
    growth_percent: int
    features: int
    is_limited: bool
    grid_rows: int
    grid_columns: int
    grid_features: int
    hidden_width: int
    is_modulated: bool
    sampling: Literal["lattice", "points"]
    samples: int
    lattice_frames: int
    steps: int
    learning_rate: float
    last_rate: float
    warm_up: float
    beta2: float
    weight_decay: float
    feature_rate: float
    plane_l1: float
    grid_l1: float
    keep: Literal["last", "best"]


def structure_of(video: RawFormat, parameters: Parameters) -> Structure:
    """The network that the parameters describe for a video."""
    names = Structure.__dataclass_fields__.keys() - {"video"}
    return Structure(video, **{name: getattr(parameters, name) for name in names})


class Samples:
    """Draws places of a video and gives their colours.

    Args:
        video: RGB (T, 3, H, W) as ``load_video`` gives it, on the training device.
        peak: the sample that stands for 1.
        parameters: how many places, and how they lie.
    """

    def __init__(self, video: Tensor, *, peak: int, parameters: Parameters) -> None:
        self.video = video
        self.peak = peak
        self.is_lattice = parameters.sampling == "lattice"
        frames, _, height, width = video.shape
        self.extents = (frames, height, width)
        self.samples = parameters.samples
        per_frame = parameters.samples / min(parameters.lattice_frames, frames)
        rows = min(height, max(1, round(math.sqrt(per_frame * height / width))))
        columns = min(width, max(1, round(per_frame / rows)))
        self.sides = (min(parameters.lattice_frames, frames), rows, columns)

    def draw(self, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Frames, rows and columns, drawn on the CPU, so that a device changes rounding only."""
        if self.is_lattice:
            pairs = zip(self.extents, self.sides, strict=True)
            drawn = [draw(count, chosen, generator) for count, chosen in pairs]
        else:
            drawn = [
                torch.randint(count, (self.samples,), generator=generator) for count in self.extents
            ]
        frames, rows, columns = (indices.to(self.video.device) for indices in drawn)
        return frames, rows, columns

    def colours(self, frames: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        """RGB in [−1, 1]: (3, T, R, C) of a lattice, (3, N) of points."""
        if self.is_lattice:
            frames, rows = frames[:, None, None], rows[:, None]
        found = self.video[frames, :, rows, columns].movedim(-1, 0)
        return found.float() * (2 / self.peak) - 1


def main(job: FitJob) -> None:
    """Write planes, grid and layers to ``./model``."""
    held = job.source.format
    parameters = Parameters(**job.parameters)
    structure = structure_of(held, parameters)
    device = prepare(job)
    model = Nvp(structure).to(device)
    video = torch.from_numpy(load_video(job.source.video, held)).to(device)
    samples = Samples(video, peak=held.peak, parameters=parameters)
    grid = [] if model.grid is None else [model.grid]
    penalties = [(parameters.plane_l1, list(model.planes.values())), (parameters.grid_l1, grid)]
    penalties = [(weight, features) for weight, features in penalties if weight and features]
    predict = model.at_lattice if samples.is_lattice else model.at_points

    def loss_of(step: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        places = samples.draw(generator)
        error = (predict(*places) - samples.colours(*places)).square().mean()
        loss = error
        for weight, features in penalties:
            loss = loss + weight * sum(values.abs().sum() for values in features)
        return loss, error / 4  # from [−1, 1] to [0, 1]

    rate = parameters.learning_rate
    training = Training(
        steps=parameters.steps,
        learning_rate=rate,
        schedule=WarmUpCosine(
            parameters.steps,
            warm_up=parameters.warm_up,
            floor=0.0,
            end=parameters.last_rate / rate,
        ),
        seed=job.seed,
        betas=(0.9, parameters.beta2),
        weight_decay=parameters.weight_decay,
        rates=dict.fromkeys(("planes", "grid"), parameters.feature_rate),
        precision="fp32",
        keep=parameters.keep,
    )
    fit(model, loss_of, training, checkpoint=job.checkpoint, key=job.key)
    meta = {
        "structure": structure.to_header(),
        "parameters": structure.parameters,
        "kmac_per_pixel": structure.kmac_per_pixel,
    }
    tensors = numpy_state(model)
    save_model(
        Path("model"), {name.removeprefix("planes."): v for name, v in tensors.items()}, meta
    )


if __name__ == "__main__":
    run_verb(FitJob, main)
