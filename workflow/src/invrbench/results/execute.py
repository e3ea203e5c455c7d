"""Carry out one step of a plan and leave its artefact with a record, or the reason it failed."""

import contextlib
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from invrbench.codec import sandbox
from invrbench.codec.manifest import Manifest, Verb
from invrbench.codec.runner import (
    Order,
    VerbRun,
    check_bitstream,
    log_tail,
    run_decode,
    run_in_the_open,
    unchanged_decoder,
)
from invrbench.codec.stopping import is_in_a_run
from invrbench.codec.workspace import workspace
from invrbench.digest import digest_value, md5_file, write_json, write_whole
from invrbench.errors import (
    ContractError,
    GpuMemoryError,
    InvrError,
    MemoryLimitError,
    RecordError,
    StorageError,
    storage_error,
)
from invrbench.results import frames, paths
from invrbench.results.fitting import finish, finished_before, open_checkpoint, take_model
from invrbench.results.plan import Fit, Point
from invrbench.results.records import (
    library_versions,
    machine_label,
    now,
    read_record,
    write_record,
)
from invrbench.results.sources import Prepared, coding_fields, load_source
from invrbench.video.ffmpeg import find_ffmpeg
from invrbench.video.format import RawVideo

DEVICE_VARIABLE = "INVRBENCH_DEVICE"
LONG_DECODE_SECONDS = 60.0


def device_for(manifest: Manifest, verb: Verb) -> str:
    """ "cuda" if the verb can use a GPU and this machine has one, else "cpu".

    The variable ``INVRBENCH_DEVICE`` (cpu or cuda) overrides what is found.
    """
    if not manifest.resources_of(verb).gpu:
        return "cpu"
    named = os.environ.get(DEVICE_VARIABLE, "auto")
    if named in ("cpu", "cuda"):
        return named
    return "cuda" if sandbox.cuda_devices() else "cpu"


def _versions(manifest: Manifest, device: str) -> dict[str, str]:
    versions = library_versions("numpy", "torch", "nncodec")
    if device == "cuda":
        versions["nvidia driver"] = sandbox.cuda_driver() or "unknown"
    if "ffmpeg" in manifest.tools:
        ffmpeg = find_ffmpeg()
        versions |= {"ffmpeg": ffmpeg.version, "ffmpeg_build": ffmpeg.build}
    return versions


def _run_fields(manifest: Manifest, verb: Verb, run: VerbRun) -> dict[str, Any]:
    outcome = run.outcome
    return {
        "command": run.command,
        "device": run.device,
        "sandbox": run.level,
        "threads": manifest.resources_of(verb).threads,
        "wall_seconds": round(outcome.wall_seconds, 4),
        "cpu_seconds": round(outcome.cpu_seconds, 4),
        "peak_memory_bytes": outcome.peak_memory_bytes,
        "versions": _versions(manifest, run.device),
        "notes": run.notes,
    }


@contextmanager
def recorded_failure(path: Path, log: Path, *, key: str, repeat: str) -> Iterator[None]:
    """Leave ``<verb>.failed.json`` when the step fails; an older one goes at the start."""
    path.unlink(missing_ok=True)
    try:
        yield
    except (InvrError, OSError) as problem:
        error = storage_error(problem) if isinstance(problem, OSError) else problem
        if error is None:
            raise
        record = {
            "schema": 1,
            "status": "failed",
            "reason": str(error).splitlines()[0],
            "detail": str(error),
            "log_tail": log_tail(log),
            "key": key,
            "repeat": repeat,
            "is_final": isinstance(error, ContractError)
            and not isinstance(error, MemoryLimitError | GpuMemoryError),
            "machine": machine_label(),
            "end": now(),
        }
        with contextlib.suppress(StorageError):
            write_json(path, record)
        raise type(error)(f"{error}\nRepeat it with: {repeat}\nLog: {log}") from problem


