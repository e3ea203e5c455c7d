"""What the Snakefile asks: targets, inputs, keys and resources. The only door between the two."""

import gc
import logging
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, MappingProxyType
from typing import Any, TypeVar

from invrbench.codec.environment import interpreter_of
from invrbench.codec.manifest import Verb
from invrbench.codec.process import die_with_parent
from invrbench.codec.stopping import ENTERED_VARIABLE, STOP_SIGNALS, end_children
from invrbench.digest import digest_value, md5_file, write_json
from invrbench.errors import ConditionsError, InvrError
from invrbench.metrics.trunk import find_trunk
from invrbench.results import drift, frames, paths
from invrbench.results.announcing import Watch, watch
from invrbench.results.grants import visible_devices
from invrbench.results.handover import hand_over, take_over
from invrbench.results.hold import hold_tree
from invrbench.results.labels import refuse_other_report
from invrbench.results.leftovers import clear_after, clear_before
from invrbench.results.measuring import TABLE, lacks_weights
from invrbench.results.plan import Fit, Plan, Point
from invrbench.results.planning import load_plan
from invrbench.results.progress import slowest
from invrbench.results.records import (
    mark_stale,
    now,
    peek_key,
    read_usable_record,
    usable_cores,
)
from invrbench.results.redecode import Wanted, wanted
from invrbench.results.times import RECORD as TIMES
from invrbench.results.times import REPEATS, timing_key

Task = TypeVar("Task", Fit, Point)
PROFILE = Path("workflow/profiles/local")
WEIGHTS_RECORD = paths.RESULTS / ".weights" / "lpips.json"
SOCKET_VARIABLE = "INVRBENCH_PERCEPTUAL_SOCKET"
CONFIG_KEYS = ("ctc", "only", "label", "seeds")
_PATIENCE_SECONDS = 10.0  # for jobs that are told to stop
# What a job takes beside its codec: the harness, Snakemake on a node; starting and reading sources.
_HARNESS_MB, _HARNESS_MIN = 1000, 15
_MEASURE_MB, _MEASURE_MIN = 4000, 60  # minutes of each family
_LOOK_ONLY = {
    "-n", "--dry-run", "--dryrun", "--dag", "--rulegraph", "--filegraph", "--summary", "-S",
    "-D", "--detailed-summary", "--list-rules", "-l", "--list-target-rules", "--lint", "--report",
}  # fmt: skip


def is_worker(argv: list[str]) -> bool:
    """Whether this Snakemake process runs one job for another one (cluster, subprocess)."""
    return "--mode" in argv or any(word.startswith("--mode=") for word in argv)


def enter(root: Path) -> None:
    """Give the main Snakemake process its profile, then hold the results tree for it.

    Snakemake finds no profile under workflow/, and the user's command carries no flags: the
    process is replaced once by itself with ``--workflow-profile`` (unless one was given).

    Raises:
        BusyError: another run holds the tree; says who.
    """
    argv = sys.argv[1:]
    _find_own_program()
    # a DAG of thousands of jobs is millions of objects, none of which is garbage for a long while
    gc.set_threshold(200_000, 50, 100)
    if is_worker(argv):
        os.environ.setdefault(ENTERED_VARIABLE, "elsewhere")  # on a node that was told nothing
        return
    if os.environ.get(ENTERED_VARIABLE) != str(os.getpid()):
        os.environ[ENTERED_VARIABLE] = str(os.getpid())  # exec keeps the process id
        # Or each of thousands of jobs compiles the harness, which takes as long as all else it does
        # to start; what is kept lies in __pycache__/, beside the source
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        if not any(word.startswith("--workflow-profile") for word in argv):
            profile = ["--workflow-profile", str(root / PROFILE)]
            sys.stdout.flush()
            os.execv(sys.executable, [sys.executable, "-m", "snakemake", *profile, *argv])
    if _is_touching(argv):
        _touch_at_once()
    logging.raiseExceptions = False  # Snakemake's log on a full disk must not bury its sentence
    if not _LOOK_ONLY & set(argv):
        hold_tree(root)


