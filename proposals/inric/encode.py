"""Encode a fitted inric network: with NNC at a QP, or quantised to some bits as in the paper."""

from inrkit import coding
from inrkit.job import EncodeJob, run_verb
from inrkit.levels import require_served
from model import CODEC_ID, GROUPS, SCHEMA, Structure


def main(job: EncodeJob) -> None:
    """Write ``bitstream.bin`` and ``notes.json`` into the working directory."""
    bits = int(job.parameters.get("bits", 0))
    coder = str(job.parameters.get("coder", "nnc"))
    if not bits:
        header = {"bits": 0, "coder": "nnc"}
        coding.encode_network(job, codec_id=CODEC_ID, schema=SCHEMA, groups=GROUPS, header=header)
        return
    require_served(bits=bits, coder=coder)
    from quantised import quantise  # torch takes 2 s to import

    tensors, meta = coding.model_of(job)
    structure = Structure.of(meta["structure"])
    stage = str(job.parameters["quantisation"])
    levels, steps = quantise(job, tensors, structure, bits=bits, stage=stage)
    coding.encode_levels(
        levels, steps, meta, bits=bits, coder=coder, codec_id=CODEC_ID, schema=SCHEMA
    )


if __name__ == "__main__":
    run_verb(EncodeJob, main)
