"""Writes zeros for as long as it may."""

import json
from pathlib import Path

with Path(json.loads(Path("job.json").read_text())["output"]).open("wb", buffering=0) as file:
    while True:
        file.write(bytes(1 << 16))
