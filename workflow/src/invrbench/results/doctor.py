"""What a run needs of this machine, what of it is here, and what to do about the rest."""

import importlib.util
import shutil
from collections.abc import Iterable
from dataclasses import dataclass

from invrbench.codec import sandbox
from invrbench.errors import InvrError, ToolError, full_disk
from invrbench.metrics.families import FAMILIES
from invrbench.metrics.trunk import find_trunk
from invrbench.results import paths
from invrbench.results.plan import Plan
from invrbench.results.records import library_versions, machine_label
from invrbench.video.ffmpeg import find_ffmpeg

ENCODERS = {
    "libx264": "AVC",
    "libx265": "HEVC",
    "libvvenc": "VVC",
    "libsvtav1": "AV1",
}
LIBRARIES = ("torch", "torchvision", "nncodec", "lpips", "numpy", "snakemake", "bjontegaard")
_LOW_DISK_BYTES = 5_000_000_000
_LEAST_DISK_BYTES = 20_000_000  # no run gets anywhere with less


@dataclass(frozen=True)
class Finding:
    """One line of the examination; ``remedy`` is empty when all is well."""

    what: str
    found: str
    remedy: str = ""


def _tools() -> Iterable[Finding]:
    try:
        ffmpeg = find_ffmpeg()
    except InvrError as error:
        yield Finding("ffmpeg", "absent", str(error))
        return
    yield Finding("ffmpeg", ffmpeg.version)
    for encoder, standard in ENCODERS.items():
        if ffmpeg.has_encoder(encoder):
            yield Finding(encoder, f"present ({standard})")
        else:
            yield Finding(
                encoder, "absent", f"{standard} cannot be coded: use pip's ffmpeg, or one with it"
            )
    for name in ("libvmaf", "xpsnr"):
        found = ffmpeg.has_filter(name)
        yield Finding(
            name, "present" if found else "absent", "" if found else f"no {name} column without it"
        )


def _libraries() -> Iterable[Finding]:
    versions = library_versions(*LIBRARIES)
    for name, version in versions.items():
        remedy = f"pip install {name}" if version == "absent" else ""
        yield Finding(name, version, remedy)
    if "absent" not in (versions["torch"], versions["torchvision"]):
        yield _torchvision_pair(versions)


def _torchvision_pair(versions: dict[str, str]) -> Finding:
    """torchvision must import beside torch: lpips and nncodec's own front end need it."""
    try:
        importlib.import_module("torchvision")
    except (ImportError, RuntimeError) as error:
        return Finding(
            "torch and torchvision",
            f"no pair ({str(error).splitlines()[0]})",
            f"torch {versions['torch']} and torchvision {versions['torchvision']} do not belong "
            "together; install a matching pair: pip install --upgrade 'torch>=2.14' torchvision",
        )
    return Finding("torch and torchvision", "import together")


def _machine(disk: str) -> Iterable[Finding]:
    yield Finding("machine", machine_label())
    cuda = sandbox.cuda_devices()
    yield Finding("device", f"cuda ({len(cuda)} device files)" if cuda else "cpu")
    level = sandbox.strongest_level()
    remedies = {
        "bubblewrap": "",
        "unshare": "install bubblewrap (Debian: apt-get install bubblewrap) for stronger walls",
        "none": "decoders are not isolated: install bubblewrap (apt-get install bubblewrap)",
    }
    yield Finding("sandbox", level, remedies[level])
    free = shutil.disk_usage(disk).free
    low = free < _LOW_DISK_BYTES
    yield Finding("free disk", f"{free / 1e9:.1f} GB", "make room for decoded frames" * low)


def _weights() -> Finding:
    trunk = find_trunk()
    if trunk is not None:
        return Finding("LPIPS weights", "present")
    return Finding("LPIPS weights", "absent", "invrbench weights lpips (a run tries it by itself)")


def examine(root: str) -> list[Finding]:
    """Everything worth knowing of this machine before a run."""
    return [*_machine(root), *_tools(), *_libraries(), _weights()]


def require(plan: Plan) -> None:
    """Stop before the first job if something the plan cannot do without is missing.

    Raises:
        ToolError: lists each missing thing, who needs it and what to do.
        StorageError: the disk is as good as full.
    """
    lacks = []
    needs_ffmpeg = {m.codec for m in plan.manifests.values() if "ffmpeg" in m.tools}
    families = {family for point in plan.runnable for family in point.family_keys}
    needs_ffmpeg |= {f"family {name}" for name in families if "ffmpeg" in FAMILIES[name].needs}
    if needs_ffmpeg:
        try:
            find_ffmpeg()
        except InvrError as error:
            lacks.append(f"{', '.join(sorted(needs_ffmpeg))} need ffmpeg: {error}")
    if any("inrkit" in m.packages for m in plan.manifests.values()):
        for name in ("torch", "nncodec"):
            if importlib.util.find_spec(name) is None:
                lacks.append(f"the proposals on inrkit need {name}: pip install {name}")
    for place in (plan.root / paths.RESULTS, plan.root):
        if place.is_dir() and shutil.disk_usage(place).free < _LEAST_DISK_BYTES:
            raise full_disk(place)
    if lacks:
        raise ToolError("this run cannot start:\n- " + "\n- ".join(lacks))
