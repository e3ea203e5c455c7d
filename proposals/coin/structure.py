"""Shape of a COIN, its coordinates and its picture, in numpy alone.

A picture is a function of place, row and column → RGB in [0, 1]: some sine layers of one width,
then a linear layer.

Source: Dupont et al., COIN: COmpression with Implicit Neural representations, ICLR 2021 workshop
on neural compression, sections 2 and 3.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from inrkit.bitstream import VIDEO_SCHEMA, Choice, Schema, Unsigned
from inrkit.sine import Floats, SineShape, axis_coordinates, evaluate
from inrkit.video import RawFormat

CODEC_ID = "coin"
COORDINATES = ("coin", "each-axis")
STORAGES = ("nnc", "fp16")

SCHEMA: Schema = {
    **VIDEO_SCHEMA,
    "sine_layers": Unsigned(most=64),
    "hidden_width": Unsigned(most=4096),
    "coordinates": Choice(COORDINATES),
    "storage": Choice(STORAGES),
}
GROUPS = {"biases": "*bias"}  # of coded tensors


@dataclass(frozen=True)
class Structure:
    """Number and width of the sine layers, and how places are numbered.

    ``coin`` divides rows and columns by the height less one, as the paper's code does
    (``util.py``), so that the columns of a picture of 768×512 run from −1 to 2; ``each-axis``
    divides each by its own length less one, from −1 to 1.

    >>> sizes = [(5, 20), (5, 30), (10, 28), (10, 40), (13, 49)]
    >>> [Structure(*size, "coin").network.parameters for size in sizes]
    [1803, 3903, 7479, 15003, 29697]
    """

    sine_layers: int
    hidden_width: int
    coordinates: Literal["coin", "each-axis"]

    @property
    def network(self) -> SineShape:
        """The network: each axis gives its coordinate."""
        return SineShape((1, 1), self.hidden_width, self.sine_layers)

    def axes(self, height: int, width: int) -> list[Floats]:
        """Coordinates (N, 1) of rows and columns."""
        if self.coordinates == "coin":
            unit = 2 / max(height - 1, 1)
            axes = [np.arange(count) * unit - 1 for count in (height, width)]
        else:
            axes = [axis_coordinates(count) for count in (height, width)]
        return [axis.astype(np.float32)[:, None] for axis in axes]

    @classmethod
    def from_header(cls, header: Mapping[str, Any]) -> "Structure":
        """The structure in a bitstream's header."""
        return cls(**{name: header[name] for name in cls.__dataclass_fields__})


def render(tensors: Mapping[str, Floats], structure: Structure, held: RawFormat) -> Floats:
    """RGB (3, H, W) in [0, 1], not clipped, of a network's tensors."""
    (rgb,) = evaluate(tensors, structure.network, structure.axes(held.height, held.width))
    return rgb
