"""MixVoxels' fields: static voxels, dynamic voxels of all instants at once, and which is where.

```
 x ─ VM ─ Σ ─────────────────────────── chance of change          variation field
 x ─ VM ─ Σ ─────────────────────────── σ                         static field
 x ─ VM ─ basis ─ γ ┐
 d ──────────── γ ──┴─ 2 hidden layers ─ RGB
 x ─ VM ─ basis ─ 2 hidden layers ───── σ at T instants           dynamic field
 x ─ VM ─ basis ┐
 d ─────────────┴─ 2 hidden layers ──── RGB at T instants
```

The last layer of the dynamic networks is the paper's time query: its row of an instant is that
instant's learnt code, multiplied with one feature of the place.
Source: Wang et al., Mixed Neural Voxels for Fast Multi-view Video Synthesis, ICCV 2023; the VM
fields and the static colours are TensoRF's (Chen et al., ECCV 2022).
"""

from dataclasses import dataclass

import torch
from inrkit.compositing import composite_kept, sample_weights
from inrkit.encodings import positional_encoding
from inrkit.occupancy import OccupancyGrid
from inrkit.rays import NdcFrame, Rays, box_distances, box_tensor, unit_positions
from inrkit.sampling import march, stratified
from inrkit.scene_codec import SceneFormat
from inrkit.tensorial import Sizes, VmFactors, cubic_sizes
from inrkit.views import Bounds
from structure import Structure
from torch import Tensor, nn
from torch.nn import functional

# densities count per box diagonal, of which TensoRF's 25 per scene unit make 130; our own, since
# short fits become opaque sooner with more
DENSITY_SCALE = 400.0
OPAQUE = 50.0  # σδ of the sample at which a ray leaves the box, with the background "last"
LEAST_ALPHA = 0.01  # a cell is empty if a step in it stops less than this share of the light
LEAST_WEIGHT = 1e-4  # samples that show less have no colour (TensoRF)
NDC_NEAR = 0.75  # of the scene's near, as LLFF leaves room before the nearest content
NDC_BOUNDS = Bounds(near=0.0, far=1.0, box=((-1.5, -1.5, -1.0), (1.5, 1.5, 1.0)))
UNKNOWN = -1.0  # the variation field's first value, above the logit of its threshold
VALUES_PER_CALL = 1 << 22  # densities of a block of mixed rays


def perceptron(inputs: int, width: int, outputs: int) -> nn.Sequential:
    """Two hidden ReLU layers."""
    return nn.Sequential(
        nn.Linear(inputs, width),
        nn.ReLU(inplace=True),
        nn.Linear(width, width),
        nn.ReLU(inplace=True),
        nn.Linear(width, outputs),
    )


class StaticDensity(nn.Module):
    """Densities (N,) per diagonal: softplus of the products' sum."""

    def __init__(self, structure: Structure, sizes: Sizes) -> None:
        super().__init__()
        self.factors = VmFactors(sizes, structure.density_ranks)
        self.shift = structure.density_shift

    def forward(self, positions: Tensor) -> Tensor:
        """Densities at positions (N, 3) in [0, 1]³."""
        return density_of(self.factors(positions).sum(dim=-1), self.shift)


class StaticColour(nn.Module):
    """RGB (N, 3) of a place seen from a direction."""

    def __init__(self, structure: Structure, sizes: Sizes) -> None:
        super().__init__()
        self.levels = structure.feature_levels, structure.direction_levels
        self.factors = VmFactors(sizes, structure.colour_ranks)
        self.basis = nn.Linear(sum(structure.colour_ranks), structure.features, bias=False)
        of_features, of_directions = (2 * levels + 1 for levels in self.levels)
        inputs = structure.features * of_features + 3 * of_directions
        self.network = perceptron(inputs, structure.static_width, 3)

    def forward(self, positions: Tensor, directions: Tensor) -> Tensor:
        """Colours at positions (N, 3), of unit directions (N, 3)."""
        features = positional_encoding(self.basis(self.factors(positions)), levels=self.levels[0])
        seen_from = positional_encoding(directions, levels=self.levels[1])
        drawn: Tensor = self.network(torch.cat([features, seen_from], dim=-1))
        return torch.sigmoid(drawn)


