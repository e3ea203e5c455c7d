"""What a run would do, and how long it would take, from the times of earlier records."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from invrbench.results import paths
from invrbench.results.plan import Plan
from invrbench.results.records import peek_key, read_usable_record, usable_cores
from invrbench.results.redecode import wanted

Peek = Callable[[Path], str | None]
Kind = tuple[str, str]  # a codec and its verb
DRIFT = "drift"
_GUESS_SECONDS = {"encode": 1.5, "decode": 0.7, "measure": 1.5, "report": 5.0}
_OTHER_SECONDS = 1.0
# most seconds of a fit on two cores, by budget; nobody guesses what a paper's own training takes
_FIT_SECONDS = {"seconds": 5.0, "quick": 20.0, "minute": 90.0}

_TIMED = ("fit", "encode", "decode")  # verbs whose records say how long they took
_ENOUGH = 25  # records of a codec's verb that its median is taken of


@dataclass(frozen=True)
class Step:
    """One job: which codec's, which verb, whether it is already done, and its threads."""

    codec: str
    verb: str
    folder: str
    done: bool
    threads: int


def steps(plan: Plan, peek: Peek = peek_key) -> Iterable[Step]:
    """Every job of a plan, done or not; ``peek`` gives the key of a record's file."""
    root = plan.root

    def done(path: str, key: str) -> bool:
        return peek(root / path) == key

    for folder, fit in plan.fits.items():
        threads = fit.manifest.resources_of("fit").threads
        yield Step(fit.manifest.codec, "fit", folder, done(f"{folder}/fit.json", fit.key), threads)
    for point in plan.runnable:
        folder, codec = point.address.folder.as_posix(), point.manifest.codec
        for verb, key in (("encode", point.encode_key), ("decode", point.decode_key)):
            threads = point.manifest.resources_of(verb).threads  # type: ignore[arg-type]
            yield Step(codec, verb, folder, done(f"{folder}/{verb}.json", key), threads)
        if point.family_keys:
            is_measured = all(peek(root / path) == key for path, key in point.measurements.items())
            yield Step(codec, "measure", folder, is_measured, 1)
    for record, asked in wanted(plan).items():
        manifest, folder = asked.point.manifest, asked.point.address.folder.as_posix()
        threads = asked.setting.threads_of(manifest, usable_cores())
        yield Step(manifest.codec, DRIFT, folder, done(record.as_posix(), asked.key), threads)


def past_seconds(plan: Plan, peek: Peek = peek_key) -> dict[Kind, list[float]]:
    """Seconds that a codec's verbs took, of up to 25 records each; codec "" has those of all."""
    times: dict[Kind, list[float]] = defaultdict(list)
    seen: set[Path] = set()
    for point in plan.runnable:
        for path, key in point.records.items():
            kind = (point.manifest.codec, path.stem)
            if path.stem not in _TIMED or path in seen or len(times[kind]) >= _ENOUGH:
                continue
            seen.add(path)
            record = read_usable_record(plan.root / path) if peek(plan.root / path) == key else None
            if record and "wall_seconds" in record:
                times[kind].append(record["wall_seconds"])
                times["", path.stem].append(record["wall_seconds"])
    return {kind: values for kind, values in times.items() if values}


@dataclass(frozen=True)
class Pace:
    """How long jobs take: the median of what is known of a codec's verb, else a guess.

    ``known`` holds seconds by codec and verb, under codec "" those of all codecs.
    """

    known: Mapping[Kind, Sequence[float]]
    budget: str

    def _of(self, kind: Kind) -> Sequence[float]:
        codec, verb = kind[0], "decode" if kind[1] == DRIFT else kind[1]
        return self.known.get((codec, verb)) or self.known.get(("", verb)) or ()

    def is_known(self, kind: Kind) -> bool:
        """Whether a job's length is taken of others, or is the harness's own and short."""
        return bool(self._of(kind)) or kind[1] not in (*_TIMED, "measure", DRIFT)

    def seconds(self, codec: str, verb: str) -> float | None:
        """Of one job; None for a fit that nobody can guess."""
        if known := self._of((codec, verb)):
            return median(known)
        verb = "decode" if verb == DRIFT else verb
        if verb == "fit":
            return _FIT_SECONDS.get(self.budget)
        return _GUESS_SECONDS.get(verb, _OTHER_SECONDS)


@dataclass(frozen=True)
class Forecast:
    """Seconds of work left on this machine, jobs it says nothing of, and whether it is a guess."""

    seconds: float
    unknown: int
    is_guess: bool


def forecast(plan: Plan, every: Iterable[Step], peek: Peek = peek_key) -> Forecast:
    """How long the jobs that are not done will take, packed on the usable cores."""
    pace = Pace(past_seconds(plan, peek), plan.conditions.budget)
    total, unknown = 0.0, 0
    for step in every:
        if step.done:
            continue
        one = pace.seconds(step.codec, step.verb)
        if one is None:
            unknown += 1
        else:
            total += one * step.threads
    return Forecast(total / usable_cores(), unknown, not pace.known)


def describe(plan: Plan) -> str:
    """A table of jobs per codec: to do, done already, and an estimate of the time to do them."""
    every = list(steps(plan))
    verbs = ("fit", "encode", "decode", "measure", *([DRIFT] if plan.conditions.drift else []))
    lines = [f"{'codec':<20}" + "".join(f"{verb:>10}" for verb in verbs) + "   (to do/all)"]
    mine: dict[tuple[str, str], list[Step]] = defaultdict(list)
    for step in every:
        mine[step.codec, step.verb].append(step)
    for codec in dict.fromkeys(point.manifest.codec for point in plan.points):
        cells = []
        for verb in verbs:
            jobs = mine[codec, verb]
            undone = sum(not step.done for step in jobs)
            cells.append(f"{undone}/{len(jobs)}" if jobs else "–")
        lines.append(f"{codec:<20}" + "".join(f"{cell:>10}" for cell in cells))
    waiting = sum(not step.done for step in every)
    skipped = sum(point.skipped is not None for point in plan.points)
    away = sum(point.missing is not None for point in plan.points)
    lines.append(
        f"{waiting} of {len(every)} jobs to do; {len(plan.points)} points"
        + (f", {skipped} skipped" if skipped else "")
        + (f", {away} without their source" if away else "")
    )
    foreseen = forecast(plan, every)
    if waiting:
        guess = " (no earlier records: a guess)" if foreseen.is_guess else ""
        lines.append(f"about {foreseen.seconds / 60:.1f} min on this machine{guess}")
    if foreseen.unknown:
        lines.append(
            f"not counted: {foreseen.unknown} fits of budget {plan.conditions.budget}, hours to "
            "days each; no record here tells how long"
        )
    report = plan.root / plan.report_folder / "run.json"
    state = "present" if report.is_file() else "to be written"
    lines.append(f"report: {plan.report_folder.as_posix()}/ ({state}); results: {paths.RESULTS}/")
    return "\n".join(lines) + "\n"
