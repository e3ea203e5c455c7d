"""Quantisers for quantisation-aware training: what the network computes with is what is coded.

A quantiser maps a trained tensor to integer levels and back. In training, ``forward`` gives the
reconstructed values while the gradient passes as if nothing had been rounded (straight-through:
Bengio et al., arXiv 1308.3432). Levels are coded losslessly, as int32 tensors by ``inrkit.nnc``.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from inrkit.levels import Levels, dequantise, enhanced_step, level_range

__all__ = ["FixedQuantiser", "Quantiser", "TanhQuantiser", "UniformQuantiser", "dequantise"]


class Quantiser(Protocol):
    """What codecs ask of a quantiser."""

    def forward(self, weights: Tensor) -> Tensor:
        """Reconstructed values, with a gradient, of a trained tensor of any shape."""

    def levels(self, weights: Tensor) -> tuple[Levels, np.float32]:
        """What is coded: integer levels of the same shape, and their step."""


@dataclass(frozen=True)
class UniformQuantiser:
    """Uniform, symmetric, one step per tensor: levels −(2^(b−1)−1) … 2^(b−1)−1.

    The step is max|w| / (2^(b−1)−1), so that nothing is clipped; it moves with the weights.
    """

    bits: int = 8

    def __post_init__(self) -> None:
        level_range(self.bits)

    @property
    def top(self) -> int:
        """The largest level."""
        return (1 << (self.bits - 1)) - 1

    def step(self, weights: Tensor) -> Tensor:
        """Step of a tensor, a positive float32 scalar without gradient; 1 if it is all zero."""
        largest = weights.detach().float().abs().max()
        return torch.where(largest > 0, largest / self.top, torch.ones_like(largest))

    def forward(self, weights: Tensor) -> Tensor:
        """Reconstructed values, with a gradient, of a trained tensor of any shape."""
        step = self.step(weights)
        rounded = torch.round(weights.detach() / step).clamp(-self.top, self.top) * step
        return rounded + (weights - weights.detach())

    def levels(self, weights: Tensor) -> tuple[Levels, np.float32]:
        """What is coded: integer levels of the same shape, and their step."""
        step = self.step(weights)
        rounded = torch.round(weights.detach() / step).clamp(-self.top, self.top)
        return _as_levels(rounded), np.float32(step.item())


@dataclass(frozen=True)
class FixedQuantiser:
    """Uniform, symmetric, one step per tensor that stays: levels −2^(b−1) … 2^(b−1) − 1.

    Values beyond the levels are clipped and get no gradient, the others pass theirs. Source:
    INRIC (Strümpler et al., ECCV 2022, section 3.3) quantises weights and biases so, with the
    ranges found after training.
    """

    step: np.float32
    bits: int = 8

    def __post_init__(self) -> None:
        level_range(self.bits)

    @classmethod
    def of(cls, weights: Tensor, bits: int) -> "FixedQuantiser":
        """A quantiser whose range suits a trained tensor, see ``levels.enhanced_step``."""
        return cls(enhanced_step(weights.detach().cpu().numpy(), bits), bits)

    def forward(self, weights: Tensor) -> Tensor:
        """Reconstructed values, with a gradient, of a trained tensor of any shape."""
        bottom, top = level_range(self.bits)
        step = float(self.step)
        clipped = weights.clamp(bottom * step, top * step)
        return self._nearest(weights) * step + (clipped - clipped.detach())

    def levels(self, weights: Tensor) -> tuple[Levels, np.float32]:
        """What is coded: integer levels of the same shape, and their step."""
        return _as_levels(self._nearest(weights)), self.step

    def _nearest(self, weights: Tensor) -> Tensor:
        bottom, top = level_range(self.bits)
        return torch.round(weights.detach() / float(self.step)).clamp(bottom, top)


@dataclass(frozen=True)
class TanhQuantiser:
    """FFNeRV's: w → tanh(w) → sign · ⌊|·|·(2^(b−1)−1)⌋ / (2^(b−1)−1); the step is fixed.

    The floor is straight-through, the gradient flows through tanh. Source: FFNeRV
    (Lee et al., ACM MM 2023, section 3.4), 8 bit from the first epoch on.
    """

    bits: int = 8

    def __post_init__(self) -> None:
        level_range(self.bits)

    @property
    def top(self) -> int:
        """The largest level."""
        return (1 << (self.bits - 1)) - 1

    def forward(self, weights: Tensor) -> Tensor:
        """Reconstructed values, with a gradient, of a trained tensor of any shape."""
        squeezed = torch.tanh(weights)
        floored = torch.trunc(squeezed.detach() * self.top) * np.float32(1 / self.top).item()
        return floored + (squeezed - squeezed.detach())

    def levels(self, weights: Tensor) -> tuple[Levels, np.float32]:
        """What is coded: integer levels of the same shape, and their step."""
        return _as_levels(torch.trunc(torch.tanh(weights.detach()) * self.top)), np.float32(
            1 / self.top
        )


def _as_levels(rounded: Tensor) -> Levels:
    return rounded.to("cpu", torch.int32).contiguous().numpy()
