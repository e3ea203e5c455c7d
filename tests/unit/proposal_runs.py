"""Run the verbs of an in-house proposal on a small clip, each in a process of its own."""

import contextlib
import importlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

PROPOSALS = Path(__file__).resolve().parents[2] / "proposals"

# runs a verb with a checkpoint after every step; killed right after the one named by KILL_AT
_DRIVER = """
import os, runpy, signal, sys
import inrkit.fit as loop
loop.CHECKPOINT_SECONDS = loop.CHECKPOINT_SHARE = 0
loop.CHECKPOINT_SHARE = float("inf")
save = loop._Run.save_if_due
def save_and_die(self, path, key, step):
    save(self, path, key, step)
    if step == int(os.environ.get("KILL_AT", -1)):
        os.kill(os.getpid(), signal.SIGKILL)
loop._Run.save_if_due = save_and_die
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@contextlib.contextmanager
def modules_of(codec: str, *names: str) -> Iterator[list[ModuleType]]:
    """Modules of a codec folder, which other folders may have under the same names."""
    folder = str(PROPOSALS / codec)
    siblings = {path.stem for path in Path(folder).glob("*.py")}
    before = {name: sys.modules.pop(name) for name in siblings & sys.modules.keys()}
    sys.path.insert(0, folder)
    try:
        yield [importlib.import_module(name) for name in names]
    finally:
        sys.path.remove(folder)
        for name in siblings:
            sys.modules.pop(name, None)
        sys.modules.update(before)


def write_clip(path: Path, *, width: int, height: int, frames: int) -> dict[str, Any]:
    """A yuv420p clip of a moving wave; the source entry of a job."""
    rows, columns = np.mgrid[0:height, 0:width]
    with path.open("wb") as file:
        for index in range(frames):
            luma = 128 + 80 * np.sin((columns + 3 * index) / 9) * np.cos(rows / 7)
            chroma = np.full((2, height // 2, width // 2), 110 + 2 * index)
            file.write(luma.astype(np.uint8).tobytes() + chroma.astype(np.uint8).tobytes())
    return {
        "path": str(path),
        "pixel_format": "yuv420p",
        "width": width,
        "height": height,
        "fps": 25,
        "frames": frames,
        "matrix": "bt709",
        "range": "limited",
    }


def write_picture(path: Path, *, width: int, height: int) -> dict[str, Any]:
    """One rgb24 picture of a wave, of any size; the source entry of a job."""
    rows, columns = np.mgrid[0:height, 0:width]
    red = 128 + 80 * np.sin(columns / 9) * np.cos(rows / 7)
    picture = np.stack([red, 255 - red, 100 + 2 * rows + columns], axis=2)
    path.write_bytes(picture.clip(0, 255).astype(np.uint8).tobytes())
    return {
        "path": str(path),
        "pixel_format": "rgb24",
        "width": width,
        "height": height,
        "fps": 25,
        "frames": 1,
        "matrix": "bt709",
        "range": "full",
    }


def parameter_names(manifest: dict[str, Any], fit: str, budget: str, scope: str = "") -> set[str]:
    """Names of a fit's parameters under a budget, with overrides for ``scope`` (class, sequence).

    Fails if the fit has no such budget.
    """
    tables = [manifest["fits"]["*"], manifest["fits"][fit]]
    tables += [table["for"][scope] for table in list(tables) if scope in table.get("for", {})]
    budgets = [table["budgets"][budget] for table in tables if budget in table.get("budgets", {})]
    assert budgets, f"{fit} has no budget {budget}"
    return {key for table in tables + budgets for key in table} - {"budgets", "for"}


def run_verb(
    codec: str, verb: str, folder: Path, job: dict[str, Any], *, kill_at: int | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a verb in ``folder``, made if absent; ``kill_at`` ends a fit after that step."""
    folder.mkdir(exist_ok=True)
    fields = {"schema": 1, "verb": verb, "device": "cpu", "threads": 2, **job}
    (folder / "job.json").write_text(json.dumps(fields))
    paths = [PROPOSALS / codec, PROPOSALS / "inrkit" / "src"]
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.pathsep.join(map(str, paths)),
        "OMP_NUM_THREADS": "2",
    }
    if "FFMPEG" in os.environ:
        environment["FFMPEG"] = os.environ["FFMPEG"]
    if kill_at is not None:
        environment["KILL_AT"] = str(kill_at)
    script = str(PROPOSALS / codec / f"{verb}.py")
    start = ["-c", _DRIVER, script] if verb == "fit" else [script]
    return subprocess.run(
        [sys.executable, *start, "job.json"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def fit_job(source: dict[str, Any], parameters: dict[str, Any], checkpoint: Path) -> dict[str, Any]:
    """The fields of a fit job beside schema, verb, device and threads."""
    checkpoint.mkdir(exist_ok=True)
    return {
        "source": source,
        "configuration": "ld",
        "fit": {"name": "t", "parameters": parameters},
        "budget": "seconds",
        "seed": 3,
        "checkpoint": str(checkpoint),
    }


def code_and_decode(
    codec: str, folder: Path, source: dict[str, Any], parameters: dict[str, Any]
) -> tuple[bytes, bytes]:
    """Bitstream and decoded file of the model that a fit left in ``folder``/fit/model."""
    common = {"source": source, "configuration": "ld", "seed": 3}
    named = {"fit": {"name": "t", "parameters": {}}, "model": str(folder / "fit" / "model")}
    point = {"rate_point": {"id": "t.seconds", "parameters": parameters}}
    done = run_verb(codec, "encode", folder / "encode", {**common, **named, **point})
    assert done.returncode == 0, done.stderr
    bitstream = folder / "encode" / "bitstream.bin"
    output = folder / "decoded.raw"
    job = {"bitstream": str(bitstream), "output": str(output)}
    done = run_verb(codec, "decode", folder / "decode", job)
    assert done.returncode == 0, done.stderr
    return bitstream.read_bytes(), output.read_bytes()
