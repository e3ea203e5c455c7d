"""The only times that a table compares: verbs run alone on the machine, the median of three."""

import logging
import os
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any

from invrbench.codec.runner import VerbRun, run_in_the_open
from invrbench.codec.workspace import workspace
from invrbench.digest import md5_file
from invrbench.errors import ContractError, RecordError
from invrbench.results import paths
from invrbench.results.execute import decode_into, encode_job, md5_of, recorded_failure
from invrbench.results.plan import Point
from invrbench.results.records import machine_label, now, read_record, write_record
from invrbench.results.sources import load_source
from invrbench.results.times import (
    FOREIGN_CORES,
    RECORD,
    REPEATS,
    foreign_cores,
    times_encode,
    timing_key,
)

_logger = logging.getLogger(__name__)

# What starting a verb costs the harness beside it, in seconds of one core.
_OVERHEAD_SECONDS = 0.3

Run = Callable[[Path, Path], VerbRun]  # of a verb, in a workspace, with a log


def time_point(root: Path, point: Point, *, repeat: str) -> None:
    """Decode a point (and encode an anchor's) three times and write ``timing.json``.

    Seconds are wall clock; the record says how many cores other processes kept busy meanwhile.

    Raises:
        ContractError: a verb failed, or gave other bytes than before.
    """
    folder = root / point.address.folder
    log = folder / "timing.log"
    key = timing_key(point)
    with recorded_failure(folder / "timing.failed.json", log, key=key, repeat=repeat):
        decoded, encoded = (_known(folder, verb) for verb in ("decode", "encode"))
        start = now()
        verbs = {"decode": _decoding(point, folder, decoded["decoded_md5"])}
        if times_encode(point):
            verbs["encode"] = _encoding(root, point, encoded["bitstream_md5"])
        log.unlink(missing_ok=True)
        times = {verb: _timed(root, run, log) for verb, run in verbs.items()}
        record = {
            "kind": "timing",
            "status": "ok",
            **asdict(point.address),
            "key": key,
            "start": start,
            "end": now(),
            "machine": machine_label(),
            "device": decoded["device"],
            "inputs": {
                "decoded_md5": decoded["decoded_md5"],
                "bitstream_md5": encoded["bitstream_md5"],
            },
            **times,
        }
        write_record(folder / RECORD, record)
    if foreign_cores(record) > FOREIGN_CORES:
        _logger.warning(
            "%s: other processes kept cores busy while it was timed, so that these times are not "
            "compared; end them and run this again.",
            point.address.folder,
        )


def _known(folder: Path, verb: str) -> dict[str, Any]:
    record = read_record(folder / f"{verb}.json")
    if record is None:
        raise RecordError(f"{folder}/{verb}.json is missing; {verb} this point first.")
    return record


def _decoding(point: Point, folder: Path, expected: str) -> Run:
    def run(space: Path, log: Path) -> VerbRun:
        done, pictures = decode_into(point, folder, space, log)
        _same(point, "decode", md5_of(pictures), expected)
        return done

    return run


def _encoding(root: Path, point: Point, expected: str) -> Run:
    job = encode_job(root, point, load_source(root, point.address.sequence))

    def run(space: Path, log: Path) -> VerbRun:
        done = run_in_the_open(point.manifest, "encode", job, folder=space, log=log)
        if point.manifest.claims.get("encode") != "not repeatable":
            _same(point, "encode", md5_file(space / "work" / "bitstream.bin"), expected)
        return done

    return run


def _same(point: Point, verb: str, found: str, expected: str) -> None:
    if found != expected:
        raise ContractError(
            f"{point.manifest.codec}: {verb} is not repeatable: md5 {found} while it was timed, "
            f"{expected} before; its times are of something else."
        )


def _timed(root: Path, run: Run, log: Path) -> dict[str, Any]:
    """Seconds of each run and their median, and the cores that others kept busy."""
    seconds, foreign = [], []
    for _ in range(REPEATS):
        with workspace(root / paths.JOBS) as space:
            busy, own = _busy_seconds(), sum(os.times()[:4])
            outcome = run(space, log).outcome
            busy, own = _busy_seconds() - busy, sum(os.times()[:4]) - own
        seconds.append(round(outcome.wall_seconds, 4))
        foreign.append(max(0.0, busy - own - _OVERHEAD_SECONDS) / max(outcome.wall_seconds, 1.0))
    return {
        "seconds": seconds,
        "median_seconds": median(seconds),
        "foreign_cores": round(median(foreign), 3),
    }


def _busy_seconds() -> float:
    """Seconds that all cores of this machine were not idle, since it started."""
    import psutil

    times = psutil.cpu_times()
    idle = times.idle + getattr(times, "iowait", 0.0)
    twice = getattr(times, "guest", 0.0) + getattr(times, "guest_nice", 0.0)  # within user
    return float(sum(times) - idle - twice)
