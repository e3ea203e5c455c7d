"""Uncompressed models: every value comes back, and every byte is accounted for."""

import numpy as np
import pytest
from inrkit import nnc, plain
from inrkit.bitstream import BitstreamError
from inrkit.coding import group_shares, nnc_payload, tensor_shares

TENSORS = {
    "a": np.array([[1.5, -np.float32(1) / 3]], np.float32),
    "cells": np.array([7, -(2**31)], np.int32),
}
LAYOUT = nnc.layout_of(TENSORS)


def test_values_come_back_bit_for_bit() -> None:
    payload = nnc_payload(TENSORS, {"qp": "none"}, {})
    found = nnc.decode_tensors(payload, LAYOUT)
    for name, tensor in TENSORS.items():
        assert found[name].dtype == tensor.dtype
        assert found[name].tobytes() == tensor.tobytes()


def test_a_value_takes_four_bytes() -> None:
    payload = nnc_payload(TENSORS, {"qp": "none"}, {})
    shares = group_shares(tensor_shares(payload, LAYOUT), {"cells": "cells"})
    assert shares == {"header": 7, "weights": 8, "cells": 8}
    assert sum(shares.values()) == len(payload)


def test_an_nnc_payload_is_never_taken_for_a_plain_one() -> None:
    assert not plain.is_plain(nnc.encode_tensors(TENSORS, qp=-38))


@pytest.mark.parametrize("damaged", [slice(0, -1), slice(0, 6)])
def test_a_cut_payload_is_refused(damaged: slice) -> None:
    payload = nnc_payload(TENSORS, {"qp": "none"}, {})
    with pytest.raises(BitstreamError, match="plain payload of"):
        nnc.decode_tensors(payload[damaged], LAYOUT)
