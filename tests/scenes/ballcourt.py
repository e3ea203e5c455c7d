"""Render the embedded multi-view scene `ballcourt` with Mitsuba 3.

The frames in ctc/sequences/data/ballcourt were made with mitsuba 3.9.1, variant scalar_rgb, by

    python tests/scenes/ballcourt.py ctc/sequences/data/ballcourt --spp 144 --processes 2

It is no part of any run. The random numbers of a picture depend on its view alone (the sampler's
seed is the view's number, for every instant, and it places its samples without jitter, which a
path of another length would shift for all that follow), so noise left in still pixels is still
too; the textures and the spectators come from one generator of fixed seed. A picture that is
already there is kept, so a broken-off rendering goes on where it stopped.

World: metres, right-handed, z up; cameras stand at negative y on an arc and look towards +y. All
geometry lies within BOX; the wall on the cameras' side is missing, and they look in through it.
The hoop is twice its regulation size and the ball 1.7 times, so that 128×96 pixels show them.
"""

import argparse
import hashlib
import json
import logging
import multiprocessing
import time
from pathlib import Path

import drjit as dr
import mitsuba as mi
import numpy as np
from PIL import Image

mi.set_variant("scalar_rgb")

WIDTH, HEIGHT = 128, 96
HORIZONTAL_FIELD_OF_VIEW_DEGREES = 48.0
VIEWS = 12
INSTANTS = 16
ARC_DEGREES = 56.0
ARC_RADIUS = 7.5
LOOK_AT = np.array([0.0, 0.2, 1.5])
BOX = [[-6.0, -5.0, 0.0], [6.0, 5.0, 5.2]]
PATH_LENGTH = 4

HOOP_CENTRE = np.array([0.0, 0.6, 2.85])
HOOP_RADIUS = 0.45
NET_LENGTH = 0.95
BALL_RADIUS = 0.2

SKIN = (0.62, 0.38, 0.26)
SHOE = (0.85, 0.85, 0.85)
TEAM = ((0.75, 0.04, 0.05), (0.04, 0.12, 0.70), (0.80, 0.62, 0.03))
SPECTATOR_COLOURS = (
    (0.55, 0.10, 0.10),
    (0.10, 0.22, 0.50),
    (0.65, 0.60, 0.50),
    (0.12, 0.38, 0.20),
    (0.35, 0.18, 0.42),
    (0.60, 0.45, 0.12),
)
PIXELS_PER_METRE = 128

Segment = tuple[np.ndarray, np.ndarray, float, float]


def camera_pose(view: int) -> np.ndarray:
    """Camera-to-world 4×4 of a view in OpenGL axes: x right, y up, z backward; metres."""
    angle = np.radians(ARC_DEGREES * (view / (VIEWS - 1) - 0.5))
    radius = ARC_RADIUS + 0.2 * np.cos(2.3 * view)
    height = 2.15 + 0.3 * np.sin(1.7 * view)
    origin = np.array([radius * np.sin(angle), -radius * np.cos(angle), height])
    back = (origin - LOOK_AT) / np.linalg.norm(origin - LOOK_AT)
    right = np.cross([0.0, 0.0, 1.0], back)
    right /= np.linalg.norm(right)
    pose = np.eye(4)
    pose[:3] = np.stack([right, np.cross(back, right), back, origin], axis=1)
    return pose


def focal_length() -> float:
    """Focal length in pixels, the same along both axes."""
    return WIDTH / 2 / np.tan(np.radians(HORIZONTAL_FIELD_OF_VIEW_DEGREES) / 2)


def ball_centre(instant: int) -> np.ndarray:
    """Centre of the ball, (3,) in metres: a bounce every eight instants, 1.35 m at most."""
    phase = ((instant + 3) / 8) % 1
    height = BALL_RADIUS + 1.15 * 4 * phase * (1 - phase)
    return np.array([-1.6 + 0.27 * instant, -1.9 + 0.02 * instant, height])


def limb(start: np.ndarray, forward: np.ndarray, lengths, angles, radii) -> list[Segment]:
    """Two rounded segments from `start`; angles in radians from straight down, forward positive."""
    segments, joint = [], start
    for length, angle, (thick, thin) in zip(lengths, angles, radii, strict=True):
        end = joint + length * (np.sin(angle) * forward - np.cos(angle) * np.array([0.0, 0.0, 1.0]))
        segments.append((joint, end, thick, thin))
        joint = end
    return segments


