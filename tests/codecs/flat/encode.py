"""Floor control: the mean of every plane over the whole sequence. ``encode.py job.json``."""

import json
import sys
from pathlib import Path

import numpy as np
from layout import HEADER, PIXEL_FORMATS, plane_samples, sample_type, split

source = json.loads(Path(sys.argv[1]).read_text())["source"]
pixel_format, width, height = source["pixel_format"], source["width"], source["height"]
samples = plane_samples(pixel_format, width, height)
totals = [0, 0, 0]
with Path(source["path"]).open("rb") as raw:
    for _ in range(source["frames"]):
        frame = np.fromfile(raw, sample_type(pixel_format), sum(samples))
        for index, plane in enumerate(split(frame, pixel_format, width, height)):
            totals[index] += int(plane.sum(dtype=np.uint64))
means = [
    round(total / (count * source["frames"])) for total, count in zip(totals, samples, strict=True)
]
Path("bitstream.bin").write_bytes(
    HEADER.pack(PIXEL_FORMATS.index(pixel_format), width, height, source["frames"], *means)
)
