"""What a site asks of a run, and what happens to one where many people share a machine."""

import re
import shlex
import signal
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest
from clone import Bench
from invrbench.outside import parse_json
from slurm_runs import (
    SLEEPS,
    Trouble,
    jobs,
    rows,
    run_id,
    run_on_slurm,
    start_on_slurm,
    until,
    wait_for_the_end_of,
    words_of,
)

pytestmark = pytest.mark.usefixtures("slurm")

EXAMPLE = re.compile(r"^# (?= .*slurm_partition|  fit:)", re.MULTILINE)  # of the profile's comments
MAIN = "main"  # the job that a run is
CONDITIONS = """
schema: 1
name: fitted
title: "A fit and an anchor"
budget: seconds
families: [picture]
headline: {anchor: hevc, metrics: [psnr_y_db]}
anchors: [hevc]
bd_metrics: [psnr_y_db]
grids:
  hevc: {qp: [42]}
  coin: {fit: [l5w30], qp: [-42]}
tests:
  - sequences: [bikes-tiny]
    configurations: [ai]
    codecs: [hevc, coin]
"""


def test_jobs_go_to_the_partitions_that_the_profiles_example_names(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "bench")
    profile = bench.root / "workflow/profiles/slurm/config.yaml"
    text, uncommented = EXAMPLE.subn("", profile.read_text(encoding="utf-8"))
    assert uncommented == 3
    profile.write_text(text, encoding="utf-8")
    (bench.root / "ctc/fitted.yaml").write_text(CONDITIONS)
    done = run_on_slurm(bench, "fitted")
    assert done.returncode == 0, done.stdout + done.stderr
    shown = jobs(run_id(done.stdout + done.stderr), "%P %k %C %m")
    partitions = {line.split()[1].split("_wildcards")[0]: line.split()[0] for line in shown}
    assert partitions.pop("rule_fit") == "gpu"
    assert len(partitions) == 4
    assert set(partitions.values()) == {"cpu"}
    memory = {line.split()[1]: line.split()[3] for line in shown}
    assert memory["rule_report"] == "4000M"  # the profile's own defaults stay


def test_a_run_that_is_stopped_while_it_submits_leaves_no_job(tmp_path: Path) -> None:
    trouble = Trouble(Bench(tmp_path / "bench"))
    trouble.bench.add_codec("base", role="anchor", configuration="ai", grid="bits = [2]")
    trouble.add("slow", "time.sleep(600)", grid="bits = [1, 2, 3, 4, 5, 6, 7]", mem_mb=500)
    trouble.bench.add_conditions("bad", "base", "slow")
    run = start_on_slurm(trouble.bench, "bad")
    until(lambda: trouble.starts("slow"), run)
    run.send_signal(signal.SIGTERM)
    told, _ = run.communicate(timeout=120)
    assert "stopped. The same command goes on from here" in told
    for codec in trouble.starts("slow"):
        wait_for_the_end_of(codec)
    assert jobs(run_id(told), "%i %T %k", states="pending,running") == []


def test_a_second_run_of_a_tree_is_refused_and_the_first_goes_on(tmp_path: Path) -> None:
    trouble = Trouble(Bench(tmp_path / "bench"))
    trouble.bench.add_codec("base", role="anchor", configuration="ai", grid="bits = [2]")
    trouble.add("slow", "time.sleep(20)")
    trouble.bench.add_conditions("bad", "base", "slow")
    run = start_on_slurm(trouble.bench, "bad")
    until(lambda: trouble.starts("slow"), run)
    second = run_on_slurm(trouble.bench, "bad")
    assert second.returncode == 1
    assert "another run holds results/" in second.stderr
    assert f"process {run.pid}" in second.stderr
    told, _ = run.communicate(timeout=300)
    assert run.returncode == 0, told
    assert len(trouble.starts("slow")) == 1


def test_a_run_that_is_itself_a_job_takes_its_jobs_along_when_it_is_cancelled(
    tmp_path: Path,
) -> None:
    trouble = Trouble(Bench(tmp_path / "bench"))
    trouble.bench.add_codec("base", role="anchor", configuration="ai", grid="bits = [2]")
    trouble.add("slow", SLEEPS)
    trouble.bench.add_conditions("bad", "base", "slow")
    command = shlex.join([sys.executable, "-m", "snakemake", *words_of("bad")])
    out = tmp_path / "out"
    naming = [f"--job-name={MAIN}", f"--output={out}"]
    submitted = subprocess.run(
        ["sbatch", "--parsable", "--mem=1000", *naming, f"--wrap=exec {command}"],
        cwd=trouble.bench.root, env=trouble.bench.environment,
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    until(lambda: trouble.starts("slow"))
    subprocess.run(["scancel", submitted.stdout.strip()], check=True)
    wait_for_the_end_of(trouble.starts("slow")[0])
    alive = "pending,running,completing"
    until(lambda: not jobs(MAIN, "%i", states=alive))
    assert jobs(run_id(out.read_text()), "%i", states=alive) == []
    done = run_on_slurm(trouble.bench, "bad")
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(trouble.starts("slow")) == 2


def moment(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def test_times_are_taken_by_jobs_that_have_their_node_to_themselves(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "bench")
    bench.add_codec("base", role="anchor", configuration="ai", grid="bits = [2, 3]")
    bench.add_codec("ours", grid="bits = [2, 3]")
    bench.add_conditions("little", "base", "ours")
    done = run_on_slurm(bench, "little", target="timing")
    assert done.returncode == 0, done.stdout + done.stderr
    shown = [line.split() for line in jobs(run_id(done.stdout + done.stderr), "%S %e %k")]
    spans = [(moment(begin), moment(end), comment) for begin, end, comment in shown]
    timed = [span for span in spans if span[2].startswith("rule_time_")]
    assert len(timed) == 4
    for begin, end, comment in timed:
        others = [span for span in spans if span[2] != comment]
        assert all(other[1] <= begin or end <= other[0] for other in others), spans
    records = [parse_json(path.read_bytes()) for path in bench.root.glob("results/**/timing.json")]
    assert [record["status"] for record in records] == ["ok"] * 4
    points = rows(bench.root / "reports/little/points.tsv")
    assert [point["status"] for point in points] == ["ok"] * 4
