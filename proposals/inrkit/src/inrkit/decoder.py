"""What the decode verbs of in-house proposals have in common: one thread, and notes on the model.

The number of threads would change bits. PyTorch's elementwise kernels (SiLU, GELU, sine) work in
vectors and round the last few elements of each thread's share with scalar code, so that the ends
of the shares show; BLAS cuts its products by threads.
"""

import json
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from inrkit.job import DecodeJob, run_verb

NOTES = "notes.json"
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def run_decoder(main: Callable[[DecodeJob], int]) -> None:
    """Run a decode verb, then write into ``notes.json`` how many values ``main`` decoded.

    It runs with one thread, however many its job allows. The encoder notes how many values it
    coded, so that the two can be held against each other.
    """

    def decode(job: DecodeJob) -> None:
        if job.threads > 1:
            _limit_libraries()
        parameters = main(replace(job, threads=1))
        Path(NOTES).write_text(json.dumps({"parameters": parameters}) + "\n")

    run_verb(DecodeJob, decode)


def _limit_libraries() -> None:
    """Start this program anew if its libraries were loaded for more threads than one."""
    if any(os.environ.get(name) != "1" for name in _THREADS):
        limited = {**os.environ, **dict.fromkeys(_THREADS, "1")}
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], limited)


class Network(Protocol):
    """A ``torch.nn.Module``, said without torch."""

    def parameters(self) -> Iterable[Any]:
        """Its trained tensors."""


def count_parameters(*networks: Network) -> int:
    """Values of all parameters of networks together."""
    return sum(int(value.numel()) for network in networks for value in network.parameters())


def count_values(tensors: Mapping[str, Any]) -> int:
    """Values of all arrays together.

    >>> import numpy as np
    >>> count_values({"weight": np.zeros((3, 4)), "bias": np.zeros(3)})
    15
    """
    return sum(int(tensor.size) for tensor in tensors.values())
