"""MixVoxels: its networks' counts, labels, mixture and header by hand, and a whole round trip."""

import json
import math
import tomllib
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from inrkit.errors import CodecError
from inrkit.rays import NdcFrame, Rays
from inrkit.scene import TrainViews
from inrkit.scene_codec import SceneFormat
from inrkit.views import Bounds, read_views
from proposal_runs import PROPOSALS, modules_of, parameter_names, run_verb
from scene_runs import (
    BOUNDS,
    code_scene,
    psnr,
    run_scene,
    scene_fit_job,
    without_path,
    write_scene,
)

SHAPE: dict[str, Any] = {
    "mixes": True,
    "ndc": False,
    "grid": 24,
    "variation_grid": 16,
    "density_ranks": [2, 2, 2],
    "colour_ranks": [4, 4, 4],
    "variation_ranks": [2, 2, 2],
    "features": 8,
    "feature_levels": 0,
    "direction_levels": 1,
    "static_width": 16,
    "dynamic_width": 16,
    "density_shift": 5.0,
    "cells": 16,
    "samples": 40,
    "point_threshold": 0.2,
    "ray_threshold": 0.3,
}
TINY: dict[str, Any] = {
    **SHAPE,
    "background": "black",
    "steps": 100,
    "variation_share": 0.25,
    "variation_rays": 256,
    "variation_samples": 24,
    "variation_threshold": 0.03,
    "positive_weight": 1.0,
    "first_grid": 12,
    "upsample_at": [0.4],
    "static_rays": 384,
    "dynamic_rays": 64,
    "learning_rate": 0.1,
    "network_rate": 0.01,
    "tv": 1e-3,
    "dynamic_tv": 3e-3,
    "l1": 0.0,
    "look_every": 8,
    "occupancy_decay": 0.6,
}
# few steps, of which one is of the variation field
SHORT = TINY | {"steps": 10, "variation_share": 0.1, "static_rays": 32, "dynamic_rays": 8}
PAPER = SHAPE | {
    "density_ranks": [16, 4, 4],
    "colour_ranks": [48, 12, 12],
    "variation_ranks": [16, 4, 4],
    "features": 27,
    "feature_levels": 2,
    "direction_levels": 2,
    "static_width": 128,
    "dynamic_width": 512,
}


def scene_of(instants: int, background: str = "black") -> SceneFormat:
    low, high = BOUNDS["box"]
    bounds = Bounds(near=BOUNDS["near"], far=BOUNDS["far"], box=(tuple(low), tuple(high)))
    return SceneFormat("rgb24", "bt709", "full", instants, bounds, background)


# MixVoxels' networks as its paper and configurations state them: density 24→27→512→512→300,
# colour 72→27, [27 + 3]→512→512→900; TensoRF's colours 72→27, 150→128→128→3 (the bases unbiased)
def test_the_papers_networks_have_its_layers() -> None:
    with modules_of("mixvoxels", "structure", "model") as (structure, model):
        paper = model.MixedField(structure.Structure.of(PAPER), scene_of(300), None)
    count = {
        name: sum(p.numel() for n, p in paper.named_parameters() if n.startswith(name))
        - sum(p.numel() for n, p in paper.named_parameters() if n.startswith(f"{name}.factors"))
        for name in ("dynamic.density", "dynamic.colour", "static.colour", "static.density")
    }
    hidden = 512 * 512 + 512
    assert count == {
        "dynamic.density": 24 * 27 + (27 * 512 + 512) + hidden + (512 * 300 + 300),
        "dynamic.colour": 72 * 27 + (30 * 512 + 512) + hidden + (512 * 900 + 900),
        "static.colour": 72 * 27 + (150 * 128 + 128) + (128 * 128 + 128) + (128 * 3 + 3),
        "static.density": 0,
    }


def test_every_budget_of_every_fit_gives_the_fits_parameters() -> None:
    manifest = tomllib.loads((PROPOSALS / "mixvoxels" / "codec.toml").read_text())
    with modules_of("mixvoxels", "structure", "fit") as (structure, fit):
        known = {
            *structure.Structure.__dataclass_fields__,
            *fit.Parameters.__dataclass_fields__,
        }
    for budget in ("seconds", "quick", "minute"):
        assert parameter_names(manifest, "s", budget) == known
    assert parameter_names(manifest, "paper", "paper") == known


