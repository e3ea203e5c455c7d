"""Short clips for conformance runs: crops of a real one in every layout a codec may serve."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from invrbench.ctc.conditions import find_conditions, load_conditions
from invrbench.ctc.sequences import SequenceRef, load_paths, load_sequences, resolve
from invrbench.errors import ConditionsError
from invrbench.video.format import PIXEL_FORMATS, RawVideo, VideoFormat
from invrbench.video.prepare import prepare
from invrbench.video.scenes import ResolvedScene
from invrbench.video.sources import ResolvedSource

Plane = NDArray[Any]
CONDITIONS = "smoke"  # whose first moving sequence the clips are cut from


def load_clip(root: Path, folder: Path) -> RawVideo:
    """The first moving 4:2:0 sequence of the smoke conditions, made ready in ``folder``.

    Raises:
        ConditionsError: the conditions have no 4:2:0 sequence of two frames or more.
        SequenceError: the file behind it is absent or not what its entry says.
    """
    sequences = load_sequences(root / "ctc" / "sequences")
    conditions = load_conditions(find_conditions(root / "ctc", CONDITIONS), sequences)
    here = load_paths(root)
    for ref in conditions.sequences:
        source = resolve(ref, sequences, here)
        if isinstance(source, ResolvedScene):
            continue
        if source.format.frames > 1 and source.format.pixel_format == "yuv420p":
            found = prepare(source, folder / "clip.raw")
            return RawVideo(Path(found["path"]), source.format)
    raise ConditionsError(
        f"ctc/{CONDITIONS}.yaml holds no yuv420p clip; conformance runs need one."
    )


def find_source(root: Path, sequence: str) -> ResolvedSource | ResolvedScene:
    """What a sequence named with its cut is, whether or not its file is here.

    Raises:
        ConditionsError: no such sequence.
    """
    sequences = load_sequences(root / "ctc" / "sequences")
    ref = SequenceRef.parse(sequence, sequences)
    return resolve(ref, sequences, load_paths(root))


def derive(clip: RawVideo, target: VideoFormat, path: Path) -> RawVideo:
    """Write a clip of the format ``target`` from the content of ``clip``, an 8-bit 4:2:0 one.

    Pictures are cropped at the centre (mirrored outwards where the clip is smaller), chroma is
    repeated for 4:4:4, samples are spread over the bit depth; frames are taken to and fro. R, G
    and B of rgb24 are Y, Cb and Cr: strange colours, real structure.
    """
    frames = list(clip.frames())
    there_and_back = [*range(len(frames)), *range(len(frames) - 2, 0, -1)]
    with path.open("wb") as file:
        for index in range(target.frames):
            for plane in _convert(frames[there_and_back[index % len(there_and_back)]], target):
                file.write(plane.tobytes())
    made = RawVideo(path, target)
    made.check_size()
    return made


def _convert(planes: list[Plane], target: VideoFormat) -> Iterator[Plane]:
    depth, log2_h, log2_v = PIXEL_FORMATS[target.pixel_format]
    luma = planes[0].astype(np.uint16)
    chroma = [plane.astype(np.uint16) for plane in planes[1:]]
    if not (log2_h or log2_v):
        chroma = [plane.repeat(2, axis=0).repeat(2, axis=1) for plane in chroma]
    size = (target.height, target.width)
    small = (target.height >> log2_v, target.width >> log2_h)
    cropped = [_centre(luma, size), *(_centre(plane, small) for plane in chroma)]
    spread = [(plane << (depth - 8)) | (plane >> (16 - depth)) for plane in cropped]
    samples = [plane.astype("<u2" if depth > 8 else "u1") for plane in spread]
    if target.is_rgb:
        yield np.stack(samples, axis=-1)
    else:
        yield from samples


def _centre(plane: Plane, size: tuple[int, int]) -> Plane:
    """The middle (H, W) of a plane, continued by its mirror image where it is too small."""
    pads = [max(0, wanted - held) for wanted, held in zip(size, plane.shape, strict=True)]
    plane = np.pad(plane, [(0, pads[0]), (0, pads[1])], mode="symmetric")
    top, left = ((held - wanted) // 2 for held, wanted in zip(plane.shape, size, strict=True))
    return plane[top : top + size[0], left : left + size[1]]
