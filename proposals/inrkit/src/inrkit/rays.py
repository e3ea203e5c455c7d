"""Rays of a view, and where they run: through a box, in normalised device coordinates, around.

Rays are pairs of tensors (N, 3), origins and unit directions, in scene units.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from inrkit.bitstream import Real, Schema
from inrkit.errors import CodecError
from inrkit.views import Bounds, View

__all__ = [
    "NDC_SCHEMA",
    "Cameras",
    "NdcFrame",
    "Rays",
    "UnitSphere",
    "box_distances",
    "box_tensor",
    "inverted_sphere_points",
    "require_hits",
    "sphere_exit",
    "unit_positions",
    "view_rays",
]


@dataclass(frozen=True)
class Rays:
    """Origins and unit directions (N, 3)."""

    origins: Tensor
    directions: Tensor

    def __len__(self) -> int:
        return len(self.origins)

    def __getitem__(self, chosen: Tensor | slice) -> "Rays":
        return Rays(self.origins[chosen], self.directions[chosen])

    def at(self, distances: Tensor) -> Tensor:
        """Points (N, S, 3) at distances (N, S) along the rays."""
        return self.origins[:, None] + distances[..., None] * self.directions[:, None]


class Cameras:
    """The cameras of V views as tensors, so that rays of mixed views are made at once."""

    def __init__(self, views: Sequence[View], device: torch.device) -> None:
        def held(values: list[Any]) -> Tensor:
            return torch.tensor(values, dtype=torch.float32, device=device)

        poses = held([view.camera_to_world for view in views])
        self.rotations, self.places = poses[:, :, :3], poses[:, :, 3]
        self.focal = held([(view.fx, view.fy) for view in views])
        self.centre = held([(view.cx, view.cy) for view in views])

    def rays(self, views: Tensor, columns: Tensor, rows: Tensor) -> Rays:
        """Rays of pixels: indices (N,) of view, column and row."""
        places = torch.stack([columns, rows], dim=-1).to(torch.float32) + 0.5
        plane = (places - self.centre[views]) / self.focal[views]
        rotations = self.rotations[views]
        # spelt out: a batched product would leave the order of the sum to the library
        directions = (
            rotations[:, :, 0] * plane[:, :1]
            + rotations[:, :, 1] * plane[:, 1:]
            + rotations[:, :, 2]
        )
        return Rays(self.places[views], directions / directions.norm(dim=-1, keepdim=True))


def view_rays(view: View, device: torch.device) -> Rays:
    """Rays (H·W) of a view's pixels, row by row."""
    pixels = torch.arange(view.width * view.height, device=device)
    columns, rows = pixels % view.width, pixels // view.width
    return Cameras([view], device).rays(torch.zeros_like(pixels), columns, rows)


def box_tensor(bounds: Bounds, device: torch.device) -> Tensor:
    """The two corners (2, 3) of the scene's box."""
    return torch.tensor(bounds.box, dtype=torch.float32, device=device)


def unit_positions(points: Tensor, box: Tensor) -> Tensor:
    """Points (…, 3) of the box (2, 3) in [0, 1]³; others beyond."""
    return (points - box[0]) / (box[1] - box[0])


def box_distances(rays: Rays, box: Tensor, *, near: float, far: float) -> tuple[Tensor, Tensor]:
    """Distances (N,) at which rays enter and leave the box, within near … far.

    A ray that misses the box leaves where it enters: an interval of length 0.

    Args:
        rays: of any origin, inside the box or out.
        box: least and largest corner (2, 3).
        near, far: limits, in scene units.
    Source: Kay and Kajiya, Ray Tracing Complex Scenes, SIGGRAPH 1986 (slabs).
    """
    tiny = torch.full_like(rays.directions, 1e-12)
    safe = torch.where(rays.directions.abs() < 1e-12, tiny, rays.directions)
    first, second = (box[0] - rays.origins) / safe, (box[1] - rays.origins) / safe
    enter = torch.minimum(first, second).amax(dim=-1).clamp(min=near)
    leave = torch.maximum(first, second).amin(dim=-1).clamp(max=far)
    return enter, torch.maximum(enter, leave)


