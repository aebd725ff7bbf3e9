"""A file to upload: its name for the API, and its content or its path.

>>> len(FileToUpload("a.md", b"some text"))
9
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import BinaryIO

from .spool import Spooled
from .upload_root import Place


@dataclass(frozen=True)
class FileToUpload:
    """A file to upload.

    filename: its name for the API.
    content: its bytes, its content in a temporary file, or its place on the disk.
    size: the number of bytes that it must have, if known.
    """

    filename: str
    content: bytes | Spooled | Place
    size: int | None = None

    def __len__(self) -> int:
        if self.size is not None:
            return self.size
        if isinstance(self.content, Place):
            with self.open() as file:
                return os.fstat(file.fileno()).st_size
        return len(self.content)

    def open(self) -> BinaryIO:
        """Open the file on disk. Raises OSError when it is not a file, or not below its root any more."""
        assert isinstance(self.content, Place)  # noqa: S101 - other content is not opened
        return self.content.open()
