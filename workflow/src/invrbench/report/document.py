"""The contribution: what an author sends to a meeting, but for the author's own words.

Every number comes from the tables that the workbook shows. What only the author can say stands as
a placeholder in brackets.
"""

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from invrbench.compare.findings import Verdict
from invrbench.digest import write_whole
from invrbench.report import tables
from invrbench.report.blocks import (
    Block,
    Bullets,
    Commands,
    Document,
    Figured,
    Heading,
    Tabled,
    Words,
    by_rows,
    markdown,
    narrow,
    only,
    without_empty_columns,
)
from invrbench.report.cells import Cell, Column, Table, text
from invrbench.report.content import Report
from invrbench.report.drift import drift
from invrbench.report.info import PRESENT, completeness, heading, marks, shown_verdict
from invrbench.report.metrics import metric
from invrbench.report.pictures import Drawn
from invrbench.report.plots import plot_stem
from invrbench.report.seeds import doubts, headline_over_seeds, rows_over_seeds
from invrbench.report.word import write_docx

DOCUMENTS = (WORD, MARKDOWN) = ("contribution.docx", "contribution.md")
MAX_BITSTREAMS = 400  # rows of the list of digests; a longer one is left to points.tsv
MAX_REASON = 240  # letters of a reason in the table of what is missing
_ORGANISATION = (
    "INTERNATIONAL ORGANISATION FOR STANDARDISATION",
    "ORGANISATION INTERNATIONALE DE NORMALISATION",
    "ISO/IEC JTC 1/SC 29",
)


def write_contribution(
    folder: Path,
    report: Report,
    *,
    verdicts: Sequence[Verdict] = (),
    pictures: Sequence[Drawn] = (),
) -> None:
    """Write contribution.docx and contribution.md beside the plots; see :func:`contribution`."""
    document = contribution(report, folder, verdicts=verdicts, pictures=pictures)
    write_whole(folder / MARKDOWN, markdown(document))
    write_docx(folder / WORD, document, report.info.created, folder)


def contribution(
    report: Report,
    folder: Path,
    *,
    verdicts: Sequence[Verdict] = (),
    pictures: Sequence[Drawn] = (),
) -> Document:
    """The document of a report.

    Args:
        report: the content.
        folder: of the report, whose ``plots/`` and ``pictures/`` are already drawn.
        verdicts: on the findings of the conditions.
        pictures: of the conditions.
    """
    info = report.info
    title = f"[Title: what is proposed or reported] ({info.title or info.conditions})"
    blocks = (
        *_state(report),
        *_abstract(report),
        *_conditions(report),
        *_results(report, folder, verdicts, pictures),
        *_complexity(report),
        *_drift(report),
        *_seeds(report),
        *_coverage(report),
        *_crosscheck(report),
        *_reproduction(report),
        *_end(report),
    )
    return Document(
        organisation=(
            *map(Words, _ORGANISATION),
            _ask("Working group and name, e.g. WG 4, MPEG Video Coding"),
            _ask(f"Document number{f', label of the run: {info.label}' if info.label else ''}"),
            _ask("Meeting: number, place, date"),
        ),
        front=(
            ("Title", Words(title, "placeholder")),
            ("Source", _ask("Companies of the authors")),
            ("Author(s)", _ask("Names")),
            ("Contact", _ask("E-mail addresses")),
            ("Status", _ask("Input document")),
            ("Purpose", _ask("Proposal, information or cross-check")),
        ),
        title=f"Contribution: {info.title or info.conditions}",
        running=" · ".join((heading(info), *marks(report.points, info))),
        blocks=blocks,
    )


def _ask(what: str) -> Words:
    """What the author must put here."""
    return Words(f"[{what}]", "placeholder")


def _state(report: Report) -> Iterable[Block]:
    words = marks(report.points, report.info)
    if words:
        yield Words(f"{' · '.join(words)}. Not to be sent as it is.", "mark")


def _abstract(report: Report) -> Iterable[Block]:
    info = report.info
    yield Heading("Abstract")
    yield _ask("One sentence: what is proposed or reported, and why it matters")
    lines = headline_sentences(report)
    anchor = info.codec(info.headline_anchor).display
    if lines:
        yield Words(
            f"BD-rates under test conditions {info.conditions} against {anchor}, per sequence in "
            "its hardest configuration, then averaged (negative: less rate at equal quality):"
        )
        yield Bullets((*lines, *doubts(report)))
    else:
        yield Words(f"No proposal was run under test conditions {info.conditions}.")
    if info.budget != "paper":
        yield Words(
            f"Training budget '{info.budget}' is below that of the papers: what is found here is "
            "an indication."
        )
    yield Heading("Introduction")
    yield _ask("Background, the method and what is new in it, earlier documents")


def headline_sentences(report: Report) -> list[str]:
    """A sentence for every proposal, from the cells of the first screen."""
    table = tables.headline(report)
    return [_headline_sentence(table, row) for row in table.rows]


