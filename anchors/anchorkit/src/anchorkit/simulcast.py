"""Several elementary streams in one file: a scene whose views are coded each on its own.

Layout: for every view a byte with the length of its id, the id in UTF-8, four bytes (big endian)
with the length of its stream, and the stream.
"""

import struct
from collections.abc import Mapping

from anchorkit.job import AnchorError

_LENGTH = struct.Struct(">I")


def pack(streams: Mapping[str, bytes]) -> bytes:
    """The file of these streams, by view id.

    >>> pack({"v0": b"abc"}).hex()
    '02763000000003616263'
    """
    parts = []
    for view, stream in streams.items():
        name = view.encode()
        parts += [bytes([len(name)]), name, _LENGTH.pack(len(stream)), stream]
    return b"".join(parts)


def unpack(file: bytes) -> dict[str, bytes]:
    """The streams of a file by view id.

    Raises:
        AnchorError: the file ends within a stream.

    >>> unpack(pack({"v0": b"abc", "v1": b""}))
    {'v0': b'abc', 'v1': b''}
    """
    streams = {}
    position = 0
    try:
        while position < len(file):
            start = position + 1 + file[position]
            name = file[position + 1 : start].decode()
            (length,) = _LENGTH.unpack_from(file, start)
            position = start + _LENGTH.size + length
            streams[name] = file[start + _LENGTH.size : position]
    except (struct.error, UnicodeDecodeError):
        position = len(file) + 1
    if position != len(file):
        raise AnchorError("bitstream.bin ends within a view; it is damaged or no simulcast.")
    return streams
