"""Shape of a D-NeRF model: deformation, canonical field and samples; shared by all verbs."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from inrkit.bitstream import Choice, Schema, Unsigned
from inrkit.errors import CodecError
from inrkit.hierarchical import DENSITIES
from inrkit.radiance_mlp import MLP_SCHEMA, MlpShape
from inrkit.scene_codec import SCENE_SCHEMA

CODEC_ID = "d-nerf"
_OWN: Schema = {
    "deformation_width": Unsigned(most=1 << 12),
    "deformation_layers": Unsigned(most=64),
    "deformation_skip": Unsigned(most=64),
    "deformation_levels": Unsigned(most=32),
    "time_levels": Unsigned(most=32),
    "coarse": Unsigned(most=1 << 12),
    "fine": Unsigned(most=1 << 12),
}
# everything the decoder must know beside tensors
_DENSITY: Schema = {"density": Choice(tuple(DENSITIES))}
SCHEMA: Schema = {**SCENE_SCHEMA, **MLP_SCHEMA, **_OWN, **_DENSITY}
GROUPS = {"biases": "*.bias", "deformation": "deformation.*"}


@dataclass(frozen=True, kw_only=True)
class Structure:
    """Shape of the two networks and of the rendering.

    Args:
        canonical: of the radiance MLP of instant 0.
        deformation_width, deformation_layers: hidden layers of the deformation.
        deformation_skip: layers after which its γ(x) is appended again; 0 for never.
        deformation_levels: frequencies of its γ(x).
        time_levels: frequencies of γ(t).
        coarse, fine: samples per ray.
        density: activation of the densities, a key of ``hierarchical.DENSITIES``.

    Raises:
        CodecError: a size cannot be.
    """

    canonical: MlpShape
    deformation_width: int
    deformation_layers: int
    deformation_skip: int
    deformation_levels: int
    time_levels: int
    coarse: int
    fine: int
    density: str

    def __post_init__(self) -> None:
        if self.density not in DENSITIES:
            raise CodecError(
                f"the density activation {self.density!r} is none of {', '.join(DENSITIES)}."
            )
        if min(self.deformation_width, self.deformation_layers, self.fine) < 1 or self.coarse < 3:
            raise CodecError(
                f"a deformation of width {self.deformation_width} and {self.deformation_layers} "
                f"layers with {self.coarse} coarse and {self.fine} fine samples is asked for; "
                "each must be at least 1, coarse at least 3."
            )
        if not 0 <= self.deformation_skip < self.deformation_layers:
            raise CodecError(
                f"deformation_skip is {self.deformation_skip}; it must lie below "
                f"deformation_layers, {self.deformation_layers}."
            )

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> "Structure":
        """The shape among a fit's parameters or a header's fields."""
        return cls(
            canonical=MlpShape.of(values),
            density=str(values["density"]),
            **{name: int(values[name]) for name in _OWN},
        )

    @staticmethod
    def names() -> set[str]:
        """Parameters of a fit that belong to the shape."""
        return {*_OWN, "density", *(field.name for field in fields(MlpShape))}

    def to_header(self) -> dict[str, int | str]:
        """The fields of ``SCHEMA`` beside the scene's own."""
        own = {name: value for name, value in asdict(self).items() if name in _OWN}
        return self.canonical.to_header() | own | {"density": self.density}
