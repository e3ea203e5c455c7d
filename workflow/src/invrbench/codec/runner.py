"""Run one verb of one codec: workspace, command, walls, and what must come out of it."""

import re
import shlex
import shutil
import signal
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from invrbench.codec import sandbox
from invrbench.codec.closure import copy_closure, verb_files
from invrbench.codec.environment import (
    Interpreter,
    Surroundings,
    clean_environment,
    interpreter_of,
)
from invrbench.codec.manifest import Manifest, Verb
from invrbench.codec.process import Limits, Outcome, run_bounded
from invrbench.digest import md5_file, write_json
from invrbench.errors import (
    ContractError,
    GpuMemoryError,
    InvrError,
    LimitError,
    MemoryLimitError,
    StorageError,
    full_disk,
)
from invrbench.outside import parse_json
from invrbench.video.ffmpeg import find_ffmpeg
from invrbench.video.format import RawVideo, VideoFormat
from invrbench.video.scenes import SceneView

LOG_TAIL_LINES = 30
_FULL_BYTES = 1 << 16  # a verb that fails where less is free failed for want of it
_SLACK_BYTES = 1 << 20  # decode may write logs and notes beside its frames
_OUT_OF_GPU_MEMORY = re.compile(  # what torch and the CUDA libraries print
    r"CUDA out of memory|OutOfMemoryError|CUDA_ERROR_OUT_OF_MEMORY|CUBLAS_STATUS_ALLOC_FAILED"
    r"|cudaErrorMemoryAllocation|CUDA error: out of memory"
)
_KILLED = (-signal.SIGKILL, 128 + signal.SIGKILL)  # the second as shells and bwrap tell it
_PICKLE_OR_ZIP = (b"PK\x03\x04", *(bytes([0x80, protocol]) for protocol in range(2, 6)))


@dataclass(frozen=True)
class VerbRun:
    """A verb that ended well.

    ``level`` is the sandbox's, "none" for fit and encode; ``notes`` is what the codec reports of
    itself; ``command`` is what ran, as a person would type it.
    """

    outcome: Outcome
    level: str
    device: str
    command: str
    notes: dict[str, Any]


@dataclass(frozen=True)
class Order:
    """What a decoder is asked for: its files' formats by view id, or one under "" for a video.

    ``render`` holds the cameras and times of a scene's views, as jobs hold them.
    """

    formats: Mapping[str, VideoFormat]
    render: tuple[dict[str, Any], ...] = ()

    @classmethod
    def video(cls, layout: VideoFormat) -> "Order":
        """All frames of a video in one file."""
        return cls({"": layout})

    @classmethod
    def scene(cls, layout: VideoFormat, views: Iterable[SceneView]) -> "Order":
        """A file per view, of a scene whose views have the size of ``layout``."""
        asked = tuple(views)
        formats = {view.id: layout.with_frames(len(view.times)) for view in asked}
        return cls(formats, tuple(view.to_json() for view in asked))

    @property
    def backwards(self) -> "Order":
        """The same views, the last one first."""
        formats = {view: self.formats[view] for view in reversed(tuple(self.formats))}
        return Order(formats, self.render[::-1])

    @property
    def file_bytes(self) -> int:
        """Bytes of all files together."""
        return sum(layout.file_bytes for layout in self.formats.values())

    def output(self, work: Path) -> Path:
        """Where the decoder writes: a file, or a folder of one file per view."""
        return work / ("decoded" if self.render else "decoded.raw")

    def file(self, work: Path, view: str) -> Path:
        """The file of one view."""
        return self.output(work) / f"{view}.raw" if self.render else self.output(work)


@contextmanager
def unchanged_decoder(manifest: Manifest, verb: str) -> Iterator[None]:
    """Hold a verb to leaving alone what the receiver owns: the decoder's files.

    Raises:
        ContractError: names the files that changed meanwhile.
    """
    before = decoder_digests(manifest)
    yield
    changed = {name for name, _ in before.items() ^ decoder_digests(manifest).items()}
    if changed:
        raise ContractError(
            f"{manifest.codec}: while {verb} ran, {', '.join(sorted(changed))} changed, which the "
            "decoder owns; what depends on the content belongs in the bitstream. Restore and rerun."
        )


def decoder_digests(manifest: Manifest) -> dict[str, str]:
    """MD5 of each file that a receiver must own, by its name; empty where it is gone."""
    files = verb_files(manifest, "decode").items()
    return {name: md5_file(path) if path.is_file() else "" for name, path in files}


