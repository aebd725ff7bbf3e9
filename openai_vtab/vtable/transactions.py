"""A virtual table's part in the statements and transactions of its connection.

>>> class VTable(TransactionHooks): ...

https://rogerbinns.github.io/apsw/vtable.html#vttable-class and https://www.sqlite.org/vtab.html#xbegin
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

import apsw

from .context import ConnectionContext

Update = TypeVar("Update", bound=Callable[..., Any])


def reports_refusal(update: Update) -> Update:
    """Report that a method has refused a row: its statement fails, and SQLite does not report that."""

    @wraps(update)
    def method(self: TransactionHooks, *arguments: Any) -> Any:
        if self.context.statements.unjudged:  # a SQL function has written rows for this one
            self.context.judge_nested()
        try:
            return update(self, *arguments)
        except BaseException:
            self.context.statements.writing.refuse_row()
            raise

    return cast(Update, method)


class TransactionHooks:
    """The methods that SQLite calls to tell a table of savepoints and of the transaction's end."""

    def __init__(self, connection: apsw.Connection, context: ConnectionContext) -> None:
        self.connection = weakref.ref(connection)
        self.context = context
        self._writes = context.writes
        context.connected()

    def Disconnect(self) -> None:
        """SQLite closes the table."""
        self.context.disconnected()

    def Begin(self) -> None:
        """The table takes part in a transaction from now on."""

    def Sync(self) -> None:
        """COMMIT, first half: send what is queued. An error here fails the COMMIT."""
        if self.context.statements.is_writing:  # otherwise the latest statement itself may commit, as it is reset
            self.context.judge_nested()
        with self.context.ending_errors.kept():
            self._writes.flush()
            self.context.stores.written_documents.commit()

    def Commit(self) -> None:
        """COMMIT, second half: cannot fail."""
        self.context.stores.written_documents.end()
        self.context.settlement.committed()
        self._writes.commit()

    def Rollback(self) -> None:
        """ROLLBACK, or a COMMIT that SQLite could not complete after Sync."""
        self.context.stores.written_documents.end()
        self.context.settlement.undone()
        with self.context.ending_errors.kept():
            self._writes.rollback(self.context.user_rolls_back)

    def Savepoint(self, level: int) -> None:
        """SAVEPOINT, or the beginning of a statement that may have to be undone alone."""
        self.context.judge_nested()
        self._writes.savepoints.begin(level, self._writes.next_number, self.context.session)

    def Release(self, level: int) -> None:
        """RELEASE."""
        self.context.judge_nested(level)
        self._writes.savepoints.release(level)

    def RollbackTo(self, level: int) -> None:
        """ROLLBACK TO, or a statement that failed within a transaction."""
        self.context.settlement.undone()
        self.context.judge_nested()
        self._writes.rollback_to(level)
