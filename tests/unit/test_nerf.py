"""NeRF: the paper's parameter counts, volume rendering by hand, and a whole round trip."""

import math
import re
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from inrkit.bitstream import pack, unpack
from inrkit.errors import CodecError
from inrkit.layers import parameter_count
from inrkit.rays import NdcFrame, Rays
from inrkit.scene_codec import SceneFormat
from inrkit.views import Bounds, read_views
from proposal_runs import PROPOSALS, modules_of, parameter_names, run_verb
from scene_runs import camera, code_scene, psnr, scene_fit_job, write_scene

MANIFEST = tomllib.loads((PROPOSALS / "nerf" / "codec.toml").read_text())
ALONE = {"threads": 1}
SHAPE: dict[str, Any] = {
    "width": 32,
    "layers": 2,
    "skip": 0,
    "levels": 4,
    "view_levels": 1,
    "view_width": 16,
    "coarse": 12,
    "fine": 12,
}
TINY: dict[str, Any] = {
    **SHAPE,
    "rays": 128,
    "steps": 150,
    "learning_rate": 1e-2,
    "final_rate": 0.2,
    "warm_up": 0.0,
    "density_noise": 0.0,
    "density_bias": 0.5,
    "precision": "fp32",
    "background": "black",
    "space": "box",
    "warm_start": True,
}
BOUNDS = Bounds(near=1.0, far=9.0, box=((-1.0, -1.0, 0.0), (3.0, 1.0, 2.0)))
SCENE = SceneFormat("rgb24", "bt709", "full", 1, BOUNDS, "white")


# Mildenhall et al. 2020, section 5.3 and figure 7: 595,844 values a network
def test_the_papers_fit_has_two_networks_of_the_papers_size() -> None:
    with modules_of("nerf", "structure", "model") as (structure, model):
        shape = structure.Structure.of(MANIFEST["fits"]["paper"])
        assert parameter_count(model.NerfField(shape, SCENE)) == 1_191_688
        assert (shape.coarse, shape.fine) == (64, 128)


def test_every_budget_of_every_fit_gives_the_fits_parameters() -> None:
    with modules_of("nerf", "fit") as (fit,):
        known = set(fit.Parameters.__dataclass_fields__) | set(SHAPE)
    for name in ("s", "paper"):
        for budget in ("seconds", "quick", "minute", "paper"):
            assert parameter_names(MANIFEST, name, budget) == known


def set_constant(mlp: Any, *, density: float, grey: float) -> None:
    """Make an MLP give one density and one colour everywhere."""
    for layer in (mlp.density, mlp.colour):
        torch.nn.init.zeros_(layer.weight)
    torch.nn.init.constant_(mlp.density.bias, density)
    torch.nn.init.constant_(mlp.colour.bias, math.log(grey / (1 - grey)))


# the box is crossed from x = −1 to 3 in 4 scene units, 2 of the field's; with 4 coarse samples the
# last stands for all that follows, so light passes 3 intervals of ½: T = exp(−1.5 σ), then stops
@torch.no_grad()
def test_a_uniform_fog_lets_through_what_beers_law_says() -> None:
    with modules_of("nerf", "structure", "model") as (structure, model):
        shape = structure.Structure.of({**SHAPE, "coarse": 4})
        field = model.NerfField(shape, SCENE)
        set_constant(field.coarse, density=0.4, grey=0.25)
        set_constant(field.fine, density=-0.4, grey=0.25)
        rays = Rays(torch.tensor([[-3.0, 0.0, 1.0]]), torch.tensor([[1.0, 0.0, 0.0]]))
        course = field.course(rays)
        assert float(course.enter) == pytest.approx(1.0)
        assert float(course.leave) == pytest.approx(3.0)
        coarse, fine = field.shade(rays)
    places = np.array([0.25, 0.75, 1.25, 1.75]) + 1
    passed = np.exp(-0.4 * 0.5 * np.arange(4))
    weights = np.append(passed[:3] * (1 - math.exp(-0.2)), passed[3])
    assert float(coarse.opacity) == pytest.approx(1, abs=1e-6)
    assert float(coarse.depth) == pytest.approx(weights @ places, abs=1e-5)
    assert coarse.colour[0].tolist() == pytest.approx([0.25] * 3, abs=1e-5)
    assert float(fine.opacity) == 0


@torch.no_grad()
def test_a_ray_that_misses_the_box_shows_the_background() -> None:
    with modules_of("nerf", "structure", "model") as (structure, model):
        field = model.NerfField(structure.Structure.of(SHAPE), SCENE)
        set_constant(field.fine, density=5.0, grey=0.25)
        rays = Rays(torch.tensor([[-3.0, 0.0, 5.0]]), torch.tensor([[1.0, 0.0, 0.0]]))
        assert field.render(rays).tolist() == [[1.0, 1.0, 1.0]]


def forward_facing() -> NdcFrame:
    views = [camera(f"v{i}", 4.0 * i, width=32, height=24, times=[0.0]) for i in range(3)]
    return NdcFrame.of(read_views(views))


