"""The openai-vtab command: options, exit status, .open, errors, and a real terminal."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import apsw
import pytest

import openai_vtab

T = "vector_store_file_batches"
SELECT = f"SELECT id, status FROM {T} WHERE vector_store_id = 'vs_demo' AND batch_id = 'vsfb_demo_finished';"


def shell(*args: str, text: str = "", environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run the command as a user would; its input is not a terminal."""
    return subprocess.run(
        [sys.executable, "-X", "dev", "-m", "openai_vtab", *args],
        input=text,
        capture_output=True,
        text=True,
        encoding="utf-8",
        env={**os.environ, "PYTHONIOENCODING": "utf-8", **(environment or {})},
        timeout=60,
        check=False,
    )


def test_sql_from_standard_input() -> None:
    """The main job without a key: rows on standard output, nothing on standard error, status 0."""
    done = shell("--sandbox", text=SELECT)
    assert (done.stdout, done.stderr, done.returncode) == ("vsfb_demo_finished|completed\n", "", 0)


def test_sql_from_the_command_line() -> None:
    """A database, then statements and dot commands one after another."""
    done = shell("--sandbox", ":memory:", ".mode csv", SELECT, "SELECT 2;")
    assert (done.stdout.split(), done.stderr, done.returncode) == (["vsfb_demo_finished,completed", "2"], "", 0)


def test_options_of_ours_and_of_apsw_mix() -> None:
    """In any order before the database."""
    done = shell("-json", "--sandbox", "-batch", ":memory:", SELECT)
    assert '"status": "completed"' in done.stdout
    assert done.returncode == 0


@pytest.mark.parametrize(
    ("args", "text"),
    [
        ((), "SELECT nonsense;\nSELECT 1;\n"),
        ((), f"SELECT * FROM {T};\nSELECT 1;\n"),
        ((":memory:", "SELECT nonsense"), ""),
        ((":memory:", f"SELECT * FROM {T}"), ""),
        (("-bail",), "SELECT nonsense;\n"),
        ((), ".nonsense\n"),
        (("--nonsense",), ""),
        (("--base-url",), ""),
        (("--base-url", "http://example.com/v1", ":memory:", "SELECT 1"), ""),
        (("/no/such/directory/my.db", "SELECT 1"), ""),
    ],
)
def test_a_failed_statement_is_an_exit_status(args: Sequence[str], text: str) -> None:
    """One line on standard error, no traceback, status 1; what follows in the input still runs."""
    done = shell("--sandbox", *args, text=text) if "--base-url" not in args else shell(*args, text=text)
    assert done.returncode == 1
    assert done.stderr.strip()
    assert "Traceback" not in done.stderr
    if "SELECT 1;" in text:
        assert done.stdout.strip() == "1"


def test_wal_is_the_journal_mode_of_new_files(tmp_path: Path) -> None:
    """Also with .open; an existing file keeps its own, and what .backup writes is not touched."""
    new, opened, old, copy = (tmp_path / name for name in ("new.db", "opened.db", "old.db", "copy.db"))
    with closing(apsw.Connection(str(old))) as db:
        db.execute("CREATE TABLE t (x)")
    mode = "PRAGMA journal_mode;"
    done = shell(
        "--sandbox", str(new), mode, f".open {opened}", mode, f".open {old}", mode, f".backup {copy}", "SELECT 1;"
    )
    assert (done.stdout.split(), done.stderr) == (["wal", "wal", "delete", "1"], "")
    with closing(apsw.Connection(str(copy))) as db:
        assert db.execute("PRAGMA journal_mode").get == "delete"
    done = shell("--sandbox", ":memory:", mode)
    assert (done.stdout.split(), done.stderr) == (["memory"], "")


@pytest.mark.parametrize(
    "comment",
    ["-- a comment", "/* two\nlines */", "-- one\n/* two */ -- three", "-- 'a; \"b", "SELECT 1 WHERE 0; -- after"],
)
def test_dot_command_follows_a_comment(comment: str) -> None:
    """A comment alone is complete, as an empty line is; a comment that ends the input, too."""
    done = shell(text=f"{comment}\n.mode csv\nSELECT 1, /* ; */ -- ;\n2;\n{comment}")
    assert (done.stdout, done.stderr, done.returncode) == ("1,2\n", "", 0)


@pytest.mark.parametrize("text", ["SELECT 1\n", "-- a comment\nSELECT 1 -- ;", "/* no end;\n", "SELECT ';\n"])
def test_incomplete_sql_at_the_end_of_the_input_is_an_error(text: str) -> None:
    """The error has the statement, without the comment that was complete before it."""
    done = shell(text=text)
    assert "Incomplete SQL (line " in done.stderr
    assert f" of <stdin>): {text.strip().removeprefix('-- a comment').strip()}\n" in done.stderr
    assert (done.stdout, done.returncode) == ("", 1)


def test_help_is_a_question_mark() -> None:
    """`?NAME` is `.help NAME`."""
    assert shell(text="?mode\n").stderr == shell(text=".help mode\n").stderr != ""


