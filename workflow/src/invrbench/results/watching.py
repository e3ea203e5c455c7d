"""What a run tells of itself while it goes on: its jobs, what fits say, its end, what failed."""

import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from invrbench.codec.manifest import VERBS
from invrbench.outside import object_in
from invrbench.results.estimate import Kind, Pace
from invrbench.results.plan import Plan
from invrbench.results.progress import Running, fit_under_way

_LOOKED_AT = 16  # logs of fits that one view reads; on a cluster hundreds may be under way
_LATEST = 25  # jobs of a kind whose seconds count
_ROWS = 8  # jobs that are named
_FAILURES = 3  # that stay in view
_SILENT_SECONDS = 300.0  # of a fit, after which it is told
_RECORDS = {"measure": "metrics/*", "time": "timing"}  # of rules, where named otherwise
_CLOCKS_APART = 30.0  # seconds that two machines may be
_ENOUGH = 0.02  # share of the work that must be done before a cluster's pace says anything


@dataclass(frozen=True)
class Job:
    """A job as a person knows it: its rule, codec and folder, its name in a line, since when."""

    rule: str
    codec: str
    folder: str
    name: str
    logs: tuple[str, ...] = ()
    began: float = 0.0

    @property
    def kind(self) -> Kind:
        """What its length depends on."""
        return self.codec, self.rule


@dataclass(frozen=True)
class Failure:
    """A job that failed, and why; on a cluster a group fails with one of its jobs."""

    job: Job
    reason: str
    is_of_another: bool = False  # of a job of its group


@dataclass(frozen=True)
class Outlook:
    """Seconds to the end, None if nobody knows; jobs of unknown length; whether it is a guess."""

    seconds: float | None
    unknown: int = 0
    is_guess: bool = False


@dataclass(frozen=True)
class View:
    """Where a run stands at one moment."""

    conditions: str
    total: int
    done: int
    seconds: float
    running: tuple[tuple[Job, Running], ...]
    failures: tuple[Failure, ...]
    outlook: Outlook
    is_elsewhere: bool = False

    @property
    def told_failures(self) -> tuple[Failure, ...]:
        """Failures that have a reason of their own."""
        return tuple(each for each in self.failures if not each.is_of_another)


def name_of(wildcards: Mapping[str, str]) -> str:
    """A job's name in a line: its folder without what goes without saying.

    >>> name_of({"sequence": "clip@0+8", "codec": "x", "configuration": "any", "fit": "s.quick"})
    'clip@0+8/x/s.quick'
    """
    told = [wildcards.get(key, "") for key in ("sequence", "codec", "configuration")]
    told += [wildcards.get(key, "") for key in ("fit", "rate_point")]
    seed = wildcards.get("seed", "0")
    told += [wildcards.get("setting", ""), "" if seed == "0" else f"s{seed}"]
    return "/".join(word for word in told if word not in ("", "any"))


def reason_of(root: Path, job: Job) -> str | None:
    """Why a job failed, by the records that it left since it began."""
    folder = root / job.folder
    for path in sorted(folder.glob(f"{_RECORDS.get(job.rule, job.rule)}.failed.json")):
        if path.stat().st_mtime > job.began - _CLOCKS_APART:
            return str(object_in(path).get("reason") or "") or None
    return None


def outlook(
    waiting: Mapping[Kind, int],
    running: Iterable[tuple[Job, Running]],
    pace: Pace,
    threads: Mapping[Kind, int],
    cores: float | None,
) -> Outlook:
    """When a run may end: its work packed on the cores, and no sooner than its longest job.

    Args:
        waiting: jobs that have not begun, by kind.
        running: jobs that have.
        pace: what is known of the length of jobs.
        threads: of a job, by kind; 1 for others.
        cores: that work at once; None if that is not known.
    """
    jobs = list(running)
    learned = {
        job.kind: [told.seconds + told.left] for job, told in jobs if told.left is not None
    } | dict(pace.known)
    pace = replace(pace, known=learned)
    work, longest, unknown = 0.0, 0.0, 0
    is_guess = not all(map(pace.is_known, [*waiting, *(job.kind for job, _ in jobs)]))
    for kind, count in waiting.items():
        one = pace.seconds(*kind)
        if one is None:
            unknown += count
        else:
            work += count * one * threads.get(kind, 1)
    for job, told in jobs:
        one, left = pace.seconds(*job.kind), told.left
        if left is None and one is not None:
            left = max(0.0, one - told.seconds)
        if left is None:
            unknown += 1
        else:
            work += left * threads.get(job.kind, 1)
            longest = max(longest, left)
    seconds = None if unknown or not cores else max(work / cores, longest)
    return Outlook(seconds, unknown, is_guess)


