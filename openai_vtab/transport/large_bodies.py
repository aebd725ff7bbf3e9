"""The bodies of responses while they are received: in memory up to LARGE bytes, and above that in a temporary file.

Dozens of responses are under way or wait to be read at once. With contents of megabytes, they would fill the memory.

>>> with ReceivedBody(stores=True) as body:
...     body.add(b"{}")
...     body.keep()
b'{}'
"""

from __future__ import annotations

import tempfile
from types import TracebackType
from typing import BinaryIO

LARGE = 1_000_000  # bytes


class LargeBody:
    """A body in a temporary file, which has no name that another process could open. One thread reads it."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file = file
        self._size = size
        self.close = file.close

    def __len__(self) -> int:
        return self._size

    def read(self) -> bytes:
        """The body. Raises OSError, and ValueError after `close`."""
        self._file.seek(0)
        return self._file.read()


class ReceivedBody:
    """A body that is being received. If `stores` is false, or if the disk is full, it stays in memory.

    expected: the length that the response has announced, or 0. A body that will be large is written from its first byte
    on: otherwise, each of dozens of threads would hold up to LARGE bytes.
    """

    def __init__(self, stores: bool, expected: int = 0) -> None:
        self._stores = stores
        self._expected = expected
        self._chunks: list[bytes] = []
        self._size = 0
        self._file: BinaryIO | None = None

    def __enter__(self) -> ReceivedBody:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()

    def __len__(self) -> int:
        return self._size

    def add(self, chunk: bytes) -> None:
        """Append the next bytes."""
        self._chunks.append(chunk)
        self._size += len(chunk)
        if self._stores and max(self._size, self._expected) > LARGE:
            self._write()

    def keep(self) -> bytes | LargeBody:
        """Return the body, which outlives this object."""
        if self._file is None:
            return b"".join(self._chunks)
        file, self._file = self._file, None
        return LargeBody(file, self._size)

    def _write(self) -> None:
        """Move the chunks into the file."""
        waiting = memoryview(b"".join(self._chunks))
        self._chunks.clear()
        try:
            if self._file is None:
                self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - __exit__ or LargeBody.close closes it
            while waiting:
                waiting = waiting[self._file.write(waiting) :]
        except OSError:
            self._stores = False
            if self._file is not None:
                self._chunks.append(LargeBody(self._file, self._size).read())
                self._file.close()
                self._file = None
            self._chunks.append(bytes(waiting))