def _find_own_program() -> None:
    """Have jobs find ``invrbench``, also where Snakemake was called by its path."""
    own, folders = str(Path(sys.executable).parent), os.environ.get("PATH", "").split(os.pathsep)
    if own not in folders:
        os.environ["PATH"] = os.pathsep.join([own, *filter(None, folders)])


def _is_touching(argv: list[str]) -> bool:
    return "--touch" in argv or "-t" in argv


def _touch_at_once() -> None:
    """Let ``--touch`` go without the tenth of a second that Snakemake waits before each job.

    It tells files apart by their order, which file systems of today keep in nanoseconds; equal
    times do not run a job again.
    """
    from snakemake.executors.touch import Executor

    Executor.SLEEPING_TIME = 0.0


def _given(resources: Mapping[str, Any], name: str, default: int) -> int:
    """A resource that profile or command set for the whole run, else ``default``."""
    return int(resources[name].value) if name in resources else default


def _known(table: Mapping[str, Task], folder: str, ctc: str) -> Task:
    if folder not in table:
        raise ConditionsError(
            f"{folder} is not part of the conditions {ctc!r} (or of this selection)."
        )
    return table[folder]


@dataclass(frozen=True)
class Settings:
    """The run's part of ``--config``."""

    ctc: str = "mini"
    only: str = ""
    label: str = ""
    seeds: int | None = None

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> "Settings":
        """Checked values of ``--config``.

        Raises:
            ConditionsError: an unknown key, or a value Snakemake turned into another type.
        """
        unknown = sorted(set(config) - set(CONFIG_KEYS))
        if unknown:
            raise ConditionsError(
                f"--config {unknown[0]}=… is unknown; keys are {', '.join(CONFIG_KEYS)}."
            )
        for key in ("ctc", "only", "label"):
            if key in config and not isinstance(config[key], str):
                raise ConditionsError(
                    f"--config {key}={config[key]!r} was read as a "
                    f"{type(config[key]).__name__}; it must start with a letter."
                )
        seeds = config.get("seeds")
        if seeds is not None and (
            not isinstance(seeds, int) or isinstance(seeds, bool) or seeds < 1
        ):
            raise ConditionsError(f"--config seeds={seeds!r}: expected a whole number from 1.")
        return cls(
            ctc=config.get("ctc", "mini"),
            only=config.get("only", ""),
            label=config.get("label", ""),
            seeds=seeds,
        )

    def arguments(self) -> list[str]:
        """The same settings as words of an ``invrbench`` command."""
        words = ["--ctc", self.ctc]
        for name in ("only", "label"):
            if getattr(self, name):
                words += [f"--{name}", getattr(self, name)]
        return words + (["--seeds", str(self.seeds)] if self.seeds is not None else [])


