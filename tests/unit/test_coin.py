"""COIN: the paper's sizes and coordinates, both storages, pictures through real files."""

import json
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from inrkit.bitstream import BitstreamError
from inrkit.errors import CodecError
from inrkit.model_files import load_model
from inrkit.video import RawFormat, from_rgb
from invrbench.codec.manifest import read_manifest
from invrbench.results.points import curve_of
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
MANIFEST = tomllib.loads((PROPOSALS / "coin" / "codec.toml").read_text())
# methods.md §0: layers, width, parameters, fp16 bit per pixel of a Kodak picture
PAPER = {
    "l5w20": (5, 20, 1_803, 0.0734),
    "l5w30": (5, 30, 3_903, 0.1588),
    "l10w28": (10, 28, 7_479, 0.3043),
    "l10w40": (10, 40, 15_003, 0.6105),
    "l13w49": (13, 49, 29_697, 1.2084),
}
TINY = {
    "sine_layers": 3,
    "hidden_width": 20,
    "coordinates": "coin",
    "steps": 60,
    "learning_rate": 5e-3,
    "warm_up": 0.1,
    "final_rate": 0.0,
    "beta2": 0.99,
    "lattice": 600,
}


@pytest.mark.parametrize("name", PAPER)
def test_presets_have_the_papers_parameter_counts_and_rates(name: str) -> None:
    layers, width, parameters, bpp = PAPER[name]
    fit = MANIFEST["fits"][name]
    assert (fit["sine_layers"], fit["hidden_width"]) == (layers, width)
    with modules_of("coin", "structure") as (structure,):
        network = structure.Structure(layers, width, "coin").network
    assert network.parameters == parameters
    assert round(16 * parameters / (768 * 512), 4) == bpp


@pytest.mark.parametrize("budget", BUDGETS)
@pytest.mark.parametrize("name", PAPER)
def test_every_fit_and_budget_names_every_parameter(name: str, budget: str) -> None:
    assert parameter_names(MANIFEST, name, budget) == set(TINY)


def test_the_papers_training_is_50_000_steps_at_2e4_on_all_pixels() -> None:
    paper = MANIFEST["fits"]["*"]["budgets"]["paper"]
    assert (paper["steps"], paper["learning_rate"], paper["lattice"]) == (50_000, 2e-4, 0)
    assert (paper["warm_up"], paper["final_rate"], paper["beta2"]) == (0.0, 1.0, 0.999)


def test_the_papers_coordinates_divide_both_axes_by_the_height() -> None:
    with modules_of("coin", "structure") as (structure,):
        rows, columns = structure.Structure(5, 20, "coin").axes(512, 768)
        assert rows[[0, 511], 0].tolist() == [-1, 1]
        assert columns[[0, 767], 0].tolist() == pytest.approx([-1, 2 * 767 / 511 - 1])
        for axis in structure.Structure(5, 20, "each-axis").axes(512, 768):
            assert axis[[0, -1], 0].tolist() == [-1, 1]
        assert structure.Structure(5, 20, "coin").axes(1, 1)[0].tolist() == [[-1]]


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A folder with a fit of an odd rgb24 picture in its ``fit``, and the picture's entry."""
    folder = tmp_path_factory.mktemp("coin")
    source = write_picture(folder / "odd.rgb", width=37, height=23)
    job = fit_job(source, TINY, folder / "checkpoint")
    done = run_verb("coin", "fit", folder / "fit", job)
    assert done.returncode == 0, done.stderr
    return folder, source


