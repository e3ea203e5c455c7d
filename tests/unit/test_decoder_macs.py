"""kMAC/pixel of the decoders: torch's FLOP counter against counts by hand."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from inrkit.grids import DenseGrid, HashGrid, interpolate
from inrkit.layers import macs_of
from inrkit.rays import Rays
from inrkit.scene_codec import SceneFormat
from inrkit.sine import SineShape
from inrkit.sine_fit import SineNetwork
from inrkit.video import RawFormat
from inrkit.views import read_bounds
from invrbench.codec.manifest import read_manifest
from proposal_runs import PROPOSALS, modules_of
from scene_runs import BOUNDS
from torch.utils.flop_counter import FlopCounterMode

RAYS = 5


def clip(width: int, height: int, frames: int) -> RawFormat:
    return RawFormat("yuv420p", width, height, frames, "bt709", "limited")


def parameters_of(codec: str, fit: str, budget: str = "quick") -> dict[str, Any]:
    manifest = read_manifest(PROPOSALS / codec)[codec]
    return manifest.fit_parameters(fit, budget=budget, sequence="a test", names=())


def scene_of(instants: int) -> SceneFormat:
    return SceneFormat("rgb24", "bt709", "full", instants, read_bounds(BOUNDS))


def some_rays() -> Rays:
    """A fan of rays through the scene's box, along x."""
    directions = torch.tensor([(1.0, 0.1 * turn, 0.0) for turn in range(RAYS)])
    origins = torch.tensor([-3.0, 0.0, 0.5]).expand(RAYS, 3)
    return Rays(origins, directions / directions.norm(dim=-1, keepdim=True))


# HNeRV on 1280×640 at 0.35, 1.5 and 3 million values, computed from its architecture
@pytest.mark.parametrize(
    ("size", "kmac", "tolerance"), [(0.35, 7.2, 0.05), (1.5, 35.0, 0.5), (3.0, 72.0, 0.5)]
)
def test_hnerv_takes_the_kmac_per_pixel_that_were_counted_by_hand(
    size: float, kmac: float, tolerance: float
) -> None:
    video = clip(1280, 640, 132)
    with modules_of("hnerv", "structure", "model") as (structure, model):
        strides = structure.choose_strides(video)
        channels = structure.solve_channels(video, strides, million_values=size)
        shape = structure.Structure(video, strides, channels)
        with torch.device("meta"):
            decoder = model.HnervDecoder(shape)
            counted = macs_of(decoder, torch.zeros(1, *shape.embedding_shape[1:]))
        places = math.prod(shape.embedding_shape[2:])
        by_hand = places * 16 * shape.widths[0]
        for index, stride in enumerate(strides):
            before, after = shape.widths[index : index + 2]
            by_hand += places * (stride * structure.kernel_of(index)) ** 2 * before * after
            places *= stride**2
    assert places == 1280 * 640
    assert counted == by_hand + places * 9 * shape.widths[-1] * 3
    assert counted / places / 1000 == pytest.approx(kmac, abs=tolerance)


# NeRV-S on 1280×720: about 110 kMAC/pixel, by hand
def test_nerv_s_takes_the_kmac_per_pixel_that_were_counted_by_hand() -> None:
    with modules_of("nerv", "fit", "model") as (fit, model):
        parameters = fit.Parameters(**parameters_of("nerv", "bunny-s", "paper"))
        structure = fit.structure_of(clip(1280, 720, 132), parameters)
        with torch.device("meta"):
            network = model.NervNetwork(structure)
            counted = macs_of(network, torch.zeros(1, dtype=torch.long))
    assert counted / (1280 * 720) / 1000 == pytest.approx(110, abs=5)


def test_a_table_read_between_its_points_takes_a_multiplication_per_corner_and_value() -> None:
    plane, volume = DenseGrid((4, 5), 3), DenseGrid((2, 3, 4), 1)
    assert macs_of(plane, torch.rand(7, 2)) == 7 * 4 * 3
    assert macs_of(volume, torch.rand(7, 3)) == 7 * 8
    hashed = HashGrid(levels=2, channels=2, table=64, least=2, most=8)
    assert macs_of(hashed, torch.rand(7, 3)) == 7 * 2 * 2 * 8


