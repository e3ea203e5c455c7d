"""Fit MixVoxels to a scene: first what changes, then the voxels, from coarse grids to fine."""

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from inrkit.errors import CodecError
from inrkit.fit import Training, numpy_state
from inrkit.job import FitJob, run_verb
from inrkit.layers import macs_of
from inrkit.rays import NdcFrame, view_rays
from inrkit.scene import adam_bytes, open_scene
from inrkit.scene_codec import SceneFormat
from inrkit.scene_fit import Stage, fit_stages, save_scene
from inrkit.schedule import Exponential
from inrkit.tensorial import cubic_sizes, vm_values
from model import NDC_BOUNDS, MixedField
from pixels import TemporalPixels
from structure import Structure
from torch import Tensor, nn
from torch.nn import functional

LAST_RATE = 0.1  # of the learning rate, at the last step (TensoRF)


@dataclass(frozen=True, kw_only=True)
class Parameters:
    """A fit's parameters beside its structure, as codec.toml gives them.

    Args:
        steps: of all stages together.
        variation_share: of the steps, which train the variation field alone.
        variation_rays, variation_samples: of such a step.
        variation_threshold: of a pixel's standard deviation over time, from which on it changes.
        positive_weight: of rays that change, in the variation field's loss.
        first_grid: resolution that the fields start with; it grows to the structure's.
        upsample_at: shares of the further steps at which it does, in equal factors.
        static_rays, dynamic_rays: of a further step.
        learning_rate: of the voxels.
        network_rate: of the networks.
        tv: weight of the static fields' total variation.
        dynamic_tv: of the dynamic fields'.
        l1: weight of the mean magnitude of all factors.
        background: ``black``, or ``last``: rays end where they leave the box, in its walls' colour.
        look_every: steps between two looks at what cells hold.
        occupancy_decay: of the densities that cells remember, per look.
    """

    steps: int
    variation_share: float
    variation_rays: int
    variation_samples: int
    variation_threshold: float
    positive_weight: float
    first_grid: int
    upsample_at: tuple[float, ...]
    static_rays: int
    dynamic_rays: int
    learning_rate: float
    network_rate: float
    tv: float
    dynamic_tv: float
    l1: float
    background: str
    look_every: int
    occupancy_decay: float

    def __post_init__(self) -> None:
        if self.background not in ("black", "last"):
            raise CodecError(f"the background {self.background!r} is neither black nor last.")
        places = (0.0, *self.upsample_at, 1.0)
        if any(later <= earlier for earlier, later in itertools.pairwise(places)):
            raise CodecError(
                f"upsample_at is {list(self.upsample_at)}; give ascending shares between 0 and 1."
            )


def parameters_of(job: FitJob) -> tuple[Structure, Parameters]:
    """Structure and training of a fit.

    Raises:
        CodecError: a parameter cannot be.
    """
    shape = set(Structure.__dataclass_fields__)
    others = {name: value for name, value in job.parameters.items() if name not in shape}
    others["upsample_at"] = tuple(others["upsample_at"])
    return Structure.of(job.parameters), Parameters(**others)


def model_values(structure: Structure, scene: SceneFormat) -> int:
    """Values of the voxel fields and cells, which are nearly all of the model."""
    bounds = NDC_BOUNDS if structure.ndc else scene.bounds
    ranks = [d + c for d, c in zip(structure.density_ranks, structure.colour_ranks, strict=True)]
    fields = (1 + structure.mixes) * vm_values(cubic_sizes(bounds, structure.grid), ranks)
    variation = vm_values(cubic_sizes(bounds, structure.variation_grid), structure.variation_ranks)
    return fields + structure.mixes * variation + structure.cells**3


def variation_loss(
    model: MixedField, pixels: TemporalPixels, parameters: Parameters, generator: torch.Generator
) -> Tensor:
    """Cross entropy between a ray's largest chance of change and whether its pixel changes.

    Half of the rays are drawn from pixels that change. Of those that do not, every place is still:
    beside the largest, all of a ray's places are held to that (our choice; it takes fewer steps).
    Source: MixVoxels, section 3.2 (loss of the variation field).
    """
    half = parameters.variation_rays // 2
    changing = pixels.draw(pixels.changing, half, generator)
    resting = pixels.draw(pixels.resting, half, generator)
    rays = pixels.rays(torch.cat([changing, resting]))
    logits = model.change_logits(rays, count=parameters.variation_samples, generator=generator)
    largest = logits.amax(dim=-1)
    positive = functional.softplus(-largest[: len(changing)]).sum() * parameters.positive_weight
    negative = functional.softplus(largest[len(changing) :]).sum()
    everywhere = functional.softplus(logits[len(changing) :]).mean(dim=-1).sum()
    return (positive + negative + everywhere) / len(rays)


