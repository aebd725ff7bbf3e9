"""The content of a document: where it comes from, its SHA-256, and its bytes until they are sent.

>>> content = of_path("docs/a.md", Limits(upload_root=Path("/home/me")))
>>> content.sha256, content.filename
('9f86d0…', 'a.md')
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
from dataclasses import dataclass
from unicodedata import category

from ..schema import validators
from ..schema.file_to_upload import FileToUpload
from ..schema.values import InvalidValue, Limits, SQLiteValue, sql_literal
from .rows import Document, StoredFile

CHUNK = 1 << 20  # bytes
# a file system may give two changes within this many nanoseconds the same time
RACY = 2 * 10**9


@dataclass(frozen=True, slots=True)
class Content:
    """A document's content. `stamp` is JSON [size, mtime_ns, inode, looked_at] of a local file, else None.

    looked_at is the time at which the file began to be read: nanoseconds since 1970, UTC.
    """

    sha256: str
    bytes: int
    filename: str
    stamp: str | None
    upload: FileToUpload


class Contents:
    """What the open transaction has still to upload, by content.

    A file's row is no key: after ROLLBACK TO, its id may be that of another document's file.
    """

    def __init__(self) -> None:
        self._uploads: dict[tuple[str | None, str | None], FileToUpload] = {}

    def keep(self, content: Content) -> None:
        """Keep a content until the transaction ends."""
        self._uploads[content.sha256, content.filename] = content.upload

    def of(self, file: StoredFile) -> FileToUpload | None:
        """Return the content of a file; None when this transaction has not given it."""
        return self._uploads.get((file.sha256, file.filename))

    def clear(self) -> None:
        """Forget everything: the transaction is over."""
        self._uploads.clear()


def of_value(value: SQLiteValue, key: str, limits: Limits) -> Content:
    """Return the content that a statement gives as text or BLOB. Raises InvalidValue."""
    data = validators.content(value, limits)
    filename = filename_of(key)
    if isinstance(value, str) and "." not in filename:
        filename += ".txt"  # the API reads the type of a file in its name, and refuses one that has none
    return Content(hashlib.sha256(data).hexdigest(), len(data), filename, None, FileToUpload(filename, data))


def of_path(path: SQLiteValue, limits: Limits, known: Document | None = None) -> Content:
    """Return the content of a file below upload_root. Raises InvalidValue.

    A file that has not changed since the content of `known` was read is not read again.
    """
    upload = validators.path(path, limits)
    try:
        with upload.open() as file:
            status = os.fstat(file.fileno())
            found = [status.st_size, status.st_mtime_ns, status.st_ino]
            if known is not None and known.sha256 is not None and _is_unchanged(found, known.stamp):
                return Content(known.sha256, status.st_size, upload.filename, known.stamp, upload)
            stamp = json.dumps([*found, time.time_ns()])
            digest, size = hashlib.sha256(), 0
            while chunk := file.read(CHUNK):
                digest.update(chunk)
                size += len(chunk)
    except OSError as error:
        raise InvalidValue(
            f"{sql_literal(path)} cannot be read ({error.strerror or error})", "the path of another file"
        ) from None
    if size != len(upload):
        raise InvalidValue(f"{sql_literal(path)} changes while it is read", "the same again when it is complete")
    return Content(digest.hexdigest(), size, upload.filename, stamp, upload)


def _is_unchanged(found: list[int], stamp: str | None) -> bool:
    """Whether a file has the size, mtime and inode of a stamp, and its mtime was old enough then to tell a change."""
    if stamp is None:
        return False
    *known, looked_at = json.loads(stamp)
    return bool(found == known and found[1] < looked_at - RACY)


def filename_of(key: str) -> str:
    """Return a name for the API that is made of the last part of a key.

    >>> filename_of("https://example.com/terms/refunds.html")
    'refunds.html'
    """
    last = re.split(r"[/\\]", key.rstrip("/\\"))[-1].replace("%22", "_")
    name = "".join("_" if category(character) in ("Cc", "Cs") else character for character in last)
    return name if name.strip() else "document"
