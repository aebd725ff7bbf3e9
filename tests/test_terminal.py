"""The shell on a terminal: the progress bar, .watch, Ctrl-C. A pseudo-terminal, and what a user would see."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from .support.server import answer, wire

T = "vector_store_file_batches"
SLOW = (
    "WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {0}) SELECT i, status FROM n "
    f"LEFT JOIN {T} ON vector_store_id = 'vs_demo' AND batch_id = 'vsfb_' || i;"
)


class Terminal:
    """A shell on a pseudo-terminal."""

    def __init__(self, args: list[str], environment: dict[str, str], columns: int) -> None:
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        self.text = ""

        def own_terminal() -> None:
            os.setsid()
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)  # so that Ctrl-C is a signal

        self.process = subprocess.Popen(
            [sys.executable, "-m", "openai_vtab", *args],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env={**os.environ, "TERM": "dumb", "NO_COLOR": "1", **environment},
            preexec_fn=own_terminal,  # noqa: PLW1509 - no threads here
            close_fds=True,
        )
        os.close(slave)
        self.until("sqlite> ")

    def type(self, text: str) -> None:
        """What is on the screen so far is forgotten."""
        self.text = ""
        os.write(self.master, text.encode())

    def until(self, *texts: str) -> str:
        """Read until the texts have come, one after the other."""
        deadline = time.monotonic() + 20
        at = 0
        for text in texts:
            while (found := self.text.find(text, at)) < 0:
                assert time.monotonic() < deadline, self.text
                if select.select([self.master], [], [], 0.1)[0]:
                    self.text += os.read(self.master, 65536).decode("utf-8", "replace")
            at = found + len(text)
        return self.text

    def screen(self) -> list[str]:
        """The lines as they are seen: what comes after a carriage return is written over what was there."""
        seen = []
        for line in self.text.replace("\r\n", "\n").split("\n"):
            cells: list[str] = []
            for part in line.split("\r"):
                cells[: len(part)] = part
            seen.append("".join(cells).rstrip())
        return seen

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self.master)


@pytest.fixture
def terminal(sandbox: Any, tmp_path: Path) -> Iterator[Callable[..., Terminal]]:
    """Open a shell on a terminal, connected to the sandbox."""
    opened: list[Terminal] = []

    def open_terminal(*args: str, columns: int = 80) -> Terminal:
        environment = {"OPENAI_BASE_URL": sandbox.base_url, "OPENAI_API_KEY": sandbox.api_key, "HOME": str(tmp_path)}
        opened.append(Terminal([*args, "-nocolour", str(tmp_path / "my.db")], environment, columns))
        return opened[-1]

    yield open_terminal
    for each in opened:
        each.close()


@pytest.mark.parametrize("columns", [80, 50])
def test_the_progress_bar_leaves_no_trace(terminal: Callable[..., Terminal], sandbox: Any, columns: int) -> None:
    """It is there while a statement fetches, in one line, and not among the rows."""
    sandbox.latency = 0.15
    shell = terminal(columns=columns)
    shell.type(".mode list\n")
    shell.until("sqlite> ")
    shell.type(SLOW.format(60) + "\n")
    shell.until("/60 [", "60|", "sqlite> ")
    drawn = [part for part in shell.text.replace("\n", "\r").split("\r") if "keys" in part]
    assert drawn
    assert max(map(len, drawn)) <= columns - 3
    seen = shell.screen()
    assert [line for line in seen if line.endswith("|")] == [f"{n}|" for n in range(1, 61)]
    assert not [line for line in seen if "keys" in line or "%" in line]


def test_quiet_has_no_bar(terminal: Callable[..., Terminal], sandbox: Any) -> None:
    """--quiet, or a statement that takes no time."""
    sandbox.latency = 0.15
    shell = terminal("--quiet")
    shell.type(SLOW.format(20) + "\n")
    shell.until("╯", "sqlite> ")
    assert "%" not in shell.text


def test_ctrl_c_ends_the_statement_not_the_shell(terminal: Callable[..., Terminal], sandbox: Any) -> None:
    """At once; the bar is gone, and the next statement runs."""
    sandbox.latency = 0.3
    shell = terminal()
    shell.type(SLOW.format(500) + "\n")
    shell.until("/500 [")
    began = time.monotonic()
    shell.type("\x03")
    shell.until("^C\r\n", "sqlite> ")
    assert time.monotonic() - began < 3
    assert not [line for line in shell.screen() if "keys" in line]
    shell.type("SELECT 40 + 2;\n")
    shell.until("42", "sqlite> ")
    shell.type(f"SELECT status FROM {T} WHERE vector_store_id = 'vs_demo' AND batch_id = 'vsfb_demo_finished';\n")
    shell.until("completed", "sqlite> ")


def test_watch_draws_over_itself_until_ctrl_c(terminal: Callable[..., Terminal], sandbox: Any) -> None:
    """Two lines for each batch on a narrow terminal; Ctrl-C ends the watch, a finished batch, too."""
    shell = terminal(columns=50)
    shell.type(
        f"CREATE VIRTUAL TABLE mine USING {T}; INSERT INTO mine (vector_store_id, file_ids) "
        "VALUES ('vs_demo', json_array('file-new-01'));\n"
    )
    shell.until("\n", "sqlite> ")
    shell.type(".watch 0.2\n")
    shell.until("mine: 1 in_progress", "  in_progress", "░ 0/1")
    shell.type("\x03")
    shell.until("sqlite> ")
    shell.type(".watch 0.2\n")
    shell.until("░ 0/1")
    sandbox.finish()
    shell.until("\x1b[3A\x1b[J", "mine: 1 completed", "█ 1/1", "sqlite> ")


def test_watch_shows_what_others_add(
    terminal: Callable[..., Terminal], connect: Callable[..., Any], sandbox: Any, tmp_path: Path
) -> None:
    """A batch, and a ledger, that another connection to the file makes; it goes on until they are finished, too."""
    shell = terminal()
    new = "INSERT INTO {0} (vector_store_id, file_ids) VALUES ('vs_demo', json_array('file-new-01'))"
    shell.type(f"CREATE VIRTUAL TABLE mine USING {T}; {new.format('mine')};\n")
    shell.until("\n", "sqlite> ")
    shell.type(".watch 0.2\n")
    shell.until("mine: 1 in_progress", "░ 0/1")
    other = connect(str(tmp_path / "my.db"))
    other.set_busy_timeout(5000)
    other.execute(new.format("mine"))
    shell.until("mine: 2 in_progress", "░ 0/1", "░ 0/1")
    other.execute(f"CREATE VIRTUAL TABLE theirs USING {T}")
    other.execute(new.format("theirs"))
    shell.until("theirs: 1 in_progress", "░ 0/1")
    sandbox.finish()
    shell.until("mine: 2 completed", "theirs: 1 completed", "█ 1/1", "sqlite> ")


def test_an_error_has_advice_and_the_shell_goes_on(tmp_path: Path) -> None:
    """Without a key the shell opens, and says what to do at the first request."""
    shell = Terminal(["-nocolour"], {"HOME": str(tmp_path)}, 80)
    try:
        shell.type("SELECT * FROM vector_stores;\n")
        shell.until("no API key", "openai-vtab --sandbox", "sqlite> ")
        shell.type("SELECT 40 + 2;\n")
        shell.until("42", "sqlite> ")
    finally:
        shell.close()


# control sequences: a terminal obeys them, whoever has written them

NASTY = "\x1b]0;title\x07\x1b[31mred\x1b[2J\x9b31m\u202ereversed\x00\x7f\x08\rover\r\nnext\tline"
RAW = ["\x1b]0;", "\x07", "\x1b[31mred", "\x1b[2J", "\x9b", "\u202e", "\x00", "\x7f", "\x08", "\rover"]
MODES = [
    "box",
    "column",
    "csv",
    "html",
    "insert",
    "json",
    "jsonl",
    "line",
    "list",
    "python",
    "qbox",
    "table",
    "tabs",
    "tcl",
]


def nasty(head: bytes) -> bytes:
    """A server whose every string is nasty."""
    path = head.split()[1]
    if b"file-bad" in path:
        error = {"message": f"bad{NASTY}", "code": f"code{NASTY}"}
        return answer({"error": error}, 400, {"x-request-id": "r\x1b[2J\x07"})
    if path.startswith(b"/v1/files"):
        file = {"id": "file-1", "object": "file", "filename": f"name{NASTY}", "attributes": {"a": NASTY}}
        return answer(file, headers={"x-request-id": "r\x1b[2J\x07"})
    return answer({"id": "vsfb_1", "vector_store_id": "vs_1", "status": f"going{NASTY}", "file_counts": {"total": 1}})


@pytest.fixture
def hostile(tmp_path: Path) -> Iterator[Callable[..., Terminal]]:
    """Open a shell on a terminal, connected to such a server."""
    opened: list[Terminal] = []
    with wire(nasty) as server:

        def open_terminal(*args: str) -> Terminal:
            environment = {"OPENAI_BASE_URL": server.url(), "OPENAI_API_KEY": "k", "HOME": str(tmp_path)}
            opened.append(Terminal([*args, str(tmp_path / "my.db")], environment, 200))
            return opened[-1]

        yield open_terminal
        for each in opened:
            each.close()


def assert_escaped(text: str, begin: str) -> None:
    """What was written is there, with nothing in it that a terminal would obey."""
    assert begin in text
    for raw in RAW:
        assert raw not in text, f"{raw!r} in {text!r}"


@pytest.mark.parametrize("colour", [False, True])
def test_control_characters_in_every_mode(hostile: Callable[..., Terminal], colour: bool) -> None:
    """Of values and of names, also where a mode is made for programs; a colour is the shell's own."""
    shell = hostile()
    if colour:
        shell.type(".colour default\n")
        shell.until("sqlite> ")
    shell.type(".header on\n")
    shell.until("sqlite> ")
    shell.type(
        "CREATE TABLE t AS SELECT filename, raw, 1 AS 'x' FROM files WHERE id = 'file-1'; SELECT 'cre' || 'ated';\n"
    )
    shell.until("created", "sqlite> ")
    shell.type("ALTER TABLE t RENAME COLUMN x TO \"\x9b31m\u202e\"; SELECT 'alt' || 'ered';\n")
    shell.until("altered", "sqlite> ")
    for mode in MODES:
        shell.type(f".mode {mode}\n")
        shell.until("sqlite> ")
        shell.type("SELECT *, json_object('n', filename) AS json FROM t; SELECT 'ne' || 'xt';\n")
        assert_escaped(shell.until("name", "next", "sqlite> ").partition("\n")[2], "name")