def voxel_loss(
    model: MixedField, pixels: TemporalPixels, parameters: Parameters, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Loss of static rays against their mean, of dynamic rays against every instant; their error.

    Source: MixVoxels, section 3.4 (losses of both branches).
    """
    losses, weights = [], []
    resting = pixels.draw(pixels.resting, parameters.static_rays, generator)
    if len(resting):
        batch = pixels.batch(resting)
        drawn = model.shade_static(batch.rays, generator)
        losses.append((drawn - batch.mean).square().mean())
        weights.append(len(pixels.resting))
    changing = pixels.draw(pixels.changing, parameters.dynamic_rays, generator)
    if len(changing):
        batch = pixels.batch(changing)
        instants = torch.arange(batch.colours.shape[1], device=batch.colours.device)
        drawn = model.shade_mixed(batch.rays, instants, generator)
        losses.append((drawn - batch.colours).square().mean())
        weights.append(len(pixels.changing))
    errors = torch.stack([loss.detach() for loss in losses])
    error = (errors * errors.new_tensor(weights)).sum() / sum(weights)
    return torch.stack(losses).sum() + _smoothness(model, parameters), error


def stages_of(
    structure: Structure,
    parameters: Parameters,
    scene: SceneFormat,
    pixels: TemporalPixels,
    *,
    frame: NdcFrame | None,
    seed: int,
) -> list[Stage[MixedField]]:
    """The variation field's stage, then one of each resolution."""
    device = pixels.views.device
    resolutions = grid_resolutions(structure, parameters)
    of_variation = round(parameters.variation_share * parameters.steps) if structure.mixes else 0
    further = parameters.steps - of_variation
    ends = [round(share * further) for share in (*parameters.upsample_at, 1.0)]

    def build() -> MixedField:
        return MixedField(structure, scene, frame, grid=resolutions[0]).to(device)

    def find_change(
        model: MixedField, step: int, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        loss = variation_loss(model, pixels, parameters, generator)
        return loss, loss

    def learn(model: MixedField, step: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        if step % parameters.look_every == 0 and step:
            with torch.no_grad():
                model.look(decay=parameters.occupancy_decay, generator=generator)
        return voxel_loss(model, pixels, parameters, generator)

    def grow(resolution: int) -> Callable[[MixedField | None], MixedField]:
        def begin(before: MixedField | None) -> MixedField:
            model = before or build()
            model.find_moving()
            model.resize(resolution)
            return model

        return begin

    def training(start: int, steps: int, whole: int) -> Training:
        rate = parameters.network_rate / parameters.learning_rate
        return Training(
            steps=steps,
            learning_rate=parameters.learning_rate * LAST_RATE ** (start / whole),
            schedule=Exponential(steps=whole, decay=LAST_RATE),
            seed=seed,
            betas=(0.9, 0.99),
            rates=network_rates(build(), rate),
            precision="fp32",
        )

    stages: list[Stage[MixedField]] = []
    if of_variation:
        first = training(0, of_variation, of_variation)
        stages.append(Stage(lambda before: build(), find_change, first))
    for start, end, resolution in zip([0, *ends], ends, resolutions, strict=False):
        stages.append(Stage(grow(resolution), learn, training(start, end - start, further)))
    return stages


def grid_resolutions(structure: Structure, parameters: Parameters) -> list[int]:
    """Resolutions from the first grid to the structure's, in equal factors."""
    times = len(parameters.upsample_at)
    if not times:
        return [structure.grid]
    growth = (structure.grid / parameters.first_grid) ** (1 / times)
    return [round(parameters.first_grid * growth**k) for k in range(times)] + [structure.grid]


def network_rates(model: MixedField, factor: float) -> dict[str, float]:
    """The factor for every linear layer, by name."""
    layers = (name for name, part in model.named_modules() if isinstance(part, nn.Linear))
    return dict.fromkeys(layers, factor)


def main(job: FitJob) -> None:
    """Write the fitted fields to ``./model``."""
    structure, parameters = parameters_of(job)
    scene = SceneFormat.of(job, background=parameters.background)
    frame = NdcFrame.of(job.scene.views) if structure.ndc else None
    views = open_scene(job, model_bytes=adam_bytes(model_values(structure, scene)))
    pixels = TemporalPixels(
        views, threshold=parameters.variation_threshold if structure.mixes else -1.0
    )
    stages = stages_of(structure, parameters, scene, pixels, frame=frame, seed=job.seed)
    *_, model = fit_stages(job, stages)
    model = model.cpu()
    view = views.views[0]
    with torch.inference_mode():
        model.start_rendering()
        instants = torch.arange(scene.instants)
        macs = macs_of(model, view_rays(view, torch.device("cpu")), instants)
    save_scene(
        scene,
        numpy_state(model),
        structure.to_header(frame),
        macs_per_pixel=macs / (math.prod((view.width, view.height)) * scene.instants),
    )


def _smoothness(model: MixedField, parameters: Parameters) -> Tensor:
    """Total variation and magnitude of the factors, weighted."""
    fields = [(model.dynamic, parameters.dynamic_tv)]
    if model.structure.mixes:
        fields.append((model.static, parameters.tv))
    terms = []
    for field, weight in fields:
        for part in (field.density.factors, field.colour.factors):
            if weight:
                terms.append(weight * part.variation())
            if parameters.l1:
                terms.append(parameters.l1 * part.magnitude())
    return torch.stack(terms).sum() if terms else torch.zeros(())


if __name__ == "__main__":
    run_verb(FitJob, main)