def test_a_pixel_changes_if_its_deviation_over_time_exceeds_the_threshold() -> None:
    # one view of 2×1 pixels at 2 instants: grey 100 → 120 of 200 (deviation 0.05), 50 → 50
    entry = {
        "id": "a",
        "width": 2,
        "height": 1,
        "fx": 2.0,
        "fy": 2.0,
        "cx": 1.0,
        "cy": 0.5,
        "camera_to_world": [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]],
        "times": [0, 1],
    }
    held = read_views([entry])
    samples = torch.tensor([100, 50, 120, 50], dtype=torch.uint8)[:, None].expand(4, 3)
    views = TrainViews(
        samples,
        peak=200,
        views=held,
        bounds=scene_of(2).bounds,
        instants=2,
        device=torch.device("cpu"),
    )
    with modules_of("mixvoxels", "pixels") as (pixels,):
        table = pixels.TemporalPixels(views, threshold=0.049)
        assert (table.changing.tolist(), table.resting.tolist()) == ([0], [1])
        assert pixels.TemporalPixels(views, threshold=0.051).changing.tolist() == []
        batch = table.batch(torch.tensor([0, 1]))
    assert batch.colours[:, :, 0].tolist() == [[0.5, pytest.approx(0.6)], [0.25, 0.25]]
    assert batch.mean[:, 0].tolist() == [pytest.approx(0.55), 0.25]
    # the left pixel lies half a pixel left of the axis: direction (−½/2, 0, 1)
    assert batch.rays.directions[0].tolist() == pytest.approx(
        [-0.25 / math.hypot(0.25, 1), 0, 1 / math.hypot(0.25, 1)]
    )


@torch.no_grad()
def test_a_mixed_ray_takes_each_sample_from_the_branch_of_its_cell() -> None:
    """A ray along x: constant σ per branch, still in the first half of the box, moving behind."""
    torch.manual_seed(0)
    fields = SHAPE | {"samples": 64, "cells": 2}
    with modules_of("mixvoxels", "structure", "model") as (structure, model):
        field = model.MixedField(structure.Structure.of(fields), scene_of(2), None)
        still, moving = torch.tensor(3.0), torch.tensor([0.0, 5.0])  # σ per diagonal
        field.static.density.forward = lambda p: still.expand(len(p))
        field.dynamic.density.forward = lambda p: moving.expand(len(p), 2)
        field.static.colour.forward = lambda p, d: torch.tensor([1.0, 0, 0]).expand(len(p), 3)
        field.dynamic.colour.forward = lambda p, d: torch.tensor([0, 1.0, 0]).expand(len(p), 2, 3)
        field.moving.fill_(False)
        field.moving[1] = True
        rays = Rays(torch.tensor([[-2.0, 0.1, 0.6]]), torch.tensor([[1.0, 0, 0]]))
        drawn = field.shade_mixed(rays, torch.tensor([0, 1]))[0]
        alone = field.shade_static(rays)[0]
    low, high = np.array(BOUNDS["box"])
    half = 0.5 * (high - low)[0] / np.linalg.norm(high - low)  # of the ray's way, in diagonals
    red = 1 - math.exp(-3 * half)
    green = math.exp(-3 * half) * (1 - math.exp(-5 * half))
    step = 5 / 64  # a sample more or less at the ends of the halves
    assert drawn[0].tolist() == pytest.approx([red, 0, 0], abs=step)
    assert drawn[1].tolist() == pytest.approx([red, green, 0], abs=step)
    assert drawn[0, 0] == drawn[1, 0]
    assert alone.tolist() == pytest.approx([1 - math.exp(-6 * half), 0, 0], abs=step)


@torch.no_grad()
def test_where_no_cell_moves_a_ray_is_drawn_once_and_ends_in_the_last_sample() -> None:
    torch.manual_seed(0)
    with modules_of("mixvoxels", "structure", "model") as (structure, model):
        field = model.MixedField(structure.Structure.of(SHAPE), scene_of(3, "last"), None)
        field.surely_moving.fill_(False)
        field.static.density.forward = lambda p: torch.zeros(len(p))
        field.static.colour.forward = lambda p, d: p  # a colour that tells the place
        rays = Rays(torch.tensor([[-3.0, 0.0, 0.5]]), torch.tensor([[1.0, 0, 0]]))
        drawn = field.render(rays, torch.tensor([2, 0]))
    assert drawn.shape == (2, 1, 3)
    assert torch.equal(drawn[0], drawn[1])
    # the ray leaves through x = 1.6 at y = 0 of −1.6 … 1.6 and z = 0.5 of −0.2 … 1.2
    assert drawn[0, 0].tolist() == pytest.approx([1, 0.5, 0.5], abs=1 / 24)


