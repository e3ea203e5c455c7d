"""The HNeRV decoder: turns the bitstream's embeddings into frames.

Chen et al., HNeRV: A Hybrid Neural Representation for Videos, CVPR 2023.
"""

import torch
from inrkit.coordinates import frame_times, pixel_grid, sine_encoding
from inrkit.layers import NervBlock
from structure import EMBEDDING_CHANNELS, Structure, kernel_of
from torch import Tensor, nn

ENCODING_BASE = 2.0
TIME_LEVELS, PLACE_LEVELS = 4, 2  # 2·4 numbers of time, 2·2·2 of place: as many as are embedded


def fixed_embedding(structure: Structure) -> Tensor:
    """Encoded time and place (N, C, h, w) that stand in for learnt embeddings.

    What they are is our choice: sines and cosines of 2^k·π times frame, row and column.
    """
    frames, _, height, width = structure.embedding_shape
    times = frame_times(frames).unsqueeze(-1)
    of_time = sine_encoding(times, base=ENCODING_BASE, levels=TIME_LEVELS)
    of_place = sine_encoding(pixel_grid(height, width), base=ENCODING_BASE, levels=PLACE_LEVELS)
    of_place = of_place.T.view(1, -1, height, width).expand(frames, -1, -1, -1)
    return torch.cat([of_time[:, :, None, None].expand(-1, -1, height, width), of_place], dim=1)


class HnervDecoder(nn.Module):
    """Embeddings (N, C, h, w) → RGB frames (N, 3, H, W) in [0, 1].

    A 1×1 convolution, one block per stride (kernels 1, 3, 5, 5, 5), a 3×3 head and
    ½·tanh + ½. Source: HNeRV, figure 3 and section 3.2.
    """

    def __init__(self, structure: Structure) -> None:
        super().__init__()
        widths = structure.widths
        self.stem = nn.Sequential(nn.Conv2d(EMBEDDING_CHANNELS, widths[0], 1), nn.GELU())
        self.blocks = nn.Sequential(
            *(
                NervBlock(before, after, stride, kernel=kernel_of(index))
                for index, (before, after, stride) in enumerate(
                    zip(widths[:-1], widths[1:], structure.strides, strict=True)
                )
            )
        )
        self.head = nn.Conv2d(widths[-1], 3, 3, padding=1)

    def forward(self, embedding: Tensor) -> Tensor:
        """Frames at the coded size."""
        drawn: Tensor = self.head(self.blocks(self.stem(embedding)))
        return 0.5 * drawn.float().tanh() + 0.5
