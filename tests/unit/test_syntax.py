"""What is remembered of Python files: the same as reading them, and nothing that was damaged."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from invrbench.syntax import digest_code

SOURCE = "import numpy\nfrom .near import one\n\n\ndef double(x):\n    return 2 * x  # twice\n"
PROGRAM = """
import sys
from pathlib import Path
from invrbench import syntax
if len(sys.argv) > 2:
    syntax._digest = None  # whoever parses fails
code = syntax.read_code(Path(sys.argv[1]))
print(code.digest, *code.imports)
"""


def read(path: Path, home: Path, *, is_known: bool = False) -> list[str]:
    """Digest and imports that another process finds."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(path), *(["known"] if is_known else [])],
        env={**os.environ, "XDG_CACHE_HOME": str(home)}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout.split()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "codec.py"
    file.write_text(SOURCE)
    return file


def memory(home: Path) -> Path:
    [file] = (home / "invrbench").glob("code-*.json")
    return file


def test_a_second_process_parses_nothing_and_finds_the_same(path: Path, tmp_path: Path) -> None:
    first = read(path, tmp_path)
    assert first == [digest_code(SOURCE), "numpy", ".near", ".near.one"]
    assert read(path, tmp_path, is_known=True) == first


def test_another_text_is_read_and_known_beside_the_first(path: Path, tmp_path: Path) -> None:
    first = read(path, tmp_path)
    path.write_text(SOURCE.replace("2 *", "3 *"))
    assert read(path, tmp_path)[0] == digest_code(SOURCE.replace("2 *", "3 *")) != first[0]
    assert len(json.loads(memory(tmp_path).read_text())) == 2


@pytest.mark.parametrize("content", ["", "[]", "{", '{"%s": 1}', '{"%s": []}', '{"%s": [1]}'])
def test_a_damaged_memory_is_as_good_as_none(path: Path, tmp_path: Path, content: str) -> None:
    first = read(path, tmp_path)
    (md5,) = json.loads(memory(tmp_path).read_text())
    memory(tmp_path).write_text(content.replace("%s", md5))
    assert read(path, tmp_path) == first


def test_a_home_that_cannot_be_written_to_stops_nobody(path: Path) -> None:
    assert read(path, Path("/proc/none"))[0] == digest_code(SOURCE)


def test_what_another_version_of_the_digest_found_is_not_taken_over(
    path: Path, tmp_path: Path
) -> None:
    first = read(path, tmp_path)
    held = memory(tmp_path)
    (md5,) = json.loads(held.read_text())
    form, rest = held.name.removeprefix("code-").split("-", 1)
    held.with_name(f"code-{form[::-1]}x-{rest}").write_text(json.dumps({md5: ["other"]}))
    held.unlink()
    assert read(path, tmp_path) == first
