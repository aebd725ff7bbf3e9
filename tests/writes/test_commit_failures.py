"""SQLite fails after the requests have left: through every door the caller sees a WriteError that names what was created.

Each door is a way to write a row: with APSW, with sqlite3's interface, with SQLAlchemy; by one statement or between
BEGIN and COMMIT. Each failure is something that SQLite finds out only after the tables' own part of the commit.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import apsw
import pytest
import sqlalchemy
import sqlalchemy.exc
import sqlalchemy.orm

import openai_vtab
from openai_vtab import dbapi
from openai_vtab.sandbox import Answer

MODULE = "vector_store_file_batches"
LEDGER = "mine"
INSERT = "INSERT INTO {} (vector_store_id, file_ids) VALUES ('vs_demo', '[\"file-new-01\"]')"
NOTE = "INSERT INTO note VALUES (3)"


@dataclass
class Opened:
    """A door that is open: `write` writes a row and ends the transaction, `again` repeats the end, `undo` undoes it."""

    apsw: apsw.Connection
    write: Callable[[str], None]
    again: Callable[[], None]
    undo: Callable[[], None]
    stays_open: bool  # whether a busy COMMIT leaves the transaction to the caller


Door = Callable[[str, dict[str, Any]], contextlib.AbstractContextManager[Opened]]


def no_end() -> None:
    raise AssertionError("there is no transaction to end")


def _apsw(db: apsw.Connection, how: str) -> Opened:
    def statement(sql: str) -> None:
        db.execute(sql)

    def transaction(sql: str) -> None:
        db.execute(f"BEGIN; {NOTE}; {sql}")
        db.execute("COMMIT")

    def block(sql: str) -> None:
        with db:
            db.execute(f"{NOTE}; {sql}")

    write = {"statement": statement, "transaction": transaction, "with": block}[how]
    return Opened(db, write, lambda: db.execute("COMMIT"), lambda: db.execute("ROLLBACK"), how == "transaction")  # type: ignore[arg-type,return-value]


def connected(how: str) -> Door:
    @contextlib.contextmanager
    def door(file: str, settings: dict[str, Any]) -> Iterator[Opened]:
        db = openai_vtab.connect(file, **settings)
        yield _apsw(db, how)
        db.close()

    return door


def registered(how: str) -> Door:
    @contextlib.contextmanager
    def door(file: str, settings: dict[str, Any]) -> Iterator[Opened]:
        db = apsw.Connection(file)
        openai_vtab.register(db, **settings)
        yield _apsw(db, how)
        db.close()

    return door


def sqlite3_like(how: str, **mode: Any) -> Door:
    @contextlib.contextmanager
    def door(file: str, settings: dict[str, Any]) -> Iterator[Opened]:
        db = dbapi.connect(file, timeout=0, **mode, **settings)

        def statement(sql: str) -> None:
            db.execute(sql)

        def transaction(sql: str) -> None:
            if not db.in_transaction:
                db.execute("BEGIN")
            db.execute(NOTE)
            db.execute(sql)
            db.execute("COMMIT") if db.isolation_level is None else db.commit()

        def block(sql: str) -> None:
            with db:
                db.execute(NOTE)
                db.execute(sql)

        write = {"statement": statement, "transaction": transaction, "with": block}[how]
        yield Opened(db.apsw, write, db.commit, db.rollback, how == "transaction")
        db.close()

    return door


def sqlalchemy_like(how: str) -> Door:
    @contextlib.contextmanager
    def door(file: str, settings: dict[str, Any]) -> Iterator[Opened]:
        engine = sqlalchemy.create_engine(f"sqlite+openai_vtab:///{file}", connect_args={"timeout": 0, **settings})
        raw = engine.raw_connection()
        inner = raw.driver_connection
        assert inner is not None
        raw.close()  # the pool has the one connection, and gives it out again

        def core(sql: str) -> None:
            with engine.begin() as db:
                db.execute(sqlalchemy.text(NOTE))
                db.execute(sqlalchemy.text(sql.replace(":", "\\:")))

        def session(sql: str) -> None:
            with sqlalchemy.orm.Session(engine) as work, work.begin():
                work.execute(sqlalchemy.text(NOTE))
                work.execute(sqlalchemy.text(sql.replace(":", "\\:")))

        def committed(sql: str) -> None:
            with sqlalchemy.orm.Session(engine) as work:
                work.execute(sqlalchemy.text(NOTE))
                work.execute(sqlalchemy.text(sql.replace(":", "\\:")))
                work.commit()

        write = {"core": core, "session": session, "committed": committed}[how]
        yield Opened(inner.apsw, write, no_end, no_end, False)
        engine.dispose()

    return door


DOORS: dict[str, Door] = {
    "connect, a statement": connected("statement"),
    "connect, BEGIN": connected("transaction"),
    "connect, with": connected("with"),
    "register, a statement": registered("statement"),
    "register, BEGIN": registered("transaction"),
    "register, with": registered("with"),
    "dbapi, autocommit, a statement": sqlite3_like("statement", autocommit=True),
    "dbapi, isolation_level None, a statement": sqlite3_like("statement", isolation_level=None),
    "dbapi, isolation_level None, BEGIN": sqlite3_like("transaction", isolation_level=None),
    "dbapi, commit()": sqlite3_like("transaction"),
    "dbapi, IMMEDIATE, commit()": sqlite3_like("transaction", isolation_level="IMMEDIATE"),
    "dbapi, autocommit False, commit()": sqlite3_like("transaction", autocommit=False),
    "dbapi, with": sqlite3_like("with"),
    "dbapi, autocommit False, with": sqlite3_like("with", autocommit=False),
    "SQLAlchemy, engine.begin()": sqlalchemy_like("core"),
    "SQLAlchemy, Session.begin()": sqlalchemy_like("session"),
    "SQLAlchemy, Session.commit()": sqlalchemy_like("committed"),
}
doors = pytest.mark.parametrize("door", [pytest.param(door, id=name) for name, door in DOORS.items()])
tables = pytest.mark.parametrize("table", [LEDGER, MODULE])


@pytest.fixture
def file(tmp_path: Path, connect: Any) -> str:
    """A database in rollback-journal mode with a ledger and a table of its own."""
    path = str(tmp_path / "ours.db")
    db = connect(path)
    db.execute(
        f"CREATE VIRTUAL TABLE {LEDGER} USING {MODULE}; CREATE TABLE note (x); INSERT INTO note VALUES (1), (2);"
        "CREATE TABLE parent (n INTEGER PRIMARY KEY);"
        "CREATE TABLE child (n REFERENCES parent (n) DEFERRABLE INITIALLY DEFERRED)"
    )
    db.close()
    return path


@pytest.fixture
def settings(sandbox: Any) -> dict[str, Any]:
    return {"base_url": sandbox.base_url, "api_key": sandbox.api_key}


def created(sandbox: Any) -> list[str]:
    return [id for _, id in sandbox.batches if "demo" not in id and "archive" not in id]


def posts(sandbox: Any) -> int:
    return sum(request.method == "POST" for request in sandbox.requests)


def seen(error: BaseException) -> Any:
    """What the users of a door look at: the exception itself, SQLAlchemy's `orig`, or of APSW's own with, the context."""
    if isinstance(error, sqlalchemy.exc.DBAPIError):
        return error.orig
    told: BaseException | None = error
    while isinstance(told, apsw.Error):
        told = told.__context__
    return told or error


def check(error: BaseException, ids: list[str]) -> None:
    """It is a WriteError that names what was created, and says what repeating it would do."""
    told = seen(error)
    assert type(told) is openai_vtab.WriteError, repr(error)
    assert [id for _, id in told.done] == ids
    assert (told.not_done, told.unknown) == ([], [])
    assert all(id in str(told) for id in ids)


def test_with_statement_raises_its_own_failure_within_an_except_block(file: str, settings: Any) -> None:
    """A commit that is merely busy is not taken for the exception that the program is handling."""
    reader = apsw.Connection(file)
    rows = reader.execute("SELECT x FROM note")
    next(rows)
    db = openai_vtab.connect(file, **settings)
    try:
        raise openai_vtab.RowError("an earlier one")
    except openai_vtab.RowError:
        with pytest.raises(apsw.BusyError), db:
            db.execute(NOTE)
    db.close()


def check_listed(file: str, settings: dict[str, Any], table: str, ids: list[str], notes: int = 2) -> None:
    """The ledger lists what was created, the rest is undone, and no intents are left."""
    db = openai_vtab.connect(file, **settings)
    listed = db.execute(f"SELECT id FROM {LEDGER}").fetchall()
    assert [id for (id,) in listed] == (ids if table == LEDGER else [])
    assert db.execute("SELECT count(*) FROM note").get == notes
    assert db.execute(f"SELECT count(*) FROM {LEDGER}_ledger WHERE status = 'queued'").get == 0
    db.close()
    assert [path.name for path in Path(file).parent.glob("*intents*")] == []


@doors
@tables
def test_commit_that_a_reader_keeps_out(sandbox: Any, file: str, settings: Any, door: Door, table: str) -> None:
    """A statement's error names the batch. Where COMMIT leaves the transaction open, COMMIT may be repeated."""
    reader = apsw.Connection(file)
    rows = reader.execute("SELECT x FROM note")
    next(rows)
    with door(file, settings) as opened:
        try:
            opened.write(INSERT.format(table))
        except Exception as error:
            first = error
        assert posts(sandbox) == 1
        (id,) = created(sandbox)
        if opened.stays_open:
            assert "locked" in str(first)
            with pytest.raises((apsw.BusyError, openai_vtab.OperationalError), match="locked"):
                opened.again()
            with pytest.raises(openai_vtab.WriteError) as caught:
                opened.undo()
            first = caught.value
        check(first, [id])
        assert "do it again" in str(seen(first))
        rows.close()
        opened.apsw.execute("SELECT 1").fetchall()
    assert posts(sandbox) == 1
    check_listed(file, settings, table, [id])