def _headline_sentence(table: Table, row: Sequence[Cell]) -> str:
    cells = {
        column.head.removeprefix("BD-rate "): cell
        for column, cell in zip(table.columns, row, strict=True)
        if column.head.startswith("BD-rate ")
    }
    reasons = {cell.shown for cell in cells.values() if cell.kind != "number"}
    if len(reasons) == 1 and all(cell.kind != "number" for cell in cells.values()):
        return f"{row[0].shown}: no BD-rate, {reasons.pop()}."
    parts = [
        f"{label} {cell.shown}" if cell.kind == "number" else f"{label} none, {cell.shown}"
        for label, cell in cells.items()
    ]
    counts = row[table.heads.index(tables.IN_MEAN)].shown
    return f"{row[0].shown}: {'; '.join(parts)} (sequences in the mean: {counts})."


def _conditions(report: Report) -> Iterable[Block]:
    yield Heading("Test conditions")
    facts = tables.conditions_facts(report)
    given = tuple(row for row in facts.rows if row[1].kind != "reason")
    yield Tabled(replace(facts, rows=given), "Test conditions and run")
    sources = without_empty_columns(tables.sources(report))
    yield Tabled(sources, "Sequences as they were coded, with the MD5 of the raw file")
    yield Words(
        "Distortion is measured on the decoded files at the source's bit depth and format; rate "
        "is the size of the bitstream that the decoder received. Metrics, means and the words "
        "that stand where there is no number are defined in sheet Definitions of results.xlsx."
    )


def _results(
    report: Report, folder: Path, verdicts: Sequence[Verdict], pictures: Sequence[Drawn]
) -> Iterable[Block]:
    info = report.info
    anchor = info.codec(info.headline_anchor).display
    yield Heading("Results")
    yield _ask("What the numbers show, in the author's words")
    yield Heading("Headline", 2)
    headline = tables.headline(report)
    if headline.rows:
        yield Tabled(headline, f"BD-rate against {anchor}, mean over the sequences")
    yield Heading("BD-rate by sequence and class", 2)
    for table in tables.matrices(report):
        for part in by_rows(table, keys=2):
            yield from _parts(part, table.title, keys=2, most=7)
    yield Bullets(tuple(tables.legend(report)))
    if verdicts:
        yield Heading("Findings of the experiment", 2)
        yield Tabled(
            _findings(verdicts, report), "Claims of the test conditions and what became of them"
        )
    yield from _figures(report, folder, pictures)


def _parts(table: Table, caption: str, *, keys: int = 1, most: int = 8) -> Iterable[Block]:
    """A table in as many parts as it takes to fit the page."""
    parts = narrow(table, most=most, keys=keys)
    for index, part in enumerate(parts, start=1):
        of = f" ({index} of {len(parts)})" if len(parts) > 1 else ""
        yield Tabled(part, f"{caption}{of}")


def _findings(verdicts: Sequence[Verdict], report: Report) -> Table:
    columns = (
        Column("Finding", 34, "left"),
        Column("Sequence", 18, "left"),
        Column("Metric", 10, "left"),
        Column("Verdict", 14, "left"),
        Column("Numbers", 40, "left"),
    )
    rows = tuple(
        (
            *map(text, (each.claim, each.sequence, metric(each.metric).label)),
            *map(text, (shown_verdict(each.verdict, report.info), each.numbers)),
        )
        for each in verdicts
    )
    return Table("findings", "Findings", columns, rows)


def _figures(report: Report, folder: Path, pictures: Sequence[Drawn]) -> Iterable[Block]:
    """The experiment's figures and pictures, and rate-distortion curves by the first metric."""
    info = report.info
    yield Heading("Figures", 2)
    for figure in info.figures:
        file = f"plots/{figure.name}.png"
        if (folder / file).is_file():
            yield Figured(file, figure.title, f"Plot: {figure.title}")
    for drawn in pictures:
        for name in drawn.files:
            captions = "; ".join(drawn.captions)
            yield Figured(f"pictures/{name}", f"{drawn.title} ({drawn.detail})", captions)
    first = info.headline_metrics[0]
    label = metric(first).label
    for sequence, views in dict.fromkeys((c.key.sequence, c.key.view_set) for c in report.curves):
        place = f"{sequence} {views}".strip()
        file = f"plots/{plot_stem(sequence, views, first)}.log.png"
        if (folder / file).is_file():
            caption = f"{label} over rate (logarithmic) of {place}"
            alt = f"Rate-distortion curves of all codecs on {place}: {label} over rate."
            yield Figured(file, caption, alt)
    yield Words("The folder plots/ has each plot with a linear rate axis and by further metrics.")


def _complexity(report: Report) -> Iterable[Block]:
    yield Heading("Complexity")
    yield from _parts(tables.complexity(report), "Cost of each codec", most=6)


