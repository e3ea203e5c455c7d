"""How far a network of NeRV blocks enlarges its coarsest features, for any size of picture."""

import math

from inrkit.errors import CodecError

PAPER_ROWS = 9  # 9×16 features at 1280×720 and 1920×1080 in NeRV, E-NeRV and FFNeRV
PRIMES = (5, 3, 2)


def coded_size(size: tuple[int, int], enlargement: int) -> tuple[int, int]:
    """Height and width raised to multiples of ``enlargement``.

    >>> coded_size((176, 320), 36)
    (180, 324)
    """
    height, width = (-(-side // enlargement) * enlargement for side in size)
    return height, width


def strides_of(enlargement: int) -> tuple[int, ...]:
    """Strides of the blocks: the prime factors 5, 3 and 2 of ``enlargement``, falling.

    >>> strides_of(80), strides_of(120)  # the papers' own for 720p and 1080p
    ((5, 2, 2, 2, 2), (5, 3, 2, 2, 2))

    Raises:
        CodecError: it has other factors, or is below 2.
    """
    factors: list[int] = []
    if enlargement < min(PRIMES):
        raise CodecError(f"an enlargement of {enlargement} leaves no block; 2 is the least.")
    for prime in PRIMES:
        while enlargement % prime == 0:
            factors.append(prime)
            enlargement //= prime
    if enlargement != 1:
        raise CodecError(f"an enlargement has no factors but 2, 3 and 5; {enlargement} is left.")
    return tuple(factors)


def block_widths(
    channels: int, *, expansion: int, least_channels: int, blocks: int
) -> tuple[int, ...]:
    """Channels before every block and after the last.

    The first block gives ``expansion`` times its own, the others half, down to
    ``least_channels``. Source: NeRV, published training script (``model_nerv.py``).

    >>> block_widths(48, expansion=8, least_channels=96, blocks=5)
    (48, 384, 192, 96, 96, 96)
    """
    widths = [channels, channels * expansion]
    for _ in range(blocks - 1):
        widths.append(max(widths[-1] // 2, least_channels))
    return tuple(widths)


class BlockShape:
    """What the structures of networks of NeRV blocks derive from the fields they all have."""

    enlargement: int
    channels: int
    expansion: int
    least_channels: int

    @property
    def strides(self) -> tuple[int, ...]:
        """Upsampling of every block."""
        return strides_of(self.enlargement)

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels before every block and after the last."""
        return block_widths(
            self.channels,
            expansion=self.expansion,
            least_channels=self.least_channels,
            blocks=len(self.strides),
        )


def choose_enlargement(size: tuple[int, int], *, rows: int = PAPER_ROWS, step: int = 2) -> int:
    """Enlargement that leaves the shorter side ``rows`` −1 … +3 features and pads the least.

    Among equals the largest is taken, which gives the papers' own 80 at 1280×720 and 120 at
    1920×1080 for 9 rows, both with 9×16 features. Some small pictures have none; they take the
    largest that leaves ``rows`` − 1 or more.

    Args:
        size: height and width.
        rows: 2 or more.
        step: what the enlargement is a multiple of.

    Raises:
        CodecError: the picture is too small.
    """
    shorter = min(size)
    smooth = [n for n in range(step, shorter // (rows - 1) + 1, step) if _is_smooth(n)]
    if not smooth:
        raise CodecError(
            f"{size[1]}x{size[0]} is too small for features of {rows} rows enlarged by "
            f"multiples of {step}; code pictures of {step * (rows - 1)} lines and columns or more."
        )

    def waste(number: int) -> tuple[int, int]:
        return math.prod(coded_size(size, number)), -number

    near = [number for number in smooth if number * (rows + 3) >= shorter]
    return min(near, key=waste) if near else max(smooth)


def _is_smooth(number: int) -> bool:
    for prime in PRIMES:
        while number % prime == 0:
            number //= prime
    return number == 1
