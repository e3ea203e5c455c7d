"""Encode: read ./job.json's source, write ./bitstream.bin."""

import json
import sys
import zlib
from pathlib import Path

import numpy as np
from decode import FORMATS, HEADER, plane_shapes


def box_average(plane, block):
    """Rounded means of block × block samples of (H, W, channels); edges are repeated to fit."""
    rows, columns, channels = plane.shape
    padding = ((0, -rows % block), (0, -columns % block), (0, 0))
    padded = np.pad(plane.astype(np.uint32), padding, mode="edge")
    height, width = padded.shape[0] // block, padded.shape[1] // block
    total = padded.reshape(height, block, width, block, channels).sum(axis=(1, 3))
    return (total + block * block // 2) // (block * block)


def main():
    """Code the averages of all frames as differences from the frame before, with zlib."""
    job = json.loads(Path(sys.argv[1]).read_text())
    source, block = job["source"], job["rate_point"]["parameters"]["block"]
    pixel_format, width, height = source["pixel_format"], source["width"], source["height"]
    if max(width, height, source["frames"]) > 65535:
        sys.exit("error: width, height and frames are coded in 16 bits each")
    shapes = plane_shapes(pixel_format, width, height)
    coded = []
    with Path(source["path"]).open("rb") as file:
        for _ in range(source["frames"]):
            planes = [
                np.fromfile(file, f"<u{FORMATS[pixel_format][0]}", int(np.prod(shape)))
                for shape in shapes
            ]
            averages = [
                box_average(plane.reshape(shape), block).ravel()
                for plane, shape in zip(planes, shapes, strict=True)
            ]
            coded.append(np.concatenate(averages).astype("<u2"))
    differences = np.diff(np.stack(coded), axis=0, prepend=np.zeros((1, coded[0].size), "<u2"))
    index = list(FORMATS).index(pixel_format)
    header = HEADER.pack(source["frames"], width, height, index, block)
    payload = zlib.compress(differences.astype("<u2").tobytes(), 9)
    Path("bitstream.bin").write_bytes(header + payload)


if __name__ == "__main__":
    main()
