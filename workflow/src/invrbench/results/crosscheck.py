"""Checking a packed contribution: every bitstream decoded and measured again, point by point.

What the package claims is held against what this machine finds. Measured points are kept below
``results/.crosscheck/``, under the digest of the package, so that a check that was stopped goes on
where it was; what they say of the claims is decided anew every time.
"""

import fcntl
import functools
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from invrbench.codec.checks import counted
from invrbench.codec.closure import verb_digest
from invrbench.codec.environment import environment_digest
from invrbench.codec.manifest import Manifest, read_manifest
from invrbench.codec.runner import Order, VerbRun, run_decode, workspace
from invrbench.codec.sandbox import strongest_level
from invrbench.ctc.sequences import Sequence as SequenceEntry
from invrbench.ctc.sequences import SequenceRef, load_paths, load_sequences, resolve
from invrbench.digest import digest_value, md5_file
from invrbench.errors import (
    BusyError,
    InputError,
    InvrError,
    SourceMissing,
    ToolError,
    UnsupportedError,
)
from invrbench.metrics.families import FAMILIES, FRAME_BY_FRAME, RENDER, family_digest, measure
from invrbench.metrics.measurement import LOSSLESS
from invrbench.results import paths
from invrbench.results.claims import Claim, Head, claims_of, is_claimed
from invrbench.results.execute import device_for, md5_of
from invrbench.results.lock import differences
from invrbench.results.package import Package, Row, unpack
from invrbench.results.places import without_places
from invrbench.results.plan import CONDITIONS
from invrbench.results.records import (
    library_versions,
    machine_label,
    now,
    read_usable_record,
    write_record,
)
from invrbench.results.sources import Prepared, Source, load_source, prepare_source
from invrbench.results.workers import Measure, jobs_at_once, workers
from invrbench.video.format import RawVideo
from invrbench.video.scenes import ResolvedScene, SceneView

Verdict = Literal["bit-exact", "equal within tolerance", "differs", "failed", "not checked"]
BIT_EXACT: Verdict = "bit-exact"
EQUAL: Verdict = "equal within tolerance"
DIFFERS: Verdict = "differs"
FAILED: Verdict = "failed"
NOT_CHECKED: Verdict = "not checked"
VERDICTS: tuple[Verdict, ...] = (BIT_EXACT, EQUAL, DIFFERS, FAILED, NOT_CHECKED)

UNABLE = "unable"  # of a record: this machine lacks what the decoder needs
FRAME_DECIMALS = 6  # of a frames.tsv
OUT_OF_TIME = "out of time"
STOPPED = "stopped before its turn"
_RATES = ("bpp", "rate_kbps", "kbit_per_instant")
_EXACT = 1e-9  # of a rate: what writing and reading a number may cost


# ---- what is compared


@dataclass(frozen=True)
class Compared:
    """One claimed value beside what was measured.

    ``where`` names the view set, view or frames it is of; ``why_not`` says why there is no
    measured value, which keeps it from being judged.
    """

    column: str
    where: str
    claimed: float | None
    measured: float | None
    tolerance: float
    difference: float | None = None
    why_not: str = ""

    @property
    def is_within(self) -> bool:
        """Whether it contradicts nothing."""
        if self.why_not:
            return True
        return self.difference is not None and self.difference <= self.tolerance

    @property
    def severity(self) -> float:
        """How many tolerances the two lie apart; infinite where only one is a number."""
        if self.why_not:
            return 0.0
        if self.difference is None:
            return float("inf")
        if self.tolerance:
            return self.difference / self.tolerance
        return float("inf") if self.difference else 0.0


