"""Fitting a sine network to the pixels of a picture or video; see :mod:`inrkit.sine`.

The papers train on all pixels at every step, or on pixels drawn from all over. Short budgets
train on a lattice instead: some rows and some columns (and some frames), drawn anew at every
step, and all their crossings. A lattice of 2,048 of 130,560 pixels takes 1/60 of the time of the
whole picture, and the inputs of a place are computed per row and per column only.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from inrkit.fit import LossOf, Training, fit, numpy_state, save_model
from inrkit.job import FitJob, Source
from inrkit.schedule import WarmUpCosine
from inrkit.sine import OMEGA, Floats, SineShape
from inrkit.video import VideoError, load_video


class SineNetwork(nn.Module):
    """The network of :func:`inrkit.sine.evaluate` for training: SIREN start, split first layer.

    Args:
        shape: the network's.
        axes: inputs of each axis (N, E) at all its places.
        draws_biases: whether biases start as the weights of their layer do (COIN); otherwise
            they keep torch's U(±1/√inputs) (SIREN, INRIC).
    """

    def __init__(
        self, shape: SineShape, axes: Sequence[Floats], *, draws_biases: bool = False
    ) -> None:
        super().__init__()
        self.shape = shape
        sizes = shape.layer_sizes
        layers = [nn.Linear(inputs, outputs) for inputs, outputs in pairwise(sizes)]
        for index, layer in enumerate(layers):
            # SIREN, section 3.2 and ``modules.py``
            reach = 1 / sizes[0] if index == 0 else math.sqrt(6 / sizes[index]) / OMEGA
            nn.init.uniform_(layer.weight, -reach, reach)
            if draws_biases:
                nn.init.uniform_(layer.bias, -reach, reach)
        self.layers = nn.ModuleList(layers)
        for index, axis in enumerate(axes):
            self.register_buffer(f"axis{index}", torch.from_numpy(axis), persistent=False)

    @property
    def axes(self) -> list[Tensor]:
        """Inputs of each axis (N, E) at all its places."""
        return [self.get_buffer(f"axis{index}") for index in range(len(self.shape.inputs))]

    def forward(self, *axes: Tensor) -> Tensor:
        """Values (N0, …, outputs) at the crossings of the inputs (N, E) of every axis."""
        first = self._first_layer(axes)
        hidden = first[-1]
        for axis, part in enumerate(reversed(first[:-1]), start=1):
            hidden = part.view(*part.shape, *[1] * axis) + hidden.unsqueeze(1)
        return self._after_first(hidden.flatten(1)).view(*(len(axis) for axis in axes), -1)

    def _first_layer(self, axes: Sequence[Tensor]) -> list[Tensor]:
        """Each axis's part (F, N) of what the first sine takes; the last holds the bias."""
        weight, bias = self._layer(0)
        by_axis = torch.split(weight, list(self.shape.inputs), dim=1)
        parts = [part @ axis.T for part, axis in zip(by_axis, axes, strict=True)]
        parts[-1] = parts[-1] + bias
        return parts

    def _after_first(self, hidden: Tensor) -> Tensor:
        """Values (P, outputs) of what the first sine takes (F, P)."""
        hidden = torch.sin(hidden)
        for index in range(1, self.shape.sine_layers):
            weight, bias = self._layer(index)
            hidden = torch.sin(torch.addmm(bias, weight, hidden))
        weight, bias = self._tensors(self.shape.sine_layers)
        return torch.addmm(bias, weight, hidden).T

    def _layer(self, index: int) -> tuple[Tensor, Tensor]:
        """Weight (F, inputs) and bias (F, 1) of a sine layer, times its frequency."""
        weight, bias = self._tensors(index)
        return OMEGA * weight, OMEGA * bias

    def _tensors(self, index: int) -> tuple[Tensor, Tensor]:
        """Weight (F, inputs) and bias (F, 1) of a layer."""
        layer = self.layers[index]
        assert isinstance(layer, nn.Linear)
        return layer.weight, layer.bias[:, None]


class Target:
    """The samples that a network is to give, converted as they are asked for.

    Args:
        source: the raw file. A single frame has the axes rows and columns, more have frames,
            rows and columns.
        low, high: values that black and white stand for.
    """

    def __init__(self, source: Source, device: torch.device, *, low: float, high: float) -> None:
        video = torch.from_numpy(load_video(source.video, source.format)).permute(0, 2, 3, 1)
        self.samples = (video[0] if len(video) == 1 else video).contiguous().to(device)
        self.scale = (high - low) / source.format.peak
        self.low = low
        self.span = high - low

    @property
    def counts(self) -> tuple[int, ...]:
        """Places of each axis."""
        return tuple(self.samples.shape[:-1])

    def all(self) -> Tensor:
        """Values (N0, …, 3) at all places."""
        return self.samples.float() * self.scale + self.low

    def crossings(self, indices: Sequence[Tensor]) -> Tensor:
        """Values (n0, …, 3) at the crossings of some places of each axis."""
        taken = self.samples
        for axis, chosen in enumerate(indices):
            taken = taken.index_select(axis, chosen)
        return taken.float() * self.scale + self.low

    def at(self, indices: Sequence[Tensor]) -> Tensor:
        """Values (P, 3) at P places in no order, given their index on every axis."""
        return self.samples[tuple(indices)].float() * self.scale + self.low


