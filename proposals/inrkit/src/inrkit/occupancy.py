"""Which cells of a scene's box hold anything, so that empty space is not sampled."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from inrkit.errors import CodecError

# positions (N, 3) in [0, 1]³ → densities (N,), per scene unit
DensityOf = Callable[[Tensor], Tensor]
CHUNK = 1 << 18


class OccupancyGrid(nn.Module):
    """A grid of cells over [0, 1]³, each with the largest density lately met in it.

    Everything is in buffers, hence in checkpoints. Cells count as occupied until the first
    :meth:`update`.

    Args:
        resolution: cells per axis.
    Source: Instant-NGP, section E.1 and appendix (occupancy grids).
    """

    densities: Tensor
    occupied: Tensor

    def __init__(self, resolution: int) -> None:
        super().__init__()
        self.resolution = resolution
        shape = (resolution,) * 3
        self.register_buffer("densities", torch.zeros(shape))
        self.register_buffer("occupied", torch.ones(shape, dtype=torch.bool))

    def query(self, positions: Tensor) -> Tensor:
        """Whether the cells of positions (…, 3) are occupied; positions beyond [0, 1]³ are not."""
        cells = (positions * self.resolution).floor().long()
        inside = ((cells >= 0) & (cells < self.resolution)).all(dim=-1)
        cells = cells.clamp(0, self.resolution - 1)
        rows = (cells[..., 0] * self.resolution + cells[..., 1]) * self.resolution + cells[..., 2]
        return self.occupied.view(-1)[rows] & inside

    @torch.no_grad()
    def update(
        self,
        density_of: DensityOf,
        *,
        threshold: float,
        decay: float = 0.95,
        generator: torch.Generator | None = None,
    ) -> None:
        """Look at one place of every cell; occupied are those whose density exceeds a threshold.

        The threshold falls to the mean density where that is less, so that a field that is still
        thin everywhere is not thrown away.

        Args:
            density_of: the field.
            threshold: per scene unit.
            decay: of the density remembered.
            generator: draws the place in the cell; the centre without one.
        Raises:
            CodecError: no cell is occupied.
        """
        found = self._look(density_of, generator)
        self.densities.copy_(torch.maximum(self.densities * decay, found))
        limit = min(threshold, float(self.densities.mean()))
        self.occupied.copy_(self.densities > limit)
        self.require_occupied()

    @torch.no_grad()
    def rebuild(self, density_of: DensityOf, *, threshold: float, looks: int = 2) -> None:
        """Find the cells from a finished field, as a decoder does: nothing is transmitted.

        Args:
            density_of: the field.
            threshold: per scene unit.
            looks: places per axis that are looked at in every cell.
        Raises:
            CodecError: no cell is occupied.
        """
        fine = OccupancyGrid(self.resolution * looks).to(self.densities.device)
        found = fine._look(density_of, None)
        self.densities.copy_(functional.max_pool3d(found[None, None], looks)[0, 0])
        around = functional.max_pool3d(self.densities[None, None], 3, stride=1, padding=1)[0, 0]
        self.occupied.copy_(around > threshold)
        self.require_occupied()

    def require_occupied(self) -> None:
        """Refuse an empty grid; CodecError says what to do."""
        if not bool(self.occupied.any()):
            size = self.resolution
            raise CodecError(
                f"no cell of the {size}³ occupancy grid is occupied: the field has become empty; "
                "check near, far and box of the scene, or lower the fit's learning_rate or "
                "occupancy threshold."
            )

    def _look(self, density_of: DensityOf, generator: torch.Generator | None) -> Tensor:
        """Densities (R, R, R) at one place of every cell."""
        size, device = self.resolution, self.densities.device
        rows = torch.arange(size**3, device=device)
        cells = torch.stack([rows // size**2, rows // size % size, rows % size], dim=-1)
        shifts = (
            torch.full((size**3, 3), 0.5)
            if generator is None
            else torch.rand(size**3, 3, generator=generator)
        )
        places = (cells + shifts.to(device)) / size
        found = torch.cat([density_of(part) for part in torch.split(places, CHUNK)])
        return found.float().view(size, size, size)
