"""Repeating a contribution's fits and encodes, to see how far another run lies from the packed one.

Nobody expects equality: seeds, devices and libraries move a training. What is reported is the
spread. Fit and encode run in the open, as those of any codec folder do: it is strangers' code.
"""

import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from invrbench.codec.closure import verb_digest
from invrbench.codec.manifest import Manifest, Verb, read_manifest
from invrbench.codec.runner import check_bitstream, run_in_the_open
from invrbench.codec.workspace import workspace
from invrbench.digest import digest_value, md5_file, sync_tree, write_whole
from invrbench.errors import ContractError, InputError, InvrError
from invrbench.results.claims import Claim
from invrbench.results.crosscheck import OUT_OF_TIME, Session
from invrbench.results.execute import device_for
from invrbench.results.package import ENCODER, Package
from invrbench.results.records import machine_label, now, read_usable_record, write_record
from invrbench.results.sources import coding_fields
from invrbench.results.verdicts import Compared, compare


@dataclass(frozen=True)
class Again:
    """A point that was trained and encoded again, or the reason why it was not."""

    claim: Claim
    why_not: str = ""
    compared: tuple[Compared, ...] = ()
    record: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_same(self) -> bool:
        """Whether the second bitstream is the first one, byte for byte."""
        return bool(self.record.get("bitstream_md5") == self.claim.first["bitstream_md5"])

    def value(self, column: str) -> Compared | None:
        """The first compared value of a column."""
        return next((each for each in self.compared if each.column == column), None)


def require_encoder(package: Package) -> None:
    """Refuse a package whose encoder stayed at home.

    Raises:
        InputError: says so.
    """
    if not package.has_encoder:
        raise InputError(
            f"{package.path.name} holds no encoder, so --reencode has nothing to repeat; ask its "
            "proponent for one made with `invrbench pack --with-encoder`."
        )


def encode_again(
    session: Session, claims: Sequence[Claim], *, within: float | None = None
) -> Iterator[Again]:
    """Every point trained (once per fit), encoded, decoded and measured again.

    Args:
        session: an opened one, of a package with its encoder.
        claims: the points.
        within: seconds after which no further point is begun.

    Raises:
        ManifestError: the packed encoder is no codec folder.
    """
    manifest = read_manifest(session.folder / ENCODER)[ENCODER]
    start = time.monotonic()
    for claim in claims:
        why_not = session.why_not(claim)
        if why_not:
            yield Again(claim, why_not)
        elif within is not None and time.monotonic() - start >= within:
            yield Again(claim, OUT_OF_TIME)
        else:
            yield _again(session, manifest, claim)


def _again(session: Session, manifest: Manifest, claim: Claim) -> Again:
    try:
        run = _Run(session, manifest, claim)
        record = read_usable_record(run.record)
        if record is None or record["key"] != run.key:
            record = run.repeat()
    except InvrError as error:
        return Again(claim, session.told(error))
    return Again(claim, "", tuple(compare(claim, record, session.limits)), record)


class _Run:
    """Fit and encode of one point, as package.json says they were given."""

    def __init__(self, session: Session, manifest: Manifest, claim: Claim) -> None:
        self.session = session
        self.manifest = manifest
        self.claim = claim
        given = session.package.value["encoder"].get(claim.file)
        if given is None:
            raise InputError("the package does not say how this point was encoded")
        self.given: Mapping[str, Any] = given
        self.base = session.base / "again"
        self.record = self.base / f"{digest_value([claim.file, str(session.head)])}.json"

    @property
    def key(self) -> str:
        """Digest of all that a second run depends on."""
        verbs: tuple[Verb, ...] = ("fit", "encode", "decode")
        return digest_value(
            {
                "given": self.given,
                "seed": self.claim.first["seed"],
                "measured": self.session.key(self.claim),
                "code": {v: verb_digest(self.manifest, v) for v in verbs if self._has(v)},
            }
        )

    def _has(self, verb: Verb) -> bool:
        return verb in self.manifest.commands

    def repeat(self) -> dict[str, Any]:
        """Train, encode, decode with the packed decoder, measure."""
        start = now()
        model = self._model() if "fit" in self.given else None
        with workspace(self.session.space) as space:
            job = self._job("encode") | {
                "rate_point": {
                    "id": self.given["rate_point"],
                    "parameters": self.given["parameters"],
                }
            }
            if model is not None:
                job |= {"model": str(model.resolve())}
            log = self.record.with_suffix(".log")
            log.unlink(missing_ok=True)
            run = run_in_the_open(self.manifest, "encode", job, folder=space, log=log)
            made = space / "work" / "bitstream.bin"
            check_bitstream(self.manifest, made)
            bitstream = self.record.with_suffix(".bin")
            write_whole(bitstream, made.read_bytes())
        record = {
            "kind": "reencode",
            "status": "ok",
            "key": self.key,
            **self.session.measured_of(self.claim, bitstream),
            "bitstream_md5": md5_file(bitstream),
            "encode_seconds": round(run.outcome.wall_seconds, 4),
            "start": start,
            "end": now(),
            "machine": machine_label(),
        }
        write_record(self.record, record)
        return record

    def _job(self, verb: Verb) -> dict[str, Any]:
        source, prepared = self.session.source_of(self.claim)
        job: dict[str, Any] = {
            "schema": 1,
            "verb": verb,
            **coding_fields(source, prepared),
            "configuration": self.claim.first["configuration"],
            "seed": self.claim.first["seed"],
            "device": device_for(self.manifest, verb),
            "threads": self.manifest.resources_of(verb).threads,
        }
        if "fit" in self.given:
            job["fit"] = {"name": self.given["fit"], "parameters": self.given["fit_parameters"]}
            job["budget"] = self.given["budget"]
        return job

    def _model(self) -> Path:
        """The model of the point's fit, trained once for all its points; a kill loses no step."""
        job = self._job("fit")
        told = {key: value for key, value in job.items() if key not in ("source", "views")}
        parts = [self.claim.sequence, told, verb_digest(self.manifest, "fit")]
        folder = self.base / "models" / digest_value(parts)
        model = folder / "model"
        if model.is_dir():
            return model
        checkpoint = folder / "checkpoint"
        checkpoint.mkdir(parents=True, exist_ok=True)
        job["checkpoint"] = str(checkpoint.resolve())
        with workspace(self.session.space) as space:
            log = folder / "fit.log"
            log.unlink(missing_ok=True)
            run_in_the_open(self.manifest, "fit", job, folder=space, log=log)
            made = space / "work" / "model"
            if not made.is_dir() or not any(made.iterdir()):
                raise ContractError(f"{self.claim.codec}: fit left no model/ folder with files.")
            sync_tree(made)
            shutil.move(made, model)
        shutil.rmtree(checkpoint, ignore_errors=True)
        return model
