"""The table of points: one row per expected point, whatever became of it."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from invrbench.codec.manifest import Manifest
from invrbench.codec.sandbox import told_level
from invrbench.digest import digest_value
from invrbench.errors import ManifestError, RecordError
from invrbench.metrics.families import FAMILIES, RENDER, VIEW
from invrbench.outside import finite, read_table
from invrbench.results import paths
from invrbench.results.drift import drift_text, drifts_of
from invrbench.results.places import without_places
from invrbench.results.plan import Fit, Plan, Point
from invrbench.results.records import STALE, failure_of, read_record
from invrbench.results.shares import parts_text
from invrbench.results.times import SHARED, times_of

Row = dict[str, Any]
METRICS: tuple[str, ...] = tuple(
    column for family in FAMILIES.values() for column in family.columns
)
IDENTITY = (
    "conditions", "track", "class", "sequence", "cut", "view_set", "codec", "variant", "role",
    "curve", "configuration", "rate_point", "fit", "seed", "origin", "status", "reason", "sandbox",
)  # fmt: skip
RATES = ("bitstream_bytes", "bpp", "rate_kbps", "kbit_per_instant", "rate_vs_anchor_percent")
COSTS = (
    "fit_seconds", "encode_seconds", "decode_seconds", "peak_memory_bytes", "kmac_per_pixel",
    "parameters", "uncompressed_bpp", "bits_per_weight", "compression_ratio", "learned_bytes",
    "stated_fit_seconds", "stated_encode_seconds",
)  # fmt: skip
PLACES = ("timing", "machine", "device")  # where and how times were taken
DIGESTS = ("bitstream_md5", "decoded_md5", "source_md5")
COLUMNS: tuple[str, ...] = (
    *IDENTITY,
    "qp",
    *RATES,
    "rate_vs_anchor_reason",
    *METRICS,
    *COSTS,
    "bytes_by_part",
    *PLACES,
    "drift",
    *DIGESTS,
    *(f"{metric}_reason" for metric in METRICS),
    "accepted",
)
VIEW_COLUMNS: tuple[str, ...] = (
    *IDENTITY[: IDENTITY.index("view_set") + 1],
    "view",
    *IDENTITY[IDENTITY.index("view_set") + 1 :],
    *("qp", "bitstream_bytes", "bpp", "kbit_per_instant", "compression_ratio"),
    *METRICS,
    *(f"{metric}_reason" for metric in METRICS),
)
FLOAT_BITS = 32
# why a family that the conditions ask for is not measured of a point
NOT_HERE = {RENDER: "no uncompressed model", VIEW: "measured of scenes only"}
MEAN_OF = "mean of "
# what a sealed record of another form than this version writes makes Python raise
_NO_RECORD = (KeyError, TypeError, ValueError, AttributeError, ArithmeticError)
# what another machine may find of equal bitstreams; its processor decides what drifts
VOLATILE = (
    *("fit_seconds", "encode_seconds", "decode_seconds", "peak_memory_bytes"),
    *(*PLACES, "drift"),
)


def curve_of(patterns: Mapping[str, str], rate_point: str) -> str:
    """Name of the curve a rate point lies on: the first whose pattern fits it, else ""."""
    for name, pattern in patterns.items():
        if fnmatchcase(rate_point, pattern):
            return name
    return ""


def _identity(plan: Plan, point: Point, view_set: str) -> Row:
    address, codec = point.address, point.manifest.codec
    curves = plan.conditions.curves.get(codec, point.manifest.curves)
    return {
        "conditions": plan.conditions.name,
        "track": point.source.track,
        "class": point.sequence_class,
        "sequence": str(replace(point.ref, cut=None)),
        "cut": str(point.ref.cut or ""),
        "view_set": view_set,
        "codec": point.manifest.id,
        "variant": point.manifest.variant,
        "role": point.manifest.role,
        "curve": curve_of(curves, address.rate_point),
        "configuration": address.configuration,
        "rate_point": address.rate_point,
        "fit": point.rate_point.fit or "",
        "seed": address.seed,
        "qp": qp_of(point),
    }


class _Verdict(Exception):  # noqa: N818 - carries a status to the row, no error leaves this module
    def __init__(self, status: str, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


def _current(path: Path, key: str, verb: str) -> Row:
    """The record at ``path`` if it is the one expected, else the verdict on the point."""
    try:
        record = read_record(path)
    except RecordError as error:
        raise _Verdict("failed", f"{verb}: record unusable ({_first(error)})") from None
    if record is not None and record.get("key") == key:
        return record
    if failed := failure_of(path, key):
        raise _Verdict("failed", failed)
    if record is not None:
        raise _Verdict("stale", f"{verb}: {STALE}")
    raise _Verdict("missing", f"{verb}: not run")


def _same(found: Any, expected: Any, verb: str, what: str) -> None:
    if found != expected:
        raise _Verdict("stale", f"{verb}: was made from another {what}")


def current_fit(root: Path, fit: Fit) -> Row:
    """The fit's record, if current."""
    return _current(root / fit.address.folder / "fit.json", fit.key, "fit")


