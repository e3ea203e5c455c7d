"""A run on a cluster: the tables of one machine, and jobs that come back."""

import csv
import itertools
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from clone import ENCODE, Bench
from cluster import GPUS
from invrbench.results.execute import DEVICE_VARIABLE
from invrbench.results.grants import VISIBLE_VARIABLE
from invrbench.results.points import VOLATILE

pytestmark = pytest.mark.usefixtures("slurm")

PROFILE = ("--workflow-profile", "workflow/profiles/slurm")
# This cluster keeps no accounts, and its files are seen at once; what it calls GPUs are none.
SHORT = (
    "--slurm-status-command", "squeue", "--slurm-init-seconds-before-status-checks", "3",
    "--latency-wait", "10",
)  # fmt: skip
HERE = (*SHORT, "--resources", "gpu=0", "slots=1")
CONDITIONS = """
schema: 1
name: reduced
title: "A still and a clip, anchors and a fit"
budget: seconds
families: [picture, ffmpeg]
headline: {anchor: hevc, metrics: [psnr_y_db]}
anchors: [hevc]
bd_metrics: [psnr_y_db]
grids:
  hevc: {qp: [32, 42]}
  coin: {fit: [l5w30], qp: [-48, -42]}
tests:
  - sequences: [bikes-tiny]
    configurations: [ai]
    codecs: [hevc, coin]
  - sequences: [bunny-mini@0+4]
    configurations: [ld]
    codecs: [hevc]
"""
MARKED = """
import json, os, sys, time
with open({mark!r}, "a") as file:
    file.write(f"{{os.getpid()}}\\n")
starts = len(open({mark!r}).readlines())
{first}
"""
USES = """
import os, time
begin = time.time()
time.sleep(4)
with open({mark!r}, "a") as file:
    file.write(f"{{os.environ['CUDA_VISIBLE_DEVICES']}} {{begin}} {{time.time()}}\\n")
"""
SLEEPS = "if starts == 1: time.sleep(600)"
WANTS_MB = "held = b'x' * ({mb} << 20); time.sleep(6)"
BREAKS = "sys.exit('this codec is broken')"
PATIENCE_SECONDS = 400.0


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8") as file:
        return [
            {name: cell for name, cell in row.items() if name not in VOLATILE}
            for row in csv.DictReader(file, delimiter="\t")
        ]


def run_on_slurm(bench: Bench, ctc: str, *words: str) -> subprocess.CompletedProcess[str]:
    return bench.command("snakemake", *PROFILE, "all", "--config", f"ctc={ctc}", *HERE, *words)


def test_tables_of_a_cluster_are_those_of_one_machine(tmp_path: Path) -> None:
    here, there = Bench(tmp_path / "here"), Bench(tmp_path / "there")
    for bench in (here, there):
        (bench.root / "ctc" / "reduced.yaml").write_text(CONDITIONS)
    on_slurm = run_on_slurm(there, "reduced")
    assert on_slurm.returncode == 0, on_slurm.stdout + on_slurm.stderr
    assert (on_slurm.stdout + on_slurm.stderr).count("submitted with SLURM jobid") == 16
    local = here.run_all("reduced")
    assert local.returncode == 0, local.stdout + local.stderr
    for name in ("points.tsv", "bd.tsv"):
        ours, theirs = (rows(each.root / "reports/reduced" / name) for each in (here, there))
        assert ours
        assert theirs == ours
    assert {row["status"] for row in rows(there.root / "reports/reduced/points.tsv")} == {"ok"}
    assert there.planned("reduced") == {}


class Trouble:
    """A bench of quantisers, some of which meet trouble at their first start."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.marks = bench.root / "marks"
        self.marks.mkdir()

    def add(self, codec: str, first: str, *, mem_mb: int = 4000) -> None:
        """A codec whose encode leaves a line at each start, and does ``first`` before its work."""
        mark = MARKED.format(mark=str(self.marks / codec), first=first)
        extra = f"[resources.encode]\nmem_mb = {mem_mb}\nruntime_min = 10"
        grid = "bits = [3]"
        self.bench.add_codec(codec, grid=grid, encode=mark + ENCODE, extra=extra)

    def starts(self, codec: str) -> list[int]:
        """Process ids of the codec's encodes so far."""
        mark = self.marks / codec
        return [int(line) for line in mark.read_text().split()] if mark.is_file() else []

    def logs(self) -> str:
        """What Slurm kept of the jobs that failed."""
        found = (self.bench.root / "results/.slurm").rglob("*.log")
        return "\n".join(path.read_text(errors="replace") for path in found)


def until(is_so: Callable[[], object], run: "subprocess.Popen[str]") -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while not is_so():
        assert run.poll() is None, run.communicate()[0]
        assert time.monotonic() < end, "nothing happened"
        time.sleep(0.5)


