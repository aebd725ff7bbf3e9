"""APSW's exceptions as PEP 249's: one table, like the one that sqlite3 has for SQLite's result codes.

Exceptions that are PEP 249's already pass unchanged.

>>> with map_errors:
...     connection.execute("SELECT nonsense")
Traceback (most recent call last):
openai_vtab.errors.OperationalError: no such column: nonsense

https://docs.python.org/3/library/sqlite3.html#exceptions and https://rogerbinns.github.io/apsw/exceptions.html
"""

from __future__ import annotations

from types import TracebackType

import apsw

from ..errors import (
    DatabaseError,
    DataError,
    Error,
    IntegrityError,
    InterfaceError,
    InternalError,
    NotSupportedError,
    OperationalError,
    ProgrammingError,
)

CLOSED = "Cannot operate on a closed database."

PEP249_CLASSES: dict[type[Exception], type[Exception]] = {
    # SQLite's result codes, as in CPython's Modules/_sqlite/util.c
    apsw.SQLError: OperationalError,
    apsw.PermissionsError: OperationalError,
    apsw.AbortError: OperationalError,
    apsw.BusyError: OperationalError,
    apsw.LockedError: OperationalError,
    apsw.ReadOnlyError: OperationalError,
    apsw.InterruptError: OperationalError,
    apsw.IOError: OperationalError,
    apsw.FullError: OperationalError,
    apsw.CantOpenError: OperationalError,
    apsw.ProtocolError: OperationalError,
    apsw.EmptyError: OperationalError,
    apsw.SchemaChangeError: OperationalError,
    apsw.ConstraintError: IntegrityError,
    apsw.MismatchError: IntegrityError,
    apsw.InternalError: InternalError,
    apsw.NotFoundError: InternalError,
    apsw.NoMemError: MemoryError,
    apsw.TooBigError: DataError,
    apsw.MisuseError: InterfaceError,
    apsw.RangeError: InterfaceError,
    apsw.CorruptError: DatabaseError,
    apsw.NotADBError: DatabaseError,
    apsw.FormatError: DatabaseError,
    apsw.AuthError: DatabaseError,
    apsw.NoLFSError: DatabaseError,
    # APSW's own
    apsw.BindingsError: ProgrammingError,
    apsw.ConnectionClosedError: ProgrammingError,
    apsw.ConnectionNotClosedError: ProgrammingError,
    apsw.CursorClosedError: ProgrammingError,
    apsw.VFSFileClosedError: ProgrammingError,
    apsw.ThreadingViolationError: ProgrammingError,
    apsw.ForkingViolationError: ProgrammingError,
    apsw.IncompleteExecutionError: ProgrammingError,
    apsw.ExecutionCompleteError: ProgrammingError,
    apsw.InvalidContextError: ProgrammingError,
    apsw.ExecTraceAbort: OperationalError,
    apsw.ExtensionLoadingError: OperationalError,
    apsw.NoFTS5Error: NotSupportedError,
    apsw.VFSNotImplementedError: NotSupportedError,
    apsw.Error: DatabaseError,
}


def to_pep249(error: apsw.Error, message: str = "") -> Exception:
    """Convert APSW's exception; SQLite's extended result code and its name are kept as attributes.

    `message` replaces its message unless it is empty. If APSW's own connection was closed, the message is sqlite3's.
    """
    # a cursor of a connection that is closed by force is closed, too; sqlite3's own check has passed the others
    if isinstance(error, apsw.ConnectionClosedError | apsw.CursorClosedError):
        message = CLOSED
    kind = next(PEP249_CLASSES[cls] for cls in type(error).__mro__ if cls in PEP249_CLASSES)
    converted = kind(message or str(error))
    # InterruptError has no code when it was raised in Python, as for an interrupted wait for the network.
    default = apsw.SQLITE_INTERRUPT if isinstance(error, apsw.InterruptError) else None
    code = getattr(error, "extendedresult", default)
    if code is not None and isinstance(converted, Error):
        primary = code & 0xFF
        names = apsw.mapping_result_codes if code == primary else apsw.mapping_extended_result_codes
        converted.sqlite_errorcode = code
        converted.sqlite_errorname = str(names.get(code, apsw.mapping_result_codes.get(primary, "unknown")))
    return converted


class _MapErrors:
    """A context manager around every call of APSW.

    It is a class because a generator of contextlib takes longer than fetching a row.
    """

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if isinstance(error, apsw.Error):
            raise to_pep249(error) from None
        if isinstance(error, UnicodeDecodeError):
            raise OperationalError(f"Could not decode to UTF-8 column with text {error.object!r}") from None


map_errors = _MapErrors()
