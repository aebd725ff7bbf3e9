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
from dataclasses import dataclass, replace
from unicodedata import category

from ..schema import validators
from ..schema.file_to_upload import FileToUpload
from ..schema.spool import Spool
from ..schema.upload_root import reason, relative
from ..schema.values import InvalidValue, Limits, SQLiteValue, sql_literal
from .rows import Document, StoredFile

CHUNK = 1 << 16  # bytes
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
    """The contents that the open transaction must still upload.

    A file's row is no key: after ROLLBACK TO, its id may be that of another document's file. Much text and many BLOBs
    are kept in a temporary file.
    """

    def __init__(self) -> None:
        self._uploads: dict[tuple[str | None, str | None], FileToUpload] = {}
        self._spool = Spool()

    def keep(self, content: Content) -> None:
        """Keep a content until the transaction ends. Raises OperationalError if it cannot be kept."""
        upload, key = content.upload, (content.sha256, content.filename)
        if isinstance(upload.content, bytes):
            if key in self._uploads:
                return
            upload = replace(upload, content=self._spool.keep(upload.content))
        self._uploads[key] = upload

    def of(self, file: StoredFile) -> FileToUpload | None:
        """Return the content of a file; None when this transaction has not given it."""
        return self._uploads.get((file.sha256, file.filename))

    def clear(self) -> None:
        """Forget everything: the transaction is over."""
        if self._uploads:
            self._uploads.clear()
            self._spool.close()
            self._spool = Spool()


def of_value(value: SQLiteValue, key: str, limits: Limits) -> Content:
    """Return the content that a statement gives as text or BLOB. Raises InvalidValue."""
    data = validators.content(value, limits)
    filename = filename_of(key)
    if isinstance(value, str) and "." not in filename:
        filename += ".txt"  # the API reads the type of a file in its name, and refuses one that has none
    return Content(hashlib.sha256(data).hexdigest(), len(data), filename, None, FileToUpload(filename, data))


def of_path(path: SQLiteValue, limits: Limits) -> Content:
    """Return the content of a file below upload_root. Raises InvalidValue."""
    upload, opened = validators.open_path(path, limits)
    try:
        with opened as file:
            stamp = json.dumps([*_identity(os.fstat(file.fileno())), time.time_ns()])
            digest, size = hashlib.sha256(), 0
            while chunk := file.read(CHUNK):
                digest.update(chunk)
                size += len(chunk)
    except OSError as error:
        raise InvalidValue(
            f"{sql_literal(path)} cannot be read ({reason(error)})",
            f"the path of another file {relative(limits.upload_root)}",
        ) from None
    if size != len(upload):
        raise InvalidValue(f"{sql_literal(path)} changes while it is read", "the same again when it is complete")
    return Content(digest.hexdigest(), size, upload.filename, stamp, upload)


def is_unchanged(path: SQLiteValue, limits: Limits, known: Document) -> bool:
    """Return whether a file still has the size, the mtime and the inode that it had when a document was read from it.

    Whether the path leads out of upload_root need not be checked again: a file with this inode was checked then.
    """
    if known.stamp is None or limits.upload_root is None or not isinstance(path, str):
        return False
    # os.path: every document of a folder comes here each time that it is synchronized, and a Path costs as much as all
    # the rest
    if os.path.basename(path) != known.filename:  # noqa: PTH119 - perhaps a symbolic link, whose file has the name
        return False
    *identity, looked_at = json.loads(known.stamp)
    try:
        found = _identity(os.stat(os.path.join(limits.upload_root, path)))  # noqa: PTH116, PTH118
    except (OSError, ValueError):
        return False
    return found == identity and bool(found[1] < looked_at - RACY)


def _identity(status: os.stat_result) -> list[int]:
    return [status.st_size, status.st_mtime_ns, status.st_ino]


def filename_of(key: str) -> str:
    """Return a name for the API that is made of the last part of a key.

    >>> filename_of("https://example.com/terms/refunds.html")
    'refunds.html'
    """
    # validators.filename refuses %22, because some servers read it as a quotation mark
    last = re.split(r"[/\\]", key.rstrip("/\\"))[-1].replace("%22", "_")
    if not last.isprintable():
        last = "".join("_" if category(character) in ("Cc", "Cs") else character for character in last)
    return last if last.strip() else "document"
