"""Reports and tables that a person names: read back, checked, and never believed blindly."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from invrbench.compare.curves import Point, full_codec, normalised
from invrbench.compare.table import read_points
from invrbench.digest import md5_file
from invrbench.errors import RecordError
from invrbench.outside import parse_json, shortened
from invrbench.report.info import CodecInfo, RunInfo
from invrbench.schema import check_structure

SCHEMA = 1
CROSSCHECK = "crosscheck"  # kind and schema of the records that cross-checkers send back
CROSSCHECK_SCHEMA = 1
# Parts of run.json that are objects of their own, or that only the report itself needs.
_OWN = {"codecs", "sequences", "figures", "findings", "headline_metrics", "drift"}


@dataclass(frozen=True)
class Given:
    """A table of points from elsewhere.

    Attributes:
        name: as a person typed it; of a path outside this folder, the last part.
        points: normalised.
        info: what run.json says; for a bare table what its points tell.
        is_bare: whether there is nothing but the table.
        notes: what a reader must know of it.
    """

    name: str
    points: tuple[Point, ...]
    info: RunInfo
    is_bare: bool = False
    notes: tuple[str, ...] = ()


def read_given(path: Path) -> Given:
    """A report folder with points.tsv and run.json, or a bare table of points.

    Raises:
        RecordError: there is no such table, run.json is newer than this version or unusable, or
            the table holds no point.
    """
    name = shown_path(path)
    table = path / "points.tsv" if path.is_dir() else path
    if not table.is_file():
        what = "holds no points.tsv" if path.is_dir() else "does not exist"
        raise RecordError(
            f"{name} {what}; name a report folder, as `invrbench report` writes it, "
            "or a points.tsv."
        )
    points = tuple(normalised(read_points(table)))
    if not points:
        raise RecordError(f"{name}: {table.name} holds no point, so there is nothing to read.")
    run = path / "run.json"
    if not path.is_dir() or not run.is_file():
        notes = ("without run.json: versions and conditions are not known",)
        return Given(name, points, bare_info(points), True, notes)
    value = _read_run(run, name)
    return Given(name, points, info_of(value), notes=tuple(_doubts(value, table)))


def shown_path(path: Path) -> str:
    """A path as reports name it: as typed below this folder, else its last part alone.

    >>> shown_path(Path("reports/mini")), shown_path(Path("/home/me/mini"))
    ('reports/mini', 'mini')
    """
    if path.is_absolute() or ".." in path.parts:
        return path.resolve().name
    return path.as_posix()


def _read_run(path: Path, where: str) -> dict[str, Any]:
    try:
        value = parse_json(path.read_bytes())
    except ValueError as error:
        raise RecordError(f"{where}: run.json cannot be read: {error}.") from None
    schema = value.get("schema") if isinstance(value, dict) else None
    if isinstance(schema, int) and schema > SCHEMA:
        raise RecordError(
            f"{where} was written by a newer invrbench (run.json has schema {schema}); this one "
            f"reads schemas up to {SCHEMA}. Update invrbench and try again."
        )
    check_structure(value, "run", where=f"{where}: run.json", error=RecordError)
    return dict(value)


def read_verdict(path: Path, where: str) -> dict[str, Any]:
    """What a cross-checker sent back: the content of a crosscheck.json.

    Args:
        path: an existing file.
        where: what messages call it.

    Raises:
        RecordError: it is no such record, or one of another version.
    """
    try:
        value = parse_json(path.read_bytes())
    except ValueError as error:
        raise RecordError(f"{where} cannot be read: {error}; ask for it again.") from None
    if not isinstance(value, dict) or value.get("kind") != CROSSCHECK:
        raise RecordError(
            f"{where} is no record of a cross-check; name the crosscheck.json that "
            "`invrbench crosscheck` writes."
        )
    if value.get("schema") != CROSSCHECK_SCHEMA:
        raise RecordError(
            f"{where} has schema {shortened(value.get('schema'))}; this version reads "
            f"{CROSSCHECK_SCHEMA}. Update invrbench and try again."
        )
    check_structure(value, "crosscheck", where=where, error=RecordError)
    return dict(value)


def info_of(value: Mapping[str, Any]) -> RunInfo:
    """What a run.json says, as reports hold it; sequences, figures and findings left out."""
    known = {field.name for field in fields(RunInfo)} - _OWN
    plain: dict[str, Any] = {
        name: tuple(held) if isinstance(held, list) else held
        for name, held in value.items()
        if name in known
    }
    first, *second = value["headline_metrics"]
    names = {field.name for field in fields(CodecInfo)}
    codecs = {
        str(codec): CodecInfo(**{name: held for name, held in entry.items() if name in names})
        for codec, entry in value["codecs"].items()
    }
    return RunInfo(
        **({"title": ""} | plain),
        headline_metrics=(first, second[0] if second else first),
        codecs=codecs,
    )


def bare_info(points: tuple[Point, ...]) -> RunInfo:
    """What points alone tell: names, and their first anchor, which stands for the headline's."""
    codecs = {full_codec(p): CodecInfo(full_codec(p), str(p.get("role") or "")) for p in points}
    anchors = [codec for codec, entry in codecs.items() if entry.role == "anchor"]
    return RunInfo(
        conditions=str(points[0].get("conditions") or ""),
        title="",
        digest="",
        headline_anchor=anchors[0] if anchors else "",
        headline_metrics=("psnr_y_db", "ms_ssim_y_db"),
        budget="",
        codecs=codecs,
    )


def _doubts(value: Mapping[str, Any], table: Path) -> list[str]:
    """What speaks against taking a report as it is."""
    expected = value.get("files", {}).get(table.name)
    doubts = []
    if expected and md5_file(table) != expected:
        doubts.append("points.tsv is not the one that run.json was written with: it was changed")
    if value.get("filter"):
        doubts.append(f"a draft of {value['filter']}")
    if value.get("dirty"):
        doubts.append("made by a harness with local changes")
    return doubts
