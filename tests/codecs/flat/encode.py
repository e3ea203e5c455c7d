"""Floor control: the mean of every plane over a video or all views of a scene.

Usage: ``encode.py job.json``.
"""

import json
import sys
from pathlib import Path

import numpy as np
from layout import HEADER, PIXEL_FORMATS, plane_samples, sample_type, split

job = json.loads(Path(sys.argv[1]).read_text())
source = job["source"]
clips = {view["path"]: len(view["times"]) for view in job.get("views", [])}
clips = clips or {source["path"]: source["frames"]}
pixel_format, width, height = source["pixel_format"], source["width"], source["height"]
samples = plane_samples(pixel_format, width, height)
totals = [0, 0, 0]
for path, frames in clips.items():
    with Path(path).open("rb") as raw:
        for _ in range(frames):
            frame = np.fromfile(raw, sample_type(pixel_format), sum(samples))
            for index, plane in enumerate(split(frame, pixel_format, width, height)):
                totals[index] += int(plane.sum(dtype=np.uint64))
count = sum(clips.values())
means = [round(total / (size * count)) for total, size in zip(totals, samples, strict=True)]
Path("bitstream.bin").write_bytes(
    HEADER.pack(PIXEL_FORMATS.index(pixel_format), width, height, source["frames"], *means)
)
