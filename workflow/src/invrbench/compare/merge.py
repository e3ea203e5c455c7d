"""Several contributions in one table: whose point is whose, what they agree on, one anchor for all.

A method is a codec id together with its document: two companies may call different things by one
id. Where two contributions hold the same point of one method, that is a cross-check: equal values
confirm each other, others are a conflict, which is shown with both sources and never averaged.
A row that agrees in its time and memory as well is a copy of the same measurement and confirms
nothing.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from invrbench.compare.curves import (
    BD_METRICS,
    CurveKey,
    Hulls,
    Point,
    full_codec,
    full_sequence,
    is_number,
)
from invrbench.compare.differences import TABLE_STEP, Move, codec_moves
from invrbench.compare.join import (
    Delta,
    KeyChange,
    PointKey,
    changed_keys,
    column_deltas,
    index_points,
    join,
)
from invrbench.compare.table import CONFLICT, Row, bd_rows, is_usable

Verdict = Literal[
    "bit-exact", "equal within tolerance", "conflict", "failed there", "the same measurement"
]

_PRESENT = ("ok", "published")
_RATES = ("bitstream_bytes", "bpp", "rate_kbps", "kbit_per_instant")
_TIME_STEP = 0.0011  # seconds
_DIGESTS = ("source_md5", "bitstream_md5")


@dataclass(frozen=True)
class Contribution:
    """What one company handed in.

    Attributes:
        label: names it in the merge; unique.
        points: normalised points of its methods.
        anchors: normalised points of the anchors it measured.
        documents: by codec with variant: number of the document.
        digest: of the test conditions; empty of a bare table.
        conditions: their values, as JSON.
    """

    label: str
    points: tuple[Point, ...]
    anchors: tuple[Point, ...]
    documents: Mapping[str, str] = field(default_factory=dict)
    digest: str = ""
    conditions: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, order=True)
class Method:
    """A codec as the companies mean it: its id with variant, and its document."""

    codec: str
    document: str


@dataclass(frozen=True)
class Twice:
    """One point of a method in two contributions.

    ``deltas`` are the columns that differ by more than the tolerance, other − owner.
    """

    key: PointKey
    method: Method
    owner: str
    other: str
    verdict: Verdict
    deltas: tuple[Delta, ...] = ()


@dataclass(frozen=True)
class Merged:
    """All methods under the contribution that brought each first.

    ``points`` holds those of each owner; a point in conflict has that status and no number.
    """

    points: Mapping[str, tuple[Point, ...]]
    twice: tuple[Twice, ...]


def conditions_differ(contributions: Sequence[Contribution]) -> dict[str, list[KeyChange]]:
    """By contribution: where its conditions differ from those of the first that states any.

    Empty if all that state conditions state the same.
    """
    stated = [each for each in contributions if each.digest]
    found = {}
    for each in stated:
        if each.digest != stated[0].digest:
            keys = changed_keys(dict(stated[0].conditions), dict(each.conditions))
            unknown = KeyChange("digest", stated[0].digest[:8], each.digest[:8])
            found[each.label] = keys or [unknown]
    return found


def merge_points(contributions: Sequence[Contribution], tolerances: Mapping[str, float]) -> Merged:
    """Give every method to the contribution that brings it first, and compare the others with it.

    Args:
        contributions: in the order of precedence.
        tolerances: by column: up to which difference two values are equal.

    Raises:
        RecordError: a contribution holds one point twice.
    """
    owners: dict[Method, str] = {}
    rows: dict[str, dict[PointKey, Point]] = {each.label: {} for each in contributions}
    holders: dict[tuple[Method, PointKey], str] = {}
    twice: list[Twice] = []
    for each in contributions:
        for key, point in index_points(each.points, each.label).items():
            method = Method(key.codec, each.documents.get(key.codec, ""))
            owner = owners.setdefault(method, each.label)
            held = rows[owner].get(key)
            if held is None or (held["status"] not in _PRESENT and point["status"] in _PRESENT):
                rows[owner][key] = point
                holders[method, key] = each.label
            elif point["status"] in (*_PRESENT, "failed"):
                first = holders[method, key]
                twice.append(_twice(key, method, (first, held), (each.label, point), tolerances))
    clashes = {(each.owner, each.key): each for each in twice if each.verdict == "conflict"}
    for clash in clashes.values():
        owner = owners[clash.method]
        rows[owner][clash.key] = _withheld(rows[owner][clash.key], clash)
    return Merged({label: tuple(held.values()) for label, held in rows.items()}, tuple(twice))


def _twice(
    key: PointKey,
    method: Method,
    owner: tuple[str, Point],
    other: tuple[str, Point],
    tolerances: Mapping[str, float],
) -> Twice:
    (first, held), (second, point) = owner, other
    found = Twice(key, method, first, second, "bit-exact")
    if point["status"] not in _PRESENT:
        return replace(found, verdict="failed there")
    deltas = disagreements(held, point, tolerances)
    if deltas:
        return replace(found, verdict="conflict", deltas=tuple(deltas))
    if is_copy(held, point):
        return replace(found, verdict="the same measurement")
    digests = [(held.get(name), point.get(name)) for name in ("bitstream_md5", "decoded_md5")]
    is_exact = all(left and left == right for left, right in digests)
    return found if is_exact else replace(found, verdict="equal within tolerance")


def is_copy(left: Point, right: Point) -> bool:
    """Whether two rows are one measurement: no two decodes take the same time and memory.

    Times of a table have three decimals.
    """
    old, new = left.get("decode_seconds"), right.get("decode_seconds")
    memory = left.get("peak_memory_bytes")
    if not (is_number(old) and is_number(new) and is_number(memory)):
        return False
    return memory == right.get("peak_memory_bytes") and abs(old - new) <= _TIME_STEP


def disagreements(left: Point, right: Point, tolerances: Mapping[str, float]) -> list[Delta]:
    """Columns in which two measurements of one point contradict each other.

    Bytes and the digests of source and bitstream must be equal where both are known, rates to the
    last digit of a table, metrics within their tolerance. A metric that only one side has
    contradicts nothing.
    """
    found = []
    for delta in column_deltas(left, right, (*_DIGESTS, *_RATES, *BD_METRICS)):
        if delta.left in (None, "") or delta.right in (None, ""):
            continue
        limit = 0.0 if delta.column == "bitstream_bytes" else tolerances.get(delta.column, 0.0)
        if delta.column in _RATES[1:]:
            limit = TABLE_STEP
        # a difference of two decimal numbers may exceed the tolerance by its last binary digits
        if delta.absolute is None or abs(delta.absolute) > limit * (1 + 1e-9) + 1e-12:
            found.append(delta)
    return found


def withhold_other_sources(
    merged: Merged, registered: Contribution
) -> tuple[Merged, dict[str, list[str]]]:
    """Take the numbers from points whose source file is another one than the anchor's.

    Returns:
        What is left, and by owner the sequences that are concerned.
    """
    known: dict[tuple[str, str], set[str]] = {}
    for point in registered.anchors:
        if point.get("source_md5"):
            known.setdefault(_place(point), set()).add(str(point["source_md5"]))
    found: dict[str, list[str]] = {}
    rows: dict[str, tuple[Point, ...]] = {}
    for owner, points in merged.points.items():
        kept = []
        for point in points:
            sources = known.get(_place(point))
            if sources and point.get("source_md5") and point["source_md5"] not in sources:
                names = found.setdefault(owner, [])
                names += [n for n in [full_sequence(point)] if n not in names]
                why = "its source file is another one than the anchor's"
                kept.append(_without_numbers(point, f"conflict: {why}"))
            else:
                kept.append(point)
        rows[owner] = tuple(kept)
    return replace(merged, points=rows), found


def _withheld(point: Point, clash: Twice) -> Point:
    """A point of which two sources give different numbers."""
    columns = ", ".join(delta.column for delta in clash.deltas)
    return _without_numbers(point, f"conflict: {clash.owner} and {clash.other} differ in {columns}")


def _without_numbers(point: Point, reason: str) -> Point:
    kept = {
        name: point.get(name)
        for name in (
            *("conditions", "track", "class", "sequence", "cut", "view_set", "codec", "variant"),
            *("role", "curve", "configuration", "rate_point", "fit", "seed", "origin", "qp"),
        )
    }
    empty = dict.fromkeys((name for name in point if name not in kept), None)
    return {**kept, **empty, "status": CONFLICT, "reason": reason}


# ---- anchors


def registered_anchor(contributions: Sequence[Contribution], anchor: str) -> Contribution | None:
    """The first contribution with complete points of the anchor, for all sequences if one has.

    Complete: every point of the anchor it expects is there. A table without conditions counts only
    where no other has the anchor.
    """
    stated = [each for each in contributions if each.digest]
    for members in (stated, [each for each in contributions if not each.digest]):
        found = _most_complete(members, contributions, anchor)
        if found is not None:
            return found
    return None


def _most_complete(
    members: Sequence[Contribution], everybody: Sequence[Contribution], anchor: str
) -> Contribution | None:
    tested = {_place(point) for each in everybody for point in each.points}
    best: tuple[int, Contribution] | None = None
    partial = None
    for each in members:
        points = [point for point in each.anchors if full_codec(point) == anchor]
        if points and all(point["status"] in _PRESENT for point in points):
            covered = len({_place(point) for point in points} & tested)
            if best is None or covered > best[0]:
                best = (covered, each)
        elif points:
            partial = partial or each
    return best[1] if best else partial


def _place(point: Point) -> tuple[str, str]:
    return full_sequence(point), str(point.get("view_set") or "")


def anchor_moves(registered: Contribution, other: Contribution, metric: str) -> list[Move]:
    """How another contribution's anchor points differ from the registered ones, by anchor."""
    return codec_moves(join(registered.anchors, other.anchors), metric)


