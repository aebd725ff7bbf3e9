"""The latest contents that a statement has downloaded, for the rows of a join that read the same one.

>>> cache = DownloadCache(); cache.add("/files/file-1/content", 4, lambda: b"text"); cache
{'/files/file-1/content': b'text'}
"""

from __future__ import annotations

from collections.abc import Callable

DOWNLOAD_CACHE_BYTES = 16 * 1024 * 1024

Downloaded = bytes | str | None


class DownloadCache(dict[str, Downloaded]):
    """The contents by the identities of their requests: the latest one, and others as long as there is room."""

    _size = 0  # bytes, or characters

    def add(self, identity: str, size: int, read: Callable[[], Downloaded]) -> None:
        """Read a content of up to `size` bytes, and keep it. Raises what `read` raises.

        The oldest contents are forgotten before that, because they may be as large.
        """
        while self and self._size + size > DOWNLOAD_CACHE_BYTES:
            self.forget(next(iter(self)))
        content = read()
        self._size += len(content or b"")  # first, so that an interrupt in between makes it too large only
        self[identity] = content

    def forget(self, identity: str) -> None:
        """Forget a content."""
        self._size -= len(self.pop(identity, None) or b"")
