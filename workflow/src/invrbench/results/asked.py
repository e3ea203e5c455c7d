"""Which frames of a point a decoder is asked for, and which of them are compared."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from invrbench.codec.checks import counted
from invrbench.codec.manifest import Manifest
from invrbench.codec.runner import Order
from invrbench.errors import InputError
from invrbench.results.claims import Head
from invrbench.results.sources import Source
from invrbench.video.format import RawVideo
from invrbench.video.scenes import ResolvedScene, SceneView

FRAME_DECIMALS = 6  # of a frames.tsv


@dataclass(frozen=True)
class Asked:
    """What a decoder is asked for, and which frames of it are compared.

    Attributes:
        order: formats and cameras for the decoder.
        view_sets: ids of the views by set; a video is one unnamed view in an unnamed set.
        frames: by view: the frames compared, as indices into the whole view.
        is_whole: whether the decoder writes every frame, so that its md5 can be compared.
        is_cut: whether some frames only are compared.
    """

    order: Order
    view_sets: Mapping[str, list[str]]
    frames: Mapping[str, Sequence[int]]
    is_whole: bool
    is_cut: bool

    @classmethod
    def of(cls, manifest: Manifest, source: Source, head: Head | None) -> "Asked":
        """All frames, or with a head some: of a scene no others are even rendered.

        Raises:
            InputError: the sequence has none of the frames.
        """
        if not isinstance(source, ResolvedScene):
            count = source.format.frames
            kept = range(count) if head is None else head.within(count)
            if not kept:
                raise InputError(f"the sequence has {counted(count, 'frame')} and none of {head}")
            return cls(Order.video(source.format), {"": [""]}, {"": kept}, True, head is not None)
        sets = source.view_sets(manifest.renders)
        every = [view for views in sets.values() for view in views]
        kept_of = {view.id: _kept(view, head) for view in every}
        renders_any = manifest.renders == "any" and head is not None
        if renders_any:
            asked = [_shortened(view, kept_of[view.id]) for view in every if kept_of[view.id]]
        else:
            asked = every
        if not any(kept_of.values()):
            raise InputError(f"no view of the scene has a frame of {head}")
        return cls(
            Order.scene(source.format, asked),
            {name: [view.id for view in views] for name, views in sets.items()},
            {view: kept for view, kept in kept_of.items() if kept},
            not renders_any,
            head is not None,
        )

    def cut_decoded(self, decoded: Mapping[str, RawVideo], space: Path) -> dict[str, RawVideo]:
        """The decoded frames that are compared."""
        if not self.is_cut or not self.is_whole:
            return dict(decoded)
        return {v: _cut(decoded[v], kept, space / f"d{i}.raw") for i, (v, kept) in self._each()}

    def cut_source(self, clips: Mapping[str, RawVideo], space: Path) -> dict[str, RawVideo]:
        """The source's frames they are held against."""
        if not self.is_cut:
            return {view: clips[view] for view in self.frames}
        return {v: _cut(clips[v], kept, space / f"s{i}.raw") for i, (v, kept) in self._each()}

    def _each(self) -> Iterator[tuple[int, tuple[str, Sequence[int]]]]:
        return enumerate(self.frames.items())


def _kept(view: SceneView, head: Head | None) -> list[int]:
    """Indices of a view's frames that lie within the head, which counts instants."""
    if head is None:
        return list(range(len(view.times)))
    return [i for i, t in enumerate(view.times) if head.start <= t < head.start + head.count]


def _shortened(view: SceneView, kept: Sequence[int]) -> SceneView:
    return replace(view, times=tuple(view.times[index] for index in kept))


def _cut(video: RawVideo, kept: Sequence[int], path: Path) -> RawVideo:
    """Some frames of a raw file, in a file of their own."""
    size = video.format.frame_bytes
    with video.path.open("rb") as file, path.open("wb") as cut:
        for index in kept:
            file.seek(index * size)
            cut.write(file.read(size))
    return RawVideo(path, video.format.with_frames(len(kept)))


def read_frames_table(text: str) -> dict[str, dict[str, list[float | None]]]:
    """Values of single frames by view ("" of a video) and column, from a frames.tsv.

    >>> read_frames_table("frame\\tpsnr_y_db\\n0\\t30.5\\n1\\t\\n")
    {'': {'psnr_y_db': [30.5, None]}}
    """
    lines = [line.split("\t") for line in text.splitlines() if line]
    if not lines:
        return {}
    header = lines[0]
    is_scene = header[0] == "view"
    found: dict[str, dict[str, list[float | None]]] = {}
    for cells in lines[1:]:
        view = cells[0] if is_scene else ""
        held = found.setdefault(view, {name: [] for name in header[1 + is_scene :]})
        for name, cell in zip(header[1 + is_scene :], cells[1 + is_scene :], strict=False):
            held[name].append(_number(cell))
    return found


def _number(cell: str) -> float | None:
    try:
        return float(cell) if cell else None
    except ValueError:
        return None


def as_written(value: float | None) -> float | None:
    """A frame's value with the decimals of a frames.tsv."""
    return None if value is None else round(value, FRAME_DECIMALS)
