"""APSW's own commands with the tables: .tables, .schema, completion, and how the input is divided."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from openai_vtab.documents import MODULE
from openai_vtab.shell.app import Shell
from openai_vtab.shell.completion import completions
from openai_vtab.tables import TABLES

from .command import LEDGER, run_shell


def test_tables_and_schema_know_the_tables() -> None:
    """.tables lists them after the database's own, .schema when they are named."""
    text = f"{LEDGER}CREATE TABLE x (y);\n.tables\n.tables vector_store_s%\n.schema x\n.schema vector_store_search\n"
    lines = run_shell("--sandbox", text=text).stdout.splitlines()
    names = [*(table.name for table in TABLES), "openai_tables", "openai_columns", "openai_requests", "fsdir"]
    assert lines[: len(names) + 3] == ["mine", "mine_ledger", "x", *names]
    assert lines[len(names) + 3 :][:4] == [
        "vector_store_search",
        "CREATE TABLE x (y);",
        "/* built in: vector_store_search(",
        "  file_id TEXT,",
    ]


def test_schema_lists_the_tables_as_comments() -> None:
    """So that what it shows can be run again: a CREATE TABLE would hide them."""
    done = run_shell("--sandbox", text=".schema\n")
    assert done.stdout.count("/* built in: ") == len(TABLES)
    assert "HIDDEN" not in done.stdout
    assert run_shell("--sandbox", ":memory:", done.stdout + "SELECT count(*) FROM vector_stores").stdout == "2\n"


def test_tables_name_what_hides_them() -> None:
    """The API's table is then listed as openai.NAME."""
    done = run_shell("--sandbox", text="CREATE TABLE files (x);\n.tables files\n.tables vector_stores\n")
    assert done.stdout.splitlines() == ["files", "openai.files", "vector_stores"]
    assert done.stderr == "* main.files hides the API's table files\n"


@pytest.mark.parametrize(
    ("before", "token", "offered"),
    [
        ("SELECT * FROM vector_store_search WHERE ", "", ["vector_store_id", "query"]),
        ("SELECT * FROM vector_store_search WHERE query = 'x' AND ", "", ["vector_store_id"]),
        ("SELECT * FROM vector_store_search\nWHERE ", "sco", ["score"]),
        ("DELETE FROM files WHERE ", "file_", ["file_id"]),
        ("SELECT * FROM mine WHERE ", "", None),
        ("SELECT * FROM ", "openai.vector_store_s", ["openai.vector_store_search"]),
        ("SELECT ", "b.wait_", ["b.wait_seconds"]),
        ("SELECT ", "wait_", None),
        ("INSERT INTO ", "", ["vector_store_file_batches", "vector_stores", "vector_store_files", "files", "led", "hand", "t"]),
        ("SELECT 1; INSERT OR FAIL INTO ", "vector_store_", ["vector_store_file_batches", "vector_store_files"]),
        ("INSERT INTO vector_store_files (", "", ["vector_store_id", "file_id"]),
        ("INSERT INTO openai.vector_store_files (vector_store_id,\n ", "", ["file_id"]),
        ("INSERT INTO vector_store_files (vector_store_id, file_id, ", "", ["attributes", "chunking_strategy"]),
        ("INSERT INTO files(", "", ["content", "filename", "purpose", "path"]),
        ("INSERT INTO files (path, ", "", ["purpose"]),
        ("INSERT INTO files (path, purpose, ", "ex", ["expires_after"]),
        ("INSERT INTO led (vector_store_id, ", "", ["file_ids", "files"]),
        ("INSERT INTO hand (", "", ["key", "path", "content", "file_id"]),
        ("INSERT INTO hand (key, ", "", ["path", "content", "file_id"]),
        ("INSERT INTO t (", "", None),
        ("INSERT INTO files (path, purpose) VALUES (", "", None),
        ("INSERT INTO files (path, purpose) SELECT name, ", "", None),
        ("UPDATE ", "", ["vector_store_file_batches", "vector_stores", "vector_store_files", "led", "hand", "t"]),
        ("UPDATE vector_stores SET ", "", ["name", "expires_after", "metadata"]),
        ("UPDATE vector_stores SET name = 'x', ", "", ["expires_after", "metadata"]),
        ("UPDATE vector_stores SET name = concat('x', ", "", None),
        ("UPDATE OR FAIL led SET ", "", ["status"]),
        ("UPDATE hand SET ", "a", ["attributes"]),
        ("CREATE VIRTUAL TABLE x USING ", "", ["vector_store_documents(", "vector_store_file_batches"]),
        ("CREATE VIRTUAL TABLE x USING vector_store_documents(", "n", ["name = '"]),
        ("CREATE VIRTUAL TABLE x\nUSING vector_store_documents(name = 'a', ", "", ["chunking_strategy = '", "expires_after = '", "metadata = '"]),
        ("CREATE VIRTUAL TABLE x USING vector_store_documents(name = ", "", None),
        ("EXEC ", "op", ["openai.vector_stores.vector_store_file_batches.get"]),
        ("EXEC ", "openai.files.files.", ["openai.files.files.get", "openai.files.files.content"]),
        ("DELETE FROM ", "", ["vector_stores", "vector_store_files", "files", "led", "hand", "t"]),
    ],
)  # fmt: skip
def test_completion_knows_what_a_table_needs(before: str, token: str, offered: list[str] | None) -> None:
    """After WHERE and AND, and after a dot; None where all that SQL has may stand."""
    found = completions(before, token, {"led": "vector_store_file_batches", "hand": MODULE, "t": ""})
    assert (found if found is None or len(found) < 8 else found[:1]) == offered


