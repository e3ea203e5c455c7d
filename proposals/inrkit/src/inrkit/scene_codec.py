"""What the bitstreams of scene codecs share: header, byte shares; without torch.

A static method fits every instant on its own; its bitstream holds the tensors of all instants in
one payload, named ``<instant>.<tensor>``. A dynamic method has one model and no such prefix.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from inrkit.bitstream import VIDEO_SCHEMA, Choice, Real, Schema, Unsigned
from inrkit.coding import encode_network
from inrkit.errors import CodecError
from inrkit.job import EncodeJob, FitJob
from inrkit.video import RawFormat
from inrkit.views import BOX_FIELDS, Bounds, View

BACKGROUNDS = ("black", "white", "learnt", "last")

# SceneFormat.to_header's fields: what every codec of a scene must say; sizes are the viewer's
SCENE_SCHEMA: Schema = {
    "pixel_format": VIDEO_SCHEMA["pixel_format"],
    "matrix": VIDEO_SCHEMA["matrix"],
    "range": VIDEO_SCHEMA["range"],
    "instants": Unsigned(most=1 << 20),
    "near": Real(),
    "far": Real(),
    **{name: Real() for name in BOX_FIELDS},
    "background": Choice(BACKGROUNDS),
}


@dataclass(frozen=True)
class SceneFormat:
    """What a decoder must know of a scene beside its model.

    Args:
        pixel_format, matrix, range: of the raw files, as in ``RawFormat``.
        instants: of the coded cut.
        bounds: of the content.
        background: what lies behind: ``black``, ``white``, a ``learnt`` colour among the
            tensors, or the ``last`` sample's colour.
    """

    pixel_format: str
    matrix: str
    range: str
    instants: int
    bounds: Bounds
    background: str = "black"

    @classmethod
    def of(cls, job: FitJob, *, background: str = "black") -> "SceneFormat":
        """The format of a fit's scene.

        Raises:
            CodecError: the job holds a video, or the background is unknown.
        """
        if background not in BACKGROUNDS:
            raise CodecError(f"the background {background!r} is none of {', '.join(BACKGROUNDS)}.")
        held = job.source.format
        return cls(
            pixel_format=held.pixel_format,
            matrix=held.matrix,
            range=held.range,
            instants=held.frames,
            bounds=job.scene.bounds,
            background=background,
        )

    def to_header(self) -> dict[str, Any]:
        """The fields of ``SCENE_SCHEMA``."""
        return {
            "pixel_format": self.pixel_format,
            "matrix": self.matrix,
            "range": self.range,
            "instants": self.instants,
            **self.bounds.to_header(),
            "background": self.background,
        }

    @classmethod
    def from_header(cls, header: Mapping[str, Any]) -> "SceneFormat":
        """The format in a header made by :meth:`to_header`, other fields ignored."""
        names = ("pixel_format", "matrix", "range", "instants", "background")
        return cls(bounds=Bounds.from_header(header), **{name: header[name] for name in names})

    def raw_format(self, view: View) -> RawFormat:
        """The raw file of a rendered view."""
        return RawFormat(
            pixel_format=self.pixel_format,
            width=view.width,
            height=view.height,
            frames=len(view.times),
            matrix=self.matrix,
            range=self.range,
        )

    def instant_of(self, time: float) -> int:
        """The instant nearest to a time, for methods that hold instants alone.

        Raises:
            CodecError: the time lies beyond the cut.
        """
        if not -0.5 <= time <= self.instants - 0.5:
            raise CodecError(
                f"the time {time:g} lies outside the {self.instants} instants of the bitstream; "
                f"render times from 0 to {self.instants - 1}."
            )
        return min(int(time + 0.5), self.instants - 1)


def encode_scene(
    job: EncodeJob, *, codec_id: str, schema: Schema, groups: Mapping[str, str]
) -> None:
    """Write ``bitstream.bin`` and ``notes.json`` of a fitted scene; see ``encode_network``.

    Raises:
        CodecError: the job holds a video or names no model, or a parameter does not fit it.
    """
    if job.source.path is not None:
        raise CodecError(
            "the job holds a video and this codec codes multi-view scenes; give it a job with "
            "views and bounds, or drop video from its supports.tracks."
        )
    encode_network(job, codec_id=codec_id, schema=schema, groups=groups)


def instant_name(instant: int, name: str) -> str:
    """A tensor's name in the payload of a model per instant."""
    return f"{instant}.{name}"
