"""Decoding of networks that draw frames from their indices and are coded by NNC alone."""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import nn

from inrkit import bitstream, nnc
from inrkit.decoder import count_parameters
from inrkit.device import prepare
from inrkit.job import DecodeJob
from inrkit.video import RawFormat, write_frames

# header → network that takes frame indices (N,) to RGB frames (N, 3, H, W) in [0, 1], H and W
# at least the picture's
Build = Callable[[dict[str, Any]], nn.Module]


def read_network(
    data: bytes, *, codec_id: str, schema: bitstream.Schema, build: Build
) -> tuple[RawFormat, nn.Module]:
    """The format of the video and the network in a bitstream, in float32.

    Raises:
        BitstreamError: it is another codec's, cut, damaged, or holds another network's tensors.
    """
    header, (payload,) = bitstream.unpack(data, codec_id, schema=schema, sections=1)
    network = build(header)
    layout = {name: tuple(value.shape) for name, value in network.named_parameters()}
    tensors = nnc.decode_tensors(payload, layout)
    network.load_state_dict({name: torch.from_numpy(value) for name, value in tensors.items()})
    return RawFormat.from_header(header), network


def decode_frames(job: DecodeJob, *, codec_id: str, schema: bitstream.Schema, build: Build) -> int:
    """Write the raw frames of ``job.bitstream``, drawn one by one in float32.

    Returns:
        The number of values in the network.
    """
    device = prepare(job)
    held, network = read_network(
        job.bitstream.read_bytes(), codec_id=codec_id, schema=schema, build=build
    )
    network = network.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]

    @torch.inference_mode()
    def frames() -> Iterator[Any]:
        for index in range(held.frames):
            drawn = network(torch.tensor([index], device=device))
            yield drawn[0, :, : held.height, : held.width].cpu().numpy()

    write_frames(job.output, held, frames())
    return count_parameters(network)
