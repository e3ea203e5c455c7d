"""What the fits of networks that draw whole frames share: parameters, data, training, result.

A codec's ``fit.py`` is then its own parameters, its model and its loss::

    frames = open_video(job, size=structure.coded_size)
    model = Network(structure).to(frames.device)
    fit_frames(job, model, loss_of, parameters)
    save_network(job, numpy_state(model), structure.to_header(), macs=macs_of(model, one))
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from inrkit.device import prepare
from inrkit.fit import Frames, Training, fit, frame_order, step_count
from inrkit.job import FitJob
from inrkit.model_files import save_model
from inrkit.schedule import WarmUpCosine
from inrkit.video import load_video

MODEL = "model"

# (step, frame indices on the model's device) → loss to minimise, and mean squared error of RGB
FrameLoss = Callable[[int, Tensor], tuple[Tensor, Tensor]]


@dataclass(frozen=True, kw_only=True)
class OptimiserParameters:
    """How a network is trained; a codec derives its fit's parameters from it.

    Args:
        batch: frames per step.
        learning_rate: base rate of Adam.
        warm_up: share of the steps until the base rate is reached.
        beta1, beta2: Adam's two decays.
        steps, epochs: length of the fit; one of them is given.
    """

    batch: int
    learning_rate: float
    warm_up: float
    beta1: float = 0.9
    beta2: float = 0.999
    steps: int | None = None
    epochs: int | None = None


def open_video(job: FitJob, *, size: tuple[int, int]) -> Frames:
    """The job's frames on the device it asks for, after threads and seed are set.

    Args:
        job: the fit.
        size: height and width that ``Frames.padded`` enlarges to.
    """
    device = prepare(job)
    held = job.source.format
    video = load_video(job.source.video, held)
    return Frames(video, peak=held.peak, device=device, size=size)


def padded_video(frames: Frames) -> Tensor:
    """All frames (T, 3, H, W) at the padded size."""
    ones = (torch.tensor([index]) for index in range(len(frames)))
    return torch.cat([frames.padded(frames[one]) for one in ones])


def fit_frames(
    job: FitJob,
    model: nn.Module,
    loss_of: FrameLoss,
    parameters: OptimiserParameters,
    *,
    further: int = 0,
    rates: Mapping[str, float] | None = None,
    on_start: Callable[[int], None] | None = None,
) -> None:
    """Train ``model`` in place: every epoch shows each frame once, in an order of its own.

    Args:
        job: the fit.
        model: on its device already.
        loss_of: gives loss and RGB error of the frames of a step.
        parameters: of the optimiser.
        further: steps after those, for which the schedule starts again.
        rates, on_start: see :class:`inrkit.fit.Training` and :func:`inrkit.fit.fit`.

    Raises:
        CodecError: the loss is not finite, or the length of the fit is not given.
    """
    count = job.source.format.frames
    device = next(model.parameters()).device
    steps = step_count(job.parameters, frames=count, batch=parameters.batch)
    order = frame_order(count, parameters.batch, seed=job.seed)

    def loss_of_step(step: int, _: torch.Generator) -> tuple[Tensor, Tensor]:
        return loss_of(step, order(step).to(device))

    training = Training(
        steps=steps + further,
        learning_rate=parameters.learning_rate,
        schedule=WarmUpCosine(steps, warm_up=parameters.warm_up, further=further),
        seed=job.seed,
        betas=(parameters.beta1, parameters.beta2),
        rates=rates or {},
    )
    fit(model, loss_of_step, training, checkpoint=job.checkpoint, key=job.key, on_start=on_start)


def save_network(
    job: FitJob, tensors: Mapping[str, Any], structure: Mapping[str, Any], *, macs: int
) -> None:
    """Write what is transmitted, by name, and what ``encode`` needs beside it, to ``./model``.

    Args:
        job: the fit.
        tensors: float32 or int32 arrays, in the order in which the decoder expects them.
        structure: fields of the header.
        macs: multiply-accumulates that one frame takes the decoder.
    """
    pixels = job.source.format.width * job.source.format.height
    meta = {
        "structure": dict(structure),
        "parameters": sum(tensor.size for tensor in tensors.values()),
        "kmac_per_pixel": macs / pixels / 1000,
    }
    save_model(Path(MODEL), tensors, meta)