def require_hits(views: Sequence[View], bounds: Bounds) -> None:
    """Refuse views that see nothing of the scene's box.

    Raises:
        CodecError: no ray of a view meets the box between near and far; names the view.
    """
    device = torch.device("cpu")
    box = box_tensor(bounds, device)
    for view in views:
        enter, leave = box_distances(view_rays(view, device), box, near=bounds.near, far=bounds.far)
        if not bool((leave > enter).any()):
            raise CodecError(
                f"view {view.id} sees nothing of the scene: none of its rays meets the box from "
                f"{list(bounds.box[0])} to {list(bounds.box[1])} between near {bounds.near:g} "
                f"and far {bounds.far:g}; correct its pose or the bounds."
            )


_NDC_REALS = (*(f"ndc_pose_{index}" for index in range(12)), "ndc_scale_x", "ndc_scale_y")
NDC_SCHEMA: Schema = {name: Real() for name in _NDC_REALS}


@dataclass(frozen=True)
class NdcFrame:
    """The camera whose frustum normalised device coordinates stretch to a cube.

    Args:
        pose: its camera-to-world matrix (3, 4), OpenCV axes.
        scale: focal lengths over half the picture's width and height.
    """

    pose: tuple[tuple[float, ...], ...]
    scale: tuple[float, float]

    @classmethod
    def of(cls, views: Sequence[View]) -> "NdcFrame":
        """A frame amid the views, looking along their mean direction.

        Raises:
            CodecError: the views surround the scene, or one looks away from the others.
        """
        mean = np.mean([view.forward for view in views], axis=0)
        if np.linalg.norm(mean) < 0.5:
            raise CodecError(
                "the views look in all directions, which normalised device coordinates cannot "
                "hold: they serve forward-facing scenes; use a fit without NDC."
            )
        forward = mean / np.linalg.norm(mean)
        down = np.mean([[row[1] for row in view.camera_to_world] for view in views], axis=0)
        right = np.cross(down, forward)
        right /= np.linalg.norm(right)
        rotation = np.stack([right, np.cross(forward, right), forward], axis=1)
        origin = np.mean([view.origin for view in views], axis=0)
        pose = np.concatenate([rotation, origin[:, None]], axis=1).astype(np.float32)
        first = views[0]
        scale = np.array([2 * first.fx / first.width, 2 * first.fy / first.height], np.float32)
        frame = cls(
            pose=tuple(tuple(row) for row in pose.tolist()),
            scale=(float(scale[0]), float(scale[1])),
        )
        for view in views:
            frame.require_facing(view)
        return frame

    def require_facing(self, view: View) -> None:
        """Refuse a view that looks away; CodecError names it."""
        corners = torch.tensor([(0, 0), (view.width - 1, view.height - 1)])
        columns, rows = torch.cartesian_prod(corners[:, 0], corners[:, 1]).unbind(dim=-1)
        seen = Cameras([view], torch.device("cpu")).rays(torch.zeros_like(rows), columns, rows)
        forward = torch.tensor([row[2] for row in self.pose])
        least = float((seen.directions * forward).sum(dim=-1).min())
        if least < 0.05:
            raise CodecError(
                f"view {view.id} looks away from the direction that the other views share "
                f"(a ray's cosine to it is {least:.2f}), which normalised device coordinates "
                "cannot hold; leave the view out or use a fit without NDC."
            )

    def warp(self, rays: Rays, *, near: float) -> Rays:
        """Rays in NDC: distance 0 is the plane at ``near``, 1 is infinity; not unit directions.

        x and y reach from −1 to 1 at the frame's borders, z from −1 (near) to 1.
        Source: NeRF, appendix C, equations 25 and 26, with z forward.
        """
        pose = rays.origins.new_tensor(self.pose)
        origins = _rotate(rays.origins - pose[:, 3], pose)
        directions = _rotate(rays.directions, pose)
        to_plane = (near - origins[:, 2:]) / directions[:, 2:]
        x, y, z = (origins + to_plane * directions).unbind(dim=-1)
        dx, dy, dz = directions.unbind(dim=-1)
        across, down = self.scale
        start = torch.stack([across * x / z, down * y / z, 1 - 2 * near / z], dim=-1)
        towards = torch.stack(
            [across * (dx / dz - x / z), down * (dy / dz - y / z), 2 * near / z], dim=-1
        )
        return Rays(start, towards)

    def to_header(self) -> dict[str, float]:
        """The fields of ``NDC_SCHEMA``."""
        values = [value for row in self.pose for value in row]
        return dict(zip(_NDC_REALS, (*values, *self.scale), strict=True))

    @classmethod
    def from_header(cls, header: Mapping[str, Any]) -> "NdcFrame":
        """The frame in a header, other fields ignored."""
        values = [header[name] for name in _NDC_REALS]
        rows = tuple(tuple(values[4 * row : 4 * row + 4]) for row in range(3))
        return cls(pose=rows, scale=(values[12], values[13]))


