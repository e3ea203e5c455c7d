"""One codec on trial: its verbs run on little footage, each result kept for checks that ask."""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from invrbench.codec.clips import find_source
from invrbench.codec.footage import Footage, Track, described
from invrbench.codec.manifest import BUDGETS, Manifest, RatePoint, Verb
from invrbench.codec.runner import (
    Order,
    check_bitstream,
    decoder_digests,
    run_decode,
    run_in_the_open,
)
from invrbench.codec.sandbox import INSIDE
from invrbench.codec.workspace import workspace
from invrbench.digest import md5_file
from invrbench.errors import ContractError, InvrError, ManifestError, UnsupportedError
from invrbench.video.format import VideoFormat
from invrbench.video.scenes import ResolvedScene

BASE = "base"  # names what most checks code
PATIENCE_SECONDS = 20.0  # a decoder given a damaged bitstream gets this long, or
PATIENCE_FACTOR = 5.0  # this many times what it took for the sound one, if that is longer

DeviceOf = Callable[[Manifest, Verb], str]


class NotApplicable(Exception):  # noqa: N818 - a verdict of a check, it leaves no module but this
    """A check that has nothing to judge, with the reason."""


@dataclass(frozen=True)
class Stream:
    """A bitstream, what its decoder is asked for, and what is coded, in a few words.

    ``notes`` is what encode says of it.
    """

    path: Path
    order: Order
    told: str
    notes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Decoded:
    """A decode that ended well: MD5 of each file, the walls around it, wall-clock seconds.

    ``notes`` is what decode says of itself.
    """

    md5s: Mapping[str, str]
    level: str
    seconds: float
    notes: Mapping[str, Any]


def first_rate_point(manifest: Manifest) -> tuple[RatePoint, str, dict[str, Any]]:
    """The first rate point, at the cheapest budget its fit has, with the fit's parameters.

    Raises:
        ManifestError: the fit has no budget at all.
    """
    for budget in BUDGETS:
        point = manifest.rate_points(budget)[0]
        if point.fit is None:
            return point, budget, {}
        try:
            found = manifest.fit_parameters(point.fit, budget=budget, sequence="a check", names=())
        except ManifestError:
            if budget == BUDGETS[-1]:
                raise
            continue
        return point, budget, found
    raise AssertionError("a budget is found or the last one raises")


