"""The sentences of a cross-check, read aloud."""

from pathlib import Path
from typing import Any

from invrbench.ctc.tolerances import tolerances
from invrbench.report.crosscheck_words import Crosscheck, explanation, sentence, short
from invrbench.results.claims import Claim
from invrbench.results.package import Package
from invrbench.results.verdicts import (
    BIT_EXACT,
    DIFFERS,
    EQUAL,
    FAILED,
    NOT_CHECKED,
    Checked,
    Compared,
    Verdict,
)

PACKAGE = Package(
    Path("hnerv-mini.zip"),
    "0" * 32,
    "hnerv",
    {
        "codec": "hnerv",
        "name": "HNeRV",
        "conditions": {"name": "mini", "digest": "1", "value": {}},
        "environment": {"libraries": {"torch": "2.15.0"}},
    },
    frozenset(),
)


def point(
    number: int,
    verdict: Verdict = BIT_EXACT,
    reason: str = "",
    psnr: tuple[float, float] | None = None,
) -> Checked:
    row: dict[str, Any] = {
        "sequence": "bunny",
        "cut": "0+32",
        "codec": "hnerv",
        "variant": "",
        "configuration": "any",
        "rate_point": f"p{number}",
        "seed": 0,
        "bitstream_bytes": 10,
    }
    compared = ()
    if psnr:
        claimed, measured = psnr
        apart = abs(claimed - measured)
        compared = (Compared("psnr_y_db", "", claimed, measured, 0.01, apart),)
    record: dict[str, Any] = {}
    if verdict != NOT_CHECKED:
        versions = {"torch": "2.15.0"}
        record = {"status": "ok", "sandbox": "bubblewrap", "device": "cpu", "versions": versions}
    return Checked(Claim(f"p{number}.bin", (row,)), verdict, reason, compared, record)


def check(*points: Checked, frames: str = "") -> Crosscheck:
    return Crosscheck(PACKAGE, points, tolerances({}), frames=frames)


def test_all_alike_is_one_clause() -> None:
    every = check(*(point(n) for n in range(24)))
    assert sentence(every) == "24 of 24 points bit-exact (bubblewrap, torch 2.15.0)."
    assert short(every) == "24 of 24 bit-exact"


def test_one_that_differs_is_named_with_both_values() -> None:
    found = check(*(point(n) for n in range(23)), point(23, DIFFERS, "", (31.2, 30.98)))
    assert sentence(found) == (
        "23 of 24 points bit-exact (bubblewrap, torch 2.15.0); 1 differs: bunny@0+32 p23: "
        "PSNR-Y 31.20 dB claimed, 30.98 measured (tolerance 0.01)."
    )
    assert short(found) == "23 of 24 confirmed, 1 differs"


def test_values_that_would_look_alike_get_more_decimals() -> None:
    told = explanation(point(0, DIFFERS, "", (31.2, 31.2004)))
    assert told.startswith("PSNR-Y 31.2000 dB claimed, 31.2004 measured")


def test_largest_difference_among_equal_points_is_told_with_its_tolerance() -> None:
    found = check(
        point(0),
        point(1, EQUAL, "decoded md5 differs", (31.2, 31.203)),
        point(2, EQUAL, "decoded md5 differs", (31.2, 31.206)),
    )
    assert sentence(found) == (
        "1 of 3 points bit-exact, 2 equal within tolerance, largest difference 0.006 dB in "
        "PSNR-Y, tolerance 0.01 (bubblewrap, torch 2.15.0)."
    )
    assert short(found) == "3 of 3 confirmed"


def test_check_that_was_cut_short_says_how_far_it_came() -> None:
    points = [point(n, EQUAL, "frames 0–15 compared", (31.2, 31.2)) for n in range(10)]
    points += [point(n, NOT_CHECKED, "out of time") for n in range(10, 24)]
    assert sentence(check(*points, frames="frames 0–15")) == (
        "10 of 24 points checked: 10 equal within tolerance (frames 0–15, bubblewrap, torch "
        "2.15.0); 14 not checked: out of time."
    )


def test_one_fault_of_many_points_is_told_once_and_many_faults_are_cut() -> None:
    alike = check(*(point(n, FAILED, "no decode.py") for n in range(8)))
    assert sentence(alike) == (
        "0 of 8 points confirmed (bubblewrap, torch 2.15.0); 8 failed: no decode.py."
    )
    apart = check(*(point(n, DIFFERS, f"reason {n}") for n in range(8)))
    assert sentence(apart).endswith(
        "8 differ: bunny@0+32 p0 (reason 0), bunny@0+32 p1 (reason 1), "
        "bunny@0+32 p2 (reason 2), and 5 more."
    )


def test_many_reasons_for_not_checking_are_summed_up() -> None:
    points = [point(n, NOT_CHECKED, f"no sequence {n // 2}") for n in range(10)]
    assert sentence(check(*points)) == (
        "0 of 10 points checked; 2 not checked: no sequence 0; 2 not checked: no sequence 1; "
        "2 not checked: no sequence 2; 4 not checked for other reasons."
    )
