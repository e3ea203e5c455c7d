"""What a document is made of, and how it reads as Markdown.

A document is a row of blocks. Word and Markdown are renderings of the same blocks, so that a
sentence or a number stands in the code once.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal
from urllib.parse import quote

from invrbench.report.cells import ABSENT, Column, Table, escaped, to_markdown

Look = Literal["plain", "placeholder", "mark", "note"]


@dataclass(frozen=True)
class Heading:
    """A numbered section's or an unnumbered part's heading; level 1 or 2."""

    text: str
    level: int = 1


@dataclass(frozen=True)
class Words:
    """A paragraph. A placeholder is what the author must replace, a mark what readers must see."""

    text: str
    look: Look = "plain"


@dataclass(frozen=True)
class Bullets:
    """A list of sentences."""

    lines: tuple[str, ...]


@dataclass(frozen=True)
class Commands:
    """Lines to be typed, as they are."""

    lines: tuple[str, ...]


@dataclass(frozen=True)
class Tabled:
    """A table with a caption above it; ``is_small`` for long lists of digests."""

    table: Table
    caption: str
    is_small: bool = False


@dataclass(frozen=True)
class Figured:
    """A PNG of the report's folder, by its path there, with a caption and a text for the blind."""

    file: str
    caption: str
    alt: str


Block = Heading | Words | Bullets | Commands | Tabled | Figured


@dataclass(frozen=True)
class Document:
    """A document.

    Attributes:
        organisation: lines above the front table.
        front: rows of the front table; a look for each text.
        title: of the file.
        running: in the head of every page.
        blocks: the text.
    """

    organisation: tuple[Words, ...]
    front: tuple[tuple[str, Words], ...]
    title: str
    running: str
    blocks: tuple[Block, ...]


def narrow(table: Table, *, most: int = 8, keys: int = 1) -> list[Table]:
    """The table in parts of at most ``most`` columns, the first ``keys`` of them in every part.

    >>> wide = Table("t", "T", tuple(Column(str(n)) for n in range(6)), ())
    >>> [part.heads for part in narrow(wide, most=4, keys=1)]
    [('0', '1', '2', '3'), ('0', '4', '5')]
    """
    count = len(table.columns)
    if count <= most:
        return [table]
    step = most - keys
    starts = range(keys, count, step)
    chosen = [(*range(keys), *range(at, min(at + step, count))) for at in starts]
    parts = [only(table, indices) for indices in chosen]
    return [*(replace(part, notes=()) for part in parts[:-1]), parts[-1]]


def only(table: Table, indices: Iterable[int]) -> Table:
    """The table with these of its columns."""
    chosen = tuple(indices)
    rows = tuple(tuple(row[index] for index in chosen) for row in table.rows)
    return replace(table, columns=tuple(table.columns[index] for index in chosen), rows=rows)


def by_rows(table: Table, *, keys: int) -> list[Table]:
    """The table in parts whose columns speak of the same rows, without the rows they do not.

    A codec of stills and one of clips share no sequence: side by side they are half dashes.

    Args:
        table: whose cells without a meaning are :data:`ABSENT`.
        keys: columns on the left that stand in every part.
    """
    groups: dict[tuple[int, ...], list[int]] = {}
    for index in range(keys, len(table.columns)):
        spoken = tuple(at for at, row in enumerate(table.rows) if row[index] != ABSENT)
        groups.setdefault(spoken, []).append(index)
    parts = []
    for spoken, indices in groups.items():
        rows = tuple(table.rows[at] for at in spoken)
        bold = frozenset(new for new, at in enumerate(spoken) if at in table.bold)
        part = only(replace(table, rows=rows, bold=bold), (*range(keys), *indices))
        parts.append(replace(part, notes=()))
    return [*parts[:-1], replace(parts[-1], notes=table.notes)] if parts else [table]


def without_empty_columns(table: Table) -> Table:
    """The table without columns in which no row says anything."""
    kept = [
        index
        for index in range(len(table.columns))
        if any(row[index].shown for row in table.rows) or not table.rows
    ]
    return only(table, kept)


def numbered(blocks: Iterable[Block]) -> Iterable[tuple[str, Block]]:
    """Blocks with the number of the section they are in: ``2`` or ``2.1``."""
    first = second = 0
    for block in blocks:
        if isinstance(block, Heading):
            first, second = (first + 1, 0) if block.level == 1 else (first, second + 1)
        yield f"{first}.{second}" if second else str(first), block


def markdown(document: Document) -> str:
    """The whole document as Markdown; figures are links to the report's files."""
    front = Table("front", "", (Column("", align="left"), Column("", align="left")), ())
    lines = [f"# {escaped(document.title)}", ""]
    lines += [line for words in document.organisation for line in (_paragraph(words), "")]
    head = to_markdown(front).splitlines()
    lines += [*head, *(f"| **{name}** | {_paragraph(words)} |" for name, words in document.front)]
    tables = figures = 0
    for number, block in numbered(document.blocks):
        lines.append("")
        if isinstance(block, Heading):
            lines.append(f"{'#' * (block.level + 1)} {number} {escaped(block.text)}")
        elif isinstance(block, Words):
            lines.append(_paragraph(block))
        elif isinstance(block, Bullets):
            lines += [f"- {escaped(line)}" for line in block.lines]
        elif isinstance(block, Commands):
            lines += ["```sh", *block.lines, "```"]
        elif isinstance(block, Tabled):
            tables += 1
            lines += [f"**Table {tables}.** {escaped(block.caption)}", ""]
            lines += to_markdown(block.table).splitlines()
            lines += [line for note in block.table.notes for line in ("", f"*{escaped(note)}*")]
        else:
            figures += 1
            lines += [f"![{escaped(block.alt)}]({quote(block.file)})", ""]
            lines.append(f"**Figure {figures}.** {escaped(block.caption)}")
    return "\n".join(lines) + "\n"


def _paragraph(words: Words) -> str:
    text = escaped(words.text)
    if words.look == "plain":
        return text
    return f"**{text}**" if words.look == "mark" else f"*{text}*"
