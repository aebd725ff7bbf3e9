"""connect() and connect_async() open a database with the tables; register() adds them to an open connection.

>>> db = connect("my.db", max_concurrency=32)
>>> db = await connect_async("my.db")
>>> apsw.connection_hooks.append(register)      # every apsw.Connection from now on
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Awaitable, Callable, Coroutine
from contextvars import ContextVar
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import apsw

from .clock import REAL, Clock
from .documents.description import described as described_documents
from .errors import Error, InterfaceError
from .schema.docs import described
from .settings import KEYWORDS, Keywords, Settings, hide_secrets, refuse_unknown
from .sqlite import optional_drops
from .tables import TABLES
from .vtable import functions, hiding_tables, introspection, local_files
from .vtable.callbacks import NO_CALLBACKS, Callbacks
from .vtable.closing import roll_back
from .vtable.context import ConnectionContext
from .vtable.documents_module import DocumentsModule
from .vtable.module import Module

if TYPE_CHECKING:
    from typing import Unpack

DESCRIBED = (described_documents(), *map(described, TABLES))
_execute = apsw.Connection.execute
_SCHEMA_CHANGES = re.compile(r"\b(?:CREATE|DROP)\b", re.IGNORECASE)
READ_WRITE = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE
# What to use instead of register(), by the module of another connection's class.
INSTEAD = {
    "sqlite3": "open the database with openai_vtab.dbapi.connect(…), which works as sqlite3.connect(…) does",
    "openai_vtab.dbapi": "this connection has the tables already: give the settings to openai_vtab.dbapi.connect(…)",
    "sqlalchemy": "write create_engine('sqlite+openai_vtab:///my.db')",
    "aiosqlite": "open the database with await openai_vtab.connect_async(…)",
}


class Connection(apsw.Connection):
    """An apsw.Connection whose with statement raises the exception that made its commit fail.

    APSW raises apsw.SQLError with the same text instead, and has the exception only as __context__. Its execute() knows
    of tables that have the name of one of the API's, and SQLite's errors there also say what to write instead.
    """

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        self._process = os.getpid()
        super().__init__(*arguments, **keywords)

    def execute(self, statements: str, bindings: Any = None, **options: Any) -> apsw.Cursor:
        """Run statements. DROP TABLE IF EXISTS does nothing to a table of the API's.

        In a script with such a DROP, the cursor returns only the rows of the statements after the last DROP.
        Raises ProgrammingError for a CREATE TABLE or VIEW that would hide a table of the API's by mistake.
        """
        try:
            # the regular expression alone would take longer than SQLite does for a short statement
            capitals = str.upper(statements)
            if not ("CREATE" in capitals or "DROP" in capitals) or not _SCHEMA_CHANGES.search(statements):
                return _execute(self, statements, bindings, **options)
            run = partial(_execute, self)
            hiding_tables.refuse_mistaken(self, statements)
            *first, last = hiding_tables.pieces(statements) if bindings is None else [statements]
            for statement in first:
                for _ in optional_drops.execute(run, statement, **options):
                    pass
            return optional_drops.execute(run, last, bindings, **options)
        except apsw.SQLError as error:
            # imported here: it imports stackql/, and only failing statements need it
            from .advice import advised

            error.args = (advised(self, error, statements),)
            raise

    def close(self, force: bool = False) -> None:
        """Roll back an open transaction, which would keep ledgers from being written, and close the connection.

        Does nothing in a forked child: the connection belongs to the parent.
        """
        if os.getpid() == self._process:
            roll_back(self)
            super().close(force)

    def __exit__(self, *exception: Any) -> Any:
        handled = sys.exc_info()[1]
        try:
            return super().__exit__(*exception)
        except apsw.Error as error:
            cause = _cause(error, handled)
            if cause is None:
                raise
        raise cause


class AsyncConnection(Connection):
    """The same in APSW's asynchronous mode: calls return awaitables, and run in a thread of the connection.

    `is_cancelled` tells, in this thread, whether the program no longer waits for the call that runs.
    """

    def __init__(self, *arguments: Any, is_cancelled: Callable[[], bool], **keywords: Any) -> None:
        self._is_cancelled = is_cancelled
        super().__init__(*arguments, **keywords)

    @property
    def is_interrupted(self) -> bool:  # type: ignore[override]
        """Whether interrupt() was called, or the task that waits for the running call was cancelled.

        APSW itself looks for a cancelled call while SQLite computes, but not while a table waits for the network. An
        interrupt() would also end the statements of other tasks that are half read.
        """
        return self._is_cancelled() or super().is_interrupted

    def execute(self, statements: str, bindings: Any = None, **options: Any) -> Any:
        """Run statements as Connection.execute() does. Returns an awaitable outside of the connection's thread."""
        connection: Any = self
        return connection.async_run(partial(super().execute, statements, bindings, **options))

    def close(self, force: bool = False) -> None:
        """Close the connection without waiting, as APSW does; aclose() rolls back an open transaction first."""
        apsw.Connection.close(self, force)

    async def aclose(self, force: bool = False) -> None:
        """Roll back an open transaction, as close() does, and close the connection."""
        connection: Any = self
        await connection.async_run(roll_back, self)
        await super().aclose(force)  # type: ignore[misc]

    async def __aexit__(self, *exception: Any) -> Any:
        handled = sys.exc_info()[1]
        try:
            return await super().__aexit__(*exception)  # type: ignore[misc]
        except apsw.Error as error:
            cause = _cause(error, handled)
            if cause is None:
                raise
        raise cause


def _cause(error: apsw.Error, handled: BaseException | None) -> Error | None:
    """The exception of the package that made a commit fail, None if there is none.

    It is not always the first context, because SQLite may fail again while it rolls back. `handled` is not the cause:
    the program handles this exception around the with statement.
    """
    cause = error.__context__
    while cause is not None and cause is not handled and not isinstance(cause, Error):
        cause = cause.__context__
    return cause if isinstance(cause, Error) and cause is not handled else None


