"""What a rate point may say of NNC: QP, its density, groups, single tensors, trellis."""

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from inrkit import coding, levels, nnc
from inrkit.bitstream import VIDEO_SCHEMA, unpack
from inrkit.errors import CodecError
from inrkit.job import EncodeJob, Source
from inrkit.model_files import save_model
from inrkit.video import RawFormat

GROUPS = {"biases": "*bias", "tables": "table*"}


def tensors() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    shapes = {"in.weight": (40, 30), "in.bias": (40,), "table": (900,), "out.weight": (3, 40)}
    return {name: rng.normal(0, 0.1, shape).astype(np.float32) for name, shape in shapes.items()}


def decoded(parameters: dict[str, Any]) -> tuple[int, dict[str, np.ndarray]]:
    """Bytes of the payload, and what a decoder makes of it."""
    data = coding.nnc_payload(tensors(), parameters, GROUPS)
    return len(data), nnc.decode_tensors(data, nnc.layout_of(tensors()))


def step_of(values: np.ndarray) -> float:
    """The step whose multiples all values are: the largest float32 that divides them all."""
    parts = [Fraction(float(value)) for value in values.ravel() if value]
    common = parts[0]
    for part in parts:
        while part:
            common, part = part, common % part
    return abs(float(common))


# densities 0 … 4 by hand: step doubles every 2^density QPs, in as many equal parts of the octave
STEPS_BY_HAND = [
    (0, -10, 2.0**-10),
    (0, -9, 2.0**-9),
    (0, 3, 8.0),
    (1, -20, 2.0**-10),
    (1, -19, 1.5 * 2.0**-10),
    (1, -1, 0.75),
    (2, -40, 2.0**-10),
    (2, -39, 1.25 * 2.0**-10),
    (2, -38, 1.5 * 2.0**-10),
    (2, -37, 1.75 * 2.0**-10),
    (2, -1, 0.875),
    (3, -80, 2.0**-10),
    (3, -75, 1.625 * 2.0**-10),
    (3, -1, 0.9375),
    (4, -160, 2.0**-10),
    (4, -159, 1.0625 * 2.0**-10),
    (4, -145, 1.9375 * 2.0**-10),
    (4, -1, 0.96875),
]


@pytest.mark.parametrize(("density", "qp", "step"), STEPS_BY_HAND)
def test_steps_at_every_density_are_those_found_by_hand(density: int, qp: int, step: float) -> None:
    assert nnc.step_size(qp, density) == step


@pytest.mark.parametrize("density", range(5))
def test_the_decoder_reconstructs_multiples_of_the_step_at_every_density(density: int) -> None:
    qp = -7 * 2**density - 1
    parameters = {"qp": qp, "density": density, "biases_qp": qp, "dependent_quantisation": 0}
    _, values = decoded(parameters)
    for name, tensor in tensors().items():
        assert step_of(values[name]) == nnc.step_size(qp, density)
        assert np.abs(values[name] - tensor).max() <= 0.5001 * nnc.step_size(qp, density)


def test_a_finer_density_reaches_steps_between() -> None:
    sizes = [decoded({"qp": qp, "density": 3})[0] for qp in (-80, -79, -78)]
    at_two = [decoded({"qp": qp, "density": 2})[0] for qp in (-40, -39)]
    # the same steps; the QP itself takes one bit more
    assert [sizes[0], sizes[2]] == pytest.approx(at_two, abs=len(tensors()))
    assert sizes[0] > sizes[1] > sizes[2]


def test_dependent_quantisation_is_the_default_and_saves_a_decibel() -> None:
    normal = np.random.default_rng(0).normal(0, 0.1, (200, 200)).astype(np.float32)
    bits, errors = [], []
    for parameters in ({"dependent_quantisation": 0}, {"dependent_quantisation": 1}, {}):
        data = coding.nnc_payload({"w": normal}, {"qp": -28} | parameters, GROUPS)
        bits.append(8 * len(data) / normal.size)
        errors.append(float(np.mean((nnc.decode_tensors(data)["0"] - normal) ** 2)))
    assert (bits[1], errors[1]) == (bits[2], errors[2])
    assert errors[0] == pytest.approx(nnc.step_size(-28) ** 2 / 12, rel=0.05)
    # at one rate, by 6.02 dB a bit; no quantiser can save more than 1.53 dB
    assert 1 < 10 * np.log10(errors[0] / errors[1]) + 6.02 * (bits[0] - bits[1]) < 1.53


def test_groups_have_their_own_qp_or_their_distance_from_it() -> None:
    plain = {"qp": -36, "dependent_quantisation": 0}
    _, absolute = decoded(plain | {"biases_qp": -60})
    _, relative = decoded(plain | {"biases_qp_offset": -24, "tables_qp_offset": 8})
    assert step_of(absolute["in.bias"]) == step_of(relative["in.bias"]) == nnc.step_size(-60)
    assert step_of(absolute["table"]) == nnc.step_size(-36)
    assert step_of(relative["table"]) == nnc.step_size(-28)
    assert step_of(relative["in.weight"]) == nnc.step_size(-36)


def test_a_groups_own_qp_wins_over_its_offset_and_a_tensors_over_both() -> None:
    parameters = {
        "qp": -36,
        "dependent_quantisation": 0,
        "biases_qp": -50,
        "biases_qp_offset": -24,
        "qp_by_name": {"out.weight": -44, "table": -32},
        "tables_qp": -20,
    }
    _, values = decoded(parameters)
    steps = {name: step_of(value) for name, value in values.items()}
    assert steps == {
        "in.weight": nnc.step_size(-36),
        "in.bias": nnc.step_size(-50),
        "table": nnc.step_size(-32),
        "out.weight": nnc.step_size(-44),
    }


