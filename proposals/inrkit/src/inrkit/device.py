"""Threads, seed and device of a verb that uses torch."""

import torch

from inrkit.errors import CodecError
from inrkit.job import DecodeJob, EncodeJob, FitJob


def prepare(job: FitJob | EncodeJob | DecodeJob) -> torch.device:
    """Set threads, seed and determinism for ``job``; the device it asks for.

    Raises:
        CodecError: the job asks for CUDA and this machine has none.
    """
    torch.set_num_threads(job.threads)
    if job.device == "cuda" and not torch.cuda.is_available():
        raise CodecError("the job asks for cuda, but torch finds no CUDA device; use device cpu.")
    if job.device == "cpu":
        torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
        # what use_deterministic_algorithms(True) sets, without its import of 2 s
        torch.set_deterministic_debug_mode("error")
    torch.manual_seed(0 if isinstance(job, DecodeJob) else job.seed)
    return torch.device(job.device)