def test_a_killed_fit_ends_in_the_bits_of_an_undisturbed_one(
    fitted: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    folder, source = fitted
    job = fit_job(source, TINY, tmp_path / "checkpoint")
    assert run_verb("coin", "fit", tmp_path / "fit", job, kill_at=33).returncode == -9
    resumed = run_verb("coin", "fit", tmp_path / "fit", job)
    assert "resumed at step 33 of 60" in resumed.stderr
    models = [path / "fit" / "model" / "tensors.npz" for path in (folder, tmp_path)]
    assert models[0].read_bytes() == models[1].read_bytes()


def test_fp16_takes_two_bytes_a_parameter_and_a_small_header(
    fitted: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    folder, source = fitted
    (tmp_path / "fit").symlink_to(folder / "fit")
    data, decoded = code_and_decode("coin", tmp_path, source, {"storage": "fp16"})
    tensors, meta = load_model(folder / "fit" / "model")
    assert 0 < len(data) - 2 * meta["parameters"] < 30
    notes = json.loads((tmp_path / "encode" / "notes.json").read_text())
    assert notes["bytes"] == {
        "header": len(data) - 2 * meta["parameters"],
        "weights": 2 * meta["parameters"],
    }
    held = RawFormat("rgb24", 37, 23, 1, "bt709", "full")
    with modules_of("coin", "structure") as (structure,):
        shape = structure.Structure(3, 20, "coin")
        halves = {name: t.astype(np.float16).astype(np.float32) for name, t in tensors.items()}
        drawn = from_rgb(structure.render(halves, shape, held), held)[0]
    assert decoded == drawn.tobytes()


def test_nnc_takes_less_and_decodes_to_nearly_the_same(
    fitted: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    folder, source = fitted
    (tmp_path / "fit").symlink_to(folder / "fit")
    sizes, pictures = [], []
    for index, point in enumerate(({"storage": "fp16"}, {"storage": "nnc", "qp": -40})):
        run = tmp_path / str(index)
        run.mkdir()
        (run / "fit").symlink_to(folder / "fit")
        data, decoded = code_and_decode("coin", run, source, point)
        sizes.append(len(data))
        pictures.append(np.frombuffer(decoded, np.uint8).astype(int))
    assert sizes[1] < 0.7 * sizes[0]
    assert np.abs(pictures[1] - pictures[0]).mean() < 4
    original = np.fromfile(source["path"], np.uint8).astype(int)
    assert np.abs(pictures[0] - original).mean() < 25
    notes = json.loads((tmp_path / "1" / "encode" / "notes.json").read_text())
    assert sum(notes["bytes"].values()) == sizes[1]


def test_damaged_and_foreign_bitstreams_end_in_a_sentence(
    fitted: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    folder, source = fitted
    (tmp_path / "fit").symlink_to(folder / "fit")
    data, _ = code_and_decode("coin", tmp_path, source, {"storage": "fp16"})
    broken = bytearray(data)
    broken[90] ^= 4
    (tmp_path / "bitstream.bin").write_bytes(broken)
    job = {"bitstream": str(tmp_path / "bitstream.bin"), "output": str(tmp_path / "out.raw")}
    done = run_verb("coin", "decode", tmp_path / "decode", job)
    assert done.returncode == 1
    assert done.stderr.startswith("error: the checksum of its")
    done = run_verb("siren", "decode", tmp_path / "foreign", job)
    assert done.stderr == "error: a bitstream of 'coin', not of 'siren'\n"
    assert not (tmp_path / "out.raw").exists()


def test_fp16_refuses_what_it_cannot_hold_and_data_of_another_size() -> None:
    with modules_of("coin", "storage") as (storage,):
        tensors = {"a": np.array([[1.0, -2.5]], np.float32), "b": np.zeros(3, np.float32)}
        data = storage.pack_halves(tensors)
        read = storage.unpack_halves(data, {"a": (1, 2), "b": (3,)})
        assert read["a"].tolist() == [[1.0, -2.5]]
        with pytest.raises(BitstreamError, match="10 bytes of fp16 values; this network has 6"):
            storage.unpack_halves(data, {"a": (6,)})
        with pytest.raises(CodecError, match="'a' holds values that fp16 cannot hold"):
            storage.pack_halves({"a": np.array([7e4], np.float32)})
        with pytest.raises(CodecError, match="cannot hold"):
            storage.pack_halves({"a": np.array([np.nan], np.float32)})


def test_what_cannot_be_fitted_or_coded_is_refused_with_a_sentence(
    fitted: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    folder, source = fitted
    clip = write_clip(tmp_path / "clip.yuv", width=32, height=16, frames=2)
    done = run_verb("coin", "fit", tmp_path / "a", fit_job(clip, TINY, tmp_path / "c"))
    assert done.stderr == "error: the source has 2 frames; coin codes single pictures.\n"
    wild = TINY | {"learning_rate": 1e36, "warm_up": 0.0, "final_rate": 1.0}
    done = run_verb("coin", "fit", tmp_path / "b", fit_job(source, wild, tmp_path / "d"))
    assert done.stderr.startswith("error: the loss is nan at step 1 of 60")
    point = {"rate_point": {"id": "p", "parameters": {"storage": "zip"}}, "seed": 0}
    named = {"fit": {"name": "t", "parameters": {}}, "model": str(folder / "fit" / "model")}
    job = {"source": source, "configuration": "ai", **named, **point}
    done = run_verb("coin", "encode", tmp_path / "e", job)
    assert done.stderr == "error: the storage 'zip' is unknown; use nnc or fp16.\n"


def test_one_pixel_is_a_picture(tmp_path: Path) -> None:
    source = write_picture(tmp_path / "dot.rgb", width=1, height=1)
    job = fit_job(source, TINY | {"steps": 2, "lattice": 0}, tmp_path / "checkpoint")
    done = run_verb("coin", "fit", tmp_path / "fit", job)
    assert done.returncode == 0, done.stderr
    _, decoded = code_and_decode("coin", tmp_path, source, {"storage": "nnc", "qp": -40})
    assert len(decoded) == 3


def test_every_default_rate_point_lies_on_a_named_curve() -> None:
    manifest = read_manifest(PROPOSALS / "coin")["coin"]
    names = {curve_of(manifest.curves, point.id) for point in manifest.rate_points("quick")}
    assert names == {"nnc", "fp16"}
