"""Quantisers for quantisation-aware training: what the network computes with is what is coded.

A quantiser maps a trained tensor to integer levels and back. In training, ``forward`` gives the
reconstructed values while the gradient passes as if nothing had been rounded (straight-through:
Bengio et al., arXiv 1308.3432). Levels are coded losslessly, as int32 tensors by ``inrkit.nnc``.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from inrkit.errors import CodecError

Levels = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float32]


class Quantiser(Protocol):
    """What codecs ask of a quantiser."""

    def forward(self, weights: Tensor) -> Tensor:
        """Reconstructed values, with a gradient, of a trained tensor of any shape."""

    def levels(self, weights: Tensor) -> tuple[Levels, np.float32]:
        """What is coded: integer levels of the same shape, and their step."""


def dequantise(levels: Levels, step: np.float32) -> Floats:
    """Values that a decoder gets from levels and step; equal to ``forward`` in every bit."""
    return levels.astype(np.float32) * np.float32(step)


@dataclass(frozen=True)
class UniformQuantiser:
    """Uniform, symmetric, one step per tensor: levels −(2^(b−1)−1) … 2^(b−1)−1.

    The step is max|w| / (2^(b−1)−1), so that nothing is clipped; it moves with the weights.
    Source: INRIC (Strümpler et al., ECCV 2022, section 3.3) quantises weights and biases so,
    with AIMET's "tf-enhanced" range, which may clip, in place of the maximum.
    """

    bits: int = 8

    def __post_init__(self) -> None:
        _check_bits(self.bits)

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
class TanhQuantiser:
    """FFNeRV's: w → tanh(w) → sign · ⌊|·|·(2^(b−1)−1)⌋ / (2^(b−1)−1); the step is fixed.

    The floor is straight-through, the gradient flows through tanh. Source: FFNeRV
    (Lee et al., ACM MM 2023, section 3.4), 8 bit from the first epoch on.
    """

    bits: int = 8

    def __post_init__(self) -> None:
        _check_bits(self.bits)

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


def _check_bits(bits: int) -> None:
    if not 2 <= bits <= 16:
        raise CodecError(f"a quantiser of {bits} bits is not served; use 2 … 16")


def _as_levels(rounded: Tensor) -> Levels:
    return rounded.to("cpu", torch.int32).contiguous().numpy()