@dataclass(frozen=True)
class Checked:
    """A point and what became of its claims."""

    claim: Claim
    verdict: Verdict
    reason: str = ""
    compared: tuple[Compared, ...] = ()
    record: Mapping[str, Any] = field(default_factory=dict)

    @property
    def worst(self) -> Compared | None:
        """The value that lies furthest from its claim, in tolerances; None if all are equal."""
        apart = [each for each in self.compared if each.severity > 0]
        return max(apart, key=lambda each: each.severity, default=None)

    @property
    def measured_rows(self) -> list[Row]:
        """The claimed rows with what was measured in place of what was claimed, frames uncut."""
        if self.record.get("status") != "ok" or self.record.get("frames") is not None:
            return []
        rows = []
        for row in self.claim.rows:
            name = str(row.get("view_set") or "")
            wheres = ("", name and f"{name} views")
            mine = {c.column: c.measured for c in self.compared if c.where in wheres}
            unmeasured = {c.column for c in self.unmeasured if c.where in wheres}
            rows.append(row | {k: v for k, v in mine.items() if k not in unmeasured})
        return rows

    @property
    def unmeasured(self) -> tuple[Compared, ...]:
        """Claimed values that this machine could not measure."""
        return tuple(each for each in self.compared if each.why_not)


def compare(claim: Claim, record: Mapping[str, Any], limits: Mapping[str, float]) -> list[Compared]:
    """Every claimed number of a point beside the measured one.

    Args:
        claim: the point.
        record: what was measured of it, see :meth:`Session.check`.
        limits: tolerances by column.
    """
    found = [
        _one("bitstream_bytes", "", claim.first["bitstream_bytes"], record["bitstream_bytes"], 0.0)
    ]
    for name in _RATES:
        claimed = claim.first.get(name)
        if claimed is not None or record["rates"].get(name) is not None:
            limit = _EXACT * abs(float(claimed or 0))
            found.append(_one(name, "", claimed, record["rates"].get(name), limit))
    if record["frames"] is not None:
        return [*found, *_compared_frames(record, limits)]
    for row in claim.rows:
        name = str(row.get("view_set") or "")
        views = record["view_sets"].get(name, [])
        found += _compared_row(row, name and f"{name} views", views, record, limits)
    for row in claim.views:
        name = str(row.get("view") or "")
        found += _compared_row(row, f"view {name}", [name], record, limits)
    return found


def _one(
    column: str, where: str, claimed: Any, measured: Any, tolerance: float, why_not: str = ""
) -> Compared:
    both = claimed is not None and measured is not None
    difference = abs(float(measured) - float(claimed)) if both else None
    return Compared(column, where, claimed, measured, tolerance, difference, why_not)


def _compared_row(
    row: Row, where: str, views: Sequence[str], record: Mapping[str, Any], limits: Mapping[str, Any]
) -> Iterator[Compared]:
    for family in FAMILIES.values():
        held = record["measured"].get(family.name)
        for column in family.columns:
            if not is_claimed(row, column):
                continue
            limit = float(limits[column])
            if held is None or any(view not in held for view in views) or not views:
                why = record["unmeasured"].get(family.name, "not measured")
                yield _one(column, where, row.get(column), None, limit, why)
                continue
            values = [held[view]["values"].get(column) for view in views]
            reasons = [held[view]["reasons"].get(column, "") for view in views]
            measured = None if None in values else sum(values) / len(values)
            why = next(filter(None, reasons), "") if measured is None else ""
            both_lossless = row.get(column) is None and why == LOSSLESS
            if both_lossless:
                yield Compared(column, where, None, None, limit, 0.0)
            else:
                why_not = "" if why == LOSSLESS else why
                yield _one(column, where, row.get(column), measured, limit, why_not)


def _compared_frames(record: Mapping[str, Any], limits: Mapping[str, Any]) -> Iterator[Compared]:
    """The claimed values of single frames beside the measured ones: the largest difference each."""
    for column, pairs in record["head"].items():
        apart = [abs(a - b) for a, b in pairs if a is not None and b is not None]
        one_sided = any((a is None) != (b is None) for a, b in pairs)
        claimed = [a for a, _ in pairs if a is not None]
        measured = [b for _, b in pairs if b is not None]
        yield Compared(
            column,
            record["frames"],
            sum(claimed) / len(claimed) if claimed else None,
            sum(measured) / len(measured) if measured else None,
            float(limits[column]),
            None if one_sided else max(apart, default=0.0),
        )


