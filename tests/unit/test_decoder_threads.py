"""In-house decoders give the same bits whatever number of threads their job allows."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

INRKIT = Path(__file__).resolve().parents[2] / "proposals" / "inrkit" / "src"
# 2 × 14580 samples: shares that are no whole number of vectors, so that their ends are rounded
# otherwise; a product of sizes that BLAS cuts otherwise for two threads
DECODER = """
import numpy as np
import torch
from inrkit.decoder import run_decoder
from inrkit.device import prepare

def main(job):
    prepare(job)
    generator = torch.Generator().manual_seed(5)
    drawn = torch.nn.functional.silu(torch.randn(1, 8, 45, 81, generator=generator))
    left = torch.randn(513, 257, generator=generator).numpy()
    right = torch.randn(257, 129, generator=generator).numpy()
    job.output.write_bytes(drawn.numpy().tobytes() + np.matmul(left, right).tobytes())
    return torch.get_num_threads()

run_decoder(main)
"""


def decoded(folder: Path, threads: int) -> tuple[str, int]:
    """Md5 of what the decoder writes, and the number of threads it noted, run as jobs are."""
    folder.mkdir()
    (folder / "decode.py").write_text(DECODER)
    job = {"schema": 1, "verb": "decode", "bitstream": "bitstream.bin", "output": "decoded.raw"}
    (folder / "job.json").write_text(json.dumps(job | {"device": "cpu", "threads": threads}))
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    own = {"PYTHONPATH": str(INRKIT), **dict.fromkeys(names, str(threads))}
    subprocess.run(
        [sys.executable, "decode.py", "job.json"], cwd=folder, env={**os.environ, **own}, check=True
    )
    notes = json.loads((folder / "notes.json").read_text())
    return hashlib.md5((folder / "decoded.raw").read_bytes()).hexdigest(), notes["parameters"]


def test_the_number_of_threads_changes_no_bit(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="needs torch")
    first, second = decoded(tmp_path / "one", 1), decoded(tmp_path / "two", 2)
    assert first == second
    assert second[1] == 1
