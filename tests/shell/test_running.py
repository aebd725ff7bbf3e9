"""Statements in the shell: tables that hide the API's, deletions that are asked about, and errors in its words."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw
import pytest

from openai_vtab.errors import ConfigurationError, ProgrammingError, UnsupportedWriteError, WriteError
from openai_vtab.settings import NO_KEY
from openai_vtab.shell.app import Shell
from openai_vtab.shell.short_errors import in_the_shell, shorten_record

from .command import T, run_shell
from .terminal import Terminal

FILES = "SELECT 'new-' || value || '.md', 'text', 'assistants' FROM generate_series(1, {});"


def test_drop_if_exists_of_an_api_table_does_nothing() -> None:
    """A script for another database runs: the table is created, used and dropped."""
    script = (
        "DROP TABLE IF EXISTS files;\nCREATE TABLE files (id INTEGER PRIMARY KEY, size);\n"
        "INSERT INTO files VALUES (1, 2);\nSELECT size FROM files;\nDROP TABLE IF EXISTS files;\n"
        "SELECT count(*) > 1 FROM files;\n"
    )
    done = run_shell("--sandbox", text=script)
    assert (done.stdout, done.stderr, done.returncode) == ("2\n1\n", "", 0)


def test_error_names_the_table_that_hides_the_apis() -> None:
    """After SQLite's error."""
    done = run_shell("--sandbox", ":memory:", "CREATE TABLE files (x)", "SELECT filename FROM files")
    assert "filename; main.files hides the API's table files; write openai.files for the API's\n" in done.stderr


def test_interactive_shell_says_what_is_hidden(open_shell: Callable[..., Shell]) -> None:
    """When the table is created, and when nothing is dropped."""
    shell = open_shell()
    shell.interactive = True
    shell.process_sql("DROP TABLE IF EXISTS files; CREATE TABLE files (x); CREATE TABLE y (x)")
    assert shell.stderr.getvalue() == (
        "* files is the API's table, which every database has: nothing was dropped\n"
        "* files hides the API's table of that name; write openai.files for the API's\n"
    )
    with pytest.raises(ProgrammingError, match=r"CREATE TABLE main\.vector_store_files if you mean it"):
        shell.process_sql("CREATE TABLE vector_store_files (vector_store_id, file_id)")


def test_database_in_no_folder_is_named() -> None:
    """SQLite's own message names neither the file nor the reason. ATTACH names the file."""
    done = run_shell("--sandbox", "no-such-folder/my.db", "SELECT 1")
    said = "unable to open database file: 'no-such-folder/my.db'; its folder must exist, and be writable\n"
    assert (done.stdout, done.stderr, done.returncode) == ("", said, 1)


@pytest.mark.parametrize(
    ("count", "answers", "left"),
    [
        pytest.param(100, [], 0, marks=pytest.mark.slow),
        pytest.param(101, ["n"], 101, marks=pytest.mark.slow),
        (101, ["yes"], 0),
        (101, [None], 101),
    ],
)
def test_deletion_of_many_objects_is_asked_about(
    open_shell: Callable[..., Shell], monkeypatch: pytest.MonkeyPatch, count: int, answers: list[str], left: int
) -> None:
    """At the prompt, before anything is sent; the end of the input is no consent."""
    shell = open_shell()
    asked: list[str] = []

    def get_line(prompt: str) -> str | None:
        asked.append(prompt)
        return answers.pop(0)

    monkeypatch.setattr(shell, "get_line", get_line)
    shell.process_sql("INSERT INTO files (filename, content, purpose) " + FILES.format(count))
    shell.interactive = True
    delete = "DELETE FROM files WHERE filename LIKE 'new-%'"
    if left:
        with pytest.raises(UnsupportedWriteError, match="101 objects were not deleted, because that was not confirmed"):
            shell.process_sql(delete)
    else:
        shell.process_sql(delete)
    assert asked == ([] if count == 100 else ["Delete 101 objects at the API? [y/N] "])
    assert shell.db.execute("SELECT count(*) FROM files WHERE filename LIKE 'new-%'").get == left


