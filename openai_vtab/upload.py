"""A file on its way to the API: a multipart form that is read while it is sent.

It must not know tables, or the API's names of the fields.

>>> form({"purpose": "assistants", "file": File("a.md", b"some text")})

https://www.rfc-editor.org/rfc/rfc7578
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

CHUNK = 1 << 20  # bytes


@dataclass(frozen=True)
class File:
    """What is uploaded: its name for the API, and its bytes or where they are."""

    filename: str
    content: bytes | Path

    def __len__(self) -> int:
        return len(self.content) if isinstance(self.content, bytes) else self.content.stat().st_size


class Upload:
    """The body of a request: its length is known, and it can be read again when the request is repeated."""

    def __init__(self, parts: list[tuple[bytes | Path, int]], content_type: str) -> None:
        self._parts = parts
        self._length = sum(size for _, size in parts)
        self.content_type = content_type

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[bytes]:
        for part, size in self._parts:
            if isinstance(part, bytes):
                view = memoryview(part)
                for begin in range(0, len(view), CHUNK):
                    yield bytes(view[begin : begin + CHUNK])
            else:
                left = size
                with part.open("rb") as file:
                    while left >= 0 and (chunk := file.read(min(CHUNK, left + 1))):
                        left -= len(chunk)
                        if left >= 0:
                            yield chunk
                if left:  # what has been sent of it is not whole, and is not ended: nobody can take it for the file
                    raise OSError(f"{part.name} has changed since it was to be uploaded")


def form(fields: Mapping[str, str | File | Mapping[str, str | int]]) -> Upload:
    """A form of text, of files, and of objects, whose members are fields of their own: expires_after[anchor]."""
    import secrets  # here: most programs upload nothing

    boundary = secrets.token_hex(16)
    parts: list[tuple[bytes | Path, int]] = []

    def add(part: bytes | Path, size: int) -> None:
        parts.append((part, size))

    def text(name: str, value: object) -> None:
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        add(head, len(head))

    for name, value in fields.items():
        if isinstance(value, File):
            filename = value.filename.translate(_ESCAPED)
            head = (
                f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"; filename="{filename}"\r\n'
                "Content-Type: application/octet-stream\r\n\r\n"
            ).encode()
            add(head, len(head))
            add(value.content, len(value))
            add(b"\r\n", 2)
        elif isinstance(value, Mapping):
            for member, item in value.items():
                text(f"{name}[{member}]", item)
        else:
            text(name, value)
    end = f"--{boundary}--\r\n".encode()
    add(end, len(end))
    return Upload(parts, f"multipart/form-data; boundary={boundary}")


# as the HTML standard has it: a name cannot end its own quotes
_ESCAPED = str.maketrans({"\r": "%0D", "\n": "%0A", '"': "%22"})
