"""Everything this project reads that someone else may have written, as functions of bytes.

A target may raise the errors of its own tree and nothing else; it must not ask for memory that its
input does not justify, and must end. Its seeds are real files of this repository, or files that
its own writers make.
"""

import contextlib
import functools
import io
import json
import os
import signal
import struct
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from inrkit.errors import CodecError
from invrbench.errors import InvrError

REPOSITORY = Path(__file__).resolve().parents[2]
CTC = REPOSITORY / "ctc"
FOUND = Path(__file__).parent / "found"
Seeds = Callable[[], list[bytes]]


@dataclass(frozen=True)
class Target:
    """A reader under attack.

    Args:
        run: what is done with the bytes; the folder is empty at first and kept between calls.
        seeds: bytes from which damaged ones are made.
        language: of the bytes, one of ``fuzz_mutations.TOKENS``.
        allowed: what it may raise.
        is_native: whether C code reads the bytes, which may end the process: never in pytest's own.
    """

    run: Callable[[bytes, Path], object]
    seeds: Seeds
    language: str
    allowed: tuple[type[Exception], ...] = (InvrError,)
    is_native: bool = False

    @property
    def modules(self) -> tuple[str, ...]:
        """What ``run`` imports, for a fuzzer to watch."""
        return _JUDGED if self.allowed == (CodecError,) else _JUDGING

    def __call__(self, data: bytes, folder: Path) -> bool:
        """Whether the bytes were taken; any other exception than the allowed ones comes through."""
        try:
            self.run(data, folder)
        except self.allowed as error:
            assert str(error).strip(), "an error without a sentence"
            return False
        return True


TARGETS: dict[str, Target] = {}
_JUDGED = ("inrkit.histogram", "inrkit.job", "inrkit.levels", "inrkit.nnc", "inrkit.scene_codec")
_JUDGING = (
    *("invrbench.codec.manifest", "invrbench.codec.runner", "invrbench.compare.bd"),
    *("invrbench.ctc.conditions", "invrbench.metrics.handheld", "invrbench.report.crosscheck"),
    *("invrbench.report.merge", "invrbench.results.claims", "invrbench.results.expected"),
    *("invrbench.results.labels", "invrbench.results.package", "invrbench.video.multiview"),
)


def _plant(data: bytes, folder: Path) -> None:
    if data.startswith(b"segv"):
        os.kill(os.getpid(), signal.SIGSEGV)
    if data.startswith(b"k"):
        raise KeyError("planted")


# what the fuzzer must find
PLANTED = Target(_plant, lambda: [b"fine"], "binary", allowed=(CodecError,))


def target_named(name: str) -> Target:
    """The target of a name, the planted one included."""
    return PLANTED if name == "planted" else TARGETS[name]


def target(name: str, seeds: Seeds, language: str, **more: Any) -> Callable[..., Any]:
    """Register a function as the target ``name``."""

    def register(run: Callable[[bytes, Path], object]) -> Callable[[bytes, Path], object]:
        TARGETS[name] = Target(run, seeds, language, **more)
        return run

    return register


def found(name: str) -> list[Path]:
    """Inputs that once broke a target."""
    return sorted((FOUND / name).glob("*"))


def _files(*patterns: str) -> list[bytes]:
    paths = [path for pattern in patterns for path in sorted(REPOSITORY.glob(pattern))]
    assert paths, f"no seed matches {patterns}"
    return [path.read_bytes() for path in paths]


def _put(folder: Path, name: str, data: bytes) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


# ---- manifests

MANIFESTS = ("anchors/*/codec.toml", "proposals/*/codec.toml", "tests/codecs/*/codec.toml")


@functools.cache
def _codec_folder(folder: Path) -> Path:
    """A codec folder with every file that a manifest of this repository may name, all empty."""
    codec = folder / "codecs" / "fuzzed"
    names = ("*/*/*.py", "*/*/*.txt", "*/*/*.tsv", "*/*/*.bin", "tests/codecs/*/*")
    for pattern in names:
        for path in REPOSITORY.glob(pattern):
            _put(codec, path.name, b"")
    _put(codec, "bitstreams/a@0+1/ai/q1.bin", b"x")
    _put(codec, "models/a@0+1/ai/q1/model", b"x")
    return codec


