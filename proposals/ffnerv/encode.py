"""Encode a fitted FFNeRV with NNC: float weights at the rate point's QP, levels as they are."""

import json
from pathlib import Path

from inrkit import bitstream, nnc
from inrkit.errors import CodecError
from inrkit.job import EncodeJob, run_verb
from inrkit.model_files import load_model
from structure import CODEC_ID, SCHEMA


def main(job: EncodeJob) -> None:
    """Write ``bitstream.bin`` and ``notes.json`` into the working directory."""
    if job.model is None:
        raise CodecError("encode needs the model of a fit, and the job names none.")
    tensors, meta = load_model(job.model)
    grids = [name for name in tensors if name.startswith("grids.")]
    if meta["structure"]["bits"]:
        payload = nnc.encode_tensors(tensors, qp=0)
    else:
        qp = job.parameters["qp"]
        payload = nnc.encode_tensors(
            tensors,
            qp=qp,
            qp_by_name=dict.fromkeys(grids, qp + job.parameters["grid_qp_offset"]),
            bias_qp=qp + job.parameters["bias_qp_offset"],
        )
    data = bitstream.pack(CODEC_ID, meta["structure"], [payload], schema=SCHEMA)
    Path("bitstream.bin").write_bytes(data)
    shares = nnc.payload_shares(payload, nnc.layout_of(tensors))
    container = len(data) - len(payload) + shares["nnc"]
    in_grids = sum(shares[name] for name in grids)
    biases = sum(size for name, size in shares.items() if name.endswith("bias"))
    notes = {
        "parameters": meta["parameters"],
        "kmac_per_pixel": meta["kmac_per_pixel"],
        "bytes": {
            "header": container,
            "grids": in_grids,
            "biases": biases,
            "weights": len(data) - container - in_grids - biases,
        },
    }
    Path("notes.json").write_text(json.dumps(notes) + "\n")


if __name__ == "__main__":
    run_verb(EncodeJob, main)
