"""Fit a sparse voxel grid to every instant of a scene in turn: prune, refine, go on."""

import itertools
from dataclasses import dataclass, fields
from typing import Literal

import numpy as np
import torch
from inrkit.compositing import background_colour
from inrkit.errors import CodecError
from inrkit.fit import Training, numpy_state
from inrkit.grids import corners, interpolate
from inrkit.job import FitJob, run_verb
from inrkit.rays import Rays, view_rays
from inrkit.scene import RayBatches, TrainViews, adam_bytes, open_scene
from inrkit.scene_codec import SceneFormat
from inrkit.scene_fit import Stage, fit_stages, save_scene, steps_per_instant
from inrkit.schedule import Exponential
from inrkit.tensorial import Sizes, cubic_sizes
from model import LEAST_WEIGHT, VoxelField, grid_points
from structure import Structure
from torch import Tensor
from torch.nn import functional

LEAST_RAYS = 256
RAYS_PER_CALL = 4096
BYTES_PER_POINT = 16  # row, mask, and the largest weight met there


@dataclass(frozen=True, kw_only=True)
class Parameters:
    """A fit's parameters, as codec.toml gives them.

    Args:
        bands, step_ratio: see :class:`Structure`.
        steps: of all instants together.
        batch_samples: samples per step; the number of rays follows from how many each needs.
        most_rays: per step.
        resolutions: cube roots of the points of each grid in turn. A grid may follow itself: it
            is pruned between.
        begin_at: shares of the steps at which each grid begins; the first is 0.
        prune_rays: rays of the train views that say what is seen of a voxel.
        prune_weight: a voxel is kept if a ray sees this much of it, or of a neighbour of it.
        most_voxels: kept at most.
        optimiser: ``adam`` or ``rmsprop``, of second decay ``decay``.
        density_rate, colour_rate, lobe_rate: learning rates, the last of the other bands.
        final_rate: share of the rates at the last step.
        warm_up_steps: until the rates are reached.
        start_density: of a new voxel.
        density_tv, colour_tv: weights of the total variation.
        tv_share: of the points it is taken at in a step.
        tv_until: grids that are smoothed, from the first on.
        lobes_from: grids before this one, counted from 0, show one colour in all directions.
        sparsity: weight of ln(1 + 2σ²) (Cauchy), summed over a ray's samples; equation 5.
        grow: points by which a later instant's grid reaches beyond the one before.
        background: black or white.
        random_background: whether rays are shown before random colours while fitting, which makes
            the field opaque wherever a view sees something; for scenes that fill their pictures.
        warm_start: whether an instant starts from the voxels of the one before.
    """

    bands: int
    step_ratio: float
    steps: int
    batch_samples: int
    most_rays: int
    resolutions: tuple[int, ...]
    begin_at: tuple[float, ...]
    prune_rays: int
    prune_weight: float
    most_voxels: int
    optimiser: Literal["adam", "rmsprop"]
    decay: float
    density_rate: float
    colour_rate: float
    lobe_rate: float
    final_rate: float
    warm_up_steps: int
    start_density: float
    density_tv: float
    colour_tv: float
    tv_share: float
    tv_until: int
    lobes_from: int
    sparsity: float
    grow: int
    background: str
    random_background: bool
    warm_start: bool

    def __post_init__(self) -> None:
        if self.background not in ("black", "white"):
            raise CodecError(f"the background {self.background!r} is neither black nor white.")
        if self.optimiser not in ("adam", "rmsprop"):
            raise CodecError(f"the optimiser {self.optimiser!r} is unknown; use adam or rmsprop.")
        ends = (*self.begin_at, 1.0)
        ascend = all(a < b for a, b in itertools.pairwise(ends))
        if len(self.begin_at) != len(self.resolutions) or ends[0] != 0 or not ascend:
            raise CodecError(
                f"begin_at is {list(self.begin_at)} for the resolutions {list(self.resolutions)}; "
                "give one ascending share below 1 for each, the first 0."
            )


class Trained(VoxelField):
    """The field while it is fitted; the samples that a ray lately needed are in the checkpoint."""

    samples_per_ray: Tensor

    def __init__(self, kept: Tensor, parameters: Parameters, scene: SceneFormat) -> None:
        super().__init__(
            kept, bands=parameters.bands, step_ratio=parameters.step_ratio, scene=scene
        )
        self.register_buffer("samples_per_ray", torch.tensor(float(self.steps)))
        torch.nn.init.constant_(self.densities, parameters.start_density)

    def ray_count(self, parameters: Parameters) -> int:
        """Rays whose samples fill a batch."""
        fitting = int(parameters.batch_samples / max(float(self.samples_per_ray), 1.0))
        return max(LEAST_RAYS, min(fitting, parameters.most_rays))

    @torch.no_grad()
    def read(self, positions: Tensor) -> dict[str, Tensor]:
        """Values (N, C) of all tables at positions (N, 3), and ``kept`` (N,): any point near."""
        rows, weights = self.places(positions)
        values = {name: interpolate(t, rows, weights) for name, t in self.named_parameters()}
        return values | {"kept": (weights > 0).any(dim=1)}


