"""Integer levels of trained tensors, their steps, and what a decoder makes of both; numpy alone.

A tensor w of b bits is coded as levels l = round(w/s), −2^(b−1) ≤ l < 2^(b−1), and its step s.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from inrkit import histogram, nnc
from inrkit.bitstream import BitstreamError, Choice, Schema, Unsigned
from inrkit.errors import CodecError

Levels = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float32]

CODERS = ("nnc", "histogram")
MAX_BITS = 16

# header fields of a codec that codes levels; 0 bits: float tensors, quantised by NNC
SCHEMA: Schema = {"bits": Unsigned(most=MAX_BITS), "coder": Choice(CODERS)}

# tf-enhanced, as AIMET has it
_BINS = 512
_CANDIDATES = 101
_SATURATION_WEIGHT = 3.0


def level_range(bits: int) -> tuple[int, int]:
    """The least and the largest level of b bits.

    Raises:
        CodecError: quantisers of so many bits are not served.

    >>> level_range(8)
    (-128, 127)
    """
    if not 2 <= bits <= MAX_BITS:
        raise CodecError(f"a quantiser of {bits} bits is not served; use 2 … {MAX_BITS}")
    return -(1 << (bits - 1)), (1 << (bits - 1)) - 1


def require_served(*, bits: int, coder: str) -> None:
    """Refuse bits and coders that are not served with a sentence, before anything is trained."""
    level_range(bits)
    if coder not in CODERS:
        raise CodecError(f"levels are coded by {' or '.join(CODERS)}, not by {coder!r}.")


def enhanced_step(weights: npt.NDArray[Any], bits: int) -> np.float32:
    """The step of a tensor that wastes least: what is clipped counts three times what is rounded.

    The tensor's histogram (512 bins) is quantised with 101 steps, 1 % … 101 % of the one that
    clips nothing, 2·max|w|/(2^b − 1). The step with the least squared error over the bins' centres
    is taken, the errors of centres beyond the levels weighted by 3. A tensor of zeros gets 1.
    Source: AIMET's "tf-enhanced" scheme, symmetric (aimet-torch 2.42.0, encoding analyser: bins,
    candidates and weight), with which INRIC quantises.
    """
    bottom, top = level_range(bits)
    values = weights.astype(np.float64).ravel()
    reach = np.abs(values).max()
    if reach == 0:
        return np.float32(1)
    # as in AIMET, zero lies within the histogram's ends
    ends = (min(values.min(), 0.0), max(values.max(), 0.0))
    counts, edges = np.histogram(values, bins=_BINS, range=ends)
    centres = (edges[:-1] + edges[1:]) / 2
    widest = 2 * reach / (top - bottom)
    steps = widest * np.arange(1, _CANDIDATES + 1) / (_CANDIDATES - 1)
    nearest = np.rint(centres / steps[:, None])
    clipped = np.clip(nearest, bottom, top)
    weight = np.where(nearest == clipped, 1.0, _SATURATION_WEIGHT)
    errors = (np.square(clipped * steps[:, None] - centres) * weight) @ counts
    return np.float32(steps[errors.argmin()])


def dequantise(levels: Levels, step: np.float32) -> Floats:
    """Values that a decoder gets from levels and step; equal to ``forward`` in every bit."""
    return levels.astype(np.float32) * np.float32(step)


def pack_steps(steps: Mapping[str, np.float32]) -> bytes:
    """Steps of tensors in their order, float32, little endian."""
    return np.array(list(steps.values()), "<f4").tobytes()


def unpack_steps(data: bytes, layout: nnc.Layout) -> dict[str, np.float32]:
    """The steps that :func:`pack_steps` wrote, by the names of ``layout``.

    Raises:
        BitstreamError: another number of bytes, or a step that is no positive number.
    """
    if len(data) != 4 * len(layout):
        raise BitstreamError(f"{len(data)} bytes of steps; {len(layout)} tensors need 4 each")
    steps = np.frombuffer(data, "<f4").astype(np.float32)
    if not (np.isfinite(steps) & (steps > 0)).all():
        raise BitstreamError("a quantisation step is no positive number; the file is damaged")
    return dict(zip(layout, steps, strict=True))


def decode_sections(
    sections: Sequence[bytes], layout: nnc.Layout, *, bits: int, coder: str
) -> dict[str, Floats]:
    """Tensors from the sections that ``coding.encode_levels`` wrote: steps, levels.

    Raises:
        BitstreamError: a section is missing, cut, damaged or of another layout.
    """
    if len(sections) != 2:
        raise BitstreamError(f"{len(sections)} sections; a network in levels has two")
    steps = unpack_steps(sections[0], layout)
    coded = decode_levels(sections[1], layout, bits=bits, coder=coder)
    return {name: dequantise(tensor, steps[name]) for name, tensor in coded.items()}


def encode_levels(levels: Mapping[str, Levels], *, bits: int, coder: str) -> bytes:
    """Lossless payload of levels: ``nnc``, tensor by tensor, or INRIC's ``histogram`` of all.

    Raises:
        CodecError: the coder is unknown, or a level needs more bits.
    """
    require_served(bits=bits, coder=coder)
    if coder == "histogram":
        return histogram.encode_levels(levels, bits)
    return nnc.encode_tensors(levels, qp=0)


def decode_levels(data: bytes, layout: nnc.Layout, *, bits: int, coder: str) -> dict[str, Levels]:
    """The levels in a payload, named and shaped as ``layout`` says.

    Raises:
        BitstreamError: the payload is cut, damaged, of another layout, or beyond ``bits``.
    """
    read = histogram.decode_levels if coder == "histogram" else nnc.decode_tensors
    tensors = read(data, layout)
    bottom, top = level_range(bits)
    levels: dict[str, Levels] = {}
    for name, tensor in tensors.items():
        if tensor.dtype != np.int32 or tensor.min() < bottom or tensor.max() > top:
            raise BitstreamError(f"tensor {name!r} holds no levels of {bits} bits; it is damaged")
        levels[name] = tensor.astype(np.int32)
    return levels
