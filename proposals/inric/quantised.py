"""Quantise a fitted inric network for the paper's bitstreams: range, AdaRound, fine-tuning."""

from pathlib import Path

import numpy as np
import torch
from fit import Parameters
from inrkit.adaround import Dense, Rounding, round_layers
from inrkit.device import prepare
from inrkit.errors import CodecError
from inrkit.fit import Training
from inrkit.job import EncodeJob
from inrkit.levels import Floats, Levels
from inrkit.qat import Quantisers, fine_tune, fit_quantisers, levels_of
from inrkit.schedule import WarmUpCosine
from inrkit.sine import OMEGA
from inrkit.sine_fit import SineNetwork, Target, lattice_loss
from model import Structure
from torch import Tensor

STAGES = ("ptq", "adaround", "qat")


def quantise(
    job: EncodeJob, tensors: dict[str, Floats], structure: Structure, *, bits: int, stage: str
) -> tuple[dict[str, Levels], dict[str, np.float32]]:
    """Levels and steps of every tensor, in the order in which they are coded.

    Args:
        job: gives the source, the fit's parameters and the seed.
        tensors: the fitted network's.
        bits: of a level.
        stage: how far it goes: ``ptq`` rounds to the nearest level, ``adaround`` chooses the
            levels of weights layer by layer, ``qat`` fine-tunes all tensors from there.

    Raises:
        CodecError: bits or stage are not served, or the training diverges.
    """
    if stage not in STAGES:
        raise CodecError(f"quantisation is one of {', '.join(STAGES)}, not {stage!r}.")
    parameters = Parameters(**job.fit_parameters)
    device = prepare(job)
    held = job.source.format
    network = SineNetwork(structure.network, structure.axes(held.height, held.width)).to(device)
    load(network, {name: torch.from_numpy(value) for name, value in tensors.items()})
    quantisers = fit_quantisers(network, bits)
    if stage != "ptq":
        choose_levels(network, quantisers, parameters, seed=job.seed)
    if stage == "qat":
        target = Target(job.source, device, low=-1, high=1)
        tune(network, quantisers, target, parameters, seed=job.seed)
    return levels_of({name: network.get_parameter(name) for name in tensors}, quantisers)


def choose_levels(
    network: SineNetwork, quantisers: Quantisers, parameters: Parameters, *, seed: int
) -> None:
    """Move every weight to where its nearest level is the one that AdaRound chooses."""
    layers = []
    for index in range(network.shape.sine_layers + 1):
        names = [f"layers.{index}.{kind}" for kind in ("weight", "bias")]
        weight, bias = (network.get_parameter(name).detach() for name in names)
        activation = sine if index < network.shape.sine_layers else torch.nn.Identity()
        layers.append(Dense(weight, bias, quantisers[names[0]], quantisers[names[1]], activation))
    rounding = Rounding(
        steps=parameters.adaround_steps,
        learning_rate=parameters.adaround_rate,
        batch=parameters.adaround_batch,
        seed=seed,
    )
    places = sample_places(network, parameters.adaround_places, seed=seed)
    weights = round_layers(layers, places, rounding)
    load(network, {f"layers.{index}.weight": weight for index, weight in enumerate(weights)})


def sample_places(network: SineNetwork, count: int, *, seed: int) -> Tensor:
    """Encodings (N, E) of ``count`` places drawn from the picture; of all in order if it is 0."""
    rows, columns = network.axes
    total = len(rows) * len(columns)
    if not 0 < count < total:
        chosen = torch.arange(total)
    else:
        chosen = torch.randperm(total, generator=torch.Generator().manual_seed(seed))[:count]
    chosen = chosen.to(rows.device)
    return torch.cat([rows[chosen // len(columns)], columns[chosen % len(columns)]], dim=1)


def sine(values: Tensor) -> Tensor:
    """sin(30·v)."""
    return torch.sin(OMEGA * values)


def tune(
    network: SineNetwork,
    quantisers: Quantisers,
    target: Target,
    parameters: Parameters,
    *,
    seed: int,
) -> None:
    """Fine-tune all tensors under their quantisers; keep them if the picture gets no worse."""
    before = {name: value.detach().clone() for name, value in network.named_parameters()}
    error_before = picture_error(network, quantisers, target)
    whole = parameters.qat_lattice == 0
    schedule = WarmUpCosine(parameters.qat_steps, warm_up=0.0, end=1.0 if whole else 0.0)
    training = Training(
        steps=parameters.qat_steps,
        learning_rate=parameters.qat_rate,
        schedule=schedule,
        seed=seed,
        precision="fp32",
        keep="best" if whole else "last",
    )
    loss_of = lattice_loss(network, target, places=parameters.qat_lattice)
    checkpoint = Path("checkpoint")
    checkpoint.mkdir(exist_ok=True)
    fine_tune(network, quantisers, loss_of, training, checkpoint=checkpoint, key="qat")
    if picture_error(network, quantisers, target) > error_before:
        load(network, before)


@torch.no_grad()
def picture_error(network: SineNetwork, quantisers: Quantisers, target: Target) -> float:
    """Mean squared error of the whole picture with quantised tensors, RGB in [−1, 1]."""
    held = {name: value.clone() for name, value in network.named_parameters()}
    load(network, {name: quantisers[name].forward(value) for name, value in held.items()})
    error = (network(*network.axes) - target.all()).square().mean().item()
    load(network, held)
    return error


@torch.no_grad()
def load(network: SineNetwork, values: dict[str, Tensor]) -> None:
    """Give some parameters other values."""
    for name, value in values.items():
        network.get_parameter(name).copy_(value)
