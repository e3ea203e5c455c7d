"""Plenoxels: equations by hand, pruning and refining, and round trips on the analytic scene."""

import dataclasses
import math
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from inrkit import nnc
from inrkit.bitstream import pack, unpack
from inrkit.rays import Rays
from inrkit.scene_codec import SceneFormat
from inrkit.views import read_bounds
from proposal_runs import PROPOSALS, modules_of, parameter_names, run_verb
from scene_runs import BOUNDS, code_scene, psnr, run_scene, scene_fit_job, write_scene

TINY: dict[str, Any] = {
    "bands": 2,
    "step_ratio": 1.0,
    "resolutions": [10, 18, 18],
    "begin_at": [0.0, 0.4, 0.8],
    "prune_rays": 2000,
    "prune_weight": 0.02,
    "most_voxels": 100_000,
    "grow": 1,
    "optimiser": "adam",
    "decay": 0.99,
    "density_rate": 0.7,
    "colour_rate": 5e-2,
    "lobe_rate": 2e-2,
    "final_rate": 0.2,
    "warm_up_steps": 0,
    "start_density": 0.3,
    "density_tv": 1e-4,
    "colour_tv": 1e-3,
    "tv_share": 0.2,
    "tv_until": 3,
    "lobes_from": 1,
    "sparsity": 1e-6,
    "background": "black",
    "random_background": False,
    "warm_start": True,
    "most_rays": 512,
    "batch_samples": 8192,
    "steps": 40,
}
MANIFEST = tomllib.loads((PROPOSALS / "plenoxels" / "codec.toml").read_text())


def scene_format() -> SceneFormat:
    return SceneFormat("rgb24", "bt709", "full", 1, read_bounds(BOUNDS))


def cube_format() -> SceneFormat:
    box = [[-1.0, -1.0, -1.0], [1.0, 1.0, 1.0]]
    return dataclasses.replace(
        scene_format(), bounds=read_bounds({"near": 0.5, "far": 6, "box": box})
    )


def test_a_voxel_of_the_paper_holds_28_values_and_its_grids_512_cubed_points() -> None:
    fits = MANIFEST["fits"]
    paper = fits["*"] | fits["*"]["budgets"]["paper"] | fits["paper"]
    with modules_of("plenoxels", "structure", "fit") as (structure, fitting):
        shape = structure.Structure(
            size_x=512, size_y=512, size_z=512, voxels=7, bands=paper["bands"], step_ratio=0.5
        )
        sizes = [fitting.cubic_sizes(cube_format().bounds, r) for r in paper["resolutions"]]
    held = [math.prod(s) for name, s in shape.layout(1).items() if name != "mask"]
    assert sum(held) == 28 * 7
    assert sizes[0] == (256, 256, 256) and sizes[-1] == (512, 512, 512)
    assert (paper["steps"], paper["optimiser"], paper["decay"]) == (128_000, "rmsprop", 0.95)
    assert (paper["most_voxels"], paper["step_ratio"]) == (44_000_000, 0.5)


def test_every_fit_and_budget_gives_all_parameters() -> None:
    for fit, budgets in {"s": ("seconds", "quick", "minute"), "paper": ("paper",)}.items():
        for budget in budgets:
            assert parameter_names(MANIFEST, fit, budget) == TINY.keys()


