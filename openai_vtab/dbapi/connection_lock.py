"""One lock for each connection, so that threads can share it, its cursors and its blobs, as with Python's sqlite3.

>>> class Handle:
...     _lock = ConnectionLock()
...     @serialized
...     def total_changes(self): ...

Theory of operation
-------------------
APSW refuses a second thread (ThreadingViolationError), or waits for SQLite's mutex while it holds the GIL, which the
first thread needs to leave SQLite: both threads then hang. So a thread that calls APSW must hold the connection's lock.

- **What it protects**: APSW's connection, with its cursors and blobs, and the attributes of ours that describe the
  running statement (the row that was read ahead, rowcount). A public method takes the lock for one call: execute()
  until the first row is there, fetchone() for one row. Between two calls, other threads use the connection's other
  cursors.
- **Who takes it**: the outermost public methods, which are decorated with `serialized`; the methods below them do not.
  With check_same_thread, there is no lock: a call in another thread raises ProgrammingError at once, instead of after
  a long statement.
- **Callbacks** (functions, converters, row factories, progress handlers) run in the thread that holds the lock. They
  may use the connection, because the lock is reentrant; only the cursor that runs is refused. A callback that waits for
  another thread's use of the connection waits for ever, as in sqlite3. The iterable that executemany() reads may wait
  for other threads: the lock is free while it makes a row.
- **Order**: lock, then SQLite's mutex, then the GIL. Waiting for the lock releases the GIL. backup() needs the locks of
  two connections, and takes them in one order for all.
- **Our worker threads** never take it: they send requests, and know no connection of the DB-API. But the garbage
  collector runs in any thread, so that they may free a cursor. Freeing one must not wait: see `Closer`.
- **interrupt()** does not take it: SQLite and APSW need no mutex for it.
- **Ctrl-C** ends the wait for the lock. The lock is C code and is entered by `with`, where no signal handler can run
  between its acquisition and the block that releases it.
- **close()** waits for the running call of another thread, whose next call then raises ProgrammingError.
- **fork()**: another thread of the parent may hold the lock, and the child does not have that thread. So the child
  frees the lock.

https://docs.python.org/3/library/sqlite3.html#sqlite3.threadsafety
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar, cast

import apsw

from .exceptions import to_pep249


class ConnectionLock:
    """The lock of one connection, and what other threads have dropped while it was held."""

    def __init__(self) -> None:
        self.rlock = threading.RLock()
        self.dropped: list[apsw.Cursor | apsw.Blob] = []
        self._opener = threading.get_ident()
        self._is_shared = False
        _locks[:] = [ref for ref in _locks if ref() is not None] + [weakref.ref(self)]

    def closer_for(self, opened: apsw.Cursor | apsw.Blob) -> Closer | None:
        """Return what closes a cursor or blob that any thread may drop; None while only one thread has made them.

        A single thread needs no Closer. Its finalizer is Python code, in which a KeyboardInterrupt would be lost.
        """
        self._is_shared = self._is_shared or threading.get_ident() != self._opener
        return Closer(opened, self.dropped) if self._is_shared else None

    def close_dropped(self) -> None:
        """Close what could not be closed when it was dropped. The caller holds the lock."""
        while self.dropped:
            self.dropped.pop().close(True)


class Closer:
    """Closes a cursor or blob of APSW's when it is dropped, or leaves it to the thread that uses the connection.

    APSW itself would leave it to the main thread's next Python code. As long as the main thread waits, for example in
    Thread.join(), the statement stays open, and a thread that closes the connection waits for that without end.
    """

    def __init__(self, opened: apsw.Cursor | apsw.Blob, dropped: list[apsw.Cursor | apsw.Blob]) -> None:
        self._opened = opened
        self._dropped = dropped

    def __del__(self) -> None:
        try:
            self._opened.close(True)
        except apsw.ThreadingViolationError:
            self._dropped.append(self._opened)


class HasLock(Protocol):
    """A connection, cursor or blob. The lock is None if one thread alone can use it, or before __init__ has run."""

    _lock: ConnectionLock | None


S = TypeVar("S", bound=HasLock)
P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")


def serialized(method: Callable[Concatenate[S, P], R]) -> Callable[Concatenate[S, P], R]:
    """Decorate a method: it holds its connection's lock, and raises APSW's exceptions as those of PEP 249."""

    @wraps(method)
    def call(self: S, /, *arguments: P.args, **keywords: P.kwargs) -> R:
        lock = self._lock
        try:
            if lock is None:
                return method(self, *arguments, **keywords)
            with lock.rlock:
                result = method(self, *arguments, **keywords)
                if lock.dropped:
                    lock.close_dropped()
                return result
        except apsw.Error as error:
            raise to_pep249(error) from None

    code = method.__code__
    return call if code.co_argcount + code.co_kwonlyargcount > 1 else cast(Any, _without_arguments(method))


def _without_arguments(method: Callable[[S], R]) -> Callable[[S], R]:
    """The same for a method without arguments, such as those that fetch a row: handing arguments on takes time."""

    @wraps(method)
    def call(self: S, /) -> R:
        lock = self._lock
        try:
            if lock is None:
                return method(self)
            with lock.rlock:
                result = method(self)
                if lock.dropped:
                    lock.close_dropped()
                return result
        except apsw.Error as error:
            raise to_pep249(error) from None

    return call


def holding_both(one: ConnectionLock | None, other: ConnectionLock | None) -> Callable[[Callable[[], T]], T]:
    """Return a function that calls another one while it holds both locks. Their order is the same everywhere."""
    first, second = sorted((threading.RLock() if lock is None else lock.rlock for lock in (one, other)), key=id)

    def hold(call: Callable[[], T]) -> T:
        with first, second:
            return call()

    return hold


# References without callbacks, which would be Python code that runs while a connection is freed.
_locks: list[weakref.ref[ConnectionLock]] = []


def _free_locks() -> None:
    """In the child of a fork, free the locks that the parent's threads hold."""
    for weak in _locks:
        if (lock := weak()) is not None:
            rlock: Any = lock.rlock
            rlock._at_fork_reinit()  # as Python's own threading and logging do


if hasattr(os, "register_at_fork"):  # pragma: no branch - Windows has no fork
    os.register_at_fork(after_in_child=_free_locks)
