"""A multipart form, which is read from disk while it is sent.

>>> form({"purpose": "assistants", "file": FileToUpload("a.md", b"some text")})

https://www.rfc-editor.org/rfc/rfc7578
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from itertools import chain
from typing import BinaryIO

from ..schema.file_to_upload import FileToUpload
from ..schema.spool import Spooled
from ..schema.upload_root import Place

CHUNK = 1 << 16  # bytes: every connection that uploads has as many in memory


class Upload:
    """The body of a request: its length is known, and it can be read again for a retry.

    sha256: the SHA-256 of the file's bytes as the latest attempt has read them for sending, in hexadecimal digits; None
        before it has read the whole file. A file may change between two attempts.
    """

    def __init__(self, parts: list[tuple[bytes | FileToUpload, int]], content_type: str) -> None:
        self._parts = parts
        self._length = sum(size for _, size in parts)
        self.content_type = content_type
        self.sha256: str | None = None
        self._begun: Iterator[bytes] | None = None

    def __len__(self) -> int:
        return self._length

    def begin(self) -> None:
        """Read the beginning of the body for the next attempt. Raises OSError when a file has changed.

        The file is opened, and read whole if it is small. So a change is found before anything is sent, and the file is
        opened only once.
        """
        self.sha256 = self._begun = None
        pieces = self._pieces()
        self._begun = chain((next(pieces),), pieces)

    def __iter__(self) -> Iterator[bytes]:
        """The body, once for each attempt."""
        begun, self._begun = self._begun, None
        if begun is None:
            self.sha256 = None
            return self._pieces()
        return begun

    def _pieces(self) -> Iterator[bytes]:
        """Yield the body in pieces of up to CHUNK bytes. Each takes a system call, so that short parts go together."""
        waiting, digest = b"", hashlib.sha256()
        for part, size in self._parts:
            for piece in (part,) if isinstance(part, bytes) else _chunks(part, size):
                if not isinstance(part, bytes):
                    digest.update(piece)
                if len(waiting) + len(piece) > CHUNK:
                    yield waiting
                    waiting = b""
                waiting += piece
        self.sha256 = digest.hexdigest()
        yield waiting


def _chunks(file: FileToUpload, size: int) -> Iterator[bytes]:
    """The file's bytes in pieces of up to CHUNK bytes. Raises OSError when it has changed.

    A file that has changed is cut short before its end, so that no server can take the body for complete.
    """
    if isinstance(file.content, Place):
        left = size
        with _reopened(file) as opened:
            if os.fstat(opened.fileno()).st_size != size:
                raise OSError(_changed(file))
            while left >= 0 and (chunk := opened.read(min(CHUNK, left + 1))):
                left -= len(chunk)
                if left >= 0:
                    yield chunk
                if not left and len(chunk) < CHUNK:  # one byte more was asked for: the file ends here
                    break
        if left:
            raise OSError(_changed(file))
    elif isinstance(file.content, Spooled):
        yield from file.content.chunks(CHUNK)
    else:
        view = memoryview(file.content)
        for begin in range(0, len(view), CHUNK):
            yield bytes(view[begin : begin + CHUNK])


def _changed(file: FileToUpload) -> str:
    return f"{file.filename} has changed since its row was inserted"


def _reopened(file: FileToUpload) -> BinaryIO:
    try:
        return file.open()
    except OSError as error:
        why = error.strerror or str(error)
    raise OSError(
        f"{_changed(file)}: {why}"
    )  # outside of the handler: the transport reports the first cause of an exception


def form(fields: Mapping[str, str | FileToUpload | Mapping[str, str | int]]) -> Upload:
    """The form of these fields. Each member of an object is a field of its own: expires_after[anchor]."""
    boundary = os.urandom(16).hex()
    parts: list[tuple[bytes | FileToUpload, int]] = []
    waiting = ""

    def text(name: str, value: object) -> str:
        return f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'

    for name, value in fields.items():
        if isinstance(value, FileToUpload):
            filename = value.filename.translate(_ESCAPED)
            head = (
                f'{waiting}--{boundary}\r\nContent-Disposition: form-data; name="{name}"; filename="{filename}"\r\n'
                "Content-Type: application/octet-stream\r\n\r\n"
            ).encode()
            parts += ((head, len(head)), (value, len(value)))
            waiting = "\r\n"
        elif isinstance(value, Mapping):
            waiting += "".join(text(f"{name}[{member}]", item) for member, item in value.items())
        else:
            waiting += text(name, value)
    end = f"{waiting}--{boundary}--\r\n".encode()
    parts.append((end, len(end)))
    return Upload(parts, f"multipart/form-data; boundary={boundary}")


# A quoted string of RFC 9110: werkzeug, python-multipart, busboy and Go read the name as it was. They read %22, which
# browsers write for a quotation mark, as %22, except werkzeug. A line break would end the header.
_ESCAPED = str.maketrans({"\\": "\\\\", '"': '\\"', "\r": "%0D", "\n": "%0A"})