def log_tail(log: Path) -> str:
    """The last lines of a log, without progress reports."""
    lines = log.read_text(errors="replace").splitlines() if log.is_file() else []
    lines = [line for line in lines if not line.startswith("progress ")]
    return "\n".join(lines[-LOG_TAIL_LINES:])


def _argv(manifest: Manifest, verb: Verb, interpreter: Interpreter, code: str) -> list[str]:
    places = {"{codec}": code, "{python}": str(interpreter.python)}
    words = []
    for word in manifest.commands[verb]:
        for name, value in places.items():
            word = word.replace(name, value)
        words.append(word)
    return words


def _fail(manifest: Manifest, verb: Verb, outcome: Outcome, log: Path, *, device: str) -> InvrError:
    if shutil.disk_usage(log.parent).free < _FULL_BYTES:
        return StorageError(f"{manifest.codec}: {verb} {outcome.failure}; {full_disk(log)}")
    tail = log_tail(log)
    quoted = f"\nIts last lines were:\n{tail}" if tail else "\nIt printed nothing."
    kind, failure = _kind_of(outcome), outcome.failure
    if device == "cuda" and kind is ContractError and _OUT_OF_GPU_MEMORY.search(tail):
        kind, failure = GpuMemoryError, f"ran out of GPU memory and {failure}"
    return kind(f"{manifest.codec}: {verb} {failure}.{quoted}")


def _kind_of(outcome: Outcome) -> type[ContractError]:
    if outcome.stopped:
        return MemoryLimitError if "memory limit" in outcome.stopped else LimitError
    # nobody but the system kills a verb that is within its limits
    return MemoryLimitError if outcome.exit_status in _KILLED else ContractError


def _notes(work: Path) -> dict[str, Any]:
    path = work / "notes.json"
    if not path.is_file() or path.is_symlink() or path.stat().st_size > 1_000_000:
        return {}
    try:
        value = parse_json(path.read_bytes())
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def check_bitstream(manifest: Manifest, path: Path) -> None:
    """Refuse a bitstream that is no regular file, empty, or a pickle or zip archive.

    Raises:
        ContractError: says which.
    """
    if path.is_symlink() or not path.is_file():
        raise ContractError(f"{manifest.codec}: encode left no regular file bitstream.bin.")
    if path.stat().st_size == 0:
        raise ContractError(f"{manifest.codec}: bitstream.bin is empty; a rate of 0 is no rate.")
    with path.open("rb") as file:
        head = file.read(4)
    if head.startswith(_PICKLE_OR_ZIP):
        raise ContractError(
            f"{manifest.codec}: bitstream.bin begins like a pickle or a zip archive; "
            "bitstreams that need unpickling are refused."
        )


def check_decoded(manifest: Manifest, path: Path, expected: VideoFormat, view: str = "") -> None:
    """Refuse decoded output that is not exactly the frames of the source's format.

    Raises:
        ContractError: with both lengths in bytes and frames.
    """
    which = f" of view {view}" if view else ""
    if path.is_symlink() or not path.is_file():
        wanted = f" {path.name} in the folder that its job names as output" if view else ""
        raise ContractError(f"{manifest.codec}: decode wrote no file{wanted}.")
    size = path.stat().st_size
    if size != expected.file_bytes:
        frames = size / expected.frame_bytes
        raise ContractError(
            f"{manifest.codec}: decode wrote {size} bytes{which} ({frames:g} frames of "
            f"{expected.width}x"
            f"{expected.height} {expected.pixel_format}); expected {expected.file_bytes} "
            f"({expected.frames} frames)."
        )


def _limits(manifest: Manifest, verb: Verb, output_bytes: int | None) -> Limits:
    resources = manifest.resources_of(verb)
    return Limits(resources.mem_mb, resources.runtime_min, output_bytes)


def run_in_the_open(
    manifest: Manifest,
    verb: Verb,
    job: Mapping[str, Any],
    *,
    folder: Path,
    log: Path,
) -> VerbRun:
    """Run fit or encode in ``folder``, a :func:`workspace`; its outputs lie in ``folder/work``.

    Raises:
        ContractError: the verb failed; quotes the end of its log.
    """
    copy_closure(manifest, verb, folder / "code")
    work = folder / "work"
    write_json(work / "job.json", job)
    argv = [*_argv(manifest, verb, interpreter_of(manifest), str(folder / "code")), "job.json"]
    env = clean_environment(
        manifest,
        code=str(folder / "code"),
        home=str(folder / "home"),
        temporary=str(folder / "tmp"),
        threads=job["threads"],
        device=job["device"],
    )
    outcome = run_bounded(argv, cwd=work, env=env, log=log, limits=_limits(manifest, verb, None))
    if outcome.failure:
        raise _fail(manifest, verb, outcome, log, device=job["device"])
    if outcome.left_running:
        names = ", ".join(sorted(set(outcome.left_running)))
        raise ContractError(
            f"{manifest.codec}: {verb} ended and left {len(outcome.left_running)} of its processes "
            f"running ({names}), which were killed; wait for them or end them."
        )
    command = shlex.join(manifest.commands[verb]) + " job.json"
    return VerbRun(outcome, "none", job["device"], command, _notes(work))


