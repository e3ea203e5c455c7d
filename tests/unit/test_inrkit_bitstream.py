"""The container of a bitstream: whole or refused, and small."""

import binascii
import random

import pytest
from inrkit import bitstream
from inrkit.bitstream import BitstreamError, Choice, HeaderError, Real, Signed, Text, Unsigned

SCHEMA = {
    "width": Unsigned(most=8192),
    "height": Unsigned(most=8192),
    "qp": Signed(),
    "matrix": Choice(("bt709", "bt601")),
    "scale": Real(),
    "note": Text(),
}
HEADER = {"width": 480, "height": 272, "qp": -46, "matrix": "bt601", "scale": 0.5, "note": "é"}
SECTIONS = [b"weights" * 30, b"", b"embedding"]


def test_header_and_sections_come_back() -> None:
    data = bitstream.pack("inric", HEADER, SECTIONS, schema=SCHEMA)
    assert bitstream.unpack(data, "inric", schema=SCHEMA) == (HEADER, SECTIONS)


@pytest.mark.parametrize("sections", [[], [b""], [b"x"], [b"", b""], [b"a" * 300, b"b" * 20_000]])
def test_any_number_and_length_of_sections_come_back(sections: list[bytes]) -> None:
    data = bitstream.pack("c", {}, sections, schema={})
    assert bitstream.unpack(data, "c", schema={}) == ({}, sections)


@pytest.mark.parametrize("value", [0, 1, 127, 128, 16_383, 16_384, 2**31 - 1])
def test_integers_of_every_length_come_back_with_their_sign(value: int) -> None:
    schema = {"u": Unsigned(), "plus": Signed(), "minus": Signed()}
    header = {"u": value, "plus": value, "minus": -value}
    data = bitstream.pack("c", header, [], schema=schema)
    assert bitstream.unpack(data, "c", schema=schema)[0] == header


def test_bytes_are_as_documented() -> None:
    schema = {"width": Unsigned(), "qp": Signed()}
    data = bitstream.pack("ab", {"width": 300, "qp": -2}, [b"xyz", b"!"], schema=schema)
    body = bytes.fromhex("b15e 12") + b"ab" + bytes.fromhex("ac02 03 02 03") + b"xyz!"
    assert data == body + binascii.crc32(body).to_bytes(4, "little")


def test_the_container_of_a_still_costs_21_bytes() -> None:
    header = {
        "pixel_format": "yuv420p",
        "width": 480,
        "height": 272,
        "frames": 1,
        "matrix": "bt709",
        "range": "limited",
    }
    weights = bytes(4000)
    shares = bitstream.byte_shares(
        "inric", header, {"weights": weights}, schema=bitstream.VIDEO_SCHEMA
    )
    assert shares == {"header": 21, "weights": 4000}
    data = bitstream.pack("inric", header, [weights], schema=bitstream.VIDEO_SCHEMA)
    assert sum(shares.values()) == len(data)


@pytest.mark.parametrize("damage", ["cut", "extended", "flipped"])
def test_every_damaged_file_is_refused(damage: str) -> None:
    data = bitstream.pack("inric", HEADER, SECTIONS, schema=SCHEMA)
    dice = random.Random(0)
    for place in range(len(data)):
        broken = {
            "cut": data[:place],
            "extended": data + dice.randbytes(place + 1),
            "flipped": data[:place]
            + bytes([data[place] ^ 1 << dice.randrange(8)])
            + data[place + 1 :],
        }[damage]
        with pytest.raises(BitstreamError):
            bitstream.unpack(broken, "inric", schema=SCHEMA)


def test_another_codecs_file_is_refused_by_both_names() -> None:
    data = bitstream.pack("inric", HEADER, SECTIONS, schema=SCHEMA)
    with pytest.raises(BitstreamError, match="a bitstream of 'inric', not of 'hnerv'"):
        bitstream.unpack(data, "hnerv", schema=SCHEMA)


def test_another_version_is_refused_by_its_number() -> None:
    data = bytearray(bitstream.pack("inric", HEADER, SECTIONS, schema=SCHEMA))
    data[2] += 0x10
    with pytest.raises(BitstreamError, match="container version 2; this decoder reads version 1"):
        bitstream.unpack(bytes(data), "inric", schema=SCHEMA)


def test_a_file_of_something_else_is_refused() -> None:
    with pytest.raises(BitstreamError, match="not a bitstream of inric: it starts with '8950'"):
        bitstream.unpack(b"\x89PNG\r\n\x1a\n", "inric", schema=SCHEMA)
    with pytest.raises(BitstreamError, match="not a bitstream"):
        bitstream.unpack(b"", "inric", schema=SCHEMA)


def sealed(body: str) -> bytes:
    """A file with a right checksum over the given bytes."""
    raw = bytes.fromhex("b15e11") + b"c" + bytes.fromhex(body)
    return raw + binascii.crc32(raw).to_bytes(4, "little")


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("02 ff ff ff ff ff ff ff ff 7f 41", "bytes are announced at byte 14, 1 follow"),
        ("02 ff ff ff ff ff ff ff ff ff 7f 41", "the number at byte 5 does not end"),
        ("80 02", "256 sections, at most 255"),
        ("00 41", "1 bytes follow its end"),
        ("03 01", "announced"),
    ],
)
def test_absurd_lengths_are_refused_before_anything_is_read(body: str, says: str) -> None:
    with pytest.raises(BitstreamError, match=says):
        bitstream.unpack(sealed(body), "c", schema={})


@pytest.mark.parametrize(
    ("field", "body", "says"),
    [
        (Unsigned(most=100), "65 00", "101 is above 100"),
        (Signed(most=50), "65 00", "-51 is beyond ±50"),
        (Choice(("a", "b")), "02 00", "choice 2 is none of a, b"),
        (Text(), "01 ff 00", "not UTF-8"),
        (Real(), "00 00", "4 bytes are announced"),
    ],
)
def test_header_values_that_the_schema_forbids_are_refused(
    field: bitstream.Field, body: str, says: str
) -> None:
    with pytest.raises(BitstreamError, match=says):
        bitstream.unpack(sealed(body), "c", schema={"f": field})


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"width": 8193}, "field 'width': 8193 is no integer from 0 to 8192"),
        ({"width": -1}, "field 'width'"),
        ({"width": 1.5}, "field 'width'"),
        ({"qp": 2**40}, "field 'qp'"),
        ({"matrix": "bt2020"}, "'bt2020' is none of bt709, bt601"),
        ({"scale": float("nan")}, "field 'scale'"),
        ({"scale": "big"}, "field 'scale'"),
        ({"note": 3}, "field 'note'"),
        ({"extra": 1}, "has the fields"),
    ],
)
def test_headers_that_do_not_fit_the_schema_are_refused(change: dict, says: str) -> None:
    with pytest.raises(HeaderError, match=says):
        bitstream.pack("inric", HEADER | change, [], schema=SCHEMA)


@pytest.mark.parametrize("codec_id", ["", "é", "sixteen-letters!"])
def test_ids_that_the_container_cannot_hold_are_refused(codec_id: str) -> None:
    with pytest.raises(HeaderError, match="codec id"):
        bitstream.pack(codec_id, {}, [], schema={})
