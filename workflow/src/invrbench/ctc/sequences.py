"""Sequence entries under ctc/sequences/, names of cuts, and where their files lie here."""

import os
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from invrbench.ctc.documents import read_yaml, shown
from invrbench.ctc.names import is_id, suggest
from invrbench.errors import ConditionsError, SequenceError, SourceMissing, UnsupportedError
from invrbench.outside import exists, frame_rate, shortened
from invrbench.schema import check_structure
from invrbench.video.cameras import Bounds
from invrbench.video.format import VideoFormat
from invrbench.video.multiview import SCENE_KINDS, read_scene
from invrbench.video.scenes import ResolvedScene, SceneView, ViewSplit
from invrbench.video.sources import ResolvedSource, SourceFile
from invrbench.video.steps import Step, step_from_json

PATHS_VARIABLE = "INVRBENCH_PATHS"
# what may be shown to others; YAML reads a bare `no` as false
Publication = Literal["no", "frames"]
_CUT = re.compile(r"(0|[1-9]\d{0,8})\+([1-9]\d{0,8})", re.ASCII)


@dataclass(frozen=True)
class Cut:
    """``count`` frames from frame ``start`` on; written ``@0+32``."""

    start: int
    count: int

    def __str__(self) -> str:
        return f"{self.start}+{self.count}"


@dataclass(frozen=True)
class SequenceRef:
    """A sequence as test conditions name it: id, view split of a multiview entry, cut."""

    sequence: str
    view_split: str | None = None
    cut: Cut | None = None

    def __str__(self) -> str:
        views = f".{self.view_split}" if self.view_split else ""
        return f"{self.sequence}{views}" + (f"@{self.cut}" if self.cut else "")

    @classmethod
    def parse(cls, text: str, known: Collection[str] | None = None) -> "SequenceRef":
        """The reference written as ``id[.viewsplit][@start+count]``.

        Ids may hold dots, so a view split is told from an id by the ``known`` ids alone.

        >>> SequenceRef.parse("Cactus@0+32").cut
        Cut(start=0, count=32)
        >>> str(SequenceRef.parse("CBABasketball.v05v25@0+97", ["CBABasketball"]))
        'CBABasketball.v05v25@0+97'

        Raises:
            ConditionsError: no such form, or an id that is not among the known ones.
        """
        name, at, frames = text.partition("@")
        match = _CUT.fullmatch(frames)
        if not is_id(name) or (at and match is None):
            raise ConditionsError(
                f"sequence {shortened(text)}: expected id or id@first+count in frames, "
                "e.g. Cactus or Cactus@0+32 (32 frames from frame 0)."
            )
        cut = Cut(int(match[1]), int(match[2])) if match else None
        if known is None or name in known:
            return cls(name, None, cut)
        heads = [each for each in known if name.startswith(f"{each}.")]
        if not heads:
            raise ConditionsError(f"sequence {name!r} is unknown; {suggest(name, known)}.")
        head = max(heads, key=len)
        return cls(head, name[len(head) + 1 :], cut)


@dataclass(frozen=True)
class Sequence:
    """One entry: what the whole raw file holds, where it comes from, who vouches for its md5.

    ``scene_cuts`` are the frames that open a new scene. ``cuts`` maps ``start+count`` to the md5
    of that part's raw file. A scene's ``format`` is one view's, ``md5s`` are its views', and
    ``bounds`` overrule those of its description. ``folder`` is where the entry's file lies,
    ``origin`` its name.
    """

    id: str
    sequence_class: str
    format: VideoFormat
    source: Mapping[str, Any]
    may_publish: Publication = "no"
    title: str = ""
    note: str = ""
    md5: str | None = None
    md5_source: str | None = None
    cuts: Mapping[str, str] = field(default_factory=dict)
    scene_cuts: tuple[int, ...] = ()
    bounds: Bounds | None = None
    view_splits: Mapping[str, ViewSplit] = field(default_factory=dict)
    view_count: int | None = None
    md5s: Mapping[str, str] = field(default_factory=dict)
    folder: Path = Path()
    origin: str = ""

    @property
    def is_scene(self) -> bool:
        """Whether it has several views."""
        return self.source["kind"] in SCENE_KINDS

    @property
    def steps(self) -> tuple[Step, ...]:
        """Integer steps from the source sequence to this one; empty unless derived."""
        return tuple(step_from_json(step) for step in self.source.get("steps", ()))


