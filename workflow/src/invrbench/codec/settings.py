"""Settings under which a bitstream is decoded once more, to see whether its pictures drift.

All are data in :data:`TABLE`, but for ``threads-<number>`` and ``venv:<folder>``, which hold what
a person names. A setting keeps whatever it does not change: the manifest's number of threads, the
device of the recorded decode, the codec's own interpreter.

Sources of the variables, each tried on torch 2.15 and numpy 1.26 and found to change bits:
``ATEN_CPU_CAPABILITY`` (PyTorch, README, "Adjust Build Options" and DispatchStub.cpp);
``ONEDNN_MAX_CPU_ISA`` (oneDNN developer guide, "CPU Dispatcher Control"); ``MKL_CBWR`` (oneMKL
developer guide, "Conditional Numerical Reproducibility"; unlike ``MKL_ENABLE_INSTRUCTIONS`` it is
heeded on processors of any maker); ``NPY_DISABLE_CPU_FEATURES`` (NumPy reference, "CPU/SIMD
Optimizations"); ``OPENBLAS_CORETYPE`` (OpenBLAS, README); ``GLIBC_TUNABLES`` (glibc manual,
"Hardware Capability Tunables"). ffmpeg takes the option ``-cpuflags`` instead (ffmpeg
documentation, "Generic options"), which does not reach the libraries it is linked with.

Reduced precision: ``NVIDIA_TF32_OVERRIDE=0`` is above whatever a program asks of cuBLAS and cuDNN
(cuBLAS library, "Environment Variables"; not tried, for want of a GPU);
``ONEDNN_DEFAULT_FPMATH_MODE`` (oneDNN developer guide, "Primitive Attributes: floating-point math
mode") is beneath it, and STRICT is its default said aloud. PyTorch's own
``TORCH_ALLOW_TF32_CUBLAS_OVERRIDE`` (PyTorch, "CUDA Environment Variables") only ever allows TF32.
"""

import json
import platform
import re
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from invrbench.codec import sandbox
from invrbench.codec.environment import Interpreter, Surroundings
from invrbench.codec.manifest import Manifest
from invrbench.ctc.names import suggest
from invrbench.errors import InputError, ToolError

ALL_CORES = 0
VENV = "venv:"
_THREADS = re.compile(r"threads-([1-9]\d{0,3})")
_PROBE_SECONDS = 60
_PROBE = """
import json, platform, sys
from importlib import metadata
versions = {"python": platform.python_version()}
for name in ("torch", "numpy", "nncodec"):
    try:
        versions[name] = metadata.version(name)
    except metadata.PackageNotFoundError:
        versions[name] = "absent"
print(json.dumps({"prefixes": [sys.prefix, sys.base_prefix], "versions": versions}))
"""


@dataclass(frozen=True)
class Setting:
    """One way to decode a bitstream again.

    Attributes:
        name: as a person types it.
        threads: of the job; None: the manifest's; :data:`ALL_CORES`: what the machine has.
        device: "cpu" or "cuda"; empty: that of the recorded decode.
        variables: added to the decoder's environment.
        ffmpeg_options: given to ffmpeg before all others, where the decoder calls it.
        needs_python: whether only a Python decoder heeds it.
        interpreter: in place of the codec's own.
        versions: of what that interpreter holds.
    """

    name: str
    threads: int | None = None
    device: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)
    ffmpeg_options: tuple[str, ...] = ()
    needs_python: bool = False
    interpreter: Interpreter | None = None
    versions: Mapping[str, str] = field(default_factory=dict)

    @property
    def stem(self) -> str:
        """The name as part of a file's name."""
        return self.name.replace(":", "-")

    @property
    def is_same_device(self) -> bool:
        """Whether a codec that claims ``same-device`` promises equal bits under it."""
        return self.threads is not None

    @property
    def around(self) -> Surroundings:
        """What the decoder finds around it."""
        return Surroundings(self.variables, self.interpreter, self.ffmpeg_options)

    def identity(self) -> dict[str, Any]:
        """What a result depends on beside the decode; folders and the machine's cores are not."""
        return {
            "name": self.name,
            "variables": dict(self.variables),
            "ffmpeg_options": list(self.ffmpeg_options),
            "versions": dict(self.versions),
        }

    def threads_of(self, manifest: Manifest, cores: int) -> int:
        """Threads of a job on a machine of so many cores; all of one core are two threads."""
        if self.threads is None:
            return manifest.resources_of("decode").threads
        return self.threads or max(2, cores)

    def why_not(self, manifest: Manifest, recorded: str) -> str:
        """Why it does not apply to a codec decoded on device ``recorded``, or an empty text."""
        return next(filter(None, (rule(self, manifest, recorded) for rule in _RULES)), "")


# ---- when a setting applies


