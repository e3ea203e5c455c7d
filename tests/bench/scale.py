"""What a run of thousands of points costs before its first job and after its last.

    python tests/bench/scale.py [--points 4000] [--folder EMPTY] [--rounds 2]

Builds a repository of codecs that keep the upper bits of samples, codes one point for real and
writes the records of all others after it. Then, in turns: Snakemake plans everything from scratch
and finds nothing to do, with this repository's Snakefile and with a bare one of the same jobs and
files; `plan` and `status`; points.tsv from all records. Prints Markdown rows for ``README.md``.
"""

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow"))
from clone import Bench

CODECS, RATE_POINTS = 20, 5
ARTEFACTS = {"encode.json": ("bitstream.bin",), "decode.json": ("decoded.md5",)}
CONDITIONS = """
schema: 1
name: scale
title: "Thousands of points"
budget: seconds
families: [picture, ffmpeg, perceptual]
headline: {{anchor: c00, metrics: [psnr_y_db]}}
anchors: [c00]
bd_metrics: [psnr_y_db]
tests:
  - sequences: [{sequences}]
    configurations: [ld]
    codecs: [{codecs}]
"""
BARE = """
import json
POINTS = json.load(open("points.json"))
POINT = "results/{sequence}/{codec}/{configuration}/{rate_point}/s{seed}"
rule all:
    input: "reports/scale/run.json"
rule source:
    output: "results/.sources/{sequence}.json"
    shell: "exit 1"
rule encode:
    input: "results/.sources/{sequence}.json"
    output: f"{POINT}/bitstream.bin", f"{POINT}/encode.json"
    shell: "exit 1"
rule decode:
    input: f"{POINT}/bitstream.bin", f"{POINT}/encode.json"
    output: f"{POINT}/decoded.md5", f"{POINT}/decode.json"
    shell: "exit 1"
rule measure:
    input: f"{POINT}/decode.json"
    output: f"{POINT}/frames.tsv"
    shell: "exit 1"
rule report:
    input: [f"{point}/frames.tsv" for point in POINTS]
    output: "reports/scale/run.json"
    shell: "exit 1"
"""
# what the local profile says, so that both Snakefiles run under the same rules
PLAIN = [
    *(sys.executable, "-m", "snakemake", "--cores", "2", "--nolock", "--scheduler", "greedy"),
    *("--rerun-triggers", "mtime", "params", "--max-checksum-file-size", "0"),
]
OURS = [sys.executable, "-m", "snakemake", "--config", "ctc=scale", "--cores", "2"]
TOUCHING = ["--scheduler-subsample", "400", "--touch", "--forceall", "all"]
TOUCH = """
import sys
from snakemake.cli import main
from snakemake.executors.touch import Executor
Executor.SLEEPING_TIME = 0.0
main(sys.argv[1:])
"""
COLLECT = """
import sys, time
from pathlib import Path
from invrbench.results.planning import load_plan
from invrbench.results.points import collect_points
plan = load_plan(Path.cwd(), "scale")
begin = time.perf_counter()
rows = collect_points(plan)
assert {row["status"] for row in rows} == {"ok"}, rows[0]
print(time.perf_counter() - begin)
"""


@dataclass(frozen=True)
class Cost:
    """Seconds of wall time and of CPU, and the largest process's memory in MiB."""

    wall: float
    cpu: float
    memory: float

    def __str__(self) -> str:
        return f"{self.wall:.1f} ({self.cpu:.1f}) | {self.memory:.0f}"


def cost(bench: Bench, command: list[str]) -> Cost:
    """Of a command, which must end well."""
    usage = Path(tempfile.mkstemp()[1])
    # a child of its own, whose children are its alone
    program = (
        "import json, resource, subprocess, sys\n"
        "status = subprocess.call(sys.argv[2:], stdout=subprocess.DEVNULL)\n"
        "used = resource.getrusage(resource.RUSAGE_CHILDREN)\n"
        "json.dump([used.ru_utime + used.ru_stime, used.ru_maxrss], open(sys.argv[1], 'w'))\n"
        "sys.exit(status)\n"
    )
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", program, str(usage), *command],
        cwd=bench.root, env=bench.environment, stderr=subprocess.PIPE, text=True, check=False,
    )  # fmt: skip
    wall = time.perf_counter() - began
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr[-3000:]}")
    cpu, memory = json.loads(usage.read_text())
    usage.unlink()
    return Cost(wall, cpu, memory / 1024)


