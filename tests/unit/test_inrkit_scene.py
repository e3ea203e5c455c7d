"""The scene toolbox: rays, samples, compositing, grids, against hand calculation and numpy."""

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from inrkit import bitstream, memory
from inrkit.compositing import composite, distortion, sample_lengths, sample_weights
from inrkit.encodings import positional_encoding, spherical_harmonics
from inrkit.errors import CodecError
from inrkit.grids import DenseGrid, HashGrid, interpolate, level_sizes, resized, total_variation
from inrkit.job import DecodeJob, FitJob, read_job
from inrkit.occupancy import OccupancyGrid
from inrkit.rays import (
    NDC_SCHEMA,
    NdcFrame,
    Rays,
    UnitSphere,
    box_distances,
    box_tensor,
    inverted_sphere_points,
    sphere_exit,
    view_rays,
)
from inrkit.sampling import inverse_cdf, march, stratified, with_fine
from inrkit.scene import RayBatches, open_scene, require_one_size
from inrkit.scene_codec import SCENE_SCHEMA, SceneFormat
from inrkit.scene_decode import render_views
from inrkit.views import Bounds, View, read_bounds, read_views
from scene_runs import BOUNDS, AnalyticScene, look_at, scene_fit_job, write_scene

CPU = torch.device("cpu")


def view(**changed: Any) -> View:
    fields = {
        "id": "a",
        "path": None,
        "width": 6,
        "height": 4,
        "fx": 5.0,
        "fy": 4.0,
        "cx": 3.0,
        "cy": 2.0,
        "camera_to_world": tuple(tuple(row) for row in look_at((0.0, -4.0, 1.0))),
        "times": (0.0,),
    }
    return View(**(fields | changed))


def read_fit(scene: AnalyticScene, folder: Path) -> FitJob:
    fields = scene_fit_job(scene, {}, folder / "kept")
    whole = {"schema": 1, "verb": "fit", "device": "cpu", "threads": 1, **fields}
    (folder / "job.json").write_text(json.dumps(whole))
    job = read_job(folder / "job.json")
    assert isinstance(job, FitJob)
    return job


def test_a_pixels_ray_is_what_the_pinhole_formula_gives_by_hand() -> None:
    # x right is world x, y down is world −z, z forward is world y
    pose = ((1.0, 0.0, 0.0, 7.0), (0.0, 0.0, 1.0, 8.0), (0.0, -1.0, 0.0, 9.0))
    rays = view_rays(view(camera_to_world=pose), CPU)
    assert len(rays) == 24
    # column 4, row 3: ((4.5 − 3)/5, (3.5 − 2)/4, 1) = (0.3, 0.375, 1) → world (0.3, 1, −0.375)
    length = math.sqrt(0.3**2 + 1 + 0.375**2)
    expected = [0.3 / length, 1 / length, -0.375 / length]
    assert rays.directions[3 * 6 + 4].tolist() == pytest.approx(expected, abs=1e-6)
    assert rays.origins[0].tolist() == [7.0, 8.0, 9.0]


def test_the_slabs_of_a_box_give_the_distances_found_by_hand() -> None:
    rays = Rays(
        torch.tensor([[-3.0, 0.5, 0.5], [0.5, 0.5, 0.5], [-3.0, 5.0, 0.5]]),
        torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.6, 0.8], [1.0, 0.0, 0.0]]),
    )
    box = torch.tensor([[0.0, 0.0, 0.0], [1.0, 1.0, 1.0]])
    enter, leave = box_distances(rays, box, near=0.1, far=3.5)
    assert enter[:2].tolist() == pytest.approx([3.0, 0.1])
    assert leave[:2].tolist() == pytest.approx([3.5, 0.625])  # far cuts the first; 0.5/0.8
    assert enter[2] == leave[2]