@target("codec-toml", lambda: _files(*MANIFESTS), "toml")
def _read_manifest(data: bytes, folder: Path) -> None:
    from invrbench.codec.manifest import ANYONE, BUDGETS, VERBS, read_manifest, resolved_table
    from invrbench.codec.toml import to_toml
    from invrbench.digest import digest_value

    codec = _codec_folder(folder)
    _put(codec, "codec.toml", data)
    for manifest in read_manifest(codec).values():
        for verb in VERBS:
            assert manifest.resources_of(verb).threads >= 1
        manifest.unsupported(
            track="video", configuration="ra", pixel_format="rgb24", frames=1, min_side=16
        )
        digest_value([manifest.parameters, to_toml(resolved_table(manifest))])
        for budget in BUDGETS:
            digest_value([point.parameters for point in manifest.rate_points(budget)])
            for fit in set(manifest.fits) - {ANYONE}:
                with contextlib.suppress(InvrError):
                    names = ("B", "Cactus", "Cactus@0+32")
                    digest_value(
                        manifest.fit_parameters(fit, budget=budget, sequence="Cactus", names=names)
                    )


_BROUGHT = b"""schema = 1
name = "b"
summary = "s"
role = "proposal"
[supports]
tracks = ["video"]
configurations = ["any"]
pixel_formats = ["rgb24"]
[commands]
decode = ["{python}", "{codec}/decode.py"]
[decoder]
files = ["decode.py"]
"""


def _origins() -> list[bytes]:
    times = {"fit_seconds": 3600.5, "encode_seconds": 2, "machine": "a cluster"}
    return [json.dumps({"schema": 1, "points": {"a@0+1/ai/q1": times}}).encode()]


@target("origin-json", _origins, "json")
def _read_origin(data: bytes, folder: Path) -> None:
    from invrbench.codec.manifest import read_manifest

    codec = _codec_folder(folder)
    _put(codec, "codec.toml", _BROUGHT)
    _put(codec, "origin.json", data)
    try:
        read_manifest(codec)
    finally:
        (codec / "origin.json").unlink()


def _expected_folder(folder: Path, name: str) -> Any:
    return SimpleNamespace(folder=folder, claims={"expected": name}, path="p/x/codec.toml")


@target("expected-tsv", lambda: _files("anchors/*/expected.tsv"), "tsv")
def _read_expected(data: bytes, folder: Path) -> None:
    from invrbench.results.expected import find_drifts

    _put(folder, "expected.tsv", data)
    rows = []
    for line in data.decode(errors="replace").splitlines()[1:20]:
        cells = (line.split("\t") + [""] * 3)[:3]
        row = dict(zip(("sequence", "configuration", "rate_point"), cells, strict=True))
        rows.append(
            row
            | {"cut": "", "status": "ok", "bitstream_bytes": 9, "psnr_y_db": 30.0}
            | {"bitstream_md5": "a", "decoded_md5": "b"}
        )
    find_drifts(_expected_folder(folder, "expected.tsv"), rows, "9.0")


@target("published-tsv", lambda: _files("proposals/*/points.tsv"), "tsv")
def _read_published(data: bytes, folder: Path) -> None:
    from invrbench.results.points import _published_rows

    _put(folder, "points.tsv", data)
    points = [
        SimpleNamespace(ref=SimpleNamespace(sequence=name, cut=cut), sequence_class="kodak")
        for name in ("kodim01", "BigBuckBunny", "Beauty", "kodim03")
        for cut in ("", "0+132")
    ]
    plan = SimpleNamespace(points=points, conditions=SimpleNamespace(name="x"))
    _published_rows(plan, SimpleNamespace(folder=folder, id="published", paper="p", path="p"))


# ---- test conditions, sequences, what is typed


@functools.cache
def _sequences() -> Any:
    from invrbench.ctc.sequences import load_sequences

    return load_sequences(CTC / "sequences")


def _conditions() -> list[bytes]:
    held = [path for path in sorted(CTC.glob("*.yaml")) if "paths" not in path.name]
    texts = [(path.stem, path.read_text()) for path in held]
    return [text.replace(f"name: {name}\n", "name: fuzzed\n").encode() for name, text in texts]


@target("conditions", _conditions, "yaml")
def _read_conditions(data: bytes, folder: Path) -> None:
    from invrbench.ctc.conditions import load_conditions

    if not (folder / "mini.yaml").exists():
        for path in CTC.glob("*.yaml"):
            (folder / path.name).write_bytes(path.read_bytes())
    conditions = load_conditions(_put(folder, "fuzzed.yaml", data), _sequences())
    assert conditions.digest()
    json.dumps(conditions.to_json(), allow_nan=False)


