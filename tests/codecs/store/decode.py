"""Decoder of the lossless control: unpacks the .xz stream. ``decode.py job.json``."""

import json
import lzma
import shutil
import sys
from pathlib import Path

job = json.loads(Path(sys.argv[1]).read_text())
with lzma.open(job["bitstream"]) as bitstream, Path(job["output"]).open("wb") as raw:
    shutil.copyfileobj(bitstream, raw)
