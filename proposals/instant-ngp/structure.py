"""Shape of an Instant-NGP field: its hash grid, networks and samples; shared by all verbs."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from inrkit.bitstream import Schema, Unsigned
from inrkit.errors import CodecError
from inrkit.scene_codec import SCENE_SCHEMA

CODEC_ID = "instant-ngp"
# everything the decoder must know beside tensors
SCHEMA: Schema = {
    **SCENE_SCHEMA,
    "levels": Unsigned(most=32),
    "channels": Unsigned(most=16),
    "table_bits": Unsigned(most=24),
    "least": Unsigned(most=1 << 12),
    "most": Unsigned(most=1 << 16),
    "width": Unsigned(most=1 << 10),
    "bands": Unsigned(most=4),
    "cells": Unsigned(most=512),
    "samples": Unsigned(most=1 << 14),
}
GROUPS = {"grid": "*.tables.*"}


@dataclass(frozen=True, kw_only=True)
class Structure:
    """Shape of one field.

    Args:
        levels, channels: resolutions of the hash grid, and features of each.
        table_bits: a level holds at most 2^table_bits rows.
        least, most: coarsest and finest resolution.
        width: of the hidden layers of both networks.
        bands: of the spherical harmonics that tell the colour network a ray's direction.
        cells: of the occupancy grid, per axis.
        samples: steps that would cross the box along its diagonal.
    """

    levels: int
    channels: int
    table_bits: int
    least: int
    most: int
    width: int
    bands: int
    cells: int
    samples: int

    def __post_init__(self) -> None:
        if min(asdict(self).values()) < 1 or self.least > self.most:
            raise CodecError(f"{self} is no hash grid; sizes are positive and least ≤ most.")

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> "Structure":
        """The shape among a fit's parameters or a header's fields."""
        return cls(**{field.name: int(values[field.name]) for field in fields(cls)})

    def to_header(self) -> dict[str, int]:
        """The fields of ``SCHEMA`` beside the scene's own."""
        return asdict(self)
