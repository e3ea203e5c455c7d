"""Levels of quantised networks: steps that suit, two lossless coders, and nothing that crashes."""

import itertools
import math
import random
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from inrkit import histogram, levels
from inrkit.bitstream import BitstreamError
from inrkit.errors import CodecError


def network(bits: int = 8, *, seed: int = 0) -> dict[str, np.ndarray]:
    """Levels as trained networks have them: a Laplace distribution, cut to the bits."""
    rng = np.random.default_rng(seed)
    bottom, top = levels.level_range(bits)
    shapes = {"a.weight": (24, 18), "a.bias": (24,), "b.weight": (3, 24), "b.bias": (3,)}
    return {
        name: np.clip(np.rint(rng.laplace(0, top / 6, shape)), bottom, top).astype(np.int32)
        for name, shape in shapes.items()
    }


def layout(tensors: dict[str, np.ndarray]) -> dict[str, tuple[int, ...]]:
    return {name: tensor.shape for name, tensor in tensors.items()}


@pytest.mark.parametrize("bits", [2, 7, 8, 16])
@pytest.mark.parametrize("coder", levels.CODERS)
def test_levels_come_back_exactly(coder: str, bits: int) -> None:
    coded = network(bits)
    data = levels.encode_levels(coded, bits=bits, coder=coder)
    decoded = levels.decode_levels(data, layout(coded), bits=bits, coder=coder)
    assert list(decoded) == list(coded)
    for name, tensor in coded.items():
        assert decoded[name].dtype == np.int32
        np.testing.assert_array_equal(decoded[name], tensor)


@settings(max_examples=150, deadline=None)
@given(data=st.data(), bits=st.integers(1, 10))
def test_any_levels_come_back_from_a_histogram(data: st.DataObject, bits: int) -> None:
    least = -(1 << bits) // 2
    elements = st.integers(least, least + (1 << bits) - 1)
    shapes = data.draw(st.lists(arrays.array_shapes(max_dims=3, max_side=9), min_size=1))
    coded = {
        str(index): data.draw(arrays.arrays(np.int32, shape, elements=elements))
        for index, shape in enumerate(shapes)
    }
    decoded = histogram.decode_levels(histogram.encode_levels(coded, bits), layout(coded))
    for name, tensor in coded.items():
        np.testing.assert_array_equal(decoded[name], tensor)


@settings(max_examples=300, deadline=None)
@given(data=st.binary(max_size=200), values=st.integers(1, 300))
def test_any_bytes_give_levels_or_a_sentence(data: bytes, values: int) -> None:
    try:
        decoded = histogram.decode_levels(data, {"w": (values,)})
    except BitstreamError as error:
        assert str(error).startswith("histogram payload: ")
    else:
        assert decoded["w"].shape == (values,)


def test_a_histogram_costs_the_entropy_and_its_table() -> None:
    coded = network(8)
    data = histogram.encode_levels(coded, 8)
    symbols = np.concatenate([tensor.ravel() for tensor in coded.values()])
    counts = np.unique(symbols, return_counts=True)[1]
    # by hand: each level costs −log2 of its share of all levels and the end symbol
    total = symbols.size + 1
    bits = -sum(n * math.log2(n / total) for n in counts) + math.log2(total)
    table = 1 + 256 * int(counts.max()).bit_length() // 8
    assert histogram.table_bytes(data) == table
    assert bits / 8 <= len(data) - table <= bits / 8 + 2


def test_one_level_everywhere_costs_hardly_more_than_its_table() -> None:
    data = histogram.encode_levels({"w": np.full((100, 100), 5, np.int32)}, 7)
    assert len(data) - histogram.table_bytes(data) <= 4


def test_more_than_65535_equal_levels_are_served() -> None:
    coded = {"w": np.zeros(70_000, np.int32)}
    coded["w"][[3, 69_999]] = -1, 1
    decoded = histogram.decode_levels(histogram.encode_levels(coded, 2), {"w": (70_000,)})
    np.testing.assert_array_equal(decoded["w"], coded["w"])


def test_every_cut_histogram_payload_is_refused_or_differs() -> None:
    coded = network(7)
    data = histogram.encode_levels(coded, 7)
    refused = 0
    for length in range(len(data)):
        try:
            decoded = histogram.decode_levels(data[:length], layout(coded))
        except BitstreamError:
            refused += 1
        else:
            assert any((decoded[name] != coded[name]).any() for name in coded)
    assert refused > 0.9 * len(data)


