"""One view of a scene as a description brings it: its camera, its files and their times."""

from dataclasses import dataclass
from pathlib import Path

from invrbench.video.cameras import Camera


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
