"""Blob: one value of a row, read and written in place, as sqlite3.Blob.

It must not know rows or statements.

>>> with connection.blobopen("images", "data", 1) as blob:
...     blob[:4] = b"\\x89PNG"

https://www.sqlite.org/c3ref/blob_open.html
"""

from __future__ import annotations

import operator
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import apsw

from ..errors import ProgrammingError
from .border import border

if TYPE_CHECKING:
    from typing import Self

_MOST = 2**31 - 1


class Blob:
    """An open blob; only Connection.blobopen() makes one."""

    _blob: apsw.Blob
    _usable: Callable[[], object]
    _closed: bool

    def __new__(cls) -> Self:
        """Refused, as by sqlite3."""
        raise TypeError(f"cannot create '{__package__}.Blob' instances")

    @classmethod
    def _of(cls, blob: apsw.Blob, usable: Callable[[], object]) -> Self:
        self = object.__new__(cls)
        self._blob = blob
        self._usable = usable
        self._closed = False
        return self

    def _open(self) -> apsw.Blob:
        self._usable()
        if self._closed:
            raise ProgrammingError("Cannot operate on a closed blob.")
        return self._blob

    def close(self) -> None:
        """Close it; it cannot be used again."""
        self._usable()
        if not self._closed:
            with border:
                self._blob.close(True)
        self._closed = True

    def read(self, length: int = -1, /) -> bytes:
        """So many bytes from the current place on, all that are left unless told."""
        blob = self._open()
        with border:
            return blob.read(length)

    def write(self, data: bytes, /) -> None:
        """Write at the current place. A blob's length cannot change."""
        blob = self._open()
        if memoryview(data).nbytes > blob.length() - blob.tell():
            raise ValueError("data longer than blob length")
        with border:
            blob.write(data)

    def seek(self, offset: int, origin: int = os.SEEK_SET, /) -> None:
        """Go to a place, from the beginning, from here or from the end."""
        blob = self._open()
        bases = {os.SEEK_SET: 0, os.SEEK_CUR: blob.tell(), os.SEEK_END: blob.length()}
        if origin not in bases:
            raise ValueError("'origin' should be os.SEEK_SET, os.SEEK_CUR, or os.SEEK_END")
        if bases[origin] + offset > _MOST:
            raise OverflowError("seek offset results in overflow")
        if not 0 <= bases[origin] + offset <= blob.length():
            raise ValueError("offset out of blob range")
        blob.seek(bases[origin] + offset)

    def tell(self) -> int:
        """The current place."""
        return self._open().tell()

    def __len__(self) -> int:
        return self._open().length()

    def __enter__(self) -> Self:
        self._open()
        return self

    def __exit__(self, *_: object) -> None:
        self._open()
        self.close()

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, slice):
            return self._at(0, len(self))[key] if range(*key.indices(len(self))) else b""
        return self._at(self._place(key), 1)[0]

    def __setitem__(self, key: Any, value: Any) -> None:
        if isinstance(key, slice):
            places = range(*key.indices(len(self)))
            with memoryview(value) as view:  # raises TypeError for what is no buffer
                if not view.c_contiguous:
                    raise BufferError("underlying buffer is not C-contiguous")
                data = view.tobytes()
            if len(data) != len(places):
                raise IndexError("Blob slice assignment is wrong size")
            if places:
                whole = bytearray(self._at(0, len(self)))
                whole[key] = data
                self._put(min(places), whole[min(places) : max(places) + 1])
            return
        place = self._place(key)
        if not isinstance(value, int):
            raise TypeError(f"'{type(value).__name__}' object cannot be interpreted as an integer")
        if not 0 <= value <= 255:
            raise ValueError("byte must be in range(0, 256)")
        self._put(place, bytes([value]))

    def __delitem__(self, key: Any) -> None:
        self._open()
        kind = "slice" if isinstance(key, slice) else "item"
        raise TypeError(f"Blob doesn't support {kind} deletion")

    def __contains__(self, item: object) -> bool:
        raise TypeError(f"argument of type '{__package__}.Blob' is not iterable")

    def __iter__(self) -> Any:
        raise TypeError(f"'{__package__}.Blob' object is not iterable")

    def _place(self, key: Any) -> int:
        length = len(self)
        try:
            place = operator.index(key)
        except TypeError:
            raise TypeError("Blob indices must be integers") from None
        if abs(place) > _MOST:
            raise IndexError("cannot fit 'int' into an index-sized integer")
        if place < 0:
            place += length
        if not 0 <= place < length:
            raise IndexError("Blob index out of range")
        return place

    def _at(self, place: int, length: int) -> bytes:
        """Bytes at a place, without leaving the current one."""
        blob = self._open()
        before = blob.tell()
        with border:
            blob.seek(place)
            try:
                return blob.read(length)
            finally:
                blob.seek(before)

    def _put(self, place: int, data: bytes | bytearray) -> None:
        blob = self._open()
        before = blob.tell()
        with border:
            blob.seek(place)
            try:
                blob.write(data)
            finally:
                blob.seek(before)
