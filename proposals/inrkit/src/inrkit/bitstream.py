"""One bitstream file of a learned codec: a small checked header and its sections.

The container says which codec and version wrote it, carries what the decoder must know beside
the weights (size, frame count, …) and refuses what does not fit: another codec, another version,
a cut, an appended or a flipped byte. It is counted as rate, so it is small: with a codec id of
five characters, the header of a still (``VIDEO_SCHEMA``) and one section it takes 21 bytes.

```
offset  bytes  what
0       2      magic  B1 5E
2       1      container version (high four bits), length of the codec id (low four bits)
3       n      codec id, ASCII
…       …      header fields, in the order of the codec's schema, self-delimiting
…       1–5    number of sections, then the length of each but the last (varints)
…       …      the sections
end−4   4      CRC-32 (IEEE 802.3) of everything before, little-endian
```

Header fields are positional: the codec declares a schema, so names cost nothing. Integers are
LEB128 varints, zigzag where they may be negative; choices are one byte; texts are varint-counted.
"""

import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from inrkit.errors import CodecError

MAGIC = b"\xb1\x5e"
CONTAINER_VERSION = 1

_MAX_ID = 15
_MAX_SECTIONS = 255
_MAX_VARINT_BYTES = 9  # 63 bits
_CRC = struct.Struct("<I")

Value: TypeAlias = int | float | str


class BitstreamError(CodecError):
    """A bitstream, or a part of one, that this decoder cannot read."""


class HeaderError(CodecError):
    """A header that does not fit the codec's schema: a mistake of the encoder."""


@dataclass(frozen=True)
class Unsigned:
    """An integer from 0 to ``most``; 1 byte below 128, 2 below 16,384."""

    most: int = (1 << 32) - 1

    def write(self, value: Value) -> bytes:
        """Bytes of a value; HeaderError if it is out of range."""
        if not isinstance(value, int) or not 0 <= value <= self.most:
            raise HeaderError(f"{value!r} is no integer from 0 to {self.most}")
        return _varint(value)

    def read(self, data: bytes, position: int) -> tuple[int, int]:
        """The value at a position, and the position behind it."""
        value, position = _read_varint(data, position)
        if value > self.most:
            raise BitstreamError(f"header: {value} is above {self.most}; the file is damaged")
        return value, position


@dataclass(frozen=True)
class Signed:
    """An integer from −most to ``most``; 1 byte from −64 to 63."""

    most: int = (1 << 31) - 1

    def write(self, value: Value) -> bytes:
        """Bytes of a value; HeaderError if it is out of range."""
        if not isinstance(value, int) or not -self.most <= value <= self.most:
            raise HeaderError(f"{value!r} is no integer from {-self.most} to {self.most}")
        return _varint(2 * value if value >= 0 else -2 * value - 1)

    def read(self, data: bytes, position: int) -> tuple[int, int]:
        """The value at a position, and the position behind it."""
        folded, position = _read_varint(data, position)
        value = -((folded + 1) >> 1) if folded & 1 else folded >> 1
        if abs(value) > self.most:
            raise BitstreamError(f"header: {value} is beyond ±{self.most}; the file is damaged")
        return value, position


@dataclass(frozen=True)
class Real:
    """A float32, 4 bytes."""

    def write(self, value: Value) -> bytes:
        """Bytes of a value; HeaderError if it is no number that float32 can hold."""
        if isinstance(value, str) or not abs(value) < 3.4e38:
            raise HeaderError(f"{value!r} is no number within ±3.4e38")
        return struct.pack("<f", value)

    def read(self, data: bytes, position: int) -> tuple[float, int]:
        """The value at a position, and the position behind it."""
        return float(struct.unpack("<f", _take(data, position, 4))[0]), position + 4


@dataclass(frozen=True)
class Choice:
    """One of some texts, 1 byte; new ones are appended, so that old files keep their meaning."""

    of: tuple[str, ...]

    def write(self, value: Value) -> bytes:
        """Bytes of a value; HeaderError if it is not among the choices."""
        if value not in self.of:
            raise HeaderError(f"{value!r} is none of {', '.join(self.of)}")
        return bytes([self.of.index(str(value))])

    def read(self, data: bytes, position: int) -> tuple[str, int]:
        """The value at a position, and the position behind it."""
        index = _take(data, position, 1)[0]
        if index >= len(self.of):
            raise BitstreamError(
                f"header: choice {index} is none of {', '.join(self.of)}; "
                "the file is damaged or newer than this decoder"
            )
        return self.of[index], position + 1


@dataclass(frozen=True)
class Text:
    """A text, UTF-8, after its length."""

    def write(self, value: Value) -> bytes:
        """Bytes of a value; HeaderError if it is no text."""
        if not isinstance(value, str):
            raise HeaderError(f"{value!r} is no text")
        raw = value.encode()
        return _varint(len(raw)) + raw

    def read(self, data: bytes, position: int) -> tuple[str, int]:
        """The value at a position, and the position behind it."""
        length, position = _read_varint(data, position)
        try:
            return _take(data, position, length).decode(), position + length
        except UnicodeDecodeError as error:
            raise BitstreamError("header: a text is not UTF-8; the file is damaged") from error


Field: TypeAlias = Unsigned | Signed | Real | Choice | Text
Schema: TypeAlias = Mapping[str, Field]

# RawFormat.to_header's fields: what every codec of a video must say
VIDEO_SCHEMA: Schema = {
    "pixel_format": Choice(("yuv420p", "yuv420p10le", "yuv444p", "rgb24")),
    "width": Unsigned(most=1 << 16),
    "height": Unsigned(most=1 << 16),
    "frames": Unsigned(most=1 << 20),
    "matrix": Choice(("bt709", "bt601", "bt2020")),
    "range": Choice(("limited", "full")),
}