@pytest.mark.parametrize(("codec", "fit"), [("siren", "s"), ("coin", "l5w30"), ("inric", "q3")])
def test_sine_networks_note_the_products_of_the_network_as_it_is_drawn(
    codec: str, fit: str
) -> None:
    held = parameters_of(codec, fit)
    with modules_of(codec, "fit") as (module,):
        shape = sine_shape(module, codec, held)
    network = SineNetwork(shape, [np.zeros((1, size), np.float32) for size in shape.inputs])
    places = torch.zeros(RAYS, sum(shape.inputs))
    with FlopCounterMode(display=False) as counter:
        for layer in network.layers:
            places = layer(places)
    assert counter.get_total_flops() // 2 == RAYS * round(1000 * shape.kmac_per_pixel)


def sine_shape(module: Any, codec: str, held: dict[str, Any]) -> SineShape:
    """The network of a fit on a picture."""
    if codec == "siren":
        found = module.Structure(held["hidden_layers"], held["hidden_width"], axes=2).network
    elif codec == "coin":
        names = ("sine_layers", "hidden_width", "coordinates")
        found = module.Structure(*(held[name] for name in names)).network
    else:
        found = module.Structure(held["hidden_width"], held["levels"]).network
    assert isinstance(found, SineShape)
    return found


def test_nvp_notes_its_layers_and_the_corners_of_its_planes() -> None:
    with modules_of("nvp", "fit", "model") as (fit, model):
        structure = fit.structure_of(clip(48, 32, 4), fit.Parameters(**parameters_of("nvp", "s")))
        network = model.Nvp(structure)
        places = (torch.zeros(RAYS, dtype=torch.long),) * 3
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            network.at_points(*places)
    layers = counter.get_total_flops() // 2
    time = structure.hidden_width  # its first sine layer sees one number, and no matrix is needed
    corners = 4 * 3 * structure.plane_inputs
    assert RAYS * round(1000 * structure.kmac_per_pixel) == layers + RAYS * (time + corners)


@pytest.mark.parametrize("codec", ["nerf", "nerfpp", "d-nerf", "dynerf"])
def test_fields_of_mlps_take_the_products_of_their_layers_at_every_sample(codec: str) -> None:
    held = parameters_of(codec, "s")
    coarse, fine = held["coarse"], held["fine"]
    names = ("structure", "model")
    with modules_of(codec, *names) as (structure, model), torch.inference_mode():
        if codec == "nerf":
            field = model.NerfField(structure.Structure.of(held), scene_of(1))
            by_hand = samples_of(field.coarse, coarse) + samples_of(field.fine, coarse + fine)
        elif codec == "nerfpp":
            field = model.NerfppField(structure.Structure.of(held, sphere()), scene_of(1))
            far = held["far_coarse"], held["far_coarse"] + held["far_fine"]
            by_hand = 0
            for cascade, near, beyond in zip(
                field.cascades, (coarse, coarse + fine), far, strict=True
            ):
                by_hand += samples_of(cascade.foreground, near)
                by_hand += samples_of(cascade.background, beyond)
        elif codec == "d-nerf":
            field = model.DNerf(structure.Structure.of(held), scene_of(4))
            by_hand = samples_of(field.canonical, coarse) + samples_of(field.canonical, fine)
            by_hand += (coarse + fine) * products(field.deformation)
        else:
            field = model.DyNerf(structure.Structure.of(held), scene_of(4))
            assert held["networks"] == 1
            by_hand = samples_of(field.field, coarse) + samples_of(field.field, fine)
        inputs = [some_rays()] if codec.startswith("nerf") else [some_rays(), torch.zeros(RAYS)]
        assert macs_of(field, *inputs) == RAYS * by_hand


def sphere() -> Any:
    from inrkit.rays import UnitSphere

    return UnitSphere(centre=(0.0, 0.0, 0.0), radius=4.0)


def products(module: torch.nn.Module) -> int:
    """Weights of all linear layers."""
    layers = (m for m in module.modules() if isinstance(m, torch.nn.Linear))
    return sum(layer.weight.numel() for layer in layers)


def samples_of(mlp: Any, samples: int) -> int:
    """Multiplications of samples of one ray: its direction is met once."""
    towards = int(mlp.towards.weight.numel())
    return samples * (products(mlp) - towards) + towards


def test_instant_ngp_takes_its_layers_and_the_corners_of_every_level() -> None:
    held = parameters_of("instant-ngp", "s")
    with modules_of("instant-ngp", "structure", "model") as (structure, model):
        field = model.NgpField(structure.Structure.of(held), scene_of(1))
        with torch.inference_mode():
            samples = int(field.shade(some_rays()).kept.sum())
            counted = macs_of(field, some_rays())
    layers = products(field.density_network) + products(field.colour_network)
    assert samples > RAYS
    assert counted == samples * (layers + 8 * held["levels"] * held["channels"])


