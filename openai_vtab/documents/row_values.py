"""The values of a row that a statement writes, checked. Each problem names the column, the key and what to write.

>>> RowValues(store, limits).attributes({"attributes": '{"b": 1.0}'}, "a.md")
'{"b":1}'
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from ..errors import RowError, UnsupportedWriteError
from ..schema import validators
from ..schema.values import InvalidValue, Limits, SQLiteValue, sql_literal
from . import canonical, contents
from .contents import Content
from .rows import Document
from .store import DocumentStore

Row = Mapping[str, SQLiteValue]
T = TypeVar("T")


class RowValues:
    """The checks of one table. Its methods raise RowError."""

    def __init__(self, store: DocumentStore, limits: Limits) -> None:
        self._store = store
        self._limits = limits

    def refuse_others(self, row: Row, accepted: Sequence[str], verb: str) -> None:
        """Raise UnsupportedWriteError for columns that the statement cannot write."""
        for name in row:
            if name not in accepted:
                raise UnsupportedWriteError(
                    f"{self._store.name}.{name}: {verb} cannot write it; the columns are {', '.join(accepted)}"
                )

    def key(self, row: Row) -> str:
        """Return the key as text. An INTEGER, such as a primary key, is written as SQLite writes it."""
        value = row.get("key")
        key = str(value) if isinstance(value, int) else value
        if not isinstance(key, str) or not key or "\0" in key:
            raise RowError(
                f"{self._store.name}.key: {sql_literal(value)} is not a key; write text, such as a path, or an INTEGER"
            )
        return key

    def attributes(self, row: Row, key: str, known: str | None = None) -> str:
        """Return the attributes as canonical JSON; those of a row that names none are an empty object.

        `known` is canonical JSON that need not be checked again.
        """
        value = row.get("attributes")
        if isinstance(value, str) and value == known:
            return value
        return self._checked("attributes", key, lambda: canonical.attributes(value, self._limits))

    def chunking(self, row: Row, key: str, default: str | None) -> str | None:
        """Return the chunking strategy as canonical JSON; None is the API's default, `default` the table's."""
        value = row.get("chunking_strategy")
        if value is None:
            return default
        return self._checked("chunking_strategy", key, lambda: canonical.chunking(value, self._limits))

    def file_id(self, row: Row, key: str) -> str:
        """Return the id of a file that is in the vector store."""
        return self._checked("file_id", key, lambda: validators.identifier(row["file_id"], self._limits))

    def content(self, row: Row, key: str) -> Content | None:
        """Return the content; None when the row gives none."""
        match _sources(row):
            case []:
                return None
            case ["content"]:
                return self._checked("content", key, lambda: contents.of_value(row["content"], key, self._limits))
            case ["path"]:
                return self._checked("path", key, lambda: contents.of_path(row["path"], self._limits))
        raise RowError(f"{self._store.name}: the key {sql_literal(key)} has content and path; give one of them")

    def is_unchanged(self, row: Row, known: Document) -> bool:
        """Return whether the row gives the path of the file that a document was read from, which has not changed."""
        return _sources(row) == ["path"] and contents.is_unchanged(row["path"], self._limits, known)

    def _checked(self, column: str, key: str, check: Callable[[], T]) -> T:
        try:
            return check()
        except InvalidValue as error:
            problem = f"{self._store.name}.{column} of the key {sql_literal(key)}: {error}"
        raise RowError(problem)


def _sources(row: Row) -> list[str]:
    """Return which of the columns give the content. NULL beside another one gives none, as in an INSERT."""
    named = [name for name in ("content", "path") if name in row]
    return [name for name in named if row[name] is not None] or named[:1]
