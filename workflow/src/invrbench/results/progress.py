"""Where a run stands: jobs done and running, fits with what is left, failures with reasons."""

import contextlib
import functools
import re
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from invrbench.results.estimate import Forecast, Peek, Step, forecast, steps
from invrbench.results.fitting import CHECKPOINT, began_before
from invrbench.results.plan import Plan, Point
from invrbench.results.records import STALE, failure_of, peek_key, read_usable_record

VERBS = ("fit", "encode", "decode", "measure-point", "time", "drift", "source", "report")
SILENT_SECONDS = 60.0  # a fit that says nothing for so long is shown as silent
_PROGRESS = re.compile(r"^progress (\d(?:\.\d+)?)(.*)$", re.MULTILINE)
_TAIL_BYTES = 4096


@dataclass(frozen=True)
class Running:
    """A job that runs: its verb, its folder below results/, since when, and what a fit says.

    ``share`` of the work is done, in 0 … 1, ``left`` the seconds it leaves at the same pace; None
    for a job that does not say. ``silent`` are the seconds since it said so.
    """

    verb: str
    folder: str
    seconds: float
    share: float | None = None
    left: float | None = None
    said: str = ""
    silent: float = 0.0


@dataclass(frozen=True)
class State:
    """What became of a point, as far as its records' keys tell."""

    codec: str
    name: str
    reason: str = ""


def running_jobs(plan: Plan) -> list[Running]:
    """Jobs of this tree that run: processes of this machine, and fits that write their log."""
    found = {(job.verb, job.folder): job for job in _fits(plan)}
    for job in _processes(plan.root):
        found.setdefault((job.verb, job.folder), job)
    return sorted(found.values(), key=lambda job: (job.verb != "fit", -job.seconds))


def _processes(root: Path) -> Iterator[Running]:
    import psutil

    for process in psutil.process_iter(["cmdline", "create_time"]):
        words = process.info["cmdline"] or []
        place = next((i for i, word in enumerate(words) if Path(word).name == "invrbench"), None)
        if place is None or len(words) < place + 3 or words[place + 1] not in VERBS:
            continue
        try:
            if Path(process.cwd()) != root:
                continue
        except psutil.Error:
            continue
        folder = "" if words[place + 2].startswith("--") else words[place + 2]
        yield Running(words[place + 1], folder, time.time() - process.info["create_time"])


def _fits(plan: Plan) -> Iterator[Running]:
    """Fits that have begun and not ended, by their logs; those of other machines among them."""
    for folder in plan.fits:
        if (plan.root / folder / "fit.failed.json").is_file():
            continue
        job = fit_under_way(plan.root, folder)
        if job is None:
            continue
        if job.silent > SILENT_SECONDS:
            silent = f"silent for {job.silent / 60:.0f} min; killed, or lost"
            yield replace(job, share=None, left=None, said=silent)
        elif job.share is not None:
            yield job


def fit_under_way(root: Path, folder: str) -> Running | None:
    """What the log of a fit in ``folder`` says; None if it has not begun, or has ended.

    Its seconds include those before it was killed and begun again, as its share does.
    """
    log, last = root / folder / "fit.log", 0.0
    with contextlib.suppress(FileNotFoundError):
        last = log.stat().st_mtime if (root / folder / CHECKPOINT).is_dir() else 0.0
    began = began_before(root / folder)
    if not last or began is None:
        return None
    spent, silent = max(0.0, last - began), max(0.0, time.time() - last)
    reports = _PROGRESS.findall(_tail(log))
    if not reports:
        return Running("fit", folder, spent, silent=silent)
    share = min(1.0, float(reports[-1][0]))
    left = max(0.0, spent * (1 - share) / share - silent) if share > 0 else None
    return Running("fit", folder, spent, share, left, reports[-1][1].strip(), silent)


def _tail(log: Path) -> str:
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - _TAIL_BYTES))
        return file.read().decode(errors="replace")


def state_of(plan: Plan, point: Point, peek: Peek) -> State:
    """A point's state by the keys of its records, which a report looks into as well."""
    codec = point.manifest.codec
    if point.skipped or point.missing:
        return State(
            codec, "skipped" if point.skipped else "missing", point.skipped or point.missing or ""
        )
    for path, key in point.records.items():
        record = plan.root / path
        held = peek(record)
        if held == key:
            continue
        failed = failure_of(record, key)
        if failed:
            return State(codec, "failed", failed)
        if held is not None:
            return State(codec, "stale", f"{path.stem}: {STALE}")
        return State(codec, "to do")
    return State(codec, "ok")


def describe_progress(plan: Plan) -> str:
    """Jobs done and running, what fits say, when it may end, and the reasons of failures."""
    peek = functools.cache(peek_key)  # each record is looked at once
    every = list(steps(plan, peek))
    running = running_jobs(plan)
    states = Counter(state_of(plan, point, peek) for point in plan.points)
    return (
        "\n".join(
            [
                *_jobs(plan, every, running, forecast(plan, every, peek)),
                *(_told(job) for job in running),
                *_points(states),
            ]
        )
        + "\n"
    )


def _jobs(plan: Plan, every: list[Step], running: list[Running], foreseen: Forecast) -> list[str]:
    done = sum(step.done for step in every)
    line = f"{plan.conditions.name}: {done} of {len(every)} jobs done, {len(running)} running"
    if done < len(every) and foreseen.seconds:
        ends = time.strftime("%H:%M", time.localtime(time.time() + foreseen.seconds))
        guess = ", a guess" if foreseen.is_guess else ""
        line += f"; about {foreseen.seconds / 60:.0f} min of work left, to {ends}{guess}"
    return [line]


def _told(job: Running) -> str:
    parts = [f"  {job.verb:<13} {job.folder or 'the report'}"]
    if job.share is not None:
        parts.append(f"{job.share:.0%}")
    if job.left is not None:
        parts.append(f"about {job.left:.0f} s left")
    elif job.share is None:
        parts.append(f"for {job.seconds:.0f} s")
    return ", ".join([*parts, *([job.said] if job.said else [])])


def _points(states: Counter[State]) -> list[str]:
    counts: Counter[str] = Counter()
    for state, count in states.items():
        counts[state.name] += count
    told = ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))
    lines = [f"{sum(counts.values())} points: {told}"]
    open_states = [state for state in states if state.name not in ("ok", "to do")]
    for state in sorted(open_states, key=lambda s: (s.codec, s.name, s.reason)):
        lines.append(f"  {states[state]:>4} {state.codec:<16} {state.name:<9} {state.reason}")
    return lines


def _seconds(record: dict[str, Any]) -> float:
    """How long a job took: its command, or from its start to its end in whole seconds."""
    if "wall_seconds" in record:
        return float(record["wall_seconds"])
    start, end = (datetime.fromisoformat(record[name]) for name in ("start", "end"))
    return (end - start).total_seconds()


def slowest(plan: Plan, since: float, count: int = 10) -> list[str]:
    """The jobs whose records are newer than a moment (seconds since the epoch), slowest first."""
    found = []
    for path in dict.fromkeys(path for point in plan.runnable for path in point.records):
        record = plan.root / path
        if record.is_file() and record.stat().st_mtime >= since:
            held = read_usable_record(record) or {}
            if held.get("origin") != "brought" and "end" in held:
                found.append((_seconds(held), path))
    ranked: Iterable[tuple[float, Path]] = sorted(found, reverse=True)[:count]
    return [f"{seconds:>9.1f} s  {path.stem:<7} {path.parent}" for seconds, path in ranked]
