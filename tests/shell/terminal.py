"""Pseudo-terminals: one with a shell in a subprocess, and one for a shell in the test's own process.

>>> terminal = Terminal(["--sandbox"], environment={}, columns=80)
>>> terminal.type("SELECT 40 + 2;\\n")
>>> terminal.until("42", "sqlite> ")
"""

from __future__ import annotations

import fcntl
import io
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from typing import TextIO

PATIENCE = 60  # seconds until a text must have come, on the busiest machine


class Terminal:
    """A shell in a subprocess, on a pseudo-terminal of its own."""

    def __init__(self, args: list[str], environment: dict[str, str], columns: int) -> None:
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        self.text = ""

        def take_the_terminal() -> None:
            os.setsid()
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)  # so that Ctrl-C sends a signal

        self.process = subprocess.Popen(
            [sys.executable, "-m", "openai_vtab", *args],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env={**os.environ, "TERM": "dumb", "NO_COLOR": "1", **environment},
            preexec_fn=take_the_terminal,  # noqa: PLW1509 - no threads run here
            close_fds=True,
        )
        os.close(slave)
        try:
            self.until("sqlite> ")
        except BaseException:
            self.close()
            raise

    def type(self, text: str) -> None:
        """Type the text, and forget what the screen has shown so far."""
        self.text = ""
        os.write(self.master, text.encode())

    def until(self, *texts: str) -> str:
        """Read until the texts have come one after another. Returns all that has come since type()."""
        deadline = time.monotonic() + PATIENCE
        at = 0
        for text in texts:
            while (found := self.text.find(text, at)) < 0:
                assert time.monotonic() < deadline, self.text
                if select.select([self.master], [], [], 0.1)[0]:
                    self.text += os.read(self.master, 65536).decode("utf-8", "replace")
            at = found + len(text)
        return self.text

    def run(self, text: str, *texts: str) -> str:
        """Type a line and read until the texts and the prompt have come."""
        self.type(text + "\n")
        return self.until(*texts, "sqlite> ")

    def screen(self) -> list[str]:
        """The visible lines: text after a carriage return covers what was there."""
        seen = []
        for line in self.text.replace("\r\n", "\n").split("\n"):
            cells: list[str] = []
            for part in line.split("\r"):
                cells[: len(part)] = part
            seen.append("".join(cells).rstrip())
        return seen

    def close(self) -> None:
        """End the shell, if it still runs."""
        self.process.kill()
        self.process.wait()
        os.close(self.master)


class Screen:
    """A pseudo-terminal of 40 columns and 10 lines that the test writes to and reads from."""

    def __init__(self) -> None:
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 10, 40, 0, 0))
        self.stream: TextIO = os.fdopen(slave, "w", encoding="utf-8")

    def resize(self, columns: int) -> None:
        """Change the width."""
        fcntl.ioctl(self.stream.fileno(), termios.TIOCSWINSZ, struct.pack("HHHH", 10, columns, 0, 0))

    def written(self) -> str:
        """What was written since the last call, without colours."""
        self.stream.flush()
        os.set_blocking(self.master, False)
        text = b""
        try:
            while more := os.read(self.master, 65536):
                text += more
        except BlockingIOError:
            return re.sub("\x1b\\[[0-9;]*m", "", text.decode().replace("\r\n", "\n"))
        raise AssertionError("the terminal is gone")

    def close(self) -> None:
        """Close both ends."""
        self.stream.close()
        os.close(self.master)


class Console(io.StringIO):
    """A stream that says it is a terminal and has no size, as those of some editors."""

    def isatty(self) -> bool:
        return True
