"""The plugin for Datasette: each table of the API has a page, whose form asks for the keys that the table needs.

    openai-vtab run datasette my.db         then open /my/vector_store_files

Datasette lists the tables of the database file, and those of the API are not in it. So each of them becomes a canned
query with its name. Without the tables, as in a plain `datasette my.db`, the plugin adds nothing.

https://docs.datasette.io/en/stable/plugin_hooks.html#canned-queries-datasette-database-actor
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from datasette import hookimpl

HAS_TABLES = "SELECT 1 FROM pragma_table_info('openai_tables') WHERE name = 'verb'"
TABLES = """
    SELECT table_name, required, doc
    FROM openai_tables
    WHERE verb = 'SELECT' AND EXISTS (SELECT 1 FROM pragma_table_info(table_name))  -- not a module for tables
    ORDER BY length(required) DESC
"""

Queries = dict[str, dict[str, object]]


@hookimpl  # type: ignore[untyped-decorator]  # of Datasette, which is not installed where types are checked
def canned_queries(datasette: Any, database: str) -> Callable[[], Awaitable[Queries]]:
    """Return the queries of a database, by their names."""

    async def queries() -> Queries:
        opened = datasette.get_database(database)
        if not (await opened.execute(HAS_TABLES)).rows:
            return {}
        # A table may be read in several ways; the last one, which needs the fewest columns, stays.
        return {name: _query(name, required, doc) for name, required, doc in (await opened.execute(TABLES)).rows}

    return queries


def _query(name: str, required: str, doc: str) -> dict[str, object]:
    """The query of a table. A field that is empty is NULL, which no key equals, so that nothing is requested."""
    keys = [key for key in required.split(", ") if key]
    where = " AND ".join(f"{key} = nullif(:{key}, '')" for key in keys)
    return {
        "sql": f"SELECT * FROM {name} WHERE {where}" if keys else f"SELECT * FROM {name}",
        "description": doc,
        "params": keys,
        "hide_sql": bool(keys),  # the form says enough; a link shows the SQL
    }
