"""Grey pictures of 8 bit through ffmpeg, HEVC or JPEG: arrays to bytes and back, by pipes alone.

For codecs whose latents are pictures. Streams are the same on every run: one thread, fixed
parameters, no encoder's signature. Small pictures share one stream as tiles of a mosaic, whose
plan follows from their sizes, so that nothing but the sizes need be known to the decoder.
"""

import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from inrkit.bitstream import BitstreamError
from inrkit.errors import CodecError

Pictures: TypeAlias = NDArray[np.uint8]
ImageCodec: TypeAlias = Literal["hevc", "jpeg"]

IMAGE_CODECS: tuple[str, ...] = get_args(ImageCodec)
QPS: dict[str, range] = {"hevc": range(52), "jpeg": range(1, 32)}
MIDDLE = 128
ALIGNMENT = 8  # HEVC's smallest coding unit: no tile shares one with another

_LEAST_SIDE = 64  # x265 codes no picture smaller than its largest coding unit
_SECONDS = 20.0  # for ffmpeg to start and end, whatever it does
_SECONDS_PER_SAMPLE = 2e-5  # ten times what x265 takes at its slowest preset used here
_X265 = {
    **{"aq-mode": 0, "cutree": 0, "psy-rd": 0, "psy-rdoq": 0, "scenecut": 0, "info": 0},
    **{"vui-timing-info": 0, "frame-threads": 1, "pools": "none", "log-level": "error"},
}


