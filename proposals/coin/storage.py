"""The paper's storage: every parameter as a 16-bit float, one after the other."""

import math
from collections.abc import Mapping

import numpy as np
from inrkit.bitstream import BitstreamError
from inrkit.errors import CodecError
from inrkit.nnc import Layout
from inrkit.sine import Floats

HALF = np.dtype("<f2")


def pack_halves(tensors: Mapping[str, Floats]) -> bytes:
    """All values in order, rounded to half precision, 2 bytes each.

    Raises:
        CodecError: a value is beyond ±65,504.
    """
    for name, tensor in tensors.items():
        if not np.abs(tensor).max() <= np.finfo(HALF).max:
            raise CodecError(f"tensor {name!r} holds values that fp16 cannot hold; code it by NNC.")
    return b"".join(tensor.astype(HALF).tobytes() for tensor in tensors.values())


def unpack_halves(data: bytes, layout: Layout) -> dict[str, Floats]:
    """The tensors of ``layout``.

    Raises:
        BitstreamError: they do not take the bytes that there are.
    """
    sizes = [math.prod(shape) for shape in layout.values()]
    if len(data) != HALF.itemsize * sum(sizes):
        raise BitstreamError(
            f"{len(data)} bytes of fp16 values; this network has {sum(sizes)} of 2 bytes each."
        )
    pieces = np.split(np.frombuffer(data, HALF).astype(np.float32), np.cumsum(sizes)[:-1])
    named = zip(layout.items(), pieces, strict=True)
    return {name: piece.reshape(shape) for (name, shape), piece in named}
