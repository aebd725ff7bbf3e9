"""What is known of a statement that runs: its text, its values, and the query in it that can be run again.

SQLite's trace tells the text of every statement, on whatever cursor, but no bindings; a cursor that is known tells
those. It must not know tables or what a statement is run again for.

>>> select_part("INSERT INTO mine SELECT d.title, b.status FROM d JOIN b USING (batch_id) RETURNING rowid")
'SELECT d.title, b.status FROM d JOIN b USING (batch_id) '
"""

from __future__ import annotations

import contextlib
import re
import weakref
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import Any

import apsw

_WORD = re.compile(
    r"""'(?:[^']|'')*' | "(?:[^"]|"")*" | `(?:[^`]|``)*` | \[[^\]]*\] | --[^\n]* | /\*.*?(?:\*/|$) | [^\W\d]\w* | \S""",
    re.VERBOSE | re.DOTALL,
)
_CONFLICT_CLAUSE = re.compile(r"^\s*OR\s+\w+", re.IGNORECASE)
VERBS = ("INSERT", "REPLACE", "CREATE", "UPDATE", "DELETE")
CLAUSES = ("WITH", "SELECT", "VALUES", "SET", "FROM", "WHERE")
_PARAMETER = re.compile(
    r"""('(?:[^']|'')*' | "(?:[^"]|"")*" | `(?:[^`]|``)*` | \[[^\]]*\] | --[^\n]* | /\*.*?(?:\*/|$))
    | \?\d* | [:@$#]\w+ (?:::\w+)* (?:\([^)\s]*\))?""",
    re.VERBOSE | re.DOTALL,
)
# SQLite's own modules, which only read; pragma_optimize, which writes, is the exception among the pragma_ functions
SQLITES = frozenset({
    "bytecode", "carray", "dbstat", "fts3", "fts3tokenize", "fts4", "fts4aux", "fts5", "fts5vocab", "geopoly",
    "json_each", "json_tree", "jsonb_each", "jsonb_tree", "rtree", "rtree_i32", "sqlite_dbpage", "sqlite_stmt",
    "tables_used",
})  # fmt: skip
JSON_EACH = '["key","value","type","atom","id","parent","fullkey","path","json","root"]'
DETERMINISTIC = 0x800  # of pragma_function_list, https://www.sqlite.org/pragma.html#pragma_function_list


def select_part(sql: str) -> str | None:
    """The query of an INSERT … SELECT, CREATE TABLE … AS SELECT, UPDATE or DELETE; None when there is none.

    For an UPDATE it is a SELECT from the same table, with the assignments as comparisons.
    """
    at = _clauses(sql)
    if at is None:
        return None
    verb, verb_at = next((word, place) for word, place in at.items() if word in VERBS)
    with_before, end = sql[:verb_at], at["end"]
    if verb == "DELETE":
        return f"{with_before}SELECT 1 {sql[at['FROM'] : end]}" if "FROM" in at else None
    if verb == "UPDATE":
        if "SET" not in at:
            return None
        where = at.get("WHERE", end)
        source = at.get("FROM", where)
        table = _CONFLICT_CLAUSE.sub("", sql[verb_at + len(verb) : at["SET"]])
        further = f", {sql[source + len('FROM') : where]}" if source < where else " "
        return f"{with_before}SELECT {sql[at['SET'] + len('SET') : source]} FROM {table}{further}{sql[where:end]}"
    begin = min((at[word] for word in ("SELECT", "WITH", "VALUES") if at.get(word, -1) > verb_at), default=None)
    return None if begin is None else with_before + sql[begin:end]


def first_word(sql: str) -> str:
    """The first word of a statement, in capitals; "" when there is none."""
    words = (match[0] for match in _WORD.finditer(sql.removeprefix("\ufeff")))
    return next((word.upper() for word in words if not word.startswith(("--", "/*", ";"))), "")


def changes_rows(sql: str) -> bool:
    """Whether it is an UPDATE or DELETE."""
    return not {"UPDATE", "DELETE"}.isdisjoint(_clauses(sql) or ())


def _clauses(sql: str) -> dict[str, int] | None:
    """Where the clauses of a writing statement begin, the first of each after its verb; None when it has no such verb.

    What ends the query (RETURNING, ON CONFLICT, or the text) is its "end".
    """
    at: dict[str, int] = {}
    depth, last, last_at = 0, "", 0
    for match in _WORD.finditer(sql):
        word = match[0].upper()
        if word in ("(", ")"):
            depth += 1 if word == "(" else -1
        elif depth == 0 and word[0].isalpha():
            if not at:
                if word in VERBS:
                    at[word] = match.start()
                elif word in ("SELECT", "VALUES"):
                    return None
            elif word == "RETURNING" or (word == "CONFLICT" and last == "ON"):
                at["end"] = match.start() if word == "RETURNING" else last_at
                return at
            elif word in CLAUSES:
                at.setdefault(word, match.start())
            last, last_at = word, match.start()
    return {**at, "end": len(sql)} if at else None


