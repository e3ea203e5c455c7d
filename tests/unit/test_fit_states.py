"""A kill between any two steps of a fit's end loses no finished work and leaves no wrong record."""

import itertools
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from invrbench.digest import digest_tree
from invrbench.results import fitting
from invrbench.results.fitting import (
    finish,
    finished_before,
    forget_finished,
    open_checkpoint,
    take_model,
)
from invrbench.results.records import read_record, write_record

KEY, OTHER = "a" * 32, "b" * 32


class Killed(BaseException):
    """Nothing catches it but the test."""


class Executioner:
    """Ends what runs before its n-th change of a file system."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, last: int) -> None:
        self.left = last
        for owner, name in (
            (Path, "unlink"),
            (shutil, "rmtree"),
            (shutil, "move"),
            (fitting, "write_record"),
            (os, "fsync"),
        ):
            monkeypatch.setattr(owner, name, self._counted(getattr(owner, name)))

    def _counted(self, change: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*args: Any, **kwargs: Any) -> Any:
            if self.left <= 0:
                raise Killed
            self.left -= 1
            return change(*args, **kwargs)

        return counted


def trained(folder: Path, content: str) -> Path:
    """A model as a codec leaves it."""
    made = folder / "work" / "model"
    made.mkdir(parents=True, exist_ok=True)
    (made / "weights").write_text(content)
    return made


def end_of_fit(place: Path, folder: Path, content: str, key: str) -> None:
    outputs = take_model(trained(place, content), folder)
    finish(folder, {"kind": "fit", "key": key, "status": "ok", "outputs": outputs}, keep=True)


def test_every_order_of_kills_leaves_a_checkpoint_or_the_finished_model(tmp_path: Path) -> None:
    states = set()
    for last in itertools.count():
        folder, place = tmp_path / str(last) / "fit", tmp_path / str(last)
        end_of_fit(place, folder, "the old model", OTHER)
        (open_checkpoint(folder, KEY).folder / "checkpoint.pt").write_text("step 9")
        with pytest.MonkeyPatch.context() as patch:
            Executioner(patch, last)
            try:
                end_of_fit(place, folder, "the new model", KEY)
                survived = True
            except Killed:
                survived = False
        record = read_record(folder / "fit.json")
        if record is not None:
            assert record["outputs"] == digest_tree(folder / "model"), last
        can_resume = (folder / "checkpoint/checkpoint.pt").is_file()
        is_finished = finished_before(folder, KEY) is not None
        assert can_resume or is_finished, last
        states.add((can_resume, is_finished, record is not None and record["key"] == KEY))
        if survived:
            break
    assert last > 6
    assert {(True, False, False), (True, True, False), (False, True, True)} <= states


def test_a_model_that_was_finished_when_its_run_was_killed_is_taken_once(tmp_path: Path) -> None:
    end_of_fit(tmp_path, tmp_path / "fit", "weights", KEY)
    (tmp_path / "fit/fit.json").unlink()  # as Snakemake does with what it does not know as done
    assert finished_before(tmp_path / "fit", OTHER) is None
    record = finished_before(tmp_path / "fit", KEY)
    assert record is not None
    finish(tmp_path / "fit", record, keep=True)
    assert read_record(tmp_path / "fit/fit.json") == record
    forget_finished(tmp_path / "fit")
    assert finished_before(tmp_path / "fit", KEY) is None


def test_a_finished_model_that_was_changed_since_is_trained_again(tmp_path: Path) -> None:
    end_of_fit(tmp_path, tmp_path / "fit", "weights", KEY)
    (tmp_path / "fit/model/weights").write_text("other weights")
    assert finished_before(tmp_path / "fit", KEY) is None


def test_a_fit_by_hand_keeps_nothing_that_would_stand_for_another_one(tmp_path: Path) -> None:
    outputs = take_model(trained(tmp_path, "weights"), tmp_path / "fit")
    record = {"kind": "fit", "key": KEY, "status": "ok", "outputs": outputs}
    finish(tmp_path / "fit", record, keep=False)
    assert sorted(path.name for path in (tmp_path / "fit").iterdir()) == ["fit.json", "model"]


def test_a_model_with_other_files_replaces_all_of_the_one_before(tmp_path: Path) -> None:
    end_of_fit(tmp_path, tmp_path / "fit", "old", OTHER)
    (tmp_path / "fit/model/more").write_text("of the old one")
    end_of_fit(tmp_path, tmp_path / "fit", "new", KEY)
    assert digest_tree(tmp_path / "fit/model").keys() == {"weights"}


def test_seconds_of_a_killed_start_count_up_to_its_last_checkpoint(tmp_path: Path) -> None:
    first = open_checkpoint(tmp_path, KEY)
    assert first.earlier_seconds == 0
    state = first.folder / "checkpoint.pt"
    state.write_text("step 9")
    began = float(fitting._read_note(tmp_path / "checkpoint.key")["start"])
    os.utime(state, (began + 100, began + 100))
    second = open_checkpoint(tmp_path, KEY)
    assert second.earlier_seconds == pytest.approx(100, abs=1e-3)
    os.utime(state, (began - 100, began - 100))  # this start was killed before it saved anything
    assert open_checkpoint(tmp_path, KEY).earlier_seconds == second.earlier_seconds


def test_a_checkpoint_of_another_key_is_discarded_with_its_seconds(tmp_path: Path) -> None:
    state = open_checkpoint(tmp_path, KEY).folder / "checkpoint.pt"
    state.write_text("step 9")
    other = open_checkpoint(tmp_path, OTHER)
    assert other.earlier_seconds == 0 and not state.exists()


@pytest.mark.parametrize("text", ["", "half a no", "[]", "0123456789abcdef"])
def test_a_checkpoint_whose_note_cannot_be_read_is_discarded(tmp_path: Path, text: str) -> None:
    state = open_checkpoint(tmp_path, KEY).folder / "checkpoint.pt"
    state.write_text("step 9")
    (tmp_path / "checkpoint.key").write_text(text)
    assert open_checkpoint(tmp_path, KEY).earlier_seconds == 0
    assert not state.exists()


def test_a_record_of_a_killed_write_is_never_half_read(tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        Executioner(patch, 0)
        with pytest.raises(Killed):
            write_record(tmp_path / "fit.json", {"kind": "fit", "key": KEY, "status": "ok"})
    assert read_record(tmp_path / "fit.json") is None
