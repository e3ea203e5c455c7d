"""The train views of a scene in memory, and batches of rays drawn from them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from inrkit.device import prepare
from inrkit.errors import CodecError
from inrkit.job import FitJob
from inrkit.memory import require_memory
from inrkit.rays import Cameras, Rays, require_hits
from inrkit.video import RawFormat, load_video
from inrkit.views import Bounds, View


@dataclass(frozen=True)
class RayBatch:
    """N rays of the train views and what they saw.

    Args:
        rays: in scene units.
        times: of their frames (N,), in frames from the first instant.
        colours: RGB in [0, 1], (N, 3).
        pixels: their indices in the scene's memory (N,).
    """

    rays: Rays
    times: Tensor
    colours: Tensor
    pixels: Tensor

    def __len__(self) -> int:
        return len(self.times)


class TrainViews:
    """Every pixel of every train view, with its camera and time.

    Pixels lie view by view, frame by frame, row by row, in one table; sizes of views may differ.

    Args:
        samples: RGB (P, 3), uint8, or int16 above 8 bits.
        peak: the sample that stands for 1.
        views, bounds: of the job.
        instants: of the cut.
        device: where batches are wanted; the table lies there too.
    """

    def __init__(
        self,
        samples: Tensor,
        *,
        peak: int,
        views: Sequence[View],
        bounds: Bounds,
        instants: int,
        device: torch.device,
    ) -> None:
        self.samples = samples.to(device)
        self.peak = peak
        self.views = tuple(views)
        self.bounds = bounds
        self.instants = instants
        self.device = device
        self.cameras = Cameras(views, device)
        frames = [(v, time) for v, view in enumerate(views) for time in view.times]
        areas = torch.tensor([views[v].width * views[v].height for v, _ in frames])
        self.frame_views = torch.tensor([v for v, _ in frames])
        self.frame_times = torch.tensor([time for _, time in frames], dtype=torch.float32)
        self.frame_starts = torch.cat([torch.zeros(1, dtype=torch.long), areas.cumsum(0)])
        self.widths = torch.tensor([view.width for view in views])
        if int(self.frame_starts[-1]) != len(samples):
            raise ValueError(f"{len(samples)} pixels for frames of {int(self.frame_starts[-1])}")

    @property
    def frames(self) -> int:
        """Pictures of all views and instants."""
        return len(self.frame_views)

    def batch(self, pixels: Tensor) -> RayBatch:
        """The rays and colours of pixel indices (N,)."""
        frames = torch.searchsorted(self.frame_starts, pixels, right=True) - 1
        views = self.frame_views[frames]
        places = pixels - self.frame_starts[frames]
        widths = self.widths[views]
        columns, rows = places % widths, places // widths
        rays = self.cameras.rays(*(part.to(self.device) for part in (views, columns, rows)))
        colours = self.samples[pixels.to(self.device)].float() / self.peak
        return RayBatch(rays, self.frame_times[frames].to(self.device), colours, pixels)

    def pictures(self, view: int) -> Tensor:
        """The frames (T, H, W, 3) of a view, as samples 0 … peak."""
        frames = (self.frame_views == view).nonzero()[:, 0]
        start, end = self.frame_starts[frames[0]], self.frame_starts[frames[-1] + 1]
        held = self.views[view]
        return self.samples[int(start) : int(end)].view(-1, held.height, held.width, 3)

    def temporal_statistics(self, view: int) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation (H, W, 3) over time of a view's pixels, in [0, 1].

        The deviation divides by T. Source: MixVoxels, section 3.2 (variation of a pixel).
        """
        values = self.pictures(view).float() / self.peak
        return values.mean(dim=0), values.std(dim=0, correction=0)

    def frames_at(self, *, earliest: float = 0.0, latest: float) -> Tensor:
        """Indices of the frames whose time lies in earliest … latest."""
        return ((self.frame_times >= earliest) & (self.frame_times <= latest)).nonzero()[:, 0]