def test_a_coarser_qp_of_one_tensor_saves_its_bytes_alone() -> None:
    whole = coding.nnc_payload(tensors(), {"qp": -36}, GROUPS)
    less = coding.nnc_payload(tensors(), {"qp": -36, "qp_by_name": {"table": -24}}, GROUPS)
    shares = [nnc.payload_shares(data, nnc.layout_of(tensors())) for data in (whole, less)]
    changed = {name for name in shares[0] if shares[0][name] != shares[1][name]}
    assert changed == {"table"}
    # 12 QPs are 3 bits a value
    assert shares[0]["table"] - shares[1]["table"] == pytest.approx(900 * 3 / 8, rel=0.1)


@pytest.mark.parametrize(
    ("parameters", "says"),
    [
        ({}, "the rate point gives no qp for the model's float tensors; add one."),
        ({"qp": -36, "qp_by_name": {"tabel": -40}}, "QPs are given for 'tabel', which are no"),
        ({"qp": -36, "density": 9}, "QP density 9 is outside 0 … 7"),
        ({"qp": -36, "density": 0}, "QP -36 is outside -32 … 31 at density 0"),
        ({"qp": -36, "biases_qp_offset": -100}, "tensor 'in.bias': QP -136 is outside"),
    ],
)
def test_parameters_that_fit_no_model_give_a_sentence(parameters: dict, says: str) -> None:
    with pytest.raises(CodecError, match=says):
        coding.nnc_payload(tensors(), parameters, GROUPS)


def test_integers_heed_no_qp() -> None:
    coded = {"levels": np.arange(-60, 60, dtype=np.int32).reshape(10, 12)}
    for parameters in ({}, {"qp": -20, "density": 3}):
        data = coding.nnc_payload(coded, parameters, GROUPS)
        np.testing.assert_array_equal(nnc.decode_tensors(data)["0"], coded["levels"])


SCHEMA = VIDEO_SCHEMA | levels.SCHEMA
META = {
    "structure": RawFormat("yuv420p", 48, 32, 1, "bt601", "limited").to_header(),
    "parameters": 5,
    "kmac_per_pixel": 0.1,
}


def encode_job(model: Path | None, parameters: dict[str, Any]) -> EncodeJob:
    return EncodeJob(
        source=Source(Path("x"), RawFormat.from_header(META["structure"]), Fraction(25)),
        configuration="ai",
        rate_point="p",
        parameters=parameters,
        model=model,
        fit="t",
        fit_parameters={},
        seed=0,
        device="cpu",
        threads=1,
    )


def notes_and_size(folder: Path) -> tuple[dict[str, int], bytes]:
    notes = json.loads((folder / "notes.json").read_text())
    data = (folder / "bitstream.bin").read_bytes()
    assert sum(notes["bytes"].values()) == len(data)
    return notes["bytes"], data


UNCODED = {"bits": 0, "coder": "nnc"}  # header fields that the model lacks


def encoded_at_a_qp(folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[dict[str, int], bytes]:
    save_model(folder / "model", tensors(), META)
    monkeypatch.chdir(folder)
    job = encode_job(folder / "model", {"qp": -36})
    coding.encode_network(job, codec_id="t", schema=SCHEMA, groups=GROUPS, header=UNCODED)
    return notes_and_size(folder)


def test_a_network_at_a_qp_is_written_with_the_fields_its_model_lacks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shares, data = encoded_at_a_qp(tmp_path, monkeypatch)
    assert set(shares) == {"header", "weights", "biases", "tables"}
    header, (payload,) = unpack(data, "t", schema=SCHEMA)
    assert header == META["structure"] | UNCODED
    assert payload == coding.nnc_payload(tensors(), {"qp": -36}, GROUPS)


@pytest.mark.parametrize("coder", levels.CODERS)
def test_a_network_in_levels_comes_back_bit_for_bit(
    coder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    steps = {name: levels.enhanced_step(tensor, 7) for name, tensor in tensors().items()}
    coded = {
        name: np.clip(np.rint(tensor / steps[name]), -64, 63).astype(np.int32)
        for name, tensor in tensors().items()
    }
    coding.encode_levels(coded, steps, META, bits=7, coder=coder, codec_id="t", schema=SCHEMA)
    shares, data = notes_and_size(tmp_path)
    assert shares["steps"] == 16
    assert ("table" in shares) == (coder == "histogram")
    by_tensor = json.loads((tmp_path / "notes.json").read_text()).get("bytes_by_tensor", {})
    assert set(by_tensor) == ({"header", "steps", *tensors()} if coder == "nnc" else set())
    assert sum(by_tensor.values()) == (len(data) if coder == "nnc" else 0)
    header, sections = unpack(data, "t", schema=SCHEMA)
    assert (header["bits"], header["coder"]) == (7, coder)
    values = levels.decode_sections(sections, nnc.layout_of(coded), bits=7, coder=coder)
    for name, tensor in coded.items():
        np.testing.assert_array_equal(values[name], tensor.astype(np.float32) * steps[name])


def test_encoding_without_a_model_gives_a_sentence() -> None:
    with pytest.raises(CodecError, match="encode needs the model of a fit"):
        coding.encode_network(
            encode_job(None, {"qp": -36}), codec_id="t", schema=SCHEMA, groups=GROUPS
        )


def test_notes_attribute_every_byte_by_group_and_by_tensor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shares, data = encoded_at_a_qp(tmp_path, monkeypatch)
    held = json.loads((tmp_path / "notes.json").read_text())["bytes_by_tensor"]
    assert held.keys() == {"header", *tensors()}
    assert sum(held.values()) == len(data)
    assert shares == {
        "header": held["header"],
        "weights": held["in.weight"] + held["out.weight"],
        "biases": held["in.bias"],
        "tables": held["table"],
    }
