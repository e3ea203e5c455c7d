"""The conformance suite: what every codec folder is held to, one named check after another."""

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from invrbench.codec.closure import verb_files
from invrbench.codec.environment import interpreter_of
from invrbench.codec.manifest import BUDGETS, Manifest, read_manifest
from invrbench.codec.trial import (
    PATIENCE_FACTOR,
    PATIENCE_SECONDS,
    DeviceOf,
    NotApplicable,
    Stream,
    Trial,
    first_rate_point,
)
from invrbench.errors import ContractError, InvrError, LimitError, ManifestError
from invrbench.video.ffmpeg import find_ffmpeg
from invrbench.video.format import PIXEL_FORMATS, RawVideo, VideoFormat

Mark = Literal["✓", "–", "✗"]
PASSED: Mark = "✓"
SKIPPED: Mark = "–"
FAILED: Mark = "✗"

SLOW_SECONDS = 1.5  # a decoder slower than this sees fewer damaged bitstreams
ODD_WIDTH, ODD_HEIGHT = 97, 65
PUBLISHED_COLUMNS = ("sequence", "rate_point")


@dataclass(frozen=True)
class Verdict:
    """What one check says of one codec; ``reason`` is a remark, a why-not, or the fault."""

    codec: str
    check: str
    mark: Mark
    reason: str = ""


Check = Callable[[Trial], str]
CHECKS: dict[str, Check] = {}  # in the order they run; each gives a remark or raises


def _check(name: str) -> Callable[[Check], Check]:
    def register(function: Check) -> Check:
        CHECKS[name] = function
        return function

    return register


# ---- the folder


@_check("manifest")
def manifest_resolves(trial: Trial) -> str:
    """Every verb's files are there, every rate point has an id and its fit's parameters."""
    manifest = trial.manifest
    for verb in manifest.commands:
        verb_files(manifest, verb)  # type: ignore[arg-type]
    counts = {len(manifest.rate_points(budget)) for budget in BUDGETS}
    first_rate_point(manifest)
    return _counted(max(counts), "rate point")


@_check("environment")
def environment_builds(trial: Trial) -> str:
    """The interpreter is there or can be built, and so are the tools."""
    interpreter_of(trial.manifest)
    if "ffmpeg" in trial.manifest.tools:
        return f"ffmpeg {find_ffmpeg().version}"
    return ""


@_check("learned-bytes")
def learned_bytes_are_declared(trial: Trial) -> str:
    """What a Python decoder owns beside code counts as learned, unless declared."""
    manifest = trial.manifest
    if not any(word.endswith(".py") for word in manifest.commands["decode"]):
        raise NotApplicable("the decoder is no Python script")
    data = {name: p for name, p in verb_files(manifest, "decode").items() if p.suffix != ".py"}
    held = sum(path.stat().st_size for path in data.values())
    if held > manifest.learned_bytes:
        raise ContractError(
            f"{manifest.path}: [decoder].learned_bytes is {manifest.learned_bytes}, but "
            f"{', '.join(sorted(data))} hold {held} bytes that are no code; declare them."
        )
    return f"{manifest.learned_bytes} bytes" if manifest.learned_bytes else ""


@_check("expected")
def expected_table_is_readable(trial: Trial) -> str:
    """The table named by [claims].expected has a header and whole rows."""
    name = trial.manifest.claims.get("expected")
    if name is None:
        raise NotApplicable("claims no expected values")
    return _counted(len(read_table(trial.manifest.folder / name)), "row")


# ---- the verbs, on a clip


@_check("fit")
def fit_leaves_a_model(trial: Trial) -> str:
    """Fit ends well and leaves files in model/."""
    if "encode" not in trial.manifest.commands:
        raise NotApplicable("its bitstreams are brought")
    if trial.fit("the clip", trial.base_format(), trial.configuration) is None:
        raise NotApplicable("nothing to train")
    return f"budget {first_rate_point(trial.manifest)[1]}"


