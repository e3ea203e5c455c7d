"""Time per frame of PSNR, SSIM and MS-SSIM: this package, libvmaf's C and pytorch-msssim.

All read the same two raw files; side by side, the fastest of some rounds each, on two threads:

    python tests/bench/measure.py [--frames 8] [--rounds 2]

Prints a Markdown table; the rows of ``README.md`` are from it.
"""

import argparse
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytorch_msssim
import torch
from invrbench.metrics import picture
from invrbench.metrics.psnr import mean_square_error
from invrbench.metrics.ssim import structural_similarity
from invrbench.video.ffmpeg import find_ffmpeg
from invrbench.video.format import RawVideo, VideoFormat

THREADS = 2
SIZES = ((1280, 720), (1920, 1080))


def make_pair(folder: Path, layout: VideoFormat) -> tuple[RawVideo, RawVideo]:
    """Smooth texture, and the same with noise; four different frames in turn."""
    top = (1 << layout.bit_depth) - 1
    dtype = np.uint16 if layout.sample_bytes == 2 else np.uint8
    generator = np.random.default_rng(1)
    distinct = []
    for _ in range(4):
        clean, noisy = [], []
        for shape in layout.plane_shapes:
            plane = cv2.GaussianBlur(generator.uniform(size=shape), (0, 0), 2)
            plane = (plane - plane.min()) / (plane.max() - plane.min()) * top
            clean.append(plane.astype(dtype))
            noise = generator.normal(0, 0.02 * top, shape)
            noisy.append(np.clip(plane + noise, 0, top).astype(dtype))
        distinct.append((clean, noisy))
    videos = RawVideo(folder / "reference.yuv", layout), RawVideo(folder / "decoded.yuv", layout)
    for side, video in enumerate(videos):
        with video.path.open("wb") as file:
            for frame in range(layout.frames):
                for plane in distinct[frame % 4][side]:
                    file.write(plane.tobytes())
    return videos


def ours(reference: RawVideo, decoded: RawVideo) -> None:
    """PSNR of three planes, SSIM and MS-SSIM, as the family does, without RGB."""
    top = float((1 << reference.format.bit_depth) - 1)

    def score(pair: tuple[list[np.ndarray], list[np.ndarray]]) -> object:
        errors = [mean_square_error(*planes) for planes in zip(*pair, strict=True)]
        return errors, structural_similarity(pair[0][0], pair[1][0], top)

    pairs = zip(reference.frames(), decoded.frames(), strict=True)
    with ThreadPoolExecutor(THREADS) as executor:
        deque(executor.map(score, pairs), maxlen=0)


def family(reference: RawVideo, decoded: RawVideo) -> None:
    """The whole family: the same and RGB-PSNR in float64."""
    picture.measure(reference, decoded, threads=THREADS)


def libvmaf(reference: RawVideo, decoded: RawVideo) -> None:
    """libvmaf's psnr, float_ssim and float_ms_ssim, without a VMAF model."""
    layout = reference.format
    command = [str(find_ffmpeg().path), "-v", "error", "-nostdin"]
    for video in (decoded, reference):
        command += ["-f", "rawvideo", "-pixel_format", layout.pixel_format, "-framerate", "25"]
        command += ["-video_size", f"{layout.width}x{layout.height}", "-i", str(video.path)]
    features = "name=psnr|name=float_ssim|name=float_ms_ssim"
    graph = f"libvmaf=model=:feature='{features}':n_threads={THREADS}"
    subprocess.run([*command, "-lavfi", graph, "-f", "null", "-"], check=True)


def pytorch(reference: RawVideo, decoded: RawVideo) -> None:
    """pytorch-msssim's ssim and ms_ssim of luma; PSNR would come on top."""
    top = float((1 << reference.format.bit_depth) - 1)
    for pair in zip(reference.frames(), decoded.frames(), strict=True):
        sides = [torch.from_numpy(side[0].astype(np.float32))[None, None] for side in pair]
        pytorch_msssim.ssim(*sides, data_range=top)
        pytorch_msssim.ms_ssim(*sides, data_range=top)


TOOLS = (ours, libvmaf, pytorch, family)
HEADER = (
    "| pictures | PSNR, SSIM, MS-SSIM here | libvmaf | pytorch-msssim | family with RGB "
    "| libvmaf / here | pytorch / here |\n|---|---|---|---|---|---|---|\n"
)


def cpu_seconds() -> float:
    """User and system time of this process and of those it has waited for."""
    total = 0.0
    for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN):
        usage = resource.getrusage(who)
        total += usage.ru_utime + usage.ru_stime
    return total


def milliseconds(
    function: Callable[[RawVideo, RawVideo], None], pair: tuple[RawVideo, RawVideo]
) -> tuple[float, float]:
    """Wall and CPU time per frame of one call."""
    wall, cpu = time.perf_counter(), cpu_seconds()
    function(*pair)
    scale = 1000 / pair[0].format.frames
    return (time.perf_counter() - wall) * scale, (cpu_seconds() - cpu) * scale


def machine() -> str:
    """Date, machine and versions, in one line."""
    return (
        f"{date.today()}, {processor()}, {len(os.sched_getaffinity(0))} cores, "
        f"Python {platform.python_version()}, OpenCV {cv2.__version__}, "
        f"torch {torch.__version__}, ffmpeg {find_ffmpeg().version}"
    )


def table_row(layout: VideoFormat, rounds: int) -> str:
    """One line of the table: wall (CPU) milliseconds a frame, and ratios of wall times."""
    with tempfile.TemporaryDirectory() as folder:
        pair = make_pair(Path(folder), layout)
        times = [[milliseconds(tool, pair) for tool in TOOLS] for _ in range(rounds)]
    best = [min(column) for column in zip(*times, strict=True)]
    cells = [f"{layout.width}×{layout.height} {layout.bit_depth} bit"]
    cells += [f"{wall:.1f} ({cpu:.1f})" for wall, cpu in best]
    cells += [f"{best[tool][0] / best[0][0]:.1f}" for tool in (1, 2)]
    return f"| {' | '.join(cells)} |\n"


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(THREADS)
    sys.stdout.write(f"{machine()}\n\n{HEADER}")
    for width, height in SIZES:
        for pixel_format in ("yuv420p", "yuv420p10le"):
            layout = VideoFormat(pixel_format, width, height, Fraction(25), options.frames)
            sys.stdout.write(table_row(layout, options.rounds))
            sys.stdout.flush()


def processor() -> str:
    """The processor's name as the kernel gives it."""
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


if __name__ == "__main__":
    main()