@target("sequences", lambda: _files("ctc/sequences/*.yaml"), "yaml")
def _read_sequences(data: bytes, folder: Path) -> None:
    from invrbench.ctc.sequences import PathMap, SequenceRef, load_sequences, resolve

    _put(folder, "own.yaml", data)
    sequences = load_sequences(folder)
    for name, sequence in list(sequences.items())[:20]:
        assert sequence.format.frame_bytes > 0
        for split in [None, *sequence.view_splits]:
            with contextlib.suppress(InvrError):
                source = resolve(SequenceRef(name, split), sequences, PathMap("here"))
                json.dumps(source.identity(), allow_nan=False)


@target(
    "paths", lambda: [*_files("ctc/paths.example.yaml"), b"roots: [/a, b]\nCactus: c.yuv\n"], "yaml"
)
def _read_paths(data: bytes, folder: Path) -> None:
    from invrbench.ctc.sequences import load_paths

    _put(folder, "ctc/paths.yaml", data)
    load_paths(folder).find("Cactus", ["Cactus.yuv"])


_TYPED = (
    *(b"my-codec,hevc/Cactus@0+32/q1,q2", b"*", b"[a-z]*/[!x]*", b"Cactus@0+32", b"m71234"),
    *(b"CBABasketball.v05v25@0+97", b"1h30m", b"2d", b"0+16", b"30000/1001", b"1920x1080"),
    *(b"results/bunny-mini@0+32/hevc/ld/qp27/s0", b"a/b/any/fits/q1.minute/s3", b"25"),
)


@target("typed", lambda: list(_TYPED), "text")
def _read_typed(data: bytes, folder: Path) -> None:
    from invrbench.ctc.conditions import find_conditions
    from invrbench.ctc.names import check_label, check_seeds, suggest
    from invrbench.ctc.selection import Selection
    from invrbench.ctc.sequences import SequenceRef
    from invrbench.metrics.handheld import _layout
    from invrbench.report.brought import check_merge_label
    from invrbench.results.claims import Head, duration
    from invrbench.results.paths import FitAddress, PointAddress

    text = data.decode(errors="surrogateescape")
    known = ("mini", "hevc", "Cactus@0+32")
    readers: tuple[Callable[[Any], object], ...] = (
        *(check_label, check_seeds, check_merge_label, duration, Head.parse, SequenceRef.parse),
        *(PointAddress.parse, FitAddress.parse),
        lambda text: SequenceRef.parse(text, known),
        lambda text: Selection.parse(text).check(known, known, known),
        lambda text: find_conditions(CTC, text),
        lambda text: _layout(text, "yuv420p", "25", "bt709", "limited"),
        lambda text: _layout("16x16", "yuv420p", text, "bt709", "limited"),
        lambda text: suggest(text, known),
    )
    for read in readers:
        with contextlib.suppress(InvrError):
            read(text)


# ---- cameras


def _transforms() -> list[bytes]:
    real = json.loads((CTC / "sequences/data/ballcourt/transforms.json").read_text())
    pose = [[1, 0, 0, 0.5], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]
    shots = [
        {"file_path": f"images/v0/{i}.png", "transform_matrix": pose, "time": i / 2}
        for i in range(3)
    ]
    lens = {"k1": 0.1, "k2": 0.0, "p1": 0.0, "p2": 0.0, "camera_model": "OPENCV"}
    size = {"fl_x": 20.0, "fl_y": 21.0, "cx": 8.0, "cy": 4.0, "w": 16, "h": 8}
    still = [{"file_path": "images/v0/0", "transform_matrix": pose}]
    blender = {"camera_angle_x": 0.7, "frames": still}
    real["frames"] = shots
    made = ({**size, **lens, "fps": 30, "frames": shots}, blender, real)
    return [json.dumps(value).encode() for value in made]


@functools.cache
def _png(width: int = 16, height: int = 8) -> bytes:
    import cv2

    pixels = (np.indices((height, width)).sum(axis=0)[..., None] * [1, 2, 3]).astype(np.uint8)
    return bytes(cv2.imencode(".png", pixels)[1])


@functools.cache
def _pictures(folder: Path) -> None:
    for index in range(3):
        _put(folder, f"images/v0/{index}.png", _png())


@target("transforms-json", _transforms, "json")
def _read_transforms(data: bytes, folder: Path) -> None:
    from invrbench.video.transforms import read_transforms

    _pictures(folder)
    path = _put(folder, "transforms.json", data)
    for skip in (False, True):
        with contextlib.suppress(InvrError):
            _use_scene(read_transforms([path], skip_absent=skip))


def _use_scene(scene: Any) -> None:
    for view in list(scene.views.values())[:4]:
        json.dumps(view.camera.to_json(), allow_nan=False)
        json.dumps(list(view.times)[:100], allow_nan=False)
        if scene.bounds is not None:
            with contextlib.suppress(InvrError):
                scene.bounds.check_camera(view.camera, "here")


