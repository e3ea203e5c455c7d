"""Packing a codec's points into one archive that is a codec folder with brought bitstreams.

The archive holds what a receiver must own, the bitstreams, and every claim about them; no sample of
a source, no decoded picture, no path and no host. The same results give the same bytes.
"""

import json
import os
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from invrbench import __version__
from invrbench.codec.closure import package_roots, verb_files
from invrbench.codec.manifest import Manifest, Verb, resolved_table
from invrbench.codec.toml import to_toml
from invrbench.ctc.names import suggest
from invrbench.ctc.sequences import Sequence as SequenceEntry
from invrbench.ctc.sequences import load_sequences
from invrbench.ctc.tolerances import tolerances
from invrbench.digest import md5_file, written_whole
from invrbench.errors import ConditionsError, InputError, RecordError
from invrbench.results import paths
from invrbench.results.lock import environment_lock, git_state
from invrbench.results.package import ENCODER, KIND, SCHEMA, read_package
from invrbench.results.places import without_places
from invrbench.results.plan import CONDITIONS, Plan, Point
from invrbench.results.points import Row, point_rows, view_rows
from invrbench.results.records import read_usable_record

Content = bytes | Path
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest a zip archive can say
WITHHELD = {
    "status": "skipped",
    "reason": "its bitstream is lossless, and the sequence may not be published",
}
_TIMES = ("fit_seconds", "encode_seconds", "decode_seconds", "machine", "device", "timing")
# of codec.toml: what stays as it is; all else belongs to verbs that are not in the package
_KEPT = ("schema", "name", "summary", "paper", "document", "contact", "licence", "role", "joins")


@dataclass(frozen=True)
class Sender:
    """Who hands a package out, and under which document; ``label`` is that of the report."""

    proponent: str = ""
    document: str = ""
    label: str = ""


@dataclass(frozen=True)
class PackedPoint:
    """A point that is packed: its rows of points.tsv, and where its bitstream lies inside."""

    point: Point
    rows: tuple[Row, ...]
    file: str


@dataclass(frozen=True)
class Contribution:
    """What is to be packed: points, rows of those left out, and the anchors' rows beside them."""

    plan: Plan
    manifest: Manifest
    packed: tuple[PackedPoint, ...]
    left_out: tuple[Row, ...]
    anchors: tuple[Row, ...]

    @property
    def rows(self) -> list[Row]:
        """Rows of all points, those left out included, as a report of them would hold."""
        return [row for each in self.packed for row in each.rows] + list(self.left_out)

    @property
    def folder(self) -> str:
        """Name of the folder inside; a variant's is joined with a minus, for ids hold no plus."""
        return self.manifest.codec.replace("+", "-")

    @property
    def file_name(self) -> str:
        """What the archive is called, unless its user says otherwise."""
        return f"{self.folder}-{self.plan.conditions.name}.zip"


def gather(plan: Plan, codec: str) -> Contribution:
    """The points of a codec (``id`` or ``id+variant``) that a plan holds and that are done.

    Raises:
        ConditionsError: the conditions run no such codec.
        InputError: it has no bitstreams by its nature, or no point of it is done.
    """
    if codec not in plan.manifests:
        raise ConditionsError(
            f"ctc/{plan.conditions.name}.yaml runs no codec {codec!r}; "
            f"{suggest(codec, plan.manifests)}."
        )
    manifest = plan.manifests[codec]
    if manifest.role == "published":
        raise InputError(f"{codec} is a published curve: it has no bitstreams to pack.")
    packed: list[PackedPoint] = []
    left_out: list[Row] = []
    for point in plan.points:
        if point.address.codec != codec:
            continue
        rows = tuple(_sendable(plan, row) for row in point_rows(plan, point))
        if rows[0]["status"] == "ok" and _gives_the_source_away(plan.root, point):
            left_out += [row | WITHHELD for row in rows]
        elif rows[0]["status"] == "ok":
            packed.append(PackedPoint(point, rows, _bitstream_name(point)))
        else:
            left_out += rows
    if not packed:
        why = "; ".join(dict.fromkeys(f"{r['status']}: {r['reason']}" for r in left_out))
        raise InputError(
            f"no point of {codec} is done under {plan.conditions.name} ({why or 'none expected'}); "
            f"run `snakemake --cores 8 all --config ctc={plan.conditions.name}` first."
        )
    _refuse_one_name(packed)
    wanted = {each.point.address.sequence for each in packed}
    anchors = [
        _sendable(plan, row)
        for point in (*plan.points, *plan.references)
        if point.manifest.role == "anchor" and point.address.codec != codec
        if point.address.sequence in wanted
        for row in point_rows(plan, point)
    ]
    return Contribution(plan, manifest, tuple(packed), tuple(left_out), tuple(anchors))


