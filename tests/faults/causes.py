"""Why SQLite cannot commit although the request has been sent, as data. commit.py has the rules.

>>> Cause(ENDED, hook(lambda: True))
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

import apsw

from openai_vtab.sandbox import Sandbox

from .doors import STATEMENT, Door
from .matrix import BATCHES
from .table import member

LEDGER = "mine"
SCHEMA = f"""
    CREATE VIRTUAL TABLE {LEDGER} USING {BATCHES};
    CREATE TABLE note (x);
    INSERT INTO note VALUES (1), (2);
    CREATE TABLE parent (n INTEGER PRIMARY KEY);
    CREATE TABLE child (n REFERENCES parent (n) DEFERRABLE INITIALLY DEFERRED);
"""

# What SQLite does at the commit
LOCKED = "locked"  # BUSY, again and again
FREED = "freed"  # BUSY, and then the lock is free
ENDED = "ended"  # the transaction is rolled back
EARLY = "early"  # the commit fails before Sync


@dataclass(frozen=True)
class Scene:
    """A database file, a connection to it, and the vector store that its request is about."""

    file: str
    db: apsw.Connection
    sandbox: Sandbox
    store: str


@dataclass(frozen=True)
class Cause:
    """Why SQLite fails: `prevent` is in force until its context ends; then the connection executes `after`."""

    effect: str
    prevent: Callable[[Scene], AbstractContextManager[None]]
    after: str = ""
    tables: tuple[str, ...] = (LEDGER, BATCHES)

    def meets(self, door: Door) -> bool:
        """Whether the cause can occur: a foreign key is only checked if the transaction has an ordinary row, too."""
        return self.effect != EARLY or door.ends != STATEMENT


@contextmanager
def reader(scene: Scene) -> Iterator[None]:
    """Another connection reads the file, which is in rollback-journal mode."""
    other = apsw.Connection(scene.file)
    rows = other.execute("SELECT x FROM note")
    next(rows)
    yield
    rows.close()
    other.close()


def hook(refuse: Callable[[], bool]) -> Callable[[Scene], AbstractContextManager[None]]:
    """A commit hook beside that of the package."""

    @contextmanager
    def prevent(scene: Scene) -> Iterator[None]:
        scene.db.set_commit_hook(refuse, id="no")
        yield
        scene.db.set_commit_hook(None, id="no")

    return prevent


def _raise() -> bool:
    raise ZeroDivisionError("the hook's own")


@contextmanager
def full(scene: Scene) -> Iterator[None]:
    """The database may grow by one page, and the response needs more."""
    scene.sandbox.inject(member("big", json.dumps("x" * 100_000)), 1, "POST", f"/{scene.store}/")
    scene.db.execute(f"PRAGMA max_page_count = {scene.db.execute('PRAGMA page_count').get + 1}").fetchall()
    yield
    scene.db.execute("PRAGMA max_page_count = 100000").fetchall()


def authorizer(answer: int) -> Callable[[Scene], AbstractContextManager[None]]:
    """An authorizer that refuses the UPDATE of the ledger's status."""

    def decide(code: int, first: str | None, second: str | None, *_: Any) -> int:
        landing = code == apsw.SQLITE_UPDATE and first == f"{LEDGER}_ledger" and second == "status"
        return answer if landing else apsw.SQLITE_OK

    @contextmanager
    def prevent(scene: Scene) -> Iterator[None]:
        scene.db.authorizer = decide
        yield
        scene.db.authorizer = None

    return prevent


def trigger(on: str, action: str) -> Callable[[Scene], AbstractContextManager[None]]:
    """A temporary trigger."""

    @contextmanager
    def prevent(scene: Scene) -> Iterator[None]:
        scene.db.execute(f"CREATE TEMP TRIGGER refuse {on} BEGIN {action}; END")
        yield
        scene.db.execute("DROP TRIGGER IF EXISTS temp.refuse")

    return prevent


def landing(action: str) -> Cause:
    """A trigger refuses to write the response into the ledger."""
    on = f"BEFORE UPDATE OF status ON main.{LEDGER}_ledger"
    return Cause(ENDED, trigger(on, f"SELECT RAISE({action})"), tables=(LEDGER,))


@contextmanager
def orphan(scene: Scene) -> Iterator[None]:
    """Each note has a row without its parent, which is checked at the commit."""
    scene.db.config(apsw.SQLITE_DBCONFIG_ENABLE_FKEY, 1)
    with trigger("AFTER INSERT ON main.note", "INSERT INTO child VALUES (99)")(scene):
        yield


# The connection's next statement (`after`, DROP, PRAGMA) settles a ledger; without one, closing the connection does.
CAUSES = {
    "a reader stays": Cause(LOCKED, reader, "SELECT 1"),
    "a reader leaves": Cause(FREED, reader),
    "a commit hook vetoes": Cause(ENDED, hook(lambda: True)),
    "a commit hook raises": Cause(ENDED, hook(_raise)),
    "the disk is full": Cause(ENDED, full, tables=(LEDGER,)),
    "an authorizer denies": Cause(ENDED, authorizer(apsw.SQLITE_DENY), "SELECT 1", (LEDGER,)),
    "an authorizer ignores": Cause(ENDED, authorizer(apsw.SQLITE_IGNORE), "SELECT 1", (LEDGER,)),
    "a trigger aborts": landing("ABORT, 'no'"),
    "a trigger fails": landing("FAIL, 'no'"),
    "a trigger ignores": landing("IGNORE"),
    "a trigger rolls back": landing("ROLLBACK, 'no'"),
    "a deferred foreign key": Cause(EARLY, orphan),
}