class DynamicDensity(nn.Module):
    """Densities (N, T) per diagonal of all instants."""

    def __init__(self, structure: Structure, sizes: Sizes, instants: int) -> None:
        super().__init__()
        self.factors = VmFactors(sizes, structure.density_ranks)
        self.basis = nn.Linear(sum(structure.density_ranks), structure.features, bias=False)
        self.network = perceptron(structure.features, structure.dynamic_width, instants)
        self.shift = structure.density_shift

    def forward(self, positions: Tensor) -> Tensor:
        """Densities at positions (N, 3) in [0, 1]³."""
        return density_of(self.network(self.basis(self.factors(positions))), self.shift)


class DynamicColour(nn.Module):
    """RGB (N, T, 3) of all instants of a place seen from a direction."""

    def __init__(self, structure: Structure, sizes: Sizes, instants: int) -> None:
        super().__init__()
        self.factors = VmFactors(sizes, structure.colour_ranks)
        self.basis = nn.Linear(sum(structure.colour_ranks), structure.features, bias=False)
        self.network = perceptron(structure.features + 3, structure.dynamic_width, 3 * instants)

    def forward(self, positions: Tensor, directions: Tensor) -> Tensor:
        """Colours at positions (N, 3), of unit directions (N, 3)."""
        features = self.basis(self.factors(positions))
        drawn: Tensor = self.network(torch.cat([features, directions], dim=-1))
        return torch.sigmoid(drawn).view(len(positions), -1, 3)


class StaticField(nn.Module):
    """What does not change."""

    def __init__(self, structure: Structure, sizes: Sizes) -> None:
        super().__init__()
        self.density = StaticDensity(structure, sizes)
        self.colour = StaticColour(structure, sizes)


class DynamicField(nn.Module):
    """What changes, at all instants."""

    def __init__(self, structure: Structure, sizes: Sizes, instants: int) -> None:
        super().__init__()
        self.density = DynamicDensity(structure, sizes, instants)
        self.colour = DynamicColour(structure, sizes, instants)


class VariationField(nn.Module):
    """Logits (N,) of the chance that a place changes. Source: MixVoxels, section 3.2."""

    def __init__(self, structure: Structure, sizes: Sizes) -> None:
        super().__init__()
        self.factors = VmFactors(sizes, structure.variation_ranks)
        self.offset = nn.Parameter(torch.full((1,), UNKNOWN))

    def forward(self, positions: Tensor) -> Tensor:
        """Logits at positions (N, 3) in [0, 1]³."""
        return self.factors(positions).sum(dim=-1) + self.offset


@dataclass(frozen=True)
class Samples:
    """Steps of N rays through the voxels.

    Args:
        positions: of all steps (N, S, 3), in [0, 1]³ inside.
        inside: which lie in the box (N, S).
        exits: which are the last inside, and opaque as the scene's background is ``last``.
        directions: of the rays in the scene, unit (N, 3).
    """

    positions: Tensor
    inside: Tensor
    exits: Tensor
    directions: Tensor


