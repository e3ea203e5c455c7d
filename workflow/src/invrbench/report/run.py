"""From a plan and its records to a report: names, provenance and notes gathered in one place."""

import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from invrbench.codec.sandbox import NOT_ISOLATED
from invrbench.digest import write_whole
from invrbench.report.crosscheck import read_verdicts
from invrbench.report.info import CodecInfo, RunInfo, SequenceInfo, with_versions
from invrbench.report.page.sources import gather
from invrbench.report.pictures import draw
from invrbench.report.write import Written, write_report
from invrbench.results import paths
from invrbench.results.drift import collect_drifts
from invrbench.results.expected import drift_notes
from invrbench.results.labels import refuse_other_report, seal_label
from invrbench.results.lock import git_state
from invrbench.results.own_motion import source_rows
from invrbench.results.pictures import read_strips
from invrbench.results.places import without_places
from invrbench.results.plan import Plan
from invrbench.results.points import collect_points, view_rows
from invrbench.results.records import read_usable_record

logger = logging.getLogger(__name__)
Record = Mapping[str, Any]


def _records(plan: Plan) -> list[Record]:
    found = (read_usable_record(plan.root / path) for path in plan.expected_records)
    return [record for record in found if record is not None]


def _tool_versions(records: Iterable[Record]) -> dict[str, str]:
    """By tool: the version all records agree on, or all of them with a comma."""
    held: dict[str, set[str]] = defaultdict(set)
    for record in records:
        if record["kind"] != "measure":
            for tool, version in record.get("versions", {}).items():
                held[tool].add(version)
    return {tool: ", ".join(sorted(versions)) for tool, versions in sorted(held.items())}


def _metric_versions(records: Iterable[Record]) -> dict[str, str]:
    versions: dict[str, str] = {}
    for record in records:
        if record["kind"] == "measure":
            versions |= record["versions"]
    return versions


def _codec_infos(plan: Plan, records: Iterable[Record]) -> dict[str, CodecInfo]:
    """Names of the codecs, with the versions of the encoders they say they used."""
    tools: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for record in records:
        if record["kind"] == "encode":
            for tool, version in record.get("notes", {}).get("tools", {}).items():
                tools[record["codec"]][str(tool)].add(str(version))
    infos = {}
    for name, m in plan.manifests.items():
        versions = {tool: "/".join(sorted(held)) for tool, held in tools[name].items()}
        display = with_versions(m.name, versions)
        infos[name] = CodecInfo(display, m.role, m.document, m.paper, m.summary)
    return infos


def _sequence_infos(plan: Plan) -> dict[str, SequenceInfo]:
    infos = {}
    for point in plan.points:
        name = point.address.sequence
        if name in infos:
            continue
        video = point.source.format
        record = read_usable_record(plan.root / paths.source_record(name)) or {}
        absent = without_places(point.missing or "not prepared", plan.root)
        declared = point.source.declared
        infos[name] = SequenceInfo(
            width=video.width,
            height=video.height,
            frames=video.frames,
            fps=str(video.fps),
            pixel_format=video.pixel_format,
            md5=str(record.get("md5", "")),
            md5_state=str(record.get("verified", absent)),
            source=" ".join(str(declared[k]) for k in ("distribution", "file") if k in declared),
            may_publish=point.source.may_publish,
        )
    return infos


def _mixed_versions(records: Iterable[Record]) -> Iterable[str]:
    """A sentence for every codec whose fits were trained with different library versions."""
    held: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for record in records:
        if record["kind"] == "fit":
            for tool in ("torch", "numpy"):
                held[record["codec"]][tool].add(record.get("versions", {}).get(tool, "unknown"))
    for codec, tools in sorted(held.items()):
        for tool, versions in tools.items():
            if len(versions) > 1:
                yield f"{codec}: its fits mix {tool} versions {', '.join(sorted(versions))}."


def _notes(plan: Plan, records: list[Record], rows: list[dict[str, Any]]) -> tuple[str, ...]:
    notes = [*drift_notes(plan, rows), *_mixed_versions(records)]
    notes += sorted(
        {
            f"{row['codec']}: accepted without a rerun: {row['accepted']}"
            for row in rows
            if row["accepted"]
        }
    )
    away = {p.address.sequence: p.missing for p in plan.points if p.missing}
    notes += [f"{sequence}: {why}." for sequence, why in sorted(away.items())]
    weights = {str(row["lpips_reason"]) for row in rows if "weights" in str(row["lpips_reason"])}
    notes += [f"LPIPS is empty: {reason}." for reason in sorted(weights)]
    if any(row["sandbox"] == NOT_ISOLATED for row in rows):
        notes.append("Decoders were not isolated: no sandbox runs on this machine.")
    return tuple(without_places(note, plan.root) for note in notes)


def run_info(plan: Plan, rows: list[dict[str, Any]]) -> RunInfo:
    """What the report of a plan says beside its points."""
    conditions = plan.conditions
    records = _records(plan)
    metrics = conditions.headline.metrics
    second = metrics[1] if len(metrics) > 1 else metrics[0]
    machines = sorted({str(record["machine"]) for record in records if "machine" in record})
    commit, dirty = git_state(plan.root)
    return RunInfo(
        conditions=conditions.name,
        title=conditions.title,
        digest=conditions.digest(),
        headline_anchor=conditions.headline.anchor,
        headline_metrics=(metrics[0], second),
        budget=conditions.budget,
        codecs=_codec_infos(plan, records),
        sequences=_sequence_infos(plan),
        metrics=conditions.bd_metrics,
        families=conditions.families,
        filter=str(plan.selection) if plan.is_filtered else "",
        label=plan.label,
        generated_from=max(
            (str(record["end"]) for record in records), default=RunInfo.generated_from
        ),
        commit=commit,
        dirty=dirty,
        tool_versions=_tool_versions(records),
        sandbox=tuple(sorted({str(row["sandbox"]) for row in rows if row["sandbox"]})),
        machine="; ".join(machines),
        metric_versions=_metric_versions(records),
        notes=_notes(plan, records, rows),
        hulls=conditions.hulls,
        figures=conditions.figures,
        findings=conditions.findings,
        conditions_value=conditions.to_json(),
        crosschecks=read_verdicts(plan.root / plan.report_folder, rows),
        drift=tuple(collect_drifts(plan)),
    )


def write_run_report(plan: Plan, *, partial: bool = False) -> Written:
    """Write the report folder of a plan and its ``summary.txt``.

    Raises:
        ConditionsError: the label's folder holds another finished report.
    """
    refuse_other_report(plan)
    rows = collect_points(plan)
    folder = plan.root / plan.report_folder
    info = run_info(plan, rows)
    views = [*source_rows(plan), *view_rows(plan)]
    pictures = [
        draw(picture, read_strips(plan, picture, [*rows, *views]), info)
        for picture in plan.conditions.pictures
    ]
    written = write_report(
        folder,
        rows,
        info,
        partial=partial,
        views=views,
        pictures=pictures,
        page=gather(plan, rows),
    )
    write_whole(folder / "summary.txt", "\n".join(written.lines) + "\n")
    if not partial:
        seal_label(plan)
    logger.info("report: %s (%d points)", plan.report_folder.as_posix(), len(rows))
    return written