@pytest.mark.parametrize("is_warped", [False, True])
def test_a_structure_comes_back_from_the_bitstreams_header(is_warped: bool) -> None:
    with modules_of("nerf", "structure") as (structure,):
        frame = forward_facing() if is_warped else None
        shape = structure.Structure.of(SHAPE, frame)
        fields = SCENE.to_header() | shape.to_header()
        data = pack("nerf", fields, [b""], schema=structure.SCHEMA)
        header, _ = unpack(data, "nerf", schema=structure.SCHEMA)
        assert structure.Structure.from_header(header) == shape
        assert SceneFormat.from_header(header) == SCENE


# in NDC a ray's distance 1 is infinity, and lengths count the warped direction's own length
@torch.no_grad()
def test_rays_in_ndc_reach_from_the_near_plane_to_infinity() -> None:
    frame = forward_facing()
    with modules_of("nerf", "structure", "model") as (structure, model):
        field = model.NerfField(structure.Structure.of(SHAPE, frame), SCENE)
        origin = torch.tensor([[row[3] for row in frame.pose]])
        forward = torch.tensor([[row[2] for row in frame.pose]])
        course = field.course(Rays(origin, forward))
        ends = course.rays.at(torch.tensor([[0.0, 1.0]]))[0]
        assert ends[:, 2].tolist() == pytest.approx([-1.0, 1.0], abs=1e-5)
        assert float(course.lengths(torch.tensor([[0.0, 0.5, 1.0]]))[0, 0]) == pytest.approx(1.0)
        assert torch.equal(course.towards, forward)


def test_too_few_samples_are_refused_in_a_sentence() -> None:
    with (
        modules_of("nerf", "structure") as (structure,),
        pytest.raises(CodecError, match="at least 3 coarse ones"),
    ):
        structure.Structure.of(SHAPE | {"coarse": 2})


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"space": "sphere"}, "the space 'sphere' is none of box, ndc"),
        ({"background": "grey"}, "the background 'grey' is neither black nor white"),
        ({"rays": 1 << 30}, r"GiB; lower the fit's rays per step"),
    ],
)
def test_a_fit_that_cannot_be_is_refused_before_training(
    tmp_path: Path, changes: dict[str, Any], sentence: str
) -> None:
    scene = write_scene(tmp_path / "views", views=2, width=8, height=6)
    job = scene_fit_job(scene, TINY | changes, tmp_path / "kept")
    done = run_verb("nerf", "fit", tmp_path / "fit", job)
    assert done.returncode == 1
    assert re.search(sentence, done.stderr), done.stderr


def test_ndc_is_refused_for_views_that_surround_the_scene(tmp_path: Path) -> None:
    scene = write_scene(tmp_path / "views", views=2, width=8, height=6)
    turned = camera("back", 170.0, width=8, height=6, times=[0.0])
    scene.views[1] = turned | {"path": scene.views[1]["path"]}
    job = scene_fit_job(scene, TINY | {"space": "ndc"}, tmp_path / "kept")
    done = run_verb("nerf", "fit", tmp_path / "fit", job)
    assert done.returncode == 1
    assert "use a fit without NDC" in done.stderr


def test_a_killed_fit_of_two_instants_ends_in_the_same_bits(tmp_path: Path) -> None:
    scene = write_scene(tmp_path / "views", views=3, width=12, height=8, instants=2)
    few = TINY | {"steps": 8, "rays": 32}
    whole = scene_fit_job(scene, few, tmp_path / "whole") | ALONE
    assert run_verb("nerf", "fit", tmp_path / "a", whole).returncode == 0
    job = scene_fit_job(scene, few, tmp_path / "kept") | ALONE
    killed = run_verb("nerf", "fit", tmp_path / "b", job, kill_at=2)
    assert killed.returncode != 0
    assert run_verb("nerf", "fit", tmp_path / "b", job).returncode == 0
    for file in sorted((tmp_path / "a" / "model").iterdir()):
        assert file.read_bytes() == (tmp_path / "b" / "model" / file.name).read_bytes()


# a picture that is the mean colour everywhere reaches 11.6 dB on the held-out view
def test_a_short_fit_shows_the_held_out_view_of_the_analytic_scene(tmp_path: Path) -> None:
    scene = write_scene(tmp_path / "views")
    grey = np.broadcast_to(scene.pictures["h0"].mean(axis=(0, 1, 2)), scene.pictures["h0"].shape)
    job = scene_fit_job(scene, TINY, tmp_path / "kept") | ALONE
    assert run_verb("nerf", "fit", tmp_path / "fit", job).returncode == 0
    run = code_scene("nerf", tmp_path, scene, {"qp": -38, "biases_qp_offset": -8})
    reached = psnr(run.pictures["h0"], scene.pictures["h0"])
    assert reached > psnr(grey, scene.pictures["h0"]) + 3
    assert sum(run.notes["bytes"].values()) == len(run.bitstream)
    assert run.notes["parameters"] == 2 * (28 * 32 + 33 * 32 + 33 + 33 * 32 + 42 * 16 + 17 * 3)
