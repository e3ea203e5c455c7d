"""Every byte of a bitstream is attributed, or the report says how many are."""

import pytest
import report_points
from invrbench.compare.curves import normalised
from invrbench.compare.table import bd_rows
from invrbench.report.content import Report
from invrbench.report.self_reported import bytes_by_part
from invrbench.results.shares import parts_text, shares_of


@pytest.mark.parametrize(
    ("stated", "told"),
    [
        ({"header": 40, "weights": 960}, "header=40 weights=960"),
        ({"header": 40, "hash grids": 960}, "header=40 hash_grids=960"),
        ({"header": 40, "weights": {"in": 900, "out": 60}}, "header=40 weights=960"),
        ({"weights": {"in": "many"}}, "no table of bytes by part"),
        ({"weights": 960}, "accounts for 960 of 1000 bytes"),
        ({"weights": 1040}, "accounts for 1040 of 1000 bytes"),
        ({"weights": 1000.0}, "no table of bytes by part"),
        ({"weights": -1, "header": 1001}, "no table of bytes by part"),
        ([1000], "no table of bytes by part"),
        (None, ""),
    ],
)
def test_an_account_of_bytes_is_shown_only_if_it_is_whole(stated: object, told: str) -> None:
    assert parts_text(stated, 1000) == told
    assert sum(shares_of(told).values()) in (0, 1000)


def report(account: str) -> Report:
    points = report_points.points()
    for point in report_points.curve(points, "bikes-still", "inric"):
        point |= {"bitstream_bytes": 1000, "bytes_by_part": account}
    held = normalised(points)
    return Report(held, bd_rows(held, metrics=("psnr_y_db",)), report_points.info())


def test_shares_add_up_to_the_file_and_the_largest_comes_first() -> None:
    table = bytes_by_part(report("header=40 weights=950 biases=10"))
    assert {row[4].shown for row in table.rows} == {"weights 95.0%, header 4.0%, biases 1.0%"}
    assert {row[3].value for row in table.rows} == {1000}
    assert {row[1].shown for row in table.rows} == {"bikes-still"}


def test_an_account_with_a_gap_is_a_reason_and_no_share() -> None:
    table = bytes_by_part(report("accounts for 960 of 1000 bytes"))
    assert {row[4].kind for row in table.rows} == {"reason"}
    assert {row[4].shown for row in table.rows} == {"accounts for 960 of 1000 bytes"}


def test_a_bitstream_of_several_view_sets_is_listed_once() -> None:
    points = report_points.points()
    seen = report_points.curve(points, "bikes-still", "inric")
    for point in seen:
        point |= {"bitstream_bytes": 1000, "bytes_by_part": "weights=1000", "view_set": "train"}
    points += [point | {"view_set": "test"} for point in seen]
    held = normalised(points)
    made = Report(held, bd_rows(held, metrics=("psnr_y_db",)), report_points.info())
    table = bytes_by_part(made)
    assert len(table.rows) == len(seen)
    assert {row[1].shown for row in table.rows} == {"bikes-still"}
