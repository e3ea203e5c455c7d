"""Two reports side by side: what changed between two meetings, by how much, and through whom."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from invrbench.compare.differences import (
    UNMOVED,
    Change,
    Move,
    Ruler,
    Side,
    StatusChange,
    codec_moves,
    compare_rulers,
    headline_changes,
    mean_changes,
    status_changes,
)
from invrbench.compare.join import Joined, KeyChange, changed_keys, join, point_key
from invrbench.errors import CompareError
from invrbench.report.given import Given
from invrbench.report.metrics import metric

_MAX_LISTED = 12


@dataclass(frozen=True)
class ReportDiff:
    """Everything in which two reports differ.

    ``conditions`` is None where one of the two does not say what its conditions were.
    """

    old: Given
    new: Given
    joined: Joined
    metrics: tuple[str, ...]
    anchors: tuple[str, str]
    conditions: tuple[KeyChange, ...] | None
    tools: tuple[KeyChange, ...]
    rulers: tuple[Ruler, ...]
    moves: tuple[Move, ...]
    statuses: tuple[StatusChange, ...]
    changes: tuple[Change, ...]
    means: tuple[Change, ...]

    @property
    def footage(self) -> list[str]:
        """Sequences whose source is another file in the new report."""
        return sorted(
            {
                key.sequence
                for key, left, right in self.joined.pairs
                if left.get("source_md5")
                and right.get("source_md5")
                and left["source_md5"] != right["source_md5"]
            }
        )

    @property
    def is_same(self) -> bool:
        """Whether nothing differs that could move a number."""
        return not (
            self.conditions
            or self.tools
            or self.statuses
            or self.footage
            or self.joined.only_left
            or self.joined.only_right
            or any(move.has_moved for move in self.moves)
            or any(ruler.is_reworded or ruler.has_moved for ruler in self.rulers)
            or any(abs(change.delta or 0) > UNMOVED for change in self.changes)
        )


def compare_reports(old: Given, new: Given) -> ReportDiff:
    """Everything in which two reports differ.

    Raises:
        CompareError: their headlines have no metric in common.
        RecordError: one holds a point twice.
    """
    old, new = _completed(old, new), _completed(new, old)
    both = [name for name in new.info.headline_metrics if name in old.info.headline_metrics]
    if not both:
        raise CompareError(
            f"{old.name} is headed by {', '.join(old.info.headline_metrics)}, {new.name} by "
            f"{', '.join(new.info.headline_metrics)}: no metric is common, nothing compares."
        )
    metrics = tuple(dict.fromkeys(both))
    joined = join(old.points, new.points)
    before, after = _side(old), _side(new)
    watched = list(dict.fromkeys((*metrics, *old.info.metrics, *new.info.metrics)))
    changes = headline_changes(joined, before, after, metrics)
    return ReportDiff(
        old=old,
        new=new,
        joined=joined,
        metrics=metrics,
        anchors=(before.anchor, after.anchor),
        conditions=_conditions(old, new),
        tools=tuple(_tools(old, new)),
        rulers=tuple(compare_rulers(joined, before, after, watched)),
        moves=tuple(codec_moves(joined, metrics[0])),
        statuses=tuple(status_changes(joined)),
        changes=tuple(changes),
        means=tuple(mean_changes(changes)),
    )


def _side(given: Given) -> Side:
    info = given.info
    return Side(given.points, info.headline_anchor, info.metric_versions, info.hulls)


def _completed(bare: Given, other: Given) -> Given:
    """A bare table under the headline of the report it is compared with."""
    if not bare.is_bare or other.is_bare:
        return bare
    info = replace(
        bare.info,
        headline_anchor=other.info.headline_anchor,
        headline_metrics=other.info.headline_metrics,
        hulls=other.info.hulls,
    )
    return replace(bare, info=info)


def _conditions(old: Given, new: Given) -> tuple[KeyChange, ...] | None:
    if old.is_bare or new.is_bare:
        return None
    if old.info.conditions_value and new.info.conditions_value:
        return tuple(changed_keys(old.info.conditions_value, new.info.conditions_value))
    if old.info.digest == new.info.digest:
        return ()
    return (KeyChange("digest", old.info.digest[:8], new.info.digest[:8]),)


def _tools(old: Given, new: Given) -> list[KeyChange]:
    """Tools of another version, and codecs that are named by another; of two full reports."""
    if old.is_bare or new.is_bare:
        return []
    return changed_keys(dict(old.info.tool_versions), dict(new.info.tool_versions))


# ---- sentences


def findings(diff: ReportDiff) -> list[tuple[str, str]]:
    """What changed, as (subject, sentence): conditions, sequences, codecs, metrics, tools, status.

    Subjects without a change are there as well and say so.
    """
    return [
        *_about_conditions(diff),
        *_about_names(diff, "sequences", "sequence"),
        *[("footage", f"{name}: the source is another file") for name in diff.footage],
        *_about_codecs(diff),
        *_about_metrics(diff),
        *_about_tools(diff),
        *_about_points(diff),
        *_about_anchor(diff),
    ]


def _about_conditions(diff: ReportDiff) -> Iterator[tuple[str, str]]:
    for given in (diff.old, diff.new):
        for note in given.notes:
            yield "caution", f"{given.name}: {note}"
    if diff.conditions is None:
        yield "conditions", "not known of a bare table"
    elif not diff.conditions:
        yield "conditions", f"the same (digest {diff.new.info.digest[:8]})"
    for change in diff.conditions or ():
        yield "conditions", str(change)
    old, new = diff.anchors
    if old != new:
        yield "conditions", f"the anchor is {new} instead of {old}"


def _about_names(diff: ReportDiff, subject: str, field: str) -> Iterator[tuple[str, str]]:
    """Sequences or codecs that both reports hold, and those of one only."""
    held = [_names(given, field) for given in (diff.old, diff.new)]
    both = [name for name in held[0] if name in held[1]]
    yield subject, f"{len(both)} in both"
    for words, ours, theirs in (("gone", *held), ("new", held[1], held[0])):
        names = [name for name in ours if name not in theirs]
        if names:
            yield subject, f"{words}: {_listed(names)}"


def _about_codecs(diff: ReportDiff) -> Iterator[tuple[str, str]]:
    """Codecs that have another name, which tells the encoder's version, or another document."""
    yield from _about_names(diff, "codecs", "codec")
    for codec, old in diff.old.info.codecs.items():
        new = diff.new.info.codecs.get(codec)
        if new is None or diff.old.is_bare or diff.new.is_bare:
            continue
        for left, right in ((old.display, new.display), (old.document, new.document)):
            if left != right:
                yield "codecs", f"{codec}: {left or 'no document'} → {right or 'no document'}"


