"""Volumes as sums of products of planes and lines (VM), or of lines alone (CP).

```
VM   T(x, y, z) = Σ_r  M_r(x, y)·v_r(z)  +  M_r(x, z)·v_r(y)  +  M_r(y, z)·v_r(x)
CP   T(x, y, z) = Σ_r  v_r(x)·v_r(y)·v_r(z)
```

The modules give the products, not their sum: a density is their sum, an appearance a linear map of
them. Positions lie in [0, 1]³. TensoRF and MixVoxels are made of them.
Source: TensoRF (Chen et al., ECCV 2022), equations 2 to 4 and 6.
"""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from inrkit.grids import DenseGrid, between_points, resized, total_variation
from inrkit.views import Bounds

PLANES = ((0, 1), (0, 2), (1, 2))
LINES = (2, 1, 0)  # the axis that each plane lacks

Sizes = tuple[int, int, int]


def cubic_sizes(bounds: Bounds, resolution: int) -> Sizes:
    """Points per axis of a grid of cubic voxels, about ``resolution``³ of them in the box.

    Source: TensoRF's code (``N_to_reso``).

    >>> cubic_sizes(Bounds(near=0, far=1, box=((0, 0, 0), (4, 2, 1))), 64)
    (128, 64, 32)
    """
    extent = [high - low for low, high in zip(*bounds.box, strict=True)]
    side = (extent[0] * extent[1] * extent[2]) ** (1 / 3) / resolution
    x, y, z = (max(2, int(length / side + 1e-4)) for length in extent)
    return x, y, z


class Factors(nn.Module):
    """What VM and CP factors have in common.

    Args:
        sizes: points per axis.
        spread: standard deviation of the normal distribution that values start from.
    """

    sizes: Sizes

    def __init__(self, sizes: Sizes, grids: Sequence[DenseGrid], spread: float) -> None:
        super().__init__()
        self.sizes = sizes
        for grid in grids:
            nn.init.normal_(grid.table, std=spread)

    def _grids(self) -> Iterator[tuple[DenseGrid, tuple[int, ...]]]:
        """Every factor with the axes of the volume that it runs along."""
        raise NotImplementedError

    @torch.no_grad()
    def resize(self, sizes: Sizes) -> None:
        """Read every factor at the points of another grid; optimisers must be made anew.

        Source: TensoRF, section 4.4 (coarse to fine).
        """
        for grid, axes in self._grids():
            new = tuple(sizes[axis] for axis in axes)
            grid.table = nn.Parameter(resized(grid.table, grid.sizes, new))
            grid.sizes = new
        self.sizes = sizes

    def magnitude(self) -> Tensor:
        """Mean |value| of each factor, summed: TensoRF's L1 loss, equation 13."""
        return torch.stack([grid.table.abs().mean() for grid, _ in self._grids()]).sum()

    def variation(self) -> Tensor:
        """Total variation of each factor, summed: TensoRF's TV loss, equation 14."""
        return torch.stack([total_variation(grid.as_volume()) for grid, _ in self._grids()]).sum()


class VmFactors(Factors):
    """Planes and lines: positions (N, 3) in [0, 1]³ → products (N, Σ ranks).

    Products come in the order of the planes xy, xz, yz, ``ranks`` of each.

    Args:
        sizes: points per axis.
        ranks: products of each orientation, 0 to leave it out.
        spread: see :class:`Factors`; TensoRF's own is 0.1.
    """

    def __init__(self, sizes: Sizes, ranks: Sequence[int], *, spread: float = 0.1) -> None:
        held = [k for k, rank in enumerate(ranks) if rank]
        planes = [DenseGrid((sizes[PLANES[k][0]], sizes[PLANES[k][1]]), ranks[k]) for k in held]
        lines = [DenseGrid((sizes[LINES[k]],), ranks[k]) for k in held]
        super().__init__(sizes, [*planes, *lines], spread)
        self.ranks = tuple(ranks)
        self.held = held
        self.planes, self.lines = nn.ModuleList(planes), nn.ModuleList(lines)

    def forward(self, positions: Tensor) -> Tensor:
        """Products (N, Σ ranks) at positions (N, 3)."""
        axes = between_points(positions, self.sizes)
        read = []
        for k, plane, line in zip(self.held, self.planes, self.lines, strict=True):
            across = plane([axes[axis] for axis in PLANES[k]])
            read.append(across * line([axes[LINES[k]]]))
        return torch.cat(read, dim=1)

    def _grids(self) -> Iterator[tuple[DenseGrid, tuple[int, ...]]]:
        for k, plane, line in zip(self.held, self.planes, self.lines, strict=True):
            assert isinstance(plane, DenseGrid) and isinstance(line, DenseGrid)
            yield plane, PLANES[k]
            yield line, (LINES[k],)


class CpFactors(Factors):
    """Three lines: positions (N, 3) in [0, 1]³ → products (N, rank).

    Args:
        sizes: points per axis.
        rank: number of products.
        spread: see :class:`Factors`; TensoRF's own is 0.2.
    """

    def __init__(self, sizes: Sizes, rank: int, *, spread: float = 0.2) -> None:
        lines = [DenseGrid((size,), rank) for size in sizes]
        super().__init__(sizes, lines, spread)
        self.rank = rank
        self.lines = nn.ModuleList(lines)

    def forward(self, positions: Tensor) -> Tensor:
        """Products (N, rank) at positions (N, 3)."""
        x, y, z = (line(positions[:, axis, None]) for axis, line in enumerate(self.lines))
        products: Tensor = x * y * z
        return products

    def _grids(self) -> Iterator[tuple[DenseGrid, tuple[int, ...]]]:
        for axis, line in enumerate(self.lines):
            assert isinstance(line, DenseGrid)
            yield line, (axis,)


def vm_values(sizes: Sizes, ranks: Sequence[int]) -> int:
    """Values of VM factors, without making them.

    >>> vm_values((300, 300, 300), (64, 64, 64))
    17337600
    """
    return sum(
        rank * (sizes[PLANES[k][0]] * sizes[PLANES[k][1]] + sizes[LINES[k]])
        for k, rank in enumerate(ranks)
    )
