"""VM and CP factors against sums written out."""

import doctest

import pytest
import torch
from inrkit import tensorial
from inrkit.tensorial import CpFactors, VmFactors, cubic_sizes, vm_values
from inrkit.views import Bounds


def test_the_examples_in_the_docstrings_hold() -> None:
    assert doctest.testmod(tensorial).failed == 0


def test_vm_products_are_planes_times_the_lines_along_the_axis_that_they_lack() -> None:
    torch.manual_seed(1)
    factors = VmFactors((3, 4, 5), (2, 1, 3))
    i, j, k = 1, 2, 3
    products = factors(torch.tensor([[i / 2, j / 3, k / 4]]))[0]
    xy, xz, yz = (plane.as_volume() for plane in factors.planes)
    z, y, x = (line.as_volume() for line in factors.lines)
    expected = torch.cat([xy[:, i, j] * z[:, k], xz[:, i, k] * y[:, j], yz[:, j, k] * x[:, i]])
    assert torch.allclose(products, expected, atol=1e-7)


def test_an_orientation_of_rank_0_is_left_out() -> None:
    factors = VmFactors((3, 4, 5), (2, 0, 0))
    assert factors(torch.rand(7, 3)).shape == (7, 2)
    assert sum(p.numel() for p in factors.parameters()) == 2 * (3 * 4 + 5)


def test_vm_at_300_cubed_has_the_factors_of_the_paper() -> None:
    factors = VmFactors((30, 30, 30), (16, 16, 16))
    assert sum(p.numel() for p in factors.parameters()) == 48 * (900 + 30)
    assert vm_values((300, 300, 300), (64, 64, 64)) == 192 * (90_000 + 300)


def test_cp_products_are_those_of_three_lines() -> None:
    torch.manual_seed(2)
    factors = CpFactors((3, 4, 5), 6)
    products = factors(torch.tensor([[0.5, 1.0, 0.25]]))[0]
    x, y, z = (line.as_volume() for line in factors.lines)
    assert torch.allclose(products, x[:, 1] * y[:, 3] * z[:, 1], atol=1e-7)


@pytest.mark.parametrize("kind", ["vm", "cp"])
def test_a_finer_grid_reads_the_same_at_the_points_of_the_coarser(kind: str) -> None:
    torch.manual_seed(3)
    factors = VmFactors((3, 4, 5), (2, 2, 2)) if kind == "vm" else CpFactors((3, 4, 5), 4)
    axes = [torch.linspace(0, 1, size) for size in (3, 4, 5)]
    places = torch.cartesian_prod(*axes)
    before = factors(places)
    factors.resize((5, 7, 9))
    assert torch.allclose(factors(places), before, atol=1e-6)
    assert factors.sizes == (5, 7, 9)


def test_magnitude_and_variation_are_means_by_factor() -> None:
    factors = CpFactors((2, 3, 2), 1)
    with torch.no_grad():
        for line, values in zip(factors.lines, ([1, -3], [0, 2, 6], [5, 5]), strict=True):
            line.table.copy_(torch.tensor(values)[:, None])
    assert float(factors.magnitude().detach()) == pytest.approx(2 + 8 / 3 + 5)
    assert float(factors.variation().detach()) == pytest.approx(16 + (4 + 16) / 2 + 0)


def test_gradients_reach_planes_and_lines() -> None:
    factors = VmFactors((3, 3, 3), (1, 1, 1))
    factors(torch.rand(20, 3)).sum().backward()
    assert all(bool((p.grad != 0).any()) for p in factors.parameters())


def test_voxels_are_cubic_and_no_axis_is_lost() -> None:
    box = ((-1.5, -1.5, -1.5), (1.5, 1.5, 1.5))
    assert cubic_sizes(Bounds(near=2, far=6, box=box), 300) == (300, 300, 300)
    flat = ((0.0, 0.0, 0.0), (100.0, 100.0, 0.01))
    assert min(cubic_sizes(Bounds(near=2, far=6, box=flat), 16)) == 2
