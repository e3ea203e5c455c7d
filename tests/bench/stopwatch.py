"""Times the training steps or the decoder of one proposal; ``throughput.py`` starts it.

Run in a folder that holds a verb's ``job.json``, with the proposal's folder on PYTHONPATH:

    python stopwatch.py fit|decode|peak <proposal's folder> <seconds> <rounds>

A fit runs to its end, so that grids know their empty cells; then its last steps are made again, as
shipped and plainly in turn, from the state at the end. Prints one line of JSON.
"""

import contextlib
import json
import math
import os
import runpy
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from torch import Tensor, nn

KINDS = ("shipped", "plain")
# of one thread its own seconds, which neighbours on the machine disturb less
clock = time.process_time if os.environ["OMP_NUM_THREADS"] == "1" else time.perf_counter
WARM_SHARE = 0.2  # of a round's steps, which are not timed
WINDOW = 16  # steps that are timed together: grids of cells are looked at once in so many
PEAK_SIDE = 2048  # of the matrices multiplied for the peak rate


class Rays:
    """Counts the rays that are made of a scene's pixels."""

    def __init__(self) -> None:
        self.count = 0

    def counted(self, batch: Callable[..., Any]) -> Callable[..., Any]:
        """``TrainViews.batch``, counted."""

        def counting(views: Any, pixels: Tensor) -> Any:
            self.count += len(pixels)
            return batch(views, pixels)

        return counting


class PlainSine:
    """Squared error of a sine network, its gradient left to autograd."""

    @staticmethod
    def apply(places: Tensor, target: Tensor, *parameters: Tensor) -> Tensor:
        """As ``sine_gradient._SquaredError``."""
        hidden = places
        *sines, (weight, bias) = zip(parameters[::2], parameters[1::2], strict=True)
        for scale, shift in sines:
            hidden = torch.sin(30 * torch.addmm(shift[:, None], scale, hidden))
        return (torch.addmm(bias[:, None], weight, hidden) - target).square().mean()


class PlainInterpolation:
    """Weighted sums of table rows, their gradient left to autograd."""

    @staticmethod
    def apply(table: Tensor, rows: Tensor, weights: Tensor) -> Tensor:
        """As ``grids._Interpolation``."""
        return (nn.functional.embedding(rows, table) * weights[..., None]).sum(dim=1)


def plain_ssim(predicted: Tensor, target: Tensor) -> Tensor:
    """SSIM of every version by pytorch-msssim."""
    from pytorch_msssim import ssim

    versions = predicted.float().split(3, dim=1)
    return torch.stack([ssim(each, target, data_range=1.0) for each in versions])


@contextlib.contextmanager
def plainly(model: nn.Module) -> Iterator[None]:
    """Contiguous tensors, Adam without fused kernels, gradients by autograd, a library's SSIM."""
    import inrkit.grids
    import inrkit.loss
    import inrkit.sine_gradient

    held = [*model.parameters(), *model.buffers()]
    laid_out = [tensor.data for tensor in held]
    contiguous, adam = torch.Tensor.contiguous, torch.optim.AdamW
    with contextlib.ExitStack() as stack:
        for place, name, plain in (
            (inrkit.sine_gradient, "_SquaredError", PlainSine),
            (inrkit.grids, "_Interpolation", PlainInterpolation),
            (inrkit.loss, "ssim", plain_ssim),
            (torch.Tensor, "contiguous", lambda tensor, **_: contiguous(tensor)),
            (torch.optim, "AdamW", lambda *a, **k: adam(*a, **{**k, "fused": None})),
        ):
            stack.enter_context(mock.patch.object(place, name, plain))
        for tensor in held:
            tensor.data = tensor.data.clone(memory_format=torch.contiguous_format)
        yield
        for tensor, data in zip(held, laid_out, strict=True):
            tensor.data = data.copy_(tensor.data)


