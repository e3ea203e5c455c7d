"""NeRF's field: two MLPs, the coarse of which says where the fine one is sampled.

```
 ray ─ 64 distances ─ coarse MLP ─ weights ─ 128 more distances ─ fine MLP of all 192 ─ RGB
```

Mildenhall et al., NeRF: Representing Scenes as Neural Radiance Fields for View Synthesis, ECCV
2020.
"""

from dataclasses import dataclass

import torch
from inrkit.compositing import (
    Rendered,
    background_colour,
    composite,
    sample_lengths,
    sample_weights,
)
from inrkit.radiance_mlp import RadianceMlp
from inrkit.rays import Rays, box_distances, box_tensor
from inrkit.sampling import stratified, with_fine
from inrkit.scene_codec import SceneFormat
from structure import Structure
from torch import Tensor, nn

POINTS_PER_CALL = {"cpu": 1 << 15, "cuda": 1 << 20}


@dataclass(frozen=True)
class Course:
    """Rays in the units of the MLPs, and the part of them that is sampled.

    Args:
        rays: places within about [−1, 1]³; directions need not be unit.
        enter, leave: ends of the sampled part (N,), in distances of ``rays``.
        towards: unit directions in the scene (N, 3).
    """

    rays: Rays
    enter: Tensor
    leave: Tensor
    towards: Tensor

    def lengths(self, distances: Tensor) -> Tensor:
        """δ (N, S) of distances (N, S): 1e10 for the last, 0 on rays of which nothing is sampled.

        Source: NeRF's code (bmild/nerf), which also multiplies by the length of a direction.
        """
        scale = self.rays.directions.norm(dim=-1) * (self.leave > self.enter)
        return sample_lengths(distances) * scale[:, None]


class NerfField(nn.Module):
    """Radiance of a scene. Lengths count in halves of the box's longest side, or in NDC."""

    box: Tensor

    def __init__(self, structure: Structure, scene: SceneFormat) -> None:
        super().__init__()
        self.structure, self.scene = structure, scene
        self.coarse = RadianceMlp(structure.mlp)
        self.fine = RadianceMlp(structure.mlp)
        box = box_tensor(scene.bounds, torch.device("cpu"))
        self.register_buffer("box", box, persistent=False)

    def course(self, rays: Rays) -> Course:
        """Where the MLPs meet rays given in scene units."""
        bounds = self.scene.bounds
        if self.structure.frame is not None:
            warped = self.structure.frame.warp(rays, near=bounds.near)
            start = torch.zeros_like(rays.origins[:, 0])
            return Course(warped, start, torch.ones_like(start), rays.directions)
        enter, leave = box_distances(rays, self.box, near=bounds.near, far=bounds.far)
        unit = 0.5 * (self.box[1] - self.box[0]).max()
        held = Rays((rays.origins - self.box.mean(dim=0)) / unit, rays.directions)
        return Course(held, enter / unit, leave / unit, rays.directions)

    def shade(
        self, rays: Rays, generator: torch.Generator | None = None, *, noise: float = 0.0
    ) -> tuple[Rendered, Rendered]:
        """What the coarse and the fine network see of rays in scene units.

        Args:
            rays: N rays.
            generator: places samples at random in their strata; in the middle without one.
            noise: standard deviation of what is added to densities before their ReLU.
        Source: NeRF, section 5.2 and equation 5; the noise is of its appendix A.
        """
        course = self.course(rays)
        first = stratified(course.enter, course.leave, self.structure.coarse, generator)
        coarse, weights = _integrate(self.coarse, course, first, generator, noise)
        every = with_fine(first, weights, self.structure.fine, generator)
        fine, _ = _integrate(self.fine, course, every, generator, noise)
        return coarse, fine

    def start_rendering(self) -> None:
        """Nothing: the MLPs are all there is."""

    def render(self, rays: Rays) -> Tensor:
        """RGB (N, 3) of rays before the scene's background."""
        device = rays.origins.device
        size = POINTS_PER_CALL[device.type] // (self.structure.coarse + self.structure.fine) + 1
        parts = [
            self.shade(rays[start : start + size])[1].over(
                background_colour(self.scene.background, device)
            )
            for start in range(0, len(rays), size)
        ]
        return torch.cat(parts)

    def forward(self, rays: Rays) -> Tensor:
        """The same as :meth:`render`."""
        return self.render(rays)


def _integrate(
    mlp: RadianceMlp,
    course: Course,
    distances: Tensor,
    generator: torch.Generator | None,
    noise: float,
) -> tuple[Rendered, Tensor]:
    """What an MLP shows of rays, and the weights (N, S) of its samples."""
    densities, colours = mlp(course.rays.at(distances), course.towards[:, None])
    densities = densities.float()
    if noise:
        shift = torch.randn(densities.shape, generator=generator).to(densities.device)
        densities = densities + noise * shift
    weights = sample_weights(torch.relu(densities), course.lengths(distances))
    return composite(weights, colours.float(), distances), weights
