"""The INRIC network: layout, coordinates and evaluation, in numpy alone.

A picture is a function of place: row and column → RGB, all in [−1, 1].

    place ── encoding ──┐  h1 = sin(30·(W1·e + b1))   four sine layers of one width
      (2)     (2 + 4L)  └→ h2 = sin(30·(W2·h1 + b2))
                           h3, h4 likewise
                           rgb = W5·h4 + b5            linear

The encoding treats each axis on its own, so the first layer splits: its part for a row and its part
for a column are computed once per row and once per column, and only their sum once per pixel.
This saves 40 % (Q1) to 15 % (Q5) of the multiplications and changes results by rounding only.

Source: Strümpler et al., Implicit Neural Representations for Image Compression, ECCV 2022,
sections 3.1 and 4; sizes Q1 … Q5 from the group's first exploration experiment.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from inrkit.bitstream import VIDEO_SCHEMA, Schema, Unsigned
from numpy.typing import NDArray

Floats = NDArray[np.float32]

CODEC_ID = "inric"
OMEGA = 30.0  # frequency of every sine layer
SIGMA = 1.4  # ratio of neighbouring frequencies of the encoding
SINE_LAYERS = 4

_STRIP_VALUES = 1 << 20  # activations of a strip of rows that stay in cache

SCHEMA: Schema = {
    **VIDEO_SCHEMA,
    "hidden_width": Unsigned(most=4096),
    "levels": Unsigned(most=64),
}
GROUPS = {"biases": "*bias"}  # of coded tensors


@dataclass(frozen=True)
class Structure:
    """Width of the hidden layers and number of frequencies of the encoding, per axis.

    >>> [Structure(width, 16).parameters for width in (32, 48, 64, 96, 128)]
    [5411, 10419, 16963, 34659, 58499]
    """

    hidden_width: int
    levels: int

    @property
    def axis_inputs(self) -> int:
        """Encoded numbers per axis: the coordinate, a sine and a cosine per frequency."""
        return 1 + 2 * self.levels

    @property
    def layer_sizes(self) -> list[int]:
        """Numbers between the layers, from the encoding to RGB."""
        return [2 * self.axis_inputs, *[self.hidden_width] * SINE_LAYERS, 3]

    @property
    def layout(self) -> dict[str, tuple[int, ...]]:
        """Names and shapes of all tensors, in the order in which they are coded."""
        shapes: dict[str, tuple[int, ...]] = {}
        sizes = self.layer_sizes
        for index, (inputs, outputs) in enumerate(pairwise(sizes)):
            shapes[f"layers.{index}.weight"] = (outputs, inputs)
            shapes[f"layers.{index}.bias"] = (outputs,)
        return shapes

    @property
    def parameters(self) -> int:
        """Trained values, biases included."""
        return sum(int(np.prod(shape)) for shape in self.layout.values())

    @property
    def kmac_per_pixel(self) -> float:
        """Thousand multiplications per pixel as the network is drawn, first layer not split."""
        return sum(int(np.prod(s)) for s in self.layout.values() if len(s) == 2) / 1000


def encode_axis(count: int, levels: int) -> Floats:
    """Encoding (N, 1 + 2L) of an axis: its coordinate i/(N−1) in [−1, 1], sines, cosines.

    The frequencies are σ^i·π, i < L. Source: INRIC, section 3.1.
    """
    place = np.linspace(-1, 1, count) if count > 1 else np.zeros(1)
    angles = np.pi * SIGMA ** np.arange(levels) * place[:, None]
    return np.hstack([place[:, None], np.sin(angles), np.cos(angles)]).astype(np.float32)


def render(
    tensors: Mapping[str, Floats], structure: Structure, *, height: int, width: int
) -> Floats:
    """RGB (3, H, W) in [0, 1], not clipped, of a network's tensors."""
    rows, columns = (encode_axis(count, structure.levels) for count in (height, width))
    weight, bias = _layer(tensors, 0)
    split = structure.axis_inputs
    from_rows = rows @ weight[:, :split].T
    from_columns = columns @ weight[:, split:].T + bias
    rgb = np.empty((height, width, 3), np.float32)
    for strip in _strips(height, width * structure.hidden_width):
        hidden = from_rows[strip, None] + from_columns[None]
        hidden = _sine(hidden.reshape(-1, structure.hidden_width))
        for index in range(1, SINE_LAYERS):
            weight, bias = _layer(tensors, index)
            hidden = _sine(hidden @ weight.T + bias)
        weight, bias = _layer(tensors, SINE_LAYERS)
        rgb[strip] = (hidden @ weight.T + bias).reshape(-1, width, 3)
    return np.moveaxis(np.float32(0.5) * rgb + np.float32(0.5), 2, 0)


def _layer(tensors: Mapping[str, Floats], index: int) -> tuple[Floats, Floats]:
    return tensors[f"layers.{index}.weight"], tensors[f"layers.{index}.bias"]


def _sine(values: Floats) -> Floats:
    """sin(30·v), in place."""
    values *= np.float32(OMEGA)
    return np.sin(values, out=values)


def _strips(height: int, row_values: int) -> Iterator[slice]:
    """Slices of rows that hold about ``_STRIP_VALUES`` activations each."""
    step = max(1, _STRIP_VALUES // row_values)
    return (slice(start, min(start + step, height)) for start in range(0, height, step))