Run = Callable[..., Iterable[tuple[Any, ...]]]


def is_harmless(run: Run, sql: str, ours: Collection[str] = ()) -> bool:
    """Whether the statement can run again without side effects.

    It writes nothing, calls only SQLite's own functions and deterministic ones, and reads no virtual table of another
    extension: only SQLite's own, and those of the modules in `ours`. Collations are deterministic by SQLite's rules.
    https://www.sqlite.org/opcode.html
    """
    names: set[str] = set()
    virtual = False
    for _, opcode, _, p2, _, p4, *_ in run(f"EXPLAIN {sql}"):
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
    """Whether it may read a virtual table of a module that is neither SQLite's nor in `ours`.

    SQLite's opcodes do not name the module. So the words of the statement are looked at, and those of the views and
    virtual tables that they name: a column or a text that is called like a module only costs the read-ahead.
    """
    modules = {name.lower() for (name,) in run("SELECT name FROM pragma_module_list")}
    others = modules - {name.lower() for name in ours} - SQLITES
    others = {name for name in others if not name.startswith("pragma_")} | (modules & {"pragma_optimize"})
    # these are SQLite's unless somebody has registered another under the name
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
    """Every word that may be a name, in lower case and without its quotes."""
    found: set[str] = set()
    for match in _WORD.finditer(sql):
        word = match[0]
        if word[0] in "'\"`[":
            end = "]" if word[0] == "[" else word[0]
            word = word[1:-1].replace(end * 2, end)
        found.add(word.lower())
    return found


def without_parameters(sql: str) -> str:
    """The statement with NULL for every parameter, to be explained without its values."""
    return _PARAMETER.sub(lambda match: match[1] or "NULL", sql)


def never_numbers(run: Run, program: Sequence[tuple[Any, ...]], idxStr: str) -> set[int]:  # noqa: N803
    """The positions in argv of values that equal no text when they are numbers, in every scan with this idxStr.

    `(a, b) IN (SELECT …)` gives a virtual table the rows of a temporary index, or of one of the user's, one by one.
    SQLite reads each value again to compare it, but with the affinity of the table's column alone, which is TEXT. It
    should have none when the other column has none either, and the number 5 is then not the text '5'.

    `program` are the rows of EXPLAIN, `run` reads from the schema. Where only some of the scans with the idxStr are
    such, it is not known which of them asks, and SQLite's own comparison stands.
    """
    may: list[tuple[set[int], set[int]]] = []
    starts = [at for at, row in enumerate(program) if row[0] == 0]  # the programs of triggers follow
    for begin, end in zip(starts, [*starts[1:], len(program)], strict=True):
        may += _row_values(run, program[begin:end], idxStr)
    untyped, other = (set[int]().union(*sets) for sets in zip(*may, strict=True)) if may else (set[int](), set[int]())
    return untyped - other


def _row_values(run: Run, program: Sequence[tuple[Any, ...]], idxStr: str) -> list[tuple[set[int], set[int]]]:  # noqa: N803
    """For each scan with this idxStr, the positions of values that come from a row value's column without affinity, and
    of others that may be numbers, too.
    """
    found: list[tuple[set[int], set[int]]] = []
    records: dict[int, str] = {}  # the affinities of a record, by its register
    affinities: dict[int, str] = {}  # of a temporary index, by its cursor
    indexes: dict[int, tuple[int, int]] = {}  # the database and root page of another, by its cursor
    filled: dict[int, tuple[int, int]] = {}  # the cursor and column that a register has been filled from
    never: set[int] = set()  # registers with a text, or a list

    def is_untyped(cursor: int, column: int) -> bool:
        if cursor in indexes:
            return _is_untyped(run, *indexes[cursor], column)
        return affinities.get(cursor, "")[column : column + 1] == "A"

    for at, (_, opcode, p1, p2, p3, p4, *_) in enumerate(program):
        if opcode == "MakeRecord":
            records[p3] = str(p4 or "")
        elif opcode == "IdxInsert":
            affinities[p1] = records.get(p2, "")
        elif opcode == "OpenDup":
            affinities[p1] = affinities.get(p2, "")
        elif opcode == "OpenRead":
            indexes[p1] = p3, p2
        elif opcode == "Column":
            filled[p3] = p1, p2
            never.discard(p3)
        elif opcode in ("String8", "VInitIn"):
            never.add(p2)
        elif opcode == "VFilter" and p4 == idxStr:
            end = next((n for n in range(at, len(program)) if program[n][1:3] == ("VNext", p1)), len(program))
            again = {row[2:5] for row in program[at:end] if row[1] == "Column"}
            registers = {n: p3 + 2 + n for n in range(idxStr.count(",") + 1)}
            numbers = {n: r for n, r in registers.items() if r not in never}
            untyped = {
                n for n, r in numbers.items() if r in filled and (*filled[r], r) in again and is_untyped(*filled[r])
            }
            found.append((untyped, numbers.keys() - untyped))
    return found


