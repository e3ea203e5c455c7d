"""Both verbs of an anchor, given what its elementary stream is and its encoder's options."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from anchorkit import annexb, ffmpeg, obu, simulcast
from anchorkit.job import AnchorError, EncodeJob, read_encode_jobs, run_verb
from anchorkit.samples import AT_10_BIT, RGB_AS_YUV444, Conversion


@dataclass(frozen=True)
class Codec:
    """An elementary stream format and the raw formats that go into it.

    ``without_ballast`` removes what decoding does not need. ``coded`` are the formats coded as
    they are, ``conversions`` bring others into one of those that no source of the codec has.
    ``encoder`` is what the encoder is called, ``version`` finds its version in ffmpeg's log or in
    the stream before ballast is removed.
    """

    format: str
    encoder: str
    version: str
    without_ballast: Callable[[bytes], bytes]
    coded: tuple[str, ...]
    conversions: tuple[Conversion, ...] = ()


AVC = Codec(
    format="h264",
    encoder="x264",
    version=r"x264 - core (\d+)",
    without_ballast=partial(annexb.without_ballast, syntax=annexb.AVC),
    coded=("yuv420p", "yuv420p10le", "yuv444p", "yuv444p10le"),
    conversions=(RGB_AS_YUV444,),
)
HEVC = Codec(
    format="hevc",
    encoder="x265",
    version=r"HEVC encoder version ([\w.]+)",
    without_ballast=partial(annexb.without_ballast, syntax=annexb.HEVC),
    coded=("yuv420p", "yuv420p10le", "yuv444p", "yuv444p10le"),
    conversions=(RGB_AS_YUV444,),
)
VVC = Codec(
    format="vvc",
    encoder="vvenc",
    version=r"libvvenc version: ([\w.-]+)",
    without_ballast=partial(annexb.without_ballast, syntax=annexb.VVC),
    coded=("yuv420p10le",),
    conversions=(AT_10_BIT,),
)
AV1 = Codec(
    format="obu",
    encoder="SVT-AV1",
    version=r"SVT-AV1 Encoder Lib v([\d.]+)",
    without_ballast=obu.without_ballast,
    coded=("yuv420p", "yuv420p10le"),
)


def _encode(codec: Codec, options: Callable[[EncodeJob], list[str]], file: dict[str, Any]) -> None:
    coded = {view: _stream(codec, options, job) for view, job in read_encode_jobs(file).items()}
    streams = {view: stream for view, (stream, _) in coded.items()}
    is_scene = "" not in streams
    Path("bitstream.bin").write_bytes(simulcast.pack(streams) if is_scene else streams[""])
    version = next(iter(coded.values()))[1]
    if version:
        Path("notes.json").write_text(json.dumps({"tools": {codec.encoder: version}}))


def _stream(
    codec: Codec, options: Callable[[EncodeJob], list[str]], job: EncodeJob
) -> tuple[bytes, str]:
    """The elementary stream of a job, and the encoder's version or nothing."""
    conversion = next((c for c in codec.conversions if c.source == job.pixel_format), None)
    if not conversion and job.pixel_format not in codec.coded:
        raise AnchorError(
            f"{job.pixel_format} is not coded; expected one of "
            f"{', '.join((*codec.coded, *(c.source for c in codec.conversions)))}."
        )
    full, log = ffmpeg.encode(job, options(job), muxer=codec.format, conversion=conversion)
    stream = codec.without_ballast(full)
    version = re.search(codec.version, log + full.decode("latin-1"))
    coded = annexb.mark_converted(stream) if conversion else stream
    return coded, version[1] if version else ""


def _decode(codec: Codec, file: dict[str, Any]) -> None:
    bitstream, output = Path(file["bitstream"]), Path(file["output"])
    if "render" not in file:
        _write_frames(codec, bitstream, output)
        return
    streams = simulcast.unpack(bitstream.read_bytes())
    for view in (each["id"] for each in file["render"]):
        if view not in streams:
            raise AnchorError(f"view {view} is not coded; expected one of {', '.join(streams)}.")
        part = Path("stream.bin")
        part.write_bytes(streams[view])
        _write_frames(codec, part, output / f"{view}.raw")
        part.unlink()


def _write_frames(codec: Codec, stream: Path, output: Path) -> None:
    with stream.open("rb") as head:
        converted = annexb.is_marked_converted(head.read(5))
    conversions = {c.coded: c for c in codec.conversions} if converted else {}
    ffmpeg.decode(stream, output, demuxer=codec.format, conversions=conversions)


def run_encode(codec: Codec, options: Callable[[EncodeJob], list[str]]) -> None:
    """Be the verb `encode`: write ``bitstream.bin`` for the job named on the command line.

    Args:
        codec: the stream to write.
        options: ffmpeg's options for a job, or an AnchorError where it cannot be coded.
    """
    run_verb(partial(_encode, codec, options))


def run_decode(codec: Codec) -> None:
    """Be the verb `decode`: write the raw frames of a bitstream, in the source's format."""
    run_verb(partial(_decode, codec))