@dataclass(frozen=True)
class AnchorPoint:
    """One anchor point in two contributions: other − registered.

    ``kbps`` is in kbit/s, or None of stills; ``percent`` relative to the registered rate.
    """

    key: PointKey
    is_same_bitstream: bool | None
    kbps: float | None
    percent: float | None
    quality: float | None


def anchor_points(registered: Contribution, other: Contribution, metric: str) -> list[AnchorPoint]:
    """Anchor points that differ in bitstream, rate or quality."""
    found = []
    for key, left, right in join(registered.anchors, other.anchors).pairs:
        deltas = {d.column: d for d in column_deltas(left, right, ("rate_kbps", "bpp", metric))}
        left_md5, right_md5 = left.get("bitstream_md5"), right.get("bitstream_md5")
        same = left_md5 == right_md5 if left_md5 and right_md5 else None
        rate = deltas.get("bpp") or deltas.get("rate_kbps")
        if same is not False and not any(
            abs(each.absolute or 0) > TABLE_STEP for each in deltas.values()
        ):
            continue
        found.append(
            AnchorPoint(
                key=key,
                is_same_bitstream=same,
                kbps=deltas["rate_kbps"].absolute if "rate_kbps" in deltas else None,
                percent=rate.percent if rate else 0.0,
                quality=deltas[metric].absolute if metric in deltas else 0.0,
            )
        )
    return found


