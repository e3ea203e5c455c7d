"""A start for learnt embeddings and grids: what their places look like, in few numbers.

A decoder that is trained for seconds has no time to find out which embedding stands for which
picture. Started from principal components of the pixels that they stand for, neighbouring
embeddings mean neighbouring pictures from the first step on. Nothing of this is transmitted.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

CELL = 16  # pixels a side that a cell is averaged down to, so that any size takes little memory
RIDGE = 1e-2  # penalty of regress_layer, relative to the energy of its inputs


@torch.no_grad()
def cell_components(pictures: Tensor, *, cell: int, channels: int, spread: float) -> Tensor:
    """Principal components (N, channels, H/cell, W/cell) of every cell of ``pictures``.

    Args:
        pictures: RGB (N, 3, H, W), H and W multiples of ``cell``.
        cell: pixels a side that one place stands for.
        channels: components kept, the strongest first; zero beyond the number that exists.
        spread: standard deviation of the first; the others keep their ratio to it.
    """
    count, _, height, width = pictures.shape
    rows, columns, side = height // cell, width // cell, min(cell, CELL)
    small = functional.adaptive_avg_pool2d(pictures, (rows * side, columns * side))
    cells = small.view(count, 3, rows, side, columns, side).permute(0, 2, 4, 1, 3, 5)
    vectors = cells.reshape(count * rows * columns, -1)
    vectors = vectors - vectors.mean(dim=0)
    _, axes = torch.linalg.eigh(vectors.T @ vectors)
    strongest = axes.flip(1)[:, :channels]
    found = vectors @ strongest
    found = found * (spread / found[:, 0].std(correction=0).clamp_min(1e-6))
    found = functional.pad(found, (0, channels - found.shape[1]))
    return found.view(count, rows, columns, channels).permute(0, 3, 1, 2).contiguous()


@torch.no_grad()
def regress_layer(layer: nn.Linear, inputs: Tensor, outputs: Tensor) -> None:
    """Set ``layer`` so that it gives ``outputs`` (N, D) for ``inputs`` (N, C), about.

    Ridge regression: weights stay small where inputs are alike, so that they cost few bits.
    """
    centre, mean = inputs.mean(dim=0), outputs.mean(dim=0)
    centred = inputs - centre
    square = centred.T @ centred
    penalty = (RIDGE * square.diagonal().mean()).clamp_min(1e-6)  # a single input has no energy
    square += penalty * torch.eye(len(square), device=square.device)
    weight = torch.linalg.solve(square, centred.T @ (outputs - mean)).T
    layer.weight.copy_(weight)
    layer.bias.copy_(mean - weight @ centre)