def _sendable(plan: Plan, row: Row) -> Row:
    """A row whose reason names no folder of this machine."""
    return row | {"reason": without_places(str(row["reason"] or ""), plan.root)}


def _gives_the_source_away(root: Path, point: Point) -> bool:
    """Whether a bitstream holds all samples of a sequence that is its owner's."""
    if point.source.may_publish != "no":
        return False
    record = read_usable_record(root / paths.source_record(point.address.sequence)) or {}
    views = record.get("views", {"decoded": record})
    listed = (root / point.address.folder / "decoded.md5").read_text(encoding="utf-8")
    decoded = [line.split("  ", 1) for line in listed.splitlines()]
    md5s = {name.removesuffix(".raw"): md5 for md5, name in decoded}
    return all(views.get(view, {}).get("md5") == md5 for view, md5 in md5s.items())


def _bitstream_name(point: Point) -> str:
    """Where a folder that brings bitstreams has this one; another seed is a rate point there."""
    where = point.address
    name = f"{where.rate_point}.s{where.seed}" if where.seed else where.rate_point
    return f"bitstreams/{where.sequence}/{where.configuration}/{name}.bin"


def _refuse_one_name(packed: Iterable[PackedPoint]) -> None:
    seen: dict[str, Point] = {}
    for each in packed:
        other = seen.setdefault(each.file.lower(), each.point)
        if other is not each.point:
            raise InputError(
                f"{other.address.folder} and {each.point.address.folder} would both be packed as "
                f"{each.file}; rename one rate point."
            )


# ---- the folder inside


def _manifest_table(contribution: Contribution, sender: Sender) -> dict[str, Any]:
    """codec.toml of the package: decode alone, on the packed files, with brought bitstreams."""
    manifest = contribution.manifest
    raw = resolved_table(manifest)
    table: dict[str, Any] = {key: raw[key] for key in _KEPT if key in raw}
    if sender.document:
        table["document"] = sender.document
    table["supports"] = raw["supports"]
    if "environment" in raw:
        table["environment"] = raw["environment"]
    table["commands"] = {"decode": list(manifest.commands["decode"])}
    table["decoder"] = {
        "files": sorted(verb_files(manifest, "decode")),
        "learned_bytes": manifest.learned_bytes,
    }
    seeds = sorted({each.point.address.seed for each in contribution.packed} - {0})
    curves = {f"seed{seed}": f"*.s{seed}" for seed in seeds}
    curves |= dict(contribution.plan.conditions.curves.get(manifest.codec, manifest.curves))
    if curves:
        table["curves"] = curves
    if "decode" in raw.get("resources", {}):
        table["resources"] = {"decode": raw["resources"]["decode"]}
    claims = {key: value for key, value in raw.get("claims", {}).items() if key == "decode"}
    if claims:
        table["claims"] = claims
    return table


def _encoder_table(manifest: Manifest) -> dict[str, Any]:
    """codec.toml of the folder ``encoder/``: all verbs, on files that lie beside it."""
    raw = resolved_table(manifest)
    raw.pop("packages", None)
    raw.pop("joins", None)
    raw["decoder"] = {**raw.get("decoder", {}), "files": sorted(verb_files(manifest, "decode"))}
    if "claims" in raw:
        raw["claims"] = {k: v for k, v in raw["claims"].items() if k in ("decode", "encode")}
    return raw


def _licences(contribution: Contribution) -> dict[str, Content]:
    """The folder's own licence files, and the repository's for toolboxes that go along."""
    manifest = contribution.manifest
    found: dict[str, Content] = {
        path.name: path for path in sorted(manifest.folder.glob("LICEN[CS]E*")) if path.is_file()
    }
    repository = contribution.plan.root / "LICENSE"
    if repository.is_file():
        packages = [name for name in manifest.packages if package_roots(manifest)]
        found |= {f"LICENSE-{name}": repository for name in packages}
    return found