def _names(given: Given, field: str) -> list[str]:
    return list(dict.fromkeys(getattr(point_key(point), field) for point in given.points))


def _listed(names: Sequence[str]) -> str:
    rest = len(names) - _MAX_LISTED
    return ", ".join(names[:_MAX_LISTED]) + (f" and {rest} more" if rest > 0 else "")


def _about_metrics(diff: ReportDiff) -> Iterator[tuple[str, str]]:
    for ruler in diff.rulers:
        name = metric(ruler.metric).label
        if ruler.is_reworded:
            yield "metrics", f"{name} was “{ruler.old}”, is “{ruler.new}”"
        same = f"{ruler.pictures} points decoded to the same pictures"
        if ruler.has_moved:
            how = "" if ruler.is_reworded else ", though its definition is the same"
            yield "metrics", f"{name}: {same} moved by up to {ruler.largest:.6f}{how}"
        elif ruler.is_reworded:
            tail = f": {same} have equal values" if ruler.pictures else " and cannot be compared"
            yield "metrics", f"{name}{tail}"
    if not any(ruler.is_reworded or ruler.has_moved for ruler in diff.rulers):
        yield "metrics", "no definition and no value of the same pictures changed"


def _about_tools(diff: ReportDiff) -> Iterator[tuple[str, str]]:
    for change in diff.tools:
        yield "tools", str(change)
    if not diff.tools:
        known = not (diff.old.is_bare or diff.new.is_bare)
        yield "tools", "all of the same versions" if known else "not known of a bare table"


def _about_points(diff: ReportDiff) -> Iterator[tuple[str, str]]:
    same = sum(move.same for move in diff.moves)
    other = sum(move.other for move in diff.moves)
    told = f"{len(diff.joined.pairs)} in both: {same} bitstreams the same, {other} others"
    yield "points", told
    for words, members in (("gone", diff.joined.only_left), ("new", diff.joined.only_right)):
        if members:
            counts = Counter(key.codec for key, _ in members)
            names = [f"{codec} {count}" for codec, count in counts.items()]
            yield "points", f"{len(members)} {words}: {_listed(names)}"
    for change in diff.statuses[:_MAX_LISTED]:
        why = f" ({' '.join(change.reason.split())})" if change.reason else ""
        yield "status", f"{change.key}: {change.old} → {change.new}{why}"
    if len(diff.statuses) > _MAX_LISTED:
        yield "status", f"and {len(diff.statuses) - _MAX_LISTED} more"


def _about_anchor(diff: ReportDiff) -> Iterator[tuple[str, str]]:
    """Whether the anchor itself moved, with the versions that moved it."""
    old, new = diff.anchors
    move = next((each for each in diff.moves if each.codec == old), None)
    if old != new or move is None:
        return
    names = [given.info.codec(new).display for given in (diff.old, diff.new)]
    versions = [f"{names[0]} → {names[1]}"] if names[0] != names[1] else []
    versions += [f"{each.path} {each.left} → {each.right}" for each in diff.tools]
    if move.has_moved:
        why = "; ".join(versions) or "no tool has another version, so its settings or code changed"
        moved = f"{move.other} of {move.points} bitstreams of {names[1]} differ"
        if move.mean_rate_percent is not None and move.mean_quality is not None:
            unit = metric(diff.metrics[0])
            moved += (
                f", {move.mean_rate_percent:+.2f} % in rate and {move.mean_quality:+.4f} "
                f"{unit.unit} in {unit.label} on average".replace("  ", " ")
            )
        yield "anchor", f"{moved} ({why})"
        yield "anchor", "what that moves stands under “from anchor” and is no doing of a method"
    elif versions:
        yield "anchor", f"did not move a bitstream ({'; '.join(versions)})"
    else:
        yield "anchor", "did not move"
