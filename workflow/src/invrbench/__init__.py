"""The judge: runs codecs, measures what they decode, compares and reports."""

__version__ = "0.1.0"
