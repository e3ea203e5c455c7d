"""Decoder of the HEVC anchor: ffmpeg's own H.265 decoder. ``decode.py job.json``."""

from anchorkit.codec import HEVC, run_decode

if __name__ == "__main__":
    run_decode(HEVC)
