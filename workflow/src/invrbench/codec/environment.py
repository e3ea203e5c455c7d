"""The interpreter and the environment variables a codec's verbs see."""

import functools
import os
import subprocess
import sys
import venv
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from invrbench.codec.manifest import Manifest
from invrbench.digest import digest_value, md5_file
from invrbench.errors import ToolError, UnsupportedError
from invrbench.syntax import cache_folder
from invrbench.video.ffmpeg import find_ffmpeg


@dataclass(frozen=True)
class Interpreter:
    """A Python and the folders it needs: its environment and the installation behind it."""

    python: Path
    prefixes: tuple[Path, ...]


@dataclass(frozen=True)
class Surroundings:
    """What a verb finds around it in place of the ordinary.

    Further variables, another Python, and an ffmpeg that is given options before all others.
    """

    variables: Mapping[str, str] = field(default_factory=dict)
    interpreter: Interpreter | None = None
    ffmpeg_options: tuple[str, ...] = ()


def _host() -> Interpreter:
    return Interpreter(Path(sys.executable), (Path(sys.prefix), Path(sys.base_prefix)))


def _build_venv(folder: Path, requirements: Path, manifest: Manifest) -> None:
    """Create ``folder`` with what ``requirements`` lists; whole or not at all."""
    sys.stderr.write(f"{manifest.codec}: building its environment from {requirements.name}\n")
    sys.stderr.flush()
    venv.create(folder, with_pip=True, clear=True)
    words = ["-m", "pip", "install", "--progress-bar", "off", "--disable-pip-version-check"]
    done = subprocess.run(
        [str(folder / "bin" / "python"), *words, "-r", str(requirements)],
        stdout=sys.stderr,
        check=False,
    )
    if done.returncode:
        raise ToolError(
            f"{manifest.path}: pip could not install {requirements.name} "
            f"(status {done.returncode}); its last lines are above. Correct the file and rerun."
        )
    (folder / "complete").touch()


def interpreter_of(manifest: Manifest) -> Interpreter:
    """The interpreter of the codec's environment, which is built once per requirements digest.

    Raises:
        ToolError: the environment cannot be built.
        UnsupportedError: a kind that this machine does not serve.
    """
    kind = manifest.environment["kind"]
    if kind == "host":
        return _host()
    if kind != "venv":
        raise UnsupportedError(
            f"{manifest.path}: [environment].kind {kind!r} is not served yet; use host or venv."
        )
    import fcntl

    requirements = manifest.folder / manifest.environment["file"]
    digest = digest_value([md5_file(requirements), sys.version])
    folder = cache_folder() / "venvs" / digest
    interpreter = Interpreter(folder / "bin" / "python", (folder, Path(sys.base_prefix)))
    if (folder / "complete").is_file():  # nodes of a cluster need no lock then
        return interpreter
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / f"{digest}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "complete").is_file():
            _build_venv(folder, requirements, manifest)
    return interpreter


@functools.cache
def environment_digest(manifest: Manifest) -> dict[str, str]:
    """What of the environment belongs in a key: requirements and the tools' builds."""
    parts = {"kind": str(manifest.environment["kind"])}
    if "file" in manifest.environment:
        parts["file"] = md5_file(manifest.folder / manifest.environment["file"])
    if "image" in manifest.environment:
        parts["image"] = manifest.environment["image"]
    if "ffmpeg" in manifest.tools:
        parts["ffmpeg"] = find_ffmpeg().build
    return parts


def clean_environment(
    manifest: Manifest, *, code: str, home: str, temporary: str, threads: int, device: str
) -> dict[str, str]:
    """The only variables a verb sees; nothing of the user's environment but a CUDA choice."""
    variables = {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "PYTHONPATH": code,
        "PYTHONHASHSEED": "0",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
        "HOME": home,
        "OMP_WAIT_POLICY": "PASSIVE",  # threads that spin for work starve each other's processes
        "TMPDIR": temporary,
    }
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        variables[name] = str(threads)
    if "ffmpeg" in manifest.tools:
        variables["FFMPEG"] = str(find_ffmpeg().path)
    if device == "cuda":
        for name in ("CUDA_VISIBLE_DEVICES", "LD_LIBRARY_PATH"):
            if name in os.environ:
                variables[name] = os.environ[name]
        variables["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"
    return variables
