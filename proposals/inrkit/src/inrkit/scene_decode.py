"""Decoding of scene codecs: read the models, render every view that the job asks for."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from inrkit import bitstream, nnc
from inrkit.decoder import count_parameters
from inrkit.device import prepare
from inrkit.errors import CodecError
from inrkit.job import DecodeJob
from inrkit.memory import require_memory
from inrkit.rays import Rays, view_rays
from inrkit.scene_codec import SceneFormat, instant_name
from inrkit.video import write_frames
from inrkit.views import View

RAYS_PER_CALL = 8192
BYTES_PER_RAY = 1 << 17  # a generous guess at samples, features and activations of one ray

# (rays of N pixels, T times in instants) → RGB (T, N, 3) in [0, 1]
Render = Callable[[Rays, Tensor], Tensor]


class StaticField(Protocol):
    """A model of one instant, an ``nn.Module``."""

    def start_rendering(self) -> None:
        """Make ready what only rendering needs (an occupancy grid, say), once."""

    def render(self, rays: Rays) -> Tensor:
        """RGB (N, 3) in [0, 1] of rays in scene units."""


def read_models(
    data: bytes,
    *,
    codec_id: str,
    schema: bitstream.Schema,
    build: Callable[[dict[str, Any]], nn.Module],
    is_static: bool,
) -> tuple[SceneFormat, list[nn.Module]]:
    """The scene's format and its models in a bitstream: one per instant if static, else one.

    Raises:
        BitstreamError: it is another codec's, cut, damaged, or holds another model's tensors.
    """
    header, (payload,) = bitstream.unpack(data, codec_id, schema=schema, sections=1)
    scene = SceneFormat.from_header(header)
    models = [build(header) for _ in range(scene.instants if is_static else 1)]
    layout = {
        instant_name(index, name) if is_static else name: tuple(value.shape)
        for index, model in enumerate(models)
        for name, value in model.named_parameters()
    }
    tensors = nnc.decode_tensors(payload, layout)
    with torch.no_grad():
        for index, model in enumerate(models):
            for name, value in model.named_parameters():
                held = tensors[instant_name(index, name) if is_static else name]
                value.copy_(torch.from_numpy(held))
    return scene, [model.eval() for model in models]


def decode_instants(
    job: DecodeJob,
    *,
    codec_id: str,
    schema: bitstream.Schema,
    build: Callable[[dict[str, Any]], nn.Module],
) -> int:
    """Render the views of ``job`` from a bitstream that holds a static model per instant.

    Returns:
        The number of values in all models.
    """
    data = job.bitstream.read_bytes()
    scene, models = read_models(data, codec_id=codec_id, schema=schema, build=build, is_static=True)
    render_instants(job, scene, models)
    return count_parameters(*models)


def render_instants(job: DecodeJob, scene: SceneFormat, models: Sequence[nn.Module]) -> None:
    """Render the views of ``job`` from static models, one per instant."""
    device = prepare(job)
    ready: dict[int, Any] = {}

    def render(rays: Rays, times: Tensor) -> Tensor:
        pictures = []
        for time in times.tolist():
            instant = scene.instant_of(time)
            if instant not in ready:
                ready[instant] = models[instant].to(device)
                ready[instant].start_rendering()
            pictures.append(ready[instant].render(rays))
        return torch.stack(pictures)

    render_views(job, scene, render, device)


def decode_timed(
    job: DecodeJob,
    *,
    codec_id: str,
    schema: bitstream.Schema,
    build: Callable[[dict[str, Any]], nn.Module],
    rays_per_call: int = 512,
) -> int:
    """Render the views of ``job`` from a bitstream that holds one model of all times.

    Args:
        job: the decode job.
        codec_id, schema: of the bitstream.
        build: a model of a header; called with N rays and their times (N,) in instants, it
            gives RGB (N, 3).
        rays_per_call: few, so that the features of a call's samples stay in the cache.

    Returns:
        The number of values in the model.

    Raises:
        CodecError: a time to render lies beyond the cut.
    """
    device = prepare(job)
    data = job.bitstream.read_bytes()
    scene, (model,) = read_models(
        data, codec_id=codec_id, schema=schema, build=build, is_static=False
    )
    model = model.to(device)
    for view in job.render:
        for time in view.times:
            scene.instant_of(time)

    def render(rays: Rays, times: Tensor) -> Tensor:
        return torch.stack([model(rays, time.expand(len(rays))) for time in times])

    render_views(job, scene, render, device, rays_per_call=rays_per_call)
    return count_parameters(model)


@torch.inference_mode()
def render_views(
    job: DecodeJob,
    scene: SceneFormat,
    render: Render,
    device: torch.device,
    *,
    rays_per_call: int = RAYS_PER_CALL,
    times_per_call: int = 1,
) -> None:
    """Write ``<output>/<id>.raw`` of every view to render, in the bitstream's pixel format.

    Args:
        job: names the views and an existing folder.
        scene: from the bitstream.
        render: gives the colours of rays; clipped and rounded here.
        device: where rays are made.
        rays_per_call: rays that ``render`` is asked for at once.
        times_per_call: times that it is asked for at once.

    Raises:
        CodecError: the job names no view or no folder, or a picture does not fit into memory.
    """
    if not job.render:
        raise CodecError("the job names no views to render; give render at least one view.")
    if not job.output.is_dir():
        raise CodecError(f"the output {job.output.name} is no folder; views are written into one.")
    for view in job.render:
        pixels = view.width * view.height
        # float32 colours once as drawn and once as written, rays, and what a call works with
        need = pixels * (24 + 24 * times_per_call) + min(pixels, rays_per_call) * BYTES_PER_RAY
        require_memory(
            need, f"pictures of {view.width}x{view.height}", device, advice="render smaller views"
        )
        frames = _frames(view, render, device, rays_per_call, times_per_call)
        write_frames(job.output / f"{view.id}.raw", scene.raw_format(view), frames)


def _frames(
    view: View, render: Render, device: torch.device, rays_per_call: int, times_per_call: int
) -> Iterator[NDArray[Any]]:
    """RGB (3, H, W) of a view at each of its times."""
    rays = view_rays(view, device)
    starts = range(0, len(rays), rays_per_call)
    for times in torch.split(torch.tensor(view.times, device=device), times_per_call):
        parts = [render(rays[start : start + rays_per_call], times) for start in starts]
        pictures = torch.cat(parts, dim=1).view(len(times), view.height, view.width, 3)
        yield from pictures.float().clamp(0, 1).permute(0, 3, 1, 2).cpu().numpy()
