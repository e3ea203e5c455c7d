"""Contributions of several companies under one anchor: who is where, confirmed by whom."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from invrbench.compare.curves import CurveKey, Point, full_codec, full_sequence
from invrbench.compare.differences import Move, still
from invrbench.compare.join import KeyChange, PointKey, point_key
from invrbench.compare.merge import (
    AnchorPoint,
    Contribution,
    Merged,
    Method,
    Ranked,
    Ranking,
    anchor_moves,
    anchor_points,
    conditions_differ,
    merge_points,
    rank,
    registered_anchor,
    rows_of_owner,
    withhold_other_sources,
)
from invrbench.compare.table import CONFLICT, Row, add_rate_vs_anchor
from invrbench.ctc.tolerances import tolerances
from invrbench.report.brought import Brought, CheckRecord, find_label
from invrbench.report.content import Report
from invrbench.report.info import RunInfo
from invrbench.report.metrics import metric

_MAX_LISTED = 6
CONFIRMED = ("bit-exact", "equal within tolerance")


@dataclass(frozen=True)
class Confirmation:
    """Who checked a method, and what came of it: points confirmed, of how many."""

    by: str
    confirmed: int
    points: int
    bit_exact: int
    others: Mapping[str, int] = field(default_factory=dict)

    def __str__(self) -> str:
        """The verdict in a cell.

        >>> str(Confirmation("B", 7, 8, 4, {"conflict": 1}))
        '7 of 8 confirmed, 1 conflict'
        """
        if self.bit_exact == self.points > 0:
            return f"{self.points} of {self.points} bit-exact"
        rest = [f"{count} {verdict}" for verdict, count in self.others.items() if count]
        return ", ".join([f"{self.confirmed} of {self.points} confirmed", *rest])


@dataclass(frozen=True)
class MergedReport:
    """Everything a merge says.

    Attributes:
        label: of the merge.
        brought: contributions, in the order they were named.
        info: the headline, metrics and digest that hold for all.
        registered: the contribution whose anchor points are used; None: none has any.
        differing: by contribution: where its conditions are others; if any, nothing is averaged.
        merged: points by owner.
        reports: by owner: its methods against the registered anchor.
        confirmations: by owner and codec.
        moves, moved: how the anchors of the other contributions differ, by label.
        other_sources: by owner: sequences whose source file is not the anchor's.
        notes: sentences a reader must see.
    """

    label: str
    brought: tuple[Brought, ...]
    info: RunInfo
    registered: Contribution | None
    differing: Mapping[str, Sequence[KeyChange]]
    merged: Merged
    reports: Mapping[str, Report]
    confirmations: Mapping[tuple[str, str], Sequence[Confirmation]]
    moves: Mapping[str, Sequence[Move]]
    moved: Mapping[str, Sequence[AnchorPoint]]
    other_sources: Mapping[str, Sequence[str]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def is_averaged(self) -> bool:
        """Whether means and a ranking are allowed: all stated conditions are one."""
        return not self.differing

    @property
    def metrics(self) -> list[str]:
        """Columns of the headline."""
        return list(dict.fromkeys(self.info.headline_metrics))

    def of(self, label: str) -> Brought:
        """A contribution by its label."""
        return next(each for each in self.brought if each.label == label)

    def tested(self) -> list[tuple[str, CurveKey]]:
        """Owners and their tested codecs, each without a sequence."""
        found: dict[tuple[str, CurveKey], None] = {}
        for owner, report in self.reports.items():
            own = {full_codec(point) for point in self.merged.points[owner]}
            for curve in report.pooled:
                if curve.key.codec in own:
                    found[owner, replace(curve.key, sequence="")] = None
        return list(found)

    def headline_rows(self, owner: str, test: CurveKey, column: str) -> dict[str, Row]:
        """By sequence: a tested codec against the headline anchor."""
        report = self.reports[owner]
        found = {}
        for curve in report.pooled:
            if replace(curve.key, sequence="") == test:
                row = report.headline(curve.key, column)
                if row is not None:
                    found[curve.key.sequence] = row
        return found

    def rankings(self, column: str) -> list[Ranking]:
        """Rankings by one metric; none where nothing may be averaged."""
        if not self.is_averaged:
            return []
        members = [
            Ranked(owner, test, self.headline_rows(owner, test, column))
            for owner, test in self.tested()
        ]
        return rank(members)


def merge_reports(
    label: str,
    brought: Sequence[Brought],
    checks: Sequence[CheckRecord] = (),
    *,
    anchor_from: str = "",
) -> MergedReport:
    """Merge contributions.

    Args:
        label: of the merge.
        brought: contributions; what two of them bring belongs to the first.
        checks: of cross-checkers.
        anchor_from: label of the contribution whose anchor is used; empty: see
            :func:`compare.merge.registered_anchor`.

    Raises:
        InputError: no contribution of that label, or it has no anchor points.
        RecordError: a contribution holds a point twice.
    """
    contributions = [each.contribution for each in brought]
    info = _headline(label, brought)
    registered = (
        find_label(brought, anchor_from)
        if anchor_from
        else registered_anchor(contributions, info.headline_anchor)
    )
    if registered:
        info = _with_anchors_of(registered, brought, info)
    merged = merge_points(contributions, _tolerances(brought))
    other_sources: Mapping[str, Sequence[str]] = {}
    if registered:
        merged, other_sources = withhold_other_sources(merged, registered)
    differing = conditions_differ(contributions)
    reports = _reports(merged, registered, brought, info)
    others = [each for each in contributions if registered and each is not registered]
    others = [each for each in others if each.anchors]
    first = info.headline_metrics[0]
    found = MergedReport(
        label=label,
        brought=tuple(brought),
        info=info,
        registered=registered,
        differing=differing,
        merged=merged,
        reports=reports,
        confirmations={},
        moves={each.label: anchor_moves(registered, each, first) for each in others if registered},
        moved={each.label: anchor_points(registered, each, first) for each in others if registered},
        other_sources=other_sources,
    )
    unmatched = [check.file for check in checks if not _owner_of(found, check)]
    notes = [f"{file} checks no codec that is here." for file in unmatched]
    return replace(
        found,
        confirmations=_confirmations(found, checks),
        notes=(*_notes(found, anchor_from), *notes),
    )


def _headline(label: str, brought: Sequence[Brought]) -> RunInfo:
    """Headline of the first contribution that states conditions, with the names of all codecs."""
    first = next((each for each in brought if each.contribution.digest), brought[0])
    codecs = {
        codec: entry for each in reversed(brought) for codec, entry in each.info.codecs.items()
    }
    anchor = first.info.headline_anchor or next(
        (each.info.headline_anchor for each in brought if each.info.headline_anchor), ""
    )
    return replace(
        first.info,
        title=f"Merge of {len(brought)} contributions",
        label=label,
        headline_anchor=anchor,
        codecs=codecs,
        generated_from=max(each.info.generated_from for each in brought),
        filter="",
        notes=(),
        crosschecks={},
    )


def _with_anchors_of(
    registered: Contribution, brought: Sequence[Brought], info: RunInfo
) -> RunInfo:
    """The names that the contribution with the anchor has for the anchors."""
    held = next(each.info for each in brought if each.label == registered.label)
    anchors = {full_codec(point) for point in registered.anchors}
    names = {codec: entry for codec, entry in held.codecs.items() if codec in anchors}
    return replace(info, codecs={**info.codecs, **names})


def _tolerances(brought: Iterable[Brought]) -> dict[str, float]:
    """The tolerances that the conditions state, else the defaults."""
    stated = (each.contribution.conditions.get("tolerances") for each in brought)
    return tolerances(next((each for each in stated if each), {}))


def _reports(
    merged: Merged,
    registered: Contribution | None,
    brought: Sequence[Brought],
    info: RunInfo,
) -> dict[str, Report]:
    """By owner: its points and the registered anchor's, compared."""
    anchors = registered.anchors if registered else ()
    metrics = list(dict.fromkeys((*info.headline_metrics, *info.metrics)))
    found = {}
    for each in brought:
        points = [dict(point) for point in merged.points[each.label]]
        if not points:
            continue
        rows = rows_of_owner(points, anchors, metrics, each.info.hulls)
        everything: list[Point] = [*points, *(dict(point) for point in anchors)]
        add_rate_vs_anchor(everything, rows, (info.headline_anchor, metrics[0]))
        own = replace(
            info, codecs={**info.codecs, **_own_names(each, points)}, hulls=each.info.hulls
        )
        found[each.label] = Report(everything, rows, own)
    return found