def test_the_variation_loss_of_a_field_that_knows_nothing_is_that_of_chances() -> None:
    """One logit everywhere: −ln of its chance on changing rays, twice −ln(1 − it) on others."""

    class Pixels:
        changing, resting = torch.arange(4), torch.arange(4)

        def draw(self, among: torch.Tensor, count: int, generator: torch.Generator) -> torch.Tensor:
            return among[:count]

        def rays(self, pixels: torch.Tensor) -> Rays:
            towards = torch.tensor([[1.0, 0, 0]]).expand(len(pixels), 3)
            return Rays(torch.tensor([[-3.0, 0.0, 0.5]]).expand(len(pixels), 3), towards)

    with modules_of("mixvoxels", "structure", "fit", "model") as (structure, fit, model):
        field = model.MixedField(structure.Structure.of(SHAPE), scene_of(2), None)
        for table in field.variation.factors.parameters():
            torch.nn.init.zeros_(table)
        torch.nn.init.constant_(field.variation.offset, -2.0)
        others = {k: v for k, v in TINY.items() if k not in SHAPE}
        parameters = fit.Parameters(**others | {"variation_rays": 8, "positive_weight": 3.0})
        loss = fit.variation_loss(field, Pixels(), parameters, torch.Generator())
    chance = 1 / (1 + math.exp(2))
    expected = 0.5 * (-3 * math.log(chance)) + 0.5 * (-2 * math.log(1 - chance))
    assert loss.item() == pytest.approx(expected, rel=1e-5)


def test_grids_grow_in_equal_factors() -> None:
    with modules_of("mixvoxels", "structure", "fit") as (structure, fit):
        others = {k: v for k, v in TINY.items() if k not in SHAPE}
        shape = structure.Structure.of(SHAPE | {"grid": 100})
        wanted = others | {"first_grid": 25, "upsample_at": (0.2, 0.4)}
        assert fit.grid_resolutions(shape, fit.Parameters(**wanted)) == [25, 50, 100]
        with pytest.raises(CodecError, match=r"upsample_at is \[0.4, 0.4\]; give ascending"):
            fit.Parameters(**others | {"upsample_at": (0.4, 0.4)})
        with pytest.raises(CodecError, match="neither black nor last"):
            fit.Parameters(**others | {"background": "white"})


def test_a_header_gives_back_the_shape_and_the_frame() -> None:
    pose = ((1.0, 0.0, 0.0, 0.5), (0.0, 1.0, 0.0, 0.25), (0.0, 0.0, 1.0, -4.0))
    frame = NdcFrame(pose=pose, scale=(2.5, 3.0))
    with modules_of("mixvoxels", "structure") as (structure,):
        shape = structure.Structure.of(SHAPE | {"ndc": True, "density_ranks": [1, 2, 3]})
        header = shape.to_header(frame) | scene_of(2).to_header()
        assert header.keys() == structure.SCHEMA.keys()
        again = structure.Structure.from_header(header)
        assert asdict(again) == asdict(shape)
        assert NdcFrame.from_header(header) == frame


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"features": 0}, "features is 0; MixVoxels needs 1 or more"),
        ({"colour_ranks": [4, 4]}, r"colour_ranks are \[4, 4\]; give three"),
        ({"samples": 1}, "16 cells and 1 samples cannot find a surface"),
        ({"ray_threshold": 1.0}, "ray_threshold is 1.0; give a chance between 0 and 1"),
    ],
)
def test_a_structure_that_cannot_be_is_refused_in_a_sentence(
    changes: dict[str, Any], said: str
) -> None:
    with (
        modules_of("mixvoxels", "structure") as (structure,),
        pytest.raises(CodecError, match=said),
    ):
        structure.Structure.of(SHAPE | changes)


