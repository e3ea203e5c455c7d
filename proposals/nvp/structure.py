"""Shape of an NVP: planes, grid, layers, and where a pixel lies in them. Without torch.

    z(t, x, y) = [16 levels of plane xy | of plane yt | of plane xt | 3×3 cells of the 3-D grid]

Source: Kim et al., Scalable Neural Video Representations with Learnable Positional Features,
NeurIPS 2022, section 3.
"""

import math
from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from inrkit.bitstream import VIDEO_SCHEMA, Choice, Schema, Unsigned
from inrkit.errors import CodecError
from inrkit.images import IMAGE_CODECS, Mosaic
from inrkit.video import RawFormat
from numpy.typing import NDArray

Floats = NDArray[np.float32]

CODEC_ID = "nvp"
PLANES = {"xy": ("y", "x"), "yt": ("y", "t"), "xt": ("x", "t")}  # rows and columns of each
LAYERS = 3
FIRST_OMEGA = 30.0  # of the first sine layer; the others have 1
LEAK = 0.01  # slope of the leaky ReLU below zero
REACH = 3  # cells a side of the grid's neighbourhood
GRID = "grid"  # name of the grid among the model's tensors

SHAPE_FIELDS: Schema = {
    "levels": Unsigned(most=32),
    "base": Unsigned(most=1 << 16),
    "growth_percent": Unsigned(most=1000),
    "features": Unsigned(most=64),
    "is_limited": Unsigned(most=1),
    "grid_rows": Unsigned(most=1 << 16),
    "grid_columns": Unsigned(most=1 << 16),
    "grid_features": Unsigned(most=64),
    "hidden_width": Unsigned(most=4096),
    "is_modulated": Unsigned(most=1),
}
SCHEMA: Schema = {**VIDEO_SCHEMA, **SHAPE_FIELDS, "image_codec": Choice(IMAGE_CODECS)}
GROUPS = {"biases": "*bias"}  # of the tensors that NNC codes


