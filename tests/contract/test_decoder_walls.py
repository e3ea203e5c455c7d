"""Decode sees its bitstream and declared files, and nothing else."""

import ctypes
import errno
import os
import platform
import shutil
import socket
import sys
from pathlib import Path
from typing import Any

import pytest
from invrbench.codec.clips import load_clip
from invrbench.codec.closure import verb_files
from invrbench.codec.conformance import FAILED, PASSED
from invrbench.codec.manifest import read_manifest
from invrbench.codec.runner import Order, run_decode
from invrbench.codec.sandbox import Level, strongest_level
from invrbench.codec.workspace import workspace
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


# Writes what it sees into notes.json, and inside walls what it may do.
LOOK = """
import ctypes, json, os, socket
from pathlib import Path

def listed(path):
    try:
        return sorted(os.listdir(path))
    except OSError as error:
        return type(error).__name__

job = json.loads(Path("job.json").read_text())
status = dict(line.split(":\t") for line in Path("/proc/self/status").read_text().splitlines())
segments = Path("/proc/sysvipc/shm")
seen = {
    "root": listed("/"),
    "folders": {name: listed(name) for name in PLACES},
    "processes": [int(name) for name in listed("/proc") if name.isdigit()],
    "interfaces": [name for _, name in socket.if_nameindex()],
    "environment": dict(os.environ),
    "capabilities": [status[name] for name in ("CapPrm", "CapEff", "CapBnd")],
    "segments": len(segments.read_text().splitlines()[1:]) if segments.exists() else 0,
}
"""
TRY = """
def tried(action, *arguments):
    try:
        action(*arguments)
    except OSError as error:
        return type(error).__name__
    return "done"

def filled(path):
    with open(path, "wb") as file:
        for _ in range(40):
            file.write(bytes(1 << 20))

seen |= {
    "chroot": tried(os.chroot, "."),
    "mount": ctypes.CDLL(None).mount(b"tmpfs", b"/tmp", b"tmpfs", 0, None),
    "code": tried(Path(job["bitstream"]).with_name("code").joinpath("x").write_text, "x"),
    "bitstream": tried(Path(job["bitstream"]).write_text, "x"),
    "python": tried(Path(os.__file__).with_name("x").write_text, "x"),
    "memory": tried(filled, "/dev/shm/x"),
}
"""
TELL = """
Path("notes.json").write_text(json.dumps(seen))
Path(job["output"]).write_bytes(bytes(SIZE))
"""
SECRETS = {
    "AWS_SECRET_ACCESS_KEY": "a", "GITHUB_TOKEN": "b", "SSH_AUTH_SOCK": "c", "HF_TOKEN": "d",
    "DATABASE_URL": "e", "LD_PRELOAD": "", "PYTHONSTARTUP": "f", "http_proxy": "g",
}  # fmt: skip
ORDINARY = {
    "PATH", "LANG", "LC_CTYPE", "PYTHONPATH", "PYTHONHASHSEED", "PYTHONDONTWRITEBYTECODE",
    "PYTHONUNBUFFERED", "HOME", "OMP_WAIT_POLICY", "TMPDIR", "OMP_NUM_THREADS", "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS", "PWD", "OLDPWD", "SHLVL", "_",
}  # fmt: skip


@pytest.fixture
def seen(
    level: Level, clip: RawVideo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, Any]:
    """What a decoder sees under a level, on a machine with secrets in its environment."""
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("invrbench.codec.sandbox._MEMORY_BYTES", 32 << 20)
    folder = shutil.copytree(CODECS / "shrink", tmp_path / "probe")
    places = ["/root", "/home", "/tmp", "/dev/shm", "/sys", "/var", str(REPOSITORY), str(tmp_path)]
    attempts = "" if level == "none" else TRY  # where nothing holds it, it would do harm
    known = [f"PLACES = {places!r}", f"SIZE = {clip.format.file_bytes}"]
    lines = [*known, LOOK, attempts, TELL]
    (folder / "decode.py").write_text("\n".join(lines))
    bitstream = tmp_path / "bitstream.bin"
    bitstream.write_text("x")
    with workspace(tmp_path) as space:
        run, _ = run_decode(
            read_manifest(folder)["probe"],
            bitstream,
            folder=space,
            log=tmp_path / "decode.log",
            device="cpu",
            threads=1,
            order=Order.video(clip.format),
        )
    assert run.level == level
    return run.notes


