"""What a run tells of itself while it goes on: fits, when it may end, and in what words."""

import json
import os
import time
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from invrbench.results.estimate import Pace
from invrbench.results.fitting import open_checkpoint
from invrbench.results.planning import load_plan
from invrbench.results.progress import Running, fit_under_way
from invrbench.results.watching import (
    Board,
    Failure,
    Job,
    Outlook,
    View,
    end_of,
    lines,
    name_of,
    outlook,
    reason_of,
    sentence,
    span,
)

REPOSITORY = Path(__file__).resolve().parents[2]
NOW = time.mktime((2026, 11, 23, 14, 0, 0, 0, 0, -1))
FIT = ("net", "fit")


def job(rule: str = "fit", name: str = "clip/net/q1", codec: str = "net") -> Job:
    return Job(rule, codec, f"results/{name}", name, began=NOW)


def seen(**fields: object) -> View:
    usual = {"conditions": "mini", "total": 40, "done": 10, "seconds": 80.0, "running": (),
             "failures": (), "outlook": Outlook(600.0)}  # fmt: skip
    return View(**{**usual, **fields})  # type: ignore[arg-type]


def begun(folder: Path, *, seconds: float, said: str, earlier: float = 0.0) -> None:
    """A fit that began so long ago and said its last word now."""
    open_checkpoint(folder, "ab12")
    note = {"key": "ab12", "start": time.time() - seconds, "earlier_seconds": earlier}
    (folder / "checkpoint.key").write_text(json.dumps(note))
    (folder / "fit.log").write_text(said)


# ---- fits


def test_a_fit_says_its_share_its_time_left_and_its_psnr(tmp_path: Path) -> None:
    begun(tmp_path / "fit", seconds=30, said="progress 0.1\nprogress 0.75 psnr_y_db=31.2\n")
    told = fit_under_way(tmp_path, "fit")
    assert told is not None
    assert told.share == 0.75
    assert told.left == pytest.approx(10, abs=0.5)
    assert told.said == "psnr_y_db=31.2"


def test_time_left_of_a_fit_begun_again_counts_the_seconds_before_it_was_killed(
    tmp_path: Path,
) -> None:
    begun(tmp_path / "fit", seconds=10, earlier=90, said="progress 0.50 psnr_y_db=31.2\n")
    told = fit_under_way(tmp_path, "fit")
    assert told is not None and told.left == pytest.approx(100, abs=0.5)  # not ten


def test_a_fit_that_has_not_begun_says_nothing(tmp_path: Path) -> None:
    assert fit_under_way(tmp_path, "fit") is None
    begun(tmp_path / "fit", seconds=1, said="")
    (tmp_path / "fit" / "fit.log").unlink()
    assert fit_under_way(tmp_path, "fit") is None


def test_a_fit_that_says_nothing_more_is_told_so(tmp_path: Path) -> None:
    begun(tmp_path / "fit", seconds=1000, said="progress 0.50 psnr_y_db=31.2\n")
    os.utime(tmp_path / "fit" / "fit.log", (time.time() - 480,) * 2)
    told = fit_under_way(tmp_path, "fit")
    assert told is not None
    (row,) = lines(seen(running=((job(), told),)), NOW, width=80, height=14)[2:]
    assert row.endswith("silent for 8 min")


# ---- the end


def test_work_is_packed_on_the_cores() -> None:
    pace = Pace({FIT: [100.0], ("net", "encode"): [10.0]}, "paper")
    found = outlook({FIT: 3, ("net", "encode"): 2}, [], pace, {FIT: 2}, cores=4)
    assert found == Outlook((3 * 100 * 2 + 2 * 10) / 4)


def test_no_run_ends_before_its_longest_job() -> None:
    long = Running("fit", "", 100.0, share=0.1, left=900.0)
    found = outlook({}, [(job(), long)], Pace({}, "paper"), {}, cores=8)
    assert found.seconds == 900


