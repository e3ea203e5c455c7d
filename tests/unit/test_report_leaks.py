"""No file of a report tells whose machine made it: no text, no archive, no picture."""

import getpass
import io
import platform
import socket
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from invrbench.report.write import write_report
from invrbench.results.places import without_places
from report_points import info, points

HOST, HOME, USER = "kestrel-rack7", "/home/zebulon", "zebulon"
LABEL = "laboratory machine, 2 cores"


@pytest.fixture
def strange_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine whose name, owner and home are no words of any report."""
    for module, name in ((socket, "gethostname"), (platform, "node"), (getpass, "getuser")):
        value = USER if name == "getuser" else HOST
        monkeypatch.setattr(module, name, lambda value=value: value)
    for name in ("USER", "LOGNAME", "LNAME", "USERNAME"):
        monkeypatch.setenv(name, USER)
    monkeypatch.setenv("HOSTNAME", HOST)
    monkeypatch.setenv("MPLCONFIGDIR", str(Path.home() / ".config"))
    monkeypatch.setenv("HOME", HOME)


def contents(path: Path) -> Iterator[tuple[str, bytes]]:
    """Everything a file says: its bytes, members of archives, texts in pictures."""
    yield from unpacked(path.name, path.read_bytes())


def unpacked(name: str, data: bytes) -> Iterator[tuple[str, bytes]]:
    yield name, data
    if data.startswith(b"PK\x03\x04"):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for member in archive.infolist():
                yield f"{name}: about {member.filename}", member.comment + member.extra
                yield from unpacked(f"{name}/{member.filename}", archive.read(member))
    elif data.startswith(b"\x89PNG"):
        at = 8
        while at < len(data):
            size, kind = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
            body = data[at + 8 : at + 8 + size]
            if kind in (b"zTXt", b"iTXt"):
                _, _, packed = body.partition(b"\0")
                yield f"{name}/{kind.decode()}", zlib.decompress(packed[1:])
            at += size + 12


def told(folder: Path, words: list[str]) -> list[tuple[str, str]]:
    """Where a report tells one of the words; letters' case does not count."""
    wanted = [(word, word.lower().encode()) for word in words]
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    assert len(files) > 10
    return [
        (name, word)
        for path in files
        for name, data in contents(path)
        for word, raw in wanted
        if raw in data.lower()
    ]


def test_a_report_tells_the_machines_label_and_nothing_else_of_it(
    tmp_path: Path, strange_machine: None
) -> None:
    rows: list[dict[str, Any]] = [p for p in points() if p["sequence"] == "bikes-still"]
    lost = next(p for p in rows if p["codec"] == "inric")
    lost.update(status="failed", reason="fit: NaN", psnr_y_db=None, bpp=None)
    folder = tmp_path / "reports" / "mini"
    write_report(folder, rows, info(machine=LABEL, label="m71234"))
    words = [HOST, HOME, USER, str(tmp_path), "/tmp/", str(Path(__file__).parents[2])]
    assert told(folder, words) == []
    assert (folder / "run.json").read_text().count(LABEL) == 1
    assert told(folder, [LABEL])


def test_the_search_finds_a_word_in_archives_and_in_packed_texts_of_pictures(
    tmp_path: Path,
) -> None:
    text = b"Comment\0\0" + zlib.compress(b"made on kestrel-rack7")
    png = b"\x89PNG\r\n\x1a\n" + len(text).to_bytes(4, "big") + b"zTXt" + text + bytes(4)
    with zipfile.ZipFile(tmp_path / "a.xlsx", "w") as archive:
        archive.writestr("xl/media/image1.png", png)
        archive.writestr("docProps/core.xml", "<creator>Zebulon</creator>", zipfile.ZIP_DEFLATED)
    for index in range(10):
        (tmp_path / f"{index}.tsv").touch()
    assert told(tmp_path, [HOST, USER]) == [
        ("a.xlsx/xl/media/image1.png/zTXt", HOST),
        ("a.xlsx/docProps/core.xml", USER),
    ]


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("encode.json: /home/zebulon/bench/results/S/c/r/s0/encode.json is not JSON",
         "encode.json: results/S/c/r/s0/encode.json is not JSON"),
        ("names /data/secret-project/Cactus.yuv for Cactus", "names …/Cactus.yuv for Cactus"),
        ("put it into /home/zebulon/clips", "put it into ~/clips"),
        ('File "/opt/x/lib/site-packages/torch/nn/a.py", line 3', 'File "…/torch/nn/a.py", line 3'),
        ("half a letter \ud800 here", "half a letter ? here"),
        ("kestrel-rack7: cannot allocate", "<host>: cannot allocate"),
        ("exit status 1 at 30000/1001 frames/s, PSNR/SSIM, https://a.org/b/c", None),
        ("/usr/bin/ffmpeg: no such filter; /dev/null", None),
        ("proposals/hnerv/codec.toml: [commands] has no decode", None),
    ],
)  # fmt: skip
def test_a_reason_keeps_what_it_says_and_loses_where_it_was(
    strange_machine: None, text: str, left: str | None
) -> None:
    assert without_places(text, Path("/home/zebulon/bench")) == (text if left is None else left)
