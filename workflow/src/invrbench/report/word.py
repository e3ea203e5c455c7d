"""Documents as Word files: real styles, numbered captions, tables whose headings repeat.

A file is made to be pasted from: headings are the styles Heading 1 and 2 (numbered by the list of
the style), captions have fields that Word counts anew, and no cell is formatted but by style,
fill and bold. The same document gives the same bytes.
"""

import io
import re
import zipfile
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from invrbench.digest import write_whole
from invrbench.report.blocks import (
    Block,
    Bullets,
    Commands,
    Document,
    Figured,
    Heading,
    Tabled,
    Words,
)
from invrbench.report.cells import Cell, Table

FONT, MONOSPACED = "Times New Roman", "Courier New"
PAGE_CM = (21.0, 29.7)
MARGIN_CM = 2.0
TEXT_CM = PAGE_CM[0] - 2 * MARGIN_CM
FIGURE_CM = 15.5
MAX_FIGURE_HEIGHT_CM = 20.0
_TWIPS_PER_CM = 1440 / 2.54
_TABLE, _SMALL, _CODE = "Table Text", "Table Text Small", "Commands"
_SIZES = {_TABLE: 8.0, _SMALL: 6.0, _CODE: 8.5}  # points
_EM_PER_LETTER = 0.56  # of Times' bold letters, rounded up
_MAX_WORD = 34  # letters of a word that a column holds unbroken: an MD5 and a bit
_SHORT_TABLE = 15  # rows of a table that is kept on one page
_PADDING = 110  # twips: of a cell's two sides
_HEAD_FILL, _MEAN_FILL = "D9E1F2", "F2F2F2"
_GREY, _RED = "595959", "B00020"
_ZIP_DATE = (1980, 1, 1, 0, 0, 0)  # the earliest a zip can hold
_W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'


def write_docx(path: Path, document: Document, created: datetime, folder: Path) -> None:
    """Write a document as a Word file.

    Args:
        path: replaced whole.
        document: what it says.
        created: date of the file, in UTC.
        folder: where the files of the figures are.
    """
    import docx

    word = docx.Document()
    _set_properties(word, document, created)
    _set_styles(word)
    _set_page(word, document.running)
    for words in document.organisation:
        _paragraph(word, words, centred=True)
    _front(word, document)
    counts = {"Table": 0, "Figure": 0}
    for block in document.blocks:
        _add(word, block, folder, counts)
    out = io.BytesIO()
    word.save(out)
    write_whole(path, _dated(out.getvalue()))


def _dated(data: bytes) -> bytes:
    """The same archive with all members of one date, so that equal documents are equal bytes."""
    out = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(data)) as old,
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for name in old.namelist():
            member = zipfile.ZipInfo(name, _ZIP_DATE)
            member.compress_type = zipfile.ZIP_DEFLATED
            member.external_attr = 0o600 << 16
            new.writestr(member, old.read(name))
    return out.getvalue()


def _set_properties(word: Any, document: Document, created: datetime) -> None:
    properties = word.core_properties
    properties.title = _clean(document.title)[:255]
    properties.author = ""
    properties.last_modified_by = ""
    properties.comments = "Made by invrbench"
    properties.created = properties.modified = created
    properties.revision = 1


def _set_styles(word: Any) -> None:
    from docx.enum.style import WD_STYLE_TYPE
    from docx.enum.text import WD_ALIGN_PARAGRAPH
    from docx.shared import Pt, RGBColor

    styles = word.styles
    _look(styles["Normal"], size=11, after=6)
    for name in (_TABLE, _SMALL, _CODE):
        style = styles.add_style(name, WD_STYLE_TYPE.PARAGRAPH)
        style.base_style = styles["Normal"]
        _look(style, size=_SIZES[name], after=0)
    styles[_CODE].font.name = MONOSPACED
    styles[_CODE].paragraph_format.left_indent = Pt(12)
    for name, size in (("Heading 1", 14), ("Heading 2", 12)):
        _look(styles[name], size=size, after=4)
        styles[name].font.color.rgb = RGBColor(0, 0, 0)
        styles[name].font.bold = True
        styles[name].paragraph_format.space_before = Pt(12)
        _plain_fonts(styles[name])
    _look(styles["Caption"], size=9, after=3)
    styles["Caption"].font.bold = True
    styles["Caption"].font.color.rgb = RGBColor(0, 0, 0)
    styles["Caption"].paragraph_format.space_before = Pt(6)
    styles["Caption"].paragraph_format.alignment = WD_ALIGN_PARAGRAPH.CENTER
    _look(styles["List Bullet"], size=11, after=2)
    _number_headings(word)