def _miv() -> list[bytes]:
    camera = {
        "Name": "v0", "Position": [0, 0.5, 1], "Rotation": [10, -5, 0], "Depthmap": 1,
        "Depth_range": [0.5, 25], "Resolution": [16, 8], "Projection": "Perspective",
        "Focal": [20, 20], "Principle_point": [8, 4], "BitDepthColor": 8,
        "ColorSpace": "YUV420", "HasInvalidDepth": False,
    }  # fmt: skip
    value = {
        "Version": "4.0", "Content_name": "x", "Fps": 30, "Frames_number": 2,
        "BoundingBox_center": [0, 0, 0], "sourceCameraNames": ["v0", "v1"],
        "cameras": [camera, {**camera, "Name": "v1", "Position": [0, 1, 1]}],
    }  # fmt: skip
    return [json.dumps(value).encode()]


@target("miv-json", _miv, "json")
def _read_miv(data: bytes, folder: Path) -> None:
    from invrbench.video.miv import read_miv

    for name in ("v0", "v1"):
        _put(folder, f"{name}_texture_16x8_yuv420p.yuv", bytes(384))
    _use_scene(read_miv(_put(folder, "cameras.json", data), folder))


def _npy(value: Any) -> bytes:
    out = io.BytesIO()
    np.save(out, value)
    return out.getvalue()


def _poses() -> list[bytes]:
    row = [0, 1, 0, 0, 8, 1, 0, 0, 0, 16, 0, 0, -1, 0, 20, 0.5, 25]
    return [_npy(np.array([row, row], kind)) for kind in (float, np.float32)]


@target("poses-npy", _poses, "binary")
def _read_poses(data: bytes, folder: Path) -> None:
    from invrbench.video.llff import read_llff

    for name in ("cam00.mp4", "cam01.mp4"):
        (folder / name).touch()
    _put(folder, "poses_bounds.npy", data)
    _use_scene(read_llff(folder, frames=2))


# ---- samples


def _y4m() -> list[bytes]:
    heads = (
        b"YUV4MPEG2 W16 H8 F25:1 Ip A1:1 C420jpeg XCOLORRANGE=LIMITED\n",
        b"YUV4MPEG2 W16 H8\n",
        b"YUV4MPEG2 W16 H8 F30000:1001 C444 XYSCSS=444\n",
    )
    return [head + (b"FRAME\n" + bytes(192)) * 2 for head in heads]


@target("y4m", _y4m, "y4m")
def _read_y4m(data: bytes, folder: Path) -> None:
    from invrbench.video import y4m
    from invrbench.video.format import VideoFormat

    path = _put(folder, "x.y4m", data)
    for fps in (Fraction(25), Fraction(30000, 1001)):
        layout = VideoFormat("yuv420p", 16, 8, fps, 2)
        with contextlib.suppress(InvrError):
            assert all(len(frame) == 192 for frame in y4m.frames(path, layout))
    with contextlib.suppress(InvrError):
        large = VideoFormat("yuv420p", 16384, 16384, Fraction(25), 2)
        list(y4m.frames(path, large))


_YUV = struct.Struct("<BBHHHHH")


def _yuv() -> list[bytes]:
    heads = ((0, 1, 16, 8, 2, 0, 2), (1, 5, 16, 8, 3, 1, 1), (4, 7, 5, 3, 1, 0, 1))
    return [
        _YUV.pack(*head) + bytes(size) for head, size in zip(heads, (384, 1152, 45), strict=True)
    ]


@target("yuv", _yuv, "binary")
def _read_yuv(data: bytes, folder: Path) -> None:
    """The first bytes say what the entry claims of the rest."""
    from invrbench.video.format import PIXEL_FORMATS, RawVideo, VideoFormat
    from invrbench.video.readers import read_frames
    from invrbench.video.sources import SourceFile

    head = data[: _YUV.size].ljust(_YUV.size, b"\0")
    pixels, fps, width, height, frames, start, count = _YUV.unpack(head)
    name = list(PIXEL_FORMATS)[pixels % len(PIXEL_FORMATS)]
    layout = VideoFormat(name, width, height, Fraction(fps), frames)
    path = _put(folder, "x.yuv", data[_YUV.size :])
    with contextlib.suppress(InvrError):
        source = SourceFile(declared={}, format=layout, path=path)
        read = list(read_frames(source, start=start, count=count))
        assert len(read) == count
        assert all(len(frame) == layout.frame_bytes for frame in read)
    video = RawVideo(path, layout)
    video.check_size()
    assert len(list(video.frames())) == frames


