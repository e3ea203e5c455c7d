"""Coordinate grids and positional encodings: what an implicit representation is a function of."""

import math

import torch
from torch import Tensor


def pixel_grid(height: int, width: int) -> Tensor:
    """Coordinates (H·W, 2) as (row, column), each axis i/(N−1) mapped to [−1, 1]; 0 for N = 1.

    Source: SIREN, ``dataio.py`` (every axis by its own length).
    """
    rows, columns = (
        torch.linspace(-1, 1, count) if count > 1 else torch.zeros(1) for count in (height, width)
    )
    return torch.stack(torch.meshgrid(rows, columns, indexing="ij"), dim=-1).reshape(-1, 2)


def frame_times(frames: int) -> Tensor:
    """Times (T,) of the frames, t = i/T in [0, 1). Source: NeRV, ``model_nerv.py``."""
    return torch.arange(frames, dtype=torch.float32) / frames


def sine_encoding(values: Tensor, *, base: float, levels: int) -> Tensor:
    """sin and cos of base^k·π·v, k < levels: (…, D) → (…, 2·D·levels), per level sines first.

    Source: NeRV equation 1; INRIC, ``modules.py`` (base 1.4, 16 levels).
    """
    scales = math.pi * base ** torch.arange(levels, dtype=torch.float32, device=values.device)
    angles = values.unsqueeze(-2) * scales.unsqueeze(-1)
    pairs = torch.stack([torch.sin(angles), torch.cos(angles)], dim=-2)
    return pairs.flatten(-3)
