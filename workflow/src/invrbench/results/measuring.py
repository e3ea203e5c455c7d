"""Measure a point: one record per family of metrics, then a table of all values of its frames.

The table is written last, when every family's record is current: it is what a run waits for.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from invrbench.codec.workspace import workspace
from invrbench.digest import write_whole
from invrbench.errors import ContractError, InvrError, RecordError
from invrbench.metrics.families import RENDER
from invrbench.metrics.families import measure as measure_family
from invrbench.metrics.measurement import Measurement
from invrbench.metrics.trunk import find_trunk
from invrbench.results import frames, paths
from invrbench.results.execute import decode_into, md5_of, recorded_failure
from invrbench.results.paths import PointAddress
from invrbench.results.plan import Point
from invrbench.results.records import (
    machine_label,
    now,
    read_record,
    read_usable_record,
    write_record,
)
from invrbench.results.sources import load_source
from invrbench.video.format import RawVideo

TABLE = "frames.tsv"
Record = Mapping[str, Any]
Pictures = Mapping[str, RawVideo]


def lacks_weights(record: Record | None) -> bool:
    """Whether LPIPS was left empty for want of weights."""
    measured = record.get("views", {"": record}).values() if record is not None else ()
    return any("weights" in each["reasons"].get("lpips", "") for each in measured)


def open_families(root: Path, point: Point) -> tuple[str, ...]:
    """Families whose records are not those of the point's source and decoded frames."""
    try:
        inputs = _inputs(root, point, load_source(root, point.address.sequence).md5)
    except InvrError:  # which measuring will tell
        return tuple(point.family_keys)
    has_weights = find_trunk() is not None
    found = []
    for family, key in point.family_keys.items():
        record = read_usable_record(_record(root, point, family))
        is_current = (
            record is not None
            and record["key"] == key
            and record.get("inputs") == inputs(family)
            and not (has_weights and family == "perceptual" and lacks_weights(record))
        )
        if not is_current:
            found.append(family)
    return tuple(found)


def _record(root: Path, point: Point, family: str) -> Path:
    return root / point.address.folder / "metrics" / f"{family}.json"


def _decoded(root: Path, point: Point) -> dict[str, Any]:
    folder = point.address.folder
    record = read_record(root / folder / "decode.json")
    if record is None:
        raise RecordError(f"{folder}/decode.json is missing; decode this point first.")
    return record


def _inputs(root: Path, point: Point, source_md5: str) -> Callable[[str], dict[str, str]]:
    """What a family's record says it was measured of."""
    common = {"source_md5": source_md5, "decoded_md5": _decoded(root, point)["decoded_md5"]}

    def inputs(family: str) -> dict[str, str]:
        if family != RENDER or point.uncompressed is None:
            return common
        return common | {"render_md5": _decoded(root, point.uncompressed)["decoded_md5"]}

    return inputs


class Measuring:
    """A point's decoded frames at hand, for one family of metrics after another."""

    def __init__(self, root: Path, point: Point, space: Path) -> None:
        self._root = root
        self._point = point
        self._space = space
        self._held: dict[PointAddress, Pictures] = {}

    def measure(self, family: str, *, repeat: str) -> None:
        """Measure a family and write its record.

        Frames that are gone are decoded again; another md5 than the first decode's fails the point.

        Raises:
            ContractError: the decoder is not repeatable, or failed.
        """
        root, point = self._root, self._point
        key = point.family_keys[family]
        target = _record(root, point, family)
        failed = target.with_suffix(".failed.json")
        log = root / point.address.folder / f"measure-{family}.log"
        with recorded_failure(failed, log, key=key, repeat=repeat):
            prepared = load_source(root, point.address.sequence)
            inputs = _inputs(root, point, prepared.md5)(family)
            start = now()
            pictures = self._pictures(point, log, keeps=point.keep_decoded)
            references: Pictures = prepared.clips
            if family == RENDER and point.uncompressed is not None:
                references = self._pictures(point.uncompressed, log, keeps=True)
            results = {
                view: measure_family(family, references[view], video)
                for view, video in pictures.items()
            }
            record = {
                "kind": "measure",
                "status": "ok",
                **asdict(point.address),
                "family": family,
                "key": key,
                "start": start,
                "end": now(),
                "machine": machine_label(),
                "inputs": inputs,
                **_measured(results),
            }
            write_record(target, record)

    def _pictures(self, point: Point, log: Path, *, keeps: bool) -> Pictures:
        if point.address not in self._held:
            space = self._space / f"{len(self._held)}"
            space.mkdir(exist_ok=True)
            record = _decoded(self._root, point)
            held = pictures_of(self._root, point, space, log, record, keeps=keeps)
            self._held[point.address] = held
        return self._held[point.address]


