"""Raw video to RGB and back: what a network is trained on, and what a decoder writes.

All conversions are element-wise numpy in float32 (no matrix product), so that the same input
gives the same bytes on every CPU. Frames are (3, H, W), RGB in [0, 1]; H and W in luma samples.

Chroma of 4:2:0 is sited left (H.264 and HEVC's default, chroma_sample_loc_type 0): level with
every second luma column, half-way between two luma rows. Source: Rec. ITU-T H.265, figure 8 and
clause E.3.1; Rec. ITU-T H.273 for matrices and ranges.
"""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inrkit.errors import CodecError

Floats = NDArray[np.float32]

# name: (bit depth, whether chroma is halved both ways, whether samples are interleaved RGB)
PIXEL_FORMATS: dict[str, tuple[int, bool, bool]] = {
    "yuv420p": (8, True, False),
    "yuv420p10le": (10, True, False),
    "yuv444p": (8, False, False),
    "rgb24": (8, False, True),
}
# Kr and Kb of H.273 MatrixCoefficients 5/6, 1 and 9
MATRICES: dict[str, tuple[float, float]] = {
    "bt601": (0.299, 0.114),
    "bt709": (0.2126, 0.0722),
    "bt2020": (0.2627, 0.0593),
}
RANGES = ("limited", "full")


class VideoError(CodecError):
    """A raw format that these codecs do not code, or a file that does not hold what it should."""


