"""D-NeRF: the paper's counts, the deformation by hand, and whole round trips."""

import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from inrkit.layers import parameter_count
from inrkit.rays import Rays
from inrkit.scene_codec import SceneFormat
from inrkit.views import read_bounds
from proposal_runs import PROPOSALS, modules_of, parameter_names, run_verb
from scene_runs import BOUNDS, code_scene, psnr, run_scene, scene_fit_job, write_scene

TINY: dict[str, Any] = {
    "width": 32,
    "layers": 3,
    "skip": 0,
    "levels": 4,
    "view_levels": 1,
    "view_width": 16,
    "deformation_width": 16,
    "deformation_layers": 2,
    "deformation_skip": 0,
    "deformation_levels": 2,
    "time_levels": 1,
    "coarse": 8,
    "fine": 8,
    "density": "softplus",
    "rays": 256,
    "one_picture": False,
    "learning_rate": 1e-2,
    "final_rate": 0.1,
    "curriculum_steps": 6,
    "precision": "fp32",
    "background": "black",
    "steps": 12,
}
MODULES = ("structure", "model", "fit")


def scene_of(instants: int) -> SceneFormat:
    return SceneFormat("rgb24", "bt709", "full", instants, read_bounds(BOUNDS))


def mean_psnr(pictures: dict[str, Any]) -> float:
    """PSNR of the held-out view if the train views' mean colour were rendered everywhere."""
    mean = np.mean([picture.mean((0, 1, 2)) for name, picture in pictures.items() if name != "h0"])
    return psnr(np.broadcast_to(mean, pictures["h0"].shape), pictures["h0"])


def test_the_papers_networks_have_499_203_and_1_095_047_values() -> None:
    manifest = tomllib.loads((PROPOSALS / "d-nerf" / "codec.toml").read_text())
    shape = manifest["fits"]["*"]["budgets"]["paper"] | manifest["fits"]["paper"]
    with modules_of("d-nerf", "structure", "model") as (structure, model):
        built = model.DNerf(structure.Structure.of(shape), scene_of(4))
    assert parameter_count(built.deformation) == 499_203
    assert parameter_count(built) == 1_095_047


def test_every_fit_and_budget_gives_all_parameters() -> None:
    manifest = tomllib.loads((PROPOSALS / "d-nerf" / "codec.toml").read_text())
    assert parameter_names(manifest, "paper", "paper") == TINY.keys()
    for budget in ("seconds", "quick", "minute", "paper"):
        assert parameter_names(manifest, "s", budget) == TINY.keys()


def test_a_deformation_moves_points_as_calculated_by_hand_and_not_at_time_0() -> None:
    shape = TINY | {
        "deformation_width": 4,
        "deformation_layers": 1,
        "deformation_levels": 0,
        "time_levels": 0,
    }
    with modules_of("d-nerf", "structure", "model") as (structure, model):
        deformation = model.Deformation(structure.Structure.of(shape))
    with torch.no_grad():
        deformation.trunk.layers[0].weight.copy_(torch.eye(4))  # of (x, y, z, t)
        deformation.trunk.layers[0].bias.zero_()
        deformation.shift.weight.copy_(torch.tensor([[0, 0, 0, 2.0], [1, 0, 0, 0], [0, 1, 0, 0]]))
        deformation.shift.bias.copy_(torch.tensor([0.5, 0, 0]))
    points = torch.tensor([[(0.3, -0.2, 0.1)], [(0.3, -0.2, 0.1)]])
    moved = deformation(points, torch.tensor([0.5, 0.0])[:, None, None])
    # 2t + ½; x; y before ReLU is negative
    assert moved[0, 0].tolist() == pytest.approx([1.5, 0.3, 0.0])
    assert moved[1, 0].tolist() == [0, 0, 0]


def test_the_first_instant_is_the_canonical_scene_whatever_the_deformation() -> None:
    torch.manual_seed(0)
    rays = Rays(torch.tensor([(0.0, -4.0, 0.5)] * 2), torch.tensor([(0.0, 1.0, 0.0)] * 2))
    with modules_of("d-nerf", "structure", "model") as (structure, model):
        built = model.DNerf(structure.Structure.of(TINY), scene_of(4))
        times = torch.tensor([0.0, 2.0])
        with torch.no_grad():
            before = built(rays, times)
            built.deformation.shift.bias.add_(0.4)
            after = built(rays, times)
    assert torch.equal(before[0], after[0])
    assert not torch.equal(before[1], after[1])


