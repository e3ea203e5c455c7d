"""Neural network coding (NNC, ISO/IEC 15938-17) of named tensors, through NNCodec's core.

``nncodec.nnc`` imports torchvision (4 s); its core loads in 0.1 s and gives the same bytes, which
a test checks. What the core leaves to chance is settled here:

* every tensor's QP is set by name. NNCodec codes every 1-D tensor with 16 bit a value whatever
  the QP, which is meant for biases and costs embeddings and tables half their rate;
* NaN, infinity, 0-d and empty tensors are refused instead of coded, crashed on or exited on;
* tensors are named by their position in the payload. The decoder knows the model's layout, so
  long names would be bytes spent on nothing;
* the arithmetic decoder reads on past the end of its input. It is given the unit's own bytes,
  padded, and only after sizes and shapes have been checked;
* NNCodec's reader of headers makes arrays of any size that a header asks for, and takes quadratic
  time for a number that begins with many zeros. Here numbers have 32 bits, and what
  ``encode_tensors`` never writes is refused where it begins.
"""

import contextlib
import io
import math
import string
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

import numpy as np
from nncodec.extensions import deepCABAC
from nncodec.nnc_core import approximator, coder, hls, nnr_model
from nncodec.nnc_core.hdsp.hdsp_tool import HDSP_OPTS_OFF

from inrkit import plain
from inrkit.bitstream import BitstreamError
from inrkit.errors import CodecError
from inrkit.plain import Layout as Layout
from inrkit.plain import Tensor as Tensor

BIAS_QP = -75
"""Step 2.4e-6: near lossless, NNCodec's own choice for biases."""

_UNARY_LENGTH_MINUS1 = 10
_MAX_VALUES = 1 << 28
_MAX_AXES = 8
_MAX_PREFIX = 32  # zeros before an Exp-Golomb number
_MOST_VALUES_PER_BYTE = 2048  # zeros alone take a byte per 780 values, however many they are
_MAX_BYTES_PER_VALUE = 10  # 12 flags, a 32-bit prefix and 31 bits of remainder
_DIGITS = string.digits + string.ascii_lowercase
_SET = int(hls.NnrUnitType.NNR_MPS)
_UNITS = (hls.NnrUnitType.NNR_STR, _SET, hls.NnrUnitType.NNR_TPL, hls.NnrUnitType.NNR_NDU)
# what nncodec's header reader raises on bytes that are no header
_BROKEN_HEADER = (
    AssertionError,
    IndexError,
    KeyError,
    MemoryError,
    NotImplementedError,
    OverflowError,
    TypeError,
    ValueError,
)


class TensorError(CodecError):
    """A tensor, or a QP for one, that NNC cannot code."""