def _is_untyped(run: Run, database: int, root: int, column: int) -> bool:
    """Whether the column of an index has no affinity, https://www.sqlite.org/datatype3.html#determination_of_column_affinity"""
    (schema,) = next(iter(run("SELECT name FROM pragma_database_list WHERE seq = ?", (database,))))
    quoted = schema.replace('"', '""')
    types = run(
        f'SELECT upper(c.type) FROM "{quoted}".sqlite_schema AS s JOIN pragma_index_xinfo(s.name, ?1) AS i '
        "JOIN pragma_table_xinfo(s.tbl_name, ?1) AS c ON c.cid = i.cid WHERE s.rootpage = ?2 AND i.seqno = ?3",
        (schema, root, column),
    )
    type = next((type for (type,) in types), "INTEGER")
    return not any(word in type for word in ("INT", "CHAR", "CLOB", "TEXT")) and (not type or "BLOB" in type)


class Cursors:
    """The cursors of a connection, to learn from them what a statement is run with."""

    def __init__(self) -> None:
        # plain references, not a WeakSet: it runs Python code when a cursor is freed, where a KeyboardInterrupt is lost
        self._cursors: list[weakref.ref[apsw.Cursor]] = []
        self._most = 64  # references, after which those of freed cursors are dropped

    def factory(self, given: Callable[[apsw.Connection], Any]) -> Callable[[apsw.Connection], Any]:
        """The connection's own cursor factory, and every cursor that it makes is known.

        A factory, not a class with an execute() of its own: a frame of Python's between Connection.execute() and the
        cursor's makes APSW 3.54 crash when an exception's traceback outlives the connection.
        """
        base = getattr(given, "known_cursors_of", given)

        def make(connection: apsw.Connection) -> Any:
            cursor = base(connection)
            if isinstance(cursor, apsw.Cursor):
                if len(self._cursors) >= self._most:
                    self._cursors = [weakref.ref(known) for known in self._alive()]
                    self._most = max(64, 2 * len(self._cursors))
                self._cursors.append(weakref.ref(cursor))
            return cursor

        make.known_cursors_of = base  # type: ignore[attr-defined]
        return make

    def _alive(self) -> list[apsw.Cursor]:
        """The cursors that have not been freed."""
        return [cursor for known in self._cursors if (cursor := known()) is not None]

    @contextlib.contextmanager
    def held(self, connection: apsw.Connection, refuse: Callable[..., Any]) -> Iterator[None]:
        """Have `refuse` called, and raise, when a statement begins or a cursor is made, on whatever cursor of the user.

        Not for the package's own cursors, which have an exec_trace and a factory of their own.
        """
        factory, trace = connection.cursor_factory, connection.exec_trace
        traces: list[tuple[apsw.Cursor, Any]] = []
        try:
            connection.cursor_factory = connection.exec_trace = refuse
            for cursor in self._alive():
                # the cursor of the statement that is running is in use, and its trace comes no more
                with contextlib.suppress(apsw.Error):
                    if (own := cursor.exec_trace) is not None:
                        traces.append((cursor, own))
                        cursor.exec_trace = refuse
            yield
        finally:
            connection.cursor_factory, connection.exec_trace = factory, trace
            for cursor, own in traces:
                with contextlib.suppress(apsw.Error):
                    cursor.exec_trace = own

    def with_values(self, sql: str) -> str | None:
        """The text of a running statement with its values for its parameters; None when it cannot be told."""
        places = [match.start() for match in _WORD.finditer(sql) if match[0][0] in "?:@$"]
        if not places:
            return sql
        found: set[str] = set()
        for cursor in self._alive():
            try:
                text = cursor.expanded_sql
            except apsw.Error:  # it is not running
                continue
            if text.startswith(sql[: places[0]]):
                found.add(text)
        return found.pop() if len(found) == 1 else None
