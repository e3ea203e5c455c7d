"""Byte streams of NAL units (Annex B of ITU-T H.264, H.265 and H.266), kept lean.

What a decoder does not need is not counted: supplemental enhancement information, access unit
delimiters, and parameter sets that repeat an earlier one bit for bit (libraries repeat them
before every intra picture).
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

START_CODE = b"\x00\x00\x01"


@dataclass(frozen=True)
class NalSyntax:
    """Where a standard keeps a NAL unit's type, and which types may go.

    Source: table 7-1 of H.264, table 7-1 of H.265, table 5 of H.266.
    """

    unit_type: Callable[[bytes], int]
    needless: frozenset[int]
    parameter_sets: frozenset[int]


AVC = NalSyntax(lambda unit: unit[0] & 0x1F, frozenset({6, 9}), frozenset({7, 8}))
HEVC = NalSyntax(lambda unit: unit[0] >> 1 & 0x3F, frozenset({35, 39, 40}), frozenset({32, 33, 34}))
VVC = NalSyntax(lambda unit: unit[1] >> 3, frozenset({20, 23, 24}), frozenset({14, 15, 16}))


def nal_units(stream: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Split a byte stream into (start code, NAL unit), start codes of three or four bytes.

    Emulation prevention keeps start codes out of units, so that splitting at them is exact.
    """
    before, *units = stream.split(START_CODE)
    for unit in units:
        prefix = b"\x00" if before.endswith(b"\x00") else b""
        before = unit
        yield prefix + START_CODE, unit.rstrip(b"\x00")


def without_ballast(stream: bytes, syntax: NalSyntax) -> bytes:
    """The stream without units that decoding does not need, and repeated parameter sets.

    A parameter set is dropped when it equals the last one of its type, so that what is active
    stays active. A unit that comes to stand first in its picture takes over the longer start code
    that Annex B.1 asks for there.
    """
    return b"".join(_kept(nal_units(stream), syntax))


def _kept(units: Iterable[tuple[bytes, bytes]], syntax: NalSyntax) -> Iterator[bytes]:
    last: dict[int, bytes] = {}
    dropped_code = b""
    for start_code, unit in units:
        kind = syntax.unit_type(unit)
        if kind in syntax.needless or last.get(kind) == unit:
            dropped_code = max(dropped_code, start_code, key=len)
            continue
        if kind in syntax.parameter_sets:
            last[kind] = unit
        yield max(dropped_code, start_code, key=len) + unit
        dropped_code = b""


def mark_converted(stream: bytes) -> bytes:
    """Say in the stream that the coded samples are a conversion of the source's: one byte more.

    A zero byte before the first start code is `leading_zero_8bits`, which Annex B.1 allows in any
    number and every decoder skips, so that the stream still plays everywhere.
    """
    return b"\x00" + stream


def is_marked_converted(head: bytes) -> bool:
    """Whether a stream that begins with ``head`` carries the byte of :func:`mark_converted`."""
    return head.startswith(b"\x00\x00" + START_CODE)
