"""Encode fitted voxels with NNC: which are kept losslessly, their values at QPs of their own."""

from inrkit.job import EncodeJob, run_verb
from inrkit.scene_codec import encode_scene
from structure import CODEC_ID, GROUPS, SCHEMA


def main(job: EncodeJob) -> None:
    """Write ``bitstream.bin`` and ``notes.json`` into the working directory."""
    encode_scene(job, codec_id=CODEC_ID, schema=SCHEMA, groups=GROUPS)


if __name__ == "__main__":
    run_verb(EncodeJob, main)