def _chain(root: Path, point: Point, families: Iterable[str]) -> dict[str, Row]:
    """The records behind a point, each current and made from the one before it."""
    folder = root / point.address.folder
    chain: dict[str, Row] = {}
    if point.fit is not None:
        chain["fit"] = current_fit(root, point.fit)
    source = _source(root, point)
    encode = chain["encode"] = _current(folder / "encode.json", point.encode_key, "encode")
    if source is not None:
        _same(encode["inputs"]["source_md5"], source["md5"], "encode", "source file")
    if "fit" in chain and "model" in encode["inputs"]:
        _same(encode["inputs"]["model"], digest_value(chain["fit"]["outputs"]), "encode", "model")
    bitstream = folder / "bitstream.bin"
    if not bitstream.is_file() or bitstream.stat().st_size != encode["bitstream_bytes"]:
        raise _Verdict("stale", "bitstream.bin is not the file its record describes")
    decode = chain["decode"] = _current(folder / "decode.json", point.decode_key, "decode")
    _same(decode["inputs"]["bitstream_md5"], encode["bitstream_md5"], "decode", "bitstream")
    for family in families:
        path = folder / "metrics" / f"{family}.json"
        measured = chain[family] = _current(path, point.family_keys[family], f"measure {family}")
        verb = f"measure {family}"
        _same(measured["inputs"]["decoded_md5"], decode["decoded_md5"], verb, "decoded video")
        _same(measured["inputs"]["source_md5"], encode["inputs"]["source_md5"], verb, "source")
        if family == RENDER and point.uncompressed is not None:
            render = _current_decode(root, point.uncompressed)
            _same(measured["inputs"]["render_md5"], render["decoded_md5"], verb, "render")
    return chain


def _times(root: Path, point: Point, chain: Mapping[str, Row]) -> Row:
    """Times that were taken alone, or why none were, in place of those of a shared machine."""
    digests = {
        "decoded_md5": chain["decode"]["decoded_md5"],
        "bitstream_md5": chain["encode"]["bitstream_md5"],
    }
    try:
        return times_of(root / point.address.folder, point, digests)
    except RecordError as error:
        raise _Verdict("failed", f"timing: record unusable ({_first(error)})") from None


def _source(root: Path, point: Point) -> Row | None:
    try:
        return read_record(root / paths.source_record(point.address.sequence))
    except RecordError as error:
        raise _Verdict("failed", f"source: record unusable ({_first(error)})") from None


def _first(error: RecordError) -> str:
    """What is wrong, without what to do."""
    return str(error).split(";")[0]


def _current_decode(root: Path, point: Point) -> Row:
    return _current(root / point.address.folder / "decode.json", point.decode_key, "decode")


