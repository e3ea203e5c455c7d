"""The raw file that codecs see: written whole or used in place, with its md5 and its standing."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from invrbench.digest import digest_value, md5_file, write_json, written_whole
from invrbench.errors import SequenceError
from invrbench.outside import object_in
from invrbench.video.readers import raw_frame_count, read_frames
from invrbench.video.sources import ResolvedSource
from invrbench.video.steps import Frames, first_frame, steps_to_json, transform

MATCHES = "md5 matches"


def prepare(resolved: ResolvedSource, output: Path, cache: Path | None = None) -> dict[str, Any]:
    """Make the raw file of a cut and say what it is.

    A headerless file that is wanted whole is used where it lies; everything else is streamed to
    ``output``, which appears whole or not at all.

    Args:
        resolved: what to make.
        output: where to write, if anything needs writing.
        cache: folder that remembers md5s of source files by path, size and time of change.

    Returns:
        ``format`` (JSON of a VideoFormat), ``md5`` of the file, ``md5_declared`` and
        ``md5_source`` of the entry, ``verified`` ("md5 matches" or "unverified: …"), ``path``.

    Raises:
        SourceMissing: the source is not on this machine.
        SequenceError: the source is not what its entry says.
    """
    resolved.check()
    path = resolved.file.require()
    if resolved.file.is_raw and not resolved.steps:
        held = _check_raw_length(resolved, path)
        if resolved.is_whole and held == resolved.count:
            md5 = _whole_md5(resolved, cache)
            _refuse_other_md5(resolved, md5, resolved.md5)
            return _record(resolved, path, md5)
    if not resolved.is_whole and resolved.md5 and not resolved.cut_md5:
        _refuse_other_md5(resolved, _whole_md5(resolved, cache), resolved.md5)
    md5 = _write(resolved, output)
    expected = resolved.cut_md5 or (resolved.md5 if resolved.is_whole else None)
    try:
        _refuse_other_md5(resolved, md5, expected)
    except SequenceError:
        output.unlink()
        raise
    return _record(resolved, output, md5)


def _record(resolved: ResolvedSource, path: Path, md5: str) -> dict[str, Any]:
    declared = resolved.cut_md5 or resolved.md5
    return {
        "name": resolved.name,
        "format": resolved.format.to_json(),
        "md5": md5,
        "md5_declared": declared,
        "md5_source": resolved.md5_source,
        "verified": MATCHES if declared else "unverified: the entry declares no md5",
        "path": str(path),
    }


def _check_raw_length(resolved: ResolvedSource, path: Path) -> int:
    """Frames in a headerless file; refuses one cut off, or longer than an entry without a cut."""
    held = raw_frame_count(path, resolved.whole)
    if held > resolved.whole.frames and "@" not in resolved.name:
        raise SequenceError(
            f"{path.name} holds {held} frames, the sequence entry says {resolved.whole.frames}; "
            f"correct `frames`, or ask for {resolved.name}@0+{resolved.whole.frames}."
        )
    if held < resolved.start + resolved.count:
        raise SequenceError(
            f"{path.name} holds {held} frames, but {resolved.name} asks for frames "
            f"{resolved.start} to {resolved.start + resolved.count - 1}; choose a shorter cut or "
            "bring the whole file."
        )
    return held


def _refuse_other_md5(resolved: ResolvedSource, found: str, declared: str | None) -> None:
    if declared and found != declared:
        whose = f" ({resolved.md5_source})" if resolved.md5_source else ""
        raise SequenceError(
            f"{resolved.name}: the raw file of {resolved.file.require().name} has md5 {found}, "
            f"the entry declares {declared}{whose}; bring the right file or correct the entry."
        )


def _frames(resolved: ResolvedSource) -> Iterator[bytes]:
    """Raw frames of the cut, after all steps."""
    spatial = [step for step in resolved.steps if not isinstance(step, Frames)]
    start = first_frame(resolved.steps) + resolved.start
    for frame in read_frames(resolved.file, start=start, count=resolved.count):
        yield transform(frame, resolved.file.format, spatial) if spatial else frame


def _write(resolved: ResolvedSource, output: Path) -> str:
    """Stream the cut to ``output``, whole or not at all, and give its md5."""
    md5 = hashlib.md5(usedforsecurity=False)
    with written_whole(output) as file:
        for frame in _frames(resolved):
            md5.update(frame)
            file.write(frame)
    return md5.hexdigest()


def _whole_md5(resolved: ResolvedSource, cache: Path | None) -> str:
    """MD5 of the uncut raw file, remembered while the source file stays as it is."""
    path = resolved.file.require()
    is_one = not resolved.file.has_pictures
    note = cache / f"{_cache_key(resolved, path)}.json" if cache and is_one else None
    if note is not None and (held := object_in(note)).get("md5"):
        return str(held["md5"])
    if resolved.file.is_raw and not resolved.steps:
        found = md5_file(path)
    else:
        md5 = hashlib.md5(usedforsecurity=False)
        for frame in _frames(resolved.uncut):
            md5.update(frame)
        found = md5.hexdigest()
    if note is not None:
        write_json(note, {"path": str(path), "md5": found})
    return found


def _cache_key(resolved: ResolvedSource, path: Path) -> str:
    status = path.stat()
    return digest_value(
        [
            str(path.resolve()),
            status.st_size,
            status.st_mtime_ns,
            resolved.whole.to_json(),
            steps_to_json(resolved.steps),
        ]
    )
