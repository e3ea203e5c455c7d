"""SIREN: the paper's structures and training, pictures and videos through real files."""

import json
import math
import tomllib
from pathlib import Path

import numpy as np
import pytest
from inrkit import bitstream, nnc
from inrkit.video import RawFormat, from_rgb
from proposal_runs import (
    PROPOSALS,
    code_and_decode,
    fit_job,
    modules_of,
    parameter_names,
    run_verb,
    write_clip,
    write_picture,
)

BUDGETS = ("seconds", "quick", "minute", "paper")
MANIFEST = tomllib.loads((PROPOSALS / "siren" / "codec.toml").read_text())
TINY = {
    "hidden_layers": 2,
    "hidden_width": 24,
    "steps": 60,
    "learning_rate": 5e-3,
    "warm_up": 0.1,
    "final_rate": 0.0,
    "beta2": 0.99,
    "lattice": 1000,
    "share": 1.0,
}


@pytest.mark.parametrize(
    ("layers", "width", "axes", "outputs", "parameters"),
    [
        # methods.md §0: the grey and the colour picture, the video
        (3, 256, 2, 1, 198_401),
        (3, 256, 2, 3, 198_915),
        (3, 1024, 3, 3, 3_155_971),
    ],
)
def test_structures_have_the_papers_parameter_counts(
    layers: int, width: int, axes: int, outputs: int, parameters: int
) -> None:
    with modules_of("siren", "structure") as (structure,):
        shape = structure.Structure(layers, width, axes=axes, outputs=outputs)
    assert shape.network.parameters == parameters


def test_presets_hold_the_papers_structures_and_training() -> None:
    fits = MANIFEST["fits"]
    assert fits["*"]["hidden_layers"] == 3
    assert (fits["w256"]["hidden_width"], fits["w1024"]["hidden_width"]) == (256, 1024)
    video = fits["*"]["budgets"]["paper"]
    assert (video["steps"], video["share"], video["lattice"]) == (100_000, 38e-4, 0)
    picture = {"steps": 10_000, "share": 1.0}
    assert fits["w256"]["budgets"]["paper"] == picture
    assert fits["*"]["for"]["still"]["budgets"]["paper"] == picture
    assert (video["learning_rate"], video["final_rate"], video["beta2"]) == (1e-4, 1.0, 0.999)


@pytest.mark.parametrize("scope", ["", "still"])
@pytest.mark.parametrize("budget", BUDGETS)
@pytest.mark.parametrize("name", ["s", "m", "w256", "w1024"])
def test_every_fit_and_budget_names_every_parameter(name: str, budget: str, scope: str) -> None:
    assert parameter_names(MANIFEST, name, budget, scope) == set(TINY)


def test_coordinates_run_from_minus_one_to_one_on_every_axis() -> None:
    with modules_of("siren", "structure") as (structure,):
        clip = RawFormat("yuv444p", 9, 5, 3, "bt709", "limited")
        axes = structure.coordinates(clip)
        assert [len(axis) for axis in axes] == [3, 5, 9]
        assert axes[0][:, 0].tolist() == [-1, 0, 1]
        still = RawFormat("yuv444p", 9, 1, 1, "bt709", "limited")
        rows, columns = structure.coordinates(still)
        assert rows.tolist() == [[0]]
        assert columns[[0, -1], 0].tolist() == [-1, 1]


