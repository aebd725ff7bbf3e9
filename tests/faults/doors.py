"""The ways in which a program writes a row, as data: APSW, sqlite3's interface, SQLAlchemy.

>>> with DOORS["dbapi, commit()"].open("my.db", settings) as opened: opened.write("INSERT …")
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

import apsw
import sqlalchemy
import sqlalchemy.orm

import openai_vtab
from openai_vtab import dbapi

NOTE = "INSERT INTO note VALUES (3)"

# How a transaction ends
STATEMENT = "statement"  # with its only statement, without BEGIN
EXPLICIT = "explicit"  # with a COMMIT of the program, which may be repeated
BLOCK = "block"  # with a `with` block, which rolls back if its commit fails

# Where a program finds our exception
RAISED = "raised"  # it is raised
ORIG = "orig"  # SQLAlchemy raises its own, and ours is its `orig`
CONTEXT = "context"  # APSW's own `with` raises its own, and ours is its `__context__`


@dataclass
class Opened:
    """An open connection.

    `write` executes a statement and ends its transaction; a transaction that is not a single statement begins with
    NOTE. `commit` and `roll_back` end a transaction that `write` has left open.
    """

    apsw: apsw.Connection
    write: Callable[[str], None]
    commit: Callable[[], Any]
    roll_back: Callable[[], Any]


Open = Callable[[str, dict[str, Any]], AbstractContextManager[Opened]]


@dataclass(frozen=True)
class Door:
    """How to open a database file with connection settings, how a transaction ends, and where the exception is."""

    open: Open
    ends: str
    exception: str = RAISED


def _opened_by_apsw(db: apsw.Connection, ends: str) -> Opened:
    def statement(sql: str) -> None:
        db.execute(sql)

    def explicit(sql: str) -> None:
        db.execute(f"BEGIN; {NOTE}; {sql}")
        db.execute("COMMIT")

    def block(sql: str) -> None:
        with db:
            db.execute(f"{NOTE}; {sql}")

    write = {STATEMENT: statement, EXPLICIT: explicit, BLOCK: block}[ends]
    return Opened(db, write, lambda: db.execute("COMMIT"), lambda: db.execute("ROLLBACK"))


def connected(ends: str) -> Door:
    """openai_vtab.connect()."""

    @contextmanager
    def door(file: str, settings: dict[str, Any]) -> Iterator[Opened]:
        db = openai_vtab.connect(file, **settings)
        yield _opened_by_apsw(db, ends)
        db.close()

    return Door(door, ends)


def registered(ends: str) -> Door:
    """openai_vtab.register() on a connection of APSW's own class."""

    @contextmanager
    def door(file: str, settings: dict[str, Any]) -> Iterator[Opened]:
        db = apsw.Connection(file)
        openai_vtab.register(db, **settings)
        yield _opened_by_apsw(db, ends)
        db.close()

    return Door(door, ends, CONTEXT if ends == BLOCK else RAISED)


def sqlite3_like(ends: str, **mode: Any) -> Door:
    """openai_vtab.dbapi.connect() with one of sqlite3's transaction modes."""

    @contextmanager
    def door(file: str, settings: dict[str, Any]) -> Iterator[Opened]:
        db = dbapi.connect(file, timeout=0, **mode, **settings)

        def statement(sql: str) -> None:
            db.execute(sql)

        def explicit(sql: str) -> None:
            if not db.in_transaction:
                db.execute("BEGIN")
            db.execute(NOTE)
            db.execute(sql)
            db.execute("COMMIT") if db.isolation_level is None else db.commit()

        def block(sql: str) -> None:
            with db:
                db.execute(NOTE)
                db.execute(sql)

        write = {STATEMENT: statement, EXPLICIT: explicit, BLOCK: block}[ends]
        yield Opened(db.apsw, write, db.commit, db.rollback)
        db.close()

    return Door(door, ends)


def sqlalchemy_like(write: Callable[[sqlalchemy.Engine, list[sqlalchemy.TextClause]], None]) -> Door:
    """SQLAlchemy's engine or session: `write` executes the statements in a transaction of its own."""

    def ended() -> None:
        raise AssertionError("the block has ended the transaction")

    @contextmanager
    def door(file: str, settings: dict[str, Any]) -> Iterator[Opened]:
        engine = sqlalchemy.create_engine(f"sqlite+openai_vtab:///{file}", connect_args={"timeout": 0, **settings})
        raw = engine.raw_connection()
        inner = raw.driver_connection
        assert inner is not None
        raw.close()  # The pool keeps this one connection and gives it to the transaction.
        texts = [sqlalchemy.text(NOTE)]
        yield Opened(inner.apsw, lambda sql: write(engine, [*texts, sqlalchemy.text(sql)]), ended, ended)
        engine.dispose()

    return Door(door, BLOCK, ORIG)


def _core(engine: sqlalchemy.Engine, statements: list[sqlalchemy.TextClause]) -> None:
    with engine.begin() as db:
        for statement in statements:
            db.execute(statement)


def _session(engine: sqlalchemy.Engine, statements: list[sqlalchemy.TextClause]) -> None:
    with sqlalchemy.orm.Session(engine) as work, work.begin():
        for statement in statements:
            work.execute(statement)


def _committed(engine: sqlalchemy.Engine, statements: list[sqlalchemy.TextClause]) -> None:
    with sqlalchemy.orm.Session(engine) as work:
        for statement in statements:
            work.execute(statement)
        work.commit()


DOORS = {
    "connect, a statement": connected(STATEMENT),
    "connect, BEGIN": connected(EXPLICIT),
    "connect, with": connected(BLOCK),
    "register, a statement": registered(STATEMENT),
    "register, BEGIN": registered(EXPLICIT),
    "register, with": registered(BLOCK),
    "dbapi, autocommit, a statement": sqlite3_like(STATEMENT, autocommit=True),
    "dbapi, isolation_level None, a statement": sqlite3_like(STATEMENT, isolation_level=None),
    "dbapi, isolation_level None, BEGIN": sqlite3_like(EXPLICIT, isolation_level=None),
    "dbapi, commit()": sqlite3_like(EXPLICIT),
    "dbapi, IMMEDIATE, commit()": sqlite3_like(EXPLICIT, isolation_level="IMMEDIATE"),
    "dbapi, autocommit False, commit()": sqlite3_like(EXPLICIT, autocommit=False),
    "dbapi, with": sqlite3_like(BLOCK),
    "dbapi, autocommit False, with": sqlite3_like(BLOCK, autocommit=False),
    "SQLAlchemy, engine.begin()": sqlalchemy_like(_core),
    "SQLAlchemy, Session.begin()": sqlalchemy_like(_session),
    "SQLAlchemy, Session.commit()": sqlalchemy_like(_committed),
}
