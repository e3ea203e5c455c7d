"""The conformance suite: one verdict after another on a codec folder."""

import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from invrbench.codec.checks import CHECKS, counted, rows_of
from invrbench.codec.footage import TRACKS, Archive
from invrbench.codec.manifest import Manifest, read_manifest
from invrbench.codec.sandbox import strongest_level
from invrbench.codec.trial import DeviceOf, NotApplicable, Trial
from invrbench.errors import InvrError, ManifestError

Mark = Literal["✓", "–", "✗"]
PASSED: Mark = "✓"
SKIPPED: Mark = "–"
FAILED: Mark = "✗"

PUBLISHED_COLUMNS = ("sequence", "rate_point")


@dataclass(frozen=True)
class Verdict:
    """What one check says of one codec; ``reason`` is a remark, a why-not, or the fault."""

    codec: str
    check: str
    mark: Mark
    reason: str = ""


def _published(manifest: Manifest) -> Verdict:
    """A published curve has nothing to run: its table is read."""
    try:
        rows = rows_of(manifest.folder / "points.tsv")
        lacking = [name for name in PUBLISHED_COLUMNS if name not in rows[0]]
        if lacking:
            raise ManifestError(f"{manifest.folder.name}/points.tsv lacks {', '.join(lacking)}.")
    except ManifestError as error:
        return Verdict(manifest.codec, "manifest", FAILED, str(error))
    return Verdict(manifest.codec, "manifest", PASSED, f"published, {counted(len(rows), 'point')}")


def _run(name: str, trial: Trial) -> Verdict:
    codec = trial.manifest.codec
    try:
        verdict = Verdict(codec, name, PASSED, CHECKS[name].judge(trial))
    except NotApplicable as reason:
        verdict = Verdict(codec, name, SKIPPED, str(reason))
    except InvrError as error:
        verdict = Verdict(codec, name, FAILED, str(error).removeprefix(f"{codec}: "))
    claims = trial.manifest.claims
    if claims.get("caught_by") != name:
        return verdict
    return _expected_to_fail(verdict, needs_walls=claims.get("caught_where") == "walls")


def _expected_to_fail(verdict: Verdict, *, needs_walls: bool) -> Verdict:
    """The verdict on a control that offends on purpose: it passes by being caught."""
    if verdict.mark == FAILED:
        caught = verdict.reason.splitlines()[0]
        return replace(verdict, mark=PASSED, reason=f"caught, as it should be: {caught}")
    if needs_walls and strongest_level() == "none":
        why = "only a sandbox catches this offender, and this machine has none"
        return replace(verdict, mark=SKIPPED, reason=why)
    return replace(verdict, mark=FAILED, reason="this offender was not caught by this check")


def _copied(manifest: Manifest, folder: Path) -> Manifest:
    """The manifest of a copy below ``folder``: offenders may write into what is theirs."""
    copy = folder / "codecs" / manifest.id
    shutil.copytree(manifest.folder, copy)
    return read_manifest(copy)[manifest.codec]


def check_manifest(
    manifest: Manifest,
    archive: Archive,
    *,
    device_of: DeviceOf,
    only: tuple[str, ...] = tuple(CHECKS),
) -> Iterator[Verdict]:
    """Verdicts on one codec, as they come: on its folder, then on each track it serves.

    Args:
        manifest: the codec.
        archive: content to code, and the repository of brought bitstreams' sequences.
        device_of: where a verb runs.
        only: names of the checks to run; an offender's end with the one it claims.
    """
    if manifest.role == "published":
        yield _published(manifest)
        return
    claimed = manifest.claims.get("caught_by")
    if claimed is not None and (claimed not in CHECKS or manifest.role != "control"):
        why = "names no check" if claimed not in CHECKS else "is for controls"
        fault = f"{manifest.path}: [claims].caught_by {why}; checks are {', '.join(CHECKS)}."
        yield Verdict(manifest.codec, "manifest", FAILED, fault)
        return
    served = [track for track in TRACKS if track in manifest.tracks]
    for track in served:
        with tempfile.TemporaryDirectory(prefix="invrbench-check-") as name:
            folder = Path(name)
            trial = Trial(
                manifest if claimed is None else _copied(manifest, folder),
                track,
                archive.of(track),
                root=archive.root,
                folder=folder / "trial",
                device_of=device_of,
            )
            due = (track, None) if track == served[0] else (track,)
            for check in only:
                if CHECKS[check].track in due:
                    yield _run(check, trial)
                    if check == claimed:
                        return


def check_folder(
    folder: Path, archive: Archive, *, device_of: DeviceOf, variant: str = ""
) -> Iterator[Verdict]:
    """Verdicts on a codec folder: its own codec, or the variant asked for."""
    codec = f"{folder.name}+{variant}" if variant else folder.name
    try:
        manifests = read_manifest(folder)
    except ManifestError as error:
        yield Verdict(codec, "manifest", FAILED, str(error))
        return
    if codec not in manifests:
        known = ", ".join(name for name in manifests if "+" in name) or "none"
        fault = f"{folder.name}/codec.toml has no variant {variant!r}; it has {known}."
        yield Verdict(codec, "manifest", FAILED, fault)
        return
    yield from check_manifest(manifests[codec], archive, device_of=device_of)
