"""Shape of an HNeRV: strides, channels, sizes. Shared by all verbs, without torch."""

import itertools
import math
from dataclasses import dataclass
from typing import Any

from inrkit.bitstream import VIDEO_SCHEMA, Schema, Unsigned
from inrkit.errors import CodecError
from inrkit.video import RawFormat

CODEC_ID = "hnerv"
# everything the decoder must know beside tensors; strides as decimal digits, 5 4 4 2 2 → 54422
SCHEMA: Schema = {
    **VIDEO_SCHEMA,
    "strides": Unsigned(most=55555),
    "channels": Unsigned(most=4096),
    "least_channels": Unsigned(most=256),
    "has_learnt_embedding": Unsigned(most=1),
}
REDUCTION = 1.2  # channels shrink by this from block to block
MANY_BLOCKS_FROM = 256  # lines or columns
LEAST_CHANNELS = 12  # none has fewer, the paper's number
EMBEDDING_CHANNELS = 16
EMBEDDING = "embedding"  # name of the embeddings among the coded tensors
# Embeddings and biases have QPs of their own: their values are larger, and a step that is right
# for weights would spend bits on noise.
GROUPS = {"embeddings": EMBEDDING, "biases": "*bias"}


@dataclass(frozen=True)
class Structure:
    """Shape of one HNeRV: upsampling strides, channels of the first block, fewest of any.

    Without a learnt embedding the decoder draws from encoded time and place alone.
    """

    video: RawFormat
    strides: tuple[int, ...]
    channels: int
    least_channels: int = LEAST_CHANNELS
    has_learnt_embedding: bool = True

    @property
    def coded_size(self) -> tuple[int, int]:
        """Height and width that the network draws: the picture's, up to a multiple of strides."""
        return coded_size(self.video, self.strides)

    @property
    def embedding_shape(self) -> tuple[int, int, int, int]:
        """Frames, channels, height and width of the embeddings."""
        total = math.prod(self.strides)
        height, width = self.coded_size
        return (self.video.frames, EMBEDDING_CHANNELS, height // total, width // total)

    @property
    def widths(self) -> list[int]:
        """Channels before every block and after the last."""
        widths = [self.channels]
        for _ in self.strides:
            widths.append(max(round(widths[-1] / REDUCTION), self.least_channels))
        return widths

    def to_header(self) -> dict[str, Any]:
        """The fields of ``SCHEMA``."""
        digits = int("".join(str(stride) for stride in self.strides))
        return {
            **self.video.to_header(),
            "strides": digits,
            "channels": self.channels,
            "least_channels": self.least_channels,
            "has_learnt_embedding": int(self.has_learnt_embedding),
        }

    @classmethod
    def from_header(cls, header: dict[str, Any]) -> "Structure":
        """The structure written by :meth:`to_header`."""
        return cls(
            video=RawFormat.from_header(header),
            strides=tuple(int(digit) for digit in str(header["strides"])),
            channels=header["channels"],
            least_channels=header["least_channels"],
            has_learnt_embedding=bool(header["has_learnt_embedding"]),
        )


def kernel_of(block: int) -> int:
    """Kernel size of a block: 1, 3, 5, 5, 5."""
    return min(1 + 2 * block, 5)


def coded_size(video: RawFormat, strides: tuple[int, ...]) -> tuple[int, int]:
    """Height and width of ``video`` raised to multiples of the product of ``strides``."""
    total = math.prod(strides)
    return (-(-video.height // total) * total, -(-video.width // total) * total)


def choose_strides(video: RawFormat) -> tuple[int, ...]:
    """Strides of 2 to 5, falling, that waste the fewest pixels on padding.

    There are five, or four where the shorter side is below 256, which need fewer steps. Their
    product lies between a quarter and half of the shorter side (up to all of it below 32), so
    that the embedding is two to four rows high. Among equals the largest product is taken, which
    gives the paper's own 5 4 4 2 2 for 640×1280, 5 4 3 2 2 for 480×960 and 5 4 4 3 2 for
    960×1920.

    Raises:
        CodecError: the picture is too small for four strides.
    """
    shorter = min(video.height, video.width)
    count = 5 if shorter >= MANY_BLOCKS_FROM else 4
    candidates = [
        strides
        for strides in itertools.combinations_with_replacement((5, 4, 3, 2), count)
        if shorter / 4 <= math.prod(strides) <= max(shorter / 2, min(shorter, 2**count))
    ]
    if not candidates:
        raise CodecError(
            f"{video.width}x{video.height} is too small for HNeRV's four blocks, which enlarge "
            "at least 16 times; code pictures of 16 lines and columns or more."
        )

    def waste(strides: tuple[int, ...]) -> tuple[int, int]:
        height, width = coded_size(video, strides)
        return height * width, -math.prod(strides)

    return min(candidates, key=waste)


def solve_channels(video: RawFormat, strides: tuple[int, ...], *, million_values: float) -> int:
    """Channels of the first block for a decoder and embeddings of ``million_values``·10⁶ together.

    Positive root x, rounded down, of (1/r)·Σᵢ r^(−2i)·sᵢ²·kᵢ²·x² + 9·C·(Πenc/Πdec)²·x = values
    left after the embeddings, C embedding channels, r the reduction. Encoder and decoder strides
    agree here. Source: HNeRV, published training script (``model_all.py``).

    Raises:
        CodecError: the embeddings alone are that large.
    """
    height, width = coded_size(video, strides)
    embeddings = video.frames * EMBEDDING_CHANNELS * height * width // math.prod(strides) ** 2
    left = million_values * 1e6 - embeddings
    square = sum(
        REDUCTION ** (-2 * index) * stride**2 * kernel_of(index) ** 2
        for index, stride in enumerate(strides)
    )
    square /= REDUCTION
    linear = 9 * EMBEDDING_CHANNELS
    if left <= 0:
        raise CodecError(
            f"the embeddings of {video.frames} frames {video.width}x{video.height} take "
            f"{embeddings} values, more than the fit's {million_values} million; enlarge "
            "million_values."
        )
    return max(int((-linear + math.sqrt(linear**2 + 4 * square * left)) / (2 * square)), 1)
