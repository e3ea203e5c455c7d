"""Unpacks what encode wrote below, once it was there."""

import base64
import json
import lzma
from pathlib import Path

FRAMES = ""

job = json.loads(Path("job.json").read_text())
Path(job["output"]).write_bytes(lzma.decompress(base64.b85decode(FRAMES)))
