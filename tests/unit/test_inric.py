"""INRIC: the paper's structures, one network in torch and numpy, pictures through real files."""

import importlib.util
import json
import math
import os
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from inrkit import bitstream
from inrkit.bitstream import BitstreamError
from inrkit.video import RawFormat
from proposal_runs import modules_of

REPOSITORY = Path(__file__).parents[2]
CODEC = REPOSITORY / "proposals" / "inric"
INRKIT = REPOSITORY / "proposals" / "inrkit" / "src"
MANIFEST = tomllib.loads((CODEC / "codec.toml").read_text())
BUDGETS = ("seconds", "quick", "minute", "paper")
WIDTHS = {"q1": 32, "q2": 48, "q3": 64, "q4": 96, "q5": 128}
CELEBA_WIDTHS = {"celeba24": 24, "celeba32": 32, "celeba48": 48, "celeba64": 64}

WIDTH, HEIGHT = 48, 32
PARAMETERS = {
    "hidden_width": 24,
    "levels": 8,
    "steps": 150,
    "learning_rate": 2e-3,
    "schedule": "cosine",
    "warm_up": 0.05,
    "lattice": 768,
    "l1": 0.0,
    "beta2": 0.99,
    "adaround_steps": 60,
    "adaround_rate": 1e-2,
    "adaround_places": 1024,
    "adaround_batch": 256,
    "qat_steps": 40,
    "qat_rate": 1e-4,
    "qat_lattice": 768,
}

POINTS: dict[str, dict[str, Any]] = {
    "-46": {"qp": -46},
    "-30": {"qp": -30},
    "ptq": {"bits": 5, "quantisation": "ptq"},
    "adaround": {"bits": 5, "quantisation": "adaround"},
    "qat": {"bits": 5, "coder": "histogram"},
    "qat-nnc": {"bits": 5},
}


def load(name: str) -> ModuleType:
    """A module of the codec folder under its own name: other codecs have a model.py too."""
    spec = importlib.util.spec_from_file_location(f"inric_{name}", CODEC / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


model = load("model")


def picture() -> np.ndarray:
    """Luma and chroma of a smooth picture with an edge, limited range, as a yuv420p file."""
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH]
    luma = 120 + 60 * np.sin(rows / 5) * np.cos(columns / 7) + 30 * (columns > rows)
    blue = 128 + 30 * np.sin(columns[::2, ::2] / 9)
    red = 128 + 30 * np.cos(rows[::2, ::2] / 6)
    return np.concatenate([plane.round().ravel() for plane in (luma, blue, red)]).astype(np.uint8)


