"""From test conditions and codec folders to a plan: every fit and point, resolved and keyed."""

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from invrbench.codec.closure import verb_digest
from invrbench.codec.environment import environment_digest
from invrbench.codec.manifest import Manifest, Verb, find_codecs, read_manifest
from invrbench.codec.settings import VENV, read_setting
from invrbench.ctc.conditions import Conditions, Grid, find_conditions, load_conditions
from invrbench.ctc.names import suggest
from invrbench.ctc.selection import Selection
from invrbench.ctc.sequences import (
    Sequence,
    SequenceRef,
    load_paths,
    load_sequences,
    resolve,
)
from invrbench.digest import digest_tree, digest_value, md5_file
from invrbench.errors import ConditionsError, InputError, ManifestError
from invrbench.metrics.families import FAMILIES, RENDER, VIEW, family_digest
from invrbench.results.drift import FAMILY
from invrbench.results.paths import FitAddress, PointAddress
from invrbench.results.plan import CONDITIONS, Fit, Plan, Point, codec_roots
from invrbench.results.renders import with_renders
from invrbench.results.sources import Source
from invrbench.video.scenes import ResolvedScene


def _verb_key(manifest: Manifest, verb: Verb, given: Mapping[str, Any]) -> str:
    """Digest of what a verb depends on: its job, threads, code closure and environment."""
    return digest_value(
        {
            "verb": verb,
            "threads": manifest.resources_of(verb).threads,
            "code": verb_digest(manifest, verb),
            "environment": environment_digest(manifest),
            **given,
        }
    )


def _brought(manifest: Manifest, what: str, address: PointAddress | FitAddress) -> Path | None:
    base = manifest.folder / what / address.sequence / address.configuration
    if isinstance(address, PointAddress):
        path = base / f"{address.rate_point}.bin"
        return path if path.is_file() else None
    path = base / address.fit
    return path if path.is_dir() else None


def plan_fit(
    manifest: Manifest, source: Source, address: FitAddress, names: tuple[str, ...]
) -> Fit:
    """The fit at an address, with its parameters and key resolved."""
    brought = _brought(manifest, "models", address)
    if brought is not None:
        key = digest_value({"brought": digest_tree(brought)})
        return Fit(address, manifest, source, {}, brought, key)
    parameters = manifest.fit_parameters(
        address.fit, budget=address.budget, sequence=address.sequence, names=names
    )
    given = {
        "source": source.identity(),
        "configuration": address.configuration,
        "fit": address.fit,
        "parameters": parameters,
        "budget": address.budget,
        "seed": address.seed,
    }
    key = _verb_key(manifest, "fit", given) if "fit" in manifest.commands else ""
    return Fit(address, manifest, source, parameters, None, key)


def _with_keys(point: Point, families: Iterable[str]) -> Point:
    """The point with the key of each step, or with the reason why it cannot be run."""
    manifest, source, fit = point.manifest, point.source, point.fit
    brought = _brought(manifest, "bitstreams", point.address)
    missing = source.availability()
    encode_key = ""
    if brought is not None:
        encode_key = digest_value({"brought": md5_file(brought)})
    elif "encode" not in manifest.commands:
        missing = missing or f"no bitstream was brought for {point.address.sequence}"
    else:
        given = {
            "source": source.identity(),
            "configuration": point.address.configuration,
            "parameters": point.parameters,
            "fit": fit.key if fit else None,
            "seed": point.address.seed,
        }
        encode_key = _verb_key(manifest, "encode", given)
    if fit is not None and not fit.key:
        missing = missing or f"no model was brought for fit {fit.address.fit}"
    asked = {"render": [view.to_json() for view in point.rendered]} if point.rendered else {}
    decode_key = _verb_key(manifest, "decode", {"encode": encode_key, **asked})
    measured = {"decode": decode_key, "source": source.identity()}
    return replace(
        point,
        brought=brought,
        encode_key=encode_key,
        decode_key=decode_key,
        family_keys={
            name: digest_value({**measured, "code": family_digest(name)}) for name in families
        },
        missing=missing,
    )


@dataclass(frozen=True)
class _Block:
    """One sequence in one configuration, for one codec."""

    ref: SequenceRef
    configuration: str
    manifest: Manifest
    grids: tuple[Grid, ...] | None


