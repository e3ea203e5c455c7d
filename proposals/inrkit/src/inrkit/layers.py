"""Building blocks that the NeRV family shares; each paper's own parts live in its codec folder."""

from collections.abc import Callable

from torch import Tensor, nn


class NervBlock(nn.Module):
    """Convolution to C'·s² channels, pixel shuffle by s, GELU: (N, C, h, w) → (N, C', sh, sw).

    Source: NeRV, figure 2; NeRV's own networks differ in ``activation``, HNeRV's in ``kernel``.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        stride: int,
        *,
        kernel: int = 3,
        activation: Callable[[], nn.Module] = nn.GELU,
    ) -> None:
        super().__init__()
        self.convolution: nn.Module = nn.Conv2d(
            inputs, outputs * stride**2, kernel, padding=kernel // 2
        )
        self.shuffle = nn.PixelShuffle(stride)
        self.activation = activation()

    def forward(self, features: Tensor) -> Tensor:
        """Features at ``stride`` times the resolution."""
        raised: Tensor = self.activation(self.shuffle(self.convolution(features)))
        return raised


class CompactNervBlock(NervBlock):
    """A NeRV block whose convolution is a grouped 3×3 followed by a 1×1, both with bias.

    Source: FFNeRV, section 3.3 "compact convolutional architecture" (8 groups).
    """

    def __init__(self, inputs: int, outputs: int, stride: int, *, groups: int = 8) -> None:
        super().__init__(inputs, outputs, stride)
        raised = outputs * stride**2
        self.convolution = nn.Sequential(
            nn.Conv2d(inputs, raised, 3, padding=1, groups=groups), nn.Conv2d(raised, raised, 1)
        )


def parameter_count(*modules: nn.Module) -> int:
    """Trainable values of the modules."""
    return sum(p.numel() for module in modules for p in module.parameters())


def macs_of(module: nn.Module, *inputs: Tensor) -> int:
    """Multiply-accumulates of one call of ``module``.

    Those of matrix products and convolutions are counted by torch's FLOP counter. Reading a table
    by interpolation takes one for each corner of each value: modules that do it have a number
    ``corners``.
    """
    from torch.utils.flop_counter import FlopCounterMode

    read = 0

    def count(table: nn.Module, _: object, output: Tensor) -> None:
        nonlocal read
        read += output.numel() * int(table.corners)  # type: ignore[arg-type]

    hooks = [m.register_forward_hook(count) for m in module.modules() if hasattr(m, "corners")]
    with FlopCounterMode(display=False) as counter:
        module(*inputs)
    for hook in hooks:
        hook.remove()
    return int(counter.get_total_flops() // 2) + read