@dataclass(frozen=True)
class PathMap:
    """Where this machine keeps files that are not in the repository."""

    origin: str
    files: Mapping[str, Path] = field(default_factory=dict)
    roots: tuple[Path, ...] = ()

    def find(self, sequence: str, names: list[str]) -> tuple[Path | None, str | None]:
        """Path of a sequence's file or folder, or None and what to do.

        An entry under the id or a file name wins; then the roots and the folders right below
        them are searched for the file names, in order.
        """
        for key in (sequence, *names):
            if key in self.files:
                path = self.files[key]
                if exists(path):
                    return path, None
                return None, (
                    f"source not on this machine: {self.origin} names {path} for {key}, "
                    "which does not exist; correct the path or bring the file"
                )
        for root in self.roots:
            folders = _folders(root)
            for path in (folder / name for name in names for folder in folders):
                if exists(path):
                    return path, None
        absent = [str(root) for root in self.roots if not _folders(root)]
        return None, (
            f"source not on this machine: put {names[0]} into a folder listed under `roots` in "
            f"{self.origin}, or name its path there as `{sequence}: /path/to/file`"
            + (f" (no such folder: {', '.join(absent)})" if absent else "")
        )


def _folders(root: Path) -> list[Path]:
    """A root and what lies right below it; nothing if it is no folder that can be read."""
    try:
        return [root, *sorted(root.iterdir())]
    except (OSError, ValueError):
        return []


def load_paths(repository: Path) -> PathMap:
    """The machine's path map: the file named by ``INVRBENCH_PATHS``, else ctc/paths.yaml.

    Relative paths in it are relative to the file. No file is an empty map.

    Raises:
        ConditionsError: the named file is absent, or holds anything but paths.
    """
    named = os.environ.get(PATHS_VARIABLE)
    path = Path(named).expanduser() if named else repository / "ctc" / "paths.yaml"
    if not named and not path.exists():
        return PathMap(origin="ctc/paths.yaml")
    where = shown(path)
    value = read_yaml(path, ConditionsError) or {}
    if not isinstance(value, dict):
        raise ConditionsError(f"{where}: expected lines `<sequence id or file name>: <path>`.")
    roots = value.pop("roots", None) or []
    if not isinstance(roots, list):
        raise ConditionsError(f"{where}: roots is {roots!r}; expected a list of folders.")
    for key, each in [*value.items(), *(("roots", root) for root in roots)]:
        if not isinstance(each, str) or not isinstance(key, str):
            raise ConditionsError(f"{where}: {key} is {each!r}; expected a path (a text).")
    base = path.resolve().parent
    return PathMap(
        origin=where,
        files={key: base / Path(each).expanduser() for key, each in value.items()},
        roots=tuple(base / Path(root).expanduser() for root in roots),
    )


def load_sequences(folder: Path) -> dict[str, Sequence]:
    """All entries of the YAML files right below ``folder``, by id.

    Raises:
        SequenceError: an unusable entry; an id given twice, case not counting.
    """
    found: dict[str, Sequence] = {}
    spelled: dict[str, Sequence] = {}
    for path in sorted(folder.glob("*.yaml")):
        for sequence in load_file(path):
            other = spelled.setdefault(sequence.id.lower(), sequence)
            if other is not sequence:
                raise SequenceError(
                    f"{sequence.origin}: the id {sequence.id} is taken by {other.id} in "
                    f"{other.origin} (case does not count); rename one."
                )
            found[sequence.id] = sequence
    for sequence in found.values():
        _chain(sequence, found)
    return found


def load_file(path: Path) -> list[Sequence]:
    """The entries of one YAML file, in order.

    Raises:
        SequenceError: names file, key and what is allowed.
    """
    where = shown(path)
    value = read_yaml(path, SequenceError)
    check_structure(value, "sequence", where=where, error=SequenceError)
    defaults = value.get("defaults", {})
    entries = []
    for entry in value["sequences"]:
        entries.append(_entry({**defaults, **entry}, path.parent, where))
    return entries


