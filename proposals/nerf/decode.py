"""Decode a bitstream of nerf: rebuild every instant's networks, render the views asked for."""

from typing import Any

from inrkit.decoder import run_decoder
from inrkit.job import DecodeJob
from inrkit.scene_codec import SceneFormat
from inrkit.scene_decode import decode_instants
from model import NerfField
from structure import CODEC_ID, SCHEMA, Structure


def build(header: dict[str, Any]) -> NerfField:
    """A field of the shape that a header describes."""
    return NerfField(Structure.from_header(header), SceneFormat.from_header(header))


def main(job: DecodeJob) -> int:
    """Write ``<id>.raw`` of every view of ``job.render``.

    Returns:
        The number of values decoded.
    """
    return decode_instants(job, codec_id=CODEC_ID, schema=SCHEMA, build=build)


if __name__ == "__main__":
    run_decoder(main)
