"""Parity with Python's sqlite3 in short programs: what each returns, and how it fails.

A program is Python as a user would write it, with `sql`, the module, and `db`, a connection. Its last line is an
expression. Both modules must return the value, or raise the class, that stands beside the program; the messages of an
exception must be the same too, unless OUR_MESSAGES has ours.
"""

from __future__ import annotations

import ast
import sqlite3
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from openai_vtab import dbapi

TABLE = """
db.executescript("CREATE TABLE t (a, b BLOB); INSERT INTO t VALUES (1, x'30313233343536373839'), (2, 'text')")
def rows(statement, *given): return db.execute(statement, *given).fetchall()
"""
BLOB = TABLE + 'blob = db.blobopen("t", "b", 1)'
CLOSED_BLOB = BLOB + "\nblob.close()"
ROW = TABLE + 'cursor = db.execute("SELECT 1 AS a, 2 AS B, 3 AS ä")\nrow = sql.Row(cursor, (1, 2, 3))'
COPY = TABLE + 'other = sql.connect(":memory:"); keep.append(other); steps = []'
FUNCTIONS = (
    TABLE
    + """
class Sum:
    def __init__(self): self.total = 0
    def step(self, value): self.total += value
    def inverse(self, value): self.total -= value
    def value(self): return self.total
    def finalize(self): return self.total
def lacking(*names): return type("Lacking", (), {k: v for k, v in vars(Sum).items() if k not in names})
def failing(name): return type("Failing", (Sum,), {name: lambda self, *values: 1 / 0})
told = []
numbers = "(VALUES (1), (2), (3))"
window = f"SELECT w(column1) OVER (ROWS 1 PRECEDING) FROM {numbers}"
"""
)
TYPES = """
db = sql.connect(":memory:", detect_types=sql.PARSE_DECLTYPES | sql.PARSE_COLNAMES); keep.append(db)
def rows(statement, *given): return db.execute(statement, *given).fetchall()
class Point:
    def __init__(self, x, y): self.x, self.y = x, y
    def __repr__(self): return f"Point({self.x}, {self.y})"
def parsed(text): return Point(*map(int, text.split(b";")))
sql.register_converter("parity_point", parsed)
sql.register_converter("parity_raw", lambda text: text)
sql.register_converter("parity_bad", lambda text: 1 / 0)
db.execute("CREATE TABLE t (p PARITY_POINT, r parity_raw(10), s [parity_raw extra], u unheard)")
"""

SETUP = {
    "blob": BLOB,
    "closed blob": CLOSED_BLOB,
    "row": ROW,
    "copy": COPY,
    "function": FUNCTIONS,
    "type": TYPES,
    "connection": TABLE,
}