def _own_names(brought: Brought, points: Iterable[Point]) -> dict[str, Any]:
    names = {full_codec(point) for point in points}
    return {codec: entry for codec, entry in brought.info.codecs.items() if codec in names}


# ---- cross-checks


def _confirmations(
    found: MergedReport, checks: Sequence[CheckRecord]
) -> dict[tuple[str, str], list[Confirmation]]:
    """By owner and codec: what cross-checkers and other contributions confirm."""
    held: dict[tuple[str, str], list[Confirmation]] = {}
    for check in checks:
        owner = _owner_of(found, check)
        if owner:
            codec = str(check.value["codec"])
            held.setdefault((owner, codec), []).append(_of_record(found, owner, codec, check))
    for owner, codec, other in _pairs(found):
        held.setdefault((owner, codec), []).append(_of_twice(found, owner, codec, other))
    return held


def _owner_of(found: MergedReport, check: CheckRecord) -> str:
    """The contribution that a cross-check is of: that package, else codec and document."""
    package = check.value["package"]
    for each in found.brought:
        if each.md5 == package.get("md5"):
            return _owner_of_method(found, each, str(check.value["codec"]))
    for each in found.brought:
        codec = str(check.value["codec"])
        document = each.contribution.documents.get(codec)
        if document is not None and document == str(package.get("document") or ""):
            return _owner_of_method(found, each, codec)
    return ""


