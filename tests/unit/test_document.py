"""contribution.docx and contribution.md: the workbook's numbers, ready to be pasted and sent."""

import re
import shutil
import subprocess
import zipfile
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import docx
import openpyxl
import pytest
from docx.oxml.ns import qn
from invrbench.compare.curves import normalised
from invrbench.compare.findings import HOLDS, Verdict
from invrbench.compare.table import bd_rows
from invrbench.ctc.conditions import Figure
from invrbench.report import tables
from invrbench.report.blocks import Document, Heading, Words, by_rows, narrow, numbered
from invrbench.report.cells import ABSENT, Column, Table, formatted, text
from invrbench.report.content import Report
from invrbench.report.document import (
    MAX_BITSTREAMS,
    MAX_REASON,
    commands,
    contribution,
    write_contribution,
)
from invrbench.report.info import CodecInfo
from invrbench.report.pictures import Drawn
from invrbench.report.word import write_docx
from invrbench.report.workbook import write_workbook
from report_points import CODECS, curve, info, points

METRICS = ("psnr_y_db", "ms_ssim_y_db")
BUNNY, STILL = "bunny-mini@0+32", "bikes-still"
# a PNG of one grey pixel
PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108000000003a7e9b550000000a49444154789c63"
    "680000008200818d1a29f70000000049454e44ae426082"
)


def small() -> list[dict[str, Any]]:
    return [each for each in points() if each["sequence"] in ("bikes-still", "bunny-mini")]


def report_of(rows: list[dict[str, Any]], **about: Any) -> Report:
    checked = normalised(rows)
    return Report(checked, bd_rows(checked, metrics=METRICS), info(**about))


def written(folder: Path, report: Report) -> tuple[Any, str]:
    """The Word file, opened, and the Markdown."""
    (folder / "plots").mkdir(parents=True, exist_ok=True)
    (folder / "plots" / "bikes-still.psnr_y_db.log.png").write_bytes(PIXEL)
    write_contribution(folder, report)
    return docx.Document(str(folder / "contribution.docx")), (
        folder / "contribution.md"
    ).read_text()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Report, Any, str]:
    folder = tmp_path_factory.mktemp("contribution")
    report = report_of(small())
    write_workbook(folder / "results.xlsx", report.points, report.rows, report.info)
    return folder, report, *written(folder, report)


Shown = list[list[str]]


def docx_tables(word: Any) -> dict[str, list[Shown]]:
    """Texts of the tables by caption, without what says which part of a table it is."""
    found: dict[str, list[Shown]] = {}
    caption = ""
    for item in word.iter_inner_content():
        if hasattr(item, "rows"):
            shown = [[cell.text for cell in row.cells] for row in item.rows]
            found.setdefault(re.sub(r" \(\d of \d\)$", "", caption), []).append(shown)
        elif item.style.name == "Caption":
            caption = item.text.partition(": ")[2]
    return found


def markdown_tables(text: str) -> dict[str, list[Shown]]:
    found: dict[str, list[Shown]] = {}
    caption, shown = "", []
    for line in [*text.splitlines(), ""]:
        if match := re.fullmatch(r"\*\*Table \d+\.\*\* (.*)", line):
            caption = re.sub(r" \(\d of \d\)$", "", unescaped(match[1]))
        elif line.startswith("|"):
            shown.append([unescaped(cell) for cell in re.split(r"(?<!\\) ?\| ?", line)[1:-1]])
        elif shown:
            found.setdefault(caption, []).append([shown[0], *shown[2:]])
            shown = []
    return found


def unescaped(cell: str) -> str:
    bold = re.fullmatch(r"\*\*(.*)\*\*", cell)
    return re.sub(r"\\(.)", r"\1", bold[1] if bold else cell)


def sheet_table(path: Path, sheet: str, heads: tuple[str, ...], nth: int = 0) -> Shown:
    """The nth table of a sheet with these headings, as a reader sees it."""
    rows = list(openpyxl.load_workbook(path, data_only=True)[sheet].iter_rows())
    width = len(heads)
    tops = [i for i, row in enumerate(rows) if [c.value for c in row[:width]] == list(heads)]
    shown = [list(heads)]
    for row in rows[tops[nth] + 1 :]:
        if row[0].value is None or (row[1].value is None and row[2].value is None):
            break
        shown.append([seen(cell) for cell in row[:width]])
    return shown


