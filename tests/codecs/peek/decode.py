"""Opens the source and copies it."""

import json
from pathlib import Path

job = json.loads(Path("job.json").read_text())
source = Path(job["bitstream"]).read_text()
Path(job["output"]).write_bytes(Path(source).read_bytes())
