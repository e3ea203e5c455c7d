"""Programs in a terminal, and what a person sees there."""

import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pyte

_PATIENCE_SECONDS = 600.0


class Screened:
    """A program that runs in a terminal of its own.

    Args:
        words: its command.
        cwd: the folder it starts in.
        env: its environment.
        columns: of the terminal.
        rows: of the terminal.
    """

    def __init__(
        self,
        words: Sequence[str],
        *,
        cwd: Path,
        env: Mapping[str, str],
        columns: int = 80,
        rows: int = 24,
    ) -> None:
        self.screen = pyte.HistoryScreen(columns, rows, history=5000, ratio=0.5)
        self.raw = b""
        self._stream = pyte.ByteStream(self.screen)
        self._master, slave = pty.openpty()
        self.resize(columns, rows)
        self._child = subprocess.Popen(
            list(words),
            cwd=cwd,
            env={"TERM": "xterm-256color", **env},
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0) and None,
        )
        os.close(slave)

    def resize(self, columns: int, rows: int) -> None:
        """Give the terminal another size."""
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.screen.resize(rows, columns)

    def press(self, key: bytes) -> None:
        """Type something."""
        os.write(self._master, key)

    @property
    def lines(self) -> list[str]:
        """What is on the screen now, without blanks at the ends of lines."""
        return [line.rstrip() for line in self.screen.display]

    @property
    def history(self) -> str:
        """All that can be scrolled up to, and what is on the screen."""
        width = self.screen.columns
        above = ("".join(row[x].data for x in range(width)) for row in self.screen.history.top)
        return "\n".join([*(line.rstrip() for line in above), *self.lines])

    def wait(self, until: Callable[["Screened"], bool]) -> bool:
        """Read on until something is seen; whether it was, before the program ended."""
        end = time.monotonic() + _PATIENCE_SECONDS
        while not until(self):
            if not self._read(end - time.monotonic()):
                return until(self)
        return True

    def end(self) -> int:
        """Read until the program ends; its exit status."""
        while self._read(_PATIENCE_SECONDS):
            pass
        return self._child.wait(_PATIENCE_SECONDS)

    def close(self) -> None:
        """Take the terminal away from what still runs in it."""
        self._child.kill()
        self._child.wait()
        os.close(self._master)

    def _read(self, seconds: float) -> bool:
        if not select.select([self._master], [], [], max(0.0, seconds))[0]:
            self._child.kill()
            raise TimeoutError("\n".join(self.lines))
        try:
            data = os.read(self._master, 65536)
        except OSError:  # the last one at the other side has gone
            return False
        self.raw += data
        self._stream.feed(data)
        return bool(data)