def test_a_killed_fit_of_a_clip_ends_in_the_same_bits_and_decodes(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "clip.yuv", width=50, height=34, frames=5)
    whole = run_verb("siren", "fit", tmp_path / "fit", fit_job(source, TINY, tmp_path / "a"))
    assert whole.returncode == 0, whole.stderr
    again = fit_job(source, TINY, tmp_path / "b")
    assert run_verb("siren", "fit", tmp_path / "killed", again, kill_at=41).returncode == -9
    resumed = run_verb("siren", "fit", tmp_path / "killed", again)
    assert "resumed at step 41 of 60" in resumed.stderr
    models = [(tmp_path / name / "model" / "tensors.npz") for name in ("fit", "killed")]
    assert models[0].read_bytes() == models[1].read_bytes()

    data, decoded = code_and_decode("siren", tmp_path, source, {"qp": -46})
    frames = np.frombuffer(decoded, np.uint8).reshape(5, -1)
    assert frames.shape[1] == 50 * 34 * 3 // 2
    original = np.fromfile(source["path"], np.uint8).reshape(5, -1)
    assert np.abs(frames.astype(int) - original).mean() < 20
    assert len(data) < 3000
    notes = json.loads((tmp_path / "encode" / "notes.json").read_text())
    assert sum(notes["bytes"].values()) == len(data)
    assert notes["bytes"]["header"] < 60

    broken = bytearray(data)
    broken[100] ^= 1
    (tmp_path / "broken.bin").write_bytes(broken)
    job = {"bitstream": str(tmp_path / "broken.bin"), "output": str(tmp_path / "out.raw")}
    done = run_verb("siren", "decode", tmp_path / "damaged", job)
    assert done.returncode == 1
    assert done.stderr.startswith("error: the checksum of its")
    foreign = run_verb(
        "coin",
        "decode",
        tmp_path / "foreign",
        {**job, "bitstream": str(tmp_path / "encode" / "bitstream.bin")},
    )
    assert foreign.stderr == "error: a bitstream of 'siren', not of 'coin'\n"


def test_places_drawn_from_all_over_train_a_clip_and_resume(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "clip.yuv", width=32, height=16, frames=4)
    parameters = TINY | {"lattice": 0, "share": 0.1, "steps": 40}
    whole = fit_job(source, parameters, tmp_path / "a")
    assert run_verb("siren", "fit", tmp_path / "fit", whole).returncode == 0
    again = fit_job(source, parameters, tmp_path / "b")
    assert run_verb("siren", "fit", tmp_path / "killed", again, kill_at=13).returncode == -9
    resumed = run_verb("siren", "fit", tmp_path / "killed", again)
    psnr = [float(line.split("psnr_rgb_db=")[1]) for line in resumed.stderr.splitlines()[1:]]
    assert psnr[-1] > 12
    models = [(tmp_path / name / "model" / "tensors.npz") for name in ("fit", "killed")]
    assert models[0].read_bytes() == models[1].read_bytes()


def test_an_odd_picture_on_all_pixels_decodes_to_what_its_weights_draw(tmp_path: Path) -> None:
    source = write_picture(tmp_path / "odd.rgb", width=31, height=17)
    job = fit_job(source, TINY | {"lattice": 0, "steps": 100}, tmp_path / "checkpoint")
    done = run_verb("siren", "fit", tmp_path / "fit", job)
    assert done.returncode == 0, done.stderr
    data, decoded = code_and_decode("siren", tmp_path, source, {"qp": -46})
    held = RawFormat("rgb24", 31, 17, 1, "bt709", "full")
    with modules_of("siren", "structure") as (structure,):
        header, (payload,) = bitstream.unpack(data, "siren", schema=structure.SCHEMA, sections=1)
        shape = structure.Structure.of(held, header["hidden_layers"], header["hidden_width"])
        tensors = nnc.decode_tensors(payload, shape.network.layout)
        (drawn,) = structure.render(tensors, shape, held)
    assert decoded == from_rgb(drawn, held)[0].tobytes()
    original = np.fromfile(source["path"], np.uint8).astype(float)
    error = np.mean((np.frombuffer(decoded, np.uint8) - original) ** 2)
    assert 10 * math.log10(255**2 / error) > 18


def test_a_fit_that_diverges_or_draws_nothing_ends_with_a_sentence(tmp_path: Path) -> None:
    source = write_picture(tmp_path / "p.rgb", width=16, height=16)
    wild = TINY | {"learning_rate": 1e36, "warm_up": 0.0, "final_rate": 1.0}
    done = run_verb("siren", "fit", tmp_path / "a", fit_job(source, wild, tmp_path / "b"))
    assert done.stderr.startswith("error: the loss is nan at step 1 of 60")
    none = TINY | {"lattice": 0, "share": 0.0}
    done = run_verb("siren", "fit", tmp_path / "c", fit_job(source, none, tmp_path / "d"))
    assert done.stderr == "error: share is 0.0; it is above 0 and at most 1.\n"
