"""The module that stands for sqlite3: its names, and the settings of each connection that it opens."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from openai_vtab import dbapi
from openai_vtab.launcher import stand_in

WRITES = {
    "INSERT": "INSERT INTO vector_stores (name) VALUES ('New')",
    "UPDATE": "UPDATE vector_stores SET name = 'New' WHERE id = 'vs_demo'",
    "DELETE": "DELETE FROM vector_stores WHERE id = 'vs_demo'",
    "a batch": "INSERT INTO vector_store_file_batches (vector_store_id, file_ids) VALUES ('vs_demo', '[\"file-new-01\"]')",
    "a function": "SELECT cancel_vector_store_file_batch('vs_demo', 'vsfb_demo_running')",
    "a function in a CTE": "WITH f AS (SELECT cancel_vector_store_file_batch('vs_demo', id) FROM batches) SELECT * FROM f",
    "RETURNING": "INSERT INTO vector_stores (name) VALUES ('New') RETURNING name",
    "a subquery": "SELECT (SELECT cancel_vector_store_file_batch('vs_demo', 'vsfb_demo_running'))",
}


@pytest.fixture
def module(sandbox: Any) -> ModuleType:
    """The module with the sandbox's address, read-only."""
    return stand_in.make({"base_url": sandbox.base_url, "api_key": sandbox.api_key, "read_only": True})


def test_names_are_those_of_sqlite3(module: ModuleType) -> None:
    """What a program imports from sqlite3 is there, dbapi2 too; only sqlite3's own leftovers are not."""
    left_out = {
        "version",
        "version_info",
        "enable_shared_cache",
        "OptimizedUnicode",
        "register_adapters_and_converters",
    }
    imported = {"collections", "datetime", "time"}
    assert {name for name in dir(sqlite3) if name[0] != "_"} - left_out - imported <= set(dir(module))
    assert module.dbapi2 is module
    assert dbapi.dbapi2 is dbapi
    assert (module.__name__, module.sqlite_version) == ("sqlite3", dbapi.sqlite_version)
    assert issubclass(module.Connection, dbapi.Connection)


@pytest.mark.parametrize("sql", WRITES.values(), ids=WRITES)
def test_read_only_refuses_what_would_change_the_api(
    sql: str, module: ModuleType, requests: Callable[[], list[str]]
) -> None:
    """Functions too, which a tool takes for a SELECT; nothing is sent."""
    connection = module.connect(":memory:")
    connection.execute("CREATE TABLE batches AS SELECT 'vsfb_demo_running' AS id")
    with pytest.raises(module.NotSupportedError, match=r"this connection is read_only.*--allow-writes"):
        connection.execute(sql).fetchall()
    connection.rollback()
    connection.close()
    assert [request for request in requests() if not request.startswith("GET")] == []


def test_read_only_is_of_the_api_alone(module: ModuleType) -> None:
    """A tool creates tables of its own in the database file, and may copy rows of the API into them."""
    connection = module.connect(":memory:")
    with connection:
        connection.execute("CREATE TABLE copies (id, name)")
        connection.execute("INSERT INTO copies SELECT id, name FROM vector_stores")
    assert connection.execute("SELECT id FROM copies ORDER BY id").fetchall() == [("vs_archive",), ("vs_demo",)]
    connection.close()


def test_settings_are_those_of_every_factory(module: ModuleType, requests: Callable[[], list[str]]) -> None:
    """A subclass, a function, and the position of `factory`: no program can lose or replace the settings."""

    class Own(module.Connection):  # type: ignore[name-defined,misc]
        pass

    def function(*arguments: Any, **keywords: Any) -> Any:
        return module.Connection(*arguments, **{**keywords, "read_only": False})

    opened = (
        module.connect(":memory:", factory=Own),
        module.connect(":memory:", 5.0, 0, None, True, Own),
        module.connect(":memory:", factory=function),
        module.Connection(":memory:"),
    )
    for connection in opened:
        assert connection.execute("SELECT name FROM vector_stores WHERE id = 'vs_demo'").fetchone() == (
            "Product handbook",
        )
        with pytest.raises(module.NotSupportedError):
            connection.execute("DELETE FROM vector_stores WHERE id = 'vs_demo'")
        connection.close()
    assert [type(connection) for connection in opened[:2]] == [Own, Own]
    assert set(requests()) == {"GET /vector_stores/vs_demo"}