@doors
@tables
def test_commit_repeated_after_a_reader_has_gone(
    sandbox: Any, file: str, settings: Any, door: Door, table: str
) -> None:
    """It sends nothing again, and keeps everything."""
    reader = apsw.Connection(file)
    rows = reader.execute("SELECT x FROM note")
    next(rows)
    with door(file, settings) as opened:
        with pytest.raises((apsw.Error, openai_vtab.Error, sqlalchemy.exc.DBAPIError)):
            opened.write(INSERT.format(table))
        rows.close()
        if not opened.stays_open:
            return
        opened.again()
    assert posts(sandbox) == 1
    check_listed(file, settings, table, created(sandbox), notes=3)


def _veto(db: apsw.Connection) -> None:
    db.set_commit_hook(lambda: True, id="no")


def _raise(db: apsw.Connection) -> None:
    def hook() -> bool:
        raise ZeroDivisionError("the hook's own")

    db.set_commit_hook(hook, id="no")


HOOKS = {"vetoes": _veto, "raises": _raise}


@doors
@tables
@pytest.mark.parametrize("hook", HOOKS)
def test_commit_hook_that_refuses(sandbox: Any, file: str, settings: Any, door: Door, table: str, hook: str) -> None:
    """SQLite rolls back, also an explicit COMMIT: the error names the batch."""
    with door(file, settings) as opened:
        HOOKS[hook](opened.apsw)
        with pytest.raises(Exception) as caught:
            opened.write(INSERT.format(table))
        check(caught.value, created(sandbox))
        assert "do it again" in str(seen(caught.value))
        opened.apsw.set_commit_hook(None, id="no")
        assert posts(sandbox) == len(created(sandbox)) == 1
    check_listed(file, settings, table, created(sandbox))


