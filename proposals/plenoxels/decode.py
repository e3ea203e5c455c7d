"""Decode a bitstream of plenoxels: put the voxels into their grids, render the views asked for."""

import torch
from inrkit import bitstream, nnc
from inrkit.bitstream import BitstreamError
from inrkit.decoder import count_parameters, run_decoder
from inrkit.job import DecodeJob
from inrkit.scene_codec import SceneFormat
from inrkit.scene_decode import render_instants
from model import VoxelField
from structure import CODEC_ID, SCHEMA, Structure


def read_fields(data: bytes) -> tuple[SceneFormat, list[VoxelField]]:
    """The scene's format and a field per instant.

    Raises:
        BitstreamError: it is another codec's, cut or damaged, or mask and values disagree.
    """
    header, (payload,) = bitstream.unpack(data, CODEC_ID, schema=SCHEMA, sections=1)
    scene, structure = SceneFormat.from_header(header), Structure.of(header)
    tensors = nnc.decode_tensors(payload, structure.layout(scene.instants))
    held = {name: torch.from_numpy(value) for name, value in tensors.items()}
    masks = held.pop("mask").bool().view(scene.instants, *structure.sizes)
    counts = masks.flatten(1).sum(dim=1).tolist()
    if sum(counts) != structure.voxels:
        raise BitstreamError(
            f"the mask keeps {sum(counts)} voxels and values follow for {structure.voxels}; the "
            "file is damaged."
        )
    models = []
    start = 0
    for mask, count in zip(masks, counts, strict=True):
        model = VoxelField(
            mask, bands=structure.bands, step_ratio=structure.step_ratio, scene=scene
        )
        with torch.no_grad():
            for name, values in held.items():
                getattr(model, name).copy_(values[start : start + count])
        models.append(model)
        start += count
    return scene, models


def main(job: DecodeJob) -> int:
    """Write ``<id>.raw`` of every view of ``job.render``.

    Returns:
        The number of values decoded.
    """
    scene, models = read_fields(job.bitstream.read_bytes())
    render_instants(job, scene, models)
    return count_parameters(*models) + sum(model.kept.numel() for model in models)


if __name__ == "__main__":
    run_decoder(main)
