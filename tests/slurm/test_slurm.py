"""A run on a cluster: the tables of one machine, and jobs that come back."""

import itertools
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from clone import ENCODE, Bench
from cluster import GPUS
from invrbench.results.execute import DEVICE_VARIABLE
from invrbench.results.grants import VISIBLE_VARIABLE
from slurm_runs import (
    PROFILE,
    SHORT,
    SLEEPS,
    Trouble,
    rows,
    run_on_slurm,
    start_on_slurm,
    until,
    wait_for_the_end_of,
)

pytestmark = pytest.mark.usefixtures("slurm")

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
USES = """
import os, time
begin = time.time()
time.sleep(4)
with open({mark!r}, "a") as file:
    file.write(f"{{os.environ['CUDA_VISIBLE_DEVICES']}} {{begin}} {{time.time()}}\\n")
"""
WANTS_MB = "held = b'x' * ({mb} << 20); time.sleep(6)"
BREAKS = "sys.exit('this codec is broken')"


def test_tables_of_a_cluster_are_those_of_one_machine(tmp_path: Path) -> None:
    here, there = Bench(tmp_path / "here"), Bench(tmp_path / "there")
    for bench in (here, there):
        (bench.root / "ctc" / "reduced.yaml").write_text(CONDITIONS)
    on_slurm = run_on_slurm(there, "reduced")
    assert on_slurm.returncode == 0, on_slurm.stdout + on_slurm.stderr
    logs = [log.read_text() for log in (there.root / ".snakemake" / "log").glob("*.log")]
    assert "".join(logs).count("submitted with SLURM jobid") == 16
    local = here.run_all("reduced")
    assert local.returncode == 0, local.stdout + local.stderr
    for name in ("points.tsv", "bd.tsv"):
        ours, theirs = (rows(each.root / "reports/reduced" / name) for each in (here, there))
        assert ours
        assert theirs == ours
    assert {row["status"] for row in rows(there.root / "reports/reduced/points.tsv")} == {"ok"}
    assert there.planned("reduced") == {}


def job_of(codec: str) -> str:
    told = subprocess.run(
        ["squeue", "--noheader", "--states=running", "--format=%i %k"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return next(line.split()[0] for line in told.stdout.splitlines() if f"_{codec}_" in line)


def verb_above(pid: int) -> psutil.Process:
    """The harness's process above a codec's."""
    return next(p for p in psutil.Process(pid).parents() if "encode" in p.cmdline())


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
