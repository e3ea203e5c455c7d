"""Shape of a DyNeRF model: networks, latent codes and samples; shared by all verbs."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from inrkit.bitstream import Schema, Unsigned
from inrkit.errors import CodecError
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
SCHEMA: Schema = {**SCENE_SCHEMA, **MLP_SCHEMA, **_OWN}
GROUPS = {"latents": "latents*", "biases": "*.bias"}


@dataclass(frozen=True, kw_only=True)
class Structure:
    """Shape of the networks, of the latent codes and of the rendering.

    Args:
        mlp: of each network.
        latent: values of an instant's code.
        networks: 2 for a coarse and a fine one, 1 for one that serves both passes.
        coarse, fine: samples per ray.

    Raises:
        CodecError: a size cannot be.
    """

    mlp: MlpShape
    latent: int
    networks: int
    coarse: int
    fine: int

    def __post_init__(self) -> None:
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
        return cls(mlp=MlpShape.of(values), **{name: int(values[name]) for name in _OWN})

    @staticmethod
    def names() -> set[str]:
        """Parameters of a fit that belong to the shape."""
        return {*_OWN, *(field.name for field in fields(MlpShape))}

    def to_header(self) -> dict[str, int]:
        """The fields of ``SCHEMA`` beside the scene's own."""
        return self.mlp.to_header() | {name: getattr(self, name) for name in _OWN}