def player(place, heading: float, phase: float, lift: float, raised: float) -> dict:
    """Segments of a running player by material: `shirt`, `skin` and `shoe`.

    Args:
        place: (2,) where the player is on the floor, in metres.
        heading: direction of running, radians from +x.
        phase: phase of the stride, radians.
        lift: height of the lower foot above the floor, in metres.
        raised: how far the arms are stretched upwards, 0…1.
    """
    forward = np.array([np.cos(heading), np.sin(heading), 0.0])
    left = np.array([-forward[1], forward[0], 0.0])
    up = np.array([0.0, 0.0, 1.0])
    hip = np.array([place[0], place[1], 0.0])
    chest = hip + 0.5 * up + 0.12 * forward
    parts: dict = {"shirt": [(hip, chest, 0.17, 0.21)], "skin": [], "shoe": []}
    head = chest + 0.36 * up + 0.05 * forward
    parts["skin"].append((head, head + 0.02 * up, 0.14, 0.14))
    for side, swing in ((0.11, phase), (-0.11, phase + np.pi)):
        thigh = 0.75 * np.sin(swing) + 0.15
        shin = thigh - 0.35 - 0.75 * max(0.0, np.cos(swing))
        upper, lower = limb(
            hip + side * left, forward, (0.46, 0.46), (thigh, shin), ((0.13, 0.1), (0.085, 0.06))
        )
        parts["shirt"].append(upper)
        parts["skin"].append(lower)
        parts["shoe"].append((lower[1], lower[1] + 0.14 * forward, 0.075, 0.06))
        swinging = -0.8 * np.sin(swing)
        arm = (1 - raised) * swinging + raised * 2.7
        forearm = (1 - raised) * (swinging + 1.3) + raised * 3.0
        parts["skin"] += limb(
            chest + 2.4 * side * left + 0.08 * up,
            forward,
            (0.31, 0.31),
            (arm, forearm),
            ((0.075, 0.06), (0.06, 0.055)),
        )
    rise = lift + 0.075 - min(end[2] for _, end, _, _ in parts["shoe"])
    return {
        material: [(a + rise * up, b + rise * up, r, s) for a, b, r, s in segments]
        for material, segments in parts.items()
    }


def players(instant: int) -> list[dict]:
    """The three players at an instant: two cross at 0.22 and 0.24 m per instant, one jumps."""
    k = instant
    jump = max(0.0, 1 - ((k - 9) / 6) ** 2)
    raised = float(np.clip((k - 2) / 4, 0, 1))
    return [
        player((-2.0 + 0.22 * k, -1.0 + 0.02 * k), 0.09, 0.75 * k, 0.0, 0.0),
        player((2.1 - 0.24 * k, 0.05 - 0.02 * k), np.pi + 0.08, 0.8 * k + 1.0, 0.05, 0.0),
        player((0.7 - 0.16 * k, 0.8 - 0.03 * k), np.pi + 0.19, 0.3 * k + 2.0, 0.8 * jump, raised),
    ]


def rounded_segment(segment: Segment, sides: int, rings: int) -> tuple[np.ndarray, ...]:
    """Triangles of two spheres and the cone between them.

    Args:
        segment: start, end (3,) in metres, radius at start and at end in metres.
        sides: corners around the axis.
        rings: circles of corners on each half sphere.

    Returns:
        Positions (V, 3), normals (V, 3) and corner numbers (F, 3).
    """
    start, end, radius_start, radius_end = segment
    axis = end - start
    axis = axis / np.linalg.norm(axis)
    across = np.cross(axis, [1.0, 0.0, 0.0] if abs(axis[0]) < 0.7 else [0.0, 1.0, 0.0])
    across /= np.linalg.norm(across)
    third = np.cross(axis, across)
    low = np.linspace(-np.pi / 2, 0, rings)
    latitudes = np.concatenate([low, -low[::-1]])
    around = 2 * np.pi * np.arange(sides) / sides
    circle = np.cos(around)[:, None] * across + np.sin(around)[:, None] * third
    normals = np.cos(latitudes)[:, None, None] * circle + np.sin(latitudes)[:, None, None] * axis
    centres = np.where(np.arange(2 * rings)[:, None] < rings, start, end)
    radii = np.where(np.arange(2 * rings) < rings, radius_start, radius_end)
    positions = centres[:, None] + radii[:, None, None] * normals
    row, column = np.meshgrid(np.arange(2 * rings - 1), np.arange(sides), indexing="ij")
    a, b = row * sides + column, row * sides + (column + 1) % sides
    quads = np.stack([a, b, b + sides, a, b + sides, a + sides], axis=-1)
    return positions.reshape(-1, 3), normals.reshape(-1, 3), quads.reshape(-1, 3)