def fit(root: Path, task: Fit, *, repeat: str) -> None:
    """Train the model of a fit (or copy in the brought one) and write ``fit.json``.

    Raises:
        ContractError: the verb failed, or left no model.
    """
    folder = root / task.address.folder
    manifest, log = task.manifest, folder / "fit.log"
    folder.mkdir(parents=True, exist_ok=True)
    with recorded_failure(folder / "fit.failed.json", log, key=task.key, repeat=repeat):
        prepared = load_source(root, task.address.sequence)
        start = now()
        common = {"kind": "fit", **asdict(task.address), "key": task.key, "status": "ok"}
        finished = finished_before(folder, task.key)
        if finished is not None:
            finish(folder, finished, keep=is_in_a_run())
            return
        if task.brought is not None:
            with workspace(root / paths.JOBS) as space:
                copied = shutil.copytree(task.brought, space / "model")
                outputs = take_model(copied, folder)
            fields: dict[str, Any] = {"origin": "brought"}
        else:
            checkpoint = open_checkpoint(folder, task.key)
            with workspace(root / paths.JOBS) as space:
                job = {
                    "schema": 1,
                    "verb": "fit",
                    **coding_fields(task.source, prepared),
                    "configuration": task.address.configuration,
                    "fit": {"name": task.address.fit, "parameters": dict(task.parameters)},
                    "budget": task.address.budget,
                    "seed": task.address.seed,
                    "device": device_for(manifest, "fit"),
                    "threads": manifest.resources_of("fit").threads,
                    "checkpoint": str(checkpoint.folder.resolve()),
                }
                log.unlink(missing_ok=True)
                run = run_in_the_open(manifest, "fit", job, folder=space, log=log)
                model = space / "work" / "model"
                if not model.is_dir() or not any(model.iterdir()):
                    raise ContractError(f"{manifest.codec}: fit left no model/ folder with files.")
                outputs = take_model(model, folder)
            fields = {"origin": "run", **_run_fields(manifest, "fit", run)}
            fields["earlier_seconds"] = round(checkpoint.earlier_seconds, 4)
            fields["wall_seconds"] = round(run.outcome.wall_seconds + checkpoint.earlier_seconds, 4)
        record = (
            common
            | fields
            | {
                "start": start,
                "end": now(),
                "machine": machine_label(),
                "inputs": {"source_md5": prepared.md5},
                "outputs": outputs,
            }
        )
        finish(folder, record, keep=is_in_a_run())


def encode(root: Path, point: Point, *, repeat: str) -> None:
    """Write the bitstream of a point (or copy in the brought one) and ``encode.json``.

    Raises:
        ContractError: the verb failed, or left no usable bitstream.
    """
    folder = root / point.address.folder
    manifest, log = point.manifest, folder / "encode.log"
    folder.mkdir(parents=True, exist_ok=True)
    with recorded_failure(folder / "encode.failed.json", log, key=point.encode_key, repeat=repeat):
        prepared = load_source(root, point.address.sequence)
        start = now()
        inputs: dict[str, Any] = {"source_md5": prepared.md5}
        bitstream, target = folder / "bitstream.bin", folder / "encode.json"
        if point.brought is not None:
            check_bitstream(manifest, point.brought)
            target.unlink(missing_ok=True)  # a record goes before what it describes
            write_whole(bitstream, point.brought.read_bytes())
            fields: dict[str, Any] = {"origin": "brought"}
        else:
            job = encode_job(root, point, prepared)
            if point.fit is not None:
                inputs["model"] = _model_digest(root, point.fit)
            log.unlink(missing_ok=True)
            with unchanged_decoder(manifest, "encode"), workspace(root / paths.JOBS) as space:
                run = run_in_the_open(manifest, "encode", job, folder=space, log=log)
                check_bitstream(manifest, space / "work" / "bitstream.bin")
                target.unlink(missing_ok=True)
                write_whole(bitstream, (space / "work" / "bitstream.bin").read_bytes())
            fields = {"origin": "run", **_run_fields(manifest, "encode", run)}
        record = {
            "kind": "encode",
            "status": "ok",
            **asdict(point.address),
            "key": point.encode_key,
            **fields,
            "start": start,
            "end": now(),
            "machine": machine_label(),
            "inputs": inputs,
            "bitstream_bytes": bitstream.stat().st_size,
            "bitstream_md5": md5_file(bitstream),
        }
        write_record(target, record)


