"""Volume rendering: what a ray sees of densities and colours along it.

Shapes: N rays of S samples, δ the length that a sample stands for, in scene units.
Source: NeRF, equation 3 (Max, Optical Models for Direct Volume Rendering, 1995).
"""

from dataclasses import dataclass

import torch
from torch import Tensor

FARTHEST = 1e10  # δ behind the last sample, which makes it opaque where it has any density


@dataclass(frozen=True)
class Rendered:
    """What N rays see.

    Args:
        colour: RGB (N, 3), without what lies behind the last sample.
        opacity: (N,) in [0, 1].
        depth: expected distance (N,), 0 where nothing is met.
    """

    colour: Tensor
    opacity: Tensor
    depth: Tensor

    def over(self, background: Tensor) -> Tensor:
        """Colours (N, 3) before a background (3,) or (N, 3)."""
        return self.colour + (1 - self.opacity)[:, None] * background


def sample_lengths(distances: Tensor, *, last: float | Tensor = FARTHEST) -> Tensor:
    """δ (N, S) of ascending distances: to the next sample, ``last`` (or (N,)) behind the last."""
    between = distances[:, 1:] - distances[:, :-1]
    end = torch.as_tensor(last, dtype=distances.dtype, device=distances.device)
    return torch.cat([between, end.expand(len(distances))[:, None]], dim=-1)


def sample_weights(densities: Tensor, lengths: Tensor) -> Tensor:
    """w = T·(1 − e^(−σδ)) (N, S), T = e^(−Σσδ) of the samples before.

    Args:
        densities: σ ≥ 0 (N, S), per scene unit.
        lengths: δ ≥ 0, (N, S) or broadcast to it.
    """
    thickness = densities * lengths
    passed = torch.cumsum(thickness[:, :-1], dim=-1)
    before = torch.cat([torch.zeros_like(thickness[:, :1]), passed], dim=-1)
    return torch.exp(-before) * -torch.expm1(-thickness)


def composite(weights: Tensor, colours: Tensor, distances: Tensor) -> Rendered:
    """Sums over samples of weights (N, S) times colours (N, S, 3) and distances (N, S)."""
    return Rendered(
        colour=(weights[..., None] * colours).sum(dim=1),
        opacity=weights.sum(dim=-1),
        depth=(weights * distances).sum(dim=-1),
    )


def composite_kept(weights: Tensor, colours: Tensor, distances: Tensor, kept: Tensor) -> Rendered:
    """The same where colours (K, 3) exist only of the K samples that ``kept`` (N, S) marks.

    Args:
        weights: (N, S); those of other samples are ignored in the colour.
        colours: in the order of ``kept.nonzero()``.
        distances: (N, S).
        kept: booleans (N, S).
    """
    dense = colours.new_zeros(*kept.shape, 3)
    dense[kept] = colours
    return composite(weights, dense, distances)


def distortion(weights: Tensor, step: float) -> Tensor:
    """How far each ray's weights are spread (N,): 0 where one sample holds them all.

    Σᵢⱼ wᵢwⱼ|sᵢ − sⱼ| + Σᵢ wᵢ²·step/3 for samples ``step`` apart, in O(S).

    Args:
        weights: (N, S), of samples in order.
        step: between two samples, in the unit of s.

    Source: Barron et al., Mip-NeRF 360, CVPR 2022, eq. 15.
    """
    places = torch.arange(weights.shape[1], device=weights.device) * step
    moments = weights * places
    held = weights.cumsum(dim=-1) - weights
    moved = moments.cumsum(dim=-1) - moments
    between = 2 * (moments * held - weights * moved).sum(dim=-1)
    return between + weights.square().sum(dim=-1) * step / 3


def background_colour(name: str, device: torch.device) -> Tensor:
    """RGB (3,) of the backgrounds ``black`` and ``white``."""
    return torch.full((3,), {"black": 0.0, "white": 1.0}[name], device=device)