def _values(point: Point, chain: Mapping[str, Row]) -> Row:
    encode, decode = chain["encode"], chain["decode"]
    video, pixels = point.source.format, point.source.coded_pixels
    size, is_still = encode["bitstream_bytes"], video.frames == 1
    row: Row = {
        "origin": encode["origin"],
        "sandbox": told_level(decode["sandbox"]),
        "bitstream_bytes": size,
        "bpp": 8 * size / pixels,
        "rate_kbps": None if is_still else 8 * size * float(video.fps) / (1000 * video.frames),
        "kbit_per_instant": 8 * size / (1000 * video.frames) if point.rendered else None,
        "encode_seconds": encode.get("wall_seconds"),
        "decode_seconds": decode["wall_seconds"],
        "learned_bytes": decode["learned_bytes"],
        "timing": SHARED,
        "machine": decode["machine"],
        "device": decode["device"],
        "bitstream_md5": encode["bitstream_md5"],
        "decoded_md5": decode["decoded_md5"],
        "source_md5": encode["inputs"]["source_md5"],
    }
    for name in ("fit_seconds", "encode_seconds"):
        row[f"stated_{name}"] = point.stated_times.get(name)
    notes: Row = {}
    for record in chain.values():
        notes |= record.get("notes", {})
    for name in ("parameters", "kmac_per_pixel"):
        value = notes.get(name)
        row[name] = value if isinstance(value, int | float) else None
    row["bytes_by_part"] = parts_text(encode.get("notes", {}).get("bytes"), size)
    if row["parameters"]:
        row |= _weight_costs(int(row["parameters"]), size, pixels)
    if "fit" in chain:
        row["fit_seconds"] = chain["fit"].get("wall_seconds")
    row["peak_memory_bytes"] = max(
        (r["peak_memory_bytes"] for r in chain.values() if "peak_memory_bytes" in r), default=None
    )
    accepted = [str(r["accepted"]) for r in chain.values() if r.get("accepted")]
    row["accepted"] = "; ".join(dict.fromkeys(accepted))
    return row


def _distortion(point: Point, chain: Mapping[str, Row], views: Iterable[str]) -> Row:
    """Every metric as the mean over the views, or the reason why one of them has no value."""
    row: Row = {}
    for family in point.family_keys:
        measured = [chain[family]["views"][v] if v else chain[family] for v in views]
        for column in measured[0]["values"]:
            values = [each["values"][column] for each in measured]
            reasons = [each["reasons"].get(column, "") for each in measured]
            row[column] = None if None in values else sum(values) / len(values)
            row[f"{column}_reason"] = next(filter(None, reasons), "")
    return row


def qp_of(point: Point) -> float | None:
    """The quantisation parameter of a rate point; None for one that has none, or no number."""
    value = point.rate_point.parameters.get("qp")
    return value if isinstance(value, int | float) else None


def _weight_costs(parameters: int, size: int, pixels: int) -> Row:
    """What a model of that many values costs in float32, and what its ``size`` bytes make of it."""
    return {
        "uncompressed_bpp": FLOAT_BITS * parameters / pixels,
        "bits_per_weight": 8 * size / parameters,
        "compression_ratio": FLOAT_BITS * parameters / (8 * size),
    }


def point_rows(plan: Plan, point: Point) -> list[Row]:
    """A point's row per view set (one of a video), with its numbers if all records are current.

    Otherwise each row holds the reason.
    """
    empty = dict.fromkeys(COLUMNS)
    sets = {name: empty | _identity(plan, point, name) for name in point.view_sets}
    verdict: Row = {"status": "ok", "reason": ""}
    if point.skipped or point.missing:
        status = "skipped" if point.skipped else "missing"
        why = without_places(point.skipped or point.missing or "", plan.root)
        verdict = {"status": status, "reason": why}
        return [row | verdict for row in sets.values()]
    try:
        return [row | verdict for row in _measured_rows(plan, point, sets)]
    except _Verdict as problem:
        why = without_places(problem.reason, plan.root)
        verdict = {"status": problem.status, "reason": why}
    except _NO_RECORD as error:
        what = f"lacks {error}" if isinstance(error, KeyError) else str(error)
        verdict = {"status": "failed", "reason": f"a record is unusable ({what})"}
    return [row | verdict for row in sets.values()]


