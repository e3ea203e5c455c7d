"""Instant-NGP: the paper's counts, and whole round trips on the analytic scene."""

import dataclasses
import json
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from inrkit.layers import parameter_count
from inrkit.scene_codec import SceneFormat
from inrkit.views import read_bounds
from proposal_runs import PROPOSALS, modules_of, parameter_names, run_verb
from scene_runs import BOUNDS, code_scene, psnr, run_scene, scene_fit_job, write_scene

TINY: dict[str, Any] = {
    "levels": 3,
    "channels": 2,
    "table_bits": 12,
    "least": 8,
    "most": 32,
    "width": 16,
    "bands": 4,
    "cells": 8,
    "samples": 32,
    "batch_samples": 8192,
    "most_rays": 512,
    "learning_rate": 5e-3,
    "grid_rate": 20.0,
    "strides": [2, 1],
    "final_rate": 0.1,
    "warm_up": 0.02,
    "opacity_loss": 0.0,
    "distortion_loss": 1e-3,
    "smoothness_loss": 1e-3,
    "occupancy_decay": 0.8,
    "background": "black",
    "random_background": False,
    "warm_start": True,
    "steps": 40,
}


def test_the_papers_field_has_12_196_240_table_values_and_9_408_weights() -> None:
    manifest = tomllib.loads((PROPOSALS / "instant-ngp" / "codec.toml").read_text())
    fits = manifest["fits"]
    shape = fits["*"] | fits["*"]["budgets"]["paper"] | fits["paper"]
    scene = SceneFormat("rgb24", "bt709", "full", 1, read_bounds(BOUNDS))
    with modules_of("instant-ngp", "structure", "model") as (structure, model):
        field = model.NgpField(structure.Structure.of(shape), scene)
        assert parameter_count(field.grid) == 12_196_240
        # 32·64 + 64·16 and 32·64 + 64·64 + 64·3
        assert parameter_count(field) - 12_196_240 == 3_072 + 6_336


def test_the_small_field_has_the_values_the_readme_gives() -> None:
    manifest = tomllib.loads((PROPOSALS / "instant-ngp" / "codec.toml").read_text())
    fits = manifest["fits"]
    shape = fits["*"] | fits["*"]["budgets"]["minute"] | fits["s"]
    scene = SceneFormat("rgb24", "bt709", "full", 1, read_bounds(BOUNDS))
    with modules_of("instant-ngp", "structure", "model") as (structure, model):
        field = model.NgpField(structure.Structure.of(shape), scene)
        # 16³ + 22³ + 28³ + 37³ + 49³ + 64³ rows, the odd ones rounded up to a multiple of 8
        assert parameter_count(field.grid) == 2 * (4096 + 10648 + 21952 + 50656 + 117656 + 262144)
        # 12·32 + 32·16 and (16 + 4)·32 + 32·32 + 32·3
        assert parameter_count(field) - parameter_count(field.grid) == 896 + 1_760


def test_every_fit_and_budget_gives_all_parameters() -> None:
    manifest = tomllib.loads((PROPOSALS / "instant-ngp" / "codec.toml").read_text())
    for fit in ("s", "paper"):
        for budget in ("seconds", "quick", "minute", "paper"):
            assert parameter_names(manifest, fit, budget) == TINY.keys()


def test_a_fit_learns_the_scene_and_its_bitstream_renders_a_view_it_never_saw(
    tmp_path: Path,
) -> None:
    scene = write_scene(tmp_path / "raw", views=8)
    run = run_scene("instant-ngp", tmp_path, scene, TINY | {"steps": 200}, {"qp": -30})
    mean = np.stack([picture for name, picture in scene.pictures.items() if name != "h0"])
    floor = psnr(np.broadcast_to(mean.mean((0, 1, 2, 3)), (1, 24, 32, 3)), scene.pictures["h0"])
    assert psnr(run.pictures["h0"], scene.pictures["h0"]) > floor + 4
    assert psnr(run.pictures["t0"], scene.pictures["t0"]) > floor + 4
    assert sum(run.notes["bytes"].values()) == len(run.bitstream)
    assert run.notes["bytes"]["grid"] > run.notes["bytes"]["weights"] > 0
    coarse = code_scene("instant-ngp", tmp_path, scene, {"qp": -12})
    assert len(coarse.bitstream) < len(run.bitstream)


