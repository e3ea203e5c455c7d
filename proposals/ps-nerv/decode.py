"""Decode a bitstream of ps-nerv: rebuild the network, draw the frames one by one."""

from typing import Any

from inrkit.decoder import run_decoder
from inrkit.frame_decode import decode_frames
from inrkit.job import DecodeJob
from model import PatchNetwork
from structure import CODEC_ID, SCHEMA, Structure


def network_of(header: dict[str, Any]) -> PatchNetwork:
    """The network that a header describes."""
    return PatchNetwork(Structure.from_header(header))


def main(job: DecodeJob) -> int:
    """Write the raw frames of ``job.bitstream``.

    Returns:
        The number of values decoded.
    """
    return decode_frames(job, codec_id=CODEC_ID, schema=SCHEMA, build=network_of)


if __name__ == "__main__":
    run_decoder(main)
