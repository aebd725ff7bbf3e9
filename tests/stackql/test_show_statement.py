"""SHOW, DESCRIBE and REGISTRY return rows from the tables' descriptions, in plain SQLite."""

from __future__ import annotations

from typing import Any

import apsw
import pytest

import openai_vtab
from openai_vtab.errors import ProgrammingError
from openai_vtab.stackql import fill, translate
from openai_vtab.tables import TABLES
from openai_vtab.tables.vector_store_files import vector_store_files

BATCHES = "openai.vector_stores.file_batches"


def rows(sql: str) -> tuple[list[str], list[tuple[Any, ...]]]:
    """The columns and rows of a statement, from SQLite without any module."""
    cursor = apsw.Connection(":memory:").execute(translate(sql))
    return [column[0] for column in cursor.description], cursor.fetchall()


def test_show_services_and_resources() -> None:
    """Every table, by each of its names; LIKE and WHERE choose."""
    columns, services = rows("SHOW SERVICES IN openai;")
    assert (columns, [row[0] for row in services]) == (["id", "name", "title"], ["vector_stores", "files"])
    columns, found = rows("SHOW RESOURCES IN openai.vector_stores")
    assert columns == ["name", "id"]
    assert ("files", "openai.vector_stores.files") in found
    assert {row[1] for row in found} | {"openai.files.files"} == {name for table in TABLES for name in table.aliases}
    assert rows("show resources from openai.vector_stores like '%BATCHES'")[1] == [
        ("vector_store_file_batches", "openai.vector_stores.vector_store_file_batches"),
        ("file_batches", BATCHES),
        ("files_in_vector_store_batches", "openai.vector_stores.files_in_vector_store_batches"),
    ]
    extended = rows("SHOW EXTENDED RESOURCES IN openai.files WHERE name = 'files' -- all\n")
    assert extended == (["name", "id", "description"], [("files", "openai.files.files", "Uploaded files.")])


def test_show_methods() -> None:
    """With StackQL's columns; those of EXEC come last."""
    assert rows(f"SHOW METHODS IN {BATCHES}") == (
        ["MethodName", "RequiredParams", "SQLVerb"],
        [
            ("get", "vector_store_id, batch_id", "SELECT"),
            ("create", "vector_store_id, file_ids", "INSERT"),
            ("create", "vector_store_id, files", "INSERT"),
            ("update", "vector_store_id, batch_id, status = 'cancelled'", "UPDATE"),
            ("cancel", "vector_store_id, batch_id", "EXEC"),
        ],
    )
    _, found = rows("SHOW EXTENDED METHODS IN openai.vector_stores.vector_stores WHERE SQLVerb = 'EXEC'")
    assert found == [
        (
            "search",
            "vector_store_id, query",
            "EXEC",
            "POST /vector_stores/{vector_store_id}/search. "
            "Optional: max_num_results, filters, ranking_options, rewrite_query.",
        )
    ]


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_show_insert_gives_a_template_that_fills(table: Any) -> None:
    """A row for each way to insert; filled, it is a statement for the table's own module."""
    for alias in table.aliases:
        if not table.of("INSERT"):
            with pytest.raises(ProgrammingError, match=f"SHOW METHODS IN {alias} lists what it can"):
                translate(f"SHOW INSERT INTO {alias}")
            continue
        columns, found = rows(f"SHOW INSERT INTO {alias};")
        assert (columns, len(found)) == (["template"], len(table.of("INSERT")))
        for (template,), method in zip(found, table.of("INSERT"), strict=True):
            filled = fill(template, dict.fromkeys(method.accepts, "x"))
            assert translate(filled) == filled.replace(alias, f'"{alias}"')
            assert "'x'" in filled


def test_show_insert_required_is_shorter() -> None:
    """As StackQL's hint asks for."""
    ((template,),) = rows("SHOW INSERT /*+ REQUIRED */ INTO openai.vector_stores.files")[1]
    assert template == (
        "INSERT INTO openai.vector_stores.files (\n  vector_store_id,\n  file_id\n)\n"
        "SELECT\n  '{{ vector_store_id }}',\n  '{{ file_id }}';"
    )


def test_describe_shows_the_columns() -> None:
    """EXTENDED shows the hidden ones, too, with their sentences."""
    visible = [(column.name, column.type) for column in vector_store_files.columns if not column.hidden]
    assert rows("DESCRIBE openai.vector_stores.files") == (["name", "type"], visible)
    every = [(column.name, column.type, column.doc) for column in vector_store_files.columns]
    assert rows("DESC EXTENDED openai.vector_stores.vector_store_files;")[1] == every


