"""Shape of a MixVoxels model: its voxel fields, heads and samples; shared by all verbs."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from inrkit.bitstream import Real, Schema, Unsigned
from inrkit.errors import CodecError
from inrkit.rays import NDC_SCHEMA, NdcFrame
from inrkit.scene_codec import SCENE_SCHEMA

CODEC_ID = "mixvoxels"
PLANES = ("xy", "xz", "yz")
RANKS = ("density_ranks", "colour_ranks", "variation_ranks")
# everything the decoder must know beside tensors
SCHEMA: Schema = {
    **SCENE_SCHEMA,
    "mixes": Unsigned(most=1),
    "ndc": Unsigned(most=1),
    **NDC_SCHEMA,
    "grid": Unsigned(most=1 << 12),
    "variation_grid": Unsigned(most=1 << 12),
    **{f"{ranks}_{plane}": Unsigned(most=1 << 10) for ranks in RANKS for plane in PLANES},
    "features": Unsigned(most=1 << 10),
    "feature_levels": Unsigned(most=16),
    "direction_levels": Unsigned(most=16),
    "static_width": Unsigned(most=1 << 12),
    "dynamic_width": Unsigned(most=1 << 12),
    "density_shift": Real(),
    "cells": Unsigned(most=512),
    "samples": Unsigned(most=1 << 14),
    "point_threshold": Real(),
    "ray_threshold": Real(),
}
GROUPS = {
    "networks": "*.network.*",
    "bases": "*.basis.*",
    "variation": "variation.*",
    "static_density": "static.density.*",
    "static_colour": "static.colour.*",
    "dynamic_density": "dynamic.density.*",
    "dynamic_colour": "dynamic.colour.*",
}


@dataclass(frozen=True, kw_only=True)
class Structure:
    """Shape of one model.

    Args:
        mixes: whether a variation field parts static from dynamic voxels; else all are dynamic.
        ndc: whether the voxels lie in normalised device coordinates instead of the scene's box.
        grid: a field has about grid³ voxels, spread over the axes so that they are cubes.
        variation_grid: the same of the variation field.
        density_ranks, colour_ranks: of the static and the dynamic field, per plane xy, xz, yz.
        variation_ranks: of the variation field.
        features: that the colour networks see of a place.
        feature_levels, direction_levels: of the positional encodings of the static colours.
        static_width, dynamic_width: of the hidden layers.
        density_shift: σ is softplus(value − shift).
        cells: of the grids of occupied and of moving cells, per axis.
        samples: steps that would cross the box along its diagonal.
        point_threshold: the chance of change from which on a voxel is dynamic.
        ray_threshold: that which a ray must meet somewhere to be dynamic.
    """

    mixes: bool
    ndc: bool
    grid: int
    variation_grid: int
    density_ranks: tuple[int, int, int]
    colour_ranks: tuple[int, int, int]
    variation_ranks: tuple[int, int, int]
    features: int
    feature_levels: int
    direction_levels: int
    static_width: int
    dynamic_width: int
    density_shift: float
    cells: int
    samples: int
    point_threshold: float
    ray_threshold: float

    def __post_init__(self) -> None:
        for name in ("grid", "variation_grid", "features", "static_width", "dynamic_width"):
            if getattr(self, name) < 1:
                raise CodecError(f"{name} is {getattr(self, name)}; MixVoxels needs 1 or more.")
        for name in RANKS:
            ranks = getattr(self, name)
            if len(ranks) != 3 or min(ranks) < 1:
                raise CodecError(f"{name} are {list(ranks)}; give three, each 1 or more.")
        if min(self.cells, self.samples) < 2:
            raise CodecError(
                f"{self.cells} cells and {self.samples} samples cannot find a surface; give 2 or "
                "more of each."
            )
        for name in ("point_threshold", "ray_threshold"):
            if not 0 < getattr(self, name) < 1:
                raise CodecError(f"{name} is {getattr(self, name)}; give a chance between 0 and 1.")

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> "Structure":
        """The shape among a fit's parameters."""
        kinds = {field.name: field.type for field in fields(cls)}
        held = {name: values[name] for name in kinds}
        return cls(**held | {name: tuple(int(rank) for rank in held[name]) for name in RANKS})

    @classmethod
    def from_header(cls, header: Mapping[str, Any]) -> "Structure":
        """The shape in a header, other fields ignored."""
        ranks = {name: [header[f"{name}_{plane}"] for plane in PLANES] for name in RANKS}
        flags = {name: bool(header[name]) for name in ("mixes", "ndc")}
        return cls.of({**header, **ranks, **flags})

    def to_header(self, frame: NdcFrame | None) -> dict[str, Any]:
        """The fields of ``SCHEMA`` beside the scene's own; those of an absent frame are 0."""
        held = asdict(self) | {"mixes": int(self.mixes), "ndc": int(self.ndc)}
        for name in RANKS:
            ranks = held.pop(name)
            held |= {f"{name}_{plane}": rank for plane, rank in zip(PLANES, ranks, strict=True)}
        return held | (dict.fromkeys(NDC_SCHEMA, 0.0) if frame is None else frame.to_header())
