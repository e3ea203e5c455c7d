"""Decode a bitstream of hnerv: rebuild embeddings and decoder, draw the frames one by one."""

from collections.abc import Iterator
from typing import Any

import torch
from inrkit import bitstream, nnc
from inrkit.decoder import count_values, run_decoder
from inrkit.device import prepare
from inrkit.job import DecodeJob
from inrkit.video import write_frames
from model import HnervDecoder, fixed_embedding
from structure import CODEC_ID, EMBEDDING, SCHEMA, Structure


def main(job: DecodeJob) -> int:
    """Write the raw frames of ``job.bitstream``, drawn in float32.

    Returns:
        The number of values decoded.
    """
    device = prepare(job)
    data = job.bitstream.read_bytes()
    header, (payload,) = bitstream.unpack(data, CODEC_ID, schema=SCHEMA, sections=1)
    structure = Structure.from_header(header)
    decoder = HnervDecoder(structure)
    layout = {name: tuple(value.shape) for name, value in decoder.named_parameters()}
    if structure.has_learnt_embedding:
        tensors = nnc.decode_tensors(payload, {EMBEDDING: structure.embedding_shape, **layout})
        embeddings = torch.from_numpy(tensors[EMBEDDING])
    else:
        tensors = nnc.decode_tensors(payload, layout)
        embeddings = fixed_embedding(structure)
    decoder.load_state_dict({name: torch.from_numpy(tensors[name]) for name in layout})
    decoder = decoder.to(device=device, memory_format=torch.channels_last)
    embeddings = embeddings.to(device)
    held = structure.video

    @torch.inference_mode()
    def frames() -> Iterator[Any]:
        for embedding in embeddings.split(1):
            yield decoder(embedding)[0, :, : held.height, : held.width].cpu().numpy()

    write_frames(job.output, held, frames())
    return count_values(tensors)


if __name__ == "__main__":
    run_decoder(main)