def parameters_of(job: FitJob) -> Parameters:
    """Training of a fit.

    Raises:
        CodecError: a parameter cannot be.
    """
    held = job.parameters
    if unknown := sorted(held.keys() - {field.name for field in fields(Parameters)}):
        raise CodecError(f"the fit's parameter {', '.join(unknown)} is unknown; leave it out.")
    listed = {name: tuple(held[name]) for name in ("resolutions", "begin_at")}
    return Parameters(**held | listed)


@torch.no_grad()
def seen_weights(model: VoxelField, batches: RayBatches, count: int) -> Tensor:
    """The largest weight (X, Y, Z) with which ``count`` rays see the cells around every point.

    Source: Plenoxels, section 3.2 (pruning by the maximal weight over the training rays).
    """
    generator = torch.Generator().manual_seed(0)
    most = torch.zeros(model.rows.shape, device=model.rows.device)
    for start in range(0, count, RAYS_PER_CALL):
        rays: Rays = batches.draw(generator, min(RAYS_PER_CALL, count - start)).rays
        samples = model.look(rays)
        points, _ = corners(samples.positions, model.sizes)
        weights = samples.seen_with[:, None].expand(points.shape)
        most.scatter_reduce_(0, points.reshape(-1), weights.reshape(-1), "amax")
    return most.view(model.sizes)


def seen_points(most: Tensor, *, least: float, voxels: int) -> Tensor:
    """The points (X, Y, Z) to keep: those seen with more than ``least``, at most ``voxels``.

    Raises:
        CodecError: none is.
    """
    kept = most > least
    if int(kept.sum()) > voxels:
        limit = most.flatten().topk(voxels).values[-1]
        kept = most > limit
    if not bool(kept.any()):
        raise CodecError(
            f"no voxel of the {'x'.join(map(str, most.shape))} grid is seen with more than "
            f"{least:g}: the field has become empty; check near, far and box of the scene, or "
            "lower the fit's density_rate or prune_weight."
        )
    return kept


def refined(model: Trained, kept: Tensor, sizes: Sizes, parameters: Parameters) -> Trained:
    """A field of another grid that reads like ``model``, at the points around ``kept`` of its own.

    Args:
        model: the coarser field.
        kept: points (X, Y, Z) of its grid that are worth refining.
        sizes: of the new grid.
        parameters: of the fit.
    """
    device = model.rows.device
    same = sizes == model.sizes
    parts: dict[str, list[Tensor]] = {}
    masks = []
    near = kept.reshape(-1)
    for positions in grid_points(sizes, device):
        points, weights = corners(positions, model.sizes)
        chosen = (near[points] & (weights > (0.5 if same else 1e-6))).any(dim=1)
        masks.append(chosen)
        values = model.read(positions[chosen])
        values["densities"][~values.pop("kept")] = parameters.start_density
        for name, value in values.items():
            parts.setdefault(name, []).append(value)
    fine = Trained(torch.cat(masks).view(sizes).cpu(), parameters, model.scene).to(device)
    with torch.no_grad():
        for name, table in fine.named_parameters():
            table.copy_(torch.cat(parts[name]))
    return fine


