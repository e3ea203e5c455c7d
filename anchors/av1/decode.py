"""Decoder of the AV1 anchor: ffmpeg's AV1 decoder. ``decode.py job.json``."""

from anchorkit.codec import AV1, run_decode

if __name__ == "__main__":
    run_decode(AV1)