def test_tensorf_takes_its_layers_where_it_is_seen_and_its_corners_where_it_is_looked() -> None:
    held = parameters_of("tensorf", "s")
    with modules_of("tensorf", "structure", "model") as (structure, model):
        shape = structure.Structure.of_fit(held, (8, 8, 8))
        field = model.TensorfField(shape, scene_of(1))
        with torch.inference_mode(), FlopCounterMode(display=False) as counter:
            shading = field.shade(some_rays())
        layers = products(field.basis) + products(field.network)
        seen, rest = divmod(counter.get_total_flops() // 2, layers)
        with torch.inference_mode():
            counted = macs_of(field, some_rays())
    assert (rest, seen > 0) == (0, True)
    read = shading.looked * sum(shape.density_ranks) + seen * sum(shape.colour_ranks)
    assert counted == seen * layers + (4 + 2) * read  # four corners of a plane, two of a line


def test_mixvoxels_takes_the_layers_of_the_branch_that_draws_a_sample() -> None:
    held = parameters_of("mixvoxels", "s")
    with modules_of("mixvoxels", "structure", "model") as (structure, model):
        shape = structure.Structure.of(held)
        field = model.MixedField(shape, scene_of(3), None, grid=6)
        asked: dict[str, int] = {}
        parts = {
            "static density": field.static.density,
            "static colour": field.static.colour,
            "dynamic density": field.dynamic.density,
            "dynamic colour": field.dynamic.colour,
        }
        for name, part in parts.items():
            part.register_forward_hook(
                lambda _, given, __, name=name: asked.update(
                    {name: asked.get(name, 0) + len(given[0])}
                )
            )
        field.moving[: len(field.moving) // 2] = False  # half of every ray rests
        with torch.inference_mode():
            field.dynamic.density.network[-1].bias.fill_(held["density_shift"])
            counted = macs_of(field, some_rays(), torch.arange(3))
    ranks = {"density": sum(shape.density_ranks), "colour": sum(shape.colour_ranks)}
    each = {name: products(part) + 6 * ranks[name.split()[1]] for name, part in parts.items()}
    assert asked.keys() == parts.keys()
    assert counted == sum(count * each[name] for name, count in asked.items())


def test_plenoxels_takes_eight_corners_of_all_values_that_it_reads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    generator = torch.Generator().manual_seed(0)
    with modules_of("plenoxels", "fit", "model") as (fit, model):
        field = model.VoxelField(
            torch.ones(6, 6, 6, dtype=torch.bool), bands=3, step_ratio=0.5, scene=scene_of(1)
        )
        with torch.no_grad():
            field.densities.copy_(torch.rand(field.densities.shape, generator=generator))
        read = []

        def reading(table: torch.Tensor, rows: torch.Tensor, weights: torch.Tensor) -> Any:
            read.append((table.shape[1], rows.numel()))
            return interpolate(table, rows, weights)

        monkeypatch.setattr(model, "interpolate", reading)
        with torch.inference_mode():
            field.render(some_rays())
            assert [values for values, _ in read] == [1, 3, 24]
            by_hand = corners_and_harmonics(read)
            assert fit.macs_of_rays(field, some_rays()) == by_hand


def corners_and_harmonics(read: list[tuple[int, int]]) -> int:
    """Multiplications of tables read: one a corner and value, one more a value of a colour."""
    corners = sum(values * rows for values, rows in read)
    return corners + sum(values * rows // 8 for values, rows in read[1:])


@pytest.mark.parametrize(("codec", "fit"), [("ps-nerv", "s"), ("ffnerv", "s")])
def test_networks_of_blocks_take_their_weights_at_every_place(codec: str, fit: str) -> None:
    """Every convolution's weights times the places it is moved to, with a linear stem's once."""
    video = clip(320, 176, 32)
    with modules_of(codec, "fit", "model") as (module, model):
        structure = module.structure_of(video, module.Parameters(**parameters_of(codec, fit)))
        build = model.PatchNetwork if codec == "ps-nerv" else model.FfnervNetwork
        with torch.device("meta"):
            network = build(structure)
            places: list[int] = []

            def see(layer: torch.nn.Module, _: object, output: torch.Tensor) -> None:
                assert isinstance(layer.weight, torch.Tensor)
                places.append(output.numel() // len(layer.weight) * layer.weight.numel())

            for layer in network.modules():
                if isinstance(layer, torch.nn.Conv2d | torch.nn.Linear):
                    layer.register_forward_hook(see)
            counted = macs_of(network, torch.zeros(1, dtype=torch.long))
    assert counted == sum(places) > 0
