"""Shape of an FFNeRV: grids, upsampling, channels. Shared by all verbs, without torch."""

import math
from dataclasses import dataclass
from typing import Any

from inrkit import upsampling
from inrkit.bitstream import VIDEO_SCHEMA, Schema, Unsigned
from inrkit.video import RawFormat

CODEC_ID = "ffnerv"
MOST_GRIDS = 4
# everything the decoder must know beside tensors; bits is 0 for weights coded by an NNC QP
SCHEMA: Schema = {
    **VIDEO_SCHEMA,
    "enlargement": Unsigned(most=1 << 12),
    "channels": Unsigned(most=4096),
    "expansion": Unsigned(most=64),
    "least_channels": Unsigned(most=4096),
    "is_compact": Unsigned(most=1),
    **{f"grid_{index}": Unsigned(most=1 << 20) for index in range(MOST_GRIDS)},
    "bits": Unsigned(most=16),
    "aggregates": Unsigned(most=1),
}
NEIGHBOURS = (-2, -1, 1, 2)  # frames that a frame is aggregated from, relative to it
CONVOLUTION_GROUPS = 8  # of the compact blocks' 3×3 convolution
GROUPS = {"grids": "grids.*", "biases": "*bias"}


@dataclass(frozen=True)
class Structure(upsampling.BlockShape):
    """Shape of one FFNeRV.

    Args:
        video: what is coded.
        enlargement: rows of the coded picture per row of the grids; a product of 2, 3 and 5.
        channels: of all grids together.
        expansion: channels behind the first block, as a multiple of ``channels``.
        least_channels: later blocks halve their channels down to this.
        is_compact: grouped 3×3 and 1×1 convolutions wherever the stride is not 5.
        grid_lengths: times of each grid, at most four grids; they share the channels.
        bits: of the quantisation-aware training; 0 for none.
        aggregates: whether frames are blended with their warped neighbours; if not, the network
            has neither flows nor blend weights and shows its independent frames.
    """

    video: RawFormat
    enlargement: int
    channels: int
    expansion: int
    least_channels: int
    is_compact: bool
    grid_lengths: tuple[int, ...]
    bits: int = 0
    aggregates: bool = True

    @property
    def flow_scale(self) -> int:
        """Pixels of the picture per pixel of flows and weights, each way (4 in the paper)."""
        return math.prod(self.strides[-2:])

    @property
    def coded_size(self) -> tuple[int, int]:
        """Height and width that the network draws."""
        return upsampling.coded_size((self.video.height, self.video.width), self.enlargement)

    @property
    def grid_shapes(self) -> list[tuple[int, int, int, int]]:
        """Times, channels, rows and columns of each grid."""
        height, width = (side // self.enlargement for side in self.coded_size)
        share = self.channels // len(self.grid_lengths)
        return [(length, share, height, width) for length in self.grid_lengths]

    def to_header(self) -> dict[str, Any]:
        """The fields of ``SCHEMA``."""
        lengths = [*self.grid_lengths, *[0] * (MOST_GRIDS - len(self.grid_lengths))]
        return {
            **self.video.to_header(),
            "enlargement": self.enlargement,
            "channels": self.channels,
            "expansion": self.expansion,
            "least_channels": self.least_channels,
            "is_compact": int(self.is_compact),
            **{f"grid_{index}": length for index, length in enumerate(lengths)},
            "bits": self.bits,
            "aggregates": int(self.aggregates),
        }

    @classmethod
    def from_header(cls, header: dict[str, Any]) -> "Structure":
        """The structure written by :meth:`to_header`."""
        lengths = (header[f"grid_{index}"] for index in range(MOST_GRIDS))
        names = ("enlargement", "channels", "expansion", "least_channels", "bits")
        return cls(
            video=RawFormat.from_header(header),
            is_compact=bool(header["is_compact"]),
            aggregates=bool(header["aggregates"]),
            grid_lengths=tuple(length for length in lengths if length),
            **{name: header[name] for name in names},
        )


def choose_enlargement(video: RawFormat) -> int:
    """Enlargement for grids of 8 to 12 rows, a multiple of 4: two blocks follow the flow head.

    Raises:
        CodecError: the picture is too small.
    """
    return upsampling.choose_enlargement((video.height, video.width), step=4)
