"""Instant-NGP's field: a hash grid, two small networks, and a grid of cells that hold anything.

```
 x ─ hash grid ─ Linear ReLU Linear ─┬─ σ = exp(first of 16)
                                     └────── 16 ┐
 d ─ spherical harmonics ───── bands² of them ┴─ Linear ReLU Linear ReLU Linear sigmoid ─ RGB
```

Müller et al., Instant Neural Graphics Primitives with a Multiresolution Hash Encoding, ACM TOG
2022. No layer has a bias.
"""

from dataclasses import dataclass

import torch
from inrkit.compositing import Rendered, background_colour, composite_kept, sample_weights
from inrkit.encodings import spherical_harmonics
from inrkit.grids import HashGrid
from inrkit.occupancy import OccupancyGrid
from inrkit.rays import Rays, box_distances, box_tensor, unit_positions
from inrkit.sampling import march
from inrkit.scene_codec import SceneFormat
from structure import Structure
from torch import Tensor, nn

FEATURES = 16
MOST_LOG_DENSITY = 15.0
LEAST_ALPHA = 0.01  # a cell is empty if a step in it stops less than this share of the light


def small_network(inputs: int, width: int, outputs: int, *, hidden: int) -> nn.Sequential:
    """Linear maps without bias, ReLU between them; Xavier's uniform distribution at the start."""
    layers: list[nn.Module] = []
    for _ in range(hidden):
        layers += [nn.Linear(inputs, width, bias=False), nn.ReLU(inplace=True)]
        inputs = width
    network = nn.Sequential(*layers, nn.Linear(inputs, outputs, bias=False))
    for layer in network[::2]:
        nn.init.xavier_uniform_(layer.weight)
    return network


@dataclass(frozen=True)
class Shading:
    """What N rays see, and the weights (N, S) it was made of with their mask."""

    rendered: Rendered
    weights: Tensor
    kept: Tensor


class NgpField(nn.Module):
    """Densities and colours in the scene's box; lengths count in box diagonals."""

    box: Tensor

    def __init__(self, structure: Structure, scene: SceneFormat) -> None:
        super().__init__()
        self.structure, self.scene = structure, scene
        self.grid = HashGrid(
            levels=structure.levels,
            channels=structure.channels,
            table=1 << structure.table_bits,
            least=structure.least,
            most=structure.most,
        )
        inputs = structure.levels * structure.channels
        self.density_network = small_network(inputs, structure.width, FEATURES, hidden=1)
        inputs = FEATURES + structure.bands**2
        self.colour_network = small_network(inputs, structure.width, 3, hidden=2)
        self.occupancy = OccupancyGrid(structure.cells)
        box = box_tensor(scene.bounds, torch.device("cpu"))
        self.register_buffer("box", box, persistent=False)
        self.diagonal = float((box[1] - box[0]).norm())

    @property
    def step(self) -> float:
        """Length of a step in diagonals."""
        return 1 / self.structure.samples

    @property
    def threshold(self) -> float:
        """The density per diagonal from which on a cell counts as occupied."""
        return LEAST_ALPHA / self.step

    def features(self, positions: Tensor) -> Tensor:
        """The density network's output (N, 16) at positions in [0, 1]³."""
        read: Tensor = self.density_network(self.grid(positions))
        return read

    def densities(self, positions: Tensor) -> Tensor:
        """Densities (N,) per diagonal."""
        return density_of(self.features(positions))

    def shade(
        self, rays: Rays, generator: torch.Generator | None = None, *, stride: int = 1
    ) -> Shading:
        """Render rays in steps of fixed length through occupied cells.

        Args:
            rays: in scene units.
            generator: shifts the samples of every ray; fixed places without one.
            stride: times as long as the structure's steps, while a fit is still coarse.
        """
        step = stride * self.step
        bounds = self.scene.bounds
        enter, leave = box_distances(rays, self.box, near=bounds.near, far=bounds.far)
        distances, inside = march(
            enter,
            leave,
            step=step * self.diagonal,
            most=-(-self.structure.samples // stride),
            generator=generator,
        )
        with torch.no_grad():
            positions = unit_positions(rays.at(distances), self.box)
            kept = inside & self.occupancy.query(positions)
            chosen = positions[kept]
            which = kept.nonzero()[:, 0]
        features = self.features(chosen)
        seen_from = spherical_harmonics(rays.directions, self.structure.bands)
        colours = torch.sigmoid(
            self.colour_network(torch.cat([features, seen_from[which]], dim=-1))
        )
        densities = torch.zeros_like(distances)
        densities[kept] = density_of(features)
        weights = sample_weights(densities, torch.full_like(distances, step))
        return Shading(composite_kept(weights, colours, distances, kept), weights, kept)

    def opacities(self, positions: Tensor) -> Tensor:
        """What a step's length of the density at positions (N, 3) stops of the light, (N,)."""
        return -torch.expm1(-self.densities(positions) * self.step)

    def start_rendering(self) -> None:
        """Find the occupied cells from the decoded field."""
        self.occupancy.rebuild(self.densities, threshold=self.threshold)

    def render(self, rays: Rays) -> Tensor:
        """RGB (N, 3) of rays before the scene's background."""
        background = background_colour(self.scene.background, rays.origins.device)
        return self.shade(rays).rendered.over(background)

    def forward(self, rays: Rays) -> Tensor:
        """The same as :meth:`render`."""
        return self.render(rays)


def density_of(features: Tensor) -> Tensor:
    """exp of the first feature, which is kept below 15."""
    return torch.exp(features[:, 0].clamp(max=MOST_LOG_DENSITY))
