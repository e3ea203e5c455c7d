"""TensoRF: the paper's counts, its equations by hand, and round trips on the analytic scene."""

import dataclasses
import math
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from inrkit.bitstream import pack, unpack
from inrkit.layers import parameter_count
from inrkit.rays import Rays
from inrkit.scene_codec import SceneFormat
from inrkit.views import read_bounds
from proposal_runs import PROPOSALS, modules_of, parameter_names, run_verb
from scene_runs import BOUNDS, code_scene, psnr, run_scene, scene_fit_job, write_scene

TINY: dict[str, Any] = {
    "kind": "vm",
    "density_ranks": [4, 4, 4],
    "colour_ranks": [4, 4, 4],
    "features": 6,
    "feature_levels": 1,
    "view_levels": 1,
    "width": 16,
    "density_shift": -6.0,
    "step_ratio": 1.0,
    "cells": 12,
    "coarse_resolution": 10,
    "resolution": 20,
    "upsample_at": [0.4],
    "mask_at": 0.3,
    "mask_every": 8,
    "mask_alpha": 1e-2,
    "mask_decay": 0.8,
    "grid_rate": 3e-2,
    "network_rate": 5e-3,
    "final_rate": 0.1,
    "l1": 1e-4,
    "final_l1": 1e-4,
    "density_tv": 1e-3,
    "colour_tv": 1e-3,
    "background": "black",
    "random_background": False,
    "warm_start": True,
    "most_rays": 512,
    "batch_samples": 8192,
    "steps": 40,
}
MANIFEST = tomllib.loads((PROPOSALS / "tensorf" / "codec.toml").read_text())


def scene_format() -> SceneFormat:
    return SceneFormat("rgb24", "bt709", "full", 1, read_bounds(BOUNDS))


def paper_fit(name: str) -> dict[str, Any]:
    fits = MANIFEST["fits"]
    return fits["*"] | fits["*"]["budgets"]["paper"] | fits[name] | fits[name]["budgets"]["paper"]


def test_vm_192_at_300_cubed_has_17_377_715_parameters() -> None:
    fit = paper_fit("paper")
    with modules_of("tensorf", "structure", "model") as (structure, model):
        # the factors' count is a product of sizes; the field is made small, the rest is its own
        full = structure.Structure.of_fit(fit, (300, 300, 300))
        field = model.TensorfField(full.sized((2, 2, 2)), scene_format())
        others = parameter_count(field.basis, field.network)
    assert full.density_ranks == (16, 16, 16) and full.colour_ranks == (48, 48, 48)
    assert others == 144 * 27 + (150 * 128 + 128) + (128 * 128 + 128) + (128 * 3 + 3)
    assert full.factor_values + others == 17_377_715


def test_cp_384_at_500_cubed_has_the_lines_of_the_paper() -> None:
    with modules_of("tensorf", "structure") as (structure,):
        full = structure.Structure.of_fit(paper_fit("paper-cp"), (500, 500, 500))
    assert full.factor_values == 3 * 500 * (96 + 288)


def test_every_fit_and_budget_gives_all_parameters() -> None:
    for fit in MANIFEST["fits"].keys() - {"*"}:
        paper = fit.startswith("paper")
        for budget in ("paper",) if paper else ("seconds", "quick", "minute"):
            assert parameter_names(MANIFEST, fit, budget) == TINY.keys()


def test_grids_grow_geometrically_to_the_last_resolution() -> None:
    fit = paper_fit("paper") | {"steps": 30000}
    box = [[-1.5, -1.5, -1.5], [1.5, 1.5, 1.5]]
    cube = read_bounds({"near": 2, "far": 6, "box": box})
    with modules_of("tensorf", "fit") as (fitting,):
        names = fitting.Parameters.__dataclass_fields__
        held = {name: value for name, value in fit.items() if name in names}
        parameters = fitting.Parameters(**held | {"upsample_at": tuple(fit["upsample_at"])})
        scene = dataclasses.replace(scene_format(), bounds=cube)
        levels = fitting.levels_of(parameters, scene, 30000)
    assert [level.before for level in levels] == [0, 2000, 3000, 4000, 5500, 7000]
    # 128³ and 300³ voxels with four numbers between that grow by one factor
    expected = [128 * (300 / 128) ** (step / 5) for step in range(6)]
    assert [level.sizes[0] for level in levels] == pytest.approx(expected, abs=1)


@torch.no_grad()
def test_density_and_step_are_those_of_the_equations() -> None:
    box = [[-1.5, -1.5, -1.5], [1.5, 1.5, 1.5]]
    cube = read_bounds({"near": 0.5, "far": 6, "box": box})
    scene = dataclasses.replace(scene_format(), bounds=cube)
    with modules_of("tensorf", "structure", "model") as (structure, model):
        shape = structure.Structure.of_fit(TINY | {"step_ratio": 0.5}, (7, 7, 7))
        field = model.TensorfField(shape, scene)
    for part in field.density.parameters():
        part.fill_(0.5)  # 12 products of ½·½
    for part in field.colour.parameters():
        part.zero_()
    for part in field.network.parameters():
        part.zero_()
    sigma = math.log1p(math.exp(12 * 0.25 - 6))
    assert field.densities(torch.rand(5, 3)).tolist() == pytest.approx([sigma] * 5, rel=1e-6)
    assert field.step == pytest.approx(0.5 * 3 / 6)
    # a ray through the middle crosses 3 units in 12 steps, each 25 times as thick as long
    rays = Rays(torch.tensor([[0.0, 0.0, -3.0]]), torch.tensor([[0.0, 0.0, 1.0]]))
    rendered = field.shade(rays).rendered
    opacity = 1 - math.exp(-12 * 0.25 * 25 * sigma)
    assert float(rendered.opacity) == pytest.approx(opacity, rel=1e-5)
    assert rendered.colour[0].tolist() == pytest.approx([0.5 * opacity] * 3, abs=2e-3)