def test_completion_offers_only_names_that_run(open_shell: Callable[..., Shell]) -> None:
    """StackQL's names need quotation marks."""
    shell = open_shell()
    shell._completion_cache = None
    assert not [word for word in shell.complete_sql("", "", 0, 0) if word.startswith("openai.")]


def test_completion_of_sql_knows_tables_columns_and_functions(open_shell: Callable[..., Shell]) -> None:
    """Hidden columns, too, and after the dot of a schema or an alias."""
    shell = open_shell()
    shell._completion_cache = None

    def completed(token: str) -> list[str]:
        return shell.complete_sql(token, token, 0, len(token))

    assert "vector_store_search" in completed("vector_store_s")
    assert completed("wait_s") == ["wait_seconds"]
    assert completed("b.wait_s") == ["b.wait_seconds"]
    assert completed("openai.vector_store_sea") == ["openai.vector_store_search"]
    assert "cancel_vector_store_file_batch(" in completed("cancel_vector")


@pytest.mark.parametrize(
    "comment",
    ["-- a comment", "/* two\nlines */", "-- one\n/* two */ -- three", "-- 'a; \"b", "SELECT 1 WHERE 0; -- after"],
)
def test_comment_is_complete(comment: str) -> None:
    """A dot command may follow it, and the input may end with it."""
    done = run_shell(text=f"{comment}\n.mode csv\nSELECT 1, /* ; */ -- ;\n2;\n{comment}")
    assert (done.stdout, done.stderr, done.returncode) == ("1,2\n", "", 0)


@pytest.mark.parametrize("text", ["SELECT 1\n", "-- a comment\nSELECT 1 -- ;", "/* no end;\n", "SELECT ';\n"])
def test_incomplete_sql_at_the_end_of_the_input_is_an_error(text: str) -> None:
    """The error quotes the statement without the complete comment before it."""
    done = run_shell(text=text)
    assert "Incomplete SQL (line " in done.stderr
    assert f" of <stdin>): {text.strip().removeprefix('-- a comment').strip()}\n" in done.stderr
    assert (done.stdout, done.returncode) == ("", 1)


def test_question_mark_is_help() -> None:
    """`?NAME` is `.help NAME`."""
    assert run_shell(text="?mode\n").stderr == run_shell(text=".help mode\n").stderr != ""


@pytest.mark.parametrize(("command", "status"), [(".quit", 0), (".quit 3", 3), (".exit 3", 3)])
def test_quit_ends_the_shell(command: str, status: int) -> None:
    """With the given exit status."""
    done = run_shell(text=f"SELECT 1;\n{command}\nSELECT 2;\n")
    assert (done.stdout, done.stderr, done.returncode) == ("1\n", "", status)
