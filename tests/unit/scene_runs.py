"""A small analytic scene as raw views and jobs, and the verbs of a scene codec run on it.

Two balls over a chequered floor under a dark sky, one of them moving along x with time; every
pixel is cast in closed form, so that the expected picture of any camera is known::

    scene = write_scene(tmp_path / "views", instants=2)
    run = run_scene("instant-ngp", tmp_path, scene, {"steps": 20, …}, {"qp": -30})
    psnr(run.pictures["h0"], scene.pictures["h0"])
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from inrkit.video import RawFormat, load_video, write_frames
from inrkit.views import View, read_views
from numpy.typing import NDArray
from proposal_runs import run_verb

Floats = NDArray[np.float64]

BOUNDS = {"near": 0.5, "far": 7.0, "box": [[-1.6, -1.6, -0.2], [1.6, 1.6, 1.2]]}
FLOOR = 1.5  # half its side
SKY = np.array([0.02, 0.03, 0.08])


@dataclass(frozen=True)
class AnalyticScene:
    """Fields of jobs and the pictures that belong to them.

    Args:
        source: of a multi-view job, without path.
        views: train views, each with the path of its raw file.
        held_out: views to render that no fit sees, without path.
        pictures: RGB (T, H, W, 3) in [0, 1] of every view by id.
    """

    source: dict[str, Any]
    views: list[dict[str, Any]]
    held_out: list[dict[str, Any]]
    pictures: dict[str, Floats]

    @property
    def job(self) -> dict[str, Any]:
        """What fit and encode jobs hold of the scene."""
        return {"source": self.source, "views": self.views, "bounds": BOUNDS}


@dataclass(frozen=True)
class SceneRun:
    """What the verbs left: the bitstream, its notes, and RGB (T, H, W, 3) of each rendered view."""

    bitstream: bytes
    notes: dict[str, Any]
    pictures: dict[str, Floats]


def look_at(
    place: tuple[float, float, float], target: tuple[float, float, float] = (0.0, 0.0, 0.3)
) -> list[list[float]]:
    """camera_to_world of a camera at ``place`` that looks at ``target``; z is up in the world."""
    forward = np.subtract(target, place)
    forward = forward / np.linalg.norm(forward)
    right = np.cross(forward, (0.0, 0.0, 1.0))
    right /= np.linalg.norm(right)
    rotation = np.stack([right, np.cross(forward, right), forward], axis=1)
    pose: list[list[float]] = np.concatenate([rotation, np.reshape(place, (3, 1))], axis=1).tolist()
    return pose


def camera(
    name: str, degrees: float, *, width: int, height: int, times: list[float]
) -> dict[str, Any]:
    """A view from an arc of radius 4 around the scene, as a decode job holds it."""
    angle = np.radians(degrees)
    return {
        "id": name,
        "width": width,
        "height": height,
        "fx": 1.2 * width,
        "fy": 1.2 * width,
        "cx": width / 2,
        "cy": height / 2,
        "camera_to_world": look_at((4 * np.sin(angle), -4 * np.cos(angle), 1.6)),
        "times": times,
    }


def write_scene(
    folder: Path,
    *,
    views: int = 6,
    width: int = 32,
    height: int = 24,
    instants: int = 1,
    pixel_format: str = "rgb24",
    is_monocular: bool = False,
) -> AnalyticScene:
    """Write the raw files of the train views into ``folder``, made if absent.

    Args:
        folder: of the raw files.
        views: train views t0 …, from −40° to 40°; the held-out view h0 is at 5°.
        width, height: of every view.
        instants: of the cut.
        pixel_format: of the files.
        is_monocular: view i holds the one frame i modulo ``instants``, as in D-NeRF's data.
    """
    folder.mkdir(parents=True, exist_ok=True)
    every = [float(time) for time in range(instants)]
    angles = np.linspace(-40, 40, views)
    train = [
        camera(
            f"t{index}",
            float(angle),
            width=width,
            height=height,
            times=[every[index % instants]] if is_monocular else every,
        )
        for index, angle in enumerate(angles)
    ]
    held_out = [camera("h0", 5.0, width=width, height=height, times=every)]
    colour = {"matrix": "bt709", "range": "full" if pixel_format == "rgb24" else "limited"}
    pictures = {view.id: cast_view(view) for view in read_views([*train, *held_out])}
    for view in train:
        held = RawFormat(pixel_format, width, height, len(view["times"]), **colour)
        path = folder / f"{view['id']}.raw"
        write_frames(path, held, np.moveaxis(pictures[view["id"]], 3, 1))
        view["path"] = str(path)
    source = {
        "pixel_format": pixel_format,
        "width": width,
        "height": height,
        "fps": 25,
        "frames": instants,
        **colour,
    }
    return AnalyticScene(source, train, held_out, pictures)


def cast_view(view: View) -> Floats:
    """RGB (T, H, W, 3) in [0, 1] of the analytic scene."""
    rows, columns = np.mgrid[0 : view.height, 0 : view.width] + 0.5
    plane = np.stack(
        [(columns - view.cx) / view.fx, (rows - view.cy) / view.fy, np.ones(rows.shape)], axis=-1
    )
    pose = np.array(view.camera_to_world)
    directions = plane @ pose[:, :3].T
    directions /= np.linalg.norm(directions, axis=-1, keepdims=True)
    return np.stack([_cast(pose[:, 3], directions, time) for time in view.times])


def run_scene(
    codec: str,
    folder: Path,
    scene: AnalyticScene,
    parameters: dict[str, Any],
    point: dict[str, Any],
    *,
    render: list[dict[str, Any]] | None = None,
) -> SceneRun:
    """Fit, encode and decode; by default the held-out views and the first train view are rendered.

    Args:
        codec: folder under proposals/.
        folder: an empty one for the verbs.
        scene: see :func:`write_scene`.
        parameters: of the fit.
        point: parameters of the rate point.
        render: views without path.
    """
    done = run_verb(codec, "fit", folder / "fit", scene_fit_job(scene, parameters, folder / "kept"))
    assert done.returncode == 0, done.stderr
    return code_scene(codec, folder, scene, point, render=render)


def scene_fit_job(
    scene: AnalyticScene, parameters: dict[str, Any], checkpoint: Path
) -> dict[str, Any]:
    """The fields of a fit job beside schema, verb, device and threads."""
    checkpoint.mkdir(exist_ok=True)
    return {
        **scene.job,
        "configuration": "any",
        "fit": {"name": "t", "parameters": parameters},
        "budget": "seconds",
        "seed": 3,
        "checkpoint": str(checkpoint),
    }


def code_scene(
    codec: str,
    folder: Path,
    scene: AnalyticScene,
    point: dict[str, Any],
    *,
    render: list[dict[str, Any]] | None = None,
) -> SceneRun:
    """Encode and decode the model that a fit left in ``folder``/fit/model."""
    views = render or [*scene.held_out, without_path(scene.views[0])]
    job = {
        **scene.job,
        "configuration": "any",
        "seed": 3,
        "fit": {"name": "t", "parameters": {}},
        "model": str(folder / "fit" / "model"),
        "rate_point": {"id": "t.seconds", "parameters": point},
    }
    done = run_verb(codec, "encode", folder / "encode", job)
    assert done.returncode == 0, done.stderr
    bitstream = folder / "encode" / "bitstream.bin"
    output = folder / "rendered"
    output.mkdir(exist_ok=True)
    fields = {"bitstream": str(bitstream), "output": str(output), "render": views}
    done = run_verb(codec, "decode", folder / "decode", fields)
    assert done.returncode == 0, done.stderr
    source = scene.source
    pictures = {}
    for view in views:
        held = RawFormat(
            source["pixel_format"],
            view["width"],
            view["height"],
            len(view["times"]),
            source["matrix"],
            source["range"],
        )
        path = output / f"{view['id']}.raw"
        assert path.stat().st_size == held.frames * held.frame_samples * held.sample_type.itemsize
        pictures[view["id"]] = np.moveaxis(load_video(path, held), 1, 3) / held.peak
    notes = json.loads((folder / "encode" / "notes.json").read_text())
    return SceneRun(bitstream.read_bytes(), notes, pictures)


def without_path(view: dict[str, Any]) -> dict[str, Any]:
    """A train view as one to render."""
    return {name: value for name, value in view.items() if name != "path"}


def psnr(pictures: Floats, expected: Floats) -> float:
    """PSNR in dB of RGB in [0, 1], squared errors pooled."""
    return float(-10 * np.log10(np.mean((pictures - expected) ** 2)))


def _cast(origin: Floats, directions: Floats, time: float) -> Floats:
    """RGB (H, W, 3) of rays from one place at one time."""
    colours = np.broadcast_to(SKY, directions.shape).copy()
    nearest = np.full(directions.shape[:2], np.inf)
    with np.errstate(divide="ignore"):
        floor = -origin[2] / directions[..., 2]
    x, y = (origin[axis] + floor * directions[..., axis] for axis in (0, 1))
    hit = (floor > 0) & (np.abs(x) < FLOOR) & (np.abs(y) < FLOOR)
    light = (np.floor(x / 0.5) + np.floor(y / 0.5)) % 2
    colours[hit] = (0.3 + 0.4 * light[..., None] * np.ones(3))[hit]
    nearest[hit] = floor[hit]
    balls = [
        (np.array([-0.5 + 0.1 * time, 0.1, 0.5]), 0.45, np.array([0.9, 0.4, 0.1])),
        (np.array([0.6, -0.2, 0.35]), 0.35, np.array([0.1, 0.5, 0.9])),
    ]
    for centre, radius, colour in balls:
        to_centre = origin - centre
        along = directions @ to_centre
        square = along**2 - to_centre @ to_centre + radius**2
        met = -along - np.sqrt(np.maximum(square, 0))
        hit = (square > 0) & (met > 0) & (met < nearest)
        normal = (to_centre + met[..., None] * directions) / radius
        shade = 0.5 + 0.5 * normal @ np.array([0.4, -0.4, 0.82])
        colours[hit] = (colour * shade[..., None])[hit]
        nearest[hit] = met[hit]
    return np.clip(colours, 0, 1)
