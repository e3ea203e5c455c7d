"""Raw frames into an elementary stream and back, through the ffmpeg that the job names."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

from anchorkit.job import AnchorError, EncodeJob
from anchorkit.samples import Conversion

# raw format: bytes of a frame per 2 luma samples (4:2:0 has three samples for two of luma)
BYTES_OF_TWO_PIXELS = {"yuv420p": 3, "yuv420p10le": 6, "yuv444p": 6, "yuv444p10le": 12, "rgb24": 6}
# the colour-space tag of a YUV4MPEG2 header for each raw format
Y4M_FORMATS = {
    "C420jpeg": "yuv420p",
    "C420mpeg2": "yuv420p",
    "C420paldv": "yuv420p",
    "C420p10": "yuv420p10le",
    "C444": "yuv444p",
    "C444p10": "yuv444p10le",
}


def _ffmpeg() -> list[str]:
    binary = os.environ.get("FFMPEG")
    if not binary:
        raise AnchorError("the variable FFMPEG is not set; it names the ffmpeg to run.")
    return [binary, "-hide_banner", "-v", "error", "-y"]


def frame_bytes(pixel_format: str, width: int, height: int) -> int:
    """Bytes of one raw frame.

    >>> frame_bytes("yuv420p10le", 16, 16)
    768
    """
    return BYTES_OF_TWO_PIXELS[pixel_format] * width * height // 2


def encode(
    job: EncodeJob, options: Sequence[str], *, muxer: str, conversion: Conversion | None
) -> tuple[bytes, str]:
    """The elementary stream of the job's frames, coded with one thread, and ffmpeg's log.

    Args:
        job: what to code.
        options: ffmpeg's options that choose and steer the encoder.
        muxer: ffmpeg's name of the elementary stream.
        conversion: applied to every frame before it is coded; None where samples go in as they are.

    Raises:
        AnchorError: the source ends early, or ffmpeg refuses or fails.
    """
    output, log = Path("elementary.bin"), Path("ffmpeg.log")
    command = [
        *(*_ffmpeg(), "-v", "info", "-nostats"),
        *("-f", "rawvideo", "-pixel_format", conversion.coded if conversion else job.pixel_format),
        *("-video_size", f"{job.width}x{job.height}", "-framerate", job.fps, "-i", "pipe:0"),
        *("-fps_mode", "passthrough", "-threads", "1", *options, "-f", muxer, str(output)),
    ]
    # when ffmpeg stops early, its exit status and its own message say why
    with (
        log.open("wb") as messages,
        contextlib.suppress(BrokenPipeError),
        subprocess.Popen(command, stdin=subprocess.PIPE, stderr=messages) as process,
    ):
        assert process.stdin is not None
        for frame in _source_frames(job):
            process.stdin.write(conversion.to_coded(frame) if conversion else frame)
    said = log.read_text(errors="replace")
    sys.stderr.write(said)
    if process.returncode:
        raise AnchorError(
            f"ffmpeg stopped with {process.returncode} coding {job.width}x{job.height} "
            f"{job.pixel_format} at QP {job.qp}; its message is above."
        )
    stream = output.read_bytes()
    output.unlink()
    return stream, said


def _source_frames(job: EncodeJob) -> Iterator[bytes]:
    size = frame_bytes(job.pixel_format, job.width, job.height)
    with job.path.open("rb") as file:
        for index in range(job.frames):
            frame = file.read(size)
            if len(frame) != size:
                raise AnchorError(f"{job.path.name} ends in frame {index} of {job.frames}.")
            yield frame


def decode(
    bitstream: Path, output: Path, *, demuxer: str, conversions: Mapping[str, Conversion]
) -> None:
    """Write all frames of an elementary stream as raw video.

    Size and format come from the header of the YUV4MPEG2 stream that ffmpeg is made to write.

    Args:
        bitstream: the elementary stream.
        output: the raw file to write.
        demuxer: ffmpeg's name of the elementary stream.
        conversions: by coded format, how frames come back to the source's; others stay as coded.

    Raises:
        AnchorError: ffmpeg fails or finds no frame.
    """
    command = [
        *_ffmpeg(),
        *("-threads", "1", "-f", demuxer, "-i", str(bitstream), "-fps_mode", "passthrough"),
        *("-strict", "-1", "-f", "yuv4mpegpipe", "pipe:1"),
    ]
    frames = 0
    with (
        subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as process,
        output.open("wb") as file,
    ):
        assert process.stdout is not None
        for coded_format, frame in _y4m_frames(process.stdout):
            conversion = conversions.get(coded_format)
            file.write(conversion.to_source(frame) if conversion else frame)
            frames += 1
    if process.returncode or not frames:
        raise AnchorError(
            f"ffmpeg stopped with {process.returncode} after {frames} frames of {bitstream.name}; "
            "the file is damaged or no stream of this codec."
        )


def _y4m_frames(stream: IO[bytes]) -> Iterator[tuple[str, bytes]]:
    """Each frame of a YUV4MPEG2 stream with the name of its raw format."""
    header = stream.readline().decode("ascii").split()
    if not header:
        return
    fields = {field[0]: field for field in header[1:]}
    colour = fields.get("C", "C420jpeg")
    if colour not in Y4M_FORMATS:
        raise AnchorError(f"the stream decodes to {colour}; expected one of {sorted(Y4M_FORMATS)}.")
    pixel_format = Y4M_FORMATS[colour]
    size = frame_bytes(pixel_format, int(fields["W"][1:]), int(fields["H"][1:]))
    while stream.readline():
        frame = stream.read(size)
        if len(frame) != size:
            raise AnchorError("ffmpeg ended within a frame.")
        yield pixel_format, frame
