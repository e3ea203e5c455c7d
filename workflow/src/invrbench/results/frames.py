"""Decoded frames between decode and measure: raw for a while, or archived losslessly."""

import contextlib
import os
import shutil
from pathlib import Path

from invrbench.digest import digest_value
from invrbench.results import paths
from invrbench.results.paths import PointAddress
from invrbench.video.ffmpeg import find_ffmpeg
from invrbench.video.format import RawVideo, VideoFormat


def _stem(root: Path, address: PointAddress) -> Path:
    return root / paths.FRAMES / digest_value(address.folder.as_posix())


def _layout(video: VideoFormat) -> list[str]:
    size = f"{video.width}x{video.height}"
    return ["-f", "rawvideo", "-pix_fmt", video.pixel_format, "-s", size, "-r", str(video.fps)]


def put(root: Path, address: PointAddress, decoded: RawVideo, *, archive: bool) -> None:
    """Take over a decoded file; ``archive`` stores it as FFV1, which :func:`drop` leaves alone."""
    stem = _stem(root, address)
    stem.parent.mkdir(parents=True, exist_ok=True)
    if archive:
        temporary = stem.with_suffix(f".{os.getpid()}.mkv")
        coded = "gbrp" if decoded.format.is_rgb else decoded.format.pixel_format
        output = ["-c:v", "ffv1", "-level", "3", "-pix_fmt", coded, "-y", str(temporary)]
        find_ffmpeg().run([*_layout(decoded.format), "-i", str(decoded.path), *output])
        temporary.replace(stem.with_suffix(".mkv"))
    shutil.move(decoded.path, stem.with_suffix(".raw"))


def get(root: Path, address: PointAddress, expected: VideoFormat, space: Path) -> Path | None:
    """The decoded frames as a raw file, restored into ``space`` if archived; None if gone."""
    stem = _stem(root, address)
    raw = stem.with_suffix(".raw")
    with contextlib.suppress(FileNotFoundError):
        if raw.stat().st_size == expected.file_bytes:
            # a hard link: another family that finishes last may drop the file meanwhile
            held = space / "decoded.raw"
            os.link(raw, held)
            return held
    archive = stem.with_suffix(".mkv")
    if archive.is_file():
        held = space / "decoded.raw"
        output = ["-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt", expected.pixel_format]
        find_ffmpeg().run(["-i", str(archive), *output, "-y", str(held)])
        return held
    return None


def drop(root: Path, address: PointAddress) -> None:
    """Remove the raw frames; an archive stays."""
    _stem(root, address).with_suffix(".raw").unlink(missing_ok=True)