@pytest.mark.parametrize(("count", "answers"), [pytest.param(100, [], marks=pytest.mark.slow), (101, ["n", "y"])])
def test_deletion_of_many_documents_is_asked_about(
    open_shell: Callable[..., Shell], monkeypatch: pytest.MonkeyPatch, count: int, answers: list[str]
) -> None:
    """Before COMMIT sends anything for them; a refusal leaves the documents there."""
    shell = open_shell()
    asked: list[str] = []

    def get_line(prompt: str) -> str | None:
        asked.append(prompt)
        return answers[len(asked) - 1]

    monkeypatch.setattr(shell, "get_line", get_line)
    shell.process_sql("CREATE VIRTUAL TABLE handbook USING vector_store_documents(name = 'Many')")
    shell.process_sql(
        "INSERT INTO handbook (key, content) SELECT value, 'text ' || value FROM generate_series(1, %d)" % count
    )
    shell.interactive = True
    number = shell.db.execute("SELECT max(number) FROM openai_requests").get
    if answers:
        with pytest.raises(UnsupportedWriteError, match="101 objects were not deleted"):
            shell.process_sql("DELETE FROM handbook")
        assert shell.db.execute("SELECT count(*) FROM handbook").get == count
        assert shell.db.execute("SELECT count(*) FROM openai_requests WHERE number > ?", (number,)).get == 0
    shell.process_sql("DELETE FROM handbook")
    assert asked == [f"Delete {count} objects at the API? [y/N] "] * len(answers)
    assert shell.db.execute("SELECT count(*) FROM files WHERE filename = '7'").get == 0


def test_changed_objects_are_counted(open_shell: Callable[..., Shell]) -> None:
    """What a COMMIT has deleted, detached, updated and cancelled, in one line; nothing for a ROLLBACK."""
    shell = open_shell()
    shell.interactive = True

    def said(sql: str) -> str:
        shell.stderr.truncate(0)
        shell.stderr.seek(0)
        shell.process_sql(sql)
        return str(shell.stderr.getvalue())

    assert said("DELETE FROM files WHERE id IN ('file-new-01', 'file-new-02', 'file-new-03')") == "* deleted: 3 files\n"
    assert said("UPDATE vector_stores SET name = 'x' WHERE id = 'vs_demo'") == "* updated: 1 vector store\n"
    assert said("BEGIN; DELETE FROM files WHERE id = 'file-new-04'; ROLLBACK") == ""
    assert said(f"UPDATE {T} SET status = 'cancelled' WHERE vector_store_id = 'vs_demo' AND batch_id = 'vsfb_demo_running'") == "* cancelled: 1 file batch\n"  # fmt: skip
    both = "DELETE FROM vector_store_files WHERE vector_store_id = 'vs_demo' AND file_id = 'file-demo-01'"
    both = f"BEGIN; {both}; DELETE FROM files WHERE id = 'file-demo-01'; COMMIT"
    assert said(both) == "* detached: 1 file\n* deleted: 1 file\n"  # DELETE reads, so what came before is sent
    assert said("DELETE FROM files WHERE id = 'file-missing'; SELECT 1 WHERE 0") == ""


def test_changed_documents_are_counted(open_shell: Callable[..., Shell], sandbox: Any) -> None:
    """And not their files: a replaced version has a file, too."""
    shell = open_shell()

    def said(sql: str) -> str:
        shell.stderr.truncate(0)
        shell.stderr.seek(0)
        shell.process_sql(sql)
        sandbox.finish()
        shell.process_sql("SELECT key FROM handbook WHERE wait_seconds = 10 AND status <> 'completed'")
        return str(shell.stderr.getvalue())

    shell.process_sql("CREATE VIRTUAL TABLE handbook USING vector_store_documents(name = 'Counted')")
    shell.process_sql("INSERT INTO handbook (key, content) VALUES ('x', 'x')")  # creates the vector store
    shell.interactive = True
    insert = "INSERT OR REPLACE INTO handbook (key, content) VALUES "
    assert said(f"{insert} ('a', '1'), ('b', '1'), ('c', '1')") == "* sent: 3 documents\n"
    assert said("UPDATE handbook SET attributes = '{\"n\": 1}' WHERE key = 'a'") == "* updated: 1 document\n"
    assert said(f"{insert} ('a', '2'), ('b', '2')") == "* sent: 2 documents\n"
    assert said("DELETE FROM handbook WHERE key = 'c'") == "* deleted: 1 document, and 2 replaced versions\n"
    both = "BEGIN; SAVEPOINT s; DELETE FROM handbook; ROLLBACK TO s; DELETE FROM handbook WHERE key = 'a'; COMMIT"
    assert said(both) == "* deleted: 1 document\n"
    assert said("BEGIN; INSERT INTO handbook (key, content) VALUES ('d', 'd'); DELETE FROM handbook WHERE key = 'd'; COMMIT") == ""  # fmt: skip
    assert said(f"{insert} ('b', '3')") == "* sent: 1 document\n"
    assert said("INSERT INTO handbook (handbook) VALUES ('sync')") == "* deleted: 1 replaced version\n"


@pytest.mark.slow
def test_deletion_in_a_script_is_not_asked_about() -> None:
    """And none is when nothing is sent anyway."""
    insert = "INSERT INTO files (filename, content, purpose) " + FILES.format(101)
    delete = "DELETE FROM files WHERE filename LIKE 'new-%';"
    done = run_shell("--sandbox", text=f"{insert}\n{delete}\nSELECT count(*) FROM files WHERE filename LIKE 'new-%';\n")
    assert (done.stdout, done.stderr) == ("0\n", "")


