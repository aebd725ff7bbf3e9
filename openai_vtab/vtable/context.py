"""The objects that the tables of one connection share: threads, statements, the queue of writes, shadow tables.

>>> context = ConnectionContext(connection, Settings())
>>> context.session                # of the statement that runs now
"""

from __future__ import annotations

import weakref
from functools import partial
from itertools import islice
from operator import attrgetter
from pathlib import Path

import apsw

from ..clock import REAL, Clock
from ..execution.read_ahead import ReadAhead, Record
from ..execution.statement import WINDOW_FACTOR, StatementSession
from ..execution.workers import WorkerPool
from ..schema.table import Method, Table
from ..schema.values import Limits
from ..settings import Settings
from ..sqlite import rowids as object_rowids
from ..sqlite.internal_sql import InternalSQL
from ..sqlite.open_cursors import OpenCursors
from ..sqlite.rowids import Rowids
from ..sqlite.sql_text import changes_rows, first_word, select_part
from ..transport.client import Client
from ..writes.queue import WriteQueue
from ..writes.write_sender import WriteSender
from . import closing
from .callbacks import NO_CALLBACKS, Callbacks
from .ending_errors import EndingErrors
from .number_comparisons import NumberComparisons
from .refusals import refuse_if_read_only
from .replay import Replayer
from .running_statement import RunningStatement
from .shadow_stores import ShadowStores
from .statement_programs import StatementPrograms
from .statements import EVENTS, StatementTracker

LEDGER_ROWIDS = attrgetter("rowids")
Statement = RunningStatement[StatementSession]


