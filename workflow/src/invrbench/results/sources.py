"""Sources made ready for codecs and for measuring: the raw files, their record, and job fields."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from invrbench.errors import SourceMissing
from invrbench.results import paths
from invrbench.results.records import now, read_record, write_record
from invrbench.video.format import RawVideo, VideoFormat
from invrbench.video.prepare import prepare
from invrbench.video.scenes import ResolvedScene, prepare_scene, scene_fields
from invrbench.video.sources import ResolvedSource

Source = ResolvedSource | ResolvedScene


@dataclass(frozen=True)
class Prepared:
    """Raw files of a sequence with the md5 of all: by view id, or under "" for a video."""

    clips: Mapping[str, RawVideo]
    md5: str


def prepare_source(root: Path, source: Source, sequence: str) -> dict[str, Any]:
    """Make a sequence's raw files ready and write their record.

    Raises:
        SequenceError: a file behind the entry is absent or not what the entry says.
    """
    cache = root / paths.MD5_CACHE
    if isinstance(source, ResolvedScene):
        found = prepare_scene(source, root / paths.source_folder(sequence), cache)
    else:
        found = prepare(source, root / paths.source_raw(sequence), cache)
    for made in found.get("views", {"": found}).values():
        path = Path(made["path"])
        if path.is_relative_to(root):
            made["path"] = path.relative_to(root).as_posix()
    record = {"kind": "source", "sequence": sequence, "end": now(), **found}
    write_record(root / paths.source_record(sequence), record)
    return found


def load_source(root: Path, sequence: str) -> Prepared:
    """The prepared raw files of a sequence.

    Raises:
        SourceMissing: it was not prepared, or a file of it went away.
    """
    record = read_record(root / paths.source_record(sequence)) or {}
    made = record.get("views", {"": record} if record else {})
    clips = {
        view: RawVideo((root / each["path"]).resolve(), VideoFormat.from_json(each["format"]))
        for view, each in made.items()
    }
    if not clips or not all(clip.path.is_file() for clip in clips.values()):
        raise SourceMissing(f"{sequence} is not prepared; run `invrbench source {sequence}` first.")
    return Prepared(clips, str(record["md5"]))


def coding_fields(source: Source, prepared: Prepared) -> dict[str, Any]:
    """What fit and encode are told of a source: of a scene its train views and nothing else."""
    if isinstance(source, ResolvedSource):
        clip = prepared.clips[""]
        return {"source": {"path": str(clip.path), **clip.format.to_json()}}
    assert source.bounds is not None
    views = {prepared.clips[view.id].path: view for view in source.train}
    return scene_fields(source.format, source.bounds, views)
