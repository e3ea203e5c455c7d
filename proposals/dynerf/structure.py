"""Shape of a DyNeRF model: networks, latent codes and samples; shared by all verbs."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from inrkit.bitstream import Choice, Schema, Unsigned
from inrkit.errors import CodecError
from inrkit.hierarchical import DENSITIES
from inrkit.radiance_mlp import MLP_SCHEMA, MlpShape
from inrkit.scene_codec import SCENE_SCHEMA

CODEC_ID = "dynerf"
_OWN: Schema = {
    "latent": Unsigned(most=1 << 14),
    "networks": Unsigned(most=2),
    "coarse": Unsigned(most=1 << 12),
    "fine": Unsigned(most=1 << 12),
}
# everything the decoder must know beside tensors
_DENSITY: Schema = {"density": Choice(tuple(DENSITIES))}
SCHEMA: Schema = {**SCENE_SCHEMA, **MLP_SCHEMA, **_OWN, **_DENSITY}
GROUPS = {"latents": "latents*", "biases": "*.bias"}


@dataclass(frozen=True, kw_only=True)
class Structure:
    """Shape of the networks, of the latent codes and of the rendering.

    Args:
        mlp: of each network.
        latent: values of an instant's code.
        networks: 2 for a coarse and a fine one, 1 for one that serves both passes.
        coarse, fine: samples per ray.
        density: activation of the densities, a key of ``hierarchical.DENSITIES``.

    Raises:
        CodecError: a size cannot be.
    """

    mlp: MlpShape
    latent: int
    networks: int
    coarse: int
    fine: int
    density: str

    def __post_init__(self) -> None:
        if self.density not in DENSITIES:
            raise CodecError(
                f"the density activation {self.density!r} is none of {', '.join(DENSITIES)}."
            )
        if min(self.latent, self.fine) < 1 or self.coarse < 3:
            raise CodecError(
                f"latent codes of {self.latent} values with {self.coarse} coarse and {self.fine} "
                "fine samples are asked for; each must be at least 1, coarse at least 3."
            )
        if self.networks not in (1, 2):
            raise CodecError(f"networks is {self.networks}; give 1, or 2 for coarse and fine.")

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> "Structure":
        """The shape among a fit's parameters or a header's fields."""
        return cls(
            mlp=MlpShape.of(values),
            density=str(values["density"]),
            **{name: int(values[name]) for name in _OWN},
        )

    @staticmethod
    def names() -> set[str]:
        """Parameters of a fit that belong to the shape."""
        return {*_OWN, "density", *(field.name for field in fields(MlpShape))}

    def to_header(self) -> dict[str, int | str]:
        """The fields of ``SCHEMA`` beside the scene's own."""
        own = {name: getattr(self, name) for name in _OWN}
        return self.mlp.to_header() | own | {"density": self.density}
