"""Decode a bitstream of inric: read the network, evaluate it at every pixel, write the picture."""

from typing import Any

from inrkit import bitstream, nnc
from inrkit.decoder import count_values, run_decoder
from inrkit.job import DecodeJob
from inrkit.levels import decode_sections
from inrkit.sine import Floats
from inrkit.video import RawFormat, write_frames
from model import CODEC_ID, SCHEMA, Structure, render


def read_network(data: bytes) -> tuple[dict[str, Any], dict[str, Floats]]:
    """Header and tensors of a bitstream: of one section of NNC, or of steps and levels."""
    header, sections = bitstream.unpack(data, CODEC_ID, schema=SCHEMA)
    layout = Structure.of(header).network.layout
    bits, coder = header["bits"], header["coder"]
    if bits:
        return header, decode_sections(sections, layout, bits=bits, coder=coder)
    if len(sections) != 1:
        raise bitstream.BitstreamError(f"{len(sections)} sections; one of NNC was expected")
    return header, nnc.decode_tensors(sections[0], layout)


def main(job: DecodeJob) -> int:
    """Write the raw frames of ``job.bitstream``; the environment limits numpy's threads.

    Returns:
        The number of values decoded.
    """
    header, tensors = read_network(job.bitstream.read_bytes())
    held = RawFormat.from_header(header)
    picture = render(tensors, Structure.of(header), height=held.height, width=held.width)
    write_frames(job.output, held, [picture])
    return count_values(tensors)


if __name__ == "__main__":
    run_decoder(main)
