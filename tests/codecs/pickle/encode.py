"""Pickles the job; whoever reads that runs whatever it says."""

import pickle
from pathlib import Path

Path("bitstream.bin").write_bytes(pickle.dumps({"job": Path("job.json").read_text()}))
