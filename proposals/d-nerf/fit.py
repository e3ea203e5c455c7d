"""Fit a D-NeRF model to a scene: the first instants first."""

from dataclasses import dataclass

import torch
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
from model import DNerf
from structure import Structure
from torch import Tensor

LEAST_INSTANTS = 3


@dataclass(frozen=True, kw_only=True)
class Parameters:
    """A fit's parameters beside its structure, as codec.toml gives them.

    Args:
        steps: of the optimiser.
        rays: per step.
        one_picture: whether a step's rays come from one picture, as in the paper's code.
        learning_rate: of Adam.
        final_rate: share of it that the exponential decay ends at.
        curriculum_steps: until all instants are drawn from.
        precision: of the forward pass, ``bf16`` or ``fp32``.
        background: black or white.
    """

    steps: int
    rays: int
    one_picture: bool
    learning_rate: float
    final_rate: float
    curriculum_steps: int
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
    return Structure.of(job.parameters), parameters


def seen_instants(step: int, *, instants: int, curriculum_steps: int) -> int:
    """Distinct times that are drawn from at a step: max(N·i/curriculum, 3), at most N.

    Source: D-NeRF's code (albertpumarola/D-NeRF), which limits pictures in time order so.

    >>> [seen_instants(i, instants=16, curriculum_steps=100) for i in (0, 50, 99, 100)]
    [3, 8, 15, 16]
    """
    if step >= curriculum_steps:
        return instants
    return min(instants, max(instants * step // curriculum_steps, LEAST_INSTANTS))


class Curriculum:
    """Batches of rays of the first instants, ever more of them."""

    def __init__(self, views: TrainViews, parameters: Parameters) -> None:
        self.views, self.parameters = views, parameters
        self.times = sorted(set(views.frame_times.tolist()))
        self.held: tuple[int, RayBatches] | None = None

    def at(self, step: int) -> RayBatches:
        """The batches to draw from at a step."""
        seen = seen_instants(
            step,
            instants=len(self.times),
            curriculum_steps=self.parameters.curriculum_steps,
        )
        if self.held is None or self.held[0] != seen:
            frames = self.views.frames_at(latest=self.times[seen - 1])
            batches = RayBatches(
                self.views,
                rays=self.parameters.rays,
                frames=frames,
                takes_one_picture=self.parameters.one_picture,
            )
            self.held = seen, batches
        return self.held[1]


def step_bytes(structure: Structure, rays: int) -> int:
    """Bytes that the activations of a step's samples take until its gradient is known."""
    shape = structure.canonical
    values = structure.deformation_width * structure.deformation_layers
    values += shape.width * (shape.layers + 1) + shape.view_width
    return 8 * rays * (structure.coarse + structure.fine) * values


def main(job: FitJob) -> None:
    """Write the fitted model to ``./model``."""
    structure, parameters = parameters_of(job)
    scene = SceneFormat.of(job, background=parameters.background)
    with torch.device("meta"):
        values = parameter_count(DNerf(structure, scene))
    views = open_scene(job, model_bytes=adam_bytes(values) + step_bytes(structure, parameters.rays))
    background = background_colour(scene.background, views.device)
    curriculum = Curriculum(views, parameters)

    def loss_of(model: DNerf, step: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        batch = curriculum.at(step).draw(generator)
        seen = model.shade(batch.rays, batch.times, generator).fine.over(background)
        error = (seen - batch.colours).square().mean()
        return error, error

    training = Training(
        steps=parameters.steps,
        learning_rate=parameters.learning_rate,
        schedule=Exponential(steps=parameters.steps, decay=parameters.final_rate),
        seed=job.seed,
        precision="bf16" if parameters.precision == "bf16" else "fp32",
    )
    stage = Stage(lambda _: DNerf(structure, scene).to(views.device), loss_of, training)
    (model,) = (fitted.cpu() for fitted in fit_stages(job, [stage]))
    view = views.views[0]
    rays = view_rays(view, torch.device("cpu"))[: 4 * view.width]
    with torch.inference_mode():
        macs = macs_of(model, rays, torch.zeros(len(rays)))
    save_scene(scene, numpy_state(model), structure.to_header(), macs_per_pixel=macs / len(rays))


if __name__ == "__main__":
    run_verb(FitJob, main)
