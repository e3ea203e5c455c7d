"""Shape of a NeRF++: its MLPs, its samples and the sphere between near and far; for all verbs."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from inrkit.bitstream import Real, Schema, Unsigned
from inrkit.errors import CodecError
from inrkit.radiance_mlp import MLP_SCHEMA, MlpShape
from inrkit.rays import UnitSphere
from inrkit.scene_codec import SCENE_SCHEMA

CODEC_ID = "nerfpp"
SAMPLES = ("coarse", "fine", "far_coarse", "far_fine")
SPHERE_FIELDS = ("sphere_x", "sphere_y", "sphere_z", "sphere_radius")
# everything the decoder must know beside tensors
SCHEMA: Schema = {
    **SCENE_SCHEMA,
    **MLP_SCHEMA,
    **{name: Unsigned(most=1 << 12) for name in SAMPLES},
    **{name: Real() for name in SPHERE_FIELDS},
}
GROUPS = {"biases": "*.bias", "background": "*.background.*"}


@dataclass(frozen=True, kw_only=True)
class Structure:
    """Shape of one field.

    Args:
        mlp: of all four networks.
        coarse, fine: samples per ray inside the sphere: of the first cascade, and further ones
            of the second.
        far_coarse, far_fine: the same beyond the sphere.
        sphere: that parts foreground and background.

    Raises:
        CodecError: there are too few samples to draw others from.
    """

    mlp: MlpShape
    coarse: int
    fine: int
    far_coarse: int
    far_fine: int
    sphere: UnitSphere

    def __post_init__(self) -> None:
        if min(self.coarse, self.far_coarse) < 3 or min(self.fine, self.far_fine) < 1:
            raise CodecError(
                f"{self.coarse} and {self.far_coarse} coarse and {self.fine} and {self.far_fine} "
                "fine samples are asked for inside and beyond the sphere; NeRF++ needs at least "
                "3 coarse ones, between which it draws at least 1 fine one."
            )

    @classmethod
    def of(cls, values: Mapping[str, Any], sphere: UnitSphere) -> "Structure":
        """The shape among a fit's parameters."""
        samples = {name: int(values[name]) for name in SAMPLES}
        return cls(mlp=MlpShape.of(values), sphere=sphere, **samples)

    @classmethod
    def from_header(cls, header: Mapping[str, Any]) -> "Structure":
        """The shape in a header, other fields ignored."""
        x, y, z, radius = (header[name] for name in SPHERE_FIELDS)
        return cls.of(header, UnitSphere((x, y, z), radius))

    @property
    def samples(self) -> int:
        """Samples per ray that the second cascade sees."""
        return self.coarse + self.fine + self.far_coarse + self.far_fine

    def to_header(self) -> dict[str, Any]:
        """The fields of ``SCHEMA`` beside the scene's own."""
        sphere = dict(zip(SPHERE_FIELDS, (*self.sphere.centre, self.sphere.radius), strict=True))
        return asdict(self.mlp) | {name: getattr(self, name) for name in SAMPLES} | sphere
