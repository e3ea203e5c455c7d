"""NVP: parameter counts of the paper, one network in torch and numpy, and a whole round trip."""

import json
import math
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from inrkit.bitstream import pack, unpack
from inrkit.errors import CodecError
from inrkit.video import RawFormat
from invrbench.video.ffmpeg import find_ffmpeg
from proposal_runs import (
    PROPOSALS,
    code_and_decode,
    fit_job,
    modules_of,
    parameter_names,
    run_verb,
    write_clip,
    write_picture,
)

SHAPE: dict[str, Any] = {
    "levels": 4,
    "base": 6,
    "growth_percent": 170,
    "features": 2,
    "is_limited": True,
    "grid_rows": 7,
    "grid_columns": 9,
    "grid_features": 2,
    "hidden_width": 8,
    "is_modulated": True,
}
TINY: dict[str, Any] = {
    **SHAPE,
    "sampling": "lattice",
    "samples": 512,
    "lattice_frames": 2,
    "steps": 40,
    "learning_rate": 2e-2,
    "last_rate": 1e-5,
    "warm_up": 0.02,
    "beta2": 0.99,
    "weight_decay": 1e-3,
    "feature_rate": 1.0,
    "plane_l1": 1e-6,
    "grid_l1": 1e-6,
    "keep": "last",
}
ALONE = {"threads": 1}
POINT = {"qp": -32, "biases_qp_offset": -8, "image_codec": "hevc", "image_qp": 12}