def connect(
    database: str | os.PathLike[str] = ":memory:",
    *,
    flags: int = READ_WRITE,
    statementcachesize: int = 100,
    **settings: Unpack[Keywords],
) -> Connection:
    """Open a database file with the tables registered; `Settings` describes the keywords.

    `flags` and `statementcachesize` are apsw.Connection's.

    A database file may come from a stranger. Its stored views and triggers cannot use the tables, because
    trusted_schema is off; TEMP views can, TEMP triggers cannot.
    https://www.sqlite.org/src/doc/latest/doc/trusted-schema.md

    A name in double quotes is never a string, as in SQLite's own shell: a misspelt column is an error.
    https://www.sqlite.org/quirks.html#dblquote

    Raises TypeError for an unknown setting, InterfaceError for a wrong value, ConfigurationError for an address that
    must not be used, and the errors of apsw.Connection. A missing key raises ConfigurationError at the first request.
    """
    hide_secrets(settings)
    refuse_unknown("openai_vtab.connect()", settings, (*KEYWORDS, "flags", "statementcachesize"))
    connection = Connection(str(database), flags, statementcachesize=statementcachesize)
    _prepare(connection, settings)
    return connection


async def connect_async(
    database: str | os.PathLike[str] = ":memory:",
    *,
    flags: int = READ_WRITE,
    statementcachesize: int = 100,
    **settings: Unpack[Keywords],
) -> apsw.AsyncConnection:
    """Do what connect() does, and return a connection for asyncio, Trio or AnyIO.

    Its methods are APSW's, and return awaitables: https://rogerbinns.github.io/apsw/async.html. While a query waits for
    the network, the event loop and queries of other connections continue. `progress` is called in the connection's
    thread. Cancelling a task, or APSW's deadline, ends its statement at once, as interrupt() would.
    """
    hide_secrets(settings)
    refuse_unknown("openai_vtab.connect_async()", settings, (*KEYWORDS, "flags", "statementcachesize"))
    from apsw import aio  # imports asyncio, which other programs need not wait for

    variable: ContextVar[Any] = cast(Any, apsw.async_controller)
    make_controller = variable.get() or aio.Auto
    made: list[Any] = []

    def controller() -> Any:
        made.append(make_controller())
        return made[0]

    as_async: Callable[..., Awaitable[apsw.AsyncConnection]] = AsyncConnection.as_async
    options = {"flags": flags, "statementcachesize": statementcachesize}
    callbacks = Callbacks(is_abandoned=lambda: _is_cancelled(made[0]))
    token = variable.set(controller)
    try:
        connection = await as_async(str(database), is_cancelled=lambda: _is_cancelled(made[0]), **options)
    finally:
        variable.reset(token)
    try:
        await connection.async_run(_prepare, connection, settings, callbacks)
    except BaseException:
        await connection.aclose()
        raise
    return connection


def _is_cancelled(controller: Any) -> bool:
    """Whether the call that APSW's controller runs in this thread was cancelled, or is past its deadline."""
    try:
        controller.progress_checker()
    except AttributeError:  # another thread than the connection's, or a controller of another kind
        return False
    except BaseException:
        return True
    return False


def _prepare(connection: apsw.Connection, settings: Keywords, callbacks: Callbacks = NO_CALLBACKS) -> None:
    connection.config(apsw.SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0)
    connection.config(apsw.SQLITE_DBCONFIG_DQS_DML, 0)
    register_tables(connection, Settings(**settings).with_environment(), callbacks=callbacks)


def register(connection: apsw.Connection, **settings: Unpack[Keywords]) -> None:
    """Add the tables and functions to a connection; `Settings` describes the keywords.

    Registering again replaces the settings. Threads start at the first request and end with the connection. Raises
    TypeError for a connection that is not APSW's, and InterfaceError for an asynchronous one outside of its thread.
    """
    hide_secrets(settings)
    _refuse_other_connections(connection)
    refuse_unknown("openai_vtab.register()", settings)
    register_tables(connection, Settings(**settings).with_environment())


def _refuse_other_connections(connection: Any) -> None:
    if not isinstance(connection, apsw.Connection):
        kind = type(connection)
        modules = [cls.__module__ for cls in kind.__mro__]
        instead = next(
            (advice for name, advice in INSTEAD.items() if any(f"{m}.".startswith(f"{name}.") for m in modules)),
            "openai_vtab.connect('my.db') opens a database with the tables",
        )
        raise TypeError(f"register() takes an apsw.Connection, not {kind.__module__}.{kind.__qualname__}; {instead}")
    changes: Any = connection.total_changes()
    if isinstance(changes, Coroutine):  # outside of its thread, each call to an asynchronous connection returns one
        changes.close()
        raise InterfaceError(
            "register() cannot wait for an asynchronous connection; write await openai_vtab.connect_async(…), or "
            "await connection.async_run(openai_vtab.register, connection, …)"
        )


def register_tables(
    connection: apsw.Connection,
    settings: Settings,
    *,
    clock: Clock = REAL,
    callbacks: Callbacks = NO_CALLBACKS,
) -> None:
    """Add the tables and functions to a connection, with checked settings."""
    context = ConnectionContext(connection, settings, clock=clock, callbacks=callbacks)
    for table in TABLES:
        Module(context, table).create(connection)
        functions.create(connection, context, table)
    DocumentsModule(context).create(connection)
    context.internal_sql.add_modules(local_files.create(connection, context.limits.upload_root))
    context.internal_sql.add_modules(introspection.create(connection, DESCRIBED, context.workers.client.log))
