"""NNC payloads: equal to NNCodec's own, complete, small, and safe to read."""

import itertools
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from inrkit import nnc
from inrkit.bitstream import BitstreamError

# Runs NNCodec's public entry, which imports torchvision, once for all cases.
REFERENCE = """
import sys
from pathlib import Path
import numpy as np
from nncodec import nnc

for folder in sorted(Path(sys.argv[1]).iterdir()):
    with np.load(folder / "tensors.npz") as held:
        tensors = {name: held[name] for name in held.files}
    qps = dict(np.load(folder / "qps.npz").items())
    dq, density = np.load(folder / "options.npy")
    data = nnc.compress(
        tensors, bitstream_path=None, qp_density=int(density), use_dq=bool(dq),
        qp_per_tensor={name: np.int32(qp) for name, qp in qps.items()}, return_bitstream=True,
    )
    (folder / "payload").write_bytes(data)
    back = nnc.decompress(bytearray(data))
    np.savez(folder / "back.npz", **back)
"""


def siren(width: int = 24, *, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    tensors: dict[str, np.ndarray] = {}
    sizes = (66, width, width, 3)
    for index, (inputs, outputs) in enumerate(itertools.pairwise(sizes)):
        weight = rng.uniform(-0.1, 0.1, (outputs, inputs))
        tensors[f"layers.{index}.weight"] = weight.astype(np.float32)
        tensors[f"layers.{index}.bias"] = rng.uniform(-0.1, 0.1, outputs).astype(np.float32)
    return tensors


def mixed() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(1)
    return {
        "conv.weight": rng.normal(0, 0.05, (12, 4, 3, 3)).astype(np.float32),
        "conv.bias": rng.normal(0, 0.1, 12).astype(np.float32),
        "embedding": rng.normal(0, 0.3, 200).astype(np.float32),
        "nothing": np.zeros((5, 7), np.float32),
        "levels": rng.integers(-127, 128, (9, 40)).astype(np.int32),
        "one": np.array([3], np.int32),
        "turned": rng.normal(0, 0.1, (20, 30)).astype(np.float32).T,
    }


CASES = {
    "siren at QP -46": (siren(), {"qp": -46}),
    "siren at QP -38 without dependent quantisation": (
        siren(),
        {"qp": -38, "dependent_quantisation": False},
    ),
    "siren with density 3": (siren(), {"qp": -90, "density": 3}),
    "all kinds of tensors": (mixed(), {"qp": -40}),
    "a coarse bias and a fine embedding": (
        mixed(),
        {"qp": -30, "qp_by_name": {"embedding": -52}, "bias_qp": -44},
    ),
    "forty tensors": (
        {f"t{i}": np.full((2, 3), i / 9, np.float32) for i in range(40)},
        {"qp": -20},
    ),
}


def expected_qps(tensors: dict[str, np.ndarray], options: dict) -> dict[str, int]:
    """The rule of the brief: the rate point's QP everywhere, −75 for biases, exceptions by name."""
    qps = {}
    for name, tensor in tensors.items():
        if tensor.dtype == np.float32:
            qps[name] = options.get("bias_qp", -75) if name.endswith("bias") else options["qp"]
    return qps | options.get("qp_by_name", {})


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("nncodec")
    for case, (tensors, options) in CASES.items():
        here = folder / case.replace(" ", "_")
        here.mkdir()
        short = {name: str(np.base_repr(i, 36)).lower() for i, name in enumerate(tensors)}
        arrays = {short[n]: np.ascontiguousarray(t) for n, t in tensors.items()}
        qps = {short[n]: qp for n, qp in expected_qps(tensors, options).items()}
        np.savez(here / "tensors.npz", **arrays)
        np.savez(here / "qps.npz", **qps)
        dq = options.get("dependent_quantisation", True)
        np.save(here / "options.npy", [int(dq), options.get("density", 2)])
    subprocess.run([sys.executable, "-W", "ignore", "-c", REFERENCE, folder], check=True)
    return folder


@pytest.mark.parametrize("case", CASES)
def test_payload_is_nncodecs_own_byte_for_byte(reference: Path, case: str) -> None:
    tensors, options = CASES[case]
    expected = (reference / case.replace(" ", "_") / "payload").read_bytes()
    assert nnc.encode_tensors(tensors, **options) == expected


@pytest.mark.parametrize("case", CASES)
def test_decoded_tensors_are_nncodecs_own_bit_for_bit(reference: Path, case: str) -> None:
    tensors, options = CASES[case]
    decoded = nnc.decode_tensors(nnc.encode_tensors(tensors, **options), nnc.layout_of(tensors))
    assert list(decoded) == list(tensors)
    with np.load(reference / case.replace(" ", "_") / "back.npz") as back:
        for name, short in zip(decoded, back.files, strict=True):
            assert decoded[name].dtype == tensors[name].dtype
            np.testing.assert_array_equal(decoded[name], back[short])


@pytest.mark.parametrize(
    ("qp", "density", "step"),
    [
        (0, 2, 1.0),
        (4, 2, 2.0),
        (-32, 2, 2.0**-8),
        (-38, 2, 0.00146484375),
        (-75, 2, 2.384185791015625e-06),
        (-46, 2, 6 * 2.0**-14),
        (-46, 3, 10 * 2.0**-9),
    ],
)
def test_step_size_follows_the_standards_formula(qp: int, density: int, step: float) -> None:
    assert nnc.step_size(qp, density) == step


@pytest.mark.parametrize("dependent", [True, False])
@pytest.mark.parametrize("qp", [-54, -46, -38, -28])
def test_reconstruction_lies_within_the_step_of_every_qp(qp: int, dependent: bool) -> None:
    tensors = siren()
    data = nnc.encode_tensors(tensors, qp=qp, dependent_quantisation=dependent)
    decoded = nnc.decode_tensors(data, nnc.layout_of(tensors))
    # dependent quantisation: two quantisers of twice the step, the trellis may take the farther one
    reach = nnc.step_size(qp) * (2 if dependent else 0.5)
    for name, tensor in tensors.items():
        limit = nnc.step_size(-75) * 2 if name.endswith("bias") else reach
        assert np.abs(decoded[name] - tensor).max() <= limit + 1e-7


def test_normal_weights_cost_what_was_measured_for_the_design() -> None:
    # tried.md: σ 0.05, dependent quantisation, QP −48/−38/−28: 8.9/6.3/3.9 bit per weight
    weights = np.random.default_rng(0).normal(0, 0.05, (200, 300)).astype(np.float32)
    bits = [
        8 * len(nnc.encode_tensors({"w": weights}, qp=qp)) / weights.size for qp in (-48, -38, -28)
    ]
    assert bits == pytest.approx([8.9, 6.3, 3.9], abs=0.1)


def test_a_one_dimensional_table_is_coded_at_the_rate_points_qp() -> None:
    table = np.random.default_rng(0).normal(0, 0.05, 4000).astype(np.float32)
    coarse = nnc.encode_tensors({"table": table}, qp=-28)
    assert 8 * len(coarse) / table.size < 4.2  # NNCodec alone: 16 bit and more


def test_integers_come_back_exactly() -> None:
    extremes = np.array([[0, 1, -1], [2**31 - 1, -(2**31) + 1, 12345]], np.int32)
    decoded = nnc.decode_tensors(nnc.encode_tensors({"levels": extremes}, qp=0))
    np.testing.assert_array_equal(decoded["0"], extremes)


def test_uniform_eight_bit_levels_cost_little_more_than_eight_bits() -> None:
    levels = np.random.default_rng(0).integers(-127, 128, (100, 100)).astype(np.int32)
    assert 8 * len(nnc.encode_tensors({"levels": levels}, qp=0)) / levels.size < 8.4


def test_long_names_cost_no_bytes() -> None:
    tensors = siren()
    long = {f"module.backbone.stage.block.{name}": tensor for name, tensor in tensors.items()}
    assert nnc.encode_tensors(long, qp=-40) == nnc.encode_tensors(tensors, qp=-40)


def test_shares_of_the_payload_add_up_to_it() -> None:
    tensors = mixed()
    data = nnc.encode_tensors(tensors, qp=-40)
    shares = nnc.payload_shares(data, nnc.layout_of(tensors))
    assert list(shares) == ["nnc", *tensors]
    assert sum(shares.values()) == len(data)
    assert shares["conv.weight"] > shares["conv.bias"] > shares["one"] > 0


@pytest.mark.parametrize(
    ("tensor", "says"),
    [
        (np.array([1.0, np.nan, np.inf], np.float32), "holds 2 values that are NaN or infinite"),
        (np.array(1.0, np.float32), "has no axis"),
        (np.zeros((3, 0), np.float32), r"is empty, shape \(3, 0\)"),
        (np.zeros(3, np.float64), "is float64; NNC codes float32 and int32"),
        (np.zeros(3, np.int64), "is int64"),
        (np.array([1e6], np.float32), "overflow 32-bit integers at QP -75"),
        ([1.0, 2.0], "is list"),
    ],
)
def test_what_nnc_cannot_code_is_refused_by_name(
    tensor: np.ndarray, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(nnc.TensorError, match=says) as caught:
        nnc.encode_tensors({"fine": np.ones(2, np.float32), "odd.bias": tensor}, qp=-40)
    assert "'odd.bias'" in str(caught.value)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"qp": 128}, "QP 128 is outside -128 … 127 at density 2"),
        ({"qp": -40, "qp_by_name": {"biass": -75}}, "'biass', which are no float tensors"),
        ({"qp": -40, "qp_by_name": {"levels": -75}}, "'levels', which are no float tensors"),
        ({"qp": -40, "density": 8}, "density 8 is outside"),
    ],
)
def test_options_that_would_be_ignored_or_wrapped_are_refused(options: dict, says: str) -> None:
    tensors = {"w": np.ones((2, 2), np.float32), "levels": np.ones(2, np.int32)}
    with pytest.raises(nnc.TensorError, match=says):
        nnc.encode_tensors(tensors, **options)


