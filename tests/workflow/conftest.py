"""Benches to run Snakemake in: one per test, or one per module that has been run once."""

from pathlib import Path

import pytest
from clone import Bench


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path / "bench")


@pytest.fixture(scope="module")
def shared_bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """A bench with an anchor and a proposal that has been run once."""
    bench = Bench(tmp_path_factory.mktemp("shared") / "bench")
    bench.add_codec("base", role="anchor", configuration="ai")
    bench.add_codec("ours")
    bench.add_conditions("little", "base", "ours")
    done = bench.run_all("little")
    assert done.returncode == 0, done.stdout + done.stderr
    return bench
