"""The life of a statement: the events that SQLite reports, and what the tracker makes of them.

Each case runs SQL on a real connection. `call()` in the SQL stands for a table of the package that is called, and
`refuse()` for one that refuses a row. What must happen is read from the docstring of statements.py.
"""

from __future__ import annotations

import contextlib
import re
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import apsw
import pytest

from openai_vtab.sqlite.internal_sql import InternalSQL
from openai_vtab.vtable import statements
from openai_vtab.vtable.running_statement import RunningStatement
from openai_vtab.vtable.statements import StatementTracker


@dataclass(eq=False)
class Session:
    """What a statement opens when it calls a table."""

    is_closed: bool = False

    def close(self) -> None:
        self.is_closed = True


class Recorder:
    """A connection with a tracker: what SQLite has reported, and what the tracker has called."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.db = db = apsw.Connection(str(file))
        self.events: list[str] = []
        self.callbacks: list[str] = []
        self.ids: dict[int, int] = {}
        self.total = 0
        self.queued = 0
        self.sessions: list[Session] = []
        self.internal_sql = InternalSQL(weakref.ref(db))
        self.tracker: StatementTracker[Session] = StatementTracker(
            self.internal_sql,
            open_session=self.open_session,
            position=lambda: self.queued,
            began=lambda statement, _: self.report("began", statement),
            ended=lambda statement, _: self.report("ended", statement),
            succeeded=lambda statement: self.report("succeeded", statement),
            failed=lambda statement: self.report("failed", statement),
        )
        db.create_scalar_function("call", self.call)
        db.create_scalar_function("refuse", self.refuse)
        db.create_scalar_function("judge", self.judge)
        db.create_scalar_function("run", self.run)
        db.execute("CREATE TABLE t(a UNIQUE); CREATE TABLE log(a); CREATE TABLE fired(a)")
        db.execute("CREATE TRIGGER tr AFTER INSERT ON fired BEGIN INSERT INTO log VALUES (NEW.a); END")
        db.execute("CREATE TABLE parent(a PRIMARY KEY); CREATE TABLE child(a REFERENCES parent ON DELETE CASCADE)")
        db.execute("PRAGMA foreign_keys = ON; INSERT INTO parent VALUES (1); INSERT INTO child VALUES (1)")
        self.total = db.total_changes()
        db.trace_v2(apsw.SQLITE_TRACE_STMT | apsw.SQLITE_TRACE_PROFILE, self.follow)

    def open_session(self, statement: RunningStatement[Session]) -> Session:
        self.sessions.append(Session())
        return self.sessions[-1]

    def report(self, what: str, statement: RunningStatement[Session]) -> None:
        self.callbacks.append(f"{what} {self.ids[statement.id]}")

    def call(self) -> int:
        self.events.append("call")
        current = self.tracker.current
        assert current is not None
        current.open()
        return 1

    def refuse(self) -> int:
        self.events.append("refused")
        self.tracker.writing.refuse_row()
        raise ZeroDivisionError

    def judge(self, _: object) -> int:
        self.events.append("judge")
        self.tracker.judge(self.db.total_changes())
        return 1

    def run(self, sql: str) -> int:
        """A SQL function that runs a statement, and hides its failure."""
        with contextlib.suppress(apsw.Error):
            list(self.db.execute(sql))
        return 1

    def follow(self, event: dict[str, Any]) -> None:
        name = "STMT" if event["code"] == apsw.SQLITE_TRACE_STMT else "PROFILE"
        id = self.ids.setdefault(event["id"], len(self.ids) + 1)
        access = "" if name == "PROFILE" else "r" if event["readonly"] else "w"
        if event["total_changes"] > self.total:
            self.events.append(f"+{event['total_changes'] - self.total}")
            self.total = event["total_changes"]
        self.events.append(f"{name} {id}{access}{' trigger' if event.get('trigger') else ''}")
        self.tracker.follow(event)


@pytest.fixture
def recorder(tmp_path: Path) -> Iterator[Recorder]:
    found = Recorder(tmp_path / "my.db")
    yield found
    found.db.trace_v2(0, None)
    found.db.close()


def sql(*texts: str) -> Callable[[Recorder], None]:
    """Run these statements one after the other, whether they fail or not."""

    def program(recorder: Recorder) -> None:
        for text in texts:
            with contextlib.suppress(apsw.Error, ZeroDivisionError):
                recorder.db.execute(text).fetchall()

    return program


def change_schema(recorder: Recorder) -> None:
    """Run a statement again after another connection has changed the schema."""
    query = "SELECT call() FROM t"
    recorder.db.execute("INSERT INTO t VALUES (1)")
    recorder.db.execute(query).fetchall()
    other = apsw.Connection(str(recorder.file))
    other.execute("CREATE TABLE other(b)")
    other.close()
    forget(recorder)
    recorder.db.execute(query).fetchall()


def busy_commit(recorder: Recorder) -> None:
    """COMMIT while another connection reads, and then once more."""
    recorder.db.execute("BEGIN; INSERT INTO t VALUES (1)")
    other = apsw.Connection(str(recorder.file))
    reading = other.execute("SELECT * FROM sqlite_schema")
    forget(recorder)
    with pytest.raises(apsw.BusyError):
        recorder.db.execute("COMMIT")
    reading.close()
    recorder.db.execute("COMMIT")
    other.close()


def close_early(recorder: Recorder) -> None:
    """A query whose cursor is closed before its last row; then SQLite reports what it reports at the last row."""
    recorder.db.execute("SELECT call() UNION ALL SELECT 2").close()
    early = (list(recorder.events), list(recorder.callbacks))
    forget(recorder)
    recorder.db.execute("SELECT call() UNION ALL SELECT 2").fetchall()
    assert early == (recorder.events, recorder.callbacks)


def own_query(recorder: Recorder) -> None:
    """A query of the package."""
    list(recorder.internal_sql.read("SELECT 1"))


def forget(recorder: Recorder) -> None:
    recorder.events.clear()
    recorder.callbacks.clear()
    recorder.ids.clear()
    recorder.sessions.clear()


def reset(recorder: Recorder) -> None:
    """A write that returns rows, and whose cursor is closed before its last row."""
    recorder.db.execute("INSERT INTO t SELECT call() UNION ALL SELECT 2 RETURNING a").close()
    recorder.db.execute("SELECT 2").fetchall()


def comment_beside_a_cursor(recorder: Recorder) -> None:
    """A cursor is open, a write fails, and a comment begins with a word that could begin a statement."""
    reading = recorder.db.execute("SELECT 1 UNION SELECT 2")
    sql("INSERT INTO t SELECT call() UNION ALL SELECT 1", "-- select it\nSELECT 2")(recorder)
    reading.close()


PROGRAMS: dict[str, Callable[[Recorder], None]] = {
    "a query, read to its end or closed before": close_early,
    "a query that SQLite prepares again after a schema change": change_schema,
    "a query of the package itself": own_query,
    "a write": sql("INSERT INTO t SELECT call()", "SELECT 2"),
    "a write that returns rows and is reset": reset,
    "a write that violates a constraint": sql("INSERT INTO t SELECT call() UNION ALL SELECT 1", "SELECT 2"),
    "a write whose row a table refuses": sql("INSERT INTO t SELECT refuse() WHERE call()", "SELECT 2"),
    "a write to other tables": sql("INSERT INTO t VALUES (1)", "SELECT 2"),
    "a write that fires a trigger": sql("INSERT INTO fired SELECT call()", "SELECT 2"),
    "a write with the action of a foreign key": sql("DELETE FROM parent WHERE call()", "SELECT 2"),
    "a query in a SQL function": sql("SELECT run('SELECT call()')"),
    "a write that fails, and what may be a COMMIT with a comment, or a query in a SQL function": (
        comment_beside_a_cursor
    ),
    "a write in a SQL function of a query": sql("SELECT run('INSERT INTO t SELECT call()')"),
    "a write in a SQL function of a write that fails": sql(
        "INSERT INTO t SELECT run('INSERT INTO log SELECT call()') UNION ALL SELECT call()", "SELECT 3"
    ),
    "a write with RETURNING that fails in a SQL function of a write, judged by a table": sql(
        "INSERT INTO log SELECT judge(run('INSERT INTO t SELECT call() UNION ALL SELECT 1 RETURNING a'))", "SELECT 3"
    ),
    "a COMMIT that finds the database busy, and another one": busy_commit,
}
SEQUENCES = re.findall(r"^    (\S.*)\n {8}(.*)\n {8}(.*)$", statements.__doc__ or "", re.MULTILINE)


def test_statement_programs_are_the_documented_sequences() -> None:
    assert list(PROGRAMS) == [name for name, _, _ in SEQUENCES]


@pytest.mark.parametrize(
    ("name", "events", "callbacks"), SEQUENCES, ids=[name.replace(" ", "-") for name, _, _ in SEQUENCES]
)
def test_statement_sequence(name: str, events: str, callbacks: str, recorder: Recorder) -> None:
    """SQLite reports these events, and the tracker calls these callbacks and closes every session."""
    forget(recorder)
    PROGRAMS[name](recorder)
    assert "  ".join(recorder.events) == events
    assert (", ".join(recorder.callbacks) or "nothing") == callbacks
    assert all(session.is_closed for session in recorder.sessions)


def test_statement_that_queues_without_a_session_is_judged(recorder: Recorder) -> None:
    """A SQL function of the package queues a write, and opens no session."""
    forget(recorder)

    def queue() -> int:
        recorder.queued += 1
        return 1

    recorder.db.create_scalar_function("queue", queue)
    sql("INSERT INTO t SELECT queue() UNION ALL SELECT 1", "SELECT 2")(recorder)
    assert recorder.callbacks == ["began 1", "failed 1", "ended 1", "began 2", "ended 2"]