@_check("encode")
def encode_leaves_a_bitstream(trial: Trial) -> str:
    """Encode leaves one regular file, neither empty nor a pickle nor a zip."""
    stream = trial.base_stream()
    brought = "brought, " * ("encode" not in trial.manifest.commands)
    return f"{brought}{stream.path.stat().st_size} bytes for {_described(stream.format)}"


@_check("decode")
def decode_gives_the_frames(trial: Trial) -> str:
    """Decode writes exactly the source's frames after source, fit and encode folders are gone."""
    return f"{trial.base_decoded().seconds:.1f} s"


@_check("isolation")
def decode_runs_inside_walls(trial: Trial) -> str:
    """Decode starts inside the sandbox of this machine."""
    level = trial.base_decoded().level
    if level == "none":
        raise NotApplicable("this machine has no sandbox: see `invrbench doctor`")
    return level


@_check("decode-twice")
def two_decodes_agree(trial: Trial) -> str:
    """A second decode, in another folder, gives the same bytes."""
    first, second = trial.base_decoded(), trial.decode(trial.base_stream())
    if first.md5 != second.md5:
        raise ContractError(
            f"{trial.manifest.codec}: two decodes of one bitstream gave md5 {first.md5} and "
            f"{second.md5}; seed or remove what is random."
        )
    return ""


@_check("encode-twice")
def two_encodes_agree(trial: Trial) -> str:
    """A second encode with the same seed and model gives the same bitstream, unless not claimed."""
    if "encode" not in trial.manifest.commands:
        raise NotApplicable("its bitstreams are brought")
    if trial.manifest.claims.get("encode") == "not repeatable":
        raise NotApplicable("the manifest says encoding is not repeatable")
    first = trial.base_stream()
    second = trial.encode("the clip", trial.base_format(), trial.configuration, again=True)
    if first.path.read_bytes() != second.path.read_bytes():
        raise ContractError(
            f"{trial.manifest.codec}: two encodes with one seed differ ({first.path.stat().st_size}"
            f" and {second.path.stat().st_size} bytes); seed what is random, or write "
            '[claims].encode = "not repeatable".'
        )
    return ""


# ---- damaged bitstreams


def _damaged(trial: Trial, damaged: list[bytes]) -> str:
    """Decode damaged streams; each must end in time, in an error or in some picture."""
    stream, sound = trial.base_stream(), trial.base_decoded()
    patience = max(PATIENCE_SECONDS, PATIENCE_FACTOR * sound.seconds)
    path = trial.folder / "damaged.bin"
    errors = same = 0
    for data in damaged:
        path.write_bytes(data)
        try:
            same += trial.decode(Stream(path, stream.format), patience=patience).md5 == sound.md5
        except LimitError as error:
            if "after writing" not in str(error).splitlines()[0]:
                raise
            errors += 1
        except ContractError:
            errors += 1
    other = len(damaged) - errors - same
    told = {"refused": errors, "to another picture": other, "to the same picture": same}
    return ", ".join(f"{count} {text}" for text, count in told.items() if count)