def seen(cell: Any) -> str:
    if cell.value is None:
        return ""
    number = isinstance(cell.value, int | float)
    return formatted(cell.value, cell.number_format) if number else str(cell.value)


def cells(parts: list[Shown], keys: int) -> dict[tuple[str, str], str]:
    """What stands in a table, or in its parts, by name of row and column; dashes left out."""
    return {
        (row[0], head): shown
        for part in parts
        for row in part[1:]
        for head, shown in zip(part[0][keys:], row[keys:], strict=True)
        if shown != ABSENT.shown
    }


def test_headline_matrices_and_complexity_show_the_same_in_word_markdown_and_workbook(
    whole: tuple[Path, Report, Any, str],
) -> None:
    folder, report, word, markdown = whole
    in_word, in_markdown = docx_tables(word), markdown_tables(markdown)
    book = folder / "results.xlsx"
    headline = tables.headline(report)
    (caption,) = [name for name in in_word if name.endswith("mean over the sequences")]
    expected = sheet_table(book, "Summary", headline.heads)
    assert len(expected) == 1 + 3
    assert in_word[caption] == in_markdown[caption] == [expected]
    compared = 0
    alike: dict[tuple[str, ...], int] = {}
    for table in tables.matrices(report):
        nth = alike.get(table.heads, 0)
        alike[table.heads] = nth + 1
        sheet = cells([sheet_table(book, "Summary", table.heads, nth)], 2)
        assert cells(in_word[table.title], 2) == cells(in_markdown[table.title], 2) == sheet
        compared += len(sheet)
    assert compared >= 50
    complexity = tables.complexity(report)
    sheet = cells([sheet_table(book, "Complexity", complexity.heads)], 1)
    for parts in (in_word["Cost of each codec"], in_markdown["Cost of each codec"]):
        assert cells(parts, 1) == sheet
        assert max(len(part[0]) for part in parts) <= 8


def test_no_table_is_wider_than_the_page_bears(whole: tuple[Path, Report, Any, str]) -> None:
    _, _, word, _ = whole
    for parts in docx_tables(word).values():
        assert all(len(part[0]) <= 8 for part in parts)
    text_width = word.sections[0].page_width - 2 * word.sections[0].left_margin
    for table in word.tables:
        widths = [int(column.get(qn("w:w"))) for column in table._tbl.tblGrid]
        assert sum(widths) * 635 <= text_width + 2  # EMU per twip


def test_the_sections_of_a_contribution_stand_in_their_order(
    whole: tuple[Path, Report, Any, str],
) -> None:
    _, _, word, markdown = whole
    names = [p.text for p in word.paragraphs if p.style.name == "Heading 1"]
    assert names == [
        "Abstract",
        "Introduction",
        "Test conditions",
        "Results",
        "Complexity",
        "Coverage and failures",
        "Cross-check",
        "How to reproduce",
        "Conclusion",
        "References",
        "Patent rights declaration",
    ]
    assert re.findall(r"^## \d+ (.*)$", markdown, re.MULTILINE) == names
    assert "### 4.2 BD-rate by sequence and class" in markdown


def test_what_only_the_author_can_say_is_a_marked_placeholder(
    whole: tuple[Path, Report, Any, str],
) -> None:
    _, _, word, markdown = whole
    cells_of_front = [cell for row in word.tables[0].rows for cell in row.cells]
    paragraphs = [*word.paragraphs, *(p for cell in cells_of_front for p in cell.paragraphs)]
    asked = [run.text for p in paragraphs for run in p.runs if run.font.highlight_color]
    assert len(asked) >= 12
    for word_of in ("Meeting", "Companies", "E-mail", "property rights", "recommended"):
        assert any(word_of in text for text in asked), word_of
        assert word_of in markdown


