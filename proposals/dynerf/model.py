"""DyNeRF: a radiance field that a learnt code of the instant bends to that instant.

```
 γ(x), z(t) ─ RadianceMlp ─ σ, RGB        z(t) between the codes of two instants is a line
        γ(d) ──┘
```

T. Li et al., Neural 3D Video Synthesis from Multi-view Video, CVPR 2022, equation 2.
"""

import torch
from inrkit.compositing import background_colour
from inrkit.hierarchical import DENSITIES, Field, TwoPasses, cross_box, render_twice
from inrkit.radiance_mlp import RadianceMlp
from inrkit.rays import Rays
from inrkit.scene_codec import SceneFormat
from structure import Structure
from torch import Tensor, nn
from torch.nn import functional

LATENT_SPREAD = 0.1  # deviation of fresh codes; a choice of ours


class DyNerf(nn.Module):
    """The scene at any time of the cut.

    Args:
        structure, scene: of the model.
        spacing: instants between two codes; the last instant always has one of its own.
    """

    def __init__(self, structure: Structure, scene: SceneFormat, *, spacing: int = 1) -> None:
        super().__init__()
        self.structure, self.scene, self.spacing = structure, scene, spacing
        keys = len(key_instants(scene.instants, spacing))
        self.latents = nn.Parameter(LATENT_SPREAD * torch.randn(keys, structure.latent))
        self.field = RadianceMlp(structure.mlp, conditions=structure.latent)
        if structure.networks == 2:
            self.coarse_field = RadianceMlp(structure.mlp, conditions=structure.latent)

    def latents_at(self, times: Tensor) -> Tensor:
        """Codes (N, latent) of times (N,) in instants, on the line between their neighbours."""
        keys = self.latents.new_tensor(key_instants(self.scene.instants, self.spacing))
        if len(keys) == 1:
            return functional.embedding(torch.zeros_like(times, dtype=torch.long), self.latents)
        times = times.clamp(0, self.scene.instants - 1)
        after = torch.searchsorted(keys, times, right=True).clamp(1, len(keys) - 1)
        share = ((times - keys[after - 1]) / (keys[after] - keys[after - 1]))[:, None]
        before = functional.embedding(after - 1, self.latents)
        return before + share * (functional.embedding(after, self.latents) - before)

    def shade(
        self, rays: Rays, times: Tensor, generator: torch.Generator | None = None
    ) -> TwoPasses:
        """What rays see.

        Args:
            rays: in scene units (N).
            times: of the rays, in instants (N,).
            generator: shifts the samples of every ray; fixed places without one.
        """
        codes = self.latents_at(times)[:, None]
        directions = rays.directions[:, None]

        def field_of(network: RadianceMlp) -> Field:
            def field(points: Tensor) -> tuple[Tensor, Tensor]:
                densities, colours = network(points, directions, codes)
                return DENSITIES[self.structure.density](densities.float()), colours

            return field

        has_two = self.structure.networks == 2
        return render_twice(
            cross_box(rays, self.scene.bounds),
            field_of(self.field),
            coarse=self.structure.coarse,
            fine=self.structure.fine,
            coarse_field=field_of(self.coarse_field) if has_two else None,
            generator=generator,
        )

    def forward(self, rays: Rays, times: Tensor) -> Tensor:
        """RGB (N, 3) before the scene's background."""
        background = background_colour(self.scene.background, rays.origins.device)
        return self.shade(rays, times).fine.over(background)


def key_instants(instants: int, spacing: int) -> list[int]:
    """Every ``spacing``-th instant from the first, and the last.

    >>> key_instants(16, 6), key_instants(16, 1) == list(range(16)), key_instants(1, 4)
    ([0, 6, 12, 15], True, [0])
    """
    return sorted({*range(0, instants, spacing), instants - 1})
