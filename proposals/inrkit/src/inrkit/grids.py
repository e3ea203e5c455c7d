"""Tables that are read by interpolation: dense volumes, planes, lines and hash grids.

All of them go through :func:`interpolate`, whose gradient is summed in one order on a CPU.
Positions lie in [0, 1]; those beyond are moved to the border.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

FEW_CHANNELS = 4  # up to here a histogram per channel sums gradients faster than index_add_
# 1, 2654435761 and 805459861 as int32, whose low bits are the same
PRIMES = (1, 2_654_435_761 - 2**32, 805_459_861)
CHUNK = 8192  # positions whose corners stay in a core's cache


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
        rows: int32 or int64 (N, K).
        weights: float32 (N, K), without gradient.
    """
    read: Tensor = _Interpolation.apply(table, rows, weights)
    return read


@dataclass(frozen=True)
class Between:
    """Where N positions lie between the points of one axis.

    Args:
        points: on either side, int64 (2, N).
        shares: their linear weights, (2, N).
    """

    points: Tensor
    shares: Tensor

    @classmethod
    def of(cls, positions: Tensor, size: int) -> "Between":
        """Positions (N,) in [0, 1] of an axis of ``size`` points, the first at 0, the last at 1."""
        place = positions.clamp(0, 1) * (size - 1)
        low = place.floor().clamp_(max=max(size - 2, 0))
        share = place - low
        start = low.long()
        end = (start + 1).clamp_(max=size - 1)
        return cls(torch.stack([start, end]), torch.stack([1 - share, share]))


def between_points(positions: Tensor, sizes: tuple[int, ...]) -> list[Between]:
    """Where positions (N, D) lie on every axis of a grid of ``sizes`` points."""
    return [Between.of(positions[:, axis], size) for axis, size in enumerate(sizes)]


def corners_of(axes: Sequence[Between], sizes: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """Rows (N, 2^D) of a dense table and their weights, of places on D axes."""
    rows, weights = axes[0].points, axes[0].shares
    for axis, size in zip(axes[1:], sizes[1:], strict=True):
        rows = (rows * size + axis.points[:, None]).flatten(0, 1)
        weights = (weights * axis.shares[:, None]).flatten(0, 1)
    # corners lie in the last axis from here on: a CPU works faster on long runs of numbers
    return torch.stack(rows.unbind(), dim=1), torch.stack(weights.unbind(), dim=1)


def corners(positions: Tensor, sizes: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """Rows (N, 2^D) of a dense table and their linear weights at positions (N, D) in [0, 1]^D.

    The table holds ``sizes`` points per axis, row-major, the first at 0 and the last at 1.
    """
    return corners_of(between_points(positions, sizes), sizes)


class DenseGrid(nn.Module):
    """Values at the points of a regular grid, read linearly: positions (N, D) → (N, C).

    D = 1 is a line, 2 a plane, 3 a volume; ``table`` is (∏ sizes, C), row-major.
    """

    def __init__(self, sizes: tuple[int, ...], channels: int, *, start: float = 0.0) -> None:
        super().__init__()
        self.sizes = sizes
        self.corners = 2 ** len(sizes)
        self.table = nn.Parameter(torch.full((math.prod(sizes), channels), start))

    def forward(self, positions: Tensor | Sequence[Between]) -> Tensor:
        """Values (N, C) at positions (N, D) in [0, 1]^D, or at places on the D axes."""
        if isinstance(positions, Tensor):
            axes: Sequence[Between] = between_points(positions, self.sizes)
        else:
            axes = positions
        return interpolate(self.table, *corners_of(axes, self.sizes))

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
        positions = positions.clamp(0, 1).T.contiguous()
        read = []
        for table, scale, (points, rows) in zip(self.tables, self.scales, self.sizes, strict=True):
            chosen, weights = _hashed_corners(positions, scale, points=points, rows=rows)
            read.append(interpolate(table, chosen, weights))
        return torch.cat(read, dim=1)


def _hashed_corners(
    positions: Tensor, scale: float, *, points: int, rows: int
) -> tuple[Tensor, Tensor]:
    """Rows (N, 8), int32, and weights of the corners around positions (3, N) of one level.

    A CPU works on some at a time, which stay in its cache, and on long runs of numbers: the eight
    corners are turned to the last axis at the end.
    """
    count = positions.shape[1]
    chosen = torch.empty(count, 8, dtype=torch.int32, device=positions.device)
    weights = torch.empty(count, 8, device=positions.device)
    is_dense = points**3 <= rows
    factors = (1, points, points**2) if is_dense else PRIMES
    step = CHUNK if positions.device.type == "cpu" else max(count, 1)
    for start in range(0, count, step):
        part = slice(start, start + step)
        places = positions[:, part] * scale + 0.5
        low = places.floor()
        share = places - low
        near = torch.stack([1 - share, share])
        both = low.int() + torch.tensor([[[0]], [[1]]], dtype=torch.int32, device=low.device)
        x, y, z = (both[:, axis] * factor for axis, factor in enumerate(factors))
        if is_dense:
            # positions at 1 reach one point beyond, as in tiny-cuda-nn they wrap around: where
            # row − rows is negative, its sign is a mask that brings rows back
            row = (x[:, None] + y).flatten(0, 1)[:, None] + z - rows
            row += (row >> 31) & rows
        else:
            row = ((x[:, None] ^ y).flatten(0, 1)[:, None] ^ z) & (rows - 1)
        weight = (near[:, 0, None] * near[:, 1]).flatten(0, 1)[:, None] * near[:, 2]
        torch.stack(row.flatten(0, 1).unbind(), dim=1, out=chosen[part])
        torch.stack(weight.flatten(0, 1).unbind(), dim=1, out=weights[part])
    return chosen, weights
