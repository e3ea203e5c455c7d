"""Fit an FFNeRV to a video: grids and decoder, L1 and SSIM loss on three frames per step."""

from dataclasses import dataclass
from typing import Any

import torch
from inrkit.components import cell_components
from inrkit.errors import CodecError
from inrkit.fit import Frames, numpy_state
from inrkit.job import FitJob, run_verb
from inrkit.layers import macs_of
from inrkit.loss import fusion6
from inrkit.quantise import TanhQuantiser
from inrkit.video import RawFormat
from inrkit.video_fit import (
    FrameLoss,
    OptimiserParameters,
    fit_frames,
    open_video,
    padded_video,
    save_network,
)
from model import Drawn, FfnervNetwork, TemporalGrids, aggregate
from structure import MOST_GRIDS, NEIGHBOURS, Structure, choose_enlargement
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional

SIDE_WEIGHT = 0.1  # of the losses of aggregated and independent frame


@dataclass(frozen=True, kw_only=True)
class Parameters(OptimiserParameters):
    """A fit's parameters, as codec.toml gives them.

    Args:
        channels, expansion, least_channels, is_compact, grid_lengths, aggregates: see
            ``Structure``.
        bits: of the quantisation-aware training from the first step on; 0 trains float weights.
        grid_rate: learning rate of the grids, as a multiple of the others'.
        grid_spread: standard deviation of the first of the principal components that the grids
            start from; 0 starts them from Xavier's distribution as the paper does.
    """

    channels: int
    expansion: int
    least_channels: int
    is_compact: bool
    aggregates: bool
    grid_lengths: list[int]
    bits: int
    grid_rate: float
    grid_spread: float


class Ffnerv(nn.Module):
    """The network, its quantiser, and the buffer of independent frames it is aggregated from.

    The buffer holds every frame as the network last drew it, float16, without gradient. On a CPU
    it is part of the checkpoint; on CUDA, where it may take gigabytes, it is drawn anew.
    """

    def __init__(self, structure: Structure, device: torch.device) -> None:
        super().__init__()
        self.network = FfnervNetwork(structure)
        self.quantiser = TanhQuantiser(structure.bits) if structure.bits else None
        shape = (structure.video.frames, 3, *structure.coded_size)
        buffer = torch.zeros(shape, dtype=torch.float16)
        self.register_buffer("buffer", buffer, persistent=device.type == "cpu")

    def draw(self, indices: Tensor) -> Drawn:
        """What the network draws at these frames, with quantised weights if it has a quantiser."""
        if self.quantiser is None:
            return self.network(indices)
        weights = {n: self.quantiser.forward(w) for n, w in self.network.named_parameters()}
        return functional_call(self.network, weights, (indices,))

    @torch.no_grad()
    def fill_buffer(self) -> None:
        """Draw every frame into the buffer."""
        for index in torch.arange(len(self.buffer), device=self.buffer.device).split(1):
            self.remember(index, self.draw(index).frames)

    @torch.no_grad()
    def remember(self, indices: Tensor, frames: Tensor) -> None:
        """Keep these independent frames."""
        self.buffer.index_copy_(0, indices, frames.to(self.buffer.dtype))

    @torch.no_grad()
    def neighbours(self, indices: Tensor) -> Tensor:
        """Buffered neighbours (N, A, 3, H, W) of frames (N,); beyond either end they are zero."""
        offsets = torch.tensor(NEIGHBOURS, device=indices.device)
        around = indices.unsqueeze(1) + offsets
        exists = (around >= 0) & (around < len(self.buffer))
        frames = self.buffer[around.clamp(0, len(self.buffer) - 1)].float()
        return frames * exists[:, :, None, None, None]


