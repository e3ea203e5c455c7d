"""The errors of these codecs, in one tree; ``job.run_verb`` prints the message and exits with 1.

CodecError              a verb cannot do its work
├── VideoError          raw video these codecs do not code (video.py)
└── BitstreamError      bytes that are no bitstream of this codec (bitstream.py)
"""


class CodecError(Exception):
    """A verb cannot do its work; the message is one sentence for the person who ran it."""
