"""Pictures that conditions ask for: instants of a view side by side, and a line of it over time."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from invrbench.ctc.names import suggest
from invrbench.errors import ConditionsError
from invrbench.video.format import VideoFormat

Place = tuple[int, int]  # column and row in pixels, from 0
XT = "-xt"  # behind the name of a picture: the file of its x–t slices


@dataclass(frozen=True)
class Crop:
    """The part that is shown enlarged: column and row of its top left pixel, size; in pixels."""

    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True)
class ViewPicture:
    """Source and codecs beneath each other on one view: instants with a crop, and an x–t slice.

    Attributes:
        name: of the file under ``pictures/``, without suffix.
        title: free text.
        sequence: with its cut.
        instants: frames of the view, from 0.
        crop: shown enlarged beside each instant.
        points: by codec, the shell pattern of the rate points that are shown.
        view: of a scene; empty for a video.
        line: ends of the line whose x–t slices are shown; None: no slices.
    """

    name: str
    title: str
    sequence: str
    instants: tuple[int, ...]
    crop: Crop
    points: Mapping[str, str]
    view: str = ""
    line: tuple[Place, Place] | None = None

    def shows(self, *, sequence: str, codec: str, rate_point: str) -> bool:
        """Whether a point is among those that it puts beneath the source."""
        pattern = self.points.get(codec)
        return (
            self.sequence == sequence and pattern is not None and fnmatchcase(rate_point, pattern)
        )


def read_pictures(values: Iterable[Mapping[str, Any]]) -> tuple[ViewPicture, ...]:
    """The pictures under the key ``pictures``, whose structure the schema has checked."""
    pictures = []
    for value in values:
        own = dict(value)
        line = own.pop("line", None)
        ends = ((line[0][0], line[0][1]), (line[1][0], line[1][1])) if line else None
        instants, crop = tuple(own.pop("instants")), Crop(**own.pop("crop"))
        pictures.append(ViewPicture(**own, instants=instants, crop=crop, line=ends))
    return tuple(pictures)


def check_pictures(
    pictures: Sequence[ViewPicture],
    codecs: Mapping[str, Sequence[str]],
    formats: Mapping[str, VideoFormat],
    scenes: Sequence[str],
    where: str,
) -> None:
    """Refuse pictures of what no test codes, and places that the sequence does not have.

    Args:
        pictures: of the conditions.
        codecs: by sequence with its cut, the codecs that run on it.
        formats: of the same sequences as they are coded; of a scene, one view's.
        scenes: those of the sequences that have views.
        where: the file of the conditions.

    Raises:
        ConditionsError: names file, picture and what is allowed.
    """
    files = [name for each in pictures for name in (each.name, f"{each.name}{XT}")]
    if len(set(files)) < len(files):
        raise ConditionsError(f"{where}: two pictures share a name; each makes files of its own.")
    for picture in pictures:
        here = f"{where}: the picture {picture.name}"
        if picture.sequence not in codecs:
            raise ConditionsError(
                f"{here} names {picture.sequence}, which no test codes; "
                f"{suggest(picture.sequence, codecs)}."
            )
        for codec in picture.points:
            if codec not in codecs[picture.sequence]:
                raise ConditionsError(
                    f"{here} names the codec {codec}, which no test runs on {picture.sequence}; "
                    f"{suggest(codec, codecs[picture.sequence])}."
                )
        if (picture.sequence in scenes) != bool(picture.view):
            wanted = "drop view: a video has none" if picture.view else "add the view it shows"
            raise ConditionsError(f"{here} of {picture.sequence}: {wanted}.")
        _check_places(picture, formats[picture.sequence], here)


def _check_places(picture: ViewPicture, video: VideoFormat, here: str) -> None:
    """Refuse instants, a crop or a line that lie outside."""
    last = max(picture.instants)
    if last >= video.frames:
        raise ConditionsError(
            f"{here} shows instant {last}; {picture.sequence} has instants 0 to {video.frames - 1}."
        )
    crop, size = picture.crop, f"{video.width}x{video.height}"
    if crop.x + crop.width > video.width or crop.y + crop.height > video.height:
        raise ConditionsError(
            f"{here}: its crop of {crop.width}x{crop.height} at column {crop.x}, row {crop.y} "
            f"leaves the picture of {size}."
        )
    if 2 * crop.height > video.height:
        raise ConditionsError(
            f"{here}: its crop of {crop.height} rows cannot be shown enlarged beside a picture of "
            f"{size}; take at most {video.height // 2} rows."
        )
    for x, y in picture.line or ():
        if x >= video.width or y >= video.height:
            raise ConditionsError(
                f"{here}: its line ends at column {x}, row {y}; a picture of {size} has columns 0 "
                f"to {video.width - 1} and rows 0 to {video.height - 1}."
            )