class Board:
    """What has become of the jobs of a run; told by one thread, looked at by another.

    Args:
        plan: of the run.
        waiting: its jobs, by kind.
        cores: that this machine's jobs share; None where jobs run on other machines.
    """

    def __init__(self, plan: Plan, waiting: Mapping[Kind, int], *, cores: int | None) -> None:
        self.root = plan.root
        self._conditions = plan.conditions
        self._cores = cores
        self._threads: dict[Kind, int] = {
            (codec, verb): manifest.resources_of(verb).threads
            for codec, manifest in plan.manifests.items()
            for verb in VERBS
            if verb in manifest.commands
        }
        self._lock = threading.Lock()
        self._began = time.time()
        self._waiting = Counter(waiting)
        self._total = sum(waiting.values())
        self._running: dict[int, Job] = {}
        self._failed: dict[int, Failure] = {}
        self._done = 0
        self._worked = 0.0
        self._times: dict[Kind, list[float]] = defaultdict(list)
        self._said: dict[str, Running] = {}

    def learn(self, times: Mapping[Kind, Sequence[float]]) -> None:
        """Take in the seconds that jobs took before, by kind."""
        with self._lock:
            for kind, seconds in times.items():
                self._times[kind] = [*seconds, *self._times[kind]]

    def begin(self, number: int, job: Job) -> bool:
        """Note that a job begins; whether it does so again, after it failed."""
        with self._lock:
            again = self._failed.pop(number, None) is not None
            if not again:
                self._waiting[job.kind] -= 1
            self._running[number] = job
            return again

    def end(self, number: int) -> None:
        """Note that a job is done, and how long such a job takes."""
        with self._lock:
            job = self._running.pop(number, None)
            if job is None:
                return
            self._done += 1
            self._said.pop(job.folder, None)
            if self._cores is not None:  # elsewhere it may have waited in a queue
                for kind in (job.kind, ("", job.rule)):
                    self._times[kind] = [*self._times[kind][1 - _LATEST :], time.time() - job.began]
            one = self._pace().seconds(*job.kind)
            self._worked += (one or 0.0) * self._threads.get(job.kind, 1)

    def fail(self, number: int, failure: Failure) -> None:
        """Note that a job failed."""
        with self._lock:
            self._running.pop(number, None)
            self._failed[number] = failure

    def drop(self, number: int) -> None:
        """Forget a job that was stopped."""
        with self._lock:
            self._running.pop(number, None)

    @property
    def share_ended(self) -> float:
        """Share of the jobs that are done or have failed."""
        return (self._done + len(self._failed)) / max(1, self._total)

    def job(self, number: int) -> Job | None:
        """A job that runs."""
        return self._running.get(number)

    def _pace(self) -> Pace:
        return Pace({**self._times}, self._conditions.budget)

    def view(self) -> View:
        """Where the run stands now; reads the logs of fits that are under way."""
        with self._lock:
            jobs = sorted(self._running.values(), key=lambda job: job.began)
            waiting, worked = dict(+self._waiting), self._worked
            failures, done, pace = tuple(self._failed.values()), self._done, self._pace()
        spent = time.time() - self._began
        running = self._told(jobs)
        cores: float | None = self._cores
        foreseen = outlook(waiting, running, pace, self._threads, cores or 1.0)
        if cores is None:
            left = foreseen.seconds
            known = left is not None and worked > _ENOUGH * (worked + left)
            foreseen = outlook(
                waiting, running, pace, self._threads, worked / spent if known else None
            )
        return View(
            self._conditions.name,
            self._total,
            done,
            spent,
            tuple(running),
            failures,
            foreseen,
            cores is None,
        )

    def _told(self, jobs: Sequence[Job]) -> list[tuple[Job, Running]]:
        """Jobs with what their logs say, those of fits that were not looked at longest anew."""
        fits = [job.folder for job in jobs if job.rule == "fit"]
        for folder in sorted(fits, key=lambda folder: folder in self._said)[:_LOOKED_AT]:
            said = fit_under_way(self.root, folder)
            self._said.pop(folder, None)
            if said is not None:
                self._said[folder] = said
        told = []
        for job in jobs:
            alone = Running(job.rule, job.folder, time.time() - job.began)
            told.append((job, self._said.get(job.folder, alone) if job.rule == "fit" else alone))
        return told