def test_control_characters_of_errors_and_commands(hostile: Callable[..., Terminal]) -> None:
    """An error of the API, one of SQLite with a value in it, .requests, .batches, .watch, .dump, parameters, dry runs."""
    shell = hostile()
    shell.type("SELECT * FROM files WHERE id = 'file-bad';\n")
    assert_escaped(shell.until("answered 400", "next", "sqlite> "), "bad\\x1b]0;title\\x07")
    shell.type("SELECT json_extract('{}', filename) FROM files WHERE id = 'file-1';\n")
    assert_escaped(shell.until("bad JSON path", "sqlite> "), "name\\x1b]0;title")
    shell.type(".mode list\n")
    shell.until("sqlite> ")
    shell.type(".requests\n")
    assert_escaped(shell.until("r\\x1b[2J", "sqlite> "), "r\\x1b[2J")
    shell.type(
        f"CREATE VIRTUAL TABLE mine USING {T}; INSERT INTO mine (id, vector_store_id) VALUES ('vsfb_1', 'vs_1');\n"
    )
    shell.until("sqlite> ")
    shell.type(".batches\n")
    assert_escaped(shell.until("mine: 1 going", "vsfb_1", "sqlite> "), "going\\x1b]0;title")
    shell.type(".watch 0.2\n")
    assert_escaped(shell.until("mine: 1 going", "vsfb_1", "0/0").replace("\x1b[2A\x1b[J", ""), "going\\x1b]0;title")
    shell.type("\x03")
    shell.until("sqlite> ")
    shell.type(".dump mine%\n")
    assert_escaped(shell.until("COMMIT", "sqlite> "), "going\\x1b]0;title")
    shell.type(".exceptions on\n")
    shell.until("sqlite> ")
    shell.type("SELECT * FROM files WHERE id = 'file-bad';\n")
    assert_escaped(shell.until("answered 400", "APIError", "sqlite> "), "bad\\x1b]0;title\\x07")


