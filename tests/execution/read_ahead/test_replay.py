"""A replay is invisible: handlers, hooks, traces, factories and counters of the user see nothing of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import apsw
import apsw.ext
import pytest

import openai_vtab

from ...support.meeting import meeting
from ...support.slow import slow_except
from .joins import IDS, JOIN, LATER, ON, ROWS, N, Requests, Run, T, assert_no_threads, own_threads, python

PATH = "/vector_stores/vs_demo/file_batches/"


def test_replay_keeps_progress_handlers(db: apsw.Connection) -> None:
    """They are called as before, and can stop the statement."""
    calls = []
    db.set_progress_handler(lambda: bool(calls.append(1)), 50)
    assert db.execute(JOIN).fetchall() == ROWS
    assert calls
    calls.clear()
    db.execute("WITH RECURSIVE i(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM i WHERE n < 100) SELECT sum(n) FROM i").get  # noqa: B018
    assert calls, "it is still there"
    db.set_progress_handler(lambda: True, 50)
    with pytest.raises(apsw.InterruptError):
        db.execute(JOIN).fetchall()
    db.set_progress_handler(None)
    assert db.execute(JOIN).fetchall() == ROWS


@pytest.mark.parametrize("deny", ["nothing", "denies", "raises"])
def test_replay_keeps_authorizers(db: apsw.Connection, requests: Requests, deny: str) -> None:
    """One that forbids PRAGMA forbids us to look whether a function is harmless: then nothing is predicted."""

    def authorize(operation: int, *names: Any) -> int:
        if operation == apsw.SQLITE_PRAGMA and deny == "raises":
            raise PermissionError("no PRAGMA")
        if operation == apsw.SQLITE_PRAGMA and deny == "denies":
            return apsw.SQLITE_DENY
        return apsw.SQLITE_OK

    db.authorizer = authorize
    assert db.execute(f"{JOIN} WHERE abs(d.n) >= 0").fetchall() == ROWS
    assert len(requests()) == N
    assert db.authorizer is authorize


def test_replay_is_invisible_to_traces(db: apsw.Connection, one_by_one: apsw.Connection) -> None:
    """exec_trace and row_trace of the connection and of a cursor, which stays as it is set."""
    seen: list[Any] = []

    def on_row(cursor: apsw.Cursor, row: tuple[Any, ...]) -> Any:
        seen.append(row)
        return row[1]

    def on_statement(cursor: apsw.Cursor, sql: str, bindings: Any) -> bool:
        seen.append((sql, bindings))
        return True

    for connection in (one_by_one, db):
        seen.append("apart")
        connection.exec_trace = on_statement
        connection.row_trace = on_row
        assert connection.execute(f"{JOIN} WHERE n >= ?", (0,)).fetchall() == IDS
        connection.exec_trace = connection.row_trace = None
        cursor = connection.cursor()
        cursor.exec_trace = on_statement
        cursor.row_trace = on_row
        assert cursor.execute(f"{JOIN} WHERE n >= ?", (0,)).fetchall() == IDS
    middle = seen.index("apart", 1)
    assert seen[:middle] == seen[middle:]
    assert len(seen) == 2 * (1 + 2 * (N + 1))


def test_replay_is_invisible_to_transaction_hooks(db: apsw.Connection) -> None:
    """Commit, rollback and update hooks are told of the user's changes only."""
    seen: list[Any] = []
    db.set_commit_hook(lambda: bool(seen.append("commit")))
    db.set_rollback_hook(lambda: seen.append("rollback"))
    db.set_update_hook(lambda *what: seen.append(what[0]))
    assert db.execute(JOIN).fetchall() == ROWS
    assert seen == []
    db.execute(f"CREATE TABLE e AS {JOIN} LIMIT 3")
    assert set(seen) == {"commit"}


class Upper(apsw.Cursor):
    """A user's cursor, with arguments of its own."""

    def __init__(self, connection: apsw.Connection) -> None:
        super().__init__(connection)
        self.executed: list[str] = []

    def execute(self, sql: str, parameters: Sequence[Any] = (), **more: Any) -> Any:  # type: ignore[override]
        self.executed.append(sql)
        return super().execute(sql, [int(parameter) for parameter in parameters] or None, **more)

    def executemany(self, sql: str, rows: Sequence[Any]) -> Any:  # type: ignore[override]
        assert len(rows) > 0
        return super().executemany(sql, rows)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("kind", ["class", "function"])
def test_replay_with_a_cursor_factory(sandbox: Any, fill: Any, requests: Requests, when: str, kind: str) -> None:
    """Set before or after: its cursors are used, with the arguments that they take."""
    db = fill(apsw.Connection(":memory:"))
    factory = Upper if kind == "class" else lambda connection: Upper(connection)  # noqa: PLW0108 - no class
    if when == "before":
        db.cursor_factory = factory
    openai_vtab.register(db, base_url=sandbox.base_url, api_key=sandbox.api_key)
    if when == "after":
        db.cursor_factory = factory
    cursor = db.cursor()
    assert isinstance(cursor, Upper)
    with meeting(sandbox, 4, path=LATER):
        assert cursor.execute(sql=JOIN).fetchall() == ROWS
    assert len(requests()) == N
    sandbox.reset_counters()
    with meeting(sandbox, 4 if when == "before" else 1, path="vsfb_02[2-9]"):
        assert cursor.execute(f"{JOIN} WHERE d.n >= ?", parameters=["20"]).fetchall() == ROWS[20:]
    if when == "after":  # it is not known with which values it runs
        assert sandbox.max_in_flight == 1
    assert cursor.executed == [JOIN, f"{JOIN} WHERE d.n >= ?"]
    cursor.executemany(sql="INSERT INTO d VALUES (?, '', '')", rows=[(100,), (101,)])
    assert db.execute("SELECT count(*) FROM d").get == N + 2
    db.close()


