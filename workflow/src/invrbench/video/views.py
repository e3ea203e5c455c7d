"""Views of a scene as a description brings them, and what all readers of descriptions share."""

import difflib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeVar

from invrbench.errors import SequenceError, SourceMissing
from invrbench.outside import frame_rate, parse_json, shortened
from invrbench.video.cameras import Bounds, Camera

# what a description of another form than expected makes Python raise
MALFORMED = (KeyError, TypeError, ValueError, AttributeError, ArithmeticError)
_VIEW_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_Given = TypeVar("_Given")
_Made = TypeVar("_Made")


@dataclass(frozen=True)
class ViewSource:
    """Where the frames of one view come from, and what is done to them before they are coded.

    Attributes:
        id: names the view, and its raw file.
        camera: of the frames as they are coded, after ``downscale``.
        files: one video if ``is_video``, else one picture per entry of ``times``.
        times: of the frames, ascending, in frames from the scene's first instant.
        is_video: whether one raw or coded file holds all frames.
        downscale: side of the blocks of a file's pixels that are averaged to one.
        distortion: OpenCV's k1, k2, p1, p2[, k3], taken out of the pictures before downscaling;
            empty for pictures of a pinhole. The intrinsics stay, so a border of the picture may
            repeat its last pixels.
        background: ``white`` or ``black``, laid under pictures with transparency.
    """

    id: str
    camera: Camera
    files: tuple[Path, ...]
    times: tuple[float, ...]
    is_video: bool = False
    downscale: int = 1
    distortion: tuple[float, ...] = ()
    background: str | None = None


@dataclass(frozen=True)
class Scene:
    """All views of a description.

    ``frames`` counts instants (1: static), ``bounds`` and ``fps`` are None where the description
    has none, ``pixel_format`` is what the files hold if the description says it (rgb24 for
    pictures). ``descriptions`` are the files read; ``absent`` pictures were left out on request.

    Raises:
        SequenceError: no view, an id that cannot name a file, or views of different sizes.
    """

    views: Mapping[str, ViewSource]
    frames: int
    fps: Fraction | None = None
    bounds: Bounds | None = None
    pixel_format: str | None = None
    descriptions: tuple[Path, ...] = ()
    absent: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.views:
            raise SequenceError("the scene has no view; bring the pictures or videos of its views.")
        for name in self.views:
            if not _VIEW_ID.fullmatch(name):
                raise SequenceError(
                    f"view {name!r} cannot name a file; use letters, digits, dot, underscore and "
                    "minus."
                )
        first, *others = self.views.values()
        size = first.camera.width, first.camera.height
        for other in others:
            if (other.camera.width, other.camera.height) != size:
                raise SequenceError(
                    f"view {first.id} is {size[0]}x{size[1]}, view {other.id} is "
                    f"{other.camera.width}x{other.camera.height}; all views of a scene have one "
                    "size."
                )

    @property
    def has_pictures(self) -> bool:
        """Whether frames are picture files, which are brought to any pixel format when read."""
        return not next(iter(self.views.values())).is_video

    @property
    def files(self) -> tuple[Path, ...]:
        """The descriptions and the views' files."""
        return self.descriptions + tuple(p for view in self.views.values() for p in view.files)

    def pick(self, names: Sequence[str]) -> dict[str, ViewSource]:
        """The views of these names, in their order.

        Raises:
            SequenceError: a name that no view has (says the nearest), or one given twice.
        """
        for name in names:
            if name not in self.views:
                raise SequenceError(f"view {name!r} is unknown; {suggest(name, self.views)}.")
        refuse_twice(names)
        return {name: self.views[name] for name in names}


def read_description(path: Path) -> dict[str, Any]:
    """The object that a JSON file holds.

    Raises:
        SourceMissing: no such file.
        SequenceError: no JSON, or no object.
    """
    if not path.is_file():
        raise SourceMissing(f"{path.name} is not in {path.parent.name}/; bring the description.")
    try:
        value = parse_json(path.read_bytes())
    except ValueError as error:
        raise SequenceError(f"{path.name} is no JSON: {error}") from None
    if not isinstance(value, dict):
        raise SequenceError(f"{path.name} holds a {type(value).__name__}; expected an object.")
    return value


def rate(value: Any, where: str) -> Fraction:
    """Frames per second, exact."""
    try:
        return frame_rate(value)
    except ValueError:
        raise SequenceError(f"{where}: the frame rate {shortened(value)} is no number.") from None


def of_view(name: str, make: Callable[[_Given], _Made], value: _Given) -> _Made:
    """``make(value)``, with the view's name before any message."""
    try:
        return make(value)
    except SequenceError as error:
        raise SequenceError(f"view {name}: {error}") from None
    except MALFORMED as error:
        raise SequenceError(f"view {name}: no camera can be read: {told(error)}.") from None


def told(error: Exception) -> str:
    """What one of ``MALFORMED`` means to a reader of the description."""
    return f"the key {error} is missing" if isinstance(error, KeyError) else str(error)


def refuse_twice(names: Sequence[str]) -> None:
    """Refuse a list that names a view more than once.

    Raises:
        SequenceError: with the name.
    """
    for index, name in enumerate(names):
        if name in names[:index]:
            raise SequenceError(f"view {name!r} is named twice; name each view once.")


def suggest(name: str, known: Iterable[str]) -> str:
    """The end of a message about an unknown view: the nearest ones, else some known ones."""
    listed = list(known)
    close = difflib.get_close_matches(name, listed, n=3, cutoff=0.5)
    some = ", ".join(listed[:8]) + (" …" if len(listed) > 8 else "")
    return f"nearest: {', '.join(close)}" if close else f"the views are {some or 'none'}"