@dataclass(frozen=True)
class UnitSphere:
    """A sphere around all cameras, which becomes the unit sphere (NeRF++)."""

    centre: tuple[float, float, float]
    radius: float

    @classmethod
    def around(cls, views: Sequence[View], bounds: Bounds, *, margin: float = 1.1) -> "UnitSphere":
        """Centred in the scene's box, ``margin`` times as far as its farthest camera."""
        centre = np.mean(bounds.box, axis=0)
        reach = max(np.linalg.norm(np.subtract(view.origin, centre)) for view in views)
        x, y, z = centre.astype(np.float32).tolist()
        return cls(centre=(x, y, z), radius=float(np.float32(margin * reach)))

    def normalise(self, rays: Rays) -> Rays:
        """Rays in units of the radius, from the centre; directions stay unit."""
        centre = rays.origins.new_tensor(self.centre)
        return Rays((rays.origins - centre) / self.radius, rays.directions)


def sphere_exit(rays: Rays) -> Tensor:
    """Distances (N,) at which rays that start inside the unit sphere leave it.

    Raises:
        CodecError: a ray starts outside.
    """
    along = (rays.origins * rays.directions).sum(dim=-1)
    inside = 1 - rays.origins.square().sum(dim=-1)
    if bool((inside <= 0).any()):
        raise CodecError(
            "a camera lies outside the sphere that parts foreground and background; render from "
            "within it, or fit with a view near that camera."
        )
    return (along.square() + inside).sqrt() - along


def inverted_sphere_points(rays: Rays, inverse_radii: Tensor) -> Tensor:
    """Points (N, S, 4) as (x', y', z', 1/r) of rays at radii r ≥ 1 from the unit sphere's centre.

    (x', y', z') is the point's direction from the centre, unit. It is found without the rotation
    of the paper: at radius r a ray is at m + d·√(r² − |m|²), m its point nearest to the centre.

    Args:
        rays: that start inside the unit sphere.
        inverse_radii: 1/r in (0, 1], (N, S).
    Source: NeRF++ (Zhang et al., arXiv 2010.07492), section 4 and figure 8.
    """
    along = (rays.origins * rays.directions).sum(dim=-1, keepdim=True)
    nearest = rays.origins - along * rays.directions
    squared = nearest.square().sum(dim=-1, keepdim=True)
    ahead = (1 - squared * inverse_radii.square()).clamp_min(0).sqrt()
    places = (
        nearest[:, None] * inverse_radii[..., None] + rays.directions[:, None] * ahead[..., None]
    )
    return torch.cat([places, inverse_radii[..., None]], dim=-1)


def _rotate(vectors: Tensor, pose: Tensor) -> Tensor:
    """Vectors (N, 3) of the world in the axes of a camera."""
    return (vectors[:, :, None] * pose[:, :3]).sum(dim=1)
