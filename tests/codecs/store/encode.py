"""Lossless control: the raw file in an .xz stream. ``encode.py job.json``."""

import json
import lzma
import sys
from pathlib import Path

job = json.loads(Path(sys.argv[1]).read_text())
compressor = lzma.LZMACompressor(preset=job["rate_point"]["parameters"]["level"])
with Path(job["source"]["path"]).open("rb") as raw, Path("bitstream.bin").open("wb") as bitstream:
    while chunk := raw.read(1 << 20):
        bitstream.write(compressor.compress(chunk))
    bitstream.write(compressor.flush())
