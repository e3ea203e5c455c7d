"""The 15 bytes of a flat video: its raw format and one value for each plane."""

import struct

import numpy as np

PIXEL_FORMATS = ("yuv420p", "yuv420p10le", "yuv444p", "yuv444p10le", "rgb24")
# index of the pixel format, width, height, frames, three values
HEADER = struct.Struct("<BHHI3H")


def plane_samples(pixel_format: str, width: int, height: int) -> tuple[int, int, int]:
    """Samples of the three planes of a frame; of the three colours where they interleave.

    >>> plane_samples("yuv420p", 16, 8)
    (128, 32, 32)
    """
    luma = width * height
    chroma = luma // 4 if pixel_format.startswith("yuv420p") else luma
    return luma, chroma, chroma


def sample_type(pixel_format: str) -> np.dtype:
    """Type of a sample in the raw file."""
    return np.dtype("<u2" if pixel_format.endswith("10le") else "u1")


def split(frame: np.ndarray, pixel_format: str, width: int, height: int) -> list[np.ndarray]:
    """The three planes, or colours, of a frame's samples, as views."""
    if pixel_format == "rgb24":
        return [frame[colour::3] for colour in range(3)]
    luma, chroma, _ = plane_samples(pixel_format, width, height)
    return [frame[:luma], frame[luma : luma + chroma], frame[luma + chroma :]]
