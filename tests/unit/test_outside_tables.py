"""Tables that codec folders bring are read in one way by the suite and by the report."""

from pathlib import Path

import pytest
from invrbench.codec.checks import rows_of
from invrbench.errors import ManifestError
from invrbench.outside import read_table

TABLE = "# Table 3 of the paper\n\nsequence\trate_point\tbpp\nkodim01\tQ1\t0.25\n"
ROW = {"sequence": "kodim01", "rate_point": "Q1", "bpp": "0.25"}


def test_remarks_and_blank_lines_are_neither_columns_nor_rows(tmp_path: Path) -> None:
    path = tmp_path / "points.tsv"
    path.write_text(TABLE)
    assert read_table(path) == (("sequence", "rate_point", "bpp"), [ROW])
    assert rows_of(path) == [ROW]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (TABLE + "kodim02\tQ1\n", "a row has 2 cells, the header has 3: ['kodim02', 'Q1']"),
        (TABLE + "kodim02\tQ1\t0.5\t6\n", "a row has 4 cells, the header has 3"),
        ("a\ta\n1\t2\n", "two columns of one name"),
        ("# nothing else\n", "it holds no line"),
    ],
)
def test_a_table_that_lost_cells_is_refused_with_the_row(
    tmp_path: Path, text: str, words: str
) -> None:
    path = tmp_path / "points.tsv"
    path.write_text(text)
    with pytest.raises(ValueError, match=words.replace("[", r"\[")):
        read_table(path)
    with pytest.raises(ManifestError, match=r"points.tsv is no table, tab-separated, in UTF-8: "):
        rows_of(path)
