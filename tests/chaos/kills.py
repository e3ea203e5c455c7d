"""Kill real runs at random moments until they are done, and compare what they leave.

``python tests/chaos/kills.py --kills 200 --seed 1`` is the long tier; the tests run a handful of
kills. A siege is a bench of its own that is run once undisturbed and then again and again from
nothing: each time, now the whole run, now one of its verbs, now one codec process is killed, and
the run is started again, until its report is complete. After every kill

* nothing that the killed process had started lives on,
* every record that is there is whole, and describes the artefact beside it,
* a fit that had a checkpoint goes on from it.

At the end of each run the tables equal those of the undisturbed one, and nothing temporary is
left. The sequence of kills follows from the seed; the moments they hit depend on the machine.
"""

import argparse
import csv
import itertools
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import psutil

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow"))

from clone import REPOSITORY, Bench
from invrbench.digest import digest_tree, md5_file
from invrbench.errors import RecordError
from invrbench.results.fitting import FINISHED
from invrbench.results.points import VOLATILE
from invrbench.results.records import read_record

VERBS = ("source", "fit", "encode", "decode", "measure-point", "report")
CODEC_VERBS = ("fit", "encode", "decode")
# seconds after a verb was seen within which it is struck
REACH = {
    "source": 1.0, "fit": 8.0, "encode": 2.0, "decode": 2.0, "measure-point": 2.0, "report": 6.0,
}  # fmt: skip
KINDS = {"run": 0.5, "verb": 0.25, "codec": 0.25}  # what is killed, and how often
KILLS_PER_RUN = 25
PATIENCE_SECONDS = 30.0  # for what a killed process had started, on a busy machine, to end
_STUCK_SECONDS = 600.0
_BAD_WORDS = (
    "Traceback", "is not JSON", "unusable", "IncompleteFiles", "LockException", "was changed after",
    "is not the file its record describes", "not repeatable",
)  # fmt: skip
_HEAD = """
schema: 1
name: siege
title: "Conditions of a test"
budget: seconds
families: [picture]
headline: {anchor: hevc, metrics: [psnr_y_db]}
anchors: [hevc]
bd_metrics: [psnr_y_db]
"""
SHORT = f"""{_HEAD}
grids:
  hevc: {{qp: [32, 42]}}
  coin: {{fit: [l5w30], qp: [-48, -42]}}
tests:
  - sequences: [bikes-tiny]
    configurations: [ai]
    codecs: [hevc, flat, coin]
"""
LONG = f"""{_HEAD}
grids:
  hevc: {{qp: [27, 32, 37, 42]}}
  coin: {{fit: [l5w30], qp: [-48, -46, -44, -42]}}
  hnerv: {{fit: [s], qp: [-46, -38]}}
tests:
  - sequences: [bikes-tiny]
    configurations: [ai]
    codecs: [hevc, flat, coin]
  - sequences: ["bunny-mini@0+8"]
    configurations: [ld]
    codecs: [hevc, store, hnerv]
"""
_MADE = ("[!.]*", ".sources")  # folders below results/ that hold records
TABLES = ("points.tsv", "bd.tsv")
Rows = list[dict[str, str]]


@dataclass
class Tally:
    """What a siege saw; ``faults`` are sentences, none in a sound bench."""

    kills: Counter[tuple[str, str]] = field(default_factory=Counter)
    runs: int = 0
    starts: int = 0
    resumed: int = 0
    begun_again: list[str] = field(default_factory=list)
    lost_steps: list[int] = field(default_factory=list)
    retrained: int = 0
    faults: list[str] = field(default_factory=list)

    def lines(self) -> Iterator[str]:
        """The figures, one a line."""
        yield f"kills: {self.kills.total()} in {self.runs} runs, {self.starts} starts"
        for kind in KINDS:
            hit = {verb: n for (one, verb), n in sorted(self.kills.items()) if one == kind}
            yield f"  of the {kind}: {sum(hit.values())} {hit}"
        lost = f"{min(self.lost_steps)} to {max(self.lost_steps)}" if self.lost_steps else "no"
        yield f"fits resumed from a checkpoint: {self.resumed}; {lost} logged steps made again"
        yield f"fits with a checkpoint that began at step 0: {self.begun_again or 'none'}"
        yield f"finished fits that were trained again: {self.retrained}"
        yield f"faults: {len(self.faults)}"
        yield from (f"  {fault}" for fault in self.faults)


