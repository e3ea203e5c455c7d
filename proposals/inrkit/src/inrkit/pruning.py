"""Pruning: the smallest weights of a network are set to zero, and kept there by further training.

Zeros cost next to nothing in a bitstream. The networks of the NeRV family are trained, pruned
once, and trained on for the weights that are left.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call


class PrunableNetwork(nn.Module):
    """A network whose weights are multiplied by masks, all ones until :meth:`prune`.

    The masks are part of a checkpoint. Biases and all else whose name does not end in ``weight``
    are never pruned.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.mask_names = {
            name: f"mask_{name.replace('.', '_')}"
            for name, _ in network.named_parameters()
            if name.rpartition(".")[2] == "weight"
        }
        for name, mask_name in self.mask_names.items():
            weight = network.get_parameter(name)
            self.register_buffer(mask_name, torch.ones_like(weight, dtype=torch.bool))

    def weights(self) -> dict[str, Tensor]:
        """The network's parameters by name, with zeros where they are pruned."""
        return {
            name: value * self.get_buffer(self.mask_names[name])
            if name in self.mask_names
            else value
            for name, value in self.network.named_parameters()
        }

    def forward(self, *inputs: Tensor) -> Any:
        """What the network gives with its pruned weights."""
        return functional_call(self.network, self.weights(), inputs)

    @torch.no_grad()
    def prune(self, fraction: float) -> None:
        """Mask the share ``fraction`` of all weights together, those of least magnitude.

        Source: NeRV, section 3.3 "model pruning": global and unstructured.
        """
        held = [self.network.get_parameter(name).abs() for name in self.mask_names]
        values = torch.cat([value.flatten() for value in held]).sort().values
        count = int(fraction * len(values))
        if not count:
            return
        for value, mask_name in zip(held, self.mask_names.values(), strict=True):
            self.get_buffer(mask_name).copy_(value > values[count - 1])