def mesh(segments: list[Segment], bsdf: dict, *, sides: int = 16, rings: int = 5) -> mi.Mesh:
    """One Mitsuba mesh of many rounded segments with one material."""
    parts = [rounded_segment(segment, sides, rings) for segment in segments]
    counts = np.cumsum([0] + [len(positions) for positions, _, _ in parts])
    corners = [faces + first for (_, _, faces), first in zip(parts, counts, strict=False)]
    properties = mi.Properties()
    properties["bsdf"] = mi.load_dict(bsdf)
    result = mi.Mesh(
        "segments",
        vertex_count=int(counts[-1]),
        face_count=sum(map(len, corners)),
        has_vertex_normals=True,
        props=properties,
    )
    fields = mi.traverse(result)
    fields["vertex_positions"] = np.concatenate([p for p, _, _ in parts]).ravel().astype("f4")
    fields["vertex_normals"] = np.concatenate([n for _, n, _ in parts]).ravel().astype("f4")
    fields["faces"] = np.concatenate(corners).ravel().astype("u4")
    fields.update()
    return result


def floor_picture(rng: np.random.Generator) -> np.ndarray:
    """Planks and painted lines of the whole floor, (H, W, 3) sRGB in 0…1; row 0 is the far edge."""
    (x0, y0, _), (x1, y1, _) = BOX
    rows, columns = int((y1 - y0) * PIXELS_PER_METRE), int((x1 - x0) * PIXELS_PER_METRE)
    x = x0 + (np.arange(columns) + 0.5)[None] / PIXELS_PER_METRE
    y = y1 - (np.arange(rows) + 0.5)[:, None] / PIXELS_PER_METRE
    plank = np.floor((x - x0) / 0.24).astype(int)
    shift = rng.uniform(0, 2.4, plank.max() + 1)[plank]
    board = np.floor((y - y0 + shift) / 2.4).astype(int)
    shade = rng.uniform(0.74, 1.06, (plank.max() + 1, board.max() + 1))[plank, board]
    grain = 0.03 * np.sin(2 * np.pi * (x * 23 + 0.35 * np.sin(1.9 * y + 5 * plank)))
    picture = (shade + grain)[..., None] * np.array([0.72, 0.50, 0.30])
    joint = (np.abs((x - x0) % 0.24 - 0.12) > 0.108) | ((y - y0 + shift) % 2.4 < 0.02)
    picture[joint] *= 0.6

    lane = (np.abs(x) < 1.25) & (y > -2.6) & (y < 1.7)
    picture[lane] = 0.35 * picture[lane] + 0.65 * np.array([0.16, 0.36, 0.55])
    from_hoop = np.hypot(x, y - HOOP_CENTRE[1])
    from_throw = np.hypot(x, y + 2.6)
    lines = (
        (np.abs(y - 1.74) < 0.04)
        | ((np.abs(np.abs(x) - 1.25) < 0.04) & (y > -2.64) & (y < 1.74))
        | ((np.abs(y + 2.6) < 0.04) & (np.abs(x) < 1.29))
        | ((np.abs(from_throw - 1.25) < 0.04) & (y < 1.74))
        | ((np.abs(from_hoop - 4.4) < 0.04) & (y < 1.74))
        | ((np.abs(np.abs(x) - 5.2) < 0.04) & (y < 1.74))
    )
    picture[lines] = 0.93
    return picture.clip(0, 1)


