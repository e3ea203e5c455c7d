"""The NVP that is trained: learnable positional features and a modulated sine network.

Kim et al., Scalable Neural Video Representations with Learnable Positional Features, NeurIPS 2022.
"""

import math

import torch
from structure import (
    FIRST_OMEGA,
    LAYERS,
    LEAK,
    PLANES,
    REACH,
    Structure,
    corners,
    hat_matrix,
    neighbours,
    places,
)
from torch import Tensor, nn
from torch.nn import functional

FEATURE_START = 1e-4  # features start within ± this
SINE_SPREAD = 6.0  # weights of all sine layers but the first start within ±√(this/inputs)


class Nvp(nn.Module):
    """Places in a video → RGB in [−1, 1], at the crossings of a lattice or at single points.

    Where a layer of the modulator reads the latent it is linear, so it splits: what a plane adds
    is computed once per place in that plane, and only the sum once per pixel.
    """

    def __init__(self, structure: Structure) -> None:
        super().__init__()
        self.structure = structure
        self.planes = nn.ParameterDict(
            {name: start_features(shape) for name, shape in structure.plane_shapes.items()}
        )
        self.grid = start_features(structure.grid_shape) if structure.grid_features else None
        latent, width = structure.latent_inputs, structure.hidden_width
        self.modulator = nn.ModuleList(
            nn.Linear(latent + (width if k else 0), width) for k in range(LAYERS)
        )
        for layer in self.modulator:
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        self.sines = None
        if structure.is_modulated:
            self.sines = nn.ModuleList(nn.Linear(width if k else 1, width) for k in range(LAYERS))
            for k, layer in enumerate(self.sines):
                start_sine(layer, reach=math.sqrt(SINE_SPREAD / width) if k else 1.0)
        self.head = nn.Linear(width, 3)
        start_sine(self.head, reach=math.sqrt(SINE_SPREAD / width))
        self._tables: dict[tuple[str, str, int], list[Tensor]] = {}

    def at_lattice(self, frames: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        """RGB (3, T, R, C) at the crossings of frames (T,), rows (R,) and columns (C,)."""
        chosen = {"t": frames, "y": rows, "x": columns}
        size = (len(frames), len(rows), len(columns))
        mixes = self._mixes()
        mixed = self._biases().view(-1, 1, 1, 1)
        for plane, mix in zip(PLANES, mixes, strict=False):
            found = self._plane_lattice(plane, chosen)
            part = (mix @ found.flatten(1)).view(-1, *found.shape[1:])
            mixed = mixed + _among_axes(part, plane)
        if self.grid is not None:
            found = self._grid_lattice(self.grid, chosen)
            mixed = torch.addmm(mixed.flatten(1), mixes[-1], found)
        mixed = mixed.reshape(LAYERS, -1, size[0], size[1] * size[2])
        return self._colour(mixed, frames).view(3, *size)

    def at_points(self, frames: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        """RGB (3, N) at single points, given by their frames, rows and columns, (N,) each."""
        chosen = {"t": frames, "y": rows, "x": columns}
        latent = [self._level_points(table, plane, chosen) for plane, table in self._levels()]
        if self.grid is not None:
            latent.append(self._grid_points(self.grid, chosen))
        mixed = torch.cat(self._mixes(), dim=1) @ torch.cat(latent, dim=1).T
        mixed = (mixed + self._biases()[:, None]).view(LAYERS, -1, len(frames), 1)
        return self._colour(mixed, frames).squeeze(2)

    def _colour(self, mixed: Tensor, frames: Tensor) -> Tensor:
        """RGB (3, T, M) of what the latent adds to the modulator's layers (3, width, T, M).

        Hidden values h of the modulator and x of the sine layers, L the leaky ReLU:

            h1 = L(A1·z + a1)          x1 = h1 · sin(30·(B1·t + b1))
            h2 = L(A2·[h1, z] + a2)    x2 = h2 · sin(B2·x1 + b2)
            h3 = L(A3·[h2, z] + a3)    x3 = h3 · sin(B3·x2 + b3)     rgb = C·x3 + c
        """
        width = self.structure.hidden_width
        shape = (-1, *mixed.shape[2:])
        before = mixed.flatten(2).unbind()
        hidden = functional.leaky_relu(before[0], LEAK)
        signal = hidden
        if self.sines is not None:
            times = self._table("places", "t")[0][frames]
            first = self.sines[0]
            wave = torch.sin(FIRST_OMEGA * (first.weight * times + first.bias[:, None]))
            signal = (wave[..., None] * hidden.view(shape)).view(width, -1)
        for k in range(1, LAYERS):
            weight = self.modulator[k].weight[:, :width]
            hidden = functional.leaky_relu(torch.addmm(before[k], weight, hidden), LEAK)
            signal = hidden if self.sines is None else hidden * _wave(self.sines[k], signal)
        return torch.addmm(self.head.bias[:, None], self.head.weight, signal).view(shape)

    def _levels(self) -> list[tuple[str, Tensor]]:
        """Every level of every plane, with the name of its plane."""
        return [(name[:2], self.planes[name]) for name in self.structure.plane_shapes]

    def _mixes(self) -> tuple[Tensor, ...]:
        """What the modulator's layers make of each part of the latent: (3·width, inputs) each."""
        latent, inputs = self.structure.latent_inputs, self.structure.plane_inputs
        whole = torch.cat([layer.weight[:, -latent:] for layer in self.modulator])
        sizes = [inputs] * len(PLANES)
        return whole.split([*sizes, latent - sum(sizes)], dim=1)

    def _biases(self) -> Tensor:
        return torch.cat([layer.bias for layer in self.modulator])

    def _plane_lattice(self, plane: str, chosen: dict[str, Tensor]) -> Tensor:
        """Features (inputs, R, C) of a plane, its levels linearly interpolated."""
        down, across = PLANES[plane]
        found = []
        for name, table in self._levels():
            if name == plane:
                rows = self._table("hat", down, table.shape[0])[0][chosen[down]]
                columns = self._table("hat", across, table.shape[1])[0][chosen[across]]
                found.append(rows @ table.permute(2, 0, 1) @ columns.T)
        return torch.cat(found)

    def _grid_lattice(self, grid: Tensor, chosen: dict[str, Tensor]) -> Tensor:
        """Features (9·F, T·R·C) of the cells around the nearest one."""
        frames, rows, columns, features = grid.shape
        cells = functional.embedding(chosen["t"], grid.view(frames, -1))
        down = self._table("near", "y", rows)[0][chosen["y"]].flatten()
        across = self._table("near", "x", columns)[0][chosen["x"]].flatten()
        picked = cells.view(-1, rows, columns * features).transpose(0, 1).flatten(1)
        picked = functional.embedding(down, picked).view(-1, len(cells), columns, features)
        picked = functional.embedding(across, picked.permute(2, 0, 1, 3).flatten(1))
        picked = picked.view(-1, REACH, len(down) // REACH, REACH, len(cells), features)
        return picked.permute(3, 1, 5, 4, 2, 0).reshape(REACH**2 * features, -1)

    def _level_points(self, table: Tensor, plane: str, chosen: dict[str, Tensor]) -> Tensor:
        """Features (N, F) of one level, linearly interpolated from four cells."""
        down, across = PLANES[plane]
        rows, row_weights = (t[chosen[down]] for t in self._table("corner", down, table.shape[0]))
        columns, column_weights = (
            t[chosen[across]] for t in self._table("corner", across, table.shape[1])
        )
        cells = rows[:, :, None] * table.shape[1] + columns[:, None]
        weights = row_weights[:, :, None] * column_weights[:, None]
        found = functional.embedding(cells, table.view(-1, table.shape[2]))
        return (weights[..., None] * found).sum(dim=(1, 2))

    def _grid_points(self, grid: Tensor, chosen: dict[str, Tensor]) -> Tensor:
        """Features (N, 9·F) of the cells around the nearest one."""
        _, rows, columns, features = grid.shape
        down = self._table("near", "y", rows)[0][chosen["y"]]
        across = self._table("near", "x", columns)[0][chosen["x"]]
        cells = (chosen["t"][:, None, None] * rows + down[:, :, None]) * columns + across[:, None]
        return functional.embedding(cells, grid.view(-1, features)).flatten(1)

    def _table(self, kind: str, axis: str, cells: int = 0) -> list[Tensor]:
        """Constants of an axis on the model's device, made when first asked for."""
        key = (kind, axis, cells)
        if key not in self._tables:
            count, device = self.structure.extents[axis], self.head.weight.device
            made = {
                "places": lambda: (places(count).astype("float32"),),
                "hat": lambda: (hat_matrix(count, cells),),
                "corner": lambda: corners(count, cells),
                "near": lambda: (neighbours(count, cells),),
            }[kind]()
            self._tables[key] = [torch.from_numpy(array).to(device) for array in made]
        return self._tables[key]


def start_features(shape: tuple[int, ...]) -> nn.Parameter:
    """Features within ±1e-4. Source: NVP, section 3.1 with its published code's grids."""
    return nn.Parameter(torch.empty(shape).uniform_(-FEATURE_START, FEATURE_START))


def start_sine(layer: nn.Linear, *, reach: float) -> None:
    """Weights and biases within ± ``reach``. Source: SIREN, section 3.2; NVP starts biases so."""
    nn.init.uniform_(layer.weight, -reach, reach)
    nn.init.uniform_(layer.bias, -reach, reach)


def _wave(layer: nn.Linear, signal: Tensor) -> Tensor:
    return torch.sin(torch.addmm(layer.bias[:, None], layer.weight, signal))


def _among_axes(part: Tensor, plane: str) -> Tensor:
    """A plane's values (N, rows, columns) as (N, T, R, C), with 1 along the axis it lacks."""
    if plane == "xy":
        return part[:, None]
    turned = part.transpose(1, 2)
    return turned.unsqueeze(3) if plane == "yt" else turned.unsqueeze(2)
