"""The objects that the tables of one connection share: threads, the queue of writes, ledgers, statements.

>>> context = ConnectionContext(connection, Settings())
>>> context.session                # of the statement that runs now
"""

from __future__ import annotations

import weakref
from functools import partial
from pathlib import Path

import apsw

from ..clock import REAL, Clock
from ..documents.arguments import Arguments
from ..documents.commit import DocumentCommit
from ..documents.outcomes import DocumentOutcomes
from ..documents.protection import Protection
from ..documents.store import DocumentStore
from ..documents.transaction import WrittenDocuments
from ..errors import UnsupportedWriteError
from ..execution.read_ahead import ReadAhead, Record
from ..execution.statement import WINDOW_FACTOR, StatementSession
from ..execution.workers import WorkerPool
from ..ledger.store import Ledger
from ..schema.table import Method, Table
from ..schema.values import Limits
from ..settings import Settings
from ..sqlite import rowids as object_rowids
from ..sqlite.database_files import file_of
from ..sqlite.internal_sql import InternalSQL
from ..sqlite.open_cursors import OpenCursors
from ..sqlite.rowids import Rowids
from ..sqlite.sql_text import changes_rows, first_word, select_part
from ..tables import TABLES
from ..transport.client import Client
from ..writes.flush import FlushSender
from ..writes.queue import WriteQueue
from ..writes.settlement import Settlement
from . import closing
from .callbacks import NO_CALLBACKS, Callbacks
from .ending_errors import EndingErrors
from .number_comparisons import NumberComparisons
from .programs import StatementPrograms
from .replay import Replayer
from .statements import EVENTS, RunningStatement, StatementTracker

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
        sender = FlushSender(self.workers, callbacks.may_delete, callbacks.on_done)
        self.writes = writes = WriteQueue(sender)
        self.internal_sql = InternalSQL(weak)
        self.ending_errors = EndingErrors(connection, self.internal_sql)
        self.created: dict[tuple[str, ...], float] = {}  # objects created through it: the time, on the clock
        self.ledgers: list[Ledger] = []
        self._documents: list[DocumentOutcomes] = []
        self.written_documents = WrittenDocuments(writes, sender, self._commit_of)
        openers = [partial(Ledger, self.internal_sql, table) for table in TABLES if table.remembered]
        self.settlement = Settlement(self.internal_sql, writes.intents, [*openers, self._outcomes_of])
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

    def _began(self, statement: Statement, connection: apsw.Connection) -> None:
        # before a writing statement nothing is settled: what is written now would be undone with that statement
        if statement.readonly and (self.settlement.stores or not self.writes.is_empty):
            self.settle(connection, can_wait=True)

    def _ended(self, statement: Statement, connection: apsw.Connection) -> None:
        self.ending_errors.over()
        if statement.session is not None and not self.statements.running:
            self._forget_old()
        # learned rows wait after a writing statement, so that changes() is still the user's when it is called next
        if self.settlement.stores or not self.writes.is_empty:
            self.settle(connection, can_wait=not statement.readonly)

    def _succeeded(self, statement: Statement) -> None:
        if statement.session is not None:
            self.writes.statement_over(statement.session, True)

    def _failed(self, statement: Statement) -> None:
        if statement.session is not None:
            self.writes.statement_over(statement.session, False)
        # SQLite has undone what its SQL functions have written, too, if it has failed
        self.writes.doubt(statement.position)

    def _forget_old(self) -> None:
        """Bound what is kept for later statements, however long the connection lives."""
        most = object_rowids.KEPT
        for rowids in (*self.rowids, *[ledger.rowids for ledger in self.ledgers]):
            if len(rowids.read) > most:
                rowids.forget_old()
        while len(self.created) > most:
            del self.created[next(iter(self.created))]

    def judge_nested(self, level: int | None = None) -> None:
        """Before a savepoint or commit callback, judge the statements that have ended within another one.

        Not before the Release of a statement's own savepoint, `level`: total_changes() grows only after that callback.
        """
        statements, connection = self.statements, self.connection()
        if not statements.unjudged or not statements.running or connection is None:
            return
        if level is None or not self.writes.is_begun_by(level, statements.unjudged[-1].session):
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
        return ReadAhead(session.predict, session.is_answered, most, replay, bulk=session.bulk, clock=self.clock)

    # writes and ledgers

    def join_transaction(self, table: Table) -> None:
        """Have SQLite call Sync, Commit and Rollback for the open transaction although a table is dropped.

        SQLite does not call them for the dropped table. A write that changes nothing makes one join that is always
        there.
        """
        self.internal_sql.write(f'DELETE FROM "{(*table.aliases, table.name)[0]}" WHERE false')

    def refuse_if_read_only(self, table: Table, method: Method) -> None:
        """Raise UnsupportedWriteError on a read_only connection. Called before anything is queued or written."""
        if self.settings.read_only:
            raise UnsupportedWriteError(
                f"{table.name}: this connection is read_only, and {method.http} {method.path} would change something "
                "at the API"
            )

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
            for ledger in self.ledgers:
                ledger.rowids.renumber()

    def ledger(self, connection: apsw.Connection, table: Table, schema: str, name: str) -> Ledger:
        """The ledger of a table. It outlives SQLite's object for the table, which a schema change takes away."""
        file = file_of(connection, schema)
        for ledger in self.ledgers:
            if (ledger.schema, ledger.name, ledger.file) == (schema, name, file):
                break
        else:
            ledger = Ledger(self.internal_sql, table, schema, name, file, self.settlement.waiting)
            self.ledgers.append(ledger)
            self.settlement.add(ledger)
        ledger.shadow.create_unless_exists()
        return ledger

    def documents(self, connection: apsw.Connection, schema: str, name: str) -> DocumentStore:
        """The rows of a documents table. They outlive SQLite's object for the table."""
        file = file_of(connection, schema)
        for found in self._documents:
            if (found.schema, found.name, found.file) == (schema, name, file):
                break
        else:
            found = self._outcomes_of(schema, name, file)
            self._documents.append(found)
            self.settlement.add(found)
        return found.store

    def _outcomes_of(self, schema: str, name: str, file: str) -> DocumentOutcomes:
        return DocumentOutcomes(DocumentStore(self.internal_sql, schema, name, file))

    def write_waiting_outcomes(self, store: DocumentStore) -> None:
        """Write what a documents table does not know yet, within the user's transaction. Raises SQLite's errors."""
        self.settlement.write_within(next(each for each in self._documents if each.store is store))

    def _commit_of(self, store: DocumentStore, arguments: Arguments) -> DocumentCommit:
        self.write_waiting_outcomes(store)
        others = [each.store for each in self._documents if each.store is not store]
        holders = Protection(self.internal_sql, store, object).holders  # looks for them at each call
        per_batch = self.limits.files_per_batch
        return DocumentCommit(
            store, arguments, self.writes, self.workers, per_batch, others, holders, self.callbacks.on_created
        )

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
