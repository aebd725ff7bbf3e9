"""Contents that wait to be uploaded or read again: in memory up to a bound, and above it in one temporary file.

>>> spool = Spool(memory=10)
>>> spool.keep(b"short"), spool.keep(b"longer than that")
(b'short', <16 bytes in a temporary file>)
"""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Iterator
from typing import BinaryIO

from ..errors import OperationalError

MEMORY = 64 * 1024 * 1024  # bytes


class Spool:
    """The contents of one transaction or statement. `memory` is the number of bytes that it keeps in memory in all.

    Several threads may read at once. The file has no name that another process could open, and is gone with `close`.
    """

    def __init__(self, memory: int = MEMORY) -> None:
        self._memory = memory  # what is left of it
        self._file: BinaryIO | None = None
        self._size = 0  # of the file: bytes
        self._lock = threading.Lock()

    def keep(self, content: bytes) -> bytes | Spooled:
        """Return the content itself, or its place in the file. Raises OperationalError for a full disk, for example."""
        if len(content) <= self._memory:
            self._memory -= len(content)
            return content
        try:
            with self._lock:
                if self._file is None:
                    self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - close() closes it
                self._file.seek(self._size)
                left = memoryview(content)
                while left:
                    left = left[self._file.write(left) :]
        except OSError as error:
            where = f" in {tempfile.tempdir}" if tempfile.tempdir else ""
            raise OperationalError(
                f"{len(content)} bytes of content cannot be written to a temporary file{where}: "
                f"{error.strerror or error}; set TMPDIR to a folder with more space, or commit more often"
            ) from None
        kept = Spooled(self, self._size, len(content))
        self._size += len(content)
        return kept

    def read(self, offset: int, size: int) -> bytes:
        """Read from the file. Raises OSError."""
        file = self._file
        if file is None:
            raise OSError("the spool is closed")
        if hasattr(os, "pread"):
            return os.pread(file.fileno(), size, offset)
        with self._lock:  # Windows has no reads that leave the file's position alone
            file.seek(offset)
            return file.read(size)

    def close(self) -> None:
        """Forget the contents in the file, and remove it."""
        file, self._file = self._file, None
        if file is not None:
            file.close()


class Spooled:
    """A content in the file of a Spool."""

    __slots__ = ("_offset", "_size", "_spool")

    def __init__(self, spool: Spool, offset: int, size: int) -> None:
        self._spool = spool
        self._offset = offset
        self._size = size

    def __len__(self) -> int:
        return self._size

    def chunks(self, size: int) -> Iterator[bytes]:
        """The content in pieces of up to `size` bytes. Raises OSError."""
        at, end = self._offset, self._offset + self._size
        while at < end:
            chunk = self._spool.read(at, min(size, end - at))
            if not chunk:
                raise OSError("the temporary file is shorter than what was written to it")
            at += len(chunk)
            yield chunk

    def read(self) -> bytes:
        """The content. Raises OSError."""
        return b"".join(self.chunks(self._size))

    def close(self) -> None:
        """Do nothing: the file is gone with its Spool."""

    def __repr__(self) -> str:
        return f"<{self._size} bytes in a temporary file>"
