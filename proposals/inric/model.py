"""The INRIC network: layout, encoding and evaluation, in numpy alone.

A picture is a function of place: row and column → RGB, all in [−1, 1].

    place ── encoding ──┐
      (2)     (2 + 4L)  └→ four sine layers of one width ─→ linear ─→ RGB

Source: Strümpler et al., Implicit Neural Representations for Image Compression, ECCV 2022,
sections 3.1 and 4; sizes Q1 … Q5 from the group's first exploration experiment.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from inrkit import levels as coded_levels
from inrkit.bitstream import VIDEO_SCHEMA, Schema, Unsigned
from inrkit.sine import Floats, SineShape, axis_coordinates, evaluate

CODEC_ID = "inric"
SIGMA = 1.4  # ratio of neighbouring frequencies of the encoding
SINE_LAYERS = 4

SCHEMA: Schema = {
    **VIDEO_SCHEMA,
    "hidden_width": Unsigned(most=4096),
    "levels": Unsigned(most=64),
    **coded_levels.SCHEMA,
}
GROUPS = {"biases": "*bias"}  # of coded tensors


@dataclass(frozen=True)
class Structure:
    """Width of the hidden layers and number of frequencies of the encoding, per axis.

    >>> [Structure(width, 16).network.parameters for width in (32, 48, 64, 96, 128)]
    [5411, 10419, 16963, 34659, 58499]
    """

    hidden_width: int
    levels: int

    @classmethod
    def of(cls, header: Mapping[str, Any]) -> "Structure":
        """The structure in a bitstream's header, other fields ignored."""
        return cls(hidden_width=header["hidden_width"], levels=header["levels"])

    @property
    def network(self) -> SineShape:
        """The network: each axis gives its coordinate, and a sine and a cosine per frequency."""
        encoded = 1 + 2 * self.levels
        return SineShape((encoded, encoded), self.hidden_width, SINE_LAYERS)

    def axes(self, height: int, width: int) -> list[Floats]:
        """Encoded rows and columns of a picture."""
        return [encode_axis(count, self.levels) for count in (height, width)]


def encode_axis(count: int, levels: int) -> Floats:
    """Encoding (N, 1 + 2L) of an axis: its coordinate i/(N−1) in [−1, 1], sines, cosines.

    The frequencies are σ^i·π, i < L. Source: INRIC, section 3.1.
    """
    place = axis_coordinates(count)
    angles = np.pi * SIGMA ** np.arange(levels) * place[:, None]
    return np.hstack([place[:, None], np.sin(angles), np.cos(angles)]).astype(np.float32)


def render(
    tensors: Mapping[str, Floats], structure: Structure, *, height: int, width: int
) -> Floats:
    """RGB (3, H, W) in [0, 1], not clipped, of a network's tensors."""
    (rgb,) = evaluate(tensors, structure.network, structure.axes(height, width))
    return np.float32(0.5) * rgb + np.float32(0.5)
