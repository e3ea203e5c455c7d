"""LPIPS with AlexNet, per frame on RGB, mean over frames.

Pictures are brought to RGB as for PSNR (bilinear chroma, declared matrix and range, not rounded)
and to [−1, 1]. torch and lpips are imported when the first picture is measured: about 5 s, once a
process. :mod:`invrbench.metrics.server` spares many processes from paying it.

Source: Zhang et al., "The unreasonable effectiveness of deep features as a perceptual metric",
CVPR 2018; package lpips 0.1.4, heads v0.1.
"""

import functools
import importlib.metadata
import itertools
import math
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from invrbench.metrics.colour import rgb_picture
from invrbench.metrics.measurement import Measurement, check_pair, without_values
from invrbench.metrics.trunk import find_trunk, load_trunk
from invrbench.video.format import RawVideo, VideoFormat

COLUMNS = ("lpips",)
NO_WEIGHTS = "no AlexNet weights: run `invrbench weights lpips`"
MIN_SIDE = 64
_BATCH_PIXELS = 1 << 19
_BATCH_FRAMES = 8


def measure(reference: RawVideo, decoded: RawVideo) -> Measurement:
    """LPIPS in this process; smaller is better.

    Raises:
        SequenceError: formats differ, or a file ends early.
        ToolError: the weights found are not AlexNet's.
    """
    check_pair(reference, decoded)
    video = reference.format
    if min(video.width, video.height) < MIN_SIDE:
        return without_values(COLUMNS, f"LPIPS undefined below {MIN_SIDE} pixels")
    path = find_trunk()
    if path is None:
        return without_values(COLUMNS, NO_WEIGHTS)
    frames: list[float | None] = []
    for pairs in _batches(reference, decoded):
        frames += _distances(_network(path), pairs, video)
    return Measurement(
        values={"lpips": math.fsum(value for value in frames if value is not None) / len(frames)},
        frames={"lpips": frames},
        versions={
            "lpips": f"lpips {importlib.metadata.version('lpips')}, AlexNet, heads v0.1, "
            "RGB, mean of frames"
        },
    )


_Pair = tuple[list[NDArray[Any]], list[NDArray[Any]]]


def _batches(reference: RawVideo, decoded: RawVideo) -> Iterator[list[_Pair]]:
    """Frame pairs, a few at a time; how many depends on the picture size only."""
    pixels = reference.format.width * reference.format.height
    count = max(1, min(_BATCH_FRAMES, _BATCH_PIXELS // pixels))
    pairs = zip(reference.frames(), decoded.frames(), strict=True)
    while batch := list(itertools.islice(pairs, count)):
        yield batch


@functools.cache
def _network(path: Path) -> Any:
    """lpips's network with heads v0.1 on the trunk in ``path``.

    lpips asks torchvision for a pretrained AlexNet, which means a download; here it builds a
    random one, whose convolutions are then replaced.
    """
    trunk = load_trunk(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import lpips
        import torch

        with torch.random.fork_rng(devices=[]):
            network = lpips.LPIPS(net="alex", pnet_rand=True, verbose=False)
    for name, parameter in network.net.named_parameters():
        # slice2.3.weight is features.3.weight
        _, layer, kind = name.split(".")
        parameter.data.copy_(torch.from_numpy(trunk[f"features.{layer}.{kind}"]))
    return network.eval()


def _distances(network: Any, pairs: list[_Pair], video: VideoFormat) -> list[float]:
    import torch

    sides = [
        torch.from_numpy(
            np.stack(
                [(rgb_picture(pair[side], video) * 2 - 1).astype(np.float32) for pair in pairs]
            )
        )
        for side in range(2)
    ]
    with torch.inference_mode():
        return [float(value) for value in network(*sides).flatten()]