def test_a_fit_under_way_tells_how_long_others_of_its_codec_take() -> None:
    waiting, under_way = {FIT: 2}, Running("fit", "", 25.0, share=0.25, left=75.0)
    alone = outlook(waiting, [], Pace({}, "paper"), {}, cores=1)
    assert alone.seconds is None and alone.unknown == 2
    found = outlook(waiting, [(job(), under_way)], Pace({}, "paper"), {}, cores=1)
    assert found == Outlook(75 + 2 * 100)


def test_what_was_guessed_is_said_to_be() -> None:
    found = outlook({FIT: 1}, [], Pace({}, "quick"), {}, cores=1)
    assert found.is_guess
    assert end_of(seen(outlook=found), NOW) == "ends about 14:00, in 20 s, a guess"
    measured = outlook({FIT: 1}, [], Pace({("", "fit"): [30.0]}, "quick"), {}, cores=1)
    assert end_of(seen(outlook=measured), NOW) == "ends about 14:00, in 30 s"


def test_fits_that_nobody_can_guess_leave_the_end_open() -> None:
    told = end_of(seen(outlook=Outlook(None, 5)), NOW)
    assert told == "end unknown: no record tells how long 5 jobs will take"


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(8.4, "8 s"), (89.6, "90 s"), (91, "2 min"), (3599, "1 h 0 min"), (86400 * 3, "3 d 0 h")],
)
def test_a_length_of_time_is_rounded_to_what_matters(seconds: float, told: str) -> None:
    assert span(seconds) == told


# ---- the board


def board(waiting: dict[tuple[str, str], int], cores: int | None = 2) -> Board:
    return Board(load_plan(REPOSITORY, "smoke"), Counter(waiting), cores=cores)


def test_jobs_wait_run_and_end() -> None:
    held = board({("store", "encode"): 2})
    held.begin(1, Job("encode", "store", "a", "a", began=time.time() - 7))
    view = held.view()
    assert (view.total, view.done, len(view.running)) == (2, 0, 1)
    held.end(1)
    view = held.view()
    assert (view.done, len(view.running)) == (1, 0)
    assert view.outlook.seconds == pytest.approx(7 / 2, abs=0.1)  # the other takes as long


def test_a_job_tried_once_more_has_not_failed() -> None:
    held = board({("store", "encode"): 1})
    again = job("encode", "a", "store")
    assert not held.begin(1, again)
    held.fail(1, Failure(again, "out of memory"))
    assert len(held.view().failures) == 1
    assert held.begin(1, again)
    held.end(1)
    assert (held.view().done, held.view().failures) == (1, ())


def test_on_a_cluster_the_pace_is_that_of_the_jobs_that_came_back() -> None:
    held = board({("store", "encode"): 4}, cores=None)
    held.learn({("store", "encode"): [100.0]})
    held.begin(1, job("encode", "a", "store"))
    assert end_of(held.view(), NOW) == "end unknown yet"
    held.end(1)
    held._began -= 50  # two such jobs at once, from what it did in 50 seconds
    assert held.view().outlook.seconds == pytest.approx(3 * 100 / 2, rel=0.01)
    assert "submitted" not in sentence(held.view(), NOW)


def test_the_reason_of_a_failure_is_that_of_this_start(tmp_path: Path) -> None:
    failed = Job("decode", "net", "point", "point", began=time.time())
    assert reason_of(tmp_path, failed) is None
    (tmp_path / "point").mkdir()
    record = tmp_path / "point" / "decode.failed.json"
    record.write_text('{"reason": "net: decode exited with status 3"}')
    assert reason_of(tmp_path, failed) == "net: decode exited with status 3"
    os.utime(record, (NOW - 3600, NOW - 3600))
    assert reason_of(tmp_path, failed) is None