# ---- on this machine


@dataclass(frozen=True)
class _Readied:
    """A sequence on this machine, or the reason why its points are not checked."""

    source: Source | None = None
    prepared: Prepared | None = None
    why_not: str = ""


class Session:
    """A package unpacked on this machine, with the sequences it needs.

    Args:
        root: the repository whose sequences and metrics are used.
        package: what is checked.
        head: compare these frames alone.
        limits: tolerances by column.
    """

    def __init__(
        self,
        root: Path,
        package: Package,
        *,
        limits: Mapping[str, float],
        head: Head | None = None,
    ) -> None:
        self.root = root
        self.package = package
        self.head = head
        self.limits = limits
        self.base = root / paths.CROSSCHECKING / package.md5
        self.folder = self.base / "package" / package.folder
        self.space = self.base / "jobs"  # of this check alone, so that a killed one's can go
        self.fault = ""
        self.manifest: Manifest | None = None
        self._entries: dict[str, SequenceEntry] = load_sequences(root / CONDITIONS / "sequences")
        self._here = load_paths(root)
        self._readied: dict[str, _Readied] = {}
        self._damaged: frozenset[str] = frozenset()
        self._owners = {
            str(claim.first["bitstream_md5"]): claim.name for claim in claims_of(package)
        }

    @contextmanager
    def opened(self) -> Iterator["Session"]:
        """Unpack, hold the folder against a second check of the same package, and clean up.

        Raises:
            BusyError: the same package is being checked already.
        """
        self.base.mkdir(parents=True, exist_ok=True)
        with (self.base / ".lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise BusyError(
                    f"{self.package.path.name} is being checked already in this repository; wait "
                    "for it, or stop it."
                ) from None
            self._clear()
            _, self._damaged = unpack(self.package, self.folder.parent)
            self.attach()
            try:
                yield self
            finally:
                self._clear()

    def _clear(self) -> None:
        for folder in (self.folder.parent, self.space):
            shutil.rmtree(folder, ignore_errors=True)

    def attach(self) -> None:
        """Read the decoder of the package, which another process may have unpacked."""
        try:
            self.manifest = read_manifest(self.folder)[self.folder.name]
            verb_digest(self.manifest, "decode")
        except InputError as error:
            self.fault = f"the packed decoder cannot be run: {error}"

    @property
    def jobs(self) -> int:
        """How many points are decoded and measured at once on this machine."""
        if self.manifest is None:
            return 1
        threads = self.manifest.resources_of("decode").threads
        return jobs_at_once(threads=threads, device=device_for(self.manifest, "decode"))

    def differences(self) -> list[str]:
        """What of the environment is another one than where the package was made."""
        if self.manifest is None:
            return []
        try:
            device = device_for(self.manifest, "decode")
            return differences(self.package.value["environment"], self.manifest, device)
        except (UnsupportedError, ToolError) as error:
            return [f"the packed environment is not to be had here: {error}"]

    def remarks(self) -> list[str]:
        """Sentences on the package itself: files that are not what it says, points it lacks."""
        told = []
        for name, md5 in self.package.value["decoder"]["files"].items():
            found = self.package.md5_of(name)
            if found != md5:
                state = "was changed after it was packed" if found else "is missing"
                told.append(f"The decoder's file {name} {state}.")
        left = [row for row in self.package.left_out if row["status"] != "skipped"]
        if left:
            why = ", ".join(dict.fromkeys(f"{row['status']}" for row in left))
            told.append(f"The contribution itself leaves out {len(left)} expected rows ({why}).")
        if self.manifest and strongest_level() == "none":
            told.append("The decoder was not isolated: no sandbox runs on this machine.")
        return told

    # ---- one point after another

    def check(
        self, claims: Sequence[Claim], *, within: float | None = None, jobs: int = 1
    ) -> Iterator[Checked]:
        """Verdicts on the claims as they come: begun in the order of the claims.

        Args:
            claims: what is checked.
            within: seconds after which no further point is begun; a point that would take longer
                than what is left is passed over for a shorter one.
            jobs: how many points are decoded and measured at once.
        """
        clock = _Clock(within)
        open_claims = []
        for claim in claims:
            done = self._known(claim)
            if done is not None:
                yield done
            else:
                open_claims.append(claim)
        if min(jobs, len(open_claims)) > 1:
            yield from self._checked_side_by_side(open_claims, clock, min(jobs, len(open_claims)))
            return
        for claim in open_claims:
            if clock.has_time_for(claim):
                with clock.timed(claim):
                    record = self.measured(claim)
                yield self._judged(claim, record)
            else:
                yield Checked(claim, NOT_CHECKED, OUT_OF_TIME)

    def _checked_side_by_side(
        self, claims: Sequence[Claim], clock: "_Clock", jobs: int
    ) -> Iterator[Checked]:
        make = functools.partial(_measure_of, self.root, self.package, self.limits, self.head)
        running: dict[Future[Any], tuple[Claim, float]] = {}
        waiting = list(claims)
        with workers(jobs, make) as measure_elsewhere:
            while waiting or running:
                while waiting and len(running) < jobs:
                    claim = waiting.pop(0)
                    if clock.has_time_for(claim):
                        running[measure_elsewhere(claim)] = claim, time.monotonic()
                    else:
                        yield Checked(claim, NOT_CHECKED, OUT_OF_TIME)
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    claim, begun = running.pop(future)
                    clock.took(claim, time.monotonic() - begun)
                    yield self._judged(claim, future.result())

    def _known(self, claim: Claim) -> Checked | None:
        """The verdict that needs no decoding: a fault, an earlier measurement, an absent source."""
        if claim.file not in self.package.members:
            return Checked(claim, FAILED, f"the package lacks {claim.file}")
        if claim.file in self._damaged:
            return Checked(claim, FAILED, f"{claim.file} was damaged on its way")
        found = md5_file(self.folder / claim.file)
        if found != claim.first["bitstream_md5"]:
            whose = self._owners.get(found)
            belongs = f", the bitstream claimed for {whose}" if whose else ""
            return Checked(
                claim,
                DIFFERS,
                f"bitstream md5 {_begins(claim.first['bitstream_md5'])} claimed, "
                f"{_begins(found)} packed{belongs}; not decoded",
            )
        if self.fault:
            return Checked(claim, FAILED, self.fault)
        readied = self._ready(claim)
        if readied.why_not:
            return Checked(claim, NOT_CHECKED, readied.why_not)
        if self.head is not None and (why := self._why_no_head(claim)):
            return Checked(claim, NOT_CHECKED, why)
        record = read_usable_record(self._record(claim))
        if record is not None and record["key"] == self.key(claim) and record["status"] == "ok":
            return self._judged(claim, record)
        return None

    def _why_no_head(self, claim: Claim) -> str:
        """Why the frames asked for cannot be compared; empty if they can."""
        if self._claimed_frames(claim) is None:
            return "the package holds no values of single frames"
        try:
            Asked.of(self._opened_manifest(), self.source_of(claim)[0], self.head)
        except InputError as error:
            return str(error)
        return ""

    def _judged(self, claim: Claim, record: Mapping[str, Any]) -> Checked:
        """What a measurement says of the claims."""
        if record["status"] == UNABLE:
            return Checked(claim, NOT_CHECKED, str(record["reason"]), record=record)
        if record["status"] != "ok":
            return Checked(claim, FAILED, str(record["reason"]), record=record)
        compared = tuple(compare(claim, record, self.limits))
        apart = [each for each in compared if not each.is_within]
        is_equal = record["decoded_md5"] == claim.first["decoded_md5"]
        if apart:
            verdict: Verdict = DIFFERS
        elif is_equal and self.head is None:
            verdict = BIT_EXACT
        else:
            verdict = EQUAL
        return Checked(claim, verdict, self._remark(record, is_equal), compared, record)

    def _remark(self, record: Mapping[str, Any], is_equal: bool) -> str:
        told = [] if self.head is None else [f"{record['frames']} compared"]
        if record["decoded_md5"] is None:
            told.append("no decoded md5: not all frames were asked for")
        elif not is_equal:
            told.append("decoded md5 differs")
        elif self.head is not None:
            told.append("decoded md5 is equal")
        return "; ".join(told)

    # ---- sequences

    def _ready(self, claim: Claim) -> _Readied:
        if claim.sequence not in self._readied:
            self._readied[claim.sequence] = self._readied_now(claim.sequence)
        readied = self._readied[claim.sequence]
        md5 = readied.prepared.md5 if readied.prepared else ""
        if not readied.why_not and md5 != claim.first["source_md5"]:
            told = f"another source: md5 {claim.first['source_md5']} claimed, {md5} here"
            return _Readied(why_not=told)
        return readied

    def _readied_now(self, sequence: str) -> _Readied:
        try:
            ref = SequenceRef.parse(sequence, self._entries)
            source = resolve(ref, self._entries, self._here)
            missing = source.availability()
            if missing:
                return _Readied(why_not=without_places(missing, self.root))
            return _Readied(source, self._prepared(source, sequence))
        except InvrError as error:
            return _Readied(why_not=without_places(str(error), self.root))

    def _prepared(self, source: Source, sequence: str) -> Prepared:
        claimed = self.package.value["sequences"].get(sequence, {}).get("md5")
        try:
            held = load_source(self.root, sequence)
            if held.md5 == claimed:
                return held
        except SourceMissing:
            pass
        prepare_source(self.root, source, sequence)
        return load_source(self.root, sequence)

    def why_not(self, claim: Claim) -> str:
        """Why nothing can be measured of a point on this machine; empty if it can."""
        return self.fault or self._ready(claim).why_not

    def source_of(self, claim: Claim) -> tuple[Source, Prepared]:
        """The source of a point that can be measured here."""
        readied = self._ready(claim)
        assert readied.source is not None and readied.prepared is not None
        return readied.source, readied.prepared

    # ---- decode and measure

    def _record(self, claim: Claim) -> Path:
        name = digest_value([claim.file, str(self.head)])
        return self.base / "points" / f"{name}.json"

    def key(self, claim: Claim) -> str:
        """Digest of all that a measurement of the packed bitstream depends on."""
        manifest = self._opened_manifest()
        source, prepared = self.source_of(claim)
        return digest_value(
            {
                "bitstream": claim.first["bitstream_md5"],
                "decode": verb_digest(manifest, "decode"),
                "environment": environment_digest(manifest),
                "device": device_for(manifest, "decode"),
                "source": prepared.md5,
                "identity": source.identity(),
                "families": {name: family_digest(name) for name in claim.families},
                "head": str(self.head),
            }
        )

    def _opened_manifest(self) -> Manifest:
        assert self.manifest is not None
        return self.manifest

    def measured(self, claim: Claim) -> Mapping[str, Any]:
        """Decode and measure a point and keep what was found; a failure is kept as such."""
        start = now()
        common = {"kind": "crosscheck", "key": self.key(claim), "file": claim.file, "start": start}
        self._log(claim).unlink(missing_ok=True)
        try:
            bitstream = self._opened_manifest().folder / claim.file
            found: dict[str, Any] = {"status": "ok", **self.measured_of(claim, bitstream)}
        except (UnsupportedError, ToolError) as error:
            found = {"status": UNABLE, "reason": self.told(error)}
        except InvrError as error:
            found = {"status": "failed", "reason": self.told(error), "detail": str(error)}
        record = common | found | {"end": now(), "machine": machine_label()}
        write_record(self._record(claim), record)
        return record

    def told(self, error: InvrError) -> str:
        """The first line of an error, which a report may quote."""
        return without_places(str(error).splitlines()[0], self.root)

    def _log(self, claim: Claim) -> Path:
        return self._record(claim).with_suffix(".log")

    def measured_of(self, claim: Claim, bitstream: Path) -> dict[str, Any]:
        """Decode a bitstream of a point with the packed decoder and measure it.

        Raises:
            ContractError: the decoder failed or wrote the wrong number of bytes.
        """
        manifest = self._opened_manifest()
        source, prepared = self.source_of(claim)
        asked = Asked.of(manifest, source, self.head)
        size = bitstream.stat().st_size
        with workspace(self.space) as space:
            run, decoded = self._decode(manifest, bitstream, space, asked, self._log(claim))
            md5 = md5_of(decoded) if asked.is_whole else None
            pictures = asked.cut_decoded(decoded, space)
            references = asked.cut_source(prepared.clips, space)
            measured, unmeasured = self._families(claim, references, pictures, space, asked)
        frames = None if self.head is None else str(self.head)
        return {
            **_run(run, manifest),
            "source_md5": prepared.md5,
            "bitstream_md5": claim.first["bitstream_md5"],
            "bitstream_bytes": size,
            "decoded_md5": md5,
            "rates": _rates(source, size),
            "view_sets": asked.view_sets,
            "frames": frames,
            "measured": _without_frames(measured),
            "unmeasured": unmeasured,
            "head": self._head_pairs(claim, measured, asked) if frames else {},
        }

    def _decode(
        self, manifest: Manifest, bitstream: Path, space: Path, asked: "Asked", log: Path
    ) -> tuple[VerbRun, dict[str, RawVideo]]:
        return run_decode(
            manifest,
            bitstream,
            folder=space,
            log=log,
            device=device_for(manifest, "decode"),
            threads=manifest.resources_of("decode").threads,
            order=asked.order,
        )

    def _families(
        self,
        claim: Claim,
        references: Mapping[str, RawVideo],
        pictures: Mapping[str, RawVideo],
        space: Path,
        asked: "Asked",
    ) -> tuple[dict[str, Any], dict[str, str]]:
        """Measurements by family and view, and why families were not measured."""
        measured: dict[str, Any] = {}
        unmeasured: dict[str, str] = {}
        for family in claim.families:
            if self.head is not None and family not in FRAME_BY_FRAME:
                continue
            try:
                sides = references
                if family == RENDER:
                    sides = self._render(claim, space, asked)
                measured[family] = {
                    view: measure(family, sides[view], video).to_json()
                    for view, video in pictures.items()
                }
            except InvrError as error:
                unmeasured[family] = self.told(error)
        return measured, unmeasured

    def _render(self, claim: Claim, space: Path, asked: "Asked") -> dict[str, RawVideo]:
        """The decoded frames of the uncompressed model that the point is held against."""
        manifest = self._opened_manifest()
        file = str(claim.first.get("uncompressed_file") or "")
        if file not in self.package.members:
            raise InputError("the uncompressed model is not packed")
        other = space / "uncompressed"
        for name in ("code", "work", "home", "tmp"):
            (other / name).mkdir(parents=True)
        return self._decode(manifest, manifest.folder / file, other, asked, self._log(claim))[1]

    # ---- single frames

    def _claimed_frames(self, claim: Claim) -> dict[str, dict[str, list[float | None]]] | None:
        path = (self.folder / claim.file).with_suffix(".frames.tsv")
        if not path.is_file():
            return None
        return read_frames_table(path.read_text(encoding="utf-8", errors="replace"))

    def _head_pairs(
        self, claim: Claim, measured: Mapping[str, Any], asked: "Asked"
    ) -> dict[str, list[tuple[float | None, float | None]]]:
        """By column: claimed and measured value of every frame that is compared."""
        claimed = self._claimed_frames(claim) or {}
        pairs: dict[str, list[tuple[float | None, float | None]]] = {}
        for views in measured.values():
            for view, held in views.items():
                for column, values in held["frames"].items():
                    said = claimed.get(view, {}).get(column)
                    if said is None:
                        continue
                    wanted = [said[i] if i < len(said) else None for i in asked.frames[view]]
                    held_here = [_as_written(value) for value in values]
                    pairs.setdefault(column, []).extend(zip(wanted, held_here, strict=False))
        return {column: held for column, held in pairs.items() if column in self.limits}


