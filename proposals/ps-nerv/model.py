"""PS-NeRV: a network that is a function from time and place of a patch to the patch.

```
t, row, column ─ encodings ─ MLP ─ features ─ block ─ … ─ block ─ 1×1 ─ ½(tanh + 1) ─ patch
t ───────────── encoding ── style MLP ────────┴─ … ─────┘ scales and shifts
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

    def styled(self, features: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
        """Features at ``stride`` times the resolution."""
        raised = self.shuffle(self.convolution(features))
        drawn: Tensor = self.activation(adaptive_instance_norm(raised, scale, shift))
        return drawn


class PatchNetwork(nn.Module):
    """Frame indices (N,) → RGB frames (N, 3, H, W) in [0, 1] at the coded size, from patches."""

    def __init__(self, structure: Structure) -> None:
        super().__init__()
        self.structure = structure
        inputs, width, widths = 2 * structure.levels, structure.stem_width, structure.widths
        self.stem = nn.Sequential(
            nn.Linear(3 * inputs, width),
            nn.GELU(),
            nn.Linear(width, width),
            nn.GELU(),
            nn.Linear(width, math.prod(structure.stem_shape)),
            nn.GELU(),
        )
        self.blocks = nn.ModuleList(
            StyledBlock(before, after, stride)
            for before, after, stride in zip(
                widths[:-1], widths[1:], structure.strides, strict=True
            )
        )
        self.head = nn.Conv2d(widths[-1], 3, 1)
        self.style = (
            nn.Sequential(
                nn.Linear(inputs, structure.style_width),
                nn.GELU(),
                nn.Linear(structure.style_width, 2 * sum(widths[1:])),
            )
            if structure.style_width
            else None
        )

    def encode_times(self, indices: Tensor) -> Tensor:
        """Encoded times (N, 2·levels), t = i/T."""
        return self._encode(indices, self.structure.video.frames)

    def encode_patches(self, indices: Tensor) -> Tensor:
        """Encoded time, row and column (N·P, 6·levels) of the P patches of every frame."""
        rows, columns = self.structure.patch_rows, self.structure.patch_columns
        down, across = (torch.arange(count, device=indices.device) for count in (rows, columns))
        times = self.encode_times(indices)[:, None, None]
        places = [self._encode(down, rows)[:, None], self._encode(across, columns)[None]]
        parts = [part.expand(len(indices), rows, columns, -1) for part in (times, *places)]
        return torch.cat(parts, dim=-1).flatten(0, 2)

    def forward(self, indices: Tensor) -> Tensor:
        """Frames at these indices."""
        features = self.stem(self.encode_patches(indices)).view(-1, *self.structure.stem_shape)
        if self.style is None:
            for block in self.blocks:
                features = block(features)
        else:
            patches = self.structure.patch_rows * self.structure.patch_columns
            styles = self.style(self.encode_times(indices)).repeat_interleave(patches, dim=0)
            sizes = [width for width in self.structure.widths[1:] for _ in range(2)]
            pairs = styles.float().split(sizes, dim=1)
            for block, scale, shift in zip(self.blocks, pairs[::2], pairs[1::2], strict=True):
                features = block.styled(features, scale, shift)
        return self.join(0.5 * self.head(features).float().tanh() + 0.5)

    def join(self, patches: Tensor) -> Tensor:
        """Frames (N, 3, H, W) of their patches (N·P, 3, h, w), row by row."""
        rows, columns = self.structure.patch_rows, self.structure.patch_columns
        height, width = patches.shape[2:]
        tiled = patches.view(-1, rows, columns, 3, height, width).permute(0, 3, 1, 4, 2, 5)
        return tiled.reshape(-1, 3, rows * height, columns * width)

    def _encode(self, places: Tensor, count: int) -> Tensor:
        return sine_encoding(
            (places.float() / count).unsqueeze(1), base=ENCODING_BASE, levels=self.structure.levels
        )
