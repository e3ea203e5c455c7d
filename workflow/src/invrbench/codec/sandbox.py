"""The walls around decode: an allow-list of read-only folders, no network, no other process.

Levels, strongest first: ``bubblewrap`` (its program ``bwrap``), ``unshare`` (the same mounts made
by hand in a user namespace), ``none``. The level that was used is part of every record. Inside
either wall a program has no capability, not even where the harness runs as root: one that may mount
or change its root could take the wall down.
"""

import errno
import functools
import os
import platform
import re
import shlex
import shutil
import struct
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Level = Literal["bubblewrap", "unshare", "none"]
LEVELS: tuple[Level, ...] = ("bubblewrap", "unshare", "none")
NOT_ISOLATED = "not isolated"
LIMIT_VARIABLE = "INVRBENCH_SANDBOX"  # names the strongest level to use, for tests and odd hosts
INSIDE = Path("/job")

_KEYS = "/proc/keys"
# machine: its number in <linux/audit.h>, the system calls from add_key to keyctl
_KEY_CALLS = {"x86_64": (0xC000003E, 248, 250), "aarch64": (0xC00000B7, 217, 219)}
# A program in Python: put the filter of the first argument around oneself, become the others.
_INSTALL = """
import ctypes, os, sys
filter = bytes.fromhex(sys.argv[1])
held = ctypes.create_string_buffer(filter, len(filter))
class Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_void_p)]
program = Program(len(filter) // 8, ctypes.addressof(held))
libc = ctypes.CDLL(None, use_errno=True)
if filter and libc.prctl(22, 2, ctypes.byref(program), 0, 0):  # PR_SET_SECCOMP, its filter mode
    sys.exit(f"seccomp: {os.strerror(ctypes.get_errno())}")
os.execv(sys.argv[2], sys.argv[2:])
"""
_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
_SYSTEM_FILES = ("/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/alternatives")
_MEMORY_BYTES = 1 << 30  # of each file system in memory: nobody counts them as the program's own
_PATH = "/usr/local/bin:/usr/bin:/bin"  # what a decoder is given, see clean_environment


@dataclass(frozen=True)
class Mounts:
    """What decode sees beside the system libraries.

    ``code`` and ``bitstream`` are read-only, ``work`` is writable; inside they lie in the folder
    ``inside`` as ``code``, ``bitstream.bin`` and ``work``. ``read_only`` keep their paths.
    """

    code: Path
    bitstream: Path
    work: Path
    read_only: tuple[Path, ...]
    devices: tuple[Path, ...] = ()
    inside: Path = INSIDE


def told_level(level: str) -> str:
    """A level as reports name it: a record's "none" must not be read over.

    >>> told_level("bubblewrap"), told_level("none")
    ('bubblewrap', 'not isolated')
    """
    return NOT_ISOLATED if level == "none" else level


def cuda_devices() -> tuple[Path, ...]:
    """Device files of NVIDIA's driver on this machine."""
    return tuple(sorted(Path("/dev").glob("nvidia*")))


def cuda_driver() -> str:
    """Version of NVIDIA's kernel driver, or nothing where there is none."""
    told = Path("/proc/driver/nvidia/version")
    found = re.search(r"Kernel Module\D*([\d.]+)", told.read_text()) if told.is_file() else None
    return found[1] if found else ""


def _without_keys() -> bytes:
    """A filter of system calls: those on keys are unknown, as are all of another word size.

    Keys are no name space: what encode leaves in the user's keyring any later process can read.
    The filter is a program for the kernel's packet filter, see seccomp(2); empty on machines whose
    numbers are not listed.
    """
    if platform.machine() not in _KEY_CALLS:
        return b""
    architecture, first, last = _KEY_CALLS[platform.machine()]
    load, equal, at_least, above, give = 0x20, 0x15, 0x35, 0x25, 0x06
    program = (
        (load, 0, 0, 4),  # the architecture
        (equal, 0, 4, architecture),
        (load, 0, 0, 0),  # the number of the call
        (at_least, 2, 0, 0x40000000),  # x32
        (at_least, 0, 2, first),
        (above, 1, 0, last),
        (give, 0, 0, 0x00050000 | errno.ENOSYS),
        (give, 0, 0, 0x7FFF0000),  # allowed
    )
    return b"".join(struct.pack("<HBBI", *each) for each in program)


def _bubblewrap(mounts: Mounts, argv: Sequence[str]) -> list[str]:
    words = ["--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL"]
    for name in _SYSTEM:
        path = Path(name)
        if path.is_symlink():
            words += ["--symlink", str(path.readlink()), name]
        elif path.exists():
            words += ["--ro-bind", name, name]
    words += ["--dir", "/etc"]
    for name in _SYSTEM_FILES:
        words += ["--ro-bind-try", name, name]
    words += ["--proc", "/proc", "--dev", "/dev"]
    for name in ("/tmp", "/dev/shm"):
        words += ["--size", str(_MEMORY_BYTES), "--tmpfs", name]
    if Path(_KEYS).exists():
        words += ["--ro-bind", "/dev/null", _KEYS]
    for path in mounts.read_only:
        words += ["--ro-bind", str(path), str(path)]
    for path in mounts.devices:
        words += ["--dev-bind", str(path), str(path)]
    if mounts.devices:
        words += ["--ro-bind", "/sys", "/sys"]
    words += ["--ro-bind", str(mounts.code), str(mounts.inside / "code")]
    words += ["--ro-bind", str(mounts.bitstream), str(mounts.inside / "bitstream.bin")]
    words += ["--bind", str(mounts.work), str(mounts.inside / "work")]
    words += ["--remount-ro", "/dev", "--remount-ro", "/"]
    words += ["--chdir", str(mounts.inside / "work"), "--", *argv]
    filtered = "".join(f"\\0{byte:03o}" for byte in _without_keys())
    if not filtered:
        return ["bwrap", *words]
    pipe = 'printf %b "$0" | exec bwrap --seccomp 9 "$@" 9<&0 </dev/null'
    return ["/bin/sh", "-c", pipe, filtered, *words]


