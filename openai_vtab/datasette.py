"""The plugin for Datasette: each table of the API has a page, whose form asks for the keys that the table needs.

    openai-vtab run datasette my.db         then open /my/vector_store_files

Datasette lists the tables of the database file, and those of the API are not in it. So each of them becomes a canned
query with its name. Without the tables, as in a plain `datasette my.db`, the plugin adds nothing.

Ledgers and tables of documents are in the file. A canned query takes the place of their pages, too: Datasette's own
page reads all hidden columns, once for each of the facets that it tries, and `content` costs a request for each row.

https://docs.datasette.io/en/stable/plugin_hooks.html#canned-queries-datasette-database-actor
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from datasette import hookimpl

from .documents import MODULE
from .ledger.shadow_table import quoted
from .sqlite.sql_text import module_of
from .tables import TABLES

WITH_LEDGER = frozenset(table.name for table in TABLES if table.remembered)
HAS_TABLES = "SELECT 1 FROM pragma_table_info('openai_tables') WHERE name = 'verb'"
# A table may be read in several ways; the last one, which needs the fewest columns, stays.
READ = "SELECT table_name, required, doc FROM openai_tables WHERE verb = 'SELECT' ORDER BY length(required) DESC"
IN_FILE = "SELECT name, sql FROM sqlite_master WHERE type IN ('table', 'view')"

Queries = dict[str, dict[str, object]]


@hookimpl  # type: ignore[untyped-decorator]  # of Datasette, which is not installed where types are checked
def canned_queries(datasette: Any, database: str) -> Callable[[], Awaitable[Queries]]:
    """Return the queries of a database, by their names."""

    async def queries() -> Queries:
        opened = datasette.get_database(database)
        if not (await opened.execute(HAS_TABLES)).rows:
            return {}
        read = {name: (required, doc) for name, required, doc in (await opened.execute(READ)).rows}
        modules = {name: module_of(sql) for name, sql in (await opened.execute(IN_FILE)).rows}
        hidden = {MODULE, *map(str.lower, modules)}
        found = {name: _query(name, *described) for name, described in read.items() if name not in hidden}
        for name, module in modules.items():
            if module in read:
                query = _query_of_created(name, module, *read[module])
                found[name] = query | {"allow": datasette.table_metadata(database, name).get("allow")}
        return found

    return queries


def _query_of_created(name: str, module: str, required: str, doc: str) -> dict[str, object]:
    """The query of a table that CREATE VIRTUAL TABLE has made."""
    if module == MODULE:
        return _documents(name, doc)
    return _ledger(name, doc) if module in WITH_LEDGER else _query(name, required, doc)


def _query(name: str, required: str, doc: str) -> dict[str, object]:
    """The query of a table. A field that is empty is NULL, which no key equals, so that nothing is requested."""
    keys = [key for key in required.split(", ") if key]
    where = " AND ".join(f"{key} = nullif(:{key}, '')" for key in keys)
    rows = f"SELECT * FROM {quoted(name)}"
    return {
        "sql": f"{rows} WHERE {where}" if keys else rows,
        "description": f"{doc} Give {' and '.join(keys)}." if keys else doc,
        "params": keys,
        "hide_sql": bool(keys),  # the form says enough; a link shows the SQL
    }


def _ledger(name: str, doc: str) -> dict[str, object]:
    """The query of a ledger. Its rowids are the addresses of Datasette's pages for rows."""
    return {"sql": f"SELECT rowid, * FROM {quoted(name)}", "description": doc}


def _documents(name: str, doc: str) -> dict[str, object]:
    """The query of a table of documents: what a search finds, or all documents if the field is empty."""
    table = quoted(name)
    return {
        "sql": f"SELECT score, passage, rowid, * FROM {table} WHERE {table} MATCH nullif(:search, '') "
        f"UNION ALL SELECT NULL, NULL, rowid, * FROM {table} WHERE :search = ''",
        "description": doc,
        "params": ["search"],
        "hide_sql": True,
    }