class _Clock:
    """How much time is left, and how this machine's pace compares with the packed times."""

    def __init__(self, within: float | None) -> None:
        self._within = within
        self._start = time.monotonic()
        self._claimed = 0.0
        self._taken = 0.0

    def has_time_for(self, claim: Claim) -> bool:
        """Whether a point would be done in time, as far as its packed time tells."""
        if self._within is None:
            return True
        left = self._within - (time.monotonic() - self._start)
        pace = self._taken / self._claimed if self._claimed else 1.0
        return left > 0 and claim.decode_seconds * pace <= left

    def took(self, claim: Claim, seconds: float) -> None:
        """Note how long a point took."""
        self._claimed += claim.decode_seconds
        self._taken += seconds

    @contextmanager
    def timed(self, claim: Claim) -> Iterator[None]:
        """Note how long a point takes."""
        before = time.monotonic()
        yield
        self.took(claim, time.monotonic() - before)


def _measure_of(
    root: Path, package: Package, limits: Mapping[str, float], head: Head | None
) -> Measure:
    """What measures the points of a package that another process has unpacked."""
    session = Session(root, package, limits=limits, head=head)
    session.attach()
    return session.measured


def _begins(md5: object) -> str:
    return f"{str(md5)[:12]}…"


def _run(run: VerbRun, manifest: Manifest) -> dict[str, Any]:
    return {
        "sandbox": run.level,
        "device": run.device,
        "wall_seconds": round(run.outcome.wall_seconds, 4),
        "peak_memory_bytes": run.outcome.peak_memory_bytes,
        "command": run.command,
        "versions": library_versions("numpy", "torch", "nncodec"),
        "threads": manifest.resources_of("decode").threads,
    }