# One program in each line
# fmt: off
RESULTS: list[tuple[str, str, Any]] = [
    ("blob", "blob.read()", b"0123456789"),
    ("blob", "blob.read(3), blob.tell(), blob.read(2), blob.read(0), blob.read(99), blob.read()", (b"012", 3, b"34", b"", b"56789", b"")),
    ("blob", "blob.seek(-2, 2); blob.read()", b"89"),
    ("blob", "blob.seek(3); blob.seek(2, 1); blob.tell()", 5),
    ("blob", "blob.seek(10); blob.read()", b""),
    ("blob", "blob.write(b'ab'); blob.write(memoryview(b'c')); rows('SELECT b FROM t')[0], blob.tell()", ((b"abc3456789",), 3)),
    ("blob", "len(blob), blob[0], blob[-1], blob[2:5], blob[::3], blob[5:2]", (10, 48, 57, b"234", b"0369", b"")),
    ("blob", "blob.read(2); blob[5], blob[7:], blob.tell()", (53, b"789", 2)),
    ("blob", "blob[0] = 65; blob[-1] = True; blob[2:4] = b'xy'; blob[4:9:2] = bytearray(b'pqr'); blob[3:3] = b''; blob[:]", b"A1xyp5q7r\x01"),
    ("blob", "with blob as same:\n    seen = same is blob, same.read(1)\nseen", (True, b"0")),
    ("blob", "blob.close(), blob.close()", (None, None)),
    ("blob", "db.blobopen('t', 'b', 1, readonly=True).read(2)", b"01"),
    ("blob", "db.execute(\"ATTACH ':memory:' AS x\"); db.executescript('CREATE TABLE x.u (c); INSERT INTO x.u VALUES (x\\'07\\')'); db.blobopen('u', 'c', 1, name='x')[0]", 7),
    ("row", "row['A'], row['b'], row['ä'], row[-1], row[True], row[1:], row[::-1], len(row), row.keys()", (1, 2, 3, 3, 2, (2, 3), (3, 2, 1), 3, ["a", "B", "ä"])),
    ("row", "list(row), tuple(row), dict(row), [*reversed(row)], 2 in row", ([1, 2, 3], (1, 2, 3), {"a": 1, "B": 2, "ä": 3}, [3, 2, 1], True)),
    ("row", "same = sql.Row(cursor, (1, 2, 3)); row == same, row != same, hash(row) == hash(same)", (True, False, True)),
    ("row", "other = sql.Row(cursor, (1, 2, 4)); row == other, row == (1, 2, 3), row != (1, 2, 3)", (False, False, True)),
    ("row", "row == sql.Row(db.execute('SELECT 1 AS x, 2 AS y, 3 AS z'), (1, 2, 3))", False),
    ("row", "'.Row object at 0x' in repr(row), type(row).__name__", (True, "Row")),
    ("row", "db.row_factory = sql.Row; cursor = db.cursor(); db.row_factory = None; [type(r).__name__ for r in cursor.execute('SELECT 1')]", ["Row"]),
    ("row", "class Own(sql.Row):\n    pass\nown = Own(cursor, (1, 2, 3)); own == row, own['a']", (True, 1)),
    ("copy", "db.backup(other, pages=1, progress=lambda *step: steps.append(step)); steps, other.execute('SELECT a FROM t').fetchall()", ([(0, 1, 2), (101, 0, 2)], [(1,), (2,)])),
    ("copy", "db.backup(other, pages=0, progress=lambda *step: steps.append(step)); steps", [(101, 0, 2)]),
    ("copy", "db.backup(other, pages=-5, progress=lambda *step: steps.append(step)); steps", [(101, 0, 2)]),
    ("copy", "db.execute(\"ATTACH ':memory:' AS x\"); db.executescript('CREATE TABLE x.u (c)'); db.backup(other, name='x'); [*other.iterdump()][1]", "CREATE TABLE u (c);"),
    ("copy", "one, two = (sql.connect(path, timeout=0, isolation_level=None) for _ in range(2)); keep += [one, two]\n" "one.execute('CREATE TABLE u (c)'); one.execute('BEGIN EXCLUSIVE')\n" "def told(status, *_):\n    steps.append(status)\n    one.in_transaction and one.execute('ROLLBACK')\n" "two.backup(other, progress=told, sleep=0.001); steps", [5, 101]),
    ("copy", 'db.executescript(\'CREATE TABLE "o k" ("x y" DEFAULT 7, z); INSERT INTO "o k" (z) VALUES (1.5), (NULL)\'); [*db.iterdump()][1:4]', ['CREATE TABLE "o k" ("x y" DEFAULT 7, z);', 'INSERT INTO "o k" VALUES(7,1.5);', 'INSERT INTO "o k" VALUES(7,NULL);']),
    ("copy", "db.executescript('CREATE INDEX i ON t (a); ANALYZE; CREATE TRIGGER g AFTER INSERT ON t BEGIN SELECT 1; END; CREATE VIEW v AS SELECT 1'); [line[:14] for line in db.iterdump()]", ["BEGIN TRANSACT", 'ANALYZE "sqlit', 'INSERT INTO "s', "CREATE TABLE t", 'INSERT INTO "t', 'INSERT INTO "t', "CREATE INDEX i", "CREATE TRIGGER", "CREATE VIEW v ", "COMMIT;"]),
    ("copy", "db.executescript('DROP TABLE t; CREATE TABLE n (k INTEGER PRIMARY KEY AUTOINCREMENT); INSERT INTO n VALUES (7)'); [*db.iterdump()]", ["BEGIN TRANSACTION;", "CREATE TABLE n (k INTEGER PRIMARY KEY AUTOINCREMENT);", 'INSERT INTO "n" VALUES(7);', 'DELETE FROM "sqlite_sequence";', "INSERT INTO \"sqlite_sequence\" VALUES('n',7);", "COMMIT;"]),
    ("copy", "db.executescript('CREATE VIRTUAL TABLE f USING fts4(x); CREATE VIRTUAL TABLE g USING fts4(x)'); [line[:30] for line in db.iterdump() if 'PRAGMA' in line or 'sqlite_master' in line]", ["PRAGMA writable_schema=ON;", "INSERT INTO sqlite_master(type", "INSERT INTO sqlite_master(type", "PRAGMA writable_schema=OFF;"]),
    ("copy", "db.row_factory = sql.Row; [*db.iterdump()][1]", "CREATE TABLE t (a, b BLOB);"),
    ("copy", "other.deserialize(db.serialize()); other.execute('SELECT a FROM t').fetchall()", [(1,), (2,)]),
    ("copy", "other.execute(\"ATTACH ':memory:' AS x\"); other.deserialize(bytearray(db.serialize(name='main')), name='x'); other.execute('SELECT a FROM x.t').fetchall()", [(1,), (2,)]),
    ("copy", "before = db.getconfig(sql.SQLITE_DBCONFIG_ENABLE_FKEY); db.setconfig(sql.SQLITE_DBCONFIG_ENABLE_FKEY); now = db.getconfig(sql.SQLITE_DBCONFIG_ENABLE_FKEY); db.setconfig(sql.SQLITE_DBCONFIG_ENABLE_FKEY, False); before, now, db.getconfig(sql.SQLITE_DBCONFIG_ENABLE_FKEY)", (False, True, False)),
    ("copy", "db.execute('CREATE TABLE tt (a)'); [line for line in db.iterdump(filter='tt') if 'CREATE' in line]", ["CREATE TABLE tt (a);"]),
    ("function", "db.create_function('f', -1, lambda *values: len(values)); rows('SELECT f(), f(1), f(1, 2)')", [(0, 1, 2)]),
    ("function", "db.create_function(name='f', narg=0, func=lambda: None, deterministic=True); rows('SELECT f()')", [(None,)]),
    ("function", "db.create_function('f', 1, lambda x: 1); db.create_function('f', 2, lambda x, y: 2); rows('SELECT f(0), f(0, 0)')", [(1, 2)]),
    ("function", "db.create_function('f', 1, lambda x: told.append(x) or x); rows(\"SELECT f(NULL), f(7), f(.5), f('ä'), f(x'00ff')\"), told", ([(None, 7, 0.5, "ä", b"\0\xff")], [None, 7, 0.5, "ä", b"\0\xff"])),
    ("function", "db.create_function('f', 0, lambda: True); db.create_function('g', 0, lambda: float('nan')); db.create_function('h', 0, lambda: memoryview(b'x')); rows('SELECT f(), g(), h()')", [(1, None, b"x")]),
    ("function", "db.create_aggregate('s', 1, Sum); rows(f'SELECT s(column1) FROM {numbers}'), rows('SELECT s(a) FROM t WHERE 0')", ([(6,)], [(None,)])),
    ("function", "db.create_window_function('w', 1, Sum); rows(window), rows('SELECT w(a) FROM t')", ([(1,), (3,), (5,)], [(3,)])),
    ("function", "db.create_collation('c', lambda x, y: (x < y) * 2**40 - (x > y)); rows(f'SELECT column1 || 0 FROM {numbers} ORDER BY 1 COLLATE c')", [("30",), ("20",), ("10",)]),
    ("function", "db.create_collation('ä', lambda x, y: 0); rows(f\"SELECT count(*) FROM {numbers} WHERE 'x' = column1 COLLATE ä\")", [(0,)]),
    ("function", "db.set_authorizer(lambda *asked: told.append(asked) or sql.SQLITE_OK); rows('SELECT a FROM t'); db.set_authorizer(None); rows('SELECT b FROM t WHERE 0'), told", ([], [(21, None, None, None, None), (20, "t", "a", "main", None)])),
    ("function", "db.set_authorizer(lambda action, *_: sql.SQLITE_IGNORE if action == sql.SQLITE_READ else sql.SQLITE_OK); rows('SELECT a FROM t')", [(None,), (None,)]),
    ("function", "db.set_progress_handler(lambda: told.append(1), 1); rows('SELECT a FROM t'), len(told) > 3", ([(1,), (2,)], True)),
    ("function", "db.set_progress_handler(lambda: 1, 0); rows('SELECT 1'), db.set_progress_handler(lambda: 1, 1), db.set_progress_handler(None, 1), rows('SELECT 1')", ([(1,)], None, None, [(1,)])),
    ("function", "db.set_trace_callback(told.append); rows('SELECT ?, :x', ('it', 2)); db.execute('INSERT INTO t VALUES (?, 1)', (None,)); db.rollback(); db.set_trace_callback(None); rows('SELECT 1'); told", ["SELECT 'it', 2", "BEGIN ", "INSERT INTO t VALUES (NULL, 1)", "ROLLBACK"]),
    ("function", "db.set_trace_callback(told.append); db.executescript('SELECT 1;-- no\\n SELECT 2;'); told", ["SELECT 1;", "-- no\n SELECT 2;"]),
    ("function", "db.set_trace_callback(told.append); db.execute('-- nothing'); told", []),
    ("function", "db.set_trace_callback(lambda text: 1 / 0); rows('SELECT 1')", [(1,)]),
    ("function", "sql.enable_callback_tracebacks(True); db.create_function('f', 0, lambda: 1 / 0); error(lambda: rows('SELECT f()')); shown", ["ZeroDivisionError"]),
    ("function", "sql.enable_callback_tracebacks(True); db.set_progress_handler(lambda: 1 / 0, 1); error(lambda: rows('SELECT 1')); db.set_progress_handler(None, 1); set(shown)", {"ZeroDivisionError"}),
    ("function", "sql.enable_callback_tracebacks(True); db.set_authorizer(lambda *_: 1 / 0); error(lambda: rows('SELECT 1')); db.set_authorizer(None); set(shown)", {"ZeroDivisionError"}),
    ("function", "sql.enable_callback_tracebacks(True); db.create_aggregate('s', 1, failing('step')); error(lambda: rows('SELECT s(a) FROM t')); set(shown)", {"ZeroDivisionError"}),
    ("function", "sql.enable_callback_tracebacks(True); db.setlimit(sql.SQLITE_LIMIT_LENGTH, 40); db.set_trace_callback(told.append); rows('SELECT length(?)', ('x' * 40,)), told, shown", ([(40,)], ["SELECT length(?)"], ["DataError"])),
    ("type", "sql.register_adapter(Point, lambda p: f'{p.x};{p.y}'); repr(rows('SELECT ? AS \"p [parity_point]\"', (Point(1, 2),))), sql.adapt(Point(3, 4))", ("[(Point(1, 2),)]", "3;4")),
    ("type", "Point.__conform__ = lambda self, protocol: self.x if protocol is sql.PrepareProtocol else None; rows('SELECT ?', (Point(5, 0),)), sql.adapt(Point(6, 0))", ([(5,)], 6)),
    ("type", "class Protocol:\n    __adapt__ = staticmethod(lambda value: 'adapted')\nsql.adapt(1, Protocol), sql.adapt(1, object, 'instead')", ("adapted", "instead")),
    ("type", "Point.__conform__ = lambda self, protocol: int('x', self); sql.adapt(Point(1, 1), sql.PrepareProtocol, 'instead')", "instead"),
    ("type", "db.execute(\"INSERT INTO t VALUES ('1;2', 5, 2.5, x'00'), (NULL, x'00', x'', 'é')\"); repr(rows('SELECT * FROM t'))", repr([("Point(1, 2)", b"5", b"2.5", b"\0"), (None, b"\0", None, "é")]).replace("'Point(1, 2)'", "Point(1, 2)")),
    ("type", 'db.execute(\'INSERT INTO t (r) VALUES (1)\'); cursor = db.execute(\'SELECT r AS "r [nonsense]", r AS "q [PARITY_raw] x", 2 AS "z[parity_raw]", 3 AS "y [" FROM t\'); [c[0] for c in cursor.description], cursor.fetchall()', (["r", "q", "z", "y"], [(b"1", b"1", b"2", 3)])),
    ("type", "db = sql.connect(':memory:', detect_types=sql.PARSE_DECLTYPES); keep.append(db); db.execute('CREATE TABLE t (r parity_raw)'); db.execute('INSERT INTO t VALUES (1)'); cursor = db.execute('SELECT r AS \"x [y]\" FROM t'); cursor.description[0][0], cursor.fetchall()", ("x [y]", [(b"1",)])),
    ("type", "db.text_factory = bytes; db.execute('INSERT INTO t (p, u) VALUES (?, ?)', ('1;2', 'é')); repr(rows('SELECT p, u FROM t'))", "[(Point(1, 2), b'\\xc3\\xa9')]"),
    ("type", 'rows(\'SELECT "2024-02-29 01:02:03.5" AS "x [timestamp]", "2024-02-29 01:02:03" AS "x [timestamp]"\')[0][0].microsecond', 500000),
    ("type", "sql.DateFromTicks(86400 * 365.5).year, sql.TimeFromTicks(90).second, sql.TimestampFromTicks(90).second", (1971, 30, 30)),
    ("type", "class Two:\n    __len__ = lambda self: 2\n    __getitem__ = lambda self, place: place * 10\nrows('SELECT ?, ?', (Two()))", [(0, 10)]),
    ("type", "class Named(dict):\n    __missing__ = lambda self, name: name\nrows('SELECT :one, :two', Named(two=2))", [("one", 2)]),
    ("type", "class Named(str): pass\nclass Number(int): pass\nrows('SELECT ?, ?', [Named('x'), Number(3)])", [("x", 3)]),
    ("connection", "db.isolation_level = 'immediate'; db.isolation_level, db.in_transaction, db.total_changes", ("IMMEDIATE", False, 2)),
    ("connection", "db.execute('DELETE FROM t'); db.isolation_level = None; db.in_transaction, rows('SELECT * FROM t')", (False, [])),
    ("connection", "db.executescript('PRAGMA foreign_keys = ON; CREATE TABLE p (k PRIMARY KEY); CREATE TABLE c (k REFERENCES p DEFERRABLE INITIALLY DEFERRED)')\ndef orphan():\n    with db: db.execute('INSERT INTO c VALUES (1)')\nerror(orphan), db.in_transaction, rows('SELECT * FROM c')", ("IntegrityError", False, [])),
    ("connection", "cursor = db.cursor(); cursor.arraysize = 2; cursor.execute('VALUES (1), (2), (3)'); cursor.fetchmany(), cursor.fetchmany(5), cursor.fetchmany(), cursor.setinputsizes([1]), cursor.setoutputsize(1), cursor.connection is db", ([(1,), (2,)], [(3,)], [], None, None, True)),
    ("connection", "db.close(), db.close()", (None, None)),
    ("connection", "db.execute('DELETE FROM t'); db.autocommit = True; now = db.in_transaction; db.autocommit = False; now, db.in_transaction, db.autocommit", (False, True, False)),
    ("connection", "db.autocommit = False; db.execute('DELETE FROM t'); db.executescript('SELECT 1'); db.rollback(); rows('SELECT a FROM t'), db.in_transaction", ([(1,), (2,)], True)),
    ("connection", "cursor = db.cursor(); seen = []; db.create_function('f', 0, lambda: seen.append((error(lambda: cursor.__init__(db)), error(cursor.fetchone)))); cursor.execute('SELECT f()'); seen", [("ProgrammingError", "ProgrammingError")]),
    ("connection", "sql.complete_statement('SELECT 1;'), sql.complete_statement('SELECT 1')", (True, False)),
    ("connection", "db.execute('INSERT INTO t VALUES (1, 2)'); with_ = db.__exit__(None, None, None); with_, db.in_transaction", (False, False)),
]

