"""Throughput of every proposal's training step and decoder, against a plain step and arithmetic.

    python tests/bench/throughput.py [--only siren,nerv] [--budget quick] [--threads 1] [--papers]

The fits are those of ``ctc/zoo.yaml`` (with ``--papers`` three of the papers' own, on 720p); each
is run to its end, encoded and decoded. Then the same process makes its last steps again: as
shipped, and plainly (float32, contiguous tensors, Adam without fused kernels, gradients by
autograd alone, SSIM by pytorch-msssim), in turn, the fastest of the rounds. Decoders run with one
thread, as always. With one thread CPU seconds are counted, with more of them wall seconds.

Prints the tables of ``README.md``. The peak, of which shares are given, is the best rate of a large
matrix product or convolution; a step takes 3 times the multiply-accumulates of its forward pass
(torch's FLOP counter), in its own precision; a decoder those that its encoder notes, in float32.

Whoever reads tables rather than multiplies is bound by memory: the limit is then far off.
"""

import argparse
import json
import math
import os
import platform
import subprocess
import sys
import tempfile
from dataclasses import dataclass, replace
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

from invrbench.codec.clips import find_source
from invrbench.codec.manifest import Manifest, read_manifest
from invrbench.results.sources import coding_fields, load_source

REPOSITORY = Path(__file__).resolve().parents[2]
STILL, CLIP = "bikes-still", "bunny-mini@0+32"
SCENE, MOVING = "ballcourt.v03v08@0+1", "ballcourt.v03v08@0+4"
RENDERED_VIEWS = 2


@dataclass(frozen=True)
class Case:
    """What is timed.

    Args:
        codec: a folder of ``proposals/``.
        fit: of its manifest.
        sequence: with its cut.
        unit: what throughput counts: frames, pixels or rays.
        point: parameters of the bitstream that is decoded.
        budget: of the fit; the one asked for by default.
        steps: of the fit; the budget's own by default.
    """

    codec: str
    fit: str
    sequence: str
    unit: str
    point: tuple[tuple[str, Any], ...] = (("qp", -38),)
    budget: str = ""
    steps: int | None = None

    @property
    def name(self) -> str:
        """How the table calls it."""
        return f"{self.codec} {self.fit}"


NVP_POINT = (("image_qp", 26), ("grid_qp", -20), ("qp", -32))
CASES = (
    Case("siren", "s", STILL, "pixel"),
    Case("coin", "l5w30", STILL, "pixel", (("qp", -44), ("storage", "nnc"))),
    Case("inric", "q3", STILL, "pixel"),
    Case("nerv", "s", CLIP, "frame"),
    Case("ps-nerv", "s", CLIP, "frame"),
    Case("nvp", "s", CLIP, "pixel", NVP_POINT),
    Case("ffnerv", "s", CLIP, "frame"),
    Case("hnerv", "s", CLIP, "frame"),
    Case("nerf", "s", SCENE, "ray"),
    Case("nerfpp", "s", SCENE, "ray"),
    Case("plenoxels", "s", SCENE, "ray"),
    Case("instant-ngp", "s", SCENE, "ray"),
    Case("tensorf", "s", SCENE, "ray"),
    Case("d-nerf", "s", MOVING, "ray"),
    Case("dynerf", "s", MOVING, "ray"),
    Case("mixvoxels", "s", MOVING, "ray"),
)
PAPERS = (
    Case("nerv", "bunny-s", "bunny@0+8", "frame", budget="paper", steps=4),
    Case("hnerv", "s150", "bunny-1280x640@0+8", "frame", budget="paper", steps=4),
    Case("ffnerv", "representation", "bunny@0+8", "frame", budget="paper", steps=4),
)


@dataclass(frozen=True)
class Timed:
    """Seconds and sizes of one case.

    Args:
        step, plain: seconds of a step.
        units: frames, pixels or rays per step.
        macs: of a step's forward pass.
        precision: of the step.
        decode: seconds of the decoder.
        decoded: units that it gave.
        decoded_macs: what it multiplied for them, as its encoder says.
    """

    step: float
    plain: float
    units: float
    macs: int
    precision: str
    decode: float
    decoded: float
    decoded_macs: float