def structure_of(video: RawFormat, parameters: Parameters) -> Structure:
    """The network that the parameters describe for a video of this size.

    Raises:
        CodecError: a single frame, or grids that cannot share the channels.
    """
    if video.frames < 2:
        raise CodecError(
            "the source has one frame; ffnerv codes two or more, each from the others."
        )
    lengths = tuple(parameters.grid_lengths)
    if not 0 < len(lengths) <= MOST_GRIDS or parameters.channels % len(lengths):
        raise CodecError(
            f"grid_lengths names {len(lengths)} grids for {parameters.channels} channels; name 1 "
            f"to {MOST_GRIDS} whose number divides the channels."
        )
    return Structure(
        video=video,
        enlargement=choose_enlargement(video),
        channels=parameters.channels,
        expansion=parameters.expansion,
        least_channels=parameters.least_channels,
        is_compact=parameters.is_compact,
        grid_lengths=lengths,
        bits=parameters.bits,
        aggregates=parameters.aggregates,
    )


@torch.no_grad()
def start_grids(grids: TemporalGrids, frames: Frames, structure: Structure, spread: float) -> None:
    """Set the grids to principal components of the pixels and times that they stand for.

    The longest grid takes the strongest components.
    """
    components = cell_components(
        padded_video(frames),
        cell=structure.enlargement,
        channels=structure.channels,
        spread=spread,
    )
    series = components.permute(1, 2, 3, 0).flatten(1, 2)
    share = grids.grids[0].shape[1]
    order = sorted(range(len(grids.grids)), key=lambda index: -len(grids.grids[index]))
    for index, held in zip(order, series.split(share), strict=True):
        grid = grids.grids[index]
        sampled = functional.interpolate(held, len(grid), mode="linear", align_corners=True)
        grid.copy_(sampled.unflatten(1, grid.shape[2:]).permute(3, 0, 1, 2))


def loss_function(model: Ffnerv, frames: Frames, *, aggregates: bool) -> FrameLoss:
    """Loss of a step on shown, aggregated and independent frames. Source: FFNeRV, section 3.5.

    Without aggregation the independent frames are those shown, and there is nothing else.
    """

    def loss_of(_: int, indices: Tensor) -> tuple[Tensor, Tensor]:
        target = frames[indices]
        drawn = model.draw(indices)
        height, width = target.shape[-2:]
        if not aggregates:
            frames_drawn = drawn.frames[..., :height, :width]
            error = (frames_drawn.detach() - target).square().mean()
            return fusion6(frames_drawn, target)[0], error
        with torch.autocast(frames.device.type, enabled=False):
            shown, aggregated = aggregate(drawn, model.neighbours(indices))
        model.remember(indices, drawn.frames)
        three = torch.cat([shown, aggregated, drawn.frames], dim=1)[..., :height, :width]
        losses = fusion6(three, target)
        loss = losses[0] + SIDE_WEIGHT * (losses[1] + losses[2])
        return loss, (three[:, :3].detach() - target).square().mean()

    return loss_of


def transmitted(model: Ffnerv) -> dict[str, Any]:
    """What is coded, by name: float32 weights, or int32 levels after quantised training."""
    if model.quantiser is None:
        return numpy_state(model.network)
    named = model.network.named_parameters()
    return {name: model.quantiser.levels(weights)[0] for name, weights in named}


def main(job: FitJob) -> None:
    """Write the network to ``./model``."""
    parameters = Parameters(**job.parameters)
    structure = structure_of(job.source.format, parameters)
    frames = open_video(job, size=structure.coded_size)
    device = frames.device
    model = Ffnerv(structure, device).to(device)
    if parameters.grid_spread:
        start_grids(model.network.grids, frames, structure, parameters.grid_spread)
    model.network.to(memory_format=torch.channels_last)

    def start(step: int) -> None:
        if structure.aggregates and (step == 0 or device.type != "cpu"):
            model.fill_buffer()

    fit_frames(
        job,
        model,
        loss_function(model, frames, aggregates=structure.aggregates),
        parameters,
        rates={"network.grids": parameters.grid_rate},
        on_start=start,
    )
    macs = macs_of(model.network, torch.zeros(1, dtype=torch.long, device=device))
    save_network(job, transmitted(model), structure.to_header(), macs=macs)


if __name__ == "__main__":
    run_verb(FitJob, main)
