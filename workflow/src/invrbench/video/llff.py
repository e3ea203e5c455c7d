"""Scenes described by LLFF's ``poses_bounds.npy``, with one video per camera."""

import math
import tokenize
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from invrbench.errors import SequenceError, SourceMissing
from invrbench.video.cameras import Bounds, Camera
from invrbench.video.views import Scene, ViewSource, of_view

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_POSES = "poses_bounds.npy"
_VIDEOS = "cam*.mp4"
# what numpy's reader of headers raises on bytes that are none
_NO_ARRAY = (ValueError, EOFError, OSError, SyntaxError, TypeError, tokenize.TokenError, Warning)


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
    path = folder / _POSES
    if not path.is_file():
        raise SourceMissing(f"{_POSES} is not in {folder.name}/; bring it.")
    rows = _read_rows(path)
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


def _read_rows(path: Path) -> "NDArray[Any]":
    """The array (N, 17) of a file in numpy's format, held against the file's size first.

    Raises:
        SequenceError: it is another file, or another array.
    """
    import numpy as np

    try:
        with path.open("rb") as file, warnings.catch_warnings():
            warnings.simplefilter("error")  # of an array that Python 2 wrote
            shape, kind = _read_shape(file)
            start = file.tell()
            expected = start + math.prod(shape) * kind.itemsize
            if path.stat().st_size != expected:
                raise ValueError(f"{path.stat().st_size} bytes instead of {expected}")
            data = file.read()
    except _NO_ARRAY as error:
        raise SequenceError(f"{path.name} cannot be read as an array: {error}") from None
    if len(shape) != 2 or shape[1] != 17 or kind.kind not in "fiu":
        raise SequenceError(
            f"{path.name} holds {kind} of shape {shape}; expected numbers, 17 per camera."
        )
    return np.frombuffer(data, kind).reshape(shape)


def _read_shape(file: BinaryIO) -> "tuple[tuple[int, ...], np.dtype[Any]]":
    """Shape and type of the array whose values follow in the file, row by row."""
    from numpy.lib import format

    npy: Any = format
    version = npy.read_magic(file)
    if version not in ((1, 0), (2, 0)):
        raise ValueError(f"it has version {version}")
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, is_by_columns, kind = read(file)
    if is_by_columns or kind.hasobject:
        raise ValueError("it does not hold its numbers row by row")
    return shape, kind
