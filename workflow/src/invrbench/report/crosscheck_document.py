"""crosscheck.docx: what a cross-checker sends to the group, with room for words of their own."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from invrbench.report.blocks import (
    Block,
    Bullets,
    Commands,
    Document,
    Heading,
    Tabled,
    Words,
    only,
)
from invrbench.report.cells import Table
from invrbench.report.crosscheck import info_of
from invrbench.report.crosscheck_tables import (
    again_table,
    bd_table,
    facts,
    points_table,
    tolerances_table,
)
from invrbench.report.crosscheck_words import (
    Crosscheck,
    again_sentence,
    bd_sentence,
    headline_metrics,
    label,
    sentence,
)
from invrbench.report.word import write_docx
from invrbench.results.verdicts import DIFFERS, FAILED

MAX_POINTS = 120  # that a document lists one by one
ORGANISATION = (
    "INTERNATIONAL ORGANISATION FOR STANDARDISATION",
    "ORGANISATION INTERNATIONALE DE NORMALISATION",
    "ISO/IEC JTC 1/SC 29",
)


def write_document(path: Path, check: Crosscheck) -> None:
    """Write the cross-check as a Word file, the same bytes for the same results."""
    write_docx(path, document(check), info_of(check).created, path.parent)


def document(check: Crosscheck) -> Document:
    """The cross-check as a document: verdict, tables, environment, commands, placeholders."""
    of = f"{check.package.document}, " if check.package.document else ""
    title = f"Cross-check of {of}{check.name}"
    front = (
        ("Title", Words(title)),
        ("Source", Words(check.by) if check.by else _ask("cross-checker and company")),
        ("Document", _ask("number of this document")),
        ("Status", _ask("input document")),
        ("Purpose", Words("Information")),
    )
    return Document(
        organisation=(
            *map(Words, ORGANISATION),
            _ask("working group and name"),
            _ask("meeting: number, place, date"),
        ),
        front=front,
        title=title,
        running=f"{title} · package md5 {check.package.md5}",
        blocks=tuple(_blocks(check)),
    )


def _ask(what: str) -> Words:
    return Words(f"[{what}]", "placeholder")


def _blocks(check: Crosscheck) -> Iterable[Block]:
    yield Heading("Summary")
    yield Words(sentence(check))
    yield Words(bd_sentence(check))
    if check.again:
        yield Words(again_sentence(check))
    if check.notes:
        yield Bullets(check.notes)
    yield _ask("what else the cross-checker observed, in their own words")
    yield Heading("Circumstances")
    yield Tabled(facts(check), "The package, the machines and the outcome")
    yield Heading("Results by point")
    yield Words(
        "Every bitstream was decoded by the packed decoder, in the sandbox named above, and "
        "measured against the source of the machine that checks it. A point is bit-exact if the "
        "md5 of its bitstream and of its decoded frames are those that were claimed and no "
        "claimed value is contradicted."
    )
    short = _unconfirmed(check) if len(check.checked) > MAX_POINTS else check
    if short is not check:
        yield Words(
            f"Of the {len(check.checked)} points those that are not confirmed are listed here; "
            "crosscheck.xlsx and crosscheck.tsv hold all of them."
        )
    if short.checked:
        yield Tabled(_verdicts(short), "Verdicts", is_small=len(short.checked) > 40)
    for name in headline_metrics(check) if short is check else ():
        yield Tabled(_metric(check, name), f"{label(name)}, claimed and measured")
    yield Tabled(tolerances_table(check), "Tolerances of the compared values")
    yield Heading("BD-rate")
    yield Words(bd_sentence(check))
    if check.moves:
        yield Tabled(_headline_bd(check), "BD-rate as claimed and as measured again")
    if check.again:
        yield Heading("Encoded again")
        yield Words(again_sentence(check))
        yield Tabled(again_table(check), "The packed bitstreams and those of a second run")
    yield Heading("How to repeat this")
    yield Commands(tuple(_commands(check)))
    yield Heading("Intellectual property")
    yield _ask("statement of the cross-checker's company, if any")


def _unconfirmed(check: Crosscheck) -> Crosscheck:
    """The cross-check with the points alone that contradict their claims, the first of them."""
    apart = [each for each in check.checked if each.verdict in (DIFFERS, FAILED)]
    return replace(check, checked=tuple(apart[:MAX_POINTS]))


def _columns(table: Table, heads: Iterable[str]) -> Table:
    wanted = list(heads)
    return only(table, [index for index, head in enumerate(table.heads) if head in wanted])


_KEYS = ("Sequence", "Configuration", "Rate point")


def _verdicts(check: Crosscheck) -> Table:
    heads = (*_KEYS, "Bytes claimed", "Decoded md5", "Verdict", "Why")
    return _columns(points_table(check), heads)


def _metric(check: Crosscheck, name: str) -> Table:
    """Claimed, measured and difference of one headline metric."""
    table = points_table(check)
    metrics = headline_metrics(check)
    first = table.heads.index("Decoded md5") + 1 + 4 * metrics.index(name)
    keys = [index for index, head in enumerate(table.heads) if head in (*_KEYS, "Views")]
    part = only(table, [*keys, *range(first, first + 4)])
    pairs = zip(part.rows, check.checked, strict=True)
    return replace(part, rows=tuple(row for row, each in pairs if each.compared), notes=())


def _headline_bd(check: Crosscheck) -> Table:
    """BD-rates by the headline metrics against the headline anchor, if it is among them."""
    value = check.package.value["conditions"]["value"]
    anchor = value.get("headline", {}).get("anchor")
    table = bd_table(check)
    chosen = [
        row
        for row, move in zip(table.rows, check.moves, strict=True)
        if move["metric"] in headline_metrics(check) and move["anchor"] == anchor
    ]
    return Table(
        table.name, table.title, table.columns, tuple(chosen or table.rows), notes=table.notes
    )


def _commands(check: Crosscheck) -> Iterable[str]:
    yield f"md5sum {check.package.path.name}    # {check.package.md5}"
    yield f"invrbench crosscheck {check.package.path.name}"
    for each in check.package.value["commands"][2:]:
        yield f"# {each['what']}"
        yield str(each["command"])
