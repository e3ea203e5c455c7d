"""Plenoxels' field: a sparse grid of densities and spherical harmonics, read linearly; no network.

```
x ─ 8 nearest points ─ σ = ReLU(Σ weight · density)
                     └ SH coefficients (3 × bands²) ─ · harmonics of d, + ½, ReLU ─ RGB
```

A point that is not kept counts as 0. Fridovich-Keil, Yu et al., Plenoxels: Radiance Fields without
Neural Networks, CVPR 2022.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from inrkit.compositing import Rendered, background_colour, composite_kept, sample_weights
from inrkit.encodings import spherical_harmonics
from inrkit.grids import corners, interpolate
from inrkit.rays import Rays, box_distances, box_tensor, unit_positions
from inrkit.sampling import march
from inrkit.scene_codec import SceneFormat
from inrkit.tensorial import Sizes
from torch import Tensor, nn
from torch.nn import functional

PAPER_SIDE = 2.0  # the paper's grid fills [−1, 1]³
LEAST_WEIGHT = 1e-4  # a sample of less is seen by nobody and gets no colour
CHUNK = 1 << 20


@dataclass(frozen=True)
class Samples:
    """Samples of N rays, S of each; K of them lie in cells that hold anything.

    Args:
        distances: (N, S).
        looked: which of them are the K, booleans (N, S).
        positions: (K, 3) in [0, 1]³.
        rows, shares: (K, 8), see :meth:`VoxelField.places`.
        densities: (K,).
        weights: (N, S).
    """

    distances: Tensor
    looked: Tensor
    positions: Tensor
    rows: Tensor
    shares: Tensor
    densities: Tensor
    weights: Tensor

    @property
    def seen_with(self) -> Tensor:
        """Weights (K,), without gradient."""
        return self.weights.detach()[self.looked]


@dataclass(frozen=True)
class Shading:
    """What N rays see, and the samples that it was made of."""

    rendered: Rendered
    samples: Samples


class VoxelField(nn.Module):
    """Densities and colours in the scene's box, at the kept points of a grid.

    Densities count per half of the box's mean side, as in the paper's grid.

    Args:
        kept: which points hold values, booleans (X, Y, Z).
        bands: of spherical harmonics.
        step_ratio: length of a step over the mean side of a voxel.
        scene: bounds and background.
    """

    box: Tensor
    rows: Tensor
    is_filled: Tensor

    def __init__(self, kept: Tensor, *, bands: int, step_ratio: float, scene: SceneFormat) -> None:
        super().__init__()
        x, y, z = kept.shape
        self.sizes: Sizes = (x, y, z)
        self.bands, self.step_ratio, self.scene = bands, step_ratio, scene
        self.uses_lobes = bands > 1
        voxels = int(kept.sum())
        self.densities = nn.Parameter(torch.zeros(voxels, 1))
        self.colours = nn.Parameter(torch.zeros(voxels, 3))
        if bands > 1:
            self.lobes = nn.Parameter(torch.zeros(voxels, 3 * (bands**2 - 1)))
        flat = kept.reshape(-1)
        rows = torch.where(flat, flat.cumsum(0) - 1, -1)
        self.register_buffer("rows", rows.to(torch.int32), persistent=False)
        # a cell is worth a look if one of its 8 points is kept
        filled = functional.max_pool3d(kept[None].float(), 2, stride=1)[0].bool()
        self.register_buffer("is_filled", filled, persistent=False)
        box = box_tensor(scene.bounds, torch.device("cpu"))
        self.register_buffer("box", box, persistent=False)
        extent = (box[1] - box[0]).double()
        sides = extent / (torch.tensor(self.sizes) - 1)
        self.step = step_ratio * float(sides.mean())
        self.steps = int(float(extent.norm()) / self.step) + 1
        self.unit = PAPER_SIDE / float(extent.prod()) ** (1 / 3)

    @property
    def kept(self) -> Tensor:
        """Which points hold values, (X, Y, Z)."""
        return (self.rows >= 0).view(self.sizes)

    @property
    def scaled_step(self) -> float:
        """Length of a step in the densities' unit."""
        return self.step * self.unit

    def places(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        """Rows (N, 8) of the tables at positions (N, 3), and weights, 0 for absent points."""
        points, weights = corners(positions, self.sizes)
        rows = self.rows[points]
        return rows.clamp(min=0).long(), weights * (rows >= 0)

    def cells(self, positions: Tensor) -> Tensor:
        """Whether the cells of positions (…, 3) in [0, 1]³ hold anything."""
        scale = torch.tensor(self.sizes, device=positions.device) - 1
        x, y, z = (positions * scale).long().clamp(min=0).minimum(scale - 1).unbind(dim=-1)
        return self.is_filled.view(-1)[(x * scale[1] + y) * scale[2] + z]

    def colours_at(self, rows: Tensor, weights: Tensor, harmonics: Tensor) -> Tensor:
        """RGB (N, 3), at least 0. Source: Plenoxels, section 3.1 and its code (+ ½)."""
        read = harmonics[:, :1] * interpolate(self.colours, rows, weights)
        if self.uses_lobes:
            lobes = interpolate(self.lobes, rows, weights).view(len(rows), -1, 3)
            read = read + (harmonics[:, 1:, None] * lobes).sum(dim=1)
        return torch.relu(read + 0.5)

    def look(self, rays: Rays, generator: torch.Generator | None = None) -> Samples:
        """What lies along rays, in steps of fixed length, in cells that hold anything.

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
            unit = unit_positions(rays.at(distances), self.box)
            looked = inside & self.cells(unit)
            positions = unit[looked]
            rows, shares = self.places(positions)
        met = torch.relu(interpolate(self.densities, rows, shares))[:, 0]
        densities = torch.zeros_like(distances)
        densities[looked] = met
        weights = sample_weights(densities, torch.full_like(distances, self.scaled_step))
        return Samples(distances, looked, positions, rows, shares, met, weights)

    def shade(self, rays: Rays, generator: torch.Generator | None = None) -> Shading:
        """Render rays; arguments as of :meth:`look`."""
        samples = self.look(rays, generator)
        is_seen = samples.seen_with > LEAST_WEIGHT
        seen = samples.looked.clone()
        seen[samples.looked] = is_seen
        harmonics = spherical_harmonics(rays.directions, self.bands)[seen.nonzero()[:, 0]]
        colours = self.colours_at(samples.rows[is_seen], samples.shares[is_seen], harmonics)
        rendered = composite_kept(samples.weights, colours, samples.distances, seen)
        return Shading(rendered, samples)

    def start_rendering(self) -> None:
        """Nothing: what is empty is in the bitstream."""

    def render(self, rays: Rays) -> Tensor:
        """RGB (N, 3) of rays before the scene's background."""
        background = background_colour(self.scene.background, rays.origins.device)
        return self.shade(rays).rendered.over(background)

    def forward(self, rays: Rays) -> Tensor:
        """The same as :meth:`render`."""
        return self.render(rays)

    def variation(self, share: float, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Total variation of densities and of harmonics at random points of the grid.

        Mean over points of √(Δx² + Δy² + Δz²), differences to the next points, 0 where that one
        is not kept; summed over channels.

        Args:
            share: of the kept points, a run of them from a random one on.
            generator: draws that one.
        Source: Plenoxels, section 3.3, equation 3, its weights for the resolution in the rates.
        """
        voxels = len(self.densities)
        count = max(1, min(voxels, round(share * voxels)))
        with torch.no_grad():
            start = int(torch.randint(voxels - count + 1, (), generator=generator))
            points = (self.rows >= 0).nonzero()[start : start + count, 0]
            here = torch.arange(start, start + count, device=points.device)
            pairs = [self._neighbours(points, here, axis) for axis in range(3)]
            rows = torch.cat(pairs)
            signs = torch.tensor([-1.0, 1.0], device=rows.device).expand(len(rows), 2).contiguous()
        losses = []
        tables = [self.densities, self.colours, *([self.lobes] if self.uses_lobes else [])]
        for table in tables:
            steps = interpolate(table, rows, signs).view(3, count, -1)
            losses.append((steps.square().sum(dim=0) + 1e-9).sqrt().sum(dim=-1).mean())
        return losses[0], torch.stack(losses[1:]).sum()

    def _neighbours(self, points: Tensor, here: Tensor, axis: int) -> Tensor:
        """Rows (N, 2) of points and of the next along an axis; twice the same if it is absent."""
        stride = (self.sizes[1] * self.sizes[2], self.sizes[2], 1)[axis]
        is_last = points // stride % self.sizes[axis] == self.sizes[axis] - 1
        there = self.rows[torch.where(is_last, points, points + stride)].long()
        return torch.stack([here, torch.where(there < 0, here, there)], dim=1)


def grid_points(sizes: Sizes, device: torch.device) -> Iterator[Tensor]:
    """Positions (N, 3) in [0, 1]³ of the points of a grid, row-major, in pieces."""
    x, y, z = sizes
    scale = torch.tensor([x - 1, y - 1, z - 1], device=device)
    for start in range(0, x * y * z, CHUNK):
        index = torch.arange(start, min(start + CHUNK, x * y * z), device=device)
        yield torch.stack([index // (y * z), index // z % y, index % z], dim=-1) / scale
