"""Brings the exceptions that end a transaction to the caller, although APSW loses some of them.

Theory of operation
-------------------
APSW keeps the exception of a callback, such as Sync or Rollback, until the statement is over. If SQLite disconnects a
table before that, APSW gives the exception to sys.unraisablehook, and the caller sees SQLite's error code instead.
SQLite does so if the transaction has changed the schema (RENAME, CREATE TABLE), so that the rollback forgets the
schema, and if no prepared statement needs the table any more: APSW's cache of 100 statements has none.

    COMMIT   Sync or Rollback    raises
             (the rollback)      Disconnect: the exception is lost
             the rollback hook   raises it again

The rollback hook is the last function that SQLite calls. An exception that is still kept must not be raised twice.

A cancelled asyncio task does not see the exception of its COMMIT. Neither does a program that frees a cursor, or closes
it by force, before the last row of an INSERT … RETURNING: the statement commits as it is reset. So the log says what
the API may have carried out.

>>> errors = EndingErrors(connection, internal_sql, is_unheard=lambda: False)
>>> with errors.kept(): queue.flush()

https://github.com/rogerbinns/apsw/blob/master/src/vtable.c (apswvtabDestroyOrDisconnect)
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import apsw

from ..errors import WriteError
from ..sqlite.internal_sql import InternalSQL

log = logging.getLogger("openai_vtab")


class EndingErrors:
    """The exceptions of the statement that ends the open transaction of a connection."""

    def __init__(self, connection: apsw.Connection, internal_sql: InternalSQL, is_unheard: Callable[[], bool]) -> None:
        self._internal_sql = internal_sql
        self._is_unheard = is_unheard
        self._raised: BaseException | None = None
        self._is_lost = False
        connection.set_rollback_hook(self._raise_again, id=EndingErrors)

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Remember the exception that the block raises."""
        try:
            yield
        except BaseException as error:
            self._raised, self._is_lost = error, False
            if self._is_unheard() and _may_have_sent(error):
                log.warning("COMMIT has failed, and the program may not see the exception: %s", error)
            raise

    def disconnected(self) -> None:
        """Note that SQLite disconnects a table, so that APSW has lost what was raised before."""
        # within a statement of the package, APSW has put the exception aside, and does not lose it
        self._is_lost = self._is_lost or not self._internal_sql.running

    def _raise_again(self) -> None:
        error, is_lost = self._raised, self._is_lost
        self.over()
        if error is not None and is_lost:
            raise error

    def over(self) -> None:
        """Forget the exception: its statement is over."""
        self._raised, self._is_lost = None, False


def _may_have_sent(error: BaseException) -> bool:
    """Whether the exception of a COMMIT tells of something that the API has carried out, or may have."""
    if isinstance(error, WriteError):
        return bool(error.done or error.partial or error.unknown)
    return isinstance(error, Exception)  # the log has the others already