def _one_codec(root: Path, codec: str) -> dict[str, Manifest]:
    """The manifest of one codec, so that a single verb reads no other folder.

    Raises:
        ConditionsError: no folder holds it.
    """
    for folder in (base / codec.partition("+")[0] for base in codec_roots(root)):
        if (folder / "codec.toml").is_file():
            return {name: m for name, m in read_manifest(folder).items() if name == codec}
    raise ConditionsError(f"no folder holds the codec {codec!r}.")


def _blocks(
    conditions: Conditions,
    codecs: Mapping[str, Manifest],
    at: PointAddress | FitAddress | None,
) -> list[_Block]:
    """The cross products the conditions ask for, in their order, or those at one address.

    Raises:
        ConditionsError: a codec that no folder holds.
    """
    joined = [m.codec for m in codecs.values() if conditions.name in m.joins and not m.variant]
    blocks: dict[tuple[str, str, str, str], _Block] = {}
    for test in conditions.tests:
        for name in test.codecs:
            if at is None and name not in codecs:
                raise ConditionsError(
                    f"ctc/{conditions.name}.yaml names the codec {name!r}, which no folder "
                    f"holds; {suggest(name, codecs)}."
                )
        wanted = [ref for ref in test.sequences if at is None or str(ref) == at.sequence]
        for ref, configuration in itertools.product(wanted, test.configurations):
            for name in dict.fromkeys((*test.codecs, *joined)):
                if at is not None and name != at.codec:
                    continue
                manifest, grids = codecs[name], test.grids.get(name)
                own = "any" if manifest.configurations == ("any",) else configuration
                block = _Block(ref, own, manifest, grids)
                blocks.setdefault((str(ref), own, name, str(grids)), block)
    return list(blocks.values())


def _why_skipped(block: _Block, source: Source) -> str | None:
    video = source.format
    return block.manifest.unsupported(
        track=source.track,
        configuration=block.configuration,
        pixel_format=video.pixel_format,
        frames=video.frames,
        min_side=min(video.width, video.height),
    )


def _points_of(
    block: _Block, source: Source, sequence: Sequence, conditions: Conditions, seeds: int
) -> Iterator[Point]:
    """Every expected point of a block."""
    manifest, name, budget = block.manifest, str(block.ref), conditions.budget
    skipped = _why_skipped(block, source)
    for rate_point in manifest.rate_points(budget, block.grids):
        is_pictured = any(
            each.shows(sequence=name, codec=manifest.codec, rate_point=rate_point.id)
            for each in conditions.pictures
        )
        for seed in range(seeds if rate_point.fit else 1):
            point = Point(
                PointAddress(name, manifest.codec, block.configuration, rate_point.id, seed),
                block.ref,
                sequence.sequence_class,
                manifest,
                source,
                rate_point,
                skipped=skipped,
                keep_decoded=conditions.keep_decoded or is_pictured,
            )
            if skipped:
                yield point
                continue
            if rate_point.fit:
                where = FitAddress(
                    name, manifest.codec, block.configuration, rate_point.fit, budget, seed
                )
                split = str(replace(block.ref, cut=None))
                names = tuple(dict.fromkeys((sequence.sequence_class, sequence.id, split, name)))
                point = replace(point, fit=plan_fit(manifest, source, where, names))
            elsewhere = {RENDER} if source.track == "multiview" else {RENDER, VIEW}
            families = [name for name in conditions.families if name not in elsewhere]
            yield _with_keys(point, families)