def _entry(entry: dict[str, Any], folder: Path, where: str) -> Sequence:
    name = entry["id"]
    needed = ("class", "width", "height", "pixel_format", "fps", "frames", "matrix", "range")
    absent = [key for key in needed if key not in entry]
    if absent:
        raise SequenceError(f"{where}: sequence {name} lacks the key {', '.join(absent)}.")
    if not is_id(name):
        raise SequenceError(f"{where}: the id {name!r} is reserved; choose another.")
    try:
        layout = VideoFormat(
            pixel_format=entry["pixel_format"],
            width=entry["width"],
            height=entry["height"],
            fps=frame_rate(entry["fps"]),
            frames=entry["frames"],
            matrix=entry["matrix"],
            range=entry["range"],
        )
    except (SequenceError, ValueError) as problem:
        raise SequenceError(f"{where}: sequence {name}: {problem}") from None
    for file in _file_names(entry["source"]):
        if Path(file).is_absolute() and entry["source"]["kind"] not in ("package", "embedded"):
            raise SequenceError(
                f"{where}: sequence {name}: source names {file}, a path of one machine; write "
                "the file name here and its place in ctc/paths.yaml."
            )
    if entry["source"]["kind"] == "images" and layout.pixel_format != "rgb24":
        raise SequenceError(f"{where}: sequence {name}: images need pixel_format rgb24.")
    is_scene = entry["source"]["kind"] in SCENE_KINDS
    if is_scene != ("view_splits" in entry):
        raise SequenceError(
            f"{where}: sequence {name}: view_splits "
            + ("is missing; name its test views there." if is_scene else "is for scenes only.")
        )
    return Sequence(
        id=name,
        sequence_class=entry["class"],
        format=layout,
        source=entry["source"],
        may_publish=entry.get("may_publish") or "no",
        title=entry.get("title", name),
        note=entry.get("note", ""),
        md5=entry.get("md5"),
        md5_source=entry.get("md5_source"),
        cuts=entry.get("cuts", {}),
        scene_cuts=tuple(entry.get("scene_cuts", ())),
        bounds=Bounds.from_json(entry["bounds"]) if "bounds" in entry else None,
        view_splits={
            split: ViewSplit(**{kind: tuple(views) for kind, views in sides.items()})
            for split, sides in entry.get("view_splits", {}).items()
        },
        view_count=entry.get("views"),
        md5s=entry.get("md5s", {}),
        folder=folder,
        origin=where,
    )


def _chain(sequence: Sequence, sequences: Mapping[str, Sequence]) -> list[Sequence]:
    """The sequence and those it derives from, the one with a file last."""
    chain = [sequence]
    while chain[-1].source["kind"] == "sequence":
        last = chain[-1]
        base = last.source["sequence"]
        if base not in sequences:
            raise SequenceError(
                f"{last.origin}: {last.id} derives from {base!r}, which is unknown; "
                f"{suggest(base, sequences)}."
            )
        if sequences[base] in chain:
            raise SequenceError(f"{last.origin}: {last.id} derives from itself through {base}.")
        chain.append(sequences[base])
    return chain


def resolve(
    ref: SequenceRef, sequences: Mapping[str, Sequence], paths: PathMap
) -> ResolvedSource | ResolvedScene:
    """How the raw files of a reference are made on this machine; reads no sample.

    Raises:
        ConditionsError: unknown sequence, or a scene without one of its view splits.
        SequenceError: a cut beyond the end, steps that do not fit, a description of views that
            cannot be used.
        UnsupportedError: a view split of a sequence that has one view.
    """
    if ref.sequence not in sequences:
        raise ConditionsError(
            f"sequence {ref.sequence!r} is unknown; {suggest(ref.sequence, sequences)}."
        )
    if sequences[ref.sequence].is_scene:
        return _resolve_scene(ref, sequences[ref.sequence], paths)
    if ref.view_split:
        raise UnsupportedError(
            f"{ref}: {ref.sequence} has one view and no view split {ref.view_split!r}; "
            f"write {SequenceRef(ref.sequence, None, ref.cut)}."
        )
    sequence = sequences[ref.sequence]
    chain = _chain(sequence, sequences)
    cut = ref.cut or Cut(0, sequence.format.frames)
    resolved = ResolvedSource(
        name=str(ref),
        file=_locate(chain[-1], paths),
        steps=tuple(step for each in reversed(chain) for step in each.steps),
        whole=sequence.format,
        start=cut.start,
        count=cut.count,
        md5=sequence.md5,
        cut_md5=sequence.cuts.get(str(cut)),
        md5_source=sequence.md5_source,
        may_publish="frames" if all(s.may_publish == "frames" for s in chain) else "no",
    )
    resolved.check()
    return resolved


