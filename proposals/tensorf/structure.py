"""Shape of a TensoRF field: its factors, network and steps; shared by all verbs."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from inrkit.bitstream import Choice, Real, Schema, Unsigned
from inrkit.errors import CodecError
from inrkit.scene_codec import SCENE_SCHEMA
from inrkit.tensorial import Sizes, vm_values

CODEC_ID = "tensorf"
# everything the decoder must know beside tensors
SCHEMA: Schema = {
    **SCENE_SCHEMA,
    "kind": Choice(("vm", "cp")),
    "size_x": Unsigned(most=1 << 13),
    "size_y": Unsigned(most=1 << 13),
    "size_z": Unsigned(most=1 << 13),
    "density_rank_xy": Unsigned(most=1 << 10),
    "density_rank_xz": Unsigned(most=1 << 10),
    "density_rank_yz": Unsigned(most=1 << 10),
    "colour_rank_xy": Unsigned(most=1 << 10),
    "colour_rank_xz": Unsigned(most=1 << 10),
    "colour_rank_yz": Unsigned(most=1 << 10),
    "features": Unsigned(most=1 << 8),
    "feature_levels": Unsigned(most=16),
    "view_levels": Unsigned(most=16),
    "width": Unsigned(most=1 << 10),
    "density_shift": Real(),
    "step_ratio": Real(),
    "cells": Unsigned(most=512),
}
GROUPS = {
    "density": "*.density.*",
    "colour": "*.colour.*",
    "network": "*.network.*",
}
ORIENTATIONS = ("xy", "xz", "yz")
# parameters of a fit that are the field's shape
SHAPE = ("kind", "features", "feature_levels", "view_levels", "width", "cells")
REALS = ("density_shift", "step_ratio")
RANKS = ("density_ranks", "colour_ranks")


@dataclass(frozen=True, kw_only=True)
class Structure:
    """Shape of one field.

    Args:
        kind: ``vm``, planes and lines, or ``cp``, three lines of the first rank alone.
        size_x, size_y, size_z: points per axis.
        density_rank_…, colour_rank_…: products of each orientation.
        features: of the appearance, after the basis.
        feature_levels, view_levels: frequencies of the network's inputs.
        width: of the network's two hidden layers.
        density_shift: added to the density's sum before softplus.
        step_ratio: length of a step over the mean side of a voxel.
        cells: of the occupancy grid, per axis.
    """

    kind: str
    size_x: int
    size_y: int
    size_z: int
    density_rank_xy: int
    density_rank_xz: int
    density_rank_yz: int
    colour_rank_xy: int
    colour_rank_xz: int
    colour_rank_yz: int
    features: int
    feature_levels: int
    view_levels: int
    width: int
    density_shift: float
    step_ratio: float
    cells: int

    def __post_init__(self) -> None:
        if self.kind not in ("vm", "cp"):
            raise CodecError(f"the factors {self.kind!r} are unknown; use vm or cp.")
        if min(self.sizes) < 2:
            raise CodecError(
                f"a grid of {self.size_x}x{self.size_y}x{self.size_z} points is no volume; give "
                "the fit a resolution of 2 or more."
            )
        positive = (self.features, self.width, self.cells, self.step_ratio)
        if not min(positive) > 0 or min(*self.density_ranks, *self.colour_ranks) < 0:
            raise CodecError(
                "features, width, cells and step_ratio must be positive and no rank negative; "
                f"they are {positive} and {self.density_ranks + self.colour_ranks}."
            )
        if not sum(self.density_ranks) or not sum(self.colour_ranks):
            raise CodecError("density and colour need a rank above 0 in one orientation each.")
        if self.kind == "cp" and any(self.density_ranks[1:] + self.colour_ranks[1:]):
            raise CodecError("CP factors have one rank each; give it as rank_xy, the others as 0.")

    @property
    def sizes(self) -> Sizes:
        """Points per axis."""
        return self.size_x, self.size_y, self.size_z

    @property
    def density_ranks(self) -> Sizes:
        """Products of the density by orientation."""
        return self.density_rank_xy, self.density_rank_xz, self.density_rank_yz

    @property
    def colour_ranks(self) -> Sizes:
        """Products of the appearance by orientation."""
        return self.colour_rank_xy, self.colour_rank_xz, self.colour_rank_yz

    @property
    def factor_values(self) -> int:
        """Values of all factors."""
        ranks = [a + b for a, b in zip(self.density_ranks, self.colour_ranks, strict=True)]
        return sum(self.sizes) * ranks[0] if self.kind == "cp" else vm_values(self.sizes, ranks)

    def sized(self, sizes: Sizes) -> "Structure":
        """The same with other points per axis."""
        return replace(self, size_x=sizes[0], size_y=sizes[1], size_z=sizes[2])

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> "Structure":
        """The shape in a header's fields."""
        return cls(**{field.name: values[field.name] for field in fields(cls)})

    @classmethod
    def of_fit(cls, parameters: Mapping[str, Any], sizes: Sizes) -> "Structure":
        """The shape that a fit's parameters ask for, ranks given as lists of one or three."""
        ranks = {
            f"{part}_rank_{orientation}": int(rank)
            for part in ("density", "colour")
            for orientation, rank in zip(
                ORIENTATIONS, (*parameters[f"{part}_ranks"], 0, 0), strict=False
            )
        }
        shape = {name: parameters[name] for name in SHAPE}
        sized = dict(zip(("size_x", "size_y", "size_z"), sizes, strict=True))
        reals = {name: float(parameters[name]) for name in REALS}
        return cls(**shape, **ranks, **sized, **reals)

    def to_header(self) -> dict[str, Any]:
        """The fields of ``SCHEMA`` beside the scene's own."""
        return asdict(self)
