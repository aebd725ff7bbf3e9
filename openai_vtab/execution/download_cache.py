"""The latest contents that a statement has downloaded, for the rows of a join that read the same one.

>>> cache = DownloadCache(); cache.add("/files/file-1/content", b"text"); cache
{'/files/file-1/content': b'text'}
"""

from __future__ import annotations

DOWNLOAD_CACHE_BYTES = 16 * 1024 * 1024

Downloaded = bytes | str | None


class DownloadCache(dict[str, Downloaded]):
    """The contents by the identities of their requests: the latest one, and others as long as there is room."""

    _size = 0  # bytes, or characters

    def add(self, identity: str, content: Downloaded) -> None:
        """Keep a content."""
        self[identity] = content
        self._size += len(content or b"")
        while self._size > DOWNLOAD_CACHE_BYTES and len(self) > 1:
            self.forget(next(iter(self)))

    def forget(self, identity: str) -> None:
        """Forget a content."""
        self._size -= len(self.pop(identity, None) or b"")
