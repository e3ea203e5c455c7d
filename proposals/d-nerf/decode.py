"""Decode a bitstream of d-nerf: rebuild both networks, render the views and times asked for."""

from typing import Any

from inrkit.decoder import run_decoder
from inrkit.job import DecodeJob
from inrkit.scene_codec import SceneFormat
from inrkit.scene_decode import decode_timed
from model import DNerf
from structure import CODEC_ID, SCHEMA, Structure


def build(header: dict[str, Any]) -> DNerf:
    """A model of the shape that a header describes."""
    return DNerf(Structure.of(header), SceneFormat.from_header(header))


def main(job: DecodeJob) -> int:
    """Write ``<id>.raw`` of every view of ``job.render``.

    Returns:
        The number of values decoded.
    """
    return decode_timed(job, codec_id=CODEC_ID, schema=SCHEMA, build=build)


if __name__ == "__main__":
    run_decoder(main)
