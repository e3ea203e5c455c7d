"""What a run grants one job of the machine it runs on: memory, and GPUs of its own."""

import itertools
import logging
import os
import re
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from invrbench.codec import sandbox
from invrbench.codec.manifest import VERBS, Resources
from invrbench.digest import claim
from invrbench.errors import ContractError, GpuMemoryError
from invrbench.results.execute import DEVICE_VARIABLE
from invrbench.results.plan import Fit, Point
from invrbench.results.records import failure_of

Task = TypeVar("Task", Fit, Point)
Result = TypeVar("Result")
VISIBLE_VARIABLE = "CUDA_VISIBLE_DEVICES"
SLURM_VARIABLE = "SLURM_JOB_ID"  # names the allocation this process belongs to
SLURM_COUNT_VARIABLE = "SLURM_GPUS_ON_NODE"  # of that allocation
_POLL_SECONDS = 0.2
_CLEARING_SECONDS = 5.0  # until the memory of a process that ended is free for another
_LOG = logging.getLogger(__name__)


def visible_devices() -> tuple[str, ...]:
    """GPUs that this process may use, as ``CUDA_VISIBLE_DEVICES`` names them.

    Those the variable names, else those of the machine; in a Slurm job those it was given.
    """
    named = os.environ.get(VISIBLE_VARIABLE)
    if named is not None:
        words = (word.strip() for word in named.split(","))
        # CUDA sees none behind the first that is no device, e.g. Slurm's NoDevFiles
        return tuple(itertools.takewhile(_is_device, words))
    if SLURM_VARIABLE in os.environ:
        return tuple(map(str, range(int(os.environ.get(SLURM_COUNT_VARIABLE, "0")))))
    files = [path.name for path in sandbox.cuda_devices()]
    return tuple(str(n) for n, _ in enumerate(x for x in files if re.fullmatch(r"nvidia\d+", x)))


def _is_device(word: str) -> bool:
    return bool(re.fullmatch(r"\d+|(GPU|MIG)-[\w/.-]+", word))


def with_memory(task: Task, attempt: int) -> Task:
    """A task whose codec may take ``attempt`` times the memory its manifest states; keys stay."""
    if attempt == 1:
        return task
    more: dict[str, Resources] = {}
    for verb in VERBS:
        held = task.manifest.resources_of(verb)
        more[verb] = replace(held, mem_mb=held.mem_mb * attempt)
    return replace(task, manifest=replace(task.manifest, resources=more))


def refuse_in_vain(record: Path, *, key: str, attempt: int) -> None:
    """Stop a later attempt at a step that failed for another want than memory.

    Args:
        record: that the step would write.
        key: of the step.
        attempt: 1 for the first.

    Raises:
        ContractError: with the reason of the attempt before.
    """
    if attempt > 1 and (reason := failure_of(record, key, is_final=True)) is not None:
        raise ContractError(f"{reason} Another attempt would end the same way.")


@contextmanager
def own_devices(count: int | None) -> Iterator[None]:
    """Have verbs run on GPUs that no other job of this user and machine has.

    Waits until ``count`` of the visible ones are free. 0 keeps verbs on the CPU; None, of a verb
    typed by hand, takes one if there is one. In a Slurm job they are its own already.
    """
    devices = visible_devices()
    if count is None:
        count = min(1, len(devices))
    if count == 0 or not devices or SLURM_VARIABLE in os.environ:
        on_cpu = count == 0 and DEVICE_VARIABLE not in os.environ
        with _variable(DEVICE_VARIABLE, "cpu" if on_cpu else None):
            yield
        return
    with (
        _claimed(devices, min(count, len(devices))) as own,
        _variable(VISIBLE_VARIABLE, ",".join(own)),
    ):
        yield


@contextmanager
def _variable(name: str, value: str | None) -> Iterator[None]:
    """An environment variable set for a while; None leaves it as it is."""
    before = os.environ.get(name)
    if value is not None:
        os.environ[name] = value
    try:
        yield
    finally:
        if before is not None:
            os.environ[name] = before
        elif value is not None:
            del os.environ[name]


@contextmanager
def _claimed(devices: tuple[str, ...], count: int) -> Iterator[tuple[str, ...]]:
    """``count`` of the devices, locked for as long as this process lives or the block lasts.

    All or none at a time: two jobs that wait for two devices each do not wait for each other.
    """
    folder = Path(tempfile.gettempdir()) / f"invrbench-{os.getuid()}" / "gpus"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    while True:
        with ExitStack() as locks:
            own: list[str] = []
            for device in devices:
                if len(own) < count and _lock(folder / f"{device.replace('/', '-')}.lock", locks):
                    own.append(device)
            if len(own) == count:
                yield tuple(own)
                return
        time.sleep(_POLL_SECONDS)


def _lock(path: Path, locks: ExitStack) -> bool:
    file = path.open("a")
    if claim(file.fileno(), path):
        locks.enter_context(file)
        return True
    file.close()
    return False


def once_more_when_full(step: Callable[[], Result]) -> Result:
    """Do a step; a second time if its GPU's memory ran out, which another program may have held.

    Raises:
        GpuMemoryError: it ran out both times.
    """
    with suppress(GpuMemoryError):
        return step()
    _LOG.warning("out of GPU memory: once more, in %g s", _CLEARING_SECONDS)
    time.sleep(_CLEARING_SECONDS)
    return step()
