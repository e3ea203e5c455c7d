"""Sine networks of places: layout, coordinates and evaluation, in numpy alone.

A picture or video is a function of place. Every axis (frames, rows, columns) gives some inputs of
its own, its coordinate at least:

    inputs of all axes ──→ h1 = sin(30·(W1·e + b1))    sine layers of one width
                           h2 = sin(30·(W2·h1 + b2))
                           …
                           values = Wn·h + bn           linear

Since every input belongs to one axis, the first layer splits: its part for a row and its part for
a column are computed once per row and once per column, and only their sum once per pixel. This
changes results by rounding only.

Source: Sitzmann et al., Implicit Neural Representations with Periodic Activation Functions,
NeurIPS 2020, section 3.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

OMEGA = 30.0  # frequency of every sine layer; SIREN, section 3.2

_STRIP_VALUES = 1 << 20  # activations of a strip of rows that stay in cache


@dataclass(frozen=True)
class SineShape:
    """Numbers that each axis gives, width and number of the sine layers, numbers per place.

    >>> SineShape(inputs=(1, 1), hidden_width=256, sine_layers=4, outputs=3).parameters
    198915
    """

    inputs: tuple[int, ...]
    hidden_width: int
    sine_layers: int
    outputs: int = 3

    @property
    def layer_sizes(self) -> list[int]:
        """Numbers between the layers, from the inputs of all axes to the outputs."""
        return [sum(self.inputs), *[self.hidden_width] * self.sine_layers, self.outputs]

    @property
    def layout(self) -> dict[str, tuple[int, ...]]:
        """Names and shapes of all tensors, in the order in which they are coded."""
        shapes: dict[str, tuple[int, ...]] = {}
        for index, (inputs, outputs) in enumerate(pairwise(self.layer_sizes)):
            shapes[f"layers.{index}.weight"] = (outputs, inputs)
            shapes[f"layers.{index}.bias"] = (outputs,)
        return shapes

    @property
    def parameters(self) -> int:
        """Trained values, biases included."""
        return sum(math.prod(shape) for shape in self.layout.values())

    @property
    def kmac_per_pixel(self) -> float:
        """Thousand multiplications per place as the network is drawn, first layer not split."""
        return sum(math.prod(shape) for shape in self.layout.values() if len(shape) == 2) / 1000


def axis_coordinates(count: int) -> NDArray[np.float64]:
    """Coordinates (N,) of an axis, i/(N−1) mapped to [−1, 1]; 0 for N = 1.

    Source: SIREN, ``dataio.py`` (every axis by its own length).
    """
    return np.linspace(-1, 1, count) if count > 1 else np.zeros(1)


def evaluate(
    tensors: Mapping[str, Floats], shape: SineShape, axes: Sequence[Floats]
) -> Iterator[Floats]:
    """Yield the values (outputs, H, W) of every frame.

    Args:
        tensors: the network's, by the names of ``shape.layout``.
        shape: the network's.
        axes: inputs of each axis (N, E), the last two for rows and columns; a video has one for
            frames before them.
    """
    *leading, rows, columns = axes
    weight, bias = _layer(tensors, 0)
    parts = np.split(weight, np.cumsum(shape.inputs)[:-1], axis=1)
    from_rows = rows @ parts[-2].T
    from_columns = columns @ parts[-1].T + bias
    if not leading:
        yield _picture(tensors, shape, from_rows, from_columns)
        return
    (times,) = leading
    for from_frame in times @ parts[0].T:
        yield _picture(tensors, shape, from_rows, from_columns + from_frame)


def _picture(
    tensors: Mapping[str, Floats], shape: SineShape, from_rows: Floats, from_columns: Floats
) -> Floats:
    """Values (outputs, H, W) of a frame from its first layer's parts (H, F) and (W, F)."""
    height, width = len(from_rows), len(from_columns)
    values = np.empty((height, width, shape.outputs), np.float32)
    for strip in _strips(height, width * shape.hidden_width):
        hidden = from_rows[strip, None] + from_columns[None]
        hidden = _sine(hidden.reshape(-1, shape.hidden_width))
        for index in range(1, shape.sine_layers):
            weight, bias = _layer(tensors, index)
            hidden = _sine(hidden @ weight.T + bias)
        weight, bias = _layer(tensors, shape.sine_layers)
        values[strip] = (hidden @ weight.T + bias).reshape(-1, width, shape.outputs)
    return np.moveaxis(values, 2, 0)


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