def job_of(codec: str) -> str:
    told = subprocess.run(
        ["squeue", "--noheader", "--states=running", "--format=%i %k"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return next(line.split()[0] for line in told.stdout.splitlines() if f"_{codec}_" in line)


def verb_above(pid: int) -> psutil.Process:
    """The harness's process above a codec's."""
    return next(p for p in psutil.Process(pid).parents() if "encode" in p.cmdline())


def start_on_slurm(bench: Bench, ctc: str, *words: str) -> "subprocess.Popen[str]":
    command = [*PROFILE, "all", "--config", f"ctc={ctc}", *HERE, *words]
    return subprocess.Popen(
        [sys.executable, "-m", "snakemake", *command],
        cwd=bench.root,
        env=bench.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_jobs_come_back_from_kills_and_want_of_memory_and_not_from_their_own_mistakes(
    tmp_path: Path,
) -> None:
    trouble = Trouble(Bench(tmp_path / "bench"))
    trouble.bench.add_codec("base", role="anchor", configuration="ai", grid="bits = [2, 3]")
    trouble.add("cancelled", SLEEPS)
    trouble.add("killed", SLEEPS)
    trouble.add("hungry", WANTS_MB.format(mb=300), mem_mb=200)
    trouble.add("bloated", WANTS_MB.format(mb=1300))
    trouble.add("broken", BREAKS)
    codecs = ("cancelled", "killed", "hungry", "bloated", "broken")
    trouble.bench.add_conditions("bad", "base", *codecs)

    run = start_on_slurm(trouble.bench, "bad", "--set-resources", "encode:mem_mb=1000*attempt")
    until(lambda: trouble.starts("cancelled"), run)
    subprocess.run(["scancel", job_of("cancelled")], check=True)
    until(lambda: trouble.starts("killed"), run)
    verb_above(trouble.starts("killed")[0]).send_signal(signal.SIGKILL)
    told, _ = run.communicate(timeout=900)

    assert run.returncode == 1, told  # one codec is broken
    starts = {codec: len(trouble.starts(codec)) for codec in codecs}
    assert starts == {"cancelled": 2, "killed": 2, "hungry": 2, "bloated": 2, "broken": 1}, told
    points = {row["codec"]: row for row in rows(trouble.bench.root / "reports/bad/points.tsv")}
    status = {codec: points[codec]["status"] for codec in ("base", *codecs)}
    assert status == {**dict.fromkeys(("base", *codecs), "ok"), "broken": "failed"}, told
    assert "exited with status 1" in points["broken"]["reason"]
    logs = trouble.logs()
    assert "hungry: encode was stopped at its memory limit of 200 MB" in logs
    assert "Another attempt would end the same way" in logs
    assert "exceeded memory limit" in logs  # Slurm's words


@pytest.mark.parametrize("words", [PROFILE, ()], ids=["a cluster", "one machine"])
def test_jobs_that_want_a_gpu_have_one_of_their_own(tmp_path: Path, words: tuple[str, ...]) -> None:
    bench, mark = Bench(tmp_path / "bench"), tmp_path / "uses"
    uses = USES.format(mark=str(mark))
    extra = "[resources.encode]\ngpu = 1"
    bench.add_codec("base", role="anchor", configuration="ai", grid="bits = [2]")
    bench.add_codec("ours", encode=uses + ENCODE, extra=extra)
    bench.add_conditions("little", "base", "ours")
    environment = {**bench.environment, DEVICE_VARIABLE: "cuda"}  # as if there were CUDA as well
    resources = ("--resources", f"gpu={GPUS}", "slots=1")
    if words:
        command = [*words, "all", "--config", "ctc=little", *SHORT, *resources]
    else:
        environment[VISIBLE_VARIABLE] = ",".join(map(str, range(GPUS)))
        command = ["--cores", "8", "all", "--config", "ctc=little", "--resources", "slots=8"]
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", *command],
        cwd=bench.root, env=environment, capture_output=True, text=True, check=False, timeout=900,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    spans: dict[str, list[tuple[float, float]]] = {}
    for line in mark.read_text().splitlines():
        device, begin, end = line.split()
        spans.setdefault(device, []).append((float(begin), float(end)))
    assert sorted(spans) == ["0", "1"]
    assert sum(map(len, spans.values())) == 4
    for held in map(sorted, spans.values()):
        assert all(a[1] <= b[0] for a, b in itertools.pairwise(held))


def wait_for_the_end_of(pid: int) -> None:
    end = time.monotonic() + 90
    while psutil.pid_exists(pid):
        assert time.monotonic() < end, "the codec of a run that ended goes on"
        time.sleep(0.5)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=lambda n: n.name)
def test_jobs_end_with_their_run_or_when_the_next_one_starts(
    tmp_path: Path, number: signal.Signals
) -> None:
    trouble = Trouble(Bench(tmp_path / "bench"))
    trouble.bench.add_codec("base", role="anchor", configuration="ai", grid="bits = [2]")
    trouble.add("slow", SLEEPS)
    trouble.bench.add_conditions("bad", "base", "slow")
    run = start_on_slurm(trouble.bench, "bad")
    until(lambda: trouble.starts("slow"), run)
    run.send_signal(number)
    told, _ = run.communicate(timeout=120)
    codec = trouble.starts("slow")[0]
    if number == signal.SIGTERM:
        assert "stopped. The same command goes on from here" in told
        wait_for_the_end_of(codec)
    else:
        assert psutil.pid_exists(codec)  # nobody could tell Slurm
    done = run_on_slurm(trouble.bench, "bad")
    assert done.returncode == 0, done.stdout + done.stderr
    wait_for_the_end_of(codec)
    assert len(trouble.starts("slow")) == 2
