"""The border between APSW's exceptions and PEP 249's: one table, as sqlite3 has one for SQLite's result codes.

What is raised by the tables themselves is PEP 249's already (errors.py) and passes as it is. It must not know
cursors, connections or SQL.

>>> with border:
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

CLASSES: dict[type[Exception], type[Exception]] = {
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


def translated(error: apsw.Error) -> Exception:
    """PEP 249's exception for APSW's, with SQLite's extended code and its name when SQLite raised it."""
    kind = next(CLASSES[cls] for cls in type(error).__mro__ if cls in CLASSES)
    translation = kind(str(error))
    # an interrupted wait for the network is raised in Python, and has no code
    interrupted = apsw.SQLITE_INTERRUPT if isinstance(error, apsw.InterruptError) else None
    code = getattr(error, "extendedresult", interrupted)
    if code is not None and isinstance(translation, Error):
        primary = code & 0xFF
        names = apsw.mapping_result_codes if code == primary else apsw.mapping_extended_result_codes
        translation.sqlite_errorcode = code
        translation.sqlite_errorname = str(names.get(code, apsw.mapping_result_codes.get(primary, "unknown")))
    return translation


class _Border:
    """`with border:` around every call of APSW. A class because contextlib's generators cost more than a row."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if isinstance(error, apsw.Error):
            raise translated(error) from None
        if isinstance(error, UnicodeDecodeError):
            raise OperationalError(f"Could not decode to UTF-8 column with text {error.object!r}") from None


border = _Border()