# ---- comparisons


def rows_of_owner(
    points: Sequence[Point], anchors: Sequence[Point], metrics: Sequence[str], hulls: Hulls
) -> list[Row]:
    """Rows of bd.tsv of the methods of one owner against the registered anchors."""
    if not points:
        return []
    tested = {full_codec(point) for point in points}
    rows = bd_rows([*points, *anchors], metrics=metrics, headline_metric=metrics[0], hulls=hulls)
    return [row for row in rows if row["test"] in tested]


@dataclass(frozen=True)
class Ranked:
    """A tested codec of an owner in one ranking.

    ``rows`` are its comparisons with the headline anchor, by sequence, of one metric.
    """

    owner: str
    test: CurveKey
    rows: Mapping[str, Row]

    @property
    def usable(self) -> set[str]:
        """Sequences whose number may enter a mean."""
        return {sequence for sequence, row in self.rows.items() if is_usable(row)}


@dataclass(frozen=True)
class Ranking:
    """Codecs that share sequences, best first, by their means over the sequences all have.

    Attributes:
        sequences: that all of ``means`` have.
        means: BD-rate in percent over these, by rising value.
        left_out: codecs without any number, which limit nobody.
        reason: why there are no means.
    """

    sequences: tuple[str, ...]
    means: tuple[tuple[Ranked, float | None], ...]
    left_out: tuple[Ranked, ...] = ()
    reason: str = ""


def rank(members: Sequence[Ranked]) -> list[Ranking]:
    """Rankings of those that can be compared: chains of codecs that share a sequence.

    Codecs of other view sets or configurations are never in one ranking.
    """
    groups: dict[tuple[str, str], list[Ranked]] = {}
    for member in members:
        groups.setdefault((member.test.view_set, member.test.configuration), []).append(member)
    return [_ranking(chain) for group in groups.values() for chain in _chains(group)]


def _chains(members: Sequence[Ranked]) -> list[list[Ranked]]:
    """Members joined by common sequences, usable or not, in their order."""
    chains: list[list[Ranked]] = []
    for member in members:
        touching = [
            chain for chain in chains if any(set(each.rows) & set(member.rows) for each in chain)
        ]
        joined = [each for chain in touching for each in chain] + [member]
        chains = [chain for chain in chains if chain not in touching] + [joined]
    return chains


def _ranking(members: Sequence[Ranked]) -> Ranking:
    counted = [member for member in members if member.usable]
    left_out = tuple(member for member in members if not member.usable)
    if not counted:
        return Ranking((), (), left_out, "no codec has a number")
    common = [
        sequence
        for sequence in counted[0].rows
        if all(sequence in member.usable for member in counted)
    ]
    if not common:
        nothing = tuple((member, None) for member in counted)
        return Ranking((), nothing, left_out, "no sequence that all have")
    means = sorted(
        (
            math.fsum(member.rows[name]["bd_rate_percent"] for name in common) / len(common),
            index,
        )
        for index, member in enumerate(counted)
    )
    return Ranking(tuple(common), tuple((counted[i], mean) for mean, i in means), left_out)