def test_headings_captions_and_repeated_head_rows_are_words_own(
    whole: tuple[Path, Report, Any, str],
) -> None:
    _, _, word, _ = whole
    captions = [p for p in word.paragraphs if p.style.name == "Caption"]
    assert len(captions) == len(word.tables) - 1 + len(word.inline_shapes)
    assert all("SEQ " in p._p.xml for p in captions)
    for table in word.tables[1:]:  # the first is the front table
        assert table.style.name == "Table Grid"
        assert table.rows[0]._tr.trPr.find(qn("w:tblHeader")) is not None
    numbered_by = {
        name: word.styles[name].element.pPr.numPr.numId.val for name in ("Heading 1", "Heading 2")
    }
    assert len(set(numbered_by.values())) == 1


def test_every_figure_has_a_caption_and_a_text_for_the_blind(
    whole: tuple[Path, Report, Any, str],
) -> None:
    _, _, word, markdown = whole
    assert len(word.inline_shapes) == 1
    described = [shape._inline.docPr.get("descr") for shape in word.inline_shapes]
    assert described == ["Rate-distortion curves of all codecs on bikes-still: PSNR-Y over rate."]
    assert "(plots/bikes-still.psnr_y_db.log.png)" in markdown


def test_the_abstract_says_the_headline_in_words(whole: tuple[Path, Report, Any, str]) -> None:
    _, report, word, _ = whole
    row = next(row for row in tables.headline(report).rows if row[0].shown == "FFNeRV")
    sentence = next(p.text for p in word.paragraphs if p.text.startswith("FFNeRV: "))
    assert sentence == (
        f"FFNeRV: PSNR-Y {row[2].shown}; MS-SSIM-Y {row[3].shown} (sequences in the mean: 1 of 1)."
    )


def test_the_same_report_gives_the_same_bytes_dated_by_its_newest_record(
    whole: tuple[Path, Report, Any, str], tmp_path: Path
) -> None:
    folder, report, word, _ = whole
    written(tmp_path, report)
    for name in ("contribution.docx", "contribution.md"):
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes()
    properties = word.core_properties
    assert properties.created.isoformat()[:19] == "2025-11-22T15:00:00"
    assert properties.modified == properties.created
    assert (properties.author, properties.last_modified_by) == ("", "")
    with zipfile.ZipFile(folder / "contribution.docx") as archive:
        assert {member.date_time[0] for member in archive.infolist()} == {1980}


def test_how_to_reproduce_names_commit_digest_commands_and_md5s(
    whole: tuple[Path, Report, Any, str],
) -> None:
    _, report, _, markdown = whole
    assert "git checkout 94e97d7c0ffee" in markdown
    assert report.info.digest in markdown
    assert "snakemake --cores 8 all --config ctc=mini" in markdown
    assert "invrbench crosscheck hnerv-mini.zip" in markdown
    own = [p for p in report.points if p["role"] == "proposal"]
    assert all(p["bitstream_md5"] in markdown and p["decoded_md5"] in markdown for p in own)
    assert {p["source_md5"] for p in own} <= set(re.findall(r"[0-9a-f]{32}", markdown))


def test_commands_are_quoted_for_the_shell() -> None:
    lines = commands(report_of(small(), filter="hnerv/*/q1 q2", label="m71234"))
    assert "snakemake --cores 8 all --config ctc=mini 'only=hnerv/*/q1 q2' label=m71234" in lines


def test_a_draft_says_so_on_top_and_on_every_page(tmp_path: Path) -> None:
    rows = small()
    reason = "encode: exit status 1: " + "NaN in stem.weight " * 40
    curve(rows, BUNNY, "hnerv")[1].update(
        status="failed", reason=reason, psnr_y_db=None, ms_ssim_y_db=None, bpp=None
    )
    word, markdown = written(tmp_path, report_of(rows, filter="hnerv"))
    mark = "DRAFT (only=hnerv) · incomplete: 63 of 64"
    body = [p.text for p in word.paragraphs]
    assert body.index(f"{mark}. Not to be sent as it is.") < body.index("Abstract")
    assert mark in word.sections[0].header.paragraphs[0].text
    (lost,) = docx_tables(word)["Curves of which points are not present, and why"]
    assert lost[1][1:4] == ["HNeRV", "4", "3"]
    assert lost[1][4].startswith("s.quick_qp-46: encode: exit status 1")
    assert len(lost[1][4]) == MAX_REASON
    assert "HNeRV: no BD-rate, withheld (0 of 1)." in unescaped(markdown)