def _look(style: Any, *, size: float, after: float) -> None:
    from docx.shared import Pt

    style.font.name = FONT
    style.font.size = Pt(size)
    style.paragraph_format.space_after = Pt(after)
    style.paragraph_format.line_spacing = 1.0


def _plain_fonts(style: Any) -> None:
    """Take the theme's fonts out of a style, which would win over the font's name."""
    from docx.oxml.ns import qn

    fonts = style.element.rPr.rFonts
    for name in [key for key in fonts.attrib if key.endswith("Theme")]:
        del fonts.attrib[name]
    for name in ("w:ascii", "w:hAnsi", "w:cs", "w:eastAsia"):
        fonts.set(qn(name), FONT)


def _number_headings(word: Any) -> None:
    """Number Heading 1 and 2 as ``1`` and ``1.1`` by one list."""
    from docx.oxml import parse_xml
    from docx.oxml.ns import qn

    numbering = word.part.numbering_part.element
    taken = [
        int(each.get(qn("w:abstractNumId"))) for each in numbering.findall(qn("w:abstractNum"))
    ]
    abstract = max(taken, default=0) + 1
    levels = "".join(
        f'<w:lvl w:ilvl="{level}"><w:start w:val="1"/><w:numFmt w:val="decimal"/>'
        f'<w:pStyle w:val="Heading{level + 1}"/><w:lvlText w:val="{text}"/><w:lvlJc w:val="left"/>'
        '<w:pPr><w:ind w:left="567" w:hanging="567"/></w:pPr></w:lvl>'
        for level, text in enumerate(("%1", "%1.%2"))
    )
    element = parse_xml(
        f'<w:abstractNum {_W} w:abstractNumId="{abstract}">'
        f'<w:multiLevelType w:val="multilevel"/>{levels}</w:abstractNum>'
    )
    first = numbering.find(qn("w:num"))
    numbering.insert(len(numbering) if first is None else list(numbering).index(first), element)
    number = numbering.add_num(abstract).numId
    for level in (0, 1):
        properties = word.styles[f"Heading {level + 1}"].element.get_or_add_pPr()
        numbers = properties.get_or_add_numPr()
        numbers.get_or_add_numId().val = number
        numbers.get_or_add_ilvl().val = level


def _set_page(word: Any, running: str) -> None:
    from docx.enum.text import WD_ALIGN_PARAGRAPH
    from docx.shared import Cm, Pt

    section = word.sections[0]
    section.page_width, section.page_height = Cm(PAGE_CM[0]), Cm(PAGE_CM[1])
    section.left_margin = section.right_margin = Cm(MARGIN_CM)
    section.top_margin = section.bottom_margin = Cm(MARGIN_CM)
    section.header.paragraphs[0].add_run(_clean(running)).font.size = Pt(8)
    foot = section.footer.paragraphs[0]
    foot.alignment = WD_ALIGN_PARAGRAPH.CENTER
    _field(foot, "PAGE", "1")


def _field(paragraph: Any, code: str, shown: str) -> None:
    """A field that Word computes, with what it is now."""
    from docx.oxml import parse_xml

    for inner in (
        '<w:fldChar w:fldCharType="begin"/>',
        f'<w:instrText xml:space="preserve"> {code} </w:instrText>',
        '<w:fldChar w:fldCharType="separate"/>',
        f"<w:t>{shown}</w:t>",
        '<w:fldChar w:fldCharType="end"/>',
    ):
        paragraph._p.append(parse_xml(f"<w:r {_W}>{inner}</w:r>"))


def _add(word: Any, block: Block, folder: Path, counts: dict[str, int]) -> None:
    if isinstance(block, Heading):
        word.add_heading(block.text, block.level)
    elif isinstance(block, Words):
        _paragraph(word, block)
    elif isinstance(block, Bullets):
        for line in block.lines:
            word.add_paragraph(_clean(line), "List Bullet")
    elif isinstance(block, Commands):
        for line in block.lines:
            word.add_paragraph(_clean(line), _CODE)
        word.add_paragraph()
    elif isinstance(block, Tabled):
        _caption(word, "Table", block.caption, counts, keep_with_next=True)
        _table(word, block.table, _SMALL if block.is_small else _TABLE)
        for note in block.table.notes:
            _paragraph(word, Words(note, "note"))
        word.add_paragraph()
    else:
        _figure(word, block, folder)
        _caption(word, "Figure", block.caption, counts)