def encode_pictures(
    pictures: Pictures, *, codec: ImageCodec, qp: int, predict: bool = False
) -> bytes:
    """One elementary stream of ``pictures`` (N, H, W), whose sides are multiples of 8, from 64 on.

    Args:
        pictures: what to code.
        codec: ``hevc`` (x265, constant QP) or ``jpeg`` (baseline, optimal Huffman tables).
        qp: HEVC's QP (0 … 51), or the quantiser scale of ffmpeg's JPEG encoder (1 … 31).
        predict: HEVC pictures are predicted from earlier ones; else all are intra pictures.

    Raises:
        CodecError: the QP or a size is out of range, or ffmpeg fails.
    """
    if qp not in QPS[codec]:
        legal = QPS[codec]
        raise CodecError(f"the {codec} QP {qp} is outside {legal.start} … {legal.stop - 1}.")
    count, height, width = pictures.shape
    if height % ALIGNMENT or width % ALIGNMENT or min(height, width) < _LEAST_SIDE:
        raise CodecError(
            f"pictures of {width}x{height} are not coded; pad their sides to multiples of "
            f"{ALIGNMENT}, from {_LEAST_SIDE} on."
        )
    planes = pictures.reshape(count, -1)
    if codec == "jpeg":  # ffmpeg's encoder wants chroma; grey chroma costs 12 bits per 256 samples
        chroma = np.full((count, height * width // 2), MIDDLE, np.uint8)
        planes = np.concatenate([planes, chroma], axis=1)
    size = ("-video_size", f"{width}x{height}", "-framerate", "25")
    steering = _hevc_options(qp, predict) if codec == "hevc" else _jpeg_options(qp)
    command = [
        *("-f", "rawvideo", "-pixel_format", _RAW[codec], *size, "-i", "pipe:0"),
        *("-threads", "1", "-fps_mode", "passthrough", "-bitexact", *steering),
        *("-f", _MUXER[codec], "pipe:1"),
    ]
    done = _run(command, planes.tobytes(), samples=pictures.size)
    if isinstance(done, str):
        raise CodecError(f"ffmpeg could not code {count} pictures {width}x{height}: {done}")
    return done


def decode_pictures(data: bytes, *, codec: ImageCodec, shape: tuple[int, int, int]) -> Pictures:
    """The pictures (N, H, W) of a stream that :func:`encode_pictures` wrote.

    Raises:
        BitstreamError: ffmpeg fails, takes too long, or finds pictures of another size or number.
    """
    count, height, width = shape
    command = [
        # a damaged size must not make ffmpeg ask for memory without end; its buffers are aligned
        *("-threads", "1", "-max_pixels", str((height + 64) * (width + 64))),
        *("-f", _MUXER[codec], "-i", "pipe:0", "-fps_mode", "passthrough"),
        *("-frames:v", str(count), "-bitexact", "-pix_fmt", _RAW[codec], "-f", "rawvideo"),
        "pipe:1",
    ]
    done = _run(command, data, samples=count * height * width)
    if isinstance(done, str):
        raise BitstreamError(f"the {codec} pictures cannot be decoded: {done}")
    samples = height * width * 3 // 2 if codec == "jpeg" else height * width
    if len(done) != count * samples:
        raise BitstreamError(
            f"the {codec} pictures decode to {len(done)} bytes, not the {count * samples} of "
            f"{count} pictures {width}x{height}; they are cut or damaged."
        )
    planes = np.frombuffer(done, np.uint8).reshape(count, samples)
    return planes[:, : height * width].reshape(shape)


@dataclass(frozen=True)
class Mosaic:
    """Where tiles lie in a picture: (row, column) of each one's upper left sample, and sizes."""

    height: int
    width: int
    sizes: tuple[tuple[int, int], ...]
    places: tuple[tuple[int, int], ...]

    @classmethod
    def of(cls, sizes: Sequence[tuple[int, int]]) -> "Mosaic":
        """Tiles of (height, width) ``sizes`` in rows, the highest first, every side aligned.

        The picture is about square, or as wide as the widest tile.
        """
        boxes = [(_aligned(height), _aligned(width)) for height, width in sizes]
        area = sum(height * width for height, width in boxes)
        widest = max(_LEAST_SIDE, _aligned(int(area**0.5)), *(width for _, width in boxes))
        places = [(0, 0)] * len(boxes)
        row = column = below = 0
        for index in sorted(range(len(boxes)), key=lambda i: boxes[i], reverse=True):
            height, width = boxes[index]
            if column + width > widest:
                row, column = below, 0
            places[index] = (row, column)
            column, below = column + width, max(below, row + height)
        return cls(max(below, _LEAST_SIDE), widest, tuple(sizes), tuple(places))

    def join(self, tiles: Sequence[NDArray[Any]]) -> Pictures:
        """The picture (H, W); tiles' borders are repeated up to the alignment, the rest is grey."""
        picture = np.full((self.height, self.width), MIDDLE, np.uint8)
        for (row, column), tile in zip(self.places, tiles, strict=True):
            height, width = tile.shape
            padding = ((0, -height % ALIGNMENT), (0, -width % ALIGNMENT))
            padded = np.pad(tile, padding, mode="edge")
            picture[row : row + padded.shape[0], column : column + padded.shape[1]] = padded
        return picture

    def split(self, picture: Pictures) -> list[Pictures]:
        """The tiles of a picture that :meth:`join` made."""
        return [
            picture[row : row + height, column : column + width]
            for (row, column), (height, width) in zip(self.places, self.sizes, strict=True)
        ]


_RAW = {"hevc": "gray", "jpeg": "yuvj420p"}
_MUXER = {"hevc": "hevc", "jpeg": "mjpeg"}


def _hevc_options(qp: int, predict: bool) -> list[str]:
    structure = {"keyint": -1, "bframes": 0, "ipratio": 1} if predict else {"keyint": 1}
    parameters = {"qp": qp, **_X265, **structure}
    return [
        *("-c:v", "libx265", "-preset", "slow", "-tune", "psnr"),
        *("-x265-params", ":".join(f"{key}={value}" for key, value in parameters.items())),
    ]


def _jpeg_options(qp: int) -> list[str]:
    return ["-c:v", "mjpeg", "-huffman", "optimal", "-qmin", "1", "-q:v", str(qp)]


def _run(arguments: list[str], data: bytes, *, samples: int) -> bytes | str:
    """What ffmpeg writes, or a sentence that says why it failed."""
    binary = os.environ.get("FFMPEG")
    if not binary:
        raise CodecError("the variable FFMPEG is not set; it names the ffmpeg to run.")
    command = [binary, "-hide_banner", "-nostats", "-v", "error", "-protocol_whitelist", "pipe"]
    limit = _SECONDS + _SECONDS_PER_SAMPLE * samples
    try:
        done = subprocess.run(
            [*command, *arguments], input=data, capture_output=True, timeout=limit, check=False
        )
    except subprocess.TimeoutExpired:
        return f"ffmpeg was stopped after {limit:.0f} s."
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        return f"ffmpeg ended with {done.returncode}: {said[-1] if said else 'no message'}"
    return done.stdout


def _aligned(side: int) -> int:
    return -(-side // ALIGNMENT) * ALIGNMENT
