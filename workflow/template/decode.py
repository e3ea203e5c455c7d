"""Decode: read ./job.json's bitstream, write raw frames. Nothing but the bitstream is known."""

import json
import struct
import sys
import zlib
from pathlib import Path

import numpy as np

# everything the decoder must know: frames, width, height, pixel format, block size
HEADER = struct.Struct("<HHHBB")
# pixel format: (bytes of a sample, chroma planes are smaller by this factor, planes interleaved)
FORMATS = {
    "yuv420p": (1, 2, False),
    "yuv420p10le": (2, 2, False),
    "yuv444p": (1, 1, False),
    "yuv444p10le": (2, 1, False),
    "rgb24": (1, 1, True),
}


def plane_shapes(pixel_format, width, height):
    """Shapes (H, W, channels) of a frame's planes, in the order of the raw file."""
    _, factor, interleaved = FORMATS[pixel_format]
    if interleaved:
        return [(height, width, 3)]
    return [(height, width, 1)] + [(height // factor, width // factor, 1)] * 2


def block_shape(shape, block):
    """Shape of a plane's box averages: sides divided by the block size, rounded up."""
    return (-(-shape[0] // block), -(-shape[1] // block), shape[2])


def main():
    """Write every frame: each average stands for its whole block."""
    job = json.loads(Path(sys.argv[1]).read_text())
    data = Path(job["bitstream"]).read_bytes()
    frames, width, height, index, block = HEADER.unpack_from(data)
    pixel_format = list(FORMATS)[index]
    shapes = plane_shapes(pixel_format, width, height)
    count = sum(int(np.prod(block_shape(shape, block))) for shape in shapes)
    coded = np.frombuffer(zlib.decompress(data[HEADER.size :]), "<u2").reshape(frames, count)
    averages = np.cumsum(coded, axis=0, dtype="<u2")  # differences wrap, and so does the sum
    with Path(job["output"]).open("wb") as file:
        for frame in averages:
            for shape in shapes:
                small = block_shape(shape, block)
                part, frame = np.split(frame, [int(np.prod(small))])
                plane = part.reshape(small).repeat(block, axis=0).repeat(block, axis=1)
                plane = plane[: shape[0], : shape[1]]
                file.write(plane.astype(f"<u{FORMATS[pixel_format][0]}").tobytes())


if __name__ == "__main__":
    main()
