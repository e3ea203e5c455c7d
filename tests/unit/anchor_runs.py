"""Run the verbs of an anchor or a control on a small clip, each in a process of its own."""

import json
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import imageio_ffmpeg
import numpy as np

ROOT = Path(__file__).resolve().parents[2]
ANCHORKIT = ROOT / "anchors/anchorkit/src"
FFMPEG = imageio_ffmpeg.get_ffmpeg_exe()


@dataclass(frozen=True)
class Clip:
    """A raw file and what a job says of it."""

    path: Path
    pixel_format: str
    width: int
    height: int
    frames: int

    @property
    def source(self) -> dict[str, Any]:
        """The job's ``source``."""
        return {
            "path": str(self.path),
            "pixel_format": self.pixel_format,
            "width": self.width,
            "height": self.height,
            "fps": 25,
            "frames": self.frames,
            "matrix": "bt709",
            "range": "limited",
        }


def write_clip(
    path: Path,
    *,
    pixel_format: str = "yuv420p",
    width: int = 64,
    height: int = 48,
    frames: int = 8,
) -> Clip:
    """Noise made smooth, shifted by two samples a frame: motion that prediction can follow."""
    peak, dtype = (1023, "<u2") if pixel_format.endswith("10le") else (255, "u1")
    step = 2 if pixel_format.startswith("yuv420p") else 1
    chroma = (height // step, width // step)
    shapes = [(height, width), chroma, chroma]
    rng = np.random.default_rng(7)
    textures = []
    for rows, columns in shapes:
        noise = rng.random((rows + 8, columns + 8 + 2 * frames))
        smooth = sum(np.roll(noise, (i, j), (0, 1)) for i in range(4) for j in range(4)) / 16
        textures.append(np.rint(np.clip(4 * smooth - 1.5, 0, 1) * peak).astype(dtype))
    with path.open("wb") as file:
        for index in range(frames):
            planes = [
                texture[4 : 4 + rows, 4 + 2 * index : 4 + 2 * index + columns]
                for texture, (rows, columns) in zip(textures, shapes, strict=True)
            ]
            if pixel_format == "rgb24":
                planes = [np.stack(planes, axis=-1)]
            file.write(b"".join(plane.tobytes() for plane in planes))
    return Clip(path, pixel_format, width, height, frames)


def run_verb(
    folder: str, verb: str, job: dict[str, Any], place: Path, *, tools: bool = True
) -> subprocess.CompletedProcess[str]:
    """Run ``<folder>/<verb>.py`` in ``place`` with a clean environment."""
    place.mkdir(parents=True, exist_ok=True)
    (place / "job.json").write_text(json.dumps({"schema": 1, "verb": verb, **job}))
    environment = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "PYTHONPATH": str(ANCHORKIT)}
    if tools:
        environment["FFMPEG"] = FFMPEG
    return subprocess.run(
        [sys.executable, str(ROOT / folder / f"{verb}.py"), str(place / "job.json")],
        cwd=place,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def encode(folder: str, clip: Clip, place: Path, *, configuration: str, **parameters: int) -> bytes:
    """The bitstream of a clip."""
    job = {
        "source": clip.source,
        "configuration": configuration,
        "rate_point": {"id": "x", "parameters": parameters},
        "seed": 0,
        "device": "cpu",
        "threads": 1,
    }
    done = run_verb(folder, "encode", job, place)
    assert done.returncode == 0, done.stderr
    left = {path.name for path in place.iterdir()}
    assert left <= {"job.json", "bitstream.bin", "notes.json", "ffmpeg.log"}, left
    return (place / "bitstream.bin").read_bytes()


def decode(folder: str, bitstream: bytes, place: Path) -> bytes:
    """The raw frames of a bitstream, decoded where nothing else lies."""
    place.mkdir(parents=True, exist_ok=True)
    (place / "bitstream.bin").write_bytes(bitstream)
    output = place / "decoded.raw"
    job = {"bitstream": str(place / "bitstream.bin"), "output": str(output), "threads": 1}
    done = run_verb(folder, "decode", {**job, "device": "cpu"}, place)
    assert done.returncode == 0, done.stderr
    return output.read_bytes()


def psnr_db(first: bytes, second: bytes, pixel_format: str) -> float:
    """PSNR over all samples of two raw files of equal length."""
    assert len(first) == len(second)
    dtype, peak = ("<u2", 1020) if pixel_format.endswith("10le") else ("u1", 255)
    difference = np.frombuffer(first, dtype).astype(float) - np.frombuffer(second, dtype)
    return float(10 * np.log10(peak**2 / np.mean(difference**2)))


@cache
def picture_types(muxer: str, bitstream: bytes) -> str:
    """Types of the pictures in output order as ffmpeg sees them, one letter each."""
    done = subprocess.run(
        [FFMPEG, "-hide_banner", "-f", muxer, "-i", "pipe:0", "-vf", "showinfo", "-f", "null", "-"],
        input=bitstream,
        capture_output=True,
        check=True,
    )
    lines = done.stderr.decode(errors="replace").splitlines()
    return "".join(
        line.split(" type:")[1][0] for line in lines if "showinfo" in line and " type:" in line
    )
