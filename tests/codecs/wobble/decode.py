"""Grey frames whose first sample is one brighter for every thread more than one."""

import json
from pathlib import Path

job = json.loads(Path("job.json").read_text())
frames, size = map(int, Path(job["bitstream"]).read_text().split())
samples = bytearray([128]) * size
samples[0] += job["threads"] - 1
Path(job["output"]).write_bytes(samples)
