"""The bytes of a request's body: as many as Content-Length says, or in chunks.

>>> read_body(BytesIO(b"5\\r\\nhello\\r\\n0\\r\\n\\r\\n"), {"transfer-encoding": "chunked"})
b'hello'
"""

from __future__ import annotations

from collections.abc import Mapping
from io import BufferedIOBase

MAX_LINE = 4096  # bytes of the line before a chunk, and of a trailer


def read_body(stream: BufferedIOBase, headers: Mapping[str, str]) -> bytes | None:
    """Read the body that the headers, with names in lower case, announce.

    Returns None if the client has closed the connection. Raises ValueError for a length that is no number.
    """
    if headers.get("transfer-encoding", "").lower() == "chunked":
        return _read_chunks(stream)
    text = headers.get("content-length") or "0"
    if not (text.isascii() and text.isdecimal()):
        raise ValueError(f"Invalid Content-Length: {text!r}.")
    return _read_exactly(stream, int(text))


def _read_chunks(stream: BufferedIOBase) -> bytes | None:
    parts: list[bytes] = []
    while True:
        line = stream.readline(MAX_LINE)
        if not line:
            return None
        length = int(line.partition(b";")[0], 16)
        if length < 0:
            raise ValueError(f"Invalid length of a chunk: {length}.")
        if length == 0:
            while stream.readline(MAX_LINE).strip():  # the trailers
                pass
            return b"".join(parts)
        data = _read_exactly(stream, length + len(b"\r\n"))
        if data is None:
            return None
        parts.append(data[:-2])


def _read_exactly(stream: BufferedIOBase, length: int) -> bytes | None:
    data = stream.read(length)
    return data if len(data) == length else None
