"""Fit a NeRF to every instant of a scene in turn."""

from dataclasses import dataclass
from typing import Literal

import torch
from inrkit.compositing import background_colour
from inrkit.errors import CodecError
from inrkit.fit import Training
from inrkit.job import FitJob, run_verb
from inrkit.layers import macs_of
from inrkit.radiance_mlp import MlpShape, mlp_parameters
from inrkit.rays import NdcFrame, view_rays
from inrkit.scene import RayBatches, adam_bytes, open_scene
from inrkit.scene_codec import SceneFormat
from inrkit.scene_fit import fit_instants, save_instants, steps_per_instant
from inrkit.schedule import Exponential
from model import NerfField
from structure import SPACES, Structure
from torch import Tensor, nn

COUNTED_RAYS = 64


@dataclass(frozen=True, kw_only=True)
class Parameters:
    """A fit's parameters beside its structure, as codec.toml gives them.

    Args:
        steps: of all instants together.
        rays: per step.
        learning_rate: of Adam.
        final_rate: share of it at the last step.
        warm_up: share of the steps until it is reached.
        density_noise: standard deviation of noise on densities, for scenes without a box.
        density_bias: of the density's layer at the start; above 0 lest all densities be 0.
        precision: fp32, or bf16 for the forward pass of fitting.
        background: black or white.
        space: box, or ndc for forward-facing scenes.
        warm_start: whether an instant starts from the field of the one before.
    """

    steps: int
    rays: int
    learning_rate: float
    final_rate: float
    warm_up: float
    density_noise: float
    density_bias: float
    precision: Literal["bf16", "fp32"]
    background: str
    space: str
    warm_start: bool


def parameters_of(job: FitJob) -> tuple[Structure, Parameters]:
    """Structure and training of a fit.

    Raises:
        CodecError: a parameter cannot be, or NDC is asked for views that it does not fit.
    """
    shape = {*MlpShape.__dataclass_fields__, "coarse", "fine"}
    parameters = Parameters(**{k: v for k, v in job.parameters.items() if k not in shape})
    if parameters.background not in ("black", "white"):
        raise CodecError(f"the background {parameters.background!r} is neither black nor white.")
    if parameters.space not in SPACES:
        raise CodecError(f"the space {parameters.space!r} is none of {', '.join(SPACES)}.")
    frame = NdcFrame.of(job.scene.views) if parameters.space == "ndc" else None
    return Structure.of(job.parameters, frame), parameters


def training_bytes(structure: Structure, rays: int) -> int:
    """Bytes of both networks with their optimiser, and of what a step keeps for its gradient."""
    mlp = structure.mlp
    per_point = mlp.width * (2 * mlp.layers + 2) + 3 * mlp.view_width + 8 * 3 * mlp.levels
    points = rays * (2 * structure.coarse + structure.fine)
    return adam_bytes(2 * mlp_parameters(mlp)) + 4 * per_point * points


def main(job: FitJob) -> None:
    """Write the fields of all instants to ``./model``."""
    structure, parameters = parameters_of(job)
    scene = SceneFormat.of(job, background=parameters.background)
    views = open_scene(
        job,
        model_bytes=training_bytes(structure, parameters.rays),
        advice="lower the fit's rays per step, its samples or its width",
    )
    background = background_colour(scene.background, views.device)

    def build() -> NerfField:
        model = NerfField(structure, scene)
        for mlp in (model.coarse, model.fine):
            nn.init.constant_(mlp.density.bias, parameters.density_bias)
        return model.to(views.device)

    def loss_of(
        model: NerfField, batches: RayBatches, step: int, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        batch = batches.draw(generator)
        seen = model.shade(batch.rays, generator, noise=parameters.density_noise)
        coarse, fine = ((s.over(background) - batch.colours).square().mean() for s in seen)
        return coarse + fine, fine

    steps = steps_per_instant(parameters.steps, views.instants)
    training = Training(
        steps=steps,
        learning_rate=parameters.learning_rate,
        schedule=Exponential(
            steps, decay=parameters.final_rate, warm_up_steps=round(parameters.warm_up * steps)
        ),
        seed=job.seed,
        precision=parameters.precision,
    )
    models = fit_instants(
        job,
        views,
        build=build,
        loss_of=loss_of,
        training=training,
        rays=parameters.rays,
        warm_start=parameters.warm_start,
    )
    fields = [model.cpu() for model in models]
    with torch.inference_mode():
        rays = view_rays(views.views[0], torch.device("cpu"))[:COUNTED_RAYS]
        macs = macs_of(fields[0], rays)
    save_instants(scene, fields, structure.to_header(), macs_per_pixel=macs / len(rays))


if __name__ == "__main__":
    run_verb(FitJob, main)
