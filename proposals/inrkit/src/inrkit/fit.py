"""The one training loop: seed, schedule, progress, checkpoint and resume.

A fit that was killed and started again ends in the same bits on a CPU: everything that moves
(weights, optimiser, schedule, generators) is in the checkpoint, and the order of the data depends
on seed and step alone. Models must read their tables through ``F.embedding``: the gradient of
``table[index]`` is summed in an order that changes from run to run.
"""

import copy
import hashlib
import math
import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from inrkit.device import prepare
from inrkit.errors import CodecError
from inrkit.model_files import load_model, save_model
from inrkit.schedule import Schedule

__all__ = [
    "Frames",
    "Part",
    "Training",
    "fit",
    "frame_order",
    "load_model",
    "numpy_state",
    "prepare",
    "save_model",
    "step_count",
]

CHECKPOINT = "checkpoint.pt"
DEVICE_BYTES = 8 << 30
PROGRESS_SECONDS = 1.0
# a checkpoint is written at most this often, and takes at most this share of the time
CHECKPOINT_SECONDS = 5.0
CHECKPOINT_SHARE = 0.02

# (step, generator) → loss to minimise, and mean squared error of RGB in [0, 1] for the progress
LossOf = Callable[[int, torch.Generator], tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class Training:
    """How a model is trained.

    Args:
        steps: optimiser steps, the budget's only measure.
        learning_rate: base rate of Adam, multiplied by the schedule's factor at every step.
        schedule: see :mod:`inrkit.schedule`.
        seed: of the fit's own generator, which ``loss_of`` draws from.
        betas: Adam's two decays; RMSProp's is the second.
        eps: added to the root of the second moment.
        weight_decay: AdamW's; 0 makes it Adam (Loshchilov and Hutter, ICLR 2019).
        optimiser: ``adam`` or ``rmsprop`` (without momentum).
        rates: further factors of the rate for parameters by prefix of their name.
        precision: ``bf16`` runs the forward pass under autocast, ``fp32`` does not.
        keep: ``last`` leaves the model as the last step made it, ``best`` as it was when its
            loss was lowest (for full-batch fits, whose loss is the quality of the whole).
        keep_from: share of the steps after which the best is looked for.
    """

    steps: int
    learning_rate: float
    schedule: Schedule
    seed: int
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    weight_decay: float = 0.0
    optimiser: Literal["adam", "rmsprop"] = "adam"
    rates: Mapping[str, float] = field(default_factory=dict)
    precision: Literal["bf16", "fp32"] = "bf16"
    keep: Literal["last", "best"] = "last"
    keep_from: float = 0.0


@dataclass(frozen=True)
class Part:
    """Steps ``before`` these, of ``whole`` in all."""

    before: int
    whole: int


class Frames:
    """The frames of a video as float RGB on the training device, converted as they are asked for.

    Args:
        video: RGB (T, 3, H, W) as ``video.load_video`` gives it; kept on the device up to 8 GiB.
        peak: the sample that stands for 1.
        size: (height, width) up to which the last row and column are repeated.
    """

    def __init__(
        self,
        video: NDArray[Any],
        *,
        peak: int,
        device: torch.device,
        size: tuple[int, int] | None = None,
    ) -> None:
        held = torch.from_numpy(video)
        self.samples = held.to(device) if held.nbytes <= DEVICE_BYTES else held
        self.peak = peak
        self.device = device
        height, width = size or video.shape[2:]
        self.padding = (0, width - video.shape[3], 0, height - video.shape[2])

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, indices: Tensor) -> Tensor:
        """Frames (N, 3, H, W) in [0, 1] at the video's own size."""
        taken = self.samples[indices.to(self.samples.device)].to(self.device)
        return taken.float() / self.peak

    def padded(self, frames: Tensor) -> Tensor:
        """Frames enlarged to ``size`` by repeating their last column and row."""
        return functional.pad(frames, self.padding, mode="replicate")


