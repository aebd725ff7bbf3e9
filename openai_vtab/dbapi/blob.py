"""Blob: one value of a row, read and written in place, as in sqlite3.

>>> with connection.blobopen("images", "data", 1) as blob:
...     blob[:4] = b"\\x89PNG"

https://www.sqlite.org/c3ref/blob_open.html
"""

from __future__ import annotations

import operator
import os
from collections.abc import Callable
from typing import Any, Self

import apsw

from ..errors import ProgrammingError
from .connection_lock import Closer, ConnectionLock, serialized
from .exceptions import map_errors

_MAX_OFFSET = 2**31 - 1


class Blob:
    """An open blob, made by Connection.blobopen() only."""

    _blob: apsw.Blob
    _check_connection: Callable[[], object]
    _closed: bool
    _lock: ConnectionLock | None
    _closer: Closer | None

    def __new__(cls) -> Self:
        """Refuse to make a Blob, as sqlite3 does."""
        raise TypeError(f"cannot create '{__package__}.Blob' instances")

    @classmethod
    def _wrap(cls, blob: apsw.Blob, check_connection: Callable[[], object], lock: ConnectionLock | None) -> Self:
        """Wrap APSW's blob. `check_connection` raises when its connection, which has the lock, cannot be used."""
        self = object.__new__(cls)
        self._blob = blob
        self._check_connection = check_connection
        self._closed = False
        self._lock = lock
        self._closer = None if lock is None else lock.closer_for(blob)
        return self

    def _checked(self) -> apsw.Blob:
        self._check_connection()
        if self._closed:
            raise ProgrammingError("Cannot operate on a closed blob.")
        return self._blob

    @serialized
    def close(self) -> None:
        """Close the blob; it cannot be used again."""
        self._check_connection()
        if not self._closed:
            with map_errors:
                self._blob.close(True)
        self._closed = True

    @serialized
    def read(self, length: int = -1, /) -> bytes:
        """Read up to `length` bytes from the current offset, by default all remaining ones."""
        blob = self._checked()
        with map_errors:
            return blob.read(length)

    @serialized
    def write(self, data: bytes, /) -> None:
        """Write at the current offset. The length of a blob cannot change."""
        blob = self._checked()
        if memoryview(data).nbytes > blob.length() - blob.tell():
            raise ValueError("data longer than blob length")
        with map_errors:
            blob.write(data)

    @serialized
    def seek(self, offset: int, origin: int = os.SEEK_SET, /) -> None:
        """Set the current offset, counted from the start, the current offset or the end."""
        blob = self._checked()
        bases = {os.SEEK_SET: 0, os.SEEK_CUR: blob.tell(), os.SEEK_END: blob.length()}
        if origin not in bases:
            raise ValueError("'origin' should be os.SEEK_SET, os.SEEK_CUR, or os.SEEK_END")
        if bases[origin] + offset > _MAX_OFFSET:
            raise OverflowError("seek offset results in overflow")
        if not 0 <= bases[origin] + offset <= blob.length():
            raise ValueError("offset out of blob range")
        blob.seek(bases[origin] + offset)

    @serialized
    def tell(self) -> int:
        """Return the current offset."""
        return self._checked().tell()

    @serialized
    def __len__(self) -> int:
        return self._checked().length()

    def __enter__(self) -> Self:
        self._checked()
        return self

    def __exit__(self, *_: object) -> None:
        self._checked()
        self.close()

    @serialized
    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, slice):
            length = self._checked().length()
            return self._read_at(0, length)[key] if range(*key.indices(length)) else b""
        return self._read_at(self._index(key), 1)[0]

    @serialized
    def __setitem__(self, key: Any, value: Any) -> None:
        if isinstance(key, slice):
            length = self._checked().length()
            indices = range(*key.indices(length))
            with memoryview(value) as view:  # TypeError unless it is a buffer
                if not view.c_contiguous:
                    raise BufferError("underlying buffer is not C-contiguous")
                data = view.tobytes()
            if len(data) != len(indices):
                raise IndexError("Blob slice assignment is wrong size")
            if indices:
                current = bytearray(self._read_at(0, length))
                current[key] = data
                self._write_at(min(indices), current[min(indices) : max(indices) + 1])
            return
        index = self._index(key)
        if not isinstance(value, int):
            raise TypeError(f"'{type(value).__name__}' object cannot be interpreted as an integer")
        if not 0 <= value <= 255:
            raise ValueError("byte must be in range(0, 256)")
        self._write_at(index, bytes([value]))

    def __delitem__(self, key: Any) -> None:
        self._checked()
        kind = "slice" if isinstance(key, slice) else "item"
        raise TypeError(f"Blob doesn't support {kind} deletion")

    def __contains__(self, item: object) -> bool:
        raise TypeError(f"argument of type '{__package__}.Blob' is not iterable")

    def __iter__(self) -> Any:
        raise TypeError(f"'{__package__}.Blob' object is not iterable")

    def _index(self, key: Any) -> int:
        length = self._checked().length()
        try:
            index = operator.index(key)
        except TypeError:
            raise TypeError("Blob indices must be integers") from None
        if abs(index) > _MAX_OFFSET:
            raise IndexError("cannot fit 'int' into an index-sized integer")
        if index < 0:
            index += length
        if not 0 <= index < length:
            raise IndexError("Blob index out of range")
        return index

    def _read_at(self, offset: int, length: int) -> bytes:
        """Read at an offset, and return to the current one."""
        blob = self._checked()
        before = blob.tell()
        with map_errors:
            blob.seek(offset)
            try:
                return blob.read(length)
            finally:
                blob.seek(before)

    def _write_at(self, offset: int, data: bytes | bytearray) -> None:
        blob = self._checked()
        before = blob.tell()
        with map_errors:
            blob.seek(offset)
            try:
                blob.write(data)
            finally:
                blob.seek(before)
