"""Processes that measure points beside each other, and end with the one that started them.

A decoder is watched by the process that started it, which owns all its descendants: two of them
need two processes.
"""

import multiprocessing
import signal
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from typing import Any

from invrbench.codec.process import die_with_parent
from invrbench.results.claims import Claim
from invrbench.results.records import usable_cores

Measure = Callable[[Claim], Mapping[str, Any]]
_measure: Measure | None = None  # of a worker


def jobs_at_once(*, threads: int, device: str) -> int:
    """How many points this machine measures at once: as many as have cores, one on a GPU."""
    return 1 if device == "cuda" else max(1, usable_cores() // max(1, threads))


def _start(make: Callable[[], Measure]) -> None:
    global _measure
    die_with_parent()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    _measure = make()


def _work(claim: Claim) -> Mapping[str, Any]:
    assert _measure is not None
    return _measure(claim)


@contextmanager
def workers(count: int, make: Callable[[], Measure]) -> Iterator[Callable[[Claim], Future[Any]]]:
    """A function that has a point measured by one of ``count`` processes.

    Args:
        count: of processes.
        make: makes what measures a point; called once in every process, so it must be picklable.
    """
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(count, context, initializer=_start, initargs=(make,))
    try:
        yield lambda claim: pool.submit(_work, claim)
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        for process in multiprocessing.active_children():
            process.terminate()  # unwinds: the decoder ends, its folder goes
        raise
    finally:
        pool.shutdown(cancel_futures=True)
