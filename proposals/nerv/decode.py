"""Decode a bitstream of nerv: rebuild the network, draw the frames one by one."""

from collections.abc import Iterator
from typing import Any

import torch
from inrkit import bitstream, nnc
from inrkit.device import prepare
from inrkit.job import DecodeJob, run_verb
from inrkit.video import write_frames
from model import NervNetwork
from structure import CODEC_ID, SCHEMA, Structure


def read_network(data: bytes) -> tuple[Structure, NervNetwork]:
    """The network in a bitstream, in float32."""
    header, (payload,) = bitstream.unpack(data, CODEC_ID, schema=SCHEMA, sections=1)
    structure = Structure.from_header(header)
    network = NervNetwork(structure)
    layout = {name: tuple(value.shape) for name, value in network.named_parameters()}
    tensors = nnc.decode_tensors(payload, layout)
    network.load_state_dict({name: torch.from_numpy(value) for name, value in tensors.items()})
    return structure, network


def main(job: DecodeJob) -> None:
    """Write the raw frames of ``job.bitstream``, drawn in float32."""
    device = prepare(job)
    structure, network = read_network(job.bitstream.read_bytes())
    network = network.to(device=device, memory_format=torch.channels_last)
    held = structure.video

    @torch.inference_mode()
    def frames() -> Iterator[Any]:
        for index in torch.arange(held.frames, device=device).split(1):
            yield network(index)[0, :, : held.height, : held.width].cpu().numpy()

    write_frames(job.output, held, frames())


if __name__ == "__main__":
    run_verb(DecodeJob, main)
