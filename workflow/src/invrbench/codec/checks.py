"""What every codec folder is held to: named checks of the folder, and of each track it serves."""

import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from invrbench.codec.closure import verb_files
from invrbench.codec.constants import constants_of
from invrbench.codec.environment import interpreter_of
from invrbench.codec.footage import SceneFootage, Track
from invrbench.codec.manifest import BUDGETS
from invrbench.codec.notes import attributed_bytes, noted_parameters
from invrbench.codec.runner import decoder_digests
from invrbench.codec.trial import (
    BASE,
    PATIENCE_FACTOR,
    PATIENCE_SECONDS,
    Decoded,
    NotApplicable,
    Trial,
    first_rate_point,
)
from invrbench.errors import ContractError, LimitError, ManifestError
from invrbench.outside import read_table
from invrbench.video.ffmpeg import find_ffmpeg
from invrbench.video.format import PIXEL_FORMATS, VideoFormat

SLOW_SECONDS = 1.5  # a decoder slower than this sees fewer damaged bitstreams
ELSEWHERE = Path("/another/place")  # where the second decoder finds itself
REFUSED, OTHER, SAME = "refused", "to another picture", "to the same picture"


@dataclass(frozen=True)
class Check:
    """Gives a remark or raises; ``track`` is None where a trial of any track will do."""

    judge: Callable[[Trial], str]
    track: Track | None


CHECKS: dict[str, Check] = {}  # by name, in the order they run within the folder or a track
SCENE = "scene-"  # opens the names of the checks on a scene
BOTH: tuple[Track | None, ...] = ("video", "multiview")


def _check(
    name: str, tracks: tuple[Track | None, ...] = BOTH
) -> Callable[[Callable[[Trial], str]], Callable[[Trial], str]]:
    def register(judge: Callable[[Trial], str]) -> Callable[[Trial], str]:
        for track in tracks:
            CHECKS[SCENE * (track == "multiview") + name] = Check(judge, track)
        return judge

    return register


# ---- the folder


@_check("manifest", (None,))
def manifest_resolves(trial: Trial) -> str:
    """Every verb's files are there, every rate point has an id and its fit's parameters."""
    manifest = trial.manifest
    for verb in manifest.commands:
        verb_files(manifest, verb)  # type: ignore[arg-type]
    counts = {len(manifest.rate_points(budget)) for budget in BUDGETS}
    first_rate_point(manifest)
    return counted(max(counts), "rate point")


@_check("environment", (None,))
def environment_builds(trial: Trial) -> str:
    """The interpreter is there or can be built, and so are the tools."""
    interpreter_of(trial.manifest)
    if "ffmpeg" in trial.manifest.tools:
        return f"ffmpeg {find_ffmpeg().version}"
    return ""


@_check("learned-bytes", (None,))
def learned_bytes_are_declared(trial: Trial) -> str:
    """What a Python decoder owns beside code counts as learned, unless declared.

    Data files count, and so do modules with more constants than code needs.
    """
    manifest = trial.manifest
    if not any(word.endswith(".py") for word in manifest.commands["decode"]):
        raise NotApplicable("the decoder is no Python script")
    files = verb_files(manifest, "decode")
    held = {name: p.stat().st_size for name, p in files.items() if p.suffix != ".py"}
    modules = {path: name for name, path in files.items() if path.suffix == ".py"}
    for path, constants in constants_of(modules).items():
        if constants.is_much:
            where = f"{modules[path]} (line {constants.line})"
            held[where] = constants.data_bytes + constants.text_bytes
    claimed, most = manifest.learned_bytes, sum(path.stat().st_size for path in files.values())
    if claimed > most:
        raise ContractError(
            f"{manifest.path}: [decoder].learned_bytes is {claimed}, but the decoder's files are "
            f"{most} bytes together; correct it."
        )
    if sum(held.values()) > claimed:
        raise ContractError(
            f"{manifest.path}: [decoder].learned_bytes is {claimed}, but {', '.join(sorted(held))} "
            f"hold {sum(held.values())} bytes that are no code; declare them."
        )
    return f"{claimed} bytes" if claimed else ""


