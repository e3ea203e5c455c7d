"""The job a verb is started with, read from the harness's ``job.json``.

Source: design document §4 (the codec contract).
"""

import hashlib
import json
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal, TypeVar

from inrkit.errors import CodecError
from inrkit.video import RawFormat
from inrkit.views import Bounds, View, read_bounds, read_views

SCHEMA = 1
Device = Literal["cpu", "cuda"]
_RATE = re.compile(r"\d{1,9}(\.\d{1,12}|/[1-9]\d{0,8})?", re.ASCII)


@dataclass(frozen=True)
class Source:
    """What is coded: where it lies, what it holds, and its frame rate in frames/s.

    ``path`` is None for a multi-view scene, whose files are those of its views; ``format`` is
    then that of the sequence, and a view may have a size of its own.
    """

    path: Path | None
    format: RawFormat
    fps: Fraction

    @property
    def video(self) -> Path:
        """The raw file of a video.

        Raises:
            CodecError: the job holds the views of a scene instead.
        """
        if self.path is None:
            raise CodecError(
                "the job holds the views of a scene and this codec codes videos; give it a job "
                "with source.path, or drop multiview from its supports.tracks."
            )
        return self.path


@dataclass(frozen=True)
class Scene:
    """The train views of a multi-view job and the bounds of what they see."""

    views: tuple[View, ...]
    bounds: Bounds


@dataclass(frozen=True)
class FitJob:
    """Train a model of ``source``; write it under ``./model``.

    ``parameters`` are the fit's resolved ones, ``checkpoint`` is a folder that survives kills and
    ``key`` names this job whatever the folders are called. ``views`` are a scene's train views;
    a video has none.
    """

    source: Source
    configuration: str
    fit: str
    parameters: dict[str, Any]
    budget: str
    seed: int
    device: Device
    threads: int
    checkpoint: Path
    key: str
    views: tuple[View, ...] = ()
    bounds: Bounds | None = None

    @property
    def scene(self) -> Scene:
        """The views and their bounds; CodecError if the job holds a video."""
        return _scene_of(self)


@dataclass(frozen=True)
class EncodeJob:
    """Write ``./bitstream.bin`` from ``model``; ``parameters`` are the rate point's."""

    source: Source
    configuration: str
    rate_point: str
    parameters: dict[str, Any]
    model: Path | None
    fit: str | None
    fit_parameters: dict[str, Any]
    seed: int
    device: Device
    threads: int
    views: tuple[View, ...] = ()
    bounds: Bounds | None = None

    @property
    def scene(self) -> Scene:
        """The views and their bounds; CodecError if the job holds a video."""
        return _scene_of(self)


@dataclass(frozen=True)
class DecodeJob:
    """Write raw frames to ``output`` from ``bitstream`` alone.

    ``output`` is a file, or for a scene a folder that gets ``<id>.raw`` of each view to render.
    """

    bitstream: Path
    output: Path
    device: Device
    threads: int
    render: tuple[View, ...] = ()


Job = FitJob | EncodeJob | DecodeJob
J = TypeVar("J", FitJob, EncodeJob, DecodeJob)


def read_job(path: Path) -> Job:
    """The job in ``path``.

    Raises:
        CodecError: not JSON, of another schema or verb, or a field is missing or no such field.
    """
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise CodecError(f"{path} cannot be read as a job: {error}") from error
    if not isinstance(fields, dict) or fields.get("schema") != SCHEMA:
        found = fields.get("schema") if isinstance(fields, dict) else None
        raise CodecError(f"{path} has schema {found!r}; this codec reads schema {SCHEMA}.")
    readers: dict[Any, Callable[[dict[str, Any]], Job]] = {
        "fit": _fit_job,
        "encode": _encode_job,
        "decode": _decode_job,
    }
    verb = fields.get("verb")
    if not isinstance(verb, str) or verb not in readers:
        raise CodecError(f"{path} asks for the verb {verb!r}; use {', '.join(readers)}.")
    try:
        return readers[verb](fields)
    except KeyError as error:
        raise CodecError(f"{path} lacks the field {error} of a {verb} job.") from error
    except (TypeError, ValueError, ArithmeticError, AttributeError, RecursionError) as error:
        raise CodecError(f"{path} holds no {verb} job as the contract has it: {error}.") from error


def run_verb(kind: type[J], main: Callable[[J], None]) -> None:
    """Run ``main`` on the job named on the command line; a :class:`CodecError` ends it with 1."""
    try:
        if len(sys.argv) != 2:
            raise CodecError(f"usage: {Path(sys.argv[0]).name} job.json")
        job = read_job(Path(sys.argv[1]))
        if not isinstance(job, kind):
            raise CodecError(f"{sys.argv[1]} is no {kind.__name__}; give it to the verb it names.")
        main(job)
    except CodecError as error:
        sys.exit(f"error: {error}")


def _source(fields: dict[str, Any]) -> Source:
    held = RawFormat(
        pixel_format=fields["pixel_format"],
        width=fields["width"],
        height=fields["height"],
        frames=fields["frames"],
        matrix=fields["matrix"],
        range=fields["range"],
    )
    path = Path(fields["path"]) if "path" in fields else None
    return Source(path=path, format=held, fps=_rate(fields["fps"]))


def _rate(value: Any) -> Fraction:
    """Frames per second; the text of a fraction such as 1e999999999 would fill the memory."""
    text = str(value)
    if not _RATE.fullmatch(text):
        raise ValueError(f"fps is {text[:40]!r}; expected a number, or a text such as 30000/1001")
    return Fraction(text)


def _whole(fields: dict[str, Any], name: str) -> int:
    value = fields[name]
    if type(value) is not int or value < 0:
        raise ValueError(f"{name} is {value!r}; expected a whole number")
    return value


def _scene(fields: dict[str, Any]) -> dict[str, Any]:
    """The fields of a job that describe a scene; none for a video."""
    if not fields.get("views"):
        return {}
    return {"views": read_views(fields["views"]), "bounds": read_bounds(fields["bounds"])}


def _scene_of(job: "FitJob | EncodeJob") -> Scene:
    if not job.views or job.bounds is None:
        raise CodecError(
            "the job holds a video and this codec codes multi-view scenes; give it a job with "
            "views and bounds, or drop video from its supports.tracks."
        )
    return Scene(job.views, job.bounds)


def _device(fields: dict[str, Any]) -> Device:
    device: Device = fields["device"]
    if device not in ("cpu", "cuda"):
        raise CodecError(f"the device {device!r} is unknown; use cpu or cuda.")
    return device


def _fit_job(fields: dict[str, Any]) -> FitJob:
    return FitJob(
        source=_source(fields["source"]),
        configuration=fields["configuration"],
        fit=fields["fit"]["name"],
        parameters=fields["fit"]["parameters"],
        budget=fields["budget"],
        seed=_whole(fields, "seed"),
        device=_device(fields),
        threads=_whole(fields, "threads"),
        checkpoint=Path(fields["checkpoint"]),
        key=_key(fields),
        **_scene(fields),
    )


def _encode_job(fields: dict[str, Any]) -> EncodeJob:
    fit = fields.get("fit")
    return EncodeJob(
        source=_source(fields["source"]),
        configuration=fields["configuration"],
        rate_point=fields["rate_point"]["id"],
        parameters=fields["rate_point"]["parameters"],
        model=Path(fields["model"]) if "model" in fields else None,
        fit=fit["name"] if fit else None,
        fit_parameters=fit["parameters"] if fit else {},
        seed=_whole(fields, "seed"),
        device=_device(fields),
        threads=_whole(fields, "threads"),
        **_scene(fields),
    )


def _decode_job(fields: dict[str, Any]) -> DecodeJob:
    return DecodeJob(
        bitstream=Path(fields["bitstream"]),
        output=Path(fields["output"]),
        device=_device(fields),
        threads=_whole(fields, "threads"),
        render=read_views(fields.get("render", ())),
    )


def _key(fields: dict[str, Any]) -> str:
    """SHA-256 of the job without its folders, which may move between two starts."""
    named = {name: value for name, value in fields.items() if name != "checkpoint"}
    named["source"] = _without_path(fields["source"])
    if "views" in fields:
        named["views"] = [_without_path(view) for view in fields["views"]]
    return hashlib.sha256(json.dumps(named, sort_keys=True).encode()).hexdigest()


def _without_path(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if name != "path"}
