"""The table of drift holds counts and bounds, and reasons where there is no number."""

from pathlib import Path

import report_points
from invrbench.compare.curves import normalised
from invrbench.report.content import Report
from invrbench.report.document import contribution
from invrbench.report.drift import drift
from invrbench.report.summary import summary_lines
from invrbench.results.drift import DriftCount

NONE = dict.fromkeys(("bit-exact", "equal", "within", "fails"), 0)
COUNTS = (
    DriftCount("hnerv", "threads-1", {**NONE, "bit-exact": 4}, 0.0, claim="same-device"),
    DriftCount(
        "hnerv", "threads-N", {**NONE, "equal": 1, "within": 3}, 0.00012,
        "bunny-mini@0+32, s: psnr_y_db of frame 3", "same-device", "hnerv claims a lot.",
    ),
    DriftCount("ffnerv", "plain-cpu", {**NONE, "fails": 2}, None, "clip, s: died"),
    DriftCount("hevc", "cuda", why_not="its decoder does not use a GPU"),
)  # fmt: skip


def report(*counts: DriftCount) -> Report:
    return Report(normalised(report_points.points()), [], report_points.info(drift=counts))


def test_counts_bounds_and_claims_stand_in_a_row() -> None:
    first, second, *_ = drift(report(*COUNTS)).rows
    assert [cell.value for cell in first[:4]] == ["HNeRV", "threads-1", 4, 4]
    assert first[8].shown == "same-device"
    assert [cell.value for cell in second[3:7]] == [0, 1, 3, 0]
    assert second[7].shown == "0.0002"  # 0.00012 rounded up: a bound
    assert second[8].shown == "same-device: broken"


def test_what_fails_or_does_not_apply_has_a_reason_and_no_number() -> None:
    failed, absent = drift(report(*COUNTS)).rows[2:]
    assert (failed[7].kind, failed[7].shown) == ("reason", "no picture")
    assert failed[9].shown == "clip, s: died"
    assert (absent[9].kind, absent[9].shown) == ("reason", "its decoder does not use a GPU")
    assert [cell.kind for cell in absent[3:9]] == ["blank"] * 6


def test_a_broken_claim_is_said_below_the_table_and_in_the_summary() -> None:
    held = report(*COUNTS)
    assert drift(held).notes[1:] == ("Broken claim: hnerv claims a lot.",)
    lines = summary_lines(held.points, held.info)
    assert "broken claim: hnerv claims a lot." in lines


def test_nobody_looked_leaves_no_trace_in_the_document(tmp_path: Path) -> None:
    headings = {
        held: any(
            "Repeatability" in getattr(block, "text", "")
            for block in contribution(report(*counts), tmp_path).blocks
        )
        for held, counts in ((True, COUNTS), (False, ()))
    }
    assert headings == {True: True, False: False}
    assert drift(report()).rows == ()