def wall_picture(width: float, height: float, rng: np.random.Generator) -> np.ndarray:
    """Bricks, a dado and a frieze of coloured boards, (H, W, 3) sRGB in 0…1; row 0 is the top."""
    x = (np.arange(int(width * PIXELS_PER_METRE)) + 0.5)[None] / PIXELS_PER_METRE
    z = height - (np.arange(int(height * PIXELS_PER_METRE)) + 0.5)[:, None] / PIXELS_PER_METRE
    course = np.floor(z / 0.3).astype(int)
    brick = np.floor(x / 0.6 + 0.5 * (course % 2)).astype(int)
    shade = rng.uniform(0.8, 1.05, (course.max() + 1, brick.max() + 1))[course, brick]
    picture = shade[..., None] * np.array([0.72, 0.70, 0.66])
    mortar = (z % 0.3 < 0.03) | ((x / 0.6 + 0.5 * (course % 2)) % 1 < 0.05)
    picture[mortar] *= 0.75
    dado = np.broadcast_to(z < 1.5, picture.shape[:2])
    picture[dado] = picture[dado] * np.array([0.45, 0.62, 0.70])
    board = np.floor(x / 1.2).astype(int)
    colours = np.array(
        [[0.70, 0.15, 0.15], [0.93, 0.90, 0.84], [0.13, 0.25, 0.52], [0.88, 0.70, 0.18]]
    )
    frieze = (z > 2.65) & (z < 3.2)
    stripe = ((x + 0.45 * np.sin(9 * z + board)) % 0.4) < 0.16
    face = colours[(board * 3) % 4] * np.where(stripe, 0.7, 1.0)[..., None]
    edge = (x % 1.2) < 0.06
    return np.where(frieze[..., None], np.where(edge[..., None], 0.15, face), picture).clip(0, 1)


def window_picture() -> np.ndarray:
    """Five windows between dark piers, (H, W, 3) sRGB in 0…1."""
    x = (np.arange(1080) + 0.5) / 1080 * 5
    pane = (x % 1 > 0.13) & (x % 1 < 0.87) & (np.abs(x % 1 - 0.5) > 0.02)
    picture = np.where(pane[None, :, None], np.array([0.93, 0.95, 0.97]), 0.12)
    return np.broadcast_to(picture, (100, 1080, 3))


