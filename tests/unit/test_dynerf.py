"""DyNeRF: the paper's size, codes and importance by hand, and whole round trips."""

import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from inrkit.layers import parameter_count
from inrkit.scene import TrainViews
from inrkit.scene_codec import SceneFormat
from inrkit.views import read_bounds, read_views
from proposal_runs import PROPOSALS, modules_of, parameter_names, run_verb
from scene_runs import BOUNDS, camera, code_scene, psnr, run_scene, scene_fit_job, write_scene

TINY: dict[str, Any] = {
    "width": 32,
    "layers": 3,
    "skip": 0,
    "levels": 4,
    "view_levels": 1,
    "view_width": 16,
    "latent": 4,
    "networks": 1,
    "coarse": 8,
    "fine": 8,
    "density": "softplus",
    "spacing": 2,
    "key_steps": 6,
    "global_steps": 5,
    "temporal_steps": 4,
    "rays": 256,
    "importance": True,
    "learning_rate": 1e-2,
    "late_rate": 1e-2,
    "final_rate": 0.3,
    "latent_rate": 3.0,
    "precision": "fp32",
    "background": "black",
}


def scene_of(instants: int) -> SceneFormat:
    return SceneFormat("rgb24", "bt709", "full", instants, read_bounds(BOUNDS))


def one_view(frames: list[list[tuple[int, int, int]]]) -> TrainViews:
    """A view of 2×1 pixels from its RGB per frame, 0 … 100."""
    times = [float(time) for time in range(len(frames))]
    view = camera("t0", 0.0, width=2, height=1, times=times)
    return TrainViews(
        torch.tensor(frames, dtype=torch.uint8).view(-1, 3),
        peak=100,
        views=read_views([view]),
        bounds=read_bounds(BOUNDS),
        instants=len(frames),
        device=torch.device("cpu"),
    )


def test_the_papers_model_of_300_instants_has_its_28_megabytes() -> None:
    manifest = tomllib.loads((PROPOSALS / "dynerf" / "codec.toml").read_text())
    shape = manifest["fits"]["*"]["budgets"]["paper"] | manifest["fits"]["paper"]
    with modules_of("dynerf", "structure", "model") as (structure, model):
        built = model.DyNerf(structure.Structure.of(shape), scene_of(300))
    # layers of 512: first 1087 inputs (63 + 1024), sixth 1087 more, six others; σ; features; view
    # 512 + 27 → 256; colour
    network = (
        (1087 * 512 + 512)
        + (1599 * 512 + 512)
        + 6 * (512 * 512 + 512)
        + 513
        + (512 * 512 + 512)
        + (539 * 256 + 256)
        + (256 * 3 + 3)
    )
    assert parameter_count(built.field) == network == 3_354_372
    assert parameter_count(built) == 2 * network + 300 * 1024 == 7_015_944
    # "a model size of only 28MB", abstract
    assert round(4 * parameter_count(built) / 1e6) == 28


def test_every_fit_and_budget_gives_all_parameters() -> None:
    manifest = tomllib.loads((PROPOSALS / "dynerf" / "codec.toml").read_text())
    assert parameter_names(manifest, "paper", "paper") == TINY.keys()
    for budget in ("seconds", "quick", "minute", "paper"):
        assert parameter_names(manifest, "s", budget) == TINY.keys()


def test_codes_between_key_frames_lie_on_lines_and_stay_when_the_model_grows() -> None:
    with modules_of("dynerf", "structure", "model", "fit") as (structure, model, fit):
        shape = structure.Structure.of(TINY | {"latent": 2})
        coarse = model.DyNerf(shape, scene_of(6), spacing=4)
        with torch.no_grad():  # instants 0, 4 and the last, 5
            coarse.latents.copy_(torch.tensor([(0.0, 8.0), (4.0, 0.0), (6.0, 0.0)]))
        codes = coarse.latents_at(torch.tensor([0.0, 1.0, 3.5, 4.0, 4.5, 5.0]))
        expected = [[0, 8], [1, 6], [3.5, 1], [4, 0], [5, 0], [6, 0]]
        assert codes.tolist() == expected
        fine = fit.grown(shape, scene_of(6), coarse)
    assert fine.latents.tolist() == [[0, 8], [1, 6], [2, 4], [3, 2], [4, 0], [6, 0]]
    assert torch.equal(fine.field.view.weight, coarse.field.view.weight)


def test_importance_by_the_median_is_what_the_equation_gives() -> None:
    # the second pixel's red departs by 0.02 from its median once: ⅓·0.02² / (0.02² + 0.02²)
    views = one_view([[(10, 20, 30), (50, 50, 50)]] * 4 + [[(10, 20, 30), (52, 50, 50)]])
    with modules_of("dynerf", "importance") as (importance,):
        found = importance.median_importance(views, gamma=0.02).view(5, 2)
    assert found[:, 0].tolist() == pytest.approx([0.1] * 5)
    assert found[:, 1].tolist() == pytest.approx([0.1] * 4 + [1 / 6], abs=1e-5)


