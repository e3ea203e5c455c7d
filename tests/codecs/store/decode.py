"""Decoder of the lossless control: unpacks the .xz stream. ``decode.py job.json``."""

import json
import lzma
import shutil
import sys
from pathlib import Path

job = json.loads(Path(sys.argv[1]).read_text())
output = Path(job["output"])
with lzma.open(job["bitstream"]) as bitstream:
    if "render" in job:
        wanted = {view["id"] for view in job["render"]}
        for view, size in json.loads(bitstream.readline()).items():
            samples = bitstream.read(size)
            if view in wanted:
                (output / f"{view}.raw").write_bytes(samples)
    else:
        with output.open("wb") as raw:
            shutil.copyfileobj(bitstream, raw)
