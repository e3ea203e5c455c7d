"""What a measurement is: values, reasons for absent ones, per-frame values and versions.

Holds no arithmetic, so it is part of no family's key.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from invrbench.errors import SequenceError
from invrbench.video.format import RawVideo

LOSSLESS = "lossless"


@dataclass(frozen=True)
class Measurement:
    """Distortion of one decoded file.

    Attributes:
        values: one entry per column of the family; None where the metric is undefined.
        reasons: why, for every column that is None, as a short sentence.
        frames: per-frame values by column, in display order; None as in ``values``.
        versions: metric, convention and tool by column.
    """

    values: dict[str, float | None]
    reasons: dict[str, str] = field(default_factory=dict)
    frames: dict[str, list[float | None]] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The fields as a JSON object."""
        return {
            "values": self.values,
            "reasons": self.reasons,
            "frames": self.frames,
            "versions": self.versions,
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "Measurement":
        """The measurement written by :meth:`to_json`."""
        return cls(**value)


def without_values(
    columns: tuple[str, ...], reason: str, versions: dict[str, str] | None = None
) -> Measurement:
    """A measurement in which every column is undefined for one and the same reason."""
    return Measurement(
        values=dict.fromkeys(columns),
        reasons=dict.fromkeys(columns, reason),
        versions=versions or {},
    )


def joined(parts: Iterable[Measurement]) -> Measurement:
    """One measurement that has the columns of all parts, in their order."""
    whole = Measurement(values={})
    for part in parts:
        whole = Measurement(
            values=whole.values | part.values,
            reasons=whole.reasons | part.reasons,
            frames=whole.frames | part.frames,
            versions=whole.versions | part.versions,
        )
    return whole


def check_pair(reference: RawVideo, decoded: RawVideo) -> None:
    """Refuse two videos that cannot be compared sample by sample.

    Raises:
        SequenceError: sample layout, size or number of frames differ; names both.
    """
    ours, theirs = (
        (video.format.width, video.format.height, video.format.pixel_format, video.format.frames)
        for video in (reference, decoded)
    )
    if ours != theirs:
        texts = ["{}x{} {} with {} frames".format(*side) for side in (ours, theirs)]
        raise SequenceError(
            f"{reference.path.name} is {texts[0]}, {decoded.path.name} is {texts[1]}; "
            "distortion needs both alike."
        )
