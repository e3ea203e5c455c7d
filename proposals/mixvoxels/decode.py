"""Decode a bitstream of mixvoxels: rebuild the fields, render all instants of a view at once."""

from typing import Any

import torch
from inrkit.decoder import count_parameters, run_decoder
from inrkit.device import prepare
from inrkit.job import DecodeJob
from inrkit.rays import NdcFrame, Rays
from inrkit.scene_codec import SceneFormat
from inrkit.scene_decode import read_models, render_views
from model import MixedField
from structure import CODEC_ID, SCHEMA, Structure
from torch import Tensor, nn

TIMES_PER_CALL = 64


def build(header: dict[str, Any]) -> MixedField:
    """A model of the shape that a header describes."""
    structure = Structure.from_header(header)
    frame = NdcFrame.from_header(header) if structure.ndc else None
    return MixedField(structure, SceneFormat.from_header(header), frame)


def main(job: DecodeJob) -> int:
    """Write ``<id>.raw`` of every view of ``job.render``.

    Returns:
        The number of values decoded.
    """
    device = prepare(job)
    data = job.bitstream.read_bytes()
    scene, (held,) = read_models(
        data, codec_id=CODEC_ID, schema=SCHEMA, build=build, is_static=False
    )
    model = _mixed(held.to(device))
    with torch.inference_mode():
        model.start_rendering()

    def render(rays: Rays, times: Tensor) -> Tensor:
        instants = torch.tensor([scene.instant_of(time) for time in times.tolist()], device=device)
        return model.render(rays, instants)

    render_views(job, scene, render, device, times_per_call=TIMES_PER_CALL)
    return count_parameters(model)


def _mixed(model: nn.Module) -> MixedField:
    assert isinstance(model, MixedField)
    return model


if __name__ == "__main__":
    run_decoder(main)