ERRORS: list[tuple[str, str, str]] = [
    *(("blob", program, "ValueError") for program in ("blob.write(b'x' * 11)", "blob.seek(11)", "blob.seek(-1)", "blob.seek(0, 9)", "blob[0] = 256", "blob[0] = -1", "blob[::0]")),
    *(("blob", program, "TypeError") for program in ("blob.write('text')", "blob['a']", "blob['a'] = 1", "blob[0] = b'a'", "blob[0:2] = 5", "del blob[0]", "del blob[0:1]", "1 in blob", "iter(blob)", "sql.Blob()")),
    *(("blob", program, "IndexError") for program in ("blob[10]", "blob[-11]", "blob[2**65]", "blob[10] = 1", "blob[0:2] = b'x'")),
    ("blob", "blob.seek(3); blob.seek(2**31 - 1, 1)", "OverflowError"),
    ("blob", "blob[0:2] = memoryview(b'abcd')[::2]", "BufferError"),
    ("blob", "with blob:\n    blob.close()", "ProgrammingError"),
    ("blob", "db.close(); blob.read()", "ProgrammingError"),
    *(("blob", program, "OperationalError") for program in ("db.blobopen('t', 'b', 1, readonly=True).write(b'x')", "db.blobopen('t', 'b', 99)", "db.blobopen('t', 'z', 1)", "db.blobopen('z', 'b', 1)", "db.blobopen('t', 'b', 1, name='z')", "db.blobopen('t', 'a', 1)", "db.execute('UPDATE t SET b = 1'); blob.read()", "db.execute('UPDATE t SET b = 1'); blob[0]", "db.execute('UPDATE t SET b = 1'); blob[0] = 1")),
    *(("closed blob", program, "ProgrammingError") for program in ("blob.read()", "blob.write(b'')", "blob.seek(0)", "blob.tell()", "len(blob)", "blob[0]", "blob[0] = 1", "blob[:]", "del blob[0]", "blob.__enter__()")),
    *(("row", program, "IndexError") for program in ("row[3]", "row[-4]", "row['c']", "row['Ä']", "row[1.5]", "row[None]", "row[2**100]")),
    *(("row", program, "TypeError") for program in ("sql.Row()", "sql.Row(cursor)", "sql.Row(object(), ())", "sql.Row(cursor, [1])", "row < row", "row['a'] = 1")),
    *(("copy", program, "TypeError") for program in ("db.backup()", "db.backup(1)", "db.backup(other, 1)", "db.backup(other, progress=1)")),
    ("copy", "db.backup(db)", "ValueError"),
    ("copy", "db.backup(other, progress=lambda *step: 1 / 0)", "ZeroDivisionError"),
    ("copy", "db.backup(other, name='nonsense')", "OperationalError"),
    ("copy", "other.executescript('CREATE TABLE x (y); BEGIN; INSERT INTO x VALUES (1)'); db.backup(other)", "OperationalError"),
    *(("copy", program, "ProgrammingError") for program in ("other.close(); db.backup(other)", "db.close(); db.backup(other)", "db.close(); db.iterdump().__next__()", "db.close(); db.serialize()", "db.getlimit(1111)", "db.setlimit(-1, 5)")),
    ("copy", "db.serialize(name='nonsense')", "OperationalError"),
    ("copy", "other.deserialize(b'no database' * 100); other.execute('SELECT * FROM sqlite_schema')", "DatabaseError"),
    ("copy", "db.getconfig(9999999)", "ValueError"),
    *(("function", f"db.create_function('f', 0, {function}); rows('SELECT f()')", kind) for function, kind in (("lambda: 1 / 0", "OperationalError"), ("lambda: [][0]", "OperationalError"), ("lambda x: x", "OperationalError"), ("lambda: object()", "OperationalError"), ("lambda: 2**63", "DataError"), ("lambda: memoryview(b'abcd')[::2]", "OperationalError"), ("lambda: '\\ud800'", "OperationalError"), ("42", "OperationalError"), ("lambda: [0] * 2**62", "MemoryError"), ("lambda: b''.join([b'x']).__mul__(2**70)", "DataError"))),
    *(("function", program, "OperationalError") for program in ("rows('SELECT f()')", "db.create_function('f', 1, abs); rows('SELECT f()')", "db.create_function('f', 1, abs); db.create_function('f', 1, None); rows('SELECT f(1)')")),
    *(("function", program, "OperationalError") for program in ("db.create_function('f', -2, abs)", "db.create_function('f', 100000, abs)", "db.create_aggregate('f', -2, Sum)")),
    ("function", "db.create_window_function('w', -2, Sum)", "ProgrammingError"),
    *(("function", program, "TypeError") for program in ("db.create_function(1, 1, abs)", "db.create_function('f')", "db.create_collation('c', 42)", "db.create_collation(1, abs)", "db.set_progress_handler(abs)")),
    *(("function", f"db.create_aggregate('s', 1, {made}); rows('SELECT s(a) FROM t')", "OperationalError") for made in ("failing('__init__')", "failing('step')", "failing('finalize')", "lacking('step')", "lacking('finalize')", "42")),
    *(("function", f"db.create_window_function('w', 1, {made}); rows(window)", "OperationalError") for made in ("failing('__init__')", "failing('step')", "failing('inverse')", "failing('value')", "lacking('inverse')", "lacking('value')")),
    ("function", "db.create_window_function('w', 1, Sum); db.create_window_function('w', 1, None); rows(window)", "OperationalError"),
    ("function", "rows('SELECT a FROM t ORDER BY a COLLATE unheard')", "OperationalError"),
    ("function", "db.create_collation('c', lambda x, y: 0); db.create_collation('c', None); rows('SELECT a FROM t ORDER BY a COLLATE c')", "OperationalError"),
    *(("function", f"db.set_authorizer(lambda *_: {answer}); rows('SELECT a FROM t')", "DatabaseError") for answer in ("sql.SQLITE_DENY", "None", "1 / 0", "'0'", "2**40", "0.0")),
    ("function", "db.set_authorizer(lambda *_: 99); rows('SELECT a FROM t')", "OperationalError"),
    ("function", "db.set_authorizer(lambda action, *_: sql.SQLITE_DENY if action == sql.SQLITE_READ else sql.SQLITE_OK); rows('SELECT a FROM t')", "DatabaseError"),
    *(("function", f"db.set_progress_handler(lambda: {answer}, 1); rows('SELECT a FROM t')", "OperationalError") for answer in ("1", "1 / 0", "[0]")),
    *(("function", f"db.close(); db.{call}", "ProgrammingError") for call in ("create_function('f', 1, abs)", "create_aggregate('f', 1, Sum)", "create_collation('c', None)", "set_authorizer(None)", "set_trace_callback(None)", "set_progress_handler(None, 1)")),
    *(("function", program, "OperationalError") for program in ("db.load_extension('no-such-extension')", "db.enable_load_extension(True); db.load_extension('no-such-extension')", "db.enable_load_extension(True); db.enable_load_extension(False); db.load_extension('no-such-extension')")),
    ("function", "db.enable_load_extension(True); db.load_extension(42)", "TypeError"),
    ("function", "db.close(); db.enable_load_extension(True)", "ProgrammingError"),
    *(("type", program, "ProgrammingError") for program in ("rows('SELECT ?', (Point(1, 2),))", "rows('SELECT :p', {'p': Point(1, 2)})", "sql.adapt(Point(1, 2))", "Point.__conform__ = lambda *_: None; sql.adapt(Point(1, 2))", "rows('SELECT ?', {1})", "rows('SELECT ?, ?', 'x')", "rows('SELECT ?', ())", "rows('SELECT :a', {'b': 1})")),
    *(("type", program, "ZeroDivisionError") for program in ("sql.register_adapter(Point, lambda p: 1 / 0); sql.adapt(Point(1, 2))", "Point.__conform__ = lambda *_: 1 / 0; sql.adapt(Point(1, 2))", "rows('SELECT 1 AS \"x [parity_bad]\"')")),
    ("type", "class One:\n    __len__ = lambda self: 1\n    __getitem__ = lambda self, place: 1 / 0\nrows('SELECT ?', One())", "ZeroDivisionError"),
    ("type", "rows('SELECT ?', (memoryview(b'abcd')[::2],))", "BufferError"),
    ("type", "rows('SELECT ?', (2**63,))", "OverflowError"),
    ("type", 'rows(\'SELECT "nonsense" AS "x [timestamp]"\')', "ValueError"),
    *(("connection", program, "TypeError") for program in ("db.isolation_level = 1", "db.cursor(lambda connection: 1)", "db.cursor(None)", "db.execute()", "db.executescript(5)", "sql.connect()", "sql.Cursor(1)")),
    *(("connection", program, "ValueError") for program in ("db.executescript('SELECT 1\\0;')", "db.isolation_level = 'NEVER'", "db.isolation_level = 'DEFERRED\\0'", "db.autocommit = 5")),
    *(("connection", f"db.close(); db.{use}", "ProgrammingError") for use in ("cursor()", "execute('SELECT 1')", "commit()", "rollback()", "interrupt()", "total_changes", "in_transaction", "isolation_level = None", "__enter__()", "blobopen('t', 'b', 1)", "getlimit(1)")),
    *(("connection", program, "ProgrammingError") for program in ("sql.Connection.__new__(sql.Connection).cursor()", "sql.Cursor.__new__(sql.Cursor).execute('SELECT 1')", "cursor = db.cursor(); cursor.close(); cursor.fetchone()", "db.execute('SELECT 1; SELECT 2')", "db.execute('SELECT 1\\0')", "db.executemany('SELECT 1', [()])")),
    ("connection", "db.setlimit(sql.SQLITE_LIMIT_SQL_LENGTH, 10); db.execute('SELECT 1, 2, 3')", "DataError"),
    ("connection", "db.setlimit(sql.SQLITE_LIMIT_SQL_LENGTH, 10); db.executescript('SELECT 1, 2, 3')", "DataError"),
    ("connection", "db.execute('SELECT \"\\ud800\"')", "UnicodeEncodeError"),
]

