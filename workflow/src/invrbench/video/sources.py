"""Where a sequence's samples come from on this machine, and which of them are asked for."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from invrbench.errors import SequenceError, SourceMissing
from invrbench.video.format import VideoFormat
from invrbench.video.steps import Step, apply_formats, steps_to_json
from invrbench.video.views import ViewSource

RAW_SUFFIXES = (".yuv", ".raw", ".rgb")
PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".ppm", ".webp")


@dataclass(frozen=True)
class SourceFile:
    """A file or folder that holds samples of ``format``, before any step.

    ``declared`` is what the entry says of it (machine independent); ``path`` is where it lies on
    this machine, or None with the reason in ``missing``. ``view`` says how the pictures of one
    view of a scene are read.
    """

    declared: dict[str, Any]
    format: VideoFormat
    path: Path | None = None
    missing: str | None = None
    view: ViewSource | None = None

    def require(self) -> Path:
        """The path, for a reader.

        Raises:
            SourceMissing: it is not on this machine; says what to do.
        """
        if self.path is None:
            raise SourceMissing(self.missing or "source not on this machine")
        return self.path

    @property
    def is_raw(self) -> bool:
        """Whether the file's bytes are the frames, and nothing else."""
        if self.path is None or self.view is not None:
            return False
        return self.path.suffix.lower() in RAW_SUFFIXES

    @property
    def has_pictures(self) -> bool:
        """Whether its frames are picture files."""
        in_folder = self.path is not None and self.path.is_dir()
        return in_folder or (self.view is not None and not self.view.is_video)


@dataclass(frozen=True)
class ResolvedSource:
    """A named cut of a sequence: how its raw file is made from what is on this machine.

    ``whole`` is the uncut sequence after ``steps``; ``start`` and ``count`` are the cut in frames
    of ``whole``. ``md5`` is the declared digest of the whole raw file, ``cut_md5`` that of this
    cut; ``md5_source`` says who published them. ``may_publish`` says whether a
    report may show its "frames", or "no" picture.
    """

    name: str
    file: SourceFile
    steps: tuple[Step, ...]
    whole: VideoFormat
    start: int
    count: int
    md5: str | None = None
    cut_md5: str | None = None
    md5_source: str | None = None
    may_publish: str = "no"

    track = "video"

    @property
    def coded_pixels(self) -> int:
        """Luma samples of all coded frames: what bits per pixel divide by."""
        return self.format.pixels

    @property
    def declared(self) -> Mapping[str, Any]:
        """What the entry says of the file."""
        return self.file.declared

    @property
    def files(self) -> tuple[Path, ...]:
        """The file behind it, so that a newer one is noticed; none for a folder."""
        path = self.file.path
        return () if path is None or path.is_dir() else (path,)

    @property
    def format(self) -> VideoFormat:
        """What the prepared raw file holds: the cut."""
        return self.whole.with_frames(self.count)

    @property
    def is_whole(self) -> bool:
        """Whether all frames of the sequence are asked for."""
        return self.start == 0 and self.count == self.whole.frames

    @property
    def uncut(self) -> "ResolvedSource":
        """The same source with all frames of the sequence."""
        return replace(self, start=0, count=self.whole.frames, cut_md5=None)

    def availability(self) -> str | None:
        """None if the source is on this machine, else a reason that says what to do."""
        return self.file.missing

    def identity(self) -> dict[str, Any]:
        """All that defines the prepared file's bytes and their meaning, as JSON for a key.

        The same on every machine: no path, no time. With a declared md5 the name of the file
        does not count, for the bytes are known.
        """
        digest = self.md5 or self.cut_md5
        return {
            "format": self.format.to_json(),
            "start": self.start,
            "steps": steps_to_json(self.steps),
            **({"md5": digest} if digest else {"source": self.file.declared}),
        }

    def check(self) -> None:
        """Refuse steps that do not end in the declared size, and a cut beyond the end.

        Raises:
            SequenceError: with both sizes, or the frames there are.
        """
        made = apply_formats(self.file.format, self.steps, self.name)
        for key in ("width", "height", "frames"):
            if getattr(made, key) != getattr(self.whole, key):
                raise SequenceError(
                    f"{self.name}: the steps end in {made.width}x{made.height}, {made.frames} "
                    f"frames, but the entry says {self.whole.width}x{self.whole.height}, "
                    f"{self.whole.frames} frames; correct {key} or the steps."
                )
        if self.start + self.count > self.whole.frames:
            raise SequenceError(
                f"{self.name} asks for frames {self.start} to {self.start + self.count - 1}, but "
                f"the sequence has {self.whole.frames} (0 to {self.whole.frames - 1}); "
                "choose a shorter cut."
            )
