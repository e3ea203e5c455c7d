"""The HNeRV decoder: turns the bitstream's embeddings into frames.

Chen et al., HNeRV: A Hybrid Neural Representation for Videos, CVPR 2023.
"""

from inrkit.layers import NervBlock
from structure import EMBEDDING_CHANNELS, Structure, kernel_of
from torch import Tensor, nn


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