def test_control_characters_of_a_dry_run(hostile: Callable[..., Terminal]) -> None:
    """What it shows is a warning of the log."""
    shell = hostile("--dry-run")
    shell.type("INSERT INTO vector_stores (name) VALUES ('na' || char(155) || '31m' || char(127, 8238, 27, 7));\n")
    assert_escaped(shell.until("POST", "sqlite> ").partition("\n")[2], "na\\x9b31m\\x7f\\u202e\\u001b\\u0007")


@pytest.mark.parametrize("mode", ["list", "csv", "tabs", "json", "jsonl"])
def test_control_characters_in_a_pipe_or_a_file(tmp_path: Path, mode: str) -> None:
    """Data stays as it is, where no person reads it; errors do not."""
    with wire(nasty) as server:
        command = [sys.executable, "-m", "openai_vtab", "--base-url", server.url(), ":memory:", f".mode {mode}"]
        select = "SELECT filename FROM files WHERE id = 'file-1'"
        environment = {**os.environ, "OPENAI_API_KEY": "k"}
        commands = [
            select,
            f".output {tmp_path / 'out'}",
            select,
            ".output stdout",
            "SELECT * FROM files WHERE id = 'file-bad'",
        ]
        done = subprocess.run([*command, *commands], env=environment, capture_output=True, timeout=30, check=False)
    given = json.dumps(f"name{NASTY}")[1:-1] if mode.startswith("json") else f"name{NASTY}"
    for output in (done.stdout, (tmp_path / "out").read_bytes()):
        assert given.encode() in output
    assert_escaped(done.stderr.decode(), "bad\\x1b]0;title\\x07")
