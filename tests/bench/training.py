"""Training throughput of nerv, hnerv and ffnerv: as shipped, in float32, and as a plain step.

A plain step is the same network and loss in float32, contiguous tensors, SSIM by pytorch-msssim
and Adam without fused kernels. All train through the codecs' own ``fit.py``, one after the other:

    python tests/bench/training.py [--device cpu] [--rounds 2] [--codecs nerv,hnerv,ffnerv]

Throughput is measured on the papers' networks and frames of Big Buck Bunny, 1280×720 (HNeRV
1280×640); PSNR after equal steps on the small presets at 320×176. Prints Markdown tables; those of
``README.md`` are from it.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from datetime import date
from pathlib import Path
from typing import Any

from invrbench.codec.manifest import read_manifest

REPOSITORY = Path(__file__).resolve().parents[2]
KINDS = ("shipped", "fp32", "plain")
WARM_STEPS = 2
LAYOUT = {"pixel_format": "yuv420p", "fps": 25, "matrix": "bt709", "range": "limited"}
# codec: fit of the paper, sequence, width, height, frames per step
FULL = {
    "nerv": ("bunny-s", "bunny@0+8", 1280, 720, 1),
    "hnerv": ("s150", "bunny-1280x640@0+8", 1280, 640, 2),
    "ffnerv": ("representation", "bunny@0+8", 1280, 720, 1),
}
MINI = ("bunny-mini@0+32", 320, 176, 32)

# Runs a fit with its steps timed; argv: script, kind
_DRIVER = """
import json, runpy, sys, time
import torch
import inrkit.fit, inrkit.loss, inrkit.video_fit
from dataclasses import replace
from pytorch_msssim import ssim

script, kind = sys.argv[1:3]
sys.argv = [script, "job.json"]
if kind == "plain":
    def plain_ssim(predicted, target):
        versions = predicted.float().split(3, dim=1)
        return torch.stack([ssim(each, target, data_range=1.0) for each in versions])
    inrkit.loss.ssim = plain_ssim
    contiguous = torch.Tensor.contiguous
    torch.Tensor.contiguous = lambda tensor, **_: contiguous(tensor)
    fused = torch.optim.Adam
    torch.optim.Adam = lambda *a, **k: fused(*a, **{**k, "fused": None})
fit = inrkit.video_fit.fit

def timed_fit(model, loss_of, training, **rest):
    if kind != "shipped":
        training = replace(training, precision="fp32")
    if kind == "plain":
        model.to(memory_format=torch.contiguous_format)
    starts, errors = [], []
    def timed(step, generator):
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        starts.append(time.perf_counter())
        loss, error = loss_of(step, generator)
        errors.append(error.detach())
        return loss, error
    fit(model, timed, training, **rest)
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    starts.append(time.perf_counter())
    seconds = [b - a for a, b in zip(starts, starts[1:])]
    last = torch.stack(errors[-32:]).double().mean().item()
    print(json.dumps({"seconds": seconds, "mse": last}))

inrkit.video_fit.fit = timed_fit
runpy.run_path(script, run_name="__main__")
"""


def source_of(sequence: str) -> str:
    """Path of a sequence's raw file, prepared by the harness."""
    subprocess.run(["invrbench", "source", sequence], cwd=REPOSITORY, check=True)
    return str(REPOSITORY / "results" / ".sources" / f"{sequence}.raw")