def test_a_scene_is_learnt_from_its_train_views_and_drawn_from_the_bitstream(
    tmp_path: Path,
) -> None:
    scene = write_scene(tmp_path / "views", instants=3)
    run = run_scene("mixvoxels", tmp_path, scene, TINY, {"qp": -38})
    assert run.pictures["h0"].shape == (3, 24, 32, 3)
    # the mean colour of the train views reaches 11.6 dB
    assert psnr(run.pictures["h0"], scene.pictures["h0"]) > 15
    assert sum(run.notes["bytes"].values()) == len(run.bitstream)
    assert run.notes["bytes"]["variation"] > 0
    coarse = code_scene("mixvoxels", tmp_path, scene, {"qp": -20})
    assert len(coarse.bitstream) < 0.6 * len(run.bitstream)
    # a time of its own, and twice the size
    wide = scene.held_out[0] | {"width": 64, "height": 48, "times": [2.0]}
    wide |= {name: 2 * wide[name] for name in ("fx", "fy", "cx", "cy")}
    drawn = code_scene("mixvoxels", tmp_path, scene, {"qp": -38}, render=[wide]).pictures["h0"]
    assert drawn.shape == (1, 48, 64, 3)


def test_a_killed_fit_ends_in_the_bits_of_an_undisturbed_one(tmp_path: Path) -> None:
    scene = write_scene(tmp_path / "views", instants=2, views=3)
    alone = {"threads": 1}
    job = scene_fit_job(scene, SHORT, tmp_path / "a") | alone
    assert run_verb("mixvoxels", "fit", tmp_path / "fit", job).returncode == 0
    again = scene_fit_job(scene, SHORT, tmp_path / "b") | alone
    # 1 step of change, 4 coarse ones, 5 fine ones: killed in the third stage
    assert run_verb("mixvoxels", "fit", tmp_path / "killed", again, kill_at=5).returncode == -9
    assert (tmp_path / "b" / "stage-0001.pt").is_file()
    resumed = run_verb("mixvoxels", "fit", tmp_path / "killed", again)
    assert resumed.returncode == 0, resumed.stderr
    models = [tmp_path / name / "model" / "tensors.npz" for name in ("fit", "killed")]
    assert models[0].read_bytes() == models[1].read_bytes()


@pytest.mark.parametrize(
    ("instants", "changes"),
    [(1, {}), (2, {"mixes": False}), (2, {"ndc": True, "background": "last"})],
)
def test_one_instant_a_fit_without_variation_and_ndc_run_from_fit_to_pictures(
    tmp_path: Path, instants: int, changes: dict[str, Any]
) -> None:
    scene = write_scene(tmp_path / "views", instants=instants, views=3, pixel_format="yuv420p")
    run = run_scene("mixvoxels", tmp_path, scene, SHORT | changes, {"qp": -30})
    assert run.pictures["h0"].shape == (instants, 24, 32, 3)
    meta = json.loads((tmp_path / "fit" / "model" / "model.json").read_text())
    assert meta["kmac_per_pixel"] > 0
    assert ("variation" in run.notes["bytes"]) and (
        (run.notes["bytes"]["static_density"] > 0) == changes.get("mixes", True)
    )


def test_views_and_sizes_that_do_not_serve_are_refused_in_a_sentence(tmp_path: Path) -> None:
    some = write_scene(tmp_path / "some", instants=2, views=3, is_monocular=True)
    job = scene_fit_job(some, SHORT, tmp_path / "a")
    done = run_verb("mixvoxels", "fit", tmp_path / "monocular", job)
    assert done.returncode == 1
    assert "error: view t0 holds 1 of 2 instants; MixVoxels learns what changes" in done.stderr
    whole = write_scene(tmp_path / "whole", instants=2, views=3)
    job = scene_fit_job(whole, SHORT | {"grid": 100_000}, tmp_path / "a")
    done = run_verb("mixvoxels", "fit", tmp_path / "large", job)
    assert done.returncode == 1
    assert "GiB; lower the resolution of the fit's grids." in done.stderr
    opposite = without_path(whole.views[0]) | {"path": whole.views[0]["path"]}
    turned = np.array(opposite["camera_to_world"])
    turned[:, [0, 2]] *= -1
    turned[:, 3] *= [-1, -1, 1]
    around = scene_fit_job(whole, SHORT | {"ndc": True}, tmp_path / "a")
    around["views"] = [*whole.views[1:], opposite | {"camera_to_world": turned.tolist()}]
    done = run_verb("mixvoxels", "fit", tmp_path / "around", around)
    assert done.returncode == 1
    assert "normalised device coordinates" in done.stderr, done.stderr
