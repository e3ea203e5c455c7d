"""The tier that runs the bench on a real Slurm, in an environment of its own (tests/README.md)."""

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow"))

from cluster import cluster, lacking


@pytest.fixture(scope="session")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A cluster of one node."""
    if importlib.util.find_spec("snakemake_executor_plugin_slurm") is None:
        pytest.skip("needs an environment with pip install -e '.[slurm,test]'")
    reason = lacking()
    if reason:
        pytest.skip(reason)
    with cluster(tmp_path_factory.mktemp("slurm")):
        yield
