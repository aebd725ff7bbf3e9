"""The SQL text that recreates a database: sqlite3's iterdump(), statement for statement.

Eponymous virtual tables are not in the file, so a dump reads none of them; shadow tables are dumped like any table.

>>> print("\\n".join(dump(Cursor(connection), None)))

https://docs.python.org/3/library/sqlite3.html#sqlite3.Connection.iterdump
"""

from __future__ import annotations

from collections.abc import Iterator

from ..errors import OperationalError
from .cursor import Cursor

SCHEMA = (
    "SELECT name, sql FROM sqlite_schema WHERE sql NOT NULL AND type {} AND (?1 IS NULL OR name LIKE ?1) ORDER BY {}"
)


def dump(cursor: Cursor, pattern: str | None) -> Iterator[str]:
    """Yield the statements for the objects whose name is LIKE the pattern, or for all.

    The cursor must have no row factory. It is a Cursor, and none of APSW's, so that the trace callback sees the dump.
    """
    if _violates_foreign_keys(cursor):
        yield "PRAGMA foreign_keys=OFF;"
    yield "BEGIN TRANSACTION;"
    sequences: list[str] = []
    virtual = False
    for name, sql in cursor.execute(SCHEMA.format("= 'table'", "name"), (pattern,)).fetchall():
        if name == "sqlite_sequence":
            rows = cursor.execute("SELECT name, seq FROM sqlite_sequence").fetchall()
            sequences = ['DELETE FROM "sqlite_sequence";']
            sequences += [f'INSERT INTO "sqlite_sequence" VALUES({_value(table)},{number});' for table, number in rows]
            continue
        if name == "sqlite_stat1":
            yield 'ANALYZE "sqlite_master";'
        elif name.startswith("sqlite_"):
            continue
        elif sql.upper().startswith("CREATE VIRTUAL TABLE"):
            if not virtual:
                yield "PRAGMA writable_schema=ON;"
            virtual = True
            # CREATE VIRTUAL TABLE would also create its shadow tables, which are dumped themselves.
            yield (
                "INSERT INTO sqlite_master(type,name,tbl_name,rootpage,sql)"
                f"VALUES('table',{_value(name)},{_value(name)},0,{_value(sql)});"
            )
            continue
        else:
            yield f"{sql};"
        yield from _rows(cursor, name)
    for _, sql in cursor.execute(SCHEMA.format("IN ('index', 'trigger', 'view')", "rowid"), (pattern,)).fetchall():
        yield f"{sql};"
    if virtual:
        yield "PRAGMA writable_schema=OFF;"
    yield from sequences
    yield "COMMIT;"


def _violates_foreign_keys(cursor: Cursor) -> bool:
    try:
        return bool(cursor.execute("PRAGMA foreign_key_check").fetchall())
    except OperationalError:  # A foreign key refers to columns that are not unique.
        return True


def _rows(cursor: Cursor, table: str) -> Iterator[str]:
    columns = [column[1] for column in cursor.execute(f"PRAGMA table_info({_name(table)})").fetchall()]
    values = " || ',' || ".join(f"quote({_name(column)})" for column in columns)
    begin = f"INSERT INTO {_name(table)} VALUES("
    for (row,) in cursor.execute(f"SELECT {values} FROM {_name(table)}"):
        yield f"{begin}{row});"


def _name(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _value(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
