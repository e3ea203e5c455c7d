"""Paths, keys, records and the table of points."""
