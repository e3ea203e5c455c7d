"""NeRV: a network that is a function from the time of a frame to the frame.

Chen et al., NeRV: Neural Representations for Videos, NeurIPS 2021.
"""

import math

from inrkit.coordinates import frame_times, sine_encoding
from inrkit.layers import NervBlock
from structure import ENCODING_BASE, Structure
from torch import Tensor, nn

ACTIVATIONS = {"swish": nn.SiLU, "gelu": nn.GELU}


class NervNetwork(nn.Module):
    """Frame indices (N,) → RGB frames (N, 3, H, W) in [0, 1] at the coded size.

    Positional encoding of the time, an MLP of two layers with an activation after each, one block
    per stride, a 1×1 head and ½·(tanh + 1). Source: NeRV, figure 2 and section 3.1.
    """

    def __init__(self, structure: Structure) -> None:
        super().__init__()
        activation = ACTIVATIONS[structure.activation]
        self.levels = structure.levels
        self.stem_shape = structure.stem_shape
        times = frame_times(structure.video.frames)
        self.register_buffer("times", times, persistent=False)
        self.stem = nn.Sequential(
            nn.Linear(2 * structure.levels or 1, structure.stem_width),
            activation(),
            nn.Linear(structure.stem_width, math.prod(self.stem_shape)),
            activation(),
        )
        widths = structure.widths
        self.blocks = nn.Sequential(
            *(
                NervBlock(before, after, stride, activation=activation)
                for before, after, stride in zip(
                    widths[:-1], widths[1:], structure.strides, strict=True
                )
            )
        )
        self.head = nn.Conv2d(widths[-1], 3, 1)

    def encode_time(self, indices: Tensor) -> Tensor:
        """Inputs (N, 2·levels) of the stem, or the times (N, 1) themselves without levels."""
        times = self.times[indices].unsqueeze(1)
        if not self.levels:
            return times
        return sine_encoding(times, base=ENCODING_BASE, levels=self.levels)

    def forward(self, indices: Tensor) -> Tensor:
        """Frames at these indices."""
        features = self.stem(self.encode_time(indices)).view(-1, *self.stem_shape)
        drawn: Tensor = self.head(self.blocks(features))
        return 0.5 * drawn.float().tanh() + 0.5
