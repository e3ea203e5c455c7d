"""The record of a point's times taken alone: what it depends on, and what tables take from it."""

from pathlib import Path
from typing import Any

from invrbench.digest import digest_value
from invrbench.results.plan import Point
from invrbench.results.records import failure_of, read_record

RECORD = "timing.json"
REPEATS = 3
FOREIGN_CORES = 0.1  # that other processes may keep busy while a verb counts as alone
# Columns of points.tsv: how its times were taken.
ALONE, ALONE_DECODE, SHARED = "alone", "alone (decode)", "shared machine"


def times_encode(point: Point) -> bool:
    """Whether encoding is timed too: an anchor's, which needs no training first."""
    return point.manifest.role == "anchor" and point.fit is None and point.brought is None


def timing_key(point: Point) -> str:
    """Digest of all that a point's times depend on, but the machine."""
    encoded = point.encode_key if times_encode(point) else ""
    return digest_value([point.decode_key, encoded, REPEATS])


def is_alone(timing: object, column: str) -> bool:
    """Whether a time in a column of points.tsv was taken alone.

    >>> is_alone("alone (decode)", "decode_seconds"), is_alone("alone (decode)", "encode_seconds")
    (True, False)
    """
    return timing == ALONE or (timing == ALONE_DECODE and column == "decode_seconds")


def foreign_cores(record: dict[str, Any]) -> float:
    """Cores that other processes kept busy while a point was timed, the most of its verbs."""
    return max(float(record[verb]["foreign_cores"]) for verb in _timed_verbs(record))


def _timed_verbs(record: dict[str, Any]) -> list[str]:
    return [verb for verb in ("decode", "encode") if verb in record]


def times_of(folder: Path, point: Point, inputs: dict[str, str]) -> dict[str, Any]:
    """Columns of points.tsv that a current record of times replaces, or says why it cannot.

    Args:
        folder: the point's.
        point: the point.
        inputs: ``decoded_md5`` and ``bitstream_md5``, of its current records.

    Raises:
        RecordError: the record cannot be used.
    """
    key = timing_key(point)
    record = read_record(folder / RECORD)
    if record is None or record["key"] != key or record["inputs"] != inputs:
        why = failure_of(folder / RECORD, key)
        return {"timing": f"{SHARED}; {why}"} if why else {}
    busy = foreign_cores(record)
    if busy > FOREIGN_CORES:
        return {"timing": f"{SHARED}: other processes kept {busy:.1f} cores busy"}
    verbs = _timed_verbs(record)
    row = {f"{verb}_seconds": record[verb]["median_seconds"] for verb in verbs}
    timing = ALONE if "encode" in verbs else ALONE_DECODE
    return row | {"timing": timing, "machine": record["machine"], "device": record["device"]}