def job_fields(case: Case, *, threads: int = 1) -> dict[str, Any]:
    """What fit and encode are told of a case's source and parameters."""
    subprocess.run(["invrbench", "source", case.sequence], cwd=REPOSITORY, check=True)
    source = find_source(REPOSITORY, case.sequence)
    kind = "still" if case.sequence == STILL else ""
    parameters = manifest_of(case).fit_parameters(
        case.fit, budget=case.budget, sequence=case.sequence, names=(kind,)
    )
    if case.steps is not None:
        parameters = {k: v for k, v in parameters.items() if k != "epochs"} | {"steps": case.steps}
    return {
        "schema": 1,
        **coding_fields(source, load_source(REPOSITORY, case.sequence)),
        "configuration": "any",
        "fit": {"name": case.fit, "parameters": parameters},
        "budget": case.budget,
        "seed": 0,
        "device": "cpu",
        "threads": threads,
    }


def stopwatch(
    what: str, codec: str, folder: Path, *, threads: int, seconds: float, rounds: int
) -> dict[str, Any]:
    """What ``stopwatch.py`` finds, run in ``folder``."""
    own = REPOSITORY / "proposals" / codec
    script = str(Path(__file__).with_name("stopwatch.py"))
    command = [script, what, str(own), str(seconds), str(rounds)]
    said = run_beside(command, own, folder, threads=threads)
    found: dict[str, Any] = json.loads(said.splitlines()[-1])
    return found


def run_beside(command: list[str], codec: Path, folder: Path, *, threads: int) -> str:
    """What a Python program says that runs in ``folder`` with a proposal's modules."""
    from invrbench.video.ffmpeg import find_ffmpeg

    toolbox = REPOSITORY / "proposals" / "inrkit" / "src"
    environment = os.environ | {
        "PYTHONPATH": f"{codec}{os.pathsep}{toolbox}",
        "FFMPEG": str(find_ffmpeg().path),
        "OMP_NUM_THREADS": str(threads),
        "OPENBLAS_NUM_THREADS": str(threads),
        "MKL_NUM_THREADS": str(threads),
        "OMP_WAIT_POLICY": "PASSIVE",
    }
    done = subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        env=environment,
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr}")
    return done.stdout


def timed(case: Case, place: Path, *, threads: int, seconds: float, rounds: int) -> Timed:
    """Fit, encode and decode a case in ``place``, and time its steps and its decoder."""
    fields = job_fields(case, threads=threads)
    fit = folder_with(place / "fit", fields | {"verb": "fit", "checkpoint": str(place / "kept")})
    (place / "kept").mkdir()
    steps = stopwatch("fit", case.codec, fit, threads=threads, seconds=seconds, rounds=rounds)
    point = {**manifest_of(case).parameters, **dict(case.point)}
    encode = folder_with(
        place / "encode",
        fields
        | {"verb": "encode", "model": str(fit / "model")}
        | {"rate_point": {"id": "timed", "parameters": point}},
    )
    own = REPOSITORY / "proposals" / case.codec
    run_beside([str(own / "encode.py"), "job.json"], own, encode, threads=1)
    output = place / "decoded"
    job: dict[str, Any] = {"bitstream": str(encode / "bitstream.bin"), "output": str(output)}
    pixels = math.prod(fields["source"][name] for name in ("width", "height", "frames"))
    if "views" in fields:
        output.mkdir()
        shown = fields["views"][:RENDERED_VIEWS]
        job["render"] = [{k: v for k, v in view.items() if k != "path"} for view in shown]
        pixels *= len(shown)
    common = {"schema": 1, "verb": "decode", "device": "cpu", "threads": 1}
    decode = folder_with(place / "decode", common | job)
    found = stopwatch("decode", case.codec, decode, threads=1, seconds=seconds, rounds=rounds)
    notes = json.loads((encode / "notes.json").read_text())
    return Timed(
        step=steps["seconds"]["shipped"],
        plain=steps["seconds"]["plain"],
        units=units_of_step(case, fields, steps),
        macs=steps["macs"],
        precision=steps["precision"],
        decode=found["seconds"],
        decoded=fields["source"]["frames"] if case.unit == "frame" else pixels,
        decoded_macs=1000 * notes["kmac_per_pixel"] * pixels,
    )


