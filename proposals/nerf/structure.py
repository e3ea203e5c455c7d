"""Shape of a NeRF: its MLPs, its samples and the space they lie in; shared by all verbs."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from inrkit.bitstream import Choice, Schema, Unsigned
from inrkit.errors import CodecError
from inrkit.radiance_mlp import MLP_SCHEMA, MlpShape
from inrkit.rays import NDC_SCHEMA, NdcFrame
from inrkit.scene_codec import SCENE_SCHEMA

CODEC_ID = "nerf"
SPACES = ("box", "ndc")
# everything the decoder must know beside tensors; the frame of NDC is zero in a box
SCHEMA: Schema = {
    **SCENE_SCHEMA,
    **MLP_SCHEMA,
    "coarse": Unsigned(most=1 << 12),
    "fine": Unsigned(most=1 << 12),
    "space": Choice(SPACES),
    **NDC_SCHEMA,
}
GROUPS = {"biases": "*.bias", "coarse": "*.coarse.*"}


@dataclass(frozen=True, kw_only=True)
class Structure:
    """Shape of one field.

    Args:
        mlp: of the coarse and of the fine network.
        coarse: samples per ray of the coarse network.
        fine: further samples per ray, which the fine network sees beside the coarse ones.
        frame: of normalised device coordinates; None where samples lie in the scene's box.

    Raises:
        CodecError: there are too few samples to draw others from.
    """

    mlp: MlpShape
    coarse: int
    fine: int
    frame: NdcFrame | None = None

    def __post_init__(self) -> None:
        if self.coarse < 3 or self.fine < 1:
            raise CodecError(
                f"{self.coarse} coarse and {self.fine} fine samples are asked for; NeRF needs at "
                "least 3 coarse ones, between which it draws at least 1 fine one."
            )

    @classmethod
    def of(cls, values: Mapping[str, Any], frame: NdcFrame | None = None) -> "Structure":
        """The shape among a fit's parameters."""
        return cls(
            mlp=MlpShape.of(values),
            coarse=int(values["coarse"]),
            fine=int(values["fine"]),
            frame=frame,
        )

    @classmethod
    def from_header(cls, header: Mapping[str, Any]) -> "Structure":
        """The shape in a header, other fields ignored."""
        is_warped = header["space"] == "ndc"
        return cls.of(header, NdcFrame.from_header(header) if is_warped else None)

    def to_header(self) -> dict[str, Any]:
        """The fields of ``SCHEMA`` beside the scene's own."""
        frame = dict.fromkeys(NDC_SCHEMA, 0.0) if self.frame is None else self.frame.to_header()
        space = SPACES[self.frame is not None]
        return asdict(self.mlp) | {"coarse": self.coarse, "fine": self.fine, "space": space} | frame
