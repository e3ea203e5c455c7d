"""What the decode verbs of in-house proposals have in common: they say what they have built."""

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol

from inrkit.job import DecodeJob, run_verb

NOTES = "notes.json"


def run_decoder(main: Callable[[DecodeJob], int]) -> None:
    """Run a decode verb, then write into ``notes.json`` how many values ``main`` decoded.

    The encoder notes how many it coded, so that the two can be held against each other.
    """

    def decode(job: DecodeJob) -> None:
        parameters = main(job)
        Path(NOTES).write_text(json.dumps({"parameters": parameters}) + "\n")

    run_verb(DecodeJob, decode)


class Network(Protocol):
    """A ``torch.nn.Module``, said without torch."""

    def parameters(self) -> Iterable[Any]:
        """Its trained tensors."""


def count_parameters(*networks: Network) -> int:
    """Values of all parameters of networks together."""
    return sum(int(value.numel()) for network in networks for value in network.parameters())


def count_values(tensors: Mapping[str, Any]) -> int:
    """Values of all arrays together.

    >>> import numpy as np
    >>> count_values({"weight": np.zeros((3, 4)), "bias": np.zeros(3)})
    15
    """
    return sum(int(tensor.size) for tensor in tensors.values())
