"""What a report says about its run besides the points, and the words every page shares."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from invrbench.codec.sandbox import NOT_ISOLATED
from invrbench.compare.curves import Curve, Point, full_sequence, is_pooled
from invrbench.compare.findings import UNDECIDED
from invrbench.ctc.conditions import Figure, Finding
from invrbench.results.drift import DriftCount

PRESENT = ("ok", "published")


@dataclass(frozen=True)
class CodecInfo:
    """How a codec is named in legends and tables.

    ``display`` names standard, encoder, version and preset, e.g. ``HEVC (x265 4.1 veryslow)``;
    the configuration is added where it is used.
    """

    display: str
    role: str
    document: str = ""
    paper: str = ""
    summary: str = ""


def with_versions(display: str, versions: Mapping[str, str]) -> str:
    """A codec's name in which every tool that it mentions is followed by its version.

    >>> with_versions("HEVC (x265 veryslow)", {"x265": "4.1", "x264": "164"})
    'HEVC (x265 4.1 veryslow)'
    """
    return re.sub(
        r"[\w.-]+",
        lambda word: f"{word[0]} {versions[word[0]]}" if word[0] in versions else word[0],
        display,
    )


@dataclass(frozen=True)
class SequenceInfo:
    """A sequence as it was coded; size in luma samples, ``fps`` as text (``30000/1001``).

    ``may_publish`` is "frames" where single pictures may leave the house, else "no".
    """

    width: int
    height: int
    frames: int
    fps: str
    pixel_format: str
    md5: str = ""
    md5_state: str = ""
    source: str = ""
    may_publish: str = "no"

    @property
    def is_still(self) -> bool:
        """Whether rates are told in bit/pixel rather than kbit/s."""
        return self.frames == 1


@dataclass(frozen=True)
class RunInfo:
    """Everything a report states that is no point: conditions, provenance, names.

    Attributes:
        conditions: name of the test conditions, e.g. ``mini``.
        title: one line of what they test.
        digest: digest of the resolved conditions.
        headline_anchor: codec id of the anchor the first screen compares with.
        headline_metrics: the two columns the first screen shows.
        budget: training budget of the fits (``quick``, …, ``paper``).
        metrics: columns of the conditions, in order; empty: all of BD_METRICS.
        families: metric families measured.
        filter: the ``only=`` of a filtered run, which makes the report a draft.
        label: the ``label=`` of the run.
        generated_from: date of the newest record, ISO 8601 in UTC; stands for the report's date.
        commit: commit of the harness, ``dirty`` when the tree had changes.
        tool_versions: by tool or library.
        sandbox: levels under which bitstreams were decoded.
        machine: label of the machine from the profile; never a host name.
        metric_versions: by column.
        codecs, sequences: by id; a codec id holds its variant, a sequence id its cut.
        notes: sentences a reader must see (accepted points, missing weights, drifted anchors).
        hulls: by codec: name of a hull, and the shell pattern of its curves' names.
        figures, findings: of the conditions.
        conditions_value: the resolved conditions as JSON, whose digest ``digest`` is.
        crosschecks: by codec: what cross-checkers found, in a few words.
        drift: what became of bitstreams under other settings, by codec and setting.
    """

    conditions: str
    title: str
    digest: str
    headline_anchor: str
    headline_metrics: tuple[str, str]
    budget: str
    codecs: Mapping[str, CodecInfo]
    sequences: Mapping[str, SequenceInfo] = field(default_factory=dict)
    metrics: tuple[str, ...] = ()
    families: tuple[str, ...] = ()
    filter: str = ""
    label: str = ""
    generated_from: str = "1970-01-01T00:00:00+00:00"
    commit: str = ""
    dirty: bool = False
    tool_versions: Mapping[str, str] = field(default_factory=dict)
    sandbox: tuple[str, ...] = ()
    machine: str = ""
    metric_versions: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    hulls: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    figures: tuple[Figure, ...] = ()
    findings: tuple[Finding, ...] = ()
    conditions_value: Mapping[str, Any] = field(default_factory=dict)
    crosschecks: Mapping[str, str] = field(default_factory=dict)
    drift: tuple[DriftCount, ...] = ()

    @property
    def created(self) -> datetime:
        """``generated_from`` as a time without zone, in UTC."""
        moment = datetime.fromisoformat(self.generated_from)
        if moment.tzinfo is not None:
            moment = moment.astimezone(UTC).replace(tzinfo=None)
        return moment.replace(microsecond=0)

    def codec(self, codec: str) -> CodecInfo:
        """Names of a codec; an unknown one is called by its id."""
        return self.codecs.get(codec) or CodecInfo(display=codec, role="")

    def name(self, codec: str, configuration: str = "any", curve: str = "", seed: str = "0") -> str:
        """A codec as legends and tables name it.

        >>> info = RunInfo("c", "t", "d", "hevc", ("psnr_y_db", "vmaf"), "quick",
        ...                {"hevc": CodecInfo("HEVC (x265 4.1 veryslow)", "anchor")})
        >>> info.name("hevc", "ld")
        'HEVC (x265 4.1 veryslow, ld)'
        """
        name = self.codec(codec).display
        details = [configuration] if configuration and configuration != "any" else []
        details += [curve] if curve and curve != codec else []
        if is_pooled(seed):
            details.append(f"{seed} seeds")
        elif seed not in ("", "0"):
            details.append(f"seed {seed}")
        if not details:
            return name
        if name.endswith(")"):
            return f"{name[:-1]}, {', '.join(details)})"
        return f"{name} ({', '.join(details)})"

    def curve_name(self, curve: Curve) -> str:
        """The legend of a curve."""
        key = curve.key
        return self.name(key.codec, key.configuration, key.curve, key.seed)

    def frames(self, sequence: str) -> int:
        """Frames of a sequence, of a scene its instants; 0 for an unknown one."""
        return self.sequences[sequence].frames if sequence in self.sequences else 0

    def is_still(self, sequence: str, points: Sequence[Point] = ()) -> bool:
        """Whether a sequence is a still; without an entry, whether its points have no kbps."""
        if sequence in self.sequences:
            return self.sequences[sequence].is_still
        mine = [point for point in points if full_sequence(point) == sequence]
        return bool(mine) and all(point.get("rate_kbps") is None for point in mine)


@dataclass(frozen=True)
class Completeness:
    """How many of the expected points are present."""

    present: int
    expected: int

    @property
    def is_complete(self) -> bool:
        """Whether no expected point is missing."""
        return self.present == self.expected

    def __str__(self) -> str:
        return f"{self.present} of {self.expected}"


def completeness(points: Sequence[Point]) -> Completeness:
    """Present and expected points; those a codec declares not to serve are not expected."""
    expected = [point for point in points if point["status"] != "skipped"]
    present = sum(point["status"] in PRESENT for point in expected)
    return Completeness(present=present, expected=len(expected))


def marks(points: Sequence[Point], info: RunInfo) -> list[str]:
    """Words that stand on every page: DRAFT, incomplete: n of N, decoders not isolated."""
    words = [f"DRAFT (only={info.filter})"] if info.filter else []
    count = completeness(points)
    if not count.is_complete:
        words.append(f"incomplete: {count}")
    if NOT_ISOLATED in info.sandbox:
        words.append(f"decoders {NOT_ISOLATED}")
    return words


def shown_verdict(verdict: str, info: RunInfo) -> str:
    """A verdict on a finding as reports show it: below the paper's budget it is an indication."""
    is_indication = info.budget != "paper" and verdict != UNDECIDED
    return f"indication: {verdict}" if is_indication else verdict


def heading(info: RunInfo) -> str:
    """One line that names conditions, label and budget."""
    label = f" · {info.label}" if info.label else ""
    return f"{info.conditions}{label} · budget {info.budget}"
