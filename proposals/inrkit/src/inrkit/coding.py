"""What the encode verbs of networks share: quantise, code with NNC, wrap, say where bytes went.

A model folder holds tensors and, in its ``model.json``, ``structure`` (the header's fields),
``parameters`` (values that are coded) and ``kmac_per_pixel``.
"""

import fnmatch
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from inrkit import bitstream, histogram, levels, nnc, plain
from inrkit.errors import CodecError
from inrkit.job import EncodeJob
from inrkit.model_files import load_model

BITSTREAM = "bitstream.bin"
NOTES = "notes.json"
UNCODED = "none"


def encode_network(
    job: EncodeJob,
    *,
    codec_id: str,
    schema: bitstream.Schema,
    groups: Mapping[str, str],
    header: Mapping[str, bitstream.Value] | None = None,
) -> None:
    """Write ``bitstream.bin`` and ``notes.json`` of a fitted network into the working directory.

    Args:
        job: names the model, and the rate point's NNC parameters, see :func:`nnc_payload`.
        codec_id: the decoder's own name.
        schema: of the header; the model's ``structure`` holds its fields.
        groups: shell patterns of tensor names, by the name of the group they form. A tensor
            belongs to the first that it matches, else to ``weights``.
        header: fields of the schema that the model's ``structure`` lacks.

    Raises:
        CodecError: the job names no model, or a parameter that does not fit it.
    """
    tensors, meta = model_of(job)
    payload = nnc_payload(tensors, job.parameters, groups)
    fields = meta["structure"] | dict(header or {})
    data = bitstream.pack(codec_id, fields, [payload], schema=schema)
    Path(BITSTREAM).write_bytes(data)
    by_tensor = tensor_shares(payload, nnc.layout_of(tensors))
    by_tensor["header"] += len(data) - len(payload)
    write_notes(meta, group_shares(by_tensor, groups), by_tensor)


def encode_levels(
    coded: Mapping[str, levels.Levels],
    steps: Mapping[str, np.float32],
    meta: Mapping[str, Any],
    *,
    bits: int,
    coder: str,
    codec_id: str,
    schema: bitstream.Schema,
) -> None:
    """Write ``bitstream.bin`` and ``notes.json`` of a network quantised to ``bits`` bits.

    Two sections: the steps and the levels; see ``levels.decode_sections``.

    Args:
        coded: levels of all tensors, in the order in which the decoder expects them.
        steps: of each tensor.
        meta: the model's.
        coder: of the levels, one of ``levels.CODERS``.
        codec_id: the decoder's own name.
        schema: of the header, ``levels.SCHEMA`` within; the model's ``structure`` holds the rest.

    Raises:
        CodecError: bits or coder are not served.
    """
    payload = levels.encode_levels(coded, bits=bits, coder=coder)
    sections = {"steps": levels.pack_steps(steps), "levels": payload}
    header = meta["structure"] | {"bits": bits, "coder": coder}
    shares = bitstream.byte_shares(codec_id, header, sections, schema=schema)
    if coder == "histogram":
        shares["table"] = histogram.table_bytes(payload)
        shares["levels"] -= shares["table"]
    data = bitstream.pack(codec_id, header, list(sections.values()), schema=schema)
    Path(BITSTREAM).write_bytes(data)
    by_tensor = {}
    if coder == "nnc":
        by_tensor = {"steps": shares["steps"], **tensor_shares(payload, nnc.layout_of(coded))}
        by_tensor["header"] += shares["header"]
    write_notes(meta, shares, by_tensor)


def model_of(job: EncodeJob) -> tuple[dict[str, Any], dict[str, Any]]:
    """Tensors and meta data of the model that the job names.

    Raises:
        CodecError: it names none.
    """
    if job.model is None:
        raise CodecError("encode needs the model of a fit, and the job names none.")
    return load_model(job.model)


def nnc_payload(
    tensors: Mapping[str, nnc.Tensor], parameters: Mapping[str, Any], groups: Mapping[str, str]
) -> bytes:
    """NNC payload of ``tensors``; int32 ones are coded losslessly and heed no parameter.

    With ``qp`` "none" nothing is coded: the payload holds all values as they are.

    Args:
        tensors: in the order in which the decoder expects them.
        parameters: of the rate point. ``qp`` of all float tensors; ``<group>_qp`` of a group,
            or ``<group>_qp_offset``, its distance from ``qp``; ``qp_by_name``, a table of
            single tensors; ``density`` (2), QPs per doubling of the step as a power of two;
            ``dependent_quantisation`` (1).
        groups: see :func:`encode_network`.

    Raises:
        CodecError: ``qp`` is missing, or a parameter does not fit.
    """
    floats = [name for name, tensor in tensors.items() if tensor.dtype.kind == "f"]
    if floats and "qp" not in parameters:
        raise CodecError("the rate point gives no qp for the model's float tensors; add one.")
    if parameters.get("qp") == UNCODED:
        return plain.encode_tensors(tensors)
    qp = int(parameters.get("qp", 0))
    qps: dict[str, int] = {}
    for name in floats:
        group = group_of(name, groups)
        offset = int(parameters.get(f"{group}_qp_offset", 0))
        qps[name] = int(parameters.get(f"{group}_qp", qp + offset))
    return nnc.encode_tensors(
        tensors,
        qp=qp,
        qp_by_name=qps | dict(parameters.get("qp_by_name", {})),
        density=int(parameters.get("density", 2)),
        dependent_quantisation=bool(parameters.get("dependent_quantisation", True)),
    )


def group_of(name: str, groups: Mapping[str, str]) -> str:
    """The group of a tensor's name.

    >>> group_of("layers.0.bias", {"biases": "*bias"})
    'biases'
    """
    for group, pattern in groups.items():
        if fnmatch.fnmatchcase(name, pattern):
            return group
    return "weights"


def tensor_shares(payload: bytes, layout: nnc.Layout) -> dict[str, int]:
    """Bytes of an NNC payload by tensor; its own headers count as ``header``."""
    by_tensor = nnc.payload_shares(payload, layout)
    return {"header": by_tensor.pop("nnc"), **by_tensor}


def group_shares(by_tensor: Mapping[str, int], groups: Mapping[str, str]) -> dict[str, int]:
    """Bytes by group, from those by tensor; ``header`` stays what it is."""
    shares = {"header": by_tensor["header"], "weights": 0, **dict.fromkeys(groups, 0)}
    for name, size in by_tensor.items():
        if name != "header":
            shares[group_of(name, groups)] += size
    return shares


def write_notes(
    meta: Mapping[str, Any], shares: Mapping[str, int], by_tensor: Mapping[str, int]
) -> None:
    """Write ``notes.json``: parameters and MAC/pixel of the model, and where the bytes went.

    Args:
        meta: the model's.
        shares: every byte of the file, by part.
        by_tensor: the same, each tensor by itself; empty where a coder codes them together.
    """
    notes = {
        "parameters": meta["parameters"],
        "kmac_per_pixel": meta["kmac_per_pixel"],
        "bytes": dict(shares),
    }
    if by_tensor:
        notes["bytes_by_tensor"] = dict(by_tensor)
    Path(NOTES).write_text(json.dumps(notes) + "\n")
