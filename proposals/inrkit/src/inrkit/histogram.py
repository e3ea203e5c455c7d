"""INRIC's coder of quantised networks: one static histogram, one arithmetic code, losslessly.

All integers of all tensors form one sequence, closed by an end symbol. Its histogram is sent
first, so that every symbol costs −log2 of its own share of the sequence, whatever tensor it is of.

```
offset  bits         what
0       4, 4         b − 1 of the levels' b bits, w − 1
1       2^b times w  how often each level occurs, −2^(b−1) first; filled up to a whole byte
…                    the code: levels in order, then the end symbol, which counts once
```

The code is a range coder's (G. N. N. Martin, Range encoding: an algorithm for removing redundancy
from a digitised message, 1979), carries propagated, with as few last bytes as name its interval.

Source of the scheme: INRIC (Strümpler et al., ECCV 2022, section 3.3, and the authors' code);
the bytes are this module's own.
"""

from bisect import bisect_right
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from inrkit.bitstream import BitstreamError
from inrkit.errors import CodecError

Levels = npt.NDArray[np.int32]
Counts = npt.NDArray[np.int64]

MAX_BITS = 16

_MAX_COUNT = (1 << 16) - 1  # a frequency takes 1 … 16 bits
_CODE_BYTES = 6
_WHOLE = 1 << 8 * _CODE_BYTES  # a range before the first symbol
_LEAST = _WHOLE >> 8  # below it a byte is settled; 256 times the largest total


def encode_levels(levels: Mapping[str, Levels], bits: int) -> bytes:
    """Payload of all levels in their order, −2^(b−1) … 2^(b−1) − 1.

    Raises:
        CodecError: ``bits`` is not served, a level needs more, or there is no tensor.
    """
    if not levels:
        raise CodecError("no tensors: a histogram needs one or more")
    if not 1 <= bits <= MAX_BITS:
        raise CodecError(f"levels of {bits} bits are not served; use 1 … {MAX_BITS}")
    size = 1 << bits
    symbols = np.concatenate([tensor.ravel() for tensor in levels.values()]).astype(np.int64)
    symbols += size // 2
    if symbols.size and not 0 <= symbols.min() <= symbols.max() < size:
        raise CodecError(
            f"levels reach from {symbols.min() - size // 2} to {symbols.max() - size // 2}; "
            f"{bits} bits hold {-(size // 2)} … {size - size // 2 - 1}"
        )
    counts = _scaled(np.bincount(symbols, minlength=size))
    return _pack_counts(counts, bits) + _encode(symbols, counts)


def decode_levels(data: bytes, layout: Mapping[str, tuple[int, ...]]) -> dict[str, Levels]:
    """The levels in a payload, named and shaped as ``layout`` says.

    Raises:
        BitstreamError: the payload is cut, damaged, or holds another number of levels.
    """
    counts, start = _unpack_counts(data)
    sizes = [int(np.prod(shape)) for shape in layout.values()]
    symbols = _decode(data[start:], counts, sum(sizes)) - len(counts) // 2
    parts = np.split(symbols.astype(np.int32), np.cumsum(sizes)[:-1])
    return {name: part.reshape(layout[name]) for name, part in zip(layout, parts, strict=True)}


def table_bytes(data: bytes) -> int:
    """Bytes of a payload that are its histogram."""
    return _unpack_counts(data)[1]


def _scaled(counts: Counts) -> Counts:
    """Counts that 16 bits hold, in the same ratio; none that occurs becomes zero."""
    largest = counts.max()
    if largest <= _MAX_COUNT:
        return counts
    scaled: Counts = np.where(counts > 0, np.maximum(counts * _MAX_COUNT // largest, 1), 0)
    return scaled


def _pack_counts(counts: Counts, bits: int) -> bytes:
    width = max(1, int(counts.max()).bit_length())
    planes = counts[:, None] >> np.arange(width - 1, -1, -1) & 1
    return bytes([(bits - 1) << 4 | (width - 1)]) + np.packbits(planes.astype(np.uint8)).tobytes()


def _unpack_counts(data: bytes) -> tuple[Counts, int]:
    """The histogram at the start of a payload, and the position behind it."""
    if not data:
        raise BitstreamError("histogram payload: empty")
    bits, width = (data[0] >> 4) + 1, (data[0] & 15) + 1
    end = 1 + -(-(width << bits) // 8)
    if len(data) < end:
        raise BitstreamError(f"histogram payload: cut in its table of {end} bytes")
    flags = np.unpackbits(np.frombuffer(data[1:end], np.uint8), count=width << bits)
    weights = 1 << np.arange(width - 1, -1, -1, dtype=np.int64)
    return flags.reshape(-1, width) @ weights, end


def _bounds(counts: Counts) -> list[int]:
    """Where the share of each symbol begins, the end symbol's and the total last."""
    return [0, *np.cumsum([*counts, 1]).tolist()]


def _encode(symbols: Counts, counts: Counts) -> bytes:
    bounds = _bounds(counts)
    total = bounds[-1]
    out = bytearray()
    low, span = 0, _WHOLE
    for symbol in [*symbols.tolist(), len(counts)]:
        share = span // total
        low += share * bounds[symbol]
        span = share * (bounds[symbol + 1] - bounds[symbol])
        if low >= _WHOLE:
            _carry(out)
            low -= _WHOLE
        while span < _LEAST:
            out.append(low // _LEAST)
            low = low % _LEAST << 8
            span <<= 8
    return bytes(_finish(out, low, span))


def _finish(out: bytearray, low: int, span: int) -> bytearray:
    """Append the fewest bytes that, filled up with zeros, lie within [low, low + span)."""
    for count in range(_CODE_BYTES + 1):
        unit = 1 << 8 * (_CODE_BYTES - count)
        value = -(-low // unit) * unit
        if value < low + span:
            if value >= _WHOLE:
                _carry(out)
                value -= _WHOLE
            return out + (value // unit).to_bytes(count)
    raise AssertionError("an interval of one or more values holds one")


def _carry(out: bytearray) -> None:
    """Add one to the number that the bytes so far stand for."""
    place = len(out) - 1
    while out[place] == 0xFF:
        out[place] = 0
        place -= 1
    out[place] += 1


def _decode(data: bytes, counts: Counts, expected: int) -> Counts:
    """``expected`` symbols; the work is bounded by them, whatever the bytes say."""
    bounds = _bounds(counts)
    total = bounds[-1]
    padded = data + bytes(_CODE_BYTES)
    code, position, span = int.from_bytes(padded[:_CODE_BYTES]), _CODE_BYTES, _WHOLE
    symbols = np.empty(expected + 1, np.int64)
    for index in range(expected + 1):
        share = span // total
        target = code // share
        if target >= total:
            raise BitstreamError(f"histogram payload: broken at level {index} of {expected}")
        symbol = bisect_right(bounds, target) - 1
        if (symbol == len(counts)) != (index == expected):
            raise BitstreamError(f"histogram payload: does not end after {expected} levels")
        symbols[index] = symbol
        code -= share * bounds[symbol]
        span = share * (bounds[symbol + 1] - bounds[symbol])
        while span < _LEAST:
            if position == len(padded):
                raise BitstreamError(f"histogram payload: cut at level {index} of {expected}")
            code = code << 8 | padded[position]
            position += 1
            span <<= 8
    if position < len(data):
        raise BitstreamError(f"histogram payload: {len(data) - position} bytes follow its end")
    return symbols[:-1]
