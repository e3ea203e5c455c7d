"""Encode a fitted inric network with NNC at the rate point's QP."""

import json
from pathlib import Path

from inrkit import bitstream, nnc
from inrkit.errors import CodecError
from inrkit.job import EncodeJob, run_verb
from inrkit.model_files import load_model
from model import CODEC_ID, SCHEMA, Structure


def main(job: EncodeJob) -> None:
    """Write ``bitstream.bin`` and ``notes.json`` into the working directory."""
    if job.model is None:
        raise CodecError("encode needs the model of a fit, and the job names none.")
    tensors, meta = load_model(job.model)
    structure = Structure(**meta)
    layout = structure.layout
    payload = nnc.encode_tensors(
        {name: tensors[name] for name in layout},
        qp=job.parameters["qp"],
        bias_qp=job.parameters["bias_qp"],
    )
    header = job.source.format.to_header() | meta
    data = bitstream.pack(CODEC_ID, header, [payload], schema=SCHEMA)
    Path("bitstream.bin").write_bytes(data)
    shares = nnc.payload_shares(payload, layout)
    notes = {
        "parameters": structure.parameters,
        "kmac_per_pixel": structure.kmac_per_pixel,
        "bytes": {
            "header": len(data) - len(payload) + shares.pop("nnc"),
            "weights": sum(size for name, size in shares.items() if name.endswith("weight")),
            "biases": sum(size for name, size in shares.items() if name.endswith("bias")),
        },
    }
    Path("notes.json").write_text(json.dumps(notes) + "\n")


if __name__ == "__main__":
    run_verb(EncodeJob, main)
