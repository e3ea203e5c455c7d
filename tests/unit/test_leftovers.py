"""What killed processes leave is cleared; what living ones use stays."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from invrbench.codec.workspace import clear_abandoned, workspace
from invrbench.digest import PARTIAL
from invrbench.results.leftovers import clear_partial

HOLDER = """
import sys, time
from pathlib import Path
from invrbench.codec.workspace import workspace
from invrbench.digest import written_whole
root = Path(sys.argv[1])
with workspace(root / "jobs") as space, written_whole(root / "tree" / "record.json") as file:
    (space / "work" / "frames.raw").write_bytes(bytes(1000))
    file.write(b"half")
    file.flush()
    print(space, flush=True)
    time.sleep(60)
"""


@contextmanager
def holder(root: Path) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """A process that works in a workspace and writes a record, and its workspace."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(root)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    with process.stdout as told:
        try:
            yield process, Path(told.readline().strip())
        finally:
            process.kill()
            process.wait()


def test_a_living_process_keeps_its_workspace_and_a_killed_one_loses_it(tmp_path: Path) -> None:
    with holder(tmp_path) as (process, space):
        assert clear_abandoned(tmp_path / "jobs") == 0
        assert (space / "work/frames.raw").is_file()
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert space.is_dir()
        assert clear_abandoned(tmp_path / "jobs") == 1
    assert list((tmp_path / "jobs").iterdir()) == []


def test_what_a_killed_writer_left_is_removed_and_what_a_living_one_writes_stays(
    tmp_path: Path,
) -> None:
    tree = tmp_path / "tree"
    with holder(tmp_path) as (process, _):
        assert clear_partial(tree) == 0
        assert len(list(tree.iterdir())) == 1
        process.kill()
        process.wait()
        assert clear_partial(tree) == 1
    assert list(tree.iterdir()) == []


def test_folders_that_nobody_locked_are_cleared_as_well(tmp_path: Path) -> None:
    (tmp_path / "job-old/work").mkdir(parents=True)
    (tmp_path / "job-gone.lock").touch()
    (tmp_path / "other").mkdir()
    assert clear_abandoned(tmp_path) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["other"]


def test_files_that_only_look_like_partial_ones_stay(tmp_path: Path) -> None:
    for name in ("notes.part", f"bitstream{PARTIAL}", ".hidden"):
        (tmp_path / name).touch()
    assert clear_partial(tmp_path) == 0
    assert len(list(tmp_path.iterdir())) == 3


def test_a_workspace_goes_with_its_block_however_that_ends(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), workspace(tmp_path):
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []
