"""Decoded frames between decode and measure: raw for a while, or archived losslessly."""

import contextlib
import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

from invrbench.digest import digest_value, sync
from invrbench.errors import ToolError
from invrbench.results import paths
from invrbench.results.paths import PointAddress
from invrbench.video.ffmpeg import find_ffmpeg
from invrbench.video.format import RawVideo, VideoFormat


def raw_file(root: Path, address: PointAddress, view: str) -> Path:
    """Where the raw frames of a point's view lie while they are measured."""
    return _file(root, address, view, ".raw")


def archive_file(root: Path, address: PointAddress, view: str) -> Path:
    """Where the frames of a point's view stay, if they do."""
    return _file(root, address, view, ".mkv")


def _file(root: Path, address: PointAddress, view: str, suffix: str) -> Path:
    name = digest_value([address.folder.as_posix(), view] if view else address.folder.as_posix())
    return root / paths.FRAMES / f"{name}{suffix}"


def _layout(video: VideoFormat) -> list[str]:
    size = f"{video.width}x{video.height}"
    return ["-f", "rawvideo", "-pix_fmt", video.pixel_format, "-s", size, "-r", str(video.fps)]


def put(
    root: Path, address: PointAddress, decoded: Mapping[str, RawVideo], *, archive: bool
) -> None:
    """Take over decoded files; ``archive`` stores them as FFV1, which :func:`drop` leaves alone."""
    for view, video in decoded.items():
        raw = _file(root, address, view, ".raw")
        raw.parent.mkdir(parents=True, exist_ok=True)
        if archive:
            temporary = video.path.with_suffix(".mkv")
            coded = "gbrp" if video.format.is_rgb else video.format.pixel_format
            output = ["-c:v", "ffv1", "-level", "3", "-pix_fmt", coded, "-y", str(temporary)]
            find_ffmpeg().run([*_layout(video.format), "-i", str(video.path), *output])
            sync(temporary)
            shutil.move(temporary, archive_file(root, address, view))
        shutil.move(video.path, raw)


def are_held(root: Path, address: PointAddress, views: Iterable[str]) -> bool:
    """Whether the decoded frames of all views are here, raw or archived."""
    suffixes = (".raw", ".mkv")
    return all(any(_file(root, address, v, s).is_file() for s in suffixes) for v in views)


def get(
    root: Path, address: PointAddress, expected: Mapping[str, VideoFormat], space: Path
) -> dict[str, RawVideo] | None:
    """The decoded frames as raw files by view, restored into ``space``; None if one is gone.

    A crash of the machine can leave other samples than were put: whoever measures compares md5s.
    """
    found = {view: _held(root, address, view, video, space) for view, video in expected.items()}
    held = {view: video for view, video in found.items() if video is not None}
    return held if len(held) == len(expected) else None


def _held(
    root: Path, address: PointAddress, view: str, expected: VideoFormat, space: Path
) -> RawVideo | None:
    raw = _file(root, address, view, ".raw")
    held = RawVideo(space / f"decoded{view and '-'}{view}.raw", expected)
    held.path.unlink(missing_ok=True)
    with contextlib.suppress(FileNotFoundError):
        if raw.stat().st_size == expected.file_bytes:
            # a hard link: another family that finishes last may drop the file meanwhile
            os.link(raw, held.path)
            return held
    archive = archive_file(root, address, view)
    if archive.is_file():
        output = ["-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt", expected.pixel_format]
        with contextlib.suppress(ToolError):  # a damaged archive is as good as none
            find_ffmpeg().run(["-i", str(archive), *output, "-y", str(held.path)])
            return held
    return None


def drop(root: Path, address: PointAddress, views: Iterable[str]) -> None:
    """Remove the raw frames; an archive stays."""
    for view in views:
        _file(root, address, view, ".raw").unlink(missing_ok=True)
