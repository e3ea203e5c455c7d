"""HNeRV's encoder, used while fitting only: frames to embeddings. It is not transmitted."""

from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional as F

CHANNELS = 64
LAYER_SCALE = 1e-6


class ChannelNorm(nn.Module):
    """Layer normalisation over the channels of (N, C, h, w)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels, eps=1e-6)

    def forward(self, features: Tensor) -> Tensor:
        """Every position normalised on its own."""
        normed: Tensor = self.norm(features.permute(0, 2, 3, 1))
        return normed.permute(0, 3, 1, 2)


class ConvNextBlock(nn.Module):
    """Depthwise 7×7, layer norm, two linear maps with GELU between, layer scale, skip connection.

    Source: Liu et al., A ConvNet for the 2020s, figure 4.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(channels, channels, 7, padding=3, groups=channels)
        self.norm = nn.LayerNorm(channels, eps=1e-6)
        self.widen = nn.Linear(channels, 4 * channels)
        self.narrow = nn.Linear(4 * channels, channels)
        self.scale = nn.Parameter(LAYER_SCALE * self.narrow.weight.new_ones(channels))

    def forward(self, features: Tensor) -> Tensor:
        """Features of the same shape."""
        last = self.norm(self.depthwise(features).permute(0, 2, 3, 1))
        change = self.scale * self.narrow(F.gelu(self.widen(last)))
        return features + change.permute(0, 3, 1, 2)


class HnervEncoder(nn.Module):
    """RGB frames (N, 3, H, W) → embeddings (N, C, h, w): one ConvNeXt stage per stride.

    Source: HNeRV, section 3.1; channels 64 64 64 64 16, convolutions of kernel = stride.
    """

    def __init__(self, strides: tuple[int, ...], embedding: int) -> None:
        super().__init__()
        widths = [3, *[CHANNELS] * (len(strides) - 1), embedding]
        stages: list[nn.Module] = []
        for index, ((before, after), stride) in enumerate(
            zip(pairwise(widths), strides, strict=True)
        ):
            convolution = nn.Conv2d(before, after, stride, stride=stride)
            stages += (
                [convolution, ChannelNorm(after)]
                if index == 0
                else [ChannelNorm(before), convolution]
            )
            stages.append(ConvNextBlock(after))
        self.stages = nn.Sequential(*stages)
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, frames: Tensor) -> Tensor:
        """Embeddings of the frames."""
        embedding: Tensor = self.stages(frames)
        return embedding