# ---- processes


def words_of(process: psutil.Process) -> list[str]:
    """The command line of a process; none of one that ended."""
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def verb_of(process: psutil.Process) -> str:
    """The verb that a process of this program carries out; empty for any other process."""
    words = words_of(process)
    for name, verb in itertools.pairwise(words):
        if Path(name).name in ("invrbench", "invrbench.cli") and verb in VERBS:
            return verb
    return ""


def descendants(process: psutil.Process) -> list[psutil.Process]:
    """All below a process; none of one that ended."""
    try:
        return process.children(recursive=True)
    except psutil.Error:
        return []


def _is_alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _is_of(process: psutil.Process, root: Path) -> bool:
    """Whether a process works in a bench, or was told of a path in it."""
    with suppress(psutil.Error, OSError):
        if Path(process.cwd()).is_relative_to(root):
            return True
    return any(str(root) in word for word in words_of(process))


def survivors(below: Iterable[psutil.Process], root: Path | None = None) -> list[str]:
    """Command lines of what is alive of these, and of all that works below ``root``, in the end."""
    below, deadline = list(below), time.monotonic() + PATIENCE_SECONDS
    while True:
        others = (p for p in psutil.process_iter() if root is not None and _is_of(p, root))
        alive = [p for p in (*below, *others) if _is_alive(p) and p.pid != os.getpid()]
        if not alive or time.monotonic() > deadline:
            return [" ".join(words_of(process))[:200] for process in alive]
        time.sleep(0.05)


