"""Fit an Instant-NGP field to every instant of a scene in turn."""

import math
from dataclasses import dataclass

import torch
from inrkit.compositing import background_colour, distortion
from inrkit.errors import CodecError
from inrkit.fit import Training
from inrkit.grids import level_sizes
from inrkit.job import FitJob, run_verb
from inrkit.layers import macs_of
from inrkit.rays import view_rays
from inrkit.scene import RayBatches, adam_bytes, open_scene
from inrkit.scene_codec import SceneFormat
from inrkit.scene_fit import fit_instants, save_instants, steps_per_instant
from inrkit.schedule import WarmUpCosine
from model import NgpField
from structure import Structure
from torch import Tensor

UPDATE_ALL = 16  # steps between two looks at the occupancy grid
LEAST_RAYS = 256
NEIGHBOURS = 2048
NEIGHBOURHOOD = 1 / 48


@dataclass(frozen=True, kw_only=True)
class Parameters:
    """A fit's parameters beside its structure, as codec.toml gives them.

    Args:
        steps: of all instants together.
        batch_samples: samples per step; the number of rays follows from how many each needs.
        most_rays: per step.
        learning_rate: of Adam.
        grid_rate: that of the hash tables, as a multiple of it.
        strides: lengths of the samples' steps as multiples of the structure's, whole numbers; all
            but the last share the first half of the fit equally, so that the field is coarse
            before it is fine.
        final_rate: share of it at the last step.
        warm_up: share of the steps until it is reached.
        opacity_loss: weight of the entropy of rays' opacities, which clears haze.
        distortion_loss: weight of the spread of a ray's weights, in box diagonals.
        smoothness_loss: weight of how much the opacity of a step differs between a place drawn
            from the box and another at most 1/48 of the box from it on every axis.
        occupancy_decay: of the densities that the occupancy grid remembers, per 16 steps.
        background: black or white.
        random_background: whether rays are shown before random colours while fitting, which makes
            the field opaque wherever a view sees something; for scenes that fill their pictures.
        warm_start: whether an instant starts from the field of the one before.
    """

    steps: int
    batch_samples: int
    most_rays: int
    learning_rate: float
    grid_rate: float
    strides: list[int]
    final_rate: float
    warm_up: float
    opacity_loss: float
    distortion_loss: float
    smoothness_loss: float
    occupancy_decay: float
    background: str
    random_background: bool
    warm_start: bool

    def stride_at(self, share: float) -> int:
        """The stride when a share of the steps is done."""
        coarse = len(self.strides) - 1
        return self.strides[min(int(2 * share * coarse), coarse)]


class Trained(NgpField):
    """The field while it is fitted; the samples that a ray lately needed are in the checkpoint."""

    samples_per_ray: Tensor

    def __init__(self, structure: Structure, scene: SceneFormat) -> None:
        super().__init__(structure, scene)
        self.register_buffer("samples_per_ray", torch.tensor(float(structure.samples)))

    def ray_count(self, parameters: Parameters, stride: int) -> int:
        """Rays whose samples, at a stride, fill a batch."""
        each = max(float(self.samples_per_ray) / stride, 1.0)
        fitting = int(parameters.batch_samples / each)
        return max(LEAST_RAYS, min(fitting, parameters.most_rays))


def roughness(model: NgpField, generator: torch.Generator) -> Tensor:
    """Mean difference of opacities of a step between neighbouring places of the box."""
    device = model.box.device
    places = torch.rand(NEIGHBOURS, 3, generator=generator)
    shifts = (2 * torch.rand(NEIGHBOURS, 3, generator=generator) - 1) * NEIGHBOURHOOD
    others = (places + shifts).clamp(0, 1)
    here, there = model.opacities(torch.cat([places, others]).to(device)).chunk(2)
    return (here - there).abs().mean()


def opacity_entropy(opacity: Tensor) -> Tensor:
    """Mean −o·ln o of opacities: least where rays end in something or nothing. Source: ngp_pl."""
    held = opacity.clamp(1e-6, 1)
    return -(held * held.log()).mean()


def parameters_of(job: FitJob) -> tuple[Structure, Parameters]:
    """Structure and training of a fit.

    Raises:
        CodecError: a parameter cannot be.
    """
    shape = set(Structure.__dataclass_fields__)
    others = {name: value for name, value in job.parameters.items() if name not in shape}
    parameters = Parameters(**others)
    if parameters.background not in ("black", "white"):
        raise CodecError(f"the background {parameters.background!r} is neither black nor white.")
    if not parameters.strides or min(parameters.strides) < 1:
        raise CodecError(f"the strides {parameters.strides} hold no whole numbers from 1 on.")
    return Structure.of(job.parameters), parameters


def main(job: FitJob) -> None:
    """Write the fields of all instants to ``./model``."""
    structure, parameters = parameters_of(job)
    scene = SceneFormat.of(job, background=parameters.background)
    sizes = level_sizes(
        levels=structure.levels,
        least=structure.least,
        most=structure.most,
        table=1 << structure.table_bits,
    )
    values = structure.channels * sum(rows for _, rows in sizes) + structure.cells**3
    views = open_scene(job, model_bytes=adam_bytes(values))
    background = background_colour(scene.background, views.device)
    steps = steps_per_instant(parameters.steps, views.instants)

    def loss_of(
        model: Trained, batches: RayBatches, step: int, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        if step % UPDATE_ALL == 0 and step:
            model.occupancy.update(
                model.densities,
                threshold=model.threshold,
                decay=parameters.occupancy_decay,
                generator=generator,
            )
        stride = parameters.stride_at(step / steps)
        batch = batches.draw(generator, model.ray_count(parameters, stride))
        shading = model.shade(batch.rays, generator, stride=stride)
        model.samples_per_ray.copy_(stride * shading.kept.sum() / len(batch))
        behind = background
        if parameters.random_background:
            behind = torch.rand(len(batch), 3, generator=generator).to(views.device)
        error = (shading.rendered.over(behind) - batch.colours).square().mean()
        loss = error + parameters.opacity_loss * opacity_entropy(shading.rendered.opacity)
        if parameters.distortion_loss:
            spread = distortion(shading.weights, stride * model.step)
            loss = loss + parameters.distortion_loss * spread.mean()
        if parameters.smoothness_loss:
            loss = loss + parameters.smoothness_loss * roughness(model, generator)
        return loss, error

    training = Training(
        steps=steps,
        learning_rate=parameters.learning_rate,
        schedule=WarmUpCosine(steps, warm_up=parameters.warm_up, end=parameters.final_rate),
        seed=job.seed,
        betas=(0.9, 0.99),
        eps=1e-15,
        rates={"grid": parameters.grid_rate},
        precision="fp32",
    )
    models = fit_instants(
        job,
        views,
        build=lambda: Trained(structure, scene).to(views.device),
        loss_of=loss_of,
        training=training,
        rays=parameters.most_rays,
        warm_start=parameters.warm_start,
    )
    fields = [model.cpu() for model in models]
    view = views.views[0]
    with torch.inference_mode():
        fields[0].start_rendering()
        macs = macs_of(fields[0], view_rays(view, torch.device("cpu")))
    save_instants(
        scene,
        fields,
        structure.to_header(),
        macs_per_pixel=macs / math.prod((view.width, view.height)),
    )


if __name__ == "__main__":
    run_verb(FitJob, main)
