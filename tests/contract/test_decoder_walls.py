"""Decode sees its bitstream and declared files, and nothing else."""

import shutil
import socket
from pathlib import Path

import pytest
from invrbench.codec.clips import load_clip
from invrbench.codec.closure import verb_files
from invrbench.codec.conformance import FAILED, PASSED
from invrbench.codec.manifest import read_manifest
from invrbench.codec.runner import Order, run_decode, workspace
from invrbench.codec.sandbox import strongest_level
from invrbench.errors import ContractError
from invrbench.video.format import RawVideo
from own_repository import REPOSITORY

CODECS = Path(__file__).resolve().parents[1] / "codecs"
needs_walls = pytest.mark.skipif(
    strongest_level() == "none", reason="needs bubblewrap or unprivileged user namespaces"
)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> RawVideo:
    return load_clip(REPOSITORY, tmp_path_factory.mktemp("clip"))


def decode(folder: Path, bitstream: Path, clip: RawVideo, space: Path) -> Path:
    manifest = read_manifest(folder)[folder.name]
    log = space.parent / "decode.log"
    _, frames = run_decode(
        manifest,
        bitstream,
        folder=space,
        log=log,
        device="cpu",
        threads=1,
        order=Order.video(clip.format),
    )
    return frames[""].path


@needs_walls
def test_source_that_is_there_cannot_be_opened_by_decode(clip: RawVideo, tmp_path: Path) -> None:
    bitstream = tmp_path / "bitstream.bin"
    bitstream.write_text(str(clip.path.resolve()))
    with workspace(tmp_path) as space, pytest.raises(ContractError, match="FileNotFoundError"):
        decode(CODECS / "peek", bitstream, clip, space)
    assert clip.path.is_file()


def test_peeking_would_work_without_walls(
    clip: RawVideo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("invrbench.codec.sandbox.strongest_level", lambda **_: "none")
    bitstream = tmp_path / "bitstream.bin"
    bitstream.write_text(str(clip.path.resolve()))
    with workspace(tmp_path) as space:
        frames = decode(CODECS / "peek", bitstream, clip, space)
        assert frames.read_bytes() == clip.path.read_bytes()


@needs_walls
def test_decode_has_no_network(clip: RawVideo, tmp_path: Path) -> None:
    folder = shutil.copytree(CODECS / "peek", tmp_path / "caller")
    with socket.create_server(("127.0.0.1", 0)) as server:
        (folder / "decode.py").write_text(
            "import json, socket\nfrom pathlib import Path\n"
            'job = json.loads(Path("job.json").read_text())\n'
            'port = int(Path(job["bitstream"]).read_text())\n'
            'socket.create_connection(("127.0.0.1", port), timeout=2)\n'
        )
        bitstream = tmp_path / "bitstream.bin"
        bitstream.write_text(str(server.getsockname()[1]))
        with workspace(tmp_path) as space, pytest.raises(ContractError, match="exited with"):
            decode(folder, bitstream, clip, space)
    assert (
        "OSError" in (tmp_path / "decode.log").read_text()
        or "refused" in (tmp_path / "decode.log").read_text()
    )


def _codec_with_a_helper(tmp_path: Path, files: str, extra: str = "") -> Path:
    folder = shutil.copytree(CODECS / "shrink", tmp_path / "helped")
    manifest = folder / "codec.toml"
    text = manifest.read_text().replace('files = ["decode.py"]', f"files = {files}\n{extra}")
    manifest.write_text(text.replace('caught_by = "decode"', ""))
    (folder / "tables.py").write_text("GREY = 128\n")
    script = (folder / "decode.py").read_text().replace("frames - 1", "frames")
    (folder / "decode.py").write_text(script.replace("import json", "import json\nimport tables"))
    return folder


def test_decoder_file_that_was_not_declared_is_an_import_error_in_the_log(
    judge, tmp_path: Path
) -> None:
    folder = _codec_with_a_helper(tmp_path, '["decode.py"]')
    verdict = judge(folder, only=("decode",))["decode"]
    assert verdict.mark == FAILED
    assert "No module named 'tables'" in verdict.reason


def test_decoder_file_that_is_declared_is_imported(judge, tmp_path: Path) -> None:
    folder = _codec_with_a_helper(tmp_path, '["decode.py", "tables.py"]')
    assert judge(folder, only=("decode",))["decode"].mark == PASSED
    held = verb_files(read_manifest(folder)["helped"], "decode")
    assert set(held) == {"decode.py", "tables.py"}


def test_weights_among_decoder_files_must_be_declared(judge, tmp_path: Path) -> None:
    folder = _codec_with_a_helper(tmp_path, '["decode.py", "tables.py", "weights.bin"]')
    (folder / "weights.bin").write_bytes(bytes(1000))
    verdict = judge(folder, only=("learned-bytes",))["learned-bytes"]
    assert verdict.mark == FAILED
    assert "learned_bytes is 0, but weights.bin hold 1000 bytes" in verdict.reason


def test_declared_weights_are_shown(judge, tmp_path: Path) -> None:
    files = '["decode.py", "tables.py", "weights.bin"]'
    folder = _codec_with_a_helper(tmp_path, files, "learned_bytes = 1000")
    (folder / "weights.bin").write_bytes(bytes(1000))
    verdict = judge(folder, only=("learned-bytes",))["learned-bytes"]
    assert (verdict.mark, verdict.reason) == (PASSED, "1000 bytes")