def _environment_files(manifest: Manifest) -> dict[str, Content]:
    name = manifest.environment.get("file")
    return {str(name): manifest.folder / str(name)} if name else {}


def _members(
    contribution: Contribution, value: Mapping[str, Any], sender: Sender, *, with_encoder: bool
) -> dict[str, Content]:
    """Every file of the folder, by name."""
    manifest, root = contribution.manifest, contribution.plan.root
    members: dict[str, Content] = dict(verb_files(manifest, "decode"))
    members |= _environment_files(manifest) | _licences(contribution)
    for each in contribution.packed:
        folder = root / each.point.address.folder
        members[each.file] = folder / "bitstream.bin"
        if (folder / "frames.tsv").is_file():
            members[each.file.removesuffix(".bin") + ".frames.tsv"] = folder / "frames.tsv"
    if with_encoder:
        members |= _encoder_members(manifest)
    members["codec.toml"] = to_toml(_manifest_table(contribution, sender)).encode()
    members["origin.json"] = _json(_origin(contribution))
    members["README.md"] = _readme(contribution, value).encode()
    members["package.json"] = _json(value)
    return members


def _encoder_members(manifest: Manifest) -> dict[str, Content]:
    """The folder ``encoder/``, a codec folder of its own with every verb."""
    verbs: tuple[Verb, ...] = ("fit", "encode", "decode")
    files: dict[str, Content] = {}
    for verb in verbs:
        if verb in manifest.commands:
            files |= verb_files(manifest, verb)
    if "encode" not in manifest.commands:
        raise InputError(
            f"{manifest.path}: there is no encoder to pack, its bitstreams are brought; "
            "leave out --with-encoder."
        )
    files |= _environment_files(manifest)
    files["codec.toml"] = to_toml(_encoder_table(manifest)).encode()
    return {f"{ENCODER}/{name}": content for name, content in files.items()}


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=1, allow_nan=False, ensure_ascii=False) + "\n").encode()


def _origin(contribution: Contribution) -> dict[str, Any]:
    """Times of the verbs that the folder does not have, as its maker measured them."""
    points = {}
    for each in contribution.packed:
        row = each.rows[0]
        points[each.file] = {name: row[name] for name in _TIMES if row.get(name) is not None}
    return {"schema": 1, "self_reported": True, "points": points}


# ---- package.json


def _sequences(contribution: Contribution) -> dict[str, Any]:
    """By sequence with cut: what it is, its md5, and how a cross-checker comes by it."""
    entries = load_sequences(contribution.plan.root / CONDITIONS / "sequences")
    found: dict[str, Any] = {}
    for each in contribution.packed:
        name = each.point.address.sequence
        if name not in found:
            found[name] = _sequence(contribution, each, entries[each.point.ref.sequence])
    return found


def _sequence(
    contribution: Contribution, each: PackedPoint, entry: SequenceEntry
) -> dict[str, Any]:
    point = each.point
    record = read_usable_record(
        contribution.plan.root / paths.source_record(point.address.sequence)
    )
    return {
        "track": point.source.track,
        "class": point.sequence_class,
        **point.source.format.to_json(),
        "md5": each.rows[0]["source_md5"],
        "verified": (record or {}).get("verified", "unknown"),
        "md5_source": entry.md5_source,
        "title": entry.title,
        "source": dict(entry.source),
        "note": entry.note,
        "may_publish": point.source.may_publish,
    }


def _encoding(point: Point) -> dict[str, Any]:
    """What fit and encode were given, so that they can be repeated."""
    told: dict[str, Any] = {"rate_point": point.rate_point.id, "parameters": point.parameters}
    if point.fit is not None:
        told |= {
            "fit": point.fit.address.fit,
            "budget": point.fit.address.budget,
            "fit_parameters": dict(point.fit.parameters),
        }
    return told


def _claims(contribution: Contribution) -> list[Row]:
    """Rows of points.tsv with the file each belongs to, and the file of its uncompressed model."""
    files = {each.point.address: each.file for each in contribution.packed}
    rows = []
    for each in contribution.packed:
        other = each.point.uncompressed
        render = {} if other is None else {"uncompressed_file": files.get(other.address, "")}
        rows += [row | {"file": each.file} | render for row in each.rows]
    return rows


