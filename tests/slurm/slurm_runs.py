"""Runs on a cluster, codecs that meet trouble there, and what Slurm says of a run's jobs."""

import csv
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
from clone import ENCODE, Bench
from invrbench.results.points import VOLATILE

PROFILE = ("--workflow-profile", "workflow/profiles/slurm")
# This cluster keeps no accounts, and its files are seen at once; what it calls GPUs are none.
SHORT = (
    "--slurm-status-command", "squeue", "--slurm-init-seconds-before-status-checks", "3",
    "--latency-wait", "10",
)  # fmt: skip
HERE = (*SHORT, "--resources", "gpu=0", "slots=1")
MARKED = """
import json, os, sys, time
with open({mark!r}, "a") as file:
    file.write(f"{{os.getpid()}}\\n")
starts = len(open({mark!r}).readlines())
{first}
"""
SLEEPS = "if starts == 1: time.sleep(600)"
PATIENCE_SECONDS = 400.0


def rows(path: Path) -> list[dict[str, str]]:
    """A table without the columns that differ between machines and moments."""
    with path.open(encoding="utf-8") as file:
        return [
            {name: cell for name, cell in row.items() if name not in VOLATILE}
            for row in csv.DictReader(file, delimiter="\t")
        ]


def words_of(ctc: str, *words: str, target: str = "all") -> list[str]:
    return [*PROFILE, target, "--config", f"ctc={ctc}", *HERE, *words]


def run_on_slurm(
    bench: Bench, ctc: str, *words: str, target: str = "all"
) -> subprocess.CompletedProcess[str]:
    return bench.command("snakemake", *words_of(ctc, *words, target=target))


def start_on_slurm(bench: Bench, ctc: str, *words: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "snakemake", *words_of(ctc, *words)],
        cwd=bench.root,
        env=bench.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


class Trouble:
    """A bench of quantisers, some of which meet trouble at their first start."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.marks = bench.root / "marks"
        self.marks.mkdir()

    def add(self, codec: str, first: str, *, mem_mb: int = 4000, grid: str = "bits = [3]") -> None:
        """A codec whose encode leaves a line at each start, and does ``first`` before its work."""
        mark = MARKED.format(mark=str(self.marks / codec), first=first)
        extra = f"[resources.encode]\nmem_mb = {mem_mb}\nruntime_min = 10"
        self.bench.add_codec(codec, grid=grid, encode=mark + ENCODE, extra=extra)

    def starts(self, codec: str) -> list[int]:
        """Process ids of the codec's encodes so far."""
        mark = self.marks / codec
        return [int(line) for line in mark.read_text().split()] if mark.is_file() else []

    def logs(self) -> str:
        """What Slurm kept of the jobs that failed."""
        found = (self.bench.root / "results/.slurm").rglob("*.log")
        return "\n".join(path.read_text(errors="replace") for path in found)


def until(is_so: Callable[[], object], run: "subprocess.Popen[str] | None" = None) -> None:
    """Wait for something to happen while a run goes on."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not is_so():
        assert run is None or run.poll() is None, run.communicate()[0]
        assert time.monotonic() < end, "nothing happened"
        time.sleep(0.5)


def wait_for_the_end_of(pid: int) -> None:
    end = time.monotonic() + 90
    while psutil.pid_exists(pid):
        assert time.monotonic() < end, "the codec of a run that ended goes on"
        time.sleep(0.5)


def jobs(name: str, shown: str, *, states: str = "all") -> list[str]:
    """What squeue shows of a run's jobs, in its format; "all" are those of the last ten minutes."""
    told = subprocess.run(
        ["squeue", "--noheader", f"--states={states}", f"--name={name}", f"--format={shown}"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return told.stdout.splitlines()


def run_id(told: str) -> str:
    """The name that all jobs of a run bear, which it tells at its start."""
    found = re.search(r"SLURM run ID: (\S+)", told)
    assert found, told
    return found[1]