@contextmanager
def measuring(root: Path, point: Point) -> Iterator[Measuring]:
    """What measures a point; at the end its table is written, if all its families are current."""
    with workspace(root / paths.JOBS) as space:
        yield Measuring(root, point, space)
    _finish(root, point)


def pictures_of(
    root: Path, point: Point, space: Path, log: Path, record: Record, *, keeps: bool
) -> Pictures:
    """A point's decoded frames below ``space``, decoded again if they are gone or were damaged.

    ``keeps`` archives them then: an earlier run may have had no use for them.
    """
    held = frames.get(root, point.address, point.formats, space)
    if held is not None and md5_of(held) == record["decoded_md5"]:
        return held
    views = tuple(point.formats)
    keeps |= any(frames.archive_file(root, point.address, view).is_file() for view in views)
    with workspace(root / paths.JOBS) as other:
        folder = root / point.address.folder
        pictures = _decode_again(point, folder, other, log, record)
        frames.put(root, point.address, pictures, archive=keeps)
    if keeps:
        frames.drop(root, point.address, point.formats)  # the archive stays
    found = frames.get(root, point.address, point.formats, space)
    if found is None:
        raise RecordError(f"{folder}: its decoded frames went away while they were measured.")
    return found


def _decode_again(
    point: Point, folder: Path, space: Path, log: Path, record: Record
) -> dict[str, RawVideo]:
    run, decoded = decode_into(point, folder, space, log)
    md5 = md5_of(decoded)
    if md5 != record["decoded_md5"]:
        raise ContractError(
            f"{point.address.codec}: decoder not repeatable: two decodes of one bitstream gave "
            f"md5 {record['decoded_md5']} and {md5} (sandbox {run.level}, {run.device})."
        )
    log.unlink(missing_ok=True)
    return decoded


def _measured(results: Mapping[str, Measurement]) -> dict[str, Any]:
    """A video's measurement, or those of a scene under ``views``, with the versions of all."""
    if "" in results:
        return results[""].to_json()
    versions: dict[str, str] = {}
    for result in results.values():
        versions |= result.versions
    return {
        "versions": versions,
        "views": {view: result.to_json() for view, result in results.items()},
    }


def _finish(root: Path, point: Point) -> None:
    """When all families of a point are current: write its per-frame table, drop its frames."""
    records = []
    for family, key in point.family_keys.items():
        record = read_usable_record(_record(root, point, family))
        if record is None or record["key"] != key:
            return
        records.append(record)
    write_whole(root / point.address.folder / TABLE, _frames_table(point, records))
    frames.drop(root, point.address, point.formats)


def _frames_table(point: Point, records: list[dict[str, Any]]) -> str:
    """Per-frame values as text: a line per frame, of a scene per view and frame."""
    is_scene = "" not in point.formats
    columns: dict[str, dict[str, list[float | None]]] = {view: {} for view in point.formats}
    for record in records:
        for view, held in columns.items():
            held |= (record["views"][view] if is_scene else record)["frames"]
    names = list(dict.fromkeys(name for held in columns.values() for name in held))
    lines = ["\t".join([*(["view"] if is_scene else []), "frame", *names])]
    for view, held in columns.items():
        for index in range(max((len(values) for values in held.values()), default=0)):
            cells = [
                values[index] if index < len(values) else None
                for values in (held.get(name, []) for name in names)
            ]
            lead = [view, str(index)] if is_scene else [str(index)]
            lines.append("\t".join([*lead, *("" if v is None else f"{v:.6f}" for v in cells)]))
    return "\n".join(lines) + "\n"
