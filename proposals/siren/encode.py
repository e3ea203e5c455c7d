"""Encode a fitted SIREN with NNC at the rate point's QP."""

from inrkit.coding import encode_network
from inrkit.job import EncodeJob, run_verb
from structure import CODEC_ID, GROUPS, SCHEMA


def main(job: EncodeJob) -> None:
    """Write ``bitstream.bin`` and ``notes.json`` into the working directory."""
    encode_network(job, codec_id=CODEC_ID, schema=SCHEMA, groups=GROUPS)


if __name__ == "__main__":
    run_verb(EncodeJob, main)
