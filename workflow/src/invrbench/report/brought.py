"""What companies bring to a merge: packages, reports, results trees, bare tables, verdicts."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from invrbench.compare.curves import Point, full_codec, normalised
from invrbench.compare.join import point_key
from invrbench.compare.merge import Contribution
from invrbench.ctc.names import LABEL_PATTERN
from invrbench.digest import md5_file
from invrbench.errors import InputError, RecordError
from invrbench.report.given import Given, read_given, read_verdict
from invrbench.report.info import CodecInfo, RunInfo, with_versions
from invrbench.results.package import Package, read_package

Kind = Literal["package", "report", "results", "bare table"]

_TESTED = ("proposal",)


@dataclass(frozen=True)
class Brought:
    """One contribution with what surrounds its numbers.

    Attributes:
        contribution: its points, under its label.
        kind: how it came; only packages hold bitstreams.
        file: its name.
        md5: of the archive or of the table.
        info: names of its codecs, headline, versions.
        proponent: who sent it, or nothing.
        environment: versions it was made with, in a line.
        notes: what a reader must know.
    """

    contribution: Contribution
    kind: Kind
    file: str
    md5: str
    info: RunInfo
    proponent: str = ""
    environment: str = ""
    notes: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """Its name in the merge."""
        return self.contribution.label

    @property
    def has_bitstreams(self) -> bool:
        """Whether a cross-checker can decode what it claims."""
        return self.kind == "package"


@dataclass(frozen=True)
class CheckRecord:
    """A cross-checker's crosscheck.json, and the file's name."""

    file: str
    value: Mapping[str, Any]


def read_brought(paths: Sequence[Path], ctc: str) -> tuple[list[Brought], list[CheckRecord]]:
    """Everything that is named, each contribution under a label of its own.

    Args:
        paths: packages, report folders, roots of clones with results/, tables, crosscheck.json.
        ctc: name of the test conditions of results trees.

    Raises:
        RecordError: something is not what it should be, or the same contribution is named twice.
    """
    brought: list[Brought] = []
    checks = []
    for path in paths:
        if path.suffix == ".json":
            checks.append(_read_check(path))
        else:
            brought.append(_read_contribution(path, ctc))
    if not brought:
        raise RecordError("nothing to merge: name packages, report folders or tables of points.")
    _refuse_same(brought)
    return _with_labels(brought), checks


def _read_contribution(path: Path, ctc: str) -> Brought:
    if path.suffix == ".zip":
        return _of_package(read_package(path))
    root = path.parent if path.name == "results" else path
    if not (path / "points.tsv").is_file() and (root / "ctc").is_dir():
        return _of_results(root, ctc)
    given = read_given(path)
    table = path / "points.tsv" if path.is_dir() else path
    return _of_given(given, md5_file(table))


def _split(points: Iterable[Point], own: str = "") -> tuple[tuple[Point, ...], tuple[Point, ...]]:
    """Points of methods and those of anchors; controls and published curves are no contribution."""
    held = [point for point in points if own == full_codec(point) or point.get("role") in _TESTED]
    held = [point for point in held if point.get("role") != "anchor"]
    anchors = {point_key(p): p for p in points if p.get("role") == "anchor"}
    return tuple(held), tuple(anchors.values())


def _of_given(given: Given, md5: str, kind: Kind = "report") -> Brought:
    info = given.info
    points, anchors = _split(given.points)
    contribution = Contribution(
        label=info.label or _short_name(given, kind),
        points=points,
        anchors=anchors,
        documents={codec: entry.document for codec, entry in info.codecs.items()},
        digest=info.digest,
        conditions=info.conditions_value,
    )
    return Brought(
        contribution,
        "bare table" if given.is_bare else kind,
        given.name,
        md5,
        info,
        environment=_versions(info.tool_versions),
        notes=given.notes,
    )


def _short_name(given: Given, kind: Kind) -> str:
    path = Path(given.name)
    if kind == "results":
        return path.parent.name
    return path.stem if given.is_bare else path.name


def _of_results(root: Path, ctc: str) -> Brought:
    from invrbench.digest import digest_value
    from invrbench.report.run import run_info
    from invrbench.results.planning import load_plan
    from invrbench.results.points import collect_points

    plan = load_plan(root, ctc)
    rows = collect_points(plan)
    given = Given(f"{root.resolve().name}/results", tuple(normalised(rows)), run_info(plan, rows))
    digests = [[str(point_key(p)), p.get("bitstream_md5")] for p in given.points]
    return _of_given(given, digest_value(digests), "results")


def _of_package(package: Package) -> Brought:
    value = package.value
    rows = [
        {name: held for name, held in row.items() if name != "file"}
        for row in (*package.points, *package.left_out, *package.anchors)
    ]
    points, anchors = _split(normalised(rows), package.codec)
    environment = value["environment"]
    recorded = environment.get("recorded", {})
    conditions = value["conditions"]["value"]
    headline = conditions.get("headline", {})
    metrics = [*headline.get("metrics", ()), "psnr_y_db"]
    own = CodecInfo(str(value["name"]), str(value["role"]), package.document)
    names = {package.codec: own} | {
        full_codec(point): CodecInfo(_anchor_name(full_codec(point), value), "anchor")
        for point in anchors
        if full_codec(point) != package.codec
    }
    info = RunInfo(
        conditions=package.conditions,
        title="",
        digest=package.conditions_digest,
        headline_anchor=str(headline.get("anchor", "")),
        headline_metrics=(metrics[0], metrics[1]),
        budget=str(conditions.get("budget", "")),
        codecs=names,
        metrics=tuple(conditions.get("bd_metrics", ())),
        label=package.label,
        generated_from=str(value.get("created") or RunInfo.generated_from),
        commit=str(value["harness"]["commit"]),
        machine="; ".join(map(str, environment.get("machines", ()))),
        metric_versions=value.get("metric_versions", {}),
        hulls=conditions.get("hulls") or {},
        conditions_value=conditions,
    )
    contribution = Contribution(
        label=package.label or package.document or package.path.stem,
        points=points,
        anchors=anchors,
        documents={package.codec: package.document},
        digest=package.conditions_digest,
        conditions=conditions,
    )
    return Brought(
        contribution,
        "package",
        package.path.name,
        package.md5,
        info,
        proponent=package.proponent,
        environment=_versions(recorded),
        notes=(f"packed with --only {value['selection']}",) if value.get("selection") else (),
    )


def _anchor_name(codec: str, value: Mapping[str, Any]) -> str:
    """An anchor by encoder and version; in packages that do not say them, by its ffmpeg."""
    encoder = value.get("encoders", {}).get(codec)
    if encoder:
        return with_versions(encoder["name"], encoder["tools"])
    version = value["environment"].get("ffmpeg", {}).get("version")
    return f"{codec} (ffmpeg {version})" if version else codec


def _versions(held: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {held[name]}" for name in sorted(held) if "build" not in name)


def _refuse_same(brought: Sequence[Brought]) -> None:
    """One contribution named twice would confirm itself."""
    seen: dict[str, str] = {}
    for each in brought:
        if each.md5 in seen:
            raise RecordError(
                f"{seen[each.md5]} and {each.file} are the same (md5 {each.md5[:8]}…); a "
                "contribution cannot confirm itself, name it once."
            )
        seen[each.md5] = each.file


def _with_labels(brought: Sequence[Brought]) -> list[Brought]:
    """The same under labels that are unique without case: equal ones get the file's name."""
    labels = [each.label for each in brought]
    taken: set[str] = set()
    found = []
    for each in brought:
        label = each.label
        if sum(other.casefold() == label.casefold() for other in labels) > 1:
            label = each.file.removesuffix(".zip").removesuffix(".tsv")
        plain, number = label, 2
        while label.casefold() in taken:
            label, number = f"{plain} {number}", number + 1
        taken.add(label.casefold())
        found.append(replace(each, contribution=replace(each.contribution, label=label)))
    return found


def find_label(brought: Sequence[Brought], wanted: str) -> Contribution:
    """The contribution that a person names by label or file.

    Raises:
        InputError: there is none, more than one, or it has no anchor points.
    """
    found = [each for each in brought if wanted in (each.label, each.file)]
    if len(found) != 1:
        labels = ", ".join(each.label for each in brought)
        raise InputError(f"--anchor-from {wanted}: name one of the contributions {labels}.")
    if not found[0].contribution.anchors:
        raise InputError(f"--anchor-from {wanted}: it has no point of an anchor; name another.")
    return found[0].contribution


def check_merge_label(label: str) -> str:
    """A merge's label, as typed after ``--label``.

    Raises:
        InputError: it is no name of a folder.
    """
    if not LABEL_PATTERN.fullmatch(label):
        raise InputError(
            f"--label {label}: a label starts with a letter and goes on with letters, digits, "
            "dot, underscore or minus, e.g. --label N0123."
        )
    return label


def _read_check(path: Path) -> CheckRecord:
    if not path.is_file():
        raise RecordError(f"{path.name} does not exist; name what `invrbench crosscheck` wrote.")
    return CheckRecord(path.name, read_verdict(path, path.name))