@torch.no_grad()
def test_density_and_colour_are_read_linearly_and_absent_points_are_0() -> None:
    kept = torch.ones(3, 3, 3, dtype=torch.bool)
    kept[2] = False
    with modules_of("plenoxels", "model") as (model,):
        field = model.VoxelField(kept, bands=2, step_ratio=0.5, scene=cube_format())
    assert (len(field.densities), field.lobes.shape) == (18, (18, 9))
    field.densities.fill_(8.0)
    field.colours.fill_(0.5)
    field.lobes.zero_()
    field.lobes[:, 3:6] = 0.25  # of the harmonic along z
    rows, weights = field.places(torch.tensor([[0.5, 0.5, 0.5], [0.875, 0.5, 0.5]]))
    assert weights.sum(dim=1).tolist() == pytest.approx([1.0, 0.25])
    # Y00 = 0.2820948 and Y10 = 0.4886025·z; half a unit is added
    up = torch.tensor([[0.0, 0.0, 1.0]])
    harmonics = torch.tensor([[0.2820948, 0.0, 0.4886025, 0.0]])
    seen = field.colours_at(rows[:1], weights[:1], harmonics)[0].tolist()
    assert seen == pytest.approx([0.5 + 0.5 * 0.2820948 + 0.25 * 0.4886025] * 3, rel=1e-6)
    # through x = −½: 4 steps of half a unit, every one with σ = 8
    rays = Rays(torch.tensor([[-0.5, 0.01, -3.0]]), up)
    rendered = field.shade(rays).rendered
    assert field.scaled_step == pytest.approx(0.5)
    assert float(rendered.opacity) == pytest.approx(1 - math.exp(-4 * 0.5 * 8), rel=1e-6)
    assert rendered.colour[0].tolist() == pytest.approx(seen, rel=1e-5)
    # cells whose points are all absent are not looked at
    wide = torch.zeros(4, 4, 4, dtype=torch.bool)
    wide[0] = True
    with modules_of("plenoxels", "model") as (model,):
        sparse = model.VoxelField(wide, bands=1, step_ratio=1.0, scene=cube_format())
    assert sparse.cells(torch.tensor([[0.3, 0.5, 0.5], [0.4, 0.5, 0.5]])).tolist() == [True, False]


def test_total_variation_is_the_mean_length_of_differences_to_the_next_points() -> None:
    kept = torch.ones(2, 2, 2, dtype=torch.bool)
    with modules_of("plenoxels", "model") as (model,):
        field = model.VoxelField(kept, bands=1, step_ratio=1.0, scene=cube_format())
    with torch.no_grad():
        field.densities[:, 0] = torch.tensor([0.0, 3, 4, 0, 0, 0, 0, 0])
        field.colours[:, 1] = 1.0
    density, colour = field.variation(1.0, torch.Generator().manual_seed(0))
    # first point: √(0² + 4² + 3²); second: to (1,0,1) and (0,1,1); third: to (1,1,0) and (0,1,1)
    expected = (5 + math.hypot(3, 3) + math.hypot(4, 4) + 0) / 8
    assert float(density.detach()) == pytest.approx(expected, abs=1e-3)
    assert float(colour.detach()) == pytest.approx(0, abs=2e-4)


def test_refining_keeps_what_is_read_and_drops_what_no_ray_sees() -> None:
    with modules_of("plenoxels", "fit") as (fitting,):
        held = {name: TINY[name] for name in fitting.Parameters.__dataclass_fields__}
        lists = {name: tuple(held[name]) for name in ("resolutions", "begin_at")}
        parameters = fitting.Parameters(**held | lists)
        coarse = fitting.Trained(torch.ones(3, 3, 3, dtype=torch.bool), parameters, cube_format())
        with torch.no_grad():
            coarse.densities.copy_(torch.arange(27.0)[:, None])
        kept = torch.zeros(3, 3, 3, dtype=torch.bool)
        kept[0] = True
        fine = fitting.refined(coarse, kept, (5, 5, 5), parameters)
        same = fitting.refined(coarse, kept, (3, 3, 3), parameters)
        most = torch.zeros(3, 3, 3)
        with pytest.raises(Exception, match="no voxel of the 3x3x3 grid is seen"):
            fitting.seen_points(most, least=0.1, voxels=9)
        most[0, 0] = torch.tensor([0.2, 0.3, 0.4])
        assert int(fitting.seen_points(most, least=0.1, voxels=2).sum()) <= 2
    assert fine.kept[:2].all() and not fine.kept[2:].any()
    # row 1 lies half-way between rows 0 and 1 of the coarse grid: (0 + 9)/2 at its first point
    assert fine.densities[:, 0].view(2, 5, 5)[:, 0, 0].tolist() == pytest.approx([0.0, 4.5])
    assert torch.equal(same.kept, kept)
    assert same.densities[:, 0].tolist() == list(range(9))


