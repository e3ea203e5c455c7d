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
from collections.abc import Iterable, Iterator
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
_HELD_PIXELS = 32 * 320 * 176  # of a source whose features are kept: about 70 MB
_HELD_SOURCES = 6


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
    network = _network(path)
    pairs = zip(_reference_features(path, reference), _batches(decoded), strict=True)
    for features, batch in pairs:
        frames += _distances(network, features, batch, video)
    return Measurement(
        values={"lpips": math.fsum(value for value in frames if value is not None) / len(frames)},
        frames={"lpips": frames},
        versions={
            "lpips": f"lpips {importlib.metadata.version('lpips')}, AlexNet, heads v0.1, "
            "RGB, mean of frames"
        },
    )


_Frame = list[NDArray[Any]]
_held: dict[tuple[Any, ...], list[Any]] = {}  # features of references, the oldest first


def _batches(video: RawVideo) -> Iterator[list[_Frame]]:
    """Frames, a few at a time; how many depends on the picture size only."""
    frames, count = video.frames(), _batch_length(video.format)
    while batch := list(itertools.islice(frames, count)):
        yield batch


def _batch_length(video: VideoFormat) -> int:
    return max(1, min(_BATCH_FRAMES, _BATCH_PIXELS // (video.width * video.height)))


def _reference_features(path: Path, reference: RawVideo) -> Iterable[Any]:
    """AlexNet's features of each batch of the reference.

    A run measures one source against many decoded videos: those of the last few short sources are
    kept. Long ones are computed again, a batch at a time.
    """
    network, video = _network(path), reference.format
    computed = (_features(network, batch, video) for batch in _batches(reference))
    if video.pixels > _HELD_PIXELS:
        return computed
    status = reference.path.stat()
    file = (reference.path.resolve(), status.st_size, status.st_mtime_ns)
    key = (path, file, video, _batch_length(video))
    if key not in _held:
        while len(_held) >= _HELD_SOURCES:
            del _held[next(iter(_held))]
        _held[key] = list(computed)
    return _held[key]


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


def _features(network: Any, batch: list[_Frame], video: VideoFormat) -> list[Any]:
    """Unit-length features of every AlexNet layer that LPIPS compares, of a batch of frames."""
    import lpips
    import torch

    pictures = [(rgb_picture(frame, video) * 2 - 1).astype(np.float32) for frame in batch]
    with torch.inference_mode():
        outputs = network.net(network.scaling_layer(torch.from_numpy(np.stack(pictures))))
        return [lpips.normalize_tensor(output) for output in outputs]


def _distances(
    network: Any, reference: list[Any], batch: list[_Frame], video: VideoFormat
) -> list[float]:
    """LPIPS of each frame of a batch against the reference's features of the same frames.

    Source: Zhang et al., CVPR 2018, equation 1: the mean over places of weighted squared
    differences of unit-length features, summed over layers.
    """
    import torch

    with torch.inference_mode():
        layers = zip(network.lins, reference, _features(network, batch, video), strict=True)
        parts = [lin((ours - theirs) ** 2).mean((1, 2, 3)) for lin, ours, theirs in layers]
        return [float(value) for value in torch.stack(parts).sum(0)]
