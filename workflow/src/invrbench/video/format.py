"""What a raw video file holds: sample layout, size, rate and colour."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from invrbench.errors import SequenceError
from invrbench.outside import frame_rate, shortened

# name: (bit depth, log2 of horizontal and vertical chroma subsampling); rgb24 is interleaved
PIXEL_FORMATS: dict[str, tuple[int, int, int]] = {
    "yuv420p": (8, 1, 1),
    "yuv420p10le": (10, 1, 1),
    "yuv444p": (8, 0, 0),
    "yuv444p10le": (10, 0, 0),
    "rgb24": (8, 0, 0),
}
MATRICES = ("bt601", "bt709", "bt2020")
RANGES = ("limited", "full")
MOST_SIDE = 1 << 16  # luma samples; a larger one is a typing error
MOST_FRAMES = 1 << 24  # two weeks at 10 frames/s


@dataclass(frozen=True)
class VideoFormat:
    """Layout of a raw file: planes in order for YUV, interleaved for rgb24, little endian.

    Sizes are in luma samples, ``fps`` is exact, ``frames`` counts pictures in the file.
    Samples above 8 bit take 16 bit each.
    """

    pixel_format: str
    width: int
    height: int
    fps: Fraction
    frames: int
    matrix: str = "bt709"
    range: str = "limited"

    def __post_init__(self) -> None:
        if self.pixel_format not in PIXEL_FORMATS:
            allowed = ", ".join(PIXEL_FORMATS)
            raise SequenceError(f"pixel format {self.pixel_format!r} is unknown; use {allowed}.")
        if self.matrix not in MATRICES or self.range not in RANGES:
            raise SequenceError(
                f"colour {self.matrix}/{self.range} is unknown; "
                f"use a matrix of {', '.join(MATRICES)} and a range of {', '.join(RANGES)}."
            )
        counts = (self.width, self.height, self.frames)
        if not all(type(count) is int for count in counts):
            told = shortened([self.width, self.height, self.frames])
            raise SequenceError(f"width, height and frames are {told}; expected whole numbers.")
        if max(self.width, self.height) > MOST_SIDE or self.frames > MOST_FRAMES:
            raise SequenceError(
                f"{self.width}x{self.height}, {self.frames} frames is beyond what is served: "
                f"{MOST_SIDE} samples a side and {MOST_FRAMES} frames."
            )
        if min(counts) < 1 or self.fps <= 0:
            raise SequenceError(
                f"{self.width}x{self.height}, {self.frames} frames at {self.fps} frames/s "
                "is no video; all must be positive."
            )
        _, log2_h, log2_v = PIXEL_FORMATS[self.pixel_format]
        if self.width % (1 << log2_h) or self.height % (1 << log2_v):
            raise SequenceError(
                f"{self.width}x{self.height} is odd, which {self.pixel_format} (4:2:0) cannot "
                "hold; crop to even numbers or use yuv444p."
            )

    @property
    def bit_depth(self) -> int:
        """Bits of a sample."""
        return PIXEL_FORMATS[self.pixel_format][0]

    @property
    def sample_bytes(self) -> int:
        """Bytes of a sample in the file."""
        return 2 if self.bit_depth > 8 else 1

    @property
    def is_rgb(self) -> bool:
        """Whether samples are interleaved R, G, B."""
        return self.pixel_format == "rgb24"

    @property
    def plane_shapes(self) -> tuple[tuple[int, ...], ...]:
        """Array shapes in file order: three (H, W) planes, or one (H, W, 3) for rgb24."""
        if self.is_rgb:
            return ((self.height, self.width, 3),)
        _, log2_h, log2_v = PIXEL_FORMATS[self.pixel_format]
        chroma = (self.height >> log2_v, self.width >> log2_h)
        return ((self.height, self.width), chroma, chroma)

    @property
    def frame_bytes(self) -> int:
        """Bytes of one frame in the file."""
        samples = 0
        for shape in self.plane_shapes:
            count = 1
            for side in shape:
                count *= side
            samples += count
        return samples * self.sample_bytes

    @property
    def file_bytes(self) -> int:
        """Bytes of the whole file."""
        return self.frame_bytes * self.frames

    @property
    def pixels(self) -> int:
        """Luma samples of all frames: what bits per pixel divide by."""
        return self.width * self.height * self.frames

    def with_frames(self, frames: int) -> "VideoFormat":
        """The same format with another number of frames."""
        return replace(self, frames=frames)

    def to_json(self) -> dict[str, Any]:
        """The fields as a JSON object; ``fps`` is a number when whole, else "30000/1001"."""
        fps: int | str = self.fps.numerator if self.fps.denominator == 1 else str(self.fps)
        return {
            "pixel_format": self.pixel_format,
            "width": self.width,
            "height": self.height,
            "fps": fps,
            "frames": self.frames,
            "matrix": self.matrix,
            "range": self.range,
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "VideoFormat":
        """The format written by :meth:`to_json`.

        Raises:
            SequenceError: a key is missing, unknown or holds something else.
        """
        try:
            return cls(**{**value, "fps": frame_rate(value["fps"])})
        except KeyError as error:
            raise SequenceError(f"the format lacks {error}.") from None
        except (TypeError, ValueError) as error:
            raise SequenceError(f"the format {shortened(value)} is none: {error}.") from None


@dataclass(frozen=True)
class RawVideo:
    """A raw file and what it holds."""

    path: Path
    format: VideoFormat

    def check_size(self) -> None:
        """Refuse a file whose length is not exactly what its format says.

        Raises:
            SequenceError: with both lengths, and the number of frames the file would hold.
        """
        size = self.path.stat().st_size
        if size != self.format.file_bytes:
            whole, rest = divmod(size, self.format.frame_bytes)
            held = f"{whole} frames" + (f" and {rest} bytes" if rest else "")
            raise SequenceError(
                f"{self.path.name} has {size} bytes, which is {held}; {self.format.frames} frames "
                f"of {self.format.width}x{self.format.height} {self.format.pixel_format} "
                f"need {self.format.file_bytes}. Check size, pixel format and frame count."
            )

    def frames(self) -> "Iterator[list[Any]]":
        """Yield each frame as its planes, numpy arrays of ``plane_shapes``, one frame in memory.

        8-bit samples come as uint8, all others as uint16.
        """
        import numpy as np

        dtype = np.dtype("<u2") if self.format.sample_bytes == 2 else np.dtype("u1")
        shapes = self.format.plane_shapes
        with self.path.open("rb") as file:
            for index in range(self.format.frames):
                data = file.read(self.format.frame_bytes)
                if len(data) != self.format.frame_bytes:
                    raise SequenceError(
                        f"{self.path.name} ends in frame {index} of {self.format.frames}."
                    )
                samples = np.frombuffer(data, dtype)
                planes, start = [], 0
                for shape in shapes:
                    count = int(np.prod(shape))
                    planes.append(samples[start : start + count].reshape(shape))
                    start += count
                yield planes