def test_names_of_strangers_break_no_file(tmp_path: Path) -> None:
    names = {"hnerv": "Ĥ-编码 <b>&\"'|*_`[x](y)\x0b", "ffnerv": "F" * 200}
    codecs = CODECS | {name: CodecInfo(text, "proposal") for name, text in names.items()}
    word, markdown = written(tmp_path, report_of(small(), codecs=codecs))
    shown = names["hnerv"].replace("\x0b", "")
    (headline,) = [
        parts[0] for name, parts in docx_tables(word).items() if name.endswith("the sequences")
    ]
    assert [row[0] for row in headline[1:]] == ["INRIC", shown, "F" * 200]
    (same,) = [
        parts[0] for name, parts in markdown_tables(markdown).items() if name.endswith("sequences")
    ]
    assert same[2][0] == " ".join(names["hnerv"].split())


def test_a_report_of_anchors_alone_is_still_a_document(tmp_path: Path) -> None:
    rows = [each for each in small() if each["role"] == "anchor"]
    word, _ = written(tmp_path, report_of(rows))
    assert "No proposal was run under test conditions mini." in [p.text for p in word.paragraphs]


def test_cross_checks_stand_where_the_placeholder_was(tmp_path: Path) -> None:
    verdict = "24 of 24 points bit-exact (Company)"
    word, _ = written(tmp_path, report_of(small(), crosschecks={"hnerv": verdict}))
    (table,) = docx_tables(word)["Cross-checks"]
    assert table[1:] == [["HNeRV", verdict]]
    assert not [p.text for p in word.paragraphs if p.text.startswith("[Cross-checker")]


def test_three_seeds_have_a_section_of_their_own(tmp_path: Path) -> None:
    rows = small()
    for each in curve(rows, BUNNY, "ffnerv"):
        for seed in (1, 2):
            rows.append(each | {"seed": seed, "bpp": each["bpp"] * (1 + seed / 100)})
    report = report_of(rows)
    titles = [b.text for b in contribution(report, tmp_path).blocks if isinstance(b, Heading)]
    assert titles.index("Training seeds") == titles.index("Complexity") + 1
    word, _ = written(tmp_path, report)
    (table,) = docx_tables(word)["BD-rate over training seeds, against the headline anchor"]
    assert table[1][:4] == ["FFNeRV", "Overall", "PSNR-Y", "3 of 3"]
    headline = tables.headline(report)
    assert "FFNeRV (mean of 3 seeds)" in [row[0].shown for row in headline.rows]
    assert "snakemake --cores 8 all --config ctc=mini seeds=3" in commands(report)


def test_codecs_that_share_no_sequence_stand_in_tables_of_their_own() -> None:
    def line(name: str, *shown: str) -> tuple[Any, ...]:
        return (text(name), *(text(each) if each else ABSENT for each in shown))

    columns = tuple(Column(head) for head in ("Sequence", "still", "clip", "both"))
    rows = (line("a", "1", "", "2"), line("b", "", "3", "4"), line("Overall", "5", "6", "7"))
    parts = by_rows(Table("t", "T", columns, rows, bold=frozenset({2}), notes=("n",)), keys=1)
    assert [part.heads for part in parts] == [
        ("Sequence", "still"),
        ("Sequence", "clip"),
        ("Sequence", "both"),
    ]
    assert [[row[0].shown for row in part.rows] for part in parts] == [
        ["a", "Overall"],
        ["b", "Overall"],
        ["a", "b", "Overall"],
    ]
    assert [part.bold for part in parts] == [frozenset({1}), frozenset({1}), frozenset({2})]
    assert [part.notes for part in parts] == [(), (), ("n",)]


