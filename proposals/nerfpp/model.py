"""NeRF++'s field: a NeRF inside a sphere around the cameras, another one beyond it.

```
 camera ──── foreground MLP ────│──── background MLP of (x', y', z', 1/r) ──── ∞
        distance: near … sphere │ 1/r: 1 … 0, behind what the foreground lets through
```

Twice, as in NeRF: a first cascade says where the second is sampled, on either side of the sphere.
Zhang et al., NeRF++: Analyzing and Improving Neural Radiance Fields, arXiv 2010.07492.
"""

from dataclasses import dataclass

import torch
from inrkit.compositing import Rendered, composite, sample_lengths, sample_weights
from inrkit.radiance_mlp import RadianceMlp
from inrkit.rays import Rays, inverted_sphere_points, sphere_exit
from inrkit.sampling import stratified, with_fine
from inrkit.scene_codec import SceneFormat
from structure import Structure
from torch import Tensor, nn

POINTS_PER_CALL = {"cpu": 1 << 15, "cuda": 1 << 20}


@dataclass(frozen=True)
class Shading:
    """What one cascade sees of N rays.

    Args:
        colour: RGB (N, 3), foreground before background.
        near, far: weights of the samples inside the sphere and beyond it, each on its own.
    """

    colour: Tensor
    near: Tensor
    far: Tensor


class Cascade(nn.Module):
    """The two networks of one cascade; σ = |linear map|. Source: the authors' code."""

    def __init__(self, structure: Structure) -> None:
        super().__init__()
        self.foreground = RadianceMlp(structure.mlp)
        self.background = RadianceMlp(structure.mlp, dimensions=4)

    def shade(self, rays: Rays, distances: Tensor, leave: Tensor, depths: Tensor) -> Shading:
        """Colours of rays in units of the sphere.

        Args:
            rays: N rays that start inside.
            distances: inside the sphere (N, S).
            leave: where the rays pass through it (N,).
            depths: 1 − 1/r in [0, 1) beyond it (N, B), ascending.
        Source: NeRF++, equation 2. What is a background sample's length, the paper leaves open;
        it is counted in 1/r here, and the last one's is 1e10.
        """
        towards = rays.directions[:, None]
        lengths = sample_lengths(distances, last=leave - distances[:, -1])
        near = _rendered(self.foreground, rays.at(distances), towards, lengths, distances)
        beyond = inverted_sphere_points(rays, 1 - depths)
        far = _rendered(self.background, beyond, towards, sample_lengths(depths), depths)
        return Shading(near[0].over(far[0].colour), near[1], far[1])


class NerfppField(nn.Module):
    """Radiance of a scene without bounds; lengths count in radii of the sphere."""

    def __init__(self, structure: Structure, scene: SceneFormat) -> None:
        super().__init__()
        self.structure, self.scene = structure, scene
        self.cascades = nn.ModuleList(Cascade(structure) for _ in range(2))

    def shade(
        self, rays: Rays, generator: torch.Generator | None = None
    ) -> tuple[Shading, Shading]:
        """What the first and the second cascade see of rays in scene units.

        Args:
            rays: N rays that start inside the sphere.
            generator: places samples at random in their strata; in the middle without one.
        Raises:
            CodecError: a ray starts outside.
        """
        shape = self.structure
        held = shape.sphere.normalise(rays)
        leave = sphere_exit(held)
        enter = leave.clamp(max=self.scene.bounds.near / shape.sphere.radius)
        first, second = self.cascades
        near = stratified(enter, leave, shape.coarse, generator)
        zero = torch.zeros_like(leave)
        far = stratified(zero, zero + 1, shape.far_coarse, generator)
        coarse = first.shade(held, near, leave, far)
        near = with_fine(near, coarse.near, shape.fine, generator)
        far = with_fine(far, coarse.far, shape.far_fine, generator)
        return coarse, second.shade(held, near, leave, far)

    def start_rendering(self) -> None:
        """Nothing: the MLPs are all there is."""

    def render(self, rays: Rays) -> Tensor:
        """RGB (N, 3) of rays."""
        size = POINTS_PER_CALL[rays.origins.device.type] // self.structure.samples + 1
        starts = range(0, len(rays), size)
        return torch.cat([self.shade(rays[start : start + size])[1].colour for start in starts])

    def forward(self, rays: Rays) -> Tensor:
        """The same as :meth:`render`."""
        return self.render(rays)


def _rendered(
    mlp: RadianceMlp, points: Tensor, towards: Tensor, lengths: Tensor, distances: Tensor
) -> tuple[Rendered, Tensor]:
    """What an MLP shows, and the weights (N, S) of its samples."""
    densities, colours = mlp(points, towards)
    weights = sample_weights(densities.float().abs(), lengths)
    return composite(weights, colours.float(), distances), weights
