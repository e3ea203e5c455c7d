"""Tables that are read by interpolation: dense volumes, planes, lines and hash grids.

All of them go through :func:`interpolate`, whose gradient is summed in one order on a CPU.
Positions lie in [0, 1]; those beyond are moved to the border.
"""

import itertools
import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

FEW_CHANNELS = 4  # up to here a histogram per channel sums gradients faster than index_add_
PRIMES = (1, 2_654_435_761, 805_459_861)


class _Interpolation(torch.autograd.Function):
    """Weighted sums of table rows. The gradient goes to the table alone.

    embedding_bag's own backward, and embedding's, take ten times as long on a CPU.
    """

    @staticmethod
    def forward(ctx: Any, table: Tensor, rows: Tensor, weights: Tensor) -> Tensor:
        ctx.save_for_backward(rows, weights)
        ctx.length = len(table)
        return functional.embedding_bag(rows, table, mode="sum", per_sample_weights=weights)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        rows, weights = ctx.saved_tensors
        flat, channels = rows.reshape(-1), gradient.shape[1]
        if gradient.device.type == "cpu" and channels <= FEW_CHANNELS:
            shares = [
                torch.bincount(
                    flat,
                    weights=(weights * gradient[:, channel, None]).reshape(-1),
                    minlength=ctx.length,
                )
                for channel in range(channels)
            ]
            return torch.stack(shares, dim=1).to(gradient.dtype), None, None
        total = gradient.new_zeros(ctx.length, channels)
        total.index_add_(0, flat, (weights[..., None] * gradient[:, None]).reshape(-1, channels))
        return total, None, None


def interpolate(table: Tensor, rows: Tensor, weights: Tensor) -> Tensor:
    """Σ_k weights[n, k] · table[rows[n, k]]: (N, C) of a table (R, C); the table has a gradient.

    Args:
        table: float32 (R, C).
        rows: int64 (N, K).
        weights: float32 (N, K), without gradient.
    """
    read: Tensor = _Interpolation.apply(table, rows, weights)
    return read


def corners(positions: Tensor, sizes: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """Rows (N, 2^D) of a dense table and their linear weights at positions (N, D) in [0, 1]^D.

    The table holds ``sizes`` points per axis, row-major, the first at 0 and the last at 1.
    """
    rows = torch.zeros(len(positions), 1, dtype=torch.long, device=positions.device)
    weights = torch.ones(len(positions), 1, device=positions.device)
    for axis, size in enumerate(sizes):
        place = positions[:, axis].clamp(0, 1) * (size - 1)
        low = place.floor().clamp(max=max(size - 2, 0))
        share = (place - low)[:, None]
        start = low.long()[:, None]
        end = (start + 1).clamp(max=size - 1)
        rows = torch.cat([rows * size + start, rows * size + end], dim=1)
        weights = torch.cat([weights * (1 - share), weights * share], dim=1)
    return rows, weights


class DenseGrid(nn.Module):
    """Values at the points of a regular grid, read linearly: positions (N, D) → (N, C).

    D = 1 is a line, 2 a plane, 3 a volume; ``table`` is (∏ sizes, C), row-major.
    """

    def __init__(self, sizes: tuple[int, ...], channels: int, *, start: float = 0.0) -> None:
        super().__init__()
        self.sizes = sizes
        self.corners = 2 ** len(sizes)
        self.table = nn.Parameter(torch.full((math.prod(sizes), channels), start))

    def forward(self, positions: Tensor) -> Tensor:
        """Values (N, C) at positions (N, D) in [0, 1]^D."""
        rows, weights = corners(positions, self.sizes)
        return interpolate(self.table, rows, weights)

    def as_volume(self) -> Tensor:
        """The values as (C, *sizes)."""
        return self.table.T.reshape(-1, *self.sizes)


def resized(table: Tensor, sizes: tuple[int, ...], new_sizes: tuple[int, ...]) -> Tensor:
    """A dense table (∏ sizes, C) read at the points of another grid: (∏ new_sizes, C)."""
    axes = [torch.linspace(0, 1, size, device=table.device) for size in new_sizes]
    places = torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1).reshape(-1, len(sizes))
    return interpolate(table, *corners(places, sizes))