@pytest.mark.parametrize(("command", "status"), [(".quit", 0), (".quit 3", 3), (".exit 3", 3)])
def test_quit_ends_the_shell(command: str, status: int) -> None:
    """With the status that is given."""
    done = shell(text=f"SELECT 1;\n{command}\nSELECT 2;\n")
    assert (done.stdout, done.stderr, done.returncode) == ("1\n", "", status)


def test_no_color_does_not_swallow_options() -> None:
    """APSW's shell would take --sandbox for -nocolour then, and ask the real API."""
    done = shell("--sandbox", "-csv", ":memory:", SELECT, environment={"NO_COLOR": "1"})
    assert (done.stdout.strip(), done.stderr, done.returncode) == ("vsfb_demo_finished,completed", "", 0)


def test_the_error_names_what_is_missing() -> None:
    """As everywhere."""
    done = shell("--sandbox", text=f"SELECT * FROM {T} WHERE batch_id = 'x';")
    assert "missing: vector_store_id" in done.stderr


def test_help_lists_our_options() -> None:
    """And those of APSW."""
    done = shell("--help")
    text = done.stdout + done.stderr
    for option in (
        "openai-vtab",
        "--sandbox",
        "--base-url URL",
        "--version",
        "--help",
        "OPENAI_API_KEY",
        "-init filename",
    ):
        assert option in text
    assert done.returncode == 0


def test_version() -> None:
    """Ours, SQLite's and APSW's."""
    done = shell("--version")
    assert done.stdout.startswith(f"openai-vtab {openai_vtab.__version__}, SQLite 3.")
    assert done.returncode == 0


def test_the_banner_says_what_is_not_done() -> None:
    """It fits a narrow terminal, too."""
    done = shell("-interactive", "--sandbox", "--dry-run", "--read-only", environment={"TERM": "dumb"})
    assert "Dry run: no request leaves, each is shown.\nRead only: nothing is changed at the API.\n" in done.stdout
    assert max(map(len, done.stdout.splitlines())) < 60


def test_every_database_has_the_table(tmp_path: Any) -> None:
    """.open and .connection included."""
    text = f"{SELECT}\n.open {tmp_path / 'other.db'}\nCREATE TABLE x (y);\n{SELECT}\n.databases\n"
    done = shell("--sandbox", str(tmp_path / "my.db"), text=text)
    assert done.stdout.count("vsfb_demo_finished|completed") == 2
    assert "other.db" in done.stdout
    assert (done.stderr, done.returncode) == ("", 0)
    assert (tmp_path / "other.db").stat().st_size > 0


def test_base_url_and_the_key_of_the_environment(sandbox: Any) -> None:
    """The shell against a server; a missing key is an error of the statement."""
    key = {"OPENAI_API_KEY": sandbox.api_key}
    done = shell("--base-url", sandbox.base_url, text=SELECT, environment=key)
    assert done.stdout == "vsfb_demo_finished|completed\n"
    done = shell("--base-url", sandbox.base_url, text=SELECT)
    assert "no API key: set OPENAI_API_KEY" in done.stderr
    assert done.returncode == 1


def test_the_stock_apsw_shell_with_the_hook(sandbox: Any) -> None:
    """python -m apsw, given the connection hook."""
    code = "import apsw, apsw.shell, openai_vtab; apsw.connection_hooks.append(openai_vtab.register); apsw.shell.main()"
    done = subprocess.run(
        [sys.executable, "-c", code, ":memory:", SELECT],
        capture_output=True,
        text=True,
        env={**os.environ, "OPENAI_BASE_URL": sandbox.base_url, "OPENAI_API_KEY": sandbox.api_key},
        timeout=60,
        check=True,
    )
    assert done.stdout == "vsfb_demo_finished|completed\n"


def test_a_real_terminal(tmp_path: Any) -> None:
    """Banner, prompt, a box, an error that does not end the shell, and the end by Ctrl-D with status 0."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 120, 0, 0))
    environment = {**os.environ, "TERM": "dumb", "NO_COLOR": "1", "HOME": str(tmp_path)}
    process = subprocess.Popen(
        [sys.executable, "-m", "openai_vtab", "--sandbox", "-nocolour"],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env=environment,
        close_fds=True,
    )
    os.close(slave)
    screen = ""

    def until(text: str) -> None:
        nonlocal screen
        deadline = time.monotonic() + 20
        while text not in screen:
            assert time.monotonic() < deadline, screen
            if select.select([master], [], [], 0.1)[0]:
                screen += os.read(master, 65536).decode("utf-8", "replace")

    try:
        until("sqlite> ")
        assert "openai-vtab" in screen
        assert "Connected to the sandbox; try:\r\n  SELECT status, file_counts" in screen
        assert "Dry run" not in screen
        screen = ""
        os.write(master, SELECT.encode() + b"\n")
        until("╯")
        assert "│ vsfb_demo_finished │ completed │" in screen
        screen = ""
        os.write(master, f"SELECT * FROM {T};\n".encode())
        until("missing: vector_store_id, batch_id")
        screen = ""
        os.write(master, b"SELECT 40 + 2;\n")
        until("42")
        screen = screen.rpartition("42")[2]
        until("sqlite> ")  # before it, Ctrl-D would not reach readline
        os.write(master, b"\x04")
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait()
        os.close(master)
