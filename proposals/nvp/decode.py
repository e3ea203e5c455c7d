"""Decode a bitstream of nvp: pictures to planes and grid, NNC to layers, layers to frames."""

from inrkit import bitstream, nnc
from inrkit.decoder import count_values, run_decoder
from inrkit.job import DecodeJob
from inrkit.video import write_frames
from latents import decode_grid, decode_planes, unpack_ranges
from render import render
from structure import CODEC_ID, GRID, PLANES, SCHEMA, Structure


def main(job: DecodeJob) -> int:
    """Write the raw frames of ``job.bitstream``; the environment limits numpy's threads.

    Returns:
        The number of values decoded.
    """
    data = job.bitstream.read_bytes()
    header, sections = bitstream.unpack(data, CODEC_ID, schema=SCHEMA, sections=4)
    structure = Structure.from_header(header)
    codec, has_grid = header["image_codec"], bool(structure.grid_features)
    ranges = unpack_ranges(sections[2], count=len(PLANES) + has_grid)
    layers = nnc.decode_tensors(sections[3], structure.layer_shapes)
    planes = decode_planes(sections[0], ranges[: len(PLANES)], structure, codec=codec)
    grid = decode_grid(sections[1], ranges[-1], structure, codec=codec) if has_grid else None
    write_frames(job.output, structure.video, render(planes, grid, layers, structure))
    held = {**planes, **layers} if grid is None else {GRID: grid, **planes, **layers}
    return count_values(held)


if __name__ == "__main__":
    run_decoder(main)
