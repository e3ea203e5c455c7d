"""The MLP of NeRF and its descendants: published sizes, and its equations in numpy."""

import doctest
from typing import Any

import inrkit.radiance_mlp
import numpy as np
import pytest
import torch
from inrkit.errors import CodecError
from inrkit.layers import parameter_count
from inrkit.radiance_mlp import MLP_SCHEMA, MlpShape, RadianceMlp, SkipMlp
from numpy.typing import NDArray

PAPER = MlpShape(width=256, layers=8, skip=5, levels=10, view_levels=4, view_width=128)
TINY = MlpShape(width=5, layers=4, skip=2, levels=2, view_levels=1, view_width=3)


# NeRF (3-D points) and NeRF++'s background (4-D); D-NeRF's deformation repeats x but not t
def test_the_papers_sizes_have_their_parameter_counts() -> None:
    assert parameter_count(RadianceMlp(PAPER)) == 595_844
    assert parameter_count(RadianceMlp(PAPER, dimensions=4)) == 606_596
    deformation = SkipMlp(63 + 21, width=256, layers=8, skip=5, repeated=63)
    assert parameter_count(deformation, torch.nn.Linear(256, 3)) == 499_203


def test_the_examples_in_the_module_are_true() -> None:
    assert doctest.testmod(inrkit.radiance_mlp).failed == 0


def linear(values: NDArray[Any], layer: Any) -> NDArray[Any]:
    weight, bias = (part.detach().double().numpy() for part in (layer.weight, layer.bias))
    return values @ weight.T + bias


def relu(values: NDArray[Any]) -> NDArray[Any]:
    return np.maximum(values, 0)


@pytest.mark.parametrize("repeats", [True, False])
@torch.no_grad()
def test_densities_and_colours_are_those_of_the_papers_figure(repeats: bool) -> None:
    torch.manual_seed(1)
    mlp = RadianceMlp(TINY, conditions=2, repeats_conditions=repeats)
    positions, codes = torch.rand(4, 6, 3) * 2 - 1, torch.randn(4, 1, 2)
    directions = torch.nn.functional.normalize(torch.randn(4, 1, 3), dim=-1)
    density, colour = mlp(positions, directions, codes)

    x, d, c = positions[1, 3].numpy(), directions[1, 0].numpy(), codes[1, 0].numpy()
    place = np.concatenate([x, np.sin(x), np.cos(x), np.sin(2 * x), np.cos(2 * x)])
    inputs = np.concatenate([place, c])
    h = relu(linear(inputs, mlp.trunk.layers[0]))
    h = relu(linear(h, mlp.trunk.layers[1]))
    h = relu(linear(np.concatenate([inputs if repeats else place, h]), mlp.trunk.layers[2]))
    h = relu(linear(h, mlp.trunk.layers[3]))
    towards = np.concatenate([d, np.sin(d), np.cos(d)])
    from_direction = mlp.towards.weight.double().numpy() @ towards
    seen = relu(linear(linear(h, mlp.feature), mlp.view) + from_direction)
    expected = 1 / (1 + np.exp(-linear(seen, mlp.colour)))
    assert float(density[1, 3]) == pytest.approx(linear(h, mlp.density)[0], abs=1e-5)
    assert colour[1, 3].numpy() == pytest.approx(expected, abs=1e-5)


def test_a_shape_comes_back_from_its_header() -> None:
    header = PAPER.to_header()
    assert set(header) == set(MLP_SCHEMA)
    assert MlpShape.of({"near": 0.5, **header}) == PAPER


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [({"width": 0}, "at least 1"), ({"skip": 4}, "skip must be less than layers")],
)
def test_a_shape_that_cannot_be_is_refused_in_a_sentence(
    changes: dict[str, int], sentence: str
) -> None:
    with pytest.raises(CodecError, match=sentence):
        MlpShape(**(TINY.to_header() | changes))
