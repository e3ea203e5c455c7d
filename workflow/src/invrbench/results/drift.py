"""Drift: whether a decoder gives the same pictures under other settings than the recorded ones.

A point that was decoded again under a setting has ``drift/<setting>.json`` beside its
``decode.json``. Such a record holds for one decode: it is current while that decode is the current
one and the setting is still defined as it was.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from invrbench.codec.settings import TABLE, VENV, Setting, read_setting
from invrbench.digest import digest_value
from invrbench.results.plan import Plan, Point
from invrbench.results.records import read_usable_record

Record = Mapping[str, Any]
Verdict = Literal["bit-exact", "equal", "within", "fails"]
BIT_EXACT: Verdict = "bit-exact"
EQUAL: Verdict = "equal"
WITHIN: Verdict = "within"
FAILS: Verdict = "fails"
VERDICTS = (BIT_EXACT, EQUAL, WITHIN, FAILS)  # the worst last
FOLDER = "drift"
FAMILY = "picture"  # of metrics, whose PSNR says how far two decodes lie apart
COLUMNS = (
    *("psnr_y_db", "psnr_u_db", "psnr_v_db"),
    *("psnr_yuv_db", "psnr_yuv411_db", "psnr_rgb_db"),
)
PLANES = COLUMNS[:3]
DECIMALS = 4
_STEPS = 10_000  # to a dB


@dataclass(frozen=True)
class Difference:
    """How far the PSNR of a second decode lies from that of the recorded one.

    Attributes:
        columns: largest difference of any view, second less first, dB; None where one of the two
            is infinite.
        frame_db: largest difference of any frame and plane, dB, without sign; None where there is
            no such number.
        where: that frame and plane.
        is_equal: whether every column of every view is equal when written with four decimals.
        reason: why ``frame_db`` is None.
    """

    columns: Mapping[str, float | None]
    frame_db: float | None
    where: str
    is_equal: bool
    reason: str = ""


def difference(first: Mapping[str, Record], second: Mapping[str, Record]) -> Difference:
    """Compare two measurements of one point, of the family ``picture``.

    Args:
        first, second: by view id, or under "" for a video: ``values`` by column, ``frames`` by
            column; None is an infinite PSNR.
    """
    columns: dict[str, float | None] = {}
    is_equal = True
    for column in COLUMNS:
        pairs = [(first[v]["values"][column], second[v]["values"][column]) for v in first]
        gaps = [_gap(*pair) for pair in pairs]
        finite = [gap for gap in gaps if gap is not None]
        columns[column] = max(finite, key=abs) if len(finite) == len(gaps) else None
        is_equal &= all(_written(one) == _written(other) for one, other in pairs)
    worst, where = 0.0, ""
    for view, plane, index, one, other in _frame_pairs(first, second):
        place = f"{plane} of frame {index}" + (f" of view {view}" if view else "")
        gap = _gap(one, other)
        if gap is None:
            measured = one if other is None else other
            reason = f"{place} is infinite in one decode and {measured:.2f} dB in the other"
            return Difference(columns, None, place, is_equal=False, reason=reason)
        if abs(gap) > worst:
            worst, where = abs(gap), place
    return Difference(columns, worst, where, is_equal)


def _frame_pairs(
    first: Mapping[str, Record], second: Mapping[str, Record]
) -> Iterable[tuple[str, str, int, float | None, float | None]]:
    for view, held in first.items():
        for plane in PLANES:
            both = zip(held["frames"][plane], second[view]["frames"][plane], strict=True)
            for index, (one, other) in enumerate(both):
                yield view, plane, index, one, other


def _gap(first: float | None, second: float | None) -> float | None:
    """Second less first; none between a number and an infinite value, 0 between two of these."""
    if first is None and second is None:
        return 0.0
    return None if first is None or second is None else second - first


def _written(value: float | None) -> str:
    return "infinite" if value is None else f"{value:.{DECIMALS}f}"


def classify(found: Difference | None) -> Verdict:
    """The class of a decode; None: its files are the recorded ones, byte for byte."""
    if found is None:
        return BIT_EXACT
    if found.frame_db is None:
        return FAILS
    return EQUAL if found.is_equal else WITHIN


@dataclass(frozen=True)
class Drift:
    """What became of one point under one setting.

    Attributes:
        setting: its name.
        verdict: its class.
        largest_db: largest difference of any frame and plane in dB; None where nothing decoded, or
            one of two values is infinite.
        where: that frame and plane.
        reason: why it fails.
        threads, device: of the second decode.
        is_same_device: whether a claim of ``same-device`` covers it.
    """

    setting: str
    verdict: Verdict
    largest_db: float | None
    where: str = ""
    reason: str = ""
    threads: int = 1
    device: str = "cpu"
    is_same_device: bool = False

    def against(self, limit: float | None) -> "Drift":
        """The same, but failed if it lies further apart than ``limit`` dB."""
        if limit is None or self.largest_db is None or self.largest_db <= limit:
            return self
        reason = f"{self.where} differs by {self.largest_db:.{DECIMALS}f} dB, more than {limit:g}"
        return replace(self, verdict=FAILS, reason=reason)

    @property
    def told(self) -> str:
        """Its class in words."""
        if self.verdict == FAILS:
            return f"fails: {self.reason}"
        apart = within(self.largest_db or 0.0)
        if self.verdict == EQUAL:
            return f"equal to {DECIMALS} decimals in PSNR, its frames {apart}"
        return self.verdict if self.verdict == BIT_EXACT else f"{apart} ({self.where})"


def within(largest_db: float) -> str:
    """A bound in words, rounded up to four decimals.

    >>> within(0.00021), within(0.0)
    ('within 0.0003 dB', 'within 0 dB')
    """
    return f"within {bound(largest_db):.{DECIMALS}f} dB" if largest_db else "within 0 dB"


def bound(largest_db: float) -> float:
    """A difference rounded up to four decimals: what is not 0 never reads 0."""
    return math.ceil(round(largest_db * _STEPS, 3)) / _STEPS


# ---- records


def drift_key(decode_key: str, identity: Mapping[str, Any]) -> str:
    """Digest of what a second decode depends on: the first one's key and the setting."""
    return digest_value({"decode": decode_key, "setting": dict(identity)})