def units_of_step(case: Case, fields: dict[str, Any], steps: dict[str, Any]) -> float:
    """Frames, pixels or rays that a step is trained on."""
    if case.unit == "ray":
        return float(steps["rays"])
    parameters = fields["fit"]["parameters"]
    names = ("batch",) if case.unit == "frame" else ("lattice", "samples")
    return float(next(parameters[name] for name in names if name in parameters))


def folder_with(folder: Path, job: dict[str, Any]) -> Path:
    """A new folder that holds a verb's job."""
    folder.mkdir()
    (folder / "job.json").write_text(json.dumps(job))
    return folder


def manifest_of(case: Case) -> Manifest:
    """The codec's manifest."""
    return read_manifest(REPOSITORY / "proposals" / case.codec)[case.codec]


def row(case: Case, found: Timed, peaks: dict[str, dict[str, float]]) -> str:
    """A line of the table."""
    limit = 3 * found.macs / peaks["step"][found.precision]
    of_decoder = found.decoded_macs / peaks["decoder"]["fp32"]
    cells = [
        case.name,
        case.unit,
        found.precision,
        f"{1000 * found.step:.3g}",
        rate(found.units / found.step),
        f"{found.plain / found.step:.2f}",
        f"{3e-6 * found.macs:.1f}" if found.macs else "–",
        percent(limit / found.step),
        rate(found.decoded / found.decode),
        percent(of_decoder / found.decode),
    ]
    return f"| {' | '.join(cells)} |"


def rate(value: float) -> str:
    """A number per second in three digits, thousands as k.

    >>> rate(3.14159), rate(12345.0), rate(1234567.0)
    ('3.14', '12.3 k', '1235 k')
    """
    if value < 1000:
        return f"{value:.3g}"
    return f"{value / 1000:.0f} k" if value >= 1e5 else f"{value / 1000:.3g} k"


def percent(share: float) -> str:
    """A share in per cent, a dash where nothing is multiplied."""
    return f"{100 * share:.2g}" if share else "–"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", help="codecs, by name")
    parser.add_argument("--seconds", type=float, default=1.0, help="of a round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--budget", default="quick", help="of the fits")
    parser.add_argument("--threads", type=int, default=1, help="of the steps")
    parser.add_argument("--papers", action="store_true", help="the papers' networks on 720p")
    given = parser.parse_args()
    cases = PAPERS if given.papers else [replace(case, budget=given.budget) for case in CASES]
    chosen = [case for case in cases if not given.only or case.codec in given.only.split(",")]
    print(
        f"{date.today()}, {platform.machine()}, {os.cpu_count()} cores, Python "
        f"{platform.python_version()}, torch {version('torch')}, numpy {version('numpy')}"
    )
    with tempfile.TemporaryDirectory() as folder:
        peaks = {
            name: stopwatch("peak", "siren", Path(folder), threads=threads, seconds=3, rounds=1)
            for name, threads in (("step", given.threads), ("decoder", 1))
        }
    of_step = ", ".join(f"{name} {value / 1e9:.0f}" for name, value in peaks["step"].items())
    of_decoder = f"{peaks['decoder']['fp32'] / 1e9:.0f}"
    print(f"Peak in 10⁹ MAC/s: {of_step} on {given.threads} thread(s), decoder {of_decoder}")
    print(
        "\n| fit | unit | precision | ms/step | units/s | plain / shipped | 10⁶ MAC/step "
        "| % of peak | decoder: units/s | % of peak |\n|---|---|---|---|---|---|---|---|---|---|"
    )
    for case in chosen:
        with tempfile.TemporaryDirectory() as folder:
            found = timed(
                case,
                Path(folder),
                threads=given.threads,
                seconds=given.seconds,
                rounds=given.rounds,
            )
        print(row(case, found, peaks), flush=True)


if __name__ == "__main__":
    main()