def test_replay_with_a_converter_of_bindings(db: apsw.Connection) -> None:
    """What only the user's cursor can convert cannot be bound again: it is only not predicted."""
    cursor = db.cursor()
    cursor.convert_binding = lambda cursor, number, value: int(value.real)
    assert cursor.execute(f"{JOIN} WHERE d.n >= ?", (complex(5, 0),)).fetchall() == ROWS[5:]


def test_replay_after_registering_twice(connect: Any, fill: Any, sandbox: Any, requests: Requests) -> None:
    """The later settings hold, also whether it reads ahead; the cursors stay APSW's."""
    before = own_threads()
    db = fill(connect(read_ahead=False))
    again = {"base_url": sandbox.base_url, "api_key": sandbox.api_key}
    for _ in range(3):
        openai_vtab.register(db, **again)
    assert type(db.cursor()) is apsw.Cursor
    with meeting(sandbox, 4, path=LATER):
        assert db.execute(f"{JOIN} WHERE n >= ?", (0,)).fetchall() == ROWS
    openai_vtab.register(db, **again, read_ahead=False)
    sandbox.reset_counters()
    assert db.execute(f"{JOIN} WHERE n >= ?", (0,)).fetchall() == ROWS
    assert sandbox.max_in_flight == 1
    db.close()
    assert_no_threads(before)


def test_replay_with_register_as_a_connection_hook(sandbox: Any, fill: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every connection reads ahead, also by the cursors of its own class."""
    monkeypatch.setenv("OPENAI_BASE_URL", sandbox.base_url)
    monkeypatch.setenv("OPENAI_API_KEY", sandbox.api_key)
    apsw.connection_hooks.append(openai_vtab.register)
    try:
        db = fill(apsw.Connection(":memory:"))
    finally:
        apsw.connection_hooks.remove(openai_vtab.register)
    with meeting(sandbox, 4, path=LATER):
        assert db.execute(f"{JOIN} WHERE n >= ?", (0,)).fetchall() == ROWS
    db.close()


@pytest.mark.slow
@pytest.mark.parametrize("mode", slow_except(["box", "json", "list"], "box"))
def test_prefetch_in_the_shell(sandbox: Any, fill: Any, requests: Requests, mode: str) -> None:
    """In every output mode; each key once."""
    fill(apsw.Connection(":memory:"))
    sandbox.reset_counters()
    values = ", ".join(f"({n}, 'vs_demo', '{name}')" for n, name in ROWS)
    text = f".mode {mode}\nCREATE TABLE d (n, s, b);\nINSERT INTO d VALUES {values};\n{JOIN};\n"
    with meeting(sandbox, 4, path=LATER):
        output = python(["-m", "openai_vtab"], sandbox, text)
    assert all(name in output for name in IDS)
    assert len(requests()) == N


def test_prefetch_on_an_ordinary_apsw_connection(sandbox: Any, fill: Any, tmp_path: Any) -> None:
    """register() alone, on a file, in WAL mode, beside another connection that writes."""
    db = fill(apsw.Connection(str(tmp_path / "my.db")))
    db.pragma("journal_mode", "wal")
    openai_vtab.register(db, base_url=sandbox.base_url, api_key=sandbox.api_key)
    cursor = db.execute(JOIN)
    rows = [next(cursor)]
    other = apsw.Connection(str(tmp_path / "my.db"))
    other.execute("DELETE FROM d WHERE n > 30")
    with meeting(sandbox, 4, path=LATER):
        assert rows + cursor.fetchall() == ROWS
    assert db.execute(JOIN).fetchall() == ROWS[:31]
    db.close()


def test_prefetch_in_a_trigger_that_reads_the_table(sandbox: Any, fill: Any, requests: Requests) -> None:
    """Where the schema is trusted: its keys are asked for one by one, once in each statement."""
    for ahead in (False, True):
        db = apsw.Connection(":memory:")
        fill(db)
        openai_vtab.register(db, base_url=sandbox.base_url, api_key=sandbox.api_key, read_ahead=ahead)
        db.execute("CREATE TABLE e (n, status)")
        db.execute(
            f"CREATE TEMP TRIGGER look AFTER INSERT ON e BEGIN UPDATE e SET status = (SELECT t.status FROM d JOIN {T} AS t ON {ON} WHERE d.n = new.n) WHERE n = new.n; END"
        )
        db.execute("INSERT INTO e (n) VALUES (3), (4), (5)")
        db.execute("INSERT INTO e (n) SELECT n FROM d WHERE n < 3")
        assert db.execute("SELECT n FROM e WHERE status = 'in_progress'").fetchall() == [
            (3,),
            (4,),
            (5,),
            (0,),
            (1,),
            (2,),
        ]
        assert requests() == [f"GET {PATH}{IDS[n]}" for n in (3, 4, 5, 0, 1, 2)]
        db.close()


def test_prefetch_through_a_temp_view(same: Run) -> None:
    """A join in a view is the view's."""
    needed, sent = same("SELECT * FROM joined WHERE n > 3", before=[f"CREATE TEMP VIEW joined AS {JOIN}"])
    assert len(needed) == len(sent) == N - 4
