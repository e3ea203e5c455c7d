"""Rays rendered in two passes by radiance fields of any kind: coarse places, then fine ones.

Places and lengths count in reaches: half the longest side of the scene's box, from its centre.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from inrkit.compositing import Rendered, composite, sample_lengths, sample_weights
from inrkit.rays import Rays, box_distances, box_tensor
from inrkit.sampling import stratified, with_fine
from inrkit.views import Bounds

# what makes a density of a network's output; softplus has a gradient everywhere, while a field of
# ReLU that a large step has emptied stays empty
DENSITIES: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": torch.relu,
    "softplus": functional.softplus,
}
# points (N, S, 3) on N rays → densities σ ≥ 0 per reach (N, S), RGB (N, S, 3)
Field = Callable[[Tensor], tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class Crossing:
    """Rays in reaches from the box's centre, and where each enters and leaves the box (N,)."""

    rays: Rays
    enter: Tensor
    leave: Tensor


def cross_box(rays: Rays, bounds: Bounds) -> Crossing:
    """Where rays run through the scene's box between near and far; the box lies in [−1, 1]³.

    A ray that misses the box leaves where it enters and will see nothing.
    """
    box = box_tensor(bounds, rays.origins.device)
    reach = box_reach(bounds)
    enter, leave = box_distances(rays, box, near=bounds.near, far=bounds.far)
    origins = (rays.origins - 0.5 * (box[0] + box[1])) / reach
    return Crossing(Rays(origins, rays.directions), enter / reach, leave / reach)


def box_reach(bounds: Bounds) -> float:
    """Half the longest side of the scene's box, in scene units."""
    low, high = bounds.box
    return 0.5 * max(end - start for start, end in zip(low, high, strict=True))


@dataclass(frozen=True)
class TwoPasses:
    """What N rays see by coarse samples alone, and by all of them."""

    coarse: Rendered
    fine: Rendered


def render_twice(
    crossing: Crossing,
    field: Field,
    *,
    coarse: int,
    fine: int,
    coarse_field: Field | None = None,
    generator: torch.Generator | None = None,
) -> TwoPasses:
    """Render with ``coarse`` stratified samples, then with ``fine`` more where their weights are.

    Without a coarse field, ``field`` serves both passes and is asked once for every place: the
    same picture and gradients as asking it again for the coarse ones, which NeRF's two networks
    need.

    Args:
        crossing: the rays.
        field: of the fine pass.
        coarse, fine: samples per ray; at least 3 coarse ones.
        coarse_field: of the coarse pass, if a network of its own.
        generator: shifts the samples of every ray; fixed places without one.
    Source: NeRF, section 5.2; D-NeRF, section 4.4 (one network for both).
    """
    rays = crossing.rays
    first = stratified(crossing.enter, crossing.leave, coarse, generator)
    held = (coarse_field or field)(rays.at(first))
    weights, seen = _see(crossing, first, *held)
    if coarse_field is not None:
        every = with_fine(first, weights, fine, generator)
        return TwoPasses(seen, _see(crossing, every, *field(rays.at(every)))[1])
    added = with_fine(first, weights, fine, generator, keeps_coarse=False)
    more = field(rays.at(added))
    every, order = torch.cat([first, added], dim=-1).sort(dim=-1)
    densities = torch.cat([held[0], more[0]], dim=-1).gather(1, order)
    colours = torch.cat([held[1], more[1]], dim=1)
    colours = colours.gather(1, order[..., None].expand(-1, -1, 3))
    return TwoPasses(seen, _see(crossing, every, densities, colours)[1])


def _see(
    crossing: Crossing, distances: Tensor, densities: Tensor, colours: Tensor
) -> tuple[Tensor, Rendered]:
    """Weights (N, S) of samples, and what they add up to."""
    lengths = sample_lengths(distances) * (crossing.leave > crossing.enter)[:, None]
    weights = sample_weights(densities.float(), lengths)
    return weights, composite(weights, colours.float(), distances)