def _device_is_served(setting: Setting, manifest: Manifest, recorded: str) -> str:
    if setting.device == recorded:
        return f"the recorded decode ran on {recorded}"
    if setting.device == "cuda" and not manifest.resources_of("decode").gpu:
        return "its decoder does not use a GPU: [resources.decode].gpu is 0"
    return ""


def _device_is_here(setting: Setting, manifest: Manifest, recorded: str) -> str:
    device = setting.device or recorded
    return "this machine has no CUDA device" * (device == "cuda" and not sandbox.cuda_devices())


def _decoder_heeds_it(setting: Setting, manifest: Manifest, recorded: str) -> str:
    if not setting.needs_python:
        return ""
    if not any("{python}" in word for word in manifest.commands["decode"]):
        return "its decoder is no Python program"
    heeding = {"ffmpeg"} if setting.ffmpeg_options else set()
    deaf = sorted(set(manifest.tools) - heeding)
    if deaf and setting.interpreter is None:
        return f"its decoder calls {', '.join(deaf)}, which does not heed it"
    return ""


def _instructions_are_known(setting: Setting, manifest: Manifest, recorded: str) -> str:
    if setting.name != PLAIN_CPU:
        return ""
    if recorded == "cuda":
        return "the recorded decode ran on cuda"
    return "it names instructions of x86 processors" * (platform.machine() != "x86_64")


_RULES: tuple[Callable[[Setting, Manifest, str], str], ...] = (
    _device_is_served,
    _device_is_here,
    _decoder_heeds_it,
    _instructions_are_known,
)

# ---- the table

PLAIN_CPU = "plain-cpu"
TABLE: Mapping[str, Setting] = {
    setting.name: setting
    for setting in (
        Setting("threads-1", threads=1),
        Setting("threads-N", threads=ALL_CORES),
        Setting("cpu", device="cpu"),
        Setting("cuda", device="cuda"),
        Setting(
            "float32",
            variables={"NVIDIA_TF32_OVERRIDE": "0", "ONEDNN_DEFAULT_FPMATH_MODE": "STRICT"},
            needs_python=True,
        ),
        Setting(
            PLAIN_CPU,
            variables={
                "ATEN_CPU_CAPABILITY": "default",
                "ONEDNN_MAX_CPU_ISA": "SSE41",
                "MKL_CBWR": "COMPATIBLE",
                "OPENBLAS_CORETYPE": "Nehalem",
                "NPY_DISABLE_CPU_FEATURES": "AVX2 FMA3 AVX512F AVX512CD AVX512_SKX AVX512_CLX "
                "AVX512_CNL AVX512_ICL",
                "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-FMA,-AVX512F",
            },
            ffmpeg_options=("-cpuflags", "0"),
            needs_python=True,
        ),
    )
}


def read_setting(name: str) -> Setting:
    """The setting a person names.

    Raises:
        InputError: there is none; names the nearest. Or no Python lies where one is named.
        ToolError: that Python does not start.
    """
    if name in TABLE:
        return TABLE[name]
    numbered = _THREADS.fullmatch(name)
    if numbered:
        return Setting(name, threads=int(numbered[1]))
    if name.startswith(VENV):
        return _venv(Path(name.removeprefix(VENV)))
    known = [*TABLE, "threads-2", f"{VENV}<folder>"]
    raise InputError(
        f"no setting is called {name!r}; {suggest(name, known)}. "
        f"Settings are {', '.join(TABLE)}, threads-<number>, {VENV}<folder>."
    )


def _venv(folder: Path) -> Setting:
    """The setting that decodes with the Python of a virtual environment."""
    python = folder.expanduser().resolve() / "bin" / "python"
    if not python.is_file():
        raise InputError(
            f"{VENV}{folder}: there is no bin/python; name the folder of a virtual environment, "
            "e.g. made by `python -m venv <folder>` and filled by pip."
        )
    told = _told_by(python)
    prefixes = tuple(dict.fromkeys(Path(each) for each in told["prefixes"]))
    return Setting(
        f"{VENV}{python.parents[1].name}",
        needs_python=True,
        interpreter=Interpreter(python, prefixes),
        versions=told["versions"],
    )


def _told_by(python: Path) -> dict[str, Any]:
    """Folders and versions of an interpreter, which it tells itself."""
    try:
        done = subprocess.run(
            [str(python), "-I", "-c", _PROBE],
            capture_output=True,
            text=True,
            check=False,
            timeout=_PROBE_SECONDS,
        )
        told: dict[str, Any] = json.loads(done.stdout)
    except (OSError, subprocess.TimeoutExpired, ValueError) as error:
        raise ToolError(
            f"{python} does not run as a Python ({type(error).__name__}); make the virtual "
            "environment anew."
        ) from None
    return told