def record_path(point: Point, setting: Setting) -> Path:
    """Where the result of a point under a setting lies, below the root."""
    return point.address.folder / FOLDER / f"{setting.stem}.json"


def record_paths(root: Path, point: Point) -> list[Path]:
    """Records of second decodes that a point has, below ``root``."""
    folder = root / point.address.folder / FOLDER
    found = sorted(folder.glob("*.json")) if folder.is_dir() else []
    return [path.relative_to(root) for path in found]


def current_drift(path: Path, point: Point, decoded: Record) -> Drift | None:
    """The result at ``path`` if it holds for the recorded decode; None if there is none.

    Args:
        path: of a record.
        point: whose it is.
        decoded: the point's current ``decode.json``.
    """
    record = read_usable_record(path)
    if record is None or record["status"] != "ok":
        return None
    identity = record["setting"]
    known = TABLE.get(identity["name"])
    is_current = (
        record["key"] == drift_key(point.decode_key, identity)
        and record["inputs"]["decoded_md5"] == decoded["decoded_md5"]
        and (known is None or known.identity() == identity)
    )
    return drift_of(record) if is_current else None


def drift_of(record: Record) -> Drift:
    """What a record says."""
    return Drift(
        setting=record["setting"]["name"],
        verdict=record["class"],
        largest_db=record["largest_db"],
        where=record["where"],
        reason=record["reason"],
        threads=record["threads"],
        device=record["device"],
        is_same_device=record["is_same_device"],
    )


def drifts_of(root: Path, point: Point, decoded: Record) -> list[Drift]:
    """Current results of a point, in the order of the settings' table, others behind them."""
    found = (current_drift(root / path, point, decoded) for path in record_paths(root, point))
    return sorted(filter(None, found), key=lambda drift: _rank(drift.setting))


def _rank(setting: str) -> tuple[int, str]:
    """Where a setting stands: as in the table, numbers of threads first, folders last."""
    names = tuple(TABLE)
    if setting in names:
        return names.index(setting), setting
    return (len(names) if setting.startswith(VENV) else 0), setting


def drift_text(drifts: Sequence[Drift]) -> str:
    """The cell of points.tsv: the worst class over the settings, and which they are.

    >>> drift_text([Drift("threads-1", "bit-exact", 0.0), Drift("cpu", "bit-exact", 0.0)])
    'bit-exact (2)'
    >>> drift_text([Drift("threads-1", "bit-exact", 0.0), Drift("cpu", "within", 0.0163)])
    'within 0.0163 dB: cpu'
    """
    if not drifts:
        return ""
    worst = max((drift.verdict for drift in drifts), key=VERDICTS.index)
    if worst == BIT_EXACT:
        return f"{BIT_EXACT} ({len(drifts)})"
    names = ", ".join(drift.setting for drift in drifts if drift.verdict == worst)
    largest = max((drift.largest_db or 0.0 for drift in drifts), default=0.0)
    words = {EQUAL: f"equal to {DECIMALS} decimals", WITHIN: within(largest), FAILS: FAILS}
    return f"{words[worst]}: {names}"


# ---- counts over points, and what codecs claim


