"""Reading YUV4MPEG2: a one-line header, then frames that each open with a line."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO

from invrbench.errors import SequenceError
from invrbench.outside import frame_rate
from invrbench.video.format import VideoFormat

MAGIC = b"YUV4MPEG2"
# the C tag's chroma layouts that have a name here; absent means 4:2:0 at 8 bit
LAYOUTS = {
    "420": "yuv420p",
    "420jpeg": "yuv420p",
    "420mpeg2": "yuv420p",
    "420paldv": "yuv420p",
    "420p10": "yuv420p10le",
    "444": "yuv444p",
    "444p10": "yuv444p10le",
}
_LINE_LIMIT = 4096


def _read_line(file: BinaryIO, name: str) -> bytes:
    line = file.readline(_LINE_LIMIT)
    if not line.endswith(b"\n"):
        raise SequenceError(f"{name} ends inside a header line; copy or export it again.")
    return line[:-1]


def read_header(file: BinaryIO, name: str) -> dict[str, str]:
    """The stream header's tags by letter, with COLORRANGE under its own name.

    Raises:
        SequenceError: not a YUV4MPEG2 stream.
    """
    words = _read_line(file, name).split(b" ")
    if words[0] != MAGIC:
        raise SequenceError(f"{name} does not open with {MAGIC.decode()}; it is no Y4M file.")
    tags: dict[str, str] = {}
    for word in words[1:]:
        text = word.decode("ascii", errors="replace")
        if text.startswith("XCOLORRANGE="):
            tags["COLORRANGE"] = text.partition("=")[2].lower()
        elif text and text[0] != "X":
            tags[text[0]] = text[1:]
    return tags


def check_header(tags: dict[str, str], declared: VideoFormat, name: str) -> None:
    """Refuse a header that contradicts the sequence entry.

    Raises:
        SequenceError: with the header's value and the entry's.
    """
    layout = tags.get("C", "420")
    if layout not in LAYOUTS:
        raise SequenceError(
            f"{name} holds C{layout}, which is not served; use one of "
            f"{', '.join('C' + known for known in LAYOUTS)}."
        )
    if tags.get("I", "p") not in ("p", "?"):
        raise SequenceError(f"{name} is interlaced (I{tags['I']}); only progressive is served.")
    rate = tags.get("F", "0:0").replace(":", "/")
    stated: list[tuple[str, object, object]] = [
        ("width", tags.get("W"), str(declared.width)),
        ("height", tags.get("H"), str(declared.height)),
        ("pixel_format", LAYOUTS[layout], declared.pixel_format),
    ]
    if rate != "0/0":
        stated.append(("fps", _rate(rate, name), declared.fps))
    if "COLORRANGE" in tags:
        stated.append(("range", tags["COLORRANGE"], declared.range))
    for key, found, said in stated:
        if found != said:
            raise SequenceError(
                f"{name}: its header says {key} {found}, the sequence entry says {said}; "
                "correct the entry or bring the other file."
            )


def _rate(text: str, name: str) -> Fraction:
    try:
        return frame_rate(text)
    except ValueError as error:
        raise SequenceError(f"{name}: in its header, {error}; export it again.") from None


def frames(path: Path, declared: VideoFormat) -> Iterator[bytes]:
    """Yield each frame's samples in file order, one frame in memory.

    Raises:
        SequenceError: the header contradicts ``declared``, or the file ends within a frame.
    """
    with path.open("rb") as file:
        check_header(read_header(file, path.name), declared, path.name)
        # of a damaged entry, a frame may be larger than memory
        most = min(declared.frame_bytes, path.stat().st_size)
        index = 0
        while file.peek(1):
            if not _read_line(file, path.name).startswith(b"FRAME"):
                raise SequenceError(f"{path.name}: frame {index} does not open with FRAME.")
            data = file.read(most)
            if len(data) != declared.frame_bytes:
                raise SequenceError(
                    f"{path.name} ends in frame {index}: {len(data)} bytes instead of "
                    f"{declared.frame_bytes}; copy or export it again."
                )
            yield data
            index += 1
