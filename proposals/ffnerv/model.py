"""FFNeRV: grids over time → NeRV blocks → a frame of its own, blended with its warped neighbours.

```
 t ─ grids (linear in time) ─ block ─ … ─ block ─┬─ block ─ block ─ 1×1 ─ frame, 2 blend logits
                                                 └─ 1×1 ─ 4 flows, 4 weights    (a quarter each way)
 frames t−2 t−1 t+1 t+2, warped by the flows, summed by the weights ─ aggregated frame
 shown frame = blend of both
```

Lee et al., FFNeRV: Flow-Guided Frame-Wise Neural Representations for Videos, ACM MM 2023.
"""

from dataclasses import dataclass

import torch
from inrkit.layers import CompactNervBlock, NervBlock
from structure import CONVOLUTION_GROUPS, NEIGHBOURS, Structure
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True)
class Drawn:
    """What the network gives for N frames; only frames if it does not aggregate.

    Args:
        frames: independent frames (N, 3, H, W) in [0, 1].
        flows: (N, A, 2, h, w), columns then rows, in pixels of h×w.
        weights: of the A neighbours before their softmax (N, A, h, w).
        blend: of independent and aggregated frame before their softmax (N, 2, H, W).
    """

    frames: Tensor
    flows: Tensor | None = None
    weights: Tensor | None = None
    blend: Tensor | None = None


class TemporalGrids(nn.Module):
    """Features of a time, read by linear interpolation from grids of several lengths.

    Source: FFNeRV, section 3.2 "multi-resolution temporal grids". Tables are read through
    ``F.embedding``, whose gradient is the same in every run.
    """

    def __init__(self, structure: Structure) -> None:
        super().__init__()
        self.shapes = structure.grid_shapes
        self.frames = structure.video.frames
        self.grids = nn.ParameterList(
            nn.init.xavier_uniform_(torch.empty(shape)) for shape in self.shapes
        )

    def forward(self, indices: Tensor) -> Tensor:
        """Features (N, C, h, w) of frames (N,); the first frame is time 0, the last the end."""
        read = []
        for grid, shape in zip(self.grids, self.shapes, strict=True):
            place = indices.double() * (shape[0] - 1) / max(self.frames - 1, 1)
            below = place.floor().long().clamp(max=max(shape[0] - 2, 0))
            above = (below + 1).clamp(max=shape[0] - 1)
            share = (place - below).float().unsqueeze(1)
            table = grid.flatten(1)
            low, high = (functional.embedding(index, table) for index in (below, above))
            read.append((low + share * (high - low)).view(-1, *shape[1:]))
        return torch.cat(read, dim=1)


class FfnervNetwork(nn.Module):
    """Frame indices (N,) → independent frames, flows and weights."""

    def __init__(self, structure: Structure) -> None:
        super().__init__()
        self.grids = TemporalGrids(structure)
        widths = structure.widths
        blocks = [
            _block(before, after, stride, is_compact=structure.is_compact)
            for before, after, stride in zip(
                widths[:-1], widths[1:], structure.strides, strict=True
            )
        ]
        self.coarse = nn.Sequential(*blocks[:-2])
        self.fine = nn.Sequential(*blocks[-2:])
        self.flow_head: nn.Conv2d | None = None
        if structure.aggregates:
            self.flow_head = nn.Conv2d(widths[-3], 3 * len(NEIGHBOURS), 1)
        self.frame_head = nn.Conv2d(widths[-1], 5 if structure.aggregates else 3, 1)

    def forward(self, indices: Tensor) -> Drawn:
        """What is drawn at these times, before any aggregation."""
        coarse = self.coarse(self.grids(indices))
        shown = self.frame_head(self.fine(coarse)).float()
        frames = 0.5 * shown[:, :3].tanh() + 0.5
        if self.flow_head is None:
            return Drawn(frames)
        moved = self.flow_head(coarse).float()
        flows, weights = moved.split([2 * len(NEIGHBOURS), len(NEIGHBOURS)], dim=1)
        return Drawn(
            frames=frames,
            flows=flows.unflatten(1, (len(NEIGHBOURS), 2)),
            weights=weights,
            blend=shown[:, 3:],
        )


def aggregate(drawn: Drawn, neighbours: Tensor) -> tuple[Tensor, Tensor]:
    """The shown frames and the aggregated frames, each (N, 3, H, W).

    Args:
        drawn: what the network gave.
        neighbours: independent frames (N, A, 3, H, W) of the neighbours; a missing one is zero.

    Source: FFNeRV, section 3.1 and equation 3; flows are upsampled bilinearly, weights by
    repetition, and neighbours are read bilinearly with their border repeated.
    """
    count, around, _, height, width = neighbours.shape
    scale = height // drawn.flows.shape[-2]
    flows = functional.interpolate(
        drawn.flows.flatten(0, 1), scale_factor=scale, mode="bilinear", align_corners=False
    )
    rows, columns = (
        (torch.arange(side, device=flows.device) + 0.5) * (2 / side) - 1 for side in (height, width)
    )
    moved_columns = columns + flows[:, 0] * (2 * scale / width)
    moved_rows = rows[:, None] + flows[:, 1] * (2 * scale / height)
    warped = functional.grid_sample(
        neighbours.flatten(0, 1),
        torch.stack([moved_columns, moved_rows], dim=-1),
        padding_mode="border",
        align_corners=False,
    ).view(count, around, 3, height, width)
    weights = functional.interpolate(drawn.weights.softmax(dim=1), scale_factor=scale)
    aggregated = (weights.unsqueeze(2) * warped).sum(dim=1)
    share = drawn.blend.softmax(dim=1)
    return share[:, :1] * drawn.frames + share[:, 1:] * aggregated, aggregated


def _block(before: int, after: int, stride: int, *, is_compact: bool) -> NervBlock:
    if is_compact and stride != 5:
        return CompactNervBlock(before, after, stride, groups=CONVOLUTION_GROUPS)
    return NervBlock(before, after, stride)