def _model_digest(root: Path, task: Fit) -> str:
    record = read_record(root / task.address.folder / "fit.json")
    if record is None:
        raise RecordError(
            f"{task.address.folder}/fit.json is missing; run `invrbench fit {task.address.folder}`."
        )
    return digest_value(record["outputs"])


def encode_job(root: Path, point: Point, prepared: Prepared) -> dict[str, Any]:
    """What encode is told of a point."""
    manifest, address = point.manifest, point.address
    job: dict[str, Any] = {
        "schema": 1,
        "verb": "encode",
        **coding_fields(point.source, prepared),
        "configuration": address.configuration,
        "rate_point": {"id": address.rate_point, "parameters": point.parameters},
        "seed": address.seed,
        "device": device_for(manifest, "encode"),
        "threads": manifest.resources_of("encode").threads,
    }
    if point.fit is not None:
        job["fit"] = {"name": point.fit.address.fit, "parameters": dict(point.fit.parameters)}
        job["budget"] = point.fit.address.budget
        job["model"] = str((root / point.fit.address.folder / "model").resolve())
    return job


def decode(root: Path, point: Point, *, repeat: str) -> None:
    """Decode a point's bitstream, keep its frames for measuring, and write ``decode.json``.

    Raises:
        ContractError: the decoder failed or wrote the wrong number of bytes.
    """
    from invrbench.results.previews import FOLDER as PREVIEWS  # numpy, which no other verb needs
    from invrbench.results.previews import write_previews

    folder = root / point.address.folder
    manifest, log = point.manifest, folder / "decode.log"
    with recorded_failure(folder / "decode.failed.json", log, key=point.decode_key, repeat=repeat):
        encoded = _encoded(folder)
        start = now()
        log.unlink(missing_ok=True)
        with workspace(root / paths.JOBS) as space:
            run, decoded = decode_into(point, folder, space, log)
            md5 = md5_of(decoded)
            listing = [f"{md5_file(v.path)}  {v.path.name}\n" for v in decoded.values()]
            (folder / "decode.json").unlink(missing_ok=True)
            if point.source.may_publish != "no":
                write_previews(folder / PREVIEWS, decoded, md5=md5)
            archive = point.keep_decoded or run.outcome.wall_seconds > LONG_DECODE_SECONDS
            frames.put(root, point.address, decoded, archive=archive)
        write_whole(folder / "decoded.md5", "".join(listing))
        record = {
            "kind": "decode",
            "status": "ok",
            **asdict(point.address),
            "key": point.decode_key,
            **_run_fields(manifest, "decode", run),
            "start": start,
            "end": now(),
            "machine": machine_label(),
            "inputs": {"bitstream_md5": encoded["bitstream_md5"]},
            "decoded_md5": md5,
            "learned_bytes": manifest.learned_bytes,
        }
        write_record(folder / "decode.json", record)


def decode_into(
    point: Point, folder: Path, space: Path, log: Path
) -> tuple[VerbRun, dict[str, RawVideo]]:
    """Decode the bitstream in ``folder`` inside ``space``; the decoded files by view."""
    manifest = point.manifest
    return run_decode(
        manifest,
        folder / "bitstream.bin",
        folder=space,
        log=log,
        device=device_for(manifest, "decode"),
        threads=manifest.resources_of("decode").threads,
        order=order_of(point),
    )


def order_of(point: Point) -> Order:
    """What a point's decoder is asked for."""
    if not point.rendered:
        return Order.video(point.source.format)
    return Order.scene(point.source.format, point.rendered)


def md5_of(decoded: Mapping[str, RawVideo]) -> str:
    """MD5 of all decoded files, in the order they were asked for."""
    return md5_file(*(video.path for video in decoded.values()))


def _encoded(folder: Path) -> dict[str, Any]:
    record = read_record(folder / "encode.json")
    if record is None:
        raise RecordError(f"{folder}/encode.json is missing; encode this point first.")
    if md5_file(folder / "bitstream.bin") != record["bitstream_md5"]:
        raise RecordError(
            f"{folder}/bitstream.bin is not the file its record describes (md5 differs); "
            "delete encode.json and rerun."
        )
    return record