def _rates(source: Source, size: int) -> dict[str, float | None]:
    """Rates of a bitstream, as tables of points have them."""
    video = source.format
    is_still, is_scene = video.frames == 1, isinstance(source, ResolvedScene)
    return {
        "bpp": 8 * size / source.coded_pixels,
        "rate_kbps": None if is_still else 8 * size * float(video.fps) / (1000 * video.frames),
        "kbit_per_instant": 8 * size / (1000 * video.frames) if is_scene else None,
    }


def _without_frames(measured: Mapping[str, Any]) -> dict[str, Any]:
    return {
        family: {view: {**held, "frames": {}} for view, held in views.items()}
        for family, views in measured.items()
    }


def read_frames_table(text: str) -> dict[str, dict[str, list[float | None]]]:
    """Values of single frames by view ("" of a video) and column, from a frames.tsv.

    >>> read_frames_table("frame\\tpsnr_y_db\\n0\\t30.5\\n1\\t\\n")
    {'': {'psnr_y_db': [30.5, None]}}
    """
    lines = [line.split("\t") for line in text.splitlines() if line]
    if not lines:
        return {}
    header = lines[0]
    is_scene = header[0] == "view"
    found: dict[str, dict[str, list[float | None]]] = {}
    for cells in lines[1:]:
        view = cells[0] if is_scene else ""
        held = found.setdefault(view, {name: [] for name in header[1 + is_scene :]})
        for name, cell in zip(header[1 + is_scene :], cells[1 + is_scene :], strict=False):
            held[name].append(_number(cell))
    return found


