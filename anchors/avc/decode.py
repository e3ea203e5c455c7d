"""Decoder of the AVC anchor: ffmpeg's own H.264 decoder. ``decode.py job.json``."""

from anchorkit.codec import AVC, run_decode

if __name__ == "__main__":
    run_decode(AVC)