def run(
    verb: str, job: dict[str, Any], folder: Path, *, fails: bool = False
) -> subprocess.CompletedProcess[str]:
    """Start a verb as the harness does: empty folder, job.json, clean environment."""
    folder.mkdir(parents=True)
    (folder / "job.json").write_text(json.dumps({"schema": 1, "verb": verb} | job))
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "PYTHONPATH": f"{CODEC}{os.pathsep}{INRKIT}",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
    }
    done = subprocess.run(
        [sys.executable, CODEC / f"{verb}.py", "job.json"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode != 0) == fails, done.stderr
    return done


def fit_job(source: Path, checkpoint: Path, *, frames: int = 1) -> dict[str, Any]:
    checkpoint.mkdir(parents=True, exist_ok=True)
    return {
        "source": {
            "path": str(source),
            "pixel_format": "yuv420p",
            "width": WIDTH,
            "height": HEIGHT,
            "fps": 25,
            "frames": frames,
            "matrix": "bt601",
            "range": "limited",
        },
        "configuration": "ai",
        "fit": {"name": "tiny", "parameters": PARAMETERS},
        "budget": "seconds",
        "seed": 0,
        "device": "cpu",
        "threads": 1,
        "checkpoint": str(checkpoint),
    }


def decode_job(data: Path, output: Path) -> dict[str, Any]:
    return {"bitstream": str(data), "output": str(output), "device": "cpu", "threads": 1}


def encode_job(folder: Path, parameters: dict[str, Any]) -> dict[str, Any]:
    """Of the fit in ``folder``, at a rate point over the manifest's parameters."""
    point = {"id": "tiny", "parameters": MANIFEST["parameters"] | parameters}
    job = fit_job(folder / "source.yuv", folder / "checkpoint")
    return job | {"rate_point": point, "model": str(folder / "fit" / "model")}


def luma_psnr(path: Path) -> float:
    luma = slice(0, WIDTH * HEIGHT)
    difference = np.fromfile(path, np.uint8)[luma].astype(float) - picture()[luma]
    return 10 * math.log10(255**2 / np.mean(difference**2))


@pytest.fixture(scope="module")
def coded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a fit, and the bitstream and decoded picture of every point."""
    folder = tmp_path_factory.mktemp("inric")
    source = folder / "source.yuv"
    picture().tofile(source)
    job = fit_job(source, folder / "checkpoint")
    run("fit", job, folder / "fit")
    for name, parameters in POINTS.items():
        run("encode", encode_job(folder, parameters), folder / f"encode{name}")
        data = folder / f"encode{name}" / "bitstream.bin"
        run("decode", decode_job(data, folder / f"{name}.yuv"), folder / f"decode{name}")
    return folder


@pytest.mark.parametrize(
    ("width", "levels", "parameters"),
    [
        # methods.md §0: Q1 … Q5 with 16 frequencies, CelebA with 12
        (32, 16, 5_411),
        (48, 16, 10_419),
        (64, 16, 16_963),
        (96, 16, 34_659),
        (128, 16, 58_499),
        (24, 12, 3_099),
        (32, 12, 4_899),
        (48, 12, 9_651),
        (64, 12, 15_939),
    ],
)
def test_structures_have_the_papers_parameter_counts(
    width: int, levels: int, parameters: int
) -> None:
    assert model.Structure(width, levels).network.parameters == parameters


def test_uncompressed_models_span_the_experiments_1_3_to_14_3_bit_per_pixel() -> None:
    bits = [32 * model.Structure(w, 16).network.parameters / (480 * 272) for w in WIDTHS.values()]
    assert [round(b, 2) for b in bits] == [1.33, 2.55, 4.16, 8.49, 14.34]


def test_the_manifests_fits_are_the_five_structures_and_the_four_for_celeba() -> None:
    fits = {name: fit for name, fit in MANIFEST["fits"].items() if name != "*"}
    widths = {name: fit["hidden_width"] for name, fit in fits.items()}
    assert widths == WIDTHS | CELEBA_WIDTHS
    counts = [
        model.Structure(fits[name]["hidden_width"], fits[name]["levels"]).network.parameters
        for name in CELEBA_WIDTHS
    ]
    assert counts == [3_099, 4_899, 9_651, 15_939]


@pytest.mark.parametrize("budget", BUDGETS)
@pytest.mark.parametrize("name", WIDTHS | CELEBA_WIDTHS)
def test_every_fit_and_budget_names_every_parameter_once(name: str, budget: str) -> None:
    common, own = MANIFEST["fits"]["*"], MANIFEST["fits"][name]
    given = [
        {key: value for key, value in table.items() if key != "budgets"}
        for level in (common, own)
        for table in (level, level["budgets"].get(budget, {}))
    ]
    names = [key for table in given for key in table]
    assert sorted(names) == sorted(PARAMETERS)


def test_an_axis_is_encoded_as_the_paper_says() -> None:
    encoded = model.encode_axis(5, 3)
    assert encoded.shape == (5, 7)
    place = 0.5  # the fourth of five coordinates −1, −½, 0, ½, 1
    angles = [math.pi * place, 1.4 * math.pi * place, 1.96 * math.pi * place]
    expected = [place, *map(math.sin, angles), *map(math.cos, angles)]
    assert encoded[3].tolist() == pytest.approx(expected, abs=1e-6)


def test_a_fitted_picture_comes_back_from_its_bitstream_alone(coded: Path) -> None:
    assert (coded / "-46.yuv").stat().st_size == WIDTH * HEIGHT * 3 // 2
    assert luma_psnr(coded / "-46.yuv") > 28


def test_a_coarser_qp_gives_fewer_bytes_and_a_worse_picture(coded: Path) -> None:
    fine, coarse = (coded / f"encode{qp}" / "bitstream.bin" for qp in (-46, -30))
    assert coarse.stat().st_size < 0.75 * fine.stat().st_size
    assert luma_psnr(coded / "-30.yuv") < luma_psnr(coded / "-46.yuv") - 0.5


@pytest.mark.parametrize("point", ["-46", "qat", "qat-nnc"])
def test_notes_account_for_every_byte(coded: Path, point: str) -> None:
    notes = json.loads((coded / f"encode{point}" / "notes.json").read_text())
    size = (coded / f"encode{point}" / "bitstream.bin").stat().st_size
    assert sum(notes["bytes"].values()) == size
    assert notes["bytes"]["header"] < 47
    assert notes["parameters"] == model.Structure(24, 8).network.parameters


@pytest.mark.parametrize("point", ["-46", "qat"])
def test_the_training_network_and_the_decoder_agree_to_four_decimals(
    coded: Path, point: str
) -> None:
    import torch
    from inrkit.sine_fit import SineNetwork

    data = (coded / f"encode{point}" / "bitstream.bin").read_bytes()
    with modules_of("inric", "decode") as (decode,):
        _, tensors = decode.read_network(data)
    structure = model.Structure(24, 8)
    network = SineNetwork(structure.network, structure.axes(HEIGHT, WIDTH))
    network.load_state_dict({name: torch.from_numpy(value) for name, value in tensors.items()})
    with torch.inference_mode():
        trained = network(*network.axes).permute(2, 0, 1).numpy() / 2 + 0.5
    rendered = model.render(tensors, structure, height=HEIGHT, width=WIDTH)
    assert np.abs(trained - rendered).max() < 2e-4
    target = np.full_like(rendered, 0.5)
    psnr = [-10 * math.log10(np.mean((rgb - target) ** 2)) for rgb in (trained, rendered)]
    assert psnr[0] == pytest.approx(psnr[1], abs=5e-5)


def test_the_picture_decoded_after_fine_tuning_is_the_one_it_was_tuned_on(coded: Path) -> None:
    """The error that the quantised training graph gives is that of the decoder's network."""
    import torch
    from inrkit.bitstream import unpack
    from inrkit.job import EncodeJob, read_job
    from inrkit.levels import unpack_steps
    from inrkit.quantise import FixedQuantiser
    from inrkit.sine_fit import SineNetwork, Target

    job = read_job(coded / "encodeqat" / "job.json")
    assert isinstance(job, EncodeJob)
    data = (coded / "encodeqat" / "bitstream.bin").read_bytes()
    structure = model.Structure(24, 8)
    network = SineNetwork(structure.network, structure.axes(HEIGHT, WIDTH))
    target = Target(job.source, torch.device("cpu"), low=-1, high=1)
    _, sections = unpack(data, model.CODEC_ID, schema=model.SCHEMA)
    steps = unpack_steps(sections[0], structure.network.layout)
    with modules_of("inric", "decode", "quantised") as (decode, quantised):
        _, tensors = decode.read_network(data)
        quantised.load(network, {name: torch.from_numpy(v) for name, v in tensors.items()})
        quantisers = {name: FixedQuantiser(step, 5) for name, step in steps.items()}
        in_training = quantised.picture_error(network, quantisers, target)
    rendered = model.render(tensors, structure, height=HEIGHT, width=WIDTH)
    decoded = np.mean((2 * rendered - 1 - target.all().permute(2, 0, 1).numpy()) ** 2)
    assert decoded == pytest.approx(in_training, rel=1e-4)


def test_every_stage_of_quantisation_betters_the_picture(coded: Path) -> None:
    psnr = [luma_psnr(coded / f"{name}.yuv") for name in ("ptq", "adaround", "qat")]
    assert psnr[0] < psnr[1] < psnr[2]


def test_both_coders_carry_the_same_picture(coded: Path) -> None:
    assert (coded / "qat.yuv").read_bytes() == (coded / "qat-nnc.yuv").read_bytes()


def test_bits_cost_what_they_say_in_both_coders(coded: Path) -> None:
    parameters = model.Structure(24, 8).network.parameters
    for point in ("qat", "qat-nnc"):
        notes = json.loads((coded / f"encode{point}" / "notes.json").read_text())
        assert 4 < 8 * notes["bytes"]["levels"] / parameters < 5.3


def test_quantising_twice_gives_the_same_bitstream(coded: Path, tmp_path: Path) -> None:
    run("encode", encode_job(coded, POINTS["qat"]), tmp_path / "encode")
    again = (tmp_path / "encode" / "bitstream.bin").read_bytes()
    assert again == (coded / "encodeqat" / "bitstream.bin").read_bytes()


def test_torch_is_not_imported_to_encode_at_a_qp() -> None:
    for verb in ("encode", "decode"):
        script = f"import {verb}, sys; print(sorted({{'torch'}} & set(sys.modules)))"
        done = subprocess.run(
            [sys.executable, "-c", script],
            env=os.environ | {"PYTHONPATH": f"{CODEC}{os.pathsep}{INRKIT}"},
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout == "[]\n"


@pytest.mark.parametrize(
    ("parameters", "says"),
    [
        ({"bits": 17}, "a quantiser of 17 bits is not served; use 2 … 16"),
        ({"bits": 8, "quantisation": "best"}, "one of ptq, adaround, qat, not 'best'"),
        ({"bits": 8, "coder": "zip", "quantisation": "ptq"}, "nnc or histogram, not by 'zip'"),
        ({}, "the rate point gives no qp for the model's float tensors; add one."),
    ],
)
def test_rate_points_that_make_no_sense_give_a_sentence(
    coded: Path, tmp_path: Path, parameters: dict[str, Any], says: str
) -> None:
    done = run("encode", encode_job(coded, parameters), tmp_path / "encode", fails=True)
    assert says in done.stderr
    assert not (tmp_path / "encode" / "bitstream.bin").exists()


def test_fine_tuning_that_diverges_ends_with_a_sentence(coded: Path, tmp_path: Path) -> None:
    job = encode_job(coded, {"bits": 8})
    job["fit"] = {"name": "tiny", "parameters": PARAMETERS | {"qat_rate": 1e38}}
    done = run("encode", job, tmp_path / "encode", fails=True)
    assert "error: the loss is" in done.stderr


def test_fitting_twice_gives_the_same_model_bit_for_bit(coded: Path, tmp_path: Path) -> None:
    run("fit", fit_job(coded / "source.yuv", tmp_path / "checkpoint"), tmp_path / "fit")
    with (
        np.load(coded / "fit" / "model" / "tensors.npz") as first,
        np.load(tmp_path / "fit" / "model" / "tensors.npz") as again,
    ):
        assert first.files == again.files
        for name in first.files:
            np.testing.assert_array_equal(first[name], again[name])


@pytest.mark.parametrize("point", ["-46", "qat", "qat-nnc"])
def test_a_damaged_bitstream_ends_with_a_sentence_and_no_picture(
    coded: Path, tmp_path: Path, point: str
) -> None:
    data = bytearray((coded / f"encode{point}" / "bitstream.bin").read_bytes())
    data[100] ^= 1
    (tmp_path / "broken.bin").write_bytes(data)
    job = decode_job(tmp_path / "broken.bin", tmp_path / "out.yuv")
    done = run("decode", job, tmp_path / "decode", fails=True)
    assert done.stderr.startswith("error: the checksum of its")
    assert not (tmp_path / "out.yuv").exists()


@pytest.mark.parametrize("bits", [0, 8])
def test_sections_that_do_not_fit_the_header_are_refused(bits: int) -> None:
    held = RawFormat("rgb24", 8, 8, 1, "bt709", "full").to_header()
    header = held | {"hidden_width": 24, "levels": 8, "bits": bits, "coder": "nnc"}
    data = bitstream.pack(model.CODEC_ID, header, [b"a", b"b", b"c"], schema=model.SCHEMA)
    with (
        modules_of("inric", "decode") as (decode,),
        pytest.raises(BitstreamError, match="3 sections"),
    ):
        decode.read_network(data)


def test_more_than_one_frame_is_refused_with_a_sentence(coded: Path, tmp_path: Path) -> None:
    job = fit_job(coded / "source.yuv", tmp_path / "checkpoint", frames=2)
    done = run("fit", job, tmp_path / "fit", fails=True)
    assert "error: the source has 2 frames; inric codes single pictures." in done.stderr
