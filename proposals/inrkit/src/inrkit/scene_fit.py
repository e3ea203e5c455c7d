"""Fitting of scene codecs: stages of one training loop, and a static model per instant.

Everything that is fitted in turn (instants of a static method, resolutions of a growing grid, key
frames before the others) is a list of :class:`Stage`. Each ends in a file of the checkpoint folder;
within a stage the training loop keeps its own checkpoint, so that a killed fit ends in the same
bits.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor, nn

from inrkit.errors import CodecError
from inrkit.fit import Part, Training, fit, numpy_state
from inrkit.job import FitJob
from inrkit.model_files import save_model
from inrkit.scene import RayBatches, TrainViews
from inrkit.scene_codec import SceneFormat, instant_name

MODEL = "model"
M = TypeVar("M", bound=nn.Module)

# (model, step, generator) → loss to minimise, mean squared error of RGB for the progress
StageLoss = Callable[[M, int, torch.Generator], tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class Stage(Generic[M]):
    """One training after another.

    Args:
        begin: makes the model, on its device, from the one that the stage before left (None
            before the first). It may draw from torch's generator, which is seeded per stage.
        loss_of: gives loss and error of a step.
        training: of this stage; its seed is the fit's own.
    """

    begin: Callable[[M | None], M]
    loss_of: StageLoss[M]
    training: Training


def fit_stages(job: FitJob, stages: Sequence[Stage[M]]) -> Iterator[M]:
    """Yield the finished model of each stage in turn; finished stages are loaded, not repeated.

    Raises:
        CodecError: a loss is not finite.
    """
    whole = sum(stage.training.steps for stage in stages)
    before, model = 0, None
    for index, stage in enumerate(stages):
        key = f"{job.key} {index}"
        file = job.checkpoint / f"stage-{index:04}.pt"
        torch.manual_seed(job.seed + index)
        model = stage.begin(model)
        state = _finished(file, key)
        if state is not None:
            model.load_state_dict(state)
        else:
            _fit_stage(model, stage, job.checkpoint, key, Part(before, whole))
            _save(file, {"key": key, "model": model.state_dict()})
        before += stage.training.steps
        yield model


def fit_instants(
    job: FitJob,
    views: TrainViews,
    *,
    build: Callable[[], M],
    loss_of: Callable[[M, RayBatches, int, torch.Generator], tuple[Tensor, Tensor]],
    training: Training,
    rays: int,
    warm_start: bool,
) -> Iterator[M]:
    """Yield a model of each instant of a static method, fitted in turn.

    Args:
        job: the fit.
        views: the scene's pixels.
        build: a new model on the device, initialised from torch's generator.
        loss_of: loss and error of a model on batches of one instant.
        training: of every instant; its steps are the budget's divided by the instants, see
            :func:`steps_per_instant`.
        rays: per batch.
        warm_start: whether an instant starts from the state of the one before.
    """

    def stage(instant: int) -> Stage[M]:
        frames = views.frames_at(earliest=instant - 0.5, latest=instant + 0.499)
        if len(frames) == 0:
            raise CodecError(
                f"no train view holds instant {instant} of {views.instants}; a static method "
                "needs every instant, use a dynamic one for monocular scenes."
            )
        batches = RayBatches(views, rays=rays, frames=frames)

        def begin(before: M | None) -> M:
            model = build()
            if warm_start and before is not None:
                model.load_state_dict(before.state_dict())
            return model

        def loss(model: M, step: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
            return loss_of(model, batches, step, generator)

        return Stage(begin, loss, training)

    return fit_stages(job, [stage(instant) for instant in range(views.instants)])


def steps_per_instant(steps: int, instants: int) -> int:
    """Steps of each instant when a budget of ``steps`` is shared; at least 1."""
    return max(1, steps // instants)


def save_instants(
    scene: SceneFormat,
    models: Sequence[nn.Module],
    structure: Mapping[str, Any],
    *,
    macs_per_pixel: float,
) -> None:
    """Write the models of all instants and what ``encode`` needs beside them to ``./model``."""
    tensors = {
        instant_name(index, name): value
        for index, model in enumerate(models)
        for name, value in numpy_state(model).items()
    }
    save_scene(scene, tensors, structure, macs_per_pixel=macs_per_pixel)


def save_scene(
    scene: SceneFormat,
    tensors: Mapping[str, Any],
    structure: Mapping[str, Any],
    *,
    macs_per_pixel: float,
) -> None:
    """Write what is transmitted, by name, and the header's fields, to ``./model``.

    Args:
        scene: the header's common part.
        tensors: float32 or int32 arrays, in the order in which the decoder expects them.
        structure: the method's own fields of the header.
        macs_per_pixel: multiply-accumulates that a rendered pixel takes the decoder.
    """
    meta = {
        "structure": scene.to_header() | dict(structure),
        "parameters": sum(tensor.size for tensor in tensors.values()),
        "kmac_per_pixel": macs_per_pixel / 1000,
    }
    save_model(Path(MODEL), tensors, meta)


def _fit_stage(model: M, stage: Stage[M], checkpoint: Path, key: str, part: Part) -> None:
    fit(
        model,
        lambda step, generator: stage.loss_of(model, step, generator),
        stage.training,
        checkpoint=checkpoint,
        key=key,
        part=part,
    )


def _finished(file: Path, key: str) -> dict[str, Tensor] | None:
    """The state of a finished stage; None if there is none of this fit."""
    if not file.is_file():
        return None
    held = torch.load(file, map_location="cpu", weights_only=True)
    state: dict[str, Tensor] | None = held["model"] if held["key"] == key else None
    return state


def _save(file: Path, content: dict[str, Any]) -> None:
    partial = file.with_suffix(".partial")
    with partial.open("wb") as out:
        torch.save(content, out)
        out.flush()
        os.fsync(out.fileno())
    partial.replace(file)