@dataclass(frozen=True)
class RawFormat:
    """Layout and colour of a raw file; sizes in luma samples."""

    pixel_format: str
    width: int
    height: int
    frames: int
    matrix: str
    range: str

    def __post_init__(self) -> None:
        if not all(type(each) is int for each in (self.width, self.height, self.frames)):
            raise VideoError(
                f"width, height and frames are {self.width!r}, {self.height!r} and "
                f"{self.frames!r}; expected whole numbers."
            )
        if self.pixel_format not in PIXEL_FORMATS:
            raise VideoError(
                f"the pixel format {self.pixel_format!r} is not coded here; "
                f"use {', '.join(PIXEL_FORMATS)}."
            )
        if self.matrix not in MATRICES or self.range not in RANGES:
            raise VideoError(
                f"the colour {self.matrix}/{self.range} is unknown; use a matrix of "
                f"{', '.join(MATRICES)} and a range of {', '.join(RANGES)}."
            )
        if min(self.width, self.height, self.frames) < 1:
            raise VideoError(f"{self.width}x{self.height}, {self.frames} frames is no video.")
        if self.has_halved_chroma and (self.width % 2 or self.height % 2):
            raise VideoError(f"{self.width}x{self.height} is odd, which 4:2:0 cannot hold.")

    @property
    def bit_depth(self) -> int:
        """Bits of a sample."""
        return PIXEL_FORMATS[self.pixel_format][0]

    @property
    def has_halved_chroma(self) -> bool:
        """Whether chroma planes have half the width and half the height."""
        return PIXEL_FORMATS[self.pixel_format][1]

    @property
    def is_rgb(self) -> bool:
        """Whether samples are interleaved R, G, B."""
        return PIXEL_FORMATS[self.pixel_format][2]

    @property
    def peak(self) -> int:
        """The largest sample, 2^bit depth − 1."""
        return (1 << self.bit_depth) - 1

    @property
    def sample_type(self) -> "np.dtype[Any]":
        """Type of a sample in the file: unsigned, little endian."""
        return np.dtype("<u2") if self.bit_depth > 8 else np.dtype("u1")

    @property
    def frame_samples(self) -> int:
        """Samples of one frame in the file, all planes."""
        luma = self.width * self.height
        return luma + 2 * (luma // 4) if self.has_halved_chroma else 3 * luma

    def to_header(self) -> dict[str, Any]:
        """The fields a decoder needs, for the bitstream's header."""
        return asdict(self)

    @classmethod
    def from_header(cls, header: dict[str, Any]) -> "RawFormat":
        """The format in a header made by :meth:`to_header`, other fields ignored."""
        return cls(**{name: header[name] for name in cls.__dataclass_fields__})


def read_frames(path: Path, held: RawFormat) -> Iterator[list[NDArray[Any]]]:
    """Yield each frame's planes: three (H, W) for YUV, one (H, W, 3) for rgb24."""
    with path.open("rb") as file:
        for index in range(held.frames):
            samples = np.fromfile(file, held.sample_type, held.frame_samples)
            if samples.size != held.frame_samples:
                raise VideoError(f"{path.name} ends in frame {index} of {held.frames}.")
            yield _split(samples, held)


def load_video(path: Path, held: RawFormat) -> NDArray[Any]:
    """All frames as RGB (T, 3, H, W): uint8, or int16 in 0…2^b−1 when the source has b > 8 bits.

    A 1080p video of 500 frames takes 3.1 GB (6.2 GB above 8 bits). Divide by ``held.peak`` for
    values in [0, 1].
    """
    kind = np.int16 if held.bit_depth > 8 else np.uint8
    video = np.empty((held.frames, 3, held.height, held.width), kind)
    for frame, planes in zip(video, read_frames(path, held), strict=True):
        frame[:] = np.rint(to_rgb(planes, held) * np.float32(held.peak))
    return video


def write_frames(path: Path, held: RawFormat, frames: Iterable[NDArray[Any]]) -> None:
    """Write RGB ``frames``, each (3, H, W) in [0, 1], as a raw file of the format ``held``."""
    count = 0
    with path.open("wb") as file:
        for frame in frames:
            for plane in from_rgb(frame, held):
                file.write(plane.tobytes())
            count += 1
    if count != held.frames:
        raise VideoError(f"{count} frames were decoded; the bitstream announces {held.frames}.")


def to_rgb(planes: list[NDArray[Any]], held: RawFormat) -> Floats:
    """RGB (3, H, W) in [0, 1], clipped, of one frame's planes."""
    if held.is_rgb:
        rgb = np.moveaxis(planes[0], 2, 0).astype(np.float32) / np.float32(held.peak)
        return np.ascontiguousarray(rgb)
    luma_zero, luma_span, chroma_zero, chroma_span = _levels(held)
    y = (planes[0].astype(np.float32) - luma_zero) / luma_span
    u, v = ((plane.astype(np.float32) - chroma_zero) / chroma_span for plane in planes[1:])
    if held.has_halved_chroma:
        u, v = double_chroma(u), double_chroma(v)
    kr, kb = (np.float32(k) for k in MATRICES[held.matrix])
    two, kg = np.float32(2), np.float32(1) - kr - kb
    red = y + two * (1 - kr) * v
    blue = y + two * (1 - kb) * u
    green = y - (two * kr * (1 - kr) / kg) * v - (two * kb * (1 - kb) / kg) * u
    clipped: Floats = np.clip(np.stack([red, green, blue]), 0, 1)
    return clipped


def from_rgb(rgb: NDArray[Any], held: RawFormat) -> list[NDArray[Any]]:
    """Planes of one frame in file order, rounded and clipped, of RGB (3, H, W) in [0, 1]."""
    rgb = np.clip(rgb.astype(np.float32), np.float32(0), np.float32(1))
    if held.is_rgb:
        return [
            np.ascontiguousarray(np.moveaxis(_to_samples(rgb * np.float32(held.peak), held), 0, 2))
        ]
    luma_zero, luma_span, chroma_zero, chroma_span = _levels(held)
    kr, kb = (np.float32(k) for k in MATRICES[held.matrix])
    red, green, blue = rgb
    y = kr * red + (np.float32(1) - kr - kb) * green + kb * blue
    u = (blue - y) / (np.float32(2) * (1 - kb))
    v = (red - y) / (np.float32(2) * (1 - kr))
    if held.has_halved_chroma:
        u, v = halve_chroma(u), halve_chroma(v)
    return [
        _to_samples(y * luma_span + luma_zero, held),
        _to_samples(u * chroma_span + chroma_zero, held),
        _to_samples(v * chroma_span + chroma_zero, held),
    ]


def double_chroma(plane: Floats) -> Floats:
    """A 4:2:0 chroma plane (h, w) at luma resolution (2h, 2w), bilinear, sited left."""
    padded = np.pad(plane, ((1, 1), (0, 1)), mode="edge")
    above, here, below = padded[:-2], padded[1:-1], padded[2:]
    rows = np.empty((2 * plane.shape[0], padded.shape[1]), np.float32)
    rows[0::2] = np.float32(0.75) * here + np.float32(0.25) * above
    rows[1::2] = np.float32(0.75) * here + np.float32(0.25) * below
    doubled = np.empty((rows.shape[0], 2 * plane.shape[1]), np.float32)
    doubled[:, 0::2] = rows[:, :-1]
    doubled[:, 1::2] = np.float32(0.5) * (rows[:, :-1] + rows[:, 1:])
    return doubled


def halve_chroma(plane: Floats) -> Floats:
    """A chroma plane (2h, 2w) at 4:2:0 resolution (h, w): mean of two rows, 1 2 1 over columns."""
    rows = np.float32(0.5) * (plane[0::2] + plane[1::2])
    left = np.pad(rows, ((0, 0), (1, 0)), mode="edge")[:, :-1][:, 0::2]
    halved: Floats = np.float32(0.25) * (left + rows[:, 1::2]) + np.float32(0.5) * rows[:, 0::2]
    return halved


def _levels(held: RawFormat) -> tuple[np.float32, np.float32, np.float32, np.float32]:
    """Zero and span of luma, zero and span of chroma, in samples (H.273 clause 8.3)."""
    scale = 1 << (held.bit_depth - 8)
    middle = np.float32(128 * scale)
    if held.range == "full":
        return np.float32(0), np.float32(held.peak), middle, np.float32(held.peak)
    return np.float32(16 * scale), np.float32(219 * scale), middle, np.float32(224 * scale)


def _to_samples(values: Floats, held: RawFormat) -> NDArray[Any]:
    return np.clip(np.rint(values), 0, held.peak).astype(held.sample_type)


def _split(samples: NDArray[Any], held: RawFormat) -> list[NDArray[Any]]:
    if held.is_rgb:
        return [samples.reshape(held.height, held.width, 3)]
    luma = held.width * held.height
    shift = 1 if held.has_halved_chroma else 0
    shape = (held.height >> shift, held.width >> shift)
    y, u, v = np.split(samples, [luma, luma + shape[0] * shape[1]])
    return [y.reshape(held.height, held.width), u.reshape(shape), v.reshape(shape)]
