"""Test conditions, ctc/<name>.yaml: which codecs, sequences, rate points and metrics belong."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from invrbench.ctc.documents import read_yaml, shown
from invrbench.ctc.names import suggest
from invrbench.ctc.pictures import ViewPicture, check_pictures, read_pictures
from invrbench.ctc.sequences import Sequence, SequenceRef
from invrbench.digest import digest_value
from invrbench.errors import ConditionsError
from invrbench.schema import check_structure

PATH_FILES = ("paths.yaml", "paths.example.yaml")
DEFAULT_BD_METRICS = ("psnr_y_db", "psnr_yuv_db", "ms_ssim_y_db", "vmaf")
Value = int | float | str
Grid = Mapping[str, tuple[Value, ...]]


@dataclass(frozen=True)
class Headline:
    """The comparison a summary leads with: against ``anchor``, by each of ``metrics``."""

    anchor: str
    metrics: tuple[str, ...]


@dataclass(frozen=True)
class Block:
    """Every codec on every sequence in every configuration of one block.

    ``grids`` holds, for codecs whose rate points the conditions choose, the grids that add up;
    a codec that is not in it keeps its own.
    """

    sequences: tuple[SequenceRef, ...]
    configurations: tuple[str, ...]
    codecs: tuple[str, ...]
    grids: Mapping[str, tuple[Grid, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Figure:
    """A plot of the experiment: some curves of one metric on one sequence.

    It is drawn over the rate, or over the column ``x``; ``view_set`` chooses among the curves of a
    scene. ``curves`` and ``orientation`` are shell patterns of ``codec/curve`` (``codec`` for a
    curve without a name), ``@ra`` behind them for one configuration; the latter are drawn as far
    as they lie among the former.
    """

    name: str
    title: str
    metric: str
    curves: tuple[str, ...]
    sequence: str = ""
    orientation: tuple[str, ...] = ()
    view_set: str = ""
    x: str = ""


@dataclass(frozen=True)
class Finding:
    """A claim of the experiment and the test that decides it (see ``compare.findings``)."""

    claim: str
    kind: str
    curves: tuple[str, ...]
    against: tuple[str, ...] = ()
    metric: str = ""
    sequence: str = ""
    at_least: float | None = None
    below: float | None = None
    above: float | None = None
    expected: tuple[float, ...] = ()
    point: str = ""
    view_set: str = ""


# What a finding of a kind must name beside claim and curves; one of several is enough.
FINDING_KEYS: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "rate-range": (("at_least",),),
    "falls-fastest": (("against",),),
    "dominates": (("against",),),
    "bd-rate": (("against",), ("below", "above")),
    "worse": (("against",),),
    "loses-until": (("point",), ("below",)),
    "loses-after": (("point",), ("above",)),
    "shrinks-to": (("point",), ("expected",)),
    "uncompressed-bpp": (("expected",),),
}


@dataclass(frozen=True)
class Conditions:
    """One file of test conditions, checked."""

    name: str
    title: str
    budget: str
    seeds: int
    families: tuple[str, ...]
    headline: Headline
    anchors: tuple[str, ...]
    bd_metrics: tuple[str, ...]
    tests: tuple[Block, ...]
    keep_decoded: bool = False
    uncompressed: str = ""
    tolerances: Mapping[str, float] = field(default_factory=dict)
    note: str = ""
    curves: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    hulls: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    figures: tuple[Figure, ...] = ()
    findings: tuple[Finding, ...] = ()
    pictures: tuple[ViewPicture, ...] = ()
    drift: tuple[str, ...] = ()

    @property
    def codecs(self) -> tuple[str, ...]:
        """Codecs named by any test, in order of first mention."""
        return tuple(dict.fromkeys(codec for test in self.tests for codec in test.codecs))

    @property
    def sequences(self) -> tuple[SequenceRef, ...]:
        """Sequences named by any test, in order of first mention."""
        return tuple(dict.fromkeys(each for test in self.tests for each in test.sequences))

    def to_json(self) -> dict[str, Any]:
        """All fields as JSON, sequences written as text."""
        value = asdict(self)
        for test, written in zip(self.tests, value["tests"], strict=True):
            written["sequences"] = [str(each) for each in test.sequences]
        return value

    def digest(self) -> str:
        """Digest of everything the file says but for its free text and looks for drift.

        Neither moves a number, and results of both kinds of conditions can be compared.
        """
        value = self.to_json()
        del value["title"], value["note"], value["drift"]
        return digest_value(value)


def find_conditions(folder: Path, name: object) -> Path:
    """The file of the conditions called ``name``, as typed after ``--config ctc=``.

    Raises:
        ConditionsError: no such file; names the nearest.
    """
    known = [path.stem for path in sorted(folder.glob("*.yaml")) if path.name not in PATH_FILES]
    if not isinstance(name, str) or name not in known:
        raise ConditionsError(
            f"--config ctc={name}: no such test conditions under {shown(folder)}/; "
            f"{suggest(str(name), known)}."
        )
    return folder / f"{name}.yaml"


def load_conditions(path: Path, sequences: Mapping[str, Sequence]) -> Conditions:
    """The test conditions of one file, their sequences looked up.

    Raises:
        ConditionsError: names file, key and what is allowed.
    """
    where = shown(path)
    value = _with_base(read_yaml(path, ConditionsError), path)
    check_structure(value, "conditions", where=where, error=ConditionsError)
    if value["name"] != path.stem:
        raise ConditionsError(
            f"{where}: name is {value['name']!r}; expected the file's name, {path.stem!r}."
        )
    anchors, headline = tuple(value["anchors"]), value["headline"]
    if headline["anchor"] not in anchors:
        raise ConditionsError(
            f"{where}: headline.anchor is {headline['anchor']!r}, which is not among the "
            f"anchors {', '.join(anchors)}."
        )
    tests = tuple(_block(test, value.get("grids", {}), sequences, where) for test in value["tests"])
    conditions = Conditions(
        name=value["name"],
        title=value["title"],
        budget=value["budget"],
        seeds=value.get("seeds", 1),
        families=tuple(value["families"]),
        headline=Headline(headline["anchor"], tuple(headline["metrics"])),
        anchors=anchors,
        bd_metrics=tuple(value.get("bd_metrics", DEFAULT_BD_METRICS)),
        tests=tests,
        keep_decoded=value.get("keep_decoded", False),
        uncompressed=value.get("uncompressed", ""),
        tolerances=value.get("tolerances", {}),
        note=value.get("note", ""),
        curves=value.get("curves", {}),
        hulls=value.get("hulls", {}),
        figures=tuple(Figure(**_with_tuples(each)) for each in value.get("figures", [])),
        findings=tuple(_finding(each, where) for each in value.get("findings", [])),
        pictures=read_pictures(value.get("pictures", [])),
        drift=tuple(value.get("drift", ())),
    )
    keys = ("grids", "curves", "hulls")
    for named in (*anchors, *(codec for key in keys for codec in value.get(key, {}))):
        if named not in conditions.codecs:
            raise ConditionsError(
                f"{where}: {named} is named under anchors, {', '.join(keys[:-1])} or {keys[-1]}, "
                f"but no test runs it; {suggest(named, conditions.codecs)}."
            )
    _check_sequences(conditions, where)
    _check_pictures(conditions, sequences, where)
    return conditions


def _with_base(value: Any, path: Path) -> Any:
    """The content of a file over that of the one it extends, key by key at the top level."""
    if not isinstance(value, dict) or "extends" not in value:
        return value
    base = find_conditions(path.parent, value["extends"])
    below = read_yaml(base, ConditionsError)
    if not isinstance(below, dict) or "extends" in below:
        raise ConditionsError(
            f"{shown(path)}: extends {value['extends']}, which extends others itself; name the "
            "conditions at the bottom."
        )
    return {**below, **value}


def _with_tuples(value: Mapping[str, Any]) -> dict[str, Any]:
    return {key: tuple(each) if isinstance(each, list) else each for key, each in value.items()}


def _finding(value: Mapping[str, Any], where: str) -> Finding:
    for choice in FINDING_KEYS[value["kind"]]:
        if not any(key in value for key in choice):
            raise ConditionsError(
                f"{where}: the finding {value['claim']!r} is of kind {value['kind']} and lacks "
                f"{' or '.join(choice)}; add it."
            )
    return Finding(**_with_tuples(value))


def _check_sequences(conditions: Conditions, where: str) -> None:
    known = [str(sequence) for sequence in conditions.sequences]
    named = [each.sequence for each in conditions.figures]
    named += [each.sequence for each in conditions.findings]
    for sequence in filter(None, named):
        if sequence not in known:
            raise ConditionsError(
                f"{where}: a figure or finding names {sequence}, which no test codes; "
                f"{suggest(sequence, known)}."
            )
    names = [figure.name for figure in conditions.figures]
    if len(set(names)) < len(names):
        raise ConditionsError(f"{where}: two figures share a name; each makes a file of its own.")


def _check_pictures(conditions: Conditions, sequences: Mapping[str, Sequence], where: str) -> None:
    codecs: dict[str, list[str]] = {}
    for test in conditions.tests:
        for ref in test.sequences:
            codecs.setdefault(str(ref), []).extend(test.codecs)
    formats, scenes = {}, []
    for ref in conditions.sequences:
        entry = sequences[ref.sequence]
        formats[str(ref)] = entry.format.with_frames(ref.cut.count) if ref.cut else entry.format
        scenes += [str(ref)] if entry.is_scene else []
    check_pictures(conditions.pictures, codecs, formats, scenes, where)


def _grids(value: Mapping[str, Any]) -> dict[str, tuple[Grid, ...]]:
    return {
        codec: tuple(
            {key: tuple(values) for key, values in grid.items()}
            for grid in (grids if isinstance(grids, list) else [grids])
        )
        for codec, grids in value.items()
    }


def _block(
    test: Mapping[str, Any],
    common: Mapping[str, Any],
    sequences: Mapping[str, Sequence],
    where: str,
) -> Block:
    try:
        references = tuple(SequenceRef.parse(text, sequences) for text in test["sequences"])
    except ConditionsError as problem:
        raise ConditionsError(f"{where}: {problem}") from None
    for reference in () if test.get("scene_cuts_allowed", False) else references:
        _refuse_scene_cut(reference, sequences[reference.sequence], where)
    own = test.get("grids", {})
    for codec in own:
        if codec not in test["codecs"]:
            raise ConditionsError(
                f"{where}: tests[].grids names {codec}, which that test does not run; "
                f"{suggest(codec, test['codecs'])}."
            )
    return Block(
        sequences=references,
        configurations=tuple(test["configurations"]),
        codecs=tuple(test["codecs"]),
        grids=_grids(
            {key: each for key, each in {**common, **own}.items() if key in test["codecs"]}
        ),
    )


def _refuse_scene_cut(reference: SequenceRef, sequence: Sequence, where: str) -> None:
    """A clip that holds a scene cut measures the cut; the entry's `scene_cuts` say where."""
    cut = reference.cut
    start, count = (cut.start, cut.count) if cut else (0, sequence.format.frames)
    inside = [frame for frame in sequence.scene_cuts if start < frame < start + count]
    if inside:
        raise ConditionsError(
            f"{where}: {reference} holds scene cuts at frame {', '.join(map(str, inside))}; "
            f"choose frames within one scene (scenes open at {sequence.scene_cuts})."
        )
