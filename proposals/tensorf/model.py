"""TensoRF's field: factors of density and appearance, a basis and a small network.

```
 x ─ density factors ─ Σ ─ softplus(· + shift) ─ σ
   └ colour factors ─ Linear (basis) ─ 27 ┐
 d ────────────────────────────────────── 3 ┴ with sin, cos ─ Linear ReLU Linear ReLU Linear sigmoid
```

Chen et al., TensoRF: Tensorial Radiance Fields, ECCV 2022.
"""

from dataclasses import dataclass

import torch
from inrkit.compositing import Rendered, background_colour, composite_kept, sample_weights
from inrkit.encodings import positional_encoding
from inrkit.occupancy import OccupancyGrid
from inrkit.rays import Rays, box_distances, box_tensor, unit_positions
from inrkit.sampling import march
from inrkit.scene_codec import SceneFormat
from inrkit.tensorial import CpFactors, Sizes, VmFactors
from structure import Structure
from torch import Tensor, nn
from torch.nn import functional

DISTANCE_SCALE = 25.0
PAPER_SIDE = (
    3.0  # of the Blender scenes' box, for which the scale and the paper's shift of −10 were chosen
)
SPREAD = {"vm": 0.1, "cp": 0.2}
LEAST_WEIGHT = 1e-4  # a sample of less is seen by nobody and gets no colour
LEAST_ALPHA = 1e-3  # a cell is empty for a decoder if a step in it stops less of the light


def factors_of(kind: str, sizes: Sizes, ranks: Sizes) -> VmFactors | CpFactors:
    """VM factors of three ranks, or CP factors of the first."""
    if kind == "cp":
        return CpFactors(sizes, ranks[0], spread=SPREAD[kind])
    return VmFactors(sizes, ranks, spread=SPREAD[kind])


class AppearanceNetwork(nn.Module):
    """Features (N, F) and unit directions (N, 3) to RGB (N, 3).

    Source: TensoRF's code (``MLPRender_Fea``): both enter with sin and cos of 2^k times them.
    """

    def __init__(self, structure: Structure) -> None:
        super().__init__()
        self.feature_levels = structure.feature_levels
        self.view_levels = structure.view_levels
        inputs = structure.features * (1 + 2 * structure.feature_levels)
        inputs += 3 * (1 + 2 * structure.view_levels)
        width = structure.width
        self.layers = nn.Sequential(
            nn.Linear(inputs, width),
            nn.ReLU(inplace=True),
            nn.Linear(width, width),
            nn.ReLU(inplace=True),
            nn.Linear(width, 3),
        )
        nn.init.zeros_(self.layers[-1].bias)

    def forward(self, features: Tensor, directions: Tensor) -> Tensor:
        """RGB in [0, 1]."""
        encoded = positional_encoding(features, levels=self.feature_levels)
        towards = positional_encoding(directions, levels=self.view_levels)
        return torch.sigmoid(self.layers(torch.cat([encoded, towards], dim=-1)))


@dataclass(frozen=True)
class Shading:
    """What N rays see, and how many of their samples were looked at."""

    rendered: Rendered
    looked: int


class TensorfField(nn.Module):
    """Densities and colours in the scene's box.

    Lengths count as if the box's mean side were the 3 units of the Blender scenes, so that shift
    and scale of the density mean the same in a scene of any size.
    """

    box: Tensor

    def __init__(self, structure: Structure, scene: SceneFormat) -> None:
        super().__init__()
        self.structure, self.scene = structure, scene
        self.density = factors_of(structure.kind, structure.sizes, structure.density_ranks)
        self.colour = factors_of(structure.kind, structure.sizes, structure.colour_ranks)
        self.basis = nn.Linear(sum(structure.colour_ranks), structure.features, bias=False)
        self.network = AppearanceNetwork(structure)
        self.occupancy = OccupancyGrid(structure.cells)
        box = box_tensor(scene.bounds, torch.device("cpu"))
        self.register_buffer("box", box, persistent=False)
        extent = (box[1] - box[0]).double()
        sides = extent / (torch.tensor(structure.sizes) - 1)
        self.step = structure.step_ratio * float(sides.mean())
        self.steps = int(float(extent.norm()) / self.step) + 1
        self.unit = PAPER_SIDE / float(extent.prod()) ** (1 / 3)

    @property
    def scaled_step(self) -> float:
        """What a step counts for in the exponent of the transmittance."""
        return self.step * self.unit * DISTANCE_SCALE

    def densities(self, positions: Tensor) -> Tensor:
        """σ (N,) at positions in [0, 1]³. Source: TensoRF, equation 5, and its code."""
        sums = self.density(positions).sum(dim=-1)
        return functional.softplus(sums + self.structure.density_shift)

    def colours(self, positions: Tensor, directions: Tensor) -> Tensor:
        """RGB (N, 3) at positions in [0, 1]³ from unit directions. Source: equation 6."""
        seen: Tensor = self.network(self.basis(self.colour(positions)), directions)
        return seen

    def shade(self, rays: Rays, generator: torch.Generator | None = None) -> Shading:
        """Render rays in steps of fixed length through occupied cells.

        Args:
            rays: in scene units.
            generator: shifts the samples of every ray; fixed places without one.
        """
        bounds = self.scene.bounds
        enter, leave = box_distances(rays, self.box, near=bounds.near, far=bounds.far)
        distances, inside = march(
            enter, leave, step=self.step, most=self.steps, generator=generator
        )
        with torch.no_grad():
            positions = unit_positions(rays.at(distances), self.box)
            kept = inside & self.occupancy.query(positions)
        densities = torch.zeros_like(distances)
        densities[kept] = self.densities(positions[kept])
        weights = sample_weights(densities, torch.full_like(distances, self.scaled_step))
        seen = weights.detach() > LEAST_WEIGHT
        which = seen.nonzero()[:, 0]
        colours = self.colours(positions[seen], rays.directions[which])
        return Shading(composite_kept(weights, colours, distances, seen), len(positions[kept]))

    def threshold(self, alpha: float) -> float:
        """The density of which a step stops the share ``alpha`` of the light."""
        return alpha / self.scaled_step

    def start_rendering(self) -> None:
        """Find the occupied cells from the decoded field."""
        self.occupancy.rebuild(self.densities, threshold=self.threshold(LEAST_ALPHA))

    def render(self, rays: Rays) -> Tensor:
        """RGB (N, 3) of rays before the scene's background."""
        background = background_colour(self.scene.background, rays.origins.device)
        return self.shade(rays).rendered.over(background)

    def forward(self, rays: Rays) -> Tensor:
        """The same as :meth:`render`."""
        return self.render(rays)
