"""Fit a PS-NeRV to a video: the patches of whole frames per step, L1 and SSIM loss."""

from dataclasses import dataclass

import torch
from inrkit.fit import numpy_state
from inrkit.job import FitJob, run_verb
from inrkit.layers import macs_of
from inrkit.loss import fusion6
from inrkit.upsampling import choose_enlargement
from inrkit.video import RawFormat
from inrkit.video_fit import OptimiserParameters, fit_frames, open_video, save_network
from model import PatchNetwork
from structure import Structure, patch_size
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True, kw_only=True)
class Parameters(OptimiserParameters):
    """A fit's parameters, as codec.toml gives them; a batch counts frames, all patches of each.

    Args:
        rows: features of a patch along its shorter side, about.
        patch_rows, patch_columns, levels, place_levels, stem_width, style_width, channels,
            expansion, least_channels: see ``Structure``.
    """

    rows: int
    patch_rows: int
    patch_columns: int
    levels: int
    place_levels: int
    stem_width: int
    style_width: int
    channels: int
    expansion: int
    least_channels: int


def structure_of(video: RawFormat, parameters: Parameters) -> Structure:
    """The network that the parameters describe for a video of this size.

    Raises:
        CodecError: its patches are too small.
    """
    size = patch_size(video, rows=parameters.patch_rows, columns=parameters.patch_columns)
    return Structure(
        video=video,
        patch_rows=parameters.patch_rows,
        patch_columns=parameters.patch_columns,
        enlargement=choose_enlargement(size, rows=parameters.rows),
        levels=parameters.levels,
        place_levels=parameters.place_levels,
        stem_width=parameters.stem_width,
        style_width=parameters.style_width,
        channels=parameters.channels,
        expansion=parameters.expansion,
        least_channels=parameters.least_channels,
    )


def main(job: FitJob) -> None:
    """Write the network to ``./model``."""
    held = job.source.format
    parameters = Parameters(**job.parameters)
    structure = structure_of(held, parameters)
    frames = open_video(job, size=structure.coded_size)
    network = PatchNetwork(structure)
    network = network.to(device=frames.device, memory_format=torch.channels_last)

    def loss_of(_: int, indices: Tensor) -> tuple[Tensor, Tensor]:
        target = frames[indices]
        drawn = network(indices)[..., : held.height, : held.width]
        return fusion6(drawn, target).sum(), functional.mse_loss(drawn, target)

    fit_frames(job, network, loss_of, parameters)
    macs = macs_of(network, torch.zeros(1, dtype=torch.long, device=frames.device))
    save_network(job, numpy_state(network), structure.to_header(), macs=macs)


if __name__ == "__main__":
    run_verb(FitJob, main)
