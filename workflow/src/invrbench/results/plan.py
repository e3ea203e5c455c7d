"""Everything a run is expected to hold: fits and points with their keys, before anything runs."""

import functools
import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from invrbench.codec.closure import verb_digest
from invrbench.codec.environment import environment_digest
from invrbench.codec.manifest import Manifest, RatePoint, Verb, find_codecs, read_manifest
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
from invrbench.errors import ConditionsError, ManifestError
from invrbench.metrics.families import FAMILIES, RENDER, VIEW, family_digest
from invrbench.results.paths import FitAddress, PointAddress
from invrbench.results.sources import Source
from invrbench.video.format import VideoFormat
from invrbench.video.scenes import ResolvedScene, SceneView

CODEC_ROOTS = (Path("anchors"), Path("proposals"), Path("tests/codecs"))
CONDITIONS = Path("ctc")


@dataclass(frozen=True)
class Fit:
    """One model to be trained (or brought): its address, what it is given, and its key."""

    address: FitAddress
    manifest: Manifest
    source: Source
    parameters: Mapping[str, Any]
    brought: Path | None
    key: str


@dataclass(frozen=True)
class Point:
    """One point of a curve: its address, what it is given, and the key of each step.

    ``skipped`` and ``missing`` say why nothing is run for it. ``uncompressed`` is the point whose
    render the family ``render`` holds this one's against.
    """

    address: PointAddress
    ref: SequenceRef
    sequence_class: str
    manifest: Manifest
    source: Source
    rate_point: RatePoint
    fit: Fit | None = None
    brought: Path | None = None
    encode_key: str = ""
    decode_key: str = ""
    family_keys: Mapping[str, str] = field(default_factory=dict)
    skipped: str | None = None
    missing: str | None = None
    keep_decoded: bool = False
    uncompressed: "Point | None" = None

    @property
    def parameters(self) -> dict[str, Any]:
        """Parameters encode is given: the manifest's constants beneath the rate point's."""
        return {**self.manifest.parameters, **self.rate_point.parameters}

    @property
    def stated_times(self) -> Mapping[str, Any]:
        """What the maker of a brought bitstream says that making it took."""
        if self.brought is None:
            return {}
        name = self.brought.relative_to(self.manifest.folder).as_posix()
        return self.manifest.stated_times.get(name, {})

    @property
    def view_sets(self) -> dict[str, tuple[str, ...]]:
        """Ids of the views that are decoded and measured, by set; a video is one unnamed view."""
        if not isinstance(self.source, ResolvedScene):
            return {"": ("",)}
        sets = self.source.view_sets(self.manifest.renders)
        return {name: tuple(view.id for view in views) for name, views in sets.items()}

    @property
    def rendered(self) -> tuple[SceneView, ...]:
        """Views of a scene that the decoder renders; none for a video."""
        if not isinstance(self.source, ResolvedScene):
            return ()
        sets = self.source.view_sets(self.manifest.renders)
        return tuple(view for views in sets.values() for view in views)

    @property
    def formats(self) -> dict[str, VideoFormat]:
        """What the decoder writes, by view id; a video is one unnamed view."""
        if not isinstance(self.source, ResolvedScene):
            return {"": self.source.format}
        return {view.id: view.source.format for view in self.rendered}

    @property
    def records(self) -> dict[Path, str]:
        """Records behind the point in the order of their making, with the key of each."""
        folder = self.address.folder
        chain = {self.fit.address.folder / "fit.json": self.fit.key} if self.fit else {}
        chain |= {folder / "encode.json": self.encode_key, folder / "decode.json": self.decode_key}
        for family, key in self.family_keys.items():
            chain[folder / "metrics" / f"{family}.json"] = key
        return chain

    @property
    def is_runnable(self) -> bool:
        """Whether jobs are planned for it."""
        return self.skipped is None and self.missing is None


@dataclass(frozen=True)
class Plan:
    """The expected content of a results tree under some test conditions."""

    root: Path
    conditions: Conditions
    selection: Selection
    label: str
    points: tuple[Point, ...]
    references: tuple[Point, ...]
    published: tuple[Manifest, ...] = ()

    @functools.cached_property
    def runnable(self) -> tuple[Point, ...]:
        """Points that jobs are planned for."""
        return tuple(point for point in self.points if point.is_runnable)

    @functools.cached_property
    def fits(self) -> dict[str, Fit]:
        """Fits by folder; a fit that serves several points appears once."""
        return {p.fit.address.folder.as_posix(): p.fit for p in self.runnable if p.fit}

    @functools.cached_property
    def point_by_folder(self) -> dict[str, Point]:
        """Runnable points by folder."""
        return {point.address.folder.as_posix(): point for point in self.runnable}

    @functools.cached_property
    def sources(self) -> dict[str, Source]:
        """Sources that runnable points need, by sequence with cut."""
        return {point.address.sequence: point.source for point in self.runnable}

    @functools.cached_property
    def manifests(self) -> dict[str, Manifest]:
        """Codecs of the plan by id."""
        held = {point.manifest.codec: point.manifest for point in self.points + self.references}
        return held | {manifest.codec: manifest for manifest in self.published}

    @functools.cached_property
    def expected_records(self) -> dict[Path, str]:
        """Every record of the run, by path below the root, with the key it should have."""
        return {path: key for point in self.runnable for path, key in point.records.items()}

    @property
    def is_filtered(self) -> bool:
        """Whether a selection removed points, which makes the report a draft."""
        return self.selection != Selection()

    @property
    def report_folder(self) -> Path:
        """Where this run's report goes."""
        base = Path("reports") / self.conditions.name
        if self.is_filtered:
            return base / "draft"
        return base / self.label if self.label else base


def codec_roots(root: Path) -> tuple[Path, ...]:
    """Folders below ``root`` in which codec folders lie."""
    return tuple(root / name for name in CODEC_ROOTS)


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
        chosen = _with_renders(chosen, loaded, is_filtered=selection != Selection())
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


def _with_renders(points: list[Point], conditions: Conditions, *, is_filtered: bool) -> list[Point]:
    """The points with the family ``render``, where an uncompressed point of theirs is among them.

    Uncompressed points keep their frames, which all the others are held against.

    Raises:
        ConditionsError: no point fits the pattern under ``uncompressed``, though all are chosen.
    """
    kept = [
        replace(point, keep_decoded=point.keep_decoded or _is_uncompressed(point, conditions))
        for point in points
    ]
    held = {_model_of(point): point for point in kept if _is_uncompressed(point, conditions)}
    if not held and not is_filtered and any(point.is_runnable for point in points):
        raise ConditionsError(
            f"ctc/{conditions.name}.yaml: no planned point is called {conditions.uncompressed!r}, "
            "which `uncompressed` names; add it to the grids, or drop the family render."
        )
    return [_with_render(point, held.get(_model_of(point))) for point in kept]


def _is_uncompressed(point: Point, conditions: Conditions) -> bool:
    return point.is_runnable and fnmatchcase(point.address.rate_point, conditions.uncompressed)


def _model_of(point: Point) -> tuple[object, ...]:
    """What points of one model share."""
    where = point.address
    return (where.sequence, where.codec, where.configuration, point.rate_point.fit, where.seed)


def _with_render(point: Point, uncompressed: Point | None) -> Point:
    if uncompressed is None or not point.is_runnable:
        return point
    keys = [point.decode_key, uncompressed.decode_key, family_digest(RENDER)]
    family_keys = {**point.family_keys, RENDER: digest_value(keys)}
    return replace(point, uncompressed=uncompressed, family_keys=family_keys)


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