def test_normalised_device_coordinates_keep_points_on_their_rays() -> None:
    views = [
        view(id=name, camera_to_world=tuple(map(tuple, look_at((x, -4.0, 0.5)))))
        for name, x in (("a", -0.3), ("b", 0.3))
    ]
    frame = NdcFrame.of(views)
    near = 1.0
    rays = view_rays(views[0], CPU)
    warped = frame.warp(rays, near=near)
    pose = np.array(frame.pose)
    for distance in (2.0, 5.0, 40.0):
        points = (rays.origins + distance * rays.directions).numpy()
        x, y, z = ((points - pose[:, 3]) @ pose[:, :3]).T
        projected = np.stack(
            [frame.scale[0] * x / z, frame.scale[1] * y / z, 1 - 2 * near / z], axis=-1
        )
        # NeRF, appendix C: t' = 1 − o_z/(o_z + t·d_z) with o on the near plane
        share = torch.from_numpy(1 - near / z).float()
        on_ray = warped.origins + share[:, None] * warped.directions
        assert np.allclose(on_ray.numpy(), projected, atol=1e-4)
    assert torch.allclose(warped.origins[:, 2], torch.full((24,), -1.0), atol=1e-5)
    header = bitstream.pack("t", frame.to_header(), [], schema=NDC_SCHEMA)
    read, _ = bitstream.unpack(header, "t", schema=NDC_SCHEMA)
    assert NdcFrame.from_header(read) == frame


def test_ndc_refuses_scenes_that_surround_and_cameras_that_look_away() -> None:
    around = [
        view(
            id=f"v{angle}",
            camera_to_world=tuple(
                map(tuple, look_at((4 * math.sin(angle), 4 * math.cos(angle), 0.5)))
            ),
        )
        for angle in range(6)
    ]
    with pytest.raises(CodecError, match=r"look in all directions.*use a fit without NDC"):
        NdcFrame.of(around)
    forward = [view(id=f"f{i}") for i in range(5)]
    away = view(id="z", camera_to_world=tuple(map(tuple, look_at((-4.0, 0.0, 0.3)))))
    with pytest.raises(CodecError, match="view z looks away"):
        NdcFrame.of([*forward, away])


