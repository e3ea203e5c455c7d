"""NVP's decoder in numpy: features and layers to frames. ``model.py`` trains the same network."""

from collections.abc import Iterator, Mapping

import numpy as np
from structure import (
    FIRST_OMEGA,
    LAYERS,
    LEAK,
    PLANES,
    Floats,
    Structure,
    hat_matrix,
    neighbours,
    places,
)

_STRIP_VALUES = 1 << 18  # values of a strip of rows in front of the layers: they stay in cache


def render(
    planes: Mapping[str, Floats],
    grid: Floats | None,
    layers: Mapping[str, Floats],
    structure: Structure,
) -> Iterator[Floats]:
    """Frames (3, H, W) in [0, 1], not clipped, one by one.

    Args:
        planes: levels (rows, columns, features) by name.
        grid: (frames, rows, columns, features), if the structure has one.
        layers: the layers' tensors by name.
        structure: the network's.
    """
    video = structure.video
    xy, yt, xt = (_interpolate(planes, structure, plane) for plane in PLANES)
    mix, bias = _first_maps(layers, structure)
    inputs = structure.plane_inputs
    from_rows = np.tensordot(mix[:, inputs : 2 * inputs], yt, 1) + bias[:, None, None]
    from_columns = np.tensordot(mix[:, 2 * inputs : 3 * inputs], xt, 1)
    per_pixel = np.hstack([mix[:, :inputs], mix[:, 3 * inputs :]])
    down = neighbours(video.height, structure.grid_rows) if grid is not None else None
    across = neighbours(video.width, structure.grid_columns) if grid is not None else None
    times = places(video.frames).astype(np.float32)
    strip = max(1, _STRIP_VALUES // (LAYERS * structure.hidden_width * video.width))
    for frame, time in enumerate(times):
        rgb = np.empty((3, video.height, video.width), np.float32)
        for start in range(0, video.height, strip):
            rows = slice(start, min(start + strip, video.height))
            latent = xy[:, rows]
            if grid is not None:
                found = grid[frame][down[rows, None, :, None], across[None, :, None]]
                found = np.moveaxis(found.reshape(*found.shape[:2], -1), 2, 0)
                latent = np.concatenate([latent, found])
            mixed = (per_pixel @ latent.reshape(len(latent), -1)).reshape(-1, *latent.shape[1:])
            mixed += from_rows[:, rows, frame, None]
            mixed += from_columns[:, None, :, frame]
            rgb[:, rows] = _colour(mixed, time, layers, structure)
        rgb *= np.float32(0.5)
        rgb += np.float32(0.5)
        yield rgb


def _colour(
    mixed: Floats, time: np.float32, layers: Mapping[str, Floats], structure: Structure
) -> Floats:
    """RGB (3, …) in [−1, 1]: the layers of ``model.Nvp`` behind what the latent adds."""
    width, shape = structure.hidden_width, mixed.shape[1:]
    before = mixed.reshape(LAYERS, width, -1)
    hidden = _leaky(before[0])
    signal = hidden
    if structure.is_modulated:
        weight, bias = layers["sines.0.weight"], layers["sines.0.bias"][:, None]
        signal = hidden * np.sin(np.float32(FIRST_OMEGA) * (weight * time + bias))
    for k in range(1, LAYERS):
        hidden = _leaky(layers[f"modulator.{k}.weight"][:, :width] @ hidden + before[k])
        if structure.is_modulated:
            wave = layers[f"sines.{k}.weight"] @ signal
            wave += layers[f"sines.{k}.bias"][:, None]
            signal = np.sin(wave, out=wave)
            signal *= hidden
        else:
            signal = hidden
    colour: Floats = layers["head.weight"] @ signal + layers["head.bias"][:, None]
    return colour.reshape(3, *shape)


def _first_maps(layers: Mapping[str, Floats], structure: Structure) -> tuple[Floats, Floats]:
    """What the modulator's layers make of the latent: (3·width, latent), and biases (3·width,)."""
    names = [f"modulator.{k}" for k in range(LAYERS)]
    latent = structure.latent_inputs
    mix = np.concatenate([layers[f"{name}.weight"][:, -latent:] for name in names])
    return mix, np.concatenate([layers[f"{name}.bias"] for name in names])


def _interpolate(planes: Mapping[str, Floats], structure: Structure, plane: str) -> Floats:
    """Features (inputs, rows, columns) of a plane at every sample of its two axes."""
    down, across = (structure.extents[axis] for axis in PLANES[plane])
    found = [
        hat_matrix(down, shape[0])
        @ np.moveaxis(planes[name], 2, 0)
        @ hat_matrix(across, shape[1]).T
        for name, shape in structure.plane_shapes.items()
        if name[:2] == plane
    ]
    return np.concatenate(found)


def _leaky(values: Floats) -> Floats:
    return np.maximum(values, np.float32(LEAK) * values)
