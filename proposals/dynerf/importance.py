"""Importance of pixels for training: those that change are drawn more often.

Source: DyNeRF (Li et al., CVPR 2022), section 3.3: ISG (global median) and IST (differences in
time). Both leave pixels that never change almost unseen; how often those are drawn at least is
our choice for ISG (the paper's videos are noisy everywhere, a rendered scene is not).
"""

from collections.abc import Callable

import torch
from inrkit.scene import TrainViews
from torch import Tensor

WeightsOf = Callable[[Tensor], Tensor]  # RGB (T, H, W, 3) in [0, 1] → (T, H, W)
LEAST_ISG = 0.1  # of a pixel at the median; 1 is the most


def median_importance(views: TrainViews, *, gamma: float) -> Tensor:
    """ISG: ⅓·Σ ψ(C − median over time), ψ(x) = x²/(x² + γ²); (P,) in 0.1 … 1 of every pixel.

    Args:
        views: the scene's pixels.
        gamma: residual at which ψ is ½, of RGB in [0, 1]; 1e-3 for key frames, 2e-2 for all.
    """

    def weights(pictures: Tensor) -> Tensor:
        squared = (pictures - pictures.median(dim=0).values).square()
        return (squared / (squared + gamma**2)).mean(dim=-1).clamp(min=LEAST_ISG)

    return _of_every_view(views, weights)


def temporal_importance(views: TrainViews, *, reach: int = 25, alpha: float = 0.1) -> Tensor:
    """IST: max(⅓·Σ of the largest |C(t) − C(t′)|, α), |t − t′| ≤ reach; (P,) of every pixel.

    Args:
        views: the scene's pixels.
        reach: frames of a view, on both sides.
        alpha: least importance.
    """

    def weights(pictures: Tensor) -> Tensor:
        largest = torch.zeros_like(pictures)
        for shift in range(1, min(reach, len(pictures) - 1) + 1):
            change = (pictures[shift:] - pictures[:-shift]).abs()
            largest[shift:] = torch.maximum(largest[shift:], change)
            largest[:-shift] = torch.maximum(largest[:-shift], change)
        return largest.mean(dim=-1).clamp(min=alpha)

    return _of_every_view(views, weights)


def _of_every_view(views: TrainViews, weights_of: WeightsOf) -> Tensor:
    """Weights (P,) in the order of the scene's pixels, from those (T, H, W) of each view."""
    parts = [
        weights_of(views.pictures(index).float() / views.peak).flatten()
        for index in range(len(views.views))
    ]
    return torch.cat(parts).cpu()