def _resolve_scene(ref: SequenceRef, sequence: Sequence, paths: PathMap) -> ResolvedScene:
    split = sequence.view_splits.get(ref.view_split or "")
    if split is None:
        known = [f"{sequence.id}.{name}" for name in sequence.view_splits]
        raise ConditionsError(
            f"sequence {ref}: a scene is named with its view split, which says what is coded and "
            f"what is judged; known: {', '.join(known)}."
        )
    cut = ref.cut or Cut(0, sequence.format.frames)
    if cut.start + cut.count > sequence.format.frames:
        raise SequenceError(
            f"{ref} asks for instants {cut.start} to {cut.start + cut.count - 1}, but the scene "
            f"has {sequence.format.frames}; choose a shorter cut."
        )
    path, missing = _find(sequence, paths)
    resolved = ResolvedScene(
        name=str(ref),
        format=sequence.format.with_frames(cut.count),
        declared=dict(sequence.source),
        missing=missing,
        md5_source=sequence.md5_source,
        may_publish=sequence.may_publish,
    )
    if path is None:
        return resolved
    where = f"{sequence.origin}: {ref}"
    try:
        scene = read_scene(sequence.source, path, sequence.format, where=where)
    except SourceMissing as problem:
        return replace(resolved, missing=str(problem))
    _check_views(sequence, tuple(scene.views), where)
    sides = split.divide(tuple(scene.views), where)
    bounds = sequence.bounds or scene.bounds
    if bounds is None:
        raise SequenceError(f"{where}: neither the entry nor its description has bounds; add them.")
    views = {}
    for name, view in scene.views.items():
        held = [at for at, time in enumerate(view.times) if 0 <= time - cut.start < cut.count]
        if not held:
            continue
        views[name] = SceneView(
            id=name,
            camera=view.camera,
            times=tuple(view.times[at] - cut.start for at in held),
            source=ResolvedSource(
                name=f"{ref} {name}",
                file=SourceFile(
                    declared={**sequence.source, "view": name},
                    format=sequence.format.with_frames(len(view.times)),
                    path=view.files[0],
                    view=None if view.is_video and view.downscale == 1 else view,
                ),
                steps=(),
                whole=sequence.format.with_frames(len(view.times)),
                start=held[0],
                count=len(held),
                md5=sequence.md5s.get(name),
                md5_source=sequence.md5_source,
            ),
        )
    for side in ("train", "test", "judged"):
        if not any(name in views for name in sides[side]):
            raise SequenceError(
                f"{where}: no {side} view holds a frame of instants {cut.start} to "
                f"{cut.start + cut.count - 1}; choose a longer cut."
            )
    return replace(
        resolved,
        bounds=bounds,
        train=tuple(views[name] for name in sides["train"] if name in views),
        test=tuple(views[name] for name in sides["test"] if name in views),
        judged=sides["judged"],
        files=scene.files,
    )


def _check_views(sequence: Sequence, found: tuple[str, ...], where: str) -> None:
    """Refuse a description that lacks views the entry knows of, or has others."""
    for view in sequence.md5s:
        if view not in found:
            raise SequenceError(
                f"{where}: the description lacks the view {view}, whose md5 the entry gives; "
                f"{suggest(view, found)}."
            )
    if sequence.view_count not in (None, len(found)):
        raise SequenceError(
            f"{where}: the description has {len(found)} views ({', '.join(found[:8])}"
            f"{', …' if len(found) > 8 else ''}), the entry says {sequence.view_count}; bring the "
            "whole sequence, or correct `views`."
        )


def _locate(sequence: Sequence, paths: PathMap) -> SourceFile:
    source = sequence.source
    path, missing = _find(sequence, paths)
    return SourceFile(declared=dict(source), format=sequence.format, path=path, missing=missing)


def _find(sequence: Sequence, paths: PathMap) -> tuple[Path | None, str | None]:
    source = sequence.source
    if source["kind"] == "package":
        return _in_distribution(source["distribution"], source["file"])
    if source["kind"] == "embedded":
        path = sequence.folder / source["file"]
        absent = f"source not on this machine: {shown(path)} is missing from this checkout"
        return (path, None) if path.is_file() else (None, absent)
    if source.get("embedded", False):
        path = sequence.folder / _file_names(source)[0]
        absent = f"source not on this machine: {shown(path)}/ is missing from this checkout"
        return (path, None) if path.is_dir() else (None, absent)
    return paths.find(sequence.id, _file_names(source))


def _file_names(source: Mapping[str, Any]) -> list[str]:
    """The names under which a source's file or folder may be found, the usual one first."""
    names = source.get("folder", source.get("file", []))
    return [names] if isinstance(names, str) else list(names)


def _in_distribution(distribution: str, file: str) -> tuple[Path | None, str | None]:
    from importlib import metadata

    try:
        path = Path(str(metadata.distribution(distribution).locate_file(file)))
    except metadata.PackageNotFoundError:
        return None, (
            f"source not on this machine: {distribution} is not installed; "
            f"pip install {distribution}"
        )
    if path.is_file():
        return path, None
    return None, f"source not on this machine: {distribution} as installed has no {file}"