def _as_written(value: float | None) -> float | None:
    """A frame's value with the decimals of a frames.tsv."""
    return None if value is None else round(value, FRAME_DECIMALS)


def _number(cell: str) -> float | None:
    try:
        return float(cell) if cell else None
    except ValueError:
        return None


@dataclass(frozen=True)
class Asked:
    """What a decoder is asked for, and which frames of it are compared.

    Attributes:
        order: formats and cameras for the decoder.
        view_sets: ids of the views by set; a video is one unnamed view in an unnamed set.
        frames: by view: the frames compared, as indices into the whole view.
        is_whole: whether the decoder writes every frame, so that its md5 can be compared.
        is_cut: whether some frames only are compared.
    """

    order: Order
    view_sets: Mapping[str, list[str]]
    frames: Mapping[str, Sequence[int]]
    is_whole: bool
    is_cut: bool

    @classmethod
    def of(cls, manifest: Manifest, source: Source, head: Head | None) -> "Asked":
        """All frames, or with a head some: of a scene no others are even rendered.

        Raises:
            InputError: the sequence has none of the frames.
        """
        if not isinstance(source, ResolvedScene):
            count = source.format.frames
            kept = range(count) if head is None else head.within(count)
            if not kept:
                raise InputError(f"the sequence has {counted(count, 'frame')} and none of {head}")
            return cls(Order.video(source.format), {"": [""]}, {"": kept}, True, head is not None)
        sets = source.view_sets(manifest.renders)
        every = [view for views in sets.values() for view in views]
        kept_of = {view.id: _kept(view, head) for view in every}
        renders_any = manifest.renders == "any" and head is not None
        if renders_any:
            asked = [_shortened(view, kept_of[view.id]) for view in every if kept_of[view.id]]
        else:
            asked = every
        if not any(kept_of.values()):
            raise InputError(f"no view of the scene has a frame of {head}")
        return cls(
            Order.scene(source.format, asked),
            {name: [view.id for view in views] for name, views in sets.items()},
            {view: kept for view, kept in kept_of.items() if kept},
            not renders_any,
            head is not None,
        )

    def cut_decoded(self, decoded: Mapping[str, RawVideo], space: Path) -> dict[str, RawVideo]:
        """The decoded frames that are compared."""
        if not self.is_cut or not self.is_whole:
            return dict(decoded)
        return {v: _cut(decoded[v], kept, space / f"d{i}.raw") for i, (v, kept) in self._each()}

    def cut_source(self, clips: Mapping[str, RawVideo], space: Path) -> dict[str, RawVideo]:
        """The source's frames they are held against."""
        if not self.is_cut:
            return {view: clips[view] for view in self.frames}
        return {v: _cut(clips[v], kept, space / f"s{i}.raw") for i, (v, kept) in self._each()}

    def _each(self) -> Iterator[tuple[int, tuple[str, Sequence[int]]]]:
        return enumerate(self.frames.items())


def _kept(view: SceneView, head: Head | None) -> list[int]:
    """Indices of a view's frames that lie within the head, which counts instants."""
    if head is None:
        return list(range(len(view.times)))
    return [i for i, t in enumerate(view.times) if head.start <= t < head.start + head.count]


def _shortened(view: SceneView, kept: Sequence[int]) -> SceneView:
    return replace(view, times=tuple(view.times[index] for index in kept))


def _cut(video: RawVideo, kept: Sequence[int], path: Path) -> RawVideo:
    """Some frames of a raw file, in a file of their own."""
    size = video.format.frame_bytes
    with video.path.open("rb") as file, path.open("wb") as cut:
        for index in kept:
            file.seek(index * size)
            cut.write(file.read(size))
    return RawVideo(path, video.format.with_frames(len(kept)))
