"""Decode a bitstream of ffnerv: rebuild the network, draw the frames, aggregate neighbours."""

from collections.abc import Iterator
from typing import Any

import torch
from inrkit import bitstream, nnc
from inrkit.decoder import count_parameters, run_decoder
from inrkit.device import prepare
from inrkit.errors import CodecError
from inrkit.job import DecodeJob
from inrkit.video import write_frames
from model import Drawn, FfnervNetwork, aggregate
from structure import CODEC_ID, NEIGHBOURS, SCHEMA, Structure
from torch import Tensor

REACH = max(NEIGHBOURS)


def read_network(data: bytes) -> tuple[Structure, FfnervNetwork]:
    """The network in a bitstream, in float32; levels l of b bits stand for l/(2^(b−1)−1)."""
    header, (payload,) = bitstream.unpack(data, CODEC_ID, schema=SCHEMA, sections=1)
    structure = Structure.from_header(header)
    network = FfnervNetwork(structure)
    layout = {name: tuple(value.shape) for name, value in network.named_parameters()}
    tensors = nnc.decode_tensors(payload, layout)
    weights = {}
    for name, values in tensors.items():
        is_levels = values.dtype.kind == "i"
        if is_levels != bool(structure.bits):
            raise CodecError(f"{name} has the type {values.dtype}; the header says otherwise.")
        weights[name] = torch.from_numpy(values)
        if is_levels:
            weights[name] = weights[name].float() / ((1 << (structure.bits - 1)) - 1)
    network.load_state_dict(weights)
    return structure, network


@torch.inference_mode()
def shown_frames(network: FfnervNetwork, frames: int, device: torch.device) -> Iterator[Tensor]:
    """Frames (3, H, W) in order; each waits until its last neighbour is drawn.

    A network without aggregation shows each at once. Only the frames within reach are kept, so
    that memory does not grow with the video.
    """
    if network.flow_head is None:
        for index in range(frames):
            yield network(torch.tensor([index], device=device)).frames[0]
        return
    window: dict[int, Drawn] = {}
    for latest in range(frames + REACH):
        if latest < frames:
            window[latest] = network(torch.tensor([latest], device=device))
        index = latest - REACH
        if index < 0:
            continue
        missing = torch.zeros_like(window[index].frames)
        around = (window.get(index + offset) for offset in NEIGHBOURS)
        neighbours = [missing if drawn is None else drawn.frames for drawn in around]
        yield aggregate(window[index], torch.stack(neighbours, dim=1))[0][0]
        window.pop(index - REACH, None)


def main(job: DecodeJob) -> int:
    """Write the raw frames of ``job.bitstream``, drawn in float32.

    Returns:
        The number of values decoded.
    """
    device = prepare(job)
    structure, network = read_network(job.bitstream.read_bytes())
    network = network.to(device=device, memory_format=torch.channels_last)
    held = structure.video

    def cropped() -> Iterator[Any]:
        for frame in shown_frames(network, held.frames, device):
            yield frame[:, : held.height, : held.width].cpu().numpy()

    write_frames(job.output, held, cropped())
    return count_parameters(network)


if __name__ == "__main__":
    run_decoder(main)