class Run:
    """A Snakemake process of a bench, and everything below it."""

    def __init__(self, bench: Bench, output: Path) -> None:
        words = [sys.executable, "-m", "snakemake", "--cores", "8", "all", "--config", "ctc=siege"]
        with output.open("ab") as stream:
            self._child = subprocess.Popen(
                words,
                cwd=bench.root,
                env=bench.environment,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.process = psutil.Process(self._child.pid)

    @property
    def is_over(self) -> bool:
        """Whether the main process has ended."""
        return self._child.poll() is not None

    @property
    def status(self) -> int:
        """The exit status, once it is over."""
        return self._child.wait()

    def verbs(self) -> list[tuple[str, psutil.Process]]:
        """The verbs that run now."""
        found = ((verb_of(process), process) for process in descendants(self.process))
        return [(verb, process) for verb, process in found if verb]

    def wait(self, seconds: float) -> None:
        """Until it is over; an error if that takes longer."""
        self._child.wait(seconds)

    def kill(self) -> None:
        """SIGKILL for the main process alone."""
        self._child.kill()
        self._child.wait()

    def end(self) -> None:
        """Leave nothing of it."""
        for process in (*descendants(self.process), self.process):
            with suppress(psutil.Error):
                process.kill()
        self._child.wait()


# ---- what lies in a bench


def table(path: Path) -> Rows:
    """Rows of a table without times, memory and places."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    return [{name: cell for name, cell in row.items() if name not in VOLATILE} for row in rows]


def _describes(path: Path, record: dict[str, object], root: Path) -> bool:
    """Whether a record says what the artefact beside it is."""
    if path.name == "fit.json":
        return digest_tree(path.parent / "model") == record["outputs"]
    if path.name == "encode.json":
        bitstream = path.parent / "bitstream.bin"
        return bitstream.is_file() and md5_file(bitstream) == record["bitstream_md5"]
    if record.get("kind") == "source":
        raw = root / str(record["path"])
        return raw.is_file() and md5_file(raw) == record["md5"]
    return True


def broken_records(root: Path) -> Iterator[str]:
    """Records that are not whole, or that describe another artefact than the one beside them."""
    made = (path for top in _MADE for path in (root / "results").glob(f"{top}/**/*.json"))
    for path in sorted(path for path in made if "model" not in path.parts):
        if path.parent.name.endswith("previews") or path.name.endswith(".failed.json"):
            json.loads(path.read_text(encoding="utf-8"))
            continue
        try:
            record = read_record(path)
        except RecordError as error:
            yield str(error)
            continue
        if record is None or not _describes(path, record, root):
            yield f"{path.relative_to(root)} does not describe what lies beside it"


def leftovers(root: Path) -> list[str]:
    """Files and folders of a finished run that only served to make others."""
    results, reports = root / "results", root / "reports"
    found = [*results.glob(".jobs/*"), *results.glob(".frames/*"), *results.rglob("checkpoint*")]
    found += results.rglob(FINISHED)
    hidden = (path for top in (results, reports) for path in top.rglob(".*"))
    kept = {".jobs", ".frames", ".sources", ".lock", ".plan", ".md5", ".weights"}
    found += [path for path in hidden if path.name not in kept]
    return sorted({path.relative_to(root).as_posix() for path in found})


def _open_verbs(root: Path, points: Iterable[Path]) -> list[str]:
    """Verbs that a restarted run still has to carry out."""
    folders = list(points)
    lacks = {
        "fit": not all((folder / "fit.json").is_file() for folder in folders if "fits" in
                       folder.parts),
        "encode": any(_lacks(folder, "encode.json") for folder in folders),
        "decode": any(_lacks(folder, "decode.json") for folder in folders),
        "measure-point": any(_lacks(folder, "metrics/picture.json") for folder in folders),
    }  # fmt: skip
    names = [verb for verb, is_open in lacks.items() if is_open]
    if not any((root / "results/.sources").glob("*.json")):
        names.append("source")
    return [*names, "report"]


def _lacks(folder: Path, name: str) -> bool:
    return "fits" not in folder.parts and not (folder / name).is_file()


def folders_of(root: Path) -> list[Path]:
    """Folders of all points and fits of a bench that was run to its end."""
    records = (*root.glob("results/**/encode.json"), *root.glob("results/**/fit.json"))
    return sorted(path.parent for path in records)


# ---- fits


@dataclass(frozen=True)
class _Interrupted:
    """A fit that had begun when something was killed: its step, and whether it had a checkpoint.

    ``held`` keeps the log of that start open: one with the same number is the same log, so that the
    fit itself was not killed.
    """

    log: Path
    held: IO[bytes]
    step: int
    has_checkpoint: bool


def _steps(log: Path) -> tuple[int | None, int]:
    """Step at which a fit took up its checkpoint (None: it began), and the last it told of."""
    text = log.read_text(errors="replace") if log.is_file() else ""
    taken = re.search(r"^resumed at step (\d+)", text, re.MULTILINE)
    told = re.findall(r"^progress \S+ step=(\d+)", text, re.MULTILINE)
    return (int(taken[1]) if taken else None), int(told[-1]) if told else 0


def _is_another(path: Path, file: IO[bytes]) -> bool:
    with suppress(FileNotFoundError):
        return path.stat().st_ino != os.fstat(file.fileno()).st_ino
    return False


class Fits:
    """Fits of a bench: which were interrupted, and how they went on."""

    def __init__(self, folders: Iterable[Path], tally: Tally) -> None:
        self.folders = [folder for folder in folders if "fits" in folder.parts]
        self.tally = tally
        self.open: dict[Path, _Interrupted] = {}
        self.done: dict[Path, float] = {}  # finished models, and when their logs ended

    def struck(self, finished: Iterable[Path]) -> None:
        """Note how every fit stands right after a kill; ``finished`` had a record before it."""
        for folder in self.folders:
            log = folder / "fit.log"
            if any((folder / name).is_file() for name in ("fit.json", FINISHED)):
                self.done.setdefault(folder, log.stat().st_mtime)
            if folder in self.done or folder in finished or not log.is_file():
                continue
            has_checkpoint = any((folder / "checkpoint").glob("*.pt"))
            self._forget(folder)
            self.open[folder] = _Interrupted(log, log.open("rb"), _steps(log)[1], has_checkpoint)

    def _forget(self, folder: Path) -> None:
        if folder in self.open:
            self.open.pop(folder).held.close()

    def close(self) -> None:
        """Let go of the logs."""
        for folder in list(self.open):
            self._forget(folder)

    def look(self) -> None:
        """See whether an interrupted fit has gone on, and from where; a finished one must not."""
        for folder, ended in list(self.done.items()):
            log = folder / "fit.log"
            if log.is_file() and log.stat().st_mtime > ended:
                del self.done[folder]
                self.tally.retrained += 1
        for folder, was in list(self.open.items()):
            if not _is_another(was.log, was.held):
                continue
            taken, told = _steps(was.log)
            if taken is None and not told:
                continue
            self._forget(folder)
            if taken is not None:
                self.tally.resumed += 1
                self.tally.lost_steps.append(max(0, was.step - taken))
            elif was.has_checkpoint:
                self.tally.begun_again.append(f"{folder.parent.name} killed at step {was.step}")


# ---- the siege


class Siege:
    """A bench under fire.

    Args:
        place: a folder to be made.
        conditions: what the bench runs, a file under ctc/.
        seed: of the kills.
        tell: called with a line after each complete run, and at each fault.
    """

    def __init__(
        self, place: Path, *, conditions: str, seed: int, tell: Callable[[str], object] = str
    ) -> None:
        self.tell = tell
        self.bench = Bench(place / "bench")
        self.root = self.bench.root.resolve()
        shutil.copytree(
            REPOSITORY / "tests/codecs",
            self.root / "tests/codecs",
            ignore=shutil.ignore_patterns("__pycache__"),
        )
        (self.root / "ctc/siege.yaml").write_text(conditions)
        self._have_fits_save_every_second()
        self.output = place / "output.log"
        self.random = random.Random(seed)
        self.tally = Tally()
        self.calm: dict[str, Rows] = {}
        self.folders: list[Path] = []

    def _have_fits_save_every_second(self) -> None:
        """So that fits of seconds have checkpoints to go on from; their bits stay the same."""
        loop = self.root / "proposals/inrkit/src/inrkit/fit.py"
        text = loop.read_text()
        eager = re.sub(r"^CHECKPOINT_SECONDS = .*$", "CHECKPOINT_SECONDS = 1.0", text, flags=re.M)
        assert eager != text
        loop.write_text(eager)

    def run_undisturbed(self) -> None:
        """Make the tables that all other runs are compared with."""
        run = Run(self.bench, self.output)
        assert run.status == 0, self.output.read_text()[-4000:]
        self.calm = self._tables()
        self.folders = folders_of(self.root)

    def _tables(self) -> dict[str, Rows]:
        return {name: table(self.root / "reports/siege" / name) for name in TABLES}

    def endure(self, kills: int) -> Tally:
        """Run from nothing to a complete report, again and again, under ``kills`` kills."""
        while self.tally.kills.total() < kills:
            for name in ("results", "reports", ".snakemake"):
                shutil.rmtree(self.root / name)
            self.tally.runs += 1
            self._endure_one(min(KILLS_PER_RUN, kills - self.tally.kills.total()))
            self.tell("; ".join(itertools.islice(self.tally.lines(), 4)))
        return self.tally

    def _endure_one(self, kills: int) -> None:
        """One run from nothing to a complete report, with at most ``kills`` kills."""
        goal = self.tally.kills.total() + kills
        fits = Fits(self.folders, self.tally)
        while True:
            seen = self.output.stat().st_size
            self.tally.starts += 1
            with self._started() as run:
                self._strike_until(goal, run, fits)
                is_complete = run.status == 0
            self._note_words(seen)
            if is_complete:
                break
        fits.close()
        for name, rows in self._tables().items():
            if rows != self.calm[name]:
                self._fault(f"{name} differs from that of the undisturbed run")
        for name in leftovers(self.root):
            self._fault(f"{name} is left over")

    @contextmanager
    def _started(self) -> Iterator[Run]:
        run = Run(self.bench, self.output)
        try:
            yield run
        finally:
            run.end()

    def _strike_until(self, goal: int, run: Run, fits: Fits) -> None:
        """Kill until the run is over or dead, or there were enough kills."""
        while self.tally.kills.total() < goal:
            kind = self.random.choices(list(KINDS), list(KINDS.values()))[0]
            verb = self._target(kind)
            reach = self.random.uniform(0, REACH[verb])
            if not self._await(run, verb, fits) or not self._pause(run, reach, fits):
                break
            if self._strike(kind, verb, run, fits):
                return
        deadline = time.monotonic() + _STUCK_SECONDS
        while not run.is_over:
            assert time.monotonic() < deadline, "the run does not end"
            fits.look()
            time.sleep(0.05)

    def _target(self, kind: str) -> str:
        """The verb that was hit least of those that are still to be carried out."""
        still = _open_verbs(self.root, self.folders)
        if kind == "codec":
            still = [verb for verb in still if verb in CODEC_VERBS] or still
        hits = Counter(dict.fromkeys(still, 0))
        for (_, verb), count in self.tally.kills.items():
            if verb in hits:
                hits[verb] += count
        least = min(hits.values())
        return self.random.choice(sorted(verb for verb in still if hits[verb] == least))

    def _await(self, run: Run, verb: str, fits: Fits) -> bool:
        """Wait until a verb runs; False if the run ends without it."""
        deadline = time.monotonic() + _STUCK_SECONDS
        while not run.is_over:
            assert time.monotonic() < deadline, f"no {verb} runs, and the run does not end"
            fits.look()
            if verb in [name for name, _ in run.verbs()]:
                return True
            time.sleep(0.02)
        return False

    def _pause(self, run: Run, seconds: float, fits: Fits) -> bool:
        """Wait; False if the run ends meanwhile."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if run.is_over:
                return False
            fits.look()
            time.sleep(0.02)
        return not run.is_over

    def _strike(self, kind: str, target: str, run: Run, fits: Fits) -> bool:
        """Kill the run, a verb or a codec process; True if the run is dead.

        The ``target`` may have ended meanwhile: what runs instead is struck.
        """
        finished = {folder for folder in fits.folders if (folder / "fit.json").is_file()}
        running = run.verbs()
        aimed = [each for each in running if each[0] == target] or running
        verb, victim = self.random.choice(aimed or [("between verbs", run.process)])
        below = descendants(victim)
        if kind == "codec":
            below = [process for process in below if words_of(process)]
            if verb not in CODEC_VERBS or not below:
                return False
            victim, below = below[0], descendants(below[0])
        elif kind == "verb" and not running:
            return False
        if kind == "run":
            below = descendants(run.process)
            run.kill()
        else:
            with suppress(psutil.Error):
                victim.kill()
        self.tally.kills[kind, verb] += 1
        alive = survivors(below, self.root if kind == "run" else None)
        for words in alive:
            self._fault(f"outlived a kill of the {kind} during {verb}: {words}")
        if kind == "run":
            for fault in broken_records(self.root):
                self._fault(f"after a kill during {verb}: {fault}")
        fits.struck(finished)
        return kind == "run"

    def _note_words(self, seen: int) -> None:
        """Words in the output of a run that no kill may lead to."""
        text = self.output.read_bytes()[seen:].decode(errors="replace")
        for line in text.splitlines():
            if any(word in line for word in _BAD_WORDS):
                self._fault(f"a run said: {line.strip()}")

    def _fault(self, sentence: str) -> None:
        self.tally.faults.append(f"kill {self.tally.kills.total()}: {sentence}")
        self.tell(self.tally.faults[-1])


def _print(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> None:
    """The long tier."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=None, help="of the kills; random without it")
    parser.add_argument("--keep", type=Path, help="folder to work in and to leave behind")
    arguments = parser.parse_args()
    seed = arguments.seed if arguments.seed is not None else random.SystemRandom().randrange(10**6)
    with tempfile.TemporaryDirectory(prefix="siege-") as name:
        place = arguments.keep or Path(name)
        siege = Siege(place, conditions=LONG, seed=seed, tell=_print)
        _print(f"seed {seed}")
        start = time.monotonic()
        siege.run_undisturbed()
        _print(f"undisturbed: {time.monotonic() - start:.0f} s")
        start = time.monotonic()
        tally = siege.endure(arguments.kills)
        _print("\n".join(tally.lines()) + f"\n{time.monotonic() - start:.0f} s")
    sys.exit(1 if tally.faults or tally.begun_again or tally.retrained else 0)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    main()