def step_count(parameters: Mapping[str, Any], *, frames: int, batch: int) -> int:
    """Optimiser steps of a fit whose parameters name ``steps`` or, as the papers do, ``epochs``.

    Raises:
        CodecError: neither or both are named.
    """
    if ("steps" in parameters) == ("epochs" in parameters):
        raise CodecError("a fit's budget names either steps or epochs; give one of them.")
    if "steps" in parameters:
        return int(parameters["steps"])
    return int(parameters["epochs"] * math.ceil(frames / batch))


def frame_order(frames: int, batch: int, *, seed: int) -> Callable[[int], Tensor]:
    """Frame indices (≤ batch,) of a step: every epoch visits each frame once in its own order.

    The order depends on ``seed`` and epoch alone, so that a resumed fit goes on where it was.
    """
    batch = min(batch, frames)
    per_epoch = math.ceil(frames / batch)

    def indices(step: int) -> Tensor:
        epoch, place = divmod(step, per_epoch)
        # torch's CPU generator takes 32 bits of a seed
        digest = hashlib.sha256(f"{seed} {epoch}".encode()).digest()
        generator = torch.Generator().manual_seed(int.from_bytes(digest[:4]))
        order = torch.randperm(frames, generator=generator)
        return order[place * batch : (place + 1) * batch]

    return indices


def numpy_state(model: nn.Module) -> dict[str, Any]:
    """The model's parameters as float32 numpy arrays by name, for :func:`save_model`."""
    return {
        name: value.detach().to("cpu", torch.float32).contiguous().numpy()
        for name, value in model.named_parameters()
    }


def fit(
    model: nn.Module,
    loss_of: LossOf,
    training: Training,
    *,
    checkpoint: Path,
    key: str,
    on_start: Callable[[int], None] | None = None,
    part: Part | None = None,
) -> None:
    """Train ``model`` in place, resuming from ``checkpoint`` if it holds this fit's own state.

    Args:
        model: on its device already; all of its state dict is kept in the checkpoint.
        loss_of: gives loss and RGB error of a step; draws randomness from its generator only.
        checkpoint: an existing folder.
        key: names the fit; a checkpoint with another key is ignored and overwritten.
        on_start: called with the first step to make, after a resume.
        part: where these steps lie in a longer fit, for the progress; the whole by default.

    Raises:
        CodecError: the loss is not finite; names step and learning rate.
    """
    run = _Run.begin(model, training)
    step = run.resume(checkpoint / CHECKPOINT, key)
    device = next(model.parameters()).device
    progress = _Progress(training.steps, step, part or Part(0, training.steps))
    check_every = 1 if device.type == "cpu" or training.schedule.needs_loss else 50
    if on_start is not None:
        on_start(step)
    autocast = torch.autocast(
        device.type, torch.bfloat16, enabled=training.precision == "bf16", cache_enabled=True
    )
    while step < training.steps and not training.schedule.is_over:
        rate = run.set_rate(step)
        with autocast:
            loss, error = loss_of(step, run.generator)
        if step % check_every == 0 or step + 1 == training.steps:
            run.check(loss.item(), step=step, rate=rate)
        run.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        run.optimiser.step()
        step += 1
        progress.report(step, error)
        run.save_if_due(checkpoint / CHECKPOINT, key, step)
    run.finish()