class ConnectionContext:
    """The shared part of one connection."""

    def __init__(
        self,
        connection: apsw.Connection,
        settings: Settings,
        *,
        clock: Clock = REAL,
        callbacks: Callbacks = NO_CALLBACKS,
    ) -> None:
        # weak, so that a connection that is closed and forgotten is freed, and its threads end
        self.connection = weak = weakref.ref(connection)
        self.settings = settings
        self.clock = clock
        self.callbacks = callbacks
        # absolute: the program may change its current directory
        root = Path(settings.upload_root).absolute() if settings.upload_root else None
        self.limits = Limits(settings.max_files_per_batch, root, settings.strict)
        self.workers = WorkerPool(
            Client(settings, clock=clock), lambda: (c := weak()) is not None and c.is_interrupted, clock=clock
        )
        sender = WriteSender(self.workers, callbacks.may_delete, callbacks.on_done)
        self.writes = writes = WriteQueue(sender)
        self.internal_sql = InternalSQL(weak)
        self.ending_errors = EndingErrors(connection, self.internal_sql, self._is_unheard)
        self.created: dict[tuple[str, ...], float] = {}  # objects created through it: the time, on the clock
        self.stores = ShadowStores(
            self.internal_sql,
            writes,
            sender,
            self.workers,
            files_per_batch=self.limits.files_per_batch,
            on_created=callbacks.on_created,
            on_documents=callbacks.on_documents,
        )
        self.settlement = self.stores.settlement
        self.rowids: list[Rowids] = []  # of the tables without a ledger
        self._open_cursors = OpenCursors()
        self.number_comparisons = NumberComparisons(self.internal_sql, self._open_cursors.with_values)
        self.replayer = Replayer(weak, self.internal_sql, self._open_cursors)
        self.statements: StatementTracker[StatementSession] = StatementTracker(
            self.internal_sql,
            open_session=self._open_session,
            position=lambda: writes.next_number,
            began=self._began,
            ended=self._ended,
            succeeded=self._succeeded,
            failed=self._failed,
        )
        self.programs = StatementPrograms(self.statements.running, self.internal_sql, self._open_cursors.with_values)
        self._connected = 0
        connection.trace_v2(EVENTS, self.statements.follow, id=ConnectionContext)
        if settings.read_ahead:
            connection.cursor_factory = self._open_cursors.factory(connection.cursor_factory)
        weakref.finalize(self, self.workers.close)
        closing.watch(weak)

    # statements

    def _is_unheard(self) -> bool:
        """Whether nobody may see the exception of a COMMIT: of a cancelled task, or of a statement that is reset."""
        return self.callbacks.is_abandoned() or not self.statements.running

    def _began(self, statement: Statement, connection: apsw.Connection) -> None:
        # before a writing statement nothing is settled: what is written now would be undone with that statement
        if statement.readonly and (self.settlement.stores or not self.writes.is_empty):
            self.settle(connection, can_wait=True)

    def _ended(self, statement: Statement, connection: apsw.Connection) -> None:
        self.ending_errors.over()
        if self.writes.savepoints.open and first_word(statement.sql) == "BEGIN":
            self.writes.savepoints.clear()  # SQLite forgets the savepoints of statements that are half read
        if statement.session is not None and not self.statements.running:
            self._forget_old()
        # learned rows wait after a writing statement, so that changes() is still the user's when it is called next
        if self.settlement.stores or not self.writes.is_empty:
            self.settle(connection, can_wait=not statement.readonly)

    def _succeeded(self, statement: Statement) -> None:
        if statement.session is not None:
            self.writes.statement_over(
                statement.session, statement.position, True, fires_triggers=statement.fires_triggers
            )

    def _failed(self, statement: Statement) -> None:
        if statement.session is not None:
            self.writes.statement_over(statement.session, statement.position, False)
        # SQLite has undone what its SQL functions have written, too, if it has failed
        self.writes.doubt(statement.position)

    def _forget_old(self) -> None:
        """Bound what is kept for later statements, however long the connection lives."""
        most = object_rowids.KEPT
        for rowids in (*self.rowids, *map(LEDGER_ROWIDS, self.stores.ledgers)):
            if len(rowids.read) > most:
                rowids.forget_old()
        # all at once: to look for the first one each time would take quadratic time
        for key in list(islice(self.created, max(0, len(self.created) - most))):
            self.created.pop(key, None)

    def judge_nested(self, level: int | None = None) -> None:
        """Before a savepoint or commit callback, judge the statements that have ended within another one.

        Not before the Release of a statement's own savepoint, `level`: total_changes() grows only after that callback.
        """
        statements, connection = self.statements, self.connection()
        if not statements.unjudged or not statements.running or connection is None:
            return
        if level is None or not self.writes.savepoints.is_begun_by(level, statements.unjudged[-1].session):
            statements.judge(connection.total_changes())

    @property
    def session(self) -> StatementSession:
        """The session of the statement that runs now: of those that are not over, the one that began last."""
        statement = self.statements.current
        return StatementSession(self.workers) if statement is None else statement.open()

    @property
    def writer(self) -> StatementSession:
        """The session of the writing statement that runs now."""
        return self.statements.writing.open()

    @property
    def user_rolls_back(self) -> bool:
        """Whether SQLite carries out the user's ROLLBACK, or the end of the connection, now."""
        sql = next((statement.sql for statement in reversed(self.statements.running.values())), "ROLLBACK")
        return first_word(sql) == "ROLLBACK"

    def _open_session(self, statement: Statement) -> StatementSession:
        return StatementSession(
            self.workers,
            # only for read-only statements: a statement that writes must not silently skip rows
            skip_unreadable=self.settings.errors == "row" and statement.readonly,
            assume_exists=self.settings.dry_run and changes_rows(statement.sql),
            read_ahead=partial(self._read_ahead, statement) if self.settings.read_ahead else None,
            on_cached=self.callbacks.on_cached,
        )

    def _read_ahead(self, statement: Statement, session: StatementSession) -> ReadAhead:
        def replay(record: Record, seconds: float) -> bool:
            query = self._open_cursors.with_values(statement.sql)
            if query is not None and not statement.readonly:
                query = select_part(query)
            return self.replayer.replay(query, session, record, seconds)

        most = WINDOW_FACTOR * self.workers.size
        return ReadAhead(
            session.predict,
            session.is_answered,
            most,
            replay,
            prepare=lambda connections: self.workers.prepare(connections, session.wait_budget),
            can_prepare=lambda connections: self.workers.missing(connections) > 0,
            bulk=session.bulk,
            clock=self.clock,
        )

    # writes

    def join_transaction(self, table: Table) -> None:
        """Have SQLite call Sync, Commit and Rollback for the open transaction although a table is dropped.

        SQLite does not call them for the dropped table. A write that changes nothing makes one join that is always
        there.
        """
        self.internal_sql.write(f'DELETE FROM "{(*table.aliases, table.name)[0]}" WHERE false')

    def refuse_if_read_only(self, table: Table, method: Method) -> None:
        """Raise UnsupportedWriteError on a read_only connection. Called before anything is queued or written."""
        refuse_if_read_only(self.settings, table.name, f"{method.http} {method.path}")

    def settle(self, connection: apsw.Connection, *, can_wait: bool) -> None:
        """Outside of a transaction: finish what an interrupt has cut short, and write what ledgers have kept.

        What was only looked up is not written if it can wait.
        """
        if connection.in_transaction or self.statements.is_writing:
            return
        if connection.txn_state() == apsw.SQLITE_TXN_WRITE:
            return  # SQLite reports the end of a statement that is reset before it commits the statement
        self.writes.abandon()
        self.settlement.settle(connection, can_wait)
        if not self.statements.running:
            for ledger in self.stores.ledgers:
                ledger.rowids.renumber()

    # the end of the connection

    def connected(self) -> None:
        """A table was connected."""
        self._connected += 1

    def disconnected(self) -> None:
        """A table was disconnected. With the last one the connection is closed, and the threads end.

        Not left to the garbage collector: an exception's traceback can keep a closed connection's objects alive. Within
        a statement, it is only the schema that has changed, by the rollback of a RENAME for example.
        """
        self._connected -= 1
        self.ending_errors.disconnected()
        if self._connected or self.workers.is_inherited or self.internal_sql.running or self.statements.running:
            return
        self.workers.close()
        self.writes.abandon()
        self.settlement.close()

    def dropped(self) -> None:
        """A table was dropped. The connection stays, even if that was the last table."""
        self._connected -= 1
        if not self._connected:
            self.workers.close()