# Our messages where they differ from sqlite3's. Those of TypeError and BufferError are the interpreter's.
OUR_MESSAGES = {
    "db.serialize(name='nonsense')": "unknown database nonsense",
    "db.create_function('f', 1, abs); db.create_function('f', 1, None); rows('SELECT f(1)')": "no such function: f",
    "db.create_window_function('w', -2, Sum)": "Error creating window function",
    "rows('SELECT :p', {'p': Point(1, 2)})": "Error binding parameter 'p': type 'Point' is not supported",
    "rows('SELECT ?, ?', 'x')": "Incorrect number of bindings supplied.  The current statement uses 2 and there are 1 supplied.  Current offset is 0",
    "rows('SELECT ?', ())": "Incorrect number of bindings supplied.  The current statement uses 1 and there are 0 supplied.  Current offset is 0",
    "rows('SELECT ?', (2**63,))": "int too big to convert",
    'rows(\'SELECT "nonsense" AS "x [timestamp]"\')': "invalid literal for int() with base 10: b'nonsense'",
    "db.isolation_level = 'DEFERRED\\0'": "isolation_level string must be '', 'DEFERRED', 'IMMEDIATE', or 'EXCLUSIVE'",
    "other.executescript('CREATE TABLE x (y); BEGIN; INSERT INTO x VALUES (1)'); db.backup(other)": "target is in transaction",
}