@target("video-format", lambda: [json.dumps(f).encode() for f in _formats()], "json")
def _read_format(data: bytes, folder: Path) -> None:
    from invrbench.video.format import VideoFormat

    value = _json_table(data)
    held = VideoFormat.from_json(value)
    assert held.frame_bytes > 0
    json.dumps(held.to_json(), allow_nan=False)


def _formats() -> list[dict[str, Any]]:
    from invrbench.video.format import VideoFormat

    return [
        VideoFormat("yuv420p", 1920, 1080, Fraction(30000, 1001), 500).to_json(),
        VideoFormat("rgb24", 7, 5, Fraction(1), 1, "bt601", "full").to_json(),
    ]


def _json_table(data: bytes) -> dict[str, Any]:
    """A JSON object, as other readers hand one on; anything else is not this target's business."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise InvrError("no object")
    return value


@target("picture", lambda: [_png(), _png(1, 1)], "binary", is_native=True)
def _read_picture(data: bytes, folder: Path) -> None:
    from invrbench.video.readers import read_picture

    read_picture(_put(folder, "x.png", data), allow_alpha=True)


# ---- jobs of codecs


def _jobs() -> list[bytes]:
    source = {
        "pixel_format": "yuv420p", "width": 16, "height": 8, "frames": 2, "matrix": "bt709",
        "range": "limited", "fps": 25, "path": "/x.yuv",
    }  # fmt: skip
    pose = [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]]
    view = {
        "id": "v0", "width": 16, "height": 8, "fx": 20.0, "fy": 20.0, "cx": 8.0, "cy": 4.0,
        "camera_to_world": pose, "times": [0.0, 1.0],
    }  # fmt: skip
    bounds = {"near": 0.5, "far": 9, "box": [[-1, -1, -1], [1, 1, 1]]}
    scene = {"views": [{**view, "path": "/v0.raw"}], "bounds": bounds}
    common = {"schema": 1, "source": source, "configuration": "ra", "seed": 0, "device": "cpu"}
    common |= {"threads": 1}
    fit = {"fit": {"name": "q1", "parameters": {"steps": 40}}}
    decode = {"schema": 1, "verb": "decode", "bitstream": "b.bin", "output": "o", "device": "cpu"}
    jobs = (
        {**common, **fit, "verb": "fit", "budget": "quick", "checkpoint": "c"},
        {**common, **fit, **scene, "verb": "fit", "budget": "quick", "checkpoint": "c"},
        {**common, **fit, "verb": "encode", "rate_point": {"id": "q1", "parameters": {"qp": -40}}},
        {**common, "verb": "encode", "rate_point": {"id": "q1", "parameters": {}}, "model": "m"},
        {**decode, "threads": 1},
        {**decode, "threads": 1, "render": [view, {**view, "id": "v1"}]},
    )
    return [json.dumps(job).encode() for job in jobs]


@target("job-json", _jobs, "json", allowed=(CodecError,))
def _read_job(data: bytes, folder: Path) -> None:
    from inrkit.job import read_job

    read_job(_put(folder, "job.json", data))


# ---- bitstreams

LAYOUT = {"w": (3, 4), "b": (3,), "n": (2, 2, 3, 3), "i": (5,), "bias": (7,)}
_HEADER = {
    "pixel_format": "yuv420p", "width": 16, "height": 8, "frames": 2, "matrix": "bt709",
    "range": "limited", "bits": 8, "coder": "histogram", "shift": -3, "scale": 0.5, "name": "é",
}  # fmt: skip


def _schema() -> Any:
    from inrkit import bitstream, levels

    own = {"shift": bitstream.Signed(), "scale": bitstream.Real(), "name": bitstream.Text()}
    return {**bitstream.VIDEO_SCHEMA, **levels.SCHEMA, **own}


def tensors() -> dict[str, Any]:
    """A tiny model: float tensors of several ranks and an integer one."""
    rng = np.random.default_rng(0)
    made: dict[str, Any] = {
        name: rng.normal(0, 0.1, shape).astype(np.float32) for name, shape in LAYOUT.items()
    }
    made["i"] = rng.integers(-9, 9, LAYOUT["i"]).astype(np.int32)
    return made


def _payloads() -> list[bytes]:
    from inrkit import nnc

    options: tuple[dict[str, Any], ...] = (
        {"qp": -40},
        {"qp": -20, "dependent_quantisation": False},
        {"qp": -90, "density": 3},
        {"qp": 0, "density": 0, "bias_qp": -20},
    )
    return [nnc.encode_tensors(tensors(), **each) for each in options]


def _plain_payloads() -> list[bytes]:
    from inrkit import plain

    return [plain.encode_tensors(tensors())]


def _integers() -> dict[str, Any]:
    rng = np.random.default_rng(1)
    return {name: rng.integers(-8, 8, shape).astype(np.int32) for name, shape in LAYOUT.items()}


def _histograms() -> list[bytes]:
    from inrkit import histogram

    return [histogram.encode_levels(_integers(), bits) for bits in (4, 5, 8)]


def _containers() -> list[bytes]:
    from inrkit import bitstream

    sections = ([_payloads()[0]], [b"", b"abc", bytes(300)], [])
    return [bitstream.pack("fuzz", _HEADER, each, schema=_schema()) for each in sections]


def with_checksum(data: bytes) -> bytes:
    """The container with the checksum of what it holds, so that damage comes further in."""
    return data[:-4] + struct.pack("<I", zlib.crc32(data[:-4])) if len(data) >= 4 else data


@target("container", _containers, "binary", allowed=(CodecError,))
def _read_container(data: bytes, folder: Path) -> None:
    from inrkit import bitstream
    from inrkit.video import RawFormat

    with contextlib.suppress(CodecError):
        bitstream.unpack(data, "fuzz", schema=_schema())
    header, sections = bitstream.unpack(with_checksum(data), "fuzz", schema=_schema())
    assert sum(map(len, sections)) <= len(data)
    RawFormat.from_header(header)
    again = bitstream.pack("fuzz", header, sections, schema=_schema())
    assert bitstream.unpack(again, "fuzz", schema=_schema()) == (header, sections)


def _scene_containers() -> list[bytes]:
    from inrkit import bitstream
    from inrkit.scene_codec import SCENE_SCHEMA, SceneFormat
    from inrkit.views import Bounds

    bounds = Bounds(0.5, 9.0, ((-1.0, -1.0, -1.0), (1.0, 1.0, 1.0)))
    header = SceneFormat("rgb24", "bt709", "full", 3, bounds).to_header()
    return [bitstream.pack("fuzz", header, [b"x"], schema=SCENE_SCHEMA)]


@target("scene-container", _scene_containers, "binary", allowed=(CodecError,))
def _read_scene_container(data: bytes, folder: Path) -> None:
    from inrkit import bitstream
    from inrkit.scene_codec import SCENE_SCHEMA, SceneFormat

    header, _ = bitstream.unpack(with_checksum(data), "fuzz", schema=SCENE_SCHEMA)
    scene = SceneFormat.from_header(header)
    scene.instant_of(0.0)
    corners = np.array([*scene.bounds.box, (scene.bounds.near, scene.bounds.far, 0)])
    assert np.isfinite(corners).all()


@target("nnc-units", lambda: [*_payloads(), *_plain_payloads()], "binary", allowed=(CodecError,))
def _read_units(data: bytes, folder: Path) -> None:
    """Headers alone, which pure Python reads."""
    from inrkit import nnc

    shares = nnc.payload_shares(data, LAYOUT)
    assert all(size >= 0 for size in shares.values())


@target(
    "nnc",
    lambda: [*_payloads(), *_plain_payloads()],
    "binary",
    allowed=(CodecError,),
    is_native=True,
)
def _read_nnc(data: bytes, folder: Path) -> None:
    from inrkit import nnc

    with contextlib.suppress(CodecError):
        nnc.decode_tensors(data)
    held = nnc.decode_tensors(data, LAYOUT)
    assert {name: tensor.shape for name, tensor in held.items()} == LAYOUT


@target("plain", _plain_payloads, "binary", allowed=(CodecError,))
def _read_plain(data: bytes, folder: Path) -> None:
    from inrkit import plain

    held = plain.decode_tensors(data, LAYOUT)
    assert {name: tensor.shape for name, tensor in held.items()} == LAYOUT


@target("levels", _histograms, "binary", allowed=(CodecError,))
def _read_levels(data: bytes, folder: Path) -> None:
    from inrkit import histogram, levels

    with contextlib.suppress(CodecError):
        histogram.table_bytes(data)
    held = levels.decode_levels(data, LAYOUT, bits=4, coder="histogram")
    assert all(tensor.min() >= -8 and tensor.max() <= 7 for tensor in held.values())


# ---- what comes back from other companies


@functools.cache
def _package_value() -> dict[str, Any]:
    return dict(json.loads((Path(__file__).parent / "seeds" / "package.json").read_text()))


def _packages() -> list[bytes]:
    found = []
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", method) as archive:
            for name, data in _members(json.dumps(_package_value()).encode()).items():
                archive.writestr(zipfile.ZipInfo(name), data, method)
        found.append(out.getvalue())
    return found


def _members(value: bytes) -> dict[str, bytes]:
    folder = _package_value()["folder"]
    names = ("codec.toml", "decode.py", "bitstreams/a@0+1/any/q1.bin", "frames.tsv")
    return {
        f"{folder}/package.json": value,
        **{f"{folder}/{name}": name.encode() * 9 for name in names},
    }


@target("package-zip", _packages, "binary")
def _read_zip(data: bytes, folder: Path) -> None:
    from invrbench.results.package import read_package, unpack

    package = read_package(_put(folder, "x.zip", data))
    for member in sorted(package.members):
        package.md5_of(member)
        with contextlib.suppress(InvrError):
            package.read(member)
    place = folder / "unpacked"
    unpack(package, place)
    inside = place.resolve()
    for path in place.rglob("*"):
        assert path.resolve().is_relative_to(inside)
    _remove(place)


def _remove(folder: Path) -> None:
    import shutil

    shutil.rmtree(folder, ignore_errors=True)


@target("package-json", lambda: [json.dumps(_package_value()).encode()], "json")
def _read_package_json(data: bytes, folder: Path) -> None:
    from invrbench.report.brought import read_brought
    from invrbench.results.claims import claims_of, in_order
    from invrbench.results.package import read_package

    path = folder / "x.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in _members(data).items():
            archive.writestr(zipfile.ZipInfo(name), content)
    package = read_package(path)
    for claim in in_order(claims_of(package)):
        assert claim.name
        assert claim.families is not None
        assert claim.decode_seconds >= 0
    read_brought([path], "mini")


def _tables() -> list[bytes]:
    return _files("tests/fuzz/seeds/points.tsv")


@target("points-tsv", _tables, "tsv")
def _read_points(data: bytes, folder: Path) -> None:
    from invrbench.compare.merge import merge_points
    from invrbench.compare.table import bd_rows, write_table
    from invrbench.report.brought import read_brought

    (brought,), _ = read_brought([_put(folder, "points.tsv", data)], "mini")
    held = brought.contribution
    merge_points([held], {})
    rows = bd_rows([*held.points, *held.anchors][:40], metrics=("psnr_y_db",))
    write_table(folder / "bd.tsv", rows, list(rows[0]) if rows else ["sequence"])


@target("run-json", lambda: _files("tests/fuzz/seeds/run.json"), "json")
def _read_run(data: bytes, folder: Path) -> None:
    from invrbench.report.brought import read_brought

    report = folder / "report"
    _put(report, "points.tsv", _tables()[0])
    _put(report, "run.json", data)
    read_brought([report], "mini")


@target("crosscheck-json", lambda: _files("tests/fuzz/seeds/crosscheck.json"), "json")
def _read_crosscheck(data: bytes, folder: Path) -> None:
    from invrbench.report.brought import read_brought
    from invrbench.report.crosscheck import CROSSCHECKS, read_verdicts
    from invrbench.report.merge import merge_reports

    _put(folder, f"{CROSSCHECKS}/one.json", data)
    points = [{"sequence": "a", "codec": "b", "rate_point": "q1"}]
    with contextlib.suppress(InvrError):
        read_verdicts(folder)
        read_verdicts(folder, points)
    table = _put(folder, "points.tsv", _tables()[0])
    brought, checks = read_brought([table, _put(folder, "check.json", data)], "mini")
    merge_reports("N0001", brought, checks)


# ---- this program's own files, which lie where anyone can touch them


def _labelled(folder: Path) -> Any:
    return SimpleNamespace(
        label="m1", is_filtered=False, root=folder, report_folder=Path("r"),
        conditions=SimpleNamespace(digest=lambda: "d"), expected_records={}, points=(),
    )  # fmt: skip


def _seals() -> list[bytes]:
    from invrbench.results.labels import _content

    content = _content(_labelled(Path()))
    return [json.dumps({"schema": 1, "finished": "2026-01-01", "content": content}).encode()]


@target("label-json", _seals, "json")
def _read_label(data: bytes, folder: Path) -> None:
    from invrbench.results.labels import SEAL, refuse_other_report

    _put(folder, f"r/{SEAL}", data)
    refuse_other_report(_labelled(folder))


def _records() -> list[bytes]:
    return _files("tests/fuzz/seeds/*.record.json")


@target("record", _records, "json")
def _read_record(data: bytes, folder: Path) -> None:
    from invrbench.results.previews import read_previews
    from invrbench.results.records import (
        failure_of,
        peek_key,
        read_record,
        read_usable_record,
        write_record,
    )

    path = _put(folder, "encode.json", data)
    peek_key(path)
    if read_usable_record(path) is None:
        with contextlib.suppress(InvrError):
            read_record(path)
    _put(folder, "encode.failed.json", data)
    failure_of(path, "key")
    _put(folder, "index.json", data)
    held = _json_table(data)
    read_previews(folder, str(held.get("md5")))
    with contextlib.suppress(ValueError):  # of NaN, which no record holds
        write_record(path, {name: each for name, each in held.items() if name != "digest"})
        assert read_record(path) is not None


_CHAIN = ("encode.json", "decode.json", "metrics/picture.json")


def _sealed() -> list[bytes]:
    return _files(*(f"tests/fuzz/seeds/{Path(name).stem}.record.json" for name in _CHAIN))


@target("point-records", _sealed, "json")
def _read_point(data: bytes, folder: Path) -> None:
    """A sealed record of any content, in the place of one of those behind a point's row."""
    from invrbench.compare.curves import normalised
    from invrbench.compare.table import write_table
    from invrbench.results.points import COLUMNS, point_rows
    from invrbench.results.records import write_record

    records = dict(zip(_CHAIN, map(json.loads, _sealed()), strict=True))
    keys = {name: str(record["key"]) for name, record in records.items()}
    value = _json_table(data)
    replaced = {"decode": _CHAIN[1], "measure": _CHAIN[2]}.get(str(value.get("kind")), _CHAIN[0])
    records[replaced] = value | {"key": keys[replaced]}
    place = folder / "p"
    for name, record in records.items():
        plain = {key: each for key, each in record.items() if key not in ("digest", "schema")}
        try:
            write_record(place / name, plain)
        except ValueError:  # of NaN, which no record holds
            return
    _put(place, "bitstream.bin", bytes(json.loads(_sealed()[0])["bitstream_bytes"]))
    rows = point_rows(*_point(folder, keys))
    assert [row["status"] in ("ok", "failed", "stale") for row in rows] == [True]
    assert all(row["status"] == "ok" or row["reason"] for row in rows)
    write_table(folder / "points.tsv", normalised(rows), COLUMNS)