@pytest.fixture(autouse=True)
def ffmpeg(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FFMPEG", str(find_ffmpeg().path))


def clip(width: int, height: int, frames: int) -> RawFormat:
    return RawFormat("yuv444p", width, height, frames, "bt709", "limited")


# NVP, section 4 and its published configurations, 600 frames of 1080p
@pytest.mark.parametrize(
    ("features", "total", "per_plane", "latent"),
    [(2, 135_807_267, 9_232_224, 114), (4, 271_547_715, 18_464_448, 228)],
)
def test_sizes_of_the_paper_have_its_parameter_counts(
    features: int, total: int, per_plane: int, latent: int
) -> None:
    with modules_of("nvp", "structure") as (structure,):
        shape = structure.Structure(
            clip(1920, 1080, 600), 16, 16, 135, features, False, 300, 300, features, 128, True
        )
        assert shape.resolutions[:8] == [16, 22, 30, 40, 54, 72, 97, 131]
        assert shape.resolutions[8:] == [177, 239, 322, 435, 587, 792, 1069, 1443]
        assert shape.latent_inputs == latent
        for plane in ("xy", "yt", "xt"):
            held = [s for name, s in shape.plane_shapes.items() if name[:2] == plane]
            assert sum(math.prod(s) for s in held) == per_plane
        assert shape.parameters == total


def test_every_budget_of_every_fit_gives_the_fits_parameters() -> None:
    manifest = tomllib.loads((PROPOSALS / "nvp" / "codec.toml").read_text())
    with modules_of("nvp", "fit") as (fit,):
        known = set(fit.Parameters.__dataclass_fields__)
    for name in ("s", "m", "nvp-s", "nvp-l"):
        for budget in ("seconds", "quick", "minute", "paper"):
            assert parameter_names(manifest, name, budget) == known


def test_a_structure_that_cannot_be_is_refused_in_a_sentence() -> None:
    said = pytest.raises(CodecError, match=r"levels is 0; an NVP needs 1 or more")
    with modules_of("nvp", "structure") as (structure,), said:
        structure.Structure(clip(16, 16, 2), **(SHAPE | {"levels": 0}))


def filled(model: torch.nn.Module) -> torch.nn.Module:
    """The model with features and biases that matter, as training makes them."""
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return model


@pytest.mark.parametrize(
    "changes",
    [{}, {"is_modulated": False}, {"grid_features": 0}, {"is_limited": False}, {"features": 3}],
)
@torch.no_grad()
def test_lattice_points_and_decoder_draw_the_same_colours(changes: dict[str, Any]) -> None:
    torch.manual_seed(0)
    video = clip(17, 11, 5)
    with modules_of("nvp", "structure", "model", "render") as (structure, model, render):
        shape = structure.Structure(video, **(SHAPE | changes))
        network = filled(model.Nvp(shape))
        assert sum(p.numel() for p in network.parameters()) == shape.parameters
        axes = [torch.arange(n) for n in (5, 11, 17)]
        lattice = network.at_lattice(*axes)
        places = torch.stack(torch.meshgrid(*axes, indexing="ij")).flatten(1)
        points = network.at_points(*places).view(lattice.shape)
        tensors = {
            name.removeprefix("planes."): p.numpy() for name, p in network.named_parameters()
        }
        frames = list(render.render(tensors, tensors.get("grid"), tensors, shape))
    drawn = 2 * np.stack(frames, axis=1) - 1
    assert lattice.std() > 0.1
    assert points.numpy() == pytest.approx(lattice.numpy(), abs=1e-5)
    assert drawn == pytest.approx(lattice.numpy(), abs=1e-5)


@torch.no_grad()
def test_a_network_by_hand_has_the_papers_equations() -> None:
    torch.manual_seed(0)
    video = clip(3, 3, 3)
    fields = SHAPE | {"levels": 1, "base": 3, "grid_rows": 3, "grid_columns": 3}
    with modules_of("nvp", "structure", "model") as (structure, model):
        network = filled(model.Nvp(structure.Structure(video, **fields)))
    t, y, x = 2, 1, 0  # samples lie on cells; the 3×3 cells around (1, 0) repeat its border
    held = dict(network.named_parameters())
    near = [held["grid"][t, row, column] for row in (0, 1, 2) for column in (0, 0, 1)]
    z = torch.cat(
        [held["planes.xy0"][y, x], held["planes.yt0"][y, t], held["planes.xt0"][x, t], *near]
    )
    hidden, signal = torch.zeros(0), torch.ones(1)  # t = 2/2
    for k, omega in enumerate((30, 1, 1)):
        hidden = network.modulator[k](torch.cat([hidden, z]))
        hidden = torch.where(hidden > 0, hidden, 0.01 * hidden)
        signal = hidden * torch.sin(omega * network.sines[k](signal))
    expected = network.head(signal)
    found = network.at_points(torch.tensor([t]), torch.tensor([y]), torch.tensor([x]))
    assert found[:, 0].numpy() == pytest.approx(expected.numpy(), abs=1e-5)


def test_a_killed_fit_ends_in_the_bits_of_an_undisturbed_one_and_decodes(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "clip.yuv", width=70, height=48, frames=5)
    whole = run_verb("nvp", "fit", tmp_path / "fit", fit_job(source, TINY, tmp_path / "a") | ALONE)
    assert whole.returncode == 0, whole.stderr
    again = fit_job(source, TINY, tmp_path / "b") | ALONE
    assert run_verb("nvp", "fit", tmp_path / "killed", again, kill_at=25).returncode == -9
    resumed = run_verb("nvp", "fit", tmp_path / "killed", again)
    assert "resumed at step 25 of 40" in resumed.stderr
    models = [(tmp_path / name / "model" / "tensors.npz") for name in ("fit", "killed")]
    assert models[0].read_bytes() == models[1].read_bytes()
    bitstream, decoded = code_and_decode("nvp", tmp_path, source, POINT)
    assert len(decoded) == 70 * 48 * 5 * 3 // 2
    notes = json.loads((tmp_path / "encode" / "notes.json").read_text())
    assert sum(notes["bytes"].values()) == len(bitstream) < 12_000
    # a damaged stream inside a sound container: pictures, ranges
    with modules_of("nvp", "structure") as (structure,):
        header, sections = unpack(bitstream, "nvp", schema=structure.SCHEMA)
        for index, damaged in ((0, bytes(200)), (1, sections[1][:90]), (2, bytes(16))):
            changed = [*sections[:index], damaged, *sections[index + 1 :]]
            path = tmp_path / "damaged.bin"
            path.write_bytes(pack("nvp", header, changed, schema=structure.SCHEMA))
            job = {"bitstream": str(path), "output": str(tmp_path / "damaged.raw")}
            done = run_verb("nvp", "decode", tmp_path / "damaged", job)
            assert done.returncode == 1, done.stderr
            assert done.stderr.startswith("error: the "), done.stderr
    luma = np.frombuffer(decoded, np.uint8).reshape(5, -1)[:, : 70 * 48].astype(float)
    given = np.fromfile(tmp_path / "clip.yuv", np.uint8).reshape(5, -1)[:, : 70 * 48]
    assert np.square(luma - given).mean() < 0.5 * given.var()


def test_one_picture_of_odd_size_is_coded_by_points_and_as_jpeg(tmp_path: Path) -> None:
    source = write_picture(tmp_path / "picture.rgb", width=13, height=9)
    fields = TINY | {"sampling": "points", "keep": "best", "steps": 10, "grid_features": 0}
    done = run_verb("nvp", "fit", tmp_path / "fit", fit_job(source, fields, tmp_path / "a") | ALONE)
    assert done.returncode == 0, done.stderr
    bitstream, decoded = code_and_decode(
        "nvp", tmp_path, source, POINT | {"image_codec": "jpeg", "image_qp": 2}
    )
    assert len(decoded) == 13 * 9 * 3
    assert bitstream[3:6] == b"nvp"


def test_what_cannot_be_fitted_or_encoded_is_said_in_a_sentence(tmp_path: Path) -> None:
    source = write_picture(tmp_path / "picture.rgb", width=16, height=16)
    diverging = TINY | {"learning_rate": 1e30, "warm_up": 0.0}
    done = run_verb(
        "nvp", "fit", tmp_path / "fit", fit_job(source, diverging, tmp_path / "a") | ALONE
    )
    assert done.returncode == 1
    assert "error: the loss is nan at step" in done.stderr