# Programs that fail or crash in sqlite3, or that only it accepts
OURS = [
    ("blob", "blob[::-1]", b"9876543210", ""),
    ("blob", "blob[::-1] = b'9876543210'; blob.read()", b"0123456789", ""),
    ("type", "from collections import UserDict; rows('SELECT :x', UserDict(x=1))", [(1,)], ""),
    ("type", "sql.register_adapter(1, str)", "TypeError", "register_adapter() argument 1 must be type, not int"),
    ("copy", "other.deserialize(b'', name='nonsense')", "OperationalError", "unknown database nonsense"),
    ("copy", "db.setconfig(sql.SQLITE_DBCONFIG_ENABLE_FKEY, 7)", "OperationalError", "Unable to set config"),
    ("copy", "db.executescript('CREATE TABLE c (k REFERENCES nowhere(x)); INSERT INTO c VALUES (1)'); [*db.iterdump()][0]", "PRAGMA foreign_keys=OFF;", ""),
    ("copy", "db.executescript('CREATE TABLE p (x); CREATE TABLE c (k REFERENCES p(x))'); [*db.iterdump()][0]", "PRAGMA foreign_keys=OFF;", ""),
    ("connection", "db.executemany('INSERT INTO t VALUES (?, 1) RETURNING a', [(1,), (2,)]).fetchall()", [], ""),
    ("connection", "sql.SQLITE_NONSENSE", "AttributeError", "module 'openai_vtab.dbapi' has no attribute 'SQLITE_NONSENSE'"),
]

