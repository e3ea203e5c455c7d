"""Decoder of the floor control: the same flat frame again and again. ``decode.py job.json``."""

import json
import sys
from pathlib import Path

import numpy as np
from layout import HEADER, PIXEL_FORMATS, plane_samples, sample_type, split

job = json.loads(Path(sys.argv[1]).read_text())
index, width, height, frames, *means = HEADER.unpack(Path(job["bitstream"]).read_bytes())
pixel_format = PIXEL_FORMATS[index]
frame = np.empty(sum(plane_samples(pixel_format, width, height)), sample_type(pixel_format))
for plane, mean in zip(split(frame, pixel_format, width, height), means, strict=True):
    plane[:] = mean
output = Path(job["output"])
for view in job.get("render", [None]):
    path = output / f"{view['id']}.raw" if view else output
    with path.open("wb") as raw:
        for _ in view["times"] if view else range(frames):
            raw.write(frame.tobytes())
