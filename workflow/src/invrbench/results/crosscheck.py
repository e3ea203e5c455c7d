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
from pathlib import Path
from typing import Any

from invrbench.codec.closure import verb_digest
from invrbench.codec.environment import environment_digest
from invrbench.codec.manifest import Manifest, read_manifest
from invrbench.codec.runner import VerbRun, run_decode
from invrbench.codec.sandbox import strongest_level
from invrbench.codec.workspace import workspace
from invrbench.digest import digest_value, md5_file
from invrbench.errors import (
    BusyError,
    InputError,
    InvrError,
    ToolError,
    UnsupportedError,
)
from invrbench.metrics.families import FRAME_BY_FRAME, RENDER, family_digest, measure
from invrbench.results import paths
from invrbench.results.asked import Asked, as_written, read_frames_table
from invrbench.results.at_hand import AtHand, SequencesAtHand
from invrbench.results.claims import Claim, Head, claims_of
from invrbench.results.execute import device_for, md5_of
from invrbench.results.lock import differences
from invrbench.results.package import Package, unpack
from invrbench.results.places import without_places
from invrbench.results.records import (
    library_versions,
    machine_label,
    now,
    read_usable_record,
    write_record,
)
from invrbench.results.sources import Prepared, Source
from invrbench.results.verdicts import (
    BIT_EXACT,
    DIFFERS,
    EQUAL,
    FAILED,
    NOT_CHECKED,
    Checked,
    Verdict,
    compare,
)
from invrbench.results.workers import Measure, jobs_at_once, workers
from invrbench.video.format import RawVideo
from invrbench.video.scenes import ResolvedScene

UNABLE = "unable"  # of a record: this machine lacks what the decoder needs
OUT_OF_TIME = "out of time"
STOPPED = "stopped before its turn"


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
        held = package.value["sequences"].items()
        md5s = {str(sequence): str(told.get("md5")) for sequence, told in held}
        self._sequences = SequencesAtHand(root, md5s)
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
        readied = self._at_hand(claim)
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

    def _at_hand(self, claim: Claim) -> AtHand:
        return self._sequences.find(claim.sequence, str(claim.first["source_md5"]))

    def why_not(self, claim: Claim) -> str:
        """Why nothing can be measured of a point on this machine; empty if it can."""
        return self.fault or self._at_hand(claim).why_not

    def source_of(self, claim: Claim) -> tuple[Source, Prepared]:
        """The source of a point that can be measured here."""
        readied = self._at_hand(claim)
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
                    held_here = [as_written(value) for value in values]
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