# fmt: on

# Words of subjects and programs for which this Python's sqlite3 is too old: they run on dbapi alone.
MISSING = [
    word
    for word, present in {
        "serialize": hasattr(sqlite3.Connection, "serialize"),
        "config": hasattr(sqlite3.Connection, "getconfig"),
        "autocommit": hasattr(sqlite3.Connection, "autocommit"),
        "load_extension": hasattr(sqlite3.Connection, "load_extension"),
        "filter=": sys.version_info >= (3, 13),
    }.items()
    if not present
]


def run(module: Any, subject: str, program: str, path: Path) -> tuple[Any, str, str]:
    """Run a program; return its value, and the class and message of its exception."""
    shown: list[str] = []

    def error(call: Any) -> str:
        try:
            call()
        except Exception as problem:
            return type(problem).__name__
        return "none"

    keep: list[Any] = []
    names: dict[str, Any] = {"sql": module, "shown": shown, "error": error, "keep": keep, "path": str(path)}
    hook, sys.unraisablehook = sys.unraisablehook, lambda seen: shown.append(seen.exc_type.__name__)
    db = names["db"] = module.connect(":memory:")
    try:
        exec(SETUP[subject], names)  # noqa: S102 - programs are text
        *lines, last = ast.parse(program).body
        exec(compile(ast.Module(lines, []), "program", "exec"), names)  # noqa: S102
        if not isinstance(last, ast.Expr):
            exec(compile(ast.Module([last], []), "program", "exec"), names)  # noqa: S102
            return None, "", ""
        return eval(compile(ast.Expression(last.value), "program", "eval"), names), "", ""  # noqa: S307
    except Exception as problem:
        return None, type(problem).__name__, str(problem).replace("openai_vtab.dbapi.", "sqlite3.")
    finally:
        module.enable_callback_tracebacks(False)
        sys.unraisablehook = hook
        for connection in (db, *keep):
            connection.close()


