"""Decode a point once more under another setting, and keep how far its pictures drifted."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from invrbench.codec.runner import VerbRun, log_tail, run_decode
from invrbench.codec.settings import Setting, read_setting
from invrbench.codec.workspace import workspace
from invrbench.digest import md5_file
from invrbench.errors import ContractError, RecordError
from invrbench.metrics.families import measure as measure_family
from invrbench.results import paths
from invrbench.results.drift import (
    FAILS,
    FAMILY,
    Difference,
    Drift,
    classify,
    current_drift,
    difference,
    drift_key,
    record_path,
)
from invrbench.results.execute import device_for, md5_of, order_of
from invrbench.results.places import without_places
from invrbench.results.plan import Plan, Point
from invrbench.results.records import (
    library_versions,
    machine_label,
    now,
    read_record,
    read_usable_record,
    usable_cores,
    write_record,
)
from invrbench.results.sources import load_source

Record = Mapping[str, Any]


@dataclass(frozen=True)
class _Found:
    """A second decode that ended well: its run, its md5, and how far it lies from the first."""

    run: VerbRun
    md5: str
    apart: Difference | None


@dataclass(frozen=True)
class Wanted:
    """A second decode that test conditions ask for, with the key its record should have."""

    point: Point
    setting: Setting
    key: str


def wanted(plan: Plan) -> dict[Path, Wanted]:
    """Records of second decodes that a run makes: of settings that apply on this machine."""
    found = {}
    for setting in map(read_setting, plan.conditions.drift):
        for point in plan.runnable:
            if not setting.why_not(point.manifest, _device(plan.root, point)):
                key = drift_key(point.decode_key, setting.identity())
                found[record_path(point, setting)] = Wanted(point, setting, key)
    return found


def _device(root: Path, point: Point) -> str:
    """Where the recorded decode ran, or will run."""
    record = read_usable_record(root / point.address.folder / "decode.json")
    if record is not None and record["key"] == point.decode_key:
        return str(record["device"])
    return device_for(point.manifest, "decode")


def decoded_record(root: Path, point: Point) -> Record:
    """The record of the decode that others are compared with.

    Raises:
        RecordError: the point was not decoded yet, or with other code, parameters or input.
    """
    folder = point.address.folder
    record = read_record(root / folder / "decode.json")
    if record is None:
        raise RecordError(
            f"{folder} is not decoded yet; run `snakemake all` or `invrbench decode {folder}`."
        )
    if record["key"] != point.decode_key:
        raise RecordError(
            f"{folder} was decoded with other code, parameters or input; run it anew first."
        )
    if md5_file(root / folder / "bitstream.bin") != record["inputs"]["bitstream_md5"]:
        raise RecordError(
            f"{folder}/bitstream.bin is not the file that was decoded (md5 differs); delete "
            "encode.json and run it anew."
        )
    return record


def look(root: Path, point: Point, setting: Setting) -> Drift | str:
    """The drift of a point under a setting, from its record or by decoding once more.

    A result from elsewhere is kept, even one of a setting that does not apply on this machine.

    Returns:
        What was found and kept, or why the setting does not apply.

    Raises:
        RecordError: the point is not decoded, or its PSNR is not measured.
        ToolError: the sandbox or the interpreter is of no use here.
    """
    decoded = decoded_record(root, point)
    path = root / record_path(point, setting)
    held = current_drift(path, point, decoded)
    if held is not None:
        return held
    why_not = setting.why_not(point.manifest, decoded["device"])
    if why_not:
        return why_not
    _decode(root, path, point, setting, decoded)
    found = current_drift(path, point, decoded)
    assert found is not None
    return found


def look_for_run(root: Path, point: Point, setting: Setting) -> None:
    """As :func:`look`, for a run that waits for the record: it says also what does not apply."""
    found = look(root, point, setting)
    if isinstance(found, str):
        decoded = decoded_record(root, point)
        path = root / record_path(point, setting)
        _write(path, point, setting, decoded, {"status": "skipped", "reason": found})


def _decode(root: Path, path: Path, point: Point, setting: Setting, decoded: Record) -> None:
    log = path.with_suffix(".log")
    log.unlink(missing_ok=True)
    device = setting.device or str(decoded["device"])
    threads = setting.threads_of(point.manifest, usable_cores())
    start = now()
    common: dict[str, Any] = {"status": "ok", "device": device, "threads": threads, "start": start}
    try:
        found = _found(root, point, setting, decoded, log, device=device, threads=threads)
    except ContractError as error:
        _write(path, point, setting, decoded, common | _failed(root, error, log))
        return
    _write(path, point, setting, decoded, common | _compared(found))
    log.unlink(missing_ok=True)


def _found(
    root: Path,
    point: Point,
    setting: Setting,
    decoded: Record,
    log: Path,
    *,
    device: str,
    threads: int,
) -> _Found:
    """Decode once more; where the files differ, measure them."""
    with workspace(root / paths.JOBS) as space:
        run, pictures = run_decode(
            point.manifest,
            root / point.address.folder / "bitstream.bin",
            folder=space,
            log=log,
            device=device,
            threads=threads,
            order=order_of(point),
            around=setting.around,
        )
        md5 = md5_of(pictures)
        if md5 == decoded["decoded_md5"]:
            return _Found(run, md5, None)
        sources = load_source(root, point.address.sequence).clips
        second = {
            view: measure_family(FAMILY, sources[view], video).to_json()
            for view, video in pictures.items()
        }
    return _Found(run, md5, difference(_measured(root, point, decoded), second))


def _measured(root: Path, point: Point, decoded: Record) -> Mapping[str, Record]:
    """The recorded measurement of the recorded decode, by view."""
    name = point.address.folder / "metrics" / f"{FAMILY}.json"
    record = read_record(root / name)
    if record is None or record["inputs"]["decoded_md5"] != decoded["decoded_md5"]:
        raise RecordError(
            f"{name} is missing or of another decode, and the second decode differs: run "
            f"`invrbench measure-point {point.address.folder} {FAMILY}` first."
        )
    views: Mapping[str, Record] = record.get("views", {"": record})
    return views


def _compared(found: _Found) -> dict[str, Any]:
    apart = found.apart
    return {
        "class": classify(apart),
        "md5": found.md5,
        "largest_db": apart.frame_db if apart else 0.0,
        "where": apart.where if apart else "",
        "columns": dict(apart.columns) if apart else {},
        "reason": f"decodes, but {apart.reason}" if apart and apart.reason else "",
        "sandbox": found.run.level,
        "command": found.run.command,
    }


def _failed(root: Path, error: ContractError, log: Path) -> dict[str, Any]:
    """A decode that did not end well, with the last thing it said."""
    first, _, _ = str(error).partition("\n")
    said = log_tail(log).strip().rpartition("\n")[2]
    reason = first.rstrip(".") + (f": {said}" if said else "")
    return {
        "class": FAILS,
        "md5": None,
        "largest_db": None,
        "where": "",
        "columns": {},
        "reason": without_places(reason, root),
        "log_tail": without_places(log_tail(log), root),
    }


def _write(
    path: Path, point: Point, setting: Setting, decoded: Record, found: Mapping[str, Any]
) -> None:
    """Write the record; its times are the run's, and no measure of the decoder."""
    identity = setting.identity()
    record = {
        "kind": "drift",
        **asdict(point.address),
        "key": drift_key(point.decode_key, identity),
        "setting": identity,
        "is_same_device": setting.is_same_device,
        **found,
        "recorded": {name: decoded.get(name) for name in ("device", "threads", "versions")},
        "versions": setting.versions or library_versions("numpy", "torch", "nncodec"),
        "inputs": {
            "bitstream_md5": decoded["inputs"]["bitstream_md5"],
            "decoded_md5": decoded["decoded_md5"],
        },
        "end": now(),
        "machine": machine_label(),
    }
    write_record(path, record)
