"""Whether running a statement a second time has side effects, read from SQLite's program for it.

>>> is_harmless(connection.execute, "SELECT random()")
True
>>> is_harmless(connection.execute, "DELETE FROM t")
False
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Any

from .tokens import TOKEN

# SQLite's own modules only read. The exception among the pragma_ functions is pragma_optimize.
SQLITES = frozenset({
    "bytecode", "carray", "dbstat", "fts3", "fts3tokenize", "fts4", "fts4aux", "fts5", "fts5vocab", "geopoly",
    "json_each", "json_tree", "jsonb_each", "jsonb_tree", "rtree", "rtree_i32", "sqlite_dbpage", "sqlite_stmt",
    "tables_used",
})  # fmt: skip
JSON_EACH = '["key","value","type","atom","id","parent","fullkey","path","json","root"]'
DETERMINISTIC = 0x800  # of pragma_function_list, https://www.sqlite.org/pragma.html#pragma_function_list
Run = Callable[..., Iterable[tuple[Any, ...]]]


def is_harmless(run: Run, sql: str, ours: Collection[str] = ()) -> bool:
    """Return whether a statement can run again without side effects. `run` is Cursor.execute or Connection.execute.

    Such a statement writes nothing, calls only SQLite's own functions and deterministic ones, and reads no virtual
    tables except SQLite's own and those of the modules in `ours`. SQLite requires collations to be deterministic.
    SQLite does not see that the schema has changed since an EXPLAIN was prepared, so this one is prepared anew.
    https://www.sqlite.org/opcode.html
    """
    names: set[str] = set()
    virtual = False
    for _, opcode, _, p2, _, p4, *_ in run(f"EXPLAIN {sql}", can_cache=False):
        if opcode == "Transaction" and p2:
            return False
        virtual = virtual or opcode == "VOpen"
        if opcode in ("Function", "PureFunc", "AggStep", "AggInverse"):
            names.add(str(p4).rpartition("(")[0].lower())
    if virtual and _reads_others(run, sql, ours):
        return False
    if not names:
        return True
    others = run("SELECT name FROM pragma_function_list WHERE NOT builtin AND NOT flags & ?", (DETERMINISTIC,))
    return names.isdisjoint(name.lower() for (name,) in others)


def _reads_others(run: Run, sql: str, ours: Collection[str]) -> bool:
    """Return whether a statement may read a virtual table of a module that is neither SQLite's nor in `ours`.

    SQLite's opcodes do not name the module. So this searches the words of the statement, and of the views and virtual
    tables that it names, for the names of modules. A column or a text with such a name only disables read-ahead.
    """
    modules = {name.lower() for (name,) in run("SELECT name FROM pragma_module_list")}
    others = modules - {name.lower() for name in ours} - SQLITES
    others = {name for name in others if not name.startswith("pragma_")} | (modules & {"pragma_optimize"})
    # an extension may have replaced these under their own names
    others |= {
        name
        for name, columns in run(
            "SELECT m.name, json_group_array(c.name) FROM pragma_module_list AS m JOIN pragma_table_xinfo(m.name) AS c "
            "WHERE lower(m.name) IN ('json_each', 'json_tree', 'jsonb_each', 'jsonb_tree') GROUP BY m.name"
        )
        if columns != JSON_EACH
    }
    if not others:
        return False
    stored: dict[str, str] = {}
    for (schema,) in list(run("SELECT name FROM pragma_database_list")):
        quoted = schema.replace('"', '""')
        for name, text in run(
            f"SELECT name, sql FROM \"{quoted}\".sqlite_schema WHERE type = 'view' OR sql LIKE 'CREATE VIRTUAL %'"
        ):
            stored[name.lower()] = f"{stored.get(name.lower(), '')} {text}"
    seen: set[str] = set()
    coming = _named(sql)
    while coming:
        if not coming.isdisjoint(others):
            return True
        seen |= coming
        coming = {word for name in coming & stored.keys() for word in _named(stored[name])} - seen
    return False


def _named(sql: str) -> set[str]:
    """Return every word that may be a name, in lower case and without its quotes."""
    found: set[str] = set()
    for match in TOKEN.finditer(sql):
        word = match[0]
        if word[0] in "'\"`[":
            end = "]" if word[0] == "[" else word[0]
            word = word[1:-1].replace(end * 2, end)
        found.add(word.lower())
    return found
