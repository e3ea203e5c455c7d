"""Full and read-only file systems: a sentence instead of a traceback, and a run that goes on.

A tmpfs of a few megabytes is mounted in a namespace of its own, in which the bench's commands run:
it goes with the process that holds the namespace.
"""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import kills
import pytest
from clone import Bench

HOLDER = """
mount -t tmpfs -o size=40m tmpfs "$1" && mkdir "$1/results" "$1/reports" && echo ready
exec sleep 3600
"""
POINT = "results/bikes-tiny/ours/any/fit.seconds_bits3/s0"
FIT_FOLDER = "results/bikes-tiny/ours/any/fits/fit.seconds/s0"
FIT = """
import pathlib
pathlib.Path("model").mkdir()
pathlib.Path("model/weights").write_bytes(bytes(1_000_000))
"""
GRID = """fit = ["fit"]
bits = [3]
[fits.fit]
[fits.fit.budgets.seconds]
steps = 1
"""
STEPS = {
    "source": (("bikes-tiny",), "results/.sources/bikes-tiny.json"),
    "fit": ((FIT_FOLDER,), f"{FIT_FOLDER}/fit.json"),
    "encode": ((POINT,), f"{POINT}/encode.json"),
    "decode": ((POINT,), f"{POINT}/decode.json"),
    "measure-point": ((POINT, "picture"), f"{POINT}/metrics/picture.json"),
    "report": ((), "reports/siege/run.json"),
}


class SmallDisk(Bench):
    """A bench whose results and reports lie on a small file system of their own."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.disk = root / "disk"
        self.disk.mkdir()
        for name in ("results", "reports"):
            (root / name).symlink_to(self.disk / name)
        words = ["unshare", "--map-root-user", "--mount", "bash", "-c", HOLDER, "_", str(self.disk)]
        self._holder = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        assert self._holder.stdout is not None
        if self._holder.stdout.readline() != "ready\n":
            self.close()
            pytest.skip("needs a user namespace in which a tmpfs can be mounted (unshare -rm)")

    def close(self) -> None:
        """End the namespace, and with it the file system."""
        self._holder.kill()
        self._holder.wait()
        assert self._holder.stdout is not None
        self._holder.stdout.close()

    def inside(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command where the file system is mounted."""
        enter = ["nsenter", "--preserve-credentials", "--user", "--mount"]
        enter += [f"--target={self._holder.pid}", f"--wdns={self.root}"]
        return subprocess.run(
            [*enter, *words],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        return self.inside(sys.executable, "-m", *words)

    def shell(self, line: str) -> str:
        """What a line of shell prints there; it must succeed."""
        done = self.inside("bash", "-c", line)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def fill(self, *, leave_kilobytes: int = 0) -> None:
        """Fill the file system but for a few kilobytes."""
        self.shell("cat /dev/zero > disk/filler 2> /dev/null || true")
        if leave_kilobytes:
            self.shell(f"truncate -s -{leave_kilobytes}K disk/filler")

    def make_room(self) -> None:
        self.shell("rm disk/filler")

    def has(self, path: str) -> bool:
        return self.inside("test", "-e", path).returncode == 0

    def files(self) -> set[str]:
        """All files there but logs, failures, locks and what a run may leave open."""
        found = self.shell("cd disk && find . -type f").split()
        passing = (".log", ".failed.json", "/.lock", "/filler", "/checkpoint.key")
        return {path for path in found if not path.endswith(passing) and "/.frames/" not in path}


@pytest.fixture
def small(tmp_path: Path) -> Iterator[SmallDisk]:
    bench = SmallDisk(tmp_path / "bench")
    bench.add_codec("base", role="anchor", configuration="ai", grid="bits = [3]")
    bench.add_codec("ours", grid=GRID, fit='fit = ["{python}", "{codec}/fit.py"]')
    (bench.root / "proposals/ours/fit.py").write_text(FIT)
    bench.add_conditions("siege", "base", "ours")
    yield bench
    bench.close()


def test_every_verb_says_that_the_disk_is_full_and_does_its_work_when_there_is_room(
    small: SmallDisk,
) -> None:
    for verb, (words, record) in STEPS.items():
        before = small.files()
        small.fill()
        done = small.invrbench(verb, *words, "--ctc", "siege")
        assert done.returncode == 1, f"{verb}: {done.stderr}"
        assert "Traceback" not in done.stderr, f"{verb}: {done.stderr}"
        assert f"no space left on the file system {small.disk}" in done.stderr, verb
        assert "free some and rerun" in done.stderr
        assert not small.has(record), verb
        half = small.files() - before
        assert verb == "report" or not half, f"{verb} left {half}"
        small.make_room()
        done = small.invrbench(verb, *words, "--ctc", "siege")
        assert done.returncode == 0, f"{verb}: {done.stderr}"
        assert small.has(record), verb


def test_a_codec_that_finds_no_room_is_not_blamed_for_it(small: SmallDisk) -> None:
    assert small.invrbench("source", "bikes-tiny", "--ctc", "siege").returncode == 0
    small.fill(leave_kilobytes=500)
    done = small.invrbench("fit", FIT_FOLDER, "--ctc", "siege")
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "ours: fit exited with status 1; " in done.stderr
    assert f"no space left on the file system {small.disk}" in done.stderr
    failed = small.shell(f"cat {FIT_FOLDER}/fit.failed.json")
    assert "no space left on the file system" in failed
    small.make_room()
    assert small.invrbench("fit", FIT_FOLDER, "--ctc", "siege").returncode == 0
    assert not small.has(f"{FIT_FOLDER}/fit.failed.json")


def test_a_run_that_fills_the_disk_ends_in_sentences_and_goes_on_when_there_is_room(
    small: SmallDisk,
) -> None:
    small.fill(leave_kilobytes=10_000)
    refused = small.run_all("siege")
    assert refused.returncode != 0
    assert f"no space left on the file system {small.disk}" in refused.stderr
    assert "Traceback" not in refused.stdout + refused.stderr
    assert not small.has("results/.sources")
    small.make_room()
    fills = FIT + "\npathlib.Path('model/more').write_bytes(bytes(60_000_000))\n"
    (small.root / "proposals/ours/fit.py").write_text(fills)
    full = small.run_all("siege")
    said = full.stdout + full.stderr
    assert full.returncode != 0 and "Traceback" not in said
    assert f"no space left on the file system {small.disk}" in said
    (small.root / "proposals/ours/fit.py").write_text(FIT)
    done = small.run_all("siege")
    assert done.returncode == 0, done.stdout + done.stderr
    assert small.shell("find disk/results/.jobs disk/results/.frames -type f") == ""


@pytest.mark.parametrize("folder", ["results", "reports"])
def test_a_folder_that_cannot_be_written_is_told_before_any_work(
    small: SmallDisk, folder: str
) -> None:
    small.shell(f"mount -t tmpfs -o ro tmpfs disk/{folder}")
    done = small.run_all("siege")
    assert done.returncode != 0
    said = done.stdout + done.stderr
    assert f"{folder} is on a read-only file system" in said and "Traceback" not in said
    assert not small.has("results/.sources")


def test_a_verb_in_a_tree_that_cannot_be_written_ends_with_a_sentence(small: SmallDisk) -> None:
    small.shell("mount -o remount,ro disk")
    for verb, (words, _) in STEPS.items():
        done = small.invrbench(verb, *words, "--ctc", "siege")
        assert done.returncode == 1, verb
        assert "is on a read-only file system" in done.stderr, f"{verb}: {done.stderr}"
        assert "Traceback" not in done.stderr, verb
    assert kills.survivors([], small.root) == []
