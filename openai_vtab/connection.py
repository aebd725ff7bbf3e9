"""connect() opens a database with the tables; register() adds them to an open connection.

>>> db = connect("my.db", max_concurrency=32)
>>> apsw.connection_hooks.append(register)      # every apsw.Connection from now on
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

import apsw

from .clock import REAL, Clock
from .documents.description import described as described_documents
from .errors import Error
from .schema.docs import described
from .settings import Keywords, Settings, hide_key
from .sqlite import optional_drops
from .tables import TABLES
from .vtable import functions, introspection, local_files, shadows
from .vtable.callbacks import NO_CALLBACKS, Callbacks
from .vtable.closing import roll_back
from .vtable.context import ConnectionContext
from .vtable.documents_module import DocumentsModule
from .vtable.module import Module

if TYPE_CHECKING:
    from typing import Unpack

DESCRIBED = (described_documents(), *map(described, TABLES))


class Connection(apsw.Connection):
    """An apsw.Connection whose with statement raises the exception that made its commit fail.

    APSW raises apsw.SQLError with the same text instead, and has the exception only as __context__. Its execute() knows
    of tables that have the name of one of the API's.
    """

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        self._process = os.getpid()
        super().__init__(*arguments, **keywords)

    def execute(self, statements: str, bindings: Any = None, **options: Any) -> apsw.Cursor:
        """Run statements. DROP TABLE IF EXISTS does nothing where no other table has the name of one of the API's.

        Raises ProgrammingError for a CREATE TABLE that would hide a table of the API's by mistake. SQLite's errors
        name such a table where one exists.
        """
        shadows.refuse_mistaken(statements)
        *first, last = optional_drops.pieces(statements) if bindings is None else [statements]
        run = super().execute
        try:
            for statement in first:
                for _ in optional_drops.execute(run, statement, **options):
                    pass
            return optional_drops.execute(run, last, bindings, **options)
        except apsw.SQLError as error:
            if hint := shadows.hint(self, statements, str(error)):
                error.args = (f"{error}; {hint}",)
            raise

    def close(self, force: bool = False) -> None:
        """Roll back an open transaction, which would keep ledgers from being written, and close the connection.

        Does nothing in a forked child: the connection belongs to the parent.
        """
        if os.getpid() == self._process:
            roll_back(self)
            super().close(force)

    def __exit__(self, *exception: Any) -> Any:
        handled = sys.exc_info()[1]  # an exception that the program handles around the with statement is not the cause
        try:
            return super().__exit__(*exception)
        except apsw.Error as error:
            cause = error.__context__  # not always the first context: SQLite may fail again while it rolls back
            while cause is not None and cause is not handled and not isinstance(cause, Error):
                cause = cause.__context__
            if cause is None or cause is handled:
                raise
        raise cause


def connect(
    database: str | os.PathLike[str] = ":memory:",
    *,
    flags: int = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE,
    statementcachesize: int = 100,
    **settings: Unpack[Keywords],
) -> Connection:
    """Open a database file with the tables registered; `Settings` describes the keywords.

    `flags` and `statementcachesize` are apsw.Connection's.

    A database file may come from a stranger. Its stored views and triggers cannot use the tables, because
    trusted_schema is off; TEMP views can, TEMP triggers cannot.
    https://www.sqlite.org/src/doc/latest/doc/trusted-schema.md

    Raises InterfaceError for a wrong setting, ConfigurationError for an address that must not be used, and the errors
    of apsw.Connection. A missing key raises ConfigurationError at the first request.
    """
    hide_key(settings)
    connection = Connection(str(database), flags, statementcachesize=statementcachesize)
    connection.config(apsw.SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0)
    register(connection, **settings)
    return connection


def register(connection: apsw.Connection, **settings: Unpack[Keywords]) -> None:
    """Add the tables and functions to a connection; `Settings` describes the keywords.

    Registering again replaces the settings. Threads start at the first request and end with the connection.
    """
    hide_key(settings)
    try:
        chosen = Settings(**settings).with_environment()
    except TypeError as error:
        known = ", ".join(Keywords.__annotations__)
        problem = f"{error}; the settings are {known}"
    else:
        register_tables(connection, chosen)
        return
    raise TypeError(problem.replace("Settings.__init__()", "register()"))


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
