"""The command line: every step of the DAG, and the tools a cross-checker uses by hand."""

from invrbench.cli.main import main

__all__ = ["main"]
