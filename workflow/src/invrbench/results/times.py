"""The record of a point's times taken alone: what it depends on, and what tables take from it."""

from pathlib import Path
from typing import Any

from invrbench.digest import digest_value
from invrbench.results.plan import Point
from invrbench.results.records import read_record

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


def were_alone(record: dict[str, Any]) -> bool:
    """Whether the machine did little else while a point was timed."""
    verbs = (record[verb] for verb in ("decode", "encode") if verb in record)
    return all(verb["foreign_cores"] <= FOREIGN_CORES for verb in verbs)


def times_of(folder: Path, point: Point, decoded_md5: str, bitstream_md5: str) -> dict[str, Any]:
    """Columns of points.tsv that a current record of times replaces; none without one.

    Args:
        folder: the point's.
        point: the point.
        decoded_md5: of its current decode.
        bitstream_md5: of its current bitstream.

    Raises:
        RecordError: the record cannot be used.
    """
    record = read_record(folder / RECORD)
    inputs = {"decoded_md5": decoded_md5, "bitstream_md5": bitstream_md5}
    if record is None or record.get("key") != timing_key(point) or record["inputs"] != inputs:
        return {}
    verbs = [verb for verb in ("decode", "encode") if verb in record]
    if not were_alone(record):
        return {}
    row = {f"{verb}_seconds": record[verb]["median_seconds"] for verb in verbs}
    timing = ALONE if "encode" in verbs else ALONE_DECODE
    return row | {"timing": timing, "machine": record["machine"], "device": record["device"]}
