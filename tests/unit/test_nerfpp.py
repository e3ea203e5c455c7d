"""NeRF++: the paper's parameter counts, both sides of the sphere by hand, a whole round trip."""

import math
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from inrkit.bitstream import pack, unpack
from inrkit.errors import CodecError
from inrkit.layers import parameter_count
from inrkit.rays import Rays, UnitSphere
from inrkit.scene_codec import SceneFormat
from inrkit.views import Bounds
from proposal_runs import PROPOSALS, modules_of, parameter_names, run_verb
from scene_runs import code_scene, look_at, psnr, scene_fit_job, without_path, write_scene

MANIFEST = tomllib.loads((PROPOSALS / "nerfpp" / "codec.toml").read_text())
ALONE = {"threads": 1}
SHAPE: dict[str, Any] = {
    "width": 32,
    "layers": 2,
    "skip": 0,
    "levels": 4,
    "view_levels": 1,
    "view_width": 16,
    "coarse": 10,
    "fine": 10,
    "far_coarse": 3,
    "far_fine": 2,
}
TINY: dict[str, Any] = {
    **SHAPE,
    "rays": 128,
    "steps": 150,
    "learning_rate": 1e-2,
    "final_rate": 0.2,
    "warm_up": 0.0,
    "precision": "fp32",
    "warm_start": True,
}
SPHERE = UnitSphere(centre=(0.0, 0.0, 1.0), radius=4.0)
BOUNDS = Bounds(near=2.0, far=9.0, box=((-1.0, -1.0, 0.0), (1.0, 1.0, 2.0)))
SCENE = SceneFormat("rgb24", "bt709", "full", 1, BOUNDS)
# starts 3/4 of the radius from the centre and passes through it: it leaves the sphere after 7/4
AXIS = Rays(torch.tensor([[-3.0, 0.0, 1.0]]), torch.tensor([[1.0, 0.0, 0.0]]))


# Zhang et al. 2020: 595,844 values of a foreground network, 606,596 of a background, two of each
def test_the_papers_fit_has_four_networks_of_the_papers_size() -> None:
    with modules_of("nerfpp", "structure", "model") as (structure, model):
        shape = structure.Structure.of(MANIFEST["fits"]["paper"], SPHERE)
        field = model.NerfppField(shape, SCENE)
        assert parameter_count(field) == 2_404_880
        assert parameter_count(field.cascades[0].foreground) == 595_844
        assert parameter_count(field.cascades[1].background) == 606_596


def test_every_budget_of_every_fit_gives_the_fits_parameters() -> None:
    with modules_of("nerfpp", "fit") as (fit,):
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


# near is 2 scene units, half a radius: fog fills ½ … 7/4 of the ray. The first of n samples lies
# half a part behind the entrance, and what lies before it is not counted, so that light passes
# 5/4·(1 − 1/2n). σ = |linear|, hence a negative one counts. The background's last sample stops all.
@torch.no_grad()
def test_the_background_shows_through_the_foregrounds_fog() -> None:
    with modules_of("nerfpp", "structure", "model") as (structure, model):
        field = model.NerfppField(structure.Structure.of(SHAPE, SPHERE), SCENE)
        set_constant(field.cascades[0].foreground, density=-0.8, grey=0.2)
        set_constant(field.cascades[0].background, density=0.3, grey=0.9)
        coarse, _ = field.shade(AXIS)
    passed = math.exp(-0.8 * 1.25 * (1 - 1 / 20))
    expected = 0.2 * (1 - passed) + 0.9 * passed
    assert coarse.colour[0].tolist() == pytest.approx([expected] * 3, abs=1e-5)
    # three background samples, at 1 − 1/r = 1/6, 1/2 and 5/6
    first = 1 - math.exp(-0.1)
    assert coarse.far[0].tolist() == pytest.approx(
        [first, (1 - first) * first, (1 - first) ** 2], abs=1e-5
    )