# (network, inputs (N, E) of every axis, values (N0, …, outputs) at their crossings) → their MSE
ErrorOf = Callable[[SineNetwork, Sequence[Tensor], Tensor], Tensor]


def autograd_error(network: SineNetwork, axes: Sequence[Tensor], target: Tensor) -> Tensor:
    """Mean squared error for networks whose weights are functions of what is trained."""
    values: Tensor = network(*axes)
    return (values - target).square().mean()


def lattice_loss(
    network: SineNetwork, target: Target, *, places: int, error_of: ErrorOf = autograd_error
) -> LossOf:
    """Mean squared error of a step on a lattice drawn from the fit's generator, or on all places.

    Args:
        network: the network to fit.
        target: what it is to give.
        places: crossings per step, shared out over the axes in proportion to their lengths;
            0 for all places.
        error_of: gives the error; ``sine_gradient.squared_error`` does it in a third of the time.
    """
    counts = target.counts
    if not 0 < places < math.prod(counts):
        whole = target.all()

        def loss_of_all(step: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
            error = error_of(network, network.axes, whole)
            return error, error / target.span**2

        return loss_of_all
    chosen = lattice_counts(counts, places)

    def loss_of(step: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        # drawn on the CPU, so that a device changes rounding only
        drawn = [draw(*pair, generator) for pair in zip(counts, chosen, strict=True)]
        indices = [index.to(target.samples.device) for index in drawn]
        axes = [axis[index] for axis, index in zip(network.axes, indices, strict=True)]
        error = error_of(network, axes, target.crossings(indices))
        return error, error / target.span**2

    return loss_of


def lattice_counts(counts: Sequence[int], places: int) -> list[int]:
    """How many places of each axis a lattice of about ``places`` crossings takes.

    >>> lattice_counts((272, 480), 2048), lattice_counts((32, 176, 320), 4096)
    ([34, 60], [4, 23, 44])
    """
    share = min(1.0, (places / math.prod(counts)) ** (1 / len(counts)))
    chosen = [max(1, round(count * share)) for count in counts[:-1]]
    return [*chosen, max(1, min(counts[-1], places // math.prod(chosen)))]


def draw(count: int, chosen: int, generator: torch.Generator) -> Tensor:
    """Indices (chosen,) below ``count``, ascending: one from each of as many equal stretches.

    Drawn without stretches, rows and columns leave gaps, and the gradient is so noisy that
    learning rates above 1e-3 diverge.
    """
    place = torch.arange(chosen) + torch.rand(chosen, generator=generator)
    return (place * (count / chosen)).long().clamp_(max=count - 1)


@dataclass(frozen=True, kw_only=True)
class SineParameters:
    """Those parameters of a fit that codecs of plain sine networks share.

    Args:
        steps: optimiser steps.
        learning_rate: base rate of Adam, reached after the share ``warm_up`` of the steps.
        final_rate: share of it that a cosine ends at; 1 keeps the rate as it is.
        beta2: Adam's second decay.
        lattice: crossings per step, see :func:`lattice_loss`; 0 for all places.
    """

    steps: int
    learning_rate: float
    warm_up: float
    final_rate: float
    beta2: float
    lattice: int

    def training(self, *, seed: int, best_from: float | None = None) -> Training:
        """How to train; ``best_from`` is the share of the steps after which to keep the best."""
        return Training(
            steps=self.steps,
            learning_rate=self.learning_rate,
            schedule=WarmUpCosine(self.steps, self.warm_up, floor=0.0, end=self.final_rate),
            seed=seed,
            betas=(0.9, self.beta2),
            precision="fp32",
            keep="last" if best_from is None else "best",
            keep_from=best_from or 0.0,
        )


def fit_sine(
    job: FitJob,
    network: SineNetwork,
    loss_of: LossOf,
    training: Training,
    header: Mapping[str, Any],
) -> None:
    """Train ``network`` and write it to ``./model``; ``header`` is the bitstream's."""
    fit(network, loss_of, training, checkpoint=job.checkpoint, key=job.key)
    meta = {
        "structure": dict(header),
        "parameters": network.shape.parameters,
        "kmac_per_pixel": network.shape.kmac_per_pixel,
    }
    save_model(Path("model"), numpy_state(network), meta)


def require_picture(source: Source, codec_id: str) -> None:
    """Refuse a source of several frames with a sentence that names the codec."""
    if source.format.frames != 1:
        raise VideoError(
            f"the source has {source.format.frames} frames; {codec_id} codes single pictures."
        )
