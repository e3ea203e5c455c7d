"""Fit a TensoRF field to every instant of a scene in turn, from coarse factors to fine ones."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from inrkit.compositing import background_colour
from inrkit.errors import CodecError
from inrkit.fit import Training
from inrkit.job import FitJob, run_verb
from inrkit.layers import macs_of
from inrkit.rays import view_rays
from inrkit.scene import RayBatches, TrainViews, adam_bytes, open_scene
from inrkit.scene_codec import SceneFormat
from inrkit.scene_fit import Stage, fit_stages, save_instants, steps_per_instant
from inrkit.schedule import Exponential
from inrkit.tensorial import Sizes, cubic_sizes
from model import TensorfField
from structure import RANKS, REALS, SHAPE, Structure
from torch import Tensor

LEAST_RAYS = 256


@dataclass(frozen=True, kw_only=True)
class Parameters:
    """A fit's parameters beside the field's shape, as codec.toml gives them.

    Args:
        steps: of all instants together.
        most_rays: per step.
        batch_samples: per step; the number of rays follows from how many each lately needed.
        coarse_resolution, resolution: cube roots of the points of the first and the last grid.
        upsample_at: shares of the steps after which the grid becomes finer.
        mask_at: share of the steps after which empty cells are left out.
        mask_every: steps between two looks at which cells are empty.
        mask_alpha: share of the light that a step in a cell must stop to count.
        mask_decay: of the densities that are remembered between two looks.
        grid_rate, network_rate: learning rates of Adam for factors and for basis and network.
        final_rate: share of the rates left after all steps without an upsampling.
        l1, final_l1: weight of the density's L1 loss until the first upsampling, and after.
        density_tv, colour_tv: weights of the factors' total variation.
        background: black or white.
        random_background: whether rays are shown before random colours while fitting, which makes
            the field opaque wherever a view sees something; for scenes that fill their pictures.
        warm_start: whether an instant starts from the field of the one before, at full size.
    """

    steps: int
    most_rays: int
    batch_samples: int
    coarse_resolution: int
    resolution: int
    upsample_at: tuple[float, ...]
    mask_at: float
    mask_every: int
    mask_alpha: float
    mask_decay: float
    grid_rate: float
    network_rate: float
    final_rate: float
    l1: float
    final_l1: float
    density_tv: float
    colour_tv: float
    background: str
    random_background: bool
    warm_start: bool

    def __post_init__(self) -> None:
        if self.background not in ("black", "white"):
            raise CodecError(f"the background {self.background!r} is neither black nor white.")
        shares = (0.0, *self.upsample_at, 1.0)
        if any(b <= a for a, b in itertools.pairwise(shares)):
            raise CodecError(
                f"upsample_at is {list(self.upsample_at)}; give ascending shares between 0 and 1."
            )


class Trained(TensorfField):
    """The field while it is fitted; the samples that a ray lately needed are in the checkpoint."""

    samples_per_ray: Tensor

    def __init__(self, structure: Structure, scene: SceneFormat) -> None:
        super().__init__(structure, scene)
        self.register_buffer("samples_per_ray", torch.tensor(float(self.steps)))

    def ray_count(self, parameters: Parameters) -> int:
        """Rays whose samples fill a batch."""
        fitting = int(parameters.batch_samples / max(float(self.samples_per_ray), 1.0))
        return max(LEAST_RAYS, min(fitting, parameters.most_rays))


@dataclass(frozen=True)
class Level:
    """One resolution: points per axis and the steps it is trained for."""

    sizes: Sizes
    before: int
    steps: int


def parameters_of(job: FitJob) -> Parameters:
    """Training of a fit.

    Raises:
        CodecError: a parameter cannot be.
    """
    shape = {*SHAPE, *REALS, *RANKS}
    held = {name: value for name, value in job.parameters.items() if name not in shape}
    if unknown := sorted(held.keys() - {field.name for field in fields(Parameters)}):
        raise CodecError(f"the fit's parameter {', '.join(unknown)} is unknown; leave it out.")
    return Parameters(**held | {"upsample_at": tuple(held["upsample_at"])})


def levels_of(parameters: Parameters, scene: SceneFormat, steps: int) -> list[Level]:
    """Resolutions of one instant: their numbers of points grow geometrically.

    Source: TensoRF's code (``N_voxel_list``).
    """
    ends = [round(share * steps) for share in (*parameters.upsample_at, 1.0)]
    starts = [0, *ends[:-1]]
    growth = parameters.resolution / parameters.coarse_resolution
    levels = []
    for index, (start, end) in enumerate(zip(starts, ends, strict=True)):
        share = index / max(len(ends) - 1, 1) if len(ends) > 1 else 1.0
        resolution = round(parameters.coarse_resolution * growth**share)
        levels.append(Level(cubic_sizes(scene.bounds, resolution), start, end - start))
    return [level for level in levels if level.steps > 0]


def refined(model: Trained, structure: Structure) -> Trained:
    """A field of another resolution that reads like ``model`` and knows its empty cells."""
    device = model.box.device
    fine = Trained(structure, model.scene).to(device)
    fine.density.resize(model.structure.sizes)
    fine.colour.resize(model.structure.sizes)
    fine.load_state_dict(model.state_dict())
    fine.density.resize(structure.sizes)
    fine.colour.resize(structure.sizes)
    return fine


def stages_of_instant(
    parameters: Parameters,
    structure: Structure,
    scene: SceneFormat,
    levels: Sequence[Level],
    batches: RayBatches,
    views: TrainViews,
    *,
    seed: int,
) -> list[Stage[Trained]]:
    """The stages of an instant, one per resolution; factors are read at finer points between.

    Args:
        parameters, structure, scene: of the fit; the structure's sizes are replaced.
        levels: resolutions in turn. Where the first is not the fit's first, the instant goes on
            from the field of the one before.
        batches: of this instant.
        views: the scene's pixels.
        seed: of the fit.
    """
    background = background_colour(scene.background, views.device)
    whole = levels[-1].before + levels[-1].steps
    from_step = round(parameters.mask_at * whole)

    def stage(level: Level, *, is_first: bool) -> Stage[Trained]:
        shape = structure.sized(level.sizes)

        def begin(before: Trained | None) -> Trained:
            if before is None or (is_first and not parameters.warm_start):
                return Trained(shape, scene).to(views.device)
            return refined(before, shape)

        def loss_of(model: Trained, step: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
            done = level.before + step
            if done >= from_step and done % parameters.mask_every == 0 and done:
                model.occupancy.update(
                    model.densities,
                    threshold=model.threshold(parameters.mask_alpha),
                    decay=parameters.mask_decay,
                    generator=generator,
                )
            batch = batches.draw(generator, model.ray_count(parameters))
            shading = model.shade(batch.rays, generator)
            model.samples_per_ray.fill_(shading.looked / len(batch))
            behind = background
            if parameters.random_background:
                behind = torch.rand(len(batch), 3, generator=generator).to(views.device)
            error = (shading.rendered.over(behind) - batch.colours).square().mean()
            loss = error
            if sparsity := parameters.final_l1 if level.before else parameters.l1:
                loss = loss + sparsity * model.density.magnitude()
            if parameters.density_tv:
                loss = loss + parameters.density_tv * model.density.variation()
            if parameters.colour_tv:
                loss = loss + parameters.colour_tv * model.colour.variation()
            return loss, error

        ratio = parameters.grid_rate / parameters.network_rate
        training = Training(
            steps=level.steps,
            learning_rate=parameters.network_rate,
            rates={"density": ratio, "colour": ratio},
            schedule=Exponential(steps=whole, decay=parameters.final_rate),
            seed=seed + level.before,
            betas=(0.9, 0.99),
            precision="fp32",
        )
        return Stage(begin, loss_of, training)

    return [stage(level, is_first=index == 0) for index, level in enumerate(levels)]


def main(job: FitJob) -> None:
    """Write the fields of all instants to ``./model``."""
    parameters = parameters_of(job)
    scene = SceneFormat.of(job, background=parameters.background)
    steps = steps_per_instant(parameters.steps, scene.instants)
    levels = levels_of(parameters, scene, steps)
    structure = Structure.of_fit(job.parameters, levels[-1].sizes)
    views = open_scene(job, model_bytes=adam_bytes(structure.factor_values + structure.cells**3))
    stages: list[Stage[Trained]] = []
    last: list[int] = []
    for instant in range(views.instants):
        frames = views.frames_at(earliest=instant - 0.5, latest=instant + 0.499)
        if len(frames) == 0:
            raise CodecError(
                f"no train view holds instant {instant} of {views.instants}; a static method "
                "needs every instant, use a dynamic one for monocular scenes."
            )
        batches = RayBatches(views, rays=parameters.most_rays, frames=frames)
        goes_on = instant > 0 and parameters.warm_start
        own = [Level(levels[-1].sizes, 0, steps)] if goes_on else levels
        stages += stages_of_instant(
            parameters, structure, scene, own, batches, views, seed=job.seed
        )
        last.append(len(stages) - 1)
    held = [m.cpu() for index, m in enumerate(fit_stages(job, stages)) if index in last]
    view = views.views[0]
    with torch.inference_mode():
        held[0].start_rendering()
        macs = macs_of(held[0], view_rays(view, torch.device("cpu")))
    save_instants(
        scene,
        held,
        structure.to_header(),
        macs_per_pixel=macs / math.prod((view.width, view.height)),
    )


if __name__ == "__main__":
    run_verb(FitJob, main)