def train(codec: str, kind: str, job: dict[str, Any]) -> dict[str, Any]:
    """Seconds of every step and the mean squared error of the last 32 steps."""
    folder = REPOSITORY / "proposals" / codec
    toolbox = REPOSITORY / "proposals" / "inrkit" / "src"
    environment = os.environ | {
        "PYTHONPATH": f"{folder}{os.pathsep}{toolbox}",
        "OMP_NUM_THREADS": str(job["threads"]),
        "OMP_WAIT_POLICY": "PASSIVE",
        "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
    }
    with tempfile.TemporaryDirectory() as place:
        checkpoint = Path(place) / "checkpoint"
        checkpoint.mkdir()
        text = json.dumps(job | {"checkpoint": str(checkpoint)})
        (Path(place) / "job.json").write_text(text)
        command = [sys.executable, "-c", _DRIVER, str(folder / "fit.py"), kind]
        done = subprocess.run(
            command, cwd=place, env=environment, check=True, stdout=subprocess.PIPE, text=True
        )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def job_of(
    codec: str, fit: str, budget: str, source: dict[str, Any], steps: int, device: str
) -> dict[str, Any]:
    """A fit job of so many steps."""
    manifest = read_manifest(REPOSITORY / "proposals" / codec)[codec]
    parameters = manifest.fit_parameters(fit, budget=budget, sequence="", names=())
    parameters = {name: v for name, v in parameters.items() if name != "epochs"} | {"steps": steps}
    return {
        "schema": 1, "verb": "fit", "source": LAYOUT | source, "configuration": "any",
        "fit": {"name": fit, "parameters": parameters}, "budget": budget, "seed": 0,
        "device": device, "threads": os.cpu_count() if device == "cuda" else 2,
    }  # fmt: skip


def seconds_per_step(found: dict[str, Any]) -> float:
    """The fastest step after the first ones, which allocate and compile kernels."""
    return float(min(found["seconds"][WARM_STEPS:]))


def psnr_db(found: dict[str, Any]) -> float:
    """PSNR of RGB in dB over the last epoch of a fit of 32 frames."""
    import math

    return -10 * math.log10(found["mse"])


def throughput(codecs: list[str], *, device: str, steps: int, rounds: int) -> None:
    """Print frames per second of the papers' networks."""
    print(
        "| network | frame | shipped | fp32 | plain | shipped / plain |\n|---|---|---|---|---|---|"
    )
    for codec in codecs:
        fit, sequence, width, height, batch = FULL[codec]
        source = {"path": source_of(sequence), "width": width, "height": height, "frames": 8}
        job = job_of(codec, fit, "paper", source, steps, device)
        best = {kind: float("inf") for kind in KINDS}
        for _ in range(rounds):  # in turns, so that a busy moment hits no kind alone
            for kind in KINDS:
                best[kind] = min(best[kind], seconds_per_step(train(codec, kind, job)))
        speeds = [f"{batch / best[kind]:.3g}" for kind in KINDS]
        ratio = best["plain"] / best["shipped"]
        print(
            f"| {codec} {fit} | {width}×{height} | {' | '.join(speeds)} | {ratio:.1f} |", flush=True
        )


def quality(codecs: list[str], *, device: str, steps: int) -> None:
    """Print PSNR after equal steps of the small presets."""
    sequence, width, height, frames = MINI
    source = {"path": source_of(sequence), "width": width, "height": height, "frames": frames}
    print(f"\n| preset, {steps} steps | shipped (dB) | fp32 | plain |\n|---|---|---|---|")
    for codec in codecs:
        job = job_of(codec, "s", "quick", source, steps, device)
        values = [f"{psnr_db(train(codec, kind, job)):.2f}" for kind in KINDS]
        print(f"| {codec} s | {' | '.join(values)} |", flush=True)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--codecs", default=",".join(FULL))
    parser.add_argument("--steps", type=int, default=6, help="timed steps, with warm ones")
    parser.add_argument("--equal-steps", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=2)
    given = parser.parse_args()
    codecs = given.codecs.split(",")
    import torch

    processor = platform.processor() or platform.machine()
    print(f"{date.today()}, {processor}, {os.cpu_count()} cores, torch {torch.__version__}\n")
    throughput(codecs, device=given.device, steps=given.steps, rounds=given.rounds)
    quality(codecs, device=given.device, steps=given.equal_steps)


if __name__ == "__main__":
    main()