class RayBatches:
    """Draws batches of rays: uniformly or weighted, from all frames, some, or one a batch.

    What is drawn depends on the generator alone, which the training loop keeps in its checkpoint.

    Args:
        views: drawn from.
        rays: per batch.
        frames: indices of the frames to draw from; all of them by default.
        weights: importance (P,) of every pixel of ``views``, ≥ 0; uniform by default.
        takes_one_picture: each batch comes from one picture (NeRF's ``no_batching``).

    Raises:
        CodecError: there is no pixel to draw.
    """

    def __init__(
        self,
        views: TrainViews,
        *,
        rays: int,
        frames: Tensor | None = None,
        weights: Tensor | None = None,
        takes_one_picture: bool = False,
    ) -> None:
        self.views = views
        self.rays = rays
        self.takes_one_picture = takes_one_picture
        self.frames = torch.arange(views.frames) if frames is None else frames.cpu()
        areas = views.frame_starts.diff()[self.frames]
        self.ends = areas.cumsum(0)
        self.cumulative: Tensor | None = None
        if len(self.frames) == 0:
            raise CodecError("no frame of the train views lies at the instants asked for.")
        if weights is not None:
            parts = [
                weights[views.frame_starts[frame] : views.frame_starts[frame + 1]]
                for frame in self.frames.tolist()
            ]
            self.cumulative = torch.cat(parts).double().cpu().cumsum(0)
            if not float(self.cumulative[-1]) > 0:
                raise CodecError("no pixel of the frames asked for has any weight.")

    def draw(self, generator: torch.Generator, rays: int | None = None) -> RayBatch:
        """A batch of ``rays`` rays, the number given at the start by default."""
        count = rays or self.rays
        chance = torch.rand(count, generator=generator, dtype=torch.float64)
        if self.takes_one_picture:
            frame = int(torch.randint(len(self.frames), (), generator=generator))
            end = int(self.ends[frame])
            start = int(self.ends[frame - 1]) if frame else 0
            chance = self._share(start) + chance * (self._share(end) - self._share(start))
        return self.views.batch(self._pixels(chance))

    def _share(self, place: int) -> float:
        """The chance of all pixels before a place."""
        if self.cumulative is None:
            return place / int(self.ends[-1])
        return float(self.cumulative[place - 1] / self.cumulative[-1]) if place else 0.0

    def _pixels(self, chance: Tensor) -> Tensor:
        """Pixel indices of numbers in [0, 1)."""
        last = int(self.ends[-1]) - 1
        if self.cumulative is None:
            places = (chance * (last + 1)).long().clamp(max=last)
        else:
            target = chance * self.cumulative[-1]
            places = torch.searchsorted(self.cumulative, target, right=True).clamp(max=last)
        which = torch.searchsorted(self.ends, places, right=True)
        begins = torch.cat([self.ends.new_zeros(1), self.ends[:-1]])
        return self.views.frame_starts[self.frames[which]] + places - begins[which]


def open_scene(
    job: FitJob,
    *,
    model_bytes: int = 0,
    advice: str = "lower the resolution of the fit's grids",
) -> TrainViews:
    """The job's train views in memory, after threads, seed and device are set.

    Args:
        job: the fit.
        model_bytes: what the model and its optimiser will take beside; see :func:`adam_bytes`.
        advice: what to do where they do not fit.

    Raises:
        CodecError: the job holds no scene, a view lacks its file or sees nothing of the box, or
            pictures and model do not fit into memory.
    """
    device = prepare(job)
    views, bounds = job.scene.views, job.scene.bounds
    held = job.source.format
    require_hits(views, bounds)
    pixels = sum(view.width * view.height * len(view.times) for view in views)
    sample_bytes = 2 if held.bit_depth > 8 else 1
    require_memory(
        2 * 3 * sample_bytes * pixels,
        f"the pictures of {len(views)} train views",
        device,
        advice="cut fewer instants or name fewer views",
    )
    if model_bytes:
        require_memory(
            3 * sample_bytes * pixels + model_bytes,
            "the fit's grids and networks, with their optimiser and the pictures,",
            device,
            advice=advice,
        )
    samples = np.concatenate([_load(view, held) for view in views])
    return TrainViews(
        torch.from_numpy(samples),
        peak=held.peak,
        views=views,
        bounds=bounds,
        instants=held.frames,
        device=device,
    )


def adam_bytes(values: int) -> int:
    """Bytes of float32 parameters, their gradient and Adam's two moments."""
    return 16 * values


def view_format(view: View, held: RawFormat) -> RawFormat:
    """The raw format of a view's own file: the sequence's, at the view's size."""
    return replace(held, width=view.width, height=view.height, frames=len(view.times))


def require_one_size(views: Sequence[View], method: str) -> tuple[int, int]:
    """Width and height of all views; CodecError names two that differ."""
    first = views[0]
    for view in views:
        if (view.width, view.height) != (first.width, first.height):
            raise CodecError(
                f"view {view.id} has {view.width}x{view.height} pixels and {first.id} "
                f"{first.width}x{first.height}; {method} needs views of one size."
            )
    return first.width, first.height


def _load(view: View, held: RawFormat) -> NDArray[Any]:
    """A view's pixels (T·H·W, 3)."""
    if view.path is None or not view.path.is_file():
        where = "no path" if view.path is None else f"no file {view.path.name}"
        raise CodecError(f"train view {view.id} has {where}; fit needs the frames of every view.")
    video = load_video(view.path, view_format(view, held))
    return np.ascontiguousarray(np.moveaxis(video, 1, 3)).reshape(-1, 3)
