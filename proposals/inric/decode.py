"""Decode a bitstream of inric: read the network, evaluate it at every pixel, write the picture."""

from inrkit import bitstream, nnc
from inrkit.job import DecodeJob, run_verb
from inrkit.video import RawFormat, write_frames
from model import CODEC_ID, SCHEMA, Structure, render


def main(job: DecodeJob) -> None:
    """Write the raw frames of ``job.bitstream``; the environment limits numpy's threads."""
    data = job.bitstream.read_bytes()
    header, (payload,) = bitstream.unpack(data, CODEC_ID, schema=SCHEMA, sections=1)
    held = RawFormat.from_header(header)
    structure = Structure(hidden_width=header["hidden_width"], levels=header["levels"])
    tensors = nnc.decode_tensors(payload, structure.network.layout)
    picture = render(tensors, structure, height=held.height, width=held.width)
    write_frames(job.output, held, [picture])


if __name__ == "__main__":
    run_verb(DecodeJob, main)
