"""Tensors as they are, four bytes a value: the uncompressed model that coded ones are held against.

Layout: a mark that no NNC payload begins with, a byte per tensor (0 float32, 1 int32), and the
values of all tensors in little endian.
"""

from collections.abc import Mapping
from math import prod
from typing import TypeAlias, cast

import numpy as np
import numpy.typing as npt

from inrkit.bitstream import BitstreamError

Tensor: TypeAlias = npt.NDArray[np.float32] | npt.NDArray[np.int32]
Layout: TypeAlias = Mapping[str, tuple[int, ...]]

MARK = b"\xff\xffraw"  # an NNC unit would be larger than any payload
_TYPES = (np.dtype("<f4"), np.dtype("<i4"))


def encode_tensors(tensors: Mapping[str, Tensor]) -> bytes:
    """The payload of float32 and int32 tensors."""
    kinds = bytes(int(tensor.dtype.kind == "i") for tensor in tensors.values())
    values = [
        np.ascontiguousarray(tensor, _TYPES[kind]).tobytes()
        for tensor, kind in zip(tensors.values(), kinds, strict=True)
    ]
    return b"".join([MARK, kinds, *values])


def is_plain(data: bytes) -> bool:
    """Whether a payload is of this kind."""
    return data.startswith(MARK)


def decode_tensors(data: bytes, layout: Layout) -> dict[str, Tensor]:
    """Tensors of a payload, in their order.

    Raises:
        BitstreamError: the payload does not hold that layout.
    """
    start = len(MARK) + len(layout)
    expected = start + 4 * sum(prod(shape) for shape in layout.values())
    kinds = data[len(MARK) : start]
    if len(data) != expected or set(kinds) - {0, 1}:
        raise BitstreamError(
            f"a plain payload of {len(data)} bytes, expected {expected}; it is of another model "
            "or damaged"
        )
    tensors: dict[str, Tensor] = {}
    for (name, shape), kind in zip(layout.items(), kinds, strict=True):
        values = np.frombuffer(data, _TYPES[kind], prod(shape), offset=start)
        tensors[name] = cast(Tensor, values.reshape(shape).copy())
        start += values.nbytes
    return tensors


def payload_shares(layout: Layout) -> dict[str, int]:
    """Bytes of each tensor, and of the rest ("nnc")."""
    return {
        "nnc": len(MARK) + len(layout),
        **{name: 4 * prod(shape) for name, shape in layout.items()},
    }