def test_inverted_sphere_points_equal_the_papers_rotation_of_the_exit_point() -> None:
    generator = np.random.default_rng(1)
    origins = generator.uniform(-0.4, 0.4, (50, 3))
    directions = generator.normal(size=(50, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    rays = Rays(torch.from_numpy(origins), torch.from_numpy(directions))
    inverse = torch.from_numpy(generator.uniform(0.05, 1, (50, 7)))
    ours = inverted_sphere_points(rays, inverse).numpy()
    exits = origins + sphere_exit(rays).numpy()[:, None] * directions
    assert np.allclose(np.linalg.norm(exits, axis=1), 1)
    for ray in range(50):
        middle = origins[ray] - (origins[ray] @ directions[ray]) * directions[ray]
        axis = np.cross(middle, exits[ray])
        axis /= np.linalg.norm(axis)
        size = np.linalg.norm(middle)
        for place, share in enumerate(inverse[ray].tolist()):
            theta = np.arcsin(size) - np.arcsin(size * share)
            rotated = (
                exits[ray] * np.cos(theta)
                + np.cross(axis, exits[ray]) * np.sin(theta)
                + axis * (axis @ exits[ray]) * (1 - np.cos(theta))
            )
            assert np.allclose(ours[ray, place], [*rotated, share], atol=1e-6)


def test_a_camera_outside_the_sphere_is_refused() -> None:
    sphere = UnitSphere.around([view()], Bounds(0.5, 7.0, ((-1, -1, -1), (1, 1, 1))))
    inside = sphere.normalise(view_rays(view(), CPU))
    assert float(inside.origins.norm(dim=-1).max()) == pytest.approx(1 / 1.1, abs=1e-5)
    far = Rays(2 * inside.origins, inside.directions)
    with pytest.raises(CodecError, match="outside the sphere"):
        sphere_exit(far)


def test_constant_density_stops_one_minus_e_to_the_minus_sigma_d() -> None:
    distances = stratified(torch.tensor([2.0]), torch.tensor([5.0]), 300)
    lengths = torch.full((1, 300), 0.01)
    weights = sample_weights(torch.full((1, 300), 0.7), lengths)
    colours = torch.tensor([0.2, 0.4, 0.8]).expand(1, 300, 3)
    seen = composite(weights, colours, distances)
    opacity = 1 - math.exp(-0.7 * 3)
    assert seen.opacity.item() == pytest.approx(opacity, rel=1e-5)
    assert seen.colour[0].tolist() == pytest.approx(
        [c * opacity for c in (0.2, 0.4, 0.8)], rel=1e-5
    )
    # ∫ t σ e^(−σ(t − 2)) dt over 2 … 5
    depth = (2 + 1 / 0.7) - math.exp(-2.1) * (5 + 1 / 0.7)
    assert seen.depth.item() == pytest.approx(depth, rel=1e-4)
    white = seen.over(torch.ones(3))
    assert white[0, 0].item() == pytest.approx(0.2 * opacity + 1 - opacity, rel=1e-5)


def test_the_last_sample_stops_all_light_unless_told_its_length() -> None:
    distances = torch.tensor([[1.0, 2.0, 4.0]])
    assert sample_lengths(distances, last=0.5).tolist() == [[1.0, 2.0, 0.5]]
    weights = sample_weights(torch.full((1, 3), 0.1), sample_lengths(distances))
    assert weights.sum().item() == pytest.approx(1.0)
    assert weights[0, 2].item() == pytest.approx(math.exp(-0.3), rel=1e-5)


def test_distances_of_an_inverse_cdf_follow_numpys_interpolation() -> None:
    generator = np.random.default_rng(0)
    weights = generator.uniform(0, 1, (4, 9))
    edges = np.sort(generator.uniform(0, 10, (4, 10)), axis=1)
    ours = inverse_cdf(torch.from_numpy(edges), torch.from_numpy(weights), 64)
    for row in range(4):
        chances = (weights[row] + 1e-5) / (weights[row] + 1e-5).sum()
        cumulative = np.concatenate([[0], np.cumsum(chances)])
        expected = np.interp((np.arange(64) + 0.5) / 64, cumulative, edges[row])
        assert np.allclose(ours[row].numpy(), expected, atol=1e-5)
    assert torch.equal(ours, inverse_cdf(torch.from_numpy(edges), torch.from_numpy(weights), 64))


def test_fine_samples_gather_where_the_weights_are() -> None:
    distances = stratified(torch.zeros(1), torch.full((1,), 8.0), 8)
    weights = torch.zeros(1, 8)
    weights[0, 4] = 1.0  # between the middles 4 and 5
    merged = with_fine(distances, weights, 100)[0]
    assert merged.shape == (108,) and bool((merged.diff() >= 0).all())
    assert int(((merged >= 4) & (merged <= 5)).sum()) >= 100


def test_random_strata_stay_in_their_parts_and_marching_ends_at_the_box() -> None:
    generator = torch.Generator().manual_seed(0)
    places = stratified(torch.zeros(5), torch.full((5,), 10.0), 10, generator)
    assert torch.equal(places.floor(), torch.arange(10.0).expand(5, 10))
    distances, inside = march(torch.tensor([1.0]), torch.tensor([2.0]), step=0.25, most=8)
    assert distances[0, :4].tolist() == [1.125, 1.375, 1.625, 1.875]
    assert inside[0].tolist() == [True] * 4 + [False] * 4


def test_positional_encoding_keeps_the_input_and_leaves_pi_out() -> None:
    encoded = positional_encoding(torch.tensor([[0.3]]), levels=2)[0].tolist()
    expected = [0.3, math.sin(0.3), math.cos(0.3), math.sin(0.6), math.cos(0.6)]
    assert encoded == pytest.approx(expected, abs=1e-6)
    assert positional_encoding(torch.zeros(1, 3), levels=10).shape[-1] == 63
    assert positional_encoding(torch.zeros(1, 3), levels=4, keeps_input=False).shape[-1] == 24


def test_spherical_harmonics_are_orthonormal_and_equal_scipys() -> None:
    special = pytest.importorskip("scipy.special")
    generator = np.random.default_rng(3)
    directions = generator.normal(size=(40, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    ours = spherical_harmonics(torch.from_numpy(directions), 4).numpy()
    azimuth = np.arctan2(directions[:, 1], directions[:, 0])
    cosine = directions[:, 2]
    for band in range(4):
        for order in range(-band, band + 1):
            size = abs(order)
            norm = math.sqrt(
                (2 * band + 1)
                / (4 * math.pi)
                * math.factorial(band - size)
                / math.factorial(band + size)
            )
            legendre = special.lpmv(size, band, cosine)  # with the Condon-Shortley phase
            if order > 0:
                expected = math.sqrt(2) * norm * np.cos(size * azimuth) * legendre
            elif order < 0:
                expected = math.sqrt(2) * norm * np.sin(size * azimuth) * legendre
            else:
                expected = norm * legendre
            assert np.allclose(ours[:, band * band + band + order], expected, atol=1e-6)


def test_the_papers_hash_tables_hold_12_196_240_values() -> None:
    sizes = level_sizes(levels=16, least=16, most=2048, table=2**19)
    assert 2 * sum(rows for _, rows in sizes) == 12_196_240
    assert sizes[0] == (16, 4096) and sizes[-1] == (2048, 2**19)
    grid = HashGrid(levels=4, channels=2, table=2**8, least=4, most=16)
    assert [len(table) for table in grid.tables] == [64, 256, 256, 256]


def test_corners_are_summed_in_the_order_that_bitstreams_were_decoded_in() -> None:
    """Bit for bit: sums of other orders would change the frames of bitstreams at large."""
    positions = torch.rand(9000, 3, generator=torch.Generator().manual_seed(1)) * 1.1 - 0.05
    positions[:9] = 1.0
    volume = DenseGrid((5, 2, 7), 3)
    torch.nn.init.normal_(volume.table)
    rows = torch.zeros(len(positions), 8, dtype=torch.long)
    weights = torch.ones(len(positions), 8)
    for corner in range(8):
        for axis, size in enumerate(volume.sizes):
            place = positions[:, axis].clamp(0, 1) * (size - 1)
            low = place.floor().clamp(max=size - 2)
            is_high = corner >> axis & 1  # the first axis changes fastest
            rows[:, corner] = rows[:, corner] * size + low.long() + is_high
            weights[:, corner] *= place - low if is_high else 1 - (place - low)
    assert torch.equal(volume(positions), interpolate(volume.table, rows, weights))
    grid = HashGrid(levels=3, channels=2, table=2**10, least=4, most=32)
    read = []
    for table, scale, (points, count) in zip(grid.tables, grid.scales, grid.sizes, strict=True):
        place = positions.clamp(0, 1) * scale + 0.5
        low = place.floor()
        for corner in range(8):  # the last axis changes fastest
            high = torch.tensor([corner >> 2, corner >> 1 & 1, corner & 1])
            x, y, z = (low.long() + high).unbind(dim=1)
            if points**3 <= count:
                rows[:, corner] = (x + y * points + z * points**2) % count
            else:
                rows[:, corner] = (x ^ y * 2_654_435_761 ^ z * 805_459_861) % count
            share = torch.where(high > 0, place - low, 1 - (place - low))
            weights[:, corner] = share[:, 0] * share[:, 1] * share[:, 2]
        read.append(interpolate(table, rows, weights))
    assert torch.equal(grid(positions), torch.cat(read, dim=1))


def test_a_level_of_the_hash_grid_reads_the_eight_corners_by_hand() -> None:
    grid = HashGrid(levels=1, channels=1, table=2**6, least=9, most=9)  # 9³ > 64: hashed
    with torch.no_grad():
        grid.tables[0].copy_(torch.arange(64.0)[:, None])
    place = (0.3, 0.6, 0.85)
    scaled = [p * 8 + 0.5 for p in place]
    expected = 0.0
    for corner in range(8):
        weight, key = 1.0, 0
        for axis, prime in enumerate((1, 2654435761, 805459861)):
            low = math.floor(scaled[axis])
            up = corner >> axis & 1
            share = scaled[axis] - low
            weight *= share if up else 1 - share
            key ^= ((low + up) * prime) % 2**32
        expected += weight * (key % 64)
    assert grid(torch.tensor([place])).item() == pytest.approx(expected, rel=1e-4)


def test_a_dense_grid_reads_as_torchs_grid_sample_does() -> None:
    grid = DenseGrid((5, 6, 7), 3)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        grid.table.copy_(torch.rand(grid.table.shape, generator=generator))
    places = torch.rand(50, 3, generator=generator)
    flipped = (2 * places - 1).flip(-1).view(1, 50, 1, 1, 3)
    expected = torch.nn.functional.grid_sample(
        grid.as_volume()[None], flipped, align_corners=True, padding_mode="border"
    )
    assert torch.allclose(grid(places), expected[0, :, :, 0, 0].T, atol=1e-5)
    larger = resized(grid.table, (5, 6, 7), (9, 11, 13))
    assert torch.allclose(
        larger.view(9, 11, 13, 3)[::2, ::2, ::2].reshape(-1, 3), grid.table, atol=1e-5
    )


@pytest.mark.parametrize("channels", [2, 9])
def test_the_gradient_of_a_table_is_autograds_and_the_same_every_time(channels: int) -> None:
    generator = torch.Generator().manual_seed(0)
    rows = torch.randint(0, 40, (3000, 8), generator=generator)
    weights = torch.rand(3000, 8, generator=generator)
    ahead = torch.rand(3000, channels, generator=generator)
    table = torch.rand(40, channels, generator=generator).requires_grad_()
    plain = (table[rows] * weights[..., None]).sum(1)
    (expected,) = torch.autograd.grad((plain * ahead).sum(), table)
    found = [
        torch.autograd.grad((interpolate(table, rows, weights) * ahead).sum(), table)[0]
        for _ in range(3)
    ]
    assert torch.allclose(interpolate(table, rows, weights), plain, rtol=1e-4)
    assert torch.allclose(found[0], expected, rtol=1e-3)
    assert torch.equal(found[0], found[1]) and torch.equal(found[0], found[2])


def test_total_variation_is_the_mean_squared_difference_of_neighbours() -> None:
    volume = torch.tensor([[[0.0, 1.0], [3.0, 5.0]]])
    # rows: (9 + 16)/2, columns: (1 + 4)/2
    assert total_variation(volume).item() == pytest.approx(12.5 + 2.5)


def test_the_occupancy_grid_finds_a_ball_and_refuses_an_empty_field() -> None:
    grid = OccupancyGrid(8)
    assert bool(grid.query(torch.tensor([[0.1, 0.9, 0.5]])).all())

    def ball(positions: torch.Tensor) -> torch.Tensor:
        return 5.0 * ((positions - 0.5).norm(dim=-1) < 0.2).float()

    grid.update(ball, threshold=1.0)
    centres = (torch.stack(torch.meshgrid(*[torch.arange(8)] * 3, indexing="ij"), -1) + 0.5) / 8
    expected = (centres - 0.5).norm(dim=-1) < 0.2
    assert torch.equal(grid.occupied, expected)
    assert not bool(grid.query(torch.tensor([1.5, 0.5, 0.5])))
    rebuilt = OccupancyGrid(8)
    rebuilt.rebuild(ball, threshold=1.0)
    assert bool(rebuilt.occupied[expected].all()) and not bool(rebuilt.occupied.all())
    with pytest.raises(CodecError, match=r"no cell of the 8³ occupancy grid is occupied"):
        rebuilt.rebuild(lambda positions: torch.zeros(len(positions)), threshold=1.0)


def test_pixels_that_are_drawn_are_those_of_the_files(tmp_path: Path) -> None:
    scene = write_scene(tmp_path / "raw", views=3, width=8, height=6, instants=2)
    views = open_scene(read_fit(scene, tmp_path))
    batch = views.batch(torch.tensor([48 * 2 + 48 + 3 * 8 + 5]))  # view 1, instant 1, row 3
    picture = scene.pictures["t1"][1]
    assert batch.times.item() == 1.0
    assert batch.colours[0].tolist() == pytest.approx(picture[3, 5], abs=0.5 / 255 + 1e-6)
    expected = view_rays(views.views[1], CPU).directions[3 * 8 + 5]
    assert torch.allclose(batch.rays.directions[0], expected)
    frames = np.stack([scene.pictures["t1"][time] for time in (0, 1)])
    mean, deviation = views.temporal_statistics(1)
    assert np.allclose(mean.numpy(), frames.mean(0), atol=2 / 255)
    assert np.allclose(deviation.numpy(), frames.std(0), atol=2 / 255)


def test_batches_heed_frames_weights_and_pictures_and_follow_their_generator(
    tmp_path: Path,
) -> None:
    scene = write_scene(tmp_path / "raw", views=3, width=8, height=6, instants=2)
    views = open_scene(read_fit(scene, tmp_path))
    generator = torch.Generator().manual_seed(0)
    late = RayBatches(views, rays=64, frames=views.frames_at(earliest=1, latest=1))
    assert set(late.draw(generator).times.tolist()) == {1.0}
    one = RayBatches(views, rays=64, takes_one_picture=True)
    for _ in range(5):
        assert len({index // 48 for index in one.draw(generator).pixels.tolist()}) == 1
    importance = torch.zeros(288)
    importance[[7, 200]] = torch.tensor([1.0, 3.0])
    weighted = RayBatches(views, rays=4000, weights=importance).draw(generator).pixels
    assert set(weighted.tolist()) == {7, 200}
    assert float((weighted == 200).float().mean()) == pytest.approx(0.75, abs=0.03)
    everything = RayBatches(views, rays=20000).draw(generator).pixels
    assert len(set(everything.tolist())) == 288
    again = [RayBatches(views, rays=9).draw(torch.Generator().manual_seed(5)) for _ in range(2)]
    assert torch.equal(again[0].pixels, again[1].pixels)
    with pytest.raises(CodecError, match="no frame of the train views"):
        RayBatches(views, rays=9, frames=views.frames_at(earliest=7, latest=9))


def test_views_of_10_bit_4_2_0_are_read_through_the_video_conversions(tmp_path: Path) -> None:
    scene = write_scene(tmp_path / "raw", views=2, width=8, height=6, pixel_format="yuv420p10le")
    views = open_scene(read_fit(scene, tmp_path))
    assert views.samples.dtype == torch.int16 and views.peak == 1023
    luma = np.array([0.2126, 0.7152, 0.0722])
    ours = (views.pictures(0)[0].numpy() / 1023) @ luma
    assert np.abs(ours - scene.pictures["t0"][0] @ luma).max() < 0.02


def test_a_fits_key_does_not_depend_on_where_its_views_lie(tmp_path: Path) -> None:
    keys = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        scene = write_scene(tmp_path / name / "raw", views=2, width=8, height=6)
        keys.append(read_fit(scene, tmp_path / name).key)
    moved = dataclasses.replace(scene, views=[{**v, "fx": v["fx"] + 1} for v in scene.views])
    keys.append(read_fit(moved, tmp_path / "b").key)
    assert keys[0] == keys[1] != keys[2]


def test_bad_views_and_bounds_are_refused_in_a_sentence() -> None:
    skewed = ((1.2, 0.0, 0.0, 0.0), (0.0, 1.0, 0.0, 0.0), (0.0, 0.0, 1.0, 0.0))
    with pytest.raises(CodecError, match=r"pose of view a is no rotation.*0\.44"):
        view(camera_to_world=skewed)
    mirrored = ((1.0, 0.0, 0.0, 0.0), (0.0, 1.0, 0.0, 0.0), (0.0, 0.0, -1.0, 0.0))
    with pytest.raises(CodecError, match="mirrors the scene"):
        view(camera_to_world=mirrored)
    with pytest.raises(CodecError, match=r"times \[1.0, 1.0\]; give ascending ones"):
        view(times=(1.0, 1.0))
    with pytest.raises(CodecError, match="focal lengths 0 and 4"):
        view(fx=0.0)
    with pytest.raises(CodecError, match="given more than once"):
        read_views([{**dataclasses.asdict(view()), "path": "x"}] * 2)
    with pytest.raises(CodecError, match="near 3 and far 2"):
        Bounds(3.0, 2.0, ((0, 0, 0), (1, 1, 1)))
    with pytest.raises(CodecError, match="give the least corner first"):
        read_bounds({"near": 1, "far": 2, "box": [[0, 0, 1], [1, 1, 0]]})
    with pytest.raises(CodecError, match="view b has 8x4 pixels and a 6x4; t needs views of one"):
        require_one_size([view(), view(id="b", width=8)], "t")


def test_scenes_that_cannot_be_fitted_are_refused_before_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = write_scene(tmp_path / "raw", views=2, width=8, height=6)
    job = read_fit(scene, tmp_path)
    with pytest.raises(CodecError, match=r"grids and networks.* need 1e\+03 GiB"):
        open_scene(job, model_bytes=1000 << 30)
    away = dataclasses.replace(
        job.views[0], camera_to_world=tuple(map(tuple, look_at((9.0, 9.0, 9.0), (20.0, 20.0, 9.0))))
    )
    with pytest.raises(CodecError, match="view t0 sees nothing of the scene"):
        open_scene(dataclasses.replace(job, views=(away,)))
    lost = dataclasses.replace(job.views[0], path=tmp_path / "gone.raw")
    with pytest.raises(CodecError, match=r"train view t0 has no file gone\.raw"):
        open_scene(dataclasses.replace(job, views=(lost,)))
    video = dataclasses.replace(job, views=(), bounds=None)
    with pytest.raises(CodecError, match="holds a video and this codec codes multi-view scenes"):
        open_scene(video)
    with pytest.raises(CodecError, match="holds the views of a scene and this codec codes videos"):
        _ = job.source.video
    monkeypatch.setattr(memory, "memory_bytes", lambda device: 100)
    with pytest.raises(CodecError, match=r"pictures of 2 train views need .* cut fewer instants"):
        open_scene(job)


def test_a_scenes_header_survives_its_bitstream_and_names_instants() -> None:
    bounds = read_bounds(BOUNDS)
    scene = SceneFormat("yuv420p", "bt709", "limited", 3, bounds, "white")
    data = bitstream.pack("t", scene.to_header(), [b""], schema=SCENE_SCHEMA)
    assert len(data) < 64
    header, _ = bitstream.unpack(data, "t", schema=SCENE_SCHEMA)
    assert SceneFormat.from_header(header) == scene
    assert [scene.instant_of(time) for time in (0.0, 0.4, 0.6, 2.4)] == [0, 0, 1, 2]
    with pytest.raises(CodecError, match=r"time 2\.6 lies outside the 3 instants"):
        scene.instant_of(2.6)


def test_views_are_rendered_in_chunks_into_files_of_the_bitstreams_format(tmp_path: Path) -> None:
    scene = SceneFormat("rgb24", "bt709", "full", 2, read_bounds(BOUNDS))
    rendered = view(times=(0.0, 1.0))
    job = DecodeJob(tmp_path / "b", tmp_path, "cpu", 1, render=(rendered,))
    seen: list[tuple[int, int]] = []

    def render(rays: Rays, times: torch.Tensor) -> torch.Tensor:
        seen.append((len(rays), len(times)))
        colours = rays.directions.abs() * 1.1
        return torch.stack([colours * (time + 1) / 2 for time in times])

    render_views(job, scene, render, CPU, rays_per_call=10)
    assert seen == [(10, 1), (10, 1), (4, 1)] * 2
    expected = view_rays(rendered, CPU).directions.abs().numpy() * 1.1
    whole = np.stack([expected / 2, expected]).clip(0, 1)
    found = np.frombuffer((tmp_path / "a.raw").read_bytes(), np.uint8)
    assert np.array_equal(found, np.rint(whole * 255).astype(np.uint8).ravel())
    with pytest.raises(CodecError, match="names no views to render"):
        render_views(dataclasses.replace(job, render=()), scene, render, CPU)
    with pytest.raises(CodecError, match="is no folder"):
        render_views(dataclasses.replace(job, output=tmp_path / "n"), scene, render, CPU)


def test_box_corners_reach_the_device_as_given() -> None:
    assert box_tensor(read_bounds(BOUNDS), CPU).tolist() == [
        pytest.approx(corner) for corner in BOUNDS["box"]
    ]


def test_distortion_is_the_double_sum_of_mip_nerf_360() -> None:
    weights = torch.tensor([[0.1, 0.5, 0.0, 0.3], [0.0, 1.0, 0.0, 0.0]])
    step = 0.25
    for row, found in zip(weights.tolist(), distortion(weights, step).tolist(), strict=True):
        between = sum(
            a * b * abs(i - j) * step for i, a in enumerate(row) for j, b in enumerate(row)
        )
        assert found == pytest.approx(between + sum(a * a for a in row) * step / 3, rel=1e-6)
