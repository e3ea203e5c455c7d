"""Shape of a NeRV: encoding of time, stem, upsampling, channels; without torch."""

from dataclasses import asdict, dataclass
from typing import Any

from inrkit.bitstream import VIDEO_SCHEMA, Choice, Schema, Unsigned
from inrkit.upsampling import BlockShape, coded_size
from inrkit.video import RawFormat

CODEC_ID = "nerv"
ACTIVATIONS = ("swish", "gelu")
# everything the decoder must know beside tensors
SCHEMA: Schema = {
    **VIDEO_SCHEMA,
    "enlargement": Unsigned(most=1 << 12),
    "levels": Unsigned(most=256),
    "stem_width": Unsigned(most=4096),
    "channels": Unsigned(most=4096),
    "expansion": Unsigned(most=64),
    "least_channels": Unsigned(most=4096),
    "activation": Choice(ACTIVATIONS),
}
ENCODING_BASE = 1.25  # of the positional encoding, the paper's b
GROUPS = {"biases": "*bias"}


@dataclass(frozen=True)
class Structure(BlockShape):
    """Shape of one NeRV.

    Args:
        video: what is coded.
        enlargement: rows of the coded picture per row of the stem's features; its prime factors
            5, 3 and 2 are the blocks' strides.
        levels: of the positional encoding of time; 0 gives the network the bare time.
        stem_width: width of the stem's hidden layer.
        channels: of the stem's features.
        expansion: channels behind the first block, as a multiple of ``channels``.
        least_channels: later blocks halve their channels down to this.
        activation: of stem and blocks.
    """

    video: RawFormat
    enlargement: int
    levels: int
    stem_width: int
    channels: int
    expansion: int
    least_channels: int
    activation: str

    @property
    def coded_size(self) -> tuple[int, int]:
        """Height and width that the network draws."""
        return coded_size((self.video.height, self.video.width), self.enlargement)

    @property
    def stem_shape(self) -> tuple[int, int, int]:
        """Channels, rows and columns of the stem's features."""
        height, width = (side // self.enlargement for side in self.coded_size)
        return (self.channels, height, width)

    def to_header(self) -> dict[str, Any]:
        """The fields of ``SCHEMA``."""
        fields = asdict(self)
        return {**self.video.to_header(), **{n: fields[n] for n in fields if n != "video"}}

    @classmethod
    def from_header(cls, header: dict[str, Any]) -> "Structure":
        """The structure written by :meth:`to_header`."""
        own = {name: header[name] for name in SCHEMA.keys() - VIDEO_SCHEMA.keys()}
        return cls(video=RawFormat.from_header(header), **own)