def test_structure_and_mask_survive_the_bitstream_and_a_mask_that_lies_is_refused() -> None:
    with modules_of("plenoxels", "structure", "decode") as (structure, decode):
        shape = structure.Structure(size_x=3, size_y=4, size_z=2, voxels=5, bands=1, step_ratio=0.5)
        mask = np.zeros((3, 8), np.int32)
        mask[1, :5] = 1
        values = {
            "mask": mask,
            "densities": np.arange(5, dtype=np.float32)[:, None],
            "colours": np.ones((5, 3), np.float32),
        }
        header = scene_format().to_header() | shape.to_header()
        payload = nnc.encode_tensors(values, qp=-20)
        data = pack("plenoxels", header, [payload], schema=structure.SCHEMA)
        read, _ = unpack(data, "plenoxels", schema=structure.SCHEMA, sections=1)
        assert structure.Structure.of(read) == shape
        _, (field,) = decode.read_fields(data)
        assert field.kept.numpy().reshape(3, 8).tolist() == (mask == 1).tolist()
        assert field.densities[:, 0].tolist() == pytest.approx([0, 1, 2, 3, 4], abs=0.02)
        mask[2, 7] = 1
        payload = nnc.encode_tensors(values, qp=-20)
        with pytest.raises(Exception, match="keeps 6 voxels and values follow for 5"):
            decode.read_fields(pack("plenoxels", header, [payload], schema=structure.SCHEMA))


def test_a_fit_learns_the_scene_and_its_bitstream_renders_a_view_it_never_saw(
    tmp_path: Path,
) -> None:
    scene = write_scene(tmp_path / "raw", views=8)
    point = {"qp": -48, "density_qp_offset": 36, "colour_qp_offset": 12, "lobes_qp_offset": 16}
    run = run_scene("plenoxels", tmp_path, scene, TINY | {"steps": 150}, point)
    mean = np.stack([picture for name, picture in scene.pictures.items() if name != "h0"])
    floor = psnr(np.broadcast_to(mean.mean((0, 1, 2, 3)), (1, 24, 32, 3)), scene.pictures["h0"])
    assert psnr(run.pictures["h0"], scene.pictures["h0"]) > floor + 4
    shares = run.notes["bytes"]
    assert sum(shares.values()) == len(run.bitstream)
    assert min(shares[name] for name in ("mask", "density", "colour", "lobes")) > 0
    coarse = code_scene("plenoxels", tmp_path, scene, point | {"qp": -28})
    assert len(coarse.bitstream) < len(run.bitstream)
    plain = code_scene("plenoxels", tmp_path, scene, {"qp": "none"})
    assert len(plain.bitstream) > 4 * 13 * 1000


def test_a_fit_killed_in_a_later_stage_ends_in_the_same_bits(tmp_path: Path) -> None:
    scene = write_scene(tmp_path / "raw", views=3, width=16, height=12, instants=2)
    parameters = TINY | {"steps": 60, "begin_at": [0.0, 0.2, 0.8]}
    alone = {"threads": 1}  # two of them wait for each other on a busy machine
    job = scene_fit_job(scene, parameters, tmp_path / "a") | alone
    whole = run_verb("plenoxels", "fit", tmp_path / "fit", job)
    assert whole.returncode == 0, whole.stderr
    again = scene_fit_job(scene, parameters, tmp_path / "b") | alone
    for _ in range(2):  # after the pruning, and in the second instant
        killed = run_verb("plenoxels", "fit", tmp_path / "killed", again, kill_at=8)
        assert killed.returncode == -9, killed.stderr
    resumed = run_verb("plenoxels", "fit", tmp_path / "killed", again)
    assert "resumed at step 8 of 24" in resumed.stderr
    models = [tmp_path / name / "model" / "tensors.npz" for name in ("fit", "killed")]
    assert models[0].read_bytes() == models[1].read_bytes()
    run = code_scene("plenoxels", tmp_path, scene, {"qp": -40})
    assert run.pictures["h0"].shape == (2, 12, 16, 3)


def test_what_cannot_be_is_refused_in_a_sentence(tmp_path: Path) -> None:
    scene = write_scene(tmp_path / "raw", views=2, width=16, height=12)
    cases = [
        ({"background": "learnt"}, "neither black nor white"),
        ({"optimiser": "sgd"}, "use adam or rmsprop"),
        ({"begin_at": [0.0, 0.5, 0.4]}, "give one ascending share below 1 for each"),
        ({"resolutions": [10, 18, 4000], "most_voxels": 1 << 28}, "GiB"),
        ({"tv": 1}, "the fit's parameter tv is unknown"),
    ]
    for index, (changed, words) in enumerate(cases):
        job = scene_fit_job(scene, TINY | changed, tmp_path / "kept")
        done = run_verb("plenoxels", "fit", tmp_path / str(index), job)
        assert done.returncode == 1 and words in done.stderr, done.stderr
