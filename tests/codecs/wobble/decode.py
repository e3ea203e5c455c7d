"""Grey frames, brighter by one for every thread more than one."""

import json
from pathlib import Path

job = json.loads(Path("job.json").read_text())
frames, size = map(int, Path(job["bitstream"]).read_text().split())
Path(job["output"]).write_bytes(bytes([127 + job["threads"]]) * size)
