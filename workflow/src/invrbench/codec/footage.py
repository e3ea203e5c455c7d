"""What conformance runs code: a clip or a scene of this repository, in any layout asked for.

A video is the case of one clip without a name; a scene has several views, of which a codec is told
some and asked for others.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Protocol

from invrbench.codec.clips import derive, load_clip
from invrbench.codec.runner import Order
from invrbench.ctc.sequences import SequenceRef, load_paths, load_sequences, resolve
from invrbench.errors import ConditionsError, SourceMissing, UnsupportedError
from invrbench.video.cameras import Camera, Pose
from invrbench.video.format import RawVideo, VideoFormat
from invrbench.video.pictures import raw_frame
from invrbench.video.readers import read_frames
from invrbench.video.scenes import Renders, ResolvedScene, SceneView, scene_fields
from invrbench.video.steps import BoxAverage, Crop, transform

Track = Literal["video", "multiview"]
TRACKS: tuple[Track, ...] = ("video", "multiview")
TRAIN_VIEWS = 5  # at most: more of them take time and show nothing else


def described(layout: VideoFormat, *, views: int = 0) -> str:
    """What a raw file holds, or each of a scene's ``views``, in a few words.

    >>> from fractions import Fraction
    >>> described(VideoFormat("rgb24", 64, 48, Fraction(30), 1), views=5)
    '1 frame of 64x48 rgb24 in 5 views'
    """
    frames = f"{layout.frames} frame" + "s" * (layout.frames != 1)
    size = f"{layout.width}x{layout.height} {layout.pixel_format}"
    return f"{frames} of {size}" + (f" in {views} view" + "s" * (views != 1) if views else "")


class Footage(Protocol):
    """Content of one track; ``frames`` of it are what most checks code."""

    @property
    def frames(self) -> int:
        """A few frames, enough to see that they are told apart."""

    def layout(
        self, pixel_format: str, *, least: int, frames: int, odd: bool = False
    ) -> VideoFormat:
        """A small layout with sides of at least ``least`` samples, both odd if asked.

        Raises:
            UnsupportedError: the content has no such size or length.
        """

    def shoot(self, layout: VideoFormat, folder: Path) -> dict[str, Any]:
        """Write raw files into ``folder``; gives what fit and encode are told of them."""

    def order(self, layout: VideoFormat, renders: Renders) -> Order:
        """What decode is asked for."""

    def describe(self, layout: VideoFormat) -> str:
        """What is coded, in a few words."""


@dataclass(frozen=True)
class VideoFootage:
    """Crops of a clip, see :func:`invrbench.codec.clips.derive`."""

    clip: RawVideo
    frames = 4

    def layout(
        self, pixel_format: str, *, least: int, frames: int, odd: bool = False
    ) -> VideoFormat:
        """96x64 or 97x65, larger where the codec needs more."""
        least += least % 2 != odd
        return replace(
            self.clip.format,
            pixel_format=pixel_format,
            width=max(96 + odd, least),
            height=max(64 + odd, least),
            frames=frames,
        )

    def shoot(self, layout: VideoFormat, folder: Path) -> dict[str, Any]:
        """One raw file."""
        video = derive(self.clip, layout, folder / "source.raw")
        return {"source": {"path": str(video.path), **layout.to_json()}}

    def order(self, layout: VideoFormat, renders: Renders) -> Order:
        """All frames."""
        return Order.video(layout)

    def describe(self, layout: VideoFormat) -> str:
        """Frames, size and pixel format."""
        return described(layout)


@dataclass(frozen=True)
class SceneFootage:
    """The first instants of a scene: some train views are coded, a test view is asked for too.

    ``scene`` holds rgb24 pictures of every instant in every view. They are halved where the codec
    serves pictures that small.
    """

    scene: ResolvedScene
    frames = 2

    def layout(
        self, pixel_format: str, *, least: int, frames: int, odd: bool = False
    ) -> VideoFormat:
        """Half the scene's size, or the whole where the codec needs more; odd: one less."""
        whole = self.scene.format
        if frames > whole.frames:
            raise UnsupportedError(f"the scene at hand has {whole.frames} instants, no {frames}")
        for factor in (2, 1):
            width, height = ((side // factor & ~1) - odd for side in (whole.width, whole.height))
            if min(width, height) >= least:
                return replace(
                    whole,
                    pixel_format=pixel_format,
                    range="full" if pixel_format == "rgb24" else "limited",
                    width=width,
                    height=height,
                    frames=frames,
                )
        raise UnsupportedError(
            f"the scene at hand is {whole.width}x{whole.height}, smaller than {least}x{least}"
        )

    def shoot(self, layout: VideoFormat, folder: Path) -> dict[str, Any]:
        """A raw file per train view."""
        views = {}
        for view in self._train(layout):
            views[folder / f"{view.id}.raw"] = view
            with (folder / f"{view.id}.raw").open("wb") as file:
                for frame in self._frames(view, layout):
                    file.write(frame)
        assert self.scene.bounds is not None
        return scene_fields(layout, self.scene.bounds, views)

    def order(self, layout: VideoFormat, renders: Renders) -> Order:
        """A test view and the train view in the middle, or two train views where it must be."""
        train = self._train(layout)
        test = tuple(self._fitted(view, layout) for view in self.scene.test)
        others = train if renders == "coded-views" else (*test, *train)
        return Order.scene(layout, (others[0], train[len(train) // 2]))

    def order_between(self, layout: VideoFormat) -> Order:
        """The last instant alone, from halfway between two train views."""
        one, other = self._train(layout)[1:3]
        camera = replace(one.camera, camera_to_world=_halfway(one.camera, other.camera))
        between = replace(one, id="between", camera=camera, times=one.times[-1:])
        return Order.scene(layout, (between,))

    def describe(self, layout: VideoFormat) -> str:
        """Instants, coded views, size and pixel format."""
        return described(layout, views=len(self._train(layout)))

    def _train(self, layout: VideoFormat) -> tuple[SceneView, ...]:
        train = self.scene.train
        chosen = train[:: -(-len(train) // TRAIN_VIEWS)]
        return tuple(self._fitted(view, layout) for view in chosen)

    def _fitted(self, view: SceneView, layout: VideoFormat) -> SceneView:
        """The view as it is seen in the layout: instants, and the camera of halved, cut pictures.

        The cut is even on all sides, but for what is odd at the right and at the bottom.
        """
        factor, crop = self._steps(layout)
        camera = view.camera.scaled(factor.factor)
        camera = replace(
            camera,
            width=layout.width,
            height=layout.height,
            cx=camera.cx - crop.x,
            cy=camera.cy - crop.y,
        )
        return replace(view, camera=camera, times=view.times[: layout.frames])

    def _steps(self, layout: VideoFormat) -> tuple[BoxAverage, Crop]:
        whole = self.scene.format
        factor = 2 if layout.width <= whole.width // 2 else 1
        x = (whole.width // factor - layout.width) // 2
        y = (whole.height // factor - layout.height) // 2
        return BoxAverage(factor), Crop(x, y, layout.width, layout.height)

    def _frames(self, view: SceneView, layout: VideoFormat) -> Iterator[bytes]:
        source = view.source
        for frame in read_frames(source.file, start=source.start, count=len(view.times)):
            yield raw_frame(transform(frame, self.scene.format, self._steps(layout)), layout)


def _halfway(one: Camera, other: Camera) -> Pose:
    """The pose between two cameras: their mean place, and the rotation nearest to their mean."""
    import numpy as np

    mean = (np.array(one.camera_to_world) + np.array(other.camera_to_world)) / 2
    left, _, right = np.linalg.svd(mean[:, :3])
    pose = np.concatenate([left @ right, mean[:, 3:]], axis=1)
    first, second, third = (tuple(row) for row in pose.tolist())
    return first, second, third


@dataclass(frozen=True)
class Archive:
    """Footage of every track, each made ready in ``folder`` when it is first asked for."""

    root: Path
    folder: Path

    def of(self, track: Track) -> Footage:
        """The footage of one track.

        Raises:
            ConditionsError: this repository has none.
            SequenceError: the files behind it are absent or not what their entry says.
        """
        return self._video if track == "video" else self._scene

    @cached_property
    def _video(self) -> VideoFootage:
        return VideoFootage(load_clip(self.root, self.folder))

    @cached_property
    def _scene(self) -> SceneFootage:
        return SceneFootage(load_scene(self.root))


def load_scene(root: Path) -> ResolvedScene:
    """The first scene that comes with the sequences, under its first split, in rgb24.

    Raises:
        ConditionsError: no scene comes with them.
        SequenceError: its description cannot be used.
    """
    sequences = load_sequences(root / "ctc" / "sequences")
    for sequence in sequences.values():
        if not (sequence.is_scene and sequence.source.get("embedded")):
            continue
        layout = replace(sequence.format, pixel_format="rgb24", range="full")
        pictures = replace(sequence, format=layout, md5s={})
        ref = SequenceRef(sequence.id, next(iter(sequence.view_splits)))
        scene = resolve(ref, {sequence.id: pictures}, load_paths(root))
        assert isinstance(scene, ResolvedScene)
        if scene.missing:
            raise SourceMissing(scene.missing)
        return scene
    raise ConditionsError(
        "ctc/sequences/ holds no embedded scene; conformance runs of multiview codecs need one."
    )