@pytest.mark.parametrize("level", ["bubblewrap", "unshare"], indirect=True)
def test_a_decoder_sees_nothing_of_the_machine(seen: dict[str, Any], level: Level) -> None:
    system = {"bin", "sbin", "lib", "lib32", "lib64", "libx32", "usr", "etc", "dev", "proc", "tmp"}
    prefixes = {str(Path(name)) for name in (sys.prefix, sys.base_prefix)}
    assert set(seen["root"]) - system - {Path(name).parts[1] for name in prefixes} == {"job"}
    for place, names in seen["folders"].items():
        for name in names if names != "FileNotFoundError" else ():
            # no more than the way to the interpreter
            assert any(f"{prefix}/".startswith(f"{place}/{name}/") for prefix in prefixes)
    assert max(seen["processes"]) <= 10
    assert os.getpid() not in seen["processes"]
    assert seen["interfaces"] == ["lo"]
    assert seen["segments"] == 0


@pytest.mark.parametrize("level", ["bubblewrap", "unshare"], indirect=True)
def test_a_decoder_can_change_nothing_around_it(seen: dict[str, Any], level: Level) -> None:
    assert seen["capabilities"] == ["0" * 16] * 3
    assert seen["chroot"] == "PermissionError"
    assert seen["mount"] == -1
    for place in ("code", "bitstream", "python"):
        assert seen[place] in ("OSError", "PermissionError"), place
    assert seen["memory"] == "OSError"


@pytest.mark.parametrize("level", ["bubblewrap", "unshare", "none"], indirect=True)
def test_no_variable_of_the_user_reaches_decode(seen: dict[str, Any], level: Level) -> None:
    assert set(seen["environment"]) <= ORDINARY