@torch.no_grad()
def test_a_finer_field_renders_what_the_coarser_did_where_both_have_points() -> None:
    with modules_of("tensorf", "structure", "fit") as (structure, fitting):
        torch.manual_seed(0)
        coarse = fitting.Trained(structure.Structure.of_fit(TINY, (4, 5, 3)), scene_format())
        coarse.occupancy.occupied[0] = False
        fine = fitting.refined(coarse, coarse.structure.sized((7, 9, 5)))
    places = torch.rand(50, 3)
    grid = (places * torch.tensor([3, 4, 2])).round() / torch.tensor([3, 4, 2])
    assert torch.allclose(fine.densities(grid), coarse.densities(grid), rtol=1e-4)
    assert torch.equal(fine.occupancy.occupied, coarse.occupancy.occupied)
    assert torch.equal(fine.basis.weight, coarse.basis.weight)


def test_the_structure_survives_the_header() -> None:
    with modules_of("tensorf", "structure") as (structure,):
        shape = structure.Structure.of_fit(TINY, (7, 9, 5))
        header = scene_format().to_header() | shape.to_header()
        data = pack("tensorf", header, [b"x"], schema=structure.SCHEMA)
        read, _ = unpack(data, "tensorf", schema=structure.SCHEMA, sections=1)
        assert structure.Structure.of(read) == shape


@pytest.mark.parametrize("kind", ["vm", "cp"])
def test_a_fit_learns_the_scene_and_its_bitstream_renders_a_view_it_never_saw(
    tmp_path: Path, kind: str
) -> None:
    scene = write_scene(tmp_path / "raw", views=8)
    ranks = {"density_ranks": [16], "colour_ranks": [16]} if kind == "cp" else {}
    parameters = TINY | {"kind": kind, "steps": 150} | ranks
    run = run_scene("tensorf", tmp_path, scene, parameters, {"qp": -40})
    mean = np.stack([picture for name, picture in scene.pictures.items() if name != "h0"])
    floor = psnr(np.broadcast_to(mean.mean((0, 1, 2, 3)), (1, 24, 32, 3)), scene.pictures["h0"])
    assert psnr(run.pictures["h0"], scene.pictures["h0"]) > floor + 4
    assert sum(run.notes["bytes"].values()) == len(run.bitstream)
    assert min(run.notes["bytes"][name] for name in ("density", "colour", "network")) > 0
    coarse = code_scene("tensorf", tmp_path, scene, {"qp": -20})
    assert len(coarse.bitstream) < len(run.bitstream)
    plain = code_scene("tensorf", tmp_path, scene, {"qp": "none"})
    assert len(plain.bitstream) > 4 * plain.notes["parameters"]


def test_a_fit_killed_in_a_later_stage_ends_in_the_same_bits(tmp_path: Path) -> None:
    scene = write_scene(tmp_path / "raw", views=3, width=16, height=12, instants=2)
    parameters = TINY | {"steps": 40}  # 8 and 12 steps of the first instant, 20 of the second
    alone = {"threads": 1}  # two of them wait for each other on a busy machine
    job = scene_fit_job(scene, parameters, tmp_path / "a") | alone
    whole = run_verb("tensorf", "fit", tmp_path / "fit", job)
    assert whole.returncode == 0, whole.stderr
    again = scene_fit_job(scene, parameters, tmp_path / "b") | alone
    for _ in range(2):  # after the upsampling, and in the second instant
        killed = run_verb("tensorf", "fit", tmp_path / "killed", again, kill_at=10)
        assert killed.returncode == -9, killed.stderr
    resumed = run_verb("tensorf", "fit", tmp_path / "killed", again)
    assert "resumed at step 10 of 20" in resumed.stderr
    models = [tmp_path / name / "model" / "tensors.npz" for name in ("fit", "killed")]
    assert models[0].read_bytes() == models[1].read_bytes()
    run = code_scene("tensorf", tmp_path, scene, {"qp": -40})
    assert run.pictures["h0"].shape == (2, 12, 16, 3)


def test_what_cannot_be_is_refused_in_a_sentence(tmp_path: Path) -> None:
    scene = write_scene(tmp_path / "raw", views=2, width=16, height=12)
    cases = [
        ({"background": "learnt"}, "neither black nor white"),
        ({"kind": "tucker"}, "use vm or cp"),
        ({"kind": "cp"}, "CP factors have one rank each"),
        ({"upsample_at": [0.5, 0.2]}, "give ascending shares between 0 and 1"),
        ({"resolution": 4000, "density_ranks": [900, 900, 900]}, "GiB"),
        ({"ranks": [1]}, "the fit's parameter ranks is unknown"),
    ]
    for index, (changed, words) in enumerate(cases):
        job = scene_fit_job(scene, TINY | changed, tmp_path / "kept")
        done = run_verb("tensorf", "fit", tmp_path / str(index), job)
        assert done.returncode == 1 and words in done.stderr, done.stderr


def test_an_empty_field_ends_decoding_with_the_occupancy_grids_sentence() -> None:
    with modules_of("tensorf", "structure", "model") as (structure, model):
        shape = structure.Structure.of_fit(TINY | {"density_shift": -30.0}, (5, 5, 5))
        field = model.TensorfField(shape, scene_format())
        with pytest.raises(Exception, match="no cell of the 12³ occupancy grid is occupied"):
            field.start_rendering()
