"""Quantisers: what the network computes with is what the decoder gets, and gradients pass."""

import numpy as np
import pytest
import torch
from inrkit import quantise
from inrkit.errors import CodecError
from inrkit.quantise import TanhQuantiser, UniformQuantiser

QUANTISERS = [UniformQuantiser(bits) for bits in (2, 7, 8)] + [TanhQuantiser(8), TanhQuantiser(6)]


def weights(*shape: int, spread: float = 0.3) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return (torch.randn(*shape, generator=generator) * spread).requires_grad_()


@pytest.mark.parametrize("quantiser", QUANTISERS, ids=str)
def test_decoder_gets_the_values_the_network_computed_with_bit_for_bit(
    quantiser: quantise.Quantiser,
) -> None:
    trained = weights(40, 30)
    used = quantiser.forward(trained).detach().numpy()
    levels, step = quantiser.levels(trained)
    assert levels.dtype == np.int32
    np.testing.assert_array_equal(quantise.dequantise(levels, step), used)


@pytest.mark.parametrize("bits", [2, 7, 8, 16])
def test_uniform_levels_use_the_whole_range_and_no_more(bits: int) -> None:
    levels, _ = UniformQuantiser(bits).levels(weights(100, 100))
    assert np.abs(levels).max() == 2 ** (bits - 1) - 1


def test_uniform_rounds_to_the_nearest_level() -> None:
    # largest 1.27 over 127 levels: the step is 0.01
    trained = torch.tensor([1.27, -1.27, 0.014, 0.016, -0.004])
    levels, step = UniformQuantiser(8).levels(trained)
    assert levels.tolist() == [127, -127, 1, 2, 0]
    assert step == pytest.approx(0.01)


def test_uniform_gradient_passes_unchanged() -> None:
    trained = weights(5, 4)
    (UniformQuantiser(7).forward(trained) * 3).sum().backward()
    np.testing.assert_array_equal(trained.grad, np.full((5, 4), 3, np.float32))


def test_a_tensor_of_zeros_stays_zero() -> None:
    trained = torch.zeros(4)
    assert UniformQuantiser(8).forward(trained).tolist() == [0, 0, 0, 0]
    assert UniformQuantiser(8).levels(trained)[1] == 1


def test_tanh_levels_follow_ffnervs_formula() -> None:
    # tanh(0.5) = 0.46212, times 127 = 58.69, floor 58; tanh(-2) = -0.96403, 122.43, 122
    levels, step = TanhQuantiser(8).levels(torch.tensor([0.5, -2.0, 0.0, 20.0]))
    assert levels.tolist() == [58, -122, 0, 127]
    assert step == np.float32(1 / 127)


def test_tanh_gradient_is_that_of_tanh() -> None:
    trained = torch.tensor([0.5, -2.0], requires_grad=True)
    TanhQuantiser(8).forward(trained).sum().backward()
    assert trained.grad is not None
    assert trained.grad.tolist() == pytest.approx([0.786448, 0.070651], abs=1e-6)


@pytest.mark.parametrize("bits", [1, 17])
@pytest.mark.parametrize("kind", [UniformQuantiser, TanhQuantiser])
def test_bits_that_make_no_sense_are_refused(kind: type, bits: int) -> None:
    with pytest.raises(CodecError, match=f"of {bits} bits"):
        kind(bits)
