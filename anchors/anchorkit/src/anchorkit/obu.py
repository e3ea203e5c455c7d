"""Low-overhead streams of open bitstream units (AV1 specification, section 5), kept lean."""

from collections.abc import Iterator

from anchorkit.job import AnchorError

SEQUENCE_HEADER, METADATA, PADDING = 1, 5, 15


def units(stream: bytes) -> Iterator[tuple[int, bytes]]:
    """Split a stream into (type, unit); every unit must carry its size.

    Source: AV1 specification, sections 5.3.2 (header) and 4.10.5 (leb128).
    """
    position = 0
    while position < len(stream):
        header = stream[position]
        if not header & 2:
            raise AnchorError(f"the OBU at byte {position} carries no size; expected one in each.")
        payload = position + (2 if header & 4 else 1)
        size = shift = 0
        more = True
        while more:
            byte = stream[payload]
            size |= (byte & 0x7F) << shift
            shift += 7
            payload += 1
            more = byte > 0x7F
        yield header >> 3 & 0xF, stream[position : payload + size]
        position = payload + size


def without_ballast(stream: bytes) -> bytes:
    """The stream without metadata, padding, and sequence headers that repeat the last one.

    A key frame without a sequence header belongs to the coded sequence that is under way
    (section 7.5), and decodes alike.
    """
    kept = []
    sequence_header = b""
    for kind, unit in units(stream):
        if kind in (METADATA, PADDING) or (kind == SEQUENCE_HEADER and unit == sequence_header):
            continue
        if kind == SEQUENCE_HEADER:
            sequence_header = unit
        kept.append(unit)
    return b"".join(kept)
