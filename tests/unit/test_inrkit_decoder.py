"""A decoder says how many values it decoded."""

import json
from pathlib import Path

import numpy as np
import pytest
from inrkit.decoder import count_parameters, count_values, run_decoder
from inrkit.errors import CodecError
from inrkit.job import DecodeJob


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    fields = {"schema": 1, "verb": "decode", "bitstream": "b", "output": "o"}
    path = tmp_path / "job.json"
    path.write_text(json.dumps(fields | {"device": "cpu", "threads": 1}))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["decode.py", "job.json"])
    return tmp_path


def test_the_number_that_main_gives_is_noted(job: Path) -> None:
    run_decoder(lambda held: len(held.bitstream.name) + 41)
    assert json.loads((job / "notes.json").read_text()) == {"parameters": 42}


def test_a_decoder_that_fails_notes_nothing(job: Path) -> None:
    def main(held: DecodeJob) -> int:
        raise CodecError("cut after 3 bytes")

    with pytest.raises(SystemExit, match="error: cut after 3 bytes"):
        run_decoder(main)
    assert not (job / "notes.json").exists()


def test_values_of_arrays_and_of_networks_are_counted_alike() -> None:
    torch = pytest.importorskip("torch", reason="needs torch")
    network = torch.nn.Linear(3, 4)
    arrays = {"weight": np.zeros((4, 3)), "bias": np.zeros(4)}
    assert count_values(arrays) == count_parameters(network) == 16
    assert count_parameters(network, network) == 32
