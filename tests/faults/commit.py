"""Every cause of a failure after Sync against every door; the outcome of each cell follows from a few rules:

    cause     a statement, a `with` block       BEGIN … COMMIT
    locked    WriteError                        SQLite's error; COMMIT again: the same; ROLLBACK: WriteError
    freed     WriteError                        SQLite's error; COMMIT again: committed
    ended     WriteError                        WriteError
    early     SQLite's error, nothing sent      SQLite's error, nothing sent

A WriteError names the batch in `done` and says that repeating the statement would create it again. A ledger lists the
batch afterwards, and the rest of the transaction is undone. No cell sends a second request.

>>> run(sandbox, CAUSES["a commit hook vetoes"], DOORS["connect, BEGIN"], LEDGER)
"""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import apsw
import sqlalchemy.exc

import openai_vtab
from openai_vtab.sandbox import Sandbox

from .causes import EARLY, ENDED, FREED, LEDGER, SCHEMA, Cause, Scene
from .doors import CONTEXT, DOORS, EXPLICIT, ORIG, RAISED, Door
from .matrix import INSERT, Cell, everything, judged
from .table import KEY

LEDGER_REFRESHED = f"SELECT id FROM {LEDGER}"
QUEUED = f"SELECT count(*) FROM {LEDGER}_ledger WHERE status = 'queued'"
NOTES = "SELECT count(*) FROM note"


@dataclass
class Seen:
    """The result of a cell: an error for `write` and for each further step (None if it succeeded), and what is left."""

    errors: list[Exception | None] = field(default_factory=list)
    posts: list[int] = field(default_factory=list)  # after the write, and at the end
    created: list[str] = field(default_factory=list)  # on the server
    listed: list[str] = field(default_factory=list)  # in the ledger, by another connection
    notes: int = 0
    queued: int = 0  # rows of the ledger that still wait for a response
    intents: list[str] = field(default_factory=list)  # the files' names
    secrets: str = field(default="", repr=False)


_stores = itertools.count()


def run(sandbox: Sandbox, cause: Cause, door: Door, table: str) -> Seen:
    """Write a row through a door while a cause is in force: in a file and a vector store of its own.

    If an explicit COMMIT leaves the transaction open, repeat it, and roll back if that fails, too.
    """
    store = sandbox.add_store(f"vs_commit{next(_stores)}")
    settings: dict[str, Any] = {"base_url": sandbox.base_url, "api_key": KEY}
    seen = Seen()
    with tempfile.TemporaryDirectory() as folder:
        file = str(Path(folder) / "ours.db")
        db = openai_vtab.connect(file, **settings)
        db.execute(SCHEMA)
        db.close()
        with door.open(file, settings) as opened, ExitStack() as prevented:
            prevented.enter_context(cause.prevent(Scene(file, opened.apsw, sandbox, store)))
            seen.errors.append(_error(lambda: opened.write(INSERT.format(store=store, table=table))))
            seen.posts.append(_posts(sandbox, store))
            if cause.effect == FREED:
                prevented.close()
            if door.ends == EXPLICIT and cause.effect != ENDED:
                seen.errors.append(_error(opened.commit))
                if seen.errors[-1] is not None:
                    seen.errors.append(_error(opened.roll_back))
            prevented.close()
            opened.apsw.execute(cause.after).fetchall()
        db = openai_vtab.connect(file, **settings)
        seen.listed = [id for (id,) in db.execute(LEDGER_REFRESHED)]
        seen.notes = db.execute(NOTES).get
        seen.queued = db.execute(QUEUED).get
        db.close()
        seen.intents = [path.name for path in Path(folder).glob("*intents*")]
    seen.secrets = "".join(everything(error) for error in seen.errors)
    seen.posts.append(_posts(sandbox, store))
    seen.created = [id for of, id in list(sandbox.batches) if of == store]
    return seen


def _error(step: Callable[[], object]) -> Exception | None:
    try:
        step()
    except Exception as error:
        return error
    return None


def _posts(sandbox: Sandbox, store: str) -> int:
    return sum(request.method == "POST" and f"/{store}/" in request.path for request in list(sandbox.requests))


def cells(sandbox: Sandbox, cause: Cause) -> list[Cell]:
    """Run one cause against every door that it meets, for each of its tables."""
    found = []
    for table, (name, door) in itertools.product(cause.tables, DOORS.items()):
        if cause.meets(door):
            seen = run(sandbox, cause, door, table)
            found.append(judged(name, table, partial(judge, cause, door, table, seen), seen))
    return found


def judge(cause: Cause, door: Door, table: str, seen: Seen) -> str:
    """Return the outcome in a few words; raise AssertionError if the rules say otherwise."""
    ledger = table == LEDGER
    assert KEY not in seen.secrets
    assert (seen.queued, seen.intents) == (0, [])
    assert seen.listed == (seen.created if ledger else [])
    assert seen.notes == (3 if cause.effect == FREED and door.ends == EXPLICIT else 2)
    if cause.effect == EARLY:
        return _judge_early(door, seen)
    assert seen.posts == [1, 1]
    assert len(seen.created) == 1
    if cause.effect == ENDED or door.ends != EXPLICIT:
        (error,) = seen.errors
        return _judge_write_error(cause, door, error, seen.created)
    locked, *again = seen.errors
    busy = _judge_locked(locked)
    if cause.effect == FREED:
        assert again == [None]
        return f"{busy}, then COMMIT: ok"
    assert len(again) == 2
    _judge_locked(again[0])
    return f"{busy}, then ROLLBACK: {_judge_write_error(cause, door, again[1], seen.created)}"


def _judge_early(door: Door, seen: Seen) -> str:
    """The commit fails like that of an ordinary table, without a request."""
    assert (seen.posts, seen.created) == ([0, 0], [])
    *failed, last = seen.errors if door.ends == EXPLICIT else [*seen.errors, None]
    assert last is None  # ROLLBACK
    for error in failed:
        assert "FOREIGN KEY" in str(error)
        assert not isinstance(_ours(error), openai_vtab.WriteError)
    return f"{type(failed[0]).__name__}, nothing sent"


def _judge_locked(error: Exception | None) -> str:
    """COMMIT leaves the transaction open with SQLite's error."""
    assert isinstance(error, apsw.BusyError | openai_vtab.OperationalError), error
    assert not isinstance(error, openai_vtab.WriteError)
    assert "locked" in str(error)
    return type(error).__name__


def _judge_write_error(cause: Cause, door: Door, error: Exception | None, ids: list[str]) -> str:
    """The error names what was created, and says what repeating the statement would do."""
    told = _ours(error)
    assert type(told) is openai_vtab.WriteError, repr(error)
    assert [id for _, id in told.done] == ids
    assert (told.not_done, told.unknown) == ([], [])
    assert all(id in str(told) for id in ids)
    assert "do it again" in str(told)
    where = RAISED if told is error else ORIG if isinstance(error, sqlalchemy.exc.DBAPIError) else CONTEXT
    # After a lock, APSW's own ROLLBACK still finds a transaction, and so raises the WriteError itself.
    assert where == (RAISED if door.exception == CONTEXT and cause.effect != ENDED else door.exception)
    return "WriteError" + ("" if where == RAISED else f" ({where})")


def _ours(error: BaseException | None) -> BaseException | None:
    """Return what users look at: the exception, the `orig` of SQLAlchemy's, or the `__context__` of APSW's own."""
    if isinstance(error, sqlalchemy.exc.DBAPIError):
        return error.orig
    told = error
    while isinstance(told, apsw.Error):
        told = told.__context__
    return told or error