def stages_of_instant(
    parameters: Parameters,
    scene: SceneFormat,
    batches: RayBatches,
    views: TrainViews,
    *,
    steps: int,
    seed: int,
    goes_on: bool,
) -> list[Stage[Trained]]:
    """The stages of an instant, one per grid.

    Args:
        parameters, scene: of the fit.
        batches: of this instant.
        views: the scene's pixels.
        steps: of the instant.
        seed: of the fit.
        goes_on: the instant starts from the last grid of the one before, grown.
    """
    background = background_colour(scene.background, views.device)
    ends = [round(share * steps) for share in (*parameters.begin_at, 1.0)]
    spans = list(itertools.pairwise(ends))
    grids = [cubic_sizes(scene.bounds, resolution) for resolution in parameters.resolutions]
    if goes_on:
        is_same = [sizes == grids[-1] for sizes in grids]
        begin = is_same.index(True)
        spans = [(0, spans[begin][1]), *spans[begin + 1 :]]
        grids = grids[begin:]

    def stage(sizes: Sizes, start: int, end: int, index: int) -> Stage[Trained]:
        def begin(before: Trained | None) -> Trained:
            model = begun(before)
            model.uses_lobes = parameters.bands > 1 and (goes_on or index >= parameters.lobes_from)
            return model

        def begun(before: Trained | None) -> Trained:
            if before is None or (index == 0 and not goes_on):
                kept = torch.ones(sizes, dtype=torch.bool)
                return Trained(kept, parameters, scene).to(views.device)
            if index == 0:
                reach = 2 * parameters.grow + 1
                near = functional.max_pool3d(
                    before.kept[None].float(), reach, stride=1, padding=parameters.grow
                )
                return refined(before, near[0].bool(), sizes, parameters)
            most = seen_weights(before, batches, parameters.prune_rays)
            kept = seen_points(most, least=parameters.prune_weight, voxels=parameters.most_voxels)
            return refined(before, kept, sizes, parameters)

        def loss_of(model: Trained, step: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
            batch = batches.draw(generator, model.ray_count(parameters))
            shading = model.shade(batch.rays, generator)
            model.samples_per_ray.fill_(len(shading.samples.positions) / len(batch))
            behind = background
            if parameters.random_background:
                behind = torch.rand(len(batch), 3, generator=generator).to(views.device)
            error = (shading.rendered.over(behind) - batch.colours).square().mean()
            loss = error
            if index < parameters.tv_until and (parameters.density_tv or parameters.colour_tv):
                density, colour = model.variation(parameters.tv_share, generator)
                loss = loss + parameters.density_tv * density + parameters.colour_tv * colour
            if parameters.sparsity:
                cauchy = torch.log1p(2 * shading.samples.densities.square()).sum() / len(batch)
                loss = loss + parameters.sparsity * cauchy
            return loss, error

        training = Training(
            steps=end - start,
            learning_rate=parameters.colour_rate * parameters.final_rate ** (start / steps),
            rates={
                "densities": parameters.density_rate / parameters.colour_rate,
                "lobes": parameters.lobe_rate / parameters.colour_rate,
            },
            schedule=Exponential(
                steps=steps,
                decay=parameters.final_rate,
                warm_up_steps=0 if start else parameters.warm_up_steps,
            ),
            seed=seed + start,
            betas=(0.9, parameters.decay),
            eps=1e-8,
            optimiser=parameters.optimiser,
            precision="fp32",
        )
        return Stage(begin, loss_of, training)

    return [
        stage(sizes, start, end, index)
        for index, (sizes, (start, end)) in enumerate(zip(grids, spans, strict=True))
        if end > start
    ]


def main(job: FitJob) -> None:
    """Write the voxels of all instants to ``./model``."""
    parameters = parameters_of(job)
    scene = SceneFormat.of(job, background=parameters.background)
    sizes = cubic_sizes(scene.bounds, parameters.resolutions[-1])
    steps = steps_per_instant(parameters.steps, scene.instants)
    views = open_scene(job, model_bytes=_needed(parameters, scene))
    stages: list[Stage[Trained]] = []
    batches: dict[int, RayBatches] = {}
    for instant in range(views.instants):
        frames = views.frames_at(earliest=instant - 0.5, latest=instant + 0.499)
        if len(frames) == 0:
            raise CodecError(
                f"no train view holds instant {instant} of {views.instants}; a static method "
                "needs every instant, use a dynamic one for monocular scenes."
            )
        drawn = RayBatches(views, rays=parameters.most_rays, frames=frames)
        stages += stages_of_instant(
            parameters,
            scene,
            drawn,
            views,
            steps=steps,
            seed=job.seed,
            goes_on=instant > 0 and parameters.warm_start,
        )
        batches[len(stages) - 1] = drawn
    held = []
    for index, model in enumerate(fit_stages(job, stages)):
        if index in batches:
            most = seen_weights(model, batches[index], parameters.prune_rays)
            kept = seen_points(most, least=parameters.prune_weight, voxels=parameters.most_voxels)
            held.append(refined(model, kept, sizes, parameters).cpu())
    rays = view_rays(views.views[0], torch.device("cpu"))
    structure = Structure(
        size_x=sizes[0],
        size_y=sizes[1],
        size_z=sizes[2],
        voxels=sum(len(model.densities) for model in held),
        bands=parameters.bands,
        step_ratio=parameters.step_ratio,
    )
    masks = np.concatenate([model.kept.reshape(sizes[0], -1).numpy() for model in held])
    states = [numpy_state(model) for model in held]
    tensors = {name: np.concatenate([state[name] for state in states]) for name in states[0]}
    save_scene(
        scene,
        {"mask": masks.astype(np.int32)} | tensors,
        structure.to_header(),
        macs_per_pixel=macs_of_rays(held[0], rays) / len(rays),
    )


def _needed(parameters: Parameters, scene: SceneFormat) -> int:
    """Bytes of the largest grid with its optimiser, as if all of its points were kept."""
    largest = 0
    for resolution in parameters.resolutions:
        x, y, z = cubic_sizes(scene.bounds, resolution)
        values = 1 + 3 * parameters.bands**2
        voxels = min(x * y * z, parameters.most_voxels)
        largest = max(largest, adam_bytes(values * voxels) + BYTES_PER_POINT * x * y * z)
    return largest


@torch.inference_mode()
def macs_of_rays(model: VoxelField, rays: Rays) -> int:
    """Multiply-accumulates of rays: 8 points by density, or by all values and their harmonics."""
    samples = model.look(rays)
    seen = int((samples.seen_with > LEAST_WEIGHT).sum())
    colour = 3 * model.bands**2
    return 8 * len(samples.positions) + (8 + 1) * colour * seen


if __name__ == "__main__":
    run_verb(FitJob, main)
