"""What the harness adds to the codecs: wall time of a run over the ideal schedule of its verbs.

Run after `snakemake --cores N all` in the clone that is looked at, alone on the machine:

    python tests/bench/overhead.py [clone] --wall 570.3 --cores 2

The records say how long each codec command took and how long each family was measured;
Snakemake's memory, when each job began and ended. Ideal is the sum of wall times times slots over
the cores: nothing started, planned, copied, hashed or written.
"""

import argparse
import json
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

CODEC_VERBS = ("fit", "encode", "decode")


def records(root: Path) -> Iterator[dict[str, Any]]:
    """Records of points, fits and sources in a results tree."""
    for path in (*root.glob("results/*/**/*.json"), *root.glob("results/.sources/*.json")):
        value = json.loads(path.read_text())
        if value.get("status") == "ok" and "start" in value:
            yield value


def seconds(record: dict[str, Any]) -> float:
    """From a record's start to its end, which are whole seconds: right in the mean."""
    start, end = (datetime.fromisoformat(record[name]) for name in ("start", "end"))
    return (end - start).total_seconds()


def job_seconds(root: Path) -> dict[str, list[float]]:
    """Seconds of every job of the tree as Snakemake saw them, by rule."""
    jobs: dict[tuple[str, ...], tuple[str, float]] = {}
    for path in (root / ".snakemake" / "metadata").rglob("*"):
        if not path.is_file():
            continue
        value = json.loads(path.read_text())
        if value["endtime"] is None:
            continue
        # a job is known by its log, else by what it writes
        place = (value["rule"], *(value["log"] or (path.name,)))
        jobs[place] = (value["rule"], value["endtime"] - value["starttime"])
    by_rule: dict[str, list[float]] = {}
    for rule, spent in jobs.values():
        by_rule.setdefault(rule, []).append(spent)
    return by_rule


def main() -> None:
    """Print core-seconds by part and the ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("root", nargs="?", type=Path, default=Path())
    parser.add_argument("--wall", type=float, required=True, help="seconds the run took")
    parser.add_argument("--cores", type=int, required=True, help="that the run shared")
    given = parser.parse_args()
    own: Counter[str] = Counter()
    of_slots: Counter[str] = Counter()
    used: Counter[str] = Counter()
    for record in records(given.root):
        kind = record["kind"]
        if kind in CODEC_VERBS and record.get("origin") != "brought":
            own[kind] += record["wall_seconds"]
            of_slots[kind] += record["wall_seconds"] * min(record["threads"], given.cores)
            used[kind] += record["cpu_seconds"]
        elif kind in ("measure", "source"):
            own[kind] += seconds(record)
            of_slots[kind] += seconds(record)
    jobs = job_seconds(given.root)
    print("| rule | jobs | seconds of all | of it in codecs and metrics | CPU of codecs |")
    print("|---|---|---|---|---|")
    for rule in ("source", *CODEC_VERBS, "measure", "report"):
        spent = jobs.get(rule, [])
        told = f"{own[rule]:.0f}" if rule in own else ""
        cpu = f"{used[rule]:.0f}" if rule in used else ""
        print(f"| {rule} | {len(spent)} | {sum(spent):.0f} | {told} | {cpu} |")
    coded = sum(of_slots[verb] for verb in CODEC_VERBS) / given.cores
    whole = (sum(of_slots.values()) + sum(jobs["report"])) / given.cores
    print(
        f"\nwall {given.wall:.0f} s; ideal of the codec commands {coded:.0f} s, ratio "
        f"{given.wall / coded:.2f}; with sources, measuring and the report {whole:.0f} s, ratio "
        f"{given.wall / whole:.2f}"
    )


if __name__ == "__main__":
    main()