class Dag:
    """The plan as rules see it: everything is looked up by path, nothing parsed back."""

    def __init__(
        self, plan: Plan, settings: Settings, given: Mapping[str, Any] = MappingProxyType({})
    ) -> None:
        self.plan = plan
        self.settings = settings
        self.slots = _given(given, "slots", usable_cores())
        self.gpus = _given(given, "gpu", len(visible_devices()))
        self._began = 0.0
        self._is_stopped = False
        self._drifts = wanted(plan)
        self._watch: Watch | None = None

    @classmethod
    def open(cls, root: Path, config: Mapping[str, Any], given: Mapping[str, Any]) -> "Dag":
        """The DAG of a run; records that are not current are dated so that Snakemake sees it.

        Args:
            root: the repository.
            config: the run's ``--config``.
            given: Snakemake's resources of the whole run, as far as profile or command set them.

        Raises:
            InvrError: the conditions, a codec or the selection cannot be used.
        """
        settings = Settings.from_config(config)
        handed = take_over(root, settings.ctc) if is_worker(sys.argv[1:]) else None
        plan = handed or load_plan(
            root, settings.ctc, only=settings.only, label=settings.label, seeds=settings.seeds
        )
        dag = cls(plan, settings, given)
        if not is_worker(sys.argv[1:]):
            refuse_other_report(plan)
            dag.date_stale_records()
        return dag

    # ---- targets

    @property
    def report(self) -> str:
        """The report's only declared output, written last."""
        return (self.plan.report_folder / "run.json").as_posix()

    @property
    def measured(self) -> list[str]:
        """The table of every point that can be run; it is written when all its families are."""
        return [f"{p.address.folder}/{TABLE}" for p in self.plan.runnable if p.family_keys]

    @property
    def timed(self) -> list[str]:
        """The record of times of every point that can be run."""
        return [f"{p.address.folder}/{TIMES}" for p in self.plan.runnable]

    @property
    def drifted(self) -> list[str]:
        """Records of the second decodes that the conditions ask for."""
        return [path.as_posix() for path in self._drifts]

    @property
    def report_key(self) -> str:
        """Digest of what the report shows beside the measured records."""
        rows = [
            (point.address.folder.as_posix(), point.skipped, point.missing)
            for point in self.plan.points
        ]
        told = [
            (m.codec, m.name, m.role, m.document, m.paper, dict(m.curves))
            for m in self.plan.manifests.values()
        ]
        published = [md5_file(m.folder / "points.tsv") for m in self.plan.published]
        received = (self.plan.root / self.plan.report_folder / paths.CROSSCHECKS).glob("*.json")
        checked = sorted(md5_file(path) for path in received)
        checked += [md5_file(self.plan.root / path) for path in self._drifts_by_hand()]
        times = (self.plan.root / path for path in self.timed)
        checked += [md5_file(path) for path in times if path.is_file()]
        conditions, settings = self.plan.conditions.digest(), self.settings.arguments()
        return digest_value([conditions, rows, told, published, settings, *checked])

    def _drifts_by_hand(self) -> list[Path]:
        """Records of second decodes that no job of this run makes."""
        return [
            path
            for point in self.plan.runnable
            for path in drift.record_paths(self.plan.root, point)
            if path not in self._drifts
        ]

    # ---- look-ups by wildcards

    def point(self, wildcards: Any) -> Point:
        """The point whose folder the wildcards spell."""
        w = wildcards
        folder = f"results/{w.sequence}/{w.codec}/{w.configuration}/{w.rate_point}/s{w.seed}"
        return _known(self.plan.point_by_folder, folder, self.settings.ctc)

    def fit(self, wildcards: Any) -> Fit:
        """The fit whose folder the wildcards spell."""
        w = wildcards
        folder = f"results/{w.sequence}/{w.codec}/{w.configuration}/fits/{w.fit}/s{w.seed}"
        return _known(self.plan.fits, folder, self.settings.ctc)

    def source_files(self, wildcards: Any) -> list[str]:
        """The files behind a sequence, so that newer ones are noticed."""
        return [str(path) for path in self.plan.sources[wildcards.sequence].files]

    def source_key(self, wildcards: Any) -> str:
        """Digest of how the sequence's raw file is made."""
        return digest_value(self.plan.sources[wildcards.sequence].identity())

    def encode_inputs(self, wildcards: Any) -> dict[str, str]:
        """Records encode waits for: the source, and the fit's if there is one."""
        point = self.point(wildcards)
        inputs = {"source": paths.source_record(wildcards.sequence).as_posix()}
        if point.fit is not None:
            inputs["fit"] = f"{point.fit.address.folder}/fit.json"
        return inputs

    def measure_inputs(self, wildcards: Any) -> list[str]:
        """Records of the decodes that a measurement compares: the point's, and another's render."""
        point = self.point(wildcards)
        folders = [point.address.folder]
        if point.uncompressed is not None:
            folders.append(point.uncompressed.address.folder)
        return [f"{folder}/decode.json" for folder in dict.fromkeys(folders)]

    def drift(self, wildcards: Any) -> Wanted:
        """The second decode whose record the wildcards spell."""
        path = self.point(wildcards).address.folder / drift.FOLDER / f"{wildcards.setting}.json"
        if path not in self._drifts:
            raise ConditionsError(
                f"{path} is not part of the conditions {self.settings.ctc!r}, or its setting does "
                "not apply; see `invrbench drift`."
            )
        return self._drifts[path]

    def drift_inputs(self, wildcards: Any) -> list[str]:
        """What a second decode waits for: the record of the first one, and its PSNR."""
        folder = self.point(wildcards).address.folder
        return [f"{folder}/{name}" for name in ("decode.json", TABLE)]

    def drift_threads(self, wildcards: Any) -> int:
        """Threads of a second decode."""
        asked = self.drift(wildcards)
        return asked.setting.threads_of(asked.point.manifest, self.slots)

    def drift_resource(self, name: str, wildcards: Any) -> int:
        """A resource of a second decode: gpu, mem_mb, or slots."""
        if name == "slots":
            return min(self.drift_threads(wildcards), self.slots)
        if name == "gpu" and self.drift(wildcards).setting.device == "cpu":
            return 0
        return self.resource("decode", name, wildcards)

    def decodes_again(self, wildcards: Any) -> bool:
        """Whether a measurement will not find the frames of a decode that is current."""
        point, root = self.point(wildcards), self.plan.root
        record = root / point.address.folder / "decode.json"
        is_current = peek_key(record) == point.decode_key
        return is_current and not frames.are_held(root, point.address, point.formats)

    def measure_resource(self, name: str, wildcards: Any, attempt: int = 1) -> int:
        """A resource of a measurement: gpu, mem_mb or runtime; those of a decode where needed."""
        minutes = _MEASURE_MIN * len(self.point(wildcards).family_keys)
        own = {"gpu": 0, "mem_mb": _MEASURE_MB * attempt, "runtime": minutes}[name]
        if not self.decodes_again(wildcards):
            return own
        return own + self.resource("decode", name, wildcards, attempt)

    def weights(self, wildcards: Any) -> list[str]:
        """The record of LPIPS weights, for points that need them."""
        needs = "perceptual" in self.point(wildcards).family_keys
        return [WEIGHTS_RECORD.as_posix()] if needs else []

    def timing_key(self, wildcards: Any) -> str:
        """Digest of what a point's times depend on."""
        return timing_key(self.point(wildcards))

    # ---- resources

    def threads(self, verb: Verb, wildcards: Any) -> int:
        """Threads the manifest gives a verb."""
        task = self.fit(wildcards) if verb == "fit" else self.point(wildcards)
        return int(task.manifest.resources_of(verb).threads)

    def resource(self, verb: Verb, name: str, wildcards: Any, attempt: int = 1) -> int:
        """A resource of a verb, the harness's own part included.

        Args:
            verb: fit, encode or decode.
            name: "slots" = min(threads, cores); "gpu", of those that are here; "mem_mb", more at
                each attempt; "runtime" in minutes.
            wildcards: of the job.
            attempt: 1 for the first.
        """
        task = self.fit(wildcards) if verb == "fit" else self.point(wildcards)
        stated = task.manifest.resources_of(verb)
        if name == "slots":
            return min(stated.threads, self.slots)
        if name == "gpu":
            return min(stated.gpu, self.gpus)
        if name == "mem_mb":
            return stated.mem_mb * attempt + _HARNESS_MB
        return math.ceil(stated.runtime_min) + _HARNESS_MIN

    def time_min(self, wildcards: Any) -> int:
        """Minutes that taking a point's times may last."""
        verbs: tuple[Verb, ...] = ("decode", "encode")
        return REPEATS * sum(self.resource(verb, "runtime", wildcards) for verb in verbs)

    # ---- records against the plan

    def date_stale_records(self) -> None:
        """Date records that are not as expected, or follow one that is not.

        Snakemake then runs their jobs; by itself it would not miss a file between two others.
        """
        has_weights = find_trunk() is not None
        for point in self.plan.runnable:
            folder, is_sound = self.plan.root / point.address.folder, True
            for path, key in point.steps.items():
                held = peek_key(self.plan.root / path)
                is_sound &= held == key
                if held is not None and not is_sound:
                    mark_stale(self.plan.root / path)
            if not (is_sound and self._is_measured(point, has_weights=has_weights)):
                mark_stale(folder / TABLE)
            self._date_stale_drifts(point, is_sound=is_sound)
            held = peek_key(folder / TIMES)
            if held is not None and not (is_sound and held == timing_key(point)):
                mark_stale(folder / TIMES)

    def _is_measured(self, point: Point, *, has_weights: bool) -> bool:
        """Whether the records of all families have their keys, and LPIPS waits for no weights."""
        for path, key in point.measurements.items():
            full = self.plan.root / path
            if peek_key(full) != key:
                return False
            is_weighted = has_weights and path.name == "perceptual.json"
            if is_weighted and lacks_weights(read_usable_record(full)):
                return False
        return True

    def _date_stale_drifts(self, point: Point, *, is_sound: bool) -> None:
        for path in drift.record_paths(self.plan.root, point):
            asked = self._drifts.get(path)
            if asked and not (is_sound and peek_key(self.plan.root / path) == asked.key):
                mark_stale(self.plan.root / path)

    # ---- before, after

    def start(self, *, elsewhere: bool, jobs: Iterable[Any]) -> None:
        """Check the tools this run needs, start the process that holds torch and LPIPS; show jobs.

        Args:
            jobs: Snakemake's, those that will run.
            elsewhere: whether jobs run on other machines. Those measure LPIPS by themselves, and
                find the environments of codecs ready, in a cache folder that all machines share.

        Raises:
            InvrError: something the chosen conditions need is not here; says what to do.
        """
        from invrbench.results.doctor import require

        if _is_touching(sys.argv[1:]):
            return  # no job is run that needs any of it
        self._began = time.time()
        require(self.plan)
        clear_before(self.plan)
        hand_over(self.plan)
        for number in STOP_SIGNALS:
            signal.signal(number, self._stop)
        if elsewhere:
            for manifest in {point.manifest for point in self.plan.runnable}:
                interpreter_of(manifest)
        elif any("perceptual" in point.family_keys for point in self.plan.runnable):
            self._start_perceptual_server()
        self._watch = watch(self.plan, jobs, cores=None if elsewhere else self.slots)

    def _start_perceptual_server(self) -> None:
        from invrbench.metrics.server import socket_path

        address = str(socket_path(self.plan.root))
        os.environ[SOCKET_VARIABLE] = address
        subprocess.Popen(
            [sys.executable, "-m", "invrbench.cli", "serve-perceptual", address],
            stdin=subprocess.DEVNULL,
            env={**os.environ, "OMP_WAIT_POLICY": "PASSIVE"},
            preexec_fn=_prepare_server,
        )

    def _stop(self, number: int, frame: FrameType | None) -> None:
        """End the jobs, whether the signal reached them or this process alone, then Snakemake."""
        del number, frame
        self._is_stopped = True
        if self._watch is not None:
            self._watch.expect_the_end()
        end_children(_PATIENCE_SECONDS)
        raise KeyboardInterrupt

    def finish(self, *, complete: bool) -> None:
        """Print the summary; after a failure write the partial report first."""
        if self._watch is not None:
            self._watch.stop()
        for number in STOP_SIGNALS:
            signal.signal(number, signal.default_int_handler)
        clear_after(self.plan)
        if self._is_stopped:
            settings = " ".join(self.settings.arguments())
            sys.stderr.write(
                "invrbench: stopped. The same command goes on from here; `invrbench report "
                f"{settings} --partial` writes tables of what there is.\n"
            )
            return
        command = [sys.executable, "-m", "invrbench.cli"]
        if not complete:
            words = [*command, "report", *self.settings.arguments(), "--partial"]
            subprocess.run(words, check=False)
        summary = self.plan.root / self.plan.report_folder / "summary.txt"
        if summary.is_file():
            sys.stdout.write("\n" + summary.read_text(encoding="utf-8"))
        jobs = slowest(self.plan, self._began) if self._began else []
        if jobs:
            sys.stdout.write("\n".join(["", "The slowest jobs of this run:", *jobs, ""]))
        sys.stdout.flush()


def _prepare_server() -> None:
    die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # until it listens


def open_dag(root: Path, config: Mapping[str, Any], given: Mapping[str, Any]) -> Dag:
    """Enter the run and open its DAG; an error ends Snakemake with a sentence, no traceback."""
    try:
        enter(root)
        return Dag.open(root, config, given)
    except InvrError as error:
        sys.stderr.write(f"invrbench: {error}\n")
        sys.exit(1)


def write_weights_record(root: Path, reason: str | None) -> None:
    """Say whether LPIPS weights are here; measuring waits for this file, never for its content."""
    write_json(root / WEIGHTS_RECORD, {"present": reason is None, "reason": reason, "end": now()})
