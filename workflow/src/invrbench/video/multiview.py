"""Multi-view scenes of sequence entries, whoever described them.

Frames of a scene's views come from ``readers.view_frames``.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from invrbench.errors import SequenceError, SourceMissing
from invrbench.video.format import VideoFormat
from invrbench.video.llff import read_llff
from invrbench.video.miv import read_miv
from invrbench.video.transforms import read_transforms
from invrbench.video.views import Scene

SCENE_KINDS = ("transforms", "miv", "llff")


def read_scene(
    source: Mapping[str, Any], folder: Path, layout: VideoFormat, *, where: str
) -> Scene:
    """The scene of a sequence entry.

    Args:
        source: the entry's ``source``: ``kind``, and what the reader of that kind is told.
        folder: where the scene lies on this machine.
        layout: what the entry says of one view's raw file; ``frames`` are the scene's instants.
        where: opens every message.

    Raises:
        SequenceError: the description cannot be used, or is not what the entry says.
    """
    downscale = source.get("downscale", 1)
    try:
        if source["kind"] == "transforms":
            scene = read_transforms(
                [folder / name for name in source.get("files", ["transforms.json"])],
                downscale=downscale,
                background=source.get("background"),
                instants=layout.frames,
                skip_absent=source.get("skip_absent", False),
            )
        elif source["kind"] == "miv":
            scene = read_miv(folder / source["file"], folder, downscale=downscale)
        else:
            scene = read_llff(folder, frames=layout.frames, downscale=downscale)
        _check_layout(scene, layout)
    except SourceMissing as error:
        raise SourceMissing(f"{where}: {error}") from None
    except SequenceError as error:
        raise SequenceError(f"{where}: {error}") from None
    return scene


def _check_layout(scene: Scene, layout: VideoFormat) -> None:
    """Refuse a description that contradicts the sequence entry."""
    camera = next(iter(scene.views.values())).camera
    told: list[tuple[str, object, object]] = [
        ("width", camera.width, layout.width),
        ("height", camera.height, layout.height),
        ("frames", scene.frames, layout.frames),
        ("fps", scene.fps, layout.fps),
        *(
            ()
            if scene.has_pictures
            else (("pixel_format", scene.pixel_format, layout.pixel_format),)
        ),
    ]
    for key, found, said in told:
        if found is not None and found != said:
            raise SequenceError(
                f"the description says {key} {found}, the sequence entry says {said}; correct the "
                "entry or bring the other files."
            )