def test_a_flipped_histogram_payload_is_refused_or_differs() -> None:
    coded = network(7)
    data = histogram.encode_levels(coded, 7)
    dice = random.Random(0)
    refused = 0
    for _ in range(300):
        damaged = bytearray(data)
        damaged[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
        try:
            decoded = histogram.decode_levels(bytes(damaged), layout(coded))
        except BitstreamError:
            refused += 1
        else:
            assert any((decoded[name] != coded[name]).any() for name in coded)
    assert refused > 200  # most run out of bytes or meet the end symbol at a wrong place


def test_more_or_fewer_levels_than_the_layout_are_refused() -> None:
    data = histogram.encode_levels({"w": np.arange(-20, 20, dtype=np.int32)}, 7)
    for values in (1, 39, 41, 4000):
        with pytest.raises(BitstreamError, match="histogram payload: "):
            histogram.decode_levels(data, {"w": (values,)})


def test_levels_beyond_their_bits_are_refused_by_both_sides() -> None:
    wide = {"w": np.array([0, 64], np.int32)}
    with pytest.raises(CodecError, match="levels reach from 0 to 64; 7 bits hold -64 … 63"):
        levels.encode_levels(wide, bits=7, coder="histogram")
    for coder in levels.CODERS:
        data = levels.encode_levels(wide, bits=8, coder=coder)
        with pytest.raises(BitstreamError, match="'w' holds no levels of 7 bits"):
            levels.decode_levels(data, {"w": (2,)}, bits=7, coder=coder)


def test_coders_and_bits_that_are_unknown_are_refused() -> None:
    with pytest.raises(CodecError, match="coded by nnc or histogram, not by 'zip'"):
        levels.encode_levels(network(), bits=8, coder="zip")
    with pytest.raises(CodecError, match="of 17 bits are not served"):
        histogram.encode_levels(network(), 17)
    with pytest.raises(CodecError, match="no tensors"):
        histogram.encode_levels({}, 8)


def test_steps_come_back_exactly_and_damaged_ones_are_refused() -> None:
    steps = {"a": np.float32(0.001), "b": np.float32(1 / 3)}
    shapes = {"a": (3,), "b": (2, 2)}
    data = levels.pack_steps(steps)
    assert len(data) == 8
    assert levels.unpack_steps(data, shapes) == steps
    with pytest.raises(BitstreamError, match="7 bytes of steps; 2 tensors need 4 each"):
        levels.unpack_steps(data[:-1], shapes)
    for wrong in (0.0, -1.0, math.nan, math.inf):
        data = levels.pack_steps({"a": np.float32(wrong), "b": np.float32(1)})
        with pytest.raises(BitstreamError, match="is no positive number"):
            levels.unpack_steps(data, shapes)


def test_a_network_without_both_sections_is_refused() -> None:
    with pytest.raises(BitstreamError, match="1 sections; a network in levels has two"):
        levels.decode_sections([b""], {"a": (1,)}, bits=8, coder="nnc")


def weights(shape: str) -> np.ndarray:
    normal = np.array([NormalDist(0, 0.05).inv_cdf(place / 2001) for place in range(1, 2001)])
    return {
        "normal": normal,
        "uniform": np.linspace(-0.1, 0.13, 999),
        "lopsided": np.concatenate([normal[:700], normal + 0.1]),
        "outlier": np.append(normal, 0.5),
    }[shape].astype(np.float32)


@pytest.mark.parametrize(
    ("shape", "bits", "step"),
    [
        # aimet-torch 2.42.0, TfEnhancedEncodingAnalyzer, symmetric, on the same weights
        ("normal", 4, 0.018427737057209015),
        ("normal", 7, 0.002565165748819709),
        ("normal", 8, 0.0012904577888548374),
        ("uniform", 4, 0.01733333244919777),
        ("uniform", 7, 0.002047243993729353),
        ("uniform", 8, 0.0010196077637374401),
        ("lopsided", 4, 0.030333159491419792),
        ("lopsided", 7, 0.004082562401890755),
        ("lopsided", 8, 0.00207477156072855),
        ("outlier", 4, 0.03333333507180214),
        ("outlier", 7, 0.007795275654643774),
        ("outlier", 8, 0.003921568859368563),
    ],
)
def test_the_enhanced_step_is_aimets(shape: str, bits: int, step: float) -> None:
    assert levels.enhanced_step(weights(shape), bits) == pytest.approx(step, rel=1e-6)


def cost(values: np.ndarray, step: float, bits: int) -> float:
    """Squared error of the values themselves, three times where they are clipped."""
    nearest = np.rint(values / step)
    kept = np.clip(nearest, -(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    return float(np.sum((kept * step - values) ** 2 * np.where(kept == nearest, 1, 3)))


@pytest.mark.parametrize("shape", ["normal", "uniform", "lopsided", "outlier"])
def test_the_enhanced_step_wastes_hardly_more_than_the_best_of_a_hundred(shape: str) -> None:
    values = weights(shape).astype(float)
    widest = 2 * np.abs(values).max() / 15
    best = min(cost(values, widest * place / 100, 4) for place in range(1, 102))
    # the search sees 512 bins, not the values themselves
    assert cost(values, float(levels.enhanced_step(values, 4)), 4) <= 1.02 * best


def test_a_tensor_of_zeros_has_the_step_one() -> None:
    assert levels.enhanced_step(np.zeros((3, 4), np.float32), 8) == 1


@pytest.mark.parametrize("coder", levels.CODERS)
def test_a_payload_holds_every_order_of_tensors_apart(coder: str) -> None:
    coded = network()
    payloads = {
        levels.encode_levels({name: coded[name] for name in order}, bits=8, coder=coder)
        for order in itertools.permutations(coded)
    }
    assert len(payloads) == 24