def _drift(report: Report) -> Iterable[Block]:
    table = drift(report)
    if table.rows:
        yield Heading("Repeatability of decoding")
        yield from _parts(table, table.title, keys=2, most=8)
        yield Bullets(table.notes)


def _seeds(report: Report) -> Iterable[Block]:
    rows = rows_over_seeds(report)
    if rows:
        yield Heading("Training seeds")
        table = headline_over_seeds(report, rows)
        yield Tabled(table, table.title)


def _coverage(report: Report) -> Iterable[Block]:
    count = completeness(report.points)
    yield Heading("Coverage and failures")
    yield Words(f"{count} expected points are present.")
    table = tables.coverage(report)
    open_rows = tuple(row for row in table.rows if not tables.is_whole(row))
    if open_rows:
        chosen = only(replace(table, rows=open_rows), (0, 1, 2, 3, len(table.columns) - 1))
        cut = tuple((*row[:-1], _shortened(row[-1])) for row in chosen.rows)
        yield Tabled(replace(chosen, rows=cut), "Curves of which points are not present, and why")
    if report.info.notes:
        yield Bullets(tuple(report.info.notes))


def _shortened(cell: Cell) -> Cell:
    shown = " ".join(cell.shown.split())
    if len(shown) <= MAX_REASON:
        return replace(cell, shown=shown)
    return replace(cell, shown=f"{shown[: MAX_REASON - 1]}…")


def _crosscheck(report: Report) -> Iterable[Block]:
    info = report.info
    yield Heading("Cross-check")
    if not info.crosschecks:
        yield _ask("Cross-checker and verdict; `invrbench crosscheck` writes the report")
        return
    rows = tuple(
        (text(info.codec(codec).display), text(verdict))
        for codec, verdict in info.crosschecks.items()
    )
    columns = (Column("Codec", 30, "left"), Column("Verdict of the cross-check", 60, "left"))
    yield Tabled(Table("crosscheck", "Cross-check", columns, rows), "Cross-checks")


def _reproduction(report: Report) -> Iterable[Block]:
    info = report.info
    yield Heading("How to reproduce")
    changed = " with local changes, which must be sent along" if info.dirty else ""
    yield Words(
        f"With the harness at commit {info.commit or '[commit]'}{changed} and test conditions "
        f"{info.conditions} of digest {info.digest}:"
    )
    yield Commands(tuple(commands(report)))
    yield Tabled(tables.versions(report), "Tools and libraries that made the records")
    bitstreams = _own_bitstreams(report)
    if not bitstreams.rows:
        return
    if len(bitstreams.rows) > MAX_BITSTREAMS:
        yield Words(
            f"The MD5s of the {len(bitstreams.rows)} bitstreams of the proposals and of what they "
            "decode to are in points.tsv, columns bitstream_md5 and decoded_md5."
        )
        return
    caption = "Bitstreams of the proposals; those of the anchors are in points.tsv"
    yield Tabled(bitstreams, caption, is_small=True)


def commands(report: Report) -> list[str]:
    """What is typed to repeat the run, to pack it and to cross-check it."""
    info = report.info
    words = [f"ctc={info.conditions}"]
    words += [f"only={info.filter}"] if info.filter else []
    words += [f"label={info.label}"] if info.label else []
    seeds = {str(point.get("seed") or 0) for point in report.points}
    words += [f"seeds={len(seeds)}"] if len(seeds) > 1 else []
    typed = " ".join(shlex.quote(word) for word in words)
    lines = [f"git checkout {info.commit}"] if info.commit else []
    lines += ["pip install -e .", f"snakemake --cores 8 all --config {typed}"]
    proposals = dict.fromkeys(
        str(point["codec"]) for point in report.points if point["role"] == "proposal"
    )
    ctc = shlex.quote(info.conditions)
    for codec in proposals:
        lines.append(f"invrbench pack {shlex.quote(codec)} --ctc {ctc}")
    for codec in proposals:
        lines.append(f"invrbench crosscheck {shlex.quote(f'{codec}-{info.conditions}.zip')}")
    return lines


def _own_bitstreams(report: Report) -> Table:
    """Digests of the proposals' bitstreams; what is the same in all rows has no column."""
    own = [
        point
        for point in report.points
        if point["role"] == "proposal" and point["status"] in PRESENT
    ]
    table = tables.bitstreams(Report(own, report.rows, report.info))
    plain = {"any", "0"}
    kept = [
        index
        for index in range(len(table.columns))
        if not {row[index].shown for row in table.rows} <= plain
    ]
    return only(table, kept)


def _end(report: Report) -> Iterable[Block]:
    yield Heading("Conclusion")
    yield _ask("What follows, and what is recommended to the group")
    yield Heading("References")
    papers = dict.fromkeys(
        f"{entry.display}: {entry.paper}" for entry in report.info.codecs.values() if entry.paper
    )
    if papers:
        yield Bullets(tuple(papers))
    yield _ask("Further references")
    yield Heading("Patent rights declaration")
    yield _ask("The statement on intellectual property rights of the authors' companies")
