"""Decoder of the VVC anchor: ffmpeg's own H.266 decoder. ``decode.py job.json``."""

from anchorkit.codec import VVC, run_decode

if __name__ == "__main__":
    run_decode(VVC)
