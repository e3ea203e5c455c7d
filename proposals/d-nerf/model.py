"""D-NeRF: where a point of any time lies at time 0, and the radiance field of time 0.

```
 γ(x) γ(t) ─ SkipMlp ─ Linear ─ Δx, 0 at t = 0
 x + Δx, d ─ RadianceMlp ─ σ, RGB
```

Pumarola, Corona, Pons-Moll, Moreno-Noguer, D-NeRF: Neural Radiance Fields for Dynamic Scenes,
CVPR 2021. t counts from 0 at the first instant of the cut to 1 at the last.
"""

import torch
from inrkit.compositing import background_colour
from inrkit.encodings import positional_encoding
from inrkit.hierarchical import DENSITIES, TwoPasses, cross_box, render_twice
from inrkit.radiance_mlp import RadianceMlp, SkipMlp, encoded_size
from inrkit.rays import Rays
from inrkit.scene_codec import SceneFormat
from structure import Structure
from torch import Tensor, nn


class Deformation(nn.Module):
    """Displacements Δx (…, 3) to the canonical scene. Source: D-NeRF, equation 1."""

    def __init__(self, structure: Structure) -> None:
        super().__init__()
        self.levels, self.time_levels = structure.deformation_levels, structure.time_levels
        places = encoded_size(3, self.levels)
        self.trunk = SkipMlp(
            places + encoded_size(1, self.time_levels),
            width=structure.deformation_width,
            layers=structure.deformation_layers,
            skip=structure.deformation_skip,
            repeated=places,
        )
        self.shift = nn.Linear(structure.deformation_width, 3)

    def forward(self, positions: Tensor, times: Tensor) -> Tensor:
        """Δx of positions (…, 3), in reaches, at times in [0, 1] (…, 1) or broadcast to it."""
        lead = positions.shape[:-1]
        when = positional_encoding(times, levels=self.time_levels).expand(*lead, -1)
        where = positional_encoding(positions, levels=self.levels)
        shifts = self.shift(self.trunk(torch.cat([where, when], dim=-1))).float()
        return torch.where(times == 0, torch.zeros_like(shifts), shifts)


class DNerf(nn.Module):
    """The scene at any time; one radiance field for coarse and fine samples."""

    def __init__(self, structure: Structure, scene: SceneFormat) -> None:
        super().__init__()
        self.structure, self.scene = structure, scene
        self.deformation = Deformation(structure)
        self.canonical = RadianceMlp(structure.canonical)

    def shade(
        self, rays: Rays, times: Tensor, generator: torch.Generator | None = None
    ) -> TwoPasses:
        """What rays see.

        Args:
            rays: in scene units (N).
            times: of the rays, in instants (N,).
            generator: shifts the samples of every ray; fixed places without one.
        """
        crossing = cross_box(rays, self.scene.bounds)
        when = (times / max(self.scene.instants - 1, 1))[:, None, None]
        directions = rays.directions[:, None]

        def field(points: Tensor) -> tuple[Tensor, Tensor]:
            moved = points + self.deformation(points, when)
            densities, colours = self.canonical(moved, directions)
            return DENSITIES[self.structure.density](densities.float()), colours

        return render_twice(
            crossing,
            field,
            coarse=self.structure.coarse,
            fine=self.structure.fine,
            generator=generator,
        )

    def forward(self, rays: Rays, times: Tensor) -> Tensor:
        """RGB (N, 3) before the scene's background."""
        background = background_colour(self.scene.background, rays.origins.device)
        return self.shade(rays, times).fine.over(background)
