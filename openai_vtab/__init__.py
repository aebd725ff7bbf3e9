"""OpenAI's vector-store file batches as SQLite virtual tables.

>>> import openai_vtab
>>> db = openai_vtab.connect("my.db")
>>> db.execute("SELECT status FROM vector_store_file_batches WHERE vector_store_id = ? AND batch_id = ?", (…)).get

The names below are loaded when they are first used, so that `import openai_vtab` costs next to nothing.
"""

from __future__ import annotations

from ._version import __version__ as __version__

TYPE_CHECKING = False  # typing's own would take longer to load than all the rest
if TYPE_CHECKING:
    from .connection import connect, connect_async, register
    from .errors import (
        APIConnectionError,
        APIError,
        APITimeoutError,
        ConfigurationError,
        DatabaseError,
        DataError,
        Error,
        IntegrityError,
        InterfaceError,
        InternalError,
        MissingColumnsError,
        NotSupportedError,
        OperationalError,
        ProgrammingError,
        RowError,
        UnsupportedWriteError,
        Warning,
        WriteError,
    )

__all__ = [
    "APIConnectionError",
    "APIError",
    "APITimeoutError",
    "ConfigurationError",
    "DataError",
    "DatabaseError",
    "Error",
    "IntegrityError",
    "InterfaceError",
    "InternalError",
    "MissingColumnsError",
    "NotSupportedError",
    "OperationalError",
    "ProgrammingError",
    "RowError",
    "UnsupportedWriteError",
    "Warning",
    "WriteError",
    "connect",
    "connect_async",
    "register",
]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name in ("connect", "connect_async", "register"):
        from . import connection as home
    else:
        from . import errors as home  # type: ignore[no-redef]
    value: object = getattr(home, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*globals(), *__all__]