def test_unbounded_write_names_the_option_of_the_shell() -> None:
    """With it, the statement runs."""
    done = run_shell("--sandbox", ":memory:", "DELETE FROM files")
    assert "(in the shell, allow_unbounded_writes is --allow-unbounded-writes)\n" in done.stderr
    done = run_shell(
        "--sandbox", "--allow-unbounded-writes", ":memory:", "DELETE FROM files", "SELECT count(*) FROM files"
    )
    assert (done.stdout, done.stderr) == ("0\n", "")


def test_write_error_is_short_in_the_shell() -> None:
    """A line for each list; the exception itself has all rows."""
    refused = [(n, f"answered 404: no file-{n}") for n in range(1, 31)]
    error = WriteError(
        "32 of 40 rows were not written: answered 404: no file-1",
        done=[(n, f"file-{n}") for n in range(40, 48)],
        not_done=[*refused, (31, "not sent")],
        unknown=[(32, "no response")],
        partial=[(33, "vsfb_1 was created, but without all of its files")],
    )
    assert in_the_shell(error).split("\n") == [
        "32 of 40 rows were not written: answered 404: no file-1",
        "  done: file-40, file-41, file-42 and 5 more",
        "  not done: 31 rows, 1 of them not sent; 29 other reasons",
        "  unknown: 1 row: no response",
        "  partial: 1 row: vsfb_1 was created, but without all of its files",
        "  .requests shows each request",
    ]
    assert len(str(error).split("\n")) > 20
    record = logging.LogRecord("openai_vtab", logging.WARNING, "", 0, "%s", (error,), None)
    assert shorten_record(record)
    assert record.getMessage() == in_the_shell(error)
    alone = WriteError("files: refused", done=[], not_done=[(1, "refused")], unknown=[], partial=[])
    assert in_the_shell(alone) == "files: refused"


def test_missing_key_is_explained_in_the_shells_words() -> None:
    """It has no connect()."""
    text = in_the_shell(ConfigurationError(NO_KEY))
    assert text.startswith("no API key: set OPENAI_API_KEY, and start the shell again.\n")
    assert "connect()" not in text


def test_exceptions_on_shows_the_whole_error() -> None:
    """With its class."""
    done = run_shell("--sandbox", text=".exceptions on\nDELETE FROM files;\n")
    assert "or set allow_unbounded_writes" in done.stderr
    assert "UnsupportedWriteError" in done.stderr


@pytest.mark.slow
def test_warnings_are_folded_on_a_terminal(terminal: Callable[..., Terminal]) -> None:
    """Between words, as errors are."""
    shown = terminal().run("SELECT count(*) FROM files WHERE created_at < '2026-01-31';", "count(*)")
    said = "and every number is less than any text; write created_at < unixepoch('2026-01-31')"
    assert said in " ".join(shown.split())  # a word that is broken would have a blank in it


def test_forgotten_store_of_the_sandbox_is_explained(tmp_path: Path) -> None:
    """The database file of an earlier shell names a vector store that the new sandbox does not have."""
    file = str(tmp_path / "kb.db")
    create = "CREATE VIRTUAL TABLE kb USING vector_store_documents(name = 'KB')"
    run_shell("--sandbox", file, create, "INSERT INTO kb (key, content) VALUES ('a', 'refunds')")
    search = "SELECT key FROM kb WHERE kb MATCH 'refunds'"
    said = run_shell("--sandbox", file, search).stderr
    assert "the sandbox forgets everything when the shell ends" in said
    assert "python -m openai_vtab.sandbox" in said
    assert "another project" not in said
    insert = "INSERT INTO kb (key, content) VALUES ('b', 'orders')"
    assert "the sandbox forgets everything" in run_shell("--sandbox", file, insert).stderr
    unknown = "SELECT key FROM kb WHERE kb MATCH 'refunds' AND vector_store_id = 'vs_0'"
    create = "CREATE VIRTUAL TABLE kb USING vector_store_documents(vector_store_id = 'vs_0')"
    assert "another project" in run_shell("--sandbox", ":memory:", create, unknown).stderr


def test_warning_says_that_it_is_one() -> None:
    """It stands above the rows of its statement."""
    done = run_shell("--sandbox", ":memory:", "SELECT count(*) FROM files WHERE created_at < '2026-01-31'")
    assert done.stderr.startswith("warning: files.created_at < '2026-01-31' compares Unix seconds")


def test_error_of_a_statement_that_has_begun_has_advice(open_shell: Callable[..., Shell]) -> None:
    """Not only one that SQLite cannot prepare."""
    with pytest.raises(apsw.SQLError, match="did you mean vector_store_documents"):
        open_shell().process_sql("CREATE VIRTUAL TABLE x USING vector_store_document(name = 'x')")