def test_describe_method_shows_what_goes_in_and_out() -> None:
    """A column that two methods of the name have is there once."""
    columns, found = rows(f"DESCRIBE METHOD {BATCHES}.create")
    assert columns == ["name", "type", "param_type"]
    assert found.count(("vector_store_id", "TEXT", "input_required")) == 1
    assert ("attributes", "TEXT", "input_optional") in found
    assert ("status", "TEXT", "output") in found
    _, cancel = rows(f"DESCRIBE EXTENDED METHOD {BATCHES}.cancel WHERE param_type = 'input_required'")
    assert [row[0] for row in cancel] == ["vector_store_id", "batch_id"]
    assert ("status", "TEXT", "input_required") in rows(f"DESCRIBE METHOD {BATCHES}.update")[1]


def test_show_version_providers_and_registry() -> None:
    """The provider is built in."""
    version = openai_vtab.__version__
    assert rows("SHOW VERSION") == (["version"], [(version,)])
    assert rows("SHOW PROVIDERS") == (["name", "version"], [("openai", version)])
    assert rows("REGISTRY LIST") == rows("REGISTRY LIST openai") == (["provider", "version"], [("openai", version)])
    message = "Nothing has to be pulled: the tables of openai are built in."
    assert rows("REGISTRY PULL openai v25.11.00000;") == rows("registry pull openai") == (["message"], [(message,)])


NAME = "openai.vector_stores.vector_store_file_batches"
REFUSED = {
    "SHOW": "SHOW: there is no such statement; write SHOW SERVICES IN openai, ",
    "SHOW AUTHS": "SHOW AUTHS: there is no such statement; write SHOW SERVICES IN openai, ",
    "SHOW TABLES": "SHOW TABLES: there is no such statement; write SHOW RESOURCES IN openai.vector_stores, or SELECT name FROM ",
    "SHOW CREATE TABLE mine": "SHOW CREATE: there is no such statement; write SELECT sql FROM sqlite_schema WHERE name = 'mine'",
    "SHOW COLUMNS FROM openai.files.files": "SHOW COLUMNS: there is no such statement; write DESCRIBE openai.files.files, or ",
    "SHOW INSERT": "SHOW INSERT: there is no such statement; write ",
    "SHOW SERVICES": "SHOW SERVICES IN: a name is missing; write SHOW SERVICES IN openai",
    "SHOW METHODS": f"SHOW METHODS IN: a name is missing; write SHOW METHODS IN {BATCHES}",
    "SHOW METHODS IN file_batches": f"SHOW METHODS IN file_batches: the only provider here is openai; write {BATCHES}",
    "SHOW SERVICES IN": "SHOW SERVICES IN: a name is expected; write one such as SHOW RESOURCES IN openai.vector_stores or ",
    "SHOW SERVICES IN aws": "SHOW SERVICES IN aws: the only provider here is openai; ",
    "SHOW RESOURCES IN openai": "SHOW RESOURCES IN openai: a service has two names; write SHOW RESOURCES IN openai.vector_stores or SHOW RESOURCES IN openai.files",
    "SHOW RESOURCES IN openai.chat": "SHOW RESOURCES IN openai.chat: openai has no such service here; write openai.vector_stores or openai.files",
    "SHOW RESOURCES IN openai.files.files": "SHOW RESOURCES IN openai.files.files: a service has two names; write SHOW RESOURCES IN openai.files",
    "SHOW METHODS IN openai.vector_stores.batches": "SHOW METHODS IN openai.vector_stores.batches: openai has no such resource here; write ",
    "SHOW VERSION PLEASE": "SHOW VERSION: 'PLEASE' is not expected; write LIKE '%…%' or WHERE …, or nothing",
    "SHOW SERVICES IN openai LIKE vec": "SHOW SERVICES: 'vec' is not expected; write LIKE '%…%' or WHERE …, or nothing",
    "DESCRIBE": f"DESCRIBE: a name is missing; write one such as {NAME}",
    "DESCRIBE mine": f'DESCRIBE mine: DESCRIBE is for openai\'s resources; write DESCRIBE {BATCHES}, or, for a table of your own, PRAGMA table_xinfo("mine")',
    "DESCRIBE openai": "DESCRIBE openai: openai is the provider; write SHOW SERVICES IN openai",
    "DESCRIBE openai.vector_stores": "DESCRIBE openai.vector_stores: openai has no such resource here; write openai.vector_stores.vector_stores; ",
    "REGISTRY": "REGISTRY: the tables of openai are built in",
    f"DESCRIBE METHOD {BATCHES}.nope": f"DESCRIBE METHOD {BATCHES}.nope: there is no such method; write {BATCHES}.get or {BATCHES}.create or ",
    "REGISTRY PULL aws": "REGISTRY PULL aws: the only provider here is openai; ",
    "REGISTRY REMOVE openai": "REGISTRY REMOVE: the tables of openai are built in; leave the statement out",
}  # fmt: skip


@pytest.mark.parametrize(("sql", "problem"), REFUSED.items())
def test_show_says_what_to_write(sql: str, problem: str) -> None:
    """The statement's part, what is wrong, what to write."""
    with pytest.raises(ProgrammingError) as refused:
        translate(sql)
    assert str(refused.value).startswith(problem)
