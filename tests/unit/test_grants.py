"""What a run grants one job: GPUs of its own, and more memory at a later attempt."""

import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from invrbench.codec import runner
from invrbench.codec.manifest import Manifest, Resources
from invrbench.codec.process import Outcome
from invrbench.errors import ContractError, GpuMemoryError, InvrError, LimitError
from invrbench.results import grants
from invrbench.results.execute import DEVICE_VARIABLE
from invrbench.results.paths import FitAddress
from invrbench.results.plan import Fit

JOB = """
import json, os, sys, time
from pathlib import Path
from invrbench.results.grants import own_devices
with own_devices(int(sys.argv[1])):
    own, begin = os.environ["CUDA_VISIBLE_DEVICES"].split(","), time.monotonic()
    time.sleep(0.3)
    print(json.dumps([own, begin, time.monotonic()]))
"""
TORCH_SAYS = """
torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has a total
capacity of 79.11 GiB of which 1.20 GiB is free.
"""


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    for name in (grants.VISIBLE_VARIABLE, grants.SLURM_VARIABLE, DEVICE_VARIABLE):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(grants, "_CLEARING_SECONDS", 0.0)
    yield


def manifest() -> Manifest:
    return Manifest(
        "a", Path("a"), "A", "", "proposal", ("video",), ("any",), ("yuv420p",),
        resources={"fit": Resources(threads=2, gpu=1, mem_mb=700)},
    )  # fmt: skip


