"""The MLP that NeRF and its descendants are fields of: positions and directions to σ and RGB.

```
 γ(x), conditions ─┬─ Linear ReLU ×skip ─┬─ Linear ReLU … ─┬─ Linear ─ σ before its activation
                   └─────────────────────┘                 └─ Linear ─┬─ Linear ReLU Linear sigmoid
                                                               γ(d) ──┘                     └─ RGB
```

Source: NeRF (Mildenhall et al., ECCV 2020), figure 7, and its code (bmild/nerf), from which come
the raw input kept by γ and 63 and 27 inputs. Layers start as torch's do, as in NeRF++'s code.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import torch
from torch import Tensor, nn

from inrkit.bitstream import Schema, Unsigned
from inrkit.encodings import positional_encoding
from inrkit.errors import CodecError
from inrkit.layers import parameter_count

MLP_SCHEMA: Schema = {
    "width": Unsigned(most=1 << 12),
    "layers": Unsigned(most=64),
    "skip": Unsigned(most=64),
    "levels": Unsigned(most=32),
    "view_levels": Unsigned(most=32),
    "view_width": Unsigned(most=1 << 12),
}


@dataclass(frozen=True, kw_only=True)
class MlpShape:
    """Sizes of a radiance MLP, as fits name them and headers hold them.

    Args:
        width: of the hidden layers.
        layers: hidden ones before density and features.
        skip: hidden layers after which the input is appended again; 0 for never.
        levels: frequencies of γ(x), 2^0 … 2^(levels − 1).
        view_levels: of γ(d).
        view_width: of the hidden layer behind features and direction.

    Raises:
        CodecError: a size cannot be.
    """

    width: int
    layers: int
    skip: int
    levels: int
    view_levels: int
    view_width: int

    def __post_init__(self) -> None:
        if min(self.width, self.layers, self.view_width) < 1:
            raise CodecError(
                f"a radiance MLP of width {self.width}, {self.layers} layers and view_width "
                f"{self.view_width} is asked for; each must be at least 1."
            )
        if min(self.skip, self.levels, self.view_levels) < 0 or self.skip >= self.layers:
            raise CodecError(
                f"a radiance MLP of {self.layers} layers has skip {self.skip}, levels "
                f"{self.levels} and view_levels {self.view_levels}; none may be negative, and "
                "skip must be less than layers."
            )

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> "MlpShape":
        """The shape among a fit's parameters or a header's fields."""
        return cls(**{field.name: int(values[field.name]) for field in fields(cls)})

    def to_header(self) -> dict[str, int]:
        """The fields of ``MLP_SCHEMA``."""
        return asdict(self)


def encoded_size(dimensions: int, levels: int) -> int:
    """Values of γ of a point, the point itself among them.

    >>> encoded_size(3, 10), encoded_size(3, 4), encoded_size(4, 10)
    (63, 27, 84)
    """
    return dimensions * (2 * levels + 1)


class SkipMlp(nn.Module):
    """Hidden ReLU layers (…, inputs) → (…, width) that are given their input again on the way.

    Args:
        inputs: values per sample.
        width: of every layer.
        layers: number of them.
        skip: layers after which the input is appended again; 0 for never.
        repeated: how many of the inputs, from the first, are appended; all by default.
    """

    def __init__(
        self, inputs: int, *, width: int, layers: int, skip: int, repeated: int | None = None
    ) -> None:
        super().__init__()
        self.skip = skip
        self.repeated = inputs if repeated is None else repeated
        sizes = [width] * layers
        sizes[0] = inputs
        if skip:
            sizes[skip] += self.repeated
        self.layers = nn.ModuleList(nn.Linear(size, width) for size in sizes)

    def forward(self, inputs: Tensor) -> Tensor:
        """Features of the last layer."""
        features = inputs
        for index, layer in enumerate(self.layers):
            if index and index == self.skip:
                features = torch.cat([inputs[..., : self.repeated], features], dim=-1)
            features = torch.relu_(layer(features))
        return features


class RadianceMlp(nn.Module):
    """Densities and colours of points seen along directions.

    Args:
        shape: its sizes.
        dimensions: of a point; 4 in NeRF++'s background.
        conditions: further inputs beside γ(x), taken as they are: a latent code, an encoded time.
        repeats_conditions: whether the skip brings them back together with γ(x).
    """

    def __init__(
        self,
        shape: MlpShape,
        *,
        dimensions: int = 3,
        conditions: int = 0,
        repeats_conditions: bool = True,
    ) -> None:
        super().__init__()
        self.shape = shape
        places = encoded_size(dimensions, shape.levels)
        self.trunk = SkipMlp(
            places + conditions,
            width=shape.width,
            layers=shape.layers,
            skip=shape.skip,
            repeated=places + conditions * repeats_conditions,
        )
        self.density = nn.Linear(shape.width, 1)
        self.feature = nn.Linear(shape.width, shape.width)
        # the paper's one layer of features and γ(d), in two: γ(d) is then met once a ray
        self.view = nn.Linear(shape.width, shape.view_width)
        self.towards = nn.Linear(encoded_size(3, shape.view_levels), shape.view_width, bias=False)
        self.colour = nn.Linear(shape.view_width, 3)

    def forward(
        self, positions: Tensor, directions: Tensor, conditions: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Densities (…) before their activation, and RGB (…, 3) in [0, 1].

        Args:
            positions: (…, dimensions), within about [−1, 1].
            directions: unit vectors, (…, 3) or broadcast to it: (N, 1, 3) for N rays.
            conditions: (…, conditions) or broadcast to it.
        """
        lead = positions.shape[:-1]
        inputs = positional_encoding(positions, levels=self.shape.levels)
        if conditions is not None:
            inputs = torch.cat([inputs, conditions.expand(*lead, -1)], dim=-1)
        features = self.trunk(inputs)
        towards = self.towards(positional_encoding(directions, levels=self.shape.view_levels))
        seen = torch.relu_(self.view(self.feature(features)) + towards)
        colours = torch.sigmoid(self.colour(seen))
        return self.density(features).squeeze(-1), colours


def mlp_parameters(shape: MlpShape, *, dimensions: int = 3, conditions: int = 0) -> int:
    """Values of a :class:`RadianceMlp`, without making it.

    >>> paper = MlpShape(width=256, layers=8, skip=5, levels=10, view_levels=4, view_width=128)
    >>> mlp_parameters(paper), mlp_parameters(paper, dimensions=4)
    (595844, 606596)
    """
    with torch.device("meta"):
        return parameter_count(RadianceMlp(shape, dimensions=dimensions, conditions=conditions))
