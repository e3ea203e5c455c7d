"""What a contribution was made with: interpreter, libraries and tools, never a host or a path."""

import platform
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from invrbench.codec.closure import imported_names
from invrbench.codec.environment import interpreter_of
from invrbench.codec.manifest import Manifest
from invrbench.results.records import machine_label
from invrbench.video.ffmpeg import find_ffmpeg

Lock = Mapping[str, Any]


def environment_lock(
    manifest: Manifest, files: Mapping[str, Path], records: Iterable[Mapping[str, Any]]
) -> dict[str, Any]:
    """The environment of a codec's decoder on this machine, and what its records say of theirs.

    Args:
        manifest: the codec.
        files: those its decoder runs on, by path relative to its folder.
        records: of decodes, which hold the versions, devices and machines of their time.
    """
    installed = installed_distributions(manifest)
    own = {name.partition("/")[0].removesuffix(".py") for name in files}
    named = {name.partition(".")[0] for path in files.values() for name in imported_names(path)}
    libraries = _libraries(named - own, installed)
    devices: set[str] = set()
    machines: set[str] = set()
    recorded: dict[str, set[str]] = {}
    for record in records:
        devices.add(str(record["device"]))
        machines.add(str(record["machine"]))
        for tool, version in record.get("versions", {}).items():
            recorded.setdefault(tool, set()).add(str(version))
    return {
        "python": platform.python_version(),
        "kind": str(manifest.environment["kind"]),
        "libraries": libraries,
        "installed": installed,
        "ffmpeg": _ffmpeg(),
        "recorded": {tool: ", ".join(sorted(found)) for tool, found in sorted(recorded.items())},
        "devices": sorted(devices),
        "machines": sorted(machines) or [machine_label()],
    }


def _ffmpeg() -> dict[str, str]:
    ffmpeg = find_ffmpeg()
    return {"version": ffmpeg.version, "build": ffmpeg.build}


def installed_distributions(manifest: Manifest) -> dict[str, str]:
    """Versions of everything installed where the codec's verbs run, by distribution."""
    if manifest.environment["kind"] == "host":
        found = metadata.distributions()
    else:
        folder = f"lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages"
        places = [str(prefix / folder) for prefix in interpreter_of(manifest).prefixes[:1]]
        found = metadata.distributions(path=places)
    held = {_canonical(each.name): each.version for each in found if each.name}
    return dict(sorted(held.items()))


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _libraries(modules: Iterable[str], installed: Mapping[str, str]) -> dict[str, str]:
    """Versions of the distributions that provide the imported top-level modules."""
    provided = metadata.packages_distributions()
    names = {_canonical(name) for module in modules for name in provided.get(module, [module])}
    return {name: installed[name] for name in sorted(names) if name in installed}


def differences(lock: Lock, manifest: Manifest, device: str) -> list[str]:
    """What of a packed environment is another one here, each as one phrase.

    >>> _told("torch", "2.15.0", "2.14.1")
    'torch 2.15.0 packed, 2.14.1 here'
    """
    here = installed_distributions(manifest)
    pairs = [("Python", str(lock.get("python", "")), platform.python_version())]
    for name, version in lock.get("libraries", {}).items():
        pairs.append((str(name), str(version), here.get(str(name), "absent")))
    if "ffmpeg" in manifest.tools:
        packed, found = lock.get("ffmpeg", {}), _ffmpeg()
        pairs.append(("ffmpeg", str(packed.get("version", "")), found["version"]))
        if packed.get("version") == found["version"] and packed.get("build") != found["build"]:
            pairs.append(("ffmpeg build", str(packed.get("build", ""))[:8], found["build"][:8]))
    devices = ", ".join(map(str, lock.get("devices", ())))
    pairs.append(("device", devices, device))
    machines = ", ".join(map(str, lock.get("machines", ())))
    pairs.append(("machine", machines, machine_label()))
    return [_told(name, packed, found) for name, packed, found in pairs if packed != found]


def _told(name: str, packed: str, found: str) -> str:
    return f"{name} {packed or 'not stated'} packed, {found} here"


def git_state(root: Path) -> tuple[str, bool]:
    """Commit of a working tree and whether tracked files differ from it; nothing outside of git."""
    commit = _git(root, "rev-parse", "--short=12", "HEAD")
    return commit, bool(_git(root, "status", "--porcelain", "--untracked-files=no"))


def harness_name(version: str, commit: str, is_dirty: bool) -> str:
    """This program as reports name it.

    >>> harness_name("0.1.0", "779aa1178a11", True)
    'invrbench 0.1.0, commit 779aa1178a11 with local changes'
    """
    changed = " with local changes" if is_dirty else ""
    return f"invrbench {version}, commit {commit or 'unknown'}{changed}"


def _git(root: Path, *words: str) -> str:
    try:
        done = subprocess.run(
            ["git", *words], cwd=root, capture_output=True, text=True, check=False, timeout=20
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