def test_a_fit_killed_in_every_instant_ends_in_the_same_bits(tmp_path: Path) -> None:
    scene = write_scene(tmp_path / "raw", views=3, width=16, height=12, instants=2)
    whole = run_verb(
        "instant-ngp", "fit", tmp_path / "fit", scene_fit_job(scene, TINY, tmp_path / "a")
    )
    assert whole.returncode == 0, whole.stderr
    again = scene_fit_job(scene, TINY, tmp_path / "b")
    for _ in range(2):  # once in each instant
        killed = run_verb("instant-ngp", "fit", tmp_path / "killed", again, kill_at=17)
        assert killed.returncode == -9, killed.stderr
    resumed = run_verb("instant-ngp", "fit", tmp_path / "killed", again)
    assert "resumed at step 17 of 20" in resumed.stderr
    models = [tmp_path / name / "model" / "tensors.npz" for name in ("fit", "killed")]
    assert models[0].read_bytes() == models[1].read_bytes()
    with np.load(models[0]) as held:
        assert {name.split(".")[0] for name in held.files} == {"0", "1"}
        assert not np.array_equal(held["0.grid.tables.0"], held["1.grid.tables.0"])
    run = code_scene("instant-ngp", tmp_path, scene, {"qp": -30})
    assert run.pictures["h0"].shape == (2, 12, 16, 3)
    assert not np.array_equal(run.pictures["h0"][0], run.pictures["h0"][1])


@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv420p10le"])
def test_yuv_scenes_are_rendered_in_their_own_format(tmp_path: Path, pixel_format: str) -> None:
    scene = write_scene(tmp_path / "raw", views=2, width=16, height=12, pixel_format=pixel_format)
    run = run_scene("instant-ngp", tmp_path, scene, TINY | {"steps": 4}, {"qp": -30})
    assert run.pictures["h0"].shape == (1, 12, 16, 3)


def test_what_cannot_be_is_refused_in_a_sentence(tmp_path: Path) -> None:
    scene = write_scene(tmp_path / "raw", views=2, width=16, height=12, instants=2)
    cases = [
        ({"background": "learnt"}, "neither black nor white"),
        ({"strides": [0]}, "strides [0] hold no whole numbers"),
        ({"least": 64}, "is no hash grid"),
        ({"levels": 32, "channels": 16, "table_bits": 24, "most": 60000}, "GiB"),
    ]
    for index, (changed, words) in enumerate(cases):
        job = scene_fit_job(scene, TINY | changed, tmp_path / "kept")
        done = run_verb("instant-ngp", "fit", tmp_path / str(index), job)
        assert done.returncode == 1 and words in done.stderr, done.stderr
    monocular = dataclasses.replace(scene, views=scene.views[:1])
    monocular.views[0]["times"] = [0.0]
    (tmp_path / "raw" / "t0.raw").write_bytes(bytes(16 * 12 * 3))
    job = scene_fit_job(monocular, TINY, tmp_path / "kept")
    done = run_verb("instant-ngp", "fit", tmp_path / "m", job)
    assert "no train view holds instant 1 of 2" in done.stderr


def test_a_video_is_refused_in_a_sentence(tmp_path: Path) -> None:
    scene = write_scene(tmp_path / "raw", views=2, width=16, height=12)
    job = scene_fit_job(scene, TINY, tmp_path / "kept")
    del job["views"], job["bounds"]
    job["source"] = {**job["source"], "path": str(tmp_path / "raw" / "t0.raw")}
    done = run_verb("instant-ngp", "fit", tmp_path / "fit", json.loads(json.dumps(job)))
    assert "this codec codes multi-view scenes" in done.stderr


def test_an_empty_field_ends_decoding_with_the_occupancy_grids_sentence() -> None:
    scene = SceneFormat("rgb24", "bt709", "full", 1, read_bounds(BOUNDS))
    with modules_of("instant-ngp", "structure", "model") as (structure, model):
        field = model.NgpField(structure.Structure.of(TINY), scene)
        with torch.no_grad():
            field.density_network[0].weight.zero_()
        field.structure = dataclasses.replace(field.structure, samples=1)
        field.start_rendering()  # e⁰ = 1 per diagonal is haze, which one long step would stop
        field.structure = dataclasses.replace(field.structure, samples=1000)
        with pytest.raises(Exception, match="no cell of the 8³ occupancy grid is occupied"):
            field.start_rendering()
