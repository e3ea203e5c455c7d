"""Time and memory of a report over a synthetic table of about 2,000 points.

25 clips; four anchors in two configurations with six points each, eight proposals with four: the
comparisons of a large exploration experiment. Quality and rate follow formulas with noise of a
fixed seed. Prints a Markdown row for ``README.md``; ``--profile`` says where the time goes:

    python tests/bench/report.py [--clips 25] [--profile]
"""

import argparse
import cProfile
import math
import platform
import pstats
import random
import resource
import tempfile
import time
from datetime import date
from pathlib import Path
from typing import Any

from invrbench.report.info import CodecInfo, RunInfo, SequenceInfo
from invrbench.report.write import write_report

ANCHORS = {"avc": 1.0, "hevc": 0.8, "vvc": 0.6, "av1": 0.7}
PROPOSALS = 8
QPS = (22, 27, 32, 37, 42, 47)
WIDTH, HEIGHT, FRAMES, FPS = 1920, 1080, 64, 50
METRICS = (
    "psnr_y_db", "psnr_u_db", "psnr_v_db", "psnr_yuv_db", "ms_ssim_y_db", "vmaf", "xpsnr_y_db",
    "lpips",
)  # fmt: skip


def quality(value_db: float, noise: random.Random) -> dict[str, float]:
    """All metrics of a clip of this PSNR-Y."""
    offsets = {"psnr_y_db": 0.0, "psnr_u_db": 4.0, "psnr_v_db": 5.0, "xpsnr_y_db": 0.8}
    planes = {name: value_db + each + noise.gauss(0, 0.05) for name, each in offsets.items()}
    luma, first, second = (planes[f"psnr_{plane}_db"] for plane in "yuv")
    planes["psnr_yuv_db"] = (6 * luma + first + second) / 8
    ms_ssim = 1 - 10 ** (-(value_db - 12) / 11)
    return planes | {
        "ssim_y": 1 - 10 ** (-(value_db - 14) / 12),
        "ms_ssim_y": ms_ssim,
        "ms_ssim_y_db": -10 * math.log10(1 - ms_ssim),
        "vmaf": 100 / (1 + math.exp(-(value_db - 31) / 3.5)),
        "lpips": 0.9 * 10 ** (-(value_db - 10) / 25),
    }


def point(clip: int, codec: str, rate_point: str, **fields: Any) -> dict[str, Any]:
    """One point with the columns every point has."""
    return {
        "conditions": "large", "track": "video", "class": f"class {'ABCDE'[clip % 5]}",
        "sequence": f"clip{clip:02d}", "cut": f"0+{FRAMES}", "view_set": "", "codec": codec,
        "variant": "", "curve": "", "rate_point": rate_point, "fit": "", "seed": 0,
        "origin": "made", "status": "ok", "reason": "", "sandbox": "bubblewrap",
        "bitstream_md5": f"{clip:02d}{codec}{rate_point}".encode().hex()[:32].ljust(32, "0"),
        "encode_seconds": 2.0, "decode_seconds": 0.2, "peak_memory_bytes": 200_000_000,
    } | fields  # fmt: skip


def rates(bpp: float) -> dict[str, Any]:
    """Bytes, bpp and kbps."""
    size = max(40, round(bpp * WIDTH * HEIGHT * FRAMES / 8))
    pixels = WIDTH * HEIGHT * FRAMES
    kbps = 8 * size * FPS / (1000 * FRAMES)
    return {"bitstream_bytes": size, "bpp": 8 * size / pixels, "rate_kbps": kbps}


def points(clips: int) -> list[dict[str, Any]]:
    """The table."""
    noise = random.Random(1)
    rows = []
    for clip in range(clips):
        hardness = 0.03 * (1 + clip % 7)
        for codec, share in ANCHORS.items():
            for configuration, gain in (("ld", 1.0), ("ra", 0.85)):
                for qp in QPS:
                    value = 46.0 - 0.6 * (qp - 22) + noise.gauss(0, 0.1)
                    bpp = hardness * 2 ** ((value - 35) / 4.5) * share * gain
                    about = {"role": "anchor", "configuration": configuration}
                    about |= rates(bpp) | quality(value, noise)
                    rows.append(point(clip, codec, f"qp{qp}", **about))
        for proposal in range(PROPOSALS):
            for index in range(4):
                value = 29.0 + 2.5 * index + 0.4 * proposal + noise.gauss(0, 0.1)
                bpp = hardness * 2 ** ((value - 35) / 4.5) * (1.1 + 0.15 * proposal)
                about = {"role": "proposal", "configuration": "any", "fit_seconds": 3600.0}
                about |= rates(bpp) | quality(value, noise)
                rows.append(point(clip, f"inr{proposal}", f"q{index + 1}", **about))
    return rows


def info(clips: int) -> RunInfo:
    """The run's description."""
    names = {codec: CodecInfo(codec.upper(), "anchor") for codec in ANCHORS}
    names |= {
        f"inr{index}": CodecInfo(f"INR {index}", "proposal", f"m7{index}000")
        for index in range(PROPOSALS)
    }
    clip = SequenceInfo(WIDTH, HEIGHT, FRAMES, str(FPS), "yuv420p", "0" * 32, "verified")
    return RunInfo(
        conditions="large",
        title="A synthetic table",
        digest="0" * 32,
        headline_anchor="hevc",
        headline_metrics=("psnr_y_db", "ms_ssim_y_db"),
        budget="paper",
        codecs=names,
        sequences={f"clip{index:02d}@0+{FRAMES}": clip for index in range(clips)},
        metrics=METRICS,
        generated_from="2026-01-01T00:00:00+00:00",
    )


def main() -> None:
    """Write the report once, print its cost."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, default=25)
    parser.add_argument("--profile", action="store_true")
    arguments = parser.parse_args()
    table = points(arguments.clips)
    profile = cProfile.Profile()
    with tempfile.TemporaryDirectory() as folder:
        start, cpu = time.perf_counter(), time.process_time()
        if arguments.profile:
            profile.enable()
        written = write_report(Path(folder) / "large", table, info(arguments.clips))
        profile.disable()
        seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
        sizes = {path.name: path.stat().st_size / 1e6 for path in Path(folder).glob("large/*.*")}
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu += children.ru_utime + children.ru_stime
    print(f"{date.today()}, {platform.machine()}, Python {platform.python_version()}")
    files = ", ".join(f"{name} {size:.1f} MB" for name, size in sorted(sizes.items()) if size > 1)
    cost = f"{seconds:.0f} s ({cpu:.0f}) | {memory:.2f} GiB"
    print(f"| {len(table)} | {len(written.rows)} | {cost} | {files} |")
    if arguments.profile:
        pstats.Stats(profile).sort_stats("cumulative").print_stats(60)


if __name__ == "__main__":
    main()