def _point(folder: Path, keys: dict[str, str]) -> tuple[Any, Any]:
    """A plan and its only point, as far as rows need them."""
    from invrbench.ctc.sequences import SequenceRef
    from invrbench.video.format import VideoFormat

    layout = VideoFormat("rgb24", 16, 8, Fraction(1), 1)
    manifest = SimpleNamespace(codec="c", id="c", variant="", role="proposal", curves={})
    point = SimpleNamespace(
        address=SimpleNamespace(
            folder=Path("p"), sequence="s", configuration="any", rate_point="q1", seed=0
        ),
        ref=SequenceRef("s"), manifest=manifest, sequence_class="x", fit=None,
        source=SimpleNamespace(track="video", format=layout, coded_pixels=layout.pixels),
        rate_point=SimpleNamespace(fit=None, parameters={"qp": -40}), rendered=(),
        encode_key=keys[_CHAIN[0]], decode_key=keys[_CHAIN[1]], skipped=None, missing=None,
        family_keys={"picture": keys[_CHAIN[2]]}, view_sets={"": [""]}, uncompressed=None,
        stated_times={}, timing_key="", settings=(),
    )  # fmt: skip
    conditions = SimpleNamespace(name="x", curves={}, families=("picture",))
    return SimpleNamespace(root=folder, conditions=conditions), point


@target(
    "notes-json", lambda: [b'{"parameters": 9, "kmac_per_pixel": 1.5, "bytes": {"w": 4}}'], "json"
)
def _read_notes(data: bytes, folder: Path) -> None:
    from invrbench.codec.runner import _notes
    from invrbench.results.records import write_record

    _put(folder, "notes.json", data)
    write_record(folder / "encode.json", {"key": "ab", "notes": _notes(folder)})


@target(
    "frames-tsv",
    lambda: [b"frame\tpsnr_y_db\n0\t30.5\n1\t\n", b"view\tframe\ta\nv0\t0\t1\n"],
    "tsv",
)
def _read_frames(data: bytes, folder: Path) -> None:
    from invrbench.results.asked import read_frames_table

    read_frames_table(data.decode(errors="replace"))


@target("bd-table", lambda: [b"rate\tquality\n1\t30\n2\t32\n4\t34\n8\t36\n"], "tsv")
def _read_curve(data: bytes, folder: Path) -> None:
    from invrbench.compare.bd import bd, read_curve

    curve = read_curve(_put(folder, "curve.tsv", data))
    bd(curve[:20], [(1.1, 30.0), (2.1, 32.5), (4.2, 34.0), (8.0, 36.1)])
