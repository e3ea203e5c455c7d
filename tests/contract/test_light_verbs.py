"""Verbs start at once: none loads a large library that it does not need."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from contributions import CODEC, STILL

LARGE = ("torch", "torchvision", "lpips", "nncodec", "pandas", "matplotlib", "scipy", "sklearn",
         "plotly", "docx", "xlsxwriter", "rich", "snakemake")  # fmt: skip
CURVES = ["matplotlib", "scipy"]  # which bjontegaard imports
POINT = f"results/{STILL}/{CODEC}/any/block8/s0"
PROGRAM = """
import contextlib, io, json, sys
from invrbench.cli import main
words, large = json.loads(sys.argv[1])
with contextlib.redirect_stdout(io.StringIO()):
    status = main(words) if words else 0
print(json.dumps([status, sorted(name for name in large if name in sys.modules)]))
"""


@pytest.fixture(scope="module")
def bench(contributed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("light") / "bench"
    shutil.copytree(contributed, folder, symlinks=True)
    return folder


@pytest.mark.parametrize(
    ("words", "needs"),
    [
        ([], []),
        (["plan"], []),
        (["status"], []),
        (["encode", POINT], []),
        (["decode", POINT], []),
        (["measure-point", POINT, "picture"], []),
        (["time", POINT], []),
        (["check", CODEC], []),
        (["source", STILL], []),
        (["bd", "anchor.tsv", "test.tsv"], CURVES),
        (["pack", CODEC, "-o", "packed.zip"], CURVES),
    ],
)
def test_a_verb_loads_no_library_that_it_does_not_need(
    bench: Path, words: list[str], needs: list[str]
) -> None:
    curve = "rate\tquality\n" + "".join(f"{100 * 2**i}\t{30 + 2 * i}\n" for i in range(4))
    for name in ("anchor.tsv", "test.tsv"):
        (bench / name).write_text(curve)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, json.dumps([words, LARGE])],
        cwd=bench, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout, done.stderr
    status, loaded = json.loads(done.stdout.splitlines()[-1])
    assert status == 0, done.stderr
    assert set(loaded) <= set(needs)
