"""The ffmpeg this run uses, and what its build can do."""

import functools
import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from invrbench.digest import digest_value
from invrbench.errors import ToolError

ENVIRONMENT_VARIABLE = "INVRBENCH_FFMPEG"
HANDED_VARIABLE = "INVRBENCH_FFMPEG_FOUND"


@dataclass(frozen=True)
class Ffmpeg:
    """An ffmpeg binary: where it lies, its version, and a digest of version and build options."""

    path: Path
    version: str
    build: str

    def run(self, arguments: list[str], *, stdin: bytes | None = None) -> bytes:
        """Run with ``arguments``, quietly, and give its standard output.

        Raises:
            ToolError: ffmpeg failed; quotes the last lines it printed and the command.
        """
        command = [str(self.path), "-hide_banner", "-nostdin", "-v", "error", *arguments]
        if stdin is not None:
            command.remove("-nostdin")
        done = subprocess.run(command, input=stdin, capture_output=True, check=False)
        if done.returncode:
            tail = "\n".join(done.stderr.decode(errors="replace").splitlines()[-5:])
            raise ToolError(f"ffmpeg failed ({done.returncode}): {tail}\n{' '.join(command)}")
        return done.stdout

    def has_encoder(self, name: str) -> bool:
        """Whether the build carries an encoder, e.g. ``libx265``."""
        return f" {name} " in _listing(self.path, "-encoders")

    def has_filter(self, name: str) -> bool:
        """Whether the build carries a filter, e.g. ``libvmaf``."""
        return f" {name} " in _listing(self.path, "-filters")


@functools.cache
def _listing(path: Path, option: str) -> str:
    return subprocess.run(
        [str(path), "-hide_banner", option], capture_output=True, text=True, check=True
    ).stdout


def hand_over_ffmpeg() -> None:
    """Tell processes started from here which ffmpeg was found, so that none looks again."""
    try:
        found = find_ffmpeg()
    except ToolError:
        return  # whoever needs it says so
    told = [str(found.path), found.version, found.build, *_state(found.path)]
    os.environ[HANDED_VARIABLE] = json.dumps([os.environ.get(ENVIRONMENT_VARIABLE), *told])


def _state(path: Path) -> list[int]:
    """What tells one file from another that takes its place."""
    status = path.stat()
    return [status.st_size, status.st_mtime_ns]


def _handed() -> Ffmpeg | None:
    """The ffmpeg that this run found, if it is still there and nobody named another one."""
    text = os.environ.get(HANDED_VARIABLE)
    if not text:
        return None
    named, path, version, build, *state = json.loads(text)
    try:
        is_same = named == os.environ.get(ENVIRONMENT_VARIABLE) and _state(Path(path)) == state
    except OSError:
        return None
    return Ffmpeg(Path(path), version, build) if is_same else None


@functools.cache
def find_ffmpeg() -> Ffmpeg:
    """The ffmpeg named by ``INVRBENCH_FFMPEG``, else the one that came with pip.

    Raises:
        ToolError: the named file cannot be run, or none is installed.
    """
    handed = _handed()
    if handed is not None:
        return handed
    named = os.environ.get(ENVIRONMENT_VARIABLE)
    if named:
        found = shutil.which(named)
        if found is None:
            raise ToolError(
                f"{ENVIRONMENT_VARIABLE}={named} is not an executable file; "
                "name one, or unset it to use the one that pip installed."
            )
        path = Path(found).resolve()
    else:
        import imageio_ffmpeg

        path = Path(imageio_ffmpeg.get_ffmpeg_exe()).resolve()
    done = subprocess.run([str(path), "-version"], capture_output=True, text=True, check=False)
    if done.returncode:
        raise ToolError(f"{path.name} -version failed; set {ENVIRONMENT_VARIABLE} to another one.")
    lines = done.stdout.splitlines()
    version = lines[0].split()[2] if lines and len(lines[0].split()) > 2 else "unknown"
    build = digest_value([line for line in lines if not line.startswith("Exiting")])
    return Ffmpeg(path=path, version=version, build=build)
