"""Output for people and for programs: JSON, encodings, and control characters from a hostile server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ..support.server import answer, wire
from .command import T, run_process, run_shell
from .terminal import Terminal


def test_json_modes_write_json_as_json() -> None:
    """JSON columns and the results of json functions; not text that only looks like JSON, nor in other modes."""
    sql = (
        "SELECT file_counts, json_array(1), '[1]' AS x, NULL AS attributes, 'a' AS raw, x'00' AS files "
        f"FROM {T} WHERE vector_store_id = 'vs_demo' AND batch_id = 'vsfb_demo_finished';"
    )
    counts = {"in_progress": 0, "completed": 3, "failed": 0, "cancelled": 0, "total": 3}
    row = {"file_counts": counts, "json_array(1)": [1], "x": "[1]", "attributes": None, "raw": "a", "files": "AA=="}
    done = run_shell("--sandbox", text=f".mode jsonl\n{sql}\n.mode json\n{sql}\n.mode csv\n{sql}\n")
    first, second, third = done.stdout.strip().split("\n", 2)
    assert json.loads(first) == row
    assert json.loads(second) == [row]
    assert third.startswith('"{""in_progress"":0')


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp437"])
def test_encoding_escapes_text_for_people(encoding: str) -> None:
    """A character that the output lacks is written as ASCII. In data for a pipe, it is an error of one line."""

    def run(*commands: str) -> subprocess.CompletedProcess[str]:
        return run_process("--sandbox", ":memory:", *commands, encoding=encoding)

    done = run(f"CREATE VIRTUAL TABLE led USING {T}", ".describe", ".describe files", ".batches", ".requests")
    assert (done.stderr, done.returncode) == ("", 0)
    assert "INSERT INTO files" in done.stdout
    done = run(".help batches", ".help describe")
    assert "Traceback" not in done.stderr
    assert (done.stdout, done.returncode) == ("", 0)
    done = run("SELECT 'Ж'")
    assert done.stderr.startswith("The output's encoding, ")
    assert done.stderr.endswith("has no '\\u0416': set PYTHONIOENCODING=utf-8\n")
    assert (done.stdout, done.stderr.count("\n"), done.returncode) == ("", 1, 1)


# A terminal obeys control sequences, whoever has written them.

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
    """The response of a server whose every string has control characters."""
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
    """Open a shell on a terminal, connected to a server whose strings have control characters."""
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
    """Assert that the text was written with nothing in it that a terminal would obey."""
    assert begin in text
    for raw in RAW:
        assert raw not in text, f"{raw!r} in {text!r}"


@pytest.mark.slow
@pytest.mark.parametrize("colour", [False, True])
def test_escaping_in_every_mode(hostile: Callable[..., Terminal], colour: bool) -> None:
    """In values and names, in modes for programs, too. A colour is the shell's own."""
    shell = hostile()
    if colour:
        shell.run(".colour default")
    shell.run(".header on")
    shell.type(
        "CREATE TABLE t AS SELECT filename, raw, 1 AS 'x' FROM files WHERE id = 'file-1'; SELECT 'cre' || 'ated';\n"
    )
    shell.until("created", "sqlite> ")
    shell.type("ALTER TABLE t RENAME COLUMN x TO \"\x9b31m\u202e\"; SELECT 'alt' || 'ered';\n")
    shell.until("altered", "sqlite> ")
    for mode in MODES:
        shell.run(f".mode {mode}")
        shell.type("SELECT *, json_object('n', filename) AS json FROM t; SELECT 'ne' || 'xt';\n")
        assert_escaped(shell.until("name", "next", "sqlite> ").partition("\n")[2], "name")


def test_escaping_of_errors_and_commands(hostile: Callable[..., Terminal]) -> None:
    """Errors of the API, errors of SQLite that quote a value, .requests, .batches, .watch and .dump."""
    shell = hostile()
    shell.type("SELECT * FROM files WHERE id = 'file-bad';\n")
    assert_escaped(shell.until("answered 400", "next", "sqlite> "), "bad\\x1b]0;title\\x07")
    shell.type("SELECT json_extract('{}', filename) FROM files WHERE id = 'file-1';\n")
    assert_escaped(shell.until("bad JSON path", "sqlite> "), "name\\x1b]0;title")
    shell.run(".mode list")
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
    shell.run(".exceptions on")
    shell.type("SELECT * FROM files WHERE id = 'file-bad';\n")
    assert_escaped(shell.until("answered 400", "APIError", "sqlite> "), "bad\\x1b]0;title\\x07")


@pytest.mark.slow
def test_escaping_of_a_dry_run(hostile: Callable[..., Terminal]) -> None:
    """A dry run shows its requests as warnings of the log."""
    shell = hostile("--dry-run")
    shell.type("INSERT INTO vector_stores (name) VALUES ('na' || char(155) || '31m' || char(127, 8238, 27, 7));\n")
    assert_escaped(shell.until("POST", "sqlite> ").partition("\n")[2], "na\\x9b31m\\x7f\\u202e\\u001b\\u0007")


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["list", "csv", "tabs", "json", "jsonl"])
def test_escaping_in_a_pipe_or_a_file(tmp_path: Path, mode: str) -> None:
    """Data is unchanged where no person reads it; errors are escaped."""
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
