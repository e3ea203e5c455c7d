"""Processes that measure points beside each other, and end with the one that started them.

A decoder is watched by the process that started it, which ends all its own descendants after each
of them: two decoders need two such processes. A worker is this module run as a program. Both ends
are this program's own, so that they talk in pickles: what makes the measuring function, then a
claim after another, each answered with the record of its point or the error that ended it.
"""

import os
import pickle
import queue
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from invrbench.codec.process import die_with_parent
from invrbench.errors import ToolError
from invrbench.results.claims import Claim
from invrbench.results.records import usable_cores

Measure = Callable[[Claim], Mapping[str, Any]]
_PATIENCE_SECONDS = 20.0  # in which a worker that is told to stop unwinds


def jobs_at_once(*, threads: int, device: str) -> int:
    """How many points this machine measures at once: as many as have cores, one on a GPU."""
    return 1 if device == "cuda" else max(1, usable_cores() // max(1, threads))


class _Worker:
    """A process that measures one point after another."""

    def __init__(self, make: Callable[[], Measure]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self._tell(make)

    def _tell(self, value: Any) -> None:
        assert self._process.stdin is not None
        pickle.dump(value, self._process.stdin)
        self._process.stdin.flush()

    def measure(self, claim: Claim) -> Mapping[str, Any]:
        """The record of a point.

        Raises:
            ToolError: the process ended, for want of memory for example.
        """
        assert self._process.stdout is not None
        try:
            self._tell(claim)
            answer = pickle.load(self._process.stdout)
        except (EOFError, OSError, pickle.UnpicklingError):
            raise ToolError(
                f"the process that measured {claim.name} ended with status {self._process.wait()}; "
                "its last words are above. Try again with --jobs 1."
            ) from None
        if isinstance(answer, Exception):
            raise answer
        record: Mapping[str, Any] = answer
        return record

    def stop(self) -> None:
        """Have it unwind: its decoder ends, its folder goes."""
        self._process.terminate()

    def end(self) -> None:
        """Wait until it is gone."""
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()
        try:
            self._process.wait(_PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


@contextmanager
def workers(
    count: int, make: Callable[[], Measure]
) -> Iterator[Callable[[Claim], "Future[Mapping[str, Any]]"]]:
    """A function that has a point measured by one of ``count`` processes.

    Args:
        count: of processes.
        make: makes what measures a point; called once in every process, so it must be picklable.
    """
    started = [_Worker(make) for _ in range(count)]  # by this thread, with which they die
    idle: queue.SimpleQueue[_Worker] = queue.SimpleQueue()
    for worker in started:
        idle.put(worker)

    def measure(claim: Claim) -> Mapping[str, Any]:
        worker = idle.get()
        try:
            return worker.measure(claim)
        finally:
            idle.put(worker)

    pool = ThreadPoolExecutor(count)
    try:
        yield lambda claim: pool.submit(measure, claim)
    except BaseException:
        for worker in started:
            worker.stop()
        raise
    finally:
        pool.shutdown(cancel_futures=True)
        for worker in started:
            worker.end()


def work() -> None:
    """Answer claims with records until there are no more; what libraries print goes to stderr."""
    die_with_parent()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    claims, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    measure: Measure = pickle.load(claims)()
    while True:
        try:
            claim = pickle.load(claims)
        except EOFError:
            return
        try:
            answer: Any = measure(claim)
        except Exception as error:  # noqa: BLE001 - told to the process that asked
            answer = error
        pickle.dump(answer, answers)
        answers.flush()


if __name__ == "__main__":
    try:
        work()
    except KeyboardInterrupt:
        sys.exit(130)