class Stopwatch:
    """Stands in for the training loop: trains, then times further steps of the last stage."""

    def __init__(self, loop: Callable[..., None], *, seconds: float, rounds: int) -> None:
        self.loop, self.seconds, self.rounds = loop, seconds, rounds
        self.rays = Rays()
        self.found: dict[str, Any] = {}

    def __call__(self, model: nn.Module, loss_of: Any, training: Any, **rest: Any) -> None:
        """Train as ``inrkit.fit.fit`` does; time the steps if this is the last training."""
        self.loop(model, loss_of, training, **rest)
        part = rest.get("part")
        if part is None or part.before + training.steps >= part.whole:
            self.measure(model, loss_of, training)

    def measure(self, model: nn.Module, loss_of: Any, training: Any) -> None:
        """Time the kinds of step in turn; count the plain one's arithmetic."""
        state = {name: value.clone() for name, value in model.state_dict().items()}
        once = self.timed(model, loss_of, training, "shipped", 8)[0]
        steps = max(8, min(400, round(self.seconds / once)))
        found: dict[str, list[float]] = {kind: [] for kind in KINDS}
        rays: dict[str, float] = {}
        for _ in range(self.rounds):
            for kind in KINDS:
                model.load_state_dict(state)
                spent, rays[kind] = self.timed(model, loss_of, training, kind, steps)
                found[kind].append(spent)
        model.load_state_dict(state)
        self.found = {
            "seconds": {kind: min(found[kind]) for kind in KINDS},
            "rays": rays["shipped"],
            "macs": self.macs(model, loss_of, training),
            "precision": training.precision,
        }
        model.load_state_dict(state)

    def timed(
        self, model: nn.Module, loss_of: Any, training: Any, kind: str, steps: int
    ) -> tuple[float, float]:
        """Seconds and rays of a step, the mean of the fastest ``WINDOW`` behind the first ones."""
        starts, counts = [], []
        first = max(0, training.steps - steps)

        def timed_loss(step: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
            starts.append(clock())
            counts.append(self.rays.count)
            found: tuple[Tensor, Tensor] = loss_of(first + step, generator)
            return found

        precision = training.precision if kind == "shipped" else "fp32"
        some = replace(training, steps=steps, precision=precision)
        way = plainly(model) if kind == "plain" else contextlib.nullcontext()
        with tempfile.TemporaryDirectory() as folder, way:
            self.loop(model, timed_loss, some, checkpoint=Path(folder), key=kind)
        starts.append(clock())
        counts.append(self.rays.count)
        warm = math.ceil(WARM_SHARE * steps)
        width = min(WINDOW, steps - warm)
        windows = range(warm, steps - width + 1)
        best = min(windows, key=lambda start: starts[start + width] - starts[start])
        times, rays = (held[best + width] - held[best] for held in (starts, counts))
        return times / width, rays / width

    def macs(self, model: nn.Module, loss_of: Any, training: Any) -> int:
        """Multiply-accumulates of the matrix products and convolutions of one loss."""
        from torch.utils.flop_counter import FlopCounterMode

        generator = torch.Generator().manual_seed(0)
        with plainly(model), FlopCounterMode(display=False) as counter:
            loss_of(training.steps - 1, generator)
        return int(counter.get_total_flops() // 2)


def time_fit(folder: Path, *, seconds: float, rounds: int) -> dict[str, Any]:
    """Train by the proposal's own ``fit.py`` and time its steps."""
    import inrkit.fit
    import inrkit.scene

    watch = Stopwatch(inrkit.fit.fit, seconds=seconds, rounds=rounds)
    inrkit.scene.TrainViews.batch = watch.rays.counted(  # type: ignore[method-assign]
        inrkit.scene.TrainViews.batch
    )
    inrkit.fit.fit = watch  # before the modules that import it by name
    sys.argv = [str(folder / "fit.py"), "job.json"]
    runpy.run_path(sys.argv[0], run_name="__main__")
    return watch.found


def time_decode(folder: Path, *, rounds: int) -> dict[str, Any]:
    """Seconds of the proposal's decoder, from bitstream to files, imports left out."""
    from inrkit.job import DecodeJob, read_job

    main = runpy.run_path(str(folder / "decode.py"))["main"]
    job = read_job(Path("job.json"))
    assert isinstance(job, DecodeJob)
    found = []
    for _ in range(rounds):
        start = clock()
        main(job)
        found.append(clock() - start)
    return {"seconds": min(found)}


def peak_rates(*, seconds: float) -> dict[str, float]:
    """Multiply-accumulates per second of large matrix products, by precision."""
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    rates = {}
    for name, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
        left, right = (torch.randn(PEAK_SIDE, PEAK_SIDE).to(dtype) for _ in range(2))
        picture = torch.randn(1, 256, 64, 64).to(dtype).to(memory_format=torch.channels_last)
        kernel = torch.randn(256, 256, 3, 3).to(dtype).to(memory_format=torch.channels_last)
        ways = {
            PEAK_SIDE**3: lambda a=left, b=right: torch.mm(a, b),
            9 * 256**2 * 64**2: lambda a=picture, b=kernel: torch.conv2d(a, b, padding=1),
        }
        best, end = 0.0, clock() + seconds
        while clock() < end:
            for macs, way in ways.items():
                start = clock()
                way()
                best = max(best, macs / (clock() - start))
        rates[name] = best
    return rates


def main() -> None:
    """Time what the arguments name and print it."""
    what, folder, seconds, rounds = sys.argv[1], Path(sys.argv[2]), *map(float, sys.argv[3:5])
    if what == "fit":
        found = time_fit(folder, seconds=seconds, rounds=int(rounds))
    elif what == "decode":
        found = time_decode(folder, rounds=int(rounds))
    else:
        found = peak_rates(seconds=seconds)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
