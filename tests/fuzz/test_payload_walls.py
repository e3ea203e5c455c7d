"""Bitstreams from outside, damaged where checksums do not see it: they fail, with a sentence.

A container's checksum is put right after the damage, as whoever wants to do harm would, so that
the damage reaches the NNC decoder and the networks that headers describe.
"""

import importlib.util
import random
import re
import shutil
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from fuzz_mutations import mutated
from inrkit import bitstream, nnc
from invrbench.codec.manifest import Manifest, read_manifest
from invrbench.codec.runner import Order, run_decode
from invrbench.codec.workspace import workspace
from invrbench.errors import ContractError, LimitError
from invrbench.video.format import VideoFormat

REPOSITORY = Path(__file__).resolve().parents[2]
STILL = VideoFormat("rgb24", 16, 8, Fraction(1), 1)
COIN = {"sine_layers": 2, "hidden_width": 6, "coordinates": "coin", "storage": "nnc"}


def structure_of(codec: str) -> ModuleType:
    """The module that says what a codec's header holds, under a name of its own."""
    path = REPOSITORY / "proposals" / codec / "structure.py"
    spec = importlib.util.spec_from_file_location(f"structure_of_{codec}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def still_header() -> dict[str, Any]:
    value = STILL.to_json()
    return {name: value[name] for name in bitstream.VIDEO_SCHEMA}


@pytest.fixture(scope="module")
def coin() -> Callable[[bytes], bytes]:
    """A bitstream of a tiny COIN around a payload, whatever that is."""
    schema = structure_of("coin").SCHEMA
    return lambda payload: bitstream.pack("coin", still_header() | COIN, [payload], schema=schema)


def payload() -> bytes:
    """NNC of the tiny COIN's tensors."""
    rng = np.random.default_rng(3)
    layout = structure_of("coin").Structure(2, 6, "coin").network.layout
    tensors = {name: rng.normal(0, 0.3, shape).astype(np.float32) for name, shape in layout.items()}
    return nnc.encode_tensors(tensors, qp=-30)


def decode(manifest: Manifest, data: bytes, space: Path) -> bytes:
    """What a codec makes of a bitstream behind the walls."""
    (space / "given.bin").write_bytes(data)
    with workspace(space) as folder:
        _, frames = run_decode(
            manifest,
            space / "given.bin",
            folder=folder,
            log=space / "decode.log",
            device="cpu",
            threads=1,
            order=Order.video(STILL),
        )
        return frames[""].path.read_bytes()


def manifest_of(codec: str, space: Path, **limits: float) -> Manifest:
    """A proposal with other limits of its decoder."""
    folder = shutil.copytree(REPOSITORY / "proposals" / codec, space / codec)
    shutil.copytree(REPOSITORY / "proposals" / "inrkit", space / "inrkit")
    text = re.sub(r"\n\[resources\.decode\][^[]*", "\n", (folder / "codec.toml").read_text())
    given = "\n".join(f"{name} = {value}" for name, value in limits.items())
    (folder / "codec.toml").write_text(f"{text}\n[resources.decode]\n{given}\n")
    return read_manifest(folder)[codec]


def test_a_sound_bitstream_decodes_behind_the_walls(
    coin: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    manifest = manifest_of("coin", tmp_path, runtime_min=1)
    assert len(decode(manifest, coin(payload()), tmp_path)) == STILL.file_bytes


def test_damaged_payloads_fail_with_a_sentence_or_decode_to_a_picture(
    coin: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    manifest = manifest_of("coin", tmp_path, runtime_min=1)
    rng, sound = random.Random(11), payload()
    said = []
    for _ in range(8):
        try:
            made = decode(manifest, coin(mutated(rng, [sound], "binary")), tmp_path)
        except ContractError as error:
            said.append(str(error))
        else:
            assert len(made) == STILL.file_bytes
    assert said
    for text in said:
        assert "error: NNC payload: " in text
        assert "Traceback" not in text


def test_a_payload_that_ends_the_decoders_process_is_a_failure_that_names_the_signal(
    coin: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    manifest = manifest_of("coin", tmp_path, runtime_min=1)
    script = manifest.folder / "decode.py"
    script.write_text(f"import ctypes\nctypes.string_at(0)\n{script.read_text()}")
    with pytest.raises(ContractError, match="coin: decode was ended by signal SIGSEGV"):
        decode(manifest, coin(payload()), tmp_path)


def test_a_payload_that_holds_up_the_decoder_is_stopped_in_time(
    coin: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    manifest = manifest_of("coin", tmp_path, runtime_min=0.02)
    script = manifest.folder / "decode.py"
    script.write_text(f"while True:\n    pass\n{script.read_text()}")
    with pytest.raises(LimitError, match=r"was stopped at its time limit of 0\.02 min"):
        decode(manifest, coin(payload()), tmp_path)


def test_a_header_of_the_largest_network_ends_within_the_limits_of_decoding(
    tmp_path: Path,
) -> None:
    structure = structure_of("nerv")
    largest = {
        name: field.most
        for name, field in structure.SCHEMA.items()
        if isinstance(field, bitstream.Unsigned)
    }
    header = largest | {"enlargement": 1, "activation": "swish"} | still_header()
    data = bitstream.pack("nerv", header, [b"x"], schema=structure.SCHEMA)
    manifest = manifest_of("nerv", tmp_path, runtime_min=1, mem_mb=700)
    with pytest.raises(ContractError, match="nerv: decode") as caught:
        decode(manifest, data, tmp_path)
    assert re.search("memory|allocate|NNC payload", str(caught.value))
