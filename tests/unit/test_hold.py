"""One run, or verbs typed by hand, hold a results tree; whoever comes second is told who."""

import fcntl
import os
from pathlib import Path

import pytest
from invrbench.codec.stopping import ENTERED_VARIABLE
from invrbench.errors import BusyError
from invrbench.results import hold
from invrbench.results.hold import hold_tree, let_go, share_tree, without_runs
from invrbench.results.paths import LOCK


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(hold, "_held", [])
    monkeypatch.delenv(ENTERED_VARIABLE, raising=False)
    monkeypatch.setenv(hold.RUN_VARIABLE, "")  # put back after hold_tree has set it
    (tmp_path / LOCK).parent.mkdir()
    return tmp_path


def test_a_run_keeps_another_run_and_verbs_away_and_says_who_it_is(tree: Path) -> None:
    hold_tree(tree)
    with pytest.raises(BusyError, match=rf"another run holds results/: process {os.getpid()}, s"):
        hold_tree(tree)
    with pytest.raises(BusyError, match=rf"a run holds results/ \(process {os.getpid()}, since"):
        share_tree(tree)
    with pytest.raises(BusyError, match="at this very step"), without_runs(tree):
        pass
    let_go()
    hold_tree(tree)
    let_go()


def test_verbs_share_a_tree_and_keep_runs_away(tree: Path) -> None:
    share_tree(tree)
    share_tree(tree)
    with pytest.raises(BusyError, match="is being written by a verb that someone typed"):
        hold_tree(tree)
    let_go()
    hold_tree(tree)
    let_go()


def test_verbs_of_a_run_write_the_tree_that_it_holds(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hold_tree(tree)
    monkeypatch.setenv(ENTERED_VARIABLE, "1")
    share_tree(tree)
    assert len(hold._held) == 1, "the run holds the tree, its verb nothing"
    let_go()


def test_a_run_may_begin_once_the_records_are_changed(tree: Path) -> None:
    with without_runs(tree), pytest.raises(BusyError):
        hold_tree(tree)
    hold_tree(tree)
    let_go()


def test_a_holder_that_has_not_said_who_it_is_holds_it_all_the_same(tree: Path) -> None:
    with (tree / LOCK).open("a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(BusyError, match="it just started"):
            hold_tree(tree)
