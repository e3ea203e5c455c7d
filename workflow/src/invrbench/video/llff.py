"""Scenes described by LLFF's ``poses_bounds.npy``, with one video per camera."""

from pathlib import Path

from invrbench.errors import SequenceError, SourceMissing
from invrbench.video.cameras import Bounds, Camera
from invrbench.video.views import Scene, ViewSource, of_view

_POSES = "poses_bounds.npy"
_VIDEOS = "cam*.mp4"


def read_llff(folder: Path, *, frames: int, downscale: int = 1) -> Scene:
    """The scene of a ``poses_bounds.npy`` and one video per camera, cam00.mp4, cam01.mp4, ….

    The n-th row belongs to the n-th video in the order of their names; this is the format's own
    definition. Views are named after their videos.

    Args:
        folder: of the array and the videos.
        frames: instants, which the array does not tell.
        downscale: side of the blocks of samples that are averaged, in every plane.

    Raises:
        SourceMissing: no array.
        SequenceError: no array of (N, 17) numbers, or not N videos.

    Source: Mildenhall et al., Local Light Field Fusion, 2019; Li et al., DyNeRF, 2022 (videos).
    """
    import numpy as np

    path = folder / _POSES
    if not path.is_file():
        raise SourceMissing(f"{_POSES} is not in {folder.name}/; bring it.")
    try:
        rows = np.load(path, allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise SequenceError(f"{_POSES} cannot be read as an array: {error}") from None
    if rows.ndim != 2 or rows.shape[1] != 17 or rows.dtype.kind not in "fiu":
        raise SequenceError(
            f"{_POSES} holds {rows.dtype} of shape {rows.shape}; expected numbers, 17 per camera."
        )
    videos = sorted(folder.glob(_VIDEOS))
    if len(videos) != len(rows):
        raise SequenceError(
            f"{_POSES} has {len(rows)} cameras, {folder.name}/ has {len(videos)} videos "
            f"{_VIDEOS}; the n-th row belongs to the n-th video, so bring all of them."
        )
    table = rows.tolist()
    cameras = [
        of_view(video.stem, Camera.from_llff, row) for video, row in zip(videos, table, strict=True)
    ]
    return Scene(
        views={
            video.stem: ViewSource(
                id=video.stem,
                camera=of_view(video.stem, camera.scaled, downscale),
                files=(video,),
                times=tuple(float(frame) for frame in range(frames)),
                is_video=True,
                downscale=downscale,
            )
            for video, camera in zip(videos, cameras, strict=True)
        },
        frames=frames,
        bounds=Bounds.from_depths(cameras, [(row[15], row[16]) for row in table]),
        descriptions=(path,),
    )