def _measured_rows(plan: Plan, point: Point, sets: Mapping[str, Row]) -> list[Row]:
    """The rows by view set, filled from the point's records."""
    chain = _chain(plan.root, point, point.family_keys)
    common = _values(point, chain) | _times(plan.root, point, chain)
    common["drift"] = drift_text(drifts_of(plan.root, point, chain["decode"])) or None
    for family in set(plan.conditions.families) - set(point.family_keys):
        columns = FAMILIES[family].columns
        common |= dict.fromkeys((f"{column}_reason" for column in columns), NOT_HERE[family])
    return [
        row | common | _distortion(point, chain, point.view_sets[name])
        for name, row in sets.items()
    ]


def view_rows(plan: Plan) -> list[Row]:
    """A row per view that a scene's points are measured on, whatever became of the point.

    Columns are :data:`VIEW_COLUMNS`.
    """
    scenes = [point for point in plan.points if point.source.track == "multiview"]
    return [row for point in scenes for row in _rows_of_views(plan, point)]


def _rows_of_views(plan: Plan, point: Point) -> list[Row]:
    rows = []
    for common in point_rows(plan, point):
        kept = {name: common[name] for name in VIEW_COLUMNS if name in common}
        views = point.view_sets[common["view_set"]]
        if common["status"] != "ok":
            rows += [kept | {"view": view} for view in views]
            continue
        chain = _chain(plan.root, point, point.family_keys)
        rows += [kept | {"view": view} | _distortion(point, chain, [view]) for view in views]
    return rows


def collect_points(plan: Plan) -> list[Row]:
    """Rows of all expected points, of anchors kept from earlier runs, and of published curves."""
    rows = [row for point in plan.points for row in point_rows(plan, point)]
    earlier = (row for point in plan.references for row in point_rows(plan, point))
    rows += [row for row in earlier if row["status"] == "ok"]
    for manifest in plan.published:
        rows += _published_rows(plan, manifest)
    return rows


def mean_name(sequence_class: str) -> str:
    """What stands for a sequence where a value is the mean over a class; no id has blanks."""
    return f"{MEAN_OF}{sequence_class}"


def _published_table(manifest: Manifest) -> list[dict[str, str]]:
    try:
        return read_table(manifest.folder / "points.tsv")[1]
    except ValueError as error:
        raise ManifestError(f"{manifest.path}: points.tsv is no table: {error}.") from None


def _number(manifest: Manifest, column: str, text: str) -> float | None:
    try:
        return finite(text) if text.strip() else None
    except ValueError as error:
        raise ManifestError(
            f"{manifest.path}: points.tsv: in {column}, {error}; leave the cell empty."
        ) from None


def _published_rows(plan: Plan, manifest: Manifest) -> list[Row]:
    """Rows of a published curve whose sequence, or class for a mean, the conditions hold.

    A row without a sequence is a mean over all sequences of its class.
    """
    held = {(p.ref.sequence, str(p.ref.cut or "")): p.sequence_class for p in plan.points}
    names = {sequence for sequence, _ in held}
    names |= {mean_name(sequence_class) for sequence_class in held.values()}
    rows = []
    for raw in _published_table(manifest):
        sequence = raw.get("sequence") or mean_name(raw.get("class") or "")
        if sequence not in names:
            continue
        row: Row = dict.fromkeys(COLUMNS)
        for column, text in raw.items():
            if column in METRICS or column in RATES or column in COSTS:
                row[column] = _number(manifest, column, text)
            elif column in COLUMNS:
                row[column] = text
        row |= {
            "conditions": plan.conditions.name,
            "track": row["track"] or "video",
            "sequence": sequence,
            "class": row["class"] or held.get((sequence, raw.get("cut") or ""), ""),
            "codec": manifest.id,
            "variant": "",
            "role": "published",
            "configuration": row["configuration"] or "any",
            "seed": 0,
            "status": "published",
            "origin": raw.get("source") or manifest.paper,
            "reason": raw.get("convention") or "",
        }
        rows.append(row)
    return rows
