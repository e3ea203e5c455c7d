"""Two passes over rays: what is seen, where samples go, and one network in place of two."""

import pytest
import torch
from inrkit.hierarchical import TwoPasses, box_reach, cross_box, render_twice
from inrkit.rays import Rays
from inrkit.views import Bounds
from torch import Tensor

BOUNDS = Bounds(near=1.0, far=9.0, box=((-4.0, -2.0, 0.0), (4.0, 2.0, 2.0)))
# along y through the box's middle, at its height, and past it
RAYS = Rays(
    torch.tensor([(0.0, -5.0, 1.0), (2.0, -5.0, 0.5), (9.0, -5.0, 1.0)]),
    torch.tensor([(0.0, 1.0, 0.0)] * 3),
)


def wall(points: Tensor) -> tuple[Tensor, Tensor]:
    """Opaque from y = 0.3 reaches on, coloured by place."""
    return 1e6 * (points[..., 1] > 0.3), 0.5 + 0.5 * points


def haze(points: Tensor) -> tuple[Tensor, Tensor]:
    return 3 * torch.exp(-(points**2).sum(dim=-1)), torch.sigmoid(4 * points)


def seen(field: object, *, two: bool, seed: int | None = None) -> TwoPasses:
    generator = None if seed is None else torch.Generator().manual_seed(seed)
    return render_twice(
        cross_box(RAYS, BOUNDS),
        field,
        coarse=8,
        fine=16,
        coarse_field=field if two else None,
        generator=generator,
    )


def test_places_count_in_half_the_boxs_longest_side_from_its_centre() -> None:
    crossing = cross_box(RAYS, BOUNDS)
    assert box_reach(BOUNDS) == 4.0
    assert crossing.rays.origins.tolist() == [[0, -1.25, 0], [0.5, -1.25, -0.125], [2.25, -1.25, 0]]
    # y = −2 and 2 lie 3 and 7 units from y = −5
    assert crossing.enter[:2].tolist() == [0.75, 0.75]
    assert crossing.leave[:2].tolist() == [1.75, 1.75]


def test_fine_samples_find_a_wall_between_coarse_ones_and_a_miss_sees_nothing() -> None:
    passes = seen(wall, two=False)
    # the wall is 0.3 + 1.25 reaches away; coarse samples stand 1/8 apart
    assert passes.fine.depth[:2].tolist() == pytest.approx([1.55, 1.55], abs=0.02)
    assert (passes.fine.depth[0] - 1.55).abs() < (passes.coarse.depth[0] - 1.55).abs()
    assert passes.fine.colour[1].tolist() == pytest.approx([0.75, 0.65, 0.4375], abs=0.01)
    assert passes.fine.opacity.tolist() == pytest.approx([1, 1, 0])
    assert passes.fine.colour[2].tolist() == [0, 0, 0]


@pytest.mark.parametrize("seed", [None, 5])
def test_one_network_asked_once_per_place_sees_what_two_equal_ones_see(seed: int | None) -> None:
    once, twice = seen(haze, two=False, seed=seed), seen(haze, two=True, seed=seed)
    for one, other in ((once.coarse, twice.coarse), (once.fine, twice.fine)):
        torch.testing.assert_close(one.colour, other.colour)
        torch.testing.assert_close(one.depth, other.depth)
    assert float((once.fine.colour - once.coarse.colour).abs().max()) > 1e-3
