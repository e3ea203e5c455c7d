"""Files appear whole or not at all, and what a killed writer leaves can be told."""

import errno
import fcntl
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from invrbench.digest import PARTIAL, is_abandoned, write_whole, written_whole
from invrbench.errors import StorageError
from invrbench.results.hold import hold_tree

WRITER = """
import sys, time
from pathlib import Path
from invrbench.digest import written_whole
with written_whole(Path(sys.argv[1])) as file:
    file.write(b"half of it")
    file.flush()
    print("half", flush=True)
    time.sleep(60)
"""


def partial_of(folder: Path) -> Path:
    (found,) = folder.glob(f".*{PARTIAL}")
    return found


def test_a_reader_sees_the_old_file_until_the_new_one_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    write_whole(path, "old")
    with written_whole(path) as file:
        file.write(b"new")
        file.flush()
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert [each.name for each in tmp_path.iterdir()] == ["record.json"]


def test_a_write_that_fails_leaves_the_old_file_alone(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    write_whole(path, "old")
    with pytest.raises(ValueError), written_whole(path) as file:
        file.write(b"new")
        raise ValueError
    assert path.read_text() == "old"
    assert [each.name for each in tmp_path.iterdir()] == ["record.json"]


def test_what_a_living_writer_writes_is_not_abandoned_and_what_a_killed_one_left_is(
    tmp_path: Path,
) -> None:
    path = tmp_path / "record.json"
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True
    )
    assert writer.stdout is not None
    with writer.stdout as told:
        assert told.readline() == "half\n"
        assert not is_abandoned(partial_of(tmp_path))
        writer.send_signal(signal.SIGKILL)
        writer.wait()
    assert is_abandoned(partial_of(tmp_path))
    assert not path.exists()


def test_a_name_as_long_as_a_file_may_have_can_be_written(tmp_path: Path) -> None:
    path = tmp_path / ("é" * 127)
    write_whole(path, "x")
    assert path.read_text() == "x"


def test_a_partial_file_that_went_away_is_no_abandoned_one(tmp_path: Path) -> None:
    assert not is_abandoned(tmp_path / ".gone.part")


def test_a_full_disk_is_told_with_its_name_and_leaves_the_old_file(tmp_path: Path) -> None:
    full = Path("/dev/full")
    with pytest.raises(StorageError, match=r"no space left on the file system /.*; free some"):
        write_through(full, tmp_path / "record.json")
    assert list(tmp_path.iterdir()) == []


def write_through(device: Path, path: Path) -> None:
    """Write ``path`` through a device that takes nothing."""
    with written_whole(path) as file, device.open("wb", buffering=0) as other:
        os.dup2(other.fileno(), file.fileno())
        file.write(b"x")
        file.flush()


def test_a_folder_of_another_kind_is_told_by_its_name(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"a{300} has a longer name than its file system takes"):
        write_whole(tmp_path / ("a" * 300), "x")


def test_other_errors_of_the_system_stay_what_they_are(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FileExistsError):
        write_whole(tmp_path / "file" / "below", "x")


def test_nothing_waits_for_a_writer(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    with written_whole(path) as one, written_whole(path) as other:
        one.write(b"one")
        other.write(b"other")
        start = time.monotonic()
    assert time.monotonic() - start < 30
    assert path.read_text() == "one"


def test_a_file_system_without_locks_takes_files_but_no_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    write_whole(tmp_path / "report.tsv", "x")
    assert (tmp_path / "report.tsv").read_text() == "x"
    with pytest.raises(StorageError, match="locks no files"):
        hold_tree(tmp_path)