def _bind(source: Path, target: str, *, writable: bool = False) -> list[str]:
    place = f'"$R"{shlex.quote(target)}'
    make = f"mkdir -p {place}" if source.is_dir() else f'mkdir -p "$(dirname {place})"; : > {place}'
    lines = [make, f"mount --rbind {shlex.quote(str(source))} {place}"]
    if not writable:
        lines.append(f"mount -o remount,bind,ro {place}")
    return lines


def _unshare(mounts: Mounts, argv: Sequence[str]) -> list[str]:
    root = f"mktemp -d {shlex.quote(str(mounts.work.parent / 'root.XXXXXX'))}"
    lines = ["set -e", f"R=$({root})", f'mount -t tmpfs -o size={_MEMORY_BYTES} tmpfs "$R"']
    for name in _SYSTEM:
        path = Path(name)
        if path.is_symlink():
            lines.append(f'ln -s {shlex.quote(str(path.readlink()))} "$R"{name}')
        elif path.exists():
            lines += _bind(path, name)
    for name in _SYSTEM_FILES:
        if Path(name).exists():
            lines += _bind(Path(name), name)
    for path in mounts.read_only:
        lines += _bind(path, str(path))
    for path in (*mounts.devices, *(Path(p) for p in ("/dev/null", "/dev/zero", "/dev/urandom"))):
        lines += _bind(path, str(path), writable=True)
    lines += _bind(mounts.code, str(mounts.inside / "code"))
    lines += _bind(mounts.bitstream, str(mounts.inside / "bitstream.bin"))
    lines += _bind(mounts.work, str(mounts.inside / "work"), writable=True)
    lines += ['mkdir -p "$R"/proc "$R"/tmp "$R"/dev/shm', 'mount -t proc proc "$R"/proc']
    lines += [f'mount --bind /dev/null "$R"{_KEYS}'] if Path(_KEYS).exists() else []
    inner = f"cd {shlex.quote(str(mounts.inside / 'work'))} && exec {shlex.join(argv)}"
    powerless = "setpriv --no-new-privs --bounding-set=-all --inh-caps=-all"
    lines.append('CHROOT="$(PATH=$PATH:/usr/sbin:/sbin command -v chroot)"')
    install = shlex.join([sys.executable, "-I", "-c", _INSTALL, _without_keys().hex()])
    lines.append(f'exec {install} "$CHROOT" "$R" {powerless} /bin/sh -c {shlex.quote(inner)}')
    spaces = ["--user", "--map-root-user", "--mount", "--net", "--ipc", "--pid", "--fork"]
    return ["unshare", *spaces, "--kill-child", "sh", "-c", "\n".join(lines)]


def wrap(level: Level, mounts: Mounts, argv: Sequence[str]) -> list[str]:
    """The command line that runs ``argv`` inside the walls of ``level``."""
    if level == "bubblewrap":
        return _bubblewrap(mounts, argv)
    if level == "unshare":
        return _unshare(mounts, argv)
    return list(argv)


def _starts(level: Level, devices: tuple[Path, ...]) -> bool:
    """Whether a trivial program runs inside ``level`` here."""
    program = {"bubblewrap": "bwrap", "unshare": "unshare"}[level]
    if shutil.which(program) is None:
        return False
    import tempfile

    with tempfile.TemporaryDirectory(prefix="invrbench-") as name:
        folder = Path(name)
        (folder / "code").mkdir()
        (folder / "work").mkdir()
        (folder / "bitstream.bin").touch()
        mounts = Mounts(folder / "code", folder / "bitstream.bin", folder / "work", (), devices)
        probe = wrap(
            level, mounts, ["/bin/sh", "-c", "test ! -e /root && test ! -e /home && : > x"]
        )
        done = subprocess.run(
            probe, capture_output=True, check=False, timeout=20, env={"PATH": _PATH}
        )
        return done.returncode == 0 and (folder / "work" / "x").exists()


@functools.cache
def strongest_level(*, cuda: bool = False) -> Level:
    """The strongest level that starts on this machine (with the GPU's devices, if asked).

    The variable ``INVRBENCH_SANDBOX`` may name a weaker one as the strongest to try.
    """
    limit = os.environ.get(LIMIT_VARIABLE, LEVELS[0])
    start = LEVELS.index(limit) if limit in LEVELS else 0
    devices = cuda_devices() if cuda else ()
    for level in LEVELS[start:]:
        if level == "none" or _starts(level, devices):
            return level
    return "none"