def step_size(qp: int, density: int = 2) -> float:
    """Quantisation step of a QP: larger QPs are coarser, 2^density QPs double the step.

    Source: ISO/IEC 15938-17, uniform reconstruction; k = 2^density,
    step = (k + qp mod k) · 2^(⌊qp/k⌋ − density).

    >>> step_size(0), step_size(-32) == 2**-8, round(step_size(-38), 5)
    (1.0, True, 0.00146)
    """
    k = 1 << density
    return (k + qp % k) * 2.0 ** (qp // k - density)


def qp_range(density: int = 2) -> range:
    """QPs that the payload can carry: 6 + density bits, signed (−128 … 127 at density 2)."""
    half = 1 << (5 + density)
    return range(-half, half)


def layout_of(tensors: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    """Names and shapes in order: what a decoder must know to read a payload back."""
    return {name: tuple(tensor.shape) for name, tensor in tensors.items()}


def encode_tensors(
    tensors: Mapping[str, Tensor],
    *,
    qp: int,
    qp_by_name: Mapping[str, int] | None = None,
    density: int = 2,
    dependent_quantisation: bool = True,
    bias_qp: int = BIAS_QP,
) -> bytes:
    """NNC payload of the tensors, in their order.

    Args:
        tensors: float32 tensors of one or more axes are quantised; int32 tensors are coded
            losslessly. Values are finite.
        qp: quantisation parameter of every float tensor without another one; see ``step_size``.
        qp_by_name: quantisation parameters of single tensors.
        density: QPs per doubling of the step, as a power of two, 0 … 7.
        dependent_quantisation: trellis-coded quantisation with 8 states.
        bias_qp: quantisation parameter of 1-D float tensors whose name ends in "bias".

    Raises:
        TensorError: A tensor or QP that cannot be coded; the sentence names it.
    """
    _check_tensors(tensors)
    steps = _qps(tensors, qp=qp, qp_by_name=qp_by_name or {}, density=density, bias_qp=bias_qp)
    short = {name: _short_name(index) for index, name in enumerate(tensors)}
    arrays = {short[name]: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}
    model_info = nnr_model.NNRModel(arrays).model_info
    approx_data = approximator.init_approx_data(
        arrays, model_info, qp_density=density, scan_order=0
    )
    approx_info = {
        "approx_method": "uniform",
        "codebook_mode": 0,
        "dq_flag": dict.fromkeys(arrays, int(dependent_quantisation)),
        "lambda_scale": 0,
        "cabac_unary_length_minus1": _UNARY_LENGTH_MINUS1,
        "to_approximate": nnr_model.W_TYPES + nnr_model.O_TYPES,
        "qp": {short[name]: np.int32(step) for name, step in steps.items()},
    }
    enc_info = {
        "cabac_unary_length_minus1": _UNARY_LENGTH_MINUS1,
        "param_opt_flag": True,
        "partial_data_counter": 0,
        "general_profile_idc": 1,
        "node_id_present_flag": 1,
        "device_id": 0,
        "mps_parent_signalling_enabled_flag": 0,
        "parent_node_id_present_flag": 0,
        "temporal_context_modeling_flag": 0,
        "row_skip_enabled_flag": 0,
        "pre_signalling": 0,
    }
    with contextlib.redirect_stdout(io.StringIO()):
        quantised = approximator.approx(approx_info, model_info, approx_data, enc_info)
        for name, step in steps.items():
            coarser = quantised["qp"].get(short[name], step)
            if coarser != step:
                raise TensorError(
                    f"tensor {name!r}: its values overflow 32-bit integers at QP {step}; "
                    f"use QP {coarser} or more"
                )
        data, _ = coder.encode(enc_info, model_info, quantised)
    return bytes(data)


def decode_tensors(data: bytes, layout: Layout | None = None) -> dict[str, Tensor]:
    """Tensors of an NNC payload, in their order, or of a plain one.

    Args:
        data: what ``encode_tensors`` gave, here or in ``plain``.
        layout: the names and shapes that the payload must hold. Without it the tensors are
            named by position: "0", "1", ….

    Raises:
        BitstreamError: The payload is cut, damaged, or does not hold that layout.
    """
    if layout is not None and plain.is_plain(data):
        return plain.decode_tensors(data, layout)
    units = _read_units(data)
    if layout is None:
        layout = {unit.name: unit.shape for unit in units}
    held = [(unit.name, unit.shape) for unit in units]
    asked = [(_short_name(i), tuple(shape)) for i, shape in enumerate(layout.values())]
    if held != asked:
        wrong = next(i for i, pair in enumerate(zip_longest(held, asked)) if pair[0] != pair[1])
        found = f"tensor {wrong} is {held[wrong]}" if wrong < len(held) else f"{wrong} tensors"
        wanted = f"{asked[wrong]}" if wrong < len(asked) else f"{len(asked)} tensors"
        raise BitstreamError(
            f"NNC payload: {found}, expected {wanted}; it is of another model or damaged"
        )
    return {name: _decode_unit(unit) for name, unit in zip(layout, units, strict=True)}


def payload_shares(data: bytes, layout: Layout) -> dict[str, int]:
    """Bytes of each tensor in a payload, its unit header included, and of the rest ("nnc").

    Raises:
        BitstreamError: the payload is cut, damaged, or holds another number of tensors.
    """
    if plain.is_plain(data):
        return plain.payload_shares(layout)
    units = _read_units(data)
    if len(units) != len(layout):
        raise BitstreamError(f"NNC payload: {len(units)} tensors, expected {len(layout)}")
    shares = {name: unit.size for name, unit in zip(layout, units, strict=True)}
    return {"nnc": len(data) - sum(shares.values()), **shares}


def _short_name(index: int) -> str:
    """Position as text in base 36: 0 … 9, a … z, 10, …."""
    head, digit = divmod(index, len(_DIGITS))
    return (_short_name(head) if head else "") + _DIGITS[digit]


def _check_tensors(tensors: Mapping[str, Tensor]) -> None:
    if not tensors:
        raise TensorError("no tensors: NNC codes one or more")
    for name, tensor in tensors.items():
        if not isinstance(tensor, np.ndarray) or tensor.dtype not in (np.float32, np.int32):
            kind = getattr(tensor, "dtype", type(tensor).__name__)
            raise TensorError(f"tensor {name!r} is {kind}; NNC codes float32 and int32 arrays")
        if tensor.ndim == 0:
            raise TensorError(f"tensor {name!r} has no axis; give it the shape (1,)")
        if tensor.size == 0:
            raise TensorError(f"tensor {name!r} is empty, shape {tensor.shape}; leave it out")
        if tensor.dtype == np.float32 and not np.isfinite(tensor).all():
            bad = int(tensor.size - np.isfinite(tensor).sum())
            raise TensorError(
                f"tensor {name!r} holds {bad} values that are NaN or infinite; "
                "the fit has diverged, lower its learning rate"
            )


def _qps(
    tensors: Mapping[str, Tensor],
    *,
    qp: int,
    qp_by_name: Mapping[str, int],
    density: int,
    bias_qp: int,
) -> dict[str, int]:
    """QP of every float tensor by name."""
    if not 0 <= density <= 7:
        raise TensorError(f"QP density {density} is outside 0 … 7")
    floats = [name for name, tensor in tensors.items() if tensor.dtype == np.float32]
    if unknown := sorted(set(qp_by_name) - set(floats)):
        raise TensorError(
            f"QPs are given for {', '.join(map(repr, unknown))}, which are no float tensors here"
        )
    qps = {
        name: bias_qp if tensors[name].ndim == 1 and name.endswith("bias") else qp
        for name in floats
    } | dict(qp_by_name)
    legal = qp_range(density)
    for name, value in qps.items():
        if value not in legal:
            raise TensorError(
                f"tensor {name!r}: QP {value} is outside {legal.start} … {legal.stop - 1} "
                f"at density {density}"
            )
    return qps


@dataclass(frozen=True)
class _Unit:
    """One tensor of a payload: an NNC compressed data unit, header read."""

    name: str
    shape: tuple[int, ...]
    size: int
    is_integer: bool
    dq_flag: int
    qp_density: int
    base_qp: int
    payload: bytes

    @property
    def values(self) -> int:
        return math.prod(self.shape)


class _Bits(hls.BitReader):  # type: ignore[misc]
    """NNCodec's reader of bits, bounded: what ``encode_tensors`` never writes is a ValueError."""

    def ue(self, k: int) -> int:
        """An unsigned Exp-Golomb number of order k, below 2^(32 + k)."""
        zeros = 0
        while not self.u(1):
            zeros += 1
            if zeros > _MAX_PREFIX:
                raise ValueError("a number of more than 32 bits")
        order = k + zeros
        return ((1 << zeros) - 1 << k) + (int(self.u(order)) if order else 0)

    def codebook(self, *sizes: int) -> Any:
        """A table of values, which is refused."""
        raise ValueError(f"a codebook of {sizes}, which encode_tensors never writes")

    def flt_tensor(self, *sizes: Any) -> Any:
        """Values as they are, which are refused."""
        raise ValueError(f"a raw tensor {sizes}, which encode_tensors never writes")

    def entry_point_list(self, *sizes: int) -> Any:
        """Entry points of blocks, which are refused."""
        raise ValueError(f"entry points {sizes}, which encode_tensors never writes")


class _Header(hls.Coder):  # type: ignore[misc]
    """NNCodec's reader of unit headers; the only array is the shape of a tensor."""

    def define_array(self, se: str, dims: list[int], dtype: Any) -> None:
        """Make the array of a tensor's sides; any other is refused."""
        if se != "tensor_dimensions" or not 0 < dims[0] <= _MAX_AXES:
            raise ValueError(f"{se} of {dims} values, which encode_tensors never writes")
        super().define_array(se, dims, np.int64)


def _read_units(data: bytes) -> list[_Unit]:
    """Tensors of a payload, headers read and checked, nothing decoded.

    Every unit says its own size; together they must tile the payload. What is no tensor comes
    before all tensors, and once.
    """
    units: list[_Unit] = []
    parameters: dict[int, dict[str, Any]] = {}  # headers of units without a tensor, by kind
    position = 0
    try:
        while position < len(data):
            size = _unit_size(data, position)
            unit, header = _read_unit(data[position : position + size], parameters.get(_SET, {}))
            kind = int(header["nnr_unit_type"])
            if unit is not None:
                units.append(unit)
            elif units or kind in parameters:
                raise ValueError("parameters where encode_tensors writes tensors")
            else:
                parameters[kind] = header
            position += size
    except _BROKEN_HEADER as error:
        raise BitstreamError(
            f"NNC payload: broken at byte {position} of {len(data)} ({error}); the file is "
            "damaged, or of another encoder"
        ) from error
    if not units or sum(unit.values for unit in units) > _MAX_VALUES:
        raise BitstreamError(f"NNC payload: holds no tensors, or more than {_MAX_VALUES} values")
    return units


def _unit_size(data: bytes, position: int) -> int:
    """Bytes of the unit at a position: 15 bits after a flag, or 31.

    Source: ISO/IEC 15938-17, syntax of nnr_unit_size.

    Raises:
        ValueError: there are fewer bytes, or the unit is shorter than its own size.
    """
    head = data[position : position + 4]
    is_long = bool(head and head[0] & 0x80)
    used = 4 if is_long else 2
    size = int.from_bytes(head[:used]) & (0x7FFFFFFF if is_long else 0x7FFF)
    if not used < size <= len(data) - position:
        raise ValueError("the unit's size does not fit")
    return size


def _read_unit(data: bytes, parameter_set: dict[str, Any]) -> tuple[_Unit | None, dict[str, Any]]:
    """The unit that the data are: its tensor, if it holds one, and its header.

    Raises:
        AssertionError, IndexError, …: The header is broken.
    """
    header: dict[str, Any] = {}
    reader = _Bits(bytearray(data))
    coder = _Header(reader, header)
    coder.nnr_unit_size()
    steps = coder.nnr_unit_header()
    next(steps)
    if header["nnr_unit_type"] not in _UNITS:
        raise ValueError("a kind of unit that encode_tensors never writes")
    header |= {
        "mps_topology_indexed_reference_flag": 0,
        "mps_parent_signalling_enabled_flag": 0,
        "general_profile_idc": 1,
    }
    for _ in steps:
        if header.get("compressed_parameter_types"):
            raise ValueError("tensors in blocks, which encode_tensors never writes")
    holds_tensor = header["nnr_unit_type"] == hls.NnrUnitType.NNR_NDU
    if not holds_tensor:
        coder.nnr_unit_payload()
    head = reader.getNumBytesTouched()
    if head > len(data) or (not holds_tensor and head != len(data)):
        raise ValueError("the unit's size does not fit")
    return (_as_unit(header, parameter_set, data[head:]) if holds_tensor else None), header


def _as_unit(header: dict[str, Any], parameter_set: dict[str, Any], payload: bytes) -> _Unit:
    """A data unit's header as a tensor's facts; what ``encode_tensors`` never writes is refused."""
    kind = header["nnr_compressed_data_unit_payload_type"]
    kinds = hls.CompressedDataUnitPayloadType
    odd = (
        header["nnr_multiple_topology_elements_present_flag"]
        or header.get("codebook_present_flag")
        or header.get("scan_order")
        or header["partial_data_counter_present_flag"]
        or header["cabac_unary_length_minus1"] != _UNARY_LENGTH_MINUS1
        or kind not in (kinds.NNR_PT_FLOAT, kinds.NNR_PT_INT)
    )
    shape = tuple(int(n) for n in header["tensor_dimensions"])
    if odd or not shape or 0 in shape:
        raise ValueError("a coding tool or shape that encode_tensors never uses")
    if math.prod(shape) > _MOST_VALUES_PER_BYTE * (len(payload) + 1):
        raise ValueError(f"{len(payload)} bytes cannot hold the values of a tensor {shape}")
    return _Unit(
        name=header["topology_elem_id"],
        shape=shape,
        size=int(header["nnr_unit_size"]),
        is_integer=kind == kinds.NNR_PT_INT,
        dq_flag=int(header["dq_flag"]),
        qp_density=int(parameter_set["mps_qp_density"]),
        base_qp=int(parameter_set["mps_quantization_parameter"]),
        payload=payload,
    )


def _decode_unit(unit: _Unit) -> Tensor:
    """Values of one tensor. The decoder asks for no length: a cut unit runs into the padding."""
    padding = bytes(_MAX_BYTES_PER_VALUE * unit.values + 1024)
    stream = np.frombuffer(unit.payload + padding, dtype=np.uint8)
    decoder = deepCABAC.Decoder()
    decoder.setStream(stream)
    qp = unit.base_qp
    if not unit.is_integer:
        qp += decoder.iae_v(6 + unit.qp_density)
    decoder.initCtxModels(_UNARY_LENGTH_MINUS1 + 1)
    levels = np.zeros(unit.shape, dtype=np.int32)
    dq_flag = 0 if unit.is_integer else unit.dq_flag
    decoder.decodeLayer(levels, dq_flag, 0, 1, 0, *HDSP_OPTS_OFF(), 0, 0)
    if unit.is_integer:
        return levels
    if qp not in qp_range(unit.qp_density):
        raise BitstreamError(f"NNC payload: tensor {unit.name!r} has the QP {qp}; it is damaged")
    values = np.zeros(unit.shape, dtype=np.float32)
    decoder.dequantLayer(values, levels, unit.qp_density, qp, 0)
    return values
