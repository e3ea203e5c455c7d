"""Decode a bitstream of coin: read the network, evaluate it at every pixel, write the picture."""

from inrkit import bitstream, nnc
from inrkit.decoder import count_values, run_decoder
from inrkit.job import DecodeJob
from inrkit.video import RawFormat, write_frames
from storage import unpack_halves
from structure import CODEC_ID, SCHEMA, Structure, render


def main(job: DecodeJob) -> int:
    """Write the raw frames of ``job.bitstream``; the environment limits numpy's threads.

    Returns:
        The number of values decoded.
    """
    data = job.bitstream.read_bytes()
    header, (payload,) = bitstream.unpack(data, CODEC_ID, schema=SCHEMA, sections=1)
    held = RawFormat.from_header(header)
    structure = Structure.from_header(header)
    read = unpack_halves if header["storage"] == "fp16" else nnc.decode_tensors
    tensors = read(payload, structure.network.layout)
    write_frames(job.output, held, [render(tensors, structure, held)])
    return count_values(tensors)


if __name__ == "__main__":
    run_decoder(main)