class Trial:
    """Runs a codec's verbs on one track, in a folder of its own; remembers what came of each.

    Raw files lie in folders that are gone before anything is decoded.
    """

    def __init__(
        self,
        manifest: Manifest,
        track: Track,
        footage: Footage,
        *,
        root: Path,
        folder: Path,
        device_of: DeviceOf,
    ) -> None:
        self.manifest = manifest
        self.track = track
        self.footage = footage
        self.folder = folder
        folder.mkdir(exist_ok=True)
        self.log = folder / "verb.log"
        self._root = root
        self._device_of = device_of
        self.fit_notes: dict[str, Mapping[str, Any]] = {}  # by what was coded
        self._results: dict[str, Any] = {}
        self._failures: dict[str, str] = {}

    def once(self, name: str, make: Callable[[], Any], *, needs: str = "") -> Any:
        """The result of ``make``, made once.

        Raises:
            NotApplicable: ``make`` failed for an earlier check, called ``needs`` there.
        """
        if name in self._failures:
            raise NotApplicable(f"needs {self._failures[name]}, which failed")
        if name not in self._results:
            try:
                self._results[name] = make()
            except InvrError:
                self._failures[name] = needs or name
                raise
        return self._results[name]

    # ---- what to code

    @property
    def configuration(self) -> str:
        """The configuration of most checks: the first the codec serves."""
        return self.manifest.configurations[0]

    def base_format(self) -> VideoFormat:
        """The layout most checks use: the codec's first pixel format, few frames, small."""
        return self.layout(self.manifest.pixel_formats[0], frames=self.footage.frames)

    def layout(self, pixel_format: str, *, frames: int, odd: bool = False) -> VideoFormat:
        """A small layout of about ``frames`` frames: as many as the codec serves.

        Raises:
            NotApplicable: the footage has none that the codec serves.
        """
        manifest = self.manifest
        frames = max(frames, manifest.min_frames)
        if manifest.max_frames is not None:
            frames = min(frames, manifest.max_frames)
        least = manifest.min_size
        try:
            return self.footage.layout(pixel_format, least=least, frames=frames, odd=odd)
        except UnsupportedError as why:
            raise NotApplicable(str(why)) from None

    def unserved(self, layout: VideoFormat, configuration: str) -> str | None:
        """Why the codec does not serve a layout, or None."""
        return self.manifest.unsupported(
            track=self.track,
            configuration=configuration,
            pixel_format=layout.pixel_format,
            frames=layout.frames,
            min_side=min(layout.width, layout.height),
        )

    # ---- verbs

    def decoder_before(self) -> dict[str, str]:
        """MD5 of each of the decoder's files before any verb ran."""
        return self.once(  # type: ignore[no-any-return]
            "the decoder's files", lambda: decoder_digests(self.manifest)
        )

    def _job(
        self, verb: Verb, layout: VideoFormat, configuration: str, space: Path
    ) -> dict[str, Any]:
        """A job of fit or encode; its raw files are written into ``space``."""
        folder = space / "source"
        folder.mkdir()
        point, budget, parameters = first_rate_point(self.manifest)
        job: dict[str, Any] = {
            "schema": 1,
            "verb": verb,
            **self.footage.shoot(layout, folder),
            "configuration": configuration,
            "seed": 0,
            "device": self._device_of(self.manifest, verb),
            "threads": self.manifest.resources_of(verb).threads,
        }
        if point.fit is not None:
            job |= {"fit": {"name": point.fit, "parameters": parameters}, "budget": budget}
        if verb == "encode":
            given = {**self.manifest.parameters, **point.parameters}
            job["rate_point"] = {"id": point.id, "parameters": given}
        return job

    def fit(self, name: str, layout: VideoFormat, configuration: str) -> Path | None:
        """The trained model of footage called ``name``, or None for a codec without a fit."""
        return self.once(  # type: ignore[no-any-return]
            f"fit {name}", lambda: self._fit(name, layout, configuration), needs="fit"
        )

    def _fit(self, name: str, layout: VideoFormat, configuration: str) -> Path | None:
        if first_rate_point(self.manifest)[0].fit is None:
            return None
        if "fit" not in self.manifest.commands:
            raise NotApplicable("its models are brought, each for a sequence of its own")
        self.decoder_before()
        with workspace(self.folder) as space:
            (space / "checkpoint").mkdir()
            job = self._job("fit", layout, configuration, space)
            job["checkpoint"] = str(space / "checkpoint")
            run = run_in_the_open(self.manifest, "fit", job, folder=space, log=self._fresh_log())
            self.fit_notes[name] = run.notes
            model = space / "work" / "model"
            if not model.is_dir() or not any(model.iterdir()):
                raise ContractError(f"{self.manifest.codec}: fit left no model/ folder with files.")
            kept = self.folder / f"model of {name}"
            shutil.move(model, kept)
        return kept

    def encode(
        self, name: str, layout: VideoFormat, configuration: str, *, again: bool = False
    ) -> Stream:
        """The bitstream of footage; ``again`` encodes a second time from the same model."""
        key = f"encode {name}" + " again" * again
        return self.once(  # type: ignore[no-any-return]
            key, lambda: self._encode(key, name, layout, configuration), needs="encode"
        )

    def _encode(self, key: str, name: str, layout: VideoFormat, configuration: str) -> Stream:
        model = self.fit(name, layout, configuration)
        if "encode" not in self.manifest.commands:
            return self._brought()
        self.decoder_before()
        with workspace(self.folder) as space:
            job = self._job("encode", layout, configuration, space)
            if model is not None:
                shutil.copytree(model, space / "model")
                job["model"] = str(space / "model")
            run = run_in_the_open(self.manifest, "encode", job, folder=space, log=self._fresh_log())
            left = space / "work" / "bitstream.bin"
            check_bitstream(self.manifest, left)
            kept = self.folder / f"{key}.bin"
            shutil.move(left, kept)
        order = self.footage.order(layout, self.manifest.renders)
        return Stream(kept, order, self.footage.describe(layout), run.notes)

    def _brought(self) -> Stream:
        """The first brought bitstream of the track; its sequence says what it decodes to."""
        for path in sorted(self.manifest.folder.glob("bitstreams/*/*/*.bin")):
            source = find_source(self._root, path.parts[-3])
            if source.track != self.track:
                continue
            if not isinstance(source, ResolvedScene):
                return Stream(path, Order.video(source.format), described(source.format))
            if source.missing:
                raise NotApplicable(source.missing)
            sets = source.view_sets(self.manifest.renders).values()
            order = Order.scene(source.format, (view for views in sets for view in views))
            return Stream(path, order, described(source.format, views=len(source.train)))
        raise NotApplicable("it brings no bitstream of this track")

    def base_stream(self) -> Stream:
        """The bitstream most checks use."""
        return self.encode(BASE, self.base_format(), self.configuration)

    def decode(
        self,
        stream: Stream,
        *,
        order: Order | None = None,
        threads: int | None = None,
        patience: float | None = None,
        inside: Path = INSIDE,
        is_bare: bool = False,
    ) -> Decoded:
        """Decode once, in a fresh folder.

        Args:
            stream: the bitstream.
            order: asked for in place of the stream's own.
            threads: of the job, in place of the manifest's.
            patience: shortens the time limit, in seconds.
            inside: the folder in which the decoder finds itself where there are walls.
            is_bare: leave out comments and docstrings of its code.

        Raises:
            LimitError: the decoder was stopped.
            ContractError: it failed, or wrote the wrong number of bytes.
        """
        manifest = self.manifest
        if patience is not None:
            limits = manifest.resources_of("decode")
            limits = replace(limits, runtime_min=min(limits.runtime_min, patience / 60))
            manifest = replace(manifest, resources={**manifest.resources, "decode": limits})
        with workspace(self.folder) as space:
            run, decoded = run_decode(
                manifest,
                stream.path,
                folder=space,
                log=self._fresh_log(),
                device=self._device_of(manifest, "decode"),
                threads=threads or manifest.resources_of("decode").threads,
                order=order or stream.order,
                inside=inside,
                is_bare=is_bare,
            )
            md5s = {view: md5_file(video.path) for view, video in decoded.items()}
            return Decoded(md5s, run.level, run.outcome.wall_seconds, run.notes)

    def base_decoded(self) -> Decoded:
        """What that bitstream decodes to."""
        stream = self.base_stream()
        return self.once(  # type: ignore[no-any-return]
            "decode", lambda: self.decode(stream), needs="decode"
        )

    def _fresh_log(self) -> Path:
        self.log.unlink(missing_ok=True)
        return self.log
