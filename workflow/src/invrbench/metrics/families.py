"""The families metrics come in: one record and one key each, always measured whole.

A family's key is the digest of its own source files as syntax trees, so a change of the SSIM code
measures the pictures' family again and nothing else. Planning imports this module; OpenCV, torch
and the rest are imported when a family is measured.
"""

import functools
import importlib
from dataclasses import dataclass
from pathlib import Path

from invrbench.errors import UnsupportedError
from invrbench.metrics.measurement import Measurement
from invrbench.syntax import digest_files
from invrbench.video.format import RawVideo


@dataclass(frozen=True)
class Family:
    """Metrics that are computed together.

    Attributes:
        name: as in ``metrics/<name>.json``.
        columns: of points.tsv.
        modules: file names of its own code in this package, all that can change a value.
        entry: the module whose ``measure`` is called.
        needs: what beyond numpy and OpenCV it calls for.
    """

    name: str
    columns: tuple[str, ...]
    modules: tuple[str, ...]
    entry: str
    needs: tuple[str, ...] = ()


RENDER = "render"  # measured against another point's decoded pictures instead of the source
VIEW = "view"  # of scenes only
# measured of every frame by itself, so that some frames of a video give the values they have in it
FRAME_BY_FRAME = ("picture", "perceptual")

FAMILIES: dict[str, Family] = {
    family.name: family
    for family in (
        Family(
            name="picture",
            columns=(
                "psnr_y_db",
                "psnr_u_db",
                "psnr_v_db",
                "psnr_yuv_db",
                "psnr_yuv411_db",
                "psnr_rgb_db",
                "ssim_y",
                "ms_ssim_y",
                "ms_ssim_y_db",
            ),
            entry="picture",
            modules=("picture.py", "psnr.py", "ssim.py", "colour.py", "pooling.py"),
        ),
        Family(
            name="ffmpeg",
            columns=("vmaf", "xpsnr_y_db"),
            entry="external",
            modules=("external.py", "colour.py"),
            needs=("ffmpeg",),
        ),
        Family(
            name="perceptual",
            columns=("lpips",),
            entry="server",
            modules=("perceptual.py", "trunk.py", "colour.py"),
            needs=("torch", "lpips"),
        ),
        Family(
            name=VIEW,
            columns=(
                "iv_psnr_db",
                "dssim1",
                "dssim2",
                "tof",
                "warping_error",
                "flicker",
                "psnr_rgb_still_db",
                "psnr_rgb_moving_db",
            ),
            entry="view",
            modules=("view.py", "dssim.py", "temporal.py", "colour.py", "pooling.py"),
        ),
        Family(
            name=RENDER,
            columns=("psnr_y_render_db", "psnr_rgb_render_db"),
            entry="render",
            modules=("render.py", "psnr.py", "colour.py", "pooling.py"),
        ),
    )
}


def measure(family: str, reference: RawVideo, decoded: RawVideo) -> Measurement:
    """Measure one family on a decoded file against its source.

    Raises:
        UnsupportedError: there is no such family.
        SequenceError: the files differ in format, or have not the length their format says.
        ToolError: a tool that the family needs is absent or failed.
    """
    for video in (reference, decoded):
        video.check_size()
    return measure_unchecked(family, reference, decoded)


def measure_unchecked(family: str, reference: RawVideo, decoded: RawVideo) -> Measurement:
    """As :func:`measure`, on the first frames of files that may be longer."""
    if family not in FAMILIES:
        raise UnsupportedError(f"metric family {family!r} is unknown; use {', '.join(FAMILIES)}.")
    module = importlib.import_module(f"invrbench.metrics.{FAMILIES[family].entry}")
    result: Measurement = module.measure(reference, decoded)
    return result


@functools.cache
def family_digest(family: str) -> str:
    """Digest of a family's own code, without comments, docstrings and layout."""
    folder = Path(__file__).parent
    return digest_files((name, folder / name) for name in FAMILIES[family].modules)


def metric_files() -> tuple[Path, ...]:
    """Source files of all families."""
    folder = Path(__file__).parent
    return tuple(folder / name for family in FAMILIES.values() for name in family.modules)