@dataclass
class _Run:
    """All that moves while a fit runs."""

    model: nn.Module
    training: Training
    optimiser: torch.optim.Optimizer
    generator: torch.Generator
    best_loss: float = math.inf
    best_state: dict[str, Tensor] | None = None
    saved_at: float = 0.0
    save_cost: float = 0.0

    @classmethod
    def begin(cls, model: nn.Module, training: Training) -> "_Run":
        groups: dict[float, list[nn.Parameter]] = {}
        for name, parameter in model.named_parameters():
            factors = [f for prefix, f in training.rates.items() if name.startswith(prefix)]
            groups.setdefault(factors[0] if factors else 1.0, []).append(parameter)
        held = [{"params": list(p), "rate_factor": factor} for factor, p in groups.items()]
        optimiser: torch.optim.Optimizer
        if training.optimiser == "rmsprop":
            optimiser = torch.optim.RMSprop(
                held, lr=training.learning_rate, alpha=training.betas[1], eps=training.eps
            )
        else:
            optimiser = torch.optim.AdamW(
                held,
                lr=training.learning_rate,
                betas=training.betas,
                eps=training.eps,
                weight_decay=training.weight_decay,
                fused=True,
            )
        generator = torch.Generator().manual_seed(training.seed)
        return cls(model, training, optimiser, generator, saved_at=time.monotonic())

    def set_rate(self, step: int) -> float:
        """Set every group's learning rate for ``step``; the base one."""
        rate = self.training.learning_rate * self.training.schedule.factor(step)
        for group in self.optimiser.param_groups:
            group["lr"] = rate * group["rate_factor"]
        return rate

    def check(self, loss: float, *, step: int, rate: float) -> None:
        """Refuse a loss that is not finite; show the others to schedule and best model."""
        if not math.isfinite(loss):
            raise CodecError(
                f"the loss is {loss} at step {step} of {self.training.steps} "
                f"(learning rate {rate:.3g}); lower the fit's learning_rate."
            )
        if self.training.schedule.needs_loss:
            self.training.schedule.observe(loss)
        is_late = step >= self.training.keep_from * self.training.steps
        if self.training.keep == "best" and is_late and loss < self.best_loss:
            self.best_loss = loss
            self.best_state = {k: v.clone() for k, v in self.model.state_dict().items()}

    def finish(self) -> None:
        """Leave the model as ``training.keep`` says."""
        if self.best_state is not None:
            self.model.load_state_dict(self.best_state)

    def save_if_due(self, path: Path, key: str, step: int) -> None:
        """Write a checkpoint if the last one is old enough to make it cheap."""
        now = time.monotonic()
        wait = max(CHECKPOINT_SECONDS, self.save_cost / CHECKPOINT_SHARE)
        if now - self.saved_at < wait or step >= self.training.steps:
            return
        state = {
            "key": key,
            "step": step,
            "model": self.model.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "schedule": self.training.schedule.state(),
            "generator": self.generator.get_state(),
            "torch": torch.get_rng_state(),
            "best": (self.best_loss, self.best_state),
        }
        partial = path.with_suffix(".partial")
        with partial.open("wb") as file:
            torch.save(state, file)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
        self.saved_at = time.monotonic()
        self.save_cost = self.saved_at - now

    def resume(self, path: Path, key: str) -> int:
        """Take up the checkpoint if it is this fit's; the next step to make."""
        if not path.is_file():
            return 0
        state = torch.load(path, map_location="cpu", weights_only=True)
        if state["key"] != key:
            path.unlink()
            return 0
        self.model.load_state_dict(state["model"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.training.schedule.restore(state["schedule"])
        self.generator.set_state(state["generator"])
        torch.set_rng_state(state["torch"])
        self.best_loss, self.best_state = copy.deepcopy(state["best"])
        return int(state["step"])


class _Progress:
    """Prints share done and training PSNR on stderr, at most once a second."""

    def __init__(self, steps: int, step: int, part: Part) -> None:
        self.steps = steps
        self.part = part
        self.printed_at = time.monotonic()
        self.errors: list[Tensor] = []
        if step:
            print(f"resumed at step {step} of {steps}", file=sys.stderr, flush=True)

    def report(self, step: int, error: Tensor) -> None:
        self.errors.append(error.detach())
        now = time.monotonic()
        if now - self.printed_at < PROGRESS_SECONDS and step < self.steps:
            return
        mean = torch.stack(self.errors).double().mean().item()
        psnr = -10 * math.log10(max(mean, 1e-12))
        done = self.part.before + step
        line = f"progress {done / self.part.whole:.4f} step={done} psnr_rgb_db={psnr:.2f}"
        print(line, file=sys.stderr, flush=True)
        self.printed_at = now
        self.errors.clear()