def _clean(text: str) -> str:
    """Text without the letters that XML cannot hold. Source: XML 1.0, production 2."""
    return re.sub("[^\t\n -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "", text)


def _paragraph(word: Any, words: Words, *, centred: bool = False) -> None:
    from docx.enum.text import WD_ALIGN_PARAGRAPH

    paragraph = word.add_paragraph()
    if centred:
        paragraph.alignment = WD_ALIGN_PARAGRAPH.CENTER
    if centred or words.look == "note":
        paragraph.paragraph_format.space_after = 0
    _run(paragraph, words, bold=centred)


def _run(paragraph: Any, words: Words, *, bold: bool = False) -> None:
    from docx.enum.text import WD_COLOR_INDEX
    from docx.shared import Pt, RGBColor

    run = paragraph.add_run(_clean(words.text))
    run.bold = bold or None
    if words.look == "placeholder":
        run.font.highlight_color = WD_COLOR_INDEX.YELLOW
    elif words.look == "mark":
        run.bold = True
        run.font.color.rgb = RGBColor.from_string(_RED)
    elif words.look == "note":
        run.italic = True
        run.font.size = Pt(8)


def _front(word: Any, document: Document) -> None:
    from docx.shared import Cm

    word.add_paragraph()
    table = word.add_table(rows=0, cols=2)
    table.autofit = False
    for column, width in zip(table.columns, (Cm(3), Cm(TEXT_CM - 3)), strict=True):
        column.width = width
    for name, words in document.front:
        cells = table.add_row().cells
        cells[0].width, cells[1].width = Cm(3), Cm(TEXT_CM - 3)
        _run(cells[0].paragraphs[0], Words(name), bold=True)
        _run(cells[1].paragraphs[0], words)
    word.add_paragraph()


def _caption(
    word: Any, kind: str, text: str, counts: dict[str, int], *, keep_with_next: bool = False
) -> None:
    from docx.shared import Pt

    counts[kind] += 1
    paragraph = word.add_paragraph(style="Caption")
    paragraph.paragraph_format.keep_with_next = keep_with_next
    paragraph.add_run(f"{kind} ")
    _field(paragraph, f"SEQ {kind} \\* ARABIC", str(counts[kind]))
    paragraph.add_run(f": {_clean(text)}")
    paragraph.paragraph_format.space_after = Pt(3 if keep_with_next else 12)


def _figure(word: Any, figure: Figured, folder: Path) -> None:
    from docx.enum.text import WD_ALIGN_PARAGRAPH
    from docx.shared import Cm

    paragraph = word.add_paragraph()
    paragraph.alignment = WD_ALIGN_PARAGRAPH.CENTER
    paragraph.paragraph_format.keep_with_next = True
    picture = paragraph.add_run().add_picture(str(folder / figure.file), width=Cm(FIGURE_CM))
    if picture.height > Cm(MAX_FIGURE_HEIGHT_CM):
        picture.width = int(picture.width * Cm(MAX_FIGURE_HEIGHT_CM) / picture.height)
        picture.height = Cm(MAX_FIGURE_HEIGHT_CM)
    picture._inline.docPr.set("descr", _clean(figure.alt))
    picture._inline.docPr.set("name", _clean(Path(figure.file).name))


# ---- tables, as XML: python-docx takes milliseconds a cell


def _table(word: Any, table: Table, style: str) -> None:
    """A table with borders whose headings repeat on every page and whose rows do not break."""
    from docx.oxml import parse_xml

    names = {each.name: each.style_id for each in word.styles}
    widths = _widths(table, _SIZES[style])
    left = [column.align == "left" for column in table.columns]
    grid = "".join(f'<w:gridCol w:w="{width}"/>' for width in widths)
    head = "".join(
        _cell(column.head, width, names[style], fill=_HEAD_FILL, bold=True, left=is_left)
        for column, width, is_left in zip(table.columns, widths, left, strict=True)
    )
    rows = [f"<w:tr><w:trPr><w:cantSplit/><w:tblHeader/></w:trPr>{head}</w:tr>"]
    is_short = len(table.rows) <= _SHORT_TABLE
    for index, cells in enumerate(table.rows):
        keeps = is_short and index + 1 < len(table.rows)
        body = "".join(
            _body_cell(cell, width, names[style], index in table.bold, left=is_left, keeps=keeps)
            for cell, width, is_left in zip(cells, widths, left, strict=True)
        )
        rows.append(f"<w:tr><w:trPr><w:cantSplit/></w:trPr>{body}</w:tr>")
    element = parse_xml(
        f'<w:tbl {_W}><w:tblPr><w:tblStyle w:val="{names["Table Grid"]}"/>'
        f'<w:tblW w:w="{sum(widths)}" w:type="dxa"/><w:jc w:val="center"/>'
        '<w:tblLayout w:type="fixed"/><w:tblCellMar><w:left w:w="50" w:type="dxa"/>'
        '<w:right w:w="50" w:type="dxa"/></w:tblCellMar></w:tblPr>'
        f"<w:tblGrid>{grid}</w:tblGrid>{''.join(rows)}</w:tbl>"
    )
    body = word.element.body
    body.insert(len(body) - 1, element)  # the last element describes the section


def _body_cell(
    cell: Cell, width: int, style: str, is_mean: bool, *, left: bool, keeps: bool
) -> str:
    is_reason = cell.kind == "reason"
    return _cell(
        cell.shown,
        width,
        style,
        fill=_MEAN_FILL if is_mean else "",
        bold=is_mean and not is_reason,
        left=left,
        keeps=keeps,
        colour=_GREY if is_reason or cell.is_doubtful else "",
        italic=is_reason,
    )


def _cell(
    text: str,
    width: int,
    style: str,
    *,
    fill: str = "",
    bold: bool = False,
    left: bool = False,
    keeps: bool = True,
    colour: str = "",
    italic: bool = False,
) -> str:
    shade = f'<w:shd w:val="clear" w:color="auto" w:fill="{fill}"/>' if fill else ""
    look = ("<w:b/>" if bold else "") + ("<w:i/>" if italic else "")
    look += f'<w:color w:val="{colour}"/>' if colour else ""
    place, keep = "left" if left else "center", "<w:keepNext/>" if keeps else ""
    return (
        f'<w:tc><w:tcPr><w:tcW w:w="{width}" w:type="dxa"/>{shade}<w:vAlign w:val="center"/>'
        f'</w:tcPr><w:p><w:pPr><w:pStyle w:val="{style}"/>{keep}<w:jc w:val="{place}"/></w:pPr>'
        f'<w:r><w:rPr>{look}</w:rPr><w:t xml:space="preserve">{escape(_clean(text))}</w:t></w:r>'
        "</w:p></w:tc>"
    )


def _widths(table: Table, size: float) -> list[int]:
    """Widths in twips that fill the line: each its longest word, the rest in proportion.

    Args:
        table: what is shown.
        size: of its letters, in points.
    """
    columns = list(zip(*(row for row in table.rows), strict=True)) or [()] * len(table.columns)
    longest = [
        max(len(word) for text in (head, *(cell.shown for cell in cells)) for word in _words(text))
        for head, cells in zip(table.heads, columns, strict=True)
    ]
    least = [min(count, _MAX_WORD) * size * _EM_PER_LETTER * 20 + _PADDING for count in longest]
    line = TEXT_CM * _TWIPS_PER_CM
    rest = line - sum(least)
    if rest < 0:
        most = _level(least, line)
        return [int(min(each, most)) for each in least]
    wide = [max(column.width, 8.0) for column in table.columns]
    return [int(low + rest * each / sum(wide)) for low, each in zip(least, wide, strict=True)]


def _level(widths: Sequence[float], line: float) -> float:
    """The width to which the widest columns must shrink for all to fit the line.

    >>> _level([10.0, 40.0, 60.0], 90.0)
    40.0
    """
    left, count = line, len(widths)
    for width in sorted(widths):
        if width * count >= left:
            break
        left, count = left - width, count - 1
    return left / max(count, 1)


def _words(text: str) -> list[str]:
    """What no line should be broken in; a long word is, at a hyphen or within a path."""
    words = text.split() or [""]
    return [p for word in words for p in (re.split("[-/]", word) if len(word) > 16 else [word])]