def total_variation(volume: Tensor) -> Tensor:
    """Mean squared difference of neighbours along each axis of (C, *sizes), summed over axes."""
    total = volume.new_zeros(())
    for axis in range(1, volume.ndim):
        if volume.shape[axis] > 1:
            total = total + volume.diff(dim=axis).square().mean()
    return total


def level_sizes(*, levels: int, least: int, most: int, table: int) -> list[tuple[int, int]]:
    """(points per axis, rows of the table) of every level of a hash grid.

    Resolutions grow geometrically from ``least`` to ``most``: scale = least·b^l − 1, points =
    ⌈scale⌉ + 1. A level whose points³, rounded up to a multiple of 8, fit into ``table`` is dense.

    Source: Instant-NGP (Müller et al., ACM TOG 2022), equations 2 and 3; sizes as tiny-cuda-nn.

    >>> sum(2 * rows for _, rows in level_sizes(levels=16, least=16, most=2048, table=2**19))
    12196240
    """
    growth = math.exp(math.log(most / least) / max(levels - 1, 1))
    sizes = []
    for level in range(levels):
        points = math.ceil(_scale(least, growth, level)) + 1
        sizes.append((points, min(-(-(points**3) // 8) * 8, table)))
    return sizes


def _scale(least: int, growth: float, level: int) -> float:
    # a power that is a whole number but for its last bits must not gain a point by them
    return round(least * growth**level - 1, 6)


class HashGrid(nn.Module):
    """Multi-resolution hash encoding of positions (N, 3) in [0, 1]³: (N, levels·channels).

    Level l holds ``rows`` features; a corner's row is its number where the level is dense, else
    (x·1 ⊕ y·2654435761 ⊕ z·805459861) mod rows. A position lies at x·scale + ½.
    Source: Instant-NGP, section 3, equation 4.

    Args:
        levels: number of resolutions, at most 64.
        channels: features per row.
        table: largest number of rows of a level, a power of two.
        least, most: coarsest and finest resolution.
    """

    def __init__(self, *, levels: int, channels: int, table: int, least: int, most: int) -> None:
        super().__init__()
        self.corners = 8
        self.sizes = level_sizes(levels=levels, least=least, most=most, table=table)
        growth = math.exp(math.log(most / least) / max(levels - 1, 1))
        self.scales = [_scale(least, growth, level) for level in range(levels)]
        self.tables = nn.ParameterList(
            torch.empty(rows, channels).uniform_(-1e-4, 1e-4) for _, rows in self.sizes
        )

    def forward(self, positions: Tensor) -> Tensor:
        """Features, coarsest level first."""
        positions = positions.clamp(0, 1)
        read = []
        for table, scale, (points, rows) in zip(self.tables, self.scales, self.sizes, strict=True):
            places = positions * scale + 0.5
            low = places.floor()
            share = places - low
            start = low.long()
            is_dense = points**3 <= rows
            factors = (1, points, points**2) if is_dense else PRIMES
            axis = [
                (start[:, a] * factor, (start[:, a] + 1) * factor)
                for a, factor in enumerate(factors)
            ]
            weight = [(1 - share[:, a], share[:, a]) for a in range(3)]
            chosen, weights = [], []
            for i, j, k in itertools.product((0, 1), repeat=3):
                if is_dense:
                    # positions at 1 reach one point beyond, as in tiny-cuda-nn they wrap around
                    chosen.append((axis[0][i] + axis[1][j] + axis[2][k]) % rows)
                else:
                    chosen.append((axis[0][i] ^ axis[1][j] ^ axis[2][k]) & (rows - 1))
                weights.append(weight[0][i] * weight[1][j] * weight[2][k])
            read.append(interpolate(table, torch.stack(chosen, 1), torch.stack(weights, 1)))
        return torch.cat(read, dim=1)