def test_the_reason_of_a_measurement_is_that_of_a_family(tmp_path: Path) -> None:
    (tmp_path / "point" / "metrics").mkdir(parents=True)
    (tmp_path / "point/metrics/view.failed.json").write_text('{"reason": "no such view"}')
    failed = Job("measure", "net", "point", "point", began=time.time())
    assert reason_of(tmp_path, failed) == "no such view"


# ---- words

jobs = st.builds(
    job,
    rule=st.sampled_from(["fit", "encode", "decode", "measure", "report", "drift"]),
    name=st.text("abcdef/@+.", min_size=0, max_size=120),
)
running = st.builds(
    Running,
    verb=st.just("fit"),
    folder=st.just("x"),
    seconds=st.floats(0, 1e7),
    share=st.none() | st.floats(0, 1),
    left=st.none() | st.floats(0, 1e7),
    said=st.sampled_from(["", "psnr_y_db=31.2", "step=9 psnr_rgb_db=31.2 loss=1e-3"]),
    silent=st.floats(0, 1e4),
)


@given(
    st.lists(st.tuples(jobs, running), max_size=250),
    st.lists(st.builds(Failure, jobs, st.text("abc \n", max_size=200)), max_size=6),
    st.builds(Outlook, st.none() | st.floats(0, 1e7), st.integers(0, 9), st.booleans()),
    st.integers(20, 200),
    st.integers(1, 50),
)
def test_no_line_is_wrapped_and_none_is_beyond_the_screen(
    under_way: list[tuple[Job, Running]],
    failures: list[Failure],
    foreseen: Outlook,
    width: int,
    height: int,
) -> None:
    view = seen(running=tuple(under_way), failures=tuple(failures), outlook=foreseen)
    told = lines(view, NOW, width=width, height=height)
    assert max(map(len, told)) <= width
    assert len(told) <= height
    assert "\n" not in "".join(told)


def test_the_last_failures_stay_in_view_however_many_jobs_run() -> None:
    under_way = tuple((job(name=f"clip/net/q{i}"), Running("fit", "x", 1.0)) for i in range(200))
    failures = tuple(Failure(job("decode", f"clip/net/p{i}"), f"reason {i}") for i in range(5))
    told = lines(seen(running=under_way, failures=failures), NOW, width=80, height=14)
    assert told[1] == "10 of 40 jobs done, 200 running, 5 failed, for 80 s"
    assert told[-4:] == [
        "  and 193 more",
        "failed: decode clip/net/p2: reason 2",
        "failed: decode clip/net/p3: reason 3",
        "failed: decode clip/net/p4: reason 4",
    ]


def test_the_fit_that_ends_last_comes_first() -> None:
    soon, late = (Running("fit", "x", 50.0, share=0.5, left=left) for left in (5.0, 5000.0))
    under_way = ((job("decode", "c"), Running("decode", "x", 1.0)), (job(name="a"), soon),
                 (job(name="b"), late))  # fmt: skip
    rows = lines(seen(running=under_way), NOW, width=80, height=14)[2:]
    assert [row.split()[0] for row in rows] == ["fit", "fit", "decode"]
    assert rows[0] == "  fit       50%  1:23:20 left b"


def test_a_name_leaves_out_what_goes_without_saying() -> None:
    point = {"sequence": "clip@0+8", "codec": "net", "configuration": "any", "rate_point": "q1",
             "seed": "0"}  # fmt: skip
    assert name_of(point) == "clip@0+8/net/q1"
    other = {**point, "configuration": "ra", "seed": "2"}
    assert name_of(other) == "clip@0+8/net/ra/q1/s2"


def test_a_line_of_a_log_has_the_counts_the_end_and_the_shares() -> None:
    view = seen(running=((job(), Running("fit", "x", 5.0, share=0.62, left=3.0)),))
    told = sentence(view, NOW)
    assert told == "10 of 40 jobs done, 1 running; ends about 14:10, in 10 min; fits at 62%"