def load_plan(
    root: Path,
    conditions: str = "mini",
    *,
    only: str = "",
    label: str = "",
    seeds: int | None = None,
    at: PointAddress | FitAddress | None = None,
) -> Plan:
    """What a run under these test conditions is expected to hold.

    Args:
        root: the repository.
        conditions: name of a file under ctc/.
        only: selection ``codecs/sequences/points``, see :class:`Selection`.
        label: sub-folder of the report.
        seeds: training seeds, instead of the conditions' own number.
        at: resolve nothing but this codec on this sequence (for a single verb).

    Raises:
        InputError: conditions, a sequence entry, a manifest or the selection is unusable.
    """
    sequences = load_sequences(root / CONDITIONS / "sequences")
    loaded = load_conditions(find_conditions(root / CONDITIONS, conditions), sequences)
    _check_families(loaded)
    _check_drift(loaded)
    here = load_paths(root)
    selection = Selection.parse(only) if only else Selection()
    codecs = find_codecs(codec_roots(root)) if at is None else _one_codec(root, at.codec)
    blocks = _blocks(loaded, codecs, at)
    count = loaded.seeds if seeds is None else seeds
    every: list[Point] = []
    published: dict[str, Manifest] = {}
    sources: dict[str, Source] = {}
    for block in blocks:
        if block.manifest.role == "published":
            published[block.manifest.codec] = block.manifest
            continue
        name = str(block.ref)
        if name not in sources:
            sources[name] = resolve(block.ref, sequences, here)
        sequence = sequences[block.ref.sequence]
        every += _points_of(block, sources[name], sequence, loaded, count)
    every = _each_once(every)
    if at is None:
        _check_pictures(loaded, every)
    chosen = every if at is not None else _choose(every, selection)
    if RENDER in loaded.families:
        chosen = with_renders(chosen, loaded, is_filtered=selection != Selection())
    kept = {point.address for point in chosen}
    wanted = {point.address.sequence for point in chosen}
    references = tuple(
        point
        for point in every
        if point.address not in kept
        and point.manifest.role == "anchor"
        and point.address.sequence in wanted
    )
    return Plan(
        root, loaded, selection, label, tuple(chosen), references, tuple(published.values())
    )


def _choose(points: list[Point], selection: Selection) -> list[Point]:
    def names(point: Point) -> tuple[str, str, str]:
        return point.address.codec, point.address.sequence, point.address.rate_point

    kept = set(selection.choose(names(point) for point in points))
    return [point for point in points if names(point) in kept]


def _check_pictures(conditions: Conditions, points: list[Point]) -> None:
    """Refuse pictures of points that nobody plans, and of views that a scene does not have.

    Raises:
        ConditionsError: names the picture and the nearest rate points or the views.
    """
    for picture in conditions.pictures:
        here = f"ctc/{conditions.name}.yaml: the picture {picture.name}"
        planned = [point for point in points if point.address.sequence == picture.sequence]
        source = planned[0].source
        views = {v.id: v for v in source.views} if isinstance(source, ResolvedScene) else {}
        if views and picture.view not in views:
            raise ConditionsError(
                f"{here}: {picture.sequence} has no view {picture.view}; "
                f"{suggest(picture.view, views)}."
            )
        if views and max(picture.instants) >= (held := len(views[picture.view].times)):
            raise ConditionsError(
                f"{here} shows instant {max(picture.instants)} of view {picture.view}, which has "
                f"{held} of {picture.sequence}; take instants 0 to {held - 1}."
            )
        for codec, pattern in picture.points.items():
            known = [p.address.rate_point for p in planned if p.address.codec == codec]
            if not any(fnmatchcase(each, pattern) for each in known):
                raise ConditionsError(
                    f"{here}: no rate point of {codec} on {picture.sequence} is called "
                    f"{pattern!r}; {suggest(pattern, known)}."
                )


def _check_families(conditions: Conditions) -> None:
    for family in conditions.families:
        if family not in FAMILIES:
            raise ConditionsError(
                f"ctc/{conditions.name}.yaml: families has {family!r}; use {', '.join(FAMILIES)}."
            )


def _check_drift(conditions: Conditions) -> None:
    """Refuse settings that do not exist or name a folder of one machine, and drift without PSNR."""
    here = f"ctc/{conditions.name}.yaml: drift"
    for name in conditions.drift:
        if name.startswith(VENV):
            raise ConditionsError(
                f"{here} has {name!r}, which names a folder of one machine; type it after "
                "`invrbench drift --settings`."
            )
        try:
            read_setting(name)
        except InputError as problem:
            raise ConditionsError(f"{here}: {problem}") from None
    if conditions.drift and FAMILY not in conditions.families:
        raise ConditionsError(f"{here} needs the family {FAMILY}, whose PSNR is compared; add it.")


def _each_once(points: Iterable[Point]) -> list[Point]:
    """Points by folder; the same id with other parameters is refused.

    Raises:
        ManifestError: two definitions of one id (case does not count).
    """
    seen: dict[str, Point] = {}
    for point in points:
        other = seen.setdefault(point.address.folder.as_posix().lower(), point)
        if (other.encode_key, other.address) != (point.encode_key, point.address):
            raise ManifestError(
                f"{point.manifest.path}: {point.address.folder} is defined twice, with different "
                "parameters; rename one rate point."
            )
    return list(seen.values())