@_check("expected", (None,))
def expected_table_is_readable(trial: Trial) -> str:
    """The table named by [claims].expected has a header and whole rows."""
    name = trial.manifest.claims.get("expected")
    if name is None:
        raise NotApplicable("claims no expected values")
    return counted(len(rows_of(trial.manifest.folder / name)), "row")


# ---- the verbs, on a clip or a scene


@_check("fit")
def fit_leaves_a_model(trial: Trial) -> str:
    """Fit ends well and leaves files in model/."""
    if "encode" not in trial.manifest.commands:
        raise NotApplicable("its bitstreams are brought")
    if trial.fit(BASE, trial.base_format(), trial.configuration) is None:
        raise NotApplicable("nothing to train")
    return f"budget {first_rate_point(trial.manifest)[1]}"


@_check("encode")
def encode_leaves_a_bitstream(trial: Trial) -> str:
    """Encode leaves one regular file, neither empty nor a pickle nor a zip."""
    stream = trial.base_stream()
    brought = "brought, " * ("encode" not in trial.manifest.commands)
    return f"{brought}{stream.path.stat().st_size} bytes for {stream.told}"


@_check("decoder-unchanged")
def decoder_does_not_grow_with_the_content(trial: Trial) -> str:
    """Fit and encode leave the decoder's files alone."""
    if "encode" not in trial.manifest.commands:
        raise NotApplicable("its bitstreams are brought")
    trial.base_stream()
    before = trial.decoder_before()
    changed = {name for name, _ in before.items() ^ decoder_digests(trial.manifest).items()}
    if changed:
        raise ContractError(
            f"{trial.manifest.codec}: fit or encode changed {', '.join(sorted(changed))}, which "
            "the decoder owns; what depends on the content belongs in the bitstream."
        )
    return counted(len(before), "file")


@_check("byte-shares")
def every_byte_is_attributed(trial: Trial) -> str:
    """What encode says of where its bytes went adds up to the size of the bitstream."""
    stream = trial.base_stream()
    size = stream.path.stat().st_size
    told = attributed_bytes(stream.notes)
    if not told:
        raise NotApplicable("encode says nothing of where its bytes go (notes.json, bytes)")
    for name, total in told.items():
        if total != size:
            raise ContractError(
                f"{trial.manifest.codec}: {name} of encode's notes.json adds up to {total} bytes, "
                f"but the bitstream has {size}; attribute every byte, and none twice."
            )
    return ", ".join(told)


@_check("decode")
def decode_gives_the_frames(trial: Trial) -> str:
    """Decode writes exactly the frames asked for after source, fit and encode folders are gone."""
    return f"{trial.base_decoded().seconds:.1f} s"


@_check("isolation")
def decode_runs_inside_walls(trial: Trial) -> str:
    """Decode starts inside the sandbox of this machine."""
    level = trial.base_decoded().level
    if level == "none":
        raise NotApplicable("this machine has no sandbox: see `invrbench doctor`")
    return level


@_check("parameters")
def decoder_builds_what_was_coded(trial: Trial) -> str:
    """The number of values that fit and encode report is the number that decode built."""
    stream, decoded = trial.base_stream(), trial.base_decoded()
    fitted = trial.fit_notes.get(BASE, {})
    notes = {"fit": fitted, "encode": stream.notes, "decode": decoded.notes}
    told = {verb: noted_parameters(said) for verb, said in notes.items()}
    counts = {verb: count for verb, count in told.items() if count is not None}
    if len(set(counts.values())) > 1:
        words = ", ".join(f"{verb} says {count}" for verb, count in counts.items())
        raise ContractError(
            f"{trial.manifest.codec}: {words} parameters in notes.json; the model that is coded "
            "and the one that is built must be the same."
        )
    for verb in ("encode", "decode"):
        if verb not in counts:
            raise NotApplicable(f"{verb} says nothing of its parameters (notes.json, parameters)")
    return f"{counts['decode']}"


