"""Encode a fitted HNeRV: embeddings and decoder through NNC at the rate point's QP."""

import json
from pathlib import Path

from inrkit import bitstream, nnc
from inrkit.errors import CodecError
from inrkit.job import EncodeJob, run_verb
from inrkit.model_files import load_model
from structure import CODEC_ID, EMBEDDING, SCHEMA


def main(job: EncodeJob) -> None:
    """Write ``bitstream.bin`` and ``notes.json`` into the working directory.

    Biases and embeddings have their own QPs, given as distances from the weights': their values
    are larger, and a step that is right for weights would spend bits on noise.
    """
    if job.model is None:
        raise CodecError("encode needs the model of a fit, and the job names none.")
    tensors, meta = load_model(job.model)
    qp = job.parameters["qp"]
    payload = nnc.encode_tensors(
        tensors,
        qp=qp,
        qp_by_name={EMBEDDING: qp + job.parameters["embedding_qp_offset"]},
        bias_qp=qp + job.parameters["bias_qp_offset"],
    )
    data = bitstream.pack(CODEC_ID, meta["structure"], [payload], schema=SCHEMA)
    Path("bitstream.bin").write_bytes(data)
    shares = nnc.payload_shares(payload, nnc.layout_of(tensors))
    biases = sum(size for name, size in shares.items() if name.endswith("bias"))
    embeddings = shares[EMBEDDING]
    container = len(data) - len(payload) + shares["nnc"]
    notes = {
        "parameters": meta["parameters"],
        "kmac_per_pixel": meta["kmac_per_pixel"],
        "bytes": {
            "header": container,
            "embeddings": embeddings,
            "biases": biases,
            "weights": len(data) - container - embeddings - biases,
        },
    }
    Path("notes.json").write_text(json.dumps(notes) + "\n")


if __name__ == "__main__":
    run_verb(EncodeJob, main)
