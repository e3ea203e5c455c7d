"""Fit an HNeRV to a video: decoder and embeddings, L2 loss on RGB."""

import math
from dataclasses import dataclass
from typing import Any, Literal

import torch
from encoder import HnervEncoder
from inrkit.components import cell_components
from inrkit.fit import Frames, numpy_state
from inrkit.job import FitJob, run_verb
from inrkit.layers import macs_of
from inrkit.video import RawFormat
from inrkit.video_fit import (
    OptimiserParameters,
    fit_frames,
    open_video,
    padded_video,
    save_network,
)
from model import HnervDecoder, fixed_embedding
from structure import EMBEDDING, Structure, choose_strides, solve_channels
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True, kw_only=True)
class Parameters(OptimiserParameters):
    """A fit's parameters, as codec.toml gives them.

    Args:
        million_values: decoder weights and embeddings together, in 10⁶, by the paper's rule.
        least_channels: no block has fewer.
        encoder: ``convnext`` gives the embeddings as the paper does; ``table`` learns them
            directly, starting from principal components, and is far ahead after few steps;
            ``none`` learns and transmits none, see ``model.fixed_embedding``.
        table_spread: standard deviation of the first of these components.
        table_rate: learning rate of the table, as a multiple of the decoder's.
    """

    million_values: float
    least_channels: int
    encoder: Literal["convnext", "table", "none"]
    table_rate: float
    table_spread: float


class Hnerv(nn.Module):
    """Decoder and the source of its embeddings."""

    def __init__(self, structure: Structure, encoder: str) -> None:
        super().__init__()
        self.shape = structure.embedding_shape
        self.decoder = HnervDecoder(structure)
        self.encoder: HnervEncoder | None = None
        if encoder == "convnext":
            self.encoder = HnervEncoder(structure.strides, self.shape[1])
        elif encoder == "table":
            self.table = nn.Parameter(torch.zeros(self.shape[0], math.prod(self.shape[1:])))
        else:
            self.register_buffer("table", fixed_embedding(structure).flatten(1), persistent=False)

    def embed(self, indices: Tensor, padded: Tensor) -> Tensor:
        """Embeddings (N, C, h, w) of the frames at ``indices``, given padded to the coded size."""
        if self.encoder is not None:
            return self.encoder(padded.contiguous(memory_format=torch.channels_last))
        return functional.embedding(indices, self.table).view(-1, *self.shape[1:])


@torch.no_grad()
def start_table(model: Hnerv, frames: Frames, structure: Structure, *, spread: float) -> None:
    """Set the table to principal components of the pixels that each embedding stands for."""
    components = cell_components(
        padded_video(frames),
        cell=math.prod(structure.strides),
        channels=model.shape[1],
        spread=spread,
    )
    model.table.copy_(components.flatten(1))


def structure_of(video: RawFormat, parameters: Parameters) -> Structure:
    """The network that the parameters describe for a video of this size."""
    strides = choose_strides(video)
    channels = solve_channels(video, strides, million_values=parameters.million_values)
    learns = parameters.encoder != "none"
    return Structure(video, strides, channels, parameters.least_channels, learns)


@torch.no_grad()
def transmitted(model: Hnerv, frames: Frames) -> dict[str, Any]:
    """What is coded, by name: learnt embeddings of all frames, then the decoder's tensors."""
    if model.encoder is None and not model.table.requires_grad:
        return numpy_state(model.decoder)
    device = frames.device
    ones = [torch.tensor([index], device=device) for index in range(len(frames))]
    embedded = [model.embed(index, frames.padded(frames[index])) for index in ones]
    embeddings = torch.cat(embedded).to("cpu", torch.float32).contiguous()
    return {EMBEDDING: embeddings.numpy(), **numpy_state(model.decoder)}


def main(job: FitJob) -> None:
    """Write embeddings and decoder to ``./model``."""
    held = job.source.format
    parameters = Parameters(**job.parameters)
    structure = structure_of(held, parameters)
    frames = open_video(job, size=structure.coded_size)
    model = Hnerv(structure, parameters.encoder)
    model = model.to(device=frames.device, memory_format=torch.channels_last)
    if parameters.encoder == "table":
        start_table(model, frames, structure, spread=parameters.table_spread)

    def loss_of(_: int, indices: Tensor) -> tuple[Tensor, Tensor]:
        target = frames[indices]
        drawn = model.decoder(model.embed(indices, frames.padded(target)))
        loss = functional.mse_loss(drawn[..., : held.height, : held.width], target)
        return loss, loss

    fit_frames(job, model, loss_of, parameters, rates={"table": parameters.table_rate})
    tensors = transmitted(model, frames)
    one = torch.zeros(1, *structure.embedding_shape[1:], device=frames.device)
    save_network(job, tensors, structure.to_header(), macs=macs_of(model.decoder, one))


if __name__ == "__main__":
    run_verb(FitJob, main)