@pytest.fixture
def paths(tmp_path: Path) -> Iterator[tuple[Path, Path]]:
    """A file for each module. Warnings are off: from Python 3.12 on, sqlite3's default converters are deprecated."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        yield tmp_path / "theirs", tmp_path / "ours"


def run_both(subject: str, program: str, paths: tuple[Path, Path]) -> list[tuple[Any, str, str]]:
    """Run a program on dbapi, and on sqlite3 unless that is too old."""
    ours = run(dbapi, subject, program, paths[1])
    missing = any(word in f"{subject} {program}" for word in MISSING)
    return [ours] if missing else [ours, run(sqlite3, subject, program, paths[0])]


@pytest.mark.sample(40)
@pytest.mark.parametrize(("subject", "program", "value"), RESULTS)
def test_parity_of_results(subject: str, program: str, value: Any, paths: tuple[Path, Path]) -> None:
    """Both modules return the value."""
    for seen in run_both(subject, program, paths):
        assert seen == (value, "", "")


@pytest.mark.sample(60)
@pytest.mark.parametrize(("subject", "program", "kind"), ERRORS)
def test_parity_of_exceptions(subject: str, program: str, kind: str, paths: tuple[Path, Path]) -> None:
    """Both modules raise the class, with the same message unless OUR_MESSAGES has ours."""
    ours, *theirs = run_both(subject, program, paths)
    words = OUR_MESSAGES.get(program)
    assert ours[1] == kind, ours
    assert words in (None, ours[2])
    for seen in theirs:
        assert seen[1] == kind, seen
        assert kind in ("TypeError", "BufferError") or words or ours[2] == seen[2]


@pytest.mark.parametrize(("subject", "program", "value", "words"), OURS)
def test_parity_is_not_wanted(subject: str, program: str, value: Any, words: str, paths: tuple[Path, Path]) -> None:
    """These programs run on dbapi alone, which differs from sqlite3 on purpose."""
    assert run(dbapi, subject, program, paths[1]) == ((None, value, words) if words else (value, "", ""))