def _views(contribution: Contribution) -> list[Row]:
    """Rows of views.tsv of the packed points, with the file each belongs to."""
    rows = []
    for each in contribution.packed:
        if each.point.rendered:
            alone = replace(contribution.plan, points=(each.point,))
            rows += [row | {"file": each.file} for row in view_rows(alone)]
    return rows


def _commands(contribution: Contribution) -> list[dict[str, str]]:
    """What a cross-checker types; the first bitstream of a video also by hand."""
    name, folder = contribution.file_name, contribution.folder
    told = [
        {"what": "cross-check everything", "command": f"invrbench crosscheck {name}"},
        {
            "what": "what fits into three hours",
            "command": f"invrbench crosscheck {name} --within 3h",
        },
    ]
    video = next((each for each in contribution.packed if not each.point.rendered), None)
    if video is None:
        return told
    words = [word.replace("{codec}", folder) for word in contribution.manifest.commands["decode"]]
    words = [word.replace("{python}", "python") for word in words]
    job = {
        "schema": 1,
        "verb": "decode",
        "bitstream": f"{folder}/{video.file}",
        "output": "decoded.raw",
        "device": video.rows[0].get("device") or "cpu",
        "threads": contribution.manifest.resources_of("decode").threads,
    }
    ffmpeg = "FFMPEG=$(command -v ffmpeg) " if contribution.manifest.tools else ""
    return [
        *told,
        {"what": "job.json of one decode by hand", "command": json.dumps(job)},
        {
            "what": f"that decode; expect md5 {video.rows[0]['decoded_md5']}",
            "command": f"{ffmpeg}PYTHONPATH={folder} {' '.join(words)} job.json && "
            "md5sum decoded.raw",
        },
    ]


def package_value(
    contribution: Contribution, bd: Sequence[Row], sender: Sender, *, with_encoder: bool
) -> dict[str, Any]:
    """The content of package.json.

    Args:
        contribution: what is packed.
        bd: rows of bd.tsv in which the codec is tested.
        sender: who packs it.
        with_encoder: whether fit and encode go along.
    """
    plan, manifest = contribution.plan, contribution.manifest
    files = verb_files(manifest, "decode")
    records = _records(contribution)
    decodes = [record for record in records if record["kind"] == "decode"]
    commit, is_dirty = git_state(plan.root)
    conditions = plan.conditions
    return {
        "schema": SCHEMA,
        "kind": KIND,
        "codec": manifest.codec,
        "folder": contribution.folder,
        "name": manifest.name,
        "role": manifest.role,
        "summary": manifest.summary,
        "paper": manifest.paper,
        "contact": manifest.contact,
        "licence": manifest.licence,
        "document": sender.document or manifest.document,
        "proponent": sender.proponent,
        "label": sender.label,
        "created": max((str(record["end"]) for record in records), default=""),
        "selection": str(plan.selection) if plan.is_filtered else "",
        "harness": {"version": __version__, "commit": commit, "dirty": is_dirty},
        "conditions": {
            "name": conditions.name,
            "digest": conditions.digest(),
            "value": conditions.to_json(),
        },
        "tolerances": tolerances(conditions.tolerances),
        "environment": environment_lock(manifest, files, decodes),
        "decoder": {
            "command": list(manifest.commands["decode"]),
            "files": {name: md5_file(path) for name, path in sorted(files.items())},
            "learned_bytes": manifest.learned_bytes,
        },
        "encoder": (
            {each.file: _encoding(each.point) for each in contribution.packed}
            if with_encoder
            else None
        ),
        "sequences": _sequences(contribution),
        "points": _claims(contribution),
        "views": _views(contribution),
        "left_out": list(contribution.left_out),
        "anchors": list(contribution.anchors),
        "encoders": _encoders(contribution),
        "metric_versions": {
            column: str(version)
            for record in records
            if record["kind"] == "measure"
            for column, version in record["versions"].items()
        },
        "bd": list(bd),
        "commands": _commands(contribution),
    }