def test_a_wide_table_keeps_its_first_columns_and_says_its_notes_once() -> None:
    columns = tuple(Column(str(index)) for index in range(10))
    row = tuple(text(index) for index in range(10))
    parts = narrow(Table("t", "T", columns, (row,), notes=("n",)), most=5, keys=2)
    assert ["".join(part.heads) for part in parts] == ["01234", "01567", "0189"]
    assert [part.notes for part in parts] == [(), (), ("n",)]


def test_sections_are_counted_as_word_counts_them() -> None:
    blocks = [Heading("A"), Heading("B"), Heading("B1", 2), Words("w"), Heading("B2", 2)]
    assert [n for n, _ in numbered([*blocks, Heading("C")])] == ["1", "2", "2.1", "2.1", "2.2", "3"]


@pytest.mark.skipif(shutil.which("soffice") is None, reason="needs LibreOffice (soffice)")
def test_libreoffice_opens_the_word_file(
    whole: tuple[Path, Report, Any, str], tmp_path: Path
) -> None:
    folder, *_ = whole
    command = ["soffice", "--headless", f"-env:UserInstallation=file://{tmp_path}/profile"]
    command += ["--convert-to", "pdf", "--outdir", str(tmp_path), str(folder / "contribution.docx")]
    subprocess.run(command, check=True, capture_output=True, timeout=240)
    assert (tmp_path / "contribution.pdf").read_bytes().startswith(b"%PDF")


def test_findings_figures_and_pictures_of_an_experiment_are_in_its_document(
    tmp_path: Path,
) -> None:
    claim = Verdict("INRIC needs more rate", STILL, "psnr_y_db", HOLDS, "BD-rate +228.6 %")
    figure = Figure("f4", "Rates of all models", "psnr_y_db", ("inric",))
    drawn = Drawn("A crop", "bikes-still", {"crop.png": PIXEL}, ("Source", "INRIC, q1"))
    for name in ("plots/f4.png", "pictures/crop.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(PIXEL)
    report = report_of(small(), figures=(figure, replace(figure, name="gone")))
    write_contribution(tmp_path, report, verdicts=[claim], pictures=[drawn])
    word = docx.Document(str(tmp_path / "contribution.docx"))
    (table,) = docx_tables(word)["Claims of the test conditions and what became of them"]
    assert table[1] == [claim.claim, STILL, "PSNR-Y", "indication: holds", claim.numbers]
    captions = [p.text for p in word.paragraphs if p.text.startswith("Figure ")]
    assert captions == ["Figure 1: Rates of all models", "Figure 2: A crop (bikes-still)"]
    described = [shape._inline.docPr.get("descr") for shape in word.inline_shapes]
    assert described == ["Plot: Rates of all models", "Source; INRIC, q1"]


def test_a_long_list_of_bitstreams_is_left_to_the_table_of_points(tmp_path: Path) -> None:
    rows = small()
    one = curve(rows, BUNNY, "hnerv")[0]
    rows += [one | {"curve": "many", "rate_point": f"p{n}"} for n in range(MAX_BITSTREAMS)]
    word, _ = written(tmp_path, report_of(rows))
    count = MAX_BITSTREAMS + sum(each["role"] == "proposal" for each in small())
    assert any(f"MD5s of the {count} bitstreams" in p.text for p in word.paragraphs)
    assert not [name for name in docx_tables(word) if name.startswith("Bitstreams")]


@pytest.mark.parametrize("letter", ["\x00", "\x1f", "\ud800", "\ufffe"])
def test_letters_that_xml_cannot_hold_are_left_out(tmp_path: Path, letter: str) -> None:
    words = Words(f"a{letter}b\tc")
    document = Document((words,), (("Title", words),), f"t{letter}", f"r{letter}", (words,))
    write_docx(tmp_path / "a.docx", document, datetime(2025, 1, 2), tmp_path)
    word = docx.Document(str(tmp_path / "a.docx"))
    assert word.paragraphs[-1].text == "ab\tc"
    assert word.core_properties.title == "t"
