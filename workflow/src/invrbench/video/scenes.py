"""Multi-view sequences on this machine: which views are coded, which are judged, and their files.

A view of a cut is a raw file like a video's; what makes a scene of several is their cameras, the
bounds they share, and the split into train views, which codecs see, and test views, which only the
measurement does.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Literal

from invrbench.digest import digest_value
from invrbench.errors import SequenceError, SourceMissing
from invrbench.video.cameras import Bounds, Camera
from invrbench.video.format import VideoFormat
from invrbench.video.prepare import MATCHES, prepare
from invrbench.video.sources import ResolvedSource
from invrbench.video.views import suggest

TEST, TRAIN = "test", "train"
Renders = Literal["any", "coded-views"]


@dataclass(frozen=True)
class SceneView:
    """One view of a cut: ``times`` of its frames, in frames from the cut's first instant."""

    id: str
    camera: Camera
    times: tuple[float, ...]
    source: ResolvedSource

    def to_json(self) -> dict[str, Any]:
        """Camera and times as jobs hold them."""
        return {"id": self.id, **self.camera.to_json(), "times": list(self.times)}


@dataclass(frozen=True)
class ViewSplit:
    """Views by name or shell pattern: judged only; coded (all others if empty); both."""

    test: tuple[str, ...]
    train: tuple[str, ...] = ()
    judged: tuple[str, ...] = ()

    def divide(self, views: Sequence[str], where: str) -> dict[str, tuple[str, ...]]:
        """The ids of ``test``, ``train`` and ``judged`` views.

        Raises:
            SequenceError: a pattern matches no view, or a view is both coded and held out.
        """
        test = _matching(self.test, views, where)
        others = tuple(view for view in views if view not in test)
        train = _matching(self.train, views, where) if self.train else others
        judged = _matching(self.judged, train, where) if self.judged else train
        both = sorted(set(test) & set(train))
        if both:
            raise SequenceError(
                f"{where}: {', '.join(both)} would be coded and held out at once; name each view "
                "under test or under train."
            )
        if not train:
            raise SequenceError(f"{where}: every view is held out; leave some to be coded.")
        return {"test": test, "train": train, "judged": judged}


def _matching(patterns: Sequence[str], views: Sequence[str], where: str) -> tuple[str, ...]:
    for pattern in patterns:
        if not any(fnmatchcase(view, pattern) for view in views):
            raise SequenceError(
                f"{where}: no view is called {pattern!r}; {suggest(pattern, views)}."
            )
    return tuple(v for v in views if any(fnmatchcase(v, pattern) for pattern in patterns))


@dataclass(frozen=True)
class ResolvedScene:
    """A named cut of a multi-view sequence under one view split.

    ``format`` is one view's, its ``frames`` the instants of the cut. ``judged`` names the train
    views that are measured. Views are empty while the scene is not on this machine, which
    ``missing`` explains. ``may_publish`` says whether a report may show its "frames", or "no"
    picture.
    """

    name: str
    format: VideoFormat
    declared: Mapping[str, Any]
    bounds: Bounds | None = None
    train: tuple[SceneView, ...] = ()
    test: tuple[SceneView, ...] = ()
    judged: tuple[str, ...] = ()
    files: tuple[Path, ...] = ()
    missing: str | None = None
    md5_source: str | None = None
    may_publish: str = "no"

    track = "multiview"

    @property
    def views(self) -> tuple[SceneView, ...]:
        """All views, train views first."""
        return self.train + self.test

    @property
    def coded_pixels(self) -> int:
        """Luma samples of all frames of all coded views: what bits per pixel divide by."""
        return sum(view.source.format.pixels for view in self.train)

    def view_sets(self, renders: Renders) -> dict[str, tuple[SceneView, ...]]:
        """The views a decoder is asked for, by the set they are judged in."""
        judged = tuple(view for view in self.train if view.id in self.judged)
        return {TRAIN: judged} if renders == "coded-views" else {TEST: self.test, TRAIN: judged}

    def availability(self) -> str | None:
        """None if the scene is on this machine, else a reason that says what to do."""
        return self.missing

    def identity(self) -> dict[str, Any]:
        """All that defines the prepared files' bytes and their meaning, as JSON for a key."""
        return {
            "format": self.format.to_json(),
            "bounds": self.bounds.to_json() if self.bounds else None,
            **{
                name: [{**view.to_json(), **view.source.identity()} for view in views]
                for name, views in ((TRAIN, self.train), (TEST, self.test))
            },
        }


def scene_fields(
    layout: VideoFormat, bounds: Bounds, views: Mapping[Path, SceneView]
) -> dict[str, Any]:
    """What fit and encode are told of a scene.

    Args:
        layout: of one view, its frames the instants of the cut.
        bounds: of the scene.
        views: what is coded, by the raw file that holds it.
    """
    return {
        "source": layout.to_json(),
        "views": [{**view.to_json(), "path": str(path)} for path, view in views.items()],
        "bounds": bounds.to_json(),
    }


def prepare_scene(scene: ResolvedScene, folder: Path, cache: Path | None = None) -> dict[str, Any]:
    """Make the raw file of every view, train and test views in folders apart.

    Returns:
        ``views`` by id (set, path, md5 and standing of each), ``format`` of one view, ``md5`` of
        cameras, bounds and all views' files together, and ``verified`` for the whole.

    Raises:
        SequenceError: a view's file is absent or not what the entry says, or a view sees nothing
            of the bounding box.
    """
    if scene.missing or scene.bounds is None:
        raise SourceMissing(scene.missing or f"{scene.name} has no bounds; add them to its entry.")
    for view in scene.views:
        scene.bounds.check_camera(view.camera, f"{scene.name}: view {view.id}")
    views: dict[str, Any] = {}
    for name, members in ((TRAIN, scene.train), (TEST, scene.test)):
        for view in members:
            made = prepare(view.source, folder / name / f"{view.id}.raw", cache)
            views[view.id] = {"set": name, **view.to_json(), **made}
    unverified = [view for view, made in views.items() if made["verified"] != MATCHES]
    standing = f"unverified: no md5 is declared of {', '.join(unverified)}"
    told = [{key: v for key, v in made.items() if key != "path"} for made in views.values()]
    return {
        "name": scene.name,
        "format": scene.format.to_json(),
        "bounds": scene.bounds.to_json(),
        "md5": digest_value([told, scene.bounds.to_json()]),
        "md5_source": scene.md5_source,
        "verified": standing if unverified else MATCHES,
        "views": views,
    }
