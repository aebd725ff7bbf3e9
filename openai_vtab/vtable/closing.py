"""The end of connections: at close(), at the interpreter's exit, and in the child of a fork.

>>> closing.watch(weakref.ref(connection))
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import weakref

import apsw

from ..errors import WriteError
from ..sqlite.internal_sql import InternalSQL

log = logging.getLogger("openai_vtab")

# Connections that may be open when the interpreter exits. These references have no callbacks, unlike those of
# weakref.finalize: a callback that sets off a garbage collection while a subclass of apsw.Connection is freed crashes
# Python.
_open: list[weakref.ref[apsw.Connection]] = []


def watch(connection: weakref.ref[apsw.Connection]) -> None:
    """Close the connection at the interpreter's exit, and keep it from being freed in the child of a fork."""
    _open[:] = [ref for ref in _open if ref() is not None] + [connection]


def roll_back(connection: apsw.Connection) -> None:
    """Roll back an open transaction before its connection is closed: at the close itself, ledgers cannot be written."""
    try:
        if connection.in_transaction:
            InternalSQL(weakref.ref(connection)).write("ROLLBACK")
    except apsw.Error:  # the connection is closed already
        return
    except WriteError as error:  # the error of a COMMIT that was busy; the rollback is done
        log.warning("%s", error)


@atexit.register
def _close_all() -> None:
    """Close all connections that are still open.

    A connection that is freed later would disconnect its tables, and crash because APSW is gone then.
    """
    for weak in _open:
        connection = weak()
        if connection is not None:
            roll_back(connection)
            # a daemon thread that uses the connection keeps it alive, and stops when the interpreter ends
            with contextlib.suppress(apsw.ThreadingViolationError):
                connection.close(True)


def _never_free() -> None:
    """In the child of a fork, keep the parent's connections alive: closing one would undo the parent's transaction.

    https://www.sqlite.org/howtocorrupt.html#_carrying_an_open_database_across_a_fork_
    """
    inherited = [connection for weak in _open if (connection := weak()) is not None]
    _open.clear()
    if inherited:
        import ctypes

        for connection in inherited:
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(connection))


if hasattr(os, "register_at_fork"):  # pragma: no branch - Windows has no fork
    os.register_at_fork(after_in_child=_never_free)