@_check("decode-twice")
def two_decodes_agree(trial: Trial) -> str:
    """A second decode gives the same bytes: in another folder, by code without its comments."""
    stream, first = trial.base_stream(), trial.base_decoded()
    try:
        second = trial.decode(stream, inside=ELSEWHERE, is_bare=True)
    except ContractError as error:
        _require_no_need_of_comments(trial, first, error)
        raise
    if second.md5s != first.md5s:
        _require_no_need_of_comments(trial, first, None)
    for view, md5 in first.md5s.items():
        if second.md5s[view] != md5:
            raise ContractError(
                f"{trial.manifest.codec}: two decodes of one bitstream gave md5 {md5} and "
                f"{second.md5s[view]}{_of(view)}; seed or remove what is random, and do not "
                "depend on the folder."
            )
    return ""


def _require_no_need_of_comments(trial: Trial, first: Decoded, cause: ContractError | None) -> None:
    """Refuse a decoder that differs with its comments and docstrings, which no key sees.

    Raises:
        ContractError: it decodes as it did the first time as soon as it has them.
    """
    again = trial.decode(trial.base_stream(), inside=ELSEWHERE)
    if again.md5s == first.md5s:
        raise ContractError(
            f"{trial.manifest.codec}: without its comments and docstrings the decoder does not "
            "give the same frames; they are no place for what it needs."
        ) from cause


@_check("claims")
def claim_of_decoding_holds(trial: Trial) -> str:
    """One thread and several give the bytes of the ordinary number, where a manifest claims so."""
    manifest = trial.manifest
    claim, own = manifest.claims.get("decode"), manifest.resources_of("decode").threads
    if claim is None:
        raise NotApplicable("claims nothing of decoding")
    first = trial.base_decoded()
    others = sorted({1, max(2, len(os.sched_getaffinity(0)))} - {own})
    for threads in others:
        second = trial.decode(trial.base_stream(), threads=threads)
        for view, md5 in first.md5s.items():
            if second.md5s[view] != md5:
                raise ContractError(
                    f'{manifest.codec}: [claims].decode is "{claim}", but {own} and '
                    f"{counted(threads, 'thread')} gave md5 {md5} and {second.md5s[view]}"
                    f"{_of(view)}; make decoding independent of the number of threads, or drop "
                    "the claim."
                )
    return f"{claim}: {', '.join(map(str, sorted({own, *others})))} threads"


@_check("encode-twice")
def two_encodes_agree(trial: Trial) -> str:
    """A second encode with the same seed and model gives the same bitstream, unless not claimed."""
    if "encode" not in trial.manifest.commands:
        raise NotApplicable("its bitstreams are brought")
    if trial.manifest.claims.get("encode") == "not repeatable":
        raise NotApplicable("the manifest says encoding is not repeatable")
    first = trial.base_stream()
    second = trial.encode(BASE, trial.base_format(), trial.configuration, again=True)
    if first.path.read_bytes() != second.path.read_bytes():
        raise ContractError(
            f"{trial.manifest.codec}: two encodes with one seed differ ({first.path.stat().st_size}"
            f" and {second.path.stat().st_size} bytes); seed what is random, or write "
            '[claims].encode = "not repeatable".'
        )
    return ""


# ---- damaged bitstreams


def _damaged(trial: Trial, damaged: list[bytes]) -> str:
    """Decode damaged streams; each must end in time, in an error or in some picture.

    Raises:
        LimitError: one did not end.
        ContractError: nothing that is done to the bitstream changes the picture.
    """
    counts = Counter(_ending(trial, data) for data in damaged)
    if counts[SAME] == len(damaged):
        inverted = bytes(255 - byte for byte in trial.base_stream().path.read_bytes())
        if _ending(trial, inverted) == SAME:
            raise ContractError(
                f"{trial.manifest.codec}: every damaged bitstream decodes to the same picture, "
                "even one whose bits are all inverted: the picture is not in the bitstream."
            )
    return ", ".join(f"{counts[end]} {end}" for end in (REFUSED, OTHER, SAME) if counts[end])


