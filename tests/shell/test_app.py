"""The openai-vtab command: its input, exit status, databases, errors, banner and timer."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import apsw
import pytest

import openai_vtab

from .command import SELECT, T, run_process, run_shell
from .terminal import Terminal


@pytest.mark.slow
def test_standard_input_is_run() -> None:
    """Rows go to standard output, nothing to standard error; the status is 0."""
    done = run_process("--sandbox", text=SELECT)
    assert (done.stdout, done.stderr, done.returncode) == ("vsfb_demo_finished|completed\n", "", 0)


def test_arguments_are_run() -> None:
    """A database, then statements and dot commands one after another."""
    done = run_shell("--sandbox", ":memory:", ".mode csv", SELECT, "SELECT 2;")
    assert (done.stdout.split(), done.stderr, done.returncode) == (["vsfb_demo_finished,completed", "2"], "", 0)


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
def test_exit_status_of_a_failure_is_1(args: Sequence[str], text: str) -> None:
    """The error is on standard error without a traceback, and the rest of the input still runs."""
    done = run_shell("--sandbox", *args, text=text) if "--base-url" not in args else run_shell(*args, text=text)
    assert done.returncode == 1
    assert done.stderr.strip()
    assert "Traceback" not in done.stderr
    if "SELECT 1;" in text:
        assert done.stdout.strip() == "1"


@pytest.mark.parametrize(
    ("sql", "problem"),
    [
        ("SELECT CAST(x'ff00fe' AS TEXT)", "A value is text that is not UTF-8; for bytes, leave out CAST(… AS TEXT)"),
        (f"CREATE VIRTUAL TABLE b USING {T}(x)", f"{T} takes no arguments in CREATE VIRTUAL TABLE"),
    ],
)
def test_error_is_one_line(sql: str, problem: str) -> None:
    """From standard input, a line with the place comes before it."""
    done = run_shell("--sandbox", ":memory:", sql)
    assert done.stderr.startswith(problem)
    assert (done.stderr.count("\n"), done.returncode) == (1, 1)
    done = run_shell("--sandbox", text=f"{sql};\nSELECT 'goes on';\n")
    assert problem in done.stderr
    assert (done.stderr.count("\n"), done.stdout, done.returncode) == (2, "goes on\n", 1)


def test_error_names_missing_columns() -> None:
    """The shell shows the package's messages unchanged."""
    done = run_shell("--sandbox", text=f"SELECT * FROM {T} WHERE batch_id = 'x';")
    assert "missing: vector_store_id" in done.stderr


@pytest.mark.parametrize(
    ("args", "text"), [((), SELECT), pytest.param((":memory:", SELECT), "", marks=pytest.mark.slow)]
)
def test_error_without_a_key_has_advice(args: tuple[str, ...], text: str) -> None:
    """At the first request, from standard input and from the arguments."""
    done = run_process(*args, text=text)
    assert "no API key" in done.stderr
    assert done.stderr.count("openai-vtab --sandbox") == 1
    assert done.returncode == 1


@pytest.mark.slow
def test_error_without_a_key_does_not_end_the_shell(tmp_path: Path) -> None:
    """On a terminal, the advice comes once and the next statement runs."""
    shell = Terminal(["-nocolour"], {"HOME": str(tmp_path)}, 80)
    try:
        shell.run("SELECT * FROM vector_stores;", "no API key", "openai-vtab --sandbox")
        shell.run("SELECT 40 + 2;", "42")
    finally:
        shell.close()


def test_wal_is_the_journal_mode_of_new_files(tmp_path: Path) -> None:
    """With .open, too. An existing file keeps its own, and a file that .backup writes is left alone."""
    new, opened, old, copy = (tmp_path / name for name in ("new.db", "opened.db", "old.db", "copy.db"))
    with closing(apsw.Connection(str(old))) as db:
        db.execute("CREATE TABLE t (x)")
    mode = "PRAGMA journal_mode;"
    done = run_shell(
        "--sandbox", str(new), mode, f".open {opened}", mode, f".open {old}", mode, f".backup {copy}", "SELECT 1;"
    )
    assert (done.stdout.split(), done.stderr) == (["wal", "wal", "delete", "1"], "")
    with closing(apsw.Connection(str(copy))) as db:
        assert db.execute("PRAGMA journal_mode").get == "delete"
    done = run_shell("--sandbox", ":memory:", mode)
    assert (done.stdout.split(), done.stderr) == (["memory"], "")


