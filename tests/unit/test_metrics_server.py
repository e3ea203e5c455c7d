"""The perceptual server: one at a time, whatever its clients do."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from invrbench.errors import BusyError, SequenceError, ToolError
from invrbench.metrics import perceptual, server
from invrbench.metrics.measurement import Measurement
from raw_files import constant_video, video_format


@pytest.fixture
def video(tmp_path):
    return constant_video(tmp_path / "v.yuv", video_format("yuv420p", 64, 64, 1), [(1, 1, 1)])


@pytest.fixture
def run_server(tmp_path, monkeypatch):
    """Start a server in a thread with a measuring function of the test's; it ends with the test."""
    started = []

    def start(measure_here):
        path = tmp_path / "s.sock"
        context = server.listening(path, measure_here)
        running = context.__enter__()
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        started.append((context, running, thread))
        monkeypatch.setenv(server.ENVIRONMENT_VARIABLE, str(path))
        return path

    yield start
    for context, running, thread in started:
        running.shutdown()
        thread.join()
        context.__exit__(None, None, None)


def answer_with(value):
    return lambda reference, decoded: Measurement({"lpips": value}, {}, {"lpips": [value]})


def test_a_measurement_comes_back_whole_and_the_files_arrive(run_server, video):
    seen = []

    def measure_here(reference, decoded):
        seen.append((reference, decoded))
        return Measurement({"lpips": 0.25}, {}, {"lpips": [0.25, None]}, {"lpips": "1"})

    run_server(measure_here)
    assert server.measure(video, video) == measure_here(video, video)
    assert seen[0] == (video, video)


def test_requests_of_many_clients_are_served_one_at_a_time(run_server, video):
    inside, most = [], []

    def measure_here(reference, decoded):
        inside.append(1)
        most.append(len(inside))
        time.sleep(0.02)
        inside.pop()
        return Measurement({"lpips": 1.0})

    run_server(measure_here)
    clients = [threading.Thread(target=server.measure, args=(video, video)) for _ in range(8)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    assert len(most) == 8
    assert max(most) == 1


def test_errors_come_back_as_sentences_and_the_server_lives_on(run_server, video):
    failures = [SequenceError("v.yuv ends in frame 0 of 1."), RuntimeError("out of memory")]

    def measure_here(reference, decoded):
        if failures:
            raise failures.pop(0)
        return Measurement({"lpips": 0.5})

    run_server(measure_here)
    with pytest.raises(ToolError, match=r"perceptual server: v\.yuv ends in frame 0 of 1"):
        server.measure(video, video)
    with pytest.raises(ToolError, match=r"measuring v\.yuv failed: RuntimeError"):
        server.measure(video, video)
    assert server.measure(video, video).values == {"lpips": 0.5}


def test_clients_that_leave_or_talk_nonsense_do_no_harm(run_server, video):
    path = run_server(answer_with(0.5))
    for message in (b"", b"half a request", b"nonsense\n", b'{"reference": 1, "decoded": 2}\n'):
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))
            client.sendall(message)
            if message.endswith(b"\n"):
                with client.makefile("rb") as lines:
                    reply = json.loads(lines.readline())
                assert reply["error"].startswith("a request is not understood")
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
        request = {"reference": server._to_json(video), "decoded": server._to_json(video)}
        client.sendall(json.dumps(request).encode() + b"\n")
    assert server.measure(video, video).values == {"lpips": 0.5}


def test_without_a_server_the_process_measures_itself(monkeypatch, tmp_path, video):
    monkeypatch.setattr(perceptual, "measure", answer_with(0.75))
    monkeypatch.delenv(server.ENVIRONMENT_VARIABLE, raising=False)
    assert server.measure(video, video).values == {"lpips": 0.75}
    monkeypatch.setenv(server.ENVIRONMENT_VARIABLE, str(tmp_path / "nobody.sock"))
    assert server.measure(video, video).values == {"lpips": 0.75}


def test_a_stale_socket_is_replaced_and_a_live_one_is_not(run_server, tmp_path, video):
    path = tmp_path / "s.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    run_server(answer_with(0.5))
    assert server.measure(video, video).values == {"lpips": 0.5}
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(BusyError, match="another perceptual server"), server.listening(path, print):
        pass
    assert server.measure(video, video).values == {"lpips": 0.5}


def test_a_path_that_no_socket_can_have_is_refused(tmp_path):
    path = tmp_path / ("x" * 120)
    with pytest.raises(ToolError, match="107 bytes"), server.listening(path, print):
        pass


def test_the_default_path_is_short_private_and_differs_between_repositories(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / ("deep" * 30)))
    one, two = server.socket_path(tmp_path / ("a" * 200)), server.socket_path(tmp_path / "b")
    assert one != two
    assert one == server.socket_path(tmp_path / ("a" * 200))
    assert len(os.fsencode(one)) <= 107
    assert one.parent.stat().st_mode & 0o077 == 0


_PARENT = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", sys.argv[1], sys.argv[2]])
print(child.pid, flush=True)
time.sleep(60)
"""
_CHILD = """
import pathlib, sys
from invrbench.metrics import server
server.serve(pathlib.Path(sys.argv[1]))
"""


def wait_until(condition):
    for _ in range(500):
        if condition():
            return
        time.sleep(0.02)
    pytest.fail("waited 10 s")


def has_ended(process):
    """Whether a process is gone, or a zombie where nobody reaps orphans."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def test_the_server_dies_with_its_parent_and_takes_its_socket_along(tmp_path):
    path = tmp_path / "s.sock"
    parent = subprocess.Popen(
        [sys.executable, "-c", _PARENT, _CHILD, str(path)], stdout=subprocess.PIPE
    )
    with parent:
        child = int(parent.stdout.readline())
        wait_until(path.exists)
        parent.send_signal(signal.SIGKILL)
    wait_until(lambda: has_ended(child))
    wait_until(lambda: not path.exists())
    assert has_ended(child)
    assert not path.exists()