def _owner_of_method(found: MergedReport, brought: Brought, codec: str) -> str:
    """Who owns what a contribution brings: itself, or the one that brought it first."""
    method = Method(codec, brought.contribution.documents.get(codec, ""))
    for each in found.brought:
        held = {full_codec(point) for point in found.merged.points[each.label]}
        if codec in held and each.contribution.documents.get(codec, "") == method.document:
            return each.label
    return ""


def _of_record(found: MergedReport, owner: str, codec: str, check: CheckRecord) -> Confirmation:
    """What a crosscheck.json says, held against the bitstreams that are merged here."""
    by = str(check.value.get("by") or "unnamed")
    points = _points_of(found, owner, codec)
    counts: Counter[str] = Counter()
    seen: dict[tuple[str, ...], str] = {}
    for point in check.value["points"]:
        key = point_key({"view_set": "", "curve": "", **point})
        place = (key.sequence, key.configuration, key.rate_point, key.seed)
        digest = str(point.get("bitstream_md5") or "")
        is_here = any(_place(each) == place and md5 == digest for each, md5 in points)
        seen[place] = str(point["verdict"]) if is_here else "other bitstream"
    counts.update(seen.values())
    total = len({_place(each) for each, _ in points} | set(seen))
    others = {name: count for name, count in counts.items() if name not in CONFIRMED}
    others["not checked"] = total - sum(counts.values()) + others.pop("not checked", 0)
    return Confirmation(
        by=by,
        confirmed=sum(counts[name] for name in CONFIRMED),
        points=total,
        bit_exact=counts[CONFIRMED[0]],
        others=others,
    )


def _place(key: PointKey) -> tuple[str, ...]:
    """A bitstream's identity: view sets share one."""
    return (key.sequence, key.configuration, key.rate_point, key.seed)


def _points_of(found: MergedReport, owner: str, codec: str) -> list[tuple[PointKey, str]]:
    return [
        (point_key(point), str(point.get("bitstream_md5") or ""))
        for point in found.merged.points[owner]
        if full_codec(point) == codec and point["status"] in ("ok", "published", CONFLICT)
    ]


def _pairs(found: MergedReport) -> list[tuple[str, str, str]]:
    """(owner, codec, other) of methods that another company brought too."""
    pairs: dict[tuple[str, str, str], None] = {}
    for each in found.merged.twice:
        senders = [found.of(label).proponent for label in (each.owner, each.other)]
        if not senders[0] or senders[0] != senders[1]:  # nobody confirms their own numbers
            pairs[_holder(found, each.method), each.method.codec, each.other] = None
    return list(pairs)


