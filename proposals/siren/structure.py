"""Shape of a SIREN, its coordinates and its frames, in numpy alone.

A picture is a function of place, row and column → RGB; a video is one of instant, row and column.
Coordinates and values lie in [−1, 1].

    (t,) row, column ─→ sine layer ─→ further sine layers of the same width ─→ linear ─→ RGB

Source: Sitzmann et al., Implicit Neural Representations with Periodic Activation Functions,
NeurIPS 2020, sections 3 and 4.1.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from inrkit.bitstream import VIDEO_SCHEMA, Schema, Unsigned
from inrkit.sine import Floats, SineShape, axis_coordinates, evaluate
from inrkit.video import RawFormat

CODEC_ID = "siren"

SCHEMA: Schema = {
    **VIDEO_SCHEMA,
    "hidden_layers": Unsigned(most=64),
    "hidden_width": Unsigned(most=4096),
}
GROUPS = {"biases": "*bias"}  # of coded tensors


@dataclass(frozen=True)
class Structure:
    """Sine layers behind the first, their width, and what they are a function of.

    The paper's picture (grey, and in colour) and its video:

    >>> [Structure(3, 256, axes=2, outputs=n).network.parameters for n in (1, 3)]
    [198401, 198915]
    >>> Structure(3, 1024, axes=3).network.parameters
    3155971
    """

    hidden_layers: int
    hidden_width: int
    axes: int
    outputs: int = 3

    @property
    def network(self) -> SineShape:
        """The network: each axis gives its coordinate."""
        return SineShape((1,) * self.axes, self.hidden_width, 1 + self.hidden_layers, self.outputs)

    @classmethod
    def of(cls, held: RawFormat, hidden_layers: int, hidden_width: int) -> "Structure":
        """The structure for a video, or for a picture if it has one frame."""
        return cls(hidden_layers, hidden_width, axes=2 if held.frames == 1 else 3)


def coordinates(held: RawFormat) -> list[Floats]:
    """Coordinates (N, 1) of frames, if there are several, rows and columns."""
    frames = [held.frames] if held.frames > 1 else []
    counts = [*frames, held.height, held.width]
    return [axis_coordinates(count).astype(np.float32)[:, None] for count in counts]


def render(
    tensors: Mapping[str, Floats], structure: Structure, held: RawFormat
) -> Iterator[Floats]:
    """Yield every frame's RGB (3, H, W) in [0, 1], not clipped."""
    for values in evaluate(tensors, structure.network, coordinates(held)):
        yield np.float32(0.5) * values + np.float32(0.5)
