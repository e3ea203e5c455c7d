"""Shape of a PS-NeRV: patches, encodings, upsampling, channels; without torch."""

from dataclasses import asdict, dataclass
from typing import Any

from inrkit.bitstream import VIDEO_SCHEMA, Schema, Unsigned
from inrkit.upsampling import BlockShape, coded_size
from inrkit.video import RawFormat

CODEC_ID = "ps-nerv"
# everything the decoder must know beside tensors
SCHEMA: Schema = {
    **VIDEO_SCHEMA,
    "patch_rows": Unsigned(most=256),
    "patch_columns": Unsigned(most=256),
    "enlargement": Unsigned(most=1 << 12),
    "levels": Unsigned(most=256),
    "place_levels": Unsigned(most=256),
    "stem_width": Unsigned(most=4096),
    "style_width": Unsigned(most=4096),
    "channels": Unsigned(most=4096),
    "expansion": Unsigned(most=64),
    "least_channels": Unsigned(most=4096),
}
ENCODING_BASE = 1.25  # of the positional encodings: NeRV's
GROUPS = {"biases": "*bias"}


@dataclass(frozen=True)
class Structure(BlockShape):
    """Shape of one PS-NeRV.

    Args:
        video: what is coded.
        patch_rows, patch_columns: patches that tile a frame.
        enlargement: rows of a patch per row of the stem's features; its prime factors 5, 3 and 2
            are the blocks' strides.
        levels: of the positional encoding of time.
        place_levels: of those of row and column.
        stem_width: width of the stem's hidden layers.
        style_width: width of the style's hidden layer; 0 for blocks that are not modulated.
        channels: of the stem's features.
        expansion: channels behind the first block, as a multiple of ``channels``.
        least_channels: later blocks halve their channels down to this.
    """

    video: RawFormat
    patch_rows: int
    patch_columns: int
    enlargement: int
    levels: int
    place_levels: int
    stem_width: int
    style_width: int
    channels: int
    expansion: int
    least_channels: int

    @property
    def patch_size(self) -> tuple[int, int]:
        """Height and width of a patch: what tiles the picture, up to a multiple of strides."""
        size = patch_size(self.video, rows=self.patch_rows, columns=self.patch_columns)
        return coded_size(size, self.enlargement)

    @property
    def coded_size(self) -> tuple[int, int]:
        """Height and width that all patches of a frame cover."""
        height, width = self.patch_size
        return (self.patch_rows * height, self.patch_columns * width)

    @property
    def stem_shape(self) -> tuple[int, int, int]:
        """Channels, rows and columns of the features of a patch."""
        height, width = (side // self.enlargement for side in self.patch_size)
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


def patch_size(video: RawFormat, *, rows: int, columns: int) -> tuple[int, int]:
    """Height and width of the smallest patches of which ``rows``×``columns`` cover a frame."""
    return (-(-video.height // rows), -(-video.width // columns))