def build(folder: Path, points: int) -> Bench:
    """The repository, with nothing coded."""
    bench = Bench(folder)
    grid = f"bits = {list(range(2, 2 + RATE_POINTS))}"
    names = [f"c{number:02d}" for number in range(CODECS)]
    for name in names:
        role = "anchor" if name == "c00" else "proposal"
        bench.add_codec(name, role=role, configuration="ld", grid=grid)
    cuts = [f'"bunny-mini@{n}+4"' for n in range(-(-points // (CODECS * RATE_POINTS)))]
    text = CONDITIONS.format(sequences=", ".join(cuts), codecs=", ".join(names))
    (folder / "ctc" / "scale.yaml").write_text(text)
    return bench


def write_records(bench: Bench) -> list[str]:
    """Records of every point, after those of one that is coded; the points' folders."""
    from invrbench.results.planning import load_plan
    from invrbench.results.records import read_record

    plan = load_plan(bench.root, "scale")
    for sequence in plan.sources:
        cost(bench, ["invrbench", "source", sequence, "--ctc", "scale"])
    first = plan.runnable[0]
    for verb in ("encode", "decode", "measure-point"):
        folder = str(first.address.folder)
        cost(bench, ["invrbench", verb, folder, "--ctc", "scale"])
    made = bench.root / first.address.folder
    patterns = {path: read_record(made / path) for path in first_records(first)}
    for point in plan.runnable[1:]:
        copy_point(bench.root, point, made, patterns)
    report = bench.root / plan.report_folder / "run.json"
    report.parent.mkdir(parents=True)
    report.write_text("{}")
    return [point.address.folder.as_posix() for point in plan.runnable]


def first_records(point: Any) -> Iterator[str]:
    """Records of a point, relative to its folder."""
    for path in point.records:
        yield path.relative_to(point.address.folder).as_posix()


def copy_point(root: Path, point: Any, made: Path, patterns: dict[str, Any]) -> None:
    """Another point's files as if it had been coded."""
    from invrbench.results.records import write_record

    folder = root / point.address.folder
    folder.mkdir(parents=True)
    source = json.loads((root / f"results/.sources/{point.address.sequence}.json").read_text())
    for path, key in point.records.items():
        name = path.relative_to(point.address.folder).as_posix()
        record = {**patterns[name], **asdict(point.address), "key": key}
        if "source_md5" in record["inputs"]:
            record["inputs"] = {**record["inputs"], "source_md5": source["md5"]}
        record.pop("digest")
        for artefact in ARTEFACTS.get(name, ()):  # in the order of their making
            shutil.copy(made / artefact, folder / artefact)
        write_record(folder / name, record)
    shutil.copy(made / "frames.tsv", folder / "frames.tsv")


class Bare(Bench):
    """A Snakefile of the same jobs and files that knows nothing else."""

    def __init__(self, root: Path, of: Bench, folders: list[str]) -> None:
        self.root = root
        root.mkdir()
        for name in ("results", "reports"):
            shutil.copytree(of.root / name, root / name, copy_function=os.link)
        (root / "points.json").write_text(json.dumps(folders))
        (root / "Snakefile").write_text(BARE)


def turns(rounds: int, tasks: dict[str, Callable[[], Cost]]) -> dict[str, Cost]:
    """Each task's fastest round; they take turns."""
    found: dict[str, list[Cost]] = {name: [] for name in tasks}
    for _ in range(rounds):
        for name, task in tasks.items():
            found[name].append(task())
    return {name: min(costs, key=lambda each: each.wall) for name, costs in found.items()}


def main() -> None:
    """Build, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--points", type=int, default=4000)
    parser.add_argument("--folder", type=Path, help="an empty one; a temporary one without it")
    parser.add_argument("--rounds", type=int, default=2)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        bench = build((given.folder or Path(temporary)) / "bench", given.points)
        folders = write_records(bench)
        bare = Bare(bench.root.with_name("bare"), bench, folders)
        # Snakemake's memory of every job, as after a run
        cost(bench, ["invrbench", "adopt", "--ctc", "scale"])
        cost(bare, [sys.executable, "-c", TOUCH, *PLAIN[3:], *TOUCHING])
        measure(bench, bare, len(folders), given.rounds)


def measure(bench: Bench, bare: Bench, points: int, rounds: int) -> None:
    """Print the table."""
    nothing = turns(
        rounds,
        {
            "nothing to do, all": lambda: cost(bench, [*OURS, "all"]),
            "nothing to do, bare": lambda: cost(bare, [*PLAIN, "all"]),
            "invrbench plan": lambda: cost(bench, ["invrbench", "plan", "--ctc", "scale"]),
            "invrbench status": lambda: cost(bench, ["invrbench", "status", "--ctc", "scale"]),
            "points.tsv, whole process": lambda: cost(bench, [sys.executable, "-c", COLLECT]),
        },
    )
    done = subprocess.run([sys.executable, "-c", COLLECT], cwd=bench.root, env=bench.environment,
                          capture_output=True, text=True, check=True)  # fmt: skip
    for each in (bench, bare):
        (each.root / "results").rename(each.root / "done")
    scratch = turns(
        rounds,
        {
            "from scratch, all": lambda: cost(bench, [*OURS, "-n", "all"]),
            "from scratch, bare": lambda: cost(bare, [*PLAIN, "-n", "all"]),
        },
    )
    for each in (bench, bare):
        shutil.rmtree(each.root / "results", ignore_errors=True)
        (each.root / "done").rename(each.root / "results")
    print(f"{points} points, {3 * points} jobs and those of sources; {os.cpu_count()} cores\n")
    print("| what | wall (CPU) s | MiB |\n|---|---|---|")
    for name, spent in {**scratch, **nothing}.items():
        print(f"| {name} | {spent} |")
    print(f"\npoints.tsv alone: {float(done.stdout):.2f} s")
    for kind, costs in (("from scratch", scratch), ("nothing to do", nothing)):
        here, bare_one = (costs[f"{kind}, {of}"].wall for of in ("all", "bare"))
        print(f"{kind}: {here / bare_one:.2f} times bare Snakemake")


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    main()