@dataclass(frozen=True)
class DriftCount:
    """How often a codec drifted under a setting.

    Attributes:
        codec, setting: whose, and under which.
        counts: points by class.
        largest_db: largest difference of any frame and plane of any point; None without one.
        worst: the point and place of it, or the reason why a point fails.
        claim: what the codec claims of decoding.
        broken: how these points break it, else empty.
        why_not: why nothing was looked at, else empty.
    """

    codec: str
    setting: str
    counts: Mapping[str, int] = field(default_factory=dict)
    largest_db: float | None = None
    worst: str = ""
    claim: str = ""
    broken: str = ""
    why_not: str = ""

    @property
    def points(self) -> int:
        """Points that were looked at."""
        return sum(self.counts.values())


Looked = tuple[Point, Drift]


def count_drifts(looked: Iterable[Looked]) -> list[DriftCount]:
    """A row for every codec and setting, codecs in the order of the points."""
    groups: dict[str, dict[str, list[Looked]]] = defaultdict(lambda: defaultdict(list))
    for point, drift in looked:
        groups[point.manifest.codec][drift.setting].append((point, drift))
    return [
        _counted(codec, setting, by_setting[setting])
        for codec, by_setting in groups.items()
        for setting in sorted(by_setting, key=_rank)
    ]


def _counted(codec: str, setting: str, members: Sequence[Looked]) -> DriftCount:
    counts = Counter(drift.verdict for _, drift in members)
    claim = members[0][0].manifest.claims.get("decode", "")
    point, worst = max(members, key=lambda member: _badness(member[1]))
    name = f"{point.address.sequence}, {point.address.rate_point}"
    apart = [drift.largest_db for _, drift in members if drift.largest_db is not None]
    told = "" if worst.verdict == BIT_EXACT else f"{name}: {worst.reason or worst.where}"
    return DriftCount(
        codec=codec,
        setting=setting,
        counts={verdict: counts[verdict] for verdict in VERDICTS},
        largest_db=max(apart, default=None),
        worst=told,
        claim=claim,
        broken=_broken(codec, claim, members),
    )


def _badness(drift: Drift) -> tuple[int, float]:
    return VERDICTS.index(drift.verdict), drift.largest_db or 0.0


def _broken(codec: str, claim: str, members: Sequence[Looked]) -> str:
    """How these points of one setting break the claim, or an empty text.

    ``bit-exact`` promises equal bits under every setting, ``same-device`` under any number of
    threads on the device of the record.
    """
    held = [drift for _, drift in members if claim == BIT_EXACT or drift.is_same_device]
    apart = [drift for drift in held if drift.verdict != BIT_EXACT]
    if not claim or not apart:
        return ""
    worst = max(apart, key=_badness)
    are = "is" if len(held) == 1 else "are"
    return (
        f'{codec} claims decode = "{claim}", but under {worst.setting} {len(apart)} of '
        f"{len(held)} {'point' if len(held) == 1 else 'points'} {are} not bit-exact; "
        f"at worst: {worst.told}."
    )


def collect_drifts(plan: Plan) -> list[DriftCount]:
    """Counts over a plan's points, and why a setting that its conditions name has none."""
    looked: list[Looked] = []
    devices: dict[str, str] = {}
    for point in plan.runnable:
        decoded = read_usable_record(plan.root / point.address.folder / "decode.json")
        if decoded is not None and decoded["key"] == point.decode_key:
            devices.setdefault(point.manifest.codec, str(decoded["device"]))
            looked += [(point, each) for each in drifts_of(plan.root, point, decoded)]
    found = count_drifts(looked)
    held = {(each.codec, each.setting) for each in found}
    for setting in map(read_setting, plan.conditions.drift):
        for codec, device in devices.items():
            if (codec, setting.name) not in held:
                why = setting.why_not(plan.manifests[codec], device) or "not looked at"
                found.append(DriftCount(codec, setting.name, why_not=why))
    order = list(devices)
    return sorted(found, key=lambda each: (order.index(each.codec), _rank(each.setting)))


def drift_counts_text(counts: Iterable[DriftCount]) -> list[str]:
    """The counts as lines, and a sentence for every claim that is broken."""
    held = list(counts)
    heads = ("codec", "setting", *VERDICTS, "largest, dB")
    lines = [f"{heads[0]:<20} {heads[1]:<14}" + "".join(f"{head:>12}" for head in heads[2:])]
    for each in held:
        numbers = "".join(f"{each.counts[verdict]:>12}" for verdict in VERDICTS)
        apart = "–" if each.largest_db is None else f"{bound(each.largest_db):.{DECIMALS}f}"
        lines.append(f"{each.codec:<20} {each.setting:<14}{numbers}{apart:>12}")
    return [*lines, *(f"broken claim: {each.broken}" for each in held if each.broken)]
