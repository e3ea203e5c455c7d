"""Everything a run is expected to hold: fits and points with their keys, before anything runs."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from invrbench.codec.manifest import Manifest, RatePoint
from invrbench.ctc.conditions import Conditions
from invrbench.ctc.selection import Selection
from invrbench.ctc.sequences import SequenceRef
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
    def steps(self) -> dict[Path, str]:
        """Records of fit, encode and decode in the order of their making, with the key of each."""
        folder = self.address.folder
        chain = {self.fit.address.folder / "fit.json": self.fit.key} if self.fit else {}
        return chain | {
            folder / "encode.json": self.encode_key,
            folder / "decode.json": self.decode_key,
        }

    @property
    def measurements(self) -> dict[Path, str]:
        """Records of the families, with the key of each."""
        folder = self.address.folder / "metrics"
        return {folder / f"{family}.json": key for family, key in self.family_keys.items()}

    @property
    def records(self) -> dict[Path, str]:
        """Records behind the point in the order of their making, with the key of each."""
        return self.steps | self.measurements

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
