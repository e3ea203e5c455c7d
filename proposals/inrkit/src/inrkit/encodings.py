"""Encodings of places and directions that radiance fields are functions of."""

import torch
from torch import Tensor

MOST_DEGREE = 4


def positional_encoding(values: Tensor, *, levels: int, keeps_input: bool = True) -> Tensor:
    """γ(v): v itself if kept, then sin(2^k·v) and cos(2^k·v) for k < ``levels``, without π.

    (…, D) → (…, D·(2·levels + 1)), or D·2·levels without the input; per level sines first.
    Source: NeRF, equation 4, and its code (bmild/nerf), which keeps the input and leaves π out.

    >>> positional_encoding(torch.zeros(1, 3), levels=10).shape[-1]
    63
    """
    scales = 2.0 ** torch.arange(levels, dtype=torch.float32, device=values.device)
    angles = values.unsqueeze(-2) * scales.unsqueeze(-1)
    waves = torch.stack([torch.sin(angles), torch.cos(angles)], dim=-2).flatten(-3)
    return torch.cat([values, waves], dim=-1) if keeps_input else waves


def spherical_harmonics(directions: Tensor, degree: int) -> Tensor:
    """Real spherical harmonics (…, degree²) of unit directions (…, 3), bands 0 … degree − 1.

    Ordered by band l and m = −l … l, orthonormal over the sphere, with the Condon-Shortley phase.
    "SH degree 4" of Instant-NGP is ``degree`` 4 (16 values); Plenoxels' "degree 2" is 3 (9 values).

    Args:
        directions: unit vectors.
        degree: number of bands, 1 … 4.
    Source: Sloan, Stupid Spherical Harmonics Tricks, GDC 2008, appendix A2.
    """
    if not 1 <= degree <= MOST_DEGREE:
        raise ValueError(f"spherical harmonics of {degree} bands; 1 … {MOST_DEGREE} are served")
    x, y, z = directions.unbind(dim=-1)
    xx, yy, zz = x * x, y * y, z * z
    values = [torch.full_like(x, 0.28209479177387814)]
    if degree > 1:
        first = 0.4886025119029199
        values += [-first * y, first * z, -first * x]
    if degree > 2:
        values += [
            1.0925484305920792 * x * y,
            -1.0925484305920792 * y * z,
            0.31539156525252005 * (3 * zz - 1),
            -1.0925484305920792 * x * z,
            0.5462742152960396 * (xx - yy),
        ]
    if degree > 3:
        values += [
            -0.5900435899266435 * y * (3 * xx - yy),
            2.890611442640554 * x * y * z,
            -0.4570457994644658 * y * (5 * zz - 1),
            0.3731763325901154 * z * (5 * zz - 3),
            -0.4570457994644658 * x * (5 * zz - 1),
            1.445305721320277 * z * (xx - yy),
            -0.5900435899266435 * x * (xx - 3 * yy),
        ]
    return torch.stack(values, dim=-1)