def test_no_variable_of_the_user_reaches_fit_and_encode(
    judge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    folder = shutil.copytree(CODECS / "shrink", tmp_path / "told")
    manifest = folder / "codec.toml"
    text = manifest.read_text().replace('caught_by = "decode"', "")
    text = text.replace("only = [1]", 'fit = ["s"]')
    text = text.replace("[commands]", '[commands]\nfit = ["{python}", "{codec}/encode.py"]')
    manifest.write_text(text + "[fits.s.budgets.seconds]\nsteps = 1\n")
    (folder / "encode.py").write_text(
        "import os\nfrom pathlib import Path\n"
        f"extra = sorted(set(os.environ) - {ORDINARY!r})\n"
        "assert not extra, extra\n"
        'Path("model").mkdir()\nPath("model/x").touch()\nPath("bitstream.bin").write_text("x")\n'
    )
    verdicts = judge(folder, only=("fit", "encode"))
    assert [verdict.mark for verdict in verdicts.values()] == [PASSED, PASSED]


@pytest.mark.parametrize("level", ["bubblewrap", "unshare"], indirect=True)
def test_ffmpeg_decodes_inside_walls_wherever_it_is_installed(level: Level, judge) -> None:
    verdicts = judge(REPOSITORY / "anchors" / "avc", only=("decode", "isolation"))
    assert verdicts["decode"].mark == PASSED
    assert verdicts["isolation"].reason == level


@needs_walls
@pytest.mark.skipif(not Path("/proc/sysvipc/shm").exists(), reason="needs System V shared memory")
def test_shared_memory_of_encode_is_gone_from_decode(judge, tmp_path: Path) -> None:
    folder = shutil.copytree(CODECS / "peek", tmp_path / "segment")
    get = "import ctypes\nfrom pathlib import Path\nlibc = ctypes.CDLL(None, use_errno=True)\n"
    key = 0x1A7E0000 | os.getpid() & 0xFFFF
    leave = f"assert libc.shmget({key}, 4096, 0o1600) >= 0\n"
    (folder / "encode.py").write_text(f'{get}{leave}Path("bitstream.bin").write_text("x")\n')
    (folder / "decode.py").write_text(
        f"{get}print(libc.shmget({key}, 4096, 0o600), ctypes.get_errno())\nraise SystemExit(7)\n"
    )
    manifest = folder / "codec.toml"
    manifest.write_text(manifest.read_text().replace('caught_by = "decode"', ""))
    try:
        verdicts = judge(folder, only=("encode", "decode"))
        held = [line.split() for line in Path("/proc/sysvipc/shm").read_text().splitlines()[1:]]
        assert str(key) in {words[0] for words in held}
    finally:
        _remove_segment(key)
    assert verdicts["encode"].mark == PASSED
    assert verdicts["decode"].reason.endswith("\n-1 2")  # ENOENT


_ADD_KEY, _KEYCTL, _SETPERM, _READ, _UNLINK, _USER_KEYRING = 248, 250, 5, 11, 9, -4


@pytest.mark.skipif(platform.machine() != "x86_64", reason="needs x86-64's numbers of system calls")
@pytest.mark.parametrize("level", ["bubblewrap", "unshare"], indirect=True)
def test_what_encode_leaves_in_the_kernels_keyring_is_out_of_reach(
    level: Level, clip: RawVideo, tmp_path: Path
) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    key = libc.syscall(_ADD_KEY, b"user", b"invrbench-test", b"weights", 7, _USER_KEYRING)
    if key < 0:
        pytest.skip("needs a kernel with keyrings")
    folder = shutil.copytree(CODECS / "peek", tmp_path / "keyring")
    (folder / "decode.py").write_text(
        "import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\n"
        "held = ctypes.create_string_buffer(9)\n"
        f"print(libc.syscall({_KEYCTL}, {_READ}, {key}, held, 9), ctypes.get_errno())\n"
        "try:\n    print(open('/proc/keys').read() or 'empty')\n"
        "except OSError as error:\n    print(error.strerror)\n"
        "raise SystemExit(7)\n"
    )
    (tmp_path / "bitstream.bin").write_text("x")
    try:
        assert libc.syscall(_KEYCTL, _SETPERM, key, 0x3F3F0000) == 0
        with workspace(tmp_path) as space, pytest.raises(ContractError, match="status 7"):
            decode(folder, tmp_path / "bitstream.bin", clip, space)
    finally:
        libc.syscall(_KEYCTL, _UNLINK, key, _USER_KEYRING)
    lines = (tmp_path / "decode.log").read_text().splitlines()
    assert lines[0] == f"-1 {errno.ENOSYS}"
    assert lines[1] in ("Permission denied", "empty", "No such file or directory")


def _remove_segment(key: int) -> None:
    libc = ctypes.CDLL(None)
    libc.shmctl(libc.shmget(key, 4096, 0o600), 0, None)  # IPC_RMID


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


LITERALS = {
    "a tuple of numbers": "TABLE = (" + "1, " * 1100 + ")\n",
    "numbers in a loop": "for TABLE in [" + "0.25, " * 140 + "]:\n    pass\n",
    "bytes": f"TABLE = {bytes(1100)!r}\n",
    "one whole number": f"TABLE = {1 << 8800}\n",
    "a text": f"TABLE = {'weights ' * 600!r}\n",
    "a docstring that is read": f'"""{"weights " * 600}"""\nTABLE = __doc__\n',
}


@pytest.mark.parametrize("what", LITERALS)
def test_weights_in_the_source_must_be_declared(what: str, judge, tmp_path: Path) -> None:
    folder = _codec_with_a_helper(tmp_path, '["decode.py", "tables.py"]')
    (folder / "tables.py").write_text(LITERALS[what])
    verdict = judge(folder, only=("learned-bytes",))["learned-bytes"]
    assert verdict.mark == FAILED
    assert "learned_bytes is 0, but tables.py (line 1) hold" in verdict.reason


def test_tables_and_messages_of_ordinary_size_are_code(judge, tmp_path: Path) -> None:
    folder = _codec_with_a_helper(tmp_path, '["decode.py", "tables.py"]')
    table = ", ".join(map(str, range(256)))
    text = f'"""{"What the table holds. " * 300}"""'
    lines = [text, f"TABLE = ({table})", f"TEXT = {'x' * 900!r}"]
    (folder / "tables.py").write_text("\n".join(lines) + "\n")
    assert judge(folder, only=("learned-bytes",))["learned-bytes"].mark == PASSED


def test_more_learned_bytes_than_the_decoder_has_are_refused(judge, tmp_path: Path) -> None:
    files = '["decode.py", "tables.py"]'
    folder = _codec_with_a_helper(tmp_path, files, "learned_bytes = 50000")
    verdict = judge(folder, only=("learned-bytes",))["learned-bytes"]
    assert verdict.mark == FAILED
    assert "learned_bytes is 50000, but the decoder's files are" in verdict.reason
