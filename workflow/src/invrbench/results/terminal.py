"""Where a run is shown: the lower lines of a terminal, or now and then a line of a log."""

import contextlib
import os
import select
import sys
import threading
import time
from typing import Any, Protocol

from invrbench.results.watching import Board, lines, sentence

_SECONDS = 1.0  # between two drawings
_STEP = 0.05  # of all jobs, between two lines of a log
_SILENCE_SECONDS = 600.0  # after which a log gets a line anyway
_HEIGHT = 14  # lines at most


class Screen(Protocol):
    """Where a run is shown."""

    def start(self) -> None:
        """Begin to show it."""

    def stop(self) -> None:
        """End, and leave the terminal as it was."""


class Log:
    """A line on standard error now and then, for those who do not look at a terminal."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._tell, name="watch", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """End."""
        self._is_over.set()
        self._thread.join()

    def _tell(self) -> None:
        told_share, told_at = 0.0, time.monotonic()
        while not self._is_over.wait(_SECONDS):
            share, now = self._board.share_ended, time.monotonic()
            if share < 1 and (share >= told_share + _STEP or now > told_at + _SILENCE_SECONDS):
                told_share, told_at = share, now
                at = time.time()
                stamp = time.strftime("%H:%M:%S", time.localtime(at))
                with contextlib.suppress(OSError):
                    sys.stderr.write(f"{stamp}  {sentence(self._board.view(), at)}\n")
                    sys.stderr.flush()


class Terminal:
    """The lower lines of a terminal, drawn once a second below what this and all jobs write.

    Standard output and error lead through a pipe meanwhile, so that a job's message goes above
    those lines instead of into them.
    """

    def __init__(self, board: Board, *, is_coloured: bool) -> None:
        self._board = board
        self._is_coloured = is_coloured
        self._kept = {fd: os.dup(fd) for fd in (1, 2) if os.isatty(fd)}
        self._reading, writing = os.pipe()
        self._waking, self._wake = os.pipe()
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        for fd in self._kept:
            os.dup2(writing, fd)
        os.close(writing)
        self._is_over = False
        self._held = b""
        self._thread = threading.Thread(target=self._show, name="watch", daemon=True)

    def start(self) -> None:
        """Begin to draw."""
        self._thread.start()

    def stop(self) -> None:
        """Give standard output and error back, with all that was written to them."""
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError):
                stream.flush()
        for fd, kept in self._kept.items():
            os.dup2(kept, fd)
        self._is_over = True
        os.write(self._wake, b".")
        self._thread.join()
        for fd in (self._reading, self._waking, self._wake, *self._kept.values()):
            os.close(fd)

    def _show(self) -> None:
        """Draw, and pass on what is written, until the end; what cannot be drawn is passed on."""
        try:
            self._draw()
        except Exception as error:  # noqa: BLE001 - a view must not end the run that it shows
            self._write(f"invrbench: the view of this run ended: {error!r}\n".encode())
            while self._pass_on(None):
                self._write(self._taken(everything=True))
        self._write(self._held)

    def _draw(self) -> None:
        from rich.console import Console, ConsoleDimensions
        from rich.live import Live

        fd = self._kept[2]
        with open(fd, "w", encoding="utf-8", errors="replace", closefd=False) as file:
            console = Console(
                file=file,
                force_terminal=True,
                color_system="standard" if self._is_coloured else None,
            )
            live = Live(
                console=console,
                auto_refresh=False,
                redirect_stdout=False,
                redirect_stderr=False,
                transient=True,
            )
            with live:
                console.show_cursor(True)  # whatever kills this, the terminal has it
                due = time.monotonic()
                while self._pass_on(max(0.0, due - time.monotonic())):
                    text = self._taken().decode(errors="replace")
                    if text:
                        console.out(text, end="", highlight=False)
                    if time.monotonic() >= due:
                        due = time.monotonic() + _SECONDS
                        console.size = ConsoleDimensions(*_size(fd))
                        live.update(self._text(console.width, console.height), refresh=True)
                rest = self._taken(everything=True).decode(errors="replace")
                if rest:
                    console.out(rest.removesuffix("\n"), highlight=False)

    def _text(self, width: int, height: int) -> Any:
        from rich.text import Text

        room = max(1, min(_HEIGHT, height - 2))
        told = lines(self._board.view(), time.time(), width=width, height=room)
        text = Text("\n".join(told), no_wrap=True, overflow="crop")
        text.highlight_regex(r"^failed: .*$", "red")
        text.highlight_regex(r"━+", "green")
        return text

    def _pass_on(self, seconds: float | None) -> bool:
        """Wait for what is written; whether the run goes on."""
        ready, _, _ = select.select([self._reading, self._waking], [], [], seconds)
        if self._reading in ready:
            self._held += os.read(self._reading, 65536)
        if not self._is_over:
            return True
        while select.select([self._reading], [], [], 0)[0]:
            data = os.read(self._reading, 65536)
            if not data:
                break
            self._held += data
        return False

    def _taken(self, *, everything: bool = False) -> bytes:
        """Whole lines of what was written, or all of it."""
        end = len(self._held) if everything else self._held.rfind(b"\n") + 1
        taken, self._held = self._held[:end], self._held[end:]
        return taken

    def _write(self, data: bytes) -> None:
        with contextlib.suppress(OSError):
            os.write(self._kept[2], data)


def _size(fd: int) -> tuple[int, int]:
    """Columns and lines of a terminal; those of old where it does not say."""
    width, height = os.get_terminal_size(fd)
    return width or 80, height or 24
