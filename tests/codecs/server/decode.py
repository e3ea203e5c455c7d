"""Calls the port named in the bitstream and writes what it is told."""

import json
import socket
from pathlib import Path

job = json.loads(Path("job.json").read_text())
port = int(Path(job["bitstream"]).read_text())
with (
    socket.create_connection(("127.0.0.1", port), timeout=5) as caller,
    Path(job["output"]).open("wb") as file,
):
    while part := caller.recv(1 << 16):
        file.write(part)