def test_importance_by_change_is_the_largest_to_any_near_frame_of_the_view() -> None:
    first = (10, 20, 30)
    views = one_view([[first, (0, 0, 0)], [first, (0, 0, 60)], [first, (0, 0, 90)]])
    with modules_of("dynerf", "importance") as (importance,):
        near = importance.temporal_importance(views, reach=1).view(3, 2)
        far = importance.temporal_importance(views).view(3, 2)
    assert near[:, 0].tolist() == pytest.approx([0.1] * 3)
    assert near[:, 1].tolist() == pytest.approx([0.2, 0.2, 0.1])
    assert far[:, 1].tolist() == pytest.approx([0.3, 0.2, 0.3])


def test_a_fit_learns_a_moving_scene_and_renders_a_view_it_never_saw(tmp_path: Path) -> None:
    scene = write_scene(tmp_path / "raw", views=8, instants=3)
    parameters = TINY | {"key_steps": 100, "global_steps": 30, "temporal_steps": 20}
    run = run_scene("dynerf", tmp_path, scene, parameters, {"qp": -30})
    pictures = scene.pictures
    mean = np.mean([picture.mean((0, 1, 2)) for name, picture in pictures.items() if name != "h0"])
    floor = psnr(np.broadcast_to(mean, pictures["h0"].shape), pictures["h0"])
    assert psnr(run.pictures["h0"], pictures["h0"]) > floor + 3
    assert sum(run.notes["bytes"].values()) == len(run.bitstream)
    assert run.notes["bytes"]["latents"] > 0
    between = [{**scene.held_out[0], "times": [0.5, 1.25]}]
    shown = code_scene("dynerf", tmp_path, scene, {"qp": -12}, render=between)
    assert len(shown.bitstream) < len(run.bitstream)
    beyond = [{**scene.held_out[0], "times": [3.0]}]
    with pytest.raises(AssertionError, match="lies outside the 3 instants"):
        code_scene("dynerf", tmp_path, scene, {"qp": -12}, render=beyond)


@pytest.mark.parametrize("is_monocular", [False, True])
def test_a_fit_killed_in_every_stage_ends_in_the_same_bits(
    tmp_path: Path, is_monocular: bool
) -> None:
    scene = write_scene(
        tmp_path / "raw", views=4, width=16, height=12, instants=4, is_monocular=is_monocular
    )
    parameters = TINY | {"networks": 1 + is_monocular}
    done = run_verb(
        "dynerf", "fit", tmp_path / "fit", scene_fit_job(scene, parameters, tmp_path / "a")
    )
    assert done.returncode == 0, done.stderr
    again = scene_fit_job(scene, parameters, tmp_path / "b")
    for _ in range(3):  # once in each stage
        killed = run_verb("dynerf", "fit", tmp_path / "killed", again, kill_at=3)
        assert killed.returncode == -9, killed.stderr
    resumed = run_verb("dynerf", "fit", tmp_path / "killed", again)
    assert "resumed at step 3 of 4" in resumed.stderr
    models = [tmp_path / name / "model" / "tensors.npz" for name in ("fit", "killed")]
    assert models[0].read_bytes() == models[1].read_bytes()
    with np.load(models[0]) as held:
        assert held["latents"].shape == (4, 4)
        assert ("coarse_field.view.weight" in held.files) == is_monocular
    run = code_scene("dynerf", tmp_path, scene, {"qp": -30})
    assert run.pictures["h0"].shape == (4, 12, 16, 3)


@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv420p10le"])
def test_one_instant_of_a_yuv_scene_is_coded(tmp_path: Path, pixel_format: str) -> None:
    scene = write_scene(tmp_path / "raw", views=2, width=16, height=12, pixel_format=pixel_format)
    run = run_scene("dynerf", tmp_path, scene, TINY, {"qp": -30})
    assert run.pictures["h0"].shape == (1, 12, 16, 3)


def test_what_cannot_be_is_refused_in_a_sentence(tmp_path: Path) -> None:
    scene = write_scene(tmp_path / "raw", views=2, width=16, height=12, instants=2)
    cases = [
        ({"background": "learnt"}, "neither black nor white"),
        ({"precision": "fp8"}, "neither bf16 nor fp32"),
        ({"networks": 3}, "give 1, or 2 for coarse and fine"),
        ({"spacing": 0}, "key frames are at least 1 apart"),
        ({"density": "elu"}, "none of relu, softplus"),
        ({"rays": 1 << 40}, "GiB"),
    ]
    for index, (changed, words) in enumerate(cases):
        job = scene_fit_job(scene, TINY | changed, tmp_path / "kept")
        done = run_verb("dynerf", "fit", tmp_path / str(index), job)
        assert done.returncode == 1 and words in done.stderr, done.stderr
