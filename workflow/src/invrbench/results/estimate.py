"""What a run would do, and how long it would take, from the times of earlier records."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from invrbench.results import paths
from invrbench.results.plan import Plan
from invrbench.results.records import peek_key, read_usable_record, usable_cores
from invrbench.results.redecode import wanted

Peek = Callable[[Path], str | None]
DRIFT = "drift"
_GUESS_SECONDS = {"encode": 1.5, "decode": 0.7, "measure": 1.5}
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


def _seconds_by_kind(plan: Plan, known: Iterable[Step]) -> dict[tuple[str, str], float]:
    """Median seconds of a codec's verb over its records of this machine's earlier runs."""
    times: dict[tuple[str, str], list[float]] = defaultdict(list)
    for step in known:
        if step.done and step.verb in _TIMED and len(times[step.codec, step.verb]) < _ENOUGH:
            record = read_usable_record(plan.root / step.folder / f"{step.verb}.json")
            if record and "wall_seconds" in record:
                times[step.codec, step.verb].append(record["wall_seconds"])
                times["", step.verb].append(record["wall_seconds"])
    return {kind: median(values) for kind, values in times.items() if values}


@dataclass(frozen=True)
class Forecast:
    """Seconds of work left on this machine, jobs it says nothing of, and whether it is a guess."""

    seconds: float
    unknown: int
    is_guess: bool


def forecast(plan: Plan, every: Iterable[Step]) -> Forecast:
    """How long the jobs that are not done will take, packed on the usable cores."""
    held = list(every)
    known = _seconds_by_kind(plan, held)
    guesses = _GUESS_SECONDS | {"fit": _FIT_SECONDS.get(plan.conditions.budget)}
    total, unknown = 0.0, 0
    for step in held:
        if step.done:
            continue
        verb = "decode" if step.verb == DRIFT else step.verb
        one = known.get((step.codec, verb), known.get(("", verb), guesses[verb]))
        if one is None:
            unknown += 1
        else:
            total += one * step.threads
    return Forecast(total / usable_cores(), unknown, not known)


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