# ---- words


def span(seconds: float) -> str:
    """A length of time, rounded to what matters.

    >>> [span(8.4), span(95), span(3 * 3600 + 1199), span(100 * 3600)]
    ['8 s', '2 min', '3 h 20 min', '4 d 4 h']
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min"
    return f"{hours // 24} d {hours % 24} h"


def _clock(seconds: float) -> str:
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"


def counts(view: View) -> str:
    """Jobs done, running and failed."""
    told = [f"{view.done} of {view.total} jobs done"]
    if view.running:
        told.append(f"{len(view.running)} {'submitted' if view.is_elsewhere else 'running'}")
    if view.failures:
        told.append(f"{len(view.failures)} failed")
    return ", ".join(told)


def end_of(view: View, now: float) -> str:
    """When the run may end, as a phrase; ``now`` in seconds since the epoch."""
    foreseen = view.outlook
    if foreseen.unknown:
        what = "job" if foreseen.unknown == 1 else "jobs"
        return f"end unknown: no record tells how long {foreseen.unknown} {what} will take"
    if foreseen.seconds is None:
        return "end unknown yet"
    far = foreseen.seconds > 20 * 3600
    at = time.strftime("%a %H:%M" if far else "%H:%M", time.localtime(now + foreseen.seconds))
    guess = ", a guess" if foreseen.is_guess else ""
    return f"ends about {at}, in {span(foreseen.seconds)}{guess}"


def sentence(view: View, now: float) -> str:
    """Where a run stands, in one line of a log."""
    shares = [f"{told.share:.0%}" for _, told in view.running if told.share is not None]
    fits = f"; fits at {', '.join(shares[:_ROWS])}" if shares else ""
    return f"{counts(view)}; {end_of(view, now)}{fits}"


def lines(view: View, now: float, *, width: int, height: int) -> list[str]:
    """Where a run stands, in lines of at most ``width`` columns, at most ``height`` of them."""
    failures = view.told_failures[-_FAILURES:]
    room = max(0, min(_ROWS, height - 2 - len(failures)))
    # what ends last decides the end; the others in the order they began
    ranked = sorted(view.running, key=lambda each: (each[0].rule != "fit", -(each[1].left or 0)))
    shown = ranked if len(ranked) <= room else ranked[: max(0, room - 1)]
    told = [_bar(view, now, width), f"{counts(view)}, for {span(view.seconds)}"]
    told += [_row(*each, width) for each in shown]
    if len(shown) < len(ranked):
        told.append(f"  and {len(ranked) - len(shown)} more")
    told += [f"failed: {each.job.rule} {each.job.name}: {each.reason}" for each in failures]
    return [_cut(" ".join(line.splitlines()).rstrip(), width) for line in told[:height]]


def _bar(view: View, now: float, width: int) -> str:
    end = end_of(view, now)
    room = max(0, min(40, width - len(view.conditions) - len(end) - 3))
    done = room * view.done // max(1, view.total)
    return f"{view.conditions} {'━' * done}{'─' * (room - done)}  {end}"


def _row(job: Job, told: Running, width: int) -> str:
    share = "" if told.share is None else f"{told.share:.0%}"
    time_told = f"for {_clock(told.seconds)}" if told.left is None else f"{_clock(told.left)} left"
    head = f"  {job.rule:<8}{share:>5}  {time_told:<12} "
    tail = "".join(f"  {word}" for word in told.said.split() if "psnr" in word)
    if told.silent > _SILENT_SECONDS:
        tail = f"  silent for {span(told.silent)}"
    return head + _shorten(job.name, max(12, width - len(head) - len(tail))) + tail


def _shorten(name: str, width: int) -> str:
    """A name without its middle, if it is too long."""
    if len(name) <= width:
        return name
    front = (width - 1) // 2
    return f"{name[:front]}…{name[len(name) - (width - 1 - front) :]}"


def _cut(line: str, width: int) -> str:
    return line if len(line) <= width else line[: width - 1] + "…"


def kinds_of(jobs: Iterable[Any]) -> Counter[Kind]:
    """Snakemake's jobs by codec and rule; those that only name others are none."""
    return Counter(
        (dict(job.wildcards_dict).get("codec", ""), job.rule.name)
        for job in jobs
        if job.rule.shellcmd is not None
    )
