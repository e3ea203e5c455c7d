"""The pixels of the train views over time: mean, variation, and every instant's colour."""

from dataclasses import dataclass

import torch
from inrkit.errors import CodecError
from inrkit.rays import Rays
from inrkit.scene import TrainViews
from torch import Tensor


@dataclass(frozen=True)
class TemporalBatch:
    """N pixels at all T instants.

    Args:
        rays: in scene units.
        mean: RGB over time in [0, 1], (N, 3).
        colours: RGB of every instant in [0, 1], (N, T, 3).
    """

    rays: Rays
    mean: Tensor
    colours: Tensor


class TemporalPixels:
    """Every pixel of every train view with its T colours.

    A pixel changes if the standard deviation of its colour over time, the root of the mean square
    over R, G and B, exceeds ``threshold``. Source: MixVoxels, section 3.2, equations of the
    variation field's labels.

    Args:
        views: the scene's pixels.
        threshold: in [0, 1]; below 0 all pixels count as changing.

    Raises:
        CodecError: a view lacks an instant.
    """

    def __init__(self, views: TrainViews, *, threshold: float) -> None:
        self.views = views
        first, area, mean, changes = [], [], [], []
        for index, view in enumerate(views.views):
            if len(view.times) != views.instants:
                raise CodecError(
                    f"view {view.id} holds {len(view.times)} of {views.instants} instants; "
                    "MixVoxels learns what changes from views that hold all of them; use d-nerf "
                    "for monocular scenes."
                )
            over_time, deviation = views.temporal_statistics(index)
            pixels = view.width * view.height
            start = int(views.frame_starts[(views.frame_views == index).nonzero()[0, 0]])
            first.append(start + torch.arange(pixels))
            area.append(torch.full((pixels,), pixels))
            mean.append(over_time.reshape(pixels, 3))
            spread = deviation.square().mean(dim=-1).sqrt().reshape(pixels)
            changes.append(spread.cpu() > threshold)
        self.first, self.area = torch.cat(first), torch.cat(area)
        self.mean = torch.cat(mean)
        marked = torch.cat(changes)
        self.changing, self.resting = marked.nonzero()[:, 0], (~marked).nonzero()[:, 0]

    def draw(self, among: Tensor, count: int, generator: torch.Generator) -> Tensor:
        """``count`` pixels among those numbered; none of none."""
        if len(among) == 0:
            return among
        return among[torch.randint(len(among), (count,), generator=generator)]

    def rays(self, pixels: Tensor) -> Rays:
        """Rays of pixel numbers (N,)."""
        return self.views.batch(self.first[pixels]).rays

    def batch(self, pixels: Tensor) -> TemporalBatch:
        """Rays and colours of pixel numbers (N,)."""
        instants = torch.arange(self.views.instants)
        rows = self.first[pixels][:, None] + instants * self.area[pixels][:, None]
        device = self.views.device
        colours = self.views.samples[rows.to(device)].float() / self.views.peak
        return TemporalBatch(self.rays(pixels), self.mean[pixels.to(device)], colours)
