"""Lossless control: the raw files in an .xz stream. ``encode.py job.json``.

Of a scene a line of JSON with the length of each view's file comes first.
"""

import json
import lzma
import sys
from pathlib import Path

job = json.loads(Path(sys.argv[1]).read_text())
compressor = lzma.LZMACompressor(preset=job["rate_point"]["parameters"]["level"])
views = {view["id"]: Path(view["path"]) for view in job.get("views", [])}
index = json.dumps({view: path.stat().st_size for view, path in views.items()}) + "\n"
with Path("bitstream.bin").open("wb") as bitstream:
    if views:
        bitstream.write(compressor.compress(index.encode()))
    for path in views.values() or [Path(job["source"]["path"])]:
        with path.open("rb") as raw:
            while chunk := raw.read(1 << 20):
                bitstream.write(compressor.compress(chunk))
    bitstream.write(compressor.flush())
