"""Fit a DyNeRF model to a scene: key frames first, then all; pixels that change more often."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from importance import median_importance, temporal_importance
from inrkit.compositing import background_colour
from inrkit.errors import CodecError
from inrkit.fit import Training, numpy_state
from inrkit.job import FitJob, run_verb
from inrkit.layers import macs_of, parameter_count
from inrkit.rays import view_rays
from inrkit.scene import RayBatches, TrainViews, adam_bytes, open_scene
from inrkit.scene_codec import SceneFormat
from inrkit.scene_fit import Stage, fit_stages, save_scene
from inrkit.schedule import Exponential
from model import DyNerf, key_instants
from structure import Structure
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Parameters:
    """A fit's parameters beside its structure, as codec.toml gives them.

    Args:
        spacing: instants between key frames.
        key_steps: of the optimiser on key frames (ISG, γ = 1e-3).
        global_steps: on all frames by their distance to the median (ISG, γ = 2e-2).
        temporal_steps: on all frames by their change in time (IST).
        rays: per step.
        importance: whether pixels are drawn by importance, else all alike.
        learning_rate: of Adam on key frames.
        late_rate: on all frames.
        final_rate: share of its rate that each of the three trainings decays to.
        latent_rate: factor of the rate for latent codes.
        precision: of the forward pass, ``bf16`` or ``fp32``.
        background: black or white.
    """

    spacing: int
    key_steps: int
    global_steps: int
    temporal_steps: int
    rays: int
    importance: bool
    learning_rate: float
    late_rate: float
    final_rate: float
    latent_rate: float
    precision: str
    background: str


def parameters_of(job: FitJob) -> tuple[Structure, Parameters]:
    """Structure and training of a fit.

    Raises:
        CodecError: a parameter cannot be.
    """
    shape = Structure.names()
    others = {name: value for name, value in job.parameters.items() if name not in shape}
    parameters = Parameters(**others)
    if parameters.background not in ("black", "white"):
        raise CodecError(f"the background {parameters.background!r} is neither black nor white.")
    if parameters.precision not in ("bf16", "fp32"):
        raise CodecError(f"the precision {parameters.precision!r} is neither bf16 nor fp32.")
    if parameters.spacing < 1:
        raise CodecError(f"spacing is {parameters.spacing}; key frames are at least 1 apart.")
    return Structure.of(job.parameters), parameters


def frames_at_keys(views: TrainViews, spacing: int) -> Tensor:
    """Indices of the pictures whose instant is a key frame; all where no view holds one."""
    keys = torch.tensor(key_instants(views.instants, spacing), dtype=torch.float32)
    near = (views.frame_times[:, None] - keys).abs() < 0.5
    found = near.any(dim=-1).nonzero()[:, 0]
    return found if len(found) else torch.arange(views.frames)


def grown(structure: Structure, scene: SceneFormat, before: DyNerf) -> DyNerf:
    """A model with a code of every instant, between those of the key frames before."""
    model = DyNerf(structure, scene)
    state = before.state_dict()
    with torch.no_grad():
        state["latents"] = before.cpu().latents_at(torch.arange(scene.instants).float())
    model.load_state_dict(state)
    return model


def step_bytes(structure: Structure, rays: int) -> int:
    """Bytes that the activations of a step's samples take until its gradient is known."""
    shape = structure.mlp
    values = shape.width * (shape.layers + 1) + shape.view_width + 2 * structure.latent
    samples = structure.coarse * structure.networks + structure.fine
    return 8 * rays * samples * values


def main(job: FitJob) -> None:
    """Write the fitted model to ``./model``."""
    structure, parameters = parameters_of(job)
    scene = SceneFormat.of(job, background=parameters.background)
    with torch.device("meta"):
        values = parameter_count(DyNerf(structure, scene))
    views = open_scene(job, model_bytes=adam_bytes(values) + step_bytes(structure, parameters.rays))
    background = background_colour(scene.background, views.device)

    def stage(
        begin: Callable[[DyNerf | None], DyNerf],
        *,
        steps: int,
        rate: float,
        frames: Tensor | None,
        weights_of: Callable[[], Tensor],
    ) -> Stage[DyNerf]:
        batches: list[RayBatches] = []

        def loss_of(model: DyNerf, step: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
            if not batches:
                weights = weights_of() if parameters.importance else None
                batches.append(
                    RayBatches(views, rays=parameters.rays, frames=frames, weights=weights)
                )
            batch = batches[0].draw(generator)
            seen = model.shade(batch.rays, batch.times, generator)
            fine = (seen.fine.over(background) - batch.colours).square().mean()
            coarse = (seen.coarse.over(background) - batch.colours).square().mean()
            return coarse + fine, fine

        training = Training(
            steps=steps,
            learning_rate=rate,
            schedule=Exponential(steps=max(steps, 1), decay=parameters.final_rate),
            seed=job.seed,
            rates={"latents": parameters.latent_rate},
            precision="bf16" if parameters.precision == "bf16" else "fp32",
        )
        return Stage(begin, loss_of, training)

    def first(_: DyNerf | None) -> DyNerf:
        return DyNerf(structure, scene, spacing=parameters.spacing).to(views.device)

    def every(before: DyNerf | None) -> DyNerf:
        assert before is not None
        return grown(structure, scene, before).to(views.device)

    def same(before: DyNerf | None) -> DyNerf:
        assert before is not None
        return before

    stages = [
        stage(
            first,
            steps=parameters.key_steps,
            rate=parameters.learning_rate,
            frames=frames_at_keys(views, parameters.spacing),
            weights_of=lambda: median_importance(views, gamma=1e-3),
        ),
        stage(
            every,
            steps=parameters.global_steps,
            rate=parameters.late_rate,
            frames=None,
            weights_of=lambda: median_importance(views, gamma=2e-2),
        ),
        stage(
            same,
            steps=parameters.temporal_steps,
            rate=parameters.late_rate,
            frames=None,
            weights_of=lambda: temporal_importance(views),
        ),
    ]
    *_, model = fit_stages(job, stages)
    model = model.cpu()
    view = views.views[0]
    rays = view_rays(view, torch.device("cpu"))[: 4 * view.width]
    with torch.inference_mode():
        macs = macs_of(model, rays, torch.zeros(len(rays)))
    save_scene(scene, numpy_state(model), structure.to_header(), macs_per_pixel=macs / len(rays))


if __name__ == "__main__":
    run_verb(FitJob, main)
