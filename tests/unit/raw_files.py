"""Raw videos made of noise and gradients for the tests of the metrics."""

from fractions import Fraction

import cv2
import numpy as np
from invrbench.video.format import RawVideo, VideoFormat


def video_format(pixel_format, width, height, frames, **colour):
    return VideoFormat(pixel_format, width, height, Fraction(25), frames, **colour)


def textured(shape, top, *, seed):
    """Smooth texture over the whole sample range: float64, 0 … top."""
    noise = np.random.default_rng(seed).uniform(size=shape)
    smooth = cv2.GaussianBlur(noise, (0, 0), 3)
    return (smooth - smooth.min()) / (smooth.max() - smooth.min()) * top


def random_frames(layout, *, seed, noise=0.0):
    """Frames as lists of planes; the same texture for the same seed, plus noise."""
    top = (1 << layout.bit_depth) - 1
    dtype = np.uint16 if layout.sample_bytes == 2 else np.uint8
    disturb = np.random.default_rng(seed + 1000)
    return [
        [
            np.clip(
                np.rint(
                    textured(shape, top, seed=seed + frame)
                    + disturb.normal(0, 1, shape) * noise * top
                ),
                0,
                top,
            ).astype(dtype)
            for shape in layout.plane_shapes
        ]
        for frame in range(layout.frames)
    ]


def write_video(path, layout, frames):
    path.write_bytes(b"".join(plane.tobytes() for frame in frames for plane in frame))
    return RawVideo(path, layout)


def constant_video(path, layout, values):
    """A video whose frame i has every sample of plane p at ``values[i][p]``."""
    dtype = np.uint16 if layout.sample_bytes == 2 else np.uint8
    frames = [
        [
            np.full(shape, value, dtype)
            for shape, value in zip(layout.plane_shapes, row, strict=True)
        ]
        for row in values
    ]
    return write_video(path, layout, frames)


def noisy_pair(folder, layout, *, noise=0.02, seed=1):
    return (
        write_video(folder / "reference.yuv", layout, random_frames(layout, seed=seed)),
        write_video(folder / "decoded.yuv", layout, random_frames(layout, seed=seed, noise=noise)),
    )