def _records(contribution: Contribution) -> list[dict[str, Any]]:
    root = contribution.plan.root
    found = (
        read_usable_record(root / path)
        for each in contribution.packed
        for path in each.point.records
    )
    return [record for record in found if record is not None]


def _encoders(contribution: Contribution) -> dict[str, dict[str, Any]]:
    """By anchor: its name, and the versions of the encoders its records say they used."""
    plan = contribution.plan
    found: dict[str, dict[str, set[str]]] = {}
    names: dict[str, str] = {}
    for point in (*plan.points, *plan.references):
        if point.manifest.role != "anchor":
            continue
        codec = point.address.codec
        names[codec] = point.manifest.name
        tools = found.setdefault(codec, {})
        record = read_usable_record(plan.root / point.address.folder / "encode.json") or {}
        for tool, version in record.get("notes", {}).get("tools", {}).items():
            tools.setdefault(str(tool), set()).add(str(version))
    return {
        codec: {
            "name": names[codec],
            "tools": {tool: "/".join(sorted(versions)) for tool, versions in tools.items()},
        }
        for codec, tools in found.items()
    }


def _readme(contribution: Contribution, value: Mapping[str, Any]) -> str:
    manifest = contribution.manifest
    by = " ".join(filter(None, (value["document"], value["proponent"])))
    lines = [
        f"# {manifest.name}" + (f" ({by})" if by else ""),
        "",
        manifest.summary,
        "",
        f"{len(contribution.packed)} bitstreams under the test conditions "
        f"`{value['conditions']['name']}` (digest {value['conditions']['digest']}), with the "
        "decoder that reads them and every claimed number (`package.json`). A codec folder with "
        "brought bitstreams: put under `proposals/`, it runs like any other.",
        "",
        "No source is inside. Needed on the machine that checks it:",
        "",
        *(
            f"- `{name}`: {each['width']}x{each['height']}, {each['frames']} frames, "
            f"md5 {each['md5']} ({_origin_of(each)})"
            for name, each in value["sequences"].items()
        ),
        "",
        "## Commands",
        "",
    ]
    for each in value["commands"]:
        lines += [f"{each['what']}:", "", f"    {each['command']}", ""]
    if value["left_out"]:
        lines += ["## Left out", ""]
        lines += [
            f"- {row['sequence']} {row['configuration']} {row['rate_point']}: "
            f"{row['status']}, {row['reason']}"
            for row in value["left_out"]
        ]
        lines.append("")
    own = manifest.folder / "README.md"
    if own.is_file():
        lines += ["---", "", own.read_text(encoding="utf-8").strip(), ""]
    return "\n".join(lines)


def _origin_of(sequence: Mapping[str, Any]) -> str:
    source = sequence["source"]
    if "sequence" in source:
        return f"made from {source['sequence']}"
    names = [str(source[key]) for key in ("distribution", "file", "folder") if key in source]
    return " ".join([str(source.get("kind", "")), *names]).strip()


# ---- the archive


def write_package(
    target: Path,
    contribution: Contribution,
    bd: Sequence[Row],
    sender: Sender,
    *,
    with_encoder: bool = False,
) -> None:
    """Write the archive whole; the same content gives the same bytes.

    Raises:
        InputError: there is no encoder to pack, or a text is longer than a package may hold.
    """
    value = package_value(contribution, bd, sender, with_encoder=with_encoder)
    members = _members(contribution, value, sender, with_encoder=with_encoder)
    with written_whole(target) as file:
        with zipfile.ZipFile(file, "w") as archive:
            for member in sorted(members):
                _add(archive, f"{contribution.folder}/{member}", members[member])
        file.flush()
        _check_readable(Path(file.name), target)


def _check_readable(written: Path, target: Path) -> None:
    try:
        read_package(written)
    except RecordError as error:
        raise InputError(str(error).replace(written.name, target.name)) from None


def _add(archive: zipfile.ZipFile, name: str, content: Content) -> None:
    entry = zipfile.ZipInfo(name, _EPOCH)
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.create_system = 3
    is_program = isinstance(content, Path) and os.access(content, os.X_OK)
    entry.external_attr = (0o100755 if is_program else 0o100644) << 16
    archive.writestr(entry, content if isinstance(content, bytes) else content.read_bytes())