def _decode_mounts(
    manifest: Manifest, interpreter: Interpreter, folder: Path, device: str
) -> sandbox.Mounts:
    read_only = set(interpreter.prefixes)
    if "ffmpeg" in manifest.tools:
        read_only.add(find_ffmpeg().path)
    usr = Path("/usr")
    shown = read_only | {usr}  # what lies below one of them is there with it
    return sandbox.Mounts(
        code=folder / "code",
        bitstream=folder / "bitstream.bin",
        work=folder / "work",
        read_only=tuple(sorted(p for p in read_only - {usr} if not shown & {*p.parents})),
        devices=sandbox.cuda_devices() if device == "cuda" else (),
    )


def _ffmpeg_with(options: Sequence[str], folder: Path) -> str:
    """Name of a program in ``folder`` that is the chosen ffmpeg with options of its own."""
    path = folder / "ffmpeg-with-options"
    command = shlex.join([str(find_ffmpeg().path), *options])
    path.write_text(f'#!/bin/sh\nexec {command} "$@"\n', encoding="utf-8")
    path.chmod(0o755)
    return path.name


def run_decode(
    manifest: Manifest,
    bitstream: Path,
    *,
    folder: Path,
    log: Path,
    device: str,
    threads: int,
    order: Order,
    around: Surroundings | None = None,
    inside: Path = sandbox.INSIDE,
    is_bare: bool = False,
) -> tuple[VerbRun, dict[str, RawVideo]]:
    """Decode a bitstream inside the strongest sandbox of this machine.

    The decoder gets the bitstream and its declared files, and of a scene the cameras to render;
    it is not told the size or format of what it must write. ``around`` replaces what decoders
    ordinarily find around them, and ``inside`` the folder in which they find themselves;
    ``is_bare`` leaves out comments and docstrings of its code.

    Returns:
        The run, and the decoded files inside ``folder``, by view id.

    Raises:
        ContractError: the decoder failed or wrote the wrong number of bytes.
    """
    check_bitstream(manifest, bitstream)
    copy_closure(manifest, "decode", folder / "code", is_bare=is_bare)
    shutil.copyfile(bitstream, folder / "bitstream.bin")
    level = sandbox.strongest_level(cuda=device == "cuda")
    inside = folder if level == "none" else inside
    job = {
        "schema": 1,
        "verb": "decode",
        "bitstream": str(inside / "bitstream.bin"),
        "output": str(order.output(inside / "work")),
        "device": device,
        "threads": threads,
    }
    if order.render:
        job["render"] = list(order.render)
        order.output(folder / "work").mkdir()
    write_json(folder / "work" / "job.json", job)
    around = around or Surroundings()
    interpreter = around.interpreter or interpreter_of(manifest)
    words = _argv(manifest, "decode", interpreter, str(inside / "code"))
    mounts = replace(_decode_mounts(manifest, interpreter, folder, device), inside=inside)
    argv = sandbox.wrap(level, mounts, [*words, "job.json"])
    walled = level != "none"
    env = clean_environment(
        manifest,
        code=str(inside / "code"),
        home=str(inside / "work") if walled else str(folder / "home"),
        temporary="/tmp" if walled else str(folder / "tmp"),
        threads=threads,
        device=device,
    )
    env |= around.variables
    if around.ffmpeg_options and "ffmpeg" in manifest.tools:
        wrapper = _ffmpeg_with(around.ffmpeg_options, folder / "code")
        env["FFMPEG"] = str(inside / "code" / wrapper)
    limits = _limits(manifest, "decode", order.file_bytes + _SLACK_BYTES)
    outcome = run_bounded(argv, cwd=folder / "work", env=env, log=log, limits=limits)
    if outcome.failure:
        raise _fail(manifest, "decode", outcome, log, device=device)
    decoded = {}
    for view, layout in order.formats.items():
        path = order.file(folder / "work", view)
        check_decoded(manifest, path, layout, view)
        decoded[view] = RawVideo(path, layout)
    command = shlex.join(manifest.commands["decode"]) + " job.json"
    return VerbRun(outcome, level, device, command, _notes(folder / "work")), decoded