def board_picture() -> np.ndarray:
    """The glowing boards in front of the stands: slanted stripes, (H, W, 3) sRGB in 0…1."""
    z, x = np.mgrid[0:60, 0:1080]
    face = (x // 180) % 3
    ground = np.array([[0.10, 0.55, 0.62], [0.95, 0.93, 0.86], [0.85, 0.30, 0.22]])[face]
    sign = np.array([[0.96, 0.96, 0.92], [0.12, 0.20, 0.50], [0.98, 0.88, 0.40]])[face]
    stripe = ((x + z // 2) % 45 < 18) & (z > 14) & (z < 46)
    return np.where(stripe[..., None], sign, ground)


def backboard_picture() -> np.ndarray:
    """A white board, its border and the shooter's square, (H, W, 3) sRGB in 0…1."""
    white, red = 0.92, [0.78, 0.12, 0.10]
    picture = np.full((260, 440, 3), red)
    picture[12:-12, 12:-12] = white
    picture[110:235, 135:305] = red
    picture[124:221, 149:291] = white
    return picture


def painted(picture: np.ndarray) -> dict:
    """A texture of an sRGB picture in 0…1; Mitsuba's first row lies at v = 0, ours is the top."""
    pixels = np.round(255 * picture[::-1]).astype(np.uint8)
    return {"type": "bitmap", "bitmap": mi.Bitmap(pixels), "raw": False, "wrap_mode": "clamp"}


def matt(reflectance) -> dict:
    """A diffuse material of a linear RGB colour in 0…1 or of a texture."""
    return {"type": "twosided", "bsdf": {"type": "diffuse", "reflectance": coloured(reflectance)}}


def glossy(reflectance, roughness: float) -> dict:
    """A coated material (Mitsuba's roughplastic) of a linear RGB colour or a texture."""
    coated = {
        "type": "roughplastic",
        "diffuse_reflectance": coloured(reflectance),
        "alpha": roughness,
        "int_ior": 1.9,
    }
    return {"type": "twosided", "bsdf": coated}


def coloured(reflectance) -> dict:
    """A texture as it is, a linear RGB colour as Mitsuba's constant texture."""
    if isinstance(reflectance, dict):
        return reflectance
    return {"type": "rgb", "value": [float(value) for value in reflectance]}


def panel(centre, right, up, bsdf: dict) -> dict:
    """A rectangle of half axes `right` and `up` (3,) in metres, seen from the side right × up."""
    across, along = np.asarray(right, float), np.asarray(up, float)
    matrix = np.eye(4)
    matrix[:3] = np.stack([across, along, np.cross(across, along), np.asarray(centre)], axis=1)
    return {"type": "rectangle", "to_world": mi.ScalarTransform4f(matrix), "bsdf": bsdf}


def lit(shape: dict, radiance: dict, share: float) -> dict:
    """A shape that shines; `share` weighs it when a path chooses an emitter to sample."""
    emitter = {"type": "area", "radiance": radiance, "sampling_weight": share}
    return {**shape, "emitter": emitter}


def block(low, high, bsdf: dict) -> dict:
    """An axis-parallel box between two corners (3,) in metres."""
    low, high = np.asarray(low, float), np.asarray(high, float)
    matrix = np.diag([*(high - low) / 2, 1.0])
    matrix[:3, 3] = (low + high) / 2
    return {"type": "cube", "to_world": mi.ScalarTransform4f(matrix), "bsdf": bsdf}


def room(rng: np.random.Generator) -> dict:
    """Floor, walls, ceiling, skylight, windows and the glowing boards before the stands."""
    (x0, y0, _), (x1, y1, z1) = BOX
    middle, wide, deep = (y0 + y1) / 2, (x1 - x0) / 2, (y1 - y0) / 2
    back = painted(wall_picture(x1 - x0, z1, rng))
    side = painted(wall_picture(y1 - y0, z1, rng))
    shapes = {
        "floor": panel(
            (0, middle, 0), (wide, 0, 0), (0, deep, 0), glossy(painted(floor_picture(rng)), 0.03)
        ),
        "ceiling": panel((0, middle, z1), (-wide, 0, 0), (0, deep, 0), matt((0.6, 0.6, 0.6))),
        "back": panel((0, y1, z1 / 2), (wide, 0, 0), (0, 0, z1 / 2), matt(back)),
        "left": panel((x0, middle, z1 / 2), (0, deep, 0), (0, 0, z1 / 2), matt(side)),
        "right": panel((x1, middle, z1 / 2), (0, -deep, 0), (0, 0, z1 / 2), matt(side)),
    }
    dark = matt((0.05, 0.05, 0.05))
    shapes["skylight"] = lit(
        panel((0, -1.3, z1 - 0.02), (-4.8, 0, 0), (0, 3.5, 0), dark),
        {"type": "rgb", "value": [2.0, 1.94, 1.82]},
        share=6.0,
    )
    shapes["windows"] = lit(
        panel((0, y1 - 0.02, 3.95), (5.4, 0, 0), (0, 0, 0.5), dark),
        painted(window_picture()),
        share=1.0,
    )
    shapes["boards"] = lit(
        panel((0, 2.8, 0.33), (5.4, 0, 0), (0, 0, 0.3), dark),
        painted(board_picture()),
        share=1.0,
    )
    return shapes


def stands(rng: np.random.Generator) -> dict:
    """Four steps with still spectators."""
    shapes: dict = {}
    shirts: list[list[Segment]] = [[] for _ in SPECTATOR_COLOURS]
    heads: list[Segment] = []
    y1 = BOX[1][1]
    for row in range(4):
        front, top = 2.9 + 0.52 * row, 0.4 * (row + 1)
        shapes[f"step{row}"] = block(
            (-5.6, front, 0), (5.6, y1 - 0.05, top), matt((0.30, 0.33, 0.38))
        )
        for x in np.arange(-5.3, 5.4, 0.56):
            if rng.uniform() < 0.12:
                continue
            seat = np.array([x + rng.uniform(-0.06, 0.06), front + 0.25, top + 0.15])
            neck = seat + np.array([0, 0, rng.uniform(0.34, 0.44)])
            shirts[rng.integers(len(shirts))].append((seat, neck, 0.2, 0.17))
            head = neck + np.array([0, -0.04, 0.28])
            heads.append((head, head + np.array([0, 0, 0.02]), 0.125, 0.125))
    for number, (segments, colour) in enumerate(zip(shirts, SPECTATOR_COLOURS, strict=True)):
        shapes[f"shirts{number}"] = mesh(segments, matt(colour), sides=12, rings=4)
    shapes["heads"] = mesh(heads, matt(SKIN), sides=12, rings=4)
    return shapes


def hoop() -> dict:
    """Post, backboard, rim and a net of crossing cords that narrows downwards."""
    x, y, z = HOOP_CENTRE
    board = y + HOOP_RADIUS + 0.22
    cords: list[Segment] = []
    turn = 2 * np.pi * np.arange(24) / 24
    rim_points = HOOP_CENTRE + HOOP_RADIUS * np.stack(
        [np.cos(turn), np.sin(turn), np.zeros(24)], axis=1
    )
    rim = [(rim_points[i], rim_points[(i + 1) % 24], 0.03, 0.03) for i in range(24)]
    levels, strands = 4, 8
    part = np.arange(levels + 1) / levels
    drop = NET_LENGTH * part
    radius = HOOP_RADIUS * (1 - 0.42 * np.sin(np.pi / 2 * part))
    for direction in (1, -1):
        for strand in range(strands):
            for level in range(levels):
                steps = np.array([level, level + 1])
                angle = 2 * np.pi * (strand + 0.5 * direction * steps) / strands
                r = radius[steps]
                ends = HOOP_CENTRE + np.stack(
                    [r * np.cos(angle), r * np.sin(angle), -drop[steps]], axis=1
                )
                cords.append((ends[0], ends[1], 0.021, 0.021))
    return {
        "board": panel(
            (x, board, z + 0.5),
            (1.1, 0, 0),
            (0, 0, 0.65),
            glossy(painted(backboard_picture()), 0.2),
        ),
        "board_back": block(
            (x - 1.1, board + 0.005, z - 0.15), (x + 1.1, board + 0.05, z + 1.15), matt((0.2,) * 3)
        ),
        "bracket": block(
            (x - 0.1, y + HOOP_RADIUS, z - 0.05),
            (x + 0.1, board, z + 0.05),
            matt((0.8, 0.15, 0.03)),
        ),
        "post": block((x - 0.12, 2.2, 0), (x + 0.12, 2.44, z + 0.6), matt((0.08, 0.16, 0.40))),
        "boom": block(
            (x - 0.1, board, z + 0.35), (x + 0.1, 2.44, z + 0.6), matt((0.08, 0.16, 0.40))
        ),
        "rim": mesh(rim, glossy((0.80, 0.16, 0.03), 0.2), sides=10, rings=3),
        "net": mesh(cords, matt((0.9, 0.9, 0.9)), sides=8, rings=2),
    }


def moving(instant: int) -> dict:
    """The players and the ball at an instant."""
    shapes: dict = {}
    for number, parts in enumerate(players(instant)):
        colours = {"shirt": TEAM[number], "skin": SKIN, "shoe": SHOE}
        for material, segments in parts.items():
            shapes[f"{material}_of_{number}"] = mesh(segments, matt(colours[material]))
    shapes["ball"] = {
        "type": "sphere",
        "center": ball_centre(instant).tolist(),
        "radius": BALL_RADIUS,
        "bsdf": matt((0.90, 0.26, 0.03)),
    }
    return shapes


def scene(instant: int) -> mi.Scene:
    """The whole scene at an instant."""
    rng = np.random.default_rng(20)
    return mi.load_dict(
        {
            "type": "scene",
            "integrator": {"type": "path", "max_depth": PATH_LENGTH},
            "sky": {"type": "constant", "radiance": {"type": "rgb", "value": 0.6}},
            **room(rng),
            **stands(rng),
            **hoop(),
            **moving(instant),
        }
    )


def sensor(view: int, samples_per_pixel: int) -> mi.Sensor:
    """The pinhole camera of a view. Mitsuba's own axes are x left, y up, z forward."""
    pose = camera_pose(view)
    return mi.load_dict(
        {
            "type": "perspective",
            "fov": HORIZONTAL_FIELD_OF_VIEW_DEGREES,
            "fov_axis": "x",
            "to_world": mi.ScalarTransform4f(pose @ np.diag([-1.0, 1.0, -1.0, 1.0])),
            "film": {
                "type": "hdrfilm",
                "width": WIDTH,
                "height": HEIGHT,
                "rfilter": {"type": "box"},
                "pixel_format": "rgb",
            },
            "sampler": {
                "type": "multijitter",
                "jitter": False,
                "sample_count": samples_per_pixel,
            },
        }
    )


def to_srgb(linear: np.ndarray) -> np.ndarray:
    """Linear RGB in 0…1 (clipped) as 8-bit sRGB. Source: IEC 61966-2-1, 5.2."""
    linear = linear.clip(0, 1)
    encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.round(255 * encoded).astype(np.uint8)


def picture_path(view: int, instant: int) -> str:
    return f"images/v{view:02}/{instant:03}.png"


def render_instant(folder: Path, instant: int, views: list[int], samples_per_pixel: int) -> int:
    """Render the pictures of an instant that are not there yet on one thread; how many."""
    missing = [view for view in views if not (folder / picture_path(view, instant)).exists()]
    if not missing:
        return 0
    dr.set_thread_count(1)
    world = scene(instant)
    for view in missing:
        linear = mi.render(
            world, sensor=sensor(view, samples_per_pixel), spp=samples_per_pixel, seed=view
        )
        path = folder / picture_path(view, instant)
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(".part")
        Image.fromarray(to_srgb(np.array(linear))).save(unfinished, "PNG", optimize=True)
        unfinished.rename(path)
    return len(missing)


def transforms(views: list[int], instants: list[int]) -> dict:
    """Cameras and times as instant-ngp's transforms.json has them: OpenGL axes, time in 0…1."""
    focal = focal_length()
    return {
        "camera_angle_x": np.radians(HORIZONTAL_FIELD_OF_VIEW_DEGREES),
        "fl_x": focal,
        "fl_y": focal,
        "cx": WIDTH / 2,
        "cy": HEIGHT / 2,
        "w": WIDTH,
        "h": HEIGHT,
        "frames": [
            {
                "file_path": picture_path(view, instant),
                "time": instant / (INSTANTS - 1),
                "transform_matrix": camera_pose(view).tolist(),
            }
            for view in views
            for instant in instants
        ],
    }


def write_lists(folder: Path, views: list[int], instants: list[int]) -> None:
    """Write transforms.json and, over it and every picture, md5.txt."""
    cameras = folder / "transforms.json"
    cameras.write_text(json.dumps(transforms(views, instants), indent=1) + "\n")
    files = [cameras] + [folder / picture_path(v, k) for v in views for k in instants]
    lines = [
        f"{hashlib.md5(path.read_bytes()).hexdigest()}  {path.relative_to(folder)}\n"
        for path in files
    ]
    (folder / "md5.txt").write_text("".join(lines))


def main() -> None:
    parser = argparse.ArgumentParser(description="Render the multi-view scene ballcourt.")
    parser.add_argument("folder", type=Path, help="where images/ and transforms.json go")
    parser.add_argument("--spp", type=int, default=144, help="samples per pixel")
    parser.add_argument("--instants", type=int, nargs="+", default=list(range(INSTANTS)))
    parser.add_argument("--views", type=int, nargs="+", default=list(range(VIEWS)))
    parser.add_argument("--processes", type=int, default=1, help="each renders with one thread")
    options = parser.parse_args()

    logging.basicConfig(level=logging.INFO, format="%(message)s")
    start = time.monotonic()
    jobs = [(options.folder, k, options.views, options.spp) for k in options.instants]
    with multiprocessing.get_context("spawn").Pool(options.processes) as pool:
        pictures = sum(pool.starmap(render_instant, jobs, chunksize=1))
    write_lists(options.folder, options.views, options.instants)
    logging.info("%d pictures in %.0f s", pictures, time.monotonic() - start)


if __name__ == "__main__":
    main()
