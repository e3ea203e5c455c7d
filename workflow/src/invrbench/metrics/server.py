"""One process that holds torch and LPIPS for all measuring processes of a run.

Protocol: a Unix stream socket, one JSON object a line. A request is
``{"reference": {"path": …, "format": …}, "decoded": {…}}``, its answer ``{"measurement": …}`` or
``{"error": "sentence"}``. Requests are served one at a time; torch is imported at the first. Only
processes of the same user are answered.

A measuring process asks the server named by ``INVRBENCH_PERCEPTUAL_SOCKET``; without one, or if it
does not answer, it measures by itself.
"""

import contextlib
import ctypes
import hashlib
import json
import logging
import os
import signal
import socket
import socketserver
import struct
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from invrbench.errors import BusyError, InvrError, ToolError
from invrbench.metrics import perceptual
from invrbench.metrics.measurement import Measurement
from invrbench.video.format import RawVideo, VideoFormat

ENVIRONMENT_VARIABLE = "INVRBENCH_PERCEPTUAL_SOCKET"
_MAX_PATH_BYTES = 107  # sun_path holds 108 bytes and a terminating zero
_CONNECT_SECONDS = 5.0
_PR_SET_PDEATHSIG = 1
_LOG = logging.getLogger(__name__)

MeasureFunction = Callable[[RawVideo, RawVideo], Measurement]


def socket_path(root: Path) -> Path:
    """A short path for the server of the repository at ``root``, in a folder of this user only.

    A path under ``root`` itself could exceed the 107 bytes a Unix socket's name may have.

    Raises:
        ToolError: the folder belongs to someone else.
    """
    folder = Path(f"/tmp/invrbench-{os.getuid()}")
    if len(os.fsencode(tempfile.gettempdir())) < 50:
        folder = Path(tempfile.gettempdir()) / folder.name
    folder.mkdir(mode=0o700, exist_ok=True)
    status = folder.lstat()
    if folder.is_symlink() or status.st_uid != os.getuid():
        raise ToolError(f"{folder} belongs to another user; set TMPDIR to a folder of your own.")
    folder.chmod(0o700)
    digest = hashlib.sha256(os.fsencode(root.resolve())).hexdigest()[:16]
    return folder / f"{digest}.sock"


def measure(reference: RawVideo, decoded: RawVideo) -> Measurement:
    """LPIPS through the server if there is one, else in this process.

    Raises:
        SequenceError, ToolError: as :func:`perceptual.measure`; the server's errors arrive as
            ToolError.
    """
    path = os.environ.get(ENVIRONMENT_VARIABLE)
    if path:
        answer = _ask(path, {"reference": _to_json(reference), "decoded": _to_json(decoded)})
        if answer is not None and "error" in answer:
            raise ToolError(f"the perceptual server: {answer['error']}")
        if answer is not None:
            return Measurement.from_json(answer["measurement"])
        _LOG.info("no perceptual server answers at %s; measuring in this process", path)
    return perceptual.measure(reference, decoded)


def _ask(path: str, request: dict[str, Any]) -> dict[str, Any] | None:
    """The server's answer, None if there is no server or it went away."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(_CONNECT_SECONDS)
        try:
            client.connect(path)
            client.settimeout(None)
            client.sendall(json.dumps(request).encode() + b"\n")
            with client.makefile("rb") as lines:
                line = lines.readline()
        except OSError:
            return None
    if not line.endswith(b"\n"):
        return None
    answer: dict[str, Any] = json.loads(line)
    return answer


def _to_json(video: RawVideo) -> dict[str, Any]:
    return {"path": str(video.path.resolve()), "format": video.format.to_json()}


def _from_json(value: dict[str, Any]) -> RawVideo:
    return RawVideo(Path(value["path"]), VideoFormat.from_json(value["format"]))


def serve(path: Path, *, measure_here: MeasureFunction = perceptual.measure) -> None:
    """Answer requests until SIGTERM, SIGINT or the death of the starting process.

    To be called from a process's main thread. A socket file left behind by a killed server is
    replaced; the file goes when the server ends.

    Args:
        path: where to listen; see :func:`socket_path`.
        measure_here: what a request is answered with.

    Raises:
        ToolError: the path is too long for a Unix socket.
        BusyError: another server listens there.
    """
    _die_with_parent()
    with listening(path, measure_here) as server:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: _shut_down(server))
        _LOG.info("perceptual server listens at %s", path)
        server.serve_forever(poll_interval=0.2)


def _shut_down(server: "Server") -> None:
    """Ask for the end from another thread: ``shutdown`` waits for ``serve_forever`` to return."""
    threading.Thread(target=server.shutdown, daemon=True).start()


@contextlib.contextmanager
def listening(path: Path, measure_here: MeasureFunction) -> Iterator["Server"]:
    """A bound server that is not serving yet; its socket file goes on leaving."""
    if len(os.fsencode(path)) > _MAX_PATH_BYTES:
        raise ToolError(
            f"{path} has more than {_MAX_PATH_BYTES} bytes, which a Unix socket cannot; "
            "use a shorter path."
        )
    if path.exists():
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            if probe.connect_ex(str(path)) == 0:
                raise BusyError(f"another perceptual server listens at {path}.")
        path.unlink()
    old_mask = os.umask(0o177)
    try:
        server = Server(str(path), measure_here)
    finally:
        os.umask(old_mask)
    try:
        yield server
    finally:
        server.server_close()
        path.unlink(missing_ok=True)


class Server(socketserver.ThreadingUnixStreamServer):
    """A thread per client, one measurement at a time."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, path: str, measure_here: MeasureFunction) -> None:
        super().__init__(path, _Handler)
        self._measure = measure_here
        self._turn = threading.Lock()

    def verify_request(self, request: Any, client_address: Any) -> bool:
        """Whether the client runs as the same user."""
        size = struct.calcsize("3i")
        credentials = request.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
        _, user, _ = struct.unpack("3i", credentials)
        return bool(user == os.getuid())

    def answer(self, line: bytes) -> dict[str, Any]:
        """The reply to one request line; errors become sentences."""
        try:
            request = json.loads(line)
            pair = _from_json(request["reference"]), _from_json(request["decoded"])
        except (ValueError, KeyError, TypeError, InvrError) as error:
            return {"error": f"a request is not understood: {error!r}"}
        with self._turn:
            try:
                return {"measurement": self._measure(*pair).to_json()}
            except InvrError as error:
                return {"error": str(error)}
            except (OSError, ValueError, RuntimeError, ImportError, MemoryError) as error:
                _LOG.exception("measuring %s failed", pair[1].path)
                return {"error": f"measuring {pair[1].path.name} failed: {error!r}"}


class _Handler(socketserver.StreamRequestHandler):
    server: Server

    def handle(self) -> None:
        """Answer line after line until the client leaves, however it leaves."""
        with contextlib.suppress(ConnectionError):
            for line in self.rfile:
                self.wfile.write(json.dumps(self.server.answer(line)).encode() + b"\n")


def _die_with_parent() -> None:
    """Have the kernel end this process when the one that started it ends (Linux)."""
    parent = os.getppid()
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != parent:
        raise ToolError("the process that started the perceptual server has ended already.")
