"""Whether a codec still gives the bytes and the quality its folder expects of it.

``[claims].expected`` names a table with a row per point. A point that differs is a drift: reported
with its size and the tool versions on both sides, never corrected and never silent. A scene's point
has a row as well: its digests are those of all views, its PSNR is that of the first view set, the
test views where they are rendered.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from invrbench.codec.manifest import Manifest
from invrbench.digest import write_whole
from invrbench.errors import ManifestError
from invrbench.outside import finite, is_file, read_table, shortened
from invrbench.results.plan import Plan
from invrbench.results.records import read_usable_record
from invrbench.video.ffmpeg import find_ffmpeg

COLUMNS = (
    "sequence",
    "configuration",
    "rate_point",
    "bitstream_bytes",
    "psnr_y_db",
    "bitstream_md5",
    "decoded_md5",
    "ffmpeg_version",
)
Row = Mapping[str, Any]
Place = tuple[str, str, str]


@dataclass(frozen=True)
class Drift:
    """One point that is not as expected: relative rate and PSNR-Y difference, and the versions."""

    place: Place
    rate_percent: float
    psnr_db: float
    expected_version: str
    found_version: str


def _place(row: Row) -> Place:
    cut = str(row.get("cut") or "")
    sequence = f"{row['sequence']}@{cut}" if cut else str(row["sequence"])
    return sequence, str(row["configuration"]), str(row["rate_point"])


def _by_point(rows: Iterable[Row]) -> dict[Place, Row]:
    """The first row of each point, which of a scene may have one per view set."""
    points: dict[Place, Row] = {}
    for row in rows:
        points.setdefault(_place(row), row)
    return points


def read_expected(manifest: Manifest) -> dict[Place, dict[str, str]]:
    """The folder's table of expected points; empty if it has none.

    Raises:
        ManifestError: the table is named but absent, lacks a column, or holds what is no number.
    """
    name = manifest.claims.get("expected")
    if name is None:
        return {}
    path = manifest.folder / name
    if not is_file(path):
        raise ManifestError(f"{manifest.path}: [claims].expected names {name!r}, which is absent.")
    try:
        columns, rows = read_table(path)
        lacking = sorted(set(COLUMNS) - set(columns))
        if lacking:
            raise ManifestError(f"{manifest.path}: {name} lacks the column {', '.join(lacking)}.")
        for row in rows:
            if finite(row["bitstream_bytes"]) < 1 or finite(row["psnr_y_db"] or "0") < 0:
                raise ValueError(f"a point of {shortened(row['sequence'])} has no size or quality")
    except ValueError as error:
        raise ManifestError(
            f"{manifest.path}: {name} cannot be used ({error}); `invrbench expect` writes it anew."
        ) from None
    return {_place(row): row for row in rows}


def find_drifts(manifest: Manifest, rows: Iterable[Row], version: str) -> list[Drift]:
    """Measured points of a codec whose bitstream or decoded video is not the expected one."""
    expected = read_expected(manifest)
    drifts = []
    for place, row in _by_point(rows).items():
        held = expected.get(place)
        if held is None or row["status"] != "ok":
            continue
        same = all(row[name] == held[name] for name in ("bitstream_md5", "decoded_md5"))
        if not same:
            rate = 100 * (row["bitstream_bytes"] / float(held["bitstream_bytes"]) - 1)
            psnr = float(row["psnr_y_db"] or 0) - float(held["psnr_y_db"] or 0)
            drifts.append(Drift(place, rate, psnr, held["ffmpeg_version"], version))
    return drifts


def drift_notes(plan: Plan, rows: Iterable[Row]) -> list[str]:
    """A sentence for every codec that drifted from its table, with the largest differences."""
    held = list(rows)
    notes = []
    for name, manifest in plan.manifests.items():
        if "expected" not in manifest.claims or manifest.role == "published":
            continue
        mine = [row for row in held if row["codec"] == manifest.id and not row["variant"]]
        drifts = find_drifts(manifest, mine, find_ffmpeg().version if manifest.tools else "")
        if drifts:
            count = len(_by_point(mine))
            rate = max((drift.rate_percent for drift in drifts), key=abs)
            psnr = max((drift.psnr_db for drift in drifts), key=abs)
            versions = {(drift.expected_version, drift.found_version) for drift in drifts}
            told = "; ".join(f"expected with ffmpeg {a}, found {b}" for a, b in sorted(versions))
            notes.append(
                f"{name} drifted from its expected points: {len(drifts)} of {count} differ, "
                f"by up to {rate:+.2f} % in rate and {psnr:+.3f} dB in PSNR-Y ({told})."
            )
    return notes


def write_expected(manifest: Manifest, rows: Iterable[Row], root: Path) -> int:
    """Write the folder's table from measured points; points of other runs in it stay.

    Returns:
        The number of points written.

    Raises:
        ManifestError: the manifest names no table.
    """
    name = manifest.claims.get("expected")
    if name is None:
        raise ManifestError(f"{manifest.path}: [claims].expected is missing; name a table there.")
    path = manifest.folder / name
    table: dict[Place, dict[str, str]] = read_expected(manifest) if path.is_file() else {}
    count = 0
    for place, row in _by_point(rows).items():
        if row["status"] != "ok":
            continue
        table[place] = _expected_row(row, root, manifest)
        count += 1
    lines = ["\t".join(COLUMNS)]
    lines += ["\t".join(table[place][column] for column in COLUMNS) for place in sorted(table)]
    write_whole(path, "\n".join(lines) + "\n")
    return count


def _expected_row(row: Row, root: Path, manifest: Manifest) -> dict[str, str]:
    sequence, configuration, rate_point = place = _place(row)
    folder = root / "results" / sequence / manifest.codec / configuration / rate_point / "s0"
    record = read_usable_record(folder / "encode.json") or {}
    cells = dict(zip(COLUMNS[:3], place, strict=True))
    cells |= {name: str(row[name]) for name in ("bitstream_md5", "decoded_md5", "bitstream_bytes")}
    cells["psnr_y_db"] = "" if row["psnr_y_db"] is None else f"{row['psnr_y_db']:.4f}"
    cells["ffmpeg_version"] = str(record.get("versions", {}).get("ffmpeg", ""))
    return cells
