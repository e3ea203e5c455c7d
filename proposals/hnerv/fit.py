"""Fit an HNeRV to a video: decoder and embeddings, L2 loss on RGB."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from encoder import HnervEncoder
from inrkit.components import cell_components
from inrkit.fit import (
    Frames,
    Training,
    fit,
    frame_order,
    numpy_state,
    prepare,
    save_model,
    step_count,
)
from inrkit.job import FitJob, run_verb
from inrkit.layers import macs_of, parameter_count
from inrkit.schedule import WarmUpCosine
from inrkit.video import RawFormat, load_video
from model import HnervDecoder
from structure import EMBEDDING, Structure, choose_strides, solve_channels
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True)
class Parameters:
    """A fit's parameters, as codec.toml gives them.

    Args:
        million_values: decoder weights and embeddings together, in 10⁶, by the paper's rule.
        least_channels: no block has fewer.
        encoder: ``convnext`` gives the embeddings as the paper does; ``table`` learns them
            directly, starting from principal components, and is far ahead after few steps.
        table_spread: standard deviation of the first of these components.
        table_rate: learning rate of the table, as a multiple of the decoder's.
        steps, epochs: length of the fit; one of them is given.
        batch: frames per step.
        learning_rate: base rate of Adam.
        beta2: Adam's second decay.
        warm_up: share of the steps until the base rate is reached.
    """

    million_values: float
    least_channels: int
    encoder: Literal["convnext", "table"]
    table_rate: float
    table_spread: float
    batch: int
    learning_rate: float
    beta2: float
    warm_up: float
    steps: int | None = None
    epochs: int | None = None


class Hnerv(nn.Module):
    """Decoder and the source of its embeddings."""

    def __init__(self, structure: Structure, encoder: str) -> None:
        super().__init__()
        self.shape = structure.embedding_shape
        self.decoder = HnervDecoder(structure)
        self.encoder = (
            HnervEncoder(structure.strides, self.shape[1]) if encoder != "table" else None
        )
        if self.encoder is None:
            self.table = nn.Parameter(torch.zeros(self.shape[0], math.prod(self.shape[1:])))

    def embed(self, indices: Tensor, padded: Tensor) -> Tensor:
        """Embeddings (N, C, h, w) of the frames at ``indices``, given padded to the coded size."""
        if self.encoder is not None:
            return self.encoder(padded.contiguous(memory_format=torch.channels_last))
        return functional.embedding(indices, self.table).view(-1, *self.shape[1:])


@torch.no_grad()
def start_table(model: Hnerv, frames: Frames, structure: Structure, *, spread: float) -> None:
    """Set the table to principal components of the pixels that each embedding stands for."""
    whole = torch.cat([frames.padded(frames[i]) for i in torch.arange(len(frames)).split(1)])
    components = cell_components(
        whole, cell=math.prod(structure.strides), channels=model.shape[1], spread=spread
    )
    model.table.copy_(components.flatten(1))


def structure_of(video: RawFormat, parameters: Parameters) -> Structure:
    """The network that the parameters describe for a video of this size."""
    strides = choose_strides(video)
    channels = solve_channels(video, strides, million_values=parameters.million_values)
    return Structure(video, strides, channels, parameters.least_channels)


@torch.no_grad()
def transmitted(model: Hnerv, frames: Frames) -> dict[str, Any]:
    """What is coded, by name: embeddings of all frames first, then the decoder's tensors."""
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
    device = prepare(job)
    frames = Frames(
        load_video(job.source.path, held),
        peak=held.peak,
        device=device,
        size=structure.coded_size,
    )
    model = Hnerv(structure, parameters.encoder)
    model = model.to(device=device, memory_format=torch.channels_last)
    if model.encoder is None:
        start_table(model, frames, structure, spread=parameters.table_spread)
    steps = step_count(job.parameters, frames=held.frames, batch=parameters.batch)
    order = frame_order(held.frames, parameters.batch, seed=job.seed)

    def loss_of(step: int, _: torch.Generator) -> tuple[Tensor, Tensor]:
        indices = order(step).to(device)
        target = frames[indices]
        drawn = model.decoder(model.embed(indices, frames.padded(target)))
        loss = functional.mse_loss(drawn[..., : held.height, : held.width], target)
        return loss, loss

    training = Training(
        steps=steps,
        learning_rate=parameters.learning_rate,
        schedule=WarmUpCosine(steps, warm_up=parameters.warm_up),
        seed=job.seed,
        betas=(0.9, parameters.beta2),
        rates={"table": parameters.table_rate},
    )
    fit(model, loss_of, training, checkpoint=job.checkpoint, key=job.key)
    tensors = transmitted(model, frames)
    one = torch.from_numpy(tensors[EMBEDDING][:1]).to(device)
    macs = macs_of(model.decoder, one)
    meta = {
        "structure": structure.to_header(),
        "parameters": parameter_count(model.decoder) + tensors[EMBEDDING].size,
        "kmac_per_pixel": macs / (held.width * held.height) / 1000,
    }
    save_model(Path("model"), tensors, meta)


if __name__ == "__main__":
    run_verb(FitJob, main)
