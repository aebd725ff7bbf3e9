"""The rules without faults: every statement, savepoints, two connections on one file, reads, MATCH, the command sync.

The uploads are counted. A document is uploaded when COMMIT gives it another content, filename or chunking than it had
before the transaction: once for A → B → C, never for A → B → A within one transaction, and twice for A → B → A in two.
DELETE and INSERT of the same key make another document, which is uploaded.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import apsw
import hypothesis.strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

import openai_vtab
from openai_vtab import sandbox as sandbox_package

from ...support.clock import FakeClock
from . import model
from .child import Statement, connected
from .judge import COLUMNS, Judge, row_of, wanted
from .model import Documents, Model, Refused, Row
from .tally import Tally

STORE = "vs_docs"
ARGUMENTS = {"an id": f"vector_store_id = '{STORE}'", "a name": "name = 'Handbook'"}
SYNC = "INSERT INTO handbook (handbook) VALUES ('sync')"
RETRY = "INSERT INTO handbook (handbook) VALUES ('retry-unknown')"
INSERT = "INTO handbook (key, content, attributes, chunking_strategy) VALUES "
PROCESSING = 100.0  # seconds
MAX_RESULTS = 50

UNREADABLE = "e.csv"  # a document that the API cannot read: its file is attached again, without an upload
KEYS = ["a.md", "d/a.md", "b.md", "c.md", UNREADABLE]  # two have one filename
CONTENTS = ["handbook one", "handbook two", "handbook three", "handbook seven", "handbook"]  # of equal sizes, too
CHUNKING = '{"static":{"chunk_overlap_tokens":20,"max_chunk_size_tokens":200},"type":"static"}'

keys = st.sampled_from(KEYS)
contents = st.sampled_from(CONTENTS)
attributes = st.sampled_from([model.NO_ATTRIBUTES, '{"n":1}', '{"lang":"en","n":2}'])
chunkings = st.sampled_from([None, None, CHUNKING])
readable = keys.filter(lambda key: key != UNREADABLE)
rows = st.builds(Row, readable, contents, attributes, chunkings) | st.builds(
    Row, st.just(UNREADABLE), contents, attributes
)
several = st.lists(rows, min_size=1, max_size=3)
who = st.integers(0, 1)


class Calm(RuleBasedStateMachine):
    """Two connections, `dbs`, on one file. `writer` is the one whose transaction is open; None outside of one."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.file = str(Path(self.folder.name) / "documents.db")
        self.clock = FakeClock()
        self.context = sandbox_package.run(processing_seconds=PROCESSING, seeded=False, clock=self.clock.time)
        self.sandbox = self.context.__enter__()
        self.dbs: list[apsw.Connection] = []
        self.model = Model()
        self.writer: int | None = None
        self.has_written = self.has_learned = False
        self.judge: Judge | None = None

    @initialize(
        argument=st.sampled_from(list(ARGUMENTS)), journal=st.sampled_from(["wal", "delete"]), rows=several,
    )  # fmt: skip
    def create(self, argument: str, journal: str, rows: list[Row]) -> None:
        """A table with some documents."""
        Tally.now.add("examples")
        if argument == "an id":
            self.sandbox.add_store(STORE)
        self.dbs = [self.connect(), self.connect()]
        self.dbs[0].execute(f"PRAGMA journal_mode = {journal}").fetchall()
        self.dbs[0].execute(f"CREATE VIRTUAL TABLE handbook USING vector_store_documents({ARGUMENTS[argument]})")
        self.judged = self.judge = Judge(self.sandbox, self.file, self.is_quiet)
        self.insert_rows(0, rows, "INSERT OR REPLACE")

    def connect(self, timeout: float = 30.0) -> apsw.Connection:
        """A connection to the file."""
        return connected(self.file, self.sandbox.base_url, self.sandbox.api_key, self.clock, timeout)

    def is_quiet(self) -> bool:
        """Whether no request is on its way."""
        return self.sandbox.in_flight == 0

    def teardown(self) -> None:
        """Judge the end."""
        try:
            if self.judge is not None and sys.exc_info()[0] is None:
                self.end()
        finally:
            for db in self.dbs:
                db.close(True)
            if self.judge is not None:
                self.judge.close()
            Tally.now.add("requests", len(self.sandbox.requests))
            self.context.__exit__(None, None, None)
            self.folder.cleanup()

    # statements

    def execute(self, db: apsw.Connection, sql: str, bindings: Sequence[Any] = ()) -> list[Any]:
        """Execute a statement that must work."""
        Tally.now.add("statements")
        return db.execute(sql, bindings).fetchall()

    def write(self, number: int, sql: str, bindings: Sequence[Any], after: Documents | Refused) -> None:
        """Execute a writing statement on a connection, or on the one with the open transaction."""
        number = number if self.writer is None else self.writer
        db = self.dbs[number]
        if isinstance(after, Refused):
            if self.writer is None or self.may_write(db):
                self.refused(db, sql, bindings, after)
        elif self.writer is None:
            self.model.current = after
            self.commits(db, sql, bindings)
        elif self.may_write(db):
            self.execute(db, sql, bindings)
            self.model.current = after

    def may_write(self, db: apsw.Connection) -> bool:
        """Take the write lock. It is refused if the other connection has written what its SELECT has learned, and the
        transaction is then rolled back."""
        if not self.has_written:
            try:
                self.execute(db, "UPDATE handbook_config SET value = value WHERE false")
            except apsw.BusyError:
                assert self.has_learned
                self.rollback()
                return False
        self.has_written = True
        return True

    def refused(self, db: apsw.Connection, sql: str, bindings: Sequence[Any], after: Refused) -> None:
        """Execute a statement that the table must refuse."""
        Tally.now.add("statements refused")
        try:
            self.execute(db, sql, bindings)
        except (apsw.ConstraintError, openai_vtab.RowError):
            pass
        else:
            raise AssertionError(f"{sql} is not refused")
        if after.documents is None:  # OR ROLLBACK
            self.model.rollback()
            self.writer = None
        else:
            self.model.current = after.documents
            if self.writer is None:
                self.count(self.model.commit())
        assert db.in_transaction == (self.writer is not None)

    def commits(self, db: apsw.Connection, sql: str, bindings: Sequence[Any] = ()) -> None:
        """Execute a statement that commits `model.current`."""
        self.execute(db, sql, bindings)
        self.committed()

    def committed(self) -> None:
        """The transaction is over, and it was successful."""
        Tally.now.add("transactions")
        self.writer = None
        self.count(self.model.commit())

    def count(self, uploads: Any) -> None:
        """Compare what was uploaded with what COMMIT had to upload."""
        uploaded = self.judged.uploads()
        Tally.now.add("uploads", uploaded.total())
        assert uploaded == wanted(uploads.elements())

    @rule(number=who, rows=several, verb=st.sampled_from(["INSERT", "INSERT OR FAIL", "INSERT OR ROLLBACK"]))
    def insert(self, number: int, rows: list[Row], verb: str) -> None:
        """INSERT is refused for a known key."""
        self.insert_rows(number, rows, verb)

    @rule(number=who, rows=several, verb=st.sampled_from(["INSERT OR REPLACE"] * 3 + ["INSERT OR IGNORE"]))
    def replace(self, number: int, rows: list[Row], verb: str) -> None:
        """OR REPLACE and OR IGNORE."""
        self.insert_rows(number, rows, verb)

    def insert_rows(self, number: int, rows: list[Row], verb: str) -> None:
        after: Documents | Refused
        try:
            after = model.inserted(self.model.current, rows, verb)
        except Refused as refused:
            after = refused
        sql, bindings = inserting(rows, verb)
        self.write(number, sql, bindings, after)

    @rule(number=who, rows=several)
    def insert_a_wrong_row(self, number: int, rows: list[Row]) -> None:
        """The last row has no attributes that the API takes: no row of the statement counts."""
        sql, bindings = inserting([*rows, Row("wrong.md", "text", "[1]")], "INSERT OR REPLACE")
        self.write(number, sql, bindings, Refused(self.model.current))

    @rule(number=who, keys=st.lists(keys, min_size=1, max_size=3), content=contents | st.none(), to=attributes)
    def update(self, number: int, keys: list[str], content: str | None, to: str) -> None:
        """UPDATE of content and attributes."""
        columns = {"attributes": to} | ({} if content is None else {"content": content})
        after = model.updated(self.model.current, keys, content, to, None)
        self.update_columns(number, keys, columns, after)

    @rule(number=who, key=readable, content=contents)
    def update_chunking(self, number: int, key: str, content: str) -> None:
        """UPDATE of content and chunking."""
        columns = {"content": content, "chunking_strategy": CHUNKING}
        self.update_columns(number, [key], columns, model.updated(self.model.current, [key], content, None, CHUNKING))

    def update_columns(self, number: int, keys: list[str], columns: dict[str, Any], after: Documents) -> None:
        sets = ", ".join(f"{name} = ?" for name in columns)
        marks = ", ".join("?" * len(keys))
        # without a sha256, it is no document: it shows that an upload of a failed transaction is unknown
        sql = f"UPDATE handbook SET {sets} WHERE key IN ({marks}) AND sha256 IS NOT NULL"
        self.write(number, sql, [*columns.values(), *keys], after)

    @rule(number=who, key=keys, to=keys, verb=st.sampled_from(["UPDATE", "UPDATE OR IGNORE", "UPDATE OR REPLACE"]))
    def update_key(self, number: int, key: str, to: str, verb: str) -> None:
        """UPDATE of a key sends nothing; the file keeps its name."""
        if to in self.provisional():
            return
        after: Documents | Refused
        try:
            after = model.renamed(self.model.current, key, to, verb)
        except Refused as refused:
            after = refused
        self.write(number, f"{verb} handbook SET key = ? WHERE key = ? AND sha256 IS NOT NULL", [to, key], after)

    def provisional(self) -> set[str]:
        """Keys of rows that are no document: they show that an upload of a failed transaction is unknown."""
        db = self.dbs[self.writer or 0]
        return {key for (key,) in self.execute(db, "SELECT key FROM handbook_documents WHERE sha256 IS NULL")}

    @rule(number=who, keys=st.lists(keys, min_size=1, max_size=2))
    def delete(self, number: int, keys: list[str]) -> None:
        """DELETE of some keys."""
        after = {key: document for key, document in self.model.current.items() if key not in keys}
        self.write(number, f"DELETE FROM handbook WHERE key IN ({', '.join('?' * len(keys))})", keys, after)

    @rule(number=who)
    def delete_all(self, number: int) -> None:
        """DELETE without a condition."""
        self.write(number, "DELETE FROM handbook", [], {})

    @rule(number=who)
    def sync(self, number: int) -> None:
        """The command changes no document."""
        self.write(number, SYNC, [], self.model.current)

    # transactions

    @precondition(lambda self: self.writer is None)
    @rule(number=who, how=st.sampled_from(["BEGIN", "BEGIN IMMEDIATE", "SAVEPOINT a"]))
    def begin(self, number: int, how: str) -> None:
        """A transaction."""
        self.execute(self.dbs[number], how)
        self.writer, self.has_written, self.has_learned = number, how == "BEGIN IMMEDIATE", False
        self.model.begin(how.removeprefix("SAVEPOINT "))

    @precondition(lambda self: self.writer is not None)
    @rule(name=st.sampled_from("ab"))
    def savepoint(self, name: str) -> None:
        """SAVEPOINT."""
        self.execute(self.db, f"SAVEPOINT {name}")
        self.model.begin(name)

    @property
    def db(self) -> apsw.Connection:
        """The connection whose transaction is open."""
        return self.dbs[self.writer or 0]

    @precondition(lambda self: self.writer is not None)
    @rule(name=st.sampled_from("ab"))
    def rollback_to(self, name: str) -> None:
        """ROLLBACK TO."""
        if self.model.place(name) >= 0:
            self.execute(self.db, f"ROLLBACK TO {name}")
            self.model.rollback_to(name)

    @precondition(lambda self: self.writer is not None)
    @rule(name=st.sampled_from("ab"))
    def release(self, name: str) -> None:
        """RELEASE; of a savepoint that has begun the transaction, it is a COMMIT."""
        place = self.model.place(name)
        if place > 0:
            self.execute(self.db, f"RELEASE {name}")
            self.model.release(name)
        elif place == 0:
            self.commits(self.db, f"RELEASE {name}")

    @precondition(lambda self: self.writer is not None)
    @rule()
    def commit(self) -> None:
        """COMMIT."""
        self.commits(self.db, "COMMIT")

    @precondition(lambda self: self.writer is not None)
    @rule()
    def rollback(self) -> None:
        """ROLLBACK sends nothing."""
        sent = len(self.sandbox.requests)
        self.execute(self.db, "ROLLBACK")
        Tally.now.add("rollbacks")
        self.model.rollback()
        self.writer = None
        assert [r for r in self.sandbox.requests[sent:] if r.method != "GET"] == []

    @precondition(lambda self: self.writer is not None and self.has_written)
    @rule(rows=several)
    def write_beside_a_writer(self, rows: list[Row]) -> None:
        """The other connection is refused at once."""
        sql, bindings = inserting(rows, "INSERT OR REPLACE")
        try:
            self.execute(self.dbs[1 - (self.writer or 0)], sql, bindings)
        except apsw.BusyError:
            return
        raise AssertionError("two transactions write at once")

    # time, and reading

    @rule(seconds=st.sampled_from([1.0, 15.0, PROCESSING]))
    def wait(self, seconds: float) -> None:
        """The API processes files meanwhile."""
        self.clock.advance(seconds)

    @rule(number=who, condition=st.sampled_from(["true", "refresh = 1", f"wait_seconds = {PROCESSING * 2}"]))
    def read_statuses(self, number: int, condition: str) -> None:
        """A status that is final is the API's."""
        db = self.dbs[number]
        found = self.reads(db, f"SELECT file_id, status FROM handbook WHERE {condition}")
        truth = self.judged.statuses()
        if self.judged.has_to_recover():  # another process may have deleted what the rows show
            return
        for file_id, status in found or ():
            if status in ("completed", "failed", "cancelled"):
                assert truth.get(file_id) == status
            if status == "missing":
                assert file_id not in truth
            if condition.startswith("wait") and status == "in_progress":
                assert truth.get(file_id) == status

    @rule(number=who)
    def match(self, number: int) -> None:
        """Each document with a completed version is found once, in its newest completed version."""
        db = self.dbs[number]
        found = self.reads(db, "SELECT key, passage FROM handbook WHERE handbook MATCH 'handbook'")
        statuses = self.judged.statuses()
        is_cut = list(statuses.values()).count("completed") >= MAX_RESULTS
        if found is None or is_cut or self.judged.has_to_recover():
            return
        account = self.judged.account()
        files = (
            "SELECT d.key, f.file_id FROM handbook_documents AS d JOIN handbook_files AS f ON f.document = d.id "
            "WHERE f.file_id IS NOT NULL ORDER BY f.id"
        )
        newest = {key: id for key, id in self.execute(db, files) if statuses.get(id) == "completed" and id in account}
        expected = Counter((key, account[id][1]) for key, id in newest.items())
        assert Counter(found) == expected, f"{Counter(found) - expected} too many, {expected - Counter(found)} missing"

    def reads(self, db: apsw.Connection, sql: str) -> list[Any] | None:
        """The rows of a query; None if it may fail, and has failed."""
        self.has_learned = True
        return self.execute(db, sql)

    @invariant()
    def rows_agree(self) -> None:
        """Each connection sees the documents that it must see."""
        for number, db in enumerate(self.dbs):
            seen = self.model.current if number == self.writer else self.model.committed
            assert self.sees(seen, db)

    def sees(self, documents: Documents, db: apsw.Connection | None = None) -> bool:
        """Whether the rows are these documents."""
        found = self.execute(db or self.dbs[0], f"SELECT {COLUMNS} FROM handbook WHERE sha256 IS NOT NULL")
        return sorted(found) == sorted(row_of(key, document) for key, document in documents.items())

    # the end

    def end(self) -> None:
        """Write everything once more, and sync: the store holds exactly the model's documents."""
        if self.writer is not None:
            self.rollback()
        expected = [Row(key, d.version.content, d.attributes, d.version.chunking)
                    for key, d in self.model.committed.items()]  # fmt: skip
        self.finish(expected)
        self.judged.is_exactly(self.model.committed)
        statuses = dict(self.execute(self.dbs[0], "SELECT key, status FROM handbook"))
        assert statuses == {
            key: "failed" if d.version.filename.endswith(".csv") else "completed"
            for key, d in self.model.committed.items()
        }
        sent = len(self.sandbox.requests)
        if "failed" not in statuses.values():
            self.repair(expected)
            assert self.sandbox.requests[sent:] == []

    def finish(self, expected: list[Row]) -> None:
        """Repeat the statements that the user wants, and sync."""
        self.repair(expected)
        for _ in range(2):  # what was attached again is completed
            self.clock.advance(2 * PROCESSING)
            self.execute(self.dbs[0], SYNC)
        self.count(self.rewritten)

    def repair(self, expected: list[Row]) -> None:
        """One transaction that makes the table what it must be."""
        self.model.current = model.inserted(self.model.committed, expected, "INSERT OR REPLACE")
        self.rewritten = self.model.new_contents()  # a document that was renamed gets the name of its key
        self.model.commit()
        for sql, bindings in rewriting(expected):
            self.execute(self.dbs[0], sql, bindings)


def inserting(rows: list[Row], verb: str) -> Statement:
    """An INSERT of several rows."""
    bindings = [value for row in rows for value in (row.key, row.content, row.attributes, row.chunking)]
    return f"{verb} {INSERT}{', '.join(['(?, ?, ?, ?)'] * len(rows))}", bindings


def rewriting(rows: list[Row]) -> list[Statement]:
    """The transaction that makes the table contain these rows and no other."""
    replace = [inserting(rows, "INSERT OR REPLACE")] if rows else []
    keys = json.dumps([row.key for row in rows])
    delete: Statement = ("DELETE FROM handbook WHERE key NOT IN (SELECT value FROM json_each(?))", [keys])
    return [("BEGIN", []), delete, *replace, ("COMMIT", [])]