def _ending(trial: Trial, data: bytes) -> str:
    """How decoding a damaged stream ends.

    Raises:
        LimitError: it was stopped, and not for writing too much.
    """
    sound = trial.base_decoded()
    path = trial.folder / "damaged.bin"
    path.write_bytes(data)
    patience = max(PATIENCE_SECONDS, PATIENCE_FACTOR * sound.seconds)
    try:
        decoded = trial.decode(replace(trial.base_stream(), path=path), patience=patience)
    except LimitError as error:
        first = str(error).splitlines()[0]
        if "after writing" not in first and "after printing" not in first:
            raise
        return REFUSED
    except ContractError:
        return REFUSED
    return SAME if decoded.md5s == sound.md5s else OTHER


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
    """Fit, encode and decode footage of another layout."""
    if "encode" not in trial.manifest.commands:
        raise NotApplicable("its bitstreams are brought")
    trial.base_decoded()
    configuration = configuration or trial.configuration
    why = trial.unserved(layout, configuration)
    if why:
        raise NotApplicable(why)
    stream = trial.encode(name, layout, configuration)
    trial.decode(stream)
    return stream.told


def _first_format(trial: Trial, wanted: Callable[[tuple[int, int, int]], bool]) -> str | None:
    served = trial.manifest.pixel_formats
    return next((name for name in served if wanted(PIXEL_FORMATS[name])), None)


@_check("one-frame")
def one_frame_is_coded(trial: Trial) -> str:
    """A single picture, or a scene of one instant."""
    if trial.base_format().frames == 1:
        raise NotApplicable("is what the other checks code")
    return _also_codes(trial, "one frame", trial.base_format().with_frames(1))


@_check("odd-size")
def odd_sizes_are_coded(trial: Trial) -> str:
    """Odd width and height, where a format without chroma subsampling is served."""
    name = _first_format(trial, lambda held: held[1:] == (0, 0))
    if name is None:
        raise NotApplicable("serves no format without chroma subsampling")
    return _also_codes(trial, "odd size", trial.layout(name, frames=2, odd=True))


@_check("ten-bit")
def ten_bits_are_coded(trial: Trial) -> str:
    """10 bits a sample, where served."""
    name = _first_format(trial, lambda held: held[0] > 8)
    if name is None:
        raise NotApplicable("serves 8 bits a sample only")
    return _also_codes(trial, "ten bit", trial.layout(name, frames=2))


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


# ---- cameras


@_check("views-apart", ("multiview",))
def views_do_not_depend_on_each_other(trial: Trial) -> str:
    """The same views in another order give the same files."""
    stream, first = trial.base_stream(), trial.base_decoded()
    if len(first.md5s) == 1:
        raise NotApplicable("there is one view to render")
    second = trial.decode(stream, order=stream.order.backwards)
    for view, md5 in first.md5s.items():
        if second.md5s[view] != md5:
            raise ContractError(
                f"{trial.manifest.codec}: view {view} is another one when the views are asked for "
                f"in the order {', '.join(second.md5s)}; render each view by itself."
            )
    return f"{', '.join(second.md5s)} as {', '.join(first.md5s)}"


@_check("free-camera", ("multiview",))
def any_camera_is_rendered(trial: Trial) -> str:
    """A camera that no source view has, at the last instant alone."""
    if trial.manifest.renders == "coded-views":
        raise NotApplicable("renders coded views only")
    if "encode" not in trial.manifest.commands:
        raise NotApplicable("its bitstreams are brought")
    trial.base_decoded()
    assert isinstance(trial.footage, SceneFootage)
    order = trial.footage.order_between(trial.base_format())
    trial.decode(trial.base_stream(), order=order)
    (camera,) = order.render
    return f"between two train views, at time {camera['times'][0]:g}"


# ---- words and tables


def _of(view: str) -> str:
    return f" of view {view}" if view else ""


def counted(count: int, what: str) -> str:
    """A number of things: ``1 row``, ``2 rows``."""
    return f"{count} {what}" + "s" * (count != 1)


def rows_of(path: Path) -> list[dict[str, str]]:
    """Rows of a table that a codec folder brings.

    Raises:
        ManifestError: absent, no table, or without rows.
    """
    where = f"{path.parent.name}/{path.name}"
    if not path.is_file():
        raise ManifestError(f"{where} does not exist, but the manifest names it.")
    try:
        _, rows = read_table(path)
    except ValueError as error:
        raise ManifestError(f"{where} is no table, tab-separated, in UTF-8: {error}.") from None
    if not rows:
        raise ManifestError(f"{where} holds no row; expected a header and rows, tab-separated.")
    return rows