def test_no_tensors_are_refused() -> None:
    with pytest.raises(nnc.TensorError, match="one or more"):
        nnc.encode_tensors({}, qp=-40)


def test_a_payload_of_another_model_is_refused() -> None:
    data = nnc.encode_tensors(siren(24), qp=-40)
    with pytest.raises(BitstreamError, match=r"tensor 0 is \('0', \(24, 66\)\), expected"):
        nnc.decode_tensors(data, nnc.layout_of(siren(32)))
    with pytest.raises(BitstreamError, match="6 tensors"):
        nnc.decode_tensors(data, {**nnc.layout_of(siren(24)), "more": (1,)})


def test_every_cut_payload_is_refused() -> None:
    data = nnc.encode_tensors(siren(8), qp=-40)
    layout = nnc.layout_of(siren(8))
    for length in range(len(data)):
        with pytest.raises(BitstreamError):
            nnc.decode_tensors(data[:length], layout)


def test_a_flipped_payload_gives_an_error_or_other_tensors() -> None:
    tensors = siren(8)
    data = nnc.encode_tensors(tensors, qp=-40)
    layout = nnc.layout_of(tensors)
    intact = nnc.decode_tensors(data, layout)
    dice = random.Random(0)
    refused = different = 0
    for _ in range(400):
        damaged = bytearray(data)
        damaged[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
        try:
            decoded = nnc.decode_tensors(bytes(damaged), layout)
        except BitstreamError:
            refused += 1
        else:
            different += any((decoded[n] != intact[n]).any() for n in tensors)
    # the rest hit bits that carry nothing, such as reserved and padding ones
    assert refused > 20
    assert different > 300


def test_a_payload_that_announces_gigabytes_is_refused_before_allocating() -> None:
    wide = nnc.encode_tensors({"w": np.zeros((1, 1 << 20), np.float32)}, qp=0)
    assert len(wide) < 4000
    with pytest.raises(BitstreamError, match="expected"):
        nnc.decode_tensors(wide, {"w": (1, 16)})


def test_coding_needs_neither_torch_nor_a_file(tmp_path: Path) -> None:
    script = (
        "import sys, numpy as np\n"
        "from inrkit import nnc\n"
        "data = nnc.encode_tensors({'w': np.ones((3, 4), np.float32)}, qp=-40)\n"
        "nnc.decode_tensors(data)\n"
        "print(sorted({'torch', 'torchvision'} & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, check=True, capture_output=True, text=True
    )
    assert done.stdout == "[]\n"
    assert list(tmp_path.iterdir()) == []
