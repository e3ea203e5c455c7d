"""PS-NeRV: a network that is a function from time and place of a patch to the patch.

```
t, row, column ─ encodings ─ MLP ─ features ─ block ─ … ─ block ─ 1×1 ─ ½(tanh + 1) ─ patch
                  └──────── style MLP ────────┴─ … ┘ scale and shift of every channel
```

Bai et al., PS-NeRV: Patch-wise Stylized Neural Representations for Videos, ICIP 2023: what its
abstract says; all else is a choice made here.
"""

import math

import torch
from inrkit.coordinates import sine_encoding
from inrkit.layers import NervBlock
from structure import ENCODING_BASE, Structure
from torch import Tensor, nn

EPSILON = 1e-5  # added to variances


def adaptive_instance_norm(features: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """Features (N, C, h, w), each channel brought to mean ``shift``, deviation 1 + ``scale``.

    Args:
        features: of N patches.
        scale, shift: (N, C).

    Source: Huang and Belongie, Arbitrary Style Transfer in Real-time with Adaptive Instance
    Normalization, ICCV 2017, equation 8.
    """
    variance, mean = torch.var_mean(features.float(), dim=(2, 3), correction=0, keepdim=True)
    gain = (1 + scale[..., None, None]) * (variance + EPSILON).rsqrt()
    return (features - mean) * gain + shift[..., None, None]


class StyledBlock(NervBlock):
    """A NeRV block with adaptive instance normalisation before its activation."""

    def draw(self, features: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
        """Features at ``stride`` times the resolution."""
        raised = self.shuffle(self.convolution(features))
        styled: Tensor = self.activation(adaptive_instance_norm(raised, scale, shift))
        return styled


class PatchNetwork(nn.Module):
    """Frame indices (N,) → RGB frames (N, 3, H, W) in [0, 1] at the coded size, from patches.

    All blocks but the last are styled.
    """

    def __init__(self, structure: Structure) -> None:
        super().__init__()
        self.structure = structure
        inputs = 2 * structure.levels + 4 * structure.place_levels
        width, widths = structure.stem_width, structure.widths
        self.stem = nn.Sequential(
            nn.Linear(inputs, width),
            nn.GELU(),
            nn.Linear(width, width),
            nn.GELU(),
            nn.Linear(width, math.prod(structure.stem_shape)),
            nn.GELU(),
        )
        blocks = [
            StyledBlock(before, after, stride)
            for before, after, stride in zip(
                widths[:-1], widths[1:], structure.strides, strict=True
            )
        ]
        self.styled, self.last = nn.ModuleList(blocks[:-1]), blocks[-1]
        self.head = nn.Conv2d(widths[-1], 3, 1)
        self.style_sizes = [size for width in widths[1:-1] for size in (width, width)]
        self.style = (
            nn.Sequential(
                nn.Linear(inputs, structure.style_width),
                nn.GELU(),
                nn.Linear(structure.style_width, sum(self.style_sizes)),
            )
            if structure.style_width and self.style_sizes
            else None
        )

    def encode_patches(self, indices: Tensor) -> Tensor:
        """Encoded time, row and column (N·P, …) of the P patches of every frame."""
        shape = self.structure
        rows, columns = shape.patch_rows, shape.patch_columns
        down, across = (torch.arange(count, device=indices.device) for count in (rows, columns))
        parts = (
            _encode(indices / shape.video.frames, shape.levels)[:, None, None],
            _encode(down / rows, shape.place_levels)[:, None],
            _encode(across / columns, shape.place_levels)[None],
        )
        spread = [part.expand(len(indices), rows, columns, -1) for part in parts]
        return torch.cat(spread, dim=-1).flatten(0, 2)

    def forward(self, indices: Tensor) -> Tensor:
        """Frames at these indices."""
        encoded = self.encode_patches(indices)
        features = self.stem(encoded).view(-1, *self.structure.stem_shape)
        if self.style is None:
            for block in self.styled:
                features = block(features)
        else:
            styles = self.style(encoded).float().split(self.style_sizes, dim=1)
            for block, scale, shift in zip(self.styled, styles[::2], styles[1::2], strict=True):
                features = block.draw(features, scale, shift)
        return self.join(0.5 * self.head(self.last(features)).float().tanh() + 0.5)

    def join(self, patches: Tensor) -> Tensor:
        """Frames (N, 3, H, W) of their patches (N·P, 3, h, w), row by row."""
        rows, columns = self.structure.patch_rows, self.structure.patch_columns
        height, width = patches.shape[2:]
        tiled = patches.view(-1, rows, columns, 3, height, width).permute(0, 3, 1, 4, 2, 5)
        return tiled.reshape(-1, 3, rows * height, columns * width)


def _encode(places: Tensor, levels: int) -> Tensor:
    return sine_encoding(places.unsqueeze(1), base=ENCODING_BASE, levels=levels)
