"""Crop, box average and window of raw frames, in integers: the same bytes on every machine."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

from invrbench.errors import SequenceError
from invrbench.video.format import PIXEL_FORMATS, VideoFormat

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Samples: TypeAlias = NDArray[Any]


@dataclass(frozen=True)
class Frames:
    """Keep ``count`` frames from frame ``start`` on."""

    start: int
    count: int


@dataclass(frozen=True)
class Crop:
    """Keep ``width`` x ``height`` luma samples from column ``x`` and row ``y`` on."""

    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True)
class BoxAverage:
    """Replace each ``factor`` x ``factor`` block of every plane by its mean, rounded half up."""

    factor: int


Step = Frames | Crop | BoxAverage
STEPS: dict[str, type[Frames] | type[Crop] | type[BoxAverage]] = {
    "frames": Frames,
    "crop": Crop,
    "box_average": BoxAverage,
}


def step_from_json(value: dict[str, dict[str, int]]) -> Step:
    """The step written as one key with its numbers, e.g. ``{"box_average": {"factor": 4}}``."""
    ((name, numbers),) = value.items()
    return STEPS[name](**numbers)


def steps_to_json(steps: Sequence[Step]) -> list[dict[str, Any]]:
    """Steps as JSON, the inverse of :func:`step_from_json`."""
    names = {kind: name for name, kind in STEPS.items()}
    return [{names[type(step)]: asdict(step)} for step in steps]


def _subsampling(pixel_format: str) -> tuple[int, int]:
    """Luma samples per chroma sample, across and down."""
    _, log2_h, log2_v = PIXEL_FORMATS[pixel_format]
    return 1 << log2_h, 1 << log2_v


def apply_format(before: VideoFormat, step: Step) -> VideoFormat:
    """What a video of format ``before`` holds after one step.

    Raises:
        SequenceError: the step leaves the picture or the clip, or splits a chroma sample.
    """
    if isinstance(step, Frames):
        if step.start + step.count > before.frames:
            raise SequenceError(
                f"the step frames {step.start}+{step.count} leaves the clip's {before.frames} "
                "frames; choose a shorter one."
            )
        return before.with_frames(step.count)
    across, down = _subsampling(before.pixel_format)
    if isinstance(step, BoxAverage):
        if before.width % (step.factor * across) or before.height % (step.factor * down):
            raise SequenceError(
                f"the step box_average {step.factor} does not divide {before.width}x"
                f"{before.height} {before.pixel_format} into whole blocks; crop first."
            )
        return replace(
            before, width=before.width // step.factor, height=before.height // step.factor
        )
    if step.x % across or step.y % down:
        raise SequenceError(
            f"the step crop at {step.x},{step.y} splits a chroma sample of "
            f"{before.pixel_format}; use even numbers."
        )
    if step.x + step.width > before.width or step.y + step.height > before.height:
        raise SequenceError(
            f"the step crop {step.width}x{step.height} at {step.x},{step.y} leaves the picture's "
            f"{before.width}x{before.height}; choose a smaller one."
        )
    return replace(before, width=step.width, height=step.height)


def apply_formats(before: VideoFormat, steps: Sequence[Step], name: str) -> VideoFormat:
    """What a video holds after all steps; ``name`` opens the message of a refusal."""
    for step in steps:
        try:
            before = apply_format(before, step)
        except SequenceError as error:
            raise SequenceError(f"{name}: {error}") from None
    return before


def first_frame(steps: Sequence[Step]) -> int:
    """Index, in the source, of the first frame that the steps keep."""
    return sum(step.start for step in steps if isinstance(step, Frames))


def _box_average(plane: "Samples", factor: int) -> "Samples":
    """Mean of blocks of (H, W) or (H, W, 3), rounded half up, in 32-bit integers."""
    import numpy as np

    height, width = plane.shape[0] // factor, plane.shape[1] // factor
    blocks = plane.reshape(height, factor, width, factor, *plane.shape[2:])
    total: Samples = blocks.sum(axis=(1, 3), dtype=np.uint32)
    area = factor * factor
    mean: Samples = ((total + area // 2) // area).astype(plane.dtype)
    return mean


def transform(frame: bytes, before: VideoFormat, steps: Sequence[Step]) -> bytes:
    """One raw frame after the spatial steps; windows are the caller's.

    Args:
        frame: ``before.frame_bytes`` bytes in file order.
        before: the layout of ``frame``.
        steps: in the order in which they apply.
    """
    import numpy as np

    dtype = np.dtype("<u2") if before.sample_bytes == 2 else np.dtype("u1")
    samples, planes, start = np.frombuffer(frame, dtype), [], 0
    for shape in before.plane_shapes:
        count = int(np.prod(shape))
        planes.append(samples[start : start + count].reshape(shape))
        start += count
    chroma = (1, 1) if before.is_rgb else _subsampling(before.pixel_format)
    for step in steps:
        if isinstance(step, BoxAverage):
            planes = [_box_average(plane, step.factor) for plane in planes]
        elif isinstance(step, Crop):
            planes = [
                _crop(plane, step, *(chroma if index else (1, 1)))
                for index, plane in enumerate(planes)
            ]
    return b"".join(np.ascontiguousarray(plane).tobytes() for plane in planes)


def _crop(plane: "Samples", crop: Crop, across: int, down: int) -> "Samples":
    top, left = crop.y // down, crop.x // across
    return plane[top : top + crop.height // down, left : left + crop.width // across]
