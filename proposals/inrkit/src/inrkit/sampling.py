"""Where rays are sampled: distances (N, S), ascending; random with a generator, else fixed.

Rendering passes no generator, so that a decoder gives the same pictures every time.
"""

import torch
from torch import Tensor


def stratified(
    enter: Tensor, leave: Tensor, count: int, generator: torch.Generator | None = None
) -> Tensor:
    """One distance in each of ``count`` equal parts of every ray: (N, count).

    Args:
        enter, leave: ends of the rays' intervals (N,).
        count: parts.
        generator: draws a place in each part; without it the middles are taken.
    Source: NeRF, equation 2.
    """
    places = _strata(len(enter), count, enter.device, generator)
    return enter[:, None] + places * (leave - enter)[:, None]


def inverse_cdf(
    edges: Tensor, weights: Tensor, count: int, generator: torch.Generator | None = None
) -> Tensor:
    """Distances (N, count) that fall into bins as often as their weights say, ascending.

    Within a bin the density is constant; 1e-5 is added to every weight, as NeRF does.

    Args:
        edges: of the bins (N, B + 1), ascending.
        weights: of the bins (N, B), not negative; no gradient is passed to them.
        count: distances per ray.
        generator: draws a place in each of ``count`` equal parts of the distribution.
    Source: NeRF, section 5.2.
    """
    chances = weights.detach() + 1e-5
    chances = chances / chances.sum(dim=-1, keepdim=True)
    below = torch.cumsum(chances, dim=-1)
    below = torch.cat([torch.zeros_like(below[:, :1]), below], dim=-1)
    places = _strata(len(edges), count, edges.device, generator)
    bins = torch.searchsorted(below, places, right=True) - 1
    bins = bins.clamp(0, weights.shape[-1] - 1)
    start, share = below.gather(1, bins), chances.gather(1, bins)
    low, high = edges.gather(1, bins), edges.gather(1, bins + 1)
    return low + ((places - start) / share).clamp(0, 1) * (high - low)


def with_fine(
    distances: Tensor,
    weights: Tensor,
    count: int,
    generator: torch.Generator | None = None,
    *,
    keeps_coarse: bool = True,
) -> Tensor:
    """Coarse distances (N, S) and ``count`` fine ones where the weights (N, S) are, sorted.

    The bins reach between the middles of neighbouring distances; the first and last weight are
    left out. Without ``keeps_coarse`` the fine ones alone. Source: NeRF's code (bmild/nerf),
    hierarchical sampling.
    """
    middles = 0.5 * (distances[:, 1:] + distances[:, :-1])
    fine = inverse_cdf(middles, weights[:, 1:-1], count, generator)
    if not keeps_coarse:
        return fine
    return torch.cat([distances, fine], dim=-1).sort(dim=-1).values


def march(
    enter: Tensor,
    leave: Tensor,
    *,
    step: float,
    most: int,
    generator: torch.Generator | None = None,
) -> tuple[Tensor, Tensor]:
    """Distances (N, most) in fixed steps from where rays enter, and which lie before they leave.

    Args:
        enter, leave: ends of the rays' intervals (N,).
        step: in scene units.
        most: steps per ray; see :func:`step_count`.
        generator: shifts each ray's samples by up to one step; without it by half a step.
    """
    shift = _uniform((len(enter), 1), enter.device, generator)
    places = torch.arange(most, device=enter.device, dtype=torch.float32)
    distances = enter[:, None] + (places + shift) * step
    return distances, distances < leave[:, None]


def _strata(
    rays: int, count: int, device: torch.device, generator: torch.Generator | None
) -> Tensor:
    """One place in [0, 1) in each of ``count`` equal parts, (N, count)."""
    parts = torch.arange(count, device=device, dtype=torch.float32)
    return (parts + _uniform((rays, count), device, generator)) / count


def _uniform(
    shape: tuple[int, ...], device: torch.device, generator: torch.Generator | None
) -> Tensor:
    """Uniform numbers of a CPU generator on ``device``; ½ without one."""
    if generator is None:
        return torch.full(shape, 0.5, device=device)
    return torch.rand(shape, generator=generator).to(device)