def _full(db: apsw.Connection, sandbox: Any) -> None:
    sandbox.inject(Answer({"id": "vsfb_big", "status": "in_progress", "big": "x" * 100_000}), method="POST")
    db.execute(f"PRAGMA max_page_count = {db.execute('PRAGMA page_count').get + 1}").fetchall()


def _authorizer(answer: int) -> Callable[[apsw.Connection, Any], None]:
    def refuse(db: apsw.Connection, sandbox: Any) -> None:
        def authorizer(code: int, first: str | None, second: str | None, *_: Any) -> int:
            landing = code == apsw.SQLITE_UPDATE and first == f"{LEDGER}_ledger" and second == "status"
            return answer if landing else apsw.SQLITE_OK

        db.authorizer = authorizer  # type: ignore[assignment]

    return refuse


def _trigger(action: str) -> Callable[[apsw.Connection, Any], None]:
    def refuse(db: apsw.Connection, sandbox: Any) -> None:
        db.execute(
            f"CREATE TEMP TRIGGER refuse BEFORE UPDATE OF status ON main.{LEDGER}_ledger BEGIN SELECT RAISE({action}); END"
        )

    return refuse


LANDINGS = {
    "full": _full,
    "denied": _authorizer(apsw.SQLITE_DENY),
    "ignored": _authorizer(apsw.SQLITE_IGNORE),
    "a trigger aborts": _trigger("ABORT, 'no'"),
    "a trigger fails": _trigger("FAIL, 'no'"),
    "a trigger ignores": _trigger("IGNORE"),
    "a trigger rolls back": _trigger("ROLLBACK, 'no'"),
}


@doors
@pytest.mark.parametrize("landing", LANDINGS)
def test_response_that_sqlite_refuses_to_record(
    sandbox: Any, file: str, settings: Any, door: Door, landing: str
) -> None:
    """The response cannot be written into the ledger: nothing is forgotten, and it is written once that is possible."""
    with door(file, settings) as opened:
        LANDINGS[landing](opened.apsw, sandbox)
        with pytest.raises(Exception) as caught:
            opened.write(INSERT.format(LEDGER))
        ids = ["vsfb_big"] if landing == "full" else created(sandbox)
        check(caught.value, ids)
        assert posts(sandbox) == 1
        opened.apsw.authorizer = None
        opened.apsw.execute("DROP TRIGGER IF EXISTS temp.refuse; PRAGMA max_page_count = 100000").fetchall()
    check_listed(file, settings, LEDGER, ids)


@doors
@tables
def test_deferred_foreign_key_is_checked_before_anything_is_sent(
    sandbox: Any, file: str, settings: Any, door: Door, table: str
) -> None:
    """The commit fails as that of an ordinary table, without a request."""
    with door(file, settings) as opened:
        opened.apsw.config(apsw.SQLITE_DBCONFIG_ENABLE_FKEY, 1)
        opened.apsw.execute(
            "CREATE TEMP TRIGGER orphan AFTER INSERT ON main.note BEGIN INSERT INTO child VALUES (99); END"
        )
        if not _has_note(opened):
            return
        with pytest.raises(Exception, match="FOREIGN KEY") as caught:
            opened.write(INSERT.format(table))
        assert not isinstance(seen(caught.value), openai_vtab.WriteError)
        if opened.apsw.in_transaction:
            opened.undo()
    assert posts(sandbox) == 0
    check_listed(file, settings, table, [])


def _has_note(opened: Opened) -> bool:
    """Whether the door writes an ordinary row as well."""
    return opened.write.__name__ != "statement"