def pack(
    codec_id: str, header: Mapping[str, Value], sections: Sequence[bytes], *, schema: Schema
) -> bytes:
    """A whole bitstream file.

    Args:
        codec_id: 1 … 15 ASCII characters, the decoder's own name.
        header: a value for every field of the schema.
        sections: the payloads, in the order that the decoder expects.
        schema: the header's fields in order; encoder and decoder share it.

    Raises:
        HeaderError: A field is missing, unknown or out of range.
    """
    name = _check_id(codec_id)
    if header.keys() != schema.keys():
        raise HeaderError(
            f"{codec_id} header: has the fields {sorted(header)}, the schema {sorted(schema)}"
        )
    if len(sections) > _MAX_SECTIONS:
        raise HeaderError(f"{codec_id}: {len(sections)} sections, at most {_MAX_SECTIONS}")
    parts = [MAGIC, bytes([CONTAINER_VERSION << 4 | len(name)]), name]
    for key, field in schema.items():
        try:
            parts.append(field.write(header[key]))
        except HeaderError as error:
            raise HeaderError(f"{codec_id} header, field {key!r}: {error}") from None
    parts.append(_varint(len(sections)))
    parts += [_varint(len(section)) for section in sections[:-1]]
    parts += sections
    body = b"".join(parts)
    return body + _CRC.pack(zlib.crc32(body))


def unpack(
    data: bytes, codec_id: str, *, schema: Schema, sections: int | None = None
) -> tuple[dict[str, Any], list[bytes]]:
    """Header and sections of a bitstream file that ``pack`` wrote for the same codec and schema.

    Args:
        data: the whole file.
        codec_id: the decoder's own name.
        schema: the header's fields in order.
        sections: how many there must be, if the decoder knows.

    Raises:
        BitstreamError: Another codec or version wrote it, or it is cut, extended or damaged.
    """
    name = _check_id(codec_id)
    if data[:2] != MAGIC:
        raise BitstreamError(f"not a bitstream of {codec_id}: it starts with {data[:2].hex()!r}")
    version, length = divmod(_take(data, 2, 1)[0], 16)
    if version != CONTAINER_VERSION:
        raise BitstreamError(
            f"container version {version}; this decoder reads version {CONTAINER_VERSION}"
        )
    found = _take(data, 3, length)
    if found != name:
        raise BitstreamError(
            f"a bitstream of {found.decode('ascii', 'replace')!r}, not of {codec_id!r}"
        )
    if len(data) < 3 + length + _CRC.size:
        raise BitstreamError(f"cut after {len(data)} bytes")
    body = data[: -_CRC.size]
    if zlib.crc32(body) != _CRC.unpack(data[-_CRC.size :])[0]:
        raise BitstreamError(
            f"the checksum of its {len(data)} bytes does not match: cut, extended or damaged"
        )
    header, found_sections = _read_body(body, 3 + length, schema)
    if sections is not None and len(found_sections) != sections:
        raise BitstreamError(f"{len(found_sections)} sections; this decoder reads {sections}")
    return header, found_sections


def byte_shares(
    codec_id: str,
    header: Mapping[str, Value],
    sections: Mapping[str, bytes],
    *,
    schema: Schema,
) -> dict[str, int]:
    """Where the bytes of a file go: "header" (all of the container) and each section by name.

    The sum is the size of the file.
    """
    whole = len(pack(codec_id, header, list(sections.values()), schema=schema))
    shares = {name: len(section) for name, section in sections.items()}
    return {"header": whole - sum(shares.values()), **shares}


def _read_body(body: bytes, position: int, schema: Schema) -> tuple[dict[str, Any], list[bytes]]:
    header: dict[str, Any] = {}
    for key, field in schema.items():
        header[key], position = field.read(body, position)
    count, position = _read_varint(body, position)
    if count > _MAX_SECTIONS:
        raise BitstreamError(f"{count} sections, at most {_MAX_SECTIONS}; the file is damaged")
    lengths = []
    for _ in range(count - 1):
        length, position = _read_varint(body, position)
        lengths.append(length)
    sections = []
    for length in lengths:
        sections.append(_take(body, position, length))
        position += length
    if count:
        sections.append(body[position:])
    elif position != len(body):
        raise BitstreamError(f"{len(body) - position} bytes follow its end")
    return header, sections


def _check_id(codec_id: str) -> bytes:
    if not (codec_id.isascii() and 1 <= len(codec_id) <= _MAX_ID):
        raise HeaderError(f"codec id {codec_id!r}: use 1 … {_MAX_ID} ASCII characters")
    return codec_id.encode("ascii")


def _take(data: bytes, position: int, length: int) -> bytes:
    """A piece of the data; its length is checked before anything is copied."""
    if position + length > len(data):
        raise BitstreamError(
            f"{length} bytes are announced at byte {position}, {len(data) - position} follow; "
            "the file is cut or damaged"
        )
    return data[position : position + length]


def _varint(value: int) -> bytes:
    """LEB128: seven bits a byte, least significant first, high bit set while more follow."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _read_varint(data: bytes, position: int) -> tuple[int, int]:
    value = 0
    for index in range(_MAX_VARINT_BYTES):
        byte = _take(data, position + index, 1)[0]
        value |= (byte & 0x7F) << 7 * index
        if byte < 0x80:
            return value, position + index + 1
    raise BitstreamError(f"the number at byte {position} does not end; the file is damaged")