def files(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    devices = tuple(Path("/dev") / name for name in names)
    monkeypatch.setattr(grants.sandbox, "cuda_devices", lambda: devices)


def test_devices_are_counted_by_their_own_files(monkeypatch: pytest.MonkeyPatch) -> None:
    files(monkeypatch, "nvidia-uvm", "nvidia0", "nvidia1", "nvidiactl")
    assert grants.visible_devices() == ("0", "1")


@pytest.mark.parametrize(
    ("named", "devices"),
    [
        ("", ()),
        ("-1", ()),
        ("NoDevFiles", ()),
        ("2, 0", ("2", "0")),
        ("1,-1,2", ("1",)),
        ("GPU-8932f937-d72c", ("GPU-8932f937-d72c",)),
        ("MIG-GPU-8932f937/1/0", ("MIG-GPU-8932f937/1/0",)),
    ],
)
def test_the_variable_of_cuda_narrows_devices_as_cuda_does(
    monkeypatch: pytest.MonkeyPatch, named: str, devices: tuple[str, ...]
) -> None:
    files(monkeypatch, "nvidia0", "nvidia1", "nvidia2")
    monkeypatch.setenv(grants.VISIBLE_VARIABLE, named)
    assert grants.visible_devices() == devices


def test_a_slurm_job_has_the_devices_it_was_given_and_no_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    files(monkeypatch, "nvidia0", "nvidia1")
    monkeypatch.setenv(grants.SLURM_VARIABLE, "17")
    monkeypatch.setenv(grants.SLURM_COUNT_VARIABLE, "1")
    assert grants.visible_devices() == ("0",)
    monkeypatch.delenv(grants.SLURM_COUNT_VARIABLE)
    assert grants.visible_devices() == ()
    with grants.own_devices(0):
        assert os.environ[DEVICE_VARIABLE] == "cpu"
    monkeypatch.setenv(grants.VISIBLE_VARIABLE, "0")
    with grants.own_devices(1):
        assert os.environ[grants.VISIBLE_VARIABLE] == "0"
        assert DEVICE_VARIABLE not in os.environ


def test_a_job_without_a_gpu_stays_on_the_cpu_of_a_machine_that_has_some(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    files(monkeypatch, "nvidia0")
    with grants.own_devices(0):
        assert os.environ[DEVICE_VARIABLE] == "cpu"
    assert DEVICE_VARIABLE not in os.environ


def test_a_device_that_a_person_names_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(DEVICE_VARIABLE, "cuda")
    with grants.own_devices(0):
        assert os.environ[DEVICE_VARIABLE] == "cuda"


def test_a_verb_typed_by_hand_takes_a_gpu_where_there_is_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    files(monkeypatch, "nvidia0", "nvidia1")
    with grants.own_devices(None):
        assert os.environ[grants.VISIBLE_VARIABLE] in ("0", "1")
    assert grants.VISIBLE_VARIABLE not in os.environ


@pytest.mark.parametrize("wanted", [[1] * 7, [2, 1, 2, 1, 2]], ids=["one each", "one or two"])
def test_jobs_at_once_never_share_a_device(tmp_path: Path, wanted: list[int]) -> None:
    env = {**os.environ, grants.VISIBLE_VARIABLE: "0,1,GPU-8932f937", "TMPDIR": str(tmp_path)}
    jobs = [
        subprocess.Popen(
            [sys.executable, "-c", JOB, str(count)], env=env, stdout=subprocess.PIPE, text=True
        )
        for count in wanted
    ]
    held: dict[str, list[tuple[float, float]]] = {}
    for count, job in zip(wanted, jobs, strict=True):
        own, begin, end = json.loads(job.communicate(timeout=120)[0])
        assert len(set(own)) == count
        for device in own:
            held.setdefault(device, []).append((begin, end))
    assert set(held) <= {"0", "1", "GPU-8932f937"}
    for spans in map(sorted, held.values()):
        assert all(a[1] <= b[0] for a, b in itertools.pairwise(spans))


def test_a_device_is_free_again_when_the_job_that_had_it_was_killed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    env = {**os.environ, grants.VISIBLE_VARIABLE: "0", "TMPDIR": str(tmp_path)}
    code = JOB.replace("time.sleep(0.3)", "print('has it', flush=True); time.sleep(600)")
    job = subprocess.Popen(
        [sys.executable, "-c", code, "1"], env=env, stdout=subprocess.PIPE, text=True
    )
    assert job.stdout is not None
    assert job.stdout.readline() == "has it\n"
    job.kill()
    job.communicate()
    monkeypatch.setenv(grants.VISIBLE_VARIABLE, "0")
    begin = time.monotonic()
    with grants.own_devices(1):
        assert time.monotonic() - begin < 60


def failed(log: Path, said: str, device: str, stopped: str | None = None) -> InvrError:
    log.write_text(said)
    outcome = Outcome(1, stopped, 1.0, 1.0, 0)
    return runner._fail(manifest(), "fit", outcome, log, device=device)


def test_a_codec_that_its_gpu_was_too_small_for_is_told_as_such(tmp_path: Path) -> None:
    error = failed(tmp_path / "fit.log", TORCH_SAYS, "cuda")
    assert isinstance(error, GpuMemoryError)
    first = "a: fit ran out of GPU memory and exited with status 1."
    assert str(error).splitlines()[0] == first


@pytest.mark.parametrize(
    ("said", "device", "stopped", "kind"),
    [
        ("ValueError: memory of an elephant", "cuda", None, ContractError),
        (TORCH_SAYS, "cpu", None, ContractError),
        (TORCH_SAYS, "cuda", "was stopped at its time limit of 1 min", LimitError),
    ],
)
def test_other_ends_are_not_told_as_a_full_gpu(
    tmp_path: Path, said: str, device: str, stopped: str | None, kind: type[ContractError]
) -> None:
    assert type(failed(tmp_path / "fit.log", said, device, stopped)) is kind


def test_a_step_whose_gpu_was_full_is_done_once_more_and_only_once() -> None:
    calls: list[int] = []

    def step(*, fails: int) -> str:
        calls.append(1)
        if len(calls) <= fails:
            raise GpuMemoryError("full")
        return "done"

    assert grants.once_more_when_full(lambda: step(fails=1)) == "done"
    assert len(calls) == 2
    calls.clear()
    with pytest.raises(GpuMemoryError, match="full"):
        grants.once_more_when_full(lambda: step(fails=9))
    assert len(calls) == 2


def test_a_step_that_failed_otherwise_is_not_repeated() -> None:
    calls: list[int] = []

    def step() -> None:
        calls.append(1)
        raise LimitError("stopped")

    with pytest.raises(LimitError):
        grants.once_more_when_full(step)
    assert len(calls) == 1


def test_a_later_attempt_may_take_more_memory_and_stays_the_same_task() -> None:
    task = Fit(
        FitAddress("Clip", "a", "ai", "s", "quick", 0),
        manifest(),
        None,  # type: ignore[arg-type]  # not looked at
        {},
        None,
        "key",
    )
    third = grants.with_memory(task, 3)
    assert third.manifest.resources_of("fit") == Resources(threads=2, gpu=1, mem_mb=2100)
    assert third.manifest.resources_of("decode").mem_mb == 3 * Resources().mem_mb
    assert (third.address, third.key) == (task.address, task.key)
    assert grants.with_memory(task, 1) is task