# N = 100 pictures, curriculum of 10,000 steps: max(i / 100, 3), by the rule of the paper's code
@pytest.mark.parametrize(
    ("step", "pictures"), [(0, 3), (399, 3), (400, 4), (5_000, 50), (9_999, 99), (10_000, 100)]
)
def test_the_curriculum_lets_in_one_instant_after_another(step: int, pictures: int) -> None:
    with modules_of("d-nerf", *MODULES) as (_, _, fit):
        assert fit.seen_instants(step, instants=100, curriculum_steps=10_000) == pictures
        assert fit.seen_instants(step, instants=2, curriculum_steps=10_000) == 2


def test_a_fit_learns_a_moving_scene_and_renders_a_view_and_times_it_never_saw(
    tmp_path: Path,
) -> None:
    scene = write_scene(tmp_path / "raw", views=8, instants=3)
    run = run_scene("d-nerf", tmp_path, scene, TINY | {"steps": 150}, {"qp": -30})
    assert psnr(run.pictures["h0"], scene.pictures["h0"]) > mean_psnr(scene.pictures) + 3
    assert sum(run.notes["bytes"].values()) == len(run.bitstream)
    assert run.notes["bytes"]["deformation"] > 0
    between = [{**scene.held_out[0], "times": [0.5, 1.25]}]
    shown = code_scene("d-nerf", tmp_path, scene, {"qp": -12}, render=between)
    assert len(shown.bitstream) < len(run.bitstream)
    assert not np.array_equal(*shown.pictures["h0"])


def test_monocular_scenes_of_one_time_per_view_are_fitted_and_resumed_in_the_same_bits(
    tmp_path: Path,
) -> None:
    scene = write_scene(
        tmp_path / "raw", views=5, width=16, height=12, instants=5, is_monocular=True
    )
    parameters = TINY | {"one_picture": True}
    whole = scene_fit_job(scene, parameters, tmp_path / "a")
    done = run_verb("d-nerf", "fit", tmp_path / "fit", whole)
    assert done.returncode == 0, done.stderr
    again = scene_fit_job(scene, parameters, tmp_path / "b")
    assert run_verb("d-nerf", "fit", tmp_path / "killed", again, kill_at=5).returncode == -9
    resumed = run_verb("d-nerf", "fit", tmp_path / "killed", again)
    assert "resumed at step 5 of 12" in resumed.stderr
    models = [tmp_path / name / "model" / "tensors.npz" for name in ("fit", "killed")]
    assert models[0].read_bytes() == models[1].read_bytes()
    run = code_scene("d-nerf", tmp_path, scene, {"qp": -30})
    assert run.pictures["h0"].shape == (5, 12, 16, 3)
    assert run.pictures["t0"].shape == (1, 12, 16, 3)


@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv420p10le"])
def test_one_instant_of_a_yuv_scene_is_coded(tmp_path: Path, pixel_format: str) -> None:
    scene = write_scene(tmp_path / "raw", views=2, width=16, height=12, pixel_format=pixel_format)
    run = run_scene("d-nerf", tmp_path, scene, TINY | {"steps": 4}, {"qp": -30})
    assert run.pictures["h0"].shape == (1, 12, 16, 3)


def test_what_cannot_be_is_refused_in_a_sentence(tmp_path: Path) -> None:
    scene = write_scene(tmp_path / "raw", views=2, width=16, height=12, instants=2)
    cases = [
        ({"background": "learnt"}, "neither black nor white"),
        ({"precision": "fp8"}, "neither bf16 nor fp32"),
        ({"coarse": 2}, "coarse at least 3"),
        ({"deformation_skip": 2}, "must lie below deformation_layers"),
        ({"density": "elu"}, "none of relu, softplus"),
        ({"rays": 1 << 40}, "GiB"),
    ]
    for index, (changed, words) in enumerate(cases):
        job = scene_fit_job(scene, TINY | changed, tmp_path / "kept")
        done = run_verb("d-nerf", "fit", tmp_path / str(index), job)
        assert done.returncode == 1 and words in done.stderr, done.stderr