def _places(trial: Trial, size: int) -> list[int]:
    """Where a bitstream is damaged: its header, its end and between; a slow codec's in the middle.

    Args:
        trial: the codec.
        size: bytes of the bitstream.
    """
    if trial.base_decoded().seconds > SLOW_SECONDS:
        return [size // 2]
    return sorted({min(4, size - 1), *(size * part // 5 for part in range(1, 5)), size - 1})


@_check("truncated")
def truncated_streams_end(trial: Trial) -> str:
    """Bitstreams cut short end in an error or some picture, within the limits."""
    data = trial.base_stream().path.read_bytes()
    return _damaged(trial, [data[:place] for place in _places(trial, len(data)) if place])


@_check("bit-flips")
def flipped_bits_end(trial: Trial) -> str:
    """Bitstreams with one wrong bit end in an error or another picture, within the limits."""
    data = trial.base_stream().path.read_bytes()
    damaged = []
    for index, place in enumerate(_places(trial, len(data))):
        flipped = bytearray(data)
        flipped[place] ^= 1 << (3 * index + 1) % 8
        damaged.append(bytes(flipped))
    return _damaged(trial, damaged)


# ---- other layouts


def _also_codes(trial: Trial, name: str, layout: VideoFormat, configuration: str = "") -> str:
    """Fit, encode and decode a clip of another layout."""
    if "encode" not in trial.manifest.commands:
        raise NotApplicable("its bitstreams are brought")
    trial.base_decoded()
    configuration = configuration or trial.configuration
    why = trial.unserved(layout, configuration)
    if why:
        raise NotApplicable(why)
    trial.decode(trial.encode(name, layout, configuration))
    return _described(layout)


def _first_format(trial: Trial, wanted: Callable[[tuple[int, int, int]], bool]) -> str | None:
    served = trial.manifest.pixel_formats
    return next((name for name in served if wanted(PIXEL_FORMATS[name])), None)


@_check("one-frame")
def one_frame_is_coded(trial: Trial) -> str:
    """A single picture."""
    if trial.base_format().frames == 1:
        raise NotApplicable("is what the other checks code")
    return _also_codes(trial, "one frame", trial.base_format().with_frames(1))


@_check("odd-size")
def odd_sizes_are_coded(trial: Trial) -> str:
    """Odd width and height, where a format without chroma subsampling is served."""
    name = _first_format(trial, lambda held: held[1:] == (0, 0))
    if name is None:
        raise NotApplicable("serves no format without chroma subsampling")
    base = trial.base_format()
    least = trial.manifest.min_size | 1
    layout = replace(
        base,
        pixel_format=name,
        width=max(ODD_WIDTH, least),
        height=max(ODD_HEIGHT, least),
        frames=min(base.frames, max(2, trial.manifest.min_frames)),
    )
    return _also_codes(trial, "odd size", layout)


@_check("ten-bit")
def ten_bits_are_coded(trial: Trial) -> str:
    """10 bits a sample, where served."""
    name = _first_format(trial, lambda held: held[0] > 8)
    if name is None:
        raise NotApplicable("serves 8 bits a sample only")
    base = trial.base_format()
    frames = min(base.frames, max(2, trial.manifest.min_frames))
    return _also_codes(trial, "ten bit", replace(base, pixel_format=name, frames=frames))


@_check("configurations")
def other_configurations_code(trial: Trial) -> str:
    """The configurations beside the one all other checks use."""
    others = trial.manifest.configurations[1:]
    if not others:
        raise NotApplicable(f"has one configuration, {trial.configuration}")
    coded, why = [], {}
    for name in others:
        try:
            _also_codes(trial, f"configuration {name}", trial.base_format(), name)
            coded.append(name)
        except NotApplicable as reason:
            why[name] = str(reason)
    if not coded:
        raise NotApplicable("; ".join(f"{name}: {text}" for name, text in why.items()))
    return ", ".join(coded)


# ---- running the suite


def _described(layout: VideoFormat) -> str:
    frames = _counted(layout.frames, "frame")
    return f"{frames} of {layout.width}x{layout.height} {layout.pixel_format}"


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" + "s" * (count != 1)


def read_table(path: Path) -> list[dict[str, str]]:
    """Rows of a tab-separated table; lines that begin with # are remarks.

    Raises:
        ManifestError: absent, without rows, or a row of another length than the header.
    """
    where = f"{path.parent.name}/{path.name}"
    if not path.is_file():
        raise ManifestError(f"{where} does not exist, but the manifest names it.")
    lines = path.read_text(encoding="utf-8").splitlines()
    cells = [line.split("\t") for line in lines if line.strip() and not line.startswith("#")]
    if len(cells) < 2:
        raise ManifestError(f"{where} holds no row; expected a header and rows, tab-separated.")
    header = cells[0]
    for row in cells[1:]:
        if len(row) != len(header):
            raise ManifestError(
                f"{where}: a row has {len(row)} cells, the header has {len(header)}: {row[:3]} …"
            )
    return [dict(zip(header, row, strict=True)) for row in cells[1:]]


def _published(manifest: Manifest) -> Verdict:
    """A published curve has nothing to run: its table is read."""
    try:
        rows = read_table(manifest.folder / "points.tsv")
        lacking = [name for name in PUBLISHED_COLUMNS if name not in rows[0]]
        if lacking:
            raise ManifestError(f"{manifest.folder.name}/points.tsv lacks {', '.join(lacking)}.")
    except ManifestError as error:
        return Verdict(manifest.codec, "manifest", FAILED, str(error))
    return Verdict(manifest.codec, "manifest", PASSED, f"published, {_counted(len(rows), 'point')}")


def _run(name: str, check: Check, trial: Trial) -> Verdict:
    codec = trial.manifest.codec
    try:
        verdict = Verdict(codec, name, PASSED, check(trial))
    except NotApplicable as reason:
        verdict = Verdict(codec, name, SKIPPED, str(reason))
    except InvrError as error:
        verdict = Verdict(codec, name, FAILED, str(error).removeprefix(f"{codec}: "))
    return _expected_to_fail(verdict) if trial.manifest.claims.get("caught_by") == name else verdict


def _expected_to_fail(verdict: Verdict) -> Verdict:
    """The verdict on a control that offends on purpose: it passes by being caught."""
    if verdict.mark == FAILED:
        caught = verdict.reason.splitlines()[0]
        return replace(verdict, mark=PASSED, reason=f"caught, as it should be: {caught}")
    return replace(verdict, mark=FAILED, reason="this offender was not caught by this check")


def check_manifest(
    manifest: Manifest,
    clip: RawVideo,
    *,
    root: Path,
    device_of: DeviceOf,
    only: tuple[str, ...] = tuple(CHECKS),
) -> Iterator[Verdict]:
    """Verdicts on one codec, as they come.

    Args:
        manifest: the codec.
        clip: real 8-bit 4:2:0 content, see :func:`invrbench.codec.clips.load_clip`.
        root: the repository, for the sequences of brought bitstreams.
        device_of: where a verb runs.
        only: names of the checks to run; an offender's end with the one it claims.
    """
    if manifest.role == "published":
        yield _published(manifest)
        return
    if "video" not in manifest.tracks:
        yield Verdict(manifest.codec, "manifest", SKIPPED, "codes no video")
        return
    claimed = manifest.claims.get("caught_by")
    if claimed is not None and (claimed not in CHECKS or manifest.role != "control"):
        why = "names no check" if claimed not in CHECKS else "is for controls"
        fault = f"{manifest.path}: [claims].caught_by {why}; checks are {', '.join(CHECKS)}."
        yield Verdict(manifest.codec, "manifest", FAILED, fault)
        return
    with tempfile.TemporaryDirectory(prefix="invrbench-check-") as name:
        trial = Trial(manifest, clip, root=root, folder=Path(name), device_of=device_of)
        for check in only:
            yield _run(check, CHECKS[check], trial)
            if check == claimed:
                return


def check_folder(
    folder: Path, clip: RawVideo, *, root: Path, device_of: DeviceOf, variant: str = ""
) -> Iterator[Verdict]:
    """Verdicts on a codec folder: its own codec, or the variant asked for."""
    codec = f"{folder.name}+{variant}" if variant else folder.name
    try:
        manifests = read_manifest(folder)
    except ManifestError as error:
        yield Verdict(codec, "manifest", FAILED, str(error))
        return
    if codec not in manifests:
        known = ", ".join(name for name in manifests if "+" in name) or "none"
        fault = f"{folder.name}/codec.toml has no variant {variant!r}; it has {known}."
        yield Verdict(codec, "manifest", FAILED, fault)
        return
    yield from check_manifest(manifests[codec], clip, root=root, device_of=device_of)