# on the axis the direction from the centre is (1, 0, 0) everywhere, and 1/r = 1 − depth
@torch.no_grad()
def test_the_background_network_is_asked_for_directions_and_inverse_radii() -> None:
    asked = []
    with modules_of("nerfpp", "structure", "model") as (structure, model):
        field = model.NerfppField(structure.Structure.of(SHAPE, SPHERE), SCENE)
        field.cascades[0].background.register_forward_hook(lambda _, given, __: asked.append(given))
        field.shade(AXIS)
    points = asked[0][0]
    expected = np.array([[1, 0, 0, 5 / 6], [1, 0, 0, 1 / 2], [1, 0, 0, 1 / 6]])
    assert points[0].numpy() == pytest.approx(expected, abs=1e-6)


def test_a_structure_comes_back_from_the_bitstreams_header() -> None:
    with modules_of("nerfpp", "structure") as (structure,):
        shape = structure.Structure.of(SHAPE, SPHERE)
        fields = SCENE.to_header() | shape.to_header()
        data = pack("nerfpp", fields, [b""], schema=structure.SCHEMA)
        header, _ = unpack(data, "nerfpp", schema=structure.SCHEMA)
        assert structure.Structure.from_header(header) == shape
        assert SceneFormat.from_header(header) == SCENE


def test_too_few_samples_are_refused_in_a_sentence() -> None:
    with (
        modules_of("nerfpp", "structure") as (structure,),
        pytest.raises(CodecError, match="at least 3 coarse ones"),
    ):
        structure.Structure.of(SHAPE | {"far_coarse": 2}, SPHERE)


def test_a_fit_that_memory_cannot_hold_is_refused_before_training(tmp_path: Path) -> None:
    scene = write_scene(tmp_path / "views", views=2, width=8, height=6)
    job = scene_fit_job(scene, TINY | {"rays": 1 << 30}, tmp_path / "kept")
    done = run_verb("nerfpp", "fit", tmp_path / "fit", job)
    assert done.returncode == 1
    assert "GiB; lower the fit's rays per step" in done.stderr


def test_a_killed_fit_of_two_instants_ends_in_the_same_bits(tmp_path: Path) -> None:
    scene = write_scene(tmp_path / "views", views=3, width=12, height=8, instants=2)
    few = TINY | {"steps": 8, "rays": 32}
    whole = scene_fit_job(scene, few, tmp_path / "whole") | ALONE
    assert run_verb("nerfpp", "fit", tmp_path / "a", whole).returncode == 0
    job = scene_fit_job(scene, few, tmp_path / "kept") | ALONE
    killed = run_verb("nerfpp", "fit", tmp_path / "b", job, kill_at=2)
    assert killed.returncode != 0
    assert run_verb("nerfpp", "fit", tmp_path / "b", job).returncode == 0
    for file in sorted((tmp_path / "a" / "model").iterdir()):
        assert file.read_bytes() == (tmp_path / "b" / "model" / file.name).read_bytes()


# a picture that is the mean colour everywhere reaches 11.6 dB on the held-out view; a camera
# outside the sphere that all train cameras lie in cannot be served
def test_a_short_fit_shows_the_held_out_view_but_none_from_outside(tmp_path: Path) -> None:
    scene = write_scene(tmp_path / "views")
    grey = np.broadcast_to(scene.pictures["h0"].mean(axis=(0, 1, 2)), scene.pictures["h0"].shape)
    job = scene_fit_job(scene, TINY, tmp_path / "kept") | ALONE
    assert run_verb("nerfpp", "fit", tmp_path / "fit", job).returncode == 0
    run = code_scene("nerfpp", tmp_path, scene, {"qp": -38, "biases_qp_offset": -8})
    reached = psnr(run.pictures["h0"], scene.pictures["h0"])
    assert reached > psnr(grey, scene.pictures["h0"]) + 2
    assert sum(run.notes["bytes"].values()) == len(run.bitstream)
    far = without_path(scene.views[0]) | {"camera_to_world": look_at((0.0, -9.0, 1.6))}
    fields = {
        "bitstream": str(tmp_path / "encode" / "bitstream.bin"),
        "output": str(tmp_path / "rendered"),
        "render": [far],
    }
    done = run_verb("nerfpp", "decode", tmp_path / "outside", fields)
    assert done.returncode == 1
    assert "lies outside the sphere" in done.stderr
