"""Shape of a Plenoxels scene: a grid of voxels per instant of which few are kept."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from inrkit.bitstream import Real, Schema, Unsigned
from inrkit.errors import CodecError
from inrkit.scene_codec import SCENE_SCHEMA
from inrkit.tensorial import Sizes

CODEC_ID = "plenoxels"
# everything the decoder must know beside tensors
SCHEMA: Schema = {
    **SCENE_SCHEMA,
    "size_x": Unsigned(most=1 << 13),
    "size_y": Unsigned(most=1 << 13),
    "size_z": Unsigned(most=1 << 13),
    "voxels": Unsigned(most=1 << 28),
    "bands": Unsigned(most=4),
    "step_ratio": Real(),
}
GROUPS = {"mask": "mask", "density": "densities", "colour": "colours", "lobes": "lobes"}


@dataclass(frozen=True, kw_only=True)
class Structure:
    """Shape of the fields of all instants together.

    Args:
        size_x, size_y, size_z: points of the grid per axis.
        voxels: kept points of all instants.
        bands: of spherical harmonics; the paper's "degree 2" is 3.
        step_ratio: length of a step over the mean side of a voxel.
    """

    size_x: int
    size_y: int
    size_z: int
    voxels: int
    bands: int
    step_ratio: float

    def __post_init__(self) -> None:
        if min(self.sizes) < 2 or not self.step_ratio > 0:
            raise CodecError(
                f"a grid of {self.size_x}x{self.size_y}x{self.size_z} points in steps of "
                f"{self.step_ratio:g} voxels is no volume; resolution is 2 or more, step_ratio "
                "positive."
            )
        if not 1 <= self.bands <= 4:
            raise CodecError(f"{self.bands} bands of spherical harmonics; give 1 to 4.")

    @property
    def sizes(self) -> Sizes:
        """Points per axis."""
        return self.size_x, self.size_y, self.size_z

    @property
    def lobe_values(self) -> int:
        """Values of a voxel beside its density and the colour that all directions share."""
        return 3 * (self.bands**2 - 1)

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> "Structure":
        """The shape in a header's fields."""
        return cls(**{field.name: values[field.name] for field in fields(cls)})

    def to_header(self) -> dict[str, Any]:
        """The fields of ``SCHEMA`` beside the scene's own."""
        return asdict(self)

    def layout(self, instants: int) -> dict[str, tuple[int, ...]]:
        """Shapes of the tensors in the payload, by name."""
        shapes = {
            "mask": (instants * self.size_x, self.size_y * self.size_z),
            "densities": (self.voxels, 1),
            "colours": (self.voxels, 3),
        }
        if self.lobe_values:
            shapes["lobes"] = (self.voxels, self.lobe_values)
        return shapes