@dataclass(frozen=True)
class Structure:
    """Shape of one NVP.

    Args:
        video: what it stands for.
        levels, base, growth_percent: a plane's levels have ⌈base·growth^l⌉ cells a side.
        features: numbers in a cell of a plane.
        is_limited: whether no axis of a plane has more cells than the video has samples.
        grid_rows, grid_columns: cells of the 3-D grid per frame.
        grid_features: numbers in a cell of the grid; 0 for no grid.
        hidden_width: of all layers.
        is_modulated: whether sine layers of t are modulated by the latent; else the latent's
            own layers make the colour.
    """

    video: RawFormat
    levels: int
    base: int
    growth_percent: int
    features: int
    is_limited: bool
    grid_rows: int
    grid_columns: int
    grid_features: int
    hidden_width: int
    is_modulated: bool

    def __post_init__(self) -> None:
        may_be_none = {"is_limited", "grid_features", "is_modulated"}
        for name in SHAPE_FIELDS.keys() - may_be_none:
            if getattr(self, name) < 1:
                raise CodecError(f"{name} is {getattr(self, name)}; an NVP needs 1 or more.")

    @property
    def extents(self) -> dict[str, int]:
        """Samples along each axis."""
        return {"x": self.video.width, "y": self.video.height, "t": self.video.frames}

    @property
    def resolutions(self) -> list[int]:
        """Cells a side of every level, where no limit applies.

        The published ones are ⌈16·1.35^l⌉: 16 22 30 40 54 72 97 131 177 239 322 435 587 792 …
        """
        growth = Fraction(self.growth_percent, 100)
        return [math.ceil(self.base * growth**level) for level in range(self.levels)]

    @property
    def plane_shapes(self) -> dict[str, tuple[int, int, int]]:
        """Rows, columns and features of every level of every plane: xy0, xy1, …, xt15."""
        return {
            f"{plane}{level}": (self._cells(rows, side), self._cells(columns, side), self.features)
            for plane, (rows, columns) in PLANES.items()
            for level, side in enumerate(self.resolutions)
        }

    @property
    def grid_shape(self) -> tuple[int, int, int, int]:
        """Frames, rows, columns and features of the 3-D grid; one frame of it per frame."""
        return (self.video.frames, self.grid_rows, self.grid_columns, self.grid_features)

    @property
    def plane_inputs(self) -> int:
        """Numbers that one plane adds to the latent."""
        return self.levels * self.features

    @property
    def latent_inputs(self) -> int:
        """Numbers in the latent: 114 (S) and 228 (L) in the paper."""
        return len(PLANES) * self.plane_inputs + REACH**2 * self.grid_features

    @property
    def layer_shapes(self) -> dict[str, tuple[int, ...]]:
        """Names and shapes of the layers' tensors, in the order in which they are coded."""
        width, shapes = self.hidden_width, dict[str, tuple[int, ...]]()
        sizes = [("modulator.0", self.latent_inputs, width)]
        sizes += [(f"modulator.{k}", width + self.latent_inputs, width) for k in range(1, LAYERS)]
        if self.is_modulated:
            sizes += [("sines.0", 1, width)]
            sizes += [(f"sines.{k}", width, width) for k in range(1, LAYERS)]
        for name, inputs, outputs in [*sizes, ("head", width, 3)]:
            shapes[f"{name}.weight"] = (outputs, inputs)
            shapes[f"{name}.bias"] = (outputs,)
        return shapes

    @property
    def parameters(self) -> int:
        """All trained values."""
        shapes = [*self.plane_shapes.values(), self.grid_shape, *self.layer_shapes.values()]
        return sum(math.prod(shape) for shape in shapes)

    @property
    def kmac_per_pixel(self) -> float:
        """Thousand multiplications per pixel of the layers, and of four corners per plane value."""
        layers = sum(math.prod(s) for s in self.layer_shapes.values() if len(s) == 2)
        return (layers + 4 * len(PLANES) * self.plane_inputs) / 1000

    @property
    def plane_mosaic(self) -> Mosaic:
        """How all levels and features of all planes lie in one picture."""
        sizes = [(r, c) for r, c, count in self.plane_shapes.values() for _ in range(count)]
        return Mosaic.of(sizes)

    @property
    def grid_mosaic(self) -> Mosaic:
        """How the features of the grid lie in one picture per frame."""
        return Mosaic.of([(self.grid_rows, self.grid_columns)] * self.grid_features)

    def to_header(self) -> dict[str, Any]:
        """The fields of ``SCHEMA`` but for the picture codec."""
        shape = {name: value for name, value in asdict(self).items() if name in SHAPE_FIELDS}
        flags = {name: int(shape[name]) for name in ("is_limited", "is_modulated")}
        return self.video.to_header() | shape | flags

    @classmethod
    def from_header(cls, header: dict[str, Any]) -> "Structure":
        """The structure written by :meth:`to_header`."""
        return cls(RawFormat.from_header(header), **{name: header[name] for name in SHAPE_FIELDS})

    def _cells(self, axis: str, side: int) -> int:
        return min(side, self.extents[axis]) if self.is_limited else side


def places(count: int) -> NDArray[np.float64]:
    """Coordinates (N,) of an axis: i/(N−1) in [0, 1]; 0 for N = 1."""
    return np.linspace(0, 1, count) if count > 1 else np.zeros(1)


def corners(count: int, cells: int) -> tuple[NDArray[np.int64], Floats]:
    """The two cells (N, 2) around every sample of an axis, and their linear weights (N, 2).

    The outer samples lie on the outer cells.

    >>> corners(3, 4)[0].tolist(), corners(3, 4)[1].tolist()
    ([[0, 1], [1, 2], [2, 3]], [[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]])
    """
    at = places(count) * (cells - 1)
    low = np.clip(np.floor(at), 0, max(cells - 2, 0)).astype(np.int64)
    share = at - low
    pair = np.stack([low, np.minimum(low + 1, cells - 1)], axis=1)
    return pair, np.stack([1 - share, share], axis=1).astype(np.float32)


def hat_matrix(count: int, cells: int) -> Floats:
    """Linear interpolation of an axis as a matrix (N, cells)."""
    pair, weights = corners(count, cells)
    matrix = np.zeros((count, cells), np.float32)
    np.add.at(matrix, (np.arange(count)[:, None], pair), weights)
    return matrix


def neighbours(count: int, cells: int) -> NDArray[np.int64]:
    """Cells (N, 3) of the grid before, at and behind every sample of an axis, inside the grid.

    >>> neighbours(6, 3)[:, 1].tolist(), neighbours(6, 3)[0].tolist()
    ([0, 0, 1, 1, 2, 2], [0, 0, 1])
    """
    nearest = (2 * np.arange(count) + 1) * cells // (2 * count)
    steps = np.arange(REACH) - REACH // 2
    return np.clip(nearest[:, None] + steps, 0, cells - 1)