def _holder(found: MergedReport, method: Method) -> str:
    return next(
        each.label
        for each in found.brought
        if each.contribution.documents.get(method.codec, "") == method.document
        and any(full_codec(p) == method.codec for p in found.merged.points[each.label])
    )


def _of_twice(found: MergedReport, owner: str, codec: str, other: str) -> Confirmation:
    document = found.of(owner).contribution.documents.get(codec, "")
    verdicts = Counter(
        each.verdict
        for each in found.merged.twice
        if each.method == Method(codec, document) and each.other == other
    )
    total = len(_points_of(found, owner, codec))
    others: dict[str, int] = {
        name: count for name, count in verdicts.items() if name not in CONFIRMED
    }
    others["not checked"] = max(0, total - sum(verdicts.values()))
    return Confirmation(
        by=found.of(other).proponent or other,
        confirmed=sum(verdicts[name] for name in ("bit-exact", "equal within tolerance")),
        points=total,
        bit_exact=verdicts["bit-exact"],
        others=others,
    )


# ---- sentences


def _notes(found: MergedReport, anchor_from: str) -> list[str]:
    notes = []
    anchor = found.info.codec(found.info.headline_anchor).display
    if found.registered is None:
        notes.append("No contribution has anchor points: nothing is compared.")
    else:
        how = "as asked" if anchor_from else "the first with complete points"
        notes.append(f"Reference: {anchor} as {found.registered.label} measured it ({how}).")
    for label, keys in found.differing.items():
        told = "; ".join(str(key) for key in keys)
        notes.append(f"{label} was made under other conditions: {told}.")
    if found.differing:
        notes.append("Conditions differ, so nothing is averaged and nothing is ranked.")
    for each in found.brought:
        if not each.contribution.digest:
            notes.append(f"{each.label}: a bare table, no bitstreams, conditions not stated.")
    if found.info.budget not in ("", "paper"):
        budget = found.info.budget
        notes.append(f"Training budget '{budget}': every finding here is an indication.")
    notes += _limits(found)
    clashes = sum(each.verdict == "conflict" for each in found.merged.twice)
    if clashes:
        notes.append(
            f"Points in conflict, where two contributions give different values: {clashes}. "
            "Sheet Conflicts lists them; their curves are compared with nothing."
        )
    for label, moves in found.moves.items():
        apart = [move for move in moves if move.has_moved]
        if apart:
            told = "; ".join(
                f"{move.codec}, {move.other} of {move.points} bitstreams, by up to "
                f"{still(move.largest_rate_percent or 0.0):+.2f} % in rate"
                for move in apart
            )
            notes.append(f"Anchors of {label} that are others: {told}; see sheet Anchors.")
    return notes


def _limits(found: MergedReport) -> list[str]:
    """Where numbers of several houses do not belong beside each other."""
    notes = [
        f"{owner} coded another source file than the anchor of {_listed(names)}: not compared."
        for owner, names in found.other_sources.items()
    ]
    if found.registered is None:
        return notes
    anchor = found.info.headline_anchor
    held = {full_sequence(p) for p in found.registered.anchors if full_codec(p) == anchor}
    tested = dict.fromkeys(full_sequence(p) for ps in found.merged.points.values() for p in ps)
    lacking = [name for name in tested if name not in held]
    if lacking:
        notes.append(f"{found.registered.label} has no anchor points of {_listed(lacking)}.")
    ours = found.of(found.registered.label).info.metric_versions
    for each in found.brought:
        theirs = each.info.metric_versions
        for column in found.metrics:
            if ours.get(column) and theirs.get(column) and ours[column] != theirs[column]:
                notes.append(
                    f"{metric(column).label} of {each.label} is “{theirs[column]}”, of "
                    f"{found.registered.label} “{ours[column]}”: their numbers may not compare."
                )
    return notes


def _listed(names: Sequence[str]) -> str:
    rest = len(names) - _MAX_LISTED
    return ", ".join(names[:_MAX_LISTED]) + (f" and {rest} more" if rest > 0 else "")
