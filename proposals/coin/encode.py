"""Encode a fitted COIN: with NNC at the rate point's QP, or as the paper does in fp16."""

from pathlib import Path

from inrkit import bitstream
from inrkit.coding import BITSTREAM, encode_network, model_of, write_notes
from inrkit.errors import CodecError
from inrkit.job import EncodeJob, run_verb
from storage import pack_halves
from structure import CODEC_ID, GROUPS, SCHEMA, STORAGES


def encode_halves(job: EncodeJob) -> None:
    """Write ``bitstream.bin`` and ``notes.json`` with all values in half precision."""
    tensors, meta = model_of(job)
    header = meta["structure"] | {"storage": "fp16"}
    sections = {"weights": pack_halves(tensors)}
    data = bitstream.pack(CODEC_ID, header, list(sections.values()), schema=SCHEMA)
    Path(BITSTREAM).write_bytes(data)
    write_notes(meta, bitstream.byte_shares(CODEC_ID, header, sections, schema=SCHEMA), {})


def main(job: EncodeJob) -> None:
    """Write ``bitstream.bin`` and ``notes.json`` into the working directory."""
    storage = job.parameters["storage"]
    if storage not in STORAGES:
        raise CodecError(f"the storage {storage!r} is unknown; use {' or '.join(STORAGES)}.")
    if storage == "fp16":
        encode_halves(job)
    else:
        header = {"storage": storage}
        encode_network(job, codec_id=CODEC_ID, schema=SCHEMA, groups=GROUPS, header=header)


if __name__ == "__main__":
    run_verb(EncodeJob, main)