def test_open_registers_the_tables(tmp_path: Path) -> None:
    """A database that .open opens has them, too."""
    text = f"{SELECT}\n.open {tmp_path / 'other.db'}\nCREATE TABLE x (y);\n{SELECT}\n.databases\n"
    done = run_shell("--sandbox", str(tmp_path / "my.db"), text=text)
    assert done.stdout.count("vsfb_demo_finished|completed") == 2
    assert "other.db" in done.stdout
    assert (done.stderr, done.returncode) == ("", 0)
    assert (tmp_path / "other.db").stat().st_size > 0


@pytest.mark.slow
def test_connection_hook_serves_apsws_own_shell(sandbox: Any) -> None:
    """`python -m apsw` has the tables when register() is a connection hook."""
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


@pytest.mark.slow
def test_banner_shows_restrictions() -> None:
    """It fits a narrow terminal."""
    done = run_process("-interactive", "--sandbox", "--dry-run", "--read-only", environment={"TERM": "dumb"})
    assert "Dry run: requests are shown, not sent.\nRead-only: changes at the API are refused.\n" in done.stdout
    assert max(map(len, done.stdout.splitlines())) < 80


def test_timer_counts_requests() -> None:
    """On standard error with the rest of .timer; prefetched requests are counted apart."""
    keys = " UNION ALL ".join(f"SELECT 'vsfb_{n}' AS k" for n in range(5))
    join = f"SELECT count(status) FROM ({keys}) LEFT JOIN {T} ON vector_store_id = 'vs_demo' AND batch_id = k;"
    done = run_shell("--sandbox", text=f".timer on\n{SELECT}\n{join}\nSELECT 1;\n")
    assert done.stdout == "vsfb_demo_finished|completed\n0\n1\n"
    said = [line for line in done.stderr.splitlines() if "request" in line]
    said = [re.sub(r"waited \d+\.\d\d s", "waited", line) for line in said]
    assert said == ["* requests: 1 (waited)", "* requests: 5 (3 prefetched, waited)", "* requests: 0"]
    times = [line for line in done.stderr.splitlines() if "request" not in line]
    assert len(times) == 3
    assert all(re.fullmatch(r"\* time: \d+\.\d{3} s \(processor \d+\.\d{3} s\)", line) for line in times)


def test_timer_counts_cached_responses() -> None:
    """A join that names a key four times sends one request."""
    join = (
        "SELECT count(status) FROM generate_series(1, 4) LEFT JOIN vector_stores "
        "ON vector_store_id = iif(value > 0, 'vs_demo', 'x');"
    )
    done = run_shell("--sandbox", text=f".timer on\n{join}\n")
    assert done.stdout == "4\n"
    assert "* requests: 1 (3 cached, waited " in done.stderr


def test_timer_counts_each_statement_of_a_line() -> None:
    """After an error, nothing more of the line runs, as without the timer."""
    line = f"SELECT 1; {SELECT} -- a remark\n"
    done = run_shell("--sandbox", ":memory:", ".timer on", line, f"{SELECT} SELECT nonsense; {SELECT}")
    assert done.stdout == "1\nvsfb_demo_finished|completed\nvsfb_demo_finished|completed\n"
    said = [text for text in done.stderr.splitlines() if text.startswith("* requests") or text.endswith("nonsense")]
    assert [text.partition(" (")[0].removeprefix("* requests: ") for text in said] == [
        *("0", "1", "1"),
        "no such column: nonsense",
        "0",
    ]


def test_timer_keeps_bindings() -> None:
    """Each statement gets all of them; a missing one is an error, as without the timer."""
    text = ".parameter set a 1\n.timer on\nSELECT $a; SELECT $a + 1;\nSELECT $b;\nSELECT 3;\n"
    done = run_shell(text=text)
    assert done.stdout == "1\n2\n3\n"
    assert "No binding present for 'b'" in done.stderr
    assert done.stderr.count("* requests: 0\n") == 4


@pytest.mark.slow
def test_progress_bar_is_not_written_to_a_pipe(sandbox: Any) -> None:
    """Even when a statement takes long enough for one."""
    sandbox.latency = 0.3
    done = run_process("--base-url", sandbox.base_url, text=SELECT, environment={"OPENAI_API_KEY": sandbox.api_key})
    assert (done.stdout, done.stderr) == ("vsfb_demo_finished|completed\n", "")


def test_package_runs_as_a_module() -> None:
    """`python -m openai_vtab` is the command, and its version is the package's."""
    assert run_process("--version").stdout.startswith(f"openai-vtab {openai_vtab.__version__}, SQLite 3.")