class MixedField(nn.Module):
    """Static, dynamic and variation voxels, and the volume rendering of their mixture.

    Args:
        structure: the shape.
        scene: its instants and bounds.
        frame: of normalised device coordinates, if the voxels lie in them.
        grid: resolution of the fields while they are coarser than the structure's.
    """

    box: Tensor
    moving: Tensor
    surely_moving: Tensor

    def __init__(
        self,
        structure: Structure,
        scene: SceneFormat,
        frame: NdcFrame | None,
        *,
        grid: int | None = None,
    ) -> None:
        super().__init__()
        self.structure, self.scene, self.frame = structure, scene, frame
        bounds = scene.bounds if frame is None else NDC_BOUNDS
        self.near, self.far = bounds.near, bounds.far
        sizes = cubic_sizes(bounds, grid or structure.grid)
        if structure.mixes:
            of_variation = cubic_sizes(bounds, structure.variation_grid)
            self.variation = VariationField(structure, of_variation)
            self.static = StaticField(structure, sizes)
            self.static_cells = OccupancyGrid(structure.cells)
        self.dynamic = DynamicField(structure, sizes, scene.instants)
        self.dynamic_cells = OccupancyGrid(structure.cells)
        held = box_tensor(bounds, torch.device("cpu"))
        self.register_buffer("box", held, persistent=False)
        self.across = 1.0 if frame is not None else float((held[1] - held[0]).norm())
        self.grid = grid or structure.grid
        cells = torch.ones((structure.cells,) * 3, dtype=torch.bool)
        self.register_buffer("moving", cells)
        self.register_buffer("surely_moving", cells.clone())

    @property
    def steps(self) -> int:
        """Steps that would cross the box; as many per voxel while the grid is coarser."""
        return max(2, round(self.structure.samples * self.grid / self.structure.grid))

    @property
    def length(self) -> float:
        """Of a step, in diagonals."""
        return 1 / self.steps

    @property
    def threshold(self) -> float:
        """The density per diagonal from which on a cell counts as occupied."""
        return LEAST_ALPHA / self.length

    def resize(self, grid: int) -> None:
        """Read static and dynamic fields at the points of another grid."""
        self.grid = grid
        bounds = self.scene.bounds if self.frame is None else NDC_BOUNDS
        for name, part in self.named_modules():
            if isinstance(part, VmFactors) and not name.startswith("variation"):
                part.resize(cubic_sizes(bounds, grid))

    def samples(
        self, rays: Rays, *, count: int | None = None, generator: torch.Generator | None = None
    ) -> Samples:
        """Places along rays in scene units.

        Args:
            rays: N of them.
            count: places in as many equal parts of each ray's way through the box; steps of one
                length by default.
            generator: shifts them; fixed places without one.
        """
        cast = rays
        if self.frame is not None:
            cast = self.frame.warp(rays, near=NDC_NEAR * self.scene.bounds.near)
        enter, leave = box_distances(cast, self.box, near=self.near, far=self.far)
        if count is None:
            distances, inside = march(
                enter, leave, step=self.across / self.steps, most=self.steps, generator=generator
            )
        else:
            distances = stratified(enter, leave, count, generator)
            inside = (leave > enter)[:, None].expand_as(distances)
        positions = unit_positions(cast.at(distances), self.box)
        exits = torch.zeros_like(inside)
        if self.scene.background == "last":
            exits[:, :-1] = inside[:, :-1] & ~inside[:, 1:]
            exits[:, -1] = inside[:, -1]
        return Samples(positions, inside, exits, rays.directions)

    @torch.no_grad()
    def find_moving(self) -> None:
        """Find the cells that change, from the variation field; their neighbours count as well."""
        if not self.structure.mixes:
            return
        chances = torch.sigmoid(self.variation(cell_centres(self.moving))).view_as(self.moving)
        self.surely_moving.copy_(chances > self.structure.ray_threshold)
        around = functional.max_pool3d(chances[None, None], 3, stride=1, padding=1)[0, 0]
        self.moving.copy_(around > self.structure.point_threshold)

    def dynamic_densities(self, positions: Tensor) -> Tensor:
        """The largest density (N,) of all instants, 0 where nothing changes."""
        chosen = is_marked(self.moving, positions)
        found = positions.new_zeros(len(positions))
        found[chosen] = self.dynamic.density(positions[chosen]).amax(dim=-1)
        return found

    def look(self, *, decay: float, generator: torch.Generator) -> None:
        """Look at the fields again for cells that hold something."""
        options = {"threshold": self.threshold, "decay": decay, "generator": generator}
        if self.structure.mixes:
            self.static_cells.update(self.static.density, **options)
        if bool(self.moving.any()):
            self.dynamic_cells.update(self.dynamic_densities, **options)

    def start_rendering(self) -> None:
        """Find moving and occupied cells from the decoded fields."""
        self.find_moving()
        if self.structure.mixes:
            self.static_cells.rebuild(self.static.density, threshold=self.threshold)
        if bool(self.moving.any()):
            self.dynamic_cells.rebuild(self.dynamic_densities, threshold=self.threshold)

    def change_logits(self, rays: Rays, *, count: int, generator: torch.Generator) -> Tensor:
        """Logits (N, count) of change along rays."""
        held = self.samples(rays, count=count, generator=generator)
        logits: Tensor = self.variation(held.positions.flatten(0, 1))
        return logits.view(len(rays), count)

    def shade_static(self, rays: Rays, generator: torch.Generator | None = None) -> Tensor:
        """RGB (N, 3) of rays that meet nothing that changes: the static field alone."""
        held = self.samples(rays, generator=generator)
        kept = held.inside & (self.static_cells.query(held.positions) | held.exits)
        densities = held.positions.new_zeros(kept.shape)
        densities[kept] = self.static.density(held.positions[kept])
        densities = densities + held.exits * (OPAQUE / self.length)
        weights = sample_weights(densities, torch.full_like(densities, self.length))
        shown = kept & (weights.detach() > LEAST_WEIGHT)
        colours = self.static.colour(held.positions[shown], held.directions[shown.nonzero()[:, 0]])
        return composite_kept(weights, colours, torch.zeros_like(weights), shown).colour

    def shade_mixed(
        self, rays: Rays, instants: Tensor, generator: torch.Generator | None = None
    ) -> Tensor:
        """RGB (N, T, 3) of rays at instants (T,): dynamic voxels where cells move, else static.

        Source: MixVoxels, section 3.3 (a sample has density and colour of one branch).
        """
        held = self.samples(rays, generator=generator)
        moving = is_marked(self.moving, held.positions)
        changes = held.inside & moving & (self.dynamic_cells.query(held.positions) | held.exits)
        rests = torch.zeros_like(changes)
        densities = held.positions.new_zeros(*changes.shape, len(instants))
        densities[changes] = self.dynamic.density(held.positions[changes])[:, instants]
        if self.structure.mixes:
            occupied = self.static_cells.query(held.positions) | held.exits
            rests = held.inside & ~moving & occupied
            still = self.static.density(held.positions[rests])
            densities[rests] = still[:, None].expand(-1, len(instants))
        densities = densities + held.exits[..., None] * (OPAQUE / self.length)
        # a line of samples for every ray and instant
        lines = densities.transpose(1, 2).flatten(0, 1)
        weights = sample_weights(lines, torch.full_like(lines[:1], self.length))
        weights = weights.view(len(rays), len(instants), weights.shape[1]).transpose(1, 2)
        shown = weights.detach().amax(dim=-1) > LEAST_WEIGHT
        total = weights.new_zeros(len(rays), len(instants) * 3)
        for branch, kept in (("dynamic", changes & shown), ("static", rests & shown)):
            which = kept.nonzero()[:, 0]
            if len(which) == 0:
                continue
            places, directions = held.positions[kept], held.directions[which]
            if branch == "dynamic":
                colours = self.dynamic.colour(places, directions)[:, instants]
            else:
                colours = self.static.colour(places, directions)[:, None]
            seen = weights[kept][..., None] * colours
            total = total.index_add(0, which, seen.flatten(1))
        return total.view(len(rays), len(instants), 3)

    def render(self, rays: Rays, instants: Tensor) -> Tensor:
        """RGB (T, N, 3) of rays at instants (T,), before the scene's background.

        Rays that meet no cell that surely moves are drawn once for all instants.
        """
        drawn = rays.origins.new_zeros(len(rays), len(instants), 3)
        changes = torch.ones(len(rays), dtype=torch.bool, device=drawn.device)
        if self.structure.mixes:
            held = self.samples(rays)
            changes = (is_marked(self.surely_moving, held.positions) & held.inside).any(dim=-1)
            drawn[~changes] = self.shade_static(rays[~changes])[:, None]
        block = max(1, VALUES_PER_CALL // (self.structure.samples * self.scene.instants))
        for part in changes.nonzero()[:, 0].split(block):
            drawn[part] = self.shade_mixed(rays[part], instants)
        return drawn.transpose(0, 1)

    def forward(self, rays: Rays, instants: Tensor) -> Tensor:
        """The same as :meth:`render`."""
        return self.render(rays, instants)


def density_of(values: Tensor, shift: float) -> Tensor:
    """Densities per diagonal. Source: TensoRF's code, softplus(value − 10)."""
    return DENSITY_SCALE * functional.softplus(values - shift)


def cell_centres(cells: Tensor) -> Tensor:
    """Centres (C³, 3) in [0, 1]³ of a grid of cells (C, C, C)."""
    rows = (torch.arange(len(cells), device=cells.device) + 0.5) / len(cells)
    return torch.cartesian_prod(rows, rows, rows)


def is_marked(cells: Tensor, positions: Tensor) -> Tensor:
    """Whether the cells (C, C, C) of positions (…, 3) are marked; those beyond [0, 1]³ are not."""
    size = len(cells)
    places = (positions * size).floor().long()
    inside = ((places >= 0) & (places < size)).all(dim=-1)
    places = places.clamp(0, size - 1)
    rows = (places[..., 0] * size + places[..., 1]) * size + places[..., 2]
    return cells.view(-1)[rows] & inside
