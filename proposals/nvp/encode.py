"""Encode a fitted NVP: planes and grid as pictures, layers through NNC."""

from pathlib import Path

from inrkit import bitstream, nnc
from inrkit.coding import (
    BITSTREAM,
    group_shares,
    model_of,
    nnc_payload,
    tensor_shares,
    write_notes,
)
from inrkit.errors import CodecError
from inrkit.images import IMAGE_CODECS
from inrkit.job import EncodeJob, run_verb
from latents import encode_grid, encode_planes, pack_ranges
from structure import CODEC_ID, GRID, GROUPS, SCHEMA, Structure


def main(job: EncodeJob) -> None:
    """Write ``bitstream.bin`` and ``notes.json`` into the working directory."""
    tensors, meta = model_of(job)
    structure = Structure.from_header(meta["structure"])
    if missing := {"image_qp", "image_codec"} - job.parameters.keys():
        raise CodecError(f"the rate point gives no {' and no '.join(sorted(missing))}; add it.")
    codec, qp = job.parameters["image_codec"], int(job.parameters["image_qp"])
    if codec not in IMAGE_CODECS:
        raise CodecError(f"image_codec is {codec!r}; use {', '.join(IMAGE_CODECS)}.")
    planes, ranges = encode_planes(tensors, structure, codec=codec, qp=qp)
    grid = b""
    if structure.grid_features:
        grid_qp = qp + int(job.parameters.get("grid_qp_offset", 0))
        grid, most = encode_grid(tensors[GRID], structure, codec=codec, qp=grid_qp)
        ranges.append(most)
    layers = {name: tensors[name] for name in structure.layer_shapes}
    payload = nnc_payload(layers, job.parameters, GROUPS)
    sections = {"planes": planes, "grid": grid, "ranges": pack_ranges(ranges), "layers": payload}
    header = meta["structure"] | {"image_codec": codec}
    Path(BITSTREAM).write_bytes(
        bitstream.pack(CODEC_ID, header, list(sections.values()), schema=SCHEMA)
    )
    shares = bitstream.byte_shares(CODEC_ID, header, sections, schema=SCHEMA)
    del shares["layers"]
    by_tensor = tensor_shares(payload, nnc.layout_of(layers))
    by_tensor["header"] += shares.pop("header")
    write_notes(meta, shares | group_shares(by_tensor, GROUPS), shares | by_tensor)


if __name__ == "__main__":
    run_verb(EncodeJob, main)
